"""What stands in the store after the quarter, in the reckoning's words; and how it differs from what should."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from core.database import Tx
from core.tables import deliveries, events, reports
from tests.quarter.reckoning import Brought
from tests.quarter.setting import MINUTE, QUEUES
from tests.quarter.world import World

_CHANNELS = {f"C{n}": rules.name for n, rules in enumerate(QUEUES, 1)}
_KINDS = {"target_near": "near", "target_missed": "missed", "reminded": "reminded", "woke": "woke"}


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // MINUTE * MINUTE


async def brought(world: World) -> list[Brought]:
    """Return what time brought."""
    numbers = {ticket: number for number, ticket in world.ids.items()}
    found: list[Brought] = []

    async def read(tx: Tx) -> None:
        rows = await tx.all(select(events).where(events.c.actor_id.is_(None)).order_by(events.c.id))
        found.extend(one for row in rows if (one := _event(row, numbers)) is not None)
        kept = {row.id: row for row in await tx.all(select(reports))}
        for row in kept.values():
            slot = int(row.until.timestamp())
            more = f"of {slot} {'late' if row.late else 'in time'}"
            found.append(Brought(_minute(row.made_at), "digest", row.name, more))
        for row in await tx.all(select(deliveries).where(deliveries.c.kind.in_(("digest", "notice")))):
            found.extend(_delivery(row, kept, numbers))

    await world.there[0].database.read(read)
    return found


def _event(row: Any, numbers: dict[int, int]) -> Brought | None:
    kind, more = _KINDS.get(row.kind, ""), ""
    if row.kind == "closed_unresolved" and row.data.get("auto"):
        kind = "auto_closed"
    elif row.kind == "closed":
        kind = "closed"
    if kind in ("near", "missed"):
        due = datetime.fromisoformat(row.data["due"])
        more = f"{row.data['target']} {due.timestamp():g}" if due.microsecond else ""
        more = more or f"{row.data['target']} {int(due.timestamp())}"
    return Brought(_minute(row.at), kind, f"#{numbers[row.ticket_id]}", more) if kind else None


def _delivery(row: Any, kept: dict[int, Any], numbers: dict[int, int]) -> Iterator[Brought]:
    """A digest to somebody, a list of what nobody has taken, or a reminder."""
    at = _minute(row.created_at)
    if row.kind == "digest":
        report = kept[row.data["report"]]
        yield Brought(at, "digest to", row.place, f"{report.name} of {int(report.until.timestamp())}")
    elif row.ticket_id == 0 and row.place in _CHANNELS:
        yield Brought(at, "list", _CHANNELS[row.place], row.data["text"].split()[0])
    elif row.data.get("what") in ("reminder", "auto_closed") and not row.desk:
        yield Brought(at, f"mail: {row.data['what']}", f"#{numbers[row.ticket_id]}")


def expected(those: Sequence[Brought]) -> list[Brought]:
    """What should be there: each reminder and each closing of a pending ticket is mailed, too."""
    mails = {"reminded": "mail: reminder", "auto_closed": "mail: auto_closed"}
    return [*those, *(Brought(b.minute, mails[b.kind], b.what) for b in those if b.kind in mails)]


def shown(one: Brought) -> str:
    """Return it as a line."""
    return (
        f"{datetime.fromtimestamp(one.minute, UTC):%Y-%m-%d %H:%M} {one.kind} {one.what} {one.more}".rstrip()
    )


def differences(should: Sequence[Brought], there: Sequence[Brought]) -> list[str]:
    """Return a line for each that lacks, is too much, or is twice; in order of time."""
    wanted, found = Counter(should), Counter(there)
    lines = [(one, f"missing: {shown(one)}") for one in (wanted - found).elements()]
    lines += [(one, f"not expected: {shown(one)}") for one in (found - wanted).elements()]
    return [line for _, line in sorted(lines)]
