"""Asking the configured database which ticket a mail would go to: it is only read, never made and never migrated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from core.config import Config, DatabaseConfig
    from core.database import Database
    from core.foresee import Foreseen
    from core.shapes import Inbound
    from core.units import Desk

PATIENCE: Final = 8.0  # seconds for a database that doesn't answer


class Asked:
    """A database that can be asked, or `why` none can."""

    def __init__(self, why: str, database: Database | None = None, desk: Desk | None = None) -> None:
        self.why = why
        self._database = database
        self._desk = desk

    async def ticket(self, raw: bytes, inbound: Inbound) -> Foreseen | None:
        """Return what would become of a mail; None where no database can be asked, for `why`."""
        if self._database is None or self._desk is None:
            return None
        import asyncio

        from core.failures import Unavailable
        from core.foresee import foresee
        from intake.email.arrival import Envelope, arrivals

        database, desk = self._database, self._desk
        envelope = Envelope(sender=None, queues={queue.name: () for queue in desk.config.queue})
        keys = [row.key for row in arrivals(raw, envelope, database.clock.now())]
        try:
            async with asyncio.timeout(PATIENCE):
                return await database.read(lambda tx: foresee(tx, desk, inbound, keys))
        except (Unavailable, TimeoutError):
            self._database, self.why = None, "it went away"
        except Exception as exc:
            self._database, self.why = None, f"it can't be asked: {type(exc).__name__}"
        return None


@asynccontextmanager
async def asked(config: Config) -> AsyncIterator[Asked]:
    """Open the configured database to read it. What stands in the way is told, never raised."""
    reading = _to_read(config.database)
    if isinstance(reading, str):
        yield Asked(reading)
        return
    from core.database import Database

    database = Database(reading)
    try:
        yield await _checked(config, database)
    finally:
        await database.close()


def _to_read(config: DatabaseConfig) -> DatabaseConfig | str:
    """The configuration that opens it to be read alone, or why there is nothing to open."""
    if not config.sqlite:
        return config
    path = Path(config.url.partition("///")[2].partition("?")[0])
    if not path.is_file():
        return "there is none yet"
    # Without a log beside it nobody has it open: then no file is needed beside it to read it, and none is made.
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    url = f"sqlite+aiosqlite:///file:{quote(str(path.absolute()))}?mode=ro{alone}&uri=true"
    return config.model_copy(update={"url": url})


async def _checked(config: Config, database: Database) -> Asked:
    import asyncio

    from core import schema
    from core.failures import Unavailable
    from core.signals import Signals
    from core.units import Desk
    from intake.email.spec import SPEC

    try:
        async with asyncio.timeout(PATIENCE):
            await schema.check(database)
    except (Unavailable, TimeoutError):
        return Asked("it can't be reached")
    except schema.SchemaProblem as exc:
        return Asked(str(exc))
    except Exception as exc:
        return Asked(f"it can't be asked: {type(exc).__name__}")
    return Asked("", database, Desk(config, {SPEC.name: SPEC}, Signals()))
