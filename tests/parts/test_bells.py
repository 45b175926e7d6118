from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from time import monotonic

import pytest
from tests.patience import PATIENCE_S, running

from unsealed.app.bells import Bells
from unsealed.store.news import News

# As the roles do: the bells are made before the fork.
TWO_PROCESSES = """
import asyncio, os
from unsealed.app.bells import Bells
from unsealed.store.news import News

bells = Bells()
if os.fork() == 0:
    bells.ring(News.FEED)
    os._exit(0)

async def listen():
    called = asyncio.Event()
    bells.listen(News.FEED, called.set)
    await called.wait()

asyncio.run(listen())
print("called")
"""


@pytest.fixture
def bells() -> Iterator[Bells]:
    made = Bells()
    yield made
    made.close()


def test_who_listens_is_called_for_what_another_process_rang() -> None:
    with running([sys.executable, "-c", TWO_PROCESSES], stdout=subprocess.PIPE, text=True) as listener:
        assert "called\n" == listener.communicate()[0]


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
