"""`format=flowed` (RFC 3676): lines that were wrapped on the way become paragraphs again."""

from __future__ import annotations


def unflow(text: str, delete_space: bool = False) -> str:
    """Join the lines of `format=flowed` text into paragraphs, by quote depth (RFC 3676 4)."""
    out: list[str] = []
    open_depth = -1  # depth of a paragraph that goes on
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if content == "-- ":
            open_depth = -1
        shown = content[:-1] if flows and delete_space else content
        if open_depth == depth and out:
            out.append(shown)
        else:
            start = "\n" if out else ""
            out.append(start + ">" * depth + (" " if depth else "") + shown)
        open_depth = depth if flows else -1
    return "".join(out)
