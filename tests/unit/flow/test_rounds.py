from __future__ import annotations

import asyncio

from unsealed.flow.rounds import rounds


async def walk(*found: int | Exception, every_s: float = 0.0) -> list[str]:
    """What happened, until there was nothing left to find."""
    stop, left, happened = asyncio.Event(), list(found), list[str]()

    async def work() -> int:
        happened.append("looked")
        now = left.pop(0)
        if not left:
            stop.set()
        if isinstance(now, Exception):
            raise now
        return now

    async with asyncio.timeout(20):
        await rounds("test", work, stop, every_s=every_s, worked=lambda: happened.append("worked"))
    return happened


async def test_no_fault_ends_the_rounds() -> None:
    assert ["looked", "looked", "looked", "worked"] == await walk(OSError("away"), ValueError("a bug"), 1)


async def test_it_is_looked_again_at_once_while_there_is_something_to_do() -> None:
    assert ["looked", "worked", "looked", "worked", "looked"] == await walk(2, 1, 0, every_s=3600)


async def test_a_pause_ends_when_the_process_is_to_stop() -> None:
    stop, looked = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        looked.set()
        return 0

    walking = asyncio.create_task(rounds("test", work, stop, every_s=3600))
    async with asyncio.timeout(20):
        await looked.wait()
        stop.set()
        await walking
