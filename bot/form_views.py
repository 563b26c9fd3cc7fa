"""The forms that open. Pure.

Limits of views (docs.slack.dev/reference/views): 24 characters of a title and a button, 3,000 of `private_metadata`, of
what is prefilled and of what is typed. A form's blocks and their elements are named alike, by what they ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.blocks import Json, context, people_select, plain, section, select, titled
from bot.form_reading import MOST_TITLE, TITLE, WORDS, About
from bot.markup import brief
from core.shapes import Priority
from core.status import Ticket

LONGEST: Final = 3_000  # characters of a text field
SHOWN: Final = 2_900  # of a message's words in a form
OPTION: Final = 75
MOST_OPTIONS: Final = 100
FILES: Final = 10
PUT_ASIDE: Final = (
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "Until tomorrow, at this time"),
    ("2d", "2 days"),
    ("7d", "1 week"),
    ("14d", "2 weeks"),
    ("off", "Not any more: take it up now"),
)
SCORES: Final = ("1", "2", "3", "4", "5")


def modal(form: str, title: str, about: About, blocks: Sequence[Json], submit: str = "") -> Json:
    """Return a form; without `submit` it only tells something."""
    made: Json = {
        "type": "modal",
        "callback_id": form,
        "title": plain(title[:24]),
        "close": plain("Cancel" if submit else "Close"),
        "private_metadata": about.packed(),
        "blocks": list(blocks),
    }
    return {**made, "submit": plain(submit[:24])} if submit else made


def told(title: str, text: str) -> Json:
    """Return a view that says something; `text` is plain."""
    return modal("told", title, About(), [_letters(text)])


def loading(form: str, title: str, about: About) -> Json:
    """Return what is shown until the form's content is known."""
    return modal(form, title, about, [section("One moment…")])


def field(name: str, label: str, element: Json, *, optional: bool = False, hint: str = "") -> Json:
    """Return a field."""
    made: Json = {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "element": {**element, "action_id": name},
        "optional": optional,
    }
    return {**made, "hint": plain(hint)} if hint else made


def _text(*, initial: str = "", most: int = LONGEST, lines: bool = False, example: str = "") -> Json:
    made: Json = {"type": "plain_text_input", "multiline": lines, "max_length": most}
    if initial:
        made["initial_value"] = initial[:most]
    return {**made, "placeholder": plain(example)} if example else made


# -- tickets -----------------------------------------------------------------------------------------------------


def new_ticket(
    about: About,
    queues: Sequence[str],
    *,
    title: str = "",
    words: str = "",
    queue: str = "",
    staff: bool = False,
) -> Json:
    """Return the form of a new ticket; staff may open one for somebody else."""
    blocks = [
        _title(title),
        field(
            "description", "What happened, what do you need?", _text(initial=words, lines=True), optional=True
        ),
        _priority(),
        *_queue(queues, queue),
        field("files", "Files", {"type": "file_input", "max_files": FILES}, optional=True),
    ]
    if staff:
        blocks.append(
            field("for", "For somebody else", people_select("for", "Choose a person"), optional=True)
        )
    return modal("new_ticket", "New ticket", about, blocks, "Open")


def make_ticket(about: About, queues: Sequence[str], words: str, *, title: str = "", queue: str = "") -> Json:
    """Return the form that makes a ticket of a message. Where it will be the asker's own (the message can't be followed
    there), its words are theirs to change."""
    if about.own:
        note = (
            "I'm not in that conversation, so this will be your own ticket: answers come as direct messages."
        )
        body = [
            section(note),
            _title(title),
            field("description", "Description", _text(initial=words, lines=True), optional=True),
        ]
    else:
        body = [_title(title)]
        if words.strip():
            body.append({**_letters(words), "block_id": WORDS})
        body.append(context("The ticket is its author's; answers come into the thread of that message."))
    return modal("make_ticket", "Make a ticket", about, [*body, _priority(), *_queue(queues, queue)], "Open")


def _letters(words: str) -> Json:
    """A paragraph of somebody's words, in which nothing is live; of very many the first."""
    shown = plain(words)
    text = str(shown["text"])
    return {
        "type": "section",
        "text": {**shown, "text": text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"},
    }


def _title(initial: str) -> Json:
    return field("title", "What is it about?", _text(initial=initial, most=TITLE))


def _priority() -> Json:
    options = [(priority.value, priority.value.capitalize()) for priority in Priority]
    return field(
        "priority", "Priority", select("priority", "Priority", options, Priority.NORMAL), optional=True
    )


def _queue(queues: Sequence[str], chosen: str) -> list[Json]:
    if len(queues) < 2:
        return []
    options = [(name, name) for name in queues[:MOST_OPTIONS]]
    return [field("queue", "Queue", select("queue", "Queue", options, chosen), optional=True)]


# -- staff's ------------------------------------------------------------------------------------------------------


def merge(about: About, others: Sequence[Ticket] = ()) -> Json:
    """Return the form that merges a ticket into another: by its number, or (once they are known) by its title."""
    options = [
        (str(other.id), brief(plain(titled(other))["text"], OPTION)) for other in others[:MOST_OPTIONS]
    ]
    blocks = []
    if options:
        menu = select("which", "Choose a ticket", options)
        blocks.append(field("which", "One of these", menu, optional=True))
    blocks.append(
        field("number", "The ticket's number", _text(most=20, example="12"), optional=bool(options))
    )
    return modal("merge", "Merge into…", about, blocks, "Merge")


def queue(about: About, queues: Sequence[str]) -> Json:
    """Return the form that moves a ticket to another queue."""
    options = [(name, name) for name in queues[:MOST_OPTIONS]]
    blocks = [field("queue", "Queue", select("queue", "Choose a queue", options))]
    return modal("queue", "Move to queue…", about, blocks, "Move")


def snooze(about: About) -> Json:
    """Return the form that puts a ticket aside."""
    choices = select("for_how_long", "Choose", PUT_ASIDE)
    blocks = [
        field("for_how_long", "For how long?", choices, optional=True),
        field("duration", "Or write it", _text(most=20, example="90m, 4h, 3d"), optional=True),
    ]
    return modal("snooze", "Snooze", about, blocks, "Snooze")


def title(about: About, present: str) -> Json:
    """Return the form that gives a ticket another title."""
    blocks = [field("title", "Title", _text(initial=brief(present, MOST_TITLE), most=MOST_TITLE))]
    return modal("title", "Edit title", about, blocks, "Save")


def note(about: About) -> Json:
    """Return the form of a note."""
    blocks = [field("note", "Only staff see it", _text(lines=True))]
    return modal("note", "Add note", about, blocks, "Add")


def spam(about: About) -> Json:
    """Ask whether a ticket is spam."""
    text = f"Ticket #{about.ticket} is closed, and its requester is told nothing. `!spam off` takes it back."
    return modal("spam", "Is it spam?", about, [section(text)], "Yes, it is spam")


def rate(about: About, score: str = "") -> Json:
    """Return the form in which a requester says how it went."""
    options = [{"text": plain("★" * int(s)), "value": s} for s in SCORES]
    buttons: Json = {"type": "radio_buttons", "options": options}
    if chosen := next((option for option in options if option["value"] == score), None):
        buttons["initial_option"] = chosen
    blocks = [
        field("score", "From one star to five", buttons),
        field("comment", "Anything to add?", _text(lines=True), optional=True),
    ]
    return modal("rate", "How did we do?", about, blocks, "Send")
