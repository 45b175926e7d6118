"""Installations made for measurements are such as grow by themselves."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # bench/ is started from the root of the repository

from bench.synthetic import fill
from sqlalchemy import func, select
from tests.conftest import NOON

from unsealed.model.message import UserId
from unsealed.store import counts, schema, sent
from unsealed.store.engine import connect, reading, sqlite_url
from unsealed.store.migrate import migrate


def made(folder: Path, *, seed: int = 1) -> Path:
    folder.mkdir()
    fill(folder, messages=300, events=3_000, now=NOON, seed=seed)
    return folder


def digest(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "unsealed.db")) as db:
        rows = db.execute("SELECT * FROM events ORDER BY hit_id").fetchall()
        rows += db.execute(
            "SELECT id, subject, opens, raw FROM messages WHERE subject <> 'Hello' ORDER BY id"
        ).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_every_count_is_what_the_events_say(tmp_path: Path) -> None:
    engine = connect(sqlite_url(made(tmp_path / "data")))
    with engine.begin() as connection:
        count = connection.execute(select(func.count()).select_from(schema.events)).scalar_one()

        assert 0 == counts.recount(connection)
    assert 2_000 < count < 4_000
    with reading(engine) as connection:
        page = sent.listed(connection, UserId(1), now=NOON)
        assert 50 == len(page.items)
        assert any(row.signals.raw for row in page.items)
    engine.dispose()


def test_it_has_every_index_of_the_product(tmp_path: Path) -> None:
    indexes = [index for table in schema.metadata.tables.values() for index in table.indexes]
    with closing(sqlite3.connect(made(tmp_path / "data") / "unsealed.db")) as db:
        held = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'").fetchall())

    for index in indexes:
        assert (index.dialect_options["sqlite"]["where"] is not None) == (" WHERE " in held[str(index.name)])


def test_its_indexes_were_made_in_the_order_of_the_product(tmp_path: Path) -> None:
    """Of two that serve alike SQLite takes the last one."""

    def names(data: Path, table: str) -> list[str]:
        order = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name = ? ORDER BY rowid"
        with closing(sqlite3.connect(data / "unsealed.db")) as db:
            return [name for (name,) in db.execute(order, (table,))]

    grown = tmp_path / "grown"
    grown.mkdir()
    engine = connect(sqlite_url(grown))
    migrate(engine)
    engine.dispose()
    filled = made(tmp_path / "data")
    for table in ("messages", "copies", "events", "replies"):
        assert names(grown, table) == names(filled, table) != []


def test_the_sender_wrote_the_message_with_a_hundredth_of_all_events(tmp_path: Path) -> None:
    for seed in range(3):
        with closing(sqlite3.connect(made(tmp_path / str(seed), seed=seed) / "unsealed.db")) as db:
            asked = db.execute("SELECT user_id, raw FROM messages WHERE subject LIKE '% 150'").fetchall()

        assert [(1, 30)] == asked


def test_the_same_seed_gives_the_same_store(tmp_path: Path) -> None:
    first, again, other = made(tmp_path / "a"), made(tmp_path / "b"), made(tmp_path / "c", seed=2)

    assert digest(first) == digest(again) != digest(other)
