from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from unsealed.core.backoff import LIFETIME, next_try

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


def tries() -> list[datetime]:
    """When a copy is tried that is refused each time."""
    made = [START]
    while (again := next_try(attempts=len(made), first_at=START, now=made[-1])) is not None:
        made.append(again)
    return made


def test_the_gaps_grow_until_the_last_one() -> None:
    gaps = [later - earlier for earlier, later in pairwise(tries()[:-1])]

    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (timedelta(seconds=2), timedelta(hours=4))


def test_greylisting_of_five_minutes_costs_less_than_eight() -> None:
    assert any(timedelta(minutes=5) < at - START < timedelta(minutes=8) for at in tries())


def test_the_last_try_is_at_five_days_and_then_it_is_given_up() -> None:
    assert tries()[-1] == START + LIFETIME
    assert next_try(attempts=99, first_at=START, now=START + LIFETIME) is None


def test_a_copy_is_tried_some_forty_times() -> None:
    assert 30 < len(tries()) < 50
