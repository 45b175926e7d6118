"""What is rare, in the order in which it was sent: such a list was looked for among all mail of its time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, where in (
        ("replied", sa.text("replies > 0")),
        ("machine", sa.text("machine > 0 AND opens = 0 AND clicks = 0 AND replies = 0")),
        ("untracked", sa.column("untracked", sa.Boolean()).is_(True)),
        ("bounced", sa.column("bounced", sa.Boolean()).is_(True)),
    ):
        op.create_index(
            f"ix_messages_user_{name}_sent",
            "messages",
            ["user_id", "received_at", "id"],
            unique=False,
            sqlite_where=where,
            postgresql_where=where,
        )
