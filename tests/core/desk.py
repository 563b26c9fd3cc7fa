"""A desk on a store, with channels that only note what they are given: core's tests load no door."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from core import units
from core.blobs import Blobs
from core.channel import ChannelSpec
from core.clock import Clock
from core.config import Config
from core.courier import Courier
from core.database import Database
from core.inbox import Arrival, Intake
from core.manager import TicketManager
from core.operate import Operations
from core.people import People
from core.shapes import (
    Actor,
    Auth,
    Evidence,
    Finding,
    Inbound,
    InboxItem,
    NewMessage,
    Outgoing,
    Person,
    Receipt,
    Ref,
    Seen,
    Sent,
    key_of,
)
from core.signals import Signals
from core.targets import Targets
from core.worker import Worker
from tests.stores import Store

MAIL = ChannelSpec("email", lane_per_ticket=True, carries_files=True, edits=False)
SLACK = ChannelSpec("slack", lane_per_ticket=False, carries_files=False, edits=True)
TRIAGE = "C1"
_numbers = count(1)


class Noting:
    """A channel that keeps what it was given; `script` holds failures to raise, first come first."""

    def __init__(self, spec: ChannelSpec) -> None:
        self.spec = spec
        self.sent: list[Outgoing] = []
        self.tries = 0
        self.script: list[Exception | None] = []
        self.lost: list[bool] = []  # after a scripted failure: had it been accepted all the same?
        self.readings: dict[str, Any] = {}
        self.seen_at_look_up: list[int] = []

    async def read(self, item: InboxItem) -> Inbound:
        reading = self.readings[item.envelope["reading"]]
        if callable(reading):
            reading = reading(item)
        if isinstance(reading, Exception):
            raise reading
        result: Inbound = reading
        return result

    async def render(self, outgoing: Outgoing) -> bytes | None:
        return b"rendered %d" % outgoing.delivery_id if self.spec.name == "email" else None

    async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
        self.tries += 1
        trouble = self.script.pop(0) if self.script else None
        if trouble is not None:
            if self.lost and self.lost.pop(0):
                self.sent.append(outgoing)
            raise trouble
        self.sent.append(outgoing)
        return self._answer(outgoing)

    def _answer(self, outgoing: Outgoing) -> Sent:
        if self.spec.name == "email":
            return Sent(remote_id="250 ok")
        remote = f"T1/{outgoing.place.partition('#')[0].rpartition('/')[2]}/{1000 + outgoing.delivery_id}.0"
        return Sent(remote_id=remote, links=(f"slack:{remote}",))

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        self.seen_at_look_up.append(outgoing.delivery_id)
        if self.spec.name == "email":
            return Seen.UNKNOWN, None
        there = any(o.delivery_id == outgoing.delivery_id for o in self.sent)
        return (Seen.SENT, self._answer(outgoing)) if there else (Seen.NOT_THERE, None)

    async def probe(self) -> Sequence[Finding]:
        return ()

    def kinds(self) -> list[str]:
        """What was sent, in order: the kind, and the notice's name."""
        return [f"{o.kind}:{o.data['what']}" if "what" in o.data else str(o.kind) for o in self.sent]


@dataclass
class TestDesk:
    """Everything of core, on one store."""

    __test__ = False

    config: Config
    clock: Clock
    database: Database
    blobs: Blobs
    intake: Intake
    people: People
    manager: TicketManager
    operations: Operations
    desk: units.Desk
    mail: Noting
    slack: Noting
    courier: Courier
    worker: Worker
    tasks: list[Any] = field(default_factory=list)

    @classmethod
    async def open(cls, store: Store, **settings: Any) -> TestDesk:
        """Open a desk whose support queue has a triage channel."""
        settings.setdefault("slack", {"enabled": True, "bot_token": "x", "app_token": "x"})
        settings.setdefault(
            "queue", [{"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE}]
        )
        settings.setdefault("courier", {"retry_after": ["50ms"], "poll": "20ms", "channel_pause": "100ms"})
        settings.setdefault("notices", {"bundle": "0s"})  # so that nothing waits when all is done
        settings.setdefault("worker", {"poll": "20ms", "retry_after": ["20ms", "20ms"]})
        config = store.config(**settings)
        clock = Clock()
        database = Database(config.database, clock, Targets(config))
        blobs = Blobs(config.service.data_dir / "blobs")
        people = People(database, config)
        await people.sync()
        signals = Signals()
        mail, slack = Noting(MAIL), Noting(SLACK)
        channels = {"email": mail, "slack": slack}
        desk = units.Desk(config, {"email": MAIL, "slack": SLACK}, signals)
        manager = TicketManager(desk, database, blobs, people)
        intake = Intake(database, blobs, signals.inbox)
        return cls(
            config=config,
            clock=clock,
            database=database,
            blobs=blobs,
            intake=intake,
            people=people,
            manager=manager,
            operations=Operations(database, blobs, desk),
            desk=desk,
            mail=mail,
            slack=slack,
            courier=Courier(config, database, blobs, desk, channels, clock),
            worker=Worker(config, database, blobs, intake, manager, channels, signals),
        )

    async def close(self) -> None:
        await self.worker.stop(timedelta(seconds=2))
        await self.courier.stop(timedelta(seconds=2))
        await self.database.close()

    async def staff(self, username: str = "ada") -> Actor:
        return await self.people.staff_actor(username)

    async def write(self, text: str = "Help!", **more: Any) -> Receipt:
        """Somebody mails."""
        return await self.manager.receive(mail(text, **more))

    async def take_in(
        self, reading: Any, *, shard: str = "one", channel: str = "email", source_order: str = ""
    ) -> int:
        """Put a row into the inbox that reads as `reading`."""
        name = f"reading {next(_numbers)}"
        chosen = self.mail if channel == "email" else self.slack
        chosen.readings[name] = reading
        arrival = Arrival(
            key=key_of(name),
            channel=channel,
            shard_by=shard,
            envelope={"reading": name},
            raw=b"raw",
            source_order=source_order,
        )
        await self.intake.store([arrival])
        return next(_numbers)

    async def quiet(self, store: Store, seconds: float = 15) -> None:
        """Return when nothing waits to be sent or read."""
        async with asyncio.timeout(seconds):
            # The inbox first: what a row of it calls for is there once the row is done.
            while store.count("inbox", "state = 'new'") or store.count(
                "deliveries", "state IN ('queued', 'sending')"
            ):
                await asyncio.sleep(0.02)


ANN = Person(kind="email", address="ann@example.com", name="Ann", place="ann@example.com")
BOB = Person(kind="email", address="bob@example.org", name="Bob", place="bob@example.org")
EVE = Person(kind="email", address="eve@example.net", name="Eve", place="eve@example.net")


def mail(text: str = "Help!", *, sender: Person = ANN, mail_id: str | None = None, **more: Any) -> NewMessage:
    """A mail as a reader would give it. `to`: Message-IDs that it answers, nearest first."""
    mail_id = mail_id or f"m{next(_numbers)}@client.example"
    answers = more.pop("to", ())
    evidence = more.pop("evidence", None) or Evidence(
        references=tuple(Ref(f"mail:support:{i}", f"mail:{i}") for i in answers),
        signed=more.pop("signed", ()),
        tagged=more.pop("tagged", None),
    )
    values: dict[str, Any] = {
        "ref": Ref(f"mail:support:{mail_id}", f"mail:{mail_id}"),
        "channel": "email",
        "queue": "support",
        "sender": sender,
        "auth": Auth.CLAIMED,
        "source_time": datetime.now(UTC),
        "subject": "A question",
        "text": text,
        "visible": text,
        "evidence": evidence,
        "mail_id": mail_id,
    }
    return NewMessage(**{**values, **more})


def slack_person(name: str, email: str | None = None, place: str = "") -> Person:
    """Somebody in Slack; their id is made of their name."""
    return Person(
        kind="slack", address=f"T1/U{name.upper()}", name=name.title(), email=email, team="T1", place=place
    )


def post(ts: str, text: str, *, sender: Person, root: str | None = None, **more: Any) -> NewMessage:
    """A message in Slack, in a triage thread (`desk=True`) or a DM."""
    channel = more.pop("conversation", TRIAGE)
    ref = Ref(f"slack:T1/{channel}/{ts}", f"slack:T1/{channel}/{ts}")
    references = (Ref(f"slack:T1/{channel}/{root}", f"slack:T1/{channel}/{root}"),) if root else ()
    top = None if root or more.get("desk") else f"T1/{channel}"
    values: dict[str, Any] = {
        "ref": ref,
        "channel": "slack",
        "queue": "support",
        "sender": sender,
        "auth": Auth.VERIFIED,
        "source_time": datetime.now(UTC),
        "subject": "",
        "text": text,
        "visible": text,
        "evidence": Evidence(references=references, conversation=top),
    }
    return NewMessage(**{**values, **more})
