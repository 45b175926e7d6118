"""What passed between a user and a contact: letters and bounces, what people did with them, answers. The reading side.

Promises to look at no more than the newest LETTERS letters to the contact, found by key, and to say when there are
older ones. Shows nothing of messages whose level keeps readers apart from their addresses. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from unsealed.model.contact import Dealing, Dealt, LastLetter
from unsealed.model.event import HitId, HitKind
from unsealed.model.message import CopyId, Delivery, UserId, public_id
from unsealed.model.reply import Kind
from unsealed.model.view import EventLine, Page
from unsealed.store import judged, views
from unsealed.store.habits import BY_NAME
from unsealed.store.keyset import PAGE_LIMIT, behind, bounded, cursor_of, place_of
from unsealed.store.many_rows import Several, among, each_of
from unsealed.store.schema import copies, messages, replies

LETTERS = 200
UNSENT = 100  # of those that never left: bounced at once, or waiting
READINGS = 500
COPIES_AT_ONCE = 100  # whose events are looked at

_ANSWERS = {Kind.REPLY: Dealing.REPLIED, Kind.AUTOMATIC: Dealing.AUTOMATIC}


@dataclass(frozen=True, slots=True)
class Letters:
    """The newest copies to one mailbox."""

    rows: tuple[Any, ...]  # of `copies`: id, message_id, delivery, reply, sent_at, ended_at, first_at, last_at, by_name
    more: bool  # there are older ones

    @property
    def seen(self) -> list[Any]:
        """Those with which people did something that may be shown; the one with the latest sign of them first."""
        found = [row for row in self.rows if row.by_name and row.last_at is not None]
        return sorted(found, key=lambda row: row.last_at, reverse=True)


def letters(connection: Connection, user: UserId, mailbox: str) -> Letters:
    """The newest letters to a mailbox (in lower case)."""
    c = copies.c
    query = select(
        *(c.id, c.message_id, c.delivery, c.reply, c.sent_at, c.ended_at, c.first_at, c.last_at),
        (c.opens_level.in_(BY_NAME) & c.clicks_level.in_(BY_NAME)).label("by_name"),
    ).where(c.user_id == user, c.mailbox == mailbox)
    left = query.where(c.sent_at.is_not(None)).order_by(c.sent_at.desc()).limit(LETTERS + 1)
    found = connection.execute(left).all()
    unsent = connection.execute(query.where(c.sent_at.is_(None)).limit(UNSENT)).all()
    return Letters(rows=(*found[:LETTERS], *unsent), more=len(found) > LETTERS)


def time_line(
    connection: Connection, user: UserId, of: Letters, *, after: str | None = None, limit: int = 50
) -> Page[Dealt]:
    """What passed, latest first; at most PAGE_LIMIT - 1 at once.

    Raises:
        BadInput: unknown cursor.
    """
    most = min(bounded(limit), PAGE_LIMIT - 1)
    lines = _acts(connection, of, after, most + 1)
    lines += _answers(connection, of, after, most + 1)
    place = place_of(after) if after else None
    lines += [line for line in _letters(of) if place is None or (line.at, line.number) < place]
    lines.sort(key=lambda line: (line.at, line.number), reverse=True)
    shown = lines[:most]
    events = judged.by_id(connection, user, [HitId(line.number) for line in shown if line.what is None])
    subjects = _subjects(connection, {line.message for line in shown})
    return Page(
        items=tuple(_dealt(line, events, subjects[line.message]) for line in shown),
        next=cursor_of(shown[-1].at, shown[-1].number) if len(lines) > most else None,
    )


def readings(connection: Connection, of: Letters) -> list[datetime]:
    """When the contact began to read, as far as we believe it; the newest READINGS."""
    return judged.reading_times(connection, [row.id for row in of.seen], READINGS)


def last_letters(connection: Connection, user: UserId, mailboxes: Sequence[str]) -> Mapping[str, LastLetter]:
    """The newest letter that left to each of these mailboxes; of those to whom none did, one that is on its way or
    bounced."""
    newest: dict[str, int] = {}
    for query in (_LEFT, _UNSENT):
        if asked := [each for each in mailboxes if each not in newest]:
            mailbox = each_of(connection.dialect.name, bindparam("mailboxes", asked, Several()))
            # One look into the index for each; a database that may join them may walk through it.
            found = select(mailbox, query.where(copies.c.mailbox == mailbox).scalar_subquery())
            newest |= {row[0]: row[1] for row in connection.execute(found, {"user": user}) if row[1] is not None}
    shown = views.copies_by_id(connection, user, newest.values())
    of_copy = {row.id: row.message_id for row in connection.execute(_MESSAGES, {"ids": list(newest.values())})}
    subjects = _subjects(connection, of_copy.values())
    return {
        mailbox: LastLetter(
            message=public_id(of_copy[copy]), subject=subjects[of_copy[copy]], copy=shown[public_id(copy)]
        )
        for mailbox, copy in newest.items()
    }


def _last(of_those: ColumnElement[bool]) -> Select[Any]:
    c = copies.c
    query = select(c.id).where(c.user_id == bindparam("user"), of_those)
    return query.order_by(c.sent_at.desc()).limit(1)


_LEFT, _UNSENT = _last(copies.c.sent_at.is_not(None)), _last(copies.c.sent_at.is_(None))
_IDS: Any = bindparam("ids", expanding=True)
_MESSAGES = select(copies.c.id, copies.c.message_id).where(copies.c.id.in_(_IDS))
_SUBJECTS = select(messages.c.id, messages.c.subject).where(messages.c.id.in_(_IDS))


@dataclass(frozen=True, slots=True)
class _Line:
    at: datetime
    number: int  # parts what happened in the same moment
    message: int
    what: Dealing | None  # None: an act, whose event is not looked up yet
    words: str = ""


def _dealt(line: _Line, events: Mapping[HitId, EventLine], subject: str) -> Dealt:
    what, event = line.what, None
    if what is None:
        event = events[HitId(line.number)]
        what = Dealing.OPENED if event.kind is HitKind.OPEN else Dealing.CLICKED
    return Dealt(what=what, at=line.at, message=public_id(line.message), subject=subject, event=event, words=line.words)


def _acts(connection: Connection, of: Letters, after: str | None, limit: int) -> list[_Line]:
    """The newest that people did, of the copies with the latest signs, until no other can have a newer one."""
    until = place_of(after)[0] if after else None
    copies = [row for row in of.seen if until is None or row.first_at <= until]
    found: list[tuple[datetime, HitId, CopyId]] = []
    looked = 0
    while looked < len(copies) and (len(found) < limit or copies[looked].last_at >= found[-1][0]):
        some = [row.id for row in copies[looked : looked + COPIES_AT_ONCE]]
        found = sorted([*found, *judged.acts(connection, some, after=after, limit=limit)], reverse=True)[:limit]
        looked += COPIES_AT_ONCE
    message_of = {row.id: row.message_id for row in copies}
    return [_Line(at, hit, message_of[copy], None) for at, hit, copy in found]


def _letters(of: Letters) -> Iterator[_Line]:
    for row in of.rows:
        if row.sent_at is not None:
            yield _Line(row.sent_at, row.id, row.message_id, Dealing.SENT)
        if row.delivery == Delivery.BOUNCED and row.ended_at is not None:
            yield _Line(row.ended_at, row.id, row.message_id, Dealing.BOUNCED, words=row.reply)


def _answers(connection: Connection, of: Letters, after: str | None, limit: int) -> Iterator[_Line]:
    r = replies.c
    query = select(r.id, r.message_id, r.kind, r.at).where(
        among(connection, r.message_id, {row.message_id for row in of.rows}),
        among(connection, r.copy_id, [row.id for row in of.rows]),
        r.kind.in_(list(_ANSWERS)),
    )
    query = behind(query.order_by(r.at.desc(), r.id.desc()), r.at, r.id, after)
    for row in connection.execute(query.limit(limit)):
        yield _Line(row.at, row.id, row.message_id, _ANSWERS[Kind(row.kind)])


def _subjects(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    return {row.id: row.subject for row in connection.execute(_SUBJECTS, {"ids": list(numbers)})}
