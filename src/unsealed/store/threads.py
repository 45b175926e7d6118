"""Conversations, the reading side: the letters of one in their order, and the answers between them.

Promises rows of the asking user only, the newest SHOWN letters and answers, found by key. Writes nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection, Integer, and_, bindparam, func, select

from unsealed.model.message import UserId, public_id
from unsealed.model.reply import Kind
from unsealed.model.thread import Thread
from unsealed.model.view import ReplyRow
from unsealed.store import views
from unsealed.store.replies import fitting
from unsealed.store.schema import messages, replies

SHOWN = 200


def thread(connection: Connection, user: UserId, number: int) -> Thread | None:
    """The conversation of a letter, by the id of any letter in it; None when there is none of this user."""
    of = _of(connection, user, number)
    if of is None:
        return None
    m = messages.c
    query = select(m.id).where(m.user_id == user, m.thread == of).order_by(m.received_at.desc(), m.id.desc())
    found = list(connection.execute(query.limit(SHOWN + 1)).scalars())
    ids = found[:SHOWN]
    rows = views.rows(connection, user, ids)
    return Thread(
        id=public_id(of),
        messages=tuple(rows[public_id(each)] for each in ids),
        answers=tuple(_answers(connection, ids)),
        more=len(found) > SHOWN,
    )


def size(connection: Connection, user: UserId, number: int) -> tuple[str, int]:
    """The conversation of a letter and how many letters it has, counted up to SHOWN; ("", 0) without the letter."""
    of = _of(connection, user, number)
    if of is None:
        return "", 0
    return public_id(of), connection.execute(_SIZE, {"user": user, "of": of, "most": SHOWN}).scalar_one()


_SIZE = select(func.count()).select_from(
    select(messages.c.id)
    .where(messages.c.user_id == bindparam("user"), messages.c.thread == bindparam("of"))
    .limit(bindparam("most", type_=Integer))
    .subquery()
)
_OF = select(messages.c.thread, messages.c.user_id).where(messages.c.id == bindparam("number"))


def _of(connection: Connection, user: UserId, number: int) -> int | None:
    row = connection.execute(_OF, {"number": number}).one_or_none()
    if row is not None:
        return row.thread if row.user_id == user else None
    # The letter that began it may be gone; its name stays.
    others = select(messages.c.thread).where(messages.c.user_id == user, messages.c.thread == number)
    return connection.execute(others.limit(1)).scalar_one_or_none()


def _answers(connection: Connection, ids: list[int]) -> list[tuple[str, ReplyRow]]:
    answers = replies.c.kind.in_((Kind.REPLY.value, Kind.AUTOMATIC.value))
    found = fitting(connection, and_(replies.c.message_id.in_(ids), answers), SHOWN)
    return [(public_id(message), row) for message, row in found]
