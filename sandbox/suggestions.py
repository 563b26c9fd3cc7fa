"""The options that an app offers to who types into an external_select."""

from __future__ import annotations

from sandbox.blocks import check_object
from sandbox.shapes import Answer, Json

MOST_OPTIONS = 100


def offered(answer: Answer) -> list[Json]:
    """The options; ValueError for what the client would show as an error."""
    if not answer.acked:
        raise ValueError("the app offered nothing within three seconds")
    groups = answer.payload.get("option_groups")
    options = list(answer.payload.get("options") or [])
    if groups:
        options = [option for group in groups for option in group["options"]]
    if len(options) > MOST_OPTIONS:
        raise ValueError(f"{len(options)} options, {MOST_OPTIONS} is the most")
    problems = [p for option in options for p in check_object("option", option)]
    if problems:
        raise ValueError(f"not an option: {problems[0].message} at {problems[0].pointer}")
    return options
