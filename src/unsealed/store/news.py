"""News: who looks for what others wrote need not look again and again, when it can be told once that is committed.

Promises that news of a transaction are told after its commit, each kind once. They may be told after one that was
rolled back, too: who is told looks, and finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

_KEY = "unsealed.news"


class News(StrEnum):
    FEED = "feed"  # there are lines in the feed
    NOTICES = "notices"  # there are notices to be decided on
    HOT = "hot"  # there are messages to be judged apart


def note(connection: Connection, what: News) -> None:
    """There is something new in the caller's transaction."""
    connection.info.setdefault(_KEY, set()).add(what)


def after_commit(engine: Engine, tell: Callable[[News], None]) -> None:
    """From now on tell what is new in the store by this engine. `tell` is called in the thread that wrote."""

    def given_back(_connection: object, entry: ConnectionPoolEntry) -> None:
        for what in entry.info.pop(_KEY, ()):
            tell(what)

    event.listen(engine, "checkin", given_back)
