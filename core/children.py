"""Work on what strangers sent is done in a child process with limits; a child that dies costs one call, nothing else.

A child is a fresh interpreter (`python -m core.children`), not a fork: it holds only what the work imports (about
20 MB) and none of our secrets or connections. It reads calls from its stdin and writes results to its stdout, each a
length and a pickle; it exits when its stdin ends, so no child outlives us. What it sends back is not trusted either:
only plain values and our frozen dataclasses are unpickled.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import io
import os
import pickle
import signal
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

from core.failures import Unavailable

_LENGTH: Final = struct.Struct("!Q")
_LARGEST_REPLY: Final = 268_435_456  # bytes
_RETIRE_ABOVE: Final = 160 * 1_048_576  # bytes held after a call above which a child isn't used again
_LAST_BREATH: Final = 2.0  # seconds that a process may take to end
_PLAIN: Final = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("datetime", "date"),
    }
)


@dataclass(frozen=True, slots=True)
class BytesOf:
    """An argument that the child gets as the bytes of this file: they needn't pass through us."""

    path: str


class ChildFailed(Exception):
    """The call didn't come back: over a limit, a crash, an exception. `reason` quotes nothing of the input."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Children:
    """A few kept children. Starts them at first use; belongs to one event loop.

    `count`: calls at once. `timeout`: wall time of a call. `memory`: bytes of address space of a child (not enforced
    by macOS). `preload`: modules that a child imports at its start.
    """

    def __init__(
        self,
        count: int = 1,
        timeout: timedelta = timedelta(seconds=10),
        memory: int = 536_870_912,
        preload: Sequence[str] = (),
    ) -> None:
        self._count = count
        self._timeout = timeout.total_seconds()
        self._memory = memory
        self._preload = tuple(preload)
        self._slots = asyncio.Semaphore(count)
        self._idle: list[_Child] = []
        self._closed = False

    async def call(self, function: str, *args: Any) -> Any:
        """Return what `module:function` returns for `args` (all of it picklable).

        Raises `ChildFailed`, `OSError` for a file (`BytesOf`) that can't be read, and `Unavailable` where no
        process can be had now: that says nothing about `args`.
        """
        async with self._slots:
            child = await self._take()
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await child.ask((function, args))
            except TimeoutError:
                await child.kill()
                raise ChildFailed(f"took longer than {self._timeout:g} s") from None
            except _BadAnswerError as exc:
                await child.kill()
                raise ChildFailed(str(exc)) from None
            except (EOFError, OSError) as exc:
                how = await child.gone()
                await child.kill()
                raise ChildFailed(how or type(exc).__name__) from None
            except BaseException:  # cancelled: an answer that nobody reads would be taken for the next one
                await asyncio.shield(child.kill())
                raise
            return await self._settle(child, answer)

    async def _take(self) -> _Child:
        if self._closed:
            raise Unavailable("shutting down")
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            await child.kill()
        return await _Child.start(self._memory, self._timeout, self._preload)

    async def _settle(self, child: _Child, answer: tuple[Any, ...]) -> Any:
        how, value, keep = answer
        if keep and not self._closed:
            self._idle.append(child)
        else:
            await child.kill()
        if how == "failed":
            raise ChildFailed(str(value))
        if how == "no file":
            raise OSError(int(value), os.strerror(int(value)))
        return value

    async def warm(self) -> None:
        """Start the children now, so that the first call needn't wait for an interpreter."""
        await asyncio.gather(*(self.call(f"{__name__}:ready") for _ in range(self._count)))

    async def close(self) -> None:
        """End the children that are idle now, the others with their call."""
        self._closed = True
        while self._idle:
            await self._idle.pop().kill()


def ready() -> bool:
    """Return True: what `warm` calls."""
    return True


class _BadAnswerError(Exception):
    """What a child sent isn't an answer."""


class _Child:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]

    @classmethod
    async def start(cls, memory: int, timeout: float, preload: Sequence[str]) -> _Child:
        try:
            return cls(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-m", __name__, str(memory), str(timeout), *preload),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # it could quote what it reads
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is for us; we end it
                    limit=1_048_576,
                )
            )
        except (OSError, RuntimeError) as exc:  # of processes, files, memory or threads there are too many
            why = exc.strerror if isinstance(exc, OSError) else exc
            raise Unavailable(f"can't start a reading process: {why}") from None

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, question: tuple[str, tuple[Any, ...]]) -> tuple[Any, ...]:
        """Send a call and wait for its answer. Raises `EOFError` or `OSError` where the child is gone, and
        `_BadAnswerError`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        body = pickle.dumps(question, pickle.HIGHEST_PROTOCOL)
        stdin.write(_LENGTH.pack(len(body)))
        stdin.write(body)
        await stdin.drain()
        (length,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
        if length > _LARGEST_REPLY:
            raise _BadAnswerError("the answer is too large")
        answer = _Answer(io.BytesIO(await stdout.readexactly(length)))
        try:
            how, value, keep = answer.load()
        except Exception as exc:
            raise _BadAnswerError("the answer can't be read") from exc
        return how, value, keep

    async def gone(self) -> str:
        """Its pipe ended: wait for how the process did; '' where it goes on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_BREATH):
                await self._process.wait()
        code = self._process.returncode
        return "" if code is None else _how_ended(code)

    async def kill(self) -> None:
        """End the process, wait for it, let its pipes go."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._transport.close()  # or unread answers keep `wait` from returning
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_BREATH):
                await self._process.wait()


def _how_ended(code: int) -> str:
    if code == _OUT_OF_MEMORY:
        return "needed too much memory"
    return (
        f"the reading process was ended by signal {-code}"
        if code < 0
        else f"the reading process ended ({code})"
    )


def _environment() -> dict[str, str]:
    """Just enough to run and to import what we can import; secrets stay here."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = dict.fromkeys([root, *(path for path in sys.path if path)])
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
        if name in os.environ
    }
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",
    }


class _Answer(pickle.Unpickler):
    """Reads plain values, our dataclasses and enums; anything else in a pickle could run code here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.partition(".")[0] in ("core", "intake", "bot"):
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} isn't expected")


# --- inside the child ---------------------------------------------------------------------------------------------

_OUT_OF_MEMORY: Final = 77


def main(arguments: Sequence[str]) -> int:
    """Answer calls until stdin ends. Arguments: bytes of memory, seconds a call, modules to import."""
    # The service manager's SIGTERM goes to every process; ours to end is stdin's.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory, timeout, *modules = arguments
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print mustn't break into the answers
    for name in modules:
        importlib.import_module(name)
    _limit(int(memory))
    while (head := questions.read(_LENGTH.size)) and len(head) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        try:
            function, args = pickle.loads(questions.read(length))  # noqa: S301 - from our parent
            body = _answer(function, args, float(timeout))
        except MemoryError:
            return _OUT_OF_MEMORY
        answers.write(_LENGTH.pack(len(body)))
        answers.write(body)
        answers.flush()
        del args, body
    return 0


def _answer(function: str, args: tuple[Any, ...], timeout: float) -> bytes:
    import signal

    signal.alarm(int(timeout) + 3)  # also where the parent is gone and nobody else ends us
    try:
        module, _, name = function.partition(":")
        found = getattr(importlib.import_module(module), name)
        try:
            args = tuple(Path(arg.path).read_bytes() if isinstance(arg, BytesOf) else arg for arg in args)
        except OSError as exc:
            return pickle.dumps(("no file", exc.errno or errno.EIO, True), pickle.HIGHEST_PROTOCOL)
        return pickle.dumps(("ok", found(*args), _fit()), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        raise
    except Exception as exc:
        return pickle.dumps(("failed", _where(exc), True), pickle.HIGHEST_PROTOCOL)
    finally:
        signal.alarm(0)


def _where(exc: Exception) -> str:
    """Name the exception and its place, not its text: that may quote the input."""
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return f"{type(exc).__name__}{place}"


def _fit() -> bool:
    """Say whether this process is still small enough to be kept."""
    try:  # what it holds now; the peak of getrusage is inherited from the parent
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return True
    return pages * os.sysconf("SC_PAGE_SIZE") < _RETIRE_ABOVE


def _limit(memory: int) -> None:
    import resource

    for what, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS knows no limit of address space
            resource.setrlimit(what, (value, value))


if __name__ == "__main__":  # under the name that pickles know its classes by
    sys.exit(importlib.import_module("core.children").main(sys.argv[1:]))
