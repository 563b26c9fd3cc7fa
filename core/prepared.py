"""A message that is about to be written: all that could be done before its transaction is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.blank import is_blank
from core.people import Known
from core.shapes import File, NewMessage, Visibility
from core.units import Words

MOST_JOINING: Final = 20  # people whom one mail can bring into a ticket
MOST_BROUGHT: Final = 200  # messages of its thread that a message can bring with it
NO_TEXT: Final = "(no text)"


def bounded(thread: Sequence[NewMessage]) -> Sequence[NewMessage]:
    """Return the messages of a thread that come along: all, or its root and the newest of a very long one."""
    ordered = sorted(thread, key=lambda one: one.source_time)
    return ordered if len(ordered) <= MOST_BROUGHT else [ordered[0], *ordered[1 - MOST_BROUGHT :]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message with its files stored and its people known. `customer`: who had written what it forwards. `thread`: the
    other messages that come in with it. `maker`: who made a ticket of it."""

    new: NewMessage
    files: Sequence[File]
    html_blob: str | None
    sender: Known
    others: Sequence[Known]
    customer: Known | None = None
    thread: Sequence[Prepared] = ()
    maker: Known | None = None

    @property
    def empty(self) -> bool:
        """Whether it has no words and no files: a mention alone."""
        return is_blank(self.new.visible or self.new.text) and not self.files


def words_of(
    prepared: Prepared, address: str, *, staff: bool, visibility: Visibility, outsider: bool
) -> Words:
    """Return the message to write for what somebody wrote."""
    new = prepared.new
    return Words(
        author=prepared.sender,
        address=address,
        staff=staff,
        visibility=visibility,
        channel=new.channel,
        source_time=new.source_time,
        text=new.visible or new.text,
        full_text=new.text,
        html_blob=prepared.html_blob,
        auth=new.auth,
        auth_results=new.auth_results,
        automatic=new.automatic,
        outsider=outsider,
        mail_id=new.mail_id,
        thread_index=new.thread_index,
        edited_at=new.edited_at,
        rich=new.rich,
        files=prepared.files,
    )
