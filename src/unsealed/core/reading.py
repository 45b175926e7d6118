"""Judged events -> readings and states.

A reading is a run of counted opens of one copy, each at most READING_GAP after the one before: a preview pane that
loads the picture eight times is one reading. Clicks have their own count; a click without any counted open proves one
reading.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from unsealed.model.message import CopyState, Delivery
from unsealed.model.view import CopyFacts

READING_GAP = timedelta(minutes=10)
NO_SIGNAL_AFTER = timedelta(hours=24)


def begins_reading(previous: datetime | None, at: datetime) -> bool:
    """Whether a counted open begins a reading. previous: the counted open of the same copy before it."""
    return previous is None or at - previous > READING_GAP


def copy_state(facts: CopyFacts, now: datetime) -> CopyState:
    """The one state that screens and API show. The strongest signal wins, whatever the mail side says: a copy that was
    read did arrive."""
    if facts.clicks:
        return CopyState.CLICKED
    if facts.opens:
        return CopyState.OPENED
    match facts.delivery:
        case Delivery.QUEUED:
            return CopyState.QUEUED
        case Delivery.DELAYED:
            return CopyState.DELAYED
        case Delivery.BOUNCED:
            return CopyState.BOUNCED
        case Delivery.SENT | Delivery.DELIVERED:
            pass
    if not facts.tracked:
        return CopyState.NOT_TRACKED
    if facts.machine:
        return CopyState.LOADED_BY_MACHINE
    if facts.sent_at is not None and now - facts.sent_at >= NO_SIGNAL_AFTER:
        return CopyState.NO_SIGNAL
    return CopyState.DELIVERED if facts.delivery is Delivery.DELIVERED else CopyState.SENT
