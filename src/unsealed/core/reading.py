"""Judged events -> readings, states, words.

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
BELIEVED_FROM = 0.6  # confidence under which screens say "maybe"


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


def state_words(state: CopyState, *, opens: int = 0, clicks: int = 0, confidence: float | None = None) -> str:
    """The state for people: "Opened 3 times", "Maybe opened", "No signal yet"."""
    match state:
        case CopyState.OPENED:
            maybe = confidence is not None and confidence < BELIEVED_FROM
            return f"{'Maybe opened' if maybe else 'Opened'}{_times(opens)}"
        case CopyState.CLICKED:
            return f"Clicked{_times(clicks)}"
        case CopyState.LOADED_BY_MACHINE:
            return "Loaded by a machine"
        case CopyState.NO_SIGNAL:
            return "No signal yet"
        case CopyState.NOT_TRACKED:
            return "Not tracked"
        case CopyState.QUEUED:
            return "Waiting to be sent"
        case CopyState.DELAYED:
            return "Delayed"
        case CopyState.SENT:
            return "Sent"
        case CopyState.DELIVERED:
            return "Delivered"
        case CopyState.BOUNCED:
            return "Bounced"


def _times(count: int) -> str:
    return f" {count} times" if count > 1 else ""
