from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic

import pytest
from tests.patience import PATIENCE_S, forked

from unsealed.app.bells import Bells
from unsealed.store.news import News


@pytest.fixture
def bells() -> Iterator[Bells]:
    made = Bells()
    yield made
    made.close()


async def test_who_listens_is_called_for_what_another_process_rang(bells: Bells) -> None:
    called = asyncio.Event()
    bells.listen(News.FEED, called.set)

    with forked(bells.ring, News.FEED):
        await asyncio.wait_for(called.wait(), PATIENCE_S)
    asyncio.get_running_loop().remove_reader(bells._ends[News.FEED][0])


def test_a_bell_that_was_rung_ends_the_wait_once_and_others_do_not(bells: Bells) -> None:
    bells.ring(News.FEED)
    for _ in range(3):
        bells.ring(News.HOT)
    began = monotonic()

    bells.wait(News.HOT, PATIENCE_S)
    assert monotonic() - began < PATIENCE_S / 2
    bells.wait(News.HOT, 0.01)
    assert monotonic() - began >= 0.01


def test_ringing_never_waits_however_often_nobody_listens(bells: Bells) -> None:
    for _ in range(200_000):
        bells.ring(News.FEED)

    bells.wait(News.FEED, PATIENCE_S)
