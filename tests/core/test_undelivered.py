"""What belongs to no ticket and didn't arrive: whom that is told, once, and that nothing is told of what tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from core import digests, runs, unsubscribing
from core.failures import PermanentFailure, TemporaryFailure
from core.preferences import LIST
from core.shapes import DeliveryReport, Receipt, Ref
from core.tables import deliveries
from core.tell import tell_failure
from core.verbs import retry_delivery
from tests.core.commands import ticket_of
from tests.core.desk import TestDesk
from tests.core.test_digests import EIGHT, fired
from tests.stores import Store
from tests.waiting import until

BOSS, CFO = "boss@example.com", "cfo@example.com"
DAILY = {"name": "daily", "cron": "0 8 * * *", "email_to": [CFO]}
STAFF: list[dict[str, str]] = [
    {"username": "ada", "email": "ada@example.com"},
    {"username": "ben", "email": "ben@example.com", "slack_user": "UBEN"},
    {"username": "boss", "email": BOSS, "slack_user": "UBOSS", "role": "manager"},
]
REFUSED = "550 5.1.1 no such user"


async def opened(store: Store, staff: Sequence[dict[str, str]] = STAFF, **digest: Any) -> TestDesk:
    """A desk of a digest, news that wait for nothing, and people of each kind."""
    return await TestDesk.open(
        store,
        service={"name": "Acme", "timezone": "Europe/Berlin", "base_url": "https://desk.example"},
        digest=[DAILY | digest],
        staff=list(staff),
    )


def notices(store: Store) -> list[tuple[str, str]]:
    """Who was told that something didn't arrive: by which channel, where."""
    rows = store.rows("SELECT channel, place, data FROM deliveries ORDER BY id")
    return [(row["channel"], row["place"]) for row in rows if "undelivered" in json.loads(row["data"])]


def words(store: Store) -> set[str]:
    rows = [json.loads(row["data"]) for row in store.rows("SELECT data FROM deliveries")]
    return {data["text"] for data in rows if "undelivered" in data}


def news(store: Store) -> list[dict[str, Any]]:
    """The messages with news, and what stands in them."""
    rows = store.rows(
        "SELECT id, channel, place, state, last_error, data FROM deliveries "
        "WHERE data LIKE '%staff_news%' ORDER BY id"
    )
    return [{**row, "data": json.loads(row["data"])} for row in rows]


def refusing(desk: TestDesk, *kinds: str, reason: str = REFUSED, slack: bool = False) -> None:
    """From now on the channel refuses these (`digest`, `notice:staff_news`, …) for good; all where none is named."""
    channel = desk.slack if slack else desk.mail
    whole = channel.send

    async def send(outgoing: Any, rendered: Any) -> Any:
        what = ":".join(filter(None, (str(outgoing.kind), outgoing.data.get("what"))))
        if not kinds or what in kinds:
            raise PermanentFailure(reason)
        return await whole(outgoing, rendered)

    channel.send = send  # type: ignore[method-assign]


def bounce(delivery: int | None, recipient: str, **more: Any) -> DeliveryReport:
    given: dict[str, Any] = {"ref": None, "action": "failed", "status": "5.1.1", "text": "no such user"}
    return DeliveryReport(
        channel="email",
        source_time=EIGHT,
        delivery_id=delivery,
        recipient=recipient,
        permanent=True,
        **{**given, **more},
    )


async def bounced(desk: TestDesk, store: Store, place: str, **more: Any) -> Receipt:
    """The newest mail to somebody comes back."""
    sql = "SELECT id FROM deliveries WHERE channel = 'email' AND place = :p ORDER BY id DESC LIMIT 1"
    return await desk.manager.receive(bounce(store.value(sql, p=place), place, **more))


# -- a digest -------------------------------------------------------------------------------------------------------


async def test_a_refused_digest_is_told_to_managers_by_each_way_once(store: Store) -> None:
    """By mail and by direct message: what, where to, why, and how to send it again; agents hear nothing."""
    desk = await opened(store)
    refusing(desk, "digest")
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    (said,) = words(store)
    row = store.rows("SELECT id, state, last_error FROM deliveries WHERE kind = 'digest'")[0]
    assert said == (
        f"The digest daily didn't reach {CFO}: {REFUSED}. To send it again: relaydesk outbox retry {row['id']}"
    )
    assert (row["state"], row["last_error"]) == ("failed", REFUSED)
    (mailed,) = desk.mail.sent
    assert mailed.data["subject"] == "Not delivered: The digest daily"
    await desk.close()


async def test_a_digest_whose_retries_ran_out_is_told_of_too(store: Store) -> None:
    """Nobody hears of it while it is tried, all managers when it is given up."""
    desk = await opened(store)
    await fired(desk)
    desk.mail.script = [TemporaryFailure("451 later", retry_after=timedelta(days=9))]
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "last_error LIKE '451%'") == 1, timeout=15)
    assert notices(store) == []
    desk.clock.offset += timedelta(days=10)
    desk.mail.script = [TemporaryFailure("451 later")]
    await desk.quiet(store)
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    (said,) = words(store)
    assert "given up after" in said
    await desk.close()


async def test_a_bounce_seen_twice_is_told_once_and_the_next_digest_is_not_sent(store: Store) -> None:
    """The address is dead: the next one is cancelled, says why, and nobody hears of that again."""
    desk = await opened(store)
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    receipts = [await bounced(desk, store, CFO) for _ in range(2)]
    assert [receipt.outcome for receipt in receipts] == ["reported", "ignored"]
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    (said,) = words(store)
    assert said.startswith(f"The digest daily didn't reach {CFO}: 5.1.1 no such user.")
    assert f"!unsuppress {CFO}" in said
    await fired(desk, at=EIGHT + timedelta(days=1))
    await desk.quiet(store)
    assert [o.place for o in desk.mail.sent if str(o.kind) == "digest"] == [CFO]
    (row,) = await desk.operations.outbox("cancelled", 10)
    assert row.place == CFO
    assert row.last_error is not None
    assert "bounced" in row.last_error
    assert "unsuppress" in row.last_error
    (job,) = await runs.listed(desk.database, digests.jobs_of(desk.config))
    assert job.result == "sent to 0, not to 1 whose mail bounced: nothing happened"
    assert len(notices(store)) == 2
    await desk.close()


async def test_a_mail_that_is_too_large_kills_no_address(store: Store) -> None:
    """It is told, and the next one goes."""
    desk = await opened(store)
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    await bounced(desk, store, CFO, status="5.3.4", text="too big")
    (said,) = words(store)
    assert "outbox retry" in said
    await fired(desk, at=EIGHT + timedelta(days=1))
    await desk.quiet(store)
    assert [o.place for o in desk.mail.sent if str(o.kind) == "digest"] == [CFO, CFO]
    await desk.close()


@pytest.mark.parametrize("known", [True, False])
async def test_a_bounce_that_names_the_mail_alone(store: Store, known: bool) -> None:
    """Some servers send their bounce to From instead of the envelope's sender, with our Message-ID in it."""
    desk = await opened(store)
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    row = store.rows("SELECT data FROM deliveries WHERE kind = 'digest'")[0]
    mail_id = json.loads(row["data"])["mail_id"] if known else "notice.0.0123456789abcdef@example.com"
    report = bounce(None, CFO, ref=Ref(f"mail:{mail_id}", f"mail:{mail_id}"))
    receipts = [await desk.manager.receive(report) for _ in range(2)]
    assert [r.outcome for r in receipts] == (["reported", "ignored"] if known else ["ignored"] * 2)
    assert sorted(notices(store)) == ([("email", BOSS), ("slack", "UBOSS")] if known else [])
    await desk.close()


# -- who can't be reached -------------------------------------------------------------------------------------------


async def test_who_cannot_be_reached_there_is_not_told_there(store: Store) -> None:
    """The manager's own address is dead: they hear of it in Slack alone, and so of all that comes later."""
    desk = await opened(store, email_to=["Boss@Example.com", CFO])
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    await bounced(desk, store, "Boss@Example.com")
    assert notices(store) == [("slack", "UBOSS")]
    await bounced(desk, store, CFO)
    assert notices(store) == [("slack", "UBOSS")] * 2
    await desk.close()


async def test_in_slack_neither(store: Store) -> None:
    """Slack refuses their direct messages: a mail says so."""
    desk = await opened(store, email_to=[], slack_to=["UBOSS"])
    refusing(desk, reason="Slack: user_disabled", slack=True)
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert notices(store) == [("email", BOSS)]
    await desk.close()


async def test_where_no_manager_is_left_to_tell_the_others_are(store: Store) -> None:
    """The only manager has but the address that is dead."""
    staff = [STAFF[0], STAFF[1], {"username": "boss", "email": BOSS, "role": "manager"}]
    desk = await opened(store, staff, email_to=[BOSS])
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    await bounced(desk, store, BOSS)
    assert sorted(notices(store)) == [("email", "ada@example.com"), ("slack", "UBEN")]
    await desk.close()


async def test_a_dead_address_is_told_nothing_while_others_are_there(store: Store) -> None:
    """Of two managers one can be reached; once neither can, the agents hear of it; once nobody can, all addresses are
    tried that aren't the one it is about."""
    staff = [
        {"username": name, "email": f"{name}@example.com", "role": role}
        for name, role in (("ada", "agent"), ("boss", "manager"), ("mia", "manager"))
    ]
    desk = await opened(store, staff, email_to=[BOSS, "mia@example.com", "ada@example.com", CFO])
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    sql = "SELECT id FROM deliveries WHERE kind = 'digest' AND place = :p"
    heard = []
    for place in (BOSS, "mia@example.com", "ada@example.com", CFO):
        before = len(notices(store))
        await desk.manager.receive(bounce(store.value(sql, p=place), place))
        heard.append(sorted(who.partition("@")[0] for _, who in notices(store)[before:]))
    assert heard == [["mia"], ["ada"], ["boss", "mia"], ["boss", "mia"]]
    await desk.close()


async def test_nobody_is_told_where_nobody_is_left(store: Store) -> None:
    """It stands in the outbox with its reason, and nothing breaks."""
    desk = await opened(store, [{"username": "boss", "email": BOSS, "role": "manager"}], email_to=[BOSS])
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert (await bounced(desk, store, BOSS)).outcome == "reported"
    assert notices(store) == []
    (row,) = await desk.operations.outbox(None, 10)
    assert (row.state, row.last_error) == ("bounced", "5.1.1 no such user")
    await desk.close()


async def test_whatever_fails_nothing_is_told_of_a_notice(store: Store) -> None:
    """Both channels refuse all; then what got through comes back."""
    desk = await opened(store)
    refusing(desk)
    refusing(desk, reason="Slack: channel_not_found", slack=True)
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    assert store.count("deliveries", "state = 'failed'") == store.count("deliveries") == 3
    await desk.database.unit(lambda tx: tx.run(update(deliveries).values(state="sent")))
    before = store.count("deliveries")
    assert (await bounced(desk, store, BOSS)).outcome == "reported"
    assert store.count("deliveries") == before
    await desk.close()


# -- news -----------------------------------------------------------------------------------------------------------


async def assigned(desk: TestDesk, to: str = "ben") -> int:
    """Ada gives somebody a ticket, of which they hear."""
    ticket = (await desk.write("My screen is dark")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff(), ticket, to)
    return ticket


async def test_news_that_slack_refuses_go_by_mail_once(store: Store) -> None:
    """Also when somebody has Slack tried again; managers hear nothing, and the outbox says what became of it."""
    desk = await opened(store)
    refusing(desk, "notice:staff_news", reason="Slack: user_disabled", slack=True)
    ticket = await assigned(desk)
    await desk.courier.start()
    await desk.quiet(store)
    first, second = news(store)
    assert (first["channel"], first["state"]) == ("slack", "failed")
    assert first["last_error"] == "Slack: user_disabled; it went by mail instead"
    assert (second["channel"], second["place"], second["state"]) == ("email", "ben@example.com", "sent")
    assert [line["ticket"] for line in second["data"]["lines"]] == [ticket]
    assert "unsubscribe" in second["data"]
    assert notices(store) == []
    assert await desk.database.unit(lambda tx: retry_delivery(tx, desk.desk, first["id"]))
    desk.desk.signals.outbox.set()
    await desk.quiet(store)
    assert len(news(store)) == 2
    assert notices(store) == []
    await desk.close()


async def test_news_that_reach_nobody_are_told_to_managers(store: Store) -> None:
    """Slack refuses them, and then the mail server: one notice, of the mail."""
    desk = await opened(store)
    refusing(desk, "notice:staff_news")
    refusing(desk, "notice:staff_news", reason="Slack: user_disabled", slack=True)
    await assigned(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert [row["channel"] for row in news(store)] == ["slack", "email"]
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    (said,) = words(store)
    assert said.startswith(f"News for one of the staff didn't reach ben@example.com: {REFUSED}.")
    await desk.close()


async def test_who_wants_no_news_by_mail_gets_what_cannot_be_turned_off(store: Store) -> None:
    """Of the rest managers hear that it didn't arrive."""
    desk = await opened(store)
    url = unsubscribing.url_for(desk.config, LIST, "ben@example.com")
    link = unsubscribing.links_of(desk.config).read(url.rpartition("/")[2])
    assert link is not None
    await desk.database.unit(lambda tx: unsubscribing.stop(tx, *link))
    refusing(desk, "notice:staff_news", reason="Slack: user_disabled", slack=True)
    number = await assigned(desk)
    await desk.courier.start()
    await desk.quiet(store)
    assert [row["channel"] for row in news(store)] == ["slack"]
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    ticket = await ticket_of(desk, number)
    await desk.database.unit(
        lambda tx: tell_failure(tx, desk.desk, ticket, 1, "ann@example.com", "no such user")
    )
    await desk.quiet(store)
    assert [line["news"] for line in news(store)[-1]["data"]["lines"]] == ["failed"]
    assert news(store)[-1]["channel"] == "email"
    assert len(notices(store)) == 2
    await desk.close()


async def test_news_for_a_dead_address_are_told_once(store: Store) -> None:
    """The first bounces; those that come later aren't sent, and say why."""
    desk = await opened(store)
    await assigned(desk, "boss")
    await desk.courier.start()
    await desk.quiet(store)
    assert [row["channel"] for row in news(store)] == ["slack"], "Slack knows her"
    ticket = (await desk.write("Help!")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff("boss"), ticket, "ada")
    await desk.quiet(store)
    assert (await bounced(desk, store, "ada@example.com")).outcome == "reported"
    assert sorted(notices(store)) == [("email", BOSS), ("slack", "UBOSS")]
    ticket = (await desk.write("Help again!")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff("boss"), ticket, "ada")
    await desk.quiet(store)
    last = news(store)[-1]
    assert (last["place"], last["state"]) == ("ada@example.com", "cancelled")
    assert "mail there bounced" in last["last_error"]
    assert len(notices(store)) == 2
    await desk.close()
