"""Where notices are sent to, and what is on its way there.

    waiting   to be handed over
    begun     being handed over to somebody who would show it twice; nobody knows how that ended
    told      taken
    failed    not taken, for good; the words say why

Promises that a notice goes to a device once, and is taken back there once. Addresses of devices are sealed by the
caller. All functions work in the caller's transaction.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from unsealed.model.message import UserId, public_id
from unsealed.model.notice import Channel, DeviceId, NoticeDeviceRow, NoticeId
from unsealed.store import schema
from unsealed.store.engine import insert
from unsealed.store.notices import State, Waiting, by_id
from unsealed.store.schema import notice_devices, notices, tellings


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDevice:
    """A device as it is kept."""

    id: DeviceId
    user: UserId
    channel: Channel
    name: str
    sealed: bytes
    trusted: bool


def put(
    connection: Connection,
    user: UserId,
    channel: Channel,
    *,
    address: str,
    name: str,
    sealed: bytes,
    trusted: bool,
    now: datetime,
) -> DeviceId:
    """Send notices there too. An address that the user added before is the same device, with its new keys and name."""
    said = {"name": name, "sealed": sealed, "trusted": trusted, "trouble": ""}
    row = {
        "id": secrets.randbits(63),
        "user_id": user,
        "channel": channel,
        "digest": hashlib.sha256(address.encode()).hexdigest(),
        "created_at": now,
        **said,
    }
    statement = insert(notice_devices, connection.dialect).values(row)
    return DeviceId(
        connection.execute(
            statement.on_conflict_do_update(index_elements=["user_id", "digest"], set_=said).returning(
                notice_devices.c.id
            )
        ).scalar_one()
    )


def remove(connection: Connection, user: UserId, device: int) -> bool:
    """Send nothing there any more; False when there is no such device of the user."""
    d = notice_devices.c
    return connection.execute(delete(notice_devices).where(d.user_id == user, d.id == device)).rowcount == 1


def forget(connection: Connection, device: DeviceId) -> None:
    """It says itself that it is gone."""
    connection.execute(delete(notice_devices).where(notice_devices.c.id == device))


def listed(connection: Connection, user: UserId) -> list[NoticeDeviceRow]:
    """Where the user's notices are sent to, the newest first."""
    d = notice_devices.c
    return [
        NoticeDeviceRow(
            id=public_id(row.id),
            channel=Channel(row.channel),
            name=row.name,
            at=row.created_at,
            told_at=row.told_at,
            trouble=row.trouble,
        )
        for row in connection.execute(
            select(notice_devices).where(d.user_id == user).order_by(d.created_at.desc(), d.id)
        )
    ]


# --- on the way -------------------------------------------------------------------------------------------------------


def send_to(
    connection: Connection, notice: NoticeId, user: UserId, channels: Iterable[Channel], *, undo: bool = False
) -> list[int]:
    """Send a notice to all devices of these channels, or take it back there; the tellings, each in need of a job."""
    d = notice_devices.c
    found = connection.execute(select(d.id).where(d.user_id == user, d.channel.in_(list(channels)))).scalars().all()
    if not found:
        return []
    statement = insert(tellings, connection.dialect).values(
        [{"notice_id": notice, "device_id": device, "undo": undo} for device in found]
    )
    done = statement.on_conflict_do_nothing(index_elements=["notice_id", "device_id", "undo"])
    return list(connection.execute(done.returning(tellings.c.id)).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A notice on its way to a device."""

    id: int
    notice: Waiting
    device: SealedDevice
    undo: bool
    begun: bool  # somebody began to hand it over, and nobody knows how that ended
    taken_back: bool  # told, and no longer so: nothing is to be sent but the undoing


def telling(connection: Connection, id: int) -> Telling | None:
    """One notice on its way; None when device or notice are gone."""
    d = notice_devices.c
    row = connection.execute(
        select(
            tellings.c.notice_id,
            tellings.c.undo,
            tellings.c.state,
            d.id,
            d.user_id,
            d.channel,
            d.name,
            d.sealed,
            d.trusted,
        )
        .join(notice_devices, d.id == tellings.c.device_id)
        .where(tellings.c.id == id)
    ).one_or_none()
    if row is None or (found := by_id(connection, [row.notice_id]).get(row.notice_id)) is None:
        return None
    device = SealedDevice(
        id=row.id,
        user=row.user_id,
        channel=Channel(row.channel),
        name=row.name,
        sealed=bytes(row.sealed),
        trusted=row.trusted,
    )
    gone = found.state in (State.UNDO, State.BACK)
    begun = row.state == "begun"
    return Telling(id=id, notice=found, device=device, undo=row.undo, begun=begun, taken_back=gone)


def telling_begins(connection: Connection, id: int) -> None:
    """It is being handed over to somebody who would show it twice."""
    connection.execute(update(tellings).where(tellings.c.id == id).values(state="begun"))


def telling_waits(connection: Connection, id: int) -> None:
    """It was not taken, and is handed over again later."""
    connection.execute(update(tellings).where(tellings.c.id == id).values(state="waiting"))


def telling_ended(connection: Connection, id: int, device: DeviceId, *, trouble: str, now: datetime) -> None:
    """The device took the notice, or, for good, did not."""
    state = "failed" if trouble else "told"
    connection.execute(update(tellings).where(tellings.c.id == id).values(state=state, words=trouble))
    said: dict[str, object] = {"trouble": trouble} if trouble else {"trouble": "", "told_at": now}
    connection.execute(update(notice_devices).where(notice_devices.c.id == device).values(**said))


def outcome(connection: Connection, user: UserId, notice: int) -> list[tuple[str, str, str]]:
    """Name, state and words of each device that a notice of the user was sent to."""
    rows = connection.execute(
        select(notice_devices.c.name, tellings.c.state, tellings.c.words)
        .select_from(tellings)
        .join(notices, notices.c.id == tellings.c.notice_id)
        .join(notice_devices, notice_devices.c.id == tellings.c.device_id)
        .where(notices.c.id == notice, notices.c.user_id == user)
        .order_by(notice_devices.c.name)
    )
    return [(row[0], row[1], row[2]) for row in rows]


# --- the key of the installation, by which push services know it ------------------------------------------------------


def push_key(connection: Connection) -> tuple[str, bytes] | None:
    """The public key in base64url, and the sealed private one; None until one was made."""
    s = schema.settings.c
    found = connection.execute(select(s.value).where(s.key == "push_key")).scalar_one_or_none()
    if found is None:
        return None
    kept = json.loads(found)
    return kept["public"], bytes.fromhex(kept["sealed"])


def keep_push_key(connection: Connection, public: str, sealed: bytes) -> tuple[str, bytes]:
    """Keep the key, unless another process was quicker; the one that is kept."""
    row = {"key": "push_key", "value": json.dumps({"public": public, "sealed": sealed.hex()})}
    statement = insert(schema.settings, connection.dialect).values(row)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
    return push_key(connection) or (public, sealed)
