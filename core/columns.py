"""The column types of the tables, the same on every store.

Times are naive UTC in the database and aware UTC in Python; JSON is stored as text and never queried.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import mysql


class Utc(TypeDecorator[datetime]):
    """An aware UTC time, kept as naive UTC with microseconds."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time came to the database")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Json(TypeDecorator[Any]):
    """JSON as text: written and read whole, never queried."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if sound(written) != written:  # half a surrogate pair: escaped, it comes back as it was
            written = json.dumps(value, separators=(",", ":"))
        return written

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


BigId = BigInteger().with_variant(Integer(), "sqlite")
Key = LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")
Bytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def sound(text: str) -> str:
    """Return a text that every store takes: half a surrogate pair can't be encoded."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Letters(TypeDecorator[str]):
    """A text of any letters, of at most `length` characters (None: 16 MB), compared by the collation."""

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None, collation: str = "utf8mb4_bin") -> None:
        super().__init__()
        self.length = length
        self.collation = collation

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name not in ("mysql", "mariadb"):
            return dialect.type_descriptor(String(self.length) if self.length else Text())
        if self.length is None:
            return dialect.type_descriptor(mysql.MEDIUMTEXT(charset="utf8mb4", collation=self.collation))
        return dialect.type_descriptor(
            mysql.VARCHAR(self.length, charset="utf8mb4", collation=self.collation)
        )

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else sound(str(value))


LongText = Letters(None)


def exact(length: int) -> Any:
    """A string compared byte by byte."""
    return Letters(length)


class Ascii(TypeDecorator[str]):
    """An ASCII name, compared byte by byte. What isn't ASCII is escaped: it then equals no name, where MySQL would
    refuse to compare it."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, charset="ascii", collation="ascii_bin"))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value).encode("ascii", "backslashreplace").decode("ascii")


def ascii_name(length: int) -> Any:
    """An ASCII name of at most this length."""
    return Ascii(length)


def words(length: int) -> Any:
    """A string that people search: compared as people do."""
    return Letters(length, "utf8mb4_general_ci")


def big_id(name: str = "id") -> Column[int]:
    return Column(name, BigId, primary_key=True, autoincrement=True)
