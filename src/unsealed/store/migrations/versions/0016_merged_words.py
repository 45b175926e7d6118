"""The index of words of SQLite is put together in the background, from two pieces of a size on."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("INSERT INTO text_index (text_index, rank) VALUES ('usermerge', 2)")
