"""Who wants no more of a digest: noted by the click on a signed link in its mail, in `settings`.

The link holds the digest's name and what is made of the address, not the address. Who has it can stop that digest for
that address, and take it up again; nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from core.config import Config, secret_keys
from core.database import Tx
from core.shapes import canonical_address
from core.tables import settings

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer

SCOPE: Final = "unsubscribed"
_PURPOSE: Final = "relaydesk unsubscribe"
LONGEST: Final = 300  # characters of a token
_KEY: Final = 40


def key_for(digest: str, address: str) -> str:
    """Return what stands for a digest and an address, however that is written."""
    return sha256(f"digest:{digest}:{canonical_address(address)}".encode()).hexdigest()[:_KEY]


class UnsubscribeLinks:
    """Makes and checks tokens; the first of `keys` signs, all of them verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        from itsdangerous import URLSafeSerializer  # 30 ms that most commands don't need

        oldest_first = [key for key in reversed(keys) if key]
        self._serializer: URLSafeSerializer = URLSafeSerializer(
            oldest_first, salt=_PURPOSE, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
        )

    def token(self, digest: str, address: str) -> str:
        """Return the token by which that address stops that digest. It stays good."""
        return str(self._serializer.dumps([digest, key_for(digest, address)]))

    def read(self, token: str) -> tuple[str, str] | None:
        """Return the digest's name and the key of (digest, address); None for what isn't ours."""
        from itsdangerous import BadData

        if len(token) > LONGEST:
            return None
        try:
            digest, key = self._serializer.loads(token)
        except (BadData, TypeError, ValueError):
            return None
        return (digest, key) if isinstance(digest, str) and isinstance(key, str) else None


@lru_cache(maxsize=4)
def _links(keys: tuple[str, ...]) -> UnsubscribeLinks:
    return UnsubscribeLinks(keys)


def links_of(config: Config) -> UnsubscribeLinks:
    """Return the links of a service."""
    return _links(secret_keys(config))


def url_for(config: Config, digest: str, address: str) -> str:
    """Return the page on which an address stops a digest, "" where there is no site."""
    if not config.http.enabled or not config.service.base_url:
        return ""
    return f"{config.service.base_url.rstrip('/')}/unsubscribe/{links_of(config).token(digest, address)}"


async def stop(tx: Tx, digest: str, key: str) -> None:
    """Note that no more of it is wanted."""
    value = {"digest": digest, "at": (await tx.now()).isoformat()}
    await tx.run(tx.insert_missing(settings).values(scope=SCOPE, key=key, value=value))


async def resume(tx: Tx, key: str) -> None:
    """Forget it again."""
    await tx.run(delete(settings).where(settings.c.scope == SCOPE, settings.c.key == key))


async def is_stopped(tx: Tx, key: str) -> bool:
    """Was it stopped?"""
    return bool(await _noted(tx, [key]))


async def stopped(tx: Tx, digest: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those of the addresses that want no more of a digest."""
    keys = {address: key_for(digest, address) for address in addresses}
    noted = await _noted(tx, list(keys.values()))
    return tuple(address for address, key in keys.items() if key in noted)


async def _noted(tx: Tx, keys: Sequence[str]) -> set[str]:
    if not keys:
        return set()
    rows: Sequence[Any] = await tx.all(
        select(settings.c.key).where(settings.c.scope == SCOPE, settings.c.key.in_(keys))
    )
    return {row.key for row in rows}
