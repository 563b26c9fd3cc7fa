"""What a relay's answers and silences mean: pure, a table and a few functions around it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from aiosmtplib import SMTPConnectResponseError, SMTPException, SMTPResponseException

from core.desk_texts import phrase
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
        return TemporaryFailure(phrase("relay_login_refused", said=said, where=key), scope=Scope.CHANNEL)
    if step in (Step.CONNECT, Step.TLS):
        return TemporaryFailure(phrase("relay_takes_nothing", said=said), scope=Scope.CHANNEL)
    if code == 421:
        return TemporaryFailure(phrase("relay_closed", said=said), scope=Scope.CHANNEL)
    if code == 552 and step is Step.RECIPIENT:  # meant as 452, says RFC 5321 4.5.3.1.10
        return TemporaryFailure(phrase("relay_put_off", said=said))
    if 400 <= code < 500:
        return TemporaryFailure(phrase("relay_put_off", said=said))
    if 500 <= code < 600:
        return PermanentFailure(phrase(_REFUSED[step], said=said))
    senseless = phrase("relay_no_sense", said=said)
    if step is Step.DOT:
        return UnknownOutcome(senseless)
    return TemporaryFailure(senseless, scope=Scope.CHANNEL)


_REFUSED: Final = {
    Step.SENDER: "relay_refused_sender",
    Step.RECIPIENT: "relay_refused_recipient",
    Step.DATA: "relay_refused_mail",
    Step.DOT: "relay_refused_mail",
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
        return TemporaryFailure(phrase("relay_certificate", where=key), scope=Scope.CHANNEL)
    if not isinstance(exc, (OSError, SMTPException, EOFError)):
        raise exc
    if step is Step.DOT:
        return UnknownOutcome(phrase("relay_lost"))
    if step is Step.TLS:
        no_tls = phrase("relay_no_tls", error=type(exc).__name__, said=shown(str(exc)), where=key)
        return TemporaryFailure(no_tls, scope=Scope.CHANNEL)
    if step is Step.LOGIN and isinstance(exc, SMTPException) and not isinstance(exc, OSError):
        failed = phrase("relay_login_failed", said=shown(str(exc)), where=key)
        return TemporaryFailure(failed, scope=Scope.CHANNEL)
    what = "relay_unreachable" if step is Step.CONNECT else "relay_went_away"
    return TemporaryFailure(phrase(what, error=type(exc).__name__), scope=Scope.CHANNEL)


def check_addresses(addresses: Sequence[str]) -> None:
    """Refuse what could end a command or add one. Raises `PermanentFailure`."""
    for address in addresses:
        if not sendable(address):
            raise PermanentFailure(phrase("relay_no_address", address=shown(ascii(address))))


def shown(text: str) -> str:
    """Text of the other side's as it may be shown: one line, no control characters, at most 200 characters."""
    return _CONTROL.sub(" ", text).strip()[:200]
