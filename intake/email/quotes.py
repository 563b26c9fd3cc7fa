"""Which HTML nodes mail programs put around the history of an answer, by program. Pure tables and two questions.

Quotes that are a `blockquote` need nothing here: as text they are lines with `>` (Gmail, Apple Mail, Thunderbird,
Yandex, mail.ru), and so answers between them stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from intake.email.heads import field, kinds_within


class Mark(StrEnum):
    """What a node says of what it holds."""

    NONE = "none"
    CONTAINER = "container"  # all in it is history
    FROM_HERE = "from here"  # it and all behind it is history
    HEAD = "head"  # looks like Outlook's quoted head, if it holds its fields


_CONTAINER_IDS: Final = ("yahoo_quoted_", "mail-editor-reference-message-container", "olk_src_body_section",
                         "ms-outlook-mobile-body-separator", "mailcontent_quote", "isforwardcontent")  # fmt: skip
_CONTAINER_CLASSES: Final = frozenset({
    "yahoo_quoted",  # Yahoo
    "protonmail_quote",  # Proton Mail
    "tutanota_quote",  # Tuta
    "ms-outlook-mobile-reference-message",  # Outlook for iOS, Android
    "moz-cite-prefix",  # Thunderbird's attribution
    "gmail_attr",  # Gmail's attribution
    "zmail_extra",  # Zoho
    "cm_quote",  # Newton
    "gmail_chip_quote",
    "ik_mail_quote",  # Infomaniak
    "front-quote",
    "mb_q",
})  # fmt: skip
_FROM_HERE_IDS: Final = frozenset({"appendonsend", "divrplyfwdmsg", "reply-intro", "replyforwardcontainer"})
_CONTAINER_NAMES: Final = frozenset({"quote", "messagereplysection"})  # GMX, Spark
# Outlook 2007 and later draw a line above the quoted head; some colours of it since.
_BORDER = re.compile(r"border-top:\s*solid\s+(?:#[0-9a-f]{3,6}|windowtext)\s+1(?:\.0)?pt|"
                     r"border-width:\s*1(?:\.0)?pt\s+(?:medium|none|0)", re.IGNORECASE)  # fmt: skip


# Without any of these in the HTML there's nothing to ask.
_TRACES: Final = ("yahoo_quoted", "appendonsend", "divrplyfwdmsg", "reply-intro", "replyforwardcontainer",
                  "mail-editor-ref", "olk_src_body", "ms-outlook-mobile", "mailcontent_quote", "isforwardcontent",
                  "_quote", "moz-cite", "gmail_attr", "zmail_extra", "front-quote", "mb_q", "messagereplysection",
                  "name=quote", 'name="quote', "name='quote", "includetail", "msonormal", "border-top", "border-width",
                  "stopspelling", "zwchr")  # fmt: skip


def may_mark(markup: str) -> bool:
    """Say quickly whether a program may have marked history in the HTML."""
    lowered = markup.lower()
    return any(trace in lowered for trace in _TRACES)


def mark_of(attributes: Mapping[str, str | None], tag: str) -> Mark:
    """Say what the attributes of a block element tell."""
    if not attributes or tag == "blockquote":
        return Mark.NONE
    identity = (attributes.get("id") or "").lower().removeprefix("x_")
    if identity in _FROM_HERE_IDS:
        return Mark.FROM_HERE
    if identity and identity.startswith(_CONTAINER_IDS):
        return Mark.CONTAINER
    classes = (attributes.get("class") or "").lower()
    if classes and any(
        name.removeprefix("x_") in _CONTAINER_CLASSES or name.endswith("yahoo_quoted")
        for name in classes[:500].split()
    ):
        return Mark.CONTAINER
    if classes.startswith("msonormal"):  # Outlook's own paragraph; people's text is in them too
        return Mark.HEAD
    if (attributes.get("name") or "").lower() in _CONTAINER_NAMES or tag == "includetail":
        return Mark.CONTAINER
    style = attributes.get("style") or ""
    return Mark.HEAD if "border" in style and _BORDER.search(style[:1_000]) else Mark.NONE


def is_indented(attributes: Mapping[str, str | None]) -> bool:
    """Say whether a blockquote is a paragraph that somebody moved to the right (Gmail's button), and quotes nothing."""
    style = attributes.get("style")
    if not style or "class" in attributes or "type" in attributes or "cite" in attributes:
        return False
    return bool(_NO_BORDER.search(style[:300]))


_NO_BORDER = re.compile(r"margin[^;]{0,20}40px[^;]{0,10};\s*border:\s*(?:none|0)", re.IGNORECASE)


def is_quoted_head(text: str) -> bool:
    """Say whether the text of a node begins with the head of a quoted mail: who wrote it, a date, and to whom or what
    about."""
    kinds = kinds_within(text)
    return "sender" in field(text.strip())[0] and "date" in kinds and bool(kinds & {"to", "subject"})
