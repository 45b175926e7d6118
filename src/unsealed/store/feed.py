"""What changed, for live pages.

Promises that feed rows become visible in the order of their ids: a reader that has seen id N never misses a smaller
one. SQLite gives that by itself (one writer); on PostgreSQL every writer holds one advisory lock until its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, func, select

from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.view import FeedRow
from unsealed.store import news, schema
from unsealed.store.many_rows import ManyRows, stored
from unsealed.store.news import News

GONE = "gone"  # the message was taken back, and is nowhere any more
FEED_LOCK = 0x556E7365616C  # "Unseal": the advisory lock of all writers of the feed, on PostgreSQL only


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the feed."""

    user: UserId
    message: MessageId
    copy: CopyId | None = None
    what: str  # "accepted", "delivery", GONE, a model.event.Finding, or a model.reply.Kind
    at: datetime


def add_feed(connection: Connection, rows: Sequence[Change]) -> None:
    """Write `rows` in the caller's transaction.

    Call it last: on PostgreSQL every other writer of the feed waits from here until the commit.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(FEED_LOCK)))
    _ADD.run(connection, [(row.user, row.message, row.copy, row.what, stored(row.at)) for row in rows])
    news.note(connection, News.FEED)


_ADD = ManyRows(lambda _: schema.feed.insert(), ("user_id", "message_id", "copy_id", "what", "at"))


def after(connection: Connection, id: int, *, user: UserId | None = None, limit: int = 1000) -> list[FeedRow]:
    """Changes behind that id, oldest first: of one user, or (for the live pages' own fan-out) of all."""
    query = select(schema.feed).where(schema.feed.c.id > id).order_by(schema.feed.c.id).limit(limit)
    if user is not None:
        query = query.where(schema.feed.c.user_id == user)
    return [
        FeedRow(
            id=row.id,
            user=row.user_id,
            message=public_id(row.message_id),
            copy=None if row.copy_id is None else public_id(row.copy_id),
            what=row.what,
            at=row.at,
        )
        for row in connection.execute(query)
    ]


def ends(connection: Connection) -> tuple[int, int]:
    """The smallest and the largest id that the feed still holds; (0, 0) when it is empty."""
    first, last = connection.execute(_ENDS).one()
    return first or 0, last or 0


# Two questions: SQLite finds one end at once, but walks through the whole table for both.
_ENDS = select(
    select(func.min(schema.feed.c.id)).scalar_subquery(), select(func.max(schema.feed.c.id)).scalar_subquery()
)


def trim(connection: Connection, before: datetime) -> int:
    """Forget what pages no longer ask for; how many rows. The newest row stays, so that ids never begin again."""
    newest = select(func.max(schema.feed.c.id)).scalar_subquery()
    return connection.execute(delete(schema.feed).where(schema.feed.c.at < before, schema.feed.c.id < newest)).rowcount
