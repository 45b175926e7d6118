"""The senders' own mailboxes: where they are, how far each folder was read, and what is wrong with them.

Promises that a secret is kept sealed and never leaves here unsealed, and that a mailbox that was disconnected or
changed is not written to by who still reads the old one: `move` and `looked` say so. Functions that write need a
connection from `engine.begin()`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, or_, select, update

from unsealed.model.message import UserId
from unsealed.model.upstream import Auth, Tls
from unsealed.store import audit, people
from unsealed.store.engine import insert
from unsealed.store.schema import mailbox_folders, mailboxes, users

TROUBLE_LETTERS = 500

_MAILBOXES = select(mailboxes, users.c.role).join(users, users.c.id == mailboxes.c.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A connected mailbox."""

    owner: UserId
    host: str
    port: int
    tls: Tls
    auth: Auth
    user: str = field(repr=False)  # the name to sign in with
    secret: bytes = field(repr=False)  # the password, or model.upstream.OAuth; sealed
    changed_at: datetime  # which of the mailboxes that the user ever connected
    looked_at: datetime | None = None  # the last time that it answered
    trouble: str = ""  # why it does not, in words
    by_owner: bool = False  # the user is an owner of the installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a folder was read."""

    uidvalidity: int
    uid: int  # the last that was read


def purpose(owner: UserId, host: str = "") -> str:
    """What the secret of a mailbox is sealed for, see core.secret. host: of tokens, which open for no other, and never
    as a password."""
    return f"mailbox:{owner}:{host}" if host else f"mailbox:{owner}"


def of(connection: Connection, owner: UserId) -> Kept | None:
    """The mailbox of a user."""
    row = connection.execute(_MAILBOXES.where(mailboxes.c.user_id == owner)).mappings().one_or_none()
    return None if row is None else _kept(row)


def every(connection: Connection) -> list[Kept]:
    """The mailboxes of all who may still sign in."""
    query = _MAILBOXES.where(users.c.removed_at.is_(None)).order_by(mailboxes.c.user_id)
    return [_kept(row) for row in connection.execute(query).mappings()]


def connect(
    connection: Connection,
    owner: UserId,
    *,
    host: str,
    port: int,
    tls: Tls,
    auth: Auth = Auth.PASSWORD,
    user: str,
    secret: bytes,
    now: datetime,
) -> None:
    """Keep a mailbox in the place of the one before. Its folders are read from now on; those of the same one, to which
    somebody gives a new secret perhaps, from where they were read up to."""
    m = mailboxes.c
    # Its folders go with it.
    connection.execute(delete(mailboxes).where(m.user_id == owner, or_(m.host != host, m.user != user)))
    values = {"port": port, "tls": tls.value, "auth": auth.value, "secret": secret, "changed_at": now, "trouble": ""}
    connection.execute(
        insert(mailboxes, connection.dialect)
        .values(user_id=owner, host=host, user=user, looked_at=now, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )
    audit.note(connection, owner, audit.What.MAILBOX_ADDED, f"{user} at {host}", now)


def renew(connection: Connection, kept: Kept, secret: bytes) -> bool:
    """Keep another secret, sealed, in the place of the one that was read; False: somebody was here meanwhile. It stays
    the same mailbox, and nobody chose anything by that, so it leaves no audit line."""
    same = update(mailboxes).where(*_same(kept), mailboxes.c.secret == kept.secret)
    return connection.execute(same.values(secret=secret)).rowcount == 1


def disconnect(connection: Connection, owner: UserId, now: datetime) -> bool:
    """Forget a mailbox with its secret; False: there is none. What was found in it stays."""
    kept = of(connection, owner)
    if kept is None:
        return False
    connection.execute(delete(mailboxes).where(mailboxes.c.user_id == owner))
    audit.note(connection, owner, audit.What.MAILBOX_REMOVED, f"{kept.user} at {kept.host}", now)
    return True


def looked(connection: Connection, mailbox: Kept, *, at: datetime | None, trouble: str = "") -> bool:
    """Write down that the mailbox answered, or (without a time) what is wrong with it; False: it is another one now."""
    values: dict[str, object] = {"trouble": trouble[:TROUBLE_LETTERS]}
    if at is not None:
        values["looked_at"] = at
    return connection.execute(update(mailboxes).where(*_same(mailbox)).values(values)).rowcount == 1


def cursor(connection: Connection, owner: UserId, folder: str) -> Cursor | None:
    """How far a folder was read; None: never looked at."""
    f = mailbox_folders.c
    row = connection.execute(select(f.uidvalidity, f.uid).where(f.user_id == owner, f.folder == folder)).one_or_none()
    return None if row is None else Cursor(uidvalidity=row.uidvalidity, uid=row.uid)


def move(connection: Connection, mailbox: Kept, folder: str, to: Cursor) -> bool:
    """The folder was read up to there; False, and nothing is written: it is another mailbox now."""
    # Locked, so that nobody connects another one before this is committed.
    if connection.execute(select(mailboxes.c.user_id).where(*_same(mailbox)).with_for_update()).first() is None:
        return False
    statement = insert(mailbox_folders, connection.dialect).values(
        user_id=mailbox.owner, folder=folder, uidvalidity=to.uidvalidity, uid=to.uid
    )
    changed = {"uidvalidity": to.uidvalidity, "uid": to.uid}
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id", "folder"], set_=changed))
    return True


def _same(mailbox: Kept) -> tuple[ColumnElement[bool], ...]:
    return (mailboxes.c.user_id == mailbox.owner, mailboxes.c.changed_at == mailbox.changed_at)


def _kept(row: RowMapping) -> Kept:
    return Kept(
        owner=UserId(row["user_id"]),
        host=row["host"],
        port=row["port"],
        tls=Tls(row["tls"]),
        auth=Auth(row["auth"]),
        user=row["user"],
        secret=row["secret"],
        changed_at=row["changed_at"],
        looked_at=row["looked_at"],
        trouble=row["trouble"],
        by_owner=row["role"] == people.Role.OWNER,
    )
