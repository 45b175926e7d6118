"""What the sender says about events, whose browsers and addresses are the sender's, judging again, places."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _columns()
    _indexes_for_contacts()
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    )
    op.create_index(op.f("ix_devices_user_id"), "devices", ["user_id"], unique=False)
    op.create_table(
        "own_addresses",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_own_addresses_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("pk_own_addresses")),
    )
    op.create_index("ix_own_addresses_address", "own_addresses", ["address"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("hit_id", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=8), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("rejudging_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_corrections_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_user_id"), "corrections", ["user_id"], unique=False)
    op.create_table(
        "rejudgings",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejudgings")),
    )
    op.create_table(
        "revisions",
        sa.Column("rejudging_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.String(length=24), nullable=False),
        sa.Column("after", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("rejudging_id", "hit_id", name=op.f("pk_revisions")),
    )
    op.create_index("ix_revisions_hit", "revisions", ["hit_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_user", "audit", ["user_id", "id"], unique=False)


def _columns() -> None:
    op.add_column("copies", sa.Column("user_id", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("copies", sa.Column("mailbox", sa.Text(), server_default="", nullable=False))
    op.add_column("copies", sa.Column("domain", sa.Text(), server_default="", nullable=False))
    op.add_column("links", sa.Column("trap", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("hits", sa.Column("device", sa.BigInteger(), nullable=True))
    op.add_column("marks", sa.Column("rejudging", sa.BigInteger(), nullable=True))
    op.add_column("marks", sa.Column("hot", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("marks", sa.Column("judging", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("place", sa.String(length=8), server_default="unknown", nullable=False))
    op.add_column("events", sa.Column("country", sa.String(length=2), server_default="", nullable=False))
    op.add_column("events", sa.Column("region", sa.Text(), server_default="", nullable=False))
    op.add_column("events", sa.Column("city", sa.Text(), server_default="", nullable=False))


def _indexes_for_contacts() -> None:
    connection = op.get_bind()
    copies = sa.table("copies", *map(sa.column, ("id", "message_id", "address", "user_id", "mailbox", "domain")))
    messages = sa.table("messages", sa.column("id"), sa.column("user_id"))
    owner = sa.select(messages.c.user_id).where(messages.c.id == copies.c.message_id).scalar_subquery()
    connection.execute(copies.update().values(user_id=owner))
    fill = copies.update().where(copies.c.id == sa.bindparam("key"))
    fill = fill.values(mailbox=sa.bindparam("box"), domain=sa.bindparam("host"))
    # Lower case as Python knows it: SQLite's own knows ASCII alone.
    for rows in connection.execute(sa.select(copies.c.id, copies.c.address)).partitions(5_000):
        boxes = [(row.id, row.address.lower()) for row in rows]
        connection.execute(fill, [{"key": id, "box": box, "host": box.rpartition("@")[2]} for id, box in boxes])
    op.create_index("ix_copies_user_mailbox", "copies", ["user_id", "mailbox", "sent_at"], unique=False)
    op.create_index("ix_copies_user_domain", "copies", ["user_id", "domain", "sent_at"], unique=False)
