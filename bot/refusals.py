"""Which of Slack's errors a failure was, for the few places that go on after one. Pure."""

from __future__ import annotations

import re
from typing import Final

from bot.failures import NEVER
from core.failures import Failure, PermanentFailure

# The layout or its length is not taken: the words alone may be.
LAYOUT: Final = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long")
GONE: Final = ("message_not_found",)
NOT_OURS: Final = ("message_not_found", "cant_update_message")
_LACKS: Final = "the app lacks a permission"


def refused(failure: Failure, *errors: str) -> bool:
    """Whether Slack's answer was one of these errors."""
    if not isinstance(failure, PermanentFailure):
        return False
    return any(_is(failure.reason, error) for error in errors)


def lacks_scope(failure: Failure) -> bool:
    """Whether the app was not granted what the call needs."""
    return isinstance(failure, PermanentFailure) and failure.reason.startswith(_LACKS)


def _is(reason: str, error: str) -> bool:
    words = NEVER.get(error)
    if words is not None:
        return reason.startswith(words)
    return re.search(rf": {re.escape(error)}( \(|$)", reason) is not None
