"""Who a user writes to: kept by the transactions that accept messages, offered while writing the next one.

Notes and records of a contact are the user's own; a message that is taken back takes no contact away of whom something
was noted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Row,
    bindparam,
    case,
    delete,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)

from unsealed.model.contact import Contact, ContactRow, LastLetter
from unsealed.model.errors import BadInput
from unsealed.model.message import Recipient, UserId
from unsealed.model.view import Page
from unsealed.store import people
from unsealed.store.dealings import last_letters
from unsealed.store.engine import insert
from unsealed.store.keyset import bounded
from unsealed.store.many_rows import ManyRows
from unsealed.store.schema import EPOCH, MICROSECOND, contact_words, contacts
from unsealed.store.search import begin_in, typed_words, words_kept

SUGGESTED = 8
FEW = 1_000  # contacts that are put in order; of more, the list is walked down until a page is full


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
            "words": words_kept(each.name, [each.address]),
        }
        for each in recipients
        if each.address
    }
    if rows:
        # In the order of their names: who writes to the same people at the same time waits instead of deadlocking.
        connection.execute(_upsert(connection.dialect), [rows[name] for name in sorted(rows)])
        told: list[tuple[object, ...]] = [
            (user, word, mailbox) for mailbox in sorted(rows) for word in str(rows[mailbox]["words"]).split()
        ]
        _ADD_WORDS.run(connection, told)


def unmet(connection: Connection, user: UserId, recipients: Sequence[str]) -> None:
    """A message to these was taken back. Who never got another, and of whom nothing was noted, is no contact."""
    mine = contacts.c.user_id == user, contacts.c.mailbox == bindparam("who")
    rows = [{"who": mailbox} for mailbox in sorted({address.lower() for address in recipients if address})]
    if rows:
        less = update(contacts).where(*mine, contacts.c.messages > 0)
        connection.execute(less.values(messages=contacts.c.messages - 1), rows)
        nothing = contacts.c.messages == 0, contacts.c.notes == "", contacts.c.records == "{}"
        connection.execute(delete(contacts).where(*mine, *nothing), rows)
        w, names = contact_words.c, [row["who"] for row in rows]
        left = select(contacts.c.mailbox).where(contacts.c.user_id == user, contacts.c.mailbox.in_(names))
        gone = sorted(set(names) - set(connection.execute(left).scalars()))
        if gone:
            connection.execute(delete(contact_words).where(w.user_id == user, w.mailbox.in_(gone)))


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
            "words": case((new.name != "", new.words), else_=contacts.c.words),
        },
    )


_ADD_WORDS = ManyRows(
    lambda dialect: insert(contact_words, dialect).on_conflict_do_nothing(), ("user_id", "word", "mailbox")
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
    few, last_at = _with_words(connection, user, typed_words(wanted) or [])
    query = select(contacts.c.address, name).where(contacts.c.user_id == user, *few)
    if wanted:
        query = query.where(matches)
    rows = connection.execute(query.order_by(last_at.desc(), contacts.c.mailbox).limit(limit))
    return [Recipient(address=row.address, name=row.name) for row in rows]


def listed(
    connection: Connection, user: UserId, *, search: str = "", after: str | None = None, limit: int = 50
) -> Page[ContactRow]:
    """Contacts, the last written to first. search: words of names and addresses, as `store.search` understands them.

    Raises:
        BadInput: unknown cursor.
    """
    c = contacts.c
    words = typed_words(search)
    few, last_at = _with_words(connection, user, words or [])
    query = select(contacts).where(c.user_id == user, *few)
    if words is not None:
        query = query.where(begin_in(c.words, words))
    if after:
        at, mailbox = _place(after)
        query = query.where(c.last_at <= at, or_(c.last_at < at, c.mailbox < mailbox))
    query = query.order_by(last_at.desc(), c.mailbox.desc()).limit(bounded(limit) + 1)
    found = connection.execute(query).all()
    shown = found[: bounded(limit)]
    last = last_letters(connection, user, [row.mailbox for row in shown])
    return Page(
        items=tuple(_row(row, last.get(row.mailbox)) for row in shown),
        next=_cursor(shown[-1].last_at, shown[-1].mailbox) if len(found) > len(shown) else None,
    )


def _with_words(
    connection: Connection, user: UserId, words: Sequence[str]
) -> tuple[list[ColumnElement[bool]], ColumnElement[Any]]:
    """That a contact is one of those that have a word that begins like the longest of these that only FEW have; and
    the last letter, by which these are put in order.

    Asks nothing when each word is common: then the list, walked in its order, is soon full.
    """
    w, last_at = contact_words.c, contacts.c.last_at
    for word in sorted(words, key=len, reverse=True):
        having = select(w.mailbox).where(w.user_id == user, w.word >= word, w.word < word + chr(sys.maxunicode))
        if connection.execute(having.limit(1).offset(FEW)).first() is None:
            # Not the column itself, as SQLite would walk down its index and ask each contact.
            return [contacts.c.mailbox.in_(having)], type_coerce(last_at, BigInteger) + literal_column("0")
    return [], last_at


def contact(connection: Connection, user: UserId, address: str) -> Contact | None:
    """One contact, by address; None when the user never wrote there."""
    c = contacts.c
    wanted = select(contacts).where(c.user_id == user, c.mailbox == people.folded_address(address))
    row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    return Contact(row=_row(row), notes=row.notes, records=tuple(sorted(json.loads(row.records).items())))


def note(connection: Connection, user: UserId, mailbox: str, notes: str) -> bool:
    """Keep these notes of a contact; False when there is none."""
    return _keep(connection, user, mailbox, notes=notes)


def record(connection: Connection, user: UserId, mailbox: str, records: Mapping[str, str]) -> bool:
    """Keep where a contact stands in other systems; False when there is none."""
    return _keep(connection, user, mailbox, records=json.dumps(dict(records), ensure_ascii=False))


def _keep(connection: Connection, user: UserId, mailbox: str, **values: str) -> bool:
    c = contacts.c
    kept = update(contacts).where(c.user_id == user, c.mailbox == people.folded_address(mailbox))
    return connection.execute(kept.values(**values)).rowcount == 1


def _row(row: Row[Any], last: LastLetter | None = None) -> ContactRow:
    return ContactRow(
        mailbox=row.mailbox,
        address=row.address,
        name=row.name,
        messages=row.messages,
        first_at=row.first_at,
        last_at=row.last_at,
        last=last,
    )


def _cursor(at: datetime, mailbox: str) -> str:
    return f"{(at - EPOCH) // MICROSECOND:x}.{mailbox}"


def _place(cursor: str) -> tuple[datetime, str]:
    first, dot, mailbox = cursor.partition(".")
    try:
        at = EPOCH + int(first, 16) * MICROSECOND
    except (ValueError, OverflowError):
        dot = ""
    if not dot or "\0" in mailbox:  # PostgreSQL takes no NUL
        raise BadInput("this is not a cursor of this list")
    return at, mailbox
