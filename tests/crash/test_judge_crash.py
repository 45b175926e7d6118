"""The judge killed with -9 between any two statements, while it ships, judges and judges history again.

Promised: wherever it dies, what stands in the store in the end is what a judgement from scratch says, no correction is
forgotten, and the rejudging comes to its end.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.crash.lives import program
from tests.parts.house import CLOUD, CURL, FIREFOX, HOME, NOON, SENDER, House, a_hit, judge_from_scratch, snapshot

from unsealed.flow import rejudge
from unsealed.flow.ingest import recount
from unsealed.model.event import Answer
from unsealed.store import corrections, counts, schema

pytestmark = pytest.mark.crash

ROUNDS = max(1, int(os.environ.get("UNSEALED_TEST_ROUNDS", "20")) // 20)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_judge_that_is_killed_anywhere_ends_where_one_that_lives_would(
    engine: Engine, store_url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    house = House(engine, tmp_path / "journal")
    copies = [house.message()[0] for _ in range(7)]
    hits = [
        a_hit(copy, 100 + 7 * number, *((FIREFOX, HOME) if number % 2 else (CURL, CLOUD)), link=number % 3 or None)
        for number in range(10)
        for copy in copies
    ]
    house.write(*hits[:50])
    house.take_in()
    with engine.begin() as connection:  # as though older rules had believed everybody
        connection.execute(schema.events.update().values(finding="human_open", first_of_reading=False, rules="old"))
        counts.recount(connection)
        id = corrections.begin(connection, cause=corrections.Cause.RULES, words="", now=NOON)
    rejudge.correct(engine, SENDER, house.hit(1), Answer.ME, NOON)
    house.write(*hits[50:])

    deaths = 0
    with program("tests.crash.judge_process", store_url, house.folder) as judge:
        while judge.killed(chance.randint(1, 120)):
            deaths += 1
            assert deaths < 500, "it gets nowhere"

    assert deaths
    in_the_end = [snapshot(house, [copy]) for copy in copies]
    assert 0 == recount(engine)
    for copy in copies:
        judge_from_scratch(house, [copy])
    assert in_the_end == [snapshot(house, [copy]) for copy in copies]
    assert (70, 70, 0) == (house.rows("hits"), house.rows("events"), house.rows("marks"))
    with engine.connect() as connection:
        assert all(row.finished_at for row in corrections.list_rejudgings(connection, SENDER))
        row = corrections.rejudging(connection, id)
        assert row is not None
        assert (7, True) == (row.messages, row.changed > 0)
