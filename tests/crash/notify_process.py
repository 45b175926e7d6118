"""Judge and notifier as one process that dies: notify_process.py STORE-URL JOURNAL CHAT-LOG; each number on standard
input is one life (`lives`).

Ships and judges what the journal holds, decides on notices and rings, until nothing is left, or until it has come to
that many statements, commits, and beginnings or ends of a ring: then it kills itself with -9. Push messages go where
the store says; what a chat service would show is a line in CHAT-LOG.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event
from tests.crash.lives import lives
from tests.parts.house import KEYS, NOON

from unsealed.flow.ingest import Ingest
from unsealed.flow.notify import Notifier
from unsealed.model.notice import Channel, Device, Words
from unsealed.model.ports import Bell
from unsealed.outlets.chat import Chat
from unsealed.outlets.webpush import WebPush, new_key
from unsealed.store import engine as stores
from unsealed.store import jobs
from unsealed.store.writer import Writer

NOW = NOON + timedelta(hours=2)
OWNER = "notify"


class Mortal:
    """A bell in a process that may die just before it rings, and just after."""

    def __init__(self, bell: Bell, die: object) -> None:
        self._bell, self._die = bell, die

    async def ring(self, device: Device, words: Words) -> None:
        self._die()  # type: ignore[operator]
        await self._bell.ring(device, words)
        self._die()  # type: ignore[operator]

    async def close(self) -> None:
        await self._bell.close()


async def live(url: str, journal: Path, log: Path, steps: int) -> None:
    engine = stores.connect(url)
    counted = itertools.count(1)

    def die(*_: object) -> None:
        if next(counted) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    def show(address: str, title: str, body: str) -> bool:
        with log.open("ab", buffering=0) as file:  # one write: what a service took, it shows
            file.write(f"{title or body}\n".encode())
        return True

    event.listen(engine, "before_cursor_execute", die)
    event.listen(engine, "commit", die)
    ingest = Ingest(engine, keys=KEYS, journal=journal, collector="c1", clock=lambda: NOW)
    push = WebPush(new_key()[1], origin="https://unsealed.example.org", clock=lambda: NOW, private=True)
    bells = {Channel.PUSH: Mortal(push, die), Channel.CHAT: Mortal(Chat(show), die)}
    writer = Writer(engine)
    notifier = Notifier(engine, bells, keys=KEYS, clock=lambda: NOW, writer=writer, owner=OWNER)
    await writer.run(lambda c: jobs.reclaim(c, OWNER, NOW))
    while await asyncio.to_thread(lambda: ingest.ship(2) + ingest.judge(2)) or await notifier.step():
        pass
    await writer.close()


if __name__ == "__main__":
    address, folder, shown = sys.argv[1:]
    lives(lambda steps: asyncio.run(live(address, Path(folder), Path(shown), steps)))
