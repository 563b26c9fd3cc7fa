"""Logs: a JSON object a line on stderr (on a terminal a readable line). Ids throughout, never bodies or secrets.

What comes from outside (a relay's answer, a name) can neither begin a line of its own nor steer the terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from io import StringIO
from textwrap import indent
from typing import Any, TextIO

import structlog


def configure(log_format: str, level: str) -> None:
    """Set structlog and the standard library's logging up, once per process."""
    json_lines = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(exception_formatter=_traceback)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if json_lines else []),
                _plain,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    chosen = logging.getLevelNamesMapping()[level.upper()]
    # Libraries speak up only when something is wrong: at other levels many log addresses and payloads, some every
    # statement with its values.
    root.setLevel(max(chosen, logging.WARNING))
    for room in ("relaydesk", "app", "core", "intake", "bot", "sandbox"):
        logging.getLogger(room).setLevel(chosen)
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("aiomysql").setLevel(logging.ERROR)
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # a tick logs its own troubles


def _plain(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write out what isn't printable; the lines of a traceback stay lines."""
    for name, value in event.items():
        event[name] = _written_out(value, "\n") if name == "exception" else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _written_out(value)
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    return value


def _written_out(text: Any, keep: str = "") -> str:
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in whole)


def _traceback(out: TextIO, exc_info: Any) -> None:
    """As on a terminal, set in: a line of an exception's text isn't one of the log."""
    whole = StringIO()
    structlog.dev.plain_traceback(whole, exc_info)
    out.write(indent(_written_out(whole.getvalue(), "\n"), "    "))


def quiet() -> None:
    """Log warnings alone, to stderr: a command's stdout is for what was asked."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a child that ended before it was waited for
