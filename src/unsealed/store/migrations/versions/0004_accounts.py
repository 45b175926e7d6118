"""Users who were removed, names and signatures of addresses, codes that prove an address and their letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("removed_at", sa.BigInteger(), nullable=True))
    op.add_column("identities", sa.Column("name", sa.Text(), server_default="", nullable=False))
    op.add_column("identities", sa.Column("signature", sa.Text(), server_default="", nullable=False))
    op.add_column("messages", sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "address_codes",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_address_codes_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_codes")),
    )
    for column in ("user_id", "address"):
        op.create_index(op.f(f"ix_address_codes_{column}"), "address_codes", [column], unique=False)
