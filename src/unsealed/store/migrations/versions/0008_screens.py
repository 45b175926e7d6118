"""What screens ask over all messages of a user, and what somebody wants to be reminded of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

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
