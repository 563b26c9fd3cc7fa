"""The triage card: a ticket as it stands now, with its controls. Pure.

Its block of controls is named anew each time: a menu whose block keeps its name would go on showing what somebody
chose, and let nobody choose that again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from bot.blocks import (
    NAME,
    Json,
    Look,
    Post,
    actions,
    age,
    button,
    context,
    first_words,
    header,
    link_button,
    mention,
    moment,
    mrkdwn,
    page_of,
    people_select,
    plain,
    section,
    select,
    titled,
    via,
)
from bot.home import split_place
from bot.markup import brief, escape, fallback
from core.shapes import Outgoing, Priority
from core.status import ACTIVE, MOVES, SETS, Status, Ticket
from core.targets import MISSED, NEAR, due_of

FIRST_WORDS: Final = 300
TAGS: Final = 150
ICONS: Final = {
    Status.NEW: ":large_blue_circle:",
    Status.OPEN: ":large_green_circle:",
    Status.PENDING: ":hourglass_flowing_sand:",
    Status.RESOLVED: ":white_check_mark:",
    Status.CLOSED: ":black_circle:",
}
PRESSING: Final = {Priority.HIGH: ":arrow_up: ", Priority.URGENT: ":rotating_light: "}
TARGETS: Final = {"first": "first response", "next": "next response", "resolve": "resolution"}
MENU: Final[tuple[tuple[str, str], ...]] = (
    ("merge", "Merge into…"),
    ("queue", "Move to queue…"),
    ("snooze", "Snooze…"),
    ("title", "Edit title…"),
    ("note", "Add note…"),
    ("spam", "Spam"),
)


def ticket_card(outgoing: Outgoing, look: Look) -> Post:
    """The card of a ticket. Where the ticket isn't worked on here any more, it says where it went, no more."""
    ticket: Ticket = outgoing.ticket
    elsewhere = gone_to(outgoing, look)
    head: list[Json] = [header(titled(ticket))]
    if elsewhere is not None:
        head.append(section(elsewhere))
    else:
        head.append({"type": "section", "fields": list(_facts(outgoing))})
        if words := first_words(ticket, FIRST_WORDS):
            head.append(section(f">{words}"))
        if remarks := list(_remarks(outgoing)):
            head.append(context(*remarks))
        head.append(
            actions(f"ticket:{ticket.id}:{ticket.version}:{outgoing.delivery_id}", _controls(outgoing, look))
        )
    who = outgoing.assignee or ticket.assignee
    state = f"{ticket.status.value}, {'assigned to ' + who if who else 'unassigned'}"
    return Post(fallback(escape(f"{titled(ticket)} ({brief(state, 2 * NAME)})")), tuple(head))


def gone_to(outgoing: Outgoing, look: Look) -> str | None:
    """Say where the ticket is worked on if not below this card, None where it is."""
    ticket: Ticket = outgoing.ticket
    if ticket.merged_into:
        return f":link: merged into #{ticket.merged_into}: it goes on there"
    channel = look.channel_of(ticket.queue)
    if channel is None or channel == split_place(outgoing.place)[1]:
        return None
    if not channel:
        return (
            f":arrow_right: there is no channel here for its queue now: {escape(brief(ticket.queue, NAME))}"
        )
    return f":arrow_right: moved: it goes on in {mention(channel)}"


def _facts(outgoing: Outgoing) -> Iterator[Json]:
    ticket: Ticket = outgoing.ticket
    requester = outgoing.requester
    name = requester.name if requester else ticket.requester_name
    email = requester.email if requester else ticket.requester_email
    shown = brief(name or email or "somebody", NAME)
    if email and name and name.lower() != email.lower():
        shown += f" ({brief(email, NAME)})"
    assignee = brief(outgoing.assignee or ticket.assignee or "", NAME) or "nobody"
    yield mrkdwn(f"*Requester*\n{escape(shown)}")
    yield mrkdwn(f"*Assignee*\n{escape(assignee)}")
    yield mrkdwn(f"*Status*\n{ICONS[ticket.status]} {ticket.status.value}")
    yield mrkdwn(f"*Priority*\n{PRESSING.get(ticket.priority, '')}{ticket.priority.value}")
    yield mrkdwn(f"*Queue*\n{escape(brief(ticket.queue, NAME))}")
    yield mrkdwn(f"*Came in*\n{age(ticket.created_at)} {via(ticket.channel)}")
    for target, due in islice(due_of(ticket), 1):
        yield mrkdwn(f"*Target*\n{_target(ticket, target, due)}")


def _target(ticket: Ticket, target: str, due: datetime) -> str:
    """The target that is due next, and whether it is near or missed: as staff were told."""
    told = ticket.targets_told.split()
    if f"{target}:{MISSED}" in told:
        return f":fire: {TARGETS[target]} missed, was due {moment(due)}"
    return f"{':warning: ' if f'{target}:{NEAR}' in told else ''}{TARGETS[target]} due {moment(due)}"


def _remarks(outgoing: Outgoing) -> Iterator[Json | str]:
    ticket: Ticket = outgoing.ticket
    if outgoing.answering:
        names = ", ".join(brief(name, NAME) for name in outgoing.answering[:5])
        yield ":writing_hand:"
        yield plain(f"{names} {'is' if len(outgoing.answering) == 1 else 'are'} answering")
    if outgoing.tags:
        yield ":label:"
        yield plain(brief(", ".join(outgoing.tags), TAGS))
    if ticket.snoozed_until:
        yield f":zzz: snoozed until {moment(ticket.snoozed_until)}"
    if ticket.unconfirmed:
        yield ":grey_question: the requester hasn't confirmed the address yet"
    if ticket.spam:
        yield ":no_entry: looks like spam; `!spam off` if it isn't"


def _controls(outgoing: Outgoing, look: Look) -> list[Json]:
    ticket: Ticket = outgoing.ticket
    elements: list[Json] = []
    if ticket.status in ACTIVE or ticket.status is Status.RESOLVED:
        elements.append(button("Take", "take", str(ticket.id), None if ticket.assignee else "primary"))
        elements.append(people_select("assign", "Assign to…", _ours(outgoing.assignee_slack, look)))
    elements.append(
        select("status", "Status", [(s.value, s.value) for s in settable(ticket.status)], ticket.status.value)
    )
    elements.append(
        select("priority", "Priority", [(p.value, p.value) for p in Priority], ticket.priority.value)
    )
    if ticket.status in ACTIVE:
        elements.append(button("Resolve", "resolve", str(ticket.id)))
    else:
        elements.append(button("Reopen", "reopen", str(ticket.id)))
    menu = [one for one in MENU if not (one[0] == "spam" and ticket.spam)]
    elements.append(select("menu", "More…", menu))
    if page := page_of(ticket, look):
        elements.append(link_button("Open page", "page", page))
    return elements


def _ours(slack: str, look: Look) -> str:
    """The id of somebody of our own team: a menu can show nobody else."""
    team, _, user = slack.rpartition("/")
    return user if user.startswith(("U", "W")) and (not team or team == look.team) else ""


def settable(status: Status) -> list[Status]:
    """The present status, and those that staff can set from it."""
    return [s for s in Status if s is status or status in MOVES[SETS[s]]]
