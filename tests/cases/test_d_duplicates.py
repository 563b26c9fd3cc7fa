"""D: nothing twice, nothing lost: the same mail again, alike mails, several queues, trouble while it's taken in."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import Any

import pytest

from core.shapes import Receipt
from core.tasks import drained
from core.worker import Worker
from tests.cases.letters import Client, Letter
from tests.cases.postbox import SUPPORT, Postbox, open_postbox
from tests.mail.server_house import Wire, open_door
from tests.stores import Store
from tests.waiting import until

ANN = Client("Ann Ivory", "ann@customer.example", "gmail")
BOB = Client("Bob Ivory", "bob@customer.example", "outlook")
BILLING = "billing@example.com"


def via(letter: Letter, *hops: str) -> Letter:
    """The letter with the trace that it got on its way."""
    trace = "".join(
        f"Received: from {hop} by mx.example.com; Thu, 26 Nov 2026 10:00:00 +0000\r\n" for hop in hops
    )
    return Letter(trace.encode() + letter.raw)


class _Patient(Wire):
    """A client that waits longer than any database of ours does."""

    async def answer(self) -> str:
        line = await asyncio.wait_for(self.reader.readline(), 30)
        while line[3:4] == b"-":
            line = await asyncio.wait_for(self.reader.readline(), 30)
        return line.decode().rstrip()


class Door:
    """The real SMTP door over a postbox's inbox, or over what stands in front of that."""

    def __init__(self, door: Any) -> None:
        self._door = door

    async def takes(self, letter: Letter, *recipients: str, sender: str = ANN.address) -> str:
        """One connection, one mail; returns the answer to DATA."""
        wire = await _Patient.to(self._door)
        try:
            await wire.hello()
            said = await wire.envelope(*(recipients or (SUPPORT,)), sender=f"<{sender}>")
            assert all(line.startswith("250") for line in said), said
            return await wire.data(letter.raw.removesuffix(b"\r\n"))
        finally:
            wire.close()


@asynccontextmanager
async def door_of(intake: Any) -> AsyncIterator[Door]:
    async with open_door(intake) as door:
        yield Door(door)


async def test_D1_the_same_mail_eight_times_at_once(post: Postbox) -> None:
    """Over the SMTP door, by different ways: one row, one ticket, one acknowledgement; every client hears 250."""
    letter = ANN.writes("It hums.")
    async with door_of(post.desk.intake) as door:
        answers = await asyncio.gather(*(door.takes(via(letter, f"relay{n}.example")) for n in range(8)))
    assert {answer[:3] for answer in answers} == {"250"}
    await post.quiet()
    assert post.store.count("inbox") == 1
    assert len(post.tickets()) == 1
    assert await post.words(post.tickets()[0]) == [f"{ANN.address}: It hums."]
    assert [mail.recipients for mail in post.sent] == [(ANN.address,)]
    async with door_of(post.desk.intake) as door:  # and once more, long after it was worked off
        assert (await door.takes(letter)).startswith("250")
    await post.quiet()
    assert (post.store.count("inbox"), post.store.count("messages"), len(post.sent)) == (1, 1, 1)


async def test_D1_the_same_answer_at_once_is_one_message(post: Postbox) -> None:
    """A reply that comes twice joins once; two different replies at once join both, in the order of arrival."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    replies = [ANN.answers(ack, f"Reply {n}") for n in range(4)]
    async with door_of(post.desk.intake) as door:
        again = [via(replies[0], f"hop{n}.example") for n in range(3)]
        await asyncio.gather(*(door.takes(one, ack.reply_to) for one in [*replies, *again]))
    await post.quiet()
    words = await post.words(ticket)
    assert sorted(words[1:]) == [f"{ANN.address}: Reply {n}" for n in range(4)]
    assert post.store.count("inbox") == 5
    assert post.news() == []


async def test_D2_different_mails_with_one_message_id_are_both_kept(post: Postbox) -> None:
    """A parcel service writes one id into all of its mails: each is a ticket, nobody's mail disappears."""
    fixed = {"Message-ID": "<noreply@parcels.example>"}
    sender = Client("Parcels", "service@parcels.example")
    first = await post.arrives(sender.writes("Parcel 1 is on its way.", subject="Parcel 1", fields=fixed))
    second = await post.arrives(sender.writes("Parcel 2 is on its way.", subject="Parcel 2", fields=fixed))
    third = await post.arrives(sender.writes("Parcel 3, other text.", subject="Parcel 1", fields=fixed))
    assert len({first.ticket, second.ticket, third.ticket}) == 3
    assert [taken.state for taken in (first, second, third)] == ["done"] * 3
    assert await post.words(second.ticket) == ["service@parcels.example: Parcel 2 is on its way."]
    # An answer of staff to the second goes on there.
    post.news()
    await post.says(second.ticket, "Thank you.")
    [mail] = post.news()
    assert (await post.arrives(sender.answers(mail, "Bye."))).ticket == second.ticket
    # The very same one again is none.
    again = await post.arrives(
        sender.writes("Parcel 4", fields={**fixed, "Date": "Thu, 26 Nov 2026 10:00:00 +0000"})
    )
    assert again.ticket not in (first.ticket, second.ticket, third.ticket)


async def test_D3_a_mail_to_two_queues_is_a_ticket_in_each(post: Postbox) -> None:
    """Both open, each acknowledges from its own address, and an answer goes on where it was sent."""
    letter = ANN.writes("Broken, and billed twice.", to=[SUPPORT, BILLING])
    taken = await post.arrives(letter)
    assert [row["state"] for row in taken.rows] == ["done", "done"]
    one, two = (int(row["ticket_id"]) for row in taken.rows)
    queues = {(await post.ticket(n)).ticket.queue: n for n in (one, two)}
    assert set(queues) == {"support", "billing"}
    assert post.people(one) == post.people(two) == {ANN.address: "requester"}
    for number, other in ((one, two), (two, one)):
        named = [
            event.data["ticket"] for event in (await post.ticket(number)).events if event.kind == "related"
        ]
        assert named == [other]
    acks = {mail.addresses("From")[0]: mail for mail in post.news()}
    assert set(acks) == {SUPPORT, BILLING}
    assert {m.recipients for m in acks.values()} == {(ANN.address,)}
    # An answer to one of them, and a further mail on Ann's own thread to the other.
    assert (await post.arrives(ANN.answers(acks[BILLING], "By 5 euros."))).ticket == queues["billing"]
    assert (await post.arrives(ANN.answers(letter, "The lid.", to=[SUPPORT]))).ticket == queues["support"]
    # The same delivered again, now one recipient at a time.
    for address in (SUPPORT, BILLING):
        await post.arrives(via(letter, "other.example"), to=[address])
    assert len(post.tickets()) == 2


async def test_D3_two_queues_whose_tickets_were_merged_get_one_message(post: Postbox) -> None:
    """Ann answers both desks in one mail; their tickets are one by now: her words stand there once."""
    await post.arrives(ANN.writes("Broken, and billed twice.", to=[SUPPORT, BILLING]))
    one, two = post.news()
    first, second = post.tickets()
    await post.merges(second, first)
    taken = await post.arrives(ANN.answers(one, "Any news?", to=[one.reply_to, two.reply_to]))
    assert [row["state"] for row in taken.rows] == ["done", "done"]
    assert {row["ticket_id"] for row in taken.rows} == {first}
    assert [w for w in await post.words(first) if "news" in w] == [f"{ANN.address}: Any news?"]
    assert (await post.words(second)) == [f"{ANN.address}: Broken, and billed twice."]


async def test_D3_a_crash_between_the_two_recovers(store: Store) -> None:
    """The worker dies after the first queue's row; another one opens the second ticket, and the first once."""
    async with open_postbox(store) as post:
        await post.stop()
        desk = post.desk
        dying = _DiesAfter(desk.manager, 1)
        channels: Any = {"email": post.channel, "slack": desk.slack}
        worker = Worker(
            desk.config,
            desk.database,
            desk.blobs,
            desk.intake,
            dying,
            channels,
            desk.desk.signals,  # type: ignore[arg-type]
        )
        keys = await post.drops(ANN.writes("Both, please.", to=[SUPPORT, BILLING]))
        await worker.start()
        await until(dying.hangs.is_set)
        assert sorted(row["state"] for row in post.taken(keys).rows) == ["done", "new"]
        for task in [worker._loop_task, *worker._busy.values()]:  # killed: nothing is given back
            if task is not None:
                task.cancel()
        await drained([worker._loop_task, *worker._busy.values()], timedelta(seconds=2))
        post.later(timedelta(seconds=60))  # its lease expires
        await post.start()
        await post.quiet()
        taken = post.taken(keys)
        assert [row["state"] for row in taken.rows] == ["done", "done"]
        assert len({row["ticket_id"] for row in taken.rows}) == 2
        assert len(post.tickets()) == 2
        assert sorted(mail.addresses("From")[0] for mail in post.sent) == [BILLING, SUPPORT]


class _DiesAfter:
    """A manager that answers so many times and then never again."""

    def __init__(self, manager: Any, times: int) -> None:
        self._manager, self._left = manager, times
        self.hangs = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    async def receive(self, *args: Any) -> Receipt:
        if not self._left:
            self.hangs.set()
            await asyncio.Event().wait()
        self._left -= 1
        receipt: Receipt = await self._manager.receive(*args)
        return receipt


@pytest.mark.parametrize("at_once", [True, False])
async def test_D4_a_distribution_list_reaches_several_of_our_mailboxes(post: Postbox, at_once: bool) -> None:
    """One ticket a queue, whether the list server sends one mail to all or one to each."""
    letter = ANN.writes("To everybody.", to=["everybody@customer.example"])
    ours = [SUPPORT, "help@example.com", BILLING]
    if at_once:
        await post.arrives(letter, to=ours)
    else:
        for number, address in enumerate(ours):
            copy = via(letter, f"list{number}.customer.example")
            await post.arrives(copy.with_fields({"Delivered-To": address}), to=[address])
    rows = post.store.rows("SELECT id, queue FROM tickets ORDER BY queue")
    assert [row["queue"] for row in rows] == ["billing", "support"]
    for row in rows:
        assert await post.words(row["id"]) == [f"{ANN.address}: To everybody."]
    assert sorted(mail.addresses("From")[0] for mail in post.sent) == [BILLING, SUPPORT]


async def test_D5_without_message_id_the_same_is_one_and_others_are_others(post: Postbox) -> None:
    """Told apart by what they say; the name that it gets is the same each time."""
    letter = ANN.writes("It hums.").without("Message-ID")
    first = await post.arrives(letter)
    again = await post.arrives(via(letter, "relay2.example"))
    assert (first.ticket, len(post.tickets())) == (again.ticket, 1)
    other = await post.arrives(ANN.writes("It smokes.").without("Message-ID"))
    later = await post.arrives(letter.with_fields({"Date": "Thu, 26 Nov 2026 23:00:00 +0000"}))
    assert len({first.ticket, other.ticket, later.ticket}) == 3
    post.news()
    await post.says(first.ticket, "Off and on.")
    [mail] = post.news()
    assert "References" not in mail.parsed or "without-id" not in mail.header("References")
    assert (await post.arrives(ANN.answers(mail, "Done.").without("Message-ID"))).ticket == first.ticket


async def test_D5_without_date_either_the_minute_of_arrival_counts(post: Postbox) -> None:
    """A device that reports the same each hour: each is kept; the repeat of one within its minute isn't."""
    into = post.desk.clock.now().timestamp() % 60
    post.later(timedelta(seconds=62 - into))  # two seconds into a minute
    device = Client("", "alarm@devices.example")
    letter = device.writes("Door open").without("Message-ID", "Date")
    first = await post.arrives(letter)
    assert (await post.arrives(letter)).ticket == first.ticket
    post.later(timedelta(hours=1))
    assert (await post.arrives(letter)).ticket != first.ticket
    assert len(post.tickets()) == 2


async def test_D6_a_contact_form_that_writes_to_itself(post: Postbox) -> None:
    """From and To are support's; the customer stands in Reply-To: they are the requester and get the answer."""
    form = Client("Website", SUPPORT)
    taken = await post.arrives(
        form.writes("Please call me back.", fields={"Reply-To": ANN.shown}),
        sender="www-data@web1.example.com",
    )
    detail = await post.ticket(taken.ticket)
    assert (detail.ticket.requester_email, detail.ticket.requester_name) == (ANN.address, "Ann Ivory")
    assert post.people(taken.ticket) == {ANN.address: "requester"}
    [ack] = post.news()
    assert ack.recipients == (ANN.address,)
    assert post.tickets() == [taken.ticket]
    await post.says(taken.ticket, "When?")
    [mail] = post.news()
    assert mail.recipients == (ANN.address,)
    assert (await post.arrives(ANN.answers(mail, "At noon."))).ticket == taken.ticket
    other = await post.arrives(form.writes("Please call me back.", fields={"Reply-To": BOB.shown}))
    assert other.ticket != taken.ticket


async def test_D7_one_of_our_mailboxes_writes_to_another(post: Postbox) -> None:
    """Somebody at support writes to billing@ with an ordinary client: a ticket there, and the answer comes back."""
    colleague = Client("Support", SUPPORT)
    taken = await post.arrives(colleague.writes("Who pays this?", to=BILLING))
    assert taken.state == "done"
    detail = await post.ticket(taken.ticket)
    assert (detail.ticket.queue, detail.ticket.requester_email) == ("billing", SUPPORT)
    post.news()
    await post.says(taken.ticket, "The customer does.")
    [answer] = post.news()
    assert answer.recipients == (SUPPORT,)
    back = await post.arrives(
        answer, to=[SUPPORT], sender=answer.sender
    )  # our relay brings it to our own door
    assert back.state == "done"
    detail = await post.ticket(back.ticket)
    assert (detail.ticket.queue, detail.ticket.requester_email) == ("support", BILLING)
    assert "The customer does." in detail.messages[0].text
    # What the desk says by itself about it doesn't go round: it is known as ours when it comes back.
    for mail in post.news():
        [to] = mail.recipients
        assert (await post.arrives(mail, to=[to], sender=mail.sender)).state == "ignored"
    assert post.news() == []
    # And support's answer lands in billing's ticket again.
    await post.says(back.ticket, "Then I tell her.")
    [reply] = post.news()
    assert reply.recipients == (BILLING,)
    assert (await post.arrives(reply, to=[BILLING], sender=reply.sender)).ticket == taken.ticket


@pytest.mark.parametrize("to", ["undisclosed-recipients:;", "someone@customer.example", ""])
async def test_D8_the_recipient_stands_in_the_envelope_alone(post: Postbox, to: str) -> None:
    """Bcc to billing: routed by RCPT, whatever To says."""
    letter = ANN.writes("For your eyes.", fields={"To": to})
    taken = await post.arrives(letter, to=[BILLING])
    assert (await post.ticket(taken.ticket)).ticket.queue == "billing"
    [ack] = post.news()
    assert (ack.recipients, ack.addresses("From")) == ((ANN.address,), [BILLING])
    # A reply address in Bcc works like one in To.
    more = ANN.writes("And this.", subject="x", fields={"To": to})
    assert (await post.arrives(more, to=[ack.reply_to])).ticket == taken.ticket


async def test_D9_a_database_that_is_locked_while_a_mail_comes(store: Store) -> None:
    """451 and not a word of internals; when it's free again the repeat is accepted, and there is one ticket."""
    async with open_postbox(store, database={"timeout": "3s"}) as post:
        letter = ANN.writes("It hums.")
        await post.stop()
        async with door_of(post.desk.intake) as door:
            with _locked(store):
                refused = await door.takes(letter)
            assert refused.startswith("451 4.3"), refused
            assert not any(
                word in refused.lower() for word in ("sql", "lock", "database", "timeout", "inbox")
            )
            for _ in range(3):  # the client tries until it hears 250, and a careless one once more
                accepted = await door.takes(letter)
                assert accepted.startswith("250"), accepted
        await post.start()
        await post.quiet()
        assert (post.store.count("inbox"), len(post.tickets()), len(post.sent)) == (1, 1, 1)


class _locked:
    """Somebody else holds the whole inbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        if self._store.sqlite:
            self._lite = sqlite3.connect(self._store.url.split("///", 1)[1], isolation_level=None)
            self._lite.execute("BEGIN IMMEDIATE")
            return
        assert self._store.server is not None
        self._maria = self._store.server.connect(self._store.database)
        self._maria.cursor().execute("LOCK TABLES inbox WRITE")

    def __exit__(self, *_: object) -> None:
        if self._store.sqlite:
            self._lite.execute("ROLLBACK")
            self._lite.close()
        else:
            with closing(self._maria):
                self._maria.cursor().execute("UNLOCK TABLES")


async def test_D9_a_connection_cut_between_two_mails(post: Postbox) -> None:
    """The database's connections go (a failover): the next mail is taken or told 451, and lands once."""
    letters = [ANN.writes(f"Mail {n}") for n in range(6)]
    async with door_of(post.desk.intake) as door:
        for letter in letters:
            post.store.end_connections()
            answers = [await door.takes(letter)]
            while not answers[-1].startswith("250") and len(answers) < 20:
                assert answers[-1].startswith("451"), answers
                answers.append(await door.takes(letter))
            assert answers[-1].startswith("250"), answers
    await post.quiet()
    assert post.store.count("inbox") == len(letters)
    titles = [row["description"] for row in post.store.rows("SELECT description FROM tickets ORDER BY id")]
    assert sorted(titles) == [f"Mail {n}" for n in range(6)]


class _Crashing:
    """An intake that commits and then isn't there any more: the client never hears the 250."""

    def __init__(self, intake: Any) -> None:
        self._intake = intake
        self.committed = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._intake, name)

    async def store(self, arrivals: Iterable[Any]) -> int:
        await self._intake.store(arrivals)
        self.committed.set()
        await asyncio.Event().wait()
        return 0


@pytest.mark.parametrize("worked_off", [True, False])
async def test_D10_a_crash_after_the_commit_and_before_the_250(post: Postbox, worked_off: bool) -> None:
    """The client repeats what was stored already: it's a no-op, whether the mail was worked off meanwhile or not."""
    letter = ANN.writes("It hums.")
    if not worked_off:
        await post.stop()
    crashing = _Crashing(post.desk.intake)
    async with door_of(crashing) as door:
        lost = asyncio.create_task(door.takes(letter))
        await crashing.committed.wait()
        lost.cancel()  # the connection is gone
        await asyncio.wait([lost])
    if worked_off:
        await post.quiet()
        assert len(post.tickets()) == 1
    async with door_of(post.desk.intake) as door:
        assert (await door.takes(via(letter, "second-try.example"))).startswith("250")
    if not worked_off:
        await post.start()
    await post.quiet()
    assert (post.store.count("inbox"), len(post.tickets()), post.store.count("messages")) == (1, 1, 1)
    assert [mail.recipients for mail in post.sent] == [(ANN.address,)]
