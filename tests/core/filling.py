"""Many tickets at once, for lists and limits: rows as the desk writes them, in a few statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from core.tables import tickets
from tests.core.desk import TestDesk

STATUSES = ("new", "open", "pending", "resolved", "closed")


async def fill(
    desk: TestDesk, count: int, requester: int, each: Callable[[int], dict[str, Any]] | None = None
) -> None:
    """Put `count` tickets of a user there, one a minute older than the other; `each` says what is special of one."""
    now = datetime.now(UTC)
    rows = []
    for number in range(count):
        at = now - timedelta(minutes=number)
        status = STATUSES[number % len(STATUSES)]
        row = {
            "queue": "support",
            "title": f"Filler {number}",
            "description": "d",
            "status": status,
            "priority": "normal",
            "channel": "email",
            "requester_id": requester,
            "requester_address": "x@y.example",
            "assignee_id": None,
            "created_at": at,
            "updated_at": at,
            "public_updated_at": at,
            "waiting_since": at if status in ("new", "open") else None,
            "resolved_at": at if status == "resolved" else None,
            "snoozed_until": None,
        }
        rows.append(row | (each(number) if each else {}))
    for at in range(0, count, 1000):
        part = rows[at : at + 1000]
        await desk.database.unit(lambda tx, part=part: tx.run(insert(tickets), part))  # type: ignore[misc]
