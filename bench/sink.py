"""A bare aiosmtpd server that says 250 and keeps nothing: what the mail door is measured against.

Run as `python -m bench.sink BYTES`; prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class Nothing:
    """Takes each mail and forgets it."""

    async def handle_DATA(self, *_: Any) -> str:
        return "250 2.0.0 OK"


async def serve(most: int) -> None:
    """Serve until standard input ends, which it does with whoever started us. `most`: bytes of a mail."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Nothing(), data_size_limit=most, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@dataclass(frozen=True)
class Sink:
    """A sink that runs."""

    port: int
    pid: int

    def pss_bytes(self) -> int:
        """Its memory (Linux)."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


@asynccontextmanager
async def sink(most: int = 33_554_432) -> AsyncIterator[Sink]:
    """Run a sink as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.sink", str(most)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Sink(int(await process.stdout.readline()), process.pid)
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
