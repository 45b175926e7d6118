from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.hours import DAY_H, LEAST, LEAST_DAYS, WIDE_H, BestHours, best_hours

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def readings(hours: list[int]) -> list[datetime]:
    """One a day, at these hours."""
    return [MONDAY + timedelta(days=day, hours=hour, minutes=17) for day, hour in enumerate(hours)]


def test_a_habit_is_found() -> None:
    found = best_hours(readings([9, 10, 9, 8, 10, 9, 9, 10, 8, 9] * 3 + [14, 22]))

    assert found == BestHours(begin_h=8, end_h=11, inside=30, readings=32)


def test_a_habit_may_pass_midnight() -> None:
    found = best_hours(readings([23, 0, 23, 22] * 8))

    assert found is not None
    assert (found.begin_h, found.end_h, found.inside) == (22, 1, 32)


def test_nothing_is_said_of_few_readings() -> None:
    assert best_hours(readings([9] * (LEAST - 1))) is None
    assert best_hours(readings([9] * LEAST)) is not None
    assert best_hours([]) is None


def test_many_readings_of_few_days_are_no_habit() -> None:
    days = LEAST_DAYS - 1
    same = [MONDAY + timedelta(days=each % days, hours=9, minutes=each % 60) for each in range(100)]

    assert best_hours(same) is None


def test_no_hours_are_found_in_noise() -> None:
    """Readings at any hour: of a thousand such readers at most one gets an answer."""
    numbers = random.Random(7)
    found = [
        best_hours(readings([numbers.randrange(DAY_H) for _ in range(size)]))
        for size in (20, 40, 100, 400)
        for _ in range(250)
    ]

    assert sum(each is not None for each in found) <= 1


@given(st.lists(st.integers(0, DAY_H - 1), min_size=LEAST, max_size=200))
def test_what_is_said_is_what_was_counted(hours: list[int]) -> None:
    found = best_hours(readings(hours))
    if found is not None:
        span = {(found.begin_h + each) % DAY_H for each in range(WIDE_H)}

        assert (found.inside, found.readings) == (sum(hour in span for hour in hours), len(hours))
        assert found.end_h == (found.begin_h + WIDE_H) % DAY_H
        assert found.inside > found.readings / 4


@given(st.lists(st.integers(0, DAY_H - 1), max_size=60), st.randoms())
def test_the_order_of_readings_does_not_matter(hours: list[int], numbers: random.Random) -> None:
    there = readings(hours)
    shuffled = numbers.sample(there, len(there))

    assert best_hours(shuffled) == best_hours(there)
