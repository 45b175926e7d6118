from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, insert, update

from unsealed.model.errors import BadInput, Unavailable
from unsealed.model.hit import JournalPosition
from unsealed.store import engine as stores
from unsealed.store import keyring, schema
from unsealed.store.backup import backup
from unsealed.store.migrate import NEWEST, migrate, revision

if TYPE_CHECKING:
    from tests.conftest import FrozenClock


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    keyring.load(folder)
    return folder


def test_a_copy_made_while_others_write_is_of_one_moment(tmp_path: Path, data: Path, clock: FrozenClock) -> None:
    """Each transaction adds a mark and moves the cursor to its number: in the copy both must agree."""
    engine = stores.connect(stores.sqlite_url(data))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(schema.cursors).values(collector="main", segment=1, offset=0))
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        writer, number = stores.connect(stores.sqlite_url(data)), 0
        while not stop.is_set():
            number += 1
            with writer.begin() as connection:
                connection.execute(insert(schema.marks).values(message_id=number, since=clock(), seq=number))
                connection.execute(update(schema.cursors).values(offset=number))
            written.set()
        writer.dispose()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        copies = []
        for number in range(5):
            for _ in range(2):  # the first may have been told late
                written.clear()
                assert written.wait(60)
            copies.append(backup(engine, data, tmp_path / f"copy{number}", clock()))
    finally:
        stop.set()
        thread.join()
        engine.dispose()

    for copy in copies:
        with closing(sqlite3.connect(copy.folder / "unsealed.db")) as file:
            assert [("ok",)] == file.execute("PRAGMA integrity_check").fetchall()
            ((offset,),) = file.execute('SELECT "offset" FROM cursors').fetchall()
            assert [(offset, offset)] == file.execute("SELECT count(*), max(seq) FROM marks").fetchall()
        assert (JournalPosition(collector="main", segment=1, offset=offset),) == copy.marks
    assert copies[0].marks < copies[-1].marks


def test_a_copy_is_a_data_folder(tmp_path: Path, data: Path, clock: FrozenClock) -> None:
    engine = stores.connect(stores.sqlite_url(data))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(schema.marks).values(message_id=7, since=clock(), seq=1))
    ring = keyring.rotate(data, clock())

    backup(engine, data, tmp_path / "copy", clock())
    engine.dispose()

    restored = stores.connect(stores.sqlite_url(tmp_path / "copy"))
    migrate(restored)
    with stores.reading(restored) as connection:
        assert NEWEST == revision(connection)
        marks = schema.marks.c
        kept = connection.execute(schema.marks.select().with_only_columns(marks.message_id, marks.since, marks.seq))
        assert [(7, clock(), 1)] == kept.all()
    restored.dispose()
    assert ring == keyring.load(tmp_path / "copy")


def test_nobody_else_may_read_a_copy(tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock) -> None:
    backup(engine, data, tmp_path / "copy", clock())

    assert 0o700 == stat.S_IMODE((tmp_path / "copy").stat().st_mode)
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "copy").iterdir()}


def test_the_mark_stands_in_the_copy(tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock) -> None:
    with engine.begin() as connection:
        connection.execute(insert(schema.cursors).values(collector="main", segment=3, offset=64))

    words = str(backup(engine, data, tmp_path / "copy", clock()))

    assert {
        "version": 1,
        "made": clock().isoformat(),
        "store": engine.dialect.name,
        "revision": NEWEST,
        "marks": [{"collector": "main", "segment": 3, "offset": 64}],
    } == json.loads((tmp_path / "copy" / "backup.json").read_text())
    assert "main 3:64" in words


def test_of_postgresql_only_the_keys_are_copied_and_it_says_so(
    tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock
) -> None:
    words = str(backup(engine, data, tmp_path / "copy", clock()))

    on_sqlite = engine.dialect.name == "sqlite"
    assert on_sqlite == (tmp_path / "copy" / "unsealed.db").exists()
    assert (not on_sqlite) == ("pg_dump" in words)
    assert keyring.load(data) == keyring.load(tmp_path / "copy")


def test_what_is_there_is_never_overwritten(tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock) -> None:
    backup(engine, data, tmp_path / "copy", clock())

    with pytest.raises(BadInput, match="not an empty folder"):
        backup(engine, data, tmp_path / "copy", clock() + timedelta(days=1))


def test_an_empty_folder_may_be_the_target(tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock) -> None:
    (tmp_path / "copy").mkdir()

    backup(engine, data, tmp_path / "copy", clock())

    assert (tmp_path / "copy" / "keys").exists()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock) -> None:
    (data / "keys").write_text("not a ring")

    with pytest.raises(BadInput, match="not a key ring"):
        backup(engine, data, tmp_path / "copies" / "copy", clock())

    assert [] == list((tmp_path / "copies").iterdir())


def test_a_place_that_cannot_be_written_is_a_temporary_fault(
    tmp_path: Path, data: Path, engine: Engine, clock: FrozenClock
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="cannot be written"):
        backup(engine, data, tmp_path / "file" / "copy", clock())


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, data: Path, clock: FrozenClock) -> None:
    engine = stores.connect(stores.sqlite_url(data))
    migrate(engine)
    engine.dispose()
    # A process of its own, whose files may not grow beyond 64 kB: what a full disk looks like to SQLite.
    process = subprocess.run(
        [sys.executable, __file__, str(data), str(tmp_path / "copy")], capture_output=True, text=True, timeout=60
    )

    assert "unsealed.model.errors.Unavailable" == process.stderr.rstrip().splitlines()[-1].split(":")[0]
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.unfinished").exists()


if __name__ == "__main__":
    import resource
    from datetime import UTC, datetime

    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
    backup(
        stores.connect(stores.sqlite_url(Path(sys.argv[1]))),
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        datetime(2026, 11, 21, tzinfo=UTC),
    )
