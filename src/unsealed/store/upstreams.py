"""Next hops that people chose in the pages: of one user's mail, or of everybody's.

Promises that a secret is kept as it was sealed and shown to nobody: what is listed or logged says only whether there is
one. Promises that each change leaves an audit line, in the same transaction, at whoever made it. Functions that write
need a connection from `engine.begin()`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from unsealed.model.message import UserId
from unsealed.model.upstream import Auth, Tls
from unsealed.store import audit
from unsealed.store.engine import insert
from unsealed.store.schema import upstreams, users

EVERYBODY = UserId(0)  # as an owner: all who have chosen none themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One next hop as it is kept."""

    owner: UserId
    host: str
    port: int
    tls: Tls
    auth: Auth
    user: str
    secret: bytes | None = field(repr=False)  # sealed
    inside: bool  # an owner of the installation set it: it may lie in our own network
    changed_by: str  # sign-in name; "" when that user is not known any more
    changed_at: datetime


def of(connection: Connection, owner: UserId) -> Kept | None:
    """What one user chose, or with EVERYBODY what was chosen for all."""
    row = connection.execute(_KEPT.where(upstreams.c.owner == owner)).mappings().first()
    return None if row is None else _read(row)


def route(connection: Connection, user: UserId) -> Kept | None:
    """The next hop of a user's mail: the own one before everybody's; None where nobody chose one here."""
    c = upstreams.c
    query = _KEPT.where(c.owner.in_((user, EVERYBODY))).order_by(c.owner.desc()).limit(1)  # ids begin at 1
    row = connection.execute(query).mappings().first()
    return None if row is None else _read(row)


def host(connection: Connection, user: UserId) -> str | None:
    """The host of `route`, and nothing else of it: asked for each page."""
    return connection.execute(_HOST, {"user": user}).scalar()


_HOST = (
    select(upstreams.c.host)
    .where(upstreams.c.owner.in_((bindparam("user"), EVERYBODY)))
    .order_by(upstreams.c.owner.desc())
    .limit(1)
)


def put(connection: Connection, kept: Kept, *, by: UserId) -> None:
    """Keep a next hop in the place of what its owner had."""
    values = {
        "host": kept.host,
        "port": kept.port,
        "tls": kept.tls.value,
        "auth": kept.auth.value,
        "user": kept.user,
        "secret": kept.secret,
        "inside": kept.inside,
        "changed_by": by,
        "changed_at": kept.changed_at,
    }
    connection.execute(
        insert(upstreams, connection.dialect)
        .values(owner=kept.owner, **values)
        .on_conflict_do_update(index_elements=["owner"], set_=values)
    )
    user = f" as {kept.user}" if kept.user else ""
    words = f"{_whose(kept.owner)}: by {kept.host} port {kept.port}, {kept.tls.value}{user}"
    audit.note(connection, by, audit.What.SENDING, words, kept.changed_at)


def renew(connection: Connection, kept: Kept, secret: bytes) -> bool:
    """Keep another secret, sealed, in the place of the one that was read; False: somebody was here meanwhile. Nobody
    chose anything by that, so it leaves no audit line."""
    same = update(upstreams).where(upstreams.c.owner == kept.owner, upstreams.c.secret == kept.secret)
    return connection.execute(same.values(secret=secret)).rowcount == 1


def remove(connection: Connection, owner: UserId, *, by: UserId, now: datetime) -> bool:
    """Forget a next hop and its secret; False when there was none."""
    if not connection.execute(delete(upstreams).where(upstreams.c.owner == owner)).rowcount:
        return False
    audit.note(connection, by, audit.What.SENDING, f"{_whose(owner)}: the usual way", now)
    return True


_KEPT = select(upstreams, users.c.email).join_from(upstreams, users, users.c.id == upstreams.c.changed_by, isouter=True)


def _read(row: RowMapping) -> Kept:
    return Kept(
        owner=UserId(row["owner"]),
        host=row["host"],
        port=row["port"],
        tls=Tls(row["tls"]),
        auth=Auth(row["auth"]),
        user=row["user"],
        secret=row["secret"],
        inside=row["inside"],
        changed_by=row["email"] or "",
        changed_at=row["changed_at"],
    )


def _whose(owner: UserId) -> str:
    return "mail of everybody" if owner == EVERYBODY else "own mail"
