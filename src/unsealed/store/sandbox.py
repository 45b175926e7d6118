"""The built-in mailbox: what would have arrived, when no upstream is configured."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from unsealed.model.message import CopyId, UserId
from unsealed.model.ports import Parcel
from unsealed.store.engine import insert
from unsealed.store.schema import messages, sandbox


def keep(connection: Connection, parcel: Parcel, at: datetime) -> None:
    """Put a copy into the mailbox; one that lies there already stays as it is (the bytes would be the same)."""
    user = select(messages.c.user_id).where(messages.c.id == parcel.message).scalar_subquery()
    row = {"copy_id": parcel.copy, "message_id": parcel.message, "user_id": func.coalesce(user, 0)}
    connection.execute(
        insert(sandbox, connection.dialect)
        .values(**row, recipient=parcel.recipient, raw=parcel.raw, at=at)
        .on_conflict_do_nothing(index_elements=["copy_id"])
    )


def raw(connection: Connection, user: UserId, copy: CopyId) -> bytes | None:
    """The bytes of one copy of a message that `user` sent; None when there is no such copy."""
    found: bytes | None = connection.execute(
        select(sandbox.c.raw)
        .join(messages, messages.c.id == sandbox.c.message_id)
        .where(messages.c.user_id == user, sandbox.c.copy_id == copy)
    ).scalar()
    return found
