"""Counts on copies, links and messages, made of the events.

Promises that they move in the transaction of the events they count, and that `recount` finds the same counts from the
events alone. All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, TypeVar

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    type_coerce,
    update,
)

from unsealed.model.event import COUNTED, MACHINE, ClientKind, Finding, HitKind
from unsealed.model.message import CopyId, MessageId
from unsealed.model.reply import Kind
from unsealed.store.engine import insert
from unsealed.store.events import AnyRow, Changed
from unsealed.store.habits import MACHINES, OF_MACHINES, Came, of_machine, of_people
from unsealed.store.many_rows import ManyRows, among, stored
from unsealed.store.schema import Moment, copies, events, link_counts, messages, replies

_Number = TypeVar("_Number", float, datetime)

_COUNTS = ("opens", "clicks", "raw", "machine")
_SET_COPIES = ManyRows(
    lambda _: update(copies).where(copies.c.id == bindparam("key")),
    (*_COUNTS, "confidence", "first_at", "last_at", "key"),
)
# Apart, and only where it changed: it stands in the indexes of habits.
_SET_CAME = ManyRows(lambda _: update(copies).where(copies.c.id == bindparam("key")), ("came", "key"))
_SET_MESSAGES = ManyRows(
    lambda _: update(messages).where(messages.c.id == bindparam("key")),
    (*_COUNTS, "first_at", "last_at", "signal_at", "key"),
)


def _set_links(dialect: Dialect) -> ClauseElement:
    statement = insert(link_counts, dialect)
    new = {name: column for name, column in statement.excluded.items() if name not in ("copy_id", "position")}
    return statement.on_conflict_do_update(index_elements=["copy_id", "position"], set_=new)


_SET_LINKS = ManyRows(_set_links, [column.name for column in link_counts.c])


@dataclass(slots=True)
class _Moved:
    """How the counts of a copy, or of one link of a copy, move."""

    message: MessageId
    readings: int = 0
    clicks: int = 0
    raw: int = 0
    machine: int = 0
    first_at: datetime | None = None  # over what is counted now
    last_at: datetime | None = None
    confidence: float | None = None
    lost: bool = False  # something counted is no longer what it was: first, last and best must be looked up
    came: int = 0  # of machines: bits of habits.Came
    gone: bool = False  # of a machine something is no longer what it was: what came of machines must be looked up

    def take(self, change: Changed) -> None:
        event, before = change.event, change.before
        finding = event.verdict.finding
        counted = finding.counted
        click = event.kind is HitKind.CLICK
        self.readings += event.first_of_reading
        self.clicks += counted and click
        self.machine += finding.machine
        came = of_machine(finding, event.agent.kind)
        self.came |= came
        if before is None:
            self.raw += 1
        else:
            self.gone = self.gone or of_machine(before.finding, before.client_kind) & ~came != 0
            was_counted = before.finding in COUNTED
            self.readings -= before.first_of_reading
            self.clicks -= was_counted and click
            self.machine -= before.finding in MACHINE
            self.lost = self.lost or (was_counted and not (counted and event.verdict.confidence >= before.confidence))
        if counted:
            self.first_at = _least(self.first_at, event.at)
            self.last_at = _greatest(self.last_at, event.at)
            self.confidence = _greatest(self.confidence, event.verdict.confidence)


def count(connection: Connection, changes: Sequence[Changed]) -> None:
    """Move the counts of copies, links and messages by what changed. Call it after `put_events`."""
    by_copy: dict[CopyId, _Moved] = {}
    by_link: dict[tuple[CopyId, int], _Moved] = {}
    for change in changes:
        event = change.event
        moved = by_copy.get(event.copy)
        if moved is None:
            moved = by_copy[event.copy] = _Moved(event.message)
        moved.take(change)
        if event.link is not None:
            on_link = by_link.get((event.copy, event.link))
            if on_link is None:
                on_link = by_link[event.copy, event.link] = _Moved(event.message)
            on_link.take(change)
    opens = _count_copies(connection, by_copy)
    _count_links(connection, by_link)
    _count_messages(connection, by_copy, opens)


def _count_copies(connection: Connection, moved: dict[CopyId, _Moved]) -> dict[CopyId, int]:
    """Move the counts of copies; by how much the shown opens of each changed."""
    c = copies.c
    columns = (c.id, c.opens, c.clicks, c.raw, c.machine, c.confidence, c.first_at, c.last_at, c.came)
    before = {row.id: row for row in _about(connection, select(*columns), c.id, moved)}
    # One open and some clicks: a reading that was seen, or one that only the clicks prove? The events know.
    unclear = {id for id, row in before.items() if row.opens == 1 and row.clicks}
    proven = _readings(connection, unclear)
    looked_up = _signals(connection, [id for id in before if moved[id].lost])
    machines = _machines(connection, [id for id in before if moved[id].gone])
    grew: dict[CopyId, int] = {}
    rows: list[tuple[object, ...]] = []
    came_rows: list[tuple[object, ...]] = []
    for id, row in before.items():
        move = moved[id]
        readings = proven.get(id, 0) if id in unclear else row.opens + move.readings
        clicks = row.clicks + move.clicks
        opens = _shown(readings, clicks)
        if move.lost:
            first_at, last_at, confidence = looked_up.get(id, (None, None, None))
        else:
            first_at, last_at = _least(row.first_at, move.first_at), _greatest(row.last_at, move.last_at)
            confidence = _greatest(row.confidence, move.confidence)
        grew[id] = opens - row.opens
        counts = (opens, clicks, row.raw + move.raw, row.machine + move.machine)
        rows.append((*counts, confidence, stored(first_at), stored(last_at), id))
        of_machines = machines.get(id, 0) if move.gone else row.came & OF_MACHINES | move.came
        came = of_people(readings, clicks, row.raw + move.raw) | of_machines
        if came != row.came:
            came_rows.append((came, id))
    _SET_COPIES.run(connection, rows)
    _SET_CAME.run(connection, came_rows)
    return grew


def _count_links(connection: Connection, moved: dict[tuple[CopyId, int], _Moved]) -> None:
    if not moved:
        return
    c = link_counts.c
    query = select(c.copy_id, c.position, c.clicks, c.machine, c.first_at, c.last_at)
    before = {
        (row.copy_id, row.position): row for row in _about(connection, query, c.copy_id, {copy for copy, _ in moved})
    }
    rows: list[tuple[object, ...]] = []
    for (copy, position), move in moved.items():
        old = before.get((copy, position))
        if move.lost:
            first_at, last_at = _link_ends(connection, copy, position)
        else:
            first_at = _least(old.first_at if old else None, move.first_at)
            last_at = _greatest(old.last_at if old else None, move.last_at)
        clicks = (old.clicks if old else 0) + move.clicks
        machine = (old.machine if old else 0) + move.machine
        rows.append((copy, position, move.message, clicks, machine, stored(first_at), stored(last_at)))
    _SET_LINKS.run(connection, rows)


def _count_messages(connection: Connection, moved: dict[CopyId, _Moved], grew: dict[CopyId, int]) -> None:
    m = messages.c
    by_message: dict[MessageId, list[CopyId]] = {}
    for copy in grew:
        by_message.setdefault(moved[copy].message, []).append(copy)
    columns = (m.id, m.opens, m.clicks, m.raw, m.machine, m.first_at, m.last_at, m.received_at, m.replies)
    before = {row.id: row for row in _about(connection, select(*columns), m.id, by_message)}
    lost = [id for id, ids in by_message.items() if any(moved[copy].lost for copy in ids)]
    looked_up = _ends_of_copies(connection, lost)
    answered = _last_answers(connection, [id for id, row in before.items() if row.replies])
    rows: list[tuple[object, ...]] = []
    for id, row in before.items():
        moves = [moved[copy] for copy in by_message[id]]
        if id in looked_up:
            first_at, last_at = looked_up[id]
        else:
            first_at, last_at = row.first_at, row.last_at
            for move in moves:
                first_at, last_at = _least(first_at, move.first_at), _greatest(last_at, move.last_at)
        rows.append(
            (
                row.opens + sum(grew[copy] for copy in by_message[id]),
                row.clicks + sum(move.clicks for move in moves),
                row.raw + sum(move.raw for move in moves),
                row.machine + sum(move.machine for move in moves),
                stored(first_at),
                stored(last_at),
                stored(_greatest(last_at, answered.get(id)) or row.received_at),
                id,
            )
        )
    _SET_MESSAGES.run(connection, rows)


# --- from scratch -----------------------------------------------------------------------------------------------------


def recount(connection: Connection) -> int:
    """Make all counts again from the events alone; how many rows were wrong. Reads every event once or twice."""
    wrong = _recount_copies(connection)
    wrong += _recount_links(connection)
    return wrong + _recount_messages(connection)


def _recount_copies(connection: Connection) -> int:
    e, c = events.c, copies.c
    counted = e.finding.in_(COUNTED)
    found = (
        select(
            e.copy_id,
            func.sum(case((e.first_of_reading, 1), else_=0)).label("readings"),
            func.sum(case((and_(counted, e.kind == HitKind.CLICK.value), 1), else_=0)).label("clicks"),
            func.count().label("raw"),
            func.sum(case((e.finding.in_(MACHINE), 1), else_=0)).label("machine"),
            func.max(case((counted, e.confidence))).label("confidence"),
            type_coerce(func.min(case((counted, e.at))), Moment).label("first_at"),
            type_coerce(func.max(case((counted, e.at))), Moment).label("last_at"),
            _of_machines().label("machines"),
        )
        .group_by(e.copy_id)
        .subquery()
    )
    rows: list[tuple[object, ...]] = []
    came_rows: list[tuple[object, ...]] = []
    kept = (c.opens, c.clicks, c.raw, c.machine, c.confidence, c.first_at, c.last_at)
    for row in connection.execute(
        select(c.id, c.came, *kept, *list(found.c)[1:]).select_from(copies).outerjoin(found, found.c.copy_id == c.id)
    ):
        id, came_before, *rest = row
        now, (readings, clicks, *others) = tuple(rest[:7]), [value or 0 for value in rest[7:11]] + rest[11:14]
        right: tuple[Any, ...] = (_shown(readings, clicks), clicks, *others)
        if now != right:
            rows.append((*right[:5], stored(right[5]), stored(right[6]), id))
        came = of_people(readings, clicks, others[0]) | (rest[14] or 0)
        if came != came_before:
            came_rows.append((came, id))
    _SET_COPIES.run(connection, rows)
    _SET_CAME.run(connection, came_rows)
    return len({row[-1] for row in (*rows, *came_rows)})


def _recount_links(connection: Connection) -> int:
    e, c = events.c, link_counts.c
    counted = e.finding.in_(COUNTED)
    query = (
        select(
            e.copy_id,
            e.link,
            func.min(e.message_id),
            func.sum(case((counted, 1), else_=0)),
            func.sum(case((e.finding.in_(MACHINE), 1), else_=0)),
            type_coerce(func.min(case((counted, e.at))), Moment),
            type_coerce(func.max(case((counted, e.at))), Moment),
        )
        .join(copies, copies.c.id == e.copy_id)
        .where(e.link.is_not(None))
        .group_by(e.copy_id, e.link)
    )
    right = {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(query)}
    columns = (c.copy_id, c.position, c.message_id, c.clicks, c.machine, c.first_at, c.last_at)
    now = {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(select(*columns))}
    gone = [{"copy": copy, "place": position} for copy, position in now.keys() - right.keys()]
    if gone:
        at = and_(c.copy_id == bindparam("copy"), c.position == bindparam("place"))
        connection.execute(delete(link_counts).where(at), gone)
    rows: list[tuple[object, ...]] = [
        (*key, *row[:3], stored(row[3]), stored(row[4])) for key, row in right.items() if now.get(key) != row
    ]
    _SET_LINKS.run(connection, rows)
    return len(gone) + len(rows)


def _recount_messages(connection: Connection) -> int:
    c, m = copies.c, messages.c
    found = (
        select(
            c.message_id,
            func.sum(c.opens).label("opens"),
            func.sum(c.clicks).label("clicks"),
            func.sum(c.raw).label("raw"),
            func.sum(c.machine).label("machine"),
            type_coerce(func.min(c.first_at), Moment).label("first_at"),
            type_coerce(func.max(c.last_at), Moment).label("last_at"),
        )
        .group_by(c.message_id)
        .subquery()
    )
    answered = _answered_at().group_by(replies.c.message_id).subquery()
    kept = (m.opens, m.clicks, m.raw, m.machine, m.first_at, m.last_at)
    rows: list[tuple[object, ...]] = []
    for row in connection.execute(
        select(m.id, m.received_at, m.signal_at, answered.c.at, *kept, *list(found.c)[1:])
        .select_from(messages)
        .outerjoin(found, found.c.message_id == m.id)
        .outerjoin(answered, answered.c.message_id == m.id)
    ):
        id, received_at, signal_at, answered_at, *rest = row
        right: tuple[Any, ...] = (*(value or 0 for value in rest[6:10]), *rest[10:])
        signal = _greatest(right[-1], answered_at) or received_at
        if (*rest[:6], signal_at) != (*right, signal):
            rows.append((*right[:4], stored(right[4]), stored(right[5]), stored(signal), id))
    _SET_MESSAGES.run(connection, rows)
    return len(rows)


# --- small questions --------------------------------------------------------------------------------------------------


def _readings(connection: Connection, ids: Collection[CopyId]) -> dict[CopyId, int]:
    e = events.c
    query = select(e.copy_id, func.count()).where(e.first_of_reading).group_by(e.copy_id)
    return {row[0]: row[1] for row in _about(connection, query, e.copy_id, ids)}


def _signals(
    connection: Connection, ids: Sequence[CopyId]
) -> dict[CopyId, tuple[datetime | None, datetime | None, float | None]]:
    """First, last and best of what is counted."""
    e = events.c
    ends = (type_coerce(func.min(e.at), Moment), type_coerce(func.max(e.at), Moment), func.max(e.confidence))
    query = select(e.copy_id, *ends).where(e.finding.in_(COUNTED)).group_by(e.copy_id)
    return {row[0]: (row[1], row[2], row[3]) for row in _about(connection, query, e.copy_id, ids)}


def _of_machines() -> ColumnElement[int]:
    """What came of machines, over some events."""
    e = events.c

    def any_of(finding: Finding, came: Came) -> ColumnElement[int]:
        seen = and_(e.finding == finding.value, e.client_kind != ClientKind.LINK_PREVIEW.value)
        return func.max(case((seen, int(came)), else_=0))

    first, *others = (any_of(finding, came) for finding, came in MACHINES.items())
    return reduce(add, others, first)


def _machines(connection: Connection, ids: Sequence[CopyId]) -> dict[CopyId, int]:
    e = events.c
    query = select(e.copy_id, _of_machines()).group_by(e.copy_id)
    return {row[0]: row[1] for row in _about(connection, query, e.copy_id, ids)}


def _link_ends(connection: Connection, copy: CopyId, link: int) -> tuple[datetime | None, datetime | None]:
    e = events.c
    ends = (type_coerce(func.min(e.at), Moment), type_coerce(func.max(e.at), Moment))
    row = connection.execute(select(*ends).where(e.copy_id == copy, e.link == link, e.finding.in_(COUNTED))).one()
    return row[0], row[1]


def _ends_of_copies(
    connection: Connection, ids: Sequence[MessageId]
) -> dict[MessageId, tuple[datetime | None, datetime | None]]:
    c = copies.c
    ends = (type_coerce(func.min(c.first_at), Moment), type_coerce(func.max(c.last_at), Moment))
    query = select(c.message_id, *ends).group_by(c.message_id)
    return {row[0]: (row[1], row[2]) for row in _about(connection, query, c.message_id, ids)}


def _answered_at() -> Select[*tuple[Any, ...]]:
    """When people last answered a message; to be grouped by it."""
    by_people = replies.c.kind == Kind.REPLY.value
    return select(replies.c.message_id, type_coerce(func.max(replies.c.at), Moment).label("at")).where(by_people)


def _last_answers(connection: Connection, ids: Sequence[MessageId]) -> dict[MessageId, datetime]:
    query = _answered_at().group_by(replies.c.message_id)
    return {row.message_id: row.at for row in _about(connection, query, replies.c.message_id, ids)}


def _about(
    connection: Connection, query: Select[*tuple[Any, ...]], column: ColumnElement[int], ids: Collection[int]
) -> Sequence[AnyRow]:
    return connection.execute(query.where(among(connection, column, ids))).all() if ids else ()


def _shown(readings: int, clicks: int) -> int:
    """How often a copy was opened: its readings, or the one that its clicks prove."""
    return readings or min(clicks, 1)


def _least(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _greatest(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
