"""What the desk must know of the mail channel before it is loaded."""

from __future__ import annotations

from typing import Final

from core.channel import ChannelSpec

SPEC: Final = ChannelSpec("email", lane_per_ticket=True, carries_files=True, edits=False)
