"""What machines did, in its order: where they are rare, a list of it would be looked for among all events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_WHERE = sa.text("finding IN ('machine_prefetch', 'scanner', 'scanner_click')")


def upgrade() -> None:
    op.create_index(
        "ix_events_user_machine",
        "events",
        ["user_id", "kind", "at", "hit_id"],
        unique=False,
        sqlite_where=_WHERE,
        postgresql_where=_WHERE,
    )
