from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from unsealed.core.reading import READING_GAP, begins_reading, copy_state
from unsealed.model.message import CopyState, Delivery
from unsealed.model.view import CopyFacts

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SENT = NOON - timedelta(hours=1)


def facts(
    delivery: Delivery = Delivery.SENT,
    *,
    tracked: bool = True,
    sent_at: datetime | None = SENT,
    opens: int = 0,
    clicks: int = 0,
    machine: int = 0,
) -> CopyFacts:
    return CopyFacts(tracked=tracked, delivery=delivery, sent_at=sent_at, opens=opens, clicks=clicks, machine=machine)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (facts(Delivery.QUEUED, sent_at=None), CopyState.QUEUED),
        (facts(Delivery.DELAYED, sent_at=None), CopyState.DELAYED),
        (facts(Delivery.BOUNCED, sent_at=None), CopyState.BOUNCED),
        (facts(), CopyState.SENT),
        (facts(Delivery.DELIVERED), CopyState.DELIVERED),
        (facts(tracked=False), CopyState.NOT_TRACKED),
        (facts(Delivery.QUEUED, tracked=False), CopyState.QUEUED),
        (facts(sent_at=NOON - timedelta(hours=24)), CopyState.NO_SIGNAL),
        (facts(sent_at=NOON - timedelta(hours=23, minutes=59)), CopyState.SENT),
        (facts(Delivery.DELIVERED, sent_at=NOON - timedelta(days=3)), CopyState.NO_SIGNAL),
        (facts(machine=2), CopyState.LOADED_BY_MACHINE),
        (facts(machine=2, sent_at=NOON - timedelta(days=3)), CopyState.LOADED_BY_MACHINE),
        (facts(opens=1, machine=2), CopyState.OPENED),
        (facts(opens=1, clicks=1), CopyState.CLICKED),
        (facts(Delivery.BOUNCED, opens=1), CopyState.OPENED),
        (facts(Delivery.QUEUED, sent_at=None, opens=1), CopyState.OPENED),
    ],
)
def test_the_strongest_fact_makes_the_state(facts: CopyFacts, state: CopyState) -> None:
    assert state == copy_state(facts, NOON)


def test_a_reading_begins_after_ten_quiet_minutes_and_not_before() -> None:
    assert begins_reading(None, NOON)
    assert not begins_reading(NOON - READING_GAP, NOON)
    assert begins_reading(NOON - READING_GAP - timedelta(microseconds=1), NOON)
