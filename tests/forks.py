"""Quick starts of the service: a process that has loaded the libraries, and nothing of ours, forks for each start.

What is forked is a process as any other: it has its own session, environment, folder and pipes, loads our code from
its files and runs `app.main`. Loading the libraries took most of a start's processor time. Here is the test's side;
`tests/forker.py` is the other one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKER = Path(__file__).with_name("forker.py")
LIMIT = 16 * 1024 * 1024  # bytes of a line that a process prints
LENGTH = struct.Struct("!Q")
LEASE = "RD_TEST_LEASE"  # in the environment: the seconds of a lease


class Forked:
    """A forked process, with what of `asyncio.subprocess.Process` a house uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr = asyncio.StreamReader(LIMIT), asyncio.StreamReader(LIMIT)
        self._transports: list[asyncio.ReadTransport] = []
        self._ended = asyncio.Event()

    async def watch(self, out: int, err: int, status: int) -> None:
        """Read these pipes: what it prints, and the status that the forker tells."""
        loop = asyncio.get_running_loop()
        for reader, pipe in ((self.stdout, out), (self.stderr, err)):
            transport, _ = await loop.connect_read_pipe(
                lambda reader=reader: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
            )
            self._transports.append(transport)
        ended = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(ended), os.fdopen(status, "rb", 0)
        )
        self._transports.append(transport)
        self._watcher = asyncio.create_task(self._until_ended(ended))

    async def _until_ended(self, ended: asyncio.StreamReader) -> None:
        told = await ended.read()
        self.returncode = int(told or -signal.SIGKILL)  # nothing: the forker is gone, and its forks with it
        self._ended.set()

    def send_signal(self, how: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self, stdin: bytes = b"") -> tuple[bytes, bytes]:
        """Return what it prints once it has ended; it gets nothing on its stdin."""
        assert not stdin
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err

    def close(self) -> None:
        """Let the pipes go, also those that a child of it still holds."""
        self._watcher.cancel()
        for transport in self._transports:
            transport.close()


class Forks:
    """The forker of this test process, started at first use; it ends with us."""

    def __init__(self) -> None:
        self._wire: socket.socket | None = None

    async def start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Forked:
        """Run `relaydesk` with these arguments in this folder and environment."""
        if self._wire is None:
            self._wire = _forker()
        theirs, ours = [os.open(os.devnull, os.O_RDONLY)], []
        for _ in range(3):  # stdout, stderr, the status
            read, write = os.pipe()
            ours.append(read)
            theirs.append(write)
        try:
            order = json.dumps(
                {"arguments": list(arguments), "folder": str(folder), "env": dict(env)}
            ).encode()
            socket.send_fds(self._wire, [LENGTH.pack(len(order))], theirs)
            self._wire.sendall(order)
            answer = self._wire.recv(LENGTH.size, socket.MSG_WAITALL)
        finally:
            for pipe in theirs:
                os.close(pipe)
        if len(answer) < LENGTH.size:
            raise RuntimeError("the forker has ended")
        forked = Forked(LENGTH.unpack(answer)[0])
        await forked.watch(*ours)
        return forked

    def close(self) -> None:
        """End the forker."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _forker() -> socket.socket:
    ours, theirs = socket.socketpair()
    with contextlib.closing(theirs):
        process = subprocess.Popen(
            [sys.executable, "-P", str(FORKER), str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(FORKER.parent.parent), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    process.returncode = 0  # it ends when the wire does; nobody waits for it
    return ours
