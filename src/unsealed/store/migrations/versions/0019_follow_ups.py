"""Follow-ups that are done are off their lists, and stand in one of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_DONE = sa.column("done_at").is_not(None)


def upgrade() -> None:
    op.add_column("copies", sa.Column("done_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_copies_user_done",
        "copies",
        ["user_id", "done_at", "id"],
        unique=False,
        sqlite_where=_DONE,
        postgresql_where=_DONE,
    )
