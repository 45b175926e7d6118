"""Who is told what: notices, what is silenced, and where notices are sent to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_silences_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "scope", "of", name=op.f("pk_silences")),
    )
    op.create_table(
        "notices",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=8), nullable=False),
        sa.Column("cause_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("copy_id", sa.BigInteger(), nullable=True),
        sa.Column("act", sa.String(length=8), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("why", sa.String(length=16), server_default="", nullable=False),
        sa.Column("occasion", sa.String(length=8), server_default="first", nullable=False),
        sa.Column("channels", sa.Text(), server_default="", nullable=False),
        sa.Column("leader", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_notices_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notices_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("cause", "cause_id", name=op.f("uq_notices_cause_cause_id")),
    )
    not_decided = sa.text("state IN ('new', 'undo')")
    op.create_index(
        "ix_notices_waiting", "notices", ["id"], unique=False, sqlite_where=not_decided, postgresql_where=not_decided
    )
    op.create_index("ix_notices_user", "notices", ["user_id", "decided_at"], unique=False)
    op.create_index("ix_notices_message", "notices", ["message_id", "copy_id"], unique=False)
    op.create_table(
        "notice_devices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("trusted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_devices_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_devices")),
        sa.UniqueConstraint("user_id", "digest", name=op.f("uq_notice_devices_user_id_digest")),
    )
    op.create_table(
        "tellings",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("undo", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="waiting", nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_tellings_notice_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["notice_devices.id"], name=op.f("fk_tellings_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tellings")),
        sa.UniqueConstraint("notice_id", "device_id", "undo", name=op.f("uq_tellings_notice_id_device_id_undo")),
    )
    op.create_index(op.f("ix_tellings_device_id"), "tellings", ["device_id"], unique=False)
