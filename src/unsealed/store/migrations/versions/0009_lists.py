"""Lists in their order: of a state, of a conversation, of answers; and signals that came late, for the search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ALONE = "machine > 0 AND opens = 0 AND clicks = 0 AND replies = 0"


def upgrade() -> None:
    op.drop_index("ix_messages_user_thread", table_name="messages")
    op.create_index("ix_messages_user_thread", "messages", ["user_id", "thread", "received_at", "id"], unique=False)
    op.drop_index("ix_replies_message_id", table_name="replies")
    op.create_index("ix_replies_message_at", "replies", ["message_id", "at", "id"], unique=False)
    op.drop_index("ix_replies_user_at", table_name="replies")
    op.create_index("ix_replies_user_kind_at", "replies", ["user_id", "kind", "at", "id"], unique=False)
    for name in ("opened", "clicked", "replied", "machine"):
        op.drop_index(f"ix_messages_user_{name}", table_name="messages")
    for name, key, where in (
        ("opened", "signal_at", "opens > 0"),
        ("clicked", "signal_at", "clicks > 0"),
        ("replied", "signal_at", "replies > 0"),
        ("machine", "signal_at", _ALONE),
        ("late", "signal_at", "signal_at > received_at + 2419200000000"),
        ("late_reading", "last_at", "last_at > received_at + 2419200000000"),
    ):
        op.create_index(
            f"ix_messages_user_{name}",
            "messages",
            ["user_id", key, "id"],
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
