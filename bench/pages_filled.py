"""A desk with a million tickets of a year for `bench.pages`, as its pages read it.

Of fifty-three tickets one is open: nobody's, ada's, grace's or somebody else's, some put aside, some late. Of the days
with which periods of reports begin and end all events are there, of the other days each ticket's first. Messages and
deliveries are those of the latest tickets. Three tickets of the last day have just got another assignee.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, func, select, text, update

from bench.search import AT_ONCE, ordinary_words, own_words, with_index, without_index
from bench.time_figures import QUEUES, events_of, make_year
from core.database import Database, Tx
from core.figures_days import SCOPE, STATE
from core.matching import mail_person
from core.rollups_hours import read_hours_of, store_hours
from core.rollups_state import DELAY, State
from core.tables import (
    deliveries,
    events,
    identities,
    inbox,
    messages,
    participants,
    search,
    settings,
    tickets,
    users,
)
from core.utc_days import DAY, HOUR, Hour, hours_of, start_of_hour

OPEN: Final = 53  # of so many tickets one isn't closed
PEOPLE: Final = 20_000
REGULAR: Final = 1_000  # tickets of ann
SELDOM: Final = 5  # tickets of ben
LATEST: Final = 100_000  # tickets with messages and deliveries
SPAN: Final = timedelta(days=365)
MESSAGES, EVENTS = 200, 500  # of the long ticket
FAILED, HELD = 300, 300
READ: Final = 20_000  # mails that were read
# Days ago on which periods of the reports, and those before them, begin or end.
EDGES: Final = frozenset(
    {0, 1, 2, 6, 7, 8, 13, 14, 27, 28, 29, 30, 31, 32, 55, 56, 89, 90, 91, 179, 180, 364, 365}
)
ABOUT: Final = (
    "The printer on the second floor is on fire again",
    "I can't sign in since I changed my telephone",
    "Invoice 2214 shows the wrong address of our company",
    "Where is what I ordered three weeks ago?",
    "Please add a colleague of mine to the shared folder",
)
SAID: Final = (
    "Good morning, thank you for looking into this so soon. I tried what you wrote, and it works for the first of "
    "the two machines; the other one still shows the same words as before and then it stops. "
) * 3


@dataclass(frozen=True, slots=True)
class Filled:
    """What is where. `short`, `long`: tickets of ann."""

    count: int
    short: int
    long: int


@dataclass(frozen=True, slots=True)
class _Who:
    """Users by their numbers, and the addresses of those who ask for something."""

    ada: int
    grace: int
    ann: int
    ben: int
    others: tuple[int, ...]  # requesters
    addresses: dict[int, str]


async def fill(database: Database, count: int) -> Filled:
    """Fill a migrated desk that knows its staff, ann and ben with so many tickets."""
    dice, now = random.Random(1), datetime.now(UTC)
    who = await _people(database, now)
    if not database.sqlite:
        await database.unit(without_index)
    pool = [ordinary_words(dice) for _ in range(3_000)]
    for first in range(1, count + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count + 1))
        await _write(database, _rows(numbers, count, who, now, pool))
    await _write(database, [(deliveries, list(_failed(count, now))), (inbox, list(_mails(now)))])
    filled = Filled(count, short=_short(count), long=count)
    await _grow(database, filled.long, who, now)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    await make_year(database, today, dice)
    await _hours(database, now)
    await _write(database, [(events, list(_just_now(count, now, dice)))])
    if not database.sqlite:
        await database.unit(with_index, endless=True)
    await database.unit(_analyzed, endless=True)
    return filled


async def _hours(database: Database, now: datetime) -> None:
    """Keep the hours of today, up to the last whole one, and of the other days that are read, as the job does."""
    today = now.date()
    for n in sorted(EDGES):
        day = today - n * DAY
        _, hourly = await read_hours_of(database, hours_of(day))
        over = {hour: hourly[hour] for hour in _over(day, now) if hour in hourly}
        await database.unit(lambda tx, over=over: store_hours(tx, list(over), over))  # type: ignore[misc]
    await database.unit(lambda tx: _noted(tx, frozenset(_over(today, now))))


def _just_now(count: int, now: datetime, dice: random.Random) -> Iterator[dict[str, Any]]:
    """What a busy desk does in the ten seconds that the job hasn't looked at: the hours of these tickets are read."""
    hours, day = count * 2 // (365 * 24), count // 365
    for n in (*dice.choices(range(count - hours, count), k=2), *dice.choices(range(count - day, count), k=1)):
        change = {"kind": "assigned", "public": False, "data": {"from": "ada", "to": "grace"}}
        yield {
            "ticket_id": n,
            "at": now,
            "actor_id": None,
            "actor_name": "Ada",
            "queue": QUEUES[n % 5],
            **change,
        }


def _over(day: date, now: datetime) -> list[Hour]:
    return [hour for hour in hours_of(day) if start_of_hour(hour) + HOUR + DELAY <= now]


async def _noted(tx: Tx, over: frozenset[Hour]) -> None:
    """The job has seen all events."""
    where = settings.c.scope == SCOPE, settings.c.key == STATE
    state = State.of_json(await tx.scalar(select(settings.c.value).where(*where)))
    newest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    seen = replace(state, mark=newest, seen=newest, hours_from=state.first, open=over)
    await tx.run(update(settings).where(*where).values(value=seen.as_json()))


async def _write(database: Database, parts: Iterable[tuple[Table, Sequence[dict[str, Any]]]]) -> None:
    """Write rows in one transaction; those of a table have the same columns. What they refer to is there, and isn't
    looked up. By the driver's own words: what the types do to each value would take most of the time."""
    made = [(table, rows) for table, rows in parts if rows]

    async def unit(tx: Tx) -> None:
        if not tx.sqlite:
            await tx.run(text("SET SESSION foreign_key_checks = 0, unique_checks = 0"))
        for table, rows in made:
            names = list(rows[0])
            quote, mark = ('"', "?") if tx.sqlite else ("`", "%s")
            columns = ", ".join(f"{quote}{name}{quote}" for name in names)
            sql = f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join([mark] * len(names))})"
            values = [tuple(_plain(row[name]) for name in names) for row in rows]
            await tx.connection.exec_driver_sql(sql, values)
        if not tx.sqlite:
            await tx.run(text("SET SESSION foreign_key_checks = 1, unique_checks = 1"))

    await database.unit(unit, endless=True)


def _plain(value: Any) -> Any:
    """A value as the tables' types hand it to a driver."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return json.dumps(value) if isinstance(value, dict) else value


async def _analyzed(tx: Tx) -> None:
    """MariaDB keeps its statistics by itself, and does so here at once. SQLite has none: nobody analyses it."""
    if not tx.sqlite:
        await tx.run(text("ANALYZE TABLE tickets, participants, messages, events, deliveries, inbox"))


# -- people ---------------------------------------------------------------------------------------------------------


async def _people(database: Database, now: datetime) -> _Who:
    known = await database.read(lambda tx: tx.all(select(identities.c.address, identities.c.user_id)))
    named = {row.address.partition("@")[0]: int(row.user_id) for row in known}
    begin = max(named.values()) + 1
    others = tuple(range(begin, begin + PEOPLE))
    addresses = {number: f"person{number}@customer.example" for number in others}
    people = [
        {"id": n, "name": f"Person {n} of a company", "role": "requester", "created_at": now} for n in others
    ]
    keys = [
        {"key": mail_person(address).key, "user_id": n, "kind": "email", "address": address}
        for n, address in addresses.items()
    ]
    for at in range(0, PEOPLE, AT_ONCE):
        await _write(database, [(users, people[at : at + AT_ONCE]), (identities, keys[at : at + AT_ONCE])])
    addresses |= {int(row.user_id): row.address for row in known}
    return _Who(named["ada"], named["grace"], named["ann"], named["ben"], others, addresses)


# -- tickets --------------------------------------------------------------------------------------------------------


def _short(count: int) -> int:
    """The latest ticket of ann's but the long one."""
    every = max(count // REGULAR, 1)
    return count - 1 - (count - 1) % every


def _requester(n: int, count: int, who: _Who) -> int:
    if n == count or n % max(count // REGULAR, 1) == 0:
        return who.ann
    if n % (count // SELDOM) == 1:
        return who.ben
    return who.others[n % PEOPLE]


def _rows(
    numbers: range, count: int, who: _Who, now: datetime, pool: Sequence[str]
) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """The rows of these tickets, table by table."""
    made = [
        _ticket(n, now - SPAN * ((count - n) / count), _requester(n, count, who), who, now) for n in numbers
    ]
    yield tickets, made
    yield participants, [_participant(row) for row in made]
    yield search, [{"ticket_id": n, "words": pool[n % len(pool)] + own_words(n, count)} for n in numbers]
    yield events, [event for row in made for event in _events(row, now)]
    late = [row for row in made if row["id"] > count - LATEST]
    yield messages, [_message(row["id"], 1, row["requester_id"], row["created_at"], row) for row in late]
    yield deliveries, [_delivery(row["id"], "sent", row["created_at"]) for row in late]


def _ticket(n: int, at: datetime, requester: int, who: _Who, now: datetime) -> dict[str, Any]:
    k, still = n // OPEN, n % OPEN == 0
    ended = min(at + timedelta(hours=n % 90), now)
    status = ("new", "pending", "pending", "open", "open", "open", "open")[k % 7] if still else "closed"
    waits = status in ("new", "open")
    return {
        "id": n,
        "queue": QUEUES[n % 5],
        "title": f"{ABOUT[n % 5]} ({n})",
        "description": SAID,
        "status": status,
        "priority": ("normal", "normal", "low", "high", "urgent")[n % 11 % 5],
        "channel": "email",
        "requester_id": requester,
        "requester_address": who.addresses[requester],
        "assignee_id": (None, who.ada, who.grace, who.others[0])[k % 4]
        if still
        else (who.ada, who.grace)[n % 2],
        "created_at": at,
        "updated_at": at if still else ended,
        "public_updated_at": at if still else ended,
        "waiting_since": at if waits else None,
        "first_response_at": None if status == "new" else at,
        "resolved_at": None if still else ended,
        "closed_at": None if still else ended,
        "snoozed_until": now + timedelta(days=9) if still and k % 11 == 0 else None,
        "first_due_at": at + timedelta(hours=4) if status == "new" and k % 3 else None,
        "resolve_due_at": at + timedelta(days=4) if waits and k % 2 else None,
        "pending_since": at if status == "pending" else None,
        "last_seq": 1,
    }


_key = cache(lambda address: mail_person(address).key)


def _participant(row: dict[str, Any]) -> dict[str, Any]:
    address = row["requester_address"]
    return {"ticket_id": row["id"], "identity_key": _key(address), "role": "requester", "place": address}


def _events(row: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    at, still = row["created_at"], row["status"] != "closed"
    told = events_of(row["id"], at, still=still)
    return told if (now.date() - at.date()).days in EDGES else told[:1]


def _message(
    ticket: int, seq: int, author: int, at: datetime, row: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "ticket_id": ticket,
        "seq": seq,
        "author_id": author,
        "author_address": row["requester_address"] if row else "",
        "author_staff": row is None,
        "visibility": "public",
        "channel": "email",
        "source_time": at,
        "created_at": at,
        "text": SAID,
        "auth": "verified",
        **more,
    }


def _delivery(ticket: int, state: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "lane": "email",
        "channel": "email",
        "ticket_id": ticket,
        "place": "person@customer.example",
        "kind": "message",
        "desk": False,
        "priority": 1,
        "seq": ticket,
        "state": state,
        "created_at": at,
        "settled_at": at,
        "last_error": None,
        "data": {},
        **more,
    }


# -- what is special ------------------------------------------------------------------------------------------------


async def _grow(database: Database, ticket: int, who: _Who, now: datetime) -> None:
    """Make a ticket of ann's long: she and the staff write by turns, each eighth is a note."""
    row = {"requester_address": who.addresses[who.ann]}
    step = timedelta(minutes=7)
    said = []
    for seq in range(2, MESSAGES + 1):
        at, hers = now - step * (MESSAGES - seq), seq % 2 == 1
        more = {"visibility": "note"} if seq % 8 == 0 else {}
        said.append(
            _message(ticket, seq, who.ann if hers else who.grace, at, row if hers else None, **more)
            if hers
            else _message(ticket, seq, who.grace, at, author_address="grace@example.com", **more)
        )
    happened = [
        {
            "ticket_id": ticket,
            "at": now - step * MESSAGES * (1 - n / EVENTS),
            "kind": ("message", "answered", "assigned", "note")[n % 4],
            "actor_id": None,
            "actor_name": "Grace Hopper",
            "public": n % 4 < 2,
            "queue": QUEUES[ticket % 5],
            "data": {"from": "ada", "to": "grace"} if n % 4 == 2 else {"message": n, "first": False},
        }
        for n in range(1, EVENTS)
    ]
    await _write(database, [(messages, said), (events, happened)])

    async def unit(tx: Tx) -> None:
        open_now = {"status": "open", "last_seq": MESSAGES, "closed_at": None, "resolved_at": None}
        await tx.run(
            tickets.update()
            .where(tickets.c.id == ticket)
            .values(**open_now, waiting_since=now, updated_at=now, public_updated_at=now)
        )

    await database.unit(unit)


def _failed(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for n in range(FAILED):
        why = "550 5.1.1 there is no such mailbox here; see what your administrator says of it"
        yield _delivery(count - 3 * n, "failed", now - timedelta(minutes=n), attempts=5, last_error=why)


def _mails(now: datetime) -> Iterator[dict[str, Any]]:
    for n in range(READ + HELD):
        head = f"From: Somebody <sender{n}@elsewhere.example>\r\nSubject: You have won the {n}th prize\r\n\r\nHello"
        state = "held" if n >= READ else "done"
        yield {
            "key": n.to_bytes(32, "big"),
            "channel": "email",
            "shard": 0,
            "state": state,
            "received_at": now - timedelta(minutes=READ + HELD - n),
            "source_order": "",
            "envelope": {"sender": f"sender{n}@elsewhere.example"},
            "raw": head.encode() if state == "held" else None,
            "bytes": 40_000,
            "reason": "taken for spam by the list of a provider" if state == "held" else None,
        }
