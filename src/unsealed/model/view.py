"""The shapes that pages, API and notices show. Made by the store; ids are public hex strings, times aware UTC.

A shape carries facts, not words: `core.reading.copy_state` turns `CopyFacts` into a state, inlets turn states into
words. Counts are rollups: `opens` are readings by people, `raw` every request recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from unsealed.model.event import NOWHERE, Answer, ClientKind, Device, Finding, HitKind, NetworkClass, Place, Reason
from unsealed.model.message import AddressKind, CopyId, Delivery, Link, Survey
from unsealed.model.policy import Level, Scope
from unsealed.model.reply import Kind

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of a list, and the cursor behind which it goes on (None: that was the end)."""

    items: tuple[Item, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFacts:
    """All that the state of a copy follows from. Of a message: the same, summed over its copies."""

    tracked: bool
    delivery: Delivery  # of a message: the least advanced of its copies; bounced only when all are
    sent_at: datetime | None  # when the next hop took it
    opens: int
    clicks: int
    machine: int
    replies: int = 0  # by people


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What was seen of one copy, or of all copies of a message."""

    opens: int = 0  # readings by people
    clicks: int = 0  # clicks by people
    raw: int = 0  # every request recorded
    machine: int = 0  # prefetches, scanners
    confidence: float | None = None  # best of the counted events
    first_at: datetime | None = None  # first and last counted signal
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastClick:
    """The newest click by a person."""

    text: str  # visible text of the link, or its address
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message in a list."""

    id: str
    subject: str
    recipients: tuple[str, ...]  # the first three: name, or else address
    recipient_count: int
    at: datetime  # when it was submitted
    tag: str
    facts: CopyFacts
    signals: Signals
    waiting: int = 0  # copies not yet taken by the next hop
    bounced: int = 0
    next_at: datetime | None = None  # next try of a delayed copy
    reply: str = ""  # what the next hop said to a bounced copy
    last_click: LastClick | None = None
    replied_at: datetime | None = None  # the first answer by a person that is known whose copy it was
    unchanged: str = ""  # reason code when it went out as it came
    signal_at: datetime  # what "last signal first" sorts by


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """One recipient of a message."""

    id: str
    address: str  # "" for a shared copy: "someone"
    name: str
    kind: AddressKind
    facts: CopyFacts
    signals: Signals
    attempts: int = 0
    reply: str = ""  # last answer of the next hop
    next_at: datetime | None = None
    ended_at: datetime | None = None  # delivered or bounced
    last_click: LastClick | None = None
    replied_at: datetime | None = None  # the first answer by a person
    opens_level: Level = Level.FULL  # at most; the message's may be lower
    clicks_level: Level = Level.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A recipient who followed a link."""

    name: str  # or else address; "" of a shared copy
    clicks: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One link of a message and who followed it."""

    link: Link
    people: int = 0  # clicks by people
    machine: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    by: tuple[Follower, ...] = ()  # up to three, latest first
    by_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One message with all its recipients and links."""

    row: MessageRow
    envelope_from: str
    message_id: str  # the Message-ID header
    size: int  # bytes of the original
    metadata: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]  # what was asked but could not be honoured
    opens_level: Level
    clicks_level: Level
    tracking_url: str
    survey: Survey = field(repr=False)  # without its links
    copies: tuple[CopyRow, ...]
    links: tuple[LinkRow, ...]
    sealed: bool = False  # its text is for its recipients alone


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFacts:
    """What came back from the newest copies to one recipient, or to one company: numbers of copies."""

    copies: int = 0  # tracked and accepted by the next hop long enough ago to have been read
    with_pixel: int = 0
    with_links: int = 0  # with at least one tracked link
    opened: int = 0  # a person's program or proxy loaded the pixel
    clicked: int = 0  # a person followed a link
    clicked_unloaded: int = 0  # a person followed a link, and the pixel was never loaded by anybody
    prefetched: int = 0  # loaded ahead by the reader's mail provider
    scanned_pixels: int = 0  # the pixel loaded by a scanner
    scanned_links: int = 0  # a link followed by a scanner
    silent: int = 0  # nothing came back at all
    answered_unloaded: int = 0  # a person answered, followed no link, and the pixel was never loaded by anybody


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One judged request with the link it belongs to, as lists over several messages show it."""

    id: str
    message: str
    copy: str
    at: datetime
    kind: HitKind
    finding: Finding
    confidence: float
    reasons: tuple[Reason, ...]
    rules: str
    client: str
    client_kind: ClientKind
    device: Device
    system: str
    network: NetworkClass
    operator: str
    link: int | None
    link_text: str
    destination: str
    first_of_reading: bool
    trap: bool = False  # the link is the hidden one
    place: Place = NOWHERE

    @property
    def corrected(self) -> bool:
        """Whether the sender said what it was."""
        return bool(self.reasons) and self.reasons[0].code == "CORRECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow(EventLine):
    """The same with whose it is, how it looked, and what it was called before."""

    recipient: str  # address, "" for a shared copy
    name: str
    method: str = ""  # how the request looked; "" once the raw facts have expired, or where the level keeps none
    user_agent: str = ""
    accept_language: str = ""
    referer_host: str = ""
    was: Finding | None = None  # what it was called before it was judged again; None: always the same
    was_cause: str = ""  # why it was judged again, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRow:
    """Something that came back to a message by mail."""

    id: int
    copy: str | None  # whose it is; None: somebody else wrote it, or it cannot be told
    kind: Kind
    name: str  # of the recipient, or else of who wrote it
    address: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Counted events of one copy that came from the same program, device, network and place, as one."""

    copy: CopyId
    client: str
    kind: ClientKind
    device: Device
    system: str
    network: NetworkClass
    operator: str
    place: Place
    first_at: datetime
    last_at: datetime
    readings: int
    clicks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """A chat program fetched a preview of a link of a copy: somebody pasted it there."""

    copy: CopyId
    client: str
    at: datetime  # the first time


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRow:
    """A copy in the built-in mailbox."""

    id: str
    message: str
    tokens: CopyId  # the copy whose tokens it carries: its own, or the one that all recipients share
    recipient: str
    name: str
    subject: str
    at: datetime
    facts: CopyFacts
    signals: Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """Something changed: for live pages."""

    id: int
    user: int
    message: str
    copy: str | None
    what: str  # "accepted", "delivery", or a Finding
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """What the sender said about an event; it holds for what came from there before and since."""

    id: int
    answer: Answer
    words: str  # for what it holds: "Thunderbird on Windows, 192.0.2.0/24, for rob@x.example"
    message: str  # where it was said
    event: str
    at: datetime
    changed: int  # events of the past whose finding it changed
    judging: bool = False  # history is still being judged again: `changed` grows
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejudgingRow:
    """History judged again."""

    id: int
    cause: str  # store.corrections.Cause
    words: str  # "rules 2026.11 -> 2026.12"
    messages: int  # looked at so far
    changed: int  # events whose finding changed so far
    at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What judging again made of one user's events, the latest of them."""

    findings: tuple[tuple[Finding, Finding, int], ...]  # before, after, events; the most first
    messages: tuple[tuple[str, str, int], ...]  # id, subject, events: those with most changes
    more: bool  # than were looked at

    @property
    def events(self) -> int:
        return sum(events for _, _, events in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A browser of which the sender said "this is me"."""

    id: str
    user_agent: str
    at: datetime  # when it was said
    seen_at: datetime | None = None  # the last picture or link it asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Somebody changed something."""

    id: int
    at: datetime
    what: str  # store.audit.What
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """A recipient, a recipient domain or a destination that is tracked less than others."""

    scope: Scope
    name: str
    opens: Level | None  # at most; None: nothing is said
    clicks: Level | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFileRow:
    """A file of facts about addresses, or what is built in of them."""

    name: str  # "country", "routes-ipv4"; unique
    holds: str  # in plain words: "the country of an address"
    source: str  # where it came from: an address, or the name of the file that was added
    licence: str  # "" when unknown
    credit: str = ""  # what the licence wants shown beside places; "" when nothing
    credit_url: str = ""  # where the credit links to
    as_of: date  # the day that the data speaks of
    added_at: datetime | None = None  # None: it came with the program
    rows: int = 0
    trouble: str = ""  # why it is not used; "" when it is


class What(StrEnum):
    """What happened to a message."""

    OPEN = "open"  # a reading by a person began
    CLICK = "click"  # a person followed a link
    REPLY = "reply"  # a person answered
    AUTOMATIC = "automatic"  # a machine answered
    BOUNCE = "bounce"
    MACHINE = "machine"  # loaded or followed by machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to a message: one line of what happened over all messages."""

    id: str  # unique over all of them: "open.", and the public id of what it was
    what: What
    at: datetime
    message: str
    subject: str
    copy: str | None  # None: it cannot be told whose
    recipient: str  # address; "" for a shared copy
    name: str
    among: int = 0  # how many share the copy
    event: EventLine | None = None  # of an open, a click and a machine
    nth: int = 0  # of an open: which reading of this copy; 0: not counted, of so many requests
    loads: int = 1  # of an open: requests in this reading; of machines: requests together
    until: datetime | None = None  # the last of these
    words: str = ""  # of a bounce: what the next hop said
    occasion: str = ""  # of an open and a click: a model.notice.Occasion
    why_muted: str = ""  # a model.notice.Why; "": it rings


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRow:
    """A message that somebody opened, with what it was seen on last."""

    message: MessageRow
    last: EventLine | None  # the latest act of a person; None: only its counts are left


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A recipient to whom one might write again."""

    copy: CopyRow
    message: str
    subject: str
    at: datetime  # when the message was submitted
    tag: str = ""
