"""Killed with -9 between any two statements on the way from a hit to a notice: shipped, judged, the notice written,
decided, its job leased, handed over, ended; and again while a notice is taken back.

Promised: nobody is told twice and nothing is lost. A chat shows a notice once; where nobody can know whether it did, it
is not asked again, and the settings say so. A browser gets every notice, and one that comes again has the tag and the
words of the first, so that it takes its place.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.crash.lives import program
from tests.parts.house import KEYS, NOON, SENDER, House, a_hit
from tests.parts.push_service import PushService, b64
from tests.patience import PATIENCE_S

from unsealed.flow import notify, rejudge
from unsealed.model.event import Answer
from unsealed.model.notice import Channel, Detail, Device, DeviceId, Wants
from unsealed.store import notices, schema

pytestmark = pytest.mark.crash

ROUNDS = max(1, int(os.environ.get("UNSEALED_TEST_ROUNDS", "20")) // 20)
READERS = 4
DEATHS = 8  # then it may live
INTERRUPTED = "it was interrupted, and perhaps arrived"


@pytest.fixture
def push() -> Iterator[PushService]:
    """A push service in a thread of its own."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # who dies while it speaks is no news here
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    service = PushService()
    asyncio.run_coroutine_threadsafe(service.__aenter__(), loop).result(PATIENCE_S)
    yield service
    asyncio.run_coroutine_threadsafe(service.__aexit__(), loop).result(PATIENCE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_wherever_it_dies_nobody_is_told_twice_and_nothing_is_lost(
    engine: Engine, store_url: str, push: PushService, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    house = House(engine, tmp_path / "journal")
    log = tmp_path / "chat"
    log.touch()
    browser = Device(
        id=DeviceId(0),
        channel=Channel.PUSH,
        name="Firefox",
        address=push.endpoint,
        key=b64(push.browser.key),
        auth=b64(push.browser.auth),
    )
    chat = Device(id=DeviceId(0), channel=Channel.CHAT, name="Team", address="tgram://123456789:abcdefg_hij/12315544/")
    with engine.begin() as connection:
        notices.want(connection, SENDER, Wants(detail=Detail.WHO))
        for device in (browser, chat):
            notify.add_device(connection, SENDER, device, KEYS, NOON)
    copies = house.message(copies=READERS)
    house.write(*[a_hit(copy, 3600 + number) for number, copy in enumerate(copies)])

    deaths = killed_until_done(store_url, house.folder, log, chance)

    assert deaths
    assert ["told"] * READERS == states(engine)
    shown = [push.shown(number) for number in range(len(push.pushed))]
    by_tag = defaultdict(set)
    for each in shown:
        by_tag[each["tag"]].add((each["title"], each["body"]))
    assert {f"c{copy:x}" for copy in copies} == by_tag.keys()
    assert [1] * READERS == [len(words) for words in by_tag.values()], "the same notice came with other words"

    told = Counter(log.read_text().splitlines())
    assert {1} >= set(told.values()), "a chat showed a notice twice"
    ended = endings(engine)
    assert [("told", "")] * READERS == ended[Channel.PUSH]
    assert {("told", ""), ("failed", INTERRUPTED)} >= set(ended[Channel.CHAT])
    assert READERS == len(ended[Channel.CHAT])
    assert len(told) >= ended[Channel.CHAT].count(("told", ""))

    # They were no readers after all.
    rejudge.correct(engine, SENDER, house.hit(), Answer.MACHINE, NOON)
    house.work_off()
    assert ["undo"] * READERS == states(engine)
    before = len(push.pushed)
    killed_until_done(store_url, house.folder, log, chance)

    assert ["back"] * READERS == states(engine)
    after = [push.shown(number) for number in range(before, len(push.pushed))]
    assert {"Taken back"} == {each["title"] for each in after}
    assert by_tag.keys() == {each["tag"] for each in after}
    assert told == Counter(log.read_text().splitlines()), "a chat was told again"


def killed_until_done(store_url: str, journal: Path, log: Path, chance: random.Random) -> int:
    """Run it until nothing is left; how often it died."""
    with program("tests.crash.notify_process", store_url, journal, log) as notifier:
        for deaths in range(DEATHS + 1):
            if not notifier.killed(chance.randint(1, 120) if deaths < DEATHS else 10**9):
                return deaths
    pytest.fail("it died by itself")


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(schema.notices.c.state)).scalars())


def endings(engine: Engine) -> dict[str, list[tuple[str, str]]]:
    """How each hand-over ended, by channel; none may be left in the queue."""
    t, d, j = schema.tellings.c, schema.notice_devices.c, schema.jobs.c
    with engine.connect() as connection:
        assert {"done"} == set(connection.execute(select(j.state).where(j.kind == notify.TELL)).scalars())
        found = defaultdict(list)
        query = select(d.channel, t.state, t.words).join(schema.notice_devices, d.id == t.device_id)
        for row in connection.execute(query.order_by(t.id)):
            found[row.channel].append((row.state, row.words))
        return found
