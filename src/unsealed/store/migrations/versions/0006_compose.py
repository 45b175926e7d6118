"""What people write, what their mailboxes say, and with whom: drafts, templates, contacts, next hops, replies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "upstreams",
        sa.Column("owner", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.String(length=16), nullable=False),
        sa.Column("auth", sa.String(length=16), nullable=False),
        sa.Column("user", sa.Text(), server_default="", nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("inside", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_upstreams")),
    )
    op.create_table(
        "contacts",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("records", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_contacts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "mailbox", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_user_last", "contacts", ["user_id", "last_at"], unique=False)
    op.create_table(
        "drafts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_drafts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    op.create_index("ix_drafts_user_changed", "drafts", ["user_id", "changed_at"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.String(length=16), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mailboxes_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_mailboxes")),
    )
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_preferences_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_preferences")),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_templates_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
    )
    op.create_index(op.f("ix_templates_user_id"), "templates", ["user_id"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("draft_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("inline", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name=op.f("fk_attachments_draft_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index(op.f("ix_attachments_draft_id"), "attachments", ["draft_id"], unique=False)
    op.create_table(
        "mailbox_folders",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["mailboxes.user_id"], name=op.f("fk_mailbox_folders_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "folder", name=op.f("pk_mailbox_folders")),
    )
    op.create_table(
        "replies",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("copy_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("header_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_replies_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_replies_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
        sa.UniqueConstraint("user_id", "header_id", name=op.f("uq_replies_user_id_header_id")),
    )
    op.create_index(op.f("ix_replies_message_id"), "replies", ["message_id"], unique=False)
    op.create_index("ix_replies_user_at", "replies", ["user_id", "at", "id"], unique=False)
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_template_versions_template_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("template_id", "version", name=op.f("pk_template_versions")),
    )
    op.add_column("copies", sa.Column("replies", sa.Integer(), server_default="0", nullable=False))
    op.add_column("copies", sa.Column("replied_at", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("thread", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("template_id", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("template_version", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("replies", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_messages_user_message_id", "messages", ["user_id", "message_id"], unique=False)
    op.create_index("ix_messages_user_thread", "messages", ["user_id", "thread", "received_at"], unique=False)

    op.add_column("events", sa.Column("user_id", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE events SET user_id = (SELECT user_id FROM messages WHERE messages.id = events.message_id)")
    op.create_index("ix_events_user_kind_at", "events", ["user_id", "kind", "at", "hit_id"], unique=False)
    op.execute("UPDATE messages SET thread = id")
    op.execute(
        "INSERT INTO contacts (user_id, mailbox, address, name, messages, first_at, last_at) "
        "SELECT copies.user_id, copies.mailbox, max(copies.address), max(copies.name), count(*), "
        "min(messages.received_at), max(messages.received_at) "
        "FROM copies JOIN messages ON messages.id = copies.message_id "
        "WHERE copies.mailbox <> '' AND NOT messages.sealed "
        "GROUP BY copies.user_id, copies.mailbox"
    )
    silent = "opens = 0 AND clicks = 0 AND replies = 0"
    for table, name, column, where in (
        ("messages", "opened", "id", "opens > 0"),
        ("messages", "clicked", "id", "clicks > 0"),
        ("messages", "replied", "id", "replies > 0"),
        ("messages", "machine", "id", f"machine > 0 AND {silent}"),
        ("copies", "waiting", "message_id", "delivery IN ('queued', 'delayed')"),
        ("copies", "bounced", "message_id", "delivery = 'bounced'"),
        ("copies", "untracked", "message_id", sa.column("tracked", sa.Boolean()).is_(False)),
    ):
        condition = sa.text(where) if isinstance(where, str) else where
        op.create_index(
            f"ix_{table}_user_{name}",
            table,
            ["user_id", column],
            unique=False,
            sqlite_where=condition,
            postgresql_where=condition,
        )
    op.add_column("sandbox", sa.Column("user_id", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE sandbox SET user_id = (SELECT user_id FROM messages WHERE messages.id = sandbox.message_id)")
    op.create_index("ix_sandbox_user_at", "sandbox", ["user_id", "at", "copy_id"], unique=False)
