"""A desk behind a postbox: mails go in as bytes, are read and composed as in the service; what would go out is kept.

Everything is the real thing (arrival, reading, `TicketManager`, outbox, composing, the worker's and the courier's
loops) but for two ends: reading runs in this process, and the relay is a shelf. Staff's Slack is a channel that notes.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from core.children import BytesOf
from core.courier import Courier
from core.parents import quotable_texts
from core.shapes import Actor, Kind, Message, Ref, Visibility
from core.status import Status
from core.views import TicketDetail
from core.worker import Worker
from intake.email.arrival import Envelope, arrivals
from intake.email.channel import EmailChannel
from intake.email.composed import ComposedMail
from intake.email.relay import Accepted, Relay
from intake.email.routing import Routes
from tests.cases.letters import Letter
from tests.core.desk import TRIAGE, TestDesk
from tests.stores import Rows, Store
from tests.waiting import until

QUEUES = [
    {"name": "support", "addresses": ["support@example.com", "help@example.com"], "slack_channel": TRIAGE},
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"},
]
SUPPORT = "support@example.com"
HOP = "mx.example.com"  # the authserv-id that is believed


def vouched(letter: Letter, *, by: str = HOP) -> Letter:
    """The letter as our mail server hands it on after it has checked its sender."""
    domain = letter.addresses("From")[0].rpartition("@")[2]
    return Letter(f"Authentication-Results: {by}; dmarc=pass header.from={domain}\r\n".encode() + letter.raw)


@dataclass(frozen=True, eq=False)
class Outward(Letter):
    """A mail that went to the relay. `sender` is its envelope sender, `recipients` whom it went to."""

    sender: str = ""
    recipients: tuple[str, ...] = ()

    @property
    def automatic(self) -> bool:
        return self.header("Auto-Submitted") not in ("", "no")

    @property
    def reply_to(self) -> str:
        [address] = self.addresses("Reply-To")
        return address


class Shelf:
    """A relay that keeps what it is given. `script`: exceptions to raise first; `answer`: what it says, of the mail."""

    def __init__(self) -> None:
        self.sent: list[Outward] = []
        self.script: list[Exception] = []
        self.answer: Callable[[Outward], str] = lambda mail: "2.0.0 Ok: queued as 4F1A2B"

    async def submit(self, mail: ComposedMail) -> Accepted:
        if self.script:
            raise self.script.pop(0)
        taken = Outward(mail.content, mail.mail_from, tuple(mail.rcpt_tos))
        self.sent.append(taken)
        return Accepted(self.answer(taken))

    async def close(self) -> None:
        """Nothing is open."""


class InProcess:
    """Reading without a child process: quick, and a debugger sees it."""

    async def call(self, function: str, *args: Any) -> Any:
        module, _, name = function.partition(":")
        given = [Path(arg.path).read_bytes() if isinstance(arg, BytesOf) else arg for arg in args]
        return await asyncio.to_thread(
            functools.partial(getattr(importlib.import_module(module), name), *given)
        )


@dataclass
class Taken:
    """What became of a mail: its inbox rows, one a queue."""

    rows: Rows

    @property
    def row(self) -> dict[str, Any]:
        [row] = self.rows
        return row

    @property
    def ticket(self) -> int:
        return int(self.row["ticket_id"])

    @property
    def state(self) -> str:
        return str(self.row["state"])


@dataclass
class Postbox:
    """See the module. Open it with `open_postbox` or the fixture `post`."""

    store: Store
    desk: TestDesk
    channel: EmailChannel
    shelf: Shelf
    routes: Routes
    _read: int = 0
    _keys: list[bytes] = field(default_factory=list)

    # -- life --

    async def start(self) -> None:
        """Start the worker and the courier, as the service does; also after `stop`, as another process would."""
        desk = self.desk
        channels: dict[str, Any] = {"email": self.channel, "slack": desk.slack}
        parts = (desk.config, desk.database, desk.blobs)
        desk.courier = Courier(*parts, desk.desk, channels, desk.clock)
        desk.worker = Worker(*parts, desk.intake, desk.manager, channels, desk.desk.signals)
        await desk.worker.start()
        await desk.courier.start()

    async def stop(self) -> None:
        """End both as a drain does."""
        await self.desk.worker.stop(timedelta(seconds=3))
        await self.desk.courier.stop(timedelta(seconds=3))

    def later(self, much: timedelta) -> None:
        """Let time pass, for the database too."""
        self.desk.clock.offset += much

    async def quiet(self) -> None:
        """Return when everything that came is read, and what is due has gone."""
        await self.desk.quiet(self.store, 20)

    # -- mail in --

    async def drops(
        self, letter: Letter | bytes, *, to: Sequence[str] | None = None, sender: str | None = None
    ) -> list[bytes]:
        """Put a mail into the inbox as a door does, and don't wait. Returns the keys of its rows."""
        letter = letter if isinstance(letter, Letter) else Letter(letter)
        if to is None:
            to = [a for a in letter.addresses("To", "Cc") if self.routes.queue_of(a)]
        if sender is None:
            sender = next(iter(letter.addresses("From")), "")
        queues = self.routes.sort(to)
        assert queues, f"the door would refuse all of {to}"
        envelope = Envelope(sender=sender, queues=queues, peer="192.0.2.7", source="192.0.2.7")
        made = arrivals(letter.raw, envelope, self.desk.clock.now())
        await self.desk.intake.store(made)
        return [one.key for one in made]

    async def arrives(
        self, letter: Letter | bytes, *, to: Sequence[str] | None = None, sender: str | None = None
    ) -> Taken:
        """A mail comes (`to`: by the envelope, else its To and Cc), and all that follows from it happens."""
        keys = await self.drops(letter, to=to, sender=sender)
        await self.quiet()
        return self.taken(keys)

    def taken(self, keys: Sequence[bytes]) -> Taken:
        """What became of the rows with these keys, queue by queue."""
        names = ", ".join(f"X'{key.hex()}'" for key in keys)
        fields = "id, state, reason, ticket_id, message_id"
        return Taken(self.store.rows(f"SELECT {fields} FROM inbox WHERE `key` IN ({names}) ORDER BY id"))

    # -- mail out --

    @property
    def sent(self) -> list[Outward]:
        """All that went out, in order."""
        return self.shelf.sent

    def news(self) -> list[Outward]:
        """What went out since this was asked last."""
        fresh = self.shelf.sent[self._read :]
        self._read = len(self.shelf.sent)
        return fresh

    def to(self, address: str) -> list[Outward]:
        """What went out to somebody."""
        return [mail for mail in self.sent if address in mail.recipients]

    # -- the desk --

    async def staff(self, name: str = "ada") -> Actor:
        return await self.desk.staff(name)

    async def says(self, ticket: int, text: str, *, by: str = "ada", note: bool = False) -> Message:
        """Staff answer (or note) at the desk; returns when it went out."""
        message = await self.desk.manager.exchange_messages(
            await self.staff(by), ticket, text, visibility=Visibility.NOTE if note else Visibility.PUBLIC
        )
        await self.quiet()
        return message

    async def sets(self, ticket: int, status: str) -> None:
        await self.desk.manager.assign_status(await self.staff(), ticket, Status(status))
        await self.quiet()

    async def admits(self, ticket: int, address: str) -> None:
        await self.desk.manager.admit(await self.staff(), ticket, address)
        await self.quiet()

    async def merges(self, ticket: int, into: int) -> None:
        await self.desk.manager.merge(await self.staff(), ticket, into)
        await self.quiet()

    async def ticket(self, number: int) -> TicketDetail:
        """A ticket as staff see it."""
        return await self.desk.manager.view_ticket(await self.staff(), number)

    async def status(self, number: int) -> str:
        return str((await self.ticket(number)).ticket.status)

    async def words(self, number: int) -> list[str]:
        """The ticket's messages in order, as `writer: text`; `?` marks an outsider's, `#` a note, `!` a machine's."""
        marks = {r["id"]: r["automatic"] for r in self.store.rows("SELECT id, automatic FROM messages")}
        lines = []
        for message in (await self.ticket(number)).messages:
            outsider = "?" if message.outsider else ""
            note = "#" if message.visibility is Visibility.NOTE else ""
            machine = "!" if marks[message.id] else ""
            lines.append(f"{outsider}{note}{machine}{message.author.email}: {message.text.strip()}")
        return lines

    def people(self, number: int) -> dict[str, str]:
        """Who has to do with a ticket: address to role."""
        rows = self.store.rows(
            "SELECT i.address, p.role FROM participants p JOIN identities i ON i.`key` = p.identity_key"
            " WHERE p.ticket_id = :id AND i.kind = 'email'",
            id=number,
        )
        return {row["address"]: row["role"] for row in rows}

    async def happened(self, number: int) -> list[str]:
        """The kinds of a ticket's events, in order."""
        return [event.kind for event in (await self.ticket(number)).events]

    async def event(self, number: int, kind: str) -> dict[str, Any]:
        """The data of the one event of this kind."""
        [event] = [e for e in (await self.ticket(number)).events if e.kind == kind]
        return dict(event.data)

    def tickets(self) -> list[int]:
        return [row["id"] for row in self.store.rows("SELECT id FROM tickets ORDER BY id")]

    def deliveries(self, ticket: int, state: str) -> Rows:
        """The mails about a ticket that are in this state."""
        return self.store.rows(
            "SELECT id, place, kind, last_error, remote_id FROM deliveries"
            " WHERE ticket_id = :id AND channel = 'email' AND state = :state ORDER BY id",
            id=ticket,
            state=state,
        )

    def thread(self, kind: Kind) -> list[str]:
        """What the desk's Slack got of this kind, as text."""
        return [
            str(o.data.get("text") or o.data.get("reason") or (o.message.text if o.message else ""))
            for o in self.desk.slack.sent
            if o.kind is kind
        ]


@asynccontextmanager
async def open_postbox(store: Store, **settings: Any) -> AsyncIterator[Postbox]:
    """A postbox whose loops run. `settings` as for `store.config`."""
    settings.setdefault("queue", QUEUES)
    inbound = settings.setdefault("email", {}).setdefault("inbound", {})
    inbound.setdefault("trusted_authserv_ids", [HOP])
    desk = await TestDesk.open(store, **settings)
    shelf = Shelf()

    async def quotable(signed: Sequence[int], references: Sequence[Ref]) -> Sequence[str]:
        return await desk.database.read(lambda tx: quotable_texts(tx, signed, references))

    channel = EmailChannel(
        desk.config,
        desk.blobs,
        cast(Any, InProcess()),
        desk.clock,
        relay=cast(Relay, shelf),
        quotable=quotable,
    )
    box = Postbox(store, desk, channel, shelf, Routes(desk.config))
    await box.start()
    try:
        yield box
    finally:
        await box.stop()
        await desk.database.close()


__all__ = [
    "HOP",
    "QUEUES",
    "SUPPORT",
    "Outward",
    "Postbox",
    "Shelf",
    "Taken",
    "open_postbox",
    "until",
    "vouched",
]
