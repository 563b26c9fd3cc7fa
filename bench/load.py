"""Mail clients that keep a door busy: each sends one mail after the other over one connection."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

BODY_BYTES = 2000


@dataclass
class Load:
    """What came of it."""

    seconds: float
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        return self.answers[250]

    @property
    def rate(self) -> float:
        """Accepted mails a second."""
        return self.accepted / self.seconds


async def press(port: int, *, connections: int = 16, seconds: float = 4.0, name: str = "load") -> Load:
    """Send mails of 2 kB for so long; no two are the same."""
    began = time.perf_counter()
    load = Load(0)
    ends = began + seconds
    await asyncio.gather(*(_client(port, f"{name}-{n}", ends, load) for n in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


async def _client(port: int, name: str, ends: float, load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def _answer() -> int:
        while True:
            line = await reader.readline()
            if not line:
                raise ConnectionError("the door hung up")
            if line[3:4] != b"-":
                return int(line[:3])

    async def _say(line: str) -> int:
        writer.write(f"{line}\r\n".encode())
        return await _answer()

    await _answer()
    await _say(f"EHLO {name}.example")
    count = 0
    while time.perf_counter() < ends:
        count += 1
        await _say(f"MAIL FROM:<{name}@customer.example>")
        await _say("RCPT TO:<support@example.com>")
        await _say("DATA")
        writer.write(_mail(name, count))
        load.answers[await _answer()] += 1
    await _say("QUIT")
    writer.close()


def _mail(name: str, count: int) -> bytes:
    head = (
        f"From: {name} <{name}@customer.example>\r\nTo: support@example.com\r\n"
        f"Subject: Trouble number {count}\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{name}.{count}@customer.example>\r\n\r\n"
    )
    line = "The quick brown fox jumps over the lazy dog, and the printer burns.\r\n"
    body = line * max(1, (BODY_BYTES - len(head)) // len(line))
    return f"{head}{body}.\r\n".encode()
