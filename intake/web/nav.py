"""The links in the head of every page: where somebody can go."""

from __future__ import annotations

from core.shapes import Actor, Role


def links(actor: Actor | None) -> list[tuple[str, str]]:
    """Return (path, label) of the pages that this viewer uses; of nobody, none. Pure."""
    if actor is None:
        return []
    if not actor.staff:
        return [("/", "My tickets"), ("/report-issue", "New request")]
    found = [
        ("/", "Tickets"),
        ("/report-issue", "New request"),
        ("/desk/failed", "Undelivered"),
        ("/status", "Status"),
    ]
    if actor.role is Role.MANAGER:
        found.append(("/reports", "Reports"))
    return [*found, ("/preferences", "Notices")]
