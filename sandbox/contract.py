"""What Slack refuses of a message's content. Limits: the page of chat.postMessage, and the Block Kit reference.

Not documented, but seen: all blocks together may hold about 13,200 characters (bolt-js issue 2509).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.block_ids import with_id
from sandbox.blocks import Problem, check_blocks
from sandbox.markup import escape
from sandbox.methods import Asked
from sandbox.shapes import Json, SlackError

MOST_TEXT = 40_000
MOST_UPDATE_TEXT = 4_000
MOST_MARKDOWN = 12_000
MOST_BLOCK_CHARACTERS = 13_200
MOST_ATTACHMENTS = 100
MOST_METADATA = 8_192
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_LOOSE_AMP = re.compile(r"&(?!(?:amp|lt|gt);)")


@dataclass
class Content:
    """What a message says, checked."""

    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    warnings: list[str] = field(default_factory=list)


def read_content(asked: Asked, *, update: bool = False, too_long: str = "msg_blocks_too_long") -> Content:
    """The content of a call, or the refusal that Slack would give."""
    content = Content(text=_stored_text(asked.text("text")))
    content.blocks = read_blocks(asked)
    content.attachments = _attachments(asked)
    content.metadata = _metadata(asked)
    if markdown := asked.text("markdown_text"):
        _read_markdown(content, markdown)
    if not (content.text.strip() or content.blocks or content.attachments):
        raise SlackError("no_text")
    if update and len(content.text) > MOST_UPDATE_TEXT:
        raise SlackError("msg_too_long")
    if len(content.text) > MOST_TEXT:
        content.text = content.text[:MOST_TEXT]
        content.warnings.append("message_truncated")
    if characters(content.blocks) > MOST_BLOCK_CHARACTERS:
        raise SlackError(too_long)
    return content


def _stored_text(text: str) -> str:
    """Slack stores a loose `&` escaped; angle brackets are tokens or stay."""
    return _LOOSE_AMP.sub("&amp;", text)


def _read_markdown(content: Content, markdown: str) -> None:
    if content.text or content.blocks:
        raise SlackError("markdown_text_conflict")
    if len(markdown) > MOST_MARKDOWN:
        message = "[ERROR] must be less than 12001 characters [json-pointer:/markdown_text]"
        raise SlackError("invalid_arguments", response_metadata={"messages": [message]})
    content.text = escape(markdown)
    content.blocks = [{"type": "markdown", "text": markdown}]


def read_blocks(asked: Asked, surface: str = "message") -> list[Json]:
    """The `blocks` argument, checked, each with a block_id."""
    blocks = asked.json("blocks", "invalid_blocks_format")
    if blocks is None:
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    refuse(check_blocks(blocks, surface))
    return [with_id(asked.space.ids, block) for block in blocks]


def refuse(problems: list[Problem]) -> None:
    """Raise `invalid_blocks` with a JSON pointer for each problem."""
    if problems:
        said = [f"{problem.message} [json-pointer:{problem.pointer}]" for problem in problems]
        messages = [f"[ERROR] {text}" for text in said]
        raise SlackError("invalid_blocks", errors=said, response_metadata={"messages": messages})


def characters(value: Any) -> int:
    """How much text a structure holds."""
    if isinstance(value, dict):
        own = value.get("text")
        inner = sum(characters(v) for k, v in value.items() if not (k == "text" and isinstance(v, str)))
        return inner + (len(own) if isinstance(own, str) else 0)
    return sum(characters(item) for item in value) if isinstance(value, list) else 0


def _attachments(asked: Asked) -> list[Json]:
    attachments = asked.json("attachments", "invalid_arguments")
    if not attachments:
        return []
    if not isinstance(attachments, list) or not all(isinstance(a, dict) for a in attachments):
        raise SlackError("invalid_arguments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    for index, attachment in enumerate(attachments):
        refuse(check_blocks(attachment.get("blocks") or [], "message", f"/attachments/{index}/blocks"))
    return [{"id": index + 1, **attachment} for index, attachment in enumerate(attachments)]


def _metadata(asked: Asked) -> Json | None:
    metadata = asked.json("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if not metadata:
        return {}
    kind, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(kind, str) or not _EVENT_TYPE.fullmatch(kind) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > MOST_METADATA:
        raise SlackError("metadata_too_large")
    return {"event_type": kind, "event_payload": payload}
