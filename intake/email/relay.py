"""Submission of composed mail: to the relay, or to the next one where that is known not to have taken it.

A relay that is down, or takes nothing at present, is passed over at once, and tried last for a while. What a relay
says of a mail or a recipient counts: no other is asked. A mail of unknown outcome goes to no other relay either; it is
repeated later, the same bytes under the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from core.config import EmailOutbound, Server
from core.desk_texts import phrase
from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure
from intake.email.composed import ComposedMail
from intake.email.relay_answers import check_addresses
from intake.email.relay_lines import Lines, Patience
from intake.email.relay_talk import Lacking

log = structlog.get_logger(__name__)

AWAY_SECONDS: Final = 60.0  # for so long a relay that was down is tried after the others


@dataclass(frozen=True, slots=True)
class Accepted:
    """A relay took it. `answer` is its text (often with its queue id), `warning` names copies it refused, `host` is
    the relay."""

    answer: str
    warning: str | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """How a relay answered: its greeting name, or what is wrong."""

    where: str
    greeting: str = ""
    problem: str | None = None


class Relay:
    """The relays in turn, by at most `settings.connections` connections at once, kept while there is work."""

    def __init__(
        self, settings: EmailOutbound, hostname: str = "localhost", data_dir: Path | None = None
    ) -> None:
        patience = Patience(step=settings.timeout, answer=settings.answer_timeout)
        servers: list[tuple[str, Server]] = [
            ("email.outbound", settings),
            *((f"email.outbound.fallback[{i}]", server) for i, server in enumerate(settings.fallback)),
        ]
        self._relays = [Lines(server, patience, hostname, key, data_dir) for key, server in servers]
        self._away: dict[Lines, float] = {}  # until when
        self._slots = asyncio.Semaphore(settings.connections)

    async def submit(self, mail: ComposedMail) -> Accepted:
        """Hand a mail over. Raises `TemporaryFailure`, `PermanentFailure`, `UnknownOutcome`."""
        if not mail.rcpt_tos:
            raise PermanentFailure(phrase("relay_no_recipient"))
        check_addresses((mail.mail_from, *mail.rcpt_tos))
        failures: list[TemporaryFailure] = []
        lacking: Lacking | None = None
        async with self._slots:
            for lines in self._in_turn():
                try:
                    answer, refused = await lines.submit(mail)
                except Lacking as exc:  # another may have it
                    lacking = exc
                except TemporaryFailure as exc:
                    if exc.scope is not Scope.CHANNEL:
                        raise
                    failures.append(exc)
                    self._passed_over(lines, exc)
                else:
                    self._away.pop(lines, None)
                    warning = f"not taken for {'; '.join(refused)}" if refused else None
                    return Accepted(answer, warning, lines.server.host)
        if lacking is not None and not failures:
            raise lacking
        raise _all_away(failures)

    def _in_turn(self) -> list[Lines]:
        """The relays as they are configured, those that were down a moment ago last."""
        now = asyncio.get_running_loop().time()
        return sorted(self._relays, key=lambda lines: self._away.get(lines, 0.0) > now)

    def _passed_over(self, lines: Lines, exc: TemporaryFailure) -> None:
        self._away[lines] = asyncio.get_running_loop().time() + AWAY_SECONDS
        if len(self._relays) > 1:
            log.warning("relay_away", relay=lines.where, key=lines.key, reason=exc.reason)

    async def probe(self) -> Sequence[Probed]:
        """Connect and log in at each relay as sending would."""
        return [await _probed(lines) for lines in self._relays]

    async def close(self) -> None:
        """Say good-bye on the connections that are idle."""
        await asyncio.gather(*(lines.close() for lines in self._relays))


async def _probed(lines: Lines) -> Probed:
    try:
        return Probed(lines.where, greeting=await lines.probe())
    except Failure as exc:
        return Probed(lines.where, problem=exc.reason)


def _all_away(failures: Sequence[TemporaryFailure]) -> TemporaryFailure:
    """What it means that no relay takes anything: the first one's words, and what asked for the longest wait."""
    if len(failures) == 1:
        return failures[0]
    waits = [exc.retry_after for exc in failures if exc.retry_after is not None]
    first, *others = dict.fromkeys(exc.reason for exc in failures)
    reason = phrase("relay_none", reason="; ".join((first, *others)) if others else first)
    return TemporaryFailure(reason, max(waits, default=None), Scope.CHANNEL)
