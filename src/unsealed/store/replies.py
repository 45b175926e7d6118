"""What came back by mail: answers and reports, each kept once, with the counts that screens show.

Promises that a message with the same Message-ID is kept once for a user, whichever folder or process finds it, and that
nothing of another user is ever touched. Functions that write need a connection from `engine.begin()`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, literal, or_, select, update

from unsealed.model.message import CopyId, Delivery, MessageId, UserId, public_id
from unsealed.model.reply import Incoming, Kind
from unsealed.model.view import ReplyRow
from unsealed.store import messages as store_messages
from unsealed.store.engine import insert
from unsealed.store.messages import REPLY_CHARACTERS
from unsealed.store.schema import Moment, copies, identities, messages, replies

SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of the user that an incoming one may be about."""

    id: MessageId
    header_id: str  # its Message-ID
    copies: dict[CopyId, str]  # addresses of its recipients


def named(connection: Connection, user: UserId, header_ids: Sequence[str]) -> list[Sent]:
    """The user's messages with these Message-IDs, in the order of the ids; of equal ids the newest first."""
    if not header_ids:
        return []
    m = messages.c
    query = select(m.id, m.message_id).where(m.user_id == user, m.message_id.in_(header_ids))
    found = list(connection.execute(query.order_by(m.received_at.desc(), m.id)))
    place = {name: number for number, name in reversed(list(enumerate(header_ids)))}
    found.sort(key=lambda row: place[row.message_id])
    return _with_copies(connection, [(row.id, row.message_id) for row in found])


def of_copy(connection: Connection, user: UserId, copy: CopyId) -> Sent | None:
    """The user's message that this copy belongs to."""
    query = (
        select(messages.c.id, messages.c.message_id)
        .join(copies, copies.c.message_id == messages.c.id)
        .where(copies.c.id == copy, messages.c.user_id == user)
    )
    return next(iter(_with_copies(connection, [(row.id, row.message_id) for row in connection.execute(query)])), None)


def _with_copies(connection: Connection, found: Sequence[tuple[int, str]]) -> list[Sent]:
    of_message: dict[int, dict[CopyId, str]] = {id: {} for id, _ in found}
    # A copy that all recipients share has no address: nobody answers it.
    query = select(copies.c.id, copies.c.message_id, copies.c.address).where(
        copies.c.message_id.in_(of_message), copies.c.address != ""
    )
    for row in connection.execute(query.order_by(copies.c.message_id, copies.c.position)):
        of_message[row.message_id][CopyId(row.id)] = row.address
    return [Sent(id=MessageId(id), header_id=name, copies=of_message[id]) for id, name in found]


def is_own(connection: Connection, user: UserId, address: str) -> bool:
    """Whether the user sends from that address themselves."""
    i = identities.c
    query = select(i.address).where(i.user_id == user, i.address == address.lower())
    return connection.execute(query).first() is not None


def keep(
    connection: Connection, user: UserId, message: MessageId, copy: CopyId | None, incoming: Incoming, at: datetime
) -> bool:
    """Keep what came back; False: it was there already."""
    statement = insert(replies, connection.dialect).values(
        user_id=user,
        message_id=message,
        copy_id=copy,
        kind=incoming.kind.value,
        header_id=incoming.header_id,
        address=incoming.address,
        name=incoming.name,
        at=at,
    )
    kept = statement.on_conflict_do_nothing(index_elements=["user_id", "header_id"]).returning(replies.c.id)
    return connection.execute(kept).first() is not None


def answered(connection: Connection, message: MessageId, copy: CopyId | None, at: datetime) -> None:
    """Count an answer by a person: on the message, and on the copy when it is known whose it was. It is a signal like
    those that `store.counts` counts, which keeps `signal_at` right from then on."""
    m = messages.c
    first = and_(m.replies == 0, m.last_at.is_(None))  # of all signals: until then the message's own time stands there
    later = case((or_(first, m.signal_at < at), literal(at, Moment())), else_=m.signal_at)
    connection.execute(update(messages).where(m.id == message).values(replies=m.replies + 1, signal_at=later))
    if copy is not None:
        c = copies.c
        earliest = case((or_(c.replied_at.is_(None), c.replied_at > at), literal(at, Moment())), else_=c.replied_at)
        connection.execute(
            update(copies)
            .where(c.id == copy, c.message_id == message)
            .values(replies=c.replies + 1, replied_at=earliest)
        )


def reported(connection: Connection, copy: CopyId, kind: Kind, words: str, at: datetime) -> bool:
    """Move a copy to where a report says that it is; False: it is not on its way any more, or not yet.

    Only a copy that the next hop took moves, and only once: what lies in a mailbox cannot bounce, and what bounced does
    not arrive. words: of the server that refused.
    """
    if kind not in (Kind.BOUNCE, Kind.DELIVERED):
        return False
    moved = Delivery.BOUNCED if kind is Kind.BOUNCE else Delivery.DELIVERED
    values: dict[str, object] = {"delivery": moved.value, "ended_at": at}
    if moved is Delivery.BOUNCED:
        values["reply"] = words[:REPLY_CHARACTERS]
    done = connection.execute(
        update(copies).where(copies.c.id == copy, copies.c.delivery == Delivery.SENT.value).values(values)
    )
    if done.rowcount and moved is Delivery.BOUNCED:
        store_messages.told_bounced(connection, copy)
        _shared_bounced(connection, copy, at)
    return done.rowcount == 1


def _shared_bounced(connection: Connection, copy: CopyId, at: datetime) -> None:
    message = select(copies.c.message_id).where(copies.c.id == copy).scalar_subquery()
    shared = select(copies.c.id).where(copies.c.message_id == message, copies.c.address == "")
    for other in connection.execute(shared).scalars().all():
        store_messages.shared_bounced(connection, CopyId(other), at=at)


def of_message(connection: Connection, user: UserId, message: int, limit: int = SHOWN) -> list[ReplyRow]:
    """What came back to a message, latest first."""
    of = and_(replies.c.message_id == message, replies.c.user_id == user)
    return [row for _, row in fitting(connection, of, limit)]


def fitting(connection: Connection, wanted: ColumnElement[bool], limit: int) -> list[tuple[int, ReplyRow]]:
    """What came back and is wanted, latest first, each with the message that it came back to."""
    query = (
        select(replies, copies.c.name.label("copy_name"), copies.c.address.label("copy_address"))
        .outerjoin(copies, copies.c.id == replies.c.copy_id)
        .where(wanted)
        .order_by(replies.c.at.desc(), replies.c.id.desc())
        .limit(limit)
    )
    return [
        (
            row.message_id,
            ReplyRow(
                id=row.id,
                copy=None if row.copy_id is None else public_id(row.copy_id),
                kind=Kind(row.kind),
                name=row.copy_name or row.name,
                address=row.copy_address or row.address,
                at=row.at,
            ),
        )
        for row in connection.execute(query)
    ]


def recount(connection: Connection, only: Collection[int] | None = None) -> int:
    """Make the counts on messages and copies anew from what is kept; returns how many rows were not right."""
    by_people = replies.c.kind == Kind.REPLY.value
    changed = 0
    for table, column in ((messages, replies.c.message_id), (copies, replies.c.copy_id)):
        true = select(func.count()).where(column == table.c.id, by_people).correlate(table).scalar_subquery()
        values: dict[str, object] = {"replies": true}
        wrong: list[ColumnElement[bool]] = [table.c.replies != true]
        if table is copies:
            first = select(func.min(replies.c.at)).where(column == table.c.id, by_people).correlate(table)
            values["replied_at"] = first.scalar_subquery()
        changed += _fixed(connection, table, wrong, values)
    return changed


def _fixed(connection: Connection, table: Table, wrong: list[ColumnElement[bool]], values: dict[str, object]) -> int:
    return connection.execute(update(table).where(*wrong).values(values)).rowcount
