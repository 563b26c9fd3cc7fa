"""Looking at posts in tests: within Slack's limits, what is shown, and whether anything of people's is live."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bot.blocks import Post
from sandbox.blocks import check_blocks

TOKEN = re.compile(r"<([^<>]*)>")
OURS = re.compile(r"!date\^\d+\^[^|]*\|[^|<>]+|#C[A-Z0-9]+")
BUDGET = 12_000


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a structure."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from walk(inner)


def words(post: Post) -> list[str]:
    return [str(x["text"]) for x in walk(post.blocks) if isinstance(x.get("text"), str)]


def shown(post: Post) -> str:
    """All that the blocks say."""
    return "\n".join(words(post))


def check(post: Post) -> None:
    """Assert what Slack asks of a post (PLATFORM 2.6 and 2.8)."""
    assert 1 <= len(post.text.encode()) <= 4_000
    assert sum(map(len, words(post))) < BUDGET
    assert check_blocks(list(post.blocks)) == []


def live(posts: Sequence[Post]) -> list[str]:
    """The tokens in angle brackets that Slack would act on, but for those that we make ourselves."""
    texts = [p.text for p in posts] + [p.whole for p in posts]
    texts += [str(x["text"]) for p in posts for x in walk(p.blocks) if x.get("type") == "mrkdwn"]
    letters = [str(x["text"]) for p in posts for x in walk(p.blocks) if x.get("type") == "plain_text"]
    found = [t for text in texts for t in TOKEN.findall(text) if not OURS.fullmatch(t)]
    return found + [t for text in letters for t in TOKEN.findall(text) if t[:1] in "!@#"]


def transcript(post: Post) -> str:
    """A post as lines, for golden files."""
    return "\n".join(line for block in post.blocks for line in _block(block)) or post.text


def _block(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"# {block['text']['text']}"
        case "section":
            if "text" in block:
                yield from _clean(block["text"]["text"]).split("\n")
            for field in block.get("fields", ()):
                yield "| " + _clean(field["text"]).replace("\n", ": ")
        case "context":
            yield "~ " + " ".join(_clean(e["text"]) for e in block["elements"])
        case "actions":
            yield f"{block['block_id']}: " + " ".join(_control(e) for e in block["elements"])
        case other:
            raise AssertionError(f"a block of the type {other}")


def _clean(text: str) -> str:
    return re.sub(r"<!date\^(\d+)\^([^|]*)\|([^>]*)>", r"<\2 \3>", text)


def _control(item: dict[str, Any]) -> str:
    match item["type"]:
        case "button":
            to = f" -> {item['url']}" if "url" in item else f"={item['value']}"
            return f"[{item['text']['text']} {item['action_id']}{to}{' !' if item.get('style') else ''}]"
        case "static_select":
            chosen = item.get("initial_option", {}).get("value", "")
            return (
                f"[{item['action_id']} ({'|'.join(o['value'] for o in item['options'])}) {chosen}]".replace(
                    " ]", "]"
                )
            )
        case "users_select":
            return f"[{item['action_id']} @{item.get('initial_user', '')}]"
        case other:
            raise AssertionError(f"a control of the type {other}")
