"""Somebody a user writes to, as pages and API show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from unsealed.model.view import CopyRow, EventLine


class Dealing(StrEnum):
    """What passed between the user and a contact."""

    SENT = "sent"  # the next hop took a letter
    OPENED = "opened"  # a reading by a person began
    CLICKED = "clicked"  # a person followed a link
    REPLIED = "replied"  # a person answered
    AUTOMATIC = "automatic"  # a machine answered
    BOUNCED = "bounced"  # a letter did not arrive


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """One line of the time line of a contact."""

    what: Dealing
    at: datetime
    message: str  # public id
    subject: str
    event: EventLine | None = None  # of an opening and a click
    words: str = ""  # of a bounce: what the next hop said


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLetter:
    """The newest letter to a contact, and what became of their copy."""

    message: str  # public id
    subject: str
    copy: CopyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A contact in a list."""

    mailbox: str  # the address in lower case: by this a contact is known
    address: str  # as it was written last
    name: str
    messages: int
    first_at: datetime
    last_at: datetime  # when the last letter to them was accepted
    last: LastLetter | None = None  # in lists; None: none of them has left


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact with what was noted about them."""

    row: ContactRow
    notes: str
    records: tuple[tuple[str, str], ...]  # name of another system, and the URL or the id there; by name
