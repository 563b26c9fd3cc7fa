"""Who is told what: pure functions from what happened to the deliveries that it calls for (`told`), and to the news
that a member of the staff gets personally (`personal`), which `core.bundling` gathers.

The requester's side hears of answers and of what was decided; the desk's side sees everything. Notes and outsiders'
words never leave the desk. Nobody is told of what they did themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from core.hearing import Agent as Agent
from core.hearing import News as News
from core.hearing import Personal as Personal
from core.hearing import newsworthy as newsworthy
from core.shapes import Kind
from core.status import Status, Ticket


class Happened(StrEnum):
    """What can happen to a ticket, as far as somebody wants to hear of it."""

    OPENED = "opened"
    WROTE = "wrote"  # somebody who takes part
    OUTSIDER_WROTE = "outsider_wrote"
    STAFF_REPLIED = "staff_replied"
    NOTED = "noted"
    STATUS_SET = "status_set"
    CHANGED = "changed"  # priority, title, queue
    ASSIGNED = "assigned"  # or taken from somebody
    MERGED = "merged"  # into another one: data["into"] where that is its requester's too
    FAILED = "failed"  # something didn't arrive: data["to"], data["reason"]
    RATED = "rated"  # by the requester: data["score"]
    EDITED = "edited"
    DELETED = "deleted"
    TAKEN_BACK = "taken_back"  # an answer became a note: it goes from where it can be taken back
    TOLD = "told"  # something for the desk only: data["text"]
    REMINDED = "reminded"  # the requester, of the answer that we wait for: the desk hears nothing of it
    TARGET = "target"  # one is near or missed: data["text"]; who is told beside the desk: `core.target_watch`


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Somebody who takes part, and where they are reached."""

    user_id: int
    role: str  # requester, cc
    channel: str
    place: str
    key: bytes
    suppressed: bool = False  # mail to them bounced for good


@dataclass(frozen=True, slots=True)
class Copy:
    """Where a message (or, with `attachment_id`, a file of it) was posted: `remote` is "" while that is under way."""

    channel: str
    place: str
    remote: str
    desk: bool
    attachment_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that the decision needs.

    `triage`: (channel, place) of the desk's threads, or None. `agents`: whom to tell by mail ([] where the queue
    doesn't). `assignee`: who has the ticket, None where they did it themselves. `from_thread`: it was done in the
    triage thread, which therefore shows it already. `automatic`: the message is automatic mail, which is never
    answered. `acknowledge`: the brakes allow an acknowledgement. `long`: the opening message doesn't fit on the card.
    `receipt`: what an acknowledgement says beside its words.
    `ask_rating`: who is told that it's resolved, where there are buttons, may say how it was. `rate_url`: where who
    reads that in a mail may, "" where they aren't asked.
    """

    ticket: Ticket
    triage: tuple[str, str] | None
    agents: Sequence[Agent]
    listeners: Sequence[Listener]
    actor_id: int | None
    actor_name: str = ""
    assignee: Agent | None = None
    from_thread: bool = False
    automatic: bool = False
    acknowledge: bool = True
    long: bool = False
    receipt: Mapping[str, Any] = field(default_factory=dict)
    ask_rating: bool = False
    rate_url: str = ""
    actor_place: str = ""  # where they wrote: it isn't repeated there
    had: frozenset[bytes] = frozenset()  # identities whom the mail itself went to: they get no copy of ours
    was: Status | None = None
    timer: bool = False
    copies: Sequence[Copy] = ()  # of a message that is changed
    edits: frozenset[str] = frozenset()  # channels that can change what they posted
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One delivery to note. `apart`: it has a lane of its own, named after that, so that it holds up nothing while it
    waits. `automatic`: it answers nobody and waits while the requester is unconfirmed. `message_id`:
    whose words it carries, where several messages are told of at once."""

    channel: str
    place: str
    kind: Kind
    desk: bool
    automatic: bool = False
    priority: int = 5
    delay: timedelta = timedelta()
    apart: str = ""
    to_key: bytes | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    message_id: int | None = None


# Among the heads of a lane: conversation first, then cards, then all else. What timers do waits behind people.
_TALK, _CARD, _REST, _TIMED = 3, 5, 7, 8
CORRECTION_DELAY: Final = timedelta(seconds=60)
MOST_COPIED: Final = 20
LATER: Final = "later"  # the lane of what waits for the end of somebody's quiet hours


def told(happened: Happened, scene: Scene) -> tuple[Told, ...]:
    """Return the deliveries that this calls for, in the order in which they are noted."""
    return (*_desk(happened, scene), *_requesters(happened, scene))


def thread_of(triage: tuple[str, str], messages: Sequence[tuple[int, Sequence[int]]]) -> tuple[Told, ...]:
    """Return what shows the messages of a ticket (each with its files' ids) below its card, in their order."""
    channel, place = triage
    whole: list[Told] = []
    for message_id, files in messages:
        one = Told(
            channel=channel,
            place=place,
            kind=Kind.MESSAGE,
            desk=True,
            priority=_TALK,
            message_id=message_id,
        )
        whole += with_files([one], files, frozenset())
    return tuple(whole)


def with_files(
    all_told: Sequence[Told], attachment_ids: Sequence[int], carriers: frozenset[str]
) -> tuple[Told, ...]:
    """Where a channel can't carry files with their message, let each follow as a delivery of its own."""
    whole: list[Told] = []
    for one in all_told:
        whole.append(one)
        if one.kind is Kind.MESSAGE and one.channel not in carriers:
            whole += [
                replace(one, kind=Kind.FILE, data={**one.data, "attachment_id": i}) for i in attachment_ids
            ]
    return tuple(whole)


def _desk(happened: Happened, scene: Scene) -> Iterator[Told]:
    if happened is Happened.REMINDED:
        return
    if scene.triage is not None:
        channel, place = scene.triage
        first = _TIMED if scene.timer else _CARD
        yield Told(channel=channel, place=place, kind=Kind.CARD, desk=True, priority=first)
        if _in_thread(happened, scene):
            claims = {"claims": scene.data["claims"]} if "claims" in scene.data else {}
            yield Told(
                channel=channel, place=place, kind=Kind.MESSAGE, desk=True, priority=_TALK, data=claims
            )
        elif (text := _line(happened, scene)) is not None:
            yield Told(
                channel=channel,
                place=place,
                kind=Kind.NOTICE,
                desk=True,
                priority=_TIMED if scene.timer else _REST,
                data={"what": "line", "text": text},
            )
    for agent in noticed(happened, scene):
        yield mailed(agent, Kind.NOTICE, {"what": _NOTICES[happened], **scene.data})


_NOTICES: Final = {
    Happened.OPENED: "staff_new",
    Happened.WROTE: "staff_reply",
    Happened.OUTSIDER_WROTE: "staff_reply",
    Happened.TOLD: "staff_told",
}
_BY_MAIL: Final = {
    Happened.OPENED: News.NEW,
    Happened.WROTE: News.REPLY,
    Happened.OUTSIDER_WROTE: News.REPLY,
}


def noticed(happened: Happened, scene: Scene) -> list[Agent]:
    """Return which agents hear of it by mail: the assignee alone where there is one, of a new ticket all."""
    if happened not in _NOTICES:
        return []
    mine = [a for a in scene.agents if a.user_id == scene.ticket.assignee_id]
    heard = mine if mine and happened is not Happened.OPENED else scene.agents
    news = _BY_MAIL.get(happened)
    return [agent for agent in heard if agent.user_id != scene.actor_id and news not in agent.off]


def alerts(scene: Scene, data: Mapping[str, Any]) -> Iterator[Told]:
    """Yield what tells the desk that something didn't arrive: its thread at once, agents by mail when they may be."""
    if scene.triage is not None:
        channel, place = scene.triage
        yield Told(channel=channel, place=place, kind=Kind.ALERT, desk=True, data=data)
    for agent in scene.agents:
        yield mailed(agent, Kind.ALERT, data)


def mailed(agent: Agent, kind: Kind, data: Mapping[str, Any]) -> Told:
    """Return a mail to an agent, which waits for the end of their quiet hours."""
    return Told(
        channel="email",
        place=agent.email,
        kind=kind,
        desk=True,
        automatic=True,
        delay=agent.quiet,
        apart=LATER if agent.quiet else "",
        to_key=agent.key,
        data=data,
    )


_PERSONAL: Final = {
    Happened.ASSIGNED: News.ASSIGNED,
    Happened.WROTE: News.REPLY,
    Happened.FAILED: News.FAILED,
}


def personal(happened: Happened, scene: Scene, channels: Collection[str]) -> tuple[Personal, ...]:
    """Return what the assignee is told personally: not what they did, nor what a mail of the desk's tells them."""
    news, mine = _PERSONAL.get(happened), scene.assignee
    if news is None or mine is None or mine.user_id == scene.actor_id or scene.ticket.spam:
        return ()
    if happened is Happened.WROTE and scene.automatic:
        return ()
    mailed = scene.agents if happened is Happened.FAILED else noticed(happened, scene)
    if any(agent.user_id == mine.user_id for agent in mailed):
        return ()
    by = {} if happened is Happened.FAILED else {"by": scene.actor_name}
    kept = {key: scene.data[key] for key in ("to", "reason") if key in scene.data}
    return newsworthy(news, scene.ticket, [mine], channels, {**by, **kept})


def _in_thread(happened: Happened, scene: Scene) -> bool:
    """Does the message itself go into the triage thread?"""
    if scene.from_thread:
        return False
    if happened is Happened.OPENED:
        return scene.long
    return happened in (
        Happened.WROTE,
        Happened.OUTSIDER_WROTE,
        Happened.STAFF_REPLIED,
        Happened.NOTED,
    )


def _line(happened: Happened, scene: Scene) -> str | None:
    """The line that the triage thread gets about what was done elsewhere."""
    if happened in (Happened.TOLD, Happened.TARGET):
        return str(scene.data.get("text", ""))
    if scene.from_thread or scene.data.get("text") is None:
        return None
    lined = (Happened.STATUS_SET, Happened.CHANGED, Happened.ASSIGNED, Happened.MERGED, Happened.RATED)
    return str(scene.data["text"]) if happened in lined else None


def _requesters(happened: Happened, scene: Scene) -> Iterator[Told]:
    if happened is Happened.OPENED:
        if scene.acknowledge and not scene.automatic:
            yield from _notice(scene, "ack", scene.receipt)
    elif happened is Happened.STAFF_REPLIED:
        yield from _answer(scene)
    elif happened is Happened.WROTE and not scene.automatic:
        yield from _answer(scene, passed_on=True)
    elif happened is Happened.STATUS_SET:
        what = _decided(scene)
        if what is not None:
            yield from _notice(scene, what, _asked(scene) if what == "resolved" else {})
    elif happened is Happened.MERGED and scene.data.get("into"):
        yield from _notice(scene, "merged", {"into": scene.data["into"]})
    elif happened is Happened.REMINDED:
        yield from _notice(scene, "reminder", scene.data)
    elif happened is Happened.RATED and _has_buttons(scene):
        yield from _notice(scene, "rated", {"score": scene.data["score"]})
    if happened in (Happened.EDITED, Happened.DELETED, Happened.TAKEN_BACK):
        yield from _changed_copies(happened, scene)


def thanked(scene: Scene) -> bool:
    """Does the requester get a notice of the rating they gave? Spam is sent none."""
    listener = _requester(scene)
    return _has_buttons(scene) and listener is not None and not (listener.suppressed or scene.ticket.spam)


def _requester(scene: Scene) -> Listener | None:
    return next((x for x in scene.listeners if x.role == "requester"), None)


def _asked(scene: Scene) -> dict[str, Any]:
    """What a notice has with it that asks its reader how it was: buttons, or a link."""
    if _has_buttons(scene):
        return {"rate": True} if scene.ask_rating else {}
    return {"url": scene.rate_url} if scene.rate_url else {}


def _has_buttons(scene: Scene) -> bool:
    """Is the requester reached where messages have buttons?"""
    listener = _requester(scene)
    return listener is not None and listener.channel in scene.edits


_RECEIPTS: Final = ("ack", "rated")  # they hear of these, though they did it themselves


def _notice(scene: Scene, what: str, more: Mapping[str, Any]) -> Iterator[Told]:
    """A fixed text to the requester alone, unless they did it themselves."""
    listener = _requester(scene)
    if listener is None or listener.suppressed:
        return
    if listener.user_id == scene.actor_id and what not in _RECEIPTS:
        return
    yield Told(
        channel=listener.channel,
        place=listener.place,
        kind=Kind.NOTICE,
        desk=False,
        automatic=True,
        priority=_REST if what == "ack" else _TALK,
        to_key=listener.key,
        data={"what": what, **more},
    )


def _answer(scene: Scene, *, passed_on: bool = False) -> Iterator[Told]:
    """Somebody's words to those who take part: one mail to the first of them with the others in Cc, a post to each
    Slack place.

    `passed_on`: a participant's words to those who weren't on their mail; else staff's answer. A requester whose
    address bounced gets a delivery of staff's answer all the same: it fails, and staff hear of it.
    """
    places: set[tuple[str, str]] = set()
    mailed = False
    ordered = sorted(scene.listeners, key=lambda x: (x.role != "requester", x.suppressed))
    had = {"had": sorted(key.hex() for key in scene.had)} if scene.had else {}
    for listener in ordered:
        if len(places) > MOST_COPIED:
            break
        mine = listener.user_id == scene.actor_id or listener.place == scene.actor_place
        if mine or listener.key in scene.had:
            continue
        if (listener.channel, listener.place) in places:
            continue
        if listener.suppressed and (passed_on or listener.role != "requester"):
            continue
        if listener.channel == "email" and not listener.suppressed:
            if mailed:
                continue  # copied by that mail
            mailed = True
        places.add((listener.channel, listener.place))
        yield Told(
            channel=listener.channel,
            place=listener.place,
            kind=Kind.MESSAGE,
            desk=False,
            priority=_TALK,
            delay=scene.data.get("hold", timedelta()),
            to_key=listener.key,
            data={**had, "passed_on": True} if passed_on else had,
        )


def _decided(scene: Scene) -> str | None:
    """Which decision the requester hears of."""
    now, was = scene.ticket.status, scene.was
    if now is Status.RESOLVED:
        return "resolved"
    if now is Status.CLOSED and was is not Status.RESOLVED:
        return "auto_closed" if scene.timer else "closed"
    if now in (Status.OPEN, Status.PENDING) and was in (Status.RESOLVED, Status.CLOSED):
        return "reopened"
    if now is Status.PENDING and was in (Status.NEW, Status.OPEN):
        return "waiting"
    return None


def _changed_copies(happened: Happened, scene: Scene) -> Iterator[Told]:
    """Carry an edit to wherever the message was posted. Of a deletion only staff are told, but files go everywhere."""
    mailed = False
    for copy in scene.copies:
        if happened is Happened.DELETED and not copy.desk and copy.attachment_id is None:
            continue
        # What became a note goes from the requester's side alone.
        gone = happened is Happened.DELETED or (happened is Happened.TAKEN_BACK and not copy.desk)
        if copy.channel in scene.edits:
            if copy.attachment_id is None or gone:
                yield _change(copy, gone=gone)
        elif not copy.desk and not mailed and happened is Happened.EDITED:
            mailed = True
            listener = next((x for x in scene.listeners if x.place == copy.place), None)
            yield Told(
                channel=copy.channel,
                place=copy.place,
                kind=Kind.NOTICE,
                desk=False,
                delay=CORRECTION_DELAY,
                to_key=listener.key if listener else None,
                data={"what": "correction"},
            )


def _change(copy: Copy, *, gone: bool) -> Told:
    """Another text for what was posted, or that it is taken back; a file is only ever taken back."""
    data: dict[str, Any] = {"target": copy.remote, "deleted": gone}
    if copy.attachment_id is not None:
        data = {"file": copy.remote, "attachment_id": copy.attachment_id, "deleted": True}
    return Told(
        channel=copy.channel, place=copy.place, kind=Kind.EDIT, desk=copy.desk, priority=_TALK, data=data
    )
