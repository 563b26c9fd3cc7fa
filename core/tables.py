"""The tables (`docs/architecture.md` says why each is as it is). Keys, guards and indexes are the point.

Times are naive UTC in the database and aware UTC in Python; keys are SHA-256 in BINARY(32), so that no collation
decides what is equal; JSON is stored as text and never queried.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from core.columns import BigId as BigId
from core.columns import Bytes as Bytes
from core.columns import Json as Json
from core.columns import Key as Key
from core.columns import LongText as LongText
from core.columns import Utc as Utc
from core.columns import ascii_name as ascii_name
from core.columns import big_id as big_id
from core.columns import exact as exact
from core.columns import words as words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "sqlite_autoincrement": True,
}
KEYED: dict[str, Any] = {k: v for k, v in OPTIONS.items() if k != "sqlite_autoincrement"}

work = Table(
    "work",
    metadata,
    Column("name", ascii_name(120), primary_key=True),
    Column("kind", ascii_name(20), nullable=False),
    Column("due_at", Utc),
    Column("not_before", Utc),
    Column("token", ascii_name(40)),
    Column("expires_at", Utc),
    Column("beat", BigId, nullable=False, server_default="0"),
    Column("data", Json),
    Index("ix_work_kind_due_at", "kind", "due_at"),
    **KEYED,
)

schema_state = Table(
    "schema_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("oldest_code", Integer, nullable=False),
    Column("generation", BigId, nullable=False),
    **KEYED,
)

inbox = Table(
    "inbox",
    metadata,
    big_id(),
    Column("key", Key, nullable=False, unique=True),
    Column("channel", ascii_name(20), nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("state", ascii_name(12), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("source_order", ascii_name(32), nullable=False),
    Column("not_before", Utc),
    Column("envelope", Json, nullable=False),
    Column("raw", Bytes),
    Column("blob", ascii_name(80)),
    Column("bytes", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reason", exact(500)),
    Column("ticket_id", BigId),
    Column("message_id", BigId),
    Index("ix_inbox_state", "state", "shard", "source_order", "id"),
    Index("ix_inbox_received_at", "received_at"),
    Index("ix_inbox_blob", "blob"),
    **OPTIONS,
)

users = Table(
    "users",
    metadata,
    big_id(),
    Column("name", words(200), nullable=False),
    Column("username", ascii_name(40), unique=True),
    Column("role", ascii_name(12), nullable=False),
    Column("staff_source", ascii_name(12)),
    Column("locale", ascii_name(20)),
    Column("erased_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    **OPTIONS,
)

identities = Table(
    "identities",
    metadata,
    Column("key", Key, primary_key=True),
    Column("user_id", BigId, ForeignKey("users.id"), nullable=False, index=True),
    Column("kind", ascii_name(20), nullable=False),
    Column("address", exact(320), nullable=False),
    Column("verified_at", Utc),
    Column("team_id", ascii_name(40)),
    Column("guest", Boolean, nullable=False, server_default="0"),
    Column("suppressed_at", Utc),
    **KEYED,
)

tickets = Table(
    "tickets",
    metadata,
    big_id(),
    Column("queue", ascii_name(40), nullable=False),
    Column("title", words(255), nullable=False),
    Column("description", LongText, nullable=False),
    Column("status", ascii_name(12), nullable=False),
    Column("priority", ascii_name(12), nullable=False),
    Column("channel", ascii_name(20), nullable=False),
    Column("requester_id", BigId, ForeignKey("users.id"), nullable=False),
    Column("requester_address", exact(320), nullable=False),
    Column("assignee_id", BigId, ForeignKey("users.id")),
    Column("version", BigId, nullable=False, server_default="0"),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    Column("merged_into", BigId, ForeignKey("tickets.id")),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("public_updated_at", Utc, nullable=False),
    Column("waiting_since", Utc),
    Column("first_response_at", Utc),
    Column("resolved_at", Utc),
    Column("closed_at", Utc),
    Column("snoozed_until", Utc),
    Column("clock_since", Utc),  # since when the target's clock runs; NULL while it's stopped
    Column(
        "clock_used", BigId, nullable=False, server_default="0"
    ),  # seconds that it ran before, of its schedule
    Column("first_due_at", Utc),
    Column("next_due_at", Utc),
    Column("resolve_due_at", Utc),
    Column("targets_at", Utc),  # when a target is to be looked at next
    Column(
        "targets_told", ascii_name(60), nullable=False, server_default=""
    ),  # what was told: "first:75 first:100"
    Column("pending_since", Utc),
    Column("reminded_at", Utc),
    Column("spam", Boolean, nullable=False, server_default="0"),
    Column("unconfirmed", Boolean, nullable=False, server_default="0"),
    Index("ix_tickets_status", "status", "updated_at", "id"),
    Index("ix_tickets_queue", "queue", "status", "updated_at", "id"),
    Index("ix_tickets_assignee", "assignee_id", "status", "updated_at", "id"),
    Index("ix_tickets_requester", "requester_id", "public_updated_at", "id"),
    Index("ix_tickets_created_at", "created_at"),
    Index("ix_tickets_resolved", "status", "resolved_at", "id"),
    Index("ix_tickets_waiting", "status", "waiting_since", "id"),
    Index("ix_tickets_snoozed", "snoozed_until"),
    Index("ix_tickets_targets", "targets_at"),
    Index("ix_tickets_pending", "status", "queue", "reminded_at", "pending_since", "id"),
    Index("ix_tickets_merged", "merged_into"),
    # Cut, because rows of the older formats take no more than 767 bytes of a column.
    Index(
        "ix_tickets_address",
        *("requester_address", "status", "updated_at", "id"),
        mysql_length={"requester_address": 120},
        mariadb_length={"requester_address": 120},
    ),
    # All that `core.figures` asks of what is open, but for what is put aside: with that in it SQLite would take it for
    # lists that have a better one. The due times come first, by which nothing else is looked up.
    Index(
        "ix_tickets_standing",
        *("status", "first_due_at", "next_due_at", "resolve_due_at"),
        *("queue", "assignee_id", "waiting_since", "unconfirmed"),
    ),
    **OPTIONS,
)

participants = Table(
    "participants",
    metadata,
    Column("ticket_id", BigId, ForeignKey("tickets.id"), primary_key=True),
    Column("identity_key", Key, ForeignKey("identities.key"), primary_key=True),
    Column("role", ascii_name(12), nullable=False),
    Column("place", exact(320), nullable=False),
    Column("since_seq", Integer, nullable=False, server_default="0"),
    Index("ix_participants_identity_key", "identity_key", "ticket_id"),
    **KEYED,
)

messages = Table(
    "messages",
    metadata,
    big_id(),
    Column("ticket_id", BigId, ForeignKey("tickets.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("author_id", BigId, ForeignKey("users.id"), nullable=False),
    Column("author_address", exact(320), nullable=False),
    Column("author_staff", Boolean, nullable=False),
    Column("visibility", ascii_name(12), nullable=False),
    Column("outsider", Boolean, nullable=False, server_default="0"),
    Column("channel", ascii_name(20), nullable=False),
    Column("source_time", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("text", LongText, nullable=False),
    Column("full_text", LongText),
    Column("rich", LongText),  # the words with their formatting, `core.rich`'s HTML
    Column("html_blob", ascii_name(80)),
    Column("auth", ascii_name(12), nullable=False),
    Column("auth_results", Json),
    Column("automatic", ascii_name(20)),
    Column("mail_id", exact(500)),
    Column("mail_date", Utc),
    Column("thread_index", ascii_name(400)),
    Column("edited_at", Utc),
    Column("deleted_at", Utc),
    UniqueConstraint("ticket_id", "seq"),
    Index("ix_messages_html_blob", "html_blob"),
    **OPTIONS,
)

attachments = Table(
    "attachments",
    metadata,
    big_id(),
    Column("message_id", BigId, ForeignKey("messages.id"), nullable=False, index=True),
    Column("name", exact(255), nullable=False),
    Column("type", ascii_name(120), nullable=False),
    Column("bytes", BigId, nullable=False),
    Column("sha256", Key, nullable=False),
    Column("blob", ascii_name(80)),
    Column("state", ascii_name(12), nullable=False),
    Column("reason", exact(255)),
    Column("inline_cid", exact(255)),
    Index("ix_attachments_blob", "blob"),
    **OPTIONS,
)

links = Table(
    "links",
    metadata,
    Column("key", Key, primary_key=True),
    Column("kind", ascii_name(12), nullable=False),
    Column("ticket_id", BigId, ForeignKey("tickets.id"), index=True),
    Column("message_id", BigId, index=True),
    Column("delivery_id", BigId),
    Column("remote", exact(500)),
    **KEYED,
)

events = Table(
    "events",
    metadata,
    big_id(),
    Column("ticket_id", BigId, ForeignKey("tickets.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("kind", ascii_name(30), nullable=False),
    Column("actor_id", BigId, ForeignKey("users.id")),
    Column("actor_name", exact(200), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("queue", ascii_name(40), nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_events_ticket_id", "ticket_id", "id"),
    Index("ix_events_at", "at", "kind"),
    **OPTIONS,
)

deliveries = Table(
    "deliveries",
    metadata,
    big_id(),
    Column("lane", ascii_name(120), nullable=False),
    Column("channel", ascii_name(20), nullable=False),
    Column("ticket_id", BigId, nullable=False, server_default="0"),
    Column("message_id", BigId),
    Column("place", exact(320), nullable=False),
    Column("kind", ascii_name(12), nullable=False),
    Column("desk", Boolean, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("seq", BigId, nullable=False),
    Column("state", ascii_name(12), nullable=False),
    Column("due_at", Utc),
    Column("wait_until", Utc),
    Column("created_at", Utc, nullable=False),
    Column("sending_at", Utc),
    Column("settled_at", Utc),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", exact(500)),
    Column("remote_id", exact(500)),
    Column("rendered", ascii_name(80)),  # a blob
    Column("rendered_raw", Bytes),
    Column("to_key", Key),
    Column("data", Json, nullable=False),
    Index("ix_deliveries_due", "lane", "due_at"),
    Index("ix_deliveries_order", "lane", "ticket_id", "state", "seq"),
    Index("ix_deliveries_ticket", "ticket_id", "id"),
    Index("ix_deliveries_state", "state", "id"),
    Index("ix_deliveries_message", "message_id", "kind"),
    Index("ix_deliveries_rendered", "rendered"),
    **OPTIONS,
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", ascii_name(40), primary_key=True),
    Column("slot", Utc, primary_key=True),
    Column("started", Utc, nullable=False),
    Column("finished", Utc),
    Column("result", exact(500)),
    **KEYED,
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", Key, primary_key=True),
    Column("user_id", BigId, ForeignKey("users.id"), nullable=False, index=True),
    Column("purpose", ascii_name(12), nullable=False),
    Column("scopes", Json),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("used_at", Utc),
    Column("last_used_at", Utc),
    **KEYED,
)

counters = Table(
    "counters",
    metadata,
    Column("key", Key, primary_key=True),
    Column("window", BigId, primary_key=True, autoincrement=False),
    Column("n", BigId, nullable=False),
    **KEYED,
)

settings = Table(
    "settings",
    metadata,
    Column("scope", ascii_name(40), primary_key=True),
    Column("key", ascii_name(120), primary_key=True),
    Column("value", Json),
    **KEYED,
)

ratings = Table(
    "ratings",
    metadata,
    Column("ticket_id", BigId, ForeignKey("tickets.id"), primary_key=True, autoincrement=False),
    Column("user_id", BigId, ForeignKey("users.id"), nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", LongText),
    Column("rated_at", Utc, nullable=False),
    **KEYED,
)

tags = Table(
    "tags",
    metadata,
    Column("ticket_id", BigId, ForeignKey("tickets.id"), primary_key=True, autoincrement=False),
    Column("tag", exact(40), primary_key=True),
    Index("ix_tags_tag", "tag", "ticket_id"),
    **KEYED,
)

rollups = Table(
    "rollups",
    metadata,
    Column("day", ascii_name(10), primary_key=True),  # of UTC
    Column("queue", ascii_name(40), primary_key=True),
    Column("series", Json, nullable=False),
    Column("made_at", Utc, nullable=False),
    **KEYED,
)

rollup_hours = Table(
    "rollup_hours",
    metadata,
    Column("hour", ascii_name(13), primary_key=True),  # of UTC
    Column("queue", ascii_name(40), primary_key=True),
    Column("series", Json, nullable=False),
    Column("durations", Json),  # as they were read
    **KEYED,
)

reports = Table(
    "reports",
    metadata,
    big_id(),
    Column("name", ascii_name(40), nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("series", Json, nullable=False),
    Index("ix_reports_made_at", "made_at"),
    **OPTIONS,
)


def _on_a_server(*_: Any, dialect: Any, **__: Any) -> bool:
    return str(dialect.name) != "sqlite"


search = Table(
    "search",
    metadata,
    Column("ticket_id", BigId, primary_key=True, autoincrement=False),
    Column("words", LongText, nullable=False),
    # SQLite has a virtual table and triggers beside it (migration 0005).
    Index("ft_search_words", "words", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT").ddl_if(
        callable_=_on_a_server
    ),
    **KEYED,
)

search_due = Table(
    "search_due",
    metadata,
    Column("ticket_id", BigId, primary_key=True, autoincrement=False),
    **KEYED,
)
