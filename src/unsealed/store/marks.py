"""Marks: which messages have something to judge, and from when on.

A mark is cleared only by who saw its `seq`, so that a hit which comes while others are judged is never passed over.
ARCHITECTURE has its states. All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from unsealed.model.message import CopyId, MessageId
from unsealed.store import news
from unsealed.store.engine import insert
from unsealed.store.news import News
from unsealed.store.schema import Moment, copies, hits, marks, messages

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)  # later than any hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A message with something to judge."""

    message: MessageId
    since: datetime  # the earliest hit that was not judged
    seq: int
    rejudging: int | None = None  # part of judging history again


def mark(
    connection: Connection, since: Mapping[MessageId, datetime], *, rejudging: int | None = None, urgent: bool = False
) -> None:
    """Have messages judged (again) from the given times on.

    rejudging: as a part of that rejudging, behind all that is new, unless it is `urgent`.
    """
    if not since:
        return
    statement = insert(marks, connection.dialect)
    earlier = statement.excluded.since
    moved: dict[str, object] = {
        "since": case((earlier < marks.c.since, earlier), else_=marks.c.since),
        "seq": marks.c.seq + 1,
    }
    if rejudging is not None:
        moved["rejudging"] = rejudging
    upsert = statement.on_conflict_do_update(index_elements=["message_id"], set_=moved)
    seq = 0 if rejudging is not None and not urgent else 1
    rows = [{"message_id": id, "since": at, "seq": seq, "rejudging": rejudging} for id, at in sorted(since.items())]
    connection.execute(upsert, rows)  # in the order of ids: who marks at the same time waits instead of deadlocking


_FIRST_HIT = (  # asked for every copy that is sent: put together once, because that takes longer than the answer
    select(hits.c.message_id, type_coerce(func.min(hits.c.at), Moment))
    .where(
        hits.c.message_id == select(copies.c.message_id).where(copies.c.id == bindparam("copy")).scalar_subquery(),
        hits.c.copy_id == bindparam("copy"),
    )
    .group_by(hits.c.message_id)
)


def delivered(connection: Connection, copy: CopyId) -> None:
    """The next hop has the copy from now on: have its hits judged again that came before anybody could know when.

    Scanners ask while the next hop still thinks about its answer, and a quick reader before our own commit.
    """
    if (row := connection.execute(_FIRST_HIT, {"copy": copy}).one_or_none()) is not None:
        mark(connection, {row[0]: row[1]})


def marked(connection: Connection, limit: int, *, until: datetime | None = None) -> list[Mark]:
    """Messages with something new, or that somebody waits for: earliest hit first.

    until: leave alone those whose earliest hit is later.
    """
    query = select(marks).where(~marks.c.hot, or_(marks.c.rejudging.is_(None), marks.c.seq > 0))
    if until is not None:
        query = query.where(marks.c.since <= until)
    return _marks(connection, query.order_by(marks.c.since, marks.c.message_id).limit(limit))


def marked_history(connection: Connection, limit: int) -> list[Mark]:
    """Messages of which only the past is to be judged again."""
    query = select(marks).where(~marks.c.hot, marks.c.rejudging.is_not(None), marks.c.seq == 0)
    return _marks(connection, query.order_by(marks.c.rejudging, marks.c.message_id).limit(limit))


def _marks(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[Mark]:
    return [
        Mark(message=row.message_id, since=row.since, seq=row.seq, rejudging=row.rejudging)
        for row in connection.execute(query).all()
    ]


def clear(connection: Connection, done: Sequence[Mark]) -> None:
    """Take marks away, except those that moved meanwhile."""
    if not done:
        return
    statement = delete(marks).where(marks.c.message_id == bindparam("message"), marks.c.seq == bindparam("seen"))
    connection.execute(statement, [{"message": each.message, "seen": each.seq} for each in done])


def advance(connection: Connection, done: Mark, since: datetime) -> None:
    """A part of the marked history was judged: go on from there, unless the mark moved meanwhile."""
    where = (marks.c.message_id == done.message, marks.c.seq == done.seq)
    connection.execute(update(marks).where(*where).values(since=since))


def set_apart(connection: Connection, ids: Sequence[MessageId]) -> None:
    """Leave marked messages to whoever judges hot ones."""
    connection.execute(update(marks).where(marks.c.message_id.in_(ids)).values(hot=True))
    news.note(connection, News.HOT)


def any_apart(connection: Connection) -> bool:
    """Whether a hot message is waiting."""
    return connection.execute(select(marks.c.message_id).where(marks.c.hot).limit(1)).first() is not None


def take_apart(connection: Connection) -> Mark | None:
    """The hot message that waits longest, to be judged now; what comes meanwhile is marked anew beside it.

    Commit before looking at its hits. Whoever dies before `done_apart` leaves it as it was.
    """
    m = marks.c
    begin = case((and_(m.judging.is_not(None), m.judging < m.since), m.judging), else_=m.since)
    first = select(m.message_id).where(m.hot).order_by(begin, m.message_id).limit(1).scalar_subquery()
    row = connection.execute(
        update(marks)
        .where(m.message_id == first)
        .values(judging=begin, since=FOREVER)
        .returning(m.message_id, m.judging, m.seq, m.rejudging)
    ).one_or_none()
    if row is None:
        return None
    return Mark(message=row.message_id, since=row.judging, seq=row.seq, rejudging=row.rejudging)


def done_apart(connection: Connection, done: Mark) -> None:
    """A hot message was judged. It stays hot when more came meanwhile, for who judges the others may not look soon."""
    m = marks.c
    connection.execute(delete(marks).where(m.message_id == done.message, m.since == FOREVER))
    connection.execute(update(marks).where(m.message_id == done.message).values(judging=None))


def as_marked(since: datetime) -> FromClause:
    """All messages as though they were marked from that time on; stands in for the marks in a judgement for show."""
    id, at = messages.c.id.label("message_id"), literal(since, marks.c.since.type).label("since")
    return select(id, at).subquery()
