"""The counter for forms: it opens them, looks over what was filled in, and lets the inbox have it.

Opening comes first after the acknowledgement, because a trigger lives three seconds; what the form needs of the desk is
read then and put into it (docs.slack.dev/surfaces/modals). Who closes it meanwhile is done with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import structlog

from bot import form_views
from bot.answering import respond, tell
from bot.api import Api
from bot.blocks import section
from bot.directory import Directory
from bot.form_reading import AGAIN, STAFF, About, first_field, problems, quote
from bot.form_wishes import TITLE, Wish, again, form_of, from_card, wish_of
from bot.front import Answer, Json
from bot.home import Home, public_of, ref_of
from bot.refusals import refused
from core.failures import Failure, PermanentFailure, Unavailable
from core.people import Known
from core.shapes import Ref
from core.status import Ticket
from core.threads import LinkFact

log = structlog.get_logger(__name__)

GONE: Final = ("not_found", "hash_conflict")  # closed by its person, or changed since
LATE: Final = "The form didn't open in time."
TROUBLE: Final = "Slack didn't open the form just now."
NOT_NOW: Final = "That can't be read just now. Please close this and try again in a moment."
UNSAVED: Final = "This couldn't be saved just now. Please close it and try again in a moment."
STAFF_ONLY: Final = "Only the help desk's staff can do that."


class Knows(Protocol):
    """What the forms want to know of the desk: `bot.form_facts.Facts`."""

    async def who(self, user: str) -> Known:
        """Who somebody is there."""

    async def linked(self, ref: Ref) -> LinkFact | None:
        """What is known of an outside name."""

    async def ticket(self, ticket_id: int) -> Ticket | None:
        """A ticket."""

    async def beside(self, ticket_id: int, asker: Known) -> list[Ticket]:
        """Into which it is likely merged."""

    async def card_again(self, ticket_id: int) -> None:
        """Its card is shown anew."""


class Forms:
    """`bot.front.Counter` for all that opens a form, and for what comes of it."""

    def __init__(self, api: Api, directory: Directory, knows: Knows) -> None:
        self._api, self._directory, self._knows = api, directory, knows
        self._queues: Sequence[str] = tuple(queue.name for queue in api.config.queue)
        self._public: Sequence[str] = public_of(api.config)

    def look(self, body: Json) -> Answer | None:
        """Open a form, or take one in."""
        if body.get("type") == "view_closed":
            return Answer()
        if body.get("type") == "view_submission":
            return _submitted(body.get("view") or {})
        form = form_of(body)
        if form is None:
            return None
        return Answer(after=lambda: self._asked(body)) if form else Answer()

    async def _asked(self, body: Json) -> None:
        home = await self._api.home()
        wish = wish_of(body, home)
        await self._shown(wish, home)
        if from_card(body) and wish.about.ticket:
            await self._let_go(wish)

    async def _let_go(self, wish: Wish) -> None:
        """A menu keeps what was chosen, and tells of no second choice of the same: the card is shown anew."""
        try:
            await self._knows.card_again(wish.about.ticket)
        except Unavailable as exc:
            log.warning("menu_stays", ticket=wish.about.ticket, reason=str(exc))

    async def _shown(self, wish: Wish, home: Home) -> None:
        first = self._first(wish, home)
        view = await self._open(wish, first)
        if view is None:
            return
        if wish.asked_by_button:
            await respond(self._api, wish.url, {"delete_original": True})
        try:
            better = await self._better(wish, home)
        except (Failure, Unavailable) as exc:
            log.warning("form_unsettled", form=wish.form, reason=str(exc))
            better = form_views.told("Not now", NOT_NOW) if "submit" not in first else None
        if better is not None:
            await self._update(view, better)

    # -- opening -------------------------------------------------------------------------------------------------

    def _first(self, wish: Wish, home: Home) -> Json:
        """What opens at once: nothing of the desk is known yet, so it names no queue that only staff may know."""
        if wish.why_not:
            return form_views.told(
                "Make a ticket" if wish.form == "make_ticket" else "Not here", wish.why_not
            )
        match wish.form:
            case "new_ticket":
                return self._new_ticket(wish, home)
            case "make_ticket" if wish.about.own:  # it quotes somebody, whose name isn't known yet
                return form_views.loading(wish.form, "Make a ticket", wish.about)
            case "make_ticket":
                return self._make_ticket(wish, wish.about, wish.words, home)
            case "merge":
                return form_views.merge(wish.about)
            case "queue" if self._public:
                return form_views.queue(wish.about, self._public)
            case "queue":
                return form_views.loading(wish.form, "Move to queue…", wish.about)
            case "snooze":
                return form_views.snooze(wish.about)
            case "note":
                return form_views.note(wish.about)
            case "spam":
                return form_views.spam(wish.about)
            case "rate":
                return form_views.rate(wish.about, wish.chosen)
            case _:
                return form_views.loading(wish.form, "Edit title", wish.about)

    def _new_ticket(self, wish: Wish, home: Home, *, staff: bool = False) -> Json:
        words = wish.words if len(wish.words) > TITLE or "\n" in wish.words else ""
        queue, about = home.requests.get(wish.channel), wish.about
        if queue is not None:  # it counts where none is chosen
            about = replace(about, channel=wish.channel)
        return form_views.new_ticket(
            about,
            self._offered(staff=staff),
            title=wish.title,
            words=words,
            queue=queue or home.dm_queue,
            staff=staff,
        )

    def _make_ticket(self, wish: Wish, about: About, words: str, home: Home, *, staff: bool = False) -> Json:
        queue = home.requests.get(wish.channel) or home.dm_queue
        return form_views.make_ticket(about, self._offered(staff=staff), words, title=wish.title, queue=queue)

    def _offered(self, *, staff: bool) -> Sequence[str]:
        """The queues of which one may be chosen."""
        return self._queues if staff else self._public

    async def _open(self, wish: Wish, view: Json) -> Json | None:
        """Open it. Where that fails its person gets a button for another try."""
        try:
            answer = await self._api.call("views.open", trigger_id=wish.trigger, view=dict(view))
        except Failure as exc:
            late = "trigger" in exc.reason
            log.info("form_not_opened", form=wish.form, late=late, reason=exc.reason)
            text = LATE if late else TROUBLE
            await tell(
                self._api,
                wish.user,
                text,
                channel=wish.channel,
                url=wish.url,
                blocks=(section(text), dict(again(wish))),
            )
            return None
        found: Json = answer.get("view") or {}
        return found

    async def _update(self, view: Json, better: Json) -> None:
        try:
            await self._api.patiently(
                "views.update", view_id=view.get("id"), hash=view.get("hash"), view=dict(better)
            )
        except PermanentFailure as exc:
            if not refused(exc, *GONE):
                raise
            log.debug("form_closed", form=better.get("callback_id"))

    # -- what the desk knows -------------------------------------------------------------------------------------

    async def _better(self, wish: Wish, home: Home) -> Json | None:
        """Return what the form becomes once the desk was asked, None where it stays."""
        if wish.why_not or wish.form == "rate":
            return None
        if wish.form == "make_ticket":
            return await self._of_message(wish, home)
        asker = await self._knows.who(wish.user)
        if wish.form == "new_ticket":
            return self._new_ticket(wish, home, staff=True) if asker.staff else None
        if wish.form in STAFF and not asker.staff:
            return form_views.told("Not allowed", STAFF_ONLY)
        if wish.form == "queue" and self._some_hidden:
            return form_views.queue(wish.about, self._queues)
        if wish.form == "merge":
            others = await self._knows.beside(wish.about.ticket, asker)
            return form_views.merge(wish.about, others) if others else None
        if wish.form == "title":
            ticket = await self._knows.ticket(wish.about.ticket)
            return form_views.title(wish.about, ticket.title if ticket else "")
        return None

    async def _of_message(self, wish: Wish, home: Home) -> Json | None:
        """A message that is a ticket already makes no other one; one that can't be followed is its asker's own."""
        about = wish.about
        fact = await self._knows.linked(ref_of(home.team, about.channel, about.ts))
        if fact is not None and fact.ticket_id is not None:
            return form_views.told(
                "It's a ticket already", f"That message is ticket #{fact.ticket_id} already."
            )
        staff = self._some_hidden and (await self._knows.who(wish.user)).staff
        if not about.own and await self._is_in(about.channel):
            return self._make_ticket(wish, about, wish.words, home, staff=True) if staff else None
        author = (await self._directory.person(about.author)).name if about.author else ""
        quoted = quote(author, wish.words)
        return self._make_ticket(wish, replace(about, own=True), quoted, home, staff=staff)

    @property
    def _some_hidden(self) -> bool:
        """Is there a queue that only staff may know?"""
        return len(self._public) < len(self._queues)

    async def _is_in(self, channel: str) -> bool:
        """Whether the bot reads along in a conversation."""
        try:
            answer = await self._api.call("conversations.info", channel=channel)
        except PermanentFailure:
            return False
        info: dict[str, Any] = answer.get("channel") or {}
        return bool(info.get("is_member") or info.get("is_im"))


def _submitted(view: Json) -> Answer:
    """Look over a form: what is wrong is said below its fields, what is right is stored."""
    if wrong := problems(view):
        return Answer(say={"response_action": "errors", "errors": wrong})
    if name := first_field(view):
        sorry: Json = {"response_action": "errors", "errors": {name: AGAIN}}
    else:
        sorry = {"response_action": "update", "view": form_views.told("Not now", UNSAVED)}
    return Answer(store=True, sorry=sorry)
