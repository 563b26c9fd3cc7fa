"""What a command is given, and how it gets at the desk. Light: nothing here loads the database or the web."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from core.config import Config
    from core.parts import Parts

T = TypeVar("T")
_COLLECTOR: Final = gc.get_threshold()


@dataclass(frozen=True, slots=True)
class Terminal:
    """A command's `ctx.obj`. `hooks` names what the composition root gives (`open_parts`, `serve`, …) as
    `module:attribute`, loaded when it is asked for."""

    config_file: str | None
    hooks: Mapping[str, str]

    def load_config(self) -> Config:
        """Read the configuration. Raises `ConfigError`."""
        from core.config import load

        return load(self.config_file)

    def hook(self, name: str) -> Any:
        """Return what the composition root gives under this name."""
        return loaded(self.hooks[name])

    def open_parts(self, config: Config, **options: Any) -> AbstractAsyncContextManager[Parts]:
        """Open the database and what lies on it, without any loop."""
        opened: AbstractAsyncContextManager[Parts] = self.hook("open_parts")(config, **options)
        return opened


def loaded(path: str) -> Any:
    """Import `module:attribute`."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def short_life() -> None:
    """Keep the collector of cycles out of a process that loads much, does one thing and ends."""
    gc.set_threshold(200_000)


def long_life() -> None:
    """Let the collector of cycles work as usual: this process stays."""
    gc.set_threshold(*_COLLECTOR)


def at_the_desk(terminal: Terminal, work: Callable[[Parts], Awaitable[T]]) -> T:
    """Open the parts, do the work, close them."""
    config = terminal.load_config()
    quiet_logs()

    async def whole() -> T:
        async with terminal.open_parts(config) as parts:
            return await work(parts)

    return run(whole())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C cancels it first."""
    return asyncio.run(work)


def quiet_logs() -> None:
    """Log warnings alone, to stderr: stdout is for what was asked."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        cache_logger_on_first_use=False,
    )
