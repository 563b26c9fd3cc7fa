"""`relaydesk digest`, and the page behind a digest's unsubscribe link."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from app import build_parts
from core import unsubscribing
from core.failures import Invalid
from intake.cli.digest import moment
from tests.interfaces.counter import Counter, counter_on
from tests.interfaces.test_cli import Cli, cli
from tests.stores import Store

__all__ = ["cli"]

BOSS = "boss@example.com"
DAILY = """
[[digest]]
name = "daily"
email_to = ["boss@example.com", "cfo@example.com"]
slack_to = ["C0FIGURES1"]

[[digest]]
name = "weekly"
period = "7d"
queues = ["support"]
email_to = ["boss@example.com"]
"""


@pytest.fixture
def desk(cli: Cli) -> Cli:
    """A command line whose configuration has digests."""
    cli.config.write_text(cli.config.read_text("utf-8") + DAILY, "utf-8")
    return cli


def test_it_is_printed_as_the_mail_has_it_and_nothing_goes(desk: Cli) -> None:
    desk.ticket()
    ran = desk.done("digest", "daily")
    assert "1 came in" in ran.out
    assert "WHAT NEEDS SOMEBODY" in ran.out
    assert ran.out.index("1 came in") < ran.out.index("WHAT HAPPENED")
    assert "Recipients: boss@example.com, cfo@example.com, C0FIGURES1" in ran.out
    assert "Unsubscribed" not in ran.out
    assert desk.store.count("deliveries", "kind = 'digest'") == desk.store.count("reports") == 0


def test_an_unknown_name_is_an_error_that_lists_those_there_are(desk: Cli) -> None:
    assert "there is no digest 'hourly'; there is: daily, weekly" in desk.refused("digest", "hourly")


def test_without_any_digest_that_is_said(cli: Cli) -> None:
    assert "no [[digest]] is configured" in cli.refused("digest", "daily")


def test_the_preview_is_a_file_with_its_pictures_beside_it(desk: Cli, tmp_path: Path) -> None:
    """It shows them from there, and nothing from anywhere else."""
    desk.ticket()
    file = tmp_path / "look.html"
    ran = desk.done("digest", "daily", "--preview", file)
    html = file.read_text("utf-8")
    shown = re.findall(r'<img[^>]+src="([^"]+)"', html)
    assert shown
    for name in shown:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert str(tmp_path / name) in ran.out
    assert "cid:" not in html
    assert "came in" in html


def test_it_is_printed_in_the_digest_s_language_and_the_operator_s_words(desk: Cli, tmp_path: Path) -> None:
    """Whatever the service's is; what the command itself says is English."""
    desk.ticket()
    whole = desk.config.read_text("utf-8").replace('name = "daily"', 'name = "daily"\nlanguage = "de"')
    desk.config.write_text(whole + '[service.texts.de]\nneeds = "Wer hilft?"\n', "utf-8")
    file = tmp_path / "look.html"
    ran = desk.done("digest", "daily", "--preview", file)
    assert "1 Ticket ist eingegangen" in ran.out
    assert "WER HILFT?" in ran.out
    assert "Recipients: boss@example.com" in ran.out
    assert '<html lang="de">' in file.read_text("utf-8")
    assert "1 came in" in desk.done("digest", "weekly").out


def test_a_preview_that_cannot_be_written_sends_nothing(desk: Cli, tmp_path: Path) -> None:
    ran = desk("digest", "daily", "--send", "--preview", tmp_path / "nowhere" / "look.html")
    assert ran.status != 0
    assert "No such file" in ran.err
    assert desk.store.count("reports") == 0


def test_it_is_of_the_period_that_ends_at_the_time_that_is_named(desk: Cli) -> None:
    desk.ticket()
    before = desk.done("digest", "daily", "--at", "2026-01-05T08:00:00Z").out
    assert "Sun 4 Jan 2026 08:00 to Mon 5 Jan 08:00, UTC" in before
    assert "Nothing happened" in before
    week = desk.done("digest", "weekly", "--at", "2026-01-05 08:00").out
    assert "Mon 29 Dec 2025 08:00 to Mon 5 Jan 2026 08:00" in week
    assert "support" in week
    assert "'tomorrow' is no time" in desk.refused("digest", "daily", "--at", "tomorrow")


def test_a_time_without_an_offset_is_local() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
    for text in ("2026-11-27 08:00", "2026-11-27T08:00:00+01:00", "2026-11-27T07:00:00Z"):
        assert moment(text, berlin) == at
    assert moment("2026-11-27", berlin) == at - timedelta(hours=8)
    for text in ("", "8", "2026-13-01", "0001-01-01T00:00:00+23:59", "0001-01-02", "9999-12-31"):
        with pytest.raises(Invalid):
            moment(text, berlin)


def test_it_is_sent_to_its_recipients_but_not_to_who_wants_no_more(desk: Cli) -> None:
    """Slack isn't on here, so nobody is told there."""

    async def stops() -> None:
        parts = build_parts(desk.store.config())
        key = unsubscribing.key_for("daily", "BOSS@example.com")
        await parts.database.unit(lambda tx: unsubscribing.stop(tx, "daily", key))
        await parts.database.close()

    asyncio.run(stops())
    ran = desk("digest", "daily", "--send")
    assert (ran.status, ran.out.splitlines()[-3:]) == (
        0,
        ["Recipients: cfo@example.com, C0FIGURES1", "Unsubscribed: boss@example.com", "Sent to 1"],
    )
    assert "digest_without_channel" in ran.err
    rows = desk.store.rows("SELECT place, state FROM deliveries WHERE kind = 'digest'")
    assert [tuple(row.values()) for row in map(dict, rows)] == [("cfo@example.com", "queued")]
    assert "Sent to 1" in desk.done("digest", "weekly", "--send").out  # another digest still comes


# -- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def counter(store: Store, tmp_path: Path) -> AsyncIterator[Counter]:
    """A desk behind its site."""
    async with counter_on(store) as counter:
        yield counter


def path_of(counter: Counter, digest: str = "daily", address: str = BOSS) -> str:
    return urlsplit(unsubscribing.url_for(counter.parts.config, digest, address)).path


async def stopped(counter: Counter) -> Any:
    return await counter.parts.database.read(lambda tx: unsubscribing.stopped(tx, "daily", [BOSS]))


async def test_opening_the_link_asks_and_its_button_stops_the_digest(counter: Counter) -> None:
    """Scanners that follow links stop nothing; it can be taken up again."""
    path = path_of(counter)
    asked = await counter.nobody.get(path)
    assert asked.status_code == 200
    assert '<form method="post"><button>Unsubscribe</button>' in asked.text
    assert "script" not in asked.headers["content-security-policy"].replace("default-src 'none'", "")
    assert "frame-ancestors 'none'" in asked.headers["content-security-policy"]
    assert await stopped(counter) == ()
    done = await counter.nobody.post(path)
    assert (done.status_code, await stopped(counter)) == (200, (BOSS,))
    assert "not mailed to you any more" in (await counter.nobody.get(path)).text
    (action,) = re.findall(r'action="([^"]+)"', done.text)
    again = await counter.nobody.post(f"{path.rpartition('/')[0]}/{action}")
    assert (again.status_code, await stopped(counter)) == (200, ())


@pytest.mark.parametrize("as_form", [True, False])
async def test_a_mail_program_does_it_with_one_post(counter: Counter, as_form: bool) -> None:
    """RFC 8058: as a form of either kind, without a cookie, twice if it likes."""
    body = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        sent = {"data": body} if as_form else {"files": {name: (None, value) for name, value in body.items()}}
        answer = await counter.nobody.post(path_of(counter), **sent)
        assert answer.status_code == 200
    assert await stopped(counter) == (BOSS,)


async def test_a_link_that_is_not_ours_stops_nothing(counter: Counter) -> None:
    path = path_of(counter)
    for wrong in (
        path[:-1] + ("A" if path[-1] != "A" else "B"),
        "/unsubscribe/x",
        f"/unsubscribe/{'x' * 250}",
    ):
        assert (await counter.nobody.get(wrong)).status_code == 404
        assert (await counter.nobody.post(wrong)).status_code == 404
        assert (await counter.nobody.post(f"{wrong}/undo")).status_code == 404
    assert await stopped(counter) == ()
