from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.exc import OperationalError
from tests.patience import PATIENCE_S

from unsealed.model.errors import BadInput, Unavailable
from unsealed.store import engine as stores
from unsealed.store import schema
from unsealed.store.engine import insert as insert_or
from unsealed.store.engine import reading

if TYPE_CHECKING:
    from tests.conftest import FrozenClock


def test_each_test_begins_with_an_empty_store(engine: Engine) -> None:
    with reading(engine) as connection:
        assert (
            [] == connection.execute(select(schema.marks.c.message_id, schema.marks.c.since, schema.marks.c.seq)).all()
        )


def test_every_connection_waits_for_the_disk(engine: Engine) -> None:
    question, answer = {
        "sqlite": ("PRAGMA synchronous", 2),  # FULL
        "postgresql": ("SHOW synchronous_commit", "on"),
    }[engine.dialect.name]

    with reading(engine) as one, reading(engine) as other:
        assert [answer, answer] == [each.execute(text(question)).scalar() for each in (one, other)]


def test_postgresql_plans_for_disks_without_arms_and_for_short_answers(engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        with reading(engine) as connection:
            said = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in ("random_page_cost", "jit")}
        assert {"random_page_cost": "1.1", "jit": "off"} == said


def test_postgresql_and_we_notice_a_minute_after_the_other_machine_went_away(engine: Engine) -> None:
    """Else a lock of a judge whose power was cut would be kept for hours."""
    if engine.dialect.name == "postgresql":
        with reading(engine) as connection:
            from_us = "SELECT name FROM pg_settings WHERE source = 'client' AND name LIKE 'tcp_keepalives_%'"
            theirs = set(connection.execute(text(from_us)).scalars())
            driver: Any = connection.connection.driver_connection
            ours = driver.info.get_parameters()
        assert {f"tcp_keepalives_{each}" for each in ("idle", "interval", "count")} == theirs
        assert ("30", "10", "3") == tuple(ours[f"keepalives_{each}"] for each in ("idle", "interval", "count"))


def test_what_the_url_says_about_waiting_holds() -> None:
    class Asked(Exception):
        pass

    def refuse(_dialect: object, _record: object, _given: object, settings: dict[str, Any]) -> None:
        raise Asked(settings["connect_timeout"], settings["tcp_user_timeout"])

    engine = stores.connect("postgresql://127.0.0.1/mail?connect_timeout=3")
    event.listen(engine, "do_connect", refuse)

    with pytest.raises(Asked) as asked:
        engine.connect()

    assert ("3", 60_000) == asked.value.args


def test_a_missing_driver_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(Unavailable, match="pip install"):
        stores.connect("postgresql://127.0.0.1/mail")


def test_a_connection_that_would_not_wait_for_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = ()) -> Careless:
            super().execute(sql.replace("=FULL", "=NORMAL"), parameters)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, *_: object) -> Careless:  # type: ignore[override]
            return Careless(self)

    with closing(sqlite3.connect(tmp_path / "x.db", factory=Connection)) as connection:
        with pytest.raises(Unavailable, match="a commit would not be safe"):
            stores._prepare_sqlite(connection, None)


def test_an_insert_can_give_way_to_the_row_that_is_there(engine: Engine, clock: FrozenClock) -> None:
    for seq in (1, 2):
        with engine.begin() as connection:
            statement = insert_or(schema.marks, engine.dialect).values(message_id=1, since=clock(), seq=seq)
            connection.execute(statement.on_conflict_do_nothing(index_elements=["message_id"]))

    with reading(engine) as connection:
        assert [(1, clock(), 1)] == connection.execute(
            select(schema.marks.c.message_id, schema.marks.c.since, schema.marks.c.seq)
        ).all()


def test_questions_do_not_wait_for_a_writer(engine: Engine, clock: FrozenClock) -> None:
    with engine.begin() as writer:
        writer.execute(insert(schema.marks).values(message_id=1, since=clock(), seq=1))
        with reading(engine) as reader:
            assert [] == reader.execute(select(schema.marks)).all()


def test_writers_queue_and_none_fails(engine: Engine, clock: FrozenClock) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            with engine.begin() as connection:
                connection.execute(insert(schema.marks).values(message_id=number, since=clock(), seq=1))

    threads = [threading.Thread(target=add, args=(range(first, first + 25),)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with reading(engine) as connection:
        assert 75 == len(
            connection.execute(select(schema.marks.c.message_id, schema.marks.c.since, schema.marks.c.seq)).all()
        )


def test_a_writer_that_never_rests_starves_nobody(
    engine: Engine, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BUSY_TIMEOUT_MS", 20_000)
    done = threading.Event()
    begun = threading.Event()

    def write_without_rest() -> None:
        while not done.is_set():
            with engine.begin() as connection:
                connection.execute(
                    insert_or(schema.marks, engine.dialect)
                    .values(message_id=1, since=clock(), seq=1)
                    .on_conflict_do_nothing(index_elements=["message_id"])
                )
                begun.set()
                sleep(0.05)

    thread = threading.Thread(target=write_without_rest)
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        for number in range(2, 22):  # without queueing, the first of them waits as long as it may, and fails
            with engine.begin() as connection:
                connection.execute(insert(schema.marks).values(message_id=number, since=clock(), seq=1))
    finally:
        done.set()
        thread.join()


def test_a_lock_that_does_not_come_is_given_up_and_the_next_try_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BUSY_TIMEOUT_MS", 20)
    engine = stores.connect(stores.sqlite_url(tmp_path))

    with closing(sqlite3.connect(tmp_path / "unsealed.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="database is locked"):
            engine.begin().__enter__()
        other.execute("ROLLBACK")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE written (it)"))
        assert 20 == connection.execute(text("PRAGMA busy_timeout")).scalar()
    engine.dispose()


def test_a_failed_transaction_leaves_nothing(engine: Engine, clock: FrozenClock) -> None:
    def fail_half_way() -> None:
        with engine.begin() as connection:
            connection.execute(insert(schema.marks).values(message_id=1, since=clock(), seq=1))
            raise BadInput

    with pytest.raises(BadInput):
        fail_half_way()

    with reading(engine) as connection:
        assert (
            [] == connection.execute(select(schema.marks.c.message_id, schema.marks.c.since, schema.marks.c.seq)).all()
        )


def test_no_connection_is_opened_before_it_is_needed(store_url: str) -> None:
    opened: list[object] = []
    engine = stores.connect(store_url)
    event.listen(engine, "connect", lambda connection, _: opened.append(connection))

    assert [] == opened
    engine.dispose()
