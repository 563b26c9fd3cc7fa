"""What reading a mail depends on besides the mail, taken from the configuration: for the service and for `explain`."""

from __future__ import annotations

from collections.abc import Sequence

from core.config import Config
from intake.email.read_context import ReadContext


def context_of(config: Config, keys: Sequence[str]) -> ReadContext:
    """Return the context for reading; `keys` are the signing keys, the one that signs first."""
    inbound = config.email.inbound
    return ReadContext(
        keys=tuple(key for key in keys if key),
        queues={queue.name: queue.addresses for queue in config.queue},
        authserv_ids=inbound.trusted_authserv_ids,
        delimiter=inbound.delimiter,
        spam_fields=inbound.spam_fields,
        spam_level=inbound.spam_level,
    )


def keys_without_making(config: Config) -> tuple[str, ...]:
    """Return the signing keys. Where none is made yet it stays so: nothing is signed then."""
    service = config.service
    keys = [service.secret_key, *service.previous_secret_keys]
    if not service.secret_key:
        try:
            keys[0] = (service.data_dir / "secret_key").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            keys[0] = "no key has signed anything yet"
    return tuple(keys)
