from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Integer, String, inspect, text
from tests.conftest import NOON
from tests.patience import PATIENCE_S, running

from unsealed.model.errors import BadInput, Unavailable
from unsealed.store import engine as stores
from unsealed.store import migrate as migration
from unsealed.store import schema
from unsealed.store.migrate import NEWEST, migrate, revision

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "tests.parts.test_migrate"]


def shape(engine: Engine) -> dict[str, Any]:
    """Everything the database says about its tables, for comparison."""
    look = inspect(engine)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in map(dict, look.get_columns(table))],
            "primary key": look.get_pk_constraint(table),
            "foreign keys": sorted(map(str, look.get_foreign_keys(table))),
            "unique": sorted(map(str, look.get_unique_constraints(table))),
            "indexes": sorted(str({**index, "dialect_options": _written(index)}) for index in look.get_indexes(table)),
        }
        for table in look.get_table_names()
        if table != "alembic_version"
    }


def _is_declared(name: str | None, kind: str, _parents: object) -> bool:
    """All but the index of words, which no two databases have in the same form; `shape` compares it."""
    return not (name or "").startswith({"table": "text_", "index": "ix_texts_words"}.get(kind, "\0"))


def _written(index: Any) -> dict[str, str]:
    return {option: str(said) for option, said in index.get("dialect_options", {}).items()}


def test_the_migrations_lead_to_exactly_the_declared_tables(blank_url: str, store_url: str) -> None:
    declared, migrated = stores.connect(blank_url), stores.connect(store_url)
    schema.metadata.create_all(declared)

    assert shape(declared) == shape(migrated)
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _is_declared})
        assert [] == compare_metadata(context, schema.metadata)
    declared.dispose()
    migrated.dispose()


def test_the_newest_revision_is_the_last_file_of_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(migration.MIGRATIONS))
    config.set_main_option("path_separator", "os")

    assert [NEWEST] == ScriptDirectory.from_config(config).get_heads()


def test_an_empty_store_becomes_current(blank_url: str) -> None:
    engine = stores.connect(blank_url)

    migrate(engine)

    with stores.reading(engine) as connection:
        assert NEWEST == revision(connection)
    engine.dispose()


def test_events_of_an_older_store_stay_as_they_were(blank_url: str) -> None:
    engine = stores.connect(blank_url)
    with engine.begin() as connection:
        upgrade(connection, "0016")
        # Not in the order of their numbers, as events that were judged late.
        events = [event(hit_id=3, reasons="[]"), event(hit_id=1, link=None), event(hit_id=1 << 40, region="Île: 100%")]
        connection.execute(schema.events.insert(), events)

    migrate(engine)

    with stores.reading(engine) as connection:
        found = connection.execute(schema.events.select().order_by(schema.events.c.hit_id)).mappings().all()
    assert sorted(events, key=itemgetter("hit_id")) == [dict(row) for row in found]
    engine.dispose()


def upgrade(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migration.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def event(**said: Any) -> dict[str, Any]:
    """A row of `events`; no two values are alike."""
    c = schema.events.c
    whole: dict[str, Any] = {"at": NOON, "confidence": 0.75, "first_of_reading": True, "finding": "human_open"}
    whole |= {column.name: number for number, column in enumerate(c, 10) if isinstance(column.type, Integer)}
    texts = {column.name: f"{number:02}" for number, column in enumerate(c) if isinstance(column.type, String)}
    return texts | whole | said


def test_a_current_store_is_left_alone_and_alembic_is_not_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_upgrade", None)

    migrate(engine)


def test_a_store_of_a_newer_version_is_refused_and_not_touched(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(BadInput, match="revision 9999"):
        migrate(engine)

    with stores.reading(engine) as connection:
        assert "9999" == revision(connection)


def test_an_sqlite_that_cannot_search_is_refused_before_anything_is_made(
    blank_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = stores.connect(blank_url)
    monkeypatch.setattr(migration, "can_search", lambda _: False)

    with pytest.raises(BadInput, match="FTS5"):
        migrate(engine)

    assert [] == inspect(engine).get_table_names()
    engine.dispose()


def test_a_store_that_does_not_answer_is_a_temporary_fault(tmp_path: Path) -> None:
    engine = stores.connect(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'x.db'}")

    with pytest.raises(Unavailable) as caught:
        migrate(engine)

    assert caught.value.temporary


def test_processes_that_start_together_all_find_the_store_current(blank_url: str) -> None:
    with ExitStack() as started:
        processes = [started.enter_context(running([*PROGRAM, blank_url], cwd=ROOT)) for _ in range(4)]
        assert [0, 0, 0, 0] == [process.wait() for process in processes]
    engine = stores.connect(blank_url)
    with stores.reading(engine) as connection:
        assert NEWEST == revision(connection)
    engine.dispose()


@pytest.mark.parametrize("table", ["cursors", "jobs", "users", "sandbox"])
def test_killed_half_way_the_store_is_as_it_was_and_the_next_run_completes(blank_url: str, table: str) -> None:
    process = subprocess.run([*PROGRAM, blank_url, table], cwd=ROOT, timeout=PATIENCE_S)

    assert -signal.SIGKILL == process.returncode
    engine = stores.connect(blank_url)
    assert [] == inspect(engine).get_table_names()
    migrate(engine)
    with stores.reading(engine) as connection:
        assert NEWEST == revision(connection)
    engine.dispose()


def die_after(table: str) -> None:
    """Arrange that this process is killed right after `table` was made."""
    from alembic import op

    create_table = op.create_table

    def create_and_die(name: str, *columns: Any, **options: Any) -> Any:
        create_table(name, *columns, **options)
        if name == table:
            os.kill(os.getpid(), signal.SIGKILL)

    op.create_table = create_and_die  # type: ignore[assignment]


if __name__ == "__main__":  # a process of its own: URL, and the table after which it shall die
    for last in sys.argv[2:]:
        die_after(last)
    migrate(stores.connect(sys.argv[1]))
