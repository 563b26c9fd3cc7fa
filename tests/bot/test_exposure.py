"""A triage channel that strangers come to read gets no tickets, and everyone concerned is told, once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.api import Api
from bot.exposure import Exposure, unusable
from bot.parts import slack_api, slack_channel
from bot.spec import SPEC as SLACK
from bot.watch import Watch
from core.desk_texts import TEXTS
from core.exposure import SCOPE
from core.parts import Parts, build
from core.shapes import Kind, Outgoing
from intake.email.spec import SPEC as EMAIL
from sandbox import TRIAGE, Sandbox
from tests.bot.kit import outgoing
from tests.bot.test_digest_blocks import a_report
from tests.conftest import Houses
from tests.stores import Store


def parts_of(box: Sandbox, store: Store, *, language: str = "en", **slack: object) -> Parts:
    given = {"enabled": True, "bot_token": box.bot_token, "app_token": box.app_token, "api_url": box.api_url}
    queue = {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE}
    staff = [
        {"username": "ada", "email": "ada@example.com", "slack_user": "U0ADA00001"},
        {"username": "max", "email": "max@example.com", "role": "manager"},
    ]
    return build(
        store.config(service={"language": language}, slack={**given, **slack}, queue=[queue], staff=staff),
        {"email": EMAIL, "slack": SLACK},
    )


@pytest.fixture
async def parts(box: Sandbox, store: Store) -> AsyncIterator[Parts]:
    parts = parts_of(box, store)
    await parts.people.sync()
    yield parts
    await parts.database.close()


@pytest.fixture
async def exposure(box: Sandbox, parts: Parts) -> AsyncIterator[Exposure]:
    api = Api(parts.config)
    yield Exposure(api, parts.database, parts.desk)
    await api.close()


def told(store: Store) -> list[tuple[str, str]]:
    return [
        (
            row["channel"],
            json.loads(row["data"])["text"] if isinstance(row["data"], str) else row["data"]["text"],
        )
        for row in store.rows("SELECT channel, data FROM deliveries ORDER BY id")
    ]


async def test_a_private_channel_is_open(exposure: Exposure, store: Store) -> None:
    await exposure.check()
    assert await exposure.why_closed(TRIAGE) is None
    assert exposure.troubles == {}
    assert told(store) == []


@pytest.mark.parametrize("how", ["make_public", "share"])
async def test_an_exposed_channel_is_closed_and_told_once(
    box: Sandbox, exposure: Exposure, store: Store, how: str
) -> None:
    getattr(box.workspace, how)("triage")
    with capture_logs() as logs:
        for _ in range(3):
            await exposure.check()
    assert [entry["event"] for entry in logs].count("channel_trouble") == 1
    why = await exposure.why_closed(TRIAGE)
    assert why is not None
    assert {"make_public": "public", "share": "another organisation"}[how] in why
    assert "gets no tickets" in exposure.troubles[TRIAGE]
    [row] = store.rows("SELECT value FROM settings WHERE scope = :scope", scope=SCOPE)
    assert set(json.loads(row["value"])) == {"why", "since", "began"}
    words = told(store)
    assert sorted(channel for channel, _ in words) == ["email", "slack", "slack"]  # manager; channel and Ada
    assert len({text for _, text in words}) == 1
    getattr(box.workspace, {"make_public": "make_private", "share": "unshare"}[how])("triage")
    await exposure.changed(TRIAGE)
    await exposure.check()
    assert await exposure.why_closed(TRIAGE) is None
    assert exposure.troubles == {}
    assert len(told(store)) == 6
    assert "again" in told(store)[-1][1]


async def test_the_sender_finds_out_by_itself(box: Sandbox, exposure: Exposure, store: Store) -> None:
    box.workspace.make_public("triage")
    assert await exposure.why_closed(TRIAGE) is not None
    assert len(told(store)) == 3


async def test_an_answer_of_slacks_counts_for_a_while(box: Sandbox, exposure: Exposure) -> None:
    for _ in range(5):
        assert await exposure.why_closed(TRIAGE) is None
    assert len([c for c in box.workspace.calls if c.method == "conversations.info"]) == 1


async def test_what_an_operator_allows_is_open(box: Sandbox, exposure: Exposure, store: Store) -> None:
    box.workspace.make_public("triage")
    await exposure.check()
    allowing = parts_of(box, store, exposed_channels=[TRIAGE])
    api = Api(allowing.config)
    other = Exposure(api, allowing.database, allowing.desk)
    assert await other.why_closed(TRIAGE) is None
    await other.check()
    assert "an operator allows it" in told(store)[-1][1]
    assert other.troubles == {}
    await api.close()
    await allowing.database.close()


@pytest.mark.parametrize(
    ("how", "word"), [("archive", "archived"), ("kick", "invite"), ("delete_channel", "finds no")]
)
async def test_a_channel_that_cannot_be_used_is_named(
    box: Sandbox, exposure: Exposure, how: str, word: str
) -> None:
    getattr(box.workspace, how)("triage")
    await exposure.check()
    assert word in exposure.troubles[TRIAGE]
    assert await exposure.why_closed(TRIAGE) is None


def envelope(**event: object) -> dict[str, object]:
    return {"type": "event_callback", "event": event}


async def test_events_about_a_triage_channel_make_it_looked_at(
    box: Sandbox, parts: Parts, store: Store
) -> None:
    api = Api(parts.config)
    exposure = Exposure(api, parts.database, parts.desk)
    watch = Watch(api, parts.database, exposure)
    box.workspace.share("triage")
    then = watch.look(envelope(type="channel_shared", channel=TRIAGE))
    assert then is not None
    await then()
    assert "another organisation" in watch.trouble
    await api.close()


def test_a_removed_app_is_told() -> None:
    watch = Watch()
    assert watch.look(envelope(type="tokens_revoked", tokens={"oauth": ["U1"], "bot": []})) is None
    assert watch.trouble == ""
    watch.look(envelope(type="tokens_revoked", tokens={"bot": ["UBOT"]}))
    assert "revoked" in watch.trouble
    watch.look(envelope(type="app_uninstalled"))
    assert "removed from the workspace" in watch.trouble


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_no_card_goes_to_a_public_channel_until_it_is_private_again(
    houses: Houses, tmp_path: Path
) -> None:
    house = houses.make()
    box = house.box
    assert box is not None
    box.workspace.make_public("triage")
    await house.start()
    await house.ready()
    await house.logged("channel_exposed")
    await house.send_mail(subject="Confidential")
    await house.logged("work_one", outcome="opened")
    async with house.client() as http:
        ready = (await http.get("/readyz")).json()
    assert ready["parts"]["slack"] == "degraded"
    assert "public" in ready["details"]["slack"]
    await box.workspace.wait_for(lambda: box.workspace.channel("triage").top, timeout=10)
    assert not any("Confidential" in m.text for m in box.workspace.channel("triage").top)
    assert "gets no tickets" in box.workspace.channel("triage").top[0].text


@pytest.mark.parametrize(
    ("how", "back"), [("archive", "unarchive"), ("kick", "invite"), ("delete_channel", None)]
)
async def test_managers_are_told_of_a_channel_that_cannot_be_used(
    box: Sandbox, exposure: Exposure, store: Store, how: str, back: str | None
) -> None:
    """Once, and again after a day, and again when it happens again."""
    getattr(box.workspace, how)("triage")
    for _ in range(3):
        await exposure.check()
    [(channel, words)] = told(store)
    assert channel == "email"
    assert "support" in words
    assert "waits until then" in words
    assert "max@example.com" in store.value("SELECT place FROM deliveries")
    store.execute('UPDATE settings SET value = \'{"told": "2026-01-01T00:00:00+00:00"}\'')
    await exposure.check()
    assert len(told(store)) == 2
    if back is not None:
        await (box.workspace.user("ada").invite("triage") if how == "kick" else _now(box, back))
        await exposure.check()
        assert exposure.troubles == {}
        assert store.count("settings", "scope = 'slack.shut'") == 0
        getattr(box.workspace, how)("triage")
        await exposure.check()
        assert len(told(store)) == 3


def told_in_german(key: str, **gaps: str) -> str:
    return TEXTS["de"][key].format_map(gaps)


async def looked_at(box: Sandbox, store: Store, **slack: object) -> dict[str, str]:
    """An instance that speaks German looks at the channels. Returns what the status says, in English."""
    parts = parts_of(box, store, language="de", **slack)
    await parts.people.sync()
    api = Api(parts.config)
    watching = Exposure(api, parts.database, parts.desk)
    try:
        await watching.check()
    finally:
        await api.close()
        await parts.database.close()
    return watching.troubles


@pytest.mark.parametrize(
    ("how", "back", "why"),
    [
        ("make_public", "make_private", "reason_public"),
        ("share", "unshare", "reason_shared"),
        ("make_public", "", "reason_public"),
    ],
)
async def test_strangers_are_told_of_in_the_services_language(
    box: Sandbox, store: Store, how: str, back: str, why: str
) -> None:
    """What is noted, and what the status says, stays English: instances may speak different languages."""
    getattr(box.workspace, how)("triage")
    troubles = await looked_at(box, store)
    assert TEXTS["en"][why] in troubles[TRIAGE]
    assert TEXTS["en"][why] in store.value("SELECT value FROM settings WHERE scope = :s", s=SCOPE)
    assert told(store)[-1][1] == told_in_german("exposed_told", channel="#triage", why=told_in_german(why))
    if back:
        getattr(box.workspace, back)("triage")
    await looked_at(box, store, exposed_channels=[] if back else [TRIAGE])
    again = "exposed_private" if back else "exposed_allowed"
    assert told(store)[-1][1] == told_in_german(again, channel="#triage")


@pytest.mark.parametrize(
    ("how", "named", "why"),
    [
        ("archive", "exposed_triage_named", "reason_archived"),
        ("delete_channel", "exposed_triage", "slack_channel_not_found"),
    ],
)
async def test_a_useless_channel_is_told_of_in_the_services_language(
    box: Sandbox, store: Store, how: str, named: str, why: str
) -> None:
    getattr(box.workspace, how)("triage")
    troubles = await looked_at(box, store)
    assert TEXTS["en"][why] in troubles[TRIAGE]
    channel = told_in_german(named, channel="#triage", queue="support")
    assert told(store)[-1][1] == told_in_german("exposed_shut", channel=channel, why=told_in_german(why))
    assert unusable({"is_member": False}) == TEXTS["en"]["reason_not_in"]


async def _now(box: Sandbox, how: str) -> None:
    getattr(box.workspace, how)("triage")


async def test_a_missing_permission_is_no_channel_that_cannot_be_used(
    box: Sandbox, exposure: Exposure, store: Store
) -> None:
    box.workspace.faults.fail("conversations.info", "missing_scope")
    await exposure.check()
    assert "permission" in exposure.troubles[TRIAGE]
    assert told(store) == []


@pytest.mark.parametrize("newest_allows", [True, False])
async def test_instances_that_differ_tell_once(box: Sandbox, store: Store, newest_allows: bool) -> None:
    """The configuration of the one that began last counts, also where an older one looks first or later."""
    older = parts_of(box, store, exposed_channels=[] if newest_allows else [TRIAGE])
    newer = parts_of(box, store, exposed_channels=[TRIAGE] if newest_allows else [])
    await older.people.sync()
    apis = [Api(parts.config) for parts in (older, newer)]
    both = [
        Exposure(api, parts.database, parts.desk) for api, parts in zip(apis, (older, newer), strict=True)
    ]
    box.workspace.make_public("triage")
    for _ in range(4):
        for exposure in both:
            await exposure.check()
    assert len(told(store)) == (6 if newest_allows else 3)  # closed, and open again; or closed
    may = [await exposure.why_closed(TRIAGE) is None for exposure in both]
    assert may == ([False, True] if newest_allows else [False, False])
    for parts, api in zip((older, newer), apis, strict=True):
        await api.close()
        await parts.database.close()


async def test_the_channel_hears_of_it_before_what_fails_there(
    box: Sandbox, exposure: Exposure, store: Store
) -> None:
    box.workspace.make_public("triage")
    await exposure.check()
    place = f"T0SANDBOX1/{TRIAGE}"
    assert store.value("SELECT priority FROM deliveries WHERE place = :place", place=place) == 1


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_what_was_for_a_channel_without_the_bot_is_shown_when_it_is_back(houses: Houses) -> None:
    """Nothing is given up meanwhile, and nothing waits for the lane's pause then."""
    house = houses.make()
    box = house.box
    assert box is not None
    await house.start()
    await house.ready()
    bob, triage = box.workspace.user("bob"), box.workspace.channel("triage")
    root = await bob.dm("First")
    await box.workspace.wait_for(lambda: triage.top, timeout=10)
    card = triage.top[0].ts
    box.workspace.kick("triage")
    await house.logged("channel_shut")
    await bob.dm("more words", thread_ts=root)
    await house.send_mail(subject="Meanwhile")
    await house.logged("delivery_failed", decision="Requeue")
    assert house.store.count("deliveries", "state = 'failed'") == 0
    await box.workspace.user("ada").invite("triage")
    await box.workspace.wait_for(
        lambda: (
            any("Meanwhile" in m.text for m in triage.top)
            and any("more words" in m.text for m in triage.thread(card))
        ),
        timeout=20,
    )
    assert house.store.count("deliveries", "state = 'failed'") == 0


@pytest.mark.parametrize("how", ["make_public", "share"])
async def test_a_digest_goes_to_an_open_channel_without_titles(
    box: Sandbox, parts: Parts, store: Store, how: str
) -> None:
    """Nothing is held back for it, and nobody is alarmed; its titles are left out unless an operator allows them."""
    getattr(box.workspace, how)("general")
    general = box.workspace.channel("general").id
    for allowed, shown in (((), False), ((general,), True)):
        mine = parts_of(box, store, exposed_channels=allowed)
        api = slack_api(mine)
        await slack_channel(mine, api).send(a_digest(general))
        assert ("The printer burns" in str(box.workspace.channel("general").top[-1].blocks)) is shown
        await api.close()
        await mine.database.close()
    assert told(store) == []
    assert store.count("settings", "scope = :s", s=SCOPE) == 0


def a_digest(place: str) -> Outgoing:
    """One that names a ticket."""
    return outgoing(Kind.DIGEST, place=place, desk=True, ticket=None, data={"report": a_report().as_json()})
