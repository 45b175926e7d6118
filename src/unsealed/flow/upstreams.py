"""Next hops that people choose: kept, opened for delivery, and what a choice means for the tracking of mail.

Promises that only owners and administrators choose for everybody, that a secret opens for the host it was typed for
and for no other, and that mail whose next hop cannot be opened waits instead of going another way. A refresh token
that its server renewed never takes the place of what somebody typed meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from unsealed.core import next_hop
from unsealed.core.next_hop import Written
from unsealed.core.secret import seal, unseal
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.ports import Keys
from unsealed.model.upstream import Auth, OAuth, Tls, Upstream
from unsealed.store import engine as stores
from unsealed.store import people, upstreams
from unsealed.store.people import Role
from unsealed.store.upstreams import EVERYBODY, Kept


def keep(
    connection: Connection,
    by: UserId,
    owner: UserId,
    written: Written,
    *,
    keys: Keys,
    private_hosts: bool,
    now: datetime,
) -> Mapping[str, str]:
    """Keep what somebody typed about the next hop of their mail, or with EVERYBODY of all mail.

    Returns what is wrong, by field; nothing is kept then. private_hosts: of the settings file.

    Raises:
        Refused: `by` does not choose for that owner.
    """
    inside = _role(connection, by, owner) is Role.OWNER
    kept = upstreams.of(connection, owner)
    found = next_hop.read(written, _before(kept, keys), inside=inside or private_hosts)
    if not isinstance(found, Upstream):
        return found
    secret = _written(found.oauth) if found.oauth is not None else found.password
    purpose = _purpose(owner, found.host)
    upstreams.put(
        connection,
        Kept(
            owner=owner,
            host=found.host,
            port=found.port,
            tls=found.tls,
            auth=Auth.PASSWORD if found.oauth is None else Auth.XOAUTH2,
            user=found.user,
            secret=seal(keys, secret, purpose=purpose) if secret else None,
            inside=inside,
            changed_by="",
            changed_at=now,
        ),
        by=by,
    )
    return {}


def remove(connection: Connection, by: UserId, owner: UserId, now: datetime) -> bool:
    """Let mail go the usual way again; False when it did.

    Raises:
        Refused: `by` does not choose for that owner.
    """
    _role(connection, by, owner)
    return upstreams.remove(connection, owner, by=by, now=now)


def opened(kept: Kept, *, keys: Keys, private_hosts: bool) -> Upstream:
    """The next hop with its secret.

    Raises:
        BadInput: permanent; the secret cannot be opened with this key ring, it must be typed again.
    """
    password, oauth = "", None
    if kept.secret is not None:
        password = unseal(keys, kept.secret, purpose=_purpose(kept.owner, kept.host))
        if kept.auth is Auth.XOAUTH2:
            password, oauth = "", OAuth(**json.loads(password))
    return Upstream(
        host=kept.host,
        port=kept.port,
        tls=kept.tls,
        user=kept.user,
        password=password,
        oauth=oauth,
        inside=kept.inside or private_hosts,
    )


class KeptTokens:
    """The refresh token of one next hop, in the store (`model.ports.RefreshTokens`)."""

    def __init__(self, engine: Engine, owner: UserId, upstream: Upstream, keys: Keys) -> None:
        self._engine = engine
        self._owner = owner
        self._upstream = upstream
        self._keys = keys

    async def newest(self) -> OAuth | None:
        """See the port; asked of the store each time, since other processes exchange it too."""

        def look() -> OAuth | None:
            with stores.reading(self._engine) as connection:
                return self._found(upstreams.of(connection, self._owner))

        return await asyncio.to_thread(look)

    async def keep(self, oauth: OAuth) -> None:
        """See the port."""

        def write() -> None:
            with self._engine.begin() as connection:
                kept = upstreams.of(connection, self._owner)
                if kept is not None and self._found(kept) is not None:
                    purpose = _purpose(kept.owner, kept.host)
                    upstreams.renew(connection, kept, seal(self._keys, _written(oauth), purpose=purpose))

        await asyncio.to_thread(write)

    def _found(self, kept: Kept | None) -> OAuth | None:
        """What is kept, when it is for the same mailbox and application."""
        found = _before(kept, self._keys)
        if found is None or replace(unrenewed(found), inside=self._upstream.inside) != unrenewed(self._upstream):
            return None
        return found.oauth


def unrenewed(upstream: Upstream) -> Upstream:
    """All of a next hop that stays the same when its refresh token is renewed."""
    if upstream.oauth is None:
        return upstream
    return replace(upstream, oauth=replace(upstream.oauth, refresh_token=""))


def shown(kept: Kept | None, keys: Keys) -> Mapping[str, str]:
    """What a form shows of it, by field: all but the secrets."""
    if kept is None:
        return asdict(Written(tls=Tls.STARTTLS, auth=Auth.PASSWORD, port="587"))
    found = _before(kept, keys)
    oauth = found.oauth if found is not None else None
    written = Written(
        host=kept.host,
        port=str(kept.port),
        tls=kept.tls,
        auth=kept.auth,
        user=kept.user,
        token_url=oauth.token_url if oauth else "",
        client_id=oauth.client_id if oauth else "",
    )
    return asdict(written)


def _written(oauth: OAuth) -> str:
    return json.dumps(asdict(oauth))


def _purpose(owner: UserId, host: str) -> str:
    # The host belongs to it: who can write to the database alone cannot have the password sent elsewhere.
    return f"upstream:{owner}:{host}"


def _before(kept: Kept | None, keys: Keys) -> Upstream | None:
    if kept is None:
        return None
    try:
        return opened(kept, keys=keys, private_hosts=False)
    except BadInput:
        return None


def _role(connection: Connection, by: UserId, owner: UserId) -> Role:
    found = people.user(connection, by)
    if found is None or (owner != by and (owner != EVERYBODY or found.role is Role.MEMBER)):
        raise Refused("only owners and administrators choose for everybody")
    return found.role
