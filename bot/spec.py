"""What the desk must know of Slack without loading any of its libraries."""

from core.channel import ChannelSpec

SPEC = ChannelSpec("slack", lane_per_ticket=False, carries_files=False, edits=True)
