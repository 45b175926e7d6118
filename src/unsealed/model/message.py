"""A message on its way: what was submitted, what was decided about it, and the copies made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from unsealed.model.policy import Level, Switches

MessageId = NewType("MessageId", int)  # see `new_id`; written as 16 hex digits outside: the queue id and the API id
CopyId = NewType("CopyId", int)  # see `new_id`; the only thing a token says about the recipient
UserId = NewType("UserId", int)

HEX_DIGITS = frozenset("0123456789abcdef")

DRAWN_BITS = 40  # of an id
_MINUTES = 1 << (63 - DRAWN_BITS)  # sixteen years; then they begin anew, which harms nothing


def new_id(at: datetime, drawn: int) -> int:
    """An id of a message or a copy, 63 bit: the minute in which it was accepted, then DRAWN_BITS that were drawn.

    What is accepted together lies together in every index by such ids, so that a list of mail, or a hit on new mail,
    reads and writes few pages of a large store. Ids tell no order within the minute: not that of recipients, either.
    """
    return int(at.timestamp()) // 60 % _MINUTES << DRAWN_BITS | drawn


def public_id(number: int) -> str:
    """The written form of a message or copy id: 16 lower-case hex digits."""
    return f"{number:016x}"


def from_public_id(text: str) -> int | None:
    """The message or copy id that `text` writes, or None when it writes none. One spelling only."""
    if len(text) != 16 or set(text) - HEX_DIGITS:
        return None
    number = int(text, 16)
    return number if number < 1 << 63 else None


class AddressKind(StrEnum):
    """Where the visible headers name a recipient."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"  # in the envelope, in no visible header; also of the row that stands for a shared copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One envelope recipient, with the name and place that the visible headers give it."""

    address: str
    name: str = ""
    kind: AddressKind = AddressKind.BCC
    opens: Level = Level.FULL  # at most; the switches of the message may say less
    clicks: Level = Level.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message as an inlet took it. `raw` is the canonical CRLF form of what was submitted, control headers and Bcc
    removed, nothing else rewritten."""

    user: UserId
    envelope_from: str
    recipients: tuple[Recipient, ...]
    raw: bytes = field(repr=False)
    switches: Switches
    received_at: datetime
    tag: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()  # what was asked but could not be honoured, in words for the sender
    sealed: bool = False  # its text is for its recipients alone, not for the user
    template: tuple[int, int] | None = None  # id and version of the template that it was made from


class LinkPart(StrEnum):
    """In which part of a message a link stands."""

    HTML = "html"
    TEXT = "text"


class Link(Struct, frozen=True, gc=False):
    """One link of a message and what was decided about it."""

    position: int  # 0-based over all links of the message, in byte order; the same in every copy and in the token
    offset: int  # byte offset of the value in the decoded part
    part: LinkPart
    destination: str  # what a browser would open; for untrackable values the value as found
    text: str = ""  # visible text, white space folded, at most 200 characters
    tracked: bool = False
    reason: str = ""  # why it was left alone ("" when tracked); codes are core.instrument.LEFT_REASONS
    trap: bool = False  # the hidden link that was put in; behind all others, and none of those that people see or count


class Edit(Struct, frozen=True, gc=False):
    """`removed` stood at `offset` of the input and was replaced by `inserted`. Applied backwards to the output, the
    edits of a copy give the input, octet for octet."""

    offset: int
    removed: bytes
    inserted: bytes

    def __repr__(self) -> str:  # letters are not for logs
        return f"Edit(offset={self.offset})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Every decision about one message; the same for all its copies. Kept with the message and shown to the sender."""

    links: tuple[Link, ...] = ()
    pixel: str = ""  # where it stands in words: "before </body>", ...; "" when there is none
    pixel_offset: int | None = None  # byte offset in the decoded HTML part
    unchanged: str = ""  # reason code when the message goes out as it came; "" when it is instrumented
    warnings: tuple[str, ...] = ()  # codes: "clipped", "placeholder", ...
    html_bytes: int = 0  # size of the decoded HTML with tracking, for the clipping line

    @property
    def tracked_links(self) -> int:
        return sum(link.tracked and not link.trap for link in self.links)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one recipient gets."""

    id: CopyId
    recipient: Recipient | None  # None: shared, "someone"
    raw: bytes = field(repr=False)
    edits: tuple[Edit, ...] = field(default=(), repr=False)


class Delivery(StrEnum):
    """Where a copy is on its way out. Stored."""

    QUEUED = "queued"  # on disk, never tried
    DELAYED = "delayed"  # tried, refused for now, will be tried again
    SENT = "sent"  # the next hop answered 250
    DELIVERED = "delivered"  # a delivery report says so, or it lies in the sandbox mailbox
    BOUNCED = "bounced"  # refused for good, or given up


class CopyState(StrEnum):
    """The closed list that screens and API show; derived from delivery and events by core.reading.copy_state."""

    NOT_TRACKED = "not_tracked"
    QUEUED = "queued"
    DELAYED = "delayed"
    BOUNCED = "bounced"
    SENT = "sent"
    DELIVERED = "delivered"
    NO_SIGNAL = "no_signal"  # sent a day ago or more, nothing seen; never worded "not opened"
    LOADED_BY_MACHINE = "loaded_by_machine"
    OPENED = "opened"
    CLICKED = "clicked"
    REPLIED = "replied"  # a person answered; says more than any of the others
