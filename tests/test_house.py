"""The house itself: it sees what the log says, and complains where a service doesn't do as promised."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from pathlib import Path

import pytest

from core.config import load
from tests.house import House
from tests.stores import Store
from tests.waiting import until, until_true
from tests.writing import mail, toml

STAND_IN = """
import json, signal, subprocess, sys, time
status, stubborn = int(sys.argv[1]), "stubborn" in sys.argv
child = subprocess.Popen(["sleep", "600"])
def leave(*_):
    if stubborn: return
    child.kill()
    print(json.dumps({"event": "stopped"}), file=sys.stderr, flush=True)
    sys.exit(status)
signal.signal(signal.SIGTERM, leave)
print("hello")
print("no json", file=sys.stderr, flush=True)
print(json.dumps({"event": "started", "ticket": 7}), file=sys.stderr, flush=True)
print(json.dumps({"event": "ready", "child": child.pid}), file=sys.stderr, flush=True)
while True: time.sleep(0.05)
"""

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])


class Hut(House):
    """A house whose service is the stand-in above."""

    forks = None

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", STAND_IN, *arguments]


@pytest.fixture
async def hut(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> House:
    """A hut that isn't started."""
    return Hut(store, tmp_path / "hut", command=getattr(request, "param", ("0",)))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_it_waits_for_a_named_event_with_fields(hut: House) -> None:
    """Entries that came already count; what isn't JSON is kept apart."""
    async with hut:
        entry = await hut.logged("started", ticket=7)
        assert entry["ticket"] == 7
        assert hut.entries("ready")
        with pytest.raises(AssertionError, match="no 'started'"):
            await hut.logged("started", ticket=8, timeout=0.1)
        await until(lambda: {"hello", "no json"} <= set(hut.output))
        await hut.terminate()
        assert await hut.logged("stopped")


@pytest.mark.parametrize("hut", [("3",)], indirect=True)
async def test_a_bad_exit_status_fails_the_test(hut: House) -> None:
    """SIGTERM must end in status 0."""
    async with hut:
        with pytest.raises(AssertionError, match="exit status 3"):
            await hut.terminate()


@pytest.mark.parametrize("hut", [("0", "stubborn")], indirect=True)
async def test_a_service_that_stays_fails_the_test_and_is_ended_with_its_children(hut: House) -> None:
    """Nothing outlives its house."""
    async with hut:
        child = (await hut.logged("ready"))["child"]
        assert set(hut.processes()) == {hut.pid, child}
        assert hut.pss_bytes() > 1_000_000
        with pytest.raises(AssertionError, match="still there"):
            await hut.terminate(within=0.3)
    until_true(lambda: not _lives(child))


async def test_waiting_ends_when_the_service_does(hut: House) -> None:
    """A crash is told at once, not after the timeout."""
    async with hut:
        waiting = asyncio.create_task(hut.logged("never", timeout=60))
        await asyncio.sleep(0)
        await hut.kill9()
        with pytest.raises(AssertionError, match="it ended with -9"):
            await asyncio.wait_for(waiting, 5)


async def test_a_restart_waits_for_its_own_ready(hut: House) -> None:
    """The `ready` of the process before doesn't count."""
    async with hut:
        first, orphan = hut.pid, (await hut.logged("ready"))["child"]
        await hut.kill9()
        await hut.restart()
        assert hut.pid != first
        assert len(hut.entries("ready")) == 2
        assert _lives(orphan)
    until_true(lambda: not _lives(orphan))


async def test_its_configuration_is_read_as_meant(store: Store, tmp_path: Path) -> None:
    """What the house writes, `core.config` reads."""
    house = Hut(
        store, tmp_path / "hut", service={"name": 'A "quoted" \\ näme'}, email={"outbound": {"port": 2525}}
    )
    config = load(house.config_file, environ={})
    assert config.service.name == 'A "quoted" \\ näme'
    assert (config.email.inbound.port, config.http.port) == (house.smtp_port, house.http_port)
    assert config.email.outbound.port == 2525
    assert config.database.url == store.url
    assert [each.role for each in config.staff] == ["manager", "agent"]


def test_toml_is_written_as_toml_reads_it(store_name: str) -> None:
    """Sections, arrays of tables, tables within them, and plain values."""
    data = {
        "a": {"b": {"c": [1, 2], "t": True}, "s": 'x\n"y" \\ é'},
        "q": [{"n": "one", "targets": {"urgent": {"x": "30m"}}}, {"n": "two", "empty": []}],
    }
    assert tomllib.loads(toml(data)) == data


def test_a_mail_has_an_id_of_its_own(store_name: str) -> None:
    """Two mails with the same words are two mails."""
    one, two = (mail("a@b.example", ["c@d.example"], "s", "t") for _ in range(2))
    assert one["Message-ID"] != two["Message-ID"]
    assert str(one["Message-ID"]).endswith("@b.example>")


def test_the_callers_settings_stay_out(store_name: str) -> None:
    """No variable of ours reaches a test."""
    assert not [name for name in os.environ if name.startswith("RELAYDESK_") and name != "RELAYDESK_SHARED"]
