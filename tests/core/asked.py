"""What children are asked to do in `test_children.py`; imports little, since each child imports it."""

from __future__ import annotations

import os
import signal
import sys


def echo(value: object) -> object:
    print("a stray print is no answer")
    return value


def pid() -> int:
    return os.getpid()


def endless() -> None:
    while True:
        pass


def greedy() -> int:
    return len(bytearray(400_000_000))


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raises(text: str) -> None:
    raise ValueError(text)


def environment() -> dict[str, str]:
    return dict(os.environ)


def loaded() -> list[str]:
    return sorted(sys.modules)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def evil() -> object:
    return Evil()


def big() -> bytes:
    return b"x" * 20_000_000
