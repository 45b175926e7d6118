"""What somebody wants to be reminded of: a letter that nobody opened, or answered, by some day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from unsealed.model.view import MessageRow

LATEST = timedelta(days=366)  # from when it is set


class Unless(StrEnum):
    """What makes a reminder needless. Stored."""

    OPENED = "opened"  # a person opened it, followed a link or answered
    ANSWERED = "answered"


class State(StrEnum):
    """Stored."""

    WAITING = "waiting"
    DUE = "due"  # nothing came until then; shown until somebody says that it is done
    NEEDLESS = "needless"  # what it waited for had happened by then
    DONE = "done"  # taken back, or said to be done


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """One reminder of a user."""

    id: int
    message: MessageRow
    copy: str  # public id of a copy; "": whichever recipient
    who: str  # the recipient's name, or else address; "" of whichever
    unless: Unless
    due_at: datetime
    state: State
    happened: bool  # what it waits for has happened meanwhile
