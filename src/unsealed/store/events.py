"""Hits, and the events that judging makes of them: the writing side.

Promises that a hit is kept once however often it is shipped, and an event once for its hit.
Does not judge: verdicts come from flow.judging; what is counted of them stands in store.counts. All functions work in
the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from unsealed.model.event import COUNTED, Event, HitId, HitKind
from unsealed.model.hit import Hit, JournalPosition
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.policy import Level
from unsealed.store import schema
from unsealed.store.engine import insert
from unsealed.store.many_rows import ManyRows, Several, each_of, stored
from unsealed.store.many_rows import among as one_of
from unsealed.store.schema import (
    MICROSECOND,
    copies,
    cursors,
    events,
    hits,
    marks,
    messages,
)

_JSON = msgspec.json.Encoder()
AnyRow: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What judging needs to know about a message."""

    user: UserId
    opens_level: Level
    clicks_level: Level


class Judged(NamedTuple):
    """An event as it stands in the store: all that judging again may change."""

    finding: str
    confidence: float
    reasons: str  # JSON [[code, words], ...]
    rules: str
    client: str
    client_kind: str
    device: str
    system: str
    network: str
    operator: str
    first_of_reading: bool
    place: str
    country: str
    region: str
    city: str


class Changed(msgspec.Struct, frozen=True):
    """An event that is new, or not what it was `before`."""

    user: UserId  # of the message
    event: Event
    now: Judged
    before: Judged | None


# --- from the journal -------------------------------------------------------------------------------------------------


def cursor(connection: Connection, collector: str) -> JournalPosition | None:
    """How far the journal of that collector was shipped; None: not at all."""
    row = connection.execute(select(cursors).where(cursors.c.collector == collector)).one_or_none()
    if row is None:
        return None
    return JournalPosition(collector=row.collector, segment=row.segment, offset=row.offset)


def move_cursor(connection: Connection, to: JournalPosition) -> None:
    """Remember up to where the journal of a collector was read."""
    row = {"collector": to.collector, "segment": to.segment, "offset": to.offset}
    statement = insert(cursors, connection.dialect).values(row)
    moved = {"segment": statement.excluded.segment, "offset": statement.excluded.offset}
    connection.execute(statement.on_conflict_do_update(index_elements=["collector"], set_=moved))


def messages_of(connection: Connection, wanted: Iterable[CopyId]) -> dict[CopyId, MessageId]:
    """The message of each copy that is still known."""
    query = select(copies.c.id, copies.c.message_id).where(one_of(connection, copies.c.id, set(wanted)))
    return {row[0]: row[1] for row in connection.execute(query).all()}


class Shipped(msgspec.Struct, frozen=True):
    """A hit and what its token says."""

    position: JournalPosition
    hit: Hit
    message: MessageId
    copy: CopyId
    link: int | None
    device: int | None = None  # verified id of a sender's device cookie
    level: Level = Level.FULL


def add_hits(connection: Connection, shipped: Sequence[Shipped]) -> None:
    """Keep hits; those that are kept already, by their place in the journal, stay as they are."""
    _ADD_HITS.run(
        connection,
        [
            (
                each.position.collector,
                each.position.segment,
                each.position.offset,
                each.message,
                each.copy,
                each.link,
                stored(each.hit.at),
                each.hit.method,
                each.hit.address,
                each.hit.user_agent,
                each.hit.accept,
                each.hit.accept_language,
                each.hit.referer_host,
                each.hit.prefetch,
                each.hit.sec_fetch,
                each.device,
                int(each.level),
            )
            for each in shipped
        ],
    )


def bare(connection: Connection, before: datetime, levels: Sequence[Level], *, limit: int = 10_000) -> int:
    """Forget what requests for copies of these levels looked like that came before a time and were judged; how many.
    They are judged no more: their events stay as they are."""
    h = hits.c
    judged = select(events.c.hit_id).where(events.c.hit_id == h.id).exists()
    found = (
        select(h.id)
        .where(h.level.in_([int(level) for level in levels]), h.bare.is_(False), h.at < before, judged)
        .limit(limit)
    )
    nothing = {"address": "", "user_agent": "", "accept": "", "accept_language": None, "referer_host": ""}
    done = connection.execute(
        update(hits)
        .where(h.id.in_(found.scalar_subquery()))
        .values(**nothing, method="", prefetch="", sec_fetch="", device=None, bare=True)
    )
    return done.rowcount


# --- for the judge ----------------------------------------------------------------------------------------------------


def hits_waiting(connection: Connection, ids: Sequence[MessageId], before: timedelta) -> dict[MessageId, int]:
    """How many hits each marked message has from `before` ahead of its mark on."""
    rows = connection.execute(
        select(hits.c.message_id, func.count())
        .select_from(marks)
        .join(hits, and_(hits.c.message_id == marks.c.message_id, hits.c.at >= _ahead(marks, before)))
        .where(one_of(connection, marks.c.message_id, ids))
        .group_by(hits.c.message_id)
    )
    return {row[0]: row[1] for row in rows.all()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a correction of an event is made of."""

    message: MessageId
    address: str = field(repr=False)
    user_agent: str
    method: str
    prefetch: str
    recipient: str  # in lower case; "": a shared copy
    level: Level  # what may be shown of it
    trap: bool  # the link is hidden


def facts(connection: Connection, user: UserId, hit: HitId) -> Facts | None:
    """The raw facts of an event of that user; None when there is none such, or they are no longer kept."""
    h, m, links = hits.c, messages.c, schema.links
    row = connection.execute(
        select(
            h.message_id,
            h.link,
            h.address,
            h.user_agent,
            h.method,
            h.prefetch,
            copies.c.mailbox,
            h.level,
            links.c.trap,
        )
        .select_from(hits)
        .join(messages, and_(m.id == h.message_id, m.user_id == user))
        .join(copies, copies.c.id == h.copy_id)
        .outerjoin(links, and_(links.c.message_id == h.message_id, links.c.position == h.link))
        .where(h.id == hit, h.bare.is_(False))
    ).one_or_none()
    if row is None:
        return None
    return Facts(
        message=row.message_id,
        address=row.address,
        user_agent=row.user_agent,
        method=row.method,
        prefetch=row.prefetch,
        recipient=row.mailbox,
        level=Level(row.level),
        trap=bool(row.trap),
    )


def any_judged(connection: Connection) -> bool:
    """Whether there is any history at all."""
    return connection.execute(select(events.c.hit_id).limit(1)).first() is not None


def owners(connection: Connection, ids: Sequence[MessageId]) -> dict[MessageId, Owner]:
    """Who sent the messages, and how much of them may be kept. Messages that are gone are left out."""
    rows = connection.execute(
        select(messages.c.id, messages.c.user_id, messages.c.opens_level, messages.c.clicks_level).where(
            one_of(connection, messages.c.id, ids)
        )
    )
    return {
        row.id: Owner(user=row.user_id, opens_level=Level(row.opens_level), clicks_level=Level(row.clicks_level))
        for row in rows.all()
    }


def sessions(connection: Connection, users: Iterable[UserId]) -> Sequence[AnyRow]:
    """user_id, address, user_agent, created_at, expires_at of everybody's browser sessions."""
    s = schema.sessions.c
    return connection.execute(
        select(s.user_id, s.address, s.user_agent, s.created_at, s.expires_at)
        .where(s.user_id.in_(sorted(set(users))))
        .order_by(s.hash)
    ).all()


def traps(connection: Connection, ids: Sequence[MessageId]) -> dict[MessageId, frozenset[int]]:
    """The positions of the hidden links of the messages that have any."""
    links = schema.links.c
    query = select(links.message_id, links.position).where(one_of(connection, links.message_id, ids), links.trap)
    found: defaultdict[MessageId, set[int]] = defaultdict(set)
    for message, position in connection.execute(query):
        found[message].add(position)
    return {message: frozenset(positions) for message, positions in found.items()}


def hits_since(
    connection: Connection,
    ids: Sequence[MessageId],
    *,
    opens: timedelta,
    clicks: timedelta,
    among: FromClause = marks,
    limit: int | None = None,
) -> Sequence[AnyRow]:
    """The hits of marked messages by message and time, each with what is known about the delivery of its copy. Hits of
    copies that are gone are left out, and those of which nothing is left.

    opens, clicks: from how long ahead of each mark on. among: the marks, or what stands in for them. limit: no more
    than so many, the earliest.
    """
    h = hits.c
    query = (
        _HITS.join(among, and_(h.message_id == among.c.message_id, *_within(among, opens, clicks)))
        .where(one_of(connection, among.c.message_id, ids))
        .order_by(among.c.message_id, h.at, h.id)
    )
    return connection.execute(query if limit is None else query.limit(limit)).all()


def hits_of(connection: Connection, ids: Sequence[HitId]) -> Sequence[AnyRow]:
    """These hits, as `hits_since` tells of them."""
    h = hits.c
    return connection.execute(_HITS.where(one_of(connection, h.id, ids)).order_by(h.message_id, h.at, h.id)).all()


def asked_before(
    connection: Connection,
    ids: Sequence[MessageId],
    *,
    opens: timedelta,
    clicks: timedelta,
    among: FromClause = marks,
) -> Sequence[AnyRow]:
    """message_id, id, address and link of the hits that `hits_since` finds ahead of the marks: what there are many of
    in a flood."""
    h = hits.c
    query = (
        select(h.message_id, h.id, h.address, h.link)
        .select_from(among)
        .join(hits, and_(h.message_id == among.c.message_id, *_within(among, opens, clicks)))
        .where(one_of(connection, among.c.message_id, ids), h.at < _ahead(among, timedelta()), h.bare.is_(False))
        .order_by(among.c.message_id)
    )
    return connection.execute(query).all()


def any_opens(
    connection: Connection, message: MessageId, addresses: Collection[str], since: datetime, *, until: datetime
) -> bool:
    """Whether the pixel was asked for from any of these addresses, from `since` on and before `until`."""
    h = hits.c
    whose = select(each_of(connection.dialect.name, bindparam("addresses", addresses, Several())))
    pictures = h.link.is_(None), h.bare.is_(False), h.address.in_(whose)
    query = select(h.id).where(h.message_id == message, h.at >= since, h.at < until, *pictures).limit(1)
    return connection.execute(query).first() is not None


_HITS: Select[*tuple[Any, ...]] = (
    select(
        hits.c.message_id,
        hits.c.id,
        hits.c.copy_id,
        hits.c.link,
        hits.c.at,
        hits.c.method,
        hits.c.address,
        hits.c.user_agent,
        hits.c.accept_language,
        hits.c.prefetch,
        hits.c.referer_host,
        hits.c.device,
        hits.c.level,
        copies.c.mailbox,
        copies.c.sent_at,
        copies.c.delivery,
        copies.c.attempts,
    )
    .select_from(hits)
    .join(copies, copies.c.id == hits.c.copy_id)
    .where(hits.c.bare.is_(False))
)


def judged_before(connection: Connection, ids: Sequence[HitId]) -> dict[HitId, Judged]:
    """The events that these hits have so far."""
    e = events.c
    query = select(e.hit_id, *(e[name] for name in Judged._fields))
    rows = connection.execute(query.where(one_of(connection, e.hit_id, ids))).all()
    return {row[0]: Judged(*row[1:]) for row in rows}


def last_opens(
    connection: Connection,
    wanted: Iterable[CopyId],
    before: timedelta,
    gap: timedelta,
    *,
    among: FromClause = marks,
) -> dict[CopyId, datetime]:
    """The last counted open of each of these copies of marked messages that lies at most `gap` ahead of the time
    `before` its mark."""
    e, c = events.c, copies.c
    last = (
        select(e.at)
        .where(
            e.copy_id == c.id,
            e.at < _ahead(among, before),
            e.at >= _ahead(among, before + gap),
            e.kind == HitKind.OPEN.value,
            e.finding.in_(COUNTED),
        )
        .order_by(e.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(c.id, last).select_from(among).join(copies, c.message_id == among.c.message_id)
    rows = connection.execute(query.where(one_of(connection, c.id, list(wanted)))).all()
    return {row[0]: row[1] for row in rows if row[1] is not None}


def _within(among: FromClause, opens: timedelta, clicks: timedelta) -> list[ColumnElement[bool]]:
    """From so long ahead of the mark on."""
    h = hits.c
    begin = h.at >= _ahead(among, max(opens, clicks))
    return [begin] if opens == clicks else [begin, or_(h.link.is_not(None), h.at >= _ahead(among, opens))]


def _ahead(among: FromClause, by: timedelta) -> ColumnElement[int]:
    """That long before the mark. Times are integers in the database."""
    return type_coerce(among.c.since, BigInteger) - by // MICROSECOND


# --- what comes of it -------------------------------------------------------------------------------------------------


def judged(event: Event) -> Judged:
    """The event as it will stand in the store."""
    verdict, agent, network, place = event.verdict, event.agent, event.network, event.place
    return Judged(
        str(verdict.finding),  # a plain text, as all of them: what a driver must adapt takes it several times as long
        verdict.confidence,
        _JSON.encode(verdict.reasons).decode(),
        verdict.rules,
        agent.client,
        str(agent.kind),
        str(agent.device),
        agent.system,
        str(network.kind),
        network.operator,
        event.first_of_reading,
        str(place.state),
        place.country,
        place.region,
        place.city,
    )


def put_events(connection: Connection, changes: Sequence[Changed]) -> None:
    """Write events as they are now."""
    _PUT_EVENTS.run(
        connection,
        [
            (
                change.user,
                event.hit,
                event.message,
                event.copy,
                str(event.kind),
                event.link,
                stored(event.at),
                *change.now,
            )
            for change in changes
            for event in (change.event,)
        ],
    )


def _add_hits(dialect: Dialect) -> ClauseElement:
    return insert(hits, dialect).on_conflict_do_nothing(index_elements=["collector", "segment", "offset"])


def _put_events(dialect: Dialect) -> ClauseElement:
    statement = insert(events, dialect)
    kept = {"user_id", "hit_id", "message_id", "copy_id", "kind", "link", "at"}
    new = {name: column for name, column in statement.excluded.items() if name not in kept}
    return statement.on_conflict_do_update(index_elements=["hit_id"], set_=new)


_ADD_HITS = ManyRows(_add_hits, [name for name in hits.c.keys() if name not in ("id", "bare")])
_PUT_EVENTS = ManyRows(
    _put_events, ("user_id", "hit_id", "message_id", "copy_id", "kind", "link", "at", *Judged._fields)
)
