from __future__ import annotations

import asyncio

from tests.patience import PATIENCE_S

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

    async with asyncio.timeout(PATIENCE_S):
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
    async with asyncio.timeout(PATIENCE_S):
        await looked.wait()
        stop.set()
        await walking


async def test_who_is_called_looks_at_once_also_when_that_was_meanwhile() -> None:
    stop, called, twice, looked = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> int:
        looked.append("looked")
        {1: called, 2: twice, 3: stop}[len(looked)].set()
        return 0

    walking = asyncio.create_task(rounds("test", work, stop, every_s=3600, called=called))
    async with asyncio.timeout(PATIENCE_S):
        await twice.wait()
        called.set()
        await walking

    assert 3 == len(looked)


async def test_a_fault_is_not_tried_again_and_again_for_being_called() -> None:
    stop, called, looked = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> int:
        looked.append("looked")
        called.set()
        raise OSError("away")

    walking = asyncio.create_task(rounds("test", work, stop, every_s=3600, called=called))
    async with asyncio.timeout(PATIENCE_S):
        await called.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        stop.set()
        await walking

    assert ["looked"] == looked
