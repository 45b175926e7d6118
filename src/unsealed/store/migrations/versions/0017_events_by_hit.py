"""Events lie in SQLite by the number of their hit, without a second index for it; and what people did with a copy is
read from an index alone.

The events of a person lie apart from one another, as do the times at which they came: each was a page to be read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_PEOPLE = sa.or_(
    sa.column("first_of_reading", sa.Boolean()).is_(True),
    sa.column("finding", sa.String()) == sa.literal_column("'human_click'"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _lay_by_hit()
    op.create_index(
        "ix_events_copy_people",
        "events",
        ["copy_id", "at", "hit_id", "finding", "first_of_reading", "confidence"],
        unique=False,
        sqlite_where=_PEOPLE,
        postgresql_where=_PEOPLE,
    )


def _lay_by_hit() -> None:
    """Not by alembic's batches, which make the indexes in any order: of two that serve alike SQLite takes the last."""
    ask = op.get_bind().exec_driver_sql
    made = "SELECT sql FROM sqlite_master WHERE tbl_name = 'events' AND type = ? AND sql <> '' ORDER BY rowid"
    ((table,),) = ask(made, ("table",)).all()
    indexes = ask(made, ("index",)).scalars().all()
    ask(table.replace("TABLE events", "TABLE events_by_hit", 1).replace("hit_id BIGINT", "hit_id INTEGER", 1))
    ask("INSERT INTO events_by_hit SELECT * FROM events ORDER BY hit_id")
    ask("DROP TABLE events")
    ask("ALTER TABLE events_by_hit RENAME TO events")
    for index in indexes:
        ask(index)
