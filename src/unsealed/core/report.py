"""Counts -> rates with ranges, comparisons, the week at a glance, and what may be told about a team.

Rates come with a Wilson interval: 95 of 100 such ranges hold the true rate, also near 0 and 1 and for small numbers
(Wilson 1927). Under LEAST recipients there is no rate at all: at 20 a range is still 40 points wide, below it says
nothing.

`compare` does not find winners in noise, however often somebody looks: it is the mixture sequential probability ratio
test for two proportions (Johari, Pekelis, Walsh 2017, "Always valid inference"). A winner is called only when the
likelihood ratio passes 1 / ALPHA, and then, with no difference, in at most ALPHA of all comparisons that are watched
for ever. Several pairs are corrected by Holm. Each recipient counts once, when WINDOW is over, by what happened within
it: a letter of yesterday is not behind one of last month because its readers had less time. A pair begins with the
first day on which both sides were in use, so that the beginning does not move with the period that is shown.

What it cannot know: letters go to different people, and a difference may be theirs. Pages say so.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import combinations, pairwise

from unsealed.model.report import Arm, Counts, Part, Week

LEAST = 20  # recipients before there is a rate
LEAST_ACTS = 5  # acts, and recipients without one, of a pair together, before it is compared
CELL_LEAST = 20  # people before an hour of the week shows a number
Z = 1.959964  # two-sided 95 %
ALPHA = 0.05
SPREAD = 0.1  # tau: by how much rates of letters differ when they do; fixed, as the test must not learn it
WINDOW = timedelta(days=3)  # the time to act
TEAM_SENDERS = 5
TEAM_RECIPIENTS = 10
QUARTER = timedelta(minutes=15)  # zones differ by multiples of it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- rates ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate and the range in which the true one lies; 0 to 1."""

    value: float
    low: float
    high: float


def rate(part: Part) -> Rate | None:
    """None: not enough recipients yet."""
    return wilson(part) if part.whole >= LEAST else None


def wilson(part: Part) -> Rate:
    """The rate with its 95 % score interval; (0, 1) of nobody."""
    of, whole = part.of, part.whole
    if not whole:
        return Rate(0.0, 0.0, 1.0)
    value = of / whole
    middle = value + Z * Z / (2 * whole)
    half = Z * math.sqrt(value * (1 - value) / whole + Z * Z / (4 * whole * whole))
    scale = 1 + Z * Z / whole
    # The ends are exact where nobody or everybody acted, which rounding would miss by a hair.
    low = 0.0 if of == 0 else (middle - half) / scale
    high = 1.0 if of == whole else (middle + half) / scale
    return Rate(value, low, high)


def missing(part: Part) -> int:
    """How many recipients are missing until there is a rate."""
    return max(0, LEAST - part.whole)


# --- comparisons ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms over the days on which both were in use, and whether the first is better for certain enough."""

    first: str  # the one with the higher rate
    second: str
    a: Part
    b: Part
    since: int  # day since 1970
    ratio: float  # how much likelier the data are with a difference than without
    wins: bool


def compare(arms: Sequence[Arm]) -> list[Pair]:
    """All pairs of arms that have begun, the most certain first."""
    pairs = [_pair(one, other) for one, other in combinations(arms, 2) if one.days and other.days]
    pairs.sort(key=lambda pair: (-pair.ratio, pair.first, pair.second))
    # Holm: the most certain pair is held to the hardest limit; the first that fails ends it.
    decided, wins = [], True
    for rank, pair in enumerate(pairs):
        wins = wins and pair.ratio >= (len(pairs) - rank) / ALPHA
        decided.append(Pair(pair.first, pair.second, pair.a, pair.b, pair.since, pair.ratio, wins))
    return decided


def _pair(one: Arm, other: Arm) -> Pair:
    since = max(min(one.days), min(other.days))
    a, b = (_sum(part for day, part in arm.days.items() if day >= since) for arm in (one, other))
    first, second = one.name, other.name
    if a.of * b.whole < b.of * a.whole:
        first, second, a, b = second, first, b, a
    return Pair(first, second, a, b, since, ratio(a, b), False)


def ratio(a: Part, b: Part) -> float:
    """The mixture likelihood ratio of a difference between two rates, under a normal prior of width SPREAD; 1 while
    there is too little to say anything.

    sqrt(V / (V + t^2)) * exp(t^2 d^2 / (2 V (V + t^2))), with the variance V of the difference d as if there was none.
    """
    acts, whole = a.of + b.of, a.whole + b.whole
    if min(a.whole, b.whole) < LEAST or min(acts, whole - acts) < LEAST_ACTS:
        return 1.0
    pooled = acts / whole
    variance = pooled * (1 - pooled) * (1 / a.whole + 1 / b.whole)
    difference = a.of / a.whole - b.of / b.whole
    spread = SPREAD * SPREAD
    power = spread * difference * difference / (2 * variance * (variance + spread))
    return math.sqrt(variance / (variance + spread)) * math.exp(min(power, 700.0))


def _sum(parts: Iterable[Part]) -> Part:
    of = whole = 0
    for part in parts:
        of, whole = of + part.of, whole + part.whole
    return Part(of, whole)


# --- when -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heat:
    """People first seen by hour of the week, Monday first. A cell under CELL_LEAST is None: its number is noise, and
    close to naming somebody."""

    cells: tuple[tuple[int | None, ...], ...]  # 7 of 24
    hidden: int  # people in the cells without a number
    total: int
    steps: tuple[int, ...]  # where each of up to five washes begins, ascending

    def step(self, number: int | None) -> int:
        """Which wash, 1 to 5; 0: none."""
        return 0 if number is None else sum(number >= each for each in self.steps)

    @property
    def most(self) -> tuple[int, int, int] | None:
        """Weekday, hour and number of the fullest cell."""
        found = [
            (number, -day, -hour)
            for day, row in enumerate(self.cells)
            for hour, number in enumerate(row)
            if number is not None
        ]
        if not found:
            return None
        number, day, hour = max(found)
        return -day, -hour, number


def heat(quarters: Mapping[int, int], zone: tzinfo) -> Heat:
    """quarters: quarter hours since 1970, UTC. An hour that a change to winter time repeats counts both times."""
    grid = [[0] * 24 for _ in range(7)]
    for quarter, number in quarters.items():
        local = (_EPOCH + quarter * QUARTER).astimezone(zone)
        grid[local.weekday()][local.hour] += number
    cells = tuple(tuple(number if number >= CELL_LEAST else None for number in row) for row in grid)
    shown = [number for row in cells for number in row if number is not None]
    total = sum(map(sum, grid))
    steps: tuple[int, ...] = ()
    if shown:
        width = (max(shown) - CELL_LEAST) / 5
        steps = tuple(sorted({CELL_LEAST + round(width * each) for each in range(5)}))
    return Heat(cells, total - sum(shown), total, steps)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long until the first sign of a person."""

    people: int
    quarter_s: int  # a quarter of them were as fast
    median_s: int
    bins: tuple[tuple[int, int], ...]  # upper end in seconds, people; the last end is 0: later


BINS_S = (60, 600, 3_600, 4 * 3_600, 24 * 3_600, 3 * 24 * 3_600, 7 * 24 * 3_600)


def delays(seconds: Sequence[int]) -> Delays | None:
    """seconds: ascending. None: not enough people yet."""
    people = len(seconds)
    if people < LEAST:
        return None
    ends = [0, *(bisect_left(seconds, end) for end in BINS_S), people]
    bins = tuple(zip((*BINS_S, 0), (later - end for end, later in pairwise(ends)), strict=True))
    return Delays(people, seconds[(people - 1) // 4], seconds[(people - 1) // 2], bins)


# --- a team -----------------------------------------------------------------------------------------------------------


def whole_weeks(now: datetime, weeks: int) -> tuple[date, date]:
    """The Mondays on which the last so many ended weeks began, and ended."""
    today = now.astimezone(UTC).date()
    end = today - timedelta(days=today.weekday())
    return end - timedelta(weeks=weeks), end


def team(weeks: Iterable[Week]) -> tuple[Counts, int, int]:
    """What may be told about all people together: the sum, of how many weeks, and how many were left out.

    A week is in it only when TEAM_SENDERS people besides who asks wrote to TEAM_RECIPIENTS recipients. All figures are
    sums of such whole weeks and can be narrowed in no other way, so what two of them differ by is again a sum of such
    weeks; and who asks can take away nobody but themselves. Recipients at level anonymous are in no figure at all.
    """
    told = [week for week in weeks if week.counts.recipients]
    safe = [week for week in told if week.senders >= TEAM_SENDERS and week.counts.recipients >= TEAM_RECIPIENTS]
    summed = {each.name: sum(getattr(week.counts, each.name) for week in safe) for each in fields(Counts)}
    return Counts(**summed), len(safe), len(told) - len(safe)
