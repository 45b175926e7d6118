"""The figures of reports: counts of recipients and what came back. Made by store.reports; rates, ranges and
comparisons are made of them by core.report.

A count is of copies: one recipient of one message. A rate is always a part of a whole of the same object, so that no
page can show one without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from unsealed.model.event import ClientKind, Device, Finding
from unsealed.model.template import TemplateId


class By(StrEnum):
    """What recipients are put together by."""

    TEMPLATE = "template"  # a version of one
    SUBJECT = "subject"
    LINK = "link"


class Act(StrEnum):
    """What a person did, or not."""

    REPLIED = "replied"
    CLICKED = "clicked"
    OPENED = "opened"


class Team(StrEnum):
    """What owners and administrators may see of all people of an installation. Stored."""

    NOTHING = "nothing"
    SUMS = "sums"  # over whole weeks of many people
    PEOPLE = "people"  # also each person's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which messages a report is about: those submitted from `since` up to, not including, `until`."""

    since: datetime
    until: datetime
    tag: str = ""  # "": any
    template: TemplateId | None = None
    domain: str = ""  # of the recipient, in lower case; "": any


@dataclass(frozen=True, slots=True)
class Part:
    """So many of so many."""

    of: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Recipients of some messages."""

    recipients: int = 0  # whose copy left, or came back
    bounced: int = 0
    tracked: int = 0  # by pixel or links, and not bounced; all that follow are of these, but for replies
    with_pixel: int = 0
    with_links: int = 0
    opened: int = 0  # of those with a pixel
    clicked: int = 0  # of those with links
    replied: int = 0
    machine: int = 0  # of the tracked: nothing but machines
    machine_clicks: int = 0  # of those with links: followed by machines alone
    silent: int = 0  # of the tracked: nothing at all
    unseen: int = 0  # of the silent: without a pixel, so opens are never seen
    anonymous: int = 0  # tracked for sums alone: in no figure above but the first two

    def part(self, act: Act) -> Part:
        match act:
            case Act.REPLIED:
                return Part(self.replied, self.recipients - self.bounced)
            case Act.CLICKED:
                return Part(self.clicked, self.with_links)
            case Act.OPENED:
                return Part(self.opened, self.with_pixel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of a report that counts recipients."""

    messages: int
    counts: Counts
    cut_at: datetime | None = None  # the oldest message that was looked at, when there were too many
    automatic: int = 0  # replies by programs, in no count
    quarters: Mapping[int, int] = field(default_factory=dict)  # quarter hour since 1970 -> people seen first then
    delays_s: tuple[int, ...] = ()  # from sending to the first sign of a person, ascending


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Recipients of messages that have something in common."""

    name: str  # of the template, or the subject; no two groups of a report have the same
    template: TemplateId | None = None
    version: int = 0
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkGroup:
    """Who followed one address."""

    destination: str
    text: str  # the newest that stood on it
    clicks: int
    people: Part  # of all who followed anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """With what people read, as far as it can be told."""

    client: str
    kind: ClientKind
    device: Device
    finding: Finding
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The newest readings, by program."""

    readings: int
    whole: bool  # there are no older ones in the period
    items: tuple[Program, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What all people of an installation sent in a week that begins on a Monday, UTC."""

    begins: date
    senders: int  # besides who asks
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison: by day of sending (since 1970), of how many recipients the time to act is over, and
    how many of them had acted by then."""

    name: str
    days: Mapping[int, Part]
