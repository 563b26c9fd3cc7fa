"""Which ticket a mail answers, from its head alone; what that ticket said is proof for the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from core.blobs import Blobs
from core.children import Children
from core.shapes import Inbound, InboxItem, NewMessage, Ref
from intake.email.addresses import Signer
from intake.email.channel import EmailChannel
from intake.email.parents import answered, head_of
from intake.email.read import read_mail
from tests.mail.test_channel import config
from tests.mail.written import mail

SIGNER = Signer(["a key"])


def test_references_nearest_first() -> None:
    raw = mail(in_reply_to="<c@x>", references="<a@x> <b@x>\n <c@x>")
    found = answered(raw, {"queue": "support", "recipients": ["support@example.com"]}, SIGNER)
    assert [ref.ours for ref in found.references] == ["mail:c@x", "mail:b@x", "mail:a@x"]
    assert found.references[0].name == "mail:support:c@x"
    assert found.signed == ()


def test_a_signed_address() -> None:
    to = SIGNER.reply_address("support@example.com", 12)
    assert answered(mail(), {"recipients": [to]}, SIGNER).signed == (12,)
    forged = Signer(["another key"]).reply_address("support@example.com", 12)
    assert not answered(mail(), {"recipients": [forged]}, SIGNER)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\xff\x00:" * 1_000, b"References: <" + b"a" * 300_000, b"References"]
)
def test_any_bytes(raw: bytes) -> None:
    assert not answered(raw, {}, SIGNER)


def test_far_references_are_left_out() -> None:
    raw = mail(references=" ".join(f"<{number}@x>" for number in range(5_000)))
    assert len(answered(raw, {}, SIGNER).references) == 10


def test_a_mail_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(mail("x" * 1_000_000))
    assert len(head_of(str(tmp_path / "mail"))) == 262_144


class InThisProcess:
    """Stands for the reading children."""

    async def call(self, function: str, *args: Any) -> Inbound:
        assert function == "intake.email.read:read_mail"
        return read_mail(*args)


async def test_reading_knows_what_the_ticket_said(tmp_path: Path) -> None:
    said = (
        "Please restart the printer and wait for half a minute.\nThen tell us which number the display shows."
    )
    asked: list[tuple[Sequence[int], Sequence[Ref]]] = []

    async def quotable(signed: Sequence[int], references: Sequence[Ref]) -> Sequence[str]:
        asked.append((signed, references))
        return [said]

    children = cast(Children, InThisProcess())
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), children, quotable=quotable)
    raw = mail(f"It says 17.\n\n{said}\n", in_reply_to="<ticket.1.2.x@example.com>", subject="Re: Printer")
    now = datetime(2026, 5, 4, tzinfo=UTC)
    item = InboxItem(id=1, key=b"k", channel="email", envelope={"queue": "support"}, raw=raw, received_at=now)
    inbound = await channel.read(item)
    assert isinstance(inbound, NewMessage)
    assert inbound.visible == "It says 17."
    assert [ref.ours for ref in asked[0][1]] == ["mail:ticket.1.2.x@example.com"]
    await channel.read(replace(item, raw=mail()))
    assert len(asked) == 1  # a first mail asks nothing
