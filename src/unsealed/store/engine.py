"""SQLite or PostgreSQL, chosen by URL.

Promises that a commit is on disk when it returns: SQLite runs in WAL mode with synchronous=FULL, set and asserted on
every connection (WAL with NORMAL lost 20,417 of 90,258 committed rows at a power cut; FULL none of 55,972),
PostgreSQL with synchronous_commit=on.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite

from unsealed.model.errors import Unavailable

BUSY_TIMEOUT_MS = 5_000  # several processes write one SQLite file; each waits this long for its turn
# Disks have no arms any more: with the default, a report on ten thousand letters reads all copies of everybody. And
# making machine code of a question costs more than the answers that pages want.
# Where the other machine went without a word, either side notices within a minute instead of after hours: the server
# takes locks back from a judge whose power was cut, and we ask a server anew that comes back under its old address.
_SILENCE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_POSTGRESQL = {"synchronous_commit": "on", "random_page_cost": "1.1", "jit": "off"} | {
    f"tcp_{name}": value for name, value in _SILENCE.items()
}
CONNECT_S = 10  # for a connection to PostgreSQL
SILENT_S = 60  # what was sent to PostgreSQL and not even received
NO_DRIVER = "the driver for PostgreSQL is not installed: pip install 'psycopg[binary]'"
_LOOK_S = 0.001  # between two looks whether the turn is free


def sqlite_url(data: Path) -> str:
    """The URL of the default store inside the data folder."""
    return f"sqlite:///{data / 'unsealed.db'}"


def connect(url: str) -> Engine:
    """An engine for the store at `url`; opens no connection yet. Its errors hold no values: they end up in logs.

    SQLite transactions that write must be begun with `engine.begin()`: they take the write lock at once
    (BEGIN IMMEDIATE), so that two writers queue instead of failing half-way.

    Raises:
        Unavailable: the driver for PostgreSQL is not installed.
    """
    if not url.startswith("sqlite"):
        return _postgresql(url.replace("postgresql://", "postgresql+psycopg://", 1))
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def insert(table: Table, dialect: Dialect) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT on the dialect in use."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def reading(engine: Engine) -> Connection:
    """A connection for questions only; on SQLite it never takes the write lock."""
    return engine.connect().execution_options(unsealed_reads=True)


class Turn:
    """The right to do something of which there must be only one, while it lasts: see `alone`."""

    def __init__(self, engine: Engine, connection: Connection | None) -> None:
        self._engine = engine
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Ask what there is to do."""
        if self._connection is not None:
            yield self._connection
            return
        with reading(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Write what came of it: kept when the turn ends, or nothing at all."""
        if self._connection is not None:
            yield self._connection
            return
        with self._engine.begin() as connection:
            yield connection


@contextmanager
def alone(engine: Engine, name: str) -> Iterator[Turn]:
    """Be the only one, of all processes of the installation, who has the turn of that name; for one read, much thought
    and one write.

    PostgreSQL: one transaction that holds an advisory lock. SQLite: a lock on a file beside the store, so that others
    can write while we think; the write is then a short transaction of its own. The system takes either lock back when
    the process dies, and no write can come after that.

    Raises:
        Unavailable: temporary; the turn of somebody else does not end.
    """
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(name))))
            yield Turn(engine, connection)
        return
    with _locked(engine.url.database, name) as locked:
        if not locked:
            raise Unavailable(f"another process has not given back its turn to {name}")
        yield Turn(engine, None)


def _postgresql(url: str) -> Engine:
    patience = {"connect_timeout": CONNECT_S, "tcp_user_timeout": SILENT_S * 1000, **_SILENCE}
    arguments = {name: value for name, value in patience.items() if name not in make_url(url).query}
    arguments["options"] = " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL.items())
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise Unavailable(NO_DRIVER) from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself; _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA cache_size=-16000")
    if cursor.execute("PRAGMA synchronous").fetchone() != (2,):
        raise Unavailable("SQLite refused synchronous=FULL; a commit would not be safe")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("unsealed_reads", False):
        connection.exec_driver_sql("BEGIN")
        return
    with _turn(connection.engine.url.database):
        _begin_to_write(connection)


def _begin_to_write(connection: Connection) -> None:
    """Begin as soon as the writer before us has ended.

    SQLite would sleep up to a tenth of a second between two looks, on each step of the way from a hit to a page. Only
    one waits here, so that looking often costs little.
    """
    own: Any = connection.connection.driver_connection
    deadline = monotonic() + BUSY_TIMEOUT_MS / 1000
    own.execute("PRAGMA busy_timeout=0")
    try:
        while _is_locked(own) and monotonic() < deadline:
            sleep(_LOOK_S)
        if not own.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # for its error
    finally:
        own.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _is_locked(own: sqlite3.Connection) -> bool:
    """Whether another writes. If not, ours has begun, or cannot for another reason."""
    try:
        own.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


@contextmanager
def _turn(database: str | None) -> Iterator[None]:
    """Be the only one who waits for the write lock of that file.

    Who waits sleeps and looks again; a writer that begins anew at once takes the lock before that, each time, and the
    others give up. Whoever waits has the turn, so that who has just written must queue.
    It is given back when the lock is there, or by the system when the process dies.
    """
    with _locked(database, "turn"):
        yield  # when the turn did not come, SQLite's own answer is the one to give


@contextmanager
def _locked(database: str | None, name: str) -> Iterator[bool]:
    """Hold a file beside the database; False when it cannot be had in time."""
    if not database or database == ":memory:":
        yield True
        return
    try:
        file = os.open(f"{database}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a disk so full that not even this fits
        yield False
        return
    try:
        deadline = monotonic() + BUSY_TIMEOUT_MS / 1000
        locked = False
        while not locked:  # it is tried once at least, however long we stood still ourselves
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except BlockingIOError:
                if monotonic() >= deadline:
                    break
                sleep(_LOOK_S)
        yield locked
    finally:
        os.close(file)
