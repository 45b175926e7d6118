"""Requests are found by level and age, so that they can be forgotten at every level."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_hits_to_be_bared", "hits")
    kept = sa.table("hits", sa.column("bare", sa.Boolean())).c.bare.is_(False)
    op.create_index(
        "ix_hits_to_be_bared", "hits", ["level", "at"], unique=False, sqlite_where=kept, postgresql_where=kept
    )
