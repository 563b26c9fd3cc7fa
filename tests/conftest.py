"""Fixtures for all tests. A test that touches rows asks for `store` and runs on SQLite and on MariaDB."""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from sandbox import Sandbox
from tests import compiled
from tests.forks import Forks
from tests.house import House
from tests.mariadb import MariaDbServer, Missing, Run, program
from tests.stores import MariaDbStores, SqliteStores, Store

# Hypothesis tries the same examples in every CI run of the same code, so that CI always judges it the same; on a
# developer's machine it looks further each time.
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
if CI:
    settings.load_profile("ci")

_run = pytest.StashKey[Run]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run (its workers join it), and leave nothing of the caller's settings in the environment."""
    for name in list(os.environ):
        if name.startswith("RELAYDESK_") and name != "RELAYDESK_SHARED":
            del os.environ[name]
    if not hasattr(config, "workerinput"):
        config.stash[_run] = Run.begin()
    House.forks = Forks()
    compiled.share()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin each worker's share with its slow tests, so that none of them is left over for the end.

    `--dist worksteal` parts the tests evenly, in their order.
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = [item for item in items if not item.get_closest_marker("slow")]
    size = -(-len(items) // workers)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = slow[worker::workers]
        taken = size - len(share)
        ordered += [*share, *rest[:taken]]
        rest = rest[taken:]
    items[:] = [*ordered, *rest]


def pytest_collection_finish() -> None:
    """Spare the collector the ten thousand tests themselves, and half a million objects with them, each time it looks
    for garbage: a fifth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the run started."""
    if House.forks:
        House.forks.close()
    if run := config.stash.get(_run, None):
        run.end()


def pytest_report_header() -> str:
    """Say which stores the tests run on."""
    try:
        mariadb = program("mariadbd", "mysqld")
    except Missing as exc:
        mariadb = f"none ({exc})"
    return f"stores: SQLite {sqlite3.sqlite_version}, MariaDB: {mariadb}"


def without_mariadb(why: Missing) -> None:
    """Skip on a developer's machine; in CI a store left out is an error."""
    if CI:
        pytest.fail(f"CI without MariaDB: {why}", pytrace=False)
    pytest.skip(str(why))


@pytest.fixture(autouse=True)
def _log_as_at_the_start() -> Iterator[None]:
    """A command that ran in this process has set its own logging up: the next test begins without it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def sqlite_stores(tmp_path_factory: pytest.TempPathFactory) -> SqliteStores:
    """Makes SQLite stores."""
    return SqliteStores(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def mariadb_stores() -> MariaDbStores:
    """Makes MariaDB stores on the run's server, which the first who asks starts."""
    try:
        return MariaDbStores(Run.joined().shared_server())
    except Missing as exc:
        without_mariadb(exc)
        raise


@pytest.fixture(params=["sqlite", "mariadb"])
def store_name(request: pytest.FixtureRequest) -> str:
    """The stores that every behaviour runs on; a test may parametrise `store_name` to run on one alone."""
    return str(request.param)


@pytest.fixture
def store(store_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated database of this test's own: `store.config(…)`, `store.rows(sql, …)`."""
    folder = tmp_path / "var"
    folder.mkdir()
    if store_name == "sqlite":
        yield request.getfixturevalue("sqlite_stores").migrated(folder)
        return
    stores: MariaDbStores = request.getfixturevalue("mariadb_stores")
    taken, kept = stores.take(folder)
    yield taken
    stores.give_back(kept)


@pytest.fixture
def empty_store(store_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without any table, for tests of the migration itself."""
    folder = tmp_path / "var"
    folder.mkdir()
    if store_name == "sqlite":
        yield request.getfixturevalue("sqlite_stores").empty(folder)
        return
    stores: MariaDbStores = request.getfixturevalue("mariadb_stores")
    taken = stores.empty(folder)
    yield taken
    stores.drop(taken.database)


@pytest.fixture
def mariadb_server() -> Iterator[MariaDbServer]:
    """A running server for this test alone, to `kill`, `stop`, `freeze` and `start` again."""
    try:
        server = Run.joined().private_server()
    except Missing as exc:
        without_mariadb(exc)
        raise
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of facts and corpora beside the checkout; tests that need it are skipped where it isn't there."""
    folder = Path(os.environ.get("RELAYDESK_SHARED", "") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip("no ../shared here; RELAYDESK_SHARED may name it")
    return folder


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A Slack workspace and a mailbox on loopback, in the test's process."""
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


class Houses:
    """Makes houses for one test: `house = await houses(slack=False)`; all are closed when it ends."""

    def __init__(self, store: Store, box: Sandbox, folder: Path) -> None:
        self._store, self._box, self._folder = store, box, folder
        self._made: list[House] = []

    def make(self, **settings: Any) -> House:
        """Return a house that isn't started."""
        house = House(self._store, self._folder / f"house{len(self._made) + 1}", self._box, **settings)
        self._made.append(house)
        return house

    async def __call__(self, **settings: Any) -> House:
        """Return a house that is ready."""
        house = self.make(**settings)
        await house.start()
        await house.ready()
        return house

    async def close(self) -> None:
        """Close them all."""
        for house in self._made:
            await house.close()


@pytest.fixture
async def houses(store: Store, box: Sandbox, tmp_path: Path) -> AsyncIterator[Houses]:
    """Makes instances of the service on this test's store and box."""
    made = Houses(store, box, tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def house(houses: Houses) -> House:
    """A running service with everything on."""
    return await houses()
