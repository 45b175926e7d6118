"""When a contact reads -> the hours in which letters are best sent, or nothing.

Promises not to find hours in noise. Something is said only after LEAST readings on LEAST_DAYS different days, and only
of a span of WIDE_H hours that holds, even at the lower end of its interval, MORE times what readings spread evenly over
the day would put there. As all 24 spans are tried, the interval is wide: Z is the normal quantile of 1 - 0.01/24.
Readers who open at any hour, and most of those whose mail is read through a proxy that loads again and again, get no
answer, which is the right one.

Machines do not count: `readings` are the beginnings of readings by people, in the zone in which the answer is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

LEAST = 20  # readings; the same as for a cell of the heat map
LEAST_DAYS = 7
WIDE_H = 3
MORE = 2.0
Z = 3.34
DAY_H = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class BestHours:
    """A span of hours, and what it rests on."""

    begin_h: int  # 0 to 23
    end_h: int  # the hour that is not part of it any more, 0 to 23: a span may pass midnight
    inside: int  # readings that began in it
    readings: int


def best_hours(readings: Sequence[datetime]) -> BestHours | None:
    """The span in which most readings begin; None when there are too few, or when no span stands out."""
    if len(readings) < LEAST or len({at.date() for at in readings}) < LEAST_DAYS:
        return None
    by_hour = Counter(at.hour for at in readings)
    inside, begin = max(
        (sum(by_hour[(first + hour) % DAY_H] for hour in range(WIDE_H)), -first) for first in range(DAY_H)
    )
    if _at_least(inside, len(readings)) < MORE * WIDE_H / DAY_H:
        return None
    return BestHours(begin_h=-begin, end_h=(-begin + WIDE_H) % DAY_H, inside=inside, readings=len(readings))


def _at_least(inside: int, of: int) -> float:
    """The lower end of Wilson's interval of a share (Wilson 1927; holds also for small numbers)."""
    share, square = inside / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    return (middle - spread) / (1 + square / of)
