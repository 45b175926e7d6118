"""What screens ask over all messages of a user, and what somebody wants to be reminded of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from unsealed.store.search import shelf_of, words_kept

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    flag = sa.column("tracked", sa.Boolean()).is_(True)
    first = sa.column("first_of_reading", sa.Boolean()).is_(True)
    by_people = sa.or_(first, sa.text("finding = 'human_click'"))
    silent = sa.and_(
        sa.text("opens = 0 AND clicks = 0 AND replies = 0 AND position < 10"),
        flag,
        sa.text("delivery IN ('sent', 'delivered')"),
    )
    for table, name, columns, where in (
        ("messages", "last", ["last_at", "id"], sa.text("opens > 0")),
        ("messages", "tag", ["tag", "received_at", "id"], sa.text("tag != ''")),
        ("messages", "template", ["template_id", "received_at", "id"], sa.text("template_id IS NOT NULL")),
        ("copies", "silent", ["sent_at", "id"], silent),
        ("copies", "keen", ["last_at", "id"], sa.text("opens >= 3 AND replies = 0")),
        ("copies", "bounced_at", ["ended_at", "id"], sa.text("delivery = 'bounced'")),
        ("events", "people", ["kind", "at", "hit_id"], by_people),
    ):
        op.create_index(
            f"ix_{table}_user_{name}",
            table,
            ["user_id", *columns],
            unique=False,
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_table(
        "reminders",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("copy_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unless", sa.String(length=8), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_reminders_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reminders_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
        sa.UniqueConstraint(
            "user_id", "message_id", "copy_id", "unless", name=op.f("uq_reminders_user_id_message_id_copy_id_unless")
        ),
    )
    op.create_index("ix_reminders_state_due", "reminders", ["state", "due_at"], unique=False)
    op.create_index("ix_reminders_user_state", "reminders", ["user_id", "state", "due_at"], unique=False)
    _index_words()
    _words_of_contacts()


_SQLITE = (
    "CREATE VIRTUAL TABLE text_index USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')",
    "CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN"
    " INSERT INTO text_index (rowid, words)"
    " VALUES (new.message_id, replace(new.words, ' ', ' ' || new.shelf)); END",
    "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN"
    " INSERT INTO text_index (text_index, rowid, words)"
    " VALUES ('delete', old.message_id, replace(old.words, ' ', ' ' || old.shelf)); END",
)
_POSTGRESQL = (
    "CREATE INDEX ix_texts_words ON texts USING gin"
    " (CAST(replace(words, ' ', ' ' || shelf) AS tsvector)) WITH (fastupdate = off)",
)
_AT_ONCE = 1_000


def _index_words() -> None:
    connection = op.get_bind()
    texts = op.create_table(
        "texts",
        sa.Column("message_id", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("shelf", sa.String(length=20), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_texts_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_texts")),
    )
    sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else ():
        connection.exec_driver_sql(statement)
    last = -1
    # By their numbers: the index takes words faster in that order.
    while found := connection.execute(
        sa.text(
            "SELECT id, user_id, received_at, subject, sealed FROM messages WHERE id > :last ORDER BY id LIMIT :most"
        ),
        {"last": last, "most": _AT_ONCE},
    ).all():
        connection.execute(texts.insert(), _texts(connection, found))
        last = found[-1].id
    for statement in () if sqlite else _POSTGRESQL:
        connection.exec_driver_sql(statement)


def _texts(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> list[dict[str, object]]:
    addressed: dict[int, list[str]] = {row.id: [] for row in found}
    linked: dict[int, list[tuple[str, str]]] = {row.id: [] for row in found}
    # Words are made by today's code, which also reads them: the rest of a revision must never change, this must.
    within = {"first": found[0].id, "last": found[-1].id}
    asked = "SELECT message_id, name, address FROM copies WHERE message_id BETWEEN :first AND :last ORDER BY position"
    for row in connection.execute(sa.text(asked), within):
        addressed[row.message_id] += (row.name, row.address)
    asked = "SELECT message_id, text, destination, trap FROM links WHERE message_id BETWEEN :first AND :last"
    sealed = {row.id for row in found if row.sealed}
    for row in connection.execute(sa.text(f"{asked} ORDER BY message_id, position"), within):
        if not row.trap and row.message_id not in sealed:
            linked[row.message_id].append((row.text, row.destination))
    return [
        {
            "message_id": row.id,
            "shelf": shelf_of(row.user_id, _EPOCH + timedelta(microseconds=row.received_at)),
            "words": words_kept(row.subject, addressed[row.id], linked[row.id]),
        }
        for row in found
    ]


def _words_of_contacts() -> None:
    op.add_column("contacts", sa.Column("words", sa.Text(), server_default="", nullable=False))
    connection = op.get_bind()
    keep = sa.text("UPDATE contacts SET words = :words WHERE user_id = :user AND mailbox = :mailbox")
    contacts = connection.execute(sa.text("SELECT user_id, mailbox, name FROM contacts")).all()
    for row in contacts:
        words = words_kept(row.name, [row.mailbox])
        connection.execute(keep, {"words": words, "user": row.user_id, "mailbox": row.mailbox})
