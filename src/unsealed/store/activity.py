"""What happened over all messages of a user, newest first; what was opened; and whom one might write again.

Events, answers and bounces lie in tables of their own. Each is read by its own index behind the same place, and the
newest of all make the page: no list is longer than the page, however much there is. People and machines are streams of
their own, so that asking for either never walks through what the other left.

Promises rows of the asking user only. Writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)

from unsealed.model.errors import BadInput
from unsealed.model.event import COUNTED, Finding, HitId, HitKind
from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.reply import Kind
from unsealed.model.view import EventLine, FollowUp, Happening, OpenedRow, Page, What
from unsealed.store import judged, views
from unsealed.store.keyset import behind, bounded, cursor_of
from unsealed.store.schema import (
    BOUNCED,
    BY_MACHINE,
    CLICK,
    DONE,
    FIRST_OPEN,
    FOLLOWED_UP,
    KEEN,
    MICROSECOND,
    OPENED,
    SILENT,
    copies,
    events,
    messages,
    replies,
    silences,
)

TOGETHER = timedelta(seconds=10)  # requests of machines for one copy this close are one line
NUMBERED = 200  # requests of a copy up to which its readings are numbered
HIDDEN_UP_TO = 1_000
SILENT_FOR = timedelta(days=3)
FOLLOWED_FOR = timedelta(days=60)  # what is older is history

_OF_A_READING = COUNTED | {Finding.DUPLICATE}
_IDS: Any = bindparam("ids", expanding=True)


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of thing that happens. Those that come first stand above others of the same moment."""

    what: What
    at: ColumnElement[datetime]
    number: ColumnElement[int]
    where: ColumnElement[bool]
    message: ColumnElement[int]
    copy: ColumnElement[int]
    user: ColumnElement[int]


def _of_events(what: What, kind: HitKind, where: ColumnElement[bool]) -> Stream:
    e = events.c
    return Stream(what, e.at, e.hit_id, and_(e.kind == kind.value, where), e.message_id, e.copy_id, e.user_id)


def _of_replies(what: What, kind: Kind) -> Stream:
    r = replies.c
    return Stream(what, r.at, r.id, r.kind == kind.value, r.message_id, r.copy_id, r.user_id)


STREAMS = (
    _of_replies(What.REPLY, Kind.REPLY),
    _of_replies(What.AUTOMATIC, Kind.AUTOMATIC),
    Stream(
        What.BOUNCE,
        copies.c.ended_at,
        copies.c.id,
        and_(BOUNCED, copies.c.address != ""),
        copies.c.message_id,
        copies.c.id,
        copies.c.user_id,
    ),
    _of_events(What.CLICK, HitKind.CLICK, CLICK),
    _of_events(What.OPEN, HitKind.OPEN, FIRST_OPEN),
    _of_events(What.MACHINE, HitKind.CLICK, BY_MACHINE),
    _of_events(What.MACHINE, HitKind.OPEN, BY_MACHINE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where something that happened stands."""

    at: datetime
    stream: int
    number: int
    message: MessageId
    copy: CopyId | None

    @property
    def what(self) -> What:
        return STREAMS[self.stream].what

    @property
    def cursor(self) -> str:
        return f"{self.stream}.{cursor_of(self.at, self.number)}"


def keys(connection: Connection, user: UserId, whats: Collection[What], *, after: str | None, limit: int) -> list[Key]:
    """What happened, newest first: no more than `limit`, behind the cursor of a key.

    Raises:
        BadInput: this is not a cursor.
    """
    found = [_keys(connection, user, number, after, limit) for number, each in enumerate(STREAMS) if each.what in whats]
    return list(islice(merge(*found, key=_in_order, reverse=True), limit))


def _in_order(key: Key) -> tuple[datetime, int, int]:
    return key.at, -key.stream, key.number


def _keys(connection: Connection, user: UserId, number: int, after: str | None, limit: int) -> list[Key]:
    query = _behind(_STREAMED[number], STREAMS[number], number, after)
    found = connection.execute(query, {"user": user, "most": limit})
    return [
        Key(at=row.at, stream=number, number=row.number, message=row.message, copy=row.copy)
        for row in found
        if row.at is not None
    ]


def _streamed(of: Stream) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [of.at.label("at"), of.number.label("number")]
    query: Select[Any] = select(*columns, of.message.label("message"), of.copy.label("copy"))
    query = query.where(of.user == bindparam("user"), of.where).order_by(of.at.desc(), of.number.desc())
    return query.limit(bindparam("most", type_=Integer))


_STREAMED = [_streamed(each) for each in STREAMS]


def _behind(query: Select[Any], of: Stream, number: int, after: str | None) -> Select[Any]:
    if not after:
        return query
    where, _, cursor = after.partition(".")
    if not (where.isascii() and where.isdigit() and len(where) == 1 and int(where) < len(STREAMS)):
        raise BadInput("this is not a cursor of this list")
    if int(where) != number:  # of the same moment: all that stands below that stream, nothing that stands above it
        cursor = f"{cursor.partition('.')[0]}.{'7fffffffffffffff' if number > int(where) else '0' * 16}"
    return behind(query, of.at, of.number, cursor)


def together(found: Iterable[Key], limit: int) -> list[list[Key]]:
    """Lines of a list: each key has its own, but for requests of machines for one copy that came together.

    Stops before the line behind the last one; what is left of `found` begins there.
    """
    lines: list[list[Key]] = []
    machines: dict[tuple[MessageId, CopyId | None], list[Key]] = {}
    for key in found:
        line = machines.get((key.message, key.copy)) if key.what is What.MACHINE else None
        if line is not None and line[-1].at - key.at <= TOGETHER:
            line.append(key)
            continue
        if len(lines) == limit:
            break
        lines.append([key])
        if key.what is What.MACHINE:
            machines[key.message, key.copy] = lines[-1]
    return lines


def hidden(connection: Connection, user: UserId, since: datetime | None, until: datetime | None) -> int:
    """Requests of machines between two moments, counted up to HIDDEN_UP_TO + 1. None: from the first, up to the
    last."""
    number = 0
    for stream in STREAMS:
        if stream.what is not What.MACHINE or number > HIDDEN_UP_TO:
            continue
        query = select(stream.number).where(stream.user == user, stream.where)
        if since is not None:
            query = query.where(stream.at >= since)
        if until is not None:
            query = query.where(stream.at <= until)
        some = query.order_by(stream.at.desc()).limit(HIDDEN_UP_TO + 1 - number).subquery()
        number += connection.execute(select(func.count()).select_from(some)).scalar_one()
    return number


def anything_silenced(connection: Connection, user: UserId) -> bool:
    """Whether the user has silenced anything at all."""
    s = silences.c
    return connection.execute(select(s.scope).where(s.user_id == user, s.silent).limit(1)).first() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """What a speaker is asked about."""

    thread: int
    sent_at: datetime
    contact: str  # address in lower case; "" when it cannot be told whose copy it is


_LETTERS = select(
    *(messages.c[each] for each in ("id", "user_id", "thread", "received_at", "subject", "recipient_count"))
).where(messages.c.id.in_(_IDS))
_PEOPLE = select(*(copies.c[each] for each in ("id", "user_id", "mailbox", "address", "name", "raw", "reply"))).where(
    copies.c.id.in_(_IDS)
)


def _copies_of(found: Sequence[Key]) -> list[int]:
    return list({key.copy for key in found if key.copy is not None})


def concerned(connection: Connection, user: UserId, found: Sequence[Key]) -> dict[Key, Concerned]:
    """Whose letter and conversation each of these is about."""
    of = {
        row.id: row
        for row in connection.execute(_LETTERS, {"ids": list({key.message for key in found})})
        if row.user_id == user  # compared here: a database might rather walk through all of the user's messages
    }
    boxes: dict[int, str] = {
        row.id: row.mailbox or row.address.lower() for row in connection.execute(_PEOPLE, {"ids": _copies_of(found)})
    }
    return {
        key: Concerned(
            thread=of[key.message].thread or key.message,
            sent_at=of[key.message].received_at,
            contact=boxes.get(key.copy or 0, ""),
        )
        for key in found
        if key.message in of
    }


@dataclass(frozen=True, slots=True)
class Before:
    """What came before an act of a person: of the same kind, on the same copy."""

    last: datetime | None
    lately: int  # how many within some time up to it, itself counted


def before(connection: Connection, found: Sequence[Key], within: timedelta) -> dict[Key, Before]:
    """Of each open and click. Each is two looks into the index of its copy."""
    made: dict[Key, Before] = {}
    for what, query in _BEFORE.items():
        keys = {key.number: key for key in found if key.what is what}
        given = {"ids": list(keys), "within": within // MICROSECOND}
        made |= {keys[hit]: Before(at, number) for hit, at, number in connection.execute(query, given)} if keys else {}
    return made


def _before(act: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    this, other = events.c, events.alias()
    same = and_(other.c.copy_id == this.copy_id, other.c.kind == this.kind, act(other.c))
    earlier = or_(other.c.at < this.at, and_(other.c.at == this.at, other.c.hit_id < this.hit_id))
    last = select(other.c.at).where(same, other.c.at <= this.at, earlier).order_by(other.c.at.desc()).limit(1)
    begin = type_coerce(this.at, BigInteger) - bindparam("within", type_=BigInteger)
    lately = select(func.count()).where(same, other.c.at > begin, other.c.at <= this.at)
    return select(this.hit_id, last.scalar_subquery(), lately.scalar_subquery()).where(this.hit_id.in_(_IDS))


_BEFORE = {
    What.OPEN: _before(lambda other: other.first_of_reading.is_(True)),
    What.CLICK: _before(lambda other: other.finding == Finding.HUMAN_CLICK.value),
}


def told(connection: Connection, user: UserId, lines: Sequence[Sequence[Key]]) -> list[Happening]:
    """These lines with all that is shown of them. What went away meanwhile is left out."""
    first = [line[0] for line in lines]
    letters: dict[int, Any] = {
        row.id: row
        for row in connection.execute(_LETTERS, {"ids": list({key.message for key in first})})
        if row.user_id == user
    }
    people: dict[int, Any] = {
        row.id: row for row in connection.execute(_PEOPLE, {"ids": _copies_of(first)}) if row.user_id == user
    }
    known = judged.by_id(connection, user, [HitId(key.number) for key in first if _is_event(key)])
    answers = _answers(connection, [key for key in first if key.what in (What.REPLY, What.AUTOMATIC)])
    readings = _readings(connection, [row.id for row in people.values() if row.raw <= NUMBERED], first)
    made = []
    for line in lines:
        key = line[0]
        if key.message not in letters or (_is_event(key) and HitId(key.number) not in known):
            continue
        reading = readings.get(key.number) if key.what is What.OPEN else None
        made.append(
            _happening(
                line,
                letters[key.message],
                people.get(key.copy or 0),
                known.get(HitId(key.number)) if _is_event(key) else None,
                answers.get(key.number) if key.what in (What.REPLY, What.AUTOMATIC) else None,
                reading,
            )
        )
    return made


def _is_event(key: Key) -> bool:
    return key.what in (What.OPEN, What.CLICK, What.MACHINE)


@dataclass(slots=True)
class _Reading:
    nth: int
    loads: int
    until: datetime


def _happening(
    line: Sequence[Key],
    letter: Row[Any],
    person: Row[Any] | None,
    event: EventLine | None,
    answer: Row[Any] | None,
    reading: _Reading | None,
) -> Happening:
    key = line[0]
    among = letter.recipient_count if person is not None and not person.address else 0
    return Happening(
        id=f"{key.what}.{public_id(key.number)}",
        what=key.what,
        at=key.at,
        message=public_id(key.message),
        subject=letter.subject,
        copy=None if key.copy is None else public_id(key.copy),
        recipient=person.address if person is not None else answer.address if answer is not None else "",
        name=(person.name if person is not None else "") or (answer.name if answer is not None else ""),
        among=among,
        event=event,
        nth=0 if reading is None else reading.nth,
        loads=len(line) if reading is None else reading.loads,
        until=(line[-1].at if len(line) > 1 else None) if reading is None else reading.until,
        words=person.reply if person is not None and key.what is What.BOUNCE else "",
    )


def _answers(connection: Connection, found: Sequence[Key]) -> dict[int, Any]:
    r = replies.c
    query = select(r.id, r.address, r.name).where(r.id.in_([key.number for key in found]))
    return {row.id: row for row in connection.execute(query)} if found else {}


_LOADS = (
    select(events.c.copy_id, events.c.hit_id, events.c.at, events.c.first_of_reading)
    .where(events.c.copy_id.in_(_IDS), events.c.kind == HitKind.OPEN.value, events.c.finding.in_(_OF_A_READING))
    .order_by(events.c.at, events.c.hit_id)
)


def _readings(connection: Connection, few: Sequence[int], found: Sequence[Key]) -> dict[int, _Reading]:
    """By the hit that began it: which reading of its copy each is, and how often the picture was loaded in it."""
    wanted = list({key.copy for key in found if key.what is What.OPEN} & set(few))
    latest: dict[int, _Reading] = {}
    numbers: defaultdict[int, int] = defaultdict(int)
    made: dict[int, _Reading] = {}
    for row in connection.execute(_LOADS, {"ids": wanted}) if wanted else ():
        if row.first_of_reading:
            numbers[row.copy_id] += 1
            made[row.hit_id] = latest[row.copy_id] = _Reading(numbers[row.copy_id], 1, row.at)
        elif (reading := latest.get(row.copy_id)) is not None:
            reading.loads += 1
            reading.until = row.at
    return made


# --- what was opened, and whom one might write again ------------------------------------------------------------------


def opened(connection: Connection, user: UserId, *, after: str | None = None, limit: int = 50) -> Page[OpenedRow]:
    """Messages that were opened, by the latest sign of a reader.

    Raises:
        BadInput: this is not a cursor.
    """
    query = behind(_OPENED, messages.c.last_at, messages.c.id, after)
    found = connection.execute(query, {"user": user, "most": bounded(limit) + 1}).all()
    page = found[: bounded(limit)]
    ids = [row.id for row in page]
    last = {row[0]: row[1] for row in connection.execute(_LATEST, {"ids": ids})} if ids else {}
    known = judged.by_id(connection, user, [HitId(hit) for hit in last.values() if hit is not None])
    rows = views.rows(connection, user, ids)
    return Page(
        items=tuple(
            OpenedRow(message=rows[public_id(id)], last=known.get(HitId(last.get(id) or 0)))
            for id in ids
            if public_id(id) in rows
        ),
        next=cursor_of(page[-1].last_at, page[-1].id) if len(found) > len(page) else None,
    )


_OPENED = (
    select(messages.c.id, messages.c.last_at)
    .where(messages.c.user_id == bindparam("user"), OPENED)
    .order_by(messages.c.last_at.desc(), messages.c.id.desc())
    .limit(bindparam("most", type_=Integer))
)
_LATEST = select(
    messages.c.id,
    select(events.c.hit_id)
    .where(events.c.message_id == messages.c.id, events.c.finding.in_(COUNTED))
    .order_by(events.c.at.desc(), events.c.hit_id.desc())
    .limit(1)
    .scalar_subquery(),
).where(messages.c.id.in_(_IDS))


def silent(
    connection: Connection, user: UserId, now: datetime, *, after: str | None = None, limit: int = 50
) -> Page[FollowUp]:
    """Recipients of whom nothing was seen for SILENT_FOR, the last written to first. Letters to more than FOLLOWED_UP
    people are left out, what is older than FOLLOWED_FOR, and what is done.

    Raises:
        BadInput: this is not a cursor.
    """
    c = copies.c
    when = c.sent_at <= now - SILENT_FOR, c.sent_at > now - FOLLOWED_FOR
    return _follow_ups(connection, user, c.sent_at, and_(SILENT, ~DONE, c.address != "", *when), after, limit)


def keen(
    connection: Connection, user: UserId, now: datetime, *, after: str | None = None, limit: int = 50
) -> Page[FollowUp]:
    """Recipients who opened a letter three times or more and did not answer, the latest reader first; not those who
    are done.

    Raises:
        BadInput: this is not a cursor.
    """
    c = copies.c
    return _follow_ups(connection, user, c.last_at, and_(KEEN, ~DONE, c.last_at > now - FOLLOWED_FOR), after, limit)


def done(
    connection: Connection, user: UserId, now: datetime, *, after: str | None = None, limit: int = 50
) -> Page[FollowUp]:
    """Recipients who are off these lists because somebody said that they are done, the last one first.

    Raises:
        BadInput: this is not a cursor.
    """
    c = copies.c
    return _follow_ups(connection, user, c.done_at, and_(DONE, c.done_at > now - FOLLOWED_FOR), after, limit)


def _follow_ups(
    connection: Connection,
    user: UserId,
    key: Any,
    where: ColumnElement[bool],
    after: str | None,
    limit: int,
) -> Page[FollowUp]:
    c, m = copies.c, messages.c
    query = (
        select(c.id, key.label("key"), c.message_id, m.subject, m.received_at, m.tag)
        .join(messages, m.id == c.message_id)
        .where(c.user_id == user, where, m.recipient_count <= literal_column(str(FOLLOWED_UP)))
        .order_by(key.desc(), c.id.desc())
    )
    found = connection.execute(behind(query, key, c.id, after).limit(bounded(limit) + 1)).all()
    page = found[: bounded(limit)]
    who = views.copies_by_id(connection, user, [row.id for row in page])
    return Page(
        items=tuple(
            FollowUp(
                copy=who[public_id(row.id)],
                message=public_id(row.message_id),
                subject=row.subject,
                at=row.received_at,
                tag=row.tag,
            )
            for row in page
        ),
        next=cursor_of(page[-1].key, page[-1].id) if len(found) > len(page) else None,
    )
