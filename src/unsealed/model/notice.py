"""Notices: who is told what, on which channels, and what was silenced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import NewType

import msgspec

from unsealed.model.event import Agent, Finding, NetworkClass, Place
from unsealed.model.message import CopyId, MessageId

NoticeId = NewType("NoticeId", int)  # grows
DeviceId = NewType("DeviceId", int)  # random


class Act(StrEnum):
    """What somebody did with a message."""

    OPENED = "opened"  # a reading began
    CLICKED = "clicked"
    REPLIED = "replied"
    BOUNCED = "bounced"
    TESTED = "tested"  # the sender asked whether notices arrive
    UNOPENED = "unopened"  # nobody did, and the sender wanted to be reminded of that
    NO_REPLY = "no_reply"  # the same of an answer


class Readings(StrEnum):
    """Which readings are worth a notice."""

    FIRST = "first"  # the first of each recipient
    EVERY = "every"
    HOT = "hot"  # the third within an hour


class Channel(StrEnum):
    """A way on which notices reach somebody."""

    PAGE = "page"  # in an open page of Unsealed
    SYSTEM = "system"  # by the browser, while Unsealed is open in it
    PUSH = "push"  # to devices, also while nothing is open
    CHAT = "chat"  # chat and other services
    DIGEST = "digest"  # one letter a day


class Detail(StrEnum):
    """How much a notice says where others may see it: on a locked screen, in a chat."""

    ALL = "all"  # who did what with which message, on what, from where
    WHO = "who"  # who did what
    NOTHING = "nothing"  # that something happened


class Why(StrEnum):
    """Why nobody is told, or not apart."""

    NO_PERSON = "no_person"  # a machine, a repeat, or the sender
    REALTIME_OFF = "realtime_off"  # the master switch
    MESSAGE = "message"  # its speaker is off
    THREAD = "thread"  # the conversation is silenced
    CONTACT = "contact"  # the recipient is silenced
    ALL = "all"  # all mail of then was silenced
    LATE = "late"  # it happened too long ago
    NOT_WANTED = "not_wanted"  # not this act
    NOT_FIRST = "not_first"  # only the first reading is wanted
    NOT_HOT = "not_hot"  # only the third reading within an hour is wanted
    SAME_READING = "same_reading"  # that reading was told already
    QUIET = "quiet"  # quiet hours: stands in the daily letter
    NO_CHANNEL = "no_channel"  # no channel is chosen


class Occasion(StrEnum):
    """What is special about a reading."""

    FIRST = "first"
    AGAIN = "again"
    HOT = "hot"  # the third within an hour
    REVIVED = "revived"  # after weeks without any


class Scope(StrEnum):
    """What a press of a speaker is about."""

    REALTIME = "realtime"  # the master switch
    ALL = "all"  # all mail sent until now
    MESSAGE = "message"
    THREAD = "thread"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Somebody pressed a speaker."""

    scope: Scope
    of: str = ""  # id of message or thread in decimals, address of a contact in lower case
    silent: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What one user has silenced, as it stands."""

    realtime_off: bool = False
    all_until: datetime | None = None  # mail sent up to then is silent
    messages: Mapping[int, tuple[bool, datetime]] = field(default_factory=dict)  # silent or not, since when
    threads: Mapping[int, datetime] = field(default_factory=dict)  # silent since
    contacts: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which nothing rings, by the user's own clock; over midnight when it ends before it begins."""

    begins: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What one user wants to be told."""

    acts: frozenset[Act] = frozenset({Act.OPENED, Act.CLICKED, Act.REPLIED, Act.BOUNCED})
    readings: Readings = Readings.FIRST
    revival_weeks: int = 3  # a reading after so many weeks without any is told always; 0: never for that alone
    channels: frozenset[Channel] = frozenset({Channel.PAGE, Channel.PUSH, Channel.CHAT})
    quiet: Quiet | None = None
    zone: str = ""  # IANA name: of the quiet hours, the daily letter and the times in notices; "": UTC, and no times
    twelve: bool = False  # times in notices are told by the clock of twelve hours; kept with the language, not here
    digest_at: time = time(8)
    detail: Detail = Detail.WHO


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something happened to a message: all that the rule asks about it."""

    act: Act
    at: datetime
    finding: Finding | None = None  # of an open or a click
    message: MessageId
    thread: int
    sent_at: datetime  # when the message was accepted
    contact: str = ""  # address of the recipient in lower case; "" when it cannot be told
    earlier: tuple[datetime, ...] = ()  # readings of the same copy before it, the latest last
    told: tuple[datetime, ...] = ()  # of these and later ones: those that were told


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """On which channels it is told; on none, why not."""

    channels: frozenset[Channel] = frozenset()
    why: Why | None = None
    occasion: Occasion = Occasion.FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a notice is put into words from."""

    act: Act
    occasion: Occasion = Occasion.FIRST
    who: str  # name, or else address; "" when it cannot be told
    among: int = 0  # how many share the copy, when it cannot be told who
    subject: str
    link: str = ""  # text of the link that was followed, or its address
    at: datetime | None  # in the user's own zone; None when that is not known
    twelve: bool = False  # it is told by the clock of twelve hours
    confidence: float = 1.0
    agent: Agent | None = None
    network: NetworkClass = NetworkClass.UNKNOWN
    place: Place | None = None
    more: int = 0  # others since then that are told with it
    gone: bool = False  # taken back: it was no reader after all


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A notice in words."""

    title: str
    body: str
    tag: str  # a later notice with the same tag takes its place
    path: str  # page that it leads to
    link: str = ""  # page that may be named where others see it: it tells no more than the words do
    message: str = ""  # public id, for "mute"; "" when there is none
    again: bool = False  # takes the place of one that rang before: no second ring
    page: bool = False  # open pages show it as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where notices are sent to besides pages: a browser that takes push messages, or an address of a service."""

    id: DeviceId
    channel: Channel  # PUSH or CHAT
    name: str
    address: str = field(repr=False)  # whoever knows it can send there
    key: str = field(default="", repr=False)  # of the browser (RFC 8291 "p256dh" and "auth"), base64url
    auth: str = field(default="", repr=False)
    trusted: bool = False  # added by who runs the installation: may have a private address


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A counted event, or another cause of a notice, as it is handed to who decides."""

    cause: str  # "hit", "reply", "bounce", "reminder", "test"
    cause_id: int
    user: int
    message: MessageId | None
    copy: CopyId | None
    act: Act
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDeviceRow:
    """Where notices are sent to besides pages: a browser, or an address of another service."""

    id: str
    channel: Channel
    name: str
    at: datetime  # since when
    told_at: datetime | None = None  # the last notice that it took
    trouble: str = ""  # why it took none


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A notice, or why nobody was told."""

    id: int
    message: str
    subject: str
    who: str  # "" when it cannot be told
    act: Act
    at: datetime
    state: str  # store.notices.State
    why: str  # a Why; "" when somebody was told
    channels: tuple[Channel, ...]
    together: bool  # with an earlier one
