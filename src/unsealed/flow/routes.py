"""Which outlet takes a user's mail: their own next hop, else everybody's in the store, else the usual one.

Promises that a change reaches deliveries within a second without a restart, that an outlet is shared by all who go the
same way, and closed when nobody goes there any more. Belongs to one event loop; `find` may run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import structlog
from sqlalchemy import Engine

from unsealed.flow import upstreams
from unsealed.model.errors import BadInput, DeliveryFailed
from unsealed.model.message import UserId
from unsealed.model.ports import Keys, Outlet, RefreshTokens
from unsealed.model.upstream import Upstream
from unsealed.store import engine as stores
from unsealed.store.upstreams import EVERYBODY, Kept, route

log = structlog.get_logger()

LOOK_AGAIN_S = 1.0  # how long what was found about a user holds
IDLE_S = 30.0  # an outlet that nobody used for so long is closed
USERS_KEPT = 10_000
LOCKED = "the password of the next hop cannot be opened with this key ring: type it again in Settings, Sending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where mail of one user goes."""

    host: str | None = None  # of the next hop; None: the usual way
    upstream: Upstream | None = None  # None beside a host: its secret cannot be opened
    owner: UserId = EVERYBODY  # who chose it, or for whom
    own: bool = False  # chosen by the user for themselves


USUAL = Way()


_Key = tuple[UserId, Upstream]


def _key(owner: UserId, upstream: Upstream) -> _Key:
    # Renewing its refresh token makes no other way of it. Two people who name the same mailbox both have to prove it.
    return owner, upstreams.unrenewed(upstream)


@dataclass(slots=True, kw_only=True)
class _Open:
    outlet: Outlet
    busy: int = 0  # copies that it hands over at this moment
    used_at: float = 0.0


class Routes:
    """Finds the way of each user's mail and keeps the outlets.

    usual: where mail goes for which the store names no next hop; the caller closes it. dial: makes an outlet; the
    second: where its refresh token is kept. private_hosts: of the settings file.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keys: Keys,
        usual: Outlet,
        dial: Callable[[Upstream, RefreshTokens], Outlet],
        private_hosts: bool,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._usual = usual
        self._dial = dial
        self._private_hosts = private_hosts
        self._found: dict[UserId, tuple[float, Way]] = {}
        self._open: dict[_Key, _Open] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._tidied_at = 0.0

    def find(self, user: UserId) -> Way:
        """Where mail of a user goes now. Asks the store at most once a second for each user."""
        now = monotonic()
        found = self._found.get(user)
        if found is not None and now - found[0] < LOOK_AGAIN_S:
            return found[1]
        with stores.reading(self._engine) as connection:
            kept = route(connection, user)
        way = USUAL if kept is None else self._way(kept, user)
        if len(self._found) >= USERS_KEPT:
            self._found.clear()
        self._found[user] = now, way
        return way

    def _way(self, kept: Kept, user: UserId) -> Way:
        try:
            upstream = upstreams.opened(kept, keys=self._keys, private_hosts=self._private_hosts)
        except BadInput as error:
            log.warning("upstream.locked", host=kept.host, error=str(error))
            upstream = None
        return Way(host=kept.host, upstream=upstream, owner=kept.owner, own=kept.owner == user)

    @asynccontextmanager
    async def outlet(self, way: Way) -> AsyncIterator[Outlet]:
        """The outlet of a way, for one copy.

        Raises:
            DeliveryFailed: temporary; the secret of the next hop cannot be opened.
        """
        if way.host is None:
            yield self._usual
            return
        if way.upstream is None:
            raise DeliveryFailed(LOCKED, temporary=True, status="4.7.8")
        key = _key(way.owner, way.upstream)
        kept = self._open.get(key)
        if kept is None:
            tokens = upstreams.KeptTokens(self._engine, way.owner, way.upstream, self._keys)
            kept = self._open[key] = _Open(outlet=self._dial(way.upstream, tokens))
        kept.busy += 1
        try:
            yield kept.outlet
        finally:
            kept.busy -= 1
            kept.used_at = monotonic()

    def tidy(self) -> None:
        """Begin to close the outlets where nobody goes any more; looks once a second at most."""
        now = monotonic()
        if now - self._tidied_at < LOOK_AGAIN_S:
            return
        self._tidied_at = now
        found = [way for at, way in list(self._found.values()) if now - at < IDLE_S]
        wanted = {_key(way.owner, way.upstream) for way in found if way.upstream is not None}
        for key, kept in list(self._open.items()):
            if not kept.busy and (key not in wanted or now - kept.used_at > IDLE_S):
                del self._open[key]
                task = asyncio.create_task(kept.outlet.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all outlets but the usual one."""
        outlets = [kept.outlet for kept in self._open.values()]
        self._open.clear()
        await asyncio.gather(*self._closing, *(each.close() for each in outlets))
