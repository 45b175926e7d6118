"""What judging again changed, by user: a page that shows the latest of it counted all that it changed of everybody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_CHANGED = sa.column("before") != sa.column("after")


def upgrade() -> None:
    op.add_column("revisions", sa.Column("user_id", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE revisions SET user_id = coalesce((SELECT user_id FROM messages WHERE id = revisions.message_id), 0)"
    )
    op.create_index(
        "ix_revisions_user",
        "revisions",
        ["rejudging_id", "user_id", "hit_id", "message_id", "before", "after"],
        unique=False,
        sqlite_where=_CHANGED,
        postgresql_where=_CHANGED,
    )
