from __future__ import annotations

import asyncio
from threading import Event

from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from tests.patience import PATIENCE_S

from unsealed.inlets import presence
from unsealed.inlets.presence import noted, user_agent


def test_what_a_program_calls_itself_is_one_printable_line_and_no_longer_than_that() -> None:
    def named(agent: bytes) -> str:
        return user_agent(Request({"type": "http", "headers": [(b"user-agent", agent)]}))

    assert "Evil�Agent" == named(b"Evil\x07Agent")
    assert presence.USER_AGENT_MAX == len(named(b"x" * 5000))
    assert "" == user_agent(Request({"type": "http", "headers": []}))


async def test_what_was_written_is_noted() -> None:
    written: list[str] = []

    assert await noted("session", lambda: written.append("row"))
    assert ["row"] == written


async def test_a_store_in_trouble_keeps_nobody_back() -> None:
    def fail() -> None:
        raise OperationalError("UPDATE", {}, Exception("locked"))

    assert not await noted("session", fail)
    assert await noted("session", lambda: None)  # the next one is let in again


async def test_nobody_waits_behind_the_note_of_another() -> None:
    begun, free = Event(), Event()
    looked: list[str] = []

    def hang() -> None:
        begun.set()
        free.wait(PATIENCE_S)

    first = asyncio.create_task(noted("session", hang))
    try:
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        assert not await noted("session", lambda: looked.append("row"))
    finally:
        free.set()

    assert await first
    assert [] == looked
