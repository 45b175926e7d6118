from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.inlets.web.rows import NOW, SAID, before

from unsealed.inlets.web import moments
from unsealed.inlets.web.moments import Times
from unsealed.model.texts import ENGLISH


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW + timedelta(seconds=5), "just now"),
        (before(seconds=59), "just now"),
        (before(seconds=60), "1 min ago"),
        (before(minutes=59, seconds=59), "59 min ago"),
        (before(hours=1), "1 h ago"),
        (before(hours=14), "14 h ago"),
        (before(hours=15), "yesterday"),
        (before(days=2), "Tuesday"),
        (before(days=6), "Friday"),
        (before(days=7), "5 Mar"),
        (before(days=365), "12 Mar 2025"),
    ],
)
def test_how_long_ago_grows_coarser(at: datetime, expected: str) -> None:
    assert expected == SAID.ago(at)


def test_just_after_midnight_yesterday_is_still_hours_ago() -> None:
    assert Times(datetime(2026, 3, 12, 1, tzinfo=UTC)).ago(datetime(2026, 3, 11, 23, tzinfo=UTC)) == "2 h ago"


def test_times_are_those_of_the_reader() -> None:
    tokyo = Times(NOW, timezone(timedelta(hours=9), "JST"))

    assert tokyo.clock(before(hours=1)) == "22:21"
    assert tokyo.when(before(hours=16)) == "07:21"  # the same day there, the day before here
    assert tokyo.exact(NOW) == "Thu 12 Mar 2026, 23:21:00 JST"


@pytest.mark.parametrize(
    ("at", "when", "full", "day"),
    [
        (before(hours=5, minutes=7), "09:14", "today, 12 March, 09:14", "Today, Thursday 12 March"),
        (before(days=1), "Wed 14:21", "yesterday, 11 March, 14:21", "Yesterday, Wednesday 11 March"),
        (before(days=6), "Fri 14:21", "Friday, 6 March, 14:21", "Friday 6 March"),
        (before(days=400), "5 Feb 2025", "5 February 2025, 14:21", "Wednesday 5 February 2025"),
    ],
)
def test_moments_of_a_list_of_a_head_and_of_a_day(at: datetime, when: str, full: str, day: str) -> None:
    assert (when, full, day) == (SAID.when(at), SAID.full(at), SAID.day(at))


def test_an_age_of_data_is_said_in_days_then_in_months() -> None:
    today = NOW.date()
    ages = [moments.days_old(today - timedelta(days=days), today, ENGLISH) for days in (-1, 0, 1, 59, 90)]

    assert ages == ["of today", "of today", "1 day old", "59 days old", "3 months old"]


def test_a_span_is_said_in_its_two_largest_units() -> None:
    spans = (timedelta(seconds=8), timedelta(minutes=2), timedelta(hours=1, minutes=53), timedelta(days=2, hours=3))

    assert [moments.lasting(each, ENGLISH) for each in spans] == ["8 s", "2 min", "1 h 53 min", "2 d 3 h"]


def test_who_counts_hours_to_twelve_reads_them_so_everywhere() -> None:
    said = Times(NOW, twelve=True)

    assert "2:21\u00a0pm" == said.clock(NOW)
    assert "2:21:00\u00a0pm" == said.second(NOW)
    assert "Wed 2:21\u00a0pm" == said.when(before(days=1))
    assert "today, 12 March, 2:21\u00a0pm" == said.full(NOW)
    assert "Thu 12 Mar 2026, 2:21:00\u00a0pm UTC" == said.exact(NOW)
    assert ["12\u00a0am", "11\u00a0am", "12\u00a0pm", "11\u00a0pm", "12\u00a0am"] == [
        said.hour(hour) for hour in (0, 11, 12, 23, 24)
    ]
    assert ["0", "24", "09:00"] == [SAID.hour(0), SAID.hour(24), SAID.on_the_hour(9)]
