"""What a relay's answers and silences mean: pure, a table and a few functions around it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from aiosmtplib import SMTPConnectResponseError, SMTPException, SMTPResponseException

from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure, UnknownOutcome
from intake.email.wire_headers import sendable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class Step(StrEnum):
    """How far a submission had come."""

    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"  # up to the final dot
    DOT = "dot"  # the final dot was written


_AUTH_CODES: Final = frozenset({530, 534, 535, 538})
_OUTBOUND: Final = "email.outbound"


def failure_for_code(step: Step, code: int, text: str, key: str = _OUTBOUND) -> Failure:
    """Return what a relay's answer means (RFC 5321 4.2.1, 4.5.3.1.10; RFC 4954 6). `key`: how the configuration calls
    the relay."""
    said = f"{code} {shown(text)}".strip()
    if step is Step.LOGIN or code in _AUTH_CODES:
        return TemporaryFailure(f"the relay refused the login ({said}); {_hint(key)}", scope=Scope.CHANNEL)
    if step in (Step.CONNECT, Step.TLS):
        return TemporaryFailure(f"the relay takes nothing at present: {said}", scope=Scope.CHANNEL)
    if code == 421:
        return TemporaryFailure(f"the relay closed the connection: {said}", scope=Scope.CHANNEL)
    if code == 552 and step is Step.RECIPIENT:  # meant as 452, says RFC 5321 4.5.3.1.10
        return TemporaryFailure(f"the relay put it off: {said}")
    if 400 <= code < 500:
        return TemporaryFailure(f"the relay put it off: {said}")
    if 500 <= code < 600:
        return PermanentFailure(f"the relay refused {_REFUSED[step]}: {said}")
    if step is Step.DOT:
        return UnknownOutcome(f"the relay gave an answer that makes no sense: {said}")
    return TemporaryFailure(f"the relay gave an answer that makes no sense: {said}", scope=Scope.CHANNEL)


def _hint(key: str) -> str:
    return f"check {key}.username and password (or the oauth2_… keys)"


_REFUSED: Final = {
    Step.SENDER: "the sender",
    Step.RECIPIENT: "the recipient",
    Step.DATA: "the mail",
    Step.DOT: "the mail",
}


def failure_for(step: Step, exc: BaseException, key: str = _OUTBOUND) -> Failure:
    """Return what an exception at a step means. What is no trouble of the network's is raised again. `key` as for
    `failure_for_code`."""
    if isinstance(exc, Failure):
        return exc
    if isinstance(exc, SMTPResponseException):  # also for the greeting: SMTPConnectResponseError
        early = Step.CONNECT if isinstance(exc, SMTPConnectResponseError) else step
        return failure_for_code(early, exc.code, exc.message, key)
    if isinstance(exc, ssl.SSLCertVerificationError) or isinstance(
        exc.__cause__, ssl.SSLCertVerificationError
    ):
        return TemporaryFailure(
            f"the relay's certificate can't be verified; check {key}.host and tls_ca_file",
            scope=Scope.CHANNEL,
        )
    if not isinstance(exc, (OSError, SMTPException, EOFError)):
        raise exc
    if step is Step.DOT:
        return UnknownOutcome("the connection to the relay was lost before it answered")
    if step is Step.TLS:
        return TemporaryFailure(
            f"no TLS with the relay ({type(exc).__name__}: {shown(str(exc))}); check {key}.tls",
            scope=Scope.CHANNEL,
        )
    if step is Step.LOGIN and isinstance(exc, SMTPException) and not isinstance(exc, OSError):
        return TemporaryFailure(
            f"can't log in at the relay ({shown(str(exc))}); {_hint(key)}", scope=Scope.CHANNEL
        )
    what = "can't be reached" if step is Step.CONNECT else "went away"
    return TemporaryFailure(f"the relay {what} ({type(exc).__name__})", scope=Scope.CHANNEL)


def check_addresses(addresses: Sequence[str]) -> None:
    """Refuse what could end a command or add one. Raises `PermanentFailure`."""
    for address in addresses:
        if not sendable(address):
            raise PermanentFailure(f"{shown(ascii(address))} is no mail address")


def shown(text: str) -> str:
    """Text of the other side's as it may be shown: one line, no control characters, at most 200 characters."""
    return _CONTROL.sub(" ", text).strip()[:200]
