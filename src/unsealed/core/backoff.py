"""When a copy that could not be handed over is tried again, or that it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

LIFETIME = timedelta(days=5)  # RFC 5321 §4.5.4.1: give-up time at least 4 to 5 days

# The first gaps cover a restart of the next hop, the middle ones greylisting (5 minutes is its usual patience),
# the last one repeats.
GAPS = (
    timedelta(seconds=2),
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(minutes=20),
    timedelta(minutes=40),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
)


def next_try(*, attempts: int, first_at: datetime, now: datetime) -> datetime | None:
    """When to try again after `attempts` tries of which the last failed at `now`; None: give up.

    The gaps grow; the last try is made when the lifetime ends.
    """
    deadline = first_at + LIFETIME
    if now >= deadline:
        return None
    return min(now + GAPS[min(attempts, len(GAPS)) - 1], deadline)
