"""What came back from earlier copies to a person or a company: the numbers that core.reliability reads.

Promises to look at no more than the newest copies, in one stretch of an index: what a copy carries and what came of it
stand there as bits. Counts nothing of copies whose level keeps readers apart from their addresses. Writes nothing; the
bits are kept by `store.messages` and `store.counts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import IntFlag
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from unsealed.model.event import ClientKind, Finding
from unsealed.model.message import Recipient, UserId
from unsealed.model.policy import Level, Switches
from unsealed.model.view import SignalFacts
from unsealed.store.many_rows import Several, each_of
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


OF_MACHINES = (Came.PREFETCHED | Came.SCANNED_PIXEL | Came.SCANNED_LINK).value
_PIXEL = Carries.PIXEL.value
_ANYTHING, _OPENED, _CLICKED = Came.ANYTHING.value, Came.OPENED.value, Came.CLICKED.value
_LOADED = (Came.OPENED | Came.PREFETCHED | Came.SCANNED_PIXEL).value
_ALL = _LOADED | (Came.ANYTHING | Came.CLICKED | Came.SCANNED_LINK).value
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


# Of each event and copy: bits of `Came` as plain numbers, because flags take ten times as long to put together.


def of_people(readings: int, clicks: int, raw: int) -> int:
    """What the counts of a copy say. A click proves an open, and loads nothing."""
    return _ANYTHING * (raw > 0) + _OPENED * (readings > 0) + _CLICKED * (clicks > 0)


@cache
def of_machine(finding: str, client_kind: str) -> int:
    """What one event says of a machine. A preview is no scanner: somebody pasted the link."""
    return 0 if client_kind == ClientKind.LINK_PREVIEW else int(MACHINES.get(Finding(finding), 0))


def facts_of_mailboxes(
    connection: Connection, user: UserId, mailboxes: Collection[str], now: datetime, limit: int = OF_A_PERSON
) -> dict[str, SignalFacts]:
    """What came back from the user's newest copies to each of these addresses (in lower case)."""
    return _facts(connection, "mailbox", user, mailboxes, now, limit)


def facts_of_domains(
    connection: Connection, user: UserId, domains: Collection[str], now: datetime, limit: int = OF_A_COMPANY
) -> dict[str, SignalFacts]:
    """What came back from the user's newest copies to all addresses of each of these domains (in lower case)."""
    return _facts(connection, "domain", user, domains, now, limit)


_CAME, _ANSWERED = 4, 256  # times what of a copy in `_newest`, beside what it carries


@cache
def _newest(dialect: str, of: str) -> Select[Any]:
    """For each that is asked about its newest copies, each as one number, with commas between."""
    c = copies.c
    none: ColumnElement[int] = literal_column("0")
    whose = each_of(dialect, bindparam("whose", type_=Several()))
    newest = (
        select((c.carries + c.came * _CAME + case((c.replies > none, _ANSWERED), else_=0)).label("copy"))
        .where(c.user_id == bindparam("user"), c[of] == whose, c.carries > none, c.sent_at.is_not(None))
        .where(or_(c.came > none, c.sent_at <= bindparam("until")))
        .order_by(c.sent_at.desc())
        .limit(bindparam("most", type_=Integer))
        .correlate(whose.table)
        .subquery()
    )
    together = select(func.aggregate_strings(cast(newest.c.copy, Text), ","))
    return select(whose, together.scalar_subquery())


def _facts(
    connection: Connection, of: str, user: UserId, asked: Collection[str], now: datetime, limit: int
) -> dict[str, SignalFacts]:
    if not asked:
        return {}
    given = {"user": user, "whose": asked, "until": now - TIME_TO_ANSWER, "most": limit}
    found = connection.execute(_newest(connection.dialect.name, of), given)
    return {whose: _counted(Counter(together.split(",") if together else ())) for whose, together in found}


def _counted(alike: Mapping[str, int]) -> SignalFacts:
    # Plain numbers: flags would take longer than the database.
    found = [
        (int(copy) % _CAME, int(copy) % _ANSWERED // _CAME, int(copy) >= _ANSWERED, number)
        for copy, number in alike.items()
    ]

    def those(*, carrying: int = 0, with_: int = 0, without: int = 0, answered: bool | None = None) -> int:
        return sum(
            number
            for carries, came, was_answered, number in found
            if carries & carrying == carrying
            and came & with_ == with_
            and not came & without
            and answered in (None, was_answered)
        )

    return SignalFacts(
        copies=those(),
        with_pixel=those(carrying=_PIXEL),
        with_links=those(carrying=Carries.LINKS.value),
        opened=those(with_=Came.OPENED.value),
        clicked=those(with_=_CLICKED),
        clicked_unloaded=those(carrying=_PIXEL, with_=_CLICKED, without=_LOADED),
        prefetched=those(with_=Came.PREFETCHED.value),
        scanned_pixels=those(with_=Came.SCANNED_PIXEL.value),
        scanned_links=those(with_=Came.SCANNED_LINK.value),
        silent=those(without=_ALL, answered=False),
        answered_unloaded=those(carrying=_PIXEL, without=_LOADED | _CLICKED, answered=True),
    )
