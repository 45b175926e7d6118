"""What changed, for live pages: the writing side of the `feed` table.

Promises that feed rows become visible in the order of their ids: a reader that has seen id N never misses a smaller
one. SQLite gives that by itself (one writer); on PostgreSQL every writer holds one advisory lock until its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.store import schema

GONE = "gone"  # the message was taken back, and is nowhere any more
FEED_LOCK = 0x556E7365616C  # "Unseal": the advisory lock of all writers of the feed, on PostgreSQL only


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
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
    connection.execute(
        schema.feed.insert(),
        [
            {"user_id": row.user, "message_id": row.message, "copy_id": row.copy, "what": row.what, "at": row.at}
            for row in rows
        ],
    )


def trim(connection: Connection, before: datetime) -> int:
    """Forget what pages no longer ask for; how many rows. The newest row stays, so that ids never begin again."""
    newest = select(func.max(schema.feed.c.id)).scalar_subquery()
    return connection.execute(delete(schema.feed).where(schema.feed.c.at < before, schema.feed.c.id < newest)).rowcount
