"""The quarter on a real desk: three instances on one store, whose time stands still but when it is told to go on.

People act by the manager of one of the instances; the instances' schedulers look in each minute in which something is
due, in turns or all at once. The post is what settles deliveries, at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, event, update

from core import moving, reminding, snoozing, spamming, target_watch
from core.blobs import Blobs
from core.clock import Clock
from core.config import Config
from core.database import Database, Tx
from core.jobs import Job, Jobs, close_resolved, jobs_of
from core.manager import TicketManager
from core.outbox import lane_kind
from core.people import People
from core.scheduler import Scheduler
from core.shapes import Actor, Person, Priority, Visibility
from core.signals import Signals
from core.status import Status
from core.tables import deliveries, work
from core.targets import Targets
from core.units import Desk
from tests.core.desk import MAIL, SLACK, mail
from tests.quarter.plan import Act
from tests.quarter.reckoning import Reckoning
from tests.quarter.setting import MINUTE, STAFF, Quarter, settings
from tests.stores import Store

INSTANCES: Final = 3
TICKS: Final = 2_000  # so many of the looks without a slot a scheduler makes; all others are its turns alone
PROBES: Final = 20  # minutes in which nothing is due and somebody looks
# What has nothing to do with time (cards that move, sweeping) is left out.
LOOKED_AT: Final = ("close_resolved", "wake", "targets", "remind", "close_pending", "roll_up")
TURNS: Final = (
    close_resolved,
    snoozing.wake,
    target_watch.watch,
    reminding.remind,
    reminding.close_pending,
)


class Standing(Clock):
    """A clock that stands at `at`, here and in the database."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = datetime.fromtimestamp(at, UTC)

    def now(self) -> datetime:
        return self.at

    def database_says(self, moment: datetime) -> None:
        self.offset = self.at - moment


class Instance:
    """A process of the service, as far as it has to do with time."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.database = Database(config.database, clock, Targets(config))
        blobs = Blobs(config.service.data_dir / "blobs")
        self.desk = Desk(config, {"email": MAIL, "slack": SLACK}, Signals())
        self.people = People(self.database, config)
        self.manager = TicketManager(self.desk, self.database, blobs, self.people)
        jobs = [one for one in jobs_of(config) if not isinstance(one, Job) or one.name in LOOKED_AT]
        self.scheduler = Scheduler(self.desk, self.database, blobs, jobs)
        self.jobs = Jobs(self.desk, self.database, blobs)
        self.back = 0  # it is gone until then

    def goes_down_on(self, word: str) -> asyncio.Task[None]:
        """Look what is due, and be cut off in the unit that writes a row of this table or with this word."""
        task = asyncio.create_task(self.scheduler.tick())

        @event.listens_for(self.database.engine.sync_engine, "after_cursor_execute")
        def cut(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            into = statement.startswith("INSERT INTO reports") and word == "reports"
            if into or (statement.startswith("INSERT INTO events") and f"'{word}'" in str(parameters)):
                task.cancel()

        return task


@dataclass
class World:
    """All of it. `troubles`: acts that the desk refused."""

    store: Store
    config: Config
    clock: Standing
    quarter: Quarter
    instances: list[Instance]
    staff: dict[str, Actor]
    dice: random.Random
    ids: dict[int, int] = field(default_factory=dict)  # of tickets, by the reckoning's numbers
    troubles: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    share: float = 0.3  # of the looks without a slot those that a scheduler makes
    acted: bool = False  # since the post went
    ticks: int = 0
    rushes: int = 0
    spent: dict[str, float] = field(default_factory=lambda: {"acts": 0.0, "looks": 0.0})
    say: Callable[[str], None] = lambda line: None  # how far it is, now and then

    @classmethod
    async def open(cls, store: Store, quarter: Quarter, seed: int) -> World:
        """Open it at the quarter's beginning."""
        config, clock = store.config(**settings()), Standing(quarter.start)
        instances = [Instance(config, clock) for _ in range(INSTANCES)]
        await instances[0].people.sync()
        staff = {name: await instances[0].people.staff_actor(name) for name in STAFF}
        return cls(store, config, clock, quarter, instances, staff, random.Random(seed))

    async def close(self) -> None:
        for one in self.instances:
            await one.database.close()

    @property
    def there(self) -> list[Instance]:
        return [one for one in self.instances if one.back <= self.clock.at.timestamp()]

    def _to(self, at: int) -> None:
        self.clock.at = datetime.fromtimestamp(at, UTC)

    # -- the quarter ----------------------------------------------------------------------------------------------

    async def live(self, acts: list[Act], reckoning: Reckoning) -> None:
        """Let the quarter pass."""
        looks = sorted(self._minutes(reckoning))
        self.share = min(0.3, TICKS / len(looks))
        await self._look(self.quarter.start, reckoning)
        for done, act in enumerate(acts):
            if done % 1000 == 0:
                took = sum(self.spent.values()) / 60
                self.say(f"{self.clock.at:%Y-%m-%d %H:%M}: {done:,} of {len(acts):,} acts in {took:.1f} min")
            while looks and looks[0] <= act.at:
                await self._look(looks.pop(0), reckoning)
            began = time.perf_counter()
            self._to(act.at)
            await self._do(act)
            self.acted = True
            self.spent["acts"] += time.perf_counter() - began
        for minute in looks:
            await self._look(minute, reckoning)

    def _minutes(self, reckoning: Reckoning) -> set[int]:
        """When somebody looks: when something is due, now and then just before that, and at random."""
        due = {minute for minute in reckoning.minutes if minute < self.quarter.end}
        early = {minute - MINUTE for minute in due if self.dice.random() < 0.1}
        span = range(self.quarter.start, self.quarter.end, MINUTE)
        wanted = due | early | {self.dice.choice(span) for _ in range(PROBES)}
        return {m for m in wanted if not any(start <= m < end for start, end in self.quarter.away)}

    async def _look(self, minute: int, reckoning: Reckoning) -> None:
        """What is due in a minute: by one instance, or by all at once; or one goes down over it."""
        began = time.perf_counter()
        self._to(minute)
        if self.acted:
            await self._post()
        there = self.there
        self.dice.shuffle(there)
        if minute in reckoning.crashed:
            await self._crash(there[0], reckoning.crashed[minute])
            self._to(minute + 5)  # the next slot of what the other had taken
            there = there[1:]
        together = self.dice.random() < (0.15 if minute in reckoning.slots else 0.03)
        if together and minute not in reckoning.closings & reckoning.slots:
            self.rushes += 1
            turns: list[Coroutine[Any, Any, Any]] = [one.scheduler.tick() for one in there]
            turns += [turn(one.jobs) for one in there[1:] for turn in TURNS]
            await asyncio.gather(*turns)
        elif minute in reckoning.slots or not self.ticks or self.dice.random() < self.share:
            await there[0].scheduler.tick()
        else:  # as the tick does it, without rows that say who did it
            for turn in TURNS:
                while await turn(there[0].jobs):
                    pass
        if minute in reckoning.reminders:
            await self._post()
        self.ticks += 1
        self.spent["looks"] += time.perf_counter() - began

    async def _crash(self, one: Instance, word: str) -> None:
        """An instance goes down in the middle of a transaction; another one comes in its place after some hours."""
        task = one.goes_down_on(word)
        await asyncio.wait([task])
        self.crashes.append(f"{word}: {'cut off' if task.cancelled() else 'went on'}")
        await one.database.close()
        self.instances.remove(one)
        fresh = Instance(self.config, self.clock)
        fresh.back = int(self.clock.at.timestamp()) + self.quarter.gone
        self.instances.append(fresh)

    async def _post(self) -> None:
        """All that waits to be sent has been."""

        async def unit(tx: Tx) -> None:
            waits = deliveries.c.state.in_(("queued", "sending"))
            values = {"state": "sent", "due_at": None, "settled_at": await tx.now()}
            await tx.run(update(deliveries).where(waits).values(**values))
            lanes = [lane_kind(name) for name in ("email", "slack")]
            await tx.run(delete(work).where(work.c.kind.in_(lanes)))

        await self.there[0].database.unit(unit)
        self.acted = False

    # -- what people do -------------------------------------------------------------------------------------------

    async def _do(self, act: Act) -> None:
        one = self.dice.choice(self.there)
        step: Callable[[Instance, Act, int], Coroutine[Any, Any, Any]]
        step = getattr(self, f"_{act.verb}", self._status)
        try:
            await step(one, act, self.ids.get(act.number, 0))
        except Exception as exc:
            self.troubles.append(f"{act}: {type(exc).__name__}: {exc}")

    @property
    def _somebody(self) -> Actor:
        return self.staff[self.dice.choice(STAFF)]

    async def _receive(self, one: Instance, act: Act, **more: Any) -> int:
        words = act.words
        place = f"customer{words['person']}@example.net"
        who = Person(kind="email", address=place, name=f"Customer {words['person']}", place=place)
        new = mail(f"{act.verb}.", sender=who, queue=words["queue"], source_time=self.clock.at, **more)
        receipt = await one.manager.receive(new)
        assert receipt.ticket_id is not None
        return receipt.ticket_id

    async def _opened(self, one: Instance, act: Act, _: int) -> None:
        priority = Priority(act.words["priority"])
        self.ids[act.number] = await self._receive(
            one, act, subject=f"Question {act.number}", priority=priority
        )

    async def _write(self, one: Instance, act: Act, ticket: int) -> None:
        found = await self._receive(one, act, signed=(ticket,))
        assert found == ticket, "it opened another one"

    async def _automatic(self, one: Instance, act: Act, ticket: int) -> None:
        found = await self._receive(one, act, signed=(ticket,), automatic="auto-reply")
        assert found == ticket, "it opened another one"

    async def _reply(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.exchange_messages(self._somebody, ticket, "An answer.")

    async def _note(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.exchange_messages(self._somebody, ticket, "Hm.", visibility=Visibility.NOTE)

    async def _status(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.assign_status(self._somebody, ticket, Status(act.verb))

    async def _priority(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.set_priority(self._somebody, ticket, Priority(act.words["priority"]))

    async def _assign(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.assign(self._somebody, ticket, act.words["to"])

    async def _merge(self, one: Instance, act: Act, ticket: int) -> None:
        await one.manager.merge(self._somebody, ticket, self.ids[act.words["into"]])

    async def _move(self, one: Instance, act: Act, ticket: int) -> None:
        who, name = self._somebody, act.words["queue"]
        await one.database.unit(lambda tx: moving.move(tx, one.desk, who, ticket, name))

    async def _snooze(self, one: Instance, act: Act, ticket: int) -> None:
        who, until = self._somebody, snoozing.Until(after=timedelta(seconds=act.words["seconds"]))
        await one.database.unit(lambda tx: snoozing.snooze(tx, one.desk, who, ticket, until))

    async def _spam(self, one: Instance, act: Act, ticket: int) -> None:
        who = self._somebody
        await one.database.unit(lambda tx: spamming.mark(tx, one.desk, who, ticket))

    async def _restore(self, one: Instance, act: Act, ticket: int) -> None:
        who = self._somebody
        await one.database.unit(lambda tx: spamming.unmark(tx, one.desk, who, ticket))
