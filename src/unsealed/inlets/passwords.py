"""The passwords that people choose: checked and hashed, slowly on purpose and never on the event loop.

Promises that guessing is slow, from one address and from many; that nobody can lock the owner out cheaply; and that
hashing takes no more memory than a few at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from unsealed.model.errors import Refused, Unavailable
from unsealed.model.message import UserId
from unsealed.model.ports import Clock
from unsealed.store import people
from unsealed.store.engine import reading

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

MINUTE = timedelta(minutes=1)
TRIES_PAIR = 5  # failed sign-ins within a minute: of one address for one account,
TRIES_ADDRESS = 20  # of one address for any account (an office behind one address is not locked out by one colleague),
TRIES_ACCOUNT = 20  # and for one account from anywhere (a botnet guesses slowly, yet cannot lock the owner out cheaply)
TRIES_KEPT = 10_000
HASHES_AT_ONCE = 2  # each takes 46 MiB
HASHES_WAITING = 32


class Tries:
    """Failed sign-ins of the last minute. A try counts from its beginning, so that many at once do not slip through."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], deque[datetime]] = {}

    def take(self, address: str, account: str, now: datetime) -> bool:
        """Count one try; False, and nothing counted, when there were too many."""
        if len(self._at) > TRIES_KEPT:
            self._at = {key: at for key, at in self._at.items() if at and now - at[-1] < MINUTE}
        keys = self._keys(address, account)
        for key in keys:
            at = self._at.setdefault(key, deque())
            while at and now - at[0] >= MINUTE:
                at.popleft()
        if any(len(self._at[key]) >= limit for key, limit in keys.items()):
            return False
        for key in keys:
            self._at[key].append(now)
        return True

    def forgive(self, address: str, account: str) -> None:
        """The try succeeded: it does not count."""
        for key in self._keys(address, account):
            if at := self._at.get(key):
                at.pop()

    @staticmethod
    def _keys(address: str, account: str) -> dict[tuple[str, str], int]:
        return {(address, account): TRIES_PAIR, (address, ""): TRIES_ADDRESS, ("", account): TRIES_ACCOUNT}


class Passwords:
    """Checks passwords against those that people chose, and hashes new ones."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._tries = Tries()
        self._at_once = CapacityLimiter(HASHES_AT_ONCE)

    async def check(self, email: str, password: str, address: str) -> UserId | None:
        """The user with that sign-in name and password. Unknown names cost the same time as wrong passwords.

        Raises:
            Refused: too many failed tries; says when to try again.
            Unavailable: too many people at the door.
        """
        account = email.strip().lower()[:320]
        if not self._tries.take(address, account, self._clock()):
            log.warning("sign_in.throttled")
            raise Refused("There were too many failed tries. Wait a minute, then try again.")

        def look() -> tuple[UserId, str] | None:
            with reading(self._engine) as connection:
                return people.stored_password(connection, email)

        known = await run_in_threadpool(look)
        stored = None if known is None else known[1]
        fits = await self._hashing(lambda: people.password_fits(stored, password))
        if known is None or not fits:
            log.info("sign_in.failed")
            return None
        self._tries.forgive(address, account)
        return known[0]

    async def hash(self, password: str) -> str:
        """What to keep of a new password.

        Raises:
            BadInput: too short or too long.
            Unavailable: too many people at the door.
        """
        return await self._hashing(lambda: people.hash_password(password))

    async def _hashing(self, work: Callable[[], Result]) -> Result:
        if self._at_once.statistics().tasks_waiting >= HASHES_WAITING:
            raise Unavailable("Too many people are signing in at this moment. Try again in a minute.")
        return await to_thread.run_sync(work, limiter=self._at_once)
