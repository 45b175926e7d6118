from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.report import (
    ALPHA,
    CELL_LEAST,
    LEAST,
    TEAM_RECIPIENTS,
    TEAM_SENDERS,
    Pair,
    compare,
    delays,
    heat,
    missing,
    rate,
    ratio,
    team,
    whole_weeks,
    wilson,
)
from unsealed.model.report import Act, Arm, Counts, Part, Week

parts = st.integers(0, 5_000).flatmap(lambda whole: st.builds(Part, st.integers(0, whole), st.just(whole)))


# Rates


@pytest.mark.parametrize(
    ("of", "whole", "low", "high"),
    [(515, 839, 0.580, 0.646), (64, 241, 0.214, 0.325), (0, 20, 0.0, 0.161), (20, 20, 0.839, 1.0)],
)
def test_the_range_is_wilsons(of: int, whole: int, low: float, high: float) -> None:
    found = wilson(Part(of, whole))

    assert (low, high) == (round(found.low, 3), round(found.high, 3))


@given(parts)
def test_the_rate_lies_in_its_range_and_both_between_0_and_1(part: Part) -> None:
    found = wilson(part)

    assert 0 <= found.low <= found.value <= found.high <= 1


@given(parts)
def test_what_did_not_happen_mirrors_what_did(part: Part) -> None:
    did, did_not = wilson(part), wilson(Part(part.whole - part.of, part.whole))

    assert math.isclose(did.low, 1 - did_not.high, abs_tol=1e-9)


def test_nineteen_of_twenty_ranges_hold_the_true_rate() -> None:
    rng = random.Random(7)
    for true in (0.05, 0.3, 0.8):
        held = 0
        for _ in range(600):
            found = wilson(Part(sum(rng.random() < true for _ in range(60)), 60))
            held += found.low <= true <= found.high
        assert held / 600 > 0.92


@given(parts)
def test_there_is_a_rate_from_twenty_recipients_on(part: Part) -> None:
    assert (part.whole >= LEAST) == (rate(part) is not None)
    assert max(0, 20 - part.whole) == missing(part)


def test_each_act_has_its_own_whole() -> None:
    counts = Counts(recipients=11, bounced=2, with_pixel=8, with_links=7, opened=3, clicked=2, replied=1)

    assert [Part(1, 9), Part(2, 7), Part(3, 8)] == [counts.part(act) for act in Act]


# Comparisons


def called(seed: int, first: float, second: float, *, days: int = 120, letters: int = 6) -> str:
    """The winner that somebody calls who looks every evening and stops at the first; "" when none was."""
    rng = random.Random(seed)
    a: dict[int, Part] = {}
    b: dict[int, Part] = {}
    for day in range(days):
        for arm, true in ((a, first), (b, second)):
            arm[day] = Part(sum(rng.random() < true for _ in range(letters)), letters)
        won = [pair.first for pair in compare([Arm(name="a", days=a), Arm(name="b", days=b)]) if pair.wins]
        if won:
            return won[0]
    return ""


@pytest.mark.parametrize("true", [0.03, 0.2, 0.6])
def test_who_looks_every_day_finds_a_winner_in_noise_in_at_most_one_of_twenty(true: float) -> None:
    trials = 200
    found = sum(called(seed, true, true) != "" for seed in range(trials))

    assert found <= ALPHA * trials


def test_a_real_difference_is_found_and_the_right_way_round() -> None:
    found = [called(seed, 0.12, 0.28) for seed in range(40)]

    assert found.count("b") >= 38
    assert "a" not in found


def test_several_pairs_need_more_than_one() -> None:
    """What decides alone is not enough as one of fifteen pairs."""
    arms = [Arm(name="a", days={1: Part(60, 200)}), Arm(name="b", days={1: Part(28, 200)})]
    alone = compare(arms)
    others = [Arm(name=f"other {number}", days={1: Part(44, 200)}) for number in range(4)]

    assert [True] == [pair.wins for pair in alone]
    assert not any(pair.wins for pair in compare([*arms, *others]))


def test_six_letters_of_the_same_kind_have_no_winner_among_them() -> None:
    rng = random.Random(3)
    found = 0
    for _ in range(100):
        days: list[dict[int, Part]] = [{} for _ in range(6)]
        for day in range(30):
            for arm in days:
                arm[day] = Part(sum(rng.random() < 0.25 for _ in range(10)), 10)
        found += any(pair.wins for pair in compare([Arm(name=str(at), days=arm) for at, arm in enumerate(days)]))

    assert found <= 5


def test_a_pair_begins_when_both_are_in_use() -> None:
    old = Arm(name="old", days={1: Part(900, 1000), 50: Part(30, 100)})
    new = Arm(name="new", days={50: Part(31, 100)})

    a, b = Part(31, 100), Part(30, 100)
    pair = Pair(first="new", second="old", a=a, b=b, since=50, ratio=ratio(a, b), wins=False)

    assert [pair] == compare([old, new])


def test_what_was_never_used_is_not_compared() -> None:
    assert [] == compare([Arm(name="a", days={1: Part(5, 50)}), Arm(name="b", days={})])


@given(parts, parts)
def test_the_ratio_is_finite_the_same_both_ways_and_1_while_there_is_too_little(a: Part, b: Part) -> None:
    found = ratio(a, b)

    assert math.isfinite(found)
    assert found > 0
    assert math.isclose(found, ratio(b, a))
    if min(a.whole, b.whole) < LEAST:
        assert found == 1


def test_all_against_nobody_is_certain_however_many() -> None:
    assert ratio(Part(10**6, 10**6), Part(0, 10**6)) > 1e100


# When


def test_hours_are_the_readers() -> None:
    monday_noon = int(datetime(2026, 11, 16, 12, 30, tzinfo=UTC).timestamp()) // 900
    found = heat({monday_noon: 25}, ZoneInfo("Asia/Kathmandu"))  # +05:45

    assert (0, 18, 25) == found.most


def test_a_summer_evening_and_a_winter_evening_are_the_same_hour() -> None:
    zone = ZoneInfo("Europe/Lisbon")
    summer, winter = (
        int(datetime(2026, month, day, 20, tzinfo=zone).timestamp()) // 900 for month, day in ((7, 6), (12, 7))
    )
    found = heat({summer: 15, winter: 15}, zone)

    assert (0, 20, 30) == found.most


@given(st.dictionaries(st.integers(1_900_000, 2_000_000), st.integers(1, 60), max_size=80))
def test_small_cells_are_blank_and_nobody_is_lost(quarters: dict[int, int]) -> None:
    found = heat(quarters, UTC)
    shown = [number for row in found.cells for number in row if number is not None]

    assert all(number >= CELL_LEAST for number in shown)
    assert sum(quarters.values()) == found.total == sum(shown) + found.hidden
    assert all(1 <= found.step(number) <= 5 for number in shown)
    assert found.step(None) == 0
    assert (found.most is None) == (not shown)


def test_delays_tell_the_quarter_the_median_and_where_the_others_lie() -> None:
    found = delays(sorted([30] * 10 + [300] * 10 + [7_200] * 15 + [2_000_000] * 5))

    assert found is not None
    assert (40, 30, 300) == (found.people, found.quarter_s, found.median_s)
    assert (10, 10, 0, 15, 0, 0, 0, 5) == tuple(people for _, people in found.bins)
    assert found.bins[-1][0] == 0


def test_few_people_have_no_median() -> None:
    assert delays([5] * 19) is None


# A team


def week(number: int, senders: int, recipients: int) -> Week:
    begins = date(2026, 1, 5) + timedelta(weeks=number)
    return Week(begins=begins, senders=senders, counts=Counts(recipients=recipients, opened=recipients // 2))


def test_only_weeks_with_five_others_and_ten_recipients_are_summed() -> None:
    counts, told, left_out = team([week(0, 5, 100), week(1, 4, 900), week(2, 9, 9), week(3, 6, 10), week(4, 0, 0)])

    assert (Counts(recipients=110, opened=55), 2, 2) == (counts, told, left_out)


@given(st.lists(st.builds(week, st.integers(0, 90), st.integers(0, 8), st.integers(0, 30)), max_size=12), st.data())
def test_taking_one_team_report_from_another_leaves_whole_safe_weeks(weeks: list[Week], data: st.DataObject) -> None:
    shorter = weeks[data.draw(st.integers(0, len(weeks))) :]
    rest = team(weeks)[0].recipients - team(shorter)[0].recipients
    outside = weeks[: len(weeks) - len(shorter)]
    safe = [each for each in outside if each.senders >= TEAM_SENDERS and each.counts.recipients >= TEAM_RECIPIENTS]

    assert sum(each.counts.recipients for each in safe) == rest


def test_a_team_report_ends_with_the_last_whole_week() -> None:
    sunday = datetime(2026, 11, 22, 23, tzinfo=UTC)

    assert (date(2026, 10, 19), date(2026, 11, 16)) == whole_weeks(sunday, 4)
