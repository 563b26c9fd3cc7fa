"""Bytes on a socket: what no client would send."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.interfaces.counter import Counter


async def raw(desk: Counter, text: str, *, hang_up: bool = False) -> tuple[bytes, bytes]:
    """Send this and return the first line of the answer and the rest. `hang_up`: say that nothing more comes."""
    port = urlsplit(desk.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode("latin-1"))
    if hang_up:
        writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n")
    return head, rest
