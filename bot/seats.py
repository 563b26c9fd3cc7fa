"""Which instances hold a socket: Slack takes at most ten of an app, so each is a leased piece of `work`.

Who holds none stands by, and takes over what a dead instance held once its lease has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from bot.socket_mode import SocketMode
from core import holding, work
from core.database import Database, Tx
from core.failures import StaleLease, Unavailable

log = structlog.get_logger(__name__)

KIND: Final = "socket.slack"
MOST: Final = 10  # Slack's own limit
STANDBY: Final = 2.0  # seconds between looks whether a seat is free
PATIENCE: Final = 60.0  # without a connection for so long, another instance may have better luck


class Seats(Protocol):
    """Gives out the right to hold a socket."""

    async def take(self) -> work.Lease | None:
        """Claim a seat, None where all are held. Raises `Unavailable`."""

    async def until_lost(self, seat: work.Lease) -> None:
        """Keep a seat; return once it is lost."""

    async def give_back(self, seat: work.Lease) -> None:
        """Let others have it."""


class LeasedSeats:
    """`count` seats among all instances."""

    def __init__(self, database: Database, count: int) -> None:
        self._database = database
        self._names = [seat_name(number) for number in range(count)]
        self._others = [seat_name(number) for number in range(count, MOST)]  # of when there were more
        self._made = False

    async def take(self) -> work.Lease | None:
        """Claim a seat, None where all are held. Raises `Unavailable`."""
        if not self._made:
            await self._database.unit(self._make)
            self._made = True
        return await work.claim(self._database, KIND, skip=self._others)

    async def _make(self, tx: Tx) -> None:
        await work.enqueue(tx, dict.fromkeys(self._names, KIND), await tx.now())

    async def until_lost(self, seat: work.Lease) -> None:
        """Keep a seat; return once it is lost."""
        await holding.until_lost(self._database, seat)

    async def give_back(self, seat: work.Lease) -> None:
        """Let others have it at once."""
        now = self._database.clock.now()
        with suppress(StaleLease, Unavailable):  # then it is another's already, or expires
            await work.finish(self._database, seat, due=now, not_before=None)


class OneSeat:
    """The only instance there is: it always has its seat."""

    async def take(self) -> work.Lease | None:
        """Return the seat."""
        return work.Lease(seat_name(0), KIND, "")

    async def until_lost(self, seat: work.Lease) -> None:
        """It is never lost."""
        await asyncio.Event().wait()

    async def give_back(self, seat: work.Lease) -> None:
        """Nobody waits for it."""


class Seated:
    """Keeps a connection open for as long as this instance has a seat, and stands by else. `changed`: told when it
    begins or ends to stand by."""

    def __init__(self, seats: Seats, dial: Callable[[], SocketMode], changed: Callable[[], None]) -> None:
        self._seats, self._dial, self._changed = seats, dial, changed
        self.socket: SocketMode | None = None
        self.standby = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                seat = await self._seats.take()
                if seat is not None:
                    await self._hold(seat)
                    continue
                self._stand_by(True)
            except Unavailable as exc:
                log.warning("seat_failed", reason=str(exc))
            except Exception:
                log.exception("seat_trouble")
            await asyncio.sleep(STANDBY)

    async def _hold(self, seat: work.Lease) -> None:
        log.info("seat_taken", seat=seat.name)
        self._stand_by(False)
        socket = self.socket = self._dial()
        tasks = {
            asyncio.create_task(socket.run(), name="slack-socket-mode"),
            asyncio.create_task(self._seats.until_lost(seat), name="slack-seat"),
            asyncio.create_task(_unlucky(socket), name="slack-seat-luck"),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            log.warning("seat_left", seat=seat.name, connected=socket.connected)
        finally:
            # Given back only once nothing is read from it any more; else there may be one too many.
            await socket.stop(1.0)
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    log.error("seat_trouble", seat=seat.name, exc_info=ended)
            await self._seats.give_back(seat)
        if not socket.connected:
            await asyncio.sleep(STANDBY * 2)  # let others try first

    def _stand_by(self, standby: bool) -> None:
        if standby != self.standby:
            log.info("socket_standby", standby=standby)
            self.standby = standby
            self._changed()

    async def stop(self) -> None:
        """Take nothing new, finish what is being stored; bounded. Cancel `run` afterwards."""
        if self.socket is not None:
            await self.socket.stop()


def seat_name(number: int) -> str:
    """Return the name of a seat's lease."""
    return f"slack:socket:{number}"


async def _unlucky(socket: SocketMode) -> None:
    """Return once there was no connection for a while."""
    since = asyncio.get_running_loop().time()
    while True:
        await asyncio.sleep(STANDBY)
        now = asyncio.get_running_loop().time()
        if socket.connected:
            since = now
        elif now - since > PATIENCE:
            return
