"""The forker's side of `tests/forks.py`, run as a script: loads the libraries, then forks for each order it gets."""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from datetime import timedelta
from select import select
from typing import Any

# What `relaydesk serve` and its commands load. Nothing of ours: that is what's tested, so each start loads it itself.
LIBRARIES = (
    "aiohttp",
    "aiomysql",
    "aiosmtplib",
    "aiosmtpd.smtp",
    "aiosqlite",
    "apscheduler.schedulers.asyncio",
    "click",
    "cryptography.fernet",
    "dkim",
    "fastapi",
    "itsdangerous",
    "jinja2.sandbox",
    "nh3",
    "prometheus_client",
    "pydantic.v1",
    "selectolax.lexbor",
    "slack_bolt.async_app",
    "slack_sdk.web.async_client",
    "sqlalchemy.dialects.mysql.aiomysql",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "uvicorn.config",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
)
LENGTH = struct.Struct("!Q")


class Forker:
    """Takes orders on one wire, and tells each order's pipe with what status its process ended."""

    def __init__(self, wire: int) -> None:
        self._wire = wire
        self._awake, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        self._statuses: dict[int, int] = {}  # process: its status pipe

    def serve(self) -> dict[str, Any]:
        """Fork for orders; returns in a fork alone, what it is to do. Ends with the other end of the wire."""
        signal.set_wakeup_fd(self._bell)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready, _, _ = select([self._wire, self._awake], [], [])
            if self._awake in ready:
                os.read(self._awake, 512)
                self._reap()
            if self._wire in ready and (order := self._order()):
                return order

    def _order(self) -> dict[str, Any] | None:
        """Take one order. Returns it in the fork, None in the forker."""
        wire = socket.socket(fileno=self._wire)
        try:
            head, pipes, _, _ = socket.recv_fds(wire, LENGTH.size, 4)
            if len(head) < LENGTH.size:  # the tests are through, or were killed: then nothing outlives them
                for fork in self._statuses:
                    os.kill(fork, signal.SIGKILL)
                sys.exit(0)
            order: dict[str, Any] = json.loads(wire.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL))
            pid = os.fork()
            if pid:
                self._statuses[pid] = pipes.pop()
                for pipe in pipes:
                    os.close(pipe)
                wire.sendall(LENGTH.pack(pid))
                return None
        finally:
            wire.detach()
        self._become(pipes)
        return order

    def _become(self, pipes: list[int]) -> None:
        """In the fork: let go of what is the forker's, and stand on the order's own pipes."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, pipe in enumerate(pipes[:3]):
            os.dup2(pipe, number)
        for pipe in (*pipes, self._wire, self._awake, self._bell, *self._statuses.values()):
            os.close(pipe)
        # Ours know what they stood on before, whether one can seek in it for one.
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", 1, encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                pipe = self._statuses.pop(pid)
                with suppress(BrokenPipeError):
                    os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(pipe)


def main() -> None:
    """Load, and fork until the tests end; a fork goes on as `relaydesk`."""
    for name in LIBRARIES:
        with suppress(ImportError):  # then the service loads what it has in its place
            importlib.import_module(name)
    if sys.dont_write_bytecode and (run := os.environ.get("RD_TEST_RUN")):
        # Nothing is written beside the code; the run's folder goes with it.
        sys.dont_write_bytecode, sys.pycache_prefix = False, f"{run}/bytecode"
    gc.freeze()
    order = Forker(int(sys.argv[1])).serve()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv[:] = ["relaydesk", *order["arguments"]]
    if seconds := os.environ.pop("RD_TEST_LEASE", ""):
        _shorten_leases(float(seconds))
    from app import main as relaydesk

    relaydesk()


def _shorten_leases(seconds: float) -> None:
    """Let what a dead process held expire sooner; a lease has no setting, and its usual length makes tests wait."""
    from core import work

    work.LEASE, work.RENEW = timedelta(seconds=seconds), timedelta(seconds=seconds / 4)  # type: ignore[misc]


if __name__ == "__main__":
    main()
