"""Ways to wait in tests for what another process does: for a port, for a condition, never for a guess of seconds."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """Return a TCP port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_answers(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def wait_for_port(port: int, *, host: str = "127.0.0.1", timeout: float = 10) -> None:
    """Return once somebody accepts connections there. Raises `TimeoutError`."""
    until_true(lambda: port_answers(port, host), timeout=timeout, what=f"port {port} accepts connections")


def until_true(predicate: Callable[[], T], *, timeout: float = 10, every: float = 0.02, what: str = "") -> T:
    """Return the first true value of `predicate()`; for code outside a loop. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout
    while True:
        if value := predicate():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:g} s still not: {what or _source(predicate)}")
        time.sleep(every)


async def until(
    predicate: Callable[[], T | Awaitable[T]], timeout: float = 10, *, every: float = 0.02, what: str = ""
) -> T:
    """Return the first true value of `predicate()`, which may be a coroutine function. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:g} s still not: {what or _source(predicate)}")
        await asyncio.sleep(every)


def _source(predicate: Callable[..., object]) -> str:
    try:
        return inspect.getsource(predicate).strip()
    except (OSError, TypeError):
        return repr(predicate)
