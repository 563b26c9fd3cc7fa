"""Forms as they come back: what was filled in, whether it makes sense, and what the desk is asked for. Pure.

docs.slack.dev/reference/interaction-payloads/view-interactions-payload: `state.values` is block → action → value. Ours
name block and action alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from bot import markup
from bot.home import Home, place_of
from core.blank import is_blank
from core.desk import TITLE as LONGEST_TITLE
from core.durations import parse_duration
from core.shapes import Auth, File, Ignored, Inbound, NewMessage, Person, Priority, Ref, StaffCommand

Json = Mapping[str, Any]

NEW: Final = ("new_ticket", "make_ticket")
STAFF: Final = ("merge", "queue", "snooze", "title", "note", "spam")
FORMS: Final = (*NEW, *STAFF, "rate")
TITLE: Final = 150  # characters of a new ticket's title
MOST_TITLE: Final = LONGEST_TITLE  # of any: one that came by mail may be longer
LONGEST: Final = timedelta(days=365)  # that a ticket is put aside
WORDS: Final = "words"  # the block in which a form shows a message
LIKE: Final = "like 90m, 4h or 3d"
SAY: Final = "Say in a few words what it is about."
AGAIN: Final = "This couldn't be saved just now. Please press the button again."
_NUMBER: Final = re.compile(r"\s*#?(\d{1,18})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a form is about, as its `private_metadata` says: ids only. `ticket` and the `place` where it was asked for;
    or the message (`channel`, `ts`, `author`) of which a ticket is made; `own`: it will be the asker's own. Of a new
    ticket the `channel` in which it was asked for, where people's requests go to a queue of its own."""

    ticket: int = 0
    place: str = ""
    channel: str = ""
    ts: str = ""
    author: str = ""
    own: bool = False

    def packed(self) -> str:
        """Return it as `private_metadata`."""
        given = {key: value for key, value in asdict(self).items() if value}
        return json.dumps(given, separators=(",", ":"))


def about(view: Json) -> About:
    """Read a view's `private_metadata`; what isn't ours says nothing."""
    try:
        given = json.loads(str(view.get("private_metadata") or "{}"))
    except ValueError:
        return About()
    return unpacked(given)


def unpacked(given: Any) -> About:
    """Return what a loaded `private_metadata`, or a button's value, is about."""
    if not isinstance(given, dict):
        return About()
    ticket = given.get("ticket")
    texts = {key: str(given.get(key) or "")[:255] for key in ("place", "channel", "ts", "author")}
    return About(ticket=ticket if isinstance(ticket, int) else 0, own=given.get("own") is True, **texts)


# -- what was filled in ------------------------------------------------------------------------------------------


def field(view: Json, name: str) -> Json:
    """Return the state of a field, {} where the form has none of that name."""
    values = (view.get("state") or {}).get("values") or {}
    for block in values.values():
        if isinstance(block, Mapping) and isinstance(block.get(name), Mapping):
            found: Json = block[name]
            return found
    return {}


def text_of(view: Json, name: str) -> str:
    """Return what was typed or chosen in a field, "" for nothing."""
    state = field(view, name)
    chosen = state.get("selected_option")
    if isinstance(chosen, Mapping):
        return str(chosen.get("value") or "")
    return str(state.get("value") or state.get("selected_user") or "").replace("\r\n", "\n").strip()


def files_of(view: Json) -> tuple[Json, ...]:
    """Return the files of a form, as Slack describes them."""
    given = field(view, "files").get("files")
    return tuple(file for file in given if isinstance(file, Mapping)) if isinstance(given, list) else ()


def users_of(view: Json) -> set[str]:
    """Return whom a form names: for whom the ticket is, who wrote the message."""
    return {text_of(view, "for"), about(view).author}


def quoted_of(view: Json) -> str:
    """Return the words of the message that the form shows, "" where it shows none."""
    for block in view.get("blocks") or ():
        if block.get("block_id") == WORDS:
            return str((block.get("text") or {}).get("text") or "").replace("\u2060", "")
    return ""


# -- does it make sense? ------------------------------------------------------------------------------------------


def problems(view: Json) -> dict[str, str]:
    """Return what must be filled in otherwise: field → what to do. {} where all is well."""
    match view.get("callback_id"):
        case "new_ticket" | "make_ticket":
            return _needs(view, "title", SAY) or _too_long(view, TITLE)
        case "title":
            return _needs(view, "title", "Give the ticket a title.") or _too_long(view, MOST_TITLE)
        case "note":
            return _needs(view, "note", "Write the note.")
        case "queue":
            return _needs(view, "queue", "Choose a queue.")
        case "rate":
            return _needs(view, "score", "Choose from 1 to 5.")
        case "merge":
            return _merge_problems(view)
        case "snooze":
            return _snooze_problems(view)
        case _:
            return {}


def _needs(view: Json, name: str, what: str) -> dict[str, str]:
    return {} if text_of(view, name) else {name: what}


def _too_long(view: Json, most: int) -> dict[str, str]:
    return {"title": f"A title has at most {most} characters."} if len(text_of(view, "title")) > most else {}


def _merge_problems(view: Json) -> dict[str, str]:
    typed, chosen = text_of(view, "number"), text_of(view, "which")
    if typed and _NUMBER.fullmatch(typed) is None:
        return {"number": "Write the number of a ticket, like 12."}
    if not typed and not chosen:
        return {"number": "Write the number of the ticket that this one belongs to."}
    if merged_into(view) == about(view).ticket:
        return {"number": "That is this very ticket."}
    return {}


def merged_into(view: Json) -> int:
    """Return the ticket into which another is merged: the number that was typed, else what was chosen; 0 for none."""
    found = _NUMBER.fullmatch(text_of(view, "number")) or _NUMBER.fullmatch(text_of(view, "which"))
    return int(found[1]) if found else 0


def _snooze_problems(view: Json) -> dict[str, str]:
    typed = text_of(view, "duration")
    if not typed:
        return (
            {} if text_of(view, "for_how_long") else {"duration": f"Choose for how long, or write it {LIKE}."}
        )
    try:
        length = parse_duration("".join(typed.split()))
    except ValueError:
        return {"duration": f"Write it {LIKE}."}
    if not (isinstance(length, timedelta) and timedelta() < length <= LONGEST):
        return {"duration": f"Write how long, up to {LONGEST.days}d."}
    return {}


def first_field(view: Json) -> str:
    """Return the name of the first field, below which a word to the whole form is shown; "" where there is none."""
    blocks = view.get("blocks") or ()
    return next((str(b.get("block_id") or "") for b in blocks if b.get("type") == "input"), "")


# -- what is asked for ---------------------------------------------------------------------------------------------


def read_form(
    view: Json,
    user: str,
    home: Home,
    people: Mapping[str, Person],
    files: tuple[File, ...],
    at: datetime,
    *,
    staff: bool = False,
) -> Inbound:
    """Read a form that doesn't need the message that it is about. `user`: who sent it off, `staff`: whether they are
    staff, where that matters (`asks_staff`); `at`: when it came."""
    form, sender = str(view.get("callback_id") or ""), _person(user, home, people)
    if problems(view):
        return Ignored(reason=f"the form {form} isn't filled in")
    if form in NEW:
        return _ticket(view, sender, people, files, at, home=home, staff=staff)
    subject = about(view)
    words, text = _asked(view, form)
    return StaffCommand(
        channel="slack",
        sender=replace(sender, place=subject.place or sender.place),
        source_time=at,
        verb=form,
        words=words,
        text=text,
        ticket_id=subject.ticket or None,
        place=subject.place or sender.place,
    )


def _asked(view: Json, form: str) -> tuple[tuple[str, ...], str]:
    match form:
        case "merge":
            return (str(merged_into(view)),), ""
        case "queue":
            return (text_of(view, "queue"),), ""
        case "snooze":
            typed = "".join(text_of(view, "duration").split())
            return (typed or text_of(view, "for_how_long"),), ""
        case "rate":
            return (text_of(view, "score"),), text_of(view, "comment")
        case "title" | "note":
            return (), text_of(view, form)
        case _:
            return (), ""


def _ticket(
    view: Json,
    sender: Person,
    people: Mapping[str, Person],
    files: tuple[File, ...],
    at: datetime,
    *,
    home: Home,
    staff: bool,
) -> NewMessage:
    title = text_of(view, "title")
    words = text_of(view, "description")
    requester, made_by = sender, None
    if (other := text_of(view, "for")) and other != sender.address.rpartition("/")[2]:
        requester, made_by = _person(other, home, people), sender
    if is_blank(words) and (quoted := quoted_of(view)):
        author = people.get(about(view).author)
        words = quote(author.name if author else "", quoted)
    return NewMessage(
        ref=Ref(f"slack:{home.team}/view/{view['id']}"),
        channel="slack",
        queue=queue_of(view, home, staff=staff),
        sender=requester,
        auth=Auth.VERIFIED,
        source_time=at,
        subject=title,
        text=title if is_blank(words) else words,
        visible=title if is_blank(words) else words,
        files=files,
        priority=priority_of(view),
        made_by=made_by,
        on_behalf=made_by is not None,
    )


def queue_of(view: Json, home: Home, *, staff: bool) -> str:
    """Return the queue of what a form opens: the chosen one, else that of the channel where it was asked for, else that
    of direct messages. One that isn't public is staff's to choose: for others it is the first that is."""
    chosen = text_of(view, "queue")
    if chosen in home.public or (staff and chosen):
        return chosen
    if not chosen and (theirs := home.requests.get(about(view).channel)):
        return theirs
    first = next(iter(home.public), home.dm_queue)
    return home.dm_queue if not chosen and (staff or home.dm_queue in home.public) else first


def asks_staff(view: Json, home: Home) -> bool:
    """Whether it matters to a new ticket's queue that staff sent the form off."""
    opens = view.get("callback_id") in NEW
    return opens and queue_of(view, home, staff=True) != queue_of(view, home, staff=False)


def priority_of(view: Json) -> Priority | None:
    """Return the priority that was chosen, None for none."""
    try:
        return Priority(text_of(view, "priority"))
    except ValueError:
        return None


def quote(author: str, words: str) -> str:
    """Return somebody's words as another one passes them on."""
    lines = "\n".join(f"> {line}".rstrip() for line in words.splitlines())
    return f"{author or 'Somebody'} wrote:\n{lines}"


def _person(user: str, home: Home, people: Mapping[str, Person]) -> Person:
    """Somebody, answered in their direct messages."""
    known = people.get(user) or Person(kind="slack", address=f"{home.team}/{user}", team=home.team)
    return replace(known, place=place_of(home.team, user))


def subject_of(text: str, files: tuple[File, ...] = (), limit: int = 120) -> str:
    """Make a title of the first line, or of the first file's name where there are no words."""
    line = next((line for line in text.splitlines() if not is_blank(line)), "")
    return markup.brief(line or (files[0].name if files else ""), limit)
