"""The Home tab as somebody sees it: a requester what they asked for, staff their lists. Pure.

A view holds at most 100 blocks and its `private_metadata` 3,000 characters (docs.slack.dev/reference/views). Which
list, filters and page are shown travels in the metadata, so every click knows where it was made. A row's block of
controls is named anew with each of the ticket's versions: a menu whose block keeps its name would go on showing what
somebody chose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from bot.blocks import (
    NAME,
    Json,
    actions,
    age,
    button,
    context,
    header,
    moment,
    mrkdwn,
    plain,
    section,
    select,
    titled,
)
from bot.cards import ICONS, PRESSING, settable
from bot.markup import brief, escape
from core.figures import Figures, Spread
from core.home_lists import MOST, PAGE, Request, Requests, Tab, TicketList, Wanted
from core.status import ACTIVE, Status, Ticket

ANSWER: Final = 200  # characters of an answer
OWN: Final = 5  # of staff's own requests
ALL: Final = "*"  # a filter that lets everything through
FILTERED: Final = (*ACTIVE, Status.RESOLVED)
TABS: Final = {
    Tab.MINE: "Mine",
    Tab.UNASSIGNED: "Unassigned",
    Tab.WAITING: "Waiting longest",
    Tab.ALL: "All open",
}
EMPTY: Final = {
    Tab.MINE: "Nothing is assigned to you. Have a look at what is unassigned.",
    Tab.UNASSIGNED: "Everything has somebody who looks after it.",
    Tab.WAITING: "Nobody is waiting for an answer.",
    Tab.ALL: "Nothing is open.",
}
SAID: Final = {
    Status.NEW: "we have it",
    Status.OPEN: "we're working on it",
    Status.PENDING: "waiting for your answer",
    Status.RESOLVED: "resolved",
    Status.CLOSED: "closed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What staff's tab shows: a page of a list, and yesterday's figures for those who get them."""

    wanted: Wanted
    listed: TicketList
    queues: tuple[str, ...]
    user_id: int
    yesterday: tuple[date, Figures] | None = None
    held_back: datetime | None = None  # for the same people: the last minute in which Slack held events back


# -- where somebody is ----------------------------------------------------------------------------------------------


def metadata_of(wanted: Wanted) -> str:
    """Return what travels with the view."""
    kept = {"tab": wanted.tab, "queue": wanted.queue, "status": wanted.status, "page": wanted.page}
    return json.dumps({key: value for key, value in kept.items() if value is not None})


def wanted_of(metadata: object) -> Wanted:
    """Read it back; what makes no sense is the default."""
    try:
        kept: dict[str, Any] = json.loads(str(metadata or "{}"))
        status = Status(kept["status"]) if kept.get("status") else None
        queue = str(kept["queue"]) if kept.get("queue") else None
        return Wanted(
            tab=Tab(kept.get("tab", Tab.MINE)), queue=queue, status=status, page=_page(kept.get("page"))
        )
    except (ValueError, TypeError, AttributeError):
        return Wanted()


def _page(value: object) -> int:
    plain_number = isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and len(value) < 6)
    return max(1, int(str(value))) if plain_number else 1


def clicked(wanted: Wanted, action: Mapping[str, Any]) -> Wanted:
    """Return what is wanted after a click on one of the tab's controls."""
    name = str(action.get("action_id") or "")
    value = str((action.get("selected_option") or {}).get("value") or action.get("value") or "")
    try:
        if name.startswith("home_tab_"):
            return replace(wanted, tab=Tab(name.removeprefix("home_tab_")), page=1)
        if name == "home_queue":
            return replace(wanted, queue=None if value in ("", ALL) else value, page=1)
        if name == "home_status":
            return replace(wanted, status=None if value in ("", ALL) else Status(value), page=1)
    except ValueError:
        return wanted
    return replace(wanted, page=_page(value)) if name.startswith("home_page_") else wanted


# -- views ----------------------------------------------------------------------------------------------------------


def loading(wanted: Wanted) -> Json:
    """What is shown while a slow read goes on."""
    return _view([context(":hourglass_flowing_sand: one moment…")], wanted)


def failed(wanted: Wanted) -> Json:
    """What is shown where the lists can't be had."""
    words = ":warning: This can't be shown just now. Nothing is lost; please try again in a moment."
    return _view(
        [section(words), actions("home:again", [button("Try again", "home_again", "again")])], wanted
    )


def for_requester(name: str, requests: Requests, links: Mapping[int, str]) -> Json:
    """A requester's tab. `name`: the service's; `links`: of the tickets, to where their conversation is."""
    blocks = [header(brief(name, NAME)), actions("home:new", [_new_button()])]
    if not (requests.open or requests.resolved):
        words = "You haven't asked for anything yet. Write to me under *Messages*, or press the button above."
        return _view([*blocks, section(f":wave: {words}")], Wanted())
    blocks += _requests(requests, links, "")
    return _view(blocks, Wanted())


def for_staff(name: str, desk: Desk, own: Requests, links: Mapping[int, str]) -> Json:
    """A staff member's tab."""
    wanted = replace(desk.wanted, page=desk.listed.page)
    blocks = [header(brief(name, NAME)), _tabs(wanted), _filters(desk)]
    if desk.held_back is not None:
        blocks.append(_held_back(desk.held_back))
    if desk.yesterday is not None:
        blocks += _figures(*desk.yesterday)
    blocks.append(context(_where(wanted, desk.listed)))
    if not desk.listed.tickets:
        filtered = wanted.queue is not None or wanted.status is not None
        blocks.append(section("Nothing here with these filters." if filtered else EMPTY[wanted.tab]))
    for ticket in desk.listed.tickets:
        blocks += _row(ticket, desk.user_id)
    if desk.listed.pages > 1:
        blocks.append(_paging(desk.listed))
    if own.open or own.resolved:
        blocks.append({"type": "divider"})
        blocks += _requests(own, links, ":own", most=OWN)
    return _view(blocks, wanted)


def _view(blocks: Sequence[Json], wanted: Wanted) -> Json:
    return {"type": "home", "private_metadata": metadata_of(wanted), "blocks": list(blocks)}


def _new_button() -> Json:
    return button("New request", "home_new", "new", "primary")


# -- staff's lists --------------------------------------------------------------------------------------------------


def _tabs(wanted: Wanted) -> Json:
    tabs = [
        button(label, f"home_tab_{tab}", tab, "primary" if tab is wanted.tab else None)
        for tab, label in TABS.items()
    ]
    return actions("home:tabs", [*tabs, button("New request", "home_new", "new")])


def _filters(desk: Desk) -> Json:
    queues = [(ALL, "All queues"), *((name, name) for name in desk.queues[:99])]
    statuses = [(ALL, "Any open status"), *((s.value, s.value) for s in FILTERED)]
    return actions(
        "home:filters",
        [
            select("home_queue", "Queue", queues, desk.wanted.queue or ALL),
            select("home_status", "Status", statuses, desk.wanted.status or ALL),
        ],
    )


def _where(wanted: Wanted, listed: TicketList) -> str:
    label = f"*{TABS[wanted.tab]}*"
    if not listed.tickets:
        return label
    first = (listed.page - 1) * PAGE + 1
    count = f"{listed.count:,}" if listed.count < MOST else f"{MOST:,} or more"
    return f"{label} · {first:,}–{first + len(listed.tickets) - 1:,} of {count}"


def _row(ticket: Ticket, user_id: int) -> Iterator[Json]:
    yield {"type": "section", "text": plain(titled(ticket))}
    pressing = PRESSING.get(ticket.priority, "")
    facts = [f"{pressing}{ICONS[ticket.status]} {ticket.status.value}", f"came in {age(ticket.created_at)}"]
    if ticket.waiting_since:
        facts.append(f"waiting since {moment(ticket.waiting_since)}")
    if ticket.snoozed_until:
        facts.append(f":zzz: until {moment(ticket.snoozed_until)}")
    yield context(
        plain(brief(ticket.requester_name or ticket.requester_email or "somebody", NAME)),
        plain(brief(ticket.queue, NAME)),
        " · ".join(facts),
        plain(brief(_assignee(ticket, user_id), NAME)),
    )
    controls = [
        select("status", "Status", [(s.value, s.value) for s in settable(ticket.status)], ticket.status)
    ]
    if ticket.assignee_id != user_id and ticket.status is not Status.CLOSED:
        controls.insert(0, button("Take", "take", str(ticket.id), None if ticket.assignee_id else "primary"))
    yield actions(f"ticket:{ticket.id}:home:{ticket.version}", controls)


def _assignee(ticket: Ticket, user_id: int) -> str:
    if ticket.assignee_id is None:
        return "unassigned"
    return "yours" if ticket.assignee_id == user_id else f"with {ticket.assignee or 'somebody'}"


def _paging(listed: TicketList) -> Json:
    buttons = []
    if listed.page > 1:
        buttons.append(button("‹ Previous", "home_page_previous", str(listed.page - 1)))
    if listed.page < listed.pages:
        buttons.append(button("Next ›", "home_page_next", str(listed.page + 1)))
    return actions("home:pages", buttons)


def _held_back(minute: datetime) -> Json:
    words = "Slack held events back, more than 30,000 in an hour; what was missed is read by and by."
    return section(f":warning: *{moment(minute)}:* {words}")


def _figures(day: date, figures: Figures) -> list[Json]:
    then = [("came in", figures.came_in), ("opened again", figures.reopened), ("resolved", figures.resolved)]
    if figures.deliveries_failed:
        then.append(("not delivered", figures.deliveries_failed))
    then.append(("open at its end", figures.backlog_end))
    now = [
        ("unassigned", figures.unassigned),
        ("waiting for us", figures.waiting_for_staff),
        ("for the requester", figures.waiting_for_customer),
    ]
    took = [
        f"{what} {_lasted(spread)}"
        for what, spread in (("first answer", figures.first_response), ("resolved", figures.resolution))
        if spread.n
    ]
    lines = [f":bar_chart: *Yesterday, {day:%a %d %b}:* {_counts(then)}", f"*Now:* {_counts(now)}"]
    if took:
        lines.insert(1, f"*Half of them within:* {', '.join(took)}")
    return [section("\n".join(lines))]


def _counts(figures: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in figures)


def _lasted(spread: Spread) -> str:
    minutes = round((spread.median or 0) / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 36 else f"{hours / 24:.1f} days"


# -- what somebody asked for ----------------------------------------------------------------------------------------


def _requests(requests: Requests, links: Mapping[int, str], suffix: str, most: int = MOST) -> Iterable[Json]:
    blocks: list[Json] = []
    if requests.open:
        blocks.append(section("*Your open requests*"))
    for request in requests.open[:most]:
        blocks += _request(request, links.get(request.ticket.id, ""), suffix)
    if requests.more or len(requests.open) > most:
        blocks.append(context("…and more; the latest are shown."))
    if requests.resolved:
        blocks.append(section("*Resolved lately*"))
    for request in requests.resolved[:most]:
        blocks += _request(request, links.get(request.ticket.id, ""), suffix)
    return blocks


def _request(request: Request, link: str, suffix: str) -> Iterator[Json]:
    ticket = request.ticket
    yield {"type": "section", "text": plain(titled(ticket))}
    facts = [f"{ICONS[ticket.status]} {SAID[ticket.status]}", f"asked {age(ticket.created_at)}"]
    if request.place:
        facts.append(f"<{escape(link)}|in our conversation>" if link else "in our conversation")
    yield context(" · ".join(facts))
    if words := brief(request.answer, ANSWER):
        yield context(
            mrkdwn(":speech_balloon:"), plain(brief(request.answered_by, NAME) or "The desk"), plain(words)
        )
    control = button("Resolve", "resolve", str(ticket.id))
    if ticket.status not in ACTIVE:
        control = button("Reopen", "reopen", str(ticket.id))
    yield actions(f"ticket:{ticket.id}:home:{ticket.version}{suffix}", [control])
