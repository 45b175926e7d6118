"""A copy of what is kept, made while the server works.

Promises that the folder it makes is complete and consistent or not there at all, that it holds the store as of one
moment (the mark), and that it is a data folder itself: `unsealed serve --data COPY` runs from it. Nobody waits for it.
Does not copy the journal: requests recorded after the mark are in the journal of the original. Does not copy a store on
PostgreSQL, which has pg_dump; the keys and the mark are kept all the same.

    unsealed.db    the store, compacted: what was deleted is not in it
    keys           the key ring, mode 0600. Whoever has it can forge links of this installation
    backup.json    {"version": 1, "made": ..., "store": "sqlite" or "postgresql", "revision": ...,
                    "marks": [{"collector": ..., "segment": ..., "offset": ...}]}
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, select

from unsealed.model.errors import BadInput, DiskFull, Unavailable
from unsealed.model.hit import JournalPosition
from unsealed.store import engine as stores
from unsealed.store import keyring, schema
from unsealed.store.migrate import revision

NOTE = "backup.json"
STORE = "unsealed.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was copied."""

    folder: Path
    made: datetime  # when the copy was begun
    store: str  # "sqlite": it is in the copy; "postgresql": it is not
    marks: tuple[JournalPosition, ...]  # how far each journal had been shipped into the copied store

    def __str__(self) -> str:
        marks = ", ".join(f"{mark.collector} {mark.segment}:{mark.offset}" for mark in self.marks) or "no journal yet"
        words = f"{self.folder} holds the {'store and the ' if self.store == 'sqlite' else ''}keys; mark: {marks}"
        if self.store != "sqlite":
            words += "\nThe store itself is PostgreSQL: copy it with pg_dump before this, so that no key is missing."
        return words


def backup(engine: Engine, data: Path, target: Path, at: datetime) -> Backup:
    """Copy the store and the key ring into `target`, a folder that does not exist yet or is empty.

    Raises:
        BadInput: permanent; there is something at `target`.
        DiskFull, Unavailable: temporary; nothing was left at `target`.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} exists and is not an empty folder")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # left over by a backup that was killed
        unfinished.mkdir(parents=True, mode=0o700)
        made = _fill(engine, data, unfinished, target, at)
        unfinished.replace(target)
        _sync(target.parent)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Unavailable(f"the copy cannot be written: {error.strerror}") from error
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return made


def _fill(engine: Engine, data: Path, folder: Path, target: Path, at: datetime) -> Backup:
    copied = engine
    if engine.dialect.name == "sqlite":
        _copy_sqlite(engine, folder / STORE)
        copied = stores.connect(f"sqlite:///{folder / STORE}")
    with stores.reading(copied) as connection:  # the mark is read from the copy: it must be the copy's own
        marks = tuple(
            JournalPosition(collector=row.collector, segment=row.segment, offset=row.offset)
            for row in connection.execute(select(schema.cursors).order_by(schema.cursors.c.collector))
        )
        found = revision(connection)
    if copied is not engine:
        copied.dispose()
        _check(folder / STORE)
    # After the store: keys are only ever added, so every key that the copied messages need is in this ring.
    keyring.load(data)
    _write(folder / keyring.FILE, (data / keyring.FILE).read_bytes())
    made = Backup(folder=target, made=at, store=engine.dialect.name, marks=marks)
    note = {
        "version": 1,
        "made": at.isoformat(),
        "store": made.store,
        "revision": found,
        "marks": [{"collector": mark.collector, "segment": mark.segment, "offset": mark.offset} for mark in marks],
    }
    _write(folder / NOTE, json.dumps(note, indent=1).encode() + b"\n")
    _sync(folder)
    return made


def _copy_sqlite(engine: Engine, path: Path) -> None:
    """One read transaction over the whole file: in WAL mode writers go on meanwhile, and none of them is seen."""
    try:
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM INTO ?", (str(path),))
    except sqlite3.Error as error:
        if "full" in str(error):
            raise DiskFull("no room left for the copy") from error
        raise Unavailable(f"the store cannot be copied: {error}") from error
    path.chmod(0o600)


def _check(path: Path) -> None:
    """Look at every page of the copy, and leave it as one file that is on disk."""
    with closing(sqlite3.connect(path)) as connection:
        answer = connection.execute("PRAGMA quick_check").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if answer != ("ok",):
        raise Unavailable(f"the copy is damaged, and the store may be: {answer[0]}")
    _sync(path)


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
