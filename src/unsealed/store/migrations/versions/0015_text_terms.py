"""Which words the index of SQLite holds: asked for by a search of several words. It keeps nothing of its own."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE text_terms USING fts5vocab(text_index, row)")
