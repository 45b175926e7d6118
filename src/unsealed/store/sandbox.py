"""The built-in mailbox: what would have arrived, when no upstream is configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.ports import Parcel
from unsealed.store.engine import insert
from unsealed.store.schema import messages, sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One copy in the mailbox, without its bytes."""

    copy: CopyId
    message: MessageId
    recipient: str
    subject: str
    sender: str
    at: datetime


def keep(connection: Connection, parcel: Parcel, at: datetime) -> None:
    """Put a copy into the mailbox; one that lies there already stays as it is (the bytes would be the same)."""
    connection.execute(
        insert(sandbox, connection.dialect)
        .values(copy_id=parcel.copy, message_id=parcel.message, recipient=parcel.recipient, raw=parcel.raw, at=at)
        .on_conflict_do_nothing(index_elements=["copy_id"])
    )


def copies(connection: Connection, user: UserId, *, limit: int = 100) -> list[Kept]:
    """The newest copies of the messages that `user` sent."""
    rows = connection.execute(
        select(
            sandbox.c.copy_id,
            sandbox.c.message_id,
            sandbox.c.recipient,
            sandbox.c.at,
            messages.c.subject,
            messages.c.envelope_from,
        )
        .join(messages, messages.c.id == sandbox.c.message_id)
        .where(messages.c.user_id == user)
        .order_by(sandbox.c.at.desc(), sandbox.c.copy_id)
        .limit(limit)
    )
    return [
        Kept(
            copy=CopyId(row.copy_id),
            message=MessageId(row.message_id),
            recipient=row.recipient,
            subject=row.subject,
            sender=row.envelope_from,
            at=row.at,
        )
        for row in rows
    ]


def raw(connection: Connection, user: UserId, copy: CopyId) -> bytes | None:
    """The bytes of one copy of a message that `user` sent; None when there is no such copy."""
    found: bytes | None = connection.execute(
        select(sandbox.c.raw)
        .join(messages, messages.c.id == sandbox.c.message_id)
        .where(messages.c.user_id == user, sandbox.c.copy_id == copy)
    ).scalar()
    return found
