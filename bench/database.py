"""Which database the installations that are measured keep their store in: SQLite, or PostgreSQL where
UNSEALED_BENCH_POSTGRES names a server (postgresql://...) whose user may create databases. Each installation gets a
database of its own there, which is removed at the end.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, Table, create_engine, func, make_url, select, text

from unsealed.store import engine as stores
from unsealed.store import schema
from unsealed.store.migrate import migrate

SERVER = os.environ.get("UNSEALED_BENCH_POSTGRES", "")
_NUMBERS = itertools.count()
_ROWS = 10_000  # read from SQLite at once


def name() -> str:
    """What measurements say about it."""
    if not SERVER:
        return "SQLite"
    engine = stores.connect(SERVER)
    try:
        with stores.reading(engine) as connection:
            return f"PostgreSQL {str(connection.execute(text('SHOW server_version')).scalar()).split()[0]}"
    finally:
        engine.dispose()


@contextmanager
def empty() -> Iterator[str]:
    """The URL of a database in which there is nothing; "" for SQLite, whose file lies in the data folder."""
    if not SERVER:
        yield ""
        return
    name = f"unsealed_bench_{os.getpid()}_{next(_NUMBERS)}"
    _administer(f"CREATE DATABASE {name}")
    try:
        yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(f"DROP DATABASE {name} WITH (FORCE)")


def move(path: Path, url: str) -> None:
    """Move a store from its SQLite file into an empty PostgreSQL database, and let that count what it holds."""
    engine = stores.connect(url)
    migrate(engine)
    with closing(sqlite3.connect(path)) as file, engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            _copy(file, connection, table)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))  # what its own housekeeping does within minutes
    engine.dispose()
    path.unlink()


def backends(engine: Engine) -> list[int]:
    """The processes of a PostgreSQL on this machine that work for others in this database; none for SQLite."""
    if engine.dialect.name == "sqlite":
        return []
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with stores.reading(engine) as connection:
        return [pid for pid in connection.execute(text(others)).scalars() if Path(f"/proc/{pid}/task").exists()]


def _copy(file: sqlite3.Connection, connection: Connection, table: Table) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    driver = connection.connection.driver_connection
    assert driver is not None
    rows = file.execute(f"SELECT {names} FROM {table.name}")
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        while some := rows.fetchmany(_ROWS):
            for row in some:
                copy.write_row(row)
    for column in table.primary_key.columns:
        _count_on(connection, table, column)


def _count_on(connection: Connection, table: Table, column: Column[int]) -> None:
    """Let new rows get numbers behind those that are there."""
    numbers = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
    if numbers is not None:
        connection.execute(
            select(func.setval(numbers, select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()))
        )


def _administer(statement: str) -> None:
    engine = create_engine(
        make_url(SERVER).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", hide_parameters=True
    )
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
