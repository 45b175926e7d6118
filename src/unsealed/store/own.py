"""What is the sender's own: browsers of which the sender said "this is me", and addresses that the sender used.

Promises that a device that was removed is believed no longer, and that no address is kept that could be anybody's.
Retention: an address is forgotten some time after it was used last (`trim`). All functions work in the caller's
transaction.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from ipaddress import ip_address

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from unsealed.model.message import UserId, public_id
from unsealed.model.view import DeviceRow
from unsealed.store import audit, corrections
from unsealed.store.engine import insert
from unsealed.store.schema import devices, identities, own_addresses

NOTE_EVERY = timedelta(minutes=1)  # how often "last used" is written at most
AGENT_CHARACTERS = 512

# --- devices ----------------------------------------------------------------------------------------------------------


def add_device(connection: Connection, user: UserId, user_agent: str, now: datetime) -> int:
    """Believe that a browser is the user's own; the id to seal into its cookie."""
    id = secrets.randbits(63)
    kept = user_agent[:AGENT_CHARACTERS]
    connection.execute(devices.insert().values(id=id, user_id=user, user_agent=kept, created_at=now))
    audit.note(connection, user, audit.What.DEVICE_ADDED, kept, now)
    return id


def list_devices(connection: Connection, user: UserId) -> list[DeviceRow]:
    """The browsers of a user, the newest first."""
    d = devices.c
    rows = connection.execute(
        select(d.id, d.user_agent, d.created_at, d.seen_at).where(d.user_id == user).order_by(d.created_at.desc(), d.id)
    )
    return [
        DeviceRow(id=public_id(row.id), user_agent=row.user_agent, at=row.created_at, seen_at=row.seen_at)
        for row in rows
    ]


def remove_device(connection: Connection, user: UserId, device: int, now: datetime) -> bool:
    """Believe a browser no longer, nor that it was the user's own in the past: history is judged again. False: there
    is none such."""
    gone = connection.execute(
        delete(devices).where(devices.c.id == device, devices.c.user_id == user).returning(devices.c.user_agent)
    ).one_or_none()
    if gone is None:
        return False
    corrections.begin(
        connection, cause=corrections.Cause.DEVICE, words="a browser is no longer yours", user=user, now=now
    )
    audit.note(connection, user, audit.What.DEVICE_REMOVED, gone.user_agent, now)
    return True


def devices_of(connection: Connection, users: Collection[UserId]) -> dict[UserId, dict[int, str]]:
    """The devices of each user: id and user agent."""
    d = devices.c
    rows = connection.execute(select(d.user_id, d.id, d.user_agent).where(d.user_id.in_(sorted(users))))
    found: defaultdict[UserId, dict[int, str]] = defaultdict(dict)
    for user, id, user_agent in rows:
        found[user][id] = user_agent
    return found


def devices_seen(connection: Connection, seen: dict[int, datetime]) -> None:
    """Note when hits came with the cookies of devices; at most once a minute for each."""
    if not seen:
        return
    d = devices.c
    statement = (
        update(devices)
        .where(
            d.id == bindparam("which"), or_(d.seen_at.is_(None), d.seen_at < bindparam("stale", type_=d.seen_at.type))
        )
        .values(seen_at=bindparam("at"))
    )
    connection.execute(
        statement, [{"which": id, "at": at, "stale": at - NOTE_EVERY} for id, at in sorted(seen.items())]
    )


# --- addresses --------------------------------------------------------------------------------------------------------


def touch_address(connection: Connection, user: UserId, address: str, now: datetime) -> None:
    """The user is, or was just now, at that address. Written at most once a minute.

    Loopback, link-local and unreadable addresses are not kept: they are this machine's, or its proxy's.
    """
    written = _worth_keeping(address)
    if written is None:
        return
    statement = insert(own_addresses, connection.dialect).values(
        user_id=user, address=written, first_at=now, last_at=now
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id", "address"],
            set_={"last_at": statement.excluded.last_at},
            where=own_addresses.c.last_at <= now - NOTE_EVERY,
        )
    )


def _worth_keeping(address: str) -> str | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return None if parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified else str(parsed)


def addresses_of(connection: Connection, users: Collection[UserId]) -> dict[UserId, dict[str, datetime]]:
    """The addresses of each user, and when they were used last."""
    o = own_addresses.c
    rows = connection.execute(select(o.user_id, o.address, o.last_at).where(o.user_id.in_(sorted(users))))
    found: defaultdict[UserId, dict[str, datetime]] = defaultdict(dict)
    for user, address, last_at in rows:
        found[user][address] = last_at
    return found


def used_by_several(connection: Connection, addresses: Collection[str]) -> frozenset[str]:
    """Those of the addresses that more than one user of this installation used."""
    if not addresses:
        return frozenset()
    o = own_addresses.c
    query = select(o.address).where(o.address.in_(sorted(addresses))).group_by(o.address).having(func.count() > 1)
    return frozenset(connection.execute(query).scalars())


def mailboxes_of(connection: Connection, users: Collection[UserId]) -> dict[UserId, frozenset[str]]:
    """The mail addresses from which each user sends, in lower case."""
    i = identities.c
    found: defaultdict[UserId, set[str]] = defaultdict(set)
    for user, address in connection.execute(select(i.user_id, i.address).where(i.user_id.in_(sorted(users)))):
        found[user].add(address)
    return {user: frozenset(addresses) for user, addresses in found.items()}


def trim(connection: Connection, before: datetime) -> int:
    """Forget addresses that were not used since; how many."""
    return connection.execute(delete(own_addresses).where(own_addresses.c.last_at < before)).rowcount
