"""Finding tickets by their words: one entry a ticket, made after the change that it tells of.

A unit that changes words notes the ticket (`changed`); the job `index` (`core.indexing`) makes its entry within
seconds, and what is still noted is read as it is. An entry can be made again from the ticket at any time.

A word that very many tickets have costs no more than a rare one: first the latest tickets are read through. Only a word
that few of these have is asked of the full-text index, which has a time limit; and InnoDB's only where few older ones
have it, either (`core.sampling`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, or_, select, text
from sqlalchemy.exc import DBAPIError

from core import sampling
from core.database import Tx, error_code
from core.folding import EVERYBODY, STAFF, asked, entry, matches
from core.shapes import Actor
from core.tables import identities, messages, participants, search, search_due, tickets, users

log = structlog.get_logger(__name__)

LATEST: Final = 10_000  # tickets that are read through
COMMON: Final = 100  # so many of them, and no index is asked
MOST: Final = 1_000  # found tickets, the latest
THEIRS: Final = 5_000  # of a requester's tickets, the latest
WAITING: Final = 50  # noted tickets that are read as they are
PATIENCE: Final = timedelta(milliseconds=100)
NEWEST: Final = 200  # messages of a ticket, beside its first
TOGETHER: Final = 300_000  # characters of a ticket, folded in about 0.1 s
_TEXT: Final = 16_384  # characters of a message
# A statement that took too long, as MariaDB and MySQL number it; a full-text result beyond InnoDB's limit.
_TOO_LONG: Final = frozenset({1969, 3024, 188})
_NO_INDEX: Final = 1191  # a store that has no full-text search


async def changed(tx: Tx, *ticket_ids: int) -> None:
    """Note that words of these tickets changed, in the unit that changes them."""
    for number in sorted(ticket_ids):
        await tx.run(tx.insert_missing(search_due).values(ticket_id=number))


async def remade(tx: Tx, ticket_ids: Collection[int], most: int | None = None) -> dict[int, str]:
    """Make the entries of these tickets: of a long one its newest messages count, and `most` characters of all."""
    heads = await tx.all(
        select(tickets.c.id, tickets.c.title, tickets.c.requester_address, users.c.name)
        .join(users, users.c.id == tickets.c.requester_id)
        .where(tickets.c.id.in_(ticket_ids))
    )
    everybody: dict[int, list[str]] = {row.id: [row.title] for row in heads}
    staff = {row.id: [row.requester_address, row.name] for row in heads}
    said = await tx.all(
        select(
            messages.c.ticket_id,
            messages.c.visibility,
            messages.c.outsider,
            func.substr(messages.c.text, 1, _TEXT).label("text"),
        )
        .join(tickets, tickets.c.id == messages.c.ticket_id)
        .where(messages.c.ticket_id.in_(ticket_ids), messages.c.deleted_at.is_(None))
        .where(or_(messages.c.seq == 1, messages.c.seq > tickets.c.last_seq - NEWEST))
        .order_by(messages.c.ticket_id.desc(), messages.c.seq.desc())
    )
    read: Counter[int] = Counter()
    for row in said:
        read[row.ticket_id] += len(row.text)
        if read[row.ticket_id] > TOGETHER or (most is not None and read.total() > most):
            continue
        hidden = row.visibility != "public" or row.outsider
        (staff if hidden else everybody)[row.ticket_id].append(row.text)
    return {number: entry(everybody[number], staff[number]) for number in everybody}


# -- asking ---------------------------------------------------------------------------------------------------------


async def condition(tx: Tx, actor: Actor, q: str) -> Any:
    """Return the condition on `tickets` for what somebody asks for: a number, or words, each of which stands for all
    that begin so. The `MOST` latest tickets that have them all."""
    number = q.strip().lstrip("#")
    found: set[int] = {int(number)} if number.isascii() and number.isdigit() and len(number) < 18 else set()
    if wanted := asked(q):
        found |= await (_of_all(tx, wanted) if actor.staff else _of_theirs(tx, actor, wanted))
    return tickets.c.id.in_(sorted(found)[-MOST:])


async def _of_all(tx: Tx, wanted: Sequence[str]) -> set[int]:
    found = await _among_waiting(tx, wanted, (), staff=True)
    last = await tx.scalar(select(func.max(search.c.ticket_id))) or 0
    rows = await tx.all(
        select(search.c.ticket_id)
        .where(search.c.ticket_id > last - LATEST, *_likes(wanted, (EVERYBODY, STAFF)))
        .order_by(search.c.ticket_id.desc())
        .limit(MOST)
    )
    kept = {row.ticket_id for row in rows}
    if len(kept) < COMMON:
        kept |= await _of_index(tx, wanted)
    return found | await _up_to_date(tx, kept)


async def _of_theirs(tx: Tx, actor: Actor, wanted: Sequence[str]) -> set[int]:
    """Requesters find what they take part in, by what they may read of it."""
    rows = await tx.all(
        select(participants.c.ticket_id)
        .join(identities, identities.c.key == participants.c.identity_key)
        .where(identities.c.user_id == (actor.user_id or 0), participants.c.role.in_(("requester", "cc")))
        .order_by(participants.c.ticket_id.desc())
        .limit(THEIRS)
    )
    theirs = [row.ticket_id for row in rows]
    found = await _among_waiting(tx, wanted, theirs, staff=False) if theirs else set()
    hits = await tx.all(
        select(search.c.ticket_id)
        .where(search.c.ticket_id.in_(theirs), *_likes(wanted, (EVERYBODY,)))
        .order_by(search.c.ticket_id.desc())
        .limit(MOST)
    )
    return found | await _up_to_date(tx, {row.ticket_id for row in hits})


async def _up_to_date(tx: Tx, kept: set[int]) -> set[int]:
    """Without those whose entries tell of words that they may have no more."""
    rows = await tx.all(select(search_due.c.ticket_id).where(search_due.c.ticket_id.in_(kept)))
    return kept - {row.ticket_id for row in rows}


async def _among_waiting(tx: Tx, wanted: Sequence[str], among: Sequence[int], *, staff: bool) -> set[int]:
    """Those whose entries aren't made yet: their words are read as they are."""
    noted = select(search_due.c.ticket_id).order_by(search_due.c.ticket_id.desc()).limit(WAITING)
    rows = await tx.all(noted.where(search_due.c.ticket_id.in_(among)) if not staff else noted)
    made = await remade(tx, [row.ticket_id for row in rows], TOGETHER) if rows else {}
    return {number for number, kept in made.items() if matches(kept, wanted, staff=staff)}


def _likes(wanted: Iterable[str], kinds: Sequence[str]) -> list[Any]:
    """Words are letters and digits alone, so that nothing in them means anything to LIKE."""
    return [or_(*(search.c.words.like(f"% {kind}{word}%") for kind in kinds)) for word in wanted]


async def _of_index(tx: Tx, wanted: Sequence[str]) -> set[int]:
    """What the full-text index has. Of InnoDB's only words are asked that not very many have; the others are looked
    for in what these find, or, where there are none, in the latest entries that seem to have them."""
    first, last = (1, 0) if tx.sqlite else await sampling.ends(tx)
    if last - first < 2 * sampling.OFTEN:  # or SQLite, whose index gives the latest first
        return await _asked(tx, wanted, ())
    likes = dict(zip(wanted, _likes(wanted, (EVERYBODY, STAFF)), strict=True))
    sample = await sampling.sampled(tx, likes, first, last)
    often = [word for word in likes if sample.often(word)]
    if rare := [word for word in likes if word not in often]:
        return await _asked(tx, rare, often)
    return await sampling.walk(tx, likes, sample, PATIENCE, COMMON)


async def _asked(tx: Tx, wanted: Sequence[str], often: Sequence[str]) -> set[int]:
    """Ask the index for some words; `often`: what its entries must have, too."""
    values: dict[str, Any] = {"most": MOST}
    if tx.sqlite:
        values["q"] = " AND ".join(f"({EVERYBODY}{word}* OR {STAFF}{word}*)" for word in wanted)
        sql = "SELECT rowid FROM search_words WHERE search_words MATCH :q ORDER BY rowid DESC LIMIT :most"
    else:
        values["q"] = " ".join(f"+({EVERYBODY}{word}* {STAFF}{word}*)" for word in wanted)
        also = ""
        for index, word in enumerate(often):
            also += f" AND (words LIKE :p{index} OR words LIKE :s{index})"
            values |= {f"p{index}": f"% {EVERYBODY}{word}%", f"s{index}": f"% {STAFF}{word}%"}
        sql = _limited(
            tx,
            f"SELECT ticket_id FROM search WHERE MATCH (words) AGAINST (:q IN BOOLEAN MODE){also} "  # noqa: S608
            "ORDER BY ticket_id DESC LIMIT :most",
        )
    try:
        return {row[0] for row in await tx.all(text(sql).bindparams(**values))}
    except DBAPIError as exc:
        code = error_code(exc)
        if code not in (*_TOO_LONG, _NO_INDEX) and "no such table" not in str(exc.orig):
            raise
        log.warning("search_cut", code=code, words=len(wanted))  # what was read through is found all the same
        return set()


def _limited(tx: Tx, sql: str) -> str:
    """The statement with a time limit, as each server writes that."""
    if getattr(tx.connection.dialect, "is_mariadb", False):
        return f"SET STATEMENT max_statement_time={PATIENCE.total_seconds()} FOR {sql}"
    return sql.replace(
        "SELECT", f"SELECT /*+ MAX_EXECUTION_TIME({PATIENCE // timedelta(milliseconds=1)}) */", 1
    )
