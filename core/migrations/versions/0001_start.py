"""The tables to start from. `work` and `schema_state` are made before any migration (`core/schema.py`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core import tables as t

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "counters",
        sa.Column("key", t.Key, nullable=False),
        sa.Column("window", t.BigId, autoincrement=False, nullable=False),
        sa.Column("n", t.BigId, nullable=False),
        sa.PrimaryKeyConstraint("key", "window", name=op.f("pk_counters")),
        **t.KEYED,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("lane", t.ascii_name(120), nullable=False),
        sa.Column("channel", t.ascii_name(20), nullable=False),
        sa.Column("ticket_id", t.BigId, server_default="0", nullable=False),
        sa.Column("message_id", t.BigId, nullable=True),
        sa.Column("place", t.exact(320), nullable=False),
        sa.Column("kind", t.ascii_name(12), nullable=False),
        sa.Column("desk", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("seq", t.BigId, nullable=False),
        sa.Column("state", t.ascii_name(12), nullable=False),
        sa.Column("due_at", t.Utc(), nullable=True),
        sa.Column("wait_until", t.Utc(), nullable=True),
        sa.Column("created_at", t.Utc(), nullable=False),
        sa.Column("sending_at", t.Utc(), nullable=True),
        sa.Column("settled_at", t.Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", t.exact(500), nullable=True),
        sa.Column("remote_id", t.exact(500), nullable=True),
        sa.Column("rendered", t.ascii_name(80), nullable=True),
        sa.Column("rendered_raw", t.Bytes, nullable=True),
        sa.Column("to_key", t.Key, nullable=True),
        sa.Column("data", t.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        **t.OPTIONS,
    )
    op.create_index("ix_deliveries_due", "deliveries", ["lane", "due_at"], unique=False)
    op.create_index("ix_deliveries_message", "deliveries", ["message_id", "kind"], unique=False)
    op.create_index("ix_deliveries_order", "deliveries", ["lane", "ticket_id", "state", "seq"], unique=False)
    op.create_index("ix_deliveries_state", "deliveries", ["state", "id"], unique=False)
    op.create_index("ix_deliveries_ticket", "deliveries", ["ticket_id", "id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("key", t.Key, nullable=False),
        sa.Column("channel", t.ascii_name(20), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("state", t.ascii_name(12), nullable=False),
        sa.Column("received_at", t.Utc(), nullable=False),
        sa.Column("source_order", t.ascii_name(32), nullable=False),
        sa.Column("not_before", t.Utc(), nullable=True),
        sa.Column("envelope", t.Json(), nullable=False),
        sa.Column("raw", t.Bytes, nullable=True),
        sa.Column("blob", t.ascii_name(80), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", t.exact(500), nullable=True),
        sa.Column("ticket_id", t.BigId, nullable=True),
        sa.Column("message_id", t.BigId, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("key", name=op.f("uq_inbox_key")),
        **t.OPTIONS,
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"], unique=False)
    op.create_index("ix_inbox_state", "inbox", ["state", "shard", "source_order", "id"], unique=False)
    op.create_table(
        "job_runs",
        sa.Column("job", t.ascii_name(40), nullable=False),
        sa.Column("slot", t.Utc(), nullable=False),
        sa.Column("started", t.Utc(), nullable=False),
        sa.Column("finished", t.Utc(), nullable=True),
        sa.Column("result", t.exact(500), nullable=True),
        sa.PrimaryKeyConstraint("job", "slot", name=op.f("pk_job_runs")),
        **t.KEYED,
    )
    op.create_table(
        "settings",
        sa.Column("scope", t.ascii_name(40), nullable=False),
        sa.Column("key", t.ascii_name(120), nullable=False),
        sa.Column("value", t.Json(), nullable=True),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_settings")),
        **t.KEYED,
    )
    op.create_table(
        "users",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("name", t.words(200), nullable=False),
        sa.Column("username", t.ascii_name(40), nullable=True),
        sa.Column("role", t.ascii_name(12), nullable=False),
        sa.Column("staff_source", t.ascii_name(12), nullable=True),
        sa.Column("locale", t.ascii_name(20), nullable=True),
        sa.Column("erased_at", t.Utc(), nullable=True),
        sa.Column("created_at", t.Utc(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        **t.OPTIONS,
    )
    op.create_table(
        "identities",
        sa.Column("key", t.Key, nullable=False),
        sa.Column("user_id", t.BigId, nullable=False),
        sa.Column("kind", t.ascii_name(20), nullable=False),
        sa.Column("address", t.exact(320), nullable=False),
        sa.Column("verified_at", t.Utc(), nullable=True),
        sa.Column("team_id", t.ascii_name(40), nullable=True),
        sa.Column("guest", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("suppressed_at", t.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identities")),
        **t.KEYED,
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("queue", t.ascii_name(40), nullable=False),
        sa.Column("title", t.words(255), nullable=False),
        sa.Column("description", t.LongText, nullable=False),
        sa.Column("status", t.ascii_name(12), nullable=False),
        sa.Column("priority", t.ascii_name(12), nullable=False),
        sa.Column("channel", t.ascii_name(20), nullable=False),
        sa.Column("requester_id", t.BigId, nullable=False),
        sa.Column("requester_address", t.exact(320), nullable=False),
        sa.Column("assignee_id", t.BigId, nullable=True),
        sa.Column("version", t.BigId, server_default="0", nullable=False),
        sa.Column("last_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("merged_into", t.BigId, nullable=True),
        sa.Column("created_at", t.Utc(), nullable=False),
        sa.Column("updated_at", t.Utc(), nullable=False),
        sa.Column("public_updated_at", t.Utc(), nullable=False),
        sa.Column("waiting_since", t.Utc(), nullable=True),
        sa.Column("first_response_at", t.Utc(), nullable=True),
        sa.Column("resolved_at", t.Utc(), nullable=True),
        sa.Column("closed_at", t.Utc(), nullable=True),
        sa.Column("spam", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("unconfirmed", sa.Boolean(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["assignee_id"], ["users.id"], name=op.f("fk_tickets_assignee_id")),
        sa.ForeignKeyConstraint(["merged_into"], ["tickets.id"], name=op.f("fk_tickets_merged_into")),
        sa.ForeignKeyConstraint(["requester_id"], ["users.id"], name=op.f("fk_tickets_requester_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        **t.OPTIONS,
    )
    op.create_index(
        "ix_tickets_assignee", "tickets", ["assignee_id", "status", "updated_at", "id"], unique=False
    )
    op.create_index("ix_tickets_created_at", "tickets", ["created_at"], unique=False)
    op.create_index("ix_tickets_queue", "tickets", ["queue", "status", "updated_at", "id"], unique=False)
    op.create_index(
        "ix_tickets_requester", "tickets", ["requester_id", "public_updated_at", "id"], unique=False
    )
    op.create_index("ix_tickets_resolved", "tickets", ["status", "resolved_at", "id"], unique=False)
    op.create_index("ix_tickets_status", "tickets", ["status", "updated_at", "id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("hash", t.Key, nullable=False),
        sa.Column("user_id", t.BigId, nullable=False),
        sa.Column("purpose", t.ascii_name(12), nullable=False),
        sa.Column("scopes", t.Json(), nullable=True),
        sa.Column("created_at", t.Utc(), nullable=False),
        sa.Column("expires_at", t.Utc(), nullable=False),
        sa.Column("used_at", t.Utc(), nullable=True),
        sa.Column("last_used_at", t.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tokens")),
        **t.KEYED,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("ticket_id", t.BigId, nullable=False),
        sa.Column("at", t.Utc(), nullable=False),
        sa.Column("kind", t.ascii_name(30), nullable=False),
        sa.Column("actor_id", t.BigId, nullable=True),
        sa.Column("actor_name", t.exact(200), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("queue", t.ascii_name(40), nullable=False),
        sa.Column("data", t.Json(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_events_actor_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_events_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        **t.OPTIONS,
    )
    op.create_index("ix_events_at", "events", ["at", "kind"], unique=False)
    op.create_index("ix_events_ticket_id", "events", ["ticket_id", "id"], unique=False)
    op.create_table(
        "links",
        sa.Column("key", t.Key, nullable=False),
        sa.Column("kind", t.ascii_name(12), nullable=False),
        sa.Column("ticket_id", t.BigId, nullable=True),
        sa.Column("message_id", t.BigId, nullable=True),
        sa.Column("delivery_id", t.BigId, nullable=True),
        sa.Column("remote", t.exact(500), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_links_ticket_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_links")),
        **t.KEYED,
    )
    op.create_index(op.f("ix_links_message_id"), "links", ["message_id"], unique=False)
    op.create_index(op.f("ix_links_ticket_id"), "links", ["ticket_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("ticket_id", t.BigId, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("author_id", t.BigId, nullable=False),
        sa.Column("author_address", t.exact(320), nullable=False),
        sa.Column("author_staff", sa.Boolean(), nullable=False),
        sa.Column("visibility", t.ascii_name(12), nullable=False),
        sa.Column("outsider", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("channel", t.ascii_name(20), nullable=False),
        sa.Column("source_time", t.Utc(), nullable=False),
        sa.Column("created_at", t.Utc(), nullable=False),
        sa.Column("text", t.LongText, nullable=False),
        sa.Column("full_text", t.LongText, nullable=True),
        sa.Column("html_blob", t.ascii_name(80), nullable=True),
        sa.Column("auth", t.ascii_name(12), nullable=False),
        sa.Column("automatic", t.ascii_name(20), nullable=True),
        sa.Column("mail_id", t.exact(500), nullable=True),
        sa.Column("mail_date", t.Utc(), nullable=True),
        sa.Column("edited_at", t.Utc(), nullable=True),
        sa.Column("deleted_at", t.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_messages_author_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_messages_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("ticket_id", "seq", name=op.f("uq_messages_ticket_id_seq")),
        **t.OPTIONS,
    )
    op.create_table(
        "participants",
        sa.Column("ticket_id", t.BigId, nullable=False),
        sa.Column("identity_key", t.Key, nullable=False),
        sa.Column("role", t.ascii_name(12), nullable=False),
        sa.Column("place", t.exact(320), nullable=False),
        sa.Column("since_seq", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_key"], ["identities.key"], name=op.f("fk_participants_identity_key")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_participants_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", "identity_key", name=op.f("pk_participants")),
        **t.KEYED,
    )
    op.create_index(
        "ix_participants_identity_key", "participants", ["identity_key", "ticket_id"], unique=False
    )
    op.create_table(
        "attachments",
        sa.Column("id", t.BigId, autoincrement=True, nullable=False),
        sa.Column("message_id", t.BigId, nullable=False),
        sa.Column("name", t.exact(255), nullable=False),
        sa.Column("type", t.ascii_name(120), nullable=False),
        sa.Column("bytes", t.BigId, nullable=False),
        sa.Column("sha256", t.Key, nullable=False),
        sa.Column("blob", t.ascii_name(80), nullable=True),
        sa.Column("state", t.ascii_name(12), nullable=False),
        sa.Column("reason", t.exact(255), nullable=True),
        sa.Column("inline_cid", t.exact(255), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_attachments_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        **t.OPTIONS,
    )
    op.create_index(op.f("ix_attachments_message_id"), "attachments", ["message_id"], unique=False)


def downgrade() -> None:
    """There is no way back but a backup."""
