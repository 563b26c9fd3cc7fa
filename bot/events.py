"""The doorstep: what Slack sends is stored raw, and only then acknowledged.

Nothing is read here beyond what names it: the key that makes the same thing twice one, the conversation whose order
must hold, and the moment that sorts it there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from bot.form_reading import about
from bot.home import Home, place_of, split_place
from bot.order import Order
from bot.sift import NOBODYS, sift
from core.inbox import Arrival
from core.shapes import Ignored, key_of

log = structlog.get_logger(__name__)

Json = Mapping[str, Any]
SECRETS: Final = (
    "token",
    "bot_access_token",
    "response_url",
    "response_urls",
    "trigger_id",
    "interactivity",
    "authorizations",
    "state",
)


class Store(Protocol):
    """What a door stores with: `core.inbox.Intake`."""

    async def store(self, arrivals: Sequence[Arrival]) -> int:
        """Store durably. Raises `Unavailable`."""


async def on_message(
    intake: Store,
    body: Json,
    home: Home,
    *,
    via: str,
    order: Order | None = None,
    behind: Callable[[str], bool] | None = None,
) -> bool:
    """Store one payload; when this returns it is safe to acknowledge it. False where it's nobody's business here.

    `via`: "socket" or "http". `order` says how long an event waits for what belongs before it, `behind` whether the
    catch-up hasn't been at its conversation yet; a click or a form waits for nothing but what came before it. Raises
    `Unavailable`: then it must not be acknowledged.
    """
    found = sift(body, home)
    if isinstance(found, Ignored) and found.reason in NOBODYS:
        return False
    arrival = arrival_of(body, home, via=via)
    if order is not None and "event" in body and not isinstance(found, Ignored):
        channel = arrival.shard_by.rpartition("/")[2]
        late = behind is not None and behind(channel)
        arrival = replace(arrival, settle=order.settle(arrival.shard_by, time.monotonic(), behind=late))
    await intake.store([arrival])
    log.info("on_message", event_id=body.get("event_id"), kind=_kind(body), via=via)
    return True


def held_back_at(body: Json) -> datetime | None:
    """Return since when Slack has held events back, where that is what it says (`app_rate_limited`), else None."""
    event = body.get("event") or {}
    if "app_rate_limited" not in (body.get("type"), event.get("type")):
        return None
    minute = body.get("minute_rate_limited") or event.get("minute_rate_limited")
    now = datetime.now(UTC)
    try:
        at = datetime.fromtimestamp(int(minute or 0), UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return at if timedelta() < now - at < timedelta(days=1) else now


def arrival_of(body: Json, home: Home, *, via: str, name: str | None = None) -> Arrival:
    """Return the inbox row of a payload. `name`: what it is, where it has no id of its own (`bot.catchup`). Pure."""
    kept = {key: value for key, value in body.items() if key not in SECRETS}
    return Arrival(
        key=key_of(name or name_of(body)),
        channel="slack",
        shard_by=conversation_of(body, home),
        source_order=order_of(body),
        envelope={"via": via, "kind": _kind(body), "event_id": body.get("event_id")},
        raw=json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"),
    )


def name_of(body: Json) -> str:
    """Return what the inbox's key is made of: an event's id; a form's view; a click's trigger, or who, when and
    what. Pure."""
    if event_id := body.get("event_id"):
        return f"slack:event:{event_id}"
    user = (
        (body.get("user") or {}).get("id") if isinstance(body.get("user"), Mapping) else body.get("user_id")
    )
    kind, trigger = body.get("type") or body.get("command"), body.get("trigger_id")
    if kind == "view_submission" and (view := (body.get("view") or {}).get("id")):
        return f"slack:view:{view}"  # sent off twice (its answer was lost), it is one
    if trigger:
        return f"slack:{kind}:{trigger}:{user}"
    action: Json = next(iter(body.get("actions") or ()), {})
    if action:
        return f"slack:{kind}:{user}:{action.get('action_ts')}:{action.get('action_id')}"
    return f"slack:{kind}:" + json.dumps(body, sort_keys=True, ensure_ascii=True)


def conversation_of(body: Json, home: Home) -> str:
    """Return the conversation in which order must hold: `T1/C1`; of a view the one that it is about, else its person.
    Pure."""
    event, container = body.get("event") or {}, body.get("container") or {}
    channel, item = body.get("channel") or {}, event.get("item") or {}
    named = event.get("channel") or item.get("channel") or container.get("channel_id") or channel
    found = named.get("id") if isinstance(named, Mapping) else named
    if not found and isinstance(view := body.get("view"), Mapping):
        subject = about(view)
        found = subject.channel or split_place(subject.place)[1] or (body.get("user") or {}).get("id")
    return place_of(home.team, str(found or "none"))


def order_of(body: Json) -> str:
    """Return the ts that sorts a payload among its conversation's: when it happened. Pure."""
    event = body.get("event") or {}
    action: Json = next(iter(body.get("actions") or ()), {})
    return str(event.get("event_ts") or event.get("ts") or action.get("action_ts") or "")[:32]


def _kind(body: Json) -> str:
    event = body.get("event") or {}
    return str(event.get("subtype") or event.get("type") or body.get("type") or "unknown")
