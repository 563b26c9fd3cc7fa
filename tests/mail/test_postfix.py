"""A real Postfix in front, as docs/operators/mail.md says: by LMTP and through a pipe."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.mail.postfix import folder_for_all, missing, postfix, relaydesk_script, stranger_python
from tests.mail.server_house import QUEUES, SIGNER, Shelf, open_door
from tests.waiting import until
from tests.writing import toml

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

# 2,000 octets in one line; where it is broken at 998, that is inside a letter.
LINE = ("ä" * 1000).encode()
MAIL = (
    b"From: Zoe <zoe@example.net>\r\nSubject: Broken\r\nMessage-ID: <%d@example.net>\r\n\r\n"
    + LINE
    + b"\r\nend\r\n"
)
RELAYED = "transport_maps = inline:{{ {{example.com = lmtp:{place}}} }}\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for_all() as made:
        yield made


@pytest.mark.parametrize("place", ["unix", "tcp"])
async def test_lmtp_brings_long_lines_whole_with_the_limit_off(place: str, folder: Path) -> None:
    shelf = Shelf()
    host = f"unix:{folder}/lmtp" if place == "unix" else "127.0.0.1"
    async with open_door(shelf, protocol="lmtp", host=host, socket_mode="0666") as door:
        where = host if place == "unix" else f"inet:127.0.0.1:{door.port}"
        signed = SIGNER.reply_address("support@example.com", 7)
        with postfix(folder, RELAYED.format(place=where) + "lmtp_line_length_limit = 0\n") as server:
            for number, to in enumerate(["support@example.com", signed, "postmaster@example.com"]):
                await asyncio.to_thread(server.send, MAIL % number, to)
            await until(lambda: len(shelf.stored) == 3, 20, what="Postfix has done it")
    by_recipient = {row.envelope["recipients"][0]: row for row in shelf.stored}
    assert set(by_recipient) == {"support@example.com", signed, "postmaster@example.com"}
    for row in shelf.stored:
        assert row.raw.endswith(b"\r\n\r\n" + LINE + b"\r\nend\r\n")
        assert row.envelope["sender"] == "zoe@example.net"
        assert row.envelope["trusted"] is True


async def test_without_it_postfix_breaks_a_letter(folder: Path) -> None:
    """Why the recipe sets it: the default is 998 octets."""
    shelf = Shelf()
    async with open_door(shelf, protocol="lmtp", host=f"unix:{folder}/lmtp", socket_mode="0666"):
        with postfix(folder, RELAYED.format(place=f"unix:{folder}/lmtp")) as server:
            await asyncio.to_thread(server.send, MAIL % 1, "support@example.com")
            await until(lambda: shelf.stored, 20, what="Postfix has done it")
    assert LINE not in shelf.stored[0].raw
    assert b"\r\n " in shelf.stored[0].raw.partition(b"\r\n\r\n")[2]


async def test_a_recipient_that_is_not_ours_and_trouble_of_ours(folder: Path) -> None:
    """550 is a bounce at once, 451 another try."""
    from core.failures import Unavailable

    shelf = Shelf()
    shelf.trouble = Unavailable("database")
    async with open_door(shelf, protocol="lmtp", host=f"unix:{folder}/lmtp", socket_mode="0666"):
        with postfix(folder, RELAYED.format(place=f"unix:{folder}/lmtp")) as server:
            await asyncio.to_thread(server.send, MAIL % 1, "nobody@example.com")
            await until(lambda: "dsn=5.1.1, status=bounced" in server.log(), 20, what="Postfix has done it")
            await asyncio.to_thread(server.send, MAIL % 2, "support@example.com")
            await until(lambda: "dsn=4.3.0, status=deferred" in server.log(), 20, what="Postfix has done it")
            shelf.trouble = None
            await until(lambda: shelf.stored, 30, what="Postfix has done it")
    assert len(shelf.stored) == 1


PIPED = """
relaydesk unix - n n - 4 pipe
  flags=DORXhu user=nobody argv={script} --config {config}
  deliver --sender ${{sender}} --recipient ${{original_recipient}}
"""


async def test_a_pipe_brings_them_whole_and_knows_its_own_statuses(folder: Path) -> None:
    """Each mail is stored by a `relaydesk deliver` of its own, under an account of its own, while no service runs."""
    if not stranger_python():
        pytest.skip("no Python here that another account may run")
    home = folder / "var"
    home.mkdir()
    config = folder / "config.toml"
    settings = {
        "service": {"secret_key": "k" * 32, "data_dir": str(home)},
        "database": {"url": f"sqlite+aiosqlite:///{home}/desk.db"},
        "queue": QUEUES,
    }
    config.write_text(toml(settings))
    shutil.chown(home, "nobody")
    main = (
        "transport_maps = inline:{ {example.com = relaydesk:} }\nrelaydesk_destination_recipient_limit = 1\n"
    )
    master = PIPED.format(script=relaydesk_script(folder), config=config)
    signed = SIGNER.reply_address("billing@example.com", 7)

    def stored() -> list[tuple[str, bytes]]:
        if not (home / "desk.db").exists():
            return []
        with closing(sqlite3.connect(home / "desk.db", timeout=10)) as lite:
            try:
                return list(lite.execute("SELECT envelope, raw FROM inbox ORDER BY id"))
            except sqlite3.OperationalError:
                return []

    with postfix(folder, main, master) as server:
        await asyncio.to_thread(server.send, MAIL % 1, signed)
        await until(lambda: len(stored()) == 1, 40, what="Postfix has done it")
        await asyncio.to_thread(server.send, MAIL % 2, "nobody@example.com")
        await until(lambda: "status=bounced" in server.log(), 40, what="Postfix has done it")
        config.write_text("nonsense = 1")
        await asyncio.to_thread(server.send, MAIL % 3, "support@example.com")
        await until(lambda: "status=deferred" in server.log(), 40, what="Postfix has done it")
        config.write_text(toml(settings))
        await until(lambda: len(stored()) == 2, 60, what="Postfix has done it")
    envelope, raw = stored()[0]
    assert raw.endswith(b"\n\n" + LINE + b"\nend\n")
    assert f'"{signed}"' in envelope
    assert '"zoe@example.net"' in envelope
