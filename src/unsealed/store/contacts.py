"""Who a user writes to: kept by the transactions that accept messages, offered while writing the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, case, delete, or_, select, update

from unsealed.model.message import Recipient, UserId
from unsealed.store import people
from unsealed.store.engine import insert
from unsealed.store.schema import contacts

SUGGESTED = 8


def met(connection: Connection, user: UserId, recipients: Sequence[Recipient], now: datetime) -> None:
    """A message was accepted to these. The newest spelling of an address stays, and the newest name that is none."""
    rows = {
        each.address.lower(): {
            "user_id": user,
            "mailbox": each.address.lower(),
            "address": each.address,
            "name": each.name,
            "messages": 1,
            "first_at": now,
            "last_at": now,
        }
        for each in recipients
        if each.address
    }
    if rows:
        # In the order of their names: who writes to the same people at the same time waits instead of deadlocking.
        connection.execute(_upsert(connection.dialect), [rows[name] for name in sorted(rows)])


def unmet(connection: Connection, user: UserId, recipients: Sequence[str]) -> None:
    """A message to these was taken back. Who never got another, and of whom nothing was noted, is no contact."""
    mine = contacts.c.user_id == user, contacts.c.mailbox == bindparam("who")
    rows = [{"who": mailbox} for mailbox in sorted({address.lower() for address in recipients if address})]
    if rows:
        less = update(contacts).where(*mine, contacts.c.messages > 0)
        connection.execute(less.values(messages=contacts.c.messages - 1), rows)
        nothing = contacts.c.messages == 0, contacts.c.notes == "", contacts.c.records == "{}"
        connection.execute(delete(contacts).where(*mine, *nothing), rows)


@lru_cache(maxsize=4)  # needed for every message: to put it together takes five times as long as to run it
def _upsert(dialect: Dialect) -> Any:
    statement = insert(contacts, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["user_id", "mailbox"],
        set_={
            "address": new.address,
            "name": case((new.name != "", new.name), else_=contacts.c.name),
            "messages": contacts.c.messages + 1,
            "last_at": new.last_at,
        },
    )


def find(connection: Connection, user: UserId, address: str) -> Recipient | None:
    """One contact, by address, with the name that is known."""
    c = contacts.c
    wanted = select(c.address, c.name).where(c.user_id == user, c.mailbox == people.folded_address(address))
    row = connection.execute(wanted).first()
    return None if row is None else Recipient(address=row.address, name=row.name)


def suggest(connection: Connection, user: UserId, typed: str, limit: int = SUGGESTED) -> list[Recipient]:
    """Contacts whose address, or a word of whose name, begins with what was typed; the last written to first."""
    wanted = typed.strip().lower()
    name = contacts.c.name
    matches = or_(
        contacts.c.mailbox.startswith(wanted, autoescape=True),
        name.istartswith(wanted, autoescape=True),
        name.icontains(f" {wanted}", autoescape=True),
    )
    rows = connection.execute(
        select(contacts.c.address, name)
        .where(contacts.c.user_id == user, matches if wanted else contacts.c.mailbox != "")
        .order_by(contacts.c.last_at.desc(), contacts.c.mailbox)
        .limit(limit)
    )
    return [Recipient(address=row.address, name=row.name) for row in rows]
