"""Messages of a ticket as posts: for staff in the card's thread, for requesters in theirs; what staff are told. Pure.

A message is posted in up to `MOST_PARTS` posts. What is longer goes as a file below its first words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from bot.blocks import (
    NAME,
    Json,
    Look,
    Post,
    actions,
    button,
    comes,
    context,
    file_list,
    file_name,
    mention,
    plain,
    plainly,
    section,
    texts_only,
    titled,
    via,
)
from bot.home import split_place
from bot.markup import brief, escape, fallback, messages
from bot.staff_told import WORDS
from bot.told import theirs
from core.shapes import Message, Outgoing
from core.slack_texts import spoken
from core.visibility import public_name

MOST_PARTS: Final = 3
MOST_REASON: Final = 2_500
ATTACHED: Final = "message.txt"


def thread_messages(outgoing: Outgoing, look: Look) -> list[Post]:
    """A message of the ticket in the card's thread, for staff: who wrote it, how it came, what they wrote."""
    message = _message(outgoing)
    texts = _desks(look)
    name = brief(message.author.name or message.author.email or "Somebody", NAME)
    head: list[Json | str] = [":lock:" if message.visibility == "note" else "", plain(name)]
    head += _tags(message, outgoing, texts)
    if message.deleted_at is not None:
        gone = _deleted(texts)
        return [replace(gone, blocks=(context(*head), section(gone.text)))]
    tail = [file_list(message.attachments)] if message.attachments else []
    return _posts(message, [context(*head)], tail, look, texts)


def _desks(look: Look) -> Mapping[str, str]:
    """The texts that staff read."""
    return spoken(look.language, WORDS, look.texts)


def _filled(texts: Mapping[str, str], key: str, **gaps: str) -> str:
    """A text as mrkdwn: nothing in it is live but what fills its gaps, which is mrkdwn already."""
    return escape(texts[key]).format(**gaps)


def _deleted(texts: Mapping[str, str]) -> Post:
    return Post(f":wastebasket: _{_filled(texts, 'line_deleted')}_")


def _late(texts: Mapping[str, str]) -> str:
    return f":hourglass: {_filled(texts, 'late')}"


def _tags(message: Message, outgoing: Outgoing, texts: Mapping[str, str]) -> Iterator[str]:
    how = ["staff"] if message.author.staff else []
    changed = [_filled(texts, "edited")] if message.edited_at is not None else []
    yield " · ".join([*how, via(message.channel), *changed])
    if outgoing.overtaken:
        yield _late(texts)
    if claims := outgoing.data.get("claims"):
        address = escape(brief(str(claims), NAME))
        yield f":warning: {_filled(texts, 'line_claims', address=address)}"
    if message.outsider:
        yield f":warning: {_filled(texts, 'line_outsider')}"


def dm_messages(outgoing: Outgoing, look: Look) -> list[Post]:
    """Somebody's words for the requester: the words, and below them from whom they are."""
    message, texts = _message(outgoing), theirs(outgoing, look)
    name = brief(public_name(message.author.name) or look.name, NAME)
    about = [f"ticket #{outgoing.ticket.id}"] if outgoing.ticket else []
    if message.edited_at is not None:
        about.append(_filled(texts, "edited"))
    if outgoing.overtaken:
        about.append(_late(texts))
    missing = [file for file in message.attachments if not comes(file)]
    tail = [file_list(missing)] if missing else []
    tail.append(context(plain(name), *([" · ".join(about)] if about else [])))
    return _posts(message, [], tail, look, texts)


def edited(outgoing: Outgoing, look: Look) -> list[Post]:
    """What stands in place of a message that changed, or was deleted."""
    if outgoing.data.get("deleted"):
        if outgoing.desk:
            return [_deleted(_desks(look))]
        return [Post(f"_{_filled(theirs(outgoing, look), 'taken_back')}_")]
    return thread_messages(outgoing, look) if outgoing.desk else dm_messages(outgoing, look)


def _posts(
    message: Message, head: list[Json], tail: list[Json], look: Look, texts: Mapping[str, str]
) -> list[Post]:
    text = words_of(message) or _only_files(message)
    parts = messages(text)
    posts = []
    for number, pieces in enumerate(parts):
        blocks = [*(head if number == 0 else ()), *map(section, pieces)]
        whole = "\n".join(pieces)
        posts.append(Post(fallback(whole), tuple(blocks), whole))
    if len(posts) > MOST_PARTS and look.uploads:
        goes_on = context(f":scroll: {_filled(texts, 'goes_on', file=ATTACHED)}")
        posts = [replace(posts[0], blocks=(*posts[0].blocks, goes_on), attached=message.text)]
    posts[-1] = replace(posts[-1], blocks=(*posts[-1].blocks, *tail))
    return posts


def words_of(message: Message) -> str:
    """Return a message's words as mrkdwn: nothing in them is live."""
    if message.rich is not None:
        from bot.rich_out import mrkdwn_of

        if (shown := mrkdwn_of(message.rich).strip("\n")).strip():
            return shown
    text = escape(message.text).strip("\n")
    return text if text.strip() else ""


def _only_files(message: Message) -> str:
    names = ", ".join(escape(file_name(f.name)) for f in message.attachments if comes(f))
    return f":paperclip: {names}" if names else "(no text)"


def line(outgoing: Outgoing, look: Look) -> Post:
    """One line for staff in the card's thread: something was done, or is to be known."""
    data, what = outgoing.data, str(outgoing.data.get("what") or "")
    if ready := data.get("text"):
        return plainly(str(ready))
    if what == "moved" and data.get("channel"):
        channel = split_place(str(data["channel"]))[1]
        goes_on = _filled(_desks(look), "line_goes_on", channel=mention(channel))
        return Post(f":arrow_right: {goes_on}")
    by = f" by {escape(brief(str(data['by']), NAME))}" if data.get("by") else ""
    value = f": {escape(str(data['value']))}" if data.get("value") else ""
    text = f"{escape(what.replace('_', ' ')) or 'something changed'}{value}{by}"
    return texts_only(text[:1].upper() + text[1:])


def alert(outgoing: Outgoing, look: Look) -> Post:
    """Something of this ticket failed: what, why, and a button to try again (value: the delivery's number)."""
    data, texts = outgoing.data, _desks(look)
    reason = str(data.get("reason") or data.get("text") or texts["alert_unknown"].format())
    to = str(data.get("to") or "")
    what = texts["alert_to"].format(to=brief(to, NAME), reason=reason) if "@" in to else reason
    text = f"\N{WARNING SIGN}\ufe0f {what}"[:MOST_REASON]
    blocks: list[Json] = [{"type": "section", "text": plain(text)}]
    if delivery := data.get("delivery_id"):
        ticket = f"ticket:{outgoing.ticket.id}:" if outgoing.ticket else ""
        retry = button("Try again", "retry", str(delivery))
        blocks.append(actions(f"{ticket}delivery:{delivery}", [retry]))
    return Post(fallback(escape(text)), tuple(blocks))


def whisper(outgoing: Outgoing) -> Post:
    """What only one person is shown."""
    return texts_only(escape(str(outgoing.data.get("text") or "")) or "Done.")


def orphan(post: Post, outgoing: Outgoing) -> Post:
    """The same post where there is no thread to hold it: it says which ticket it belongs to."""
    if outgoing.ticket is None:
        return post
    title = titled(outgoing.ticket)
    return replace(
        post,
        text=fallback(f"{escape(title)}: {post.text}"),
        blocks=(context(plain(title)), *(post.blocks or (section(post.text),))),
    )


def _message(outgoing: Outgoing) -> Message:
    assert outgoing.message is not None, "a message delivery has its message"
    return outgoing.message
