"""What tests write: mails as people's clients do, and configuration files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any


def mail(
    sender: str,
    to: Sequence[str],
    subject: str,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    files: Sequence[tuple[str, bytes]] = (),
) -> EmailMessage:
    """Compose a mail as a person's client does, with a Message-ID of its own."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    for name, value in (headers or {}).items():
        del message[name]
        message[name] = value
    message.set_content(text)
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message


def toml(data: Mapping[str, Any]) -> str:
    """Write configuration data as TOML: sections, arrays of tables, plain values."""
    return "\n".join(_section(data, ())) + "\n"


def _section(data: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in data.items() if not _is_table(value)]
    for key, value in data.items():
        here = ".".join((*path, key))
        if isinstance(value, Mapping):
            lines += [f"[{here}]", *_section(value, (*path, key))]
        elif _is_table(value):
            for each in value:
                lines += [f"[[{here}]]", *_section(each, (*path, key))]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)
