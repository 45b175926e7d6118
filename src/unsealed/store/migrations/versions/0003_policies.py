"""What is tracked is said in many places, differs from copy to copy, and little is kept of hits at low levels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column("owner", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scope", sa.String(length=24), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("opens", sa.SmallInteger(), nullable=True),
        sa.Column("clicks", sa.SmallInteger(), nullable=True),
        sa.Column("default_opens", sa.SmallInteger(), nullable=True),
        sa.Column("default_clicks", sa.SmallInteger(), nullable=True),
        sa.Column("opens_may_change", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("clicks_may_change", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("strict", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "scope", "name", name=op.f("pk_policies")),
    )
    for axis in ("opens_level", "clicks_level"):  # the lower of this and of the message's holds: that of the message
        op.add_column("copies", sa.Column(axis, sa.SmallInteger(), server_default="4", nullable=False))
    op.add_column("hits", sa.Column("level", sa.SmallInteger(), server_default="4", nullable=False))
    op.add_column("hits", sa.Column("bare", sa.Boolean(), server_default=sa.false(), nullable=False))
    hits = sa.table("hits", sa.column("level"), sa.column("bare", sa.Boolean()))
    few = (hits.c.level < 4) & hits.c.bare.is_(False)
    op.create_index("ix_hits_to_be_bared", "hits", ["at"], unique=False, sqlite_where=few, postgresql_where=few)
