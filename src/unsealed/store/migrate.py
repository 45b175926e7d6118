"""Brings a store to the newest schema.

Promises that a store is never left between two schemas: all revisions that are missing run in one transaction, on
SQLite as on PostgreSQL, so a process that is killed half-way leaves the store as it was. Processes that start at the
same time wait for one another; all but the first find nothing to do. A store that is current costs a look.

Does not go back: a store that a newer Unsealed made is refused, not touched.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from unsealed.model.errors import BadInput, Unavailable
from unsealed.store.engine import reading

NEWEST = "0019"  # the last file in migrations/versions; known here so that a current store needs no alembic
NO_SEARCH = "this SQLite was built without full-text search (FTS5)"
MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 0x756E7365616C6564  # "unsealed"; PostgreSQL advisory lock, held while revisions run


def revision(connection: Connection) -> str | None:
    """The schema revision of the store; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def can_search(connection: Connection) -> bool:
    """Whether the database has what `store.search` needs: PostgreSQL always, SQLite when FTS5 was built into it."""
    if connection.dialect.name != "sqlite":
        return True
    return "fts5" in connection.exec_driver_sql("PRAGMA module_list").scalars().all()


def migrate(engine: Engine) -> None:
    """Bring the store to the newest schema; returns at once when it is there.

    Raises:
        BadInput: permanent; a newer Unsealed made this store, or this SQLite cannot search.
        Unavailable: temporary; the store does not answer, or another process holds it for too long.
    """
    try:
        with reading(engine) as connection:
            if revision(connection) == NEWEST:
                return
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if revision(connection) != NEWEST:
                if not can_search(connection):
                    raise BadInput(NO_SEARCH)
                _upgrade(connection)
    except OperationalError as error:
        raise Unavailable(f"the store does not answer: {error.orig}") from error


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        found = revision(connection)
        raise BadInput(f"a newer Unsealed made this store (revision {found}); this one knows {NEWEST}") from error
