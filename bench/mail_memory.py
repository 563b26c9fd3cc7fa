"""What 50 mails of 25 MB at once take: memory of the whole service while they come in and while they are read.

Beside it a bare aiosmtpd that keeps nothing: `python -m bench mail-memory`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.sink import sink
from tests.house import House
from tests.mariadb import Run
from tests.stores import SqliteStores

CONNECTIONS = 50
MAIL_BYTES = 25_000_000
BARE_CONNECTIONS = 5
MOST_MB = 400
TIMEOUT = 120  # seconds that reading all of them may take
_LOOK = 0.1  # seconds
_PIECE = 65_536


@dataclass
class Highest:
    """The most that was seen."""

    bytes: int = 0


@asynccontextmanager
async def watched(look: Callable[[], int]) -> AsyncIterator[Highest]:
    """Look again and again until the block ends."""
    highest = Highest()

    async def watch() -> None:
        while True:
            highest.bytes = max(highest.bytes, await asyncio.to_thread(look))
            await asyncio.sleep(_LOOK)

    task = asyncio.create_task(watch())
    try:
        yield highest
    finally:
        task.cancel()


def mail(number: int, size: int) -> Iterator[bytes]:
    """A mail with one attachment of random bytes in Base64, in pieces; no two are the same."""
    yield (
        f"From: person{number}@customer.example\r\nTo: support@example.com\r\nSubject: Scan {number}\r\n"
        f"Message-ID: <scan.{number}@customer.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nHere is the scan.\r\n"
        "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="scan.bin"\r\n\r\n'
    ).encode()
    line = os.urandom(38).hex().encode() + b"\r\n"  # 76 characters that are Base64 too
    piece = line * (_PIECE // len(line))
    for _ in range(size // len(piece)):
        yield piece
    yield b"--b--\r\n"


async def send(port: int, number: int, size: int, together: asyncio.Barrier | None = None) -> int:
    """Send one mail; returns the answer's code. `together`: the last piece waits until all have come so far."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def said(line: str | None = None) -> int:
        if line is not None:
            writer.write(f"{line}\r\n".encode())
        while (answer := await reader.readline())[3:4] == b"-":
            pass
        return int(answer[:3] or 0)

    try:
        await said()
        await said("EHLO bench.example")
        await said(f"MAIL FROM:<person{number}@customer.example> SIZE={size}")
        await said("RCPT TO:<support@example.com>")
        if (code := await said("DATA")) != 354:
            return code
        for piece in mail(number, size):
            writer.write(piece)
            await writer.drain()
        if together is not None:
            await together.wait()
        return await said(".")
    finally:
        writer.close()


async def press(port: int, connections: int) -> Counter[int]:
    """Send one large mail a connection, all at once: none ends before all are there."""
    together = asyncio.Barrier(connections)
    sent = (send(port, number, MAIL_BYTES, together) for number in range(connections))
    return Counter(await asyncio.gather(*sent))


async def measure(run: Run) -> list[Figure]:
    """Measure on the embedded store with the limits that are the default."""
    figures = [await _bare()]
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        home = Path(folder) / "var"
        home.mkdir()
        store = SqliteStores(Path(folder) / "template").migrated(home)
        async with House(store, Path(folder) / "house", service={"outbound": "hold"}) as house:
            began = time.perf_counter()
            async with watched(house.pss_bytes) as coming:
                answers = await press(house.smtp_port, CONNECTIONS)
                took = time.perf_counter() - began
                if answers != {250: CONNECTIONS}:
                    raise RuntimeError(f"the door answered {dict(answers)}")
            async with watched(house.pss_bytes) as reading:
                await house.logged("work_one", times=CONNECTIONS, timeout=TIMEOUT)
            read = time.perf_counter() - began - took
            wrong = [entry for entry in house.entries("work_one") if entry["outcome"] != "opened"]
            if wrong or len(house.entries("read_failed")):
                raise RuntimeError(f"not all were read: {wrong[:1] or house.entries('read_failed')[:1]}")
    rate = CONNECTIONS * MAIL_BYTES / took / 1e6
    return [
        *figures,
        Figure(
            f"{CONNECTIONS} mails of 25 MB coming in, PSS of all processes",
            coming.bytes / 1e6,
            "MB",
            most=MOST_MB,
            beside=f"{took:.1f} s, {rate:.0f} MB/s",
        ),
        Figure(
            "while they are read, PSS of all processes",
            reading.bytes / 1e6,
            "MB",
            most=MOST_MB,
            beside=f"{read / CONNECTIONS:.2f} s a mail",
        ),
    ]


async def _bare() -> Figure:
    async with sink(MAIL_BYTES * 2) as bare, watched(bare.pss_bytes) as highest:
        await press(bare.port, BARE_CONNECTIONS)
    return Figure(
        f"bare aiosmtpd, {BARE_CONNECTIONS} mails of 25 MB", highest.bytes / 1e6, "MB", beside="keeps nothing"
    )


def main() -> int:
    """Print the figures; 1 where one is over its target."""
    run = Run.begin()
    try:
        figures = asyncio.run(measure(run))
    finally:
        run.end()
    for figure in figures:
        print(figure.line(), flush=True)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
