"""Reads the sandbox mailbox of a running installation straight from its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from sqlalchemy import Connection, func, select

from bench.installation import Installation
from unsealed.store.engine import connect, reading
from unsealed.store.schema import sandbox

_PATIENCE_S = 600.0  # mail comes by the thousand


def copies(installation: Installation) -> list[tuple[int, bytes]]:
    """Every copy that lies there: id of its message, and the message as the recipient gets it."""
    query = select(sandbox.c.message_id, sandbox.c.raw).order_by(sandbox.c.copy_id)
    with _store(installation) as connection:
        return [(message, raw) for message, raw in connection.execute(query)]


def kept(installation: Installation) -> int:
    """How many copies lie there."""
    with _store(installation) as connection:
        return connection.execute(_HOW_MANY).scalar_one()


def wait_for(installation: Installation, count: int) -> None:
    """Wait until so many copies lie there."""
    deadline = monotonic() + _PATIENCE_S
    with _store(installation) as connection:
        while (there := connection.execute(_HOW_MANY).scalar_one()) < count:
            if monotonic() > deadline:
                raise TimeoutError(f"{there} of {count} copies came")
            connection.rollback()  # ask anew
            sleep(0.05)


_HOW_MANY = select(func.count()).select_from(sandbox)


@contextmanager
def _store(installation: Installation) -> Iterator[Connection]:
    engine = connect(installation.store)
    with reading(engine) as connection:
        yield connection
    engine.dispose()
