"""Bells between the roles: who wrote something new rings, and who waits for it looks at once.

The parent makes them, so that every role can ring and a role that is started again hears what was rung meanwhile.
Promises that ringing never waits, and that nothing but time is lost with a ring: who waits looks now and then anyway.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine

from unsealed.store import news
from unsealed.store.news import News

_ALL = 65_536  # bytes that a pipe holds


class Bells:
    """One for each kind of news."""

    def __init__(self) -> None:
        self._ends = {what: os.pipe() for what in News}
        for end in self._all():
            os.set_blocking(end, False)

    def ring_for(self, engine: Engine) -> None:
        """Ring whenever something new was committed by this engine."""
        news.after_commit(engine, self.ring)

    def ring(self, what: News) -> None:
        """There is something new."""
        with suppress(BlockingIOError):  # it was rung very often, and nobody looked yet
            os.write(self._ends[what][1], b"r")

    def listen(self, what: News, look: Callable[[], None]) -> None:
        """Call `look` in the running event loop whenever it rings. In one process alone."""

        def rung() -> None:
            self._heard(what)
            look()

        asyncio.get_running_loop().add_reader(self._ends[what][0], rung)

    def wait(self, what: News, seconds: float, *others: int) -> None:
        """Wait until it rings or another descriptor is readable, no longer than that. In one process alone, and not
        when it listens."""
        bell = self._ends[what][0]
        if bell in select.select([bell, *others], [], [], seconds)[0]:
            self._heard(what)

    def close(self) -> None:
        for end in self._all():
            os.close(end)

    def _heard(self, what: News) -> None:
        with suppress(BlockingIOError):
            os.read(self._ends[what][0], _ALL)

    def _all(self) -> list[int]:
        return [end for ends in self._ends.values() for end in ends]
