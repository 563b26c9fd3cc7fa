"""What the tests of the mail door share: a door on loopback over an intake that a test can make fail."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.blobs import Blobs
from core.config import Config, parse
from core.inbox import Arrival
from intake.email.addresses import Signer
from intake.email.server import MailDoor

SIGNER = Signer(["test key"])
QUEUES = [
    {"name": "support", "addresses": ["support@example.com", "help@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]


def config_with(**inbound: Any) -> Config:
    """A configuration whose mail door listens on a free port."""
    return parse(
        {
            "service": {"secret_key": "test key"},
            "email": {"inbound": {"port": 0, **inbound}},
            "queue": QUEUES,
        }
    )


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that signs itself; return it and its key."""
    key, made = folder / "key.pem", folder / "cert.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [
            "openssl",
            *options.split(),
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            made,
        ],
        check=True,
        capture_output=True,
    )
    return made, key


class Shelf:
    """An intake in memory: `stored` is what was committed, `trouble` is raised instead, `gate` holds it up."""

    def __init__(self) -> None:
        self.stored: list[Arrival] = []
        self.calls = 0
        self.trouble: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0
        self.most_in_flight = 0
        self.age: timedelta | None = None
        self.asked = 0
        self.turned_away: Counter[tuple[str, str]] = Counter()
        self._folder = tempfile.TemporaryDirectory(prefix="relaydesk-shelf-")
        self.blobs = Blobs(Path(self._folder.name))

    def bytes_of(self, row: Arrival) -> bytes:
        """A stored mail, wherever it lies."""
        return self.blobs.path(row.blob).read_bytes() if row.blob else row.raw

    def parts(self) -> list[str]:
        """What is being spooled, or was left."""
        return [path.name for path in self.blobs.folder.rglob("*.part")]

    async def waiting(self, channel: str) -> timedelta | None:
        assert channel == "email"
        self.asked += 1
        return self.age

    async def store(self, arrivals: Sequence[Arrival]) -> int:
        self.calls += 1
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.stored.extend(arrivals)
        return len(arrivals)

    @contextmanager
    def transaction(self) -> Any:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def open_door(shelf: Any, **inbound: Any) -> AsyncIterator[MailDoor]:
    """A listening door."""
    door = MailDoor(config_with(**inbound), shelf, SIGNER)
    await door.start()
    try:
        yield door
    finally:
        await door.stop()


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, door: MailDoor, path: str | None = None) -> Wire:
        if path:
            return cls(*await asyncio.open_unix_connection(path))
        return cls(*await asyncio.open_connection("127.0.0.1", door.port))

    async def answer(self) -> str:
        """The next answer with all its lines."""
        lines = []
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 5)
            if not line:
                return "\n".join(lines)
            lines.append(line.decode().rstrip())
            if line[3:4] != b"-":
                return "\n".join(lines)

    async def say(self, *lines: str | bytes) -> list[str]:
        """Send the lines in one piece and return as many answers."""
        self.send(b"".join((x.encode() if isinstance(x, str) else x) + b"\r\n" for x in lines))
        return [await self.answer() for _ in lines]

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def hello(self) -> None:
        assert (await self.answer()).startswith("220")
        assert (await self.say("EHLO client.example"))[0].startswith("250")

    async def envelope(self, *recipients: str, sender: str = "<zoe@example.net>") -> list[str]:
        return await self.say(f"MAIL FROM:{sender}", *(f"RCPT TO:<{r}>" for r in recipients))

    async def end(self) -> bool:
        """Whether the other side has closed, without another word."""
        return await asyncio.wait_for(self.reader.read(), 5) == b""

    async def data(self, mail: bytes) -> str:
        """DATA with the bytes as they are, then the final dot."""
        assert (await self.say("DATA"))[0].startswith("354")
        self.send(mail + b"\r\n.\r\n")
        return await self.answer()

    def close(self) -> None:
        self.writer.close()
