"""What came back from earlier copies to a person or a company: the numbers that core.reliability reads.

Promises to look at no more than the newest copies, in one stretch of an index: what a copy carries and what came of it
stand there as bits. Counts nothing of copies whose level keeps readers apart from their addresses. Writes nothing; the
bits are kept by `store.messages` and `store.counts`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntFlag
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, func, literal_column, or_, select

from unsealed.model.event import ClientKind, Finding
from unsealed.model.message import Recipient, UserId
from unsealed.model.policy import Level, Switches
from unsealed.model.view import SignalFacts
from unsealed.store.schema import copies

OF_A_PERSON = 50  # the newest copies that are looked at: habits change with the next phone
OF_A_COMPANY = 300
TIME_TO_ANSWER = timedelta(hours=24)  # a copy that was silent for less says nothing yet

BY_NAME = tuple(level for level in Level if level is Level.OFF or level >= Level.IDENTIFIED)


class Carries(IntFlag):
    """What may come back of a copy. Stored; nothing is stored where it must not be tied to an address."""

    NOTHING = 0
    PIXEL = 1
    LINKS = 2  # at least one that is tracked


class Came(IntFlag):
    """What came back of a copy. Stored, a rollup of its events."""

    NOTHING = 0
    ANYTHING = 1
    OPENED = 2  # the pixel, by a person's program or proxy
    CLICKED = 4  # by a person
    PREFETCHED = 8
    SCANNED_PIXEL = 16
    SCANNED_LINK = 32


OF_MACHINES = Came.PREFETCHED | Came.SCANNED_PIXEL | Came.SCANNED_LINK
_LOADED = Came.OPENED | Came.PREFETCHED | Came.SCANNED_PIXEL
_ALL = _LOADED | Came.ANYTHING | Came.CLICKED | Came.SCANNED_LINK
MACHINES = {
    Finding.MACHINE_PREFETCH: Came.PREFETCHED,
    Finding.SCANNER: Came.SCANNED_PIXEL,
    Finding.SCANNER_CLICK: Came.SCANNED_LINK,
}


def kept(carries: Carries, switches: Switches, recipient: Recipient) -> int:
    """What is stored of what a copy carries."""
    levels = (switches.opens, switches.clicks, min(switches.opens, recipient.opens))
    by_name = all(level in BY_NAME for level in (*levels, min(switches.clicks, recipient.clicks)))
    return int(carries) if by_name else 0


def of_people(readings: int, clicks: int, raw: int) -> Came:
    """What the counts of a copy say. A click proves an open, and loads nothing."""
    came = Came.ANYTHING if raw else Came.NOTHING
    came |= Came.OPENED if readings else Came.NOTHING
    return came | (Came.CLICKED if clicks else Came.NOTHING)


def of_machine(finding: str, client_kind: str) -> Came:
    """What one event says of a machine. A preview is no scanner: somebody pasted the link."""
    return Came.NOTHING if client_kind == ClientKind.LINK_PREVIEW else MACHINES.get(Finding(finding), Came.NOTHING)


def facts_of_mailbox(
    connection: Connection, user: UserId, mailbox: str, now: datetime, limit: int = OF_A_PERSON
) -> SignalFacts:
    """What came back from the user's newest copies to this address (in lower case)."""
    return _facts(connection, _OF_MAILBOX, user, mailbox, now, limit)


def facts_of_domain(
    connection: Connection, user: UserId, domain: str, now: datetime, limit: int = OF_A_COMPANY
) -> SignalFacts:
    """What came back from the user's newest copies to all addresses of this domain (in lower case)."""
    return _facts(connection, _OF_DOMAIN, user, domain, now, limit)


def _newest(whose: ColumnElement[str]) -> Select[Any]:
    c = copies.c
    none: ColumnElement[int] = literal_column("0")
    newest = (
        select(c.carries, c.came, (c.replies > none).label("answered"))
        .where(c.user_id == bindparam("user"), whose == bindparam("whose"), c.carries > none, c.sent_at.is_not(None))
        .where(or_(c.came > none, c.sent_at <= bindparam("until")))
        .order_by(c.sent_at.desc())
        .limit(bindparam("most", type_=Integer))
        .subquery()
    )
    alike = newest.c.carries, newest.c.came, newest.c.answered
    return select(*alike, func.count()).group_by(*alike)


_OF_MAILBOX, _OF_DOMAIN = _newest(copies.c.mailbox), _newest(copies.c.domain)


def _facts(
    connection: Connection, newest: Select[Any], user: UserId, whose: str, now: datetime, limit: int
) -> SignalFacts:
    given = {"user": user, "whose": whose, "until": now - TIME_TO_ANSWER, "most": limit}
    found = [
        (Carries(carries), Came(came), bool(answered), number)
        for carries, came, answered, number in connection.execute(newest, given)
    ]

    def those(
        *,
        carrying: Carries = Carries.NOTHING,
        with_: Came = Came.NOTHING,
        without: Came = Came.NOTHING,
        answered: bool | None = None,
    ) -> int:
        return sum(
            number
            for carries, came, was_answered, number in found
            if carrying in carries and with_ in came and not came & without and answered in (None, was_answered)
        )

    return SignalFacts(
        copies=those(),
        with_pixel=those(carrying=Carries.PIXEL),
        with_links=those(carrying=Carries.LINKS),
        opened=those(with_=Came.OPENED),
        clicked=those(with_=Came.CLICKED),
        clicked_unloaded=those(carrying=Carries.PIXEL, with_=Came.CLICKED, without=_LOADED),
        prefetched=those(with_=Came.PREFETCHED),
        scanned_pixels=those(with_=Came.SCANNED_PIXEL),
        scanned_links=those(with_=Came.SCANNED_LINK),
        silent=those(without=_ALL, answered=False),
        answered_unloaded=those(carrying=Carries.PIXEL, without=_LOADED | Came.CLICKED, answered=True),
    )
