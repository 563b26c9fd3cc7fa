"""The stores of the tests keep their own promises: alone, clean, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pymysql
import pytest

from tests.mariadb import RUN_VARIABLE, MariaDbServer, Run
from tests.stores import MariaDbStores, Store
from tests.waiting import port_answers, until_true

ROOT = Path(__file__).parent.parent
INSERT = "INSERT INTO work (name, kind, beat) VALUES ('left-behind', 'lane', 0)"


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_migrated_database_without_rows_of_another(store: Store, turn: int) -> None:
    """What the first of these writes, the second doesn't find."""
    assert store.count("work", "name = :name", name="left-behind") == 0
    assert store.count("inbox") == 0
    assert store.execute(INSERT) == 1
    assert store.value("SELECT kind FROM work WHERE name = :name", name="left-behind") == "lane"


def test_a_configuration_points_at_the_store(store: Store) -> None:
    """`store.config` lays what a test says over what all need."""
    config = store.config(email={"inbound": {"max_message_bytes": 5000}}, service={"name": "Test"})
    assert config.database.url == store.url
    assert config.email.inbound.max_message_bytes == 5000
    assert [each.username for each in config.staff] == ["ada", "grace"]


def test_a_pooled_database_is_put_back_or_dropped(mariadb_stores: MariaDbStores, tmp_path: Path) -> None:
    """Rows and open transactions go; a database whose tables were changed isn't used again."""
    store, kept = mariadb_stores.take(tmp_path)
    before = {table: store.count(table) for table in kept.tables}
    store.execute(INSERT)
    open_one = mariadb_stores.server.connect(store.database, autocommit=False)
    open_one.cursor().execute("UPDATE work SET beat = 7")
    mariadb_stores.give_back(kept)
    again, kept_again = mariadb_stores.take(tmp_path)
    assert again.database == store.database
    assert {table: again.count(table) for table in kept.tables} == before
    with pytest.raises(pymysql.Error):
        open_one.cursor().execute("SELECT 1")
    again.execute("ALTER TABLE work ADD COLUMN more INTEGER")
    mariadb_stores.give_back(kept_again)
    third, kept_third = mariadb_stores.take(tmp_path)
    assert third.database != store.database
    mariadb_stores.give_back(kept_third)


def test_a_private_server_is_killed_and_comes_back_with_what_was_committed(
    mariadb_server: MariaDbServer,
) -> None:
    """Same port, same data."""
    with mariadb_server.connect() as connection:
        connection.cursor().execute("CREATE DATABASE d")
        connection.cursor().execute("CREATE TABLE d.t (n INTEGER)")
        connection.cursor().execute("INSERT INTO d.t VALUES (42)")
    port = mariadb_server.port
    mariadb_server.kill()
    assert not port_answers(port)
    mariadb_server.start()
    with mariadb_server.connect("d") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT n FROM t")
        assert cursor.fetchall() == [{"n": 42}]
    assert mariadb_server.port == port


ABANDONED = """
from tests.mariadb import Run
run = Run.begin()
server = run.shared_server()
print(server.port, run.folder, flush=True)
input()
"""


@pytest.mark.usefixtures("mariadb_stores")
def test_a_killed_test_run_leaves_no_server_behind() -> None:
    """`kill -9` of the run: its server goes by itself."""
    environ = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    run = subprocess.Popen(
        [sys.executable, "-c", ABANDONED],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    port, folder = run.stdout.readline().split()
    assert port_answers(int(port))
    run.send_signal(signal.SIGKILL)
    run.wait()
    until_true(lambda: not port_answers(int(port)), timeout=10, what="the server is gone")
    run.stdout.close()
    assert run.stdin
    run.stdin.close()
    Run(Path(folder)).remove()
