"""Reads the sandbox mailbox of a running installation straight from its store."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from bench.installation import Installation


def copies(installation: Installation) -> list[tuple[int, bytes]]:
    """Every copy that lies there: id of its message, and the message as the recipient gets it."""
    with closing(_store(installation)) as store:
        return list(store.execute("SELECT message_id, raw FROM sandbox ORDER BY copy_id"))


def kept(installation: Installation) -> int:
    """How many copies lie there."""
    with closing(_store(installation)) as store:
        return int(store.execute("SELECT count(*) FROM sandbox").fetchone()[0])


def _store(installation: Installation) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{installation.data / 'unsealed.db'}?mode=ro", uri=True)
