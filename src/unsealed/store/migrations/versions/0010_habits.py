"""What habits and lists are asked for, kept beside what it is made of: bits on copies, two flags on messages."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("untracked", "bounced"):
        op.add_column("messages", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    for name in ("carries", "came"):
        op.add_column("copies", sa.Column(name, sa.SmallInteger(), server_default="0", nullable=False))
    for name in ("mailbox", "domain", "bounced", "untracked"):
        op.drop_index(f"ix_copies_user_{name}", table_name="copies")
    fill()
    for name in ("mailbox", "domain"):
        columns = ["user_id", name, "sent_at", "carries", "came", "replies"]
        op.create_index(f"ix_copies_user_{name}", "copies", columns, unique=False)
    quiet = sa.text("opens = 0 AND clicks = 0 AND replies = 0 AND machine = 0")
    untracked = sa.column("untracked", sa.Boolean())
    for name, where in (
        ("untracked", untracked.is_(True)),
        ("bounced", sa.column("bounced", sa.Boolean()).is_(True)),
        ("quiet", sa.and_(quiet, untracked.is_(False))),
    ):
        op.create_index(
            f"ix_messages_user_{name}",
            "messages",
            ["user_id", "signal_at", "id"],
            unique=False,
            sqlite_where=where,
            postgresql_where=where,
        )


def fill() -> None:
    """Make the new columns of what is there; from then on the store keeps them."""
    c, m = _table("copies"), _table("messages")
    links, e = _table("links"), _table("events")
    sqlite = op.get_bind().dialect.name == "sqlite"
    survey = m.c.survey if sqlite else sa.cast(m.c.survey, sa.JSON)
    pixel = sa.func.json_extract(survey, "$.pixel") if sqlite else survey.op("->>")("pixel")
    levels = m.c.opens_level, m.c.clicks_level, c.c.opens_level, c.c.clicks_level
    by_name = sa.and_(*(level.in_((0, 3, 4)) for level in levels))
    link = sa.exists().where(links.c.message_id == m.c.id, _is(links.c.tracked), ~_is(links.c.trap))
    carries = _bit(sa.and_(m.c.opens_level > 0, c.c.opens_level > 0, sa.func.coalesce(pixel, "") != ""), 1) + _bit(
        sa.and_(link, c.c.clicks_level > 0), 2
    )
    of_message = sa.select(sa.case((by_name, carries), else_=0)).where(m.c.id == c.c.message_id)
    op.execute(sa.update(c).where(_is(c.c.tracked)).values(carries=of_message.scalar_subquery()))

    def seen(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.exists().where(e.c.copy_id == c.c.id, *conditions)

    proven = sa.or_(c.c.clicks == 0, c.c.opens > 1, seen(_is(e.c.first_of_reading)))
    came = 1 + _bit(sa.and_(c.c.opens > 0, proven), 2) + _bit(c.c.clicks > 0, 4)
    for finding, bit in (("machine_prefetch", 8), ("scanner", 16), ("scanner_click", 32)):
        event = seen(e.c.finding == finding, e.c.client_kind != "link_preview")
        came = came + _bit(sa.and_(c.c.machine > 0, event), bit)
    op.execute(sa.update(c).where(c.c.raw > 0).values(came=came))
    of_it = c.c.message_id == m.c.id
    op.execute(sa.update(m).where(~sa.exists().where(of_it, _is(c.c.tracked))).values(untracked=sa.true()))
    op.execute(sa.update(m).where(sa.exists().where(of_it, c.c.delivery == "bounced")).values(bounced=sa.true()))


_COLUMNS = {
    "messages": "id opens_level clicks_level survey untracked bounced",
    "copies": "id message_id opens_level clicks_level tracked delivery opens clicks raw machine carries came",
    "links": "message_id tracked trap",
    "events": "copy_id finding client_kind first_of_reading",
}


def _table(name: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in _COLUMNS[name].split()))


def _is(flag: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return flag.is_(sa.true())


def _bit(condition: sa.ColumnElement[bool], bit: int) -> sa.ColumnElement[int]:
    return sa.case((condition, bit), else_=0)
