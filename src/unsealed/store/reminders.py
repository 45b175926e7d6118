"""What users want to be reminded of. Whether a reminder is still needed is asked when it is due, never before: what
judging again takes back counts as never happened.

All functions work in the caller's transaction and see rows of the asking user only, but `due`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, delete, func, or_, select, update

from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.reminder import Reminder, State, Unless
from unsealed.store import views
from unsealed.store.engine import insert
from unsealed.store.schema import copies, messages, reminders

SHOWN = 100
MOST = 1_000  # that wait at a time, of one user
_WHOLE = 0  # for a copy: whichever recipient


def put(
    connection: Connection,
    user: UserId,
    message: int,
    copy: int | None,
    unless: Unless,
    due_at: datetime,
    now: datetime,
) -> int | None:
    """Remind the user then; one that was set for the same before moves. The id of the reminder; None: there is no such
    message or recipient of this user, or too many reminders wait.

    copy: None: whichever recipient; of a letter to one person, that person.
    """
    c, r = copies.c, reminders.c
    mine = select(c.id).where(c.message_id == message, c.user_id == user)
    owned = select(messages.c.id).where(messages.c.id == message, messages.c.user_id == user)
    if connection.execute(owned).first() is None:
        return None
    if copy is not None:
        if connection.execute(mine.where(c.id == copy)).first() is None:
            return None
    else:
        some = connection.execute(mine.where(c.address != "").limit(2)).scalars().all()
        copy = some[0] if len(some) == 1 else _WHOLE
    waiting = select(func.count()).where(r.user_id == user, r.state == State.WAITING)
    if connection.execute(waiting).scalar_one() >= MOST:
        return None
    said = {"due_at": due_at, "state": State.WAITING.value, "created_at": now, "ended_at": None}
    key = {"user_id": user, "message_id": message, "copy_id": copy, "unless": unless.value}
    statement = insert(reminders, connection.dialect).values(**key, **said)
    kept = statement.on_conflict_do_update(index_elements=list(key), set_=said).returning(r.id)
    return int(connection.execute(kept).scalar_one())


def done(connection: Connection, user: UserId, id: int, now: datetime) -> bool:
    """It is not needed, or was seen; False: there is no such reminder of this user that waits or is due."""
    r = reminders.c
    live = r.user_id == user, r.id == id, r.state.in_((State.WAITING.value, State.DUE.value))
    return connection.execute(update(reminders).where(*live).values(state=State.DONE.value, ended_at=now)).rowcount == 1


def undo(connection: Connection, user: UserId, id: int, now: datetime) -> bool:
    """It was not done: it waits again, or is due, as its time says; False: there is no reminder of this user that is
    done."""
    r = reminders.c
    again = case((r.due_at <= now, State.DUE.value), else_=State.WAITING.value)
    ended = r.user_id == user, r.id == id, r.state == State.DONE.value
    return connection.execute(update(reminders).where(*ended).values(state=again, ended_at=None)).rowcount == 1


def one_done(connection: Connection, user: UserId, id: int) -> Reminder | None:
    """That reminder, if it is done."""
    found = connection.execute(_ONE, {"user": user, "id": id, "states": [State.DONE.value]}).all()
    return next(iter(_shown(connection, user, found)), None)


def listed(
    connection: Connection, user: UserId, states: Collection[State] = (State.DUE, State.WAITING)
) -> list[Reminder]:
    """The user's reminders, the first due first, SHOWN at most; of what waits, the ones whose time comes next."""
    found = connection.execute(_LISTED, {"user": user, "states": [each.value for each in states]}).all()
    return _shown(connection, user, found)


def _shown(connection: Connection, user: UserId, found: Sequence[Row[Any]]) -> list[Reminder]:
    rows = views.rows(connection, user, {row.message_id for row in found})
    return [
        Reminder(
            id=row.id,
            message=rows[public_id(row.message_id)],
            copy=public_id(row.copy_id) if row.copy_id != _WHOLE else "",
            who=row.name or row.address or "",
            unless=Unless(row.unless),
            due_at=row.due_at,
            state=State(row.state),
            happened=bool(row.happened),
        )
        for row in found
        if public_id(row.message_id) in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A reminder whose time has come."""

    id: int
    user: UserId
    message: MessageId
    copy: CopyId | None
    unless: Unless
    due_at: datetime
    happened: bool
    subject: str
    who: str  # "" of whichever recipient


def any_due(connection: Connection, now: datetime) -> bool:
    """Whether the time of any has come."""
    r = reminders.c
    return (
        connection.execute(select(r.id).where(r.state == State.WAITING.value, r.due_at <= now).limit(1)).first()
        is not None
    )


def due(connection: Connection, now: datetime, limit: int = 100) -> list[Due]:
    """Reminders of all users whose time has come, the longest due first."""
    r = reminders.c
    query = _with_facts().where(r.state == State.WAITING.value, r.due_at <= now).order_by(r.due_at, r.id).limit(limit)
    return [
        Due(
            id=row.id,
            user=row.user_id,
            message=row.message_id,
            copy=None if row.copy_id == _WHOLE else row.copy_id,
            unless=Unless(row.unless),
            due_at=row.due_at,
            happened=bool(row.happened),
            subject=row.subject,
            who=row.name or row.address or "",
        )
        for row in connection.execute(query)
    ]


def settle(connection: Connection, ended: Sequence[Due], now: datetime) -> None:
    """Their time is over: due, or needless."""
    for state, happened in ((State.DUE, False), (State.NEEDLESS, True)):
        if ids := [each.id for each in ended if each.happened is happened]:
            over = update(reminders).where(reminders.c.id.in_(ids))
            connection.execute(over.values(state=state.value, ended_at=now))


def trim(connection: Connection, before: datetime) -> int:
    """Forget what was done with before a time; how many."""
    r = reminders.c
    over = r.state.in_((State.DONE.value, State.NEEDLESS.value)), r.ended_at < before
    return connection.execute(delete(reminders).where(*over)).rowcount


def _with_facts() -> Select[Any]:
    r, m, c = reminders.c, messages.c, copies.c

    def seen(of: Any) -> ColumnElement[bool]:
        return and_(r.unless == Unless.OPENED.value, or_(of.opens > 0, of.clicks > 0))

    happened = or_(
        and_(r.copy_id == _WHOLE, or_(m.replies > 0, seen(m))),
        and_(r.copy_id != _WHOLE, or_(c.replies > 0, seen(c))),
    )
    return (
        select(reminders, m.subject, c.name, c.address, case((happened, 1), else_=0).label("happened"))
        .join(messages, m.id == r.message_id)
        .outerjoin(copies, c.id == r.copy_id)
    )


_IN_STATES = _with_facts().where(
    reminders.c.user_id == bindparam("user"), reminders.c.state.in_(bindparam("states", expanding=True))
)
_LISTED = _IN_STATES.order_by(reminders.c.due_at, reminders.c.id).limit(SHOWN)
_ONE = _IN_STATES.where(reminders.c.id == bindparam("id"))
