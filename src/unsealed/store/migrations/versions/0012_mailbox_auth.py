"""How a mailbox is signed in to: with a password, as all of them so far, or with tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mailboxes", sa.Column("auth", sa.String(length=16), server_default="password", nullable=False))
