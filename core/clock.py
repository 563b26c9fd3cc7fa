"""Time: always aware, always UTC. Tests pass a clock of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """The wall clock, shifted by `offset` (which only tests set)."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        self.skew = timedelta()
        self._began = datetime.now(UTC) + offset

    @property
    def began(self) -> datetime:
        """When this process began, as the database has it."""
        return self._began + self.skew

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC, as the database has it."""
        return datetime.now(UTC) + self.offset + self.skew

    def database_says(self, moment: datetime) -> None:
        """Note the database's time: leases and due times are compared there."""
        self.skew = moment - datetime.now(UTC)
