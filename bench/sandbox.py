"""Reads the sandbox mailbox of a running installation straight from its store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from time import monotonic, sleep

from bench.installation import Installation

_PATIENCE_S = 600.0  # mail comes by the thousand


def copies(installation: Installation) -> list[tuple[int, bytes]]:
    """Every copy that lies there: id of its message, and the message as the recipient gets it."""
    with closing(_store(installation)) as store:
        return list(store.execute("SELECT message_id, raw FROM sandbox ORDER BY copy_id"))


def kept(installation: Installation) -> int:
    """How many copies lie there."""
    with closing(_store(installation)) as store:
        return int(store.execute("SELECT count(*) FROM sandbox").fetchone()[0])


def wait_for(installation: Installation, count: int) -> None:
    """Wait until so many copies lie there."""
    deadline = monotonic() + _PATIENCE_S
    while kept(installation) < count:
        if monotonic() > deadline:
            raise TimeoutError(f"{kept(installation)} of {count} copies came")
        sleep(0.05)


def _store(installation: Installation) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{installation.data / 'unsealed.db'}?mode=ro", uri=True)
