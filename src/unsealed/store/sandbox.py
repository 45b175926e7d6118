"""The built-in mailbox: what would have arrived, when no upstream is configured; kept, and listed for the page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select

from unsealed.model.message import CopyId, UserId, public_id
from unsealed.model.ports import Parcel
from unsealed.model.view import Page, SandboxRow
from unsealed.store.engine import insert
from unsealed.store.keyset import behind, bounded, cursor_of
from unsealed.store.schema import copies, messages, sandbox
from unsealed.store.views import facts_of, signals_of


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


def listed(connection: Connection, user: UserId, *, after: str | None = None, limit: int = 50) -> Page[SandboxRow]:
    """Copies in the built-in mailbox, newest first."""
    query = behind(_arrived(user), sandbox.c.at, sandbox.c.copy_id, after)
    found = connection.execute(query.limit(bounded(limit) + 1)).all()
    page = found[: bounded(limit)]
    cursor = cursor_of(page[-1].arrived_at, page[-1].own_id) if len(found) > len(page) else None
    return Page(items=tuple(_row(row) for row in page), next=cursor)


def one(connection: Connection, user: UserId, copy: CopyId) -> SandboxRow | None:
    """One copy in the built-in mailbox; None when there is none such of this user."""
    found = connection.execute(_arrived(user).where(sandbox.c.copy_id == copy)).one_or_none()
    return None if found is None else _row(found)


def _arrived(user: UserId) -> Select[Any]:
    # Facts and signals are those of the copy whose tokens it carries: its own, or the one that all recipients share.
    own, shared = copies.alias("own"), copies.alias("shared")
    return (
        select(copies, own.c.id.label("own_id"), own.c.name.label("own_name"))
        .add_columns(sandbox.c.recipient, sandbox.c.at.label("arrived_at"), messages.c.subject)
        .select_from(sandbox)
        .join(own, own.c.id == sandbox.c.copy_id)
        .join(messages, messages.c.id == sandbox.c.message_id)
        .outerjoin(shared, and_(shared.c.message_id == messages.c.id, shared.c.position == messages.c.recipient_count))
        .join(copies, copies.c.id == func.coalesce(shared.c.id, own.c.id))
        .where(sandbox.c.user_id == user)
        .order_by(sandbox.c.at.desc(), sandbox.c.copy_id.desc())
    )


def _row(row: Row[Any]) -> SandboxRow:
    return SandboxRow(
        id=public_id(row.own_id),
        message=public_id(row.message_id),
        tokens=CopyId(row.id),
        recipient=row.recipient,
        name=row.own_name,
        subject=row.subject,
        at=row.arrived_at,
        facts=facts_of(row),
        signals=signals_of(row, row.confidence),
    )
