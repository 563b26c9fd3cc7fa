"""The desk on its database, without any loop: what every command works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core import schema
from core.blobs import Blobs
from core.channel import ChannelSpec
from core.clock import Clock
from core.config import Config
from core.database import Database
from core.inbox import Intake
from core.manager import TicketManager
from core.operate import Operations
from core.people import People
from core.sessions import Sessions
from core.signals import Signals
from core.targets import Targets
from core.units import Desk


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that doors and commands call."""

    config: Config
    clock: Clock
    database: Database
    blobs: Blobs
    intake: Intake
    people: People
    sessions: Sessions
    manager: TicketManager
    operations: Operations
    desk: Desk
    specs: Mapping[str, ChannelSpec]
    signals: Signals


def build(config: Config, specs: Mapping[str, ChannelSpec], clock: Clock | None = None) -> Parts:
    """Build the parts for the mounted channels; nothing is opened yet."""
    clock = clock or Clock()
    signals = Signals()
    database = Database(config.database, clock, Targets(config))
    blobs = Blobs(config.service.data_dir / "blobs")
    desk = Desk(config, specs, signals)
    people = People(database, config)
    return Parts(
        config=config,
        clock=clock,
        database=database,
        blobs=blobs,
        intake=Intake(database, blobs, signals.inbox),
        people=people,
        sessions=Sessions(desk, database),
        manager=TicketManager(desk, database, blobs, people),
        operations=Operations(database, blobs, desk),
        desk=desk,
        specs=specs,
        signals=signals,
    )


async def ready_schema(parts: Parts) -> None:
    """See to it that the schema is what this code needs. Raises `SchemaProblem`, `Unavailable`."""
    wanted = parts.config.database.auto_migrate
    if parts.database.sqlite if wanted is None else wanted:
        await schema.migrate(parts.database)
    else:
        await schema.check(parts.database)
