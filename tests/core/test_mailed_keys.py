"""Links that let somebody in stand in the outbox until they went, and nowhere afterwards."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from core import desk_failures
from core.failures import Conflict, PermanentFailure, TemporaryFailure, UnknownOutcome
from core.people import token_hash
from core.sessions import Sessions
from core.shapes import Outgoing, Sent
from core.tables import identities
from tests.core.desk import BOB, TestDesk
from tests.core.test_courier import go
from tests.core.test_manager_reports import ANN as REPORTER
from tests.stores import Store
from tests.waiting import until

ANN = "ann@example.org"  # another address


async def known(desk: TestDesk, address: str) -> None:
    """Somebody whom the desk knows, and to whom nothing was mailed."""
    await desk.people.create_token(address, timedelta(days=1))


async def asked(desk: TestDesk, store: Store) -> tuple[str, str]:
    """Bob asks for a link; returns its token and code."""
    await known(desk, BOB.address)
    assert await Sessions(desk.desk, desk.database).ask(BOB.address, "n" * 43, "/", "203.0.113.7")
    data = str(store.value("SELECT data FROM deliveries WHERE ticket_id = 0 ORDER BY id DESC"))
    return re.findall(r"/sign-in/([\w-]{43})", data)[0], re.findall(r'"code": ?"(\d{6})"', data)[0]


def everything(store: Store) -> str:
    """Each row of what a look into the database shows."""
    found = ""
    for table in ("deliveries", "tokens", "links", "events", "settings", "counters", "work"):
        for row in store.rows(f"SELECT * FROM {table}"):
            found += " ".join(
                value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)
                for value in row.values()
            )
    return found


async def _sent(desk: TestDesk, store: Store, number: int) -> None:
    await go(desk, store)
    assert desk.mail.sent[-1].data["url"], "the mail itself had it"


async def _failed(desk: TestDesk, store: Store, number: int) -> None:
    desk.mail.script = [PermanentFailure("550 no such user")]
    await go(desk, store)


async def _cancelled(desk: TestDesk, store: Store, number: int) -> None:
    await desk.operations.cancel_delivery(number, await desk.staff())


async def _unknown(desk: TestDesk, store: Store, number: int) -> None:
    desk.mail.script, desk.mail.lost = [UnknownOutcome("cut off")], [True]
    await go(desk, store)


async def _bounced_first(desk: TestDesk, store: Store, number: int) -> None:
    """Its bounce is read before the relay's answer is noted."""
    send = desk.mail.send

    async def quick(outgoing: Outgoing, rendered: bytes | None) -> Sent:
        store.execute("UPDATE deliveries SET state = 'bounced' WHERE id = :id", id=number)
        return await send(outgoing, rendered)

    desk.mail.send = quick  # type: ignore[method-assign]
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "rendered_raw IS NULL AND state = 'bounced'"))


WAYS: dict[str, tuple[Callable[[TestDesk, Store, int], Awaitable[None]], str]] = {
    "sent": (_sent, "sent"),
    "failed": (_failed, "failed"),
    "cancelled": (_cancelled, "cancelled"),
    "bounced at once": (_bounced_first, "bounced"),
    "sent again": (_unknown, "sent"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_settled_mail_leaves_no_key(desk: TestDesk, store: Store, way: str) -> None:
    """Neither link nor code, in whatever column; the link itself works on."""
    token, code = await asked(desk, store)
    number = int(store.value("SELECT MAX(id) FROM deliveries"))
    act, state = WAYS[way]
    await act(desk, store, number)
    (row,) = store.rows("SELECT * FROM deliveries WHERE id = :id", id=number)
    assert row["state"] == state
    assert (row["rendered"], row["rendered_raw"]) == (None, None)
    assert token not in everything(store)
    assert f'"{code}"' not in everything(store)
    assert store.count("tokens", "purpose = 'sign-in'") == 1
    assert store.value("SELECT hash FROM tokens WHERE purpose = 'sign-in'") == token_hash(token)


async def test_what_waits_is_kept_and_other_mails_are_left_alone(desk: TestDesk, store: Store) -> None:
    token, _ = await asked(desk, store)
    await desk.write()
    desk.mail.script = [TemporaryFailure("busy"), TemporaryFailure("busy")]
    await go(desk, store)
    (mailed,) = [one for one in desk.mail.sent if one.data.get("what") == "sign_in"]
    assert mailed.attempts > 1
    assert mailed.data["url"].endswith(token), "it went with its link at the second try"
    others = store.rows("SELECT rendered_raw FROM deliveries WHERE channel = 'email' AND ticket_id > 0")
    assert others
    assert all(row["rendered_raw"] for row in others)


async def test_a_failed_one_cannot_be_tried_again(desk: TestDesk, store: Store) -> None:
    """Staff's retry says why; nothing is sent as an empty mail, and the failure stays where they see it."""
    await asked(desk, store)
    number = int(store.value("SELECT MAX(id) FROM deliveries"))
    await _failed(desk, store, number)
    tries, ada = desk.mail.tries, await desk.staff()
    with pytest.raises(Conflict, match="no longer kept"):
        await desk.operations.retry_delivery(number, ada)
    assert (desk.mail.tries, store.count("deliveries", "state = 'failed'")) == (tries, 1)


async def test_a_confirmation_that_staff_give_up_is_forgotten(desk: TestDesk, store: Store) -> None:
    desk.mail.script = [PermanentFailure("550 relay denied")]
    await desk.manager.report(REPORTER, "t", "d")
    await go(desk, store)
    number = int(store.value("SELECT id FROM deliveries WHERE state = 'failed'"))
    parts: Any = SimpleNamespace(database=desk.database, operations=desk.operations)
    await desk_failures.give_up(parts, await desk.staff(), number)
    assert store.value("SELECT state FROM deliveries WHERE id = :id", id=number) == "cancelled"
    assert "/confirm/" not in everything(store)


async def test_a_confirmation_is_kept_for_a_retry_alone(desk: TestDesk, store: Store) -> None:
    """Its link is good for a week, so a failure can be mended; once it went, it is forgotten."""
    desk.mail.script = [PermanentFailure("550 relay denied")]
    await desk.manager.report(REPORTER, "t", "d")
    await go(desk, store)
    assert "/confirm/" in everything(store)
    number = int(store.value("SELECT id FROM deliveries WHERE state = 'failed'"))
    await desk.operations.retry_delivery(number, await desk.staff())
    await until(lambda: desk.mail.sent)
    await desk.quiet(store)
    token = desk.mail.sent[0].data["url"].rpartition("/")[2]
    assert token not in everything(store)
    assert await desk.manager.confirm(token) is not None


async def test_lists_show_no_key(desk: TestDesk, store: Store) -> None:
    """What an operator and staff see of a delivery that waits."""
    token, code = await asked(desk, store)
    rows = [str(row.as_json()) for row in await desk.operations.outbox()]
    assert any(BOB.address in row for row in rows)
    assert not any(token in row or code in row for row in rows)


# -- addresses whose mail bounced -----------------------------------------------------------------------------------


async def _bounced(desk: TestDesk) -> None:
    now = await desk.database.read(lambda tx: tx.now())
    mark = update(identities).where(identities.c.key == BOB.key).values(suppressed_at=now)
    await desk.database.unit(lambda tx: tx.run(mark))


def _is_suppressed(store: Store) -> bool:
    return store.count("identities", "suppressed_at IS NOT NULL") == 1


async def test_whoever_s_mail_bounced_comes_back_by_signing_in(desk: TestDesk, store: Store) -> None:
    """The link goes out all the same, other mail doesn't; following it says that mail arrives again."""
    await desk.write(sender=BOB)
    await _bounced(desk)
    sessions = Sessions(desk.desk, desk.database)
    assert await sessions.ask(BOB.address, "n" * 43, "/")
    await go(desk, store)
    assert [one.data["what"] for one in desk.mail.sent] == ["sign_in"], "the acknowledgement doesn't go there"
    token = desk.mail.sent[-1].data["url"].rpartition("/")[2]
    assert _is_suppressed(store), "asking alone, which anybody may do, changes nothing"
    entered = await sessions.sign_in(token, "n" * 43, "")
    assert hasattr(entered, "token")
    assert not _is_suppressed(store)


async def test_a_dead_address_is_no_target(desk: TestDesk, store: Store) -> None:
    """Whoever asks, and from wherever: a few a day."""
    await known(desk, BOB.address)
    await _bounced(desk)
    sessions = Sessions(desk.desk, desk.database)
    asks = [await sessions.ask(BOB.address, "n" * 43, "/", f"203.0.113.{n}") for n in range(6)]
    assert asks == [True] * 3 + [False] * 3


async def test_another_address_of_theirs_lifts_nothing(desk: TestDesk, store: Store) -> None:
    """A link that was read at one address says nothing about another one."""
    await known(desk, BOB.address)
    await known(desk, ANN)
    await _bounced(desk)
    user = store.value("SELECT user_id FROM identities WHERE `key` = :k", k=BOB.key)
    store.execute("UPDATE identities SET user_id = :u WHERE address = :a", u=user, a=ANN)
    sessions = Sessions(desk.desk, desk.database)
    assert await sessions.ask(ANN, "n" * 43, "/")
    await go(desk, store)
    token = desk.mail.sent[-1].data["url"].rpartition("/")[2]
    assert hasattr(await sessions.sign_in(token, "n" * 43, ""), "token")
    assert _is_suppressed(store)
