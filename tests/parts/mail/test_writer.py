from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from unsealed.model.errors import DiskFull, Unavailable
from unsealed.store.schema import settings
from unsealed.store.writer import Writer


def put(key: str) -> Callable[[Connection], str]:
    def change(connection: Connection) -> str:
        connection.execute(settings.insert(), {"key": key, "value": "1"})
        return key

    return change


async def test_a_result_comes_after_the_commit(writer: Writer, rows: Any) -> None:
    assert await writer.run(put("a")) == "a"
    assert [row["key"] for row in rows(settings)] == ["a"]


async def test_changes_that_wait_together_are_committed_together(writer: Writer, engine: Engine, rows: Any) -> None:
    commits: list[None] = []
    event.listen(engine, "commit", lambda connection: commits.append(None))

    await asyncio.gather(*(writer.run(put(f"k{number}")) for number in range(50)))

    assert len(rows(settings)) == 50
    assert len(commits) <= 3


async def test_a_change_that_fails_takes_no_other_with_it(writer: Writer, rows: Any) -> None:
    await writer.run(put("twice"))
    outcomes = await asyncio.gather(
        writer.run(put("a")),
        writer.run(put("twice")),
        writer.run(lambda connection: 1 // 0),
        writer.run(put("b")),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [str, Unavailable, ZeroDivisionError, str]
    assert sorted(row["key"] for row in rows(settings)) == ["a", "b", "twice"]


async def test_a_full_disk_has_its_own_name(writer: Writer) -> None:
    def full(connection: Connection) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    with pytest.raises(DiskFull):
        await writer.run(full)


async def test_a_change_that_nobody_waits_for_any_more_is_not_made(writer: Writer, rows: Any) -> None:
    first = asyncio.create_task(writer.run(put("first")))
    gone = asyncio.create_task(writer.run(put("gone")))
    await asyncio.sleep(0)
    gone.cancel()

    assert await first == "first"
    await asyncio.gather(gone, return_exceptions=True)
    await writer.run(put("last"))
    assert [row["key"] for row in rows(settings)] == ["first", "last"]
