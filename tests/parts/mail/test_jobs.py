from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from unsealed.store import jobs, schema
from unsealed.store.jobs import Job

KINDS = [jobs.COPY, jobs.REPORT]
MINUTE = timedelta(minutes=1)


def added(engine: Engine, clock: Any, *subjects: int, kind: str = jobs.COPY) -> None:
    with engine.begin() as connection:
        jobs.add(connection, kind, subjects, clock())


def leased(engine: Engine, clock: Any, *, owner: str = "one", limit: int = 10) -> list[Job]:
    now = clock()
    with engine.begin() as connection:
        return jobs.lease(connection, KINDS, owner=owner, now=now, until=now + MINUTE, limit=limit)


def states(rows: Callable[[Any], list[Any]]) -> list[str]:
    return [row["state"] for row in sorted(rows(schema.jobs), key=lambda row: row["id"])]


def test_a_job_is_written_once_for_its_key(engine: Engine, clock: Any, rows: Any) -> None:
    added(engine, clock, 1, 2)
    added(engine, clock, 2, 3)
    added(engine, clock, 2, kind=jobs.REPORT)

    assert [(row["kind"], row["subject_id"]) for row in rows(schema.jobs)] == [
        ("copy", 1),
        ("copy", 2),
        ("copy", 3),
        ("report", 2),
    ]


def test_the_oldest_are_leased_first_and_nobody_else_gets_them(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1, 2)
    clock.advance(MINUTE)
    added(engine, clock, 3)

    assert [job.subject for job in leased(engine, clock, limit=2)] == [1, 2]
    assert [job.subject for job in leased(engine, clock, owner="two")] == [3]
    assert leased(engine, clock, owner="three") == []


def test_a_lease_that_ran_out_goes_to_the_next_one(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1)
    [first] = leased(engine, clock)
    clock.advance(MINUTE)
    [second] = leased(engine, clock, owner="two")

    assert (first.id, first.attempts, second.attempts) == (second.id, 1, 2)
    with engine.begin() as connection:
        assert not jobs.done(connection, first.id, "one")
        assert jobs.done(connection, second.id, "two")


def test_a_renewed_lease_is_kept(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1)
    leased(engine, clock)
    with engine.begin() as connection:
        jobs.renew(connection, "one", clock() + 3 * MINUTE)
    clock.advance(2 * MINUTE)

    assert leased(engine, clock, owner="two") == []


def test_a_worker_that_died_gets_its_jobs_back_at_once(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1, 2)
    leased(engine, clock, limit=1)
    leased(engine, clock, owner="two", limit=1)
    with engine.begin() as connection:
        assert jobs.reclaim(connection, "one", clock()) == 1

    assert [job.subject for job in leased(engine, clock)] == [1]


def test_a_job_for_later_waits(engine: Engine, clock: Any, rows: Any) -> None:
    added(engine, clock, 1)
    [job] = leased(engine, clock)
    with engine.begin() as connection:
        assert jobs.later(connection, job.id, "one", due_at=clock() + MINUTE, error="451 \0later" + "x" * 600)
        assert jobs.next_due(connection, KINDS) == clock() + MINUTE
    assert leased(engine, clock) == []
    clock.advance(MINUTE)

    assert [job.attempts for job in leased(engine, clock)] == [2]
    assert rows(schema.jobs)[0]["error"].startswith("451 later")
    assert len(rows(schema.jobs)[0]["error"]) == 500


def test_what_is_done_or_dead_does_not_come_back(engine: Engine, clock: Any, rows: Any) -> None:
    added(engine, clock, 1, 2)
    first, second = leased(engine, clock)
    with engine.begin() as connection:
        jobs.done(connection, first.id, "one")
        jobs.dead(connection, second.id, "one", error="no")
        assert jobs.next_due(connection, KINDS) is None
    clock.advance(timedelta(days=9))

    assert leased(engine, clock) == []
    assert states(rows) == ["done", "dead"]


def test_other_kinds_are_left_alone(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1, kind="notice")

    assert leased(engine, clock) == []
    with engine.begin() as connection:
        assert jobs.next_due(connection, KINDS) is None


def test_workers_side_by_side_never_get_the_same_job(engine: Engine, clock: Any) -> None:
    added(engine, clock, *range(200))
    got: list[list[int]] = [[], [], []]

    def work(number: int) -> None:
        while taken := leased(engine, clock, owner=f"w{number}", limit=7):
            got[number] += [job.subject for job in taken]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got[0] + got[1] + got[2]) == list(range(200))


def test_finished_jobs_are_forgotten_and_no_others(engine: Engine, clock: Any, rows: Any) -> None:
    added(engine, clock, 1, 2, 3, 4)
    finished, given_up, _held = leased(engine, clock, limit=3)
    with engine.begin() as connection:
        jobs.done(connection, finished.id, "one")
        jobs.dead(connection, given_up.id, "one", error="no")
        early = jobs.trim(connection, clock())
        late = jobs.trim(connection, clock() + 2 * MINUTE)

    assert (0, 1) == (early, late)
    assert ["dead", "leased", "ready"] == states(rows)


def test_a_job_whose_holder_died_is_due_when_its_lease_is_over(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1)
    leased(engine, clock)
    now = clock()

    with engine.begin() as connection:
        assert not jobs.any_due(connection, (jobs.COPY,), now)
        assert jobs.any_due(connection, (jobs.COPY,), now + 60 * MINUTE)
        assert not jobs.any_due(connection, (jobs.REPORT,), now + 60 * MINUTE)


def test_a_job_that_was_not_begun_goes_back_uncounted(engine: Engine, clock: Any) -> None:
    added(engine, clock, 1)
    [job] = leased(engine, clock)
    with engine.begin() as connection:
        assert not jobs.release(connection, job.id, "two", due_at=clock())
        assert jobs.release(connection, job.id, "one", due_at=clock())
    [again] = leased(engine, clock, owner="two")

    assert (again.id, again.attempts) == (job.id, 1)
