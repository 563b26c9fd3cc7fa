"""What the desk is told in German of what comes in, of what fails and of what belongs to no ticket."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import exposure, undelivered
from core.audience import Told
from core.config import parse
from core.desk_texts import in_words, phrase
from core.failures import PermanentFailure, TemporaryFailure, as_failure
from core.shapes import Auth, File, Forwarded, Kind
from core.status import Status
from core.tables import deliveries
from tests.core.commands import ADA, DAN, dans_ticket, lines, pressed, root_of, whispers
from tests.core.desk import EVE, mail, post
from tests.core.received import ADA_MAIL, deletion
from tests.core.test_desk_texts import GERMAN, SLACK, german, told
from tests.core.test_digests import fired
from tests.core.test_slack_opening import BEN, said
from tests.core.test_undelivered import CFO, DAILY, bounce, bounced, refusing, words
from tests.stores import Store
from tests.waiting import until

FILE = File(name="a.txt", content_type="text/plain", size=3, content=b"abc")
IMPATIENT = {
    "courier": {"retry_after": ["10ms"], "poll": "20ms", "channel_pause": "50ms", "give_up_after": "1ms"}
}


def alerts(store: Store) -> list[str]:
    """The reasons that the desk was told why something didn't arrive."""
    rows = store.rows("SELECT data FROM deliveries WHERE kind = 'alert' ORDER BY id")
    return [json.loads(row["data"])["reason"] for row in rows]


# -- what comes in --------------------------------------------------------------------------------------------------


async def test_what_staff_forward(store: Store) -> None:
    """Whose it was can't be told, so it is their own; where it can, the files that came along go with a note."""
    async with german(store) as desk:
        forwarded = Forwarded(sender=None, text="See below", why="forward_several")
        own = mail("See below", sender=ADA_MAIL, auth=Auth.VERIFIED, forwarded=forwarded)
        ticket = (await desk.manager.receive(own)).ticket_id or 0
        line = told("line_forwarded_own", why=told("forward_several"))
        assert lines(store, ticket)[-1] == line
        remarks = store.rows("SELECT data FROM events WHERE kind = 'remark'")
        assert [json.loads(row["data"])["text"] for row in remarks] == [line]
        mine = Forwarded(sender=ADA_MAIL, text="Help me")
        given = mail("Help me", sender=ADA_MAIL, auth=Auth.VERIFIED, forwarded=mine)
        ticket = (await desk.manager.receive(given)).ticket_id or 0
        assert lines(store, ticket)[-1] == told("line_forwarded_own", why=told("forward_own"))
        theirs = Forwarded(sender=replace(ADA_MAIL, address="zoe@example.org", name="Zoe"), text="Help")
        given = mail("Help", sender=ADA_MAIL, auth=Auth.VERIFIED, forwarded=theirs, files=[FILE])
        ticket = (await desk.manager.receive(given)).ticket_id or 0
        notes = store.rows("SELECT text FROM messages WHERE ticket_id = :t AND visibility = 'note'", t=ticket)
        assert [row["text"] for row in notes] == [told("note_forwarded_files")]


async def test_who_only_says_that_they_are_staff(store: Store) -> None:
    async with german(store) as desk:
        ticket = (await desk.write("Pay here", sender=ADA_MAIL)).ticket_id or 0
        assert lines(store, ticket)[-1] == told("line_not_proved", address="ada@example.com")


async def test_an_answer_by_mail_that_quotes_what_only_staff_see(store: Store) -> None:
    async with german(store) as desk:
        ticket = (await desk.write()).ticket_id or 0
        secret = "This customer has never paid a single bill"
        await desk.write(secret, sender=EVE, signed=(ticket,))
        await desk.write(f"Hello\n{secret}", sender=ADA_MAIL, auth=Auth.VERIFIED, signed=(ticket,))
        assert lines(store, ticket)[-1] == told("line_note_unsent")


@pytest.mark.parametrize("limit", [1, 2])
async def test_programs_that_answer_each_other(store: Store, limit: int) -> None:
    async with german(store, brakes={"mails_per_ticket": limit}) as desk:
        ticket = (await desk.write()).ticket_id or 0
        for number in range(limit + 1):
            await desk.write(f"No {number}", sender=ADA_MAIL, auth=Auth.VERIFIED, signed=(ticket,))
        key = "line_braked_one" if limit == 1 else "line_braked_other"
        assert lines(store, ticket)[-1] == told(key, n=limit)


@pytest.mark.parametrize("own", [{}, {"line_overtaken": "{{Zu spät}}!"}], ids=["ours", "own"])
async def test_an_answer_that_was_overtaken(store: Store, own: dict[str, str]) -> None:
    """In the operator's words where there are some, as every line."""
    async with german(store, slack={**SLACK, "texts": {"de": own}}) as desk:
        ticket = await dans_ticket(desk)
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        await desk.manager.receive(
            post("7001.0", "Try", sender=ADA, root=root_of(ticket), desk=True, source_time=long_ago)
        )
        assert lines(store, ticket)[-1] == ("{Zu spät}!" if own else told("line_overtaken"))


async def test_what_could_not_be_read(store: Store) -> None:
    """Its ticket, title and all."""
    async with german(store) as desk:
        row = await desk.take_in(ValueError("x"))
        await desk.worker.start()
        await until(lambda: store.count("tickets") == 1)
        row = store.value("SELECT id FROM inbox")
        found = store.rows("SELECT title, description FROM tickets")[0]
        assert found["title"] == told("unreadable_title", id=row)
        reason = store.value("SELECT reason FROM inbox")
        assert found["description"] == told("unreadable", channel="email", reason=reason, id=row)


@pytest.mark.parametrize(("queue", "language"), [("", "fr"), ("es", "es")])
async def test_who_opens_tickets_again_and_again(store: Store, queue: str, language: str) -> None:
    """They are no staff: the queue's language, else theirs; as for the thanks for a rating."""
    async with german(store, queue={"language": queue}, brakes={"reopens_per_hour": 0}) as desk:
        ticket = await dans_ticket(desk)
        store.execute("UPDATE users SET locale = 'fr-CA' WHERE name = 'Dan'")
        await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
        await pressed(desk, ticket, "reopen", sender=DAN)
        assert whispers(store)[-1] == told("too_often", speaks=language)
        await pressed(desk, ticket, "rate", "4", sender=DAN)
        await pressed(desk, ticket, "rate", sender=DAN, text="Fine")
        assert whispers(store)[-1] == told("noted", speaks=language, score=4)


async def test_who_makes_a_ticket_of_somebodys_message(store: Store) -> None:
    """And makes it again; or of one that is in a ticket's thread."""
    async with german(store) as desk:
        ticket = (await desk.manager.receive(said(10, "The lift", made_by=BEN))).ticket_id or 0
        await desk.manager.receive(said(10, "The lift", made_by=BEN))
        await desk.manager.receive(said(20, "Mine too", made_by=BEN))
        await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
        await desk.manager.receive(said(10, "The lift", made_by=BEN))
        assert whispers(store) == [
            told("told_made", id=ticket),
            told("told_already", id=ticket, state=""),
            told("told_already_added", id=ticket, state=""),
            told("told_already", id=ticket, state=" (resolved)"),
        ]


async def test_a_deleted_answers_files_are_taken_back(store: Store) -> None:
    async with german(store) as desk:
        ticket = await dans_ticket(desk)
        answer = post("7001.0", "Here", sender=ADA, root=root_of(ticket), desk=True, files=(FILE,))
        await desk.manager.receive(answer)
        await desk.courier.start()
        await desk.quiet(store)
        await desk.manager.receive(deletion("7001.0"))
        assert whispers(store)[-1] == told("told_too_late_files")


# -- what fails -----------------------------------------------------------------------------------------------------


async def given_up(store: Store, failure: Exception, **settings: Any) -> tuple[str, str]:
    """What the desk is told of an answer that can't go, and what its row says."""
    async with german(store, **settings) as desk:
        ticket = (await desk.write()).ticket_id or 0
        await desk.manager.exchange_messages(await desk.staff(), ticket, "Try again.")
        whole = desk.mail.send

        async def send(outgoing: Any, rendered: Any) -> Any:
            if outgoing.kind is Kind.MESSAGE:
                raise failure
            return await whole(outgoing, rendered)

        desk.mail.send = send  # type: ignore[method-assign]
        await desk.courier.start()
        await until(lambda: alerts(store))
        await desk.quiet(store)
        return alerts(store)[0], str(store.value("SELECT last_error FROM deliveries WHERE state = 'failed'"))


async def test_why_an_answer_did_not_go(store: Store) -> None:
    """Ours in German; its row, and so the command line, has English. What a server said stays as it came."""
    failure = PermanentFailure(phrase("reason_file_gone"))
    assert await given_up(store, failure) == (
        told("reason_file_gone"),
        "the file is no longer in the data folder",
    )


async def test_what_a_server_said_stays_as_it_came(store: Store) -> None:
    answer = "550 5.1.1 no such user"
    assert await given_up(store, PermanentFailure(answer)) == (answer, answer)


async def test_what_was_given_up_says_why_in_the_same_language(store: Store) -> None:
    failure = TemporaryFailure(phrase("relay_put_off", said="451 later"))
    reason, kept = await given_up(store, failure, **IMPATIENT)
    put_off = told("relay_put_off", said="451 later")
    assert reason == told("reason_given_up_hours", n="0", reason=put_off)
    assert kept == "given up after 0 hours: the relay put it off: 451 later"


@pytest.mark.parametrize("text", ["no such user", ""])
async def test_a_dead_address(store: Store, text: str) -> None:
    """What the other server said, and what follows of it in German; then a next answer."""
    async with german(store) as desk:
        ticket = (await desk.write()).ticket_id or 0
        await desk.manager.exchange_messages(await desk.staff(), ticket, "Try again.")
        store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
        delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
        status = "5.1.1" if text else None
        await desk.manager.receive(bounce(delivery, "ann@example.com", status=status, text=text or None))
        shell = f"relaydesk tickets unsuppress {ticket} ann@example.com"
        lift = told("lift_here", command="!unsuppress ann@example.com", shell=shell)
        reason = f"5.1.1 {text}" if text else told("reason_bounced")
        gaps = {"reason": reason, "address": "ann@example.com", "lift": lift}
        assert alerts(store) == [told("reason_suppressed", **gaps)]
        await desk.manager.exchange_messages(await desk.staff(), ticket, "And now?")
        await desk.courier.start()
        await until(lambda: len(alerts(store)) == 2)
        assert alerts(store)[1] == told("reason_bounced_before", address="ann@example.com", lift=lift)


@pytest.mark.parametrize("key", ["reason_not_rendered", "reason_unexpected"])
def test_our_own_faults(key: str) -> None:
    """What the courier says of an exception of its own."""
    config = parse({"service": GERMAN}, environ={})
    found = (
        as_failure(ValueError("x")).reason if key == "reason_unexpected" else phrase(key, error="ValueError")
    )
    assert in_words(config, found) == told(key, error="ValueError")


# -- what belongs to no ticket --------------------------------------------------------------------------------------


async def test_a_digest_that_did_not_arrive(store: Store) -> None:
    """By mail with a subject in German, or in the operator's words; then one whose address is dead."""
    own = {"de": {"undelivered_subject": "Fehlt: {what}"}}
    service = {**GERMAN, "timezone": "Europe/Berlin"}
    async with german(store, service=service, digest=[DAILY], slack={**SLACK, "texts": own}) as desk:
        refusing(desk, "digest", reason="550 no")
        await fired(desk)
        await desk.courier.start()
        await desk.quiet(store)
        what = told("undelivered_digest", name="daily")
        again = told("undelivered_again", id=store.value("SELECT id FROM deliveries WHERE kind = 'digest'"))
        assert words(store) == {told("undelivered_told", what=what, place=CFO, reason="550 no", more=again)}
        assert {o.data["subject"] for o in desk.mail.sent} == {f"Fehlt: {what}"}


async def test_a_digest_to_a_dead_address(store: Store) -> None:
    async with german(store, service={**GERMAN, "timezone": "Europe/Berlin"}, digest=[DAILY]) as desk:
        await fired(desk)
        await desk.courier.start()
        await desk.quiet(store)
        await bounced(desk, store, CFO)
        shell = f"relaydesk tickets unsuppress NUMBER {CFO}"
        lift = told("lift_anywhere", command=f"!unsuppress {CFO}", shell=shell)
        (text,) = words(store)
        assert text.endswith(told("undelivered_until", lift=lift))
        assert told("undelivered_digest", name="daily") in text


@pytest.mark.parametrize(
    ("data", "kind", "what"),
    [
        ({}, Kind.DIGEST, told("undelivered_digest_unnamed")),
        ({"what": "staff_news"}, Kind.NOTICE, told("undelivered_news")),
        (
            {"what": "staff_told", "subject": "Offen"},
            Kind.NOTICE,
            told("undelivered_notice", subject="Offen"),
        ),
        ({"text": "…"}, Kind.NOTICE, told("undelivered_list")),
    ],
)
async def test_what_did_not_arrive_has_a_name(
    store: Store, data: dict[str, Any], kind: Kind, what: str
) -> None:
    async with german(store) as desk:
        channel, place = ("slack", "T1/C1") if "text" in data else ("email", "someone@example.com")
        one = Told(channel=channel, place=place, kind=kind, desk=True, data=data)
        await desk.database.unit(lambda tx: exposure.send(tx, desk.desk, [one]))
        row = await desk.database.read(lambda tx: tx.first(select(deliveries)))
        assert row is not None
        await desk.database.unit(lambda tx: undelivered.tell(tx, desk.desk, row, phrase("reason_unknown")))
        again = told("undelivered_again", id=row.id)
        gaps = {"what": what, "place": place, "reason": told("reason_unknown"), "more": again}
        assert words(store) == {told("undelivered_told", **gaps)}
        subjects = [json.loads(r["data"]).get("subject") for r in store.rows("SELECT data FROM deliveries")]
        assert told("undelivered_subject", what=what) in subjects


async def test_what_is_said_of_a_triage_channel_has_a_subject(store: Store) -> None:
    """The words come ready-made (`bot.exposure`); by mail there is a subject of ours above them."""
    async with german(store) as desk:
        began = desk.clock.now()
        await desk.database.unit(lambda tx: exposure.note(tx, desk.desk, "T1/C1", "public", "Hört zu", began))
        await desk.database.unit(lambda tx: exposure.shut(tx, desk.desk, "C1", "Zu"))
        rows = store.rows("SELECT data FROM deliveries WHERE channel = 'email' ORDER BY id")
        found = [json.loads(row["data"]) for row in rows]
        assert {one["text"] for one in found} == {"Hört zu", "Zu"}
        assert {one["subject"] for one in found} == {told("exposed_subject")}
