"""Judged requests, as pages and the API show them; the reading side of store.events.

Promises that every answer holds rows of the asking user only, that lists are read by key, and that no answer walks
through all of `events`. Writes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, case, func, select

from unsealed.model.event import (
    BELIEVED,
    COUNTED,
    MACHINE,
    ClientKind,
    Device,
    Finding,
    HitId,
    HitKind,
    NetworkClass,
    Place,
    PlaceState,
    Reason,
)
from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.policy import Level
from unsealed.model.view import Changes, EventLine, EventRow, Page, Pasted, Sighting
from unsealed.store.corrections import with_subjects
from unsealed.store.keyset import PAGE_LIMIT, behind, bounded, cursor_of
from unsealed.store.many_rows import among
from unsealed.store.schema import BY_PEOPLE, DIFFERENT, copies, events, hits, links, messages, rejudgings, revisions

CHANGES = 1_000  # of one rejudging that are looked at
NEWEST = 500  # events of a message that are looked at when they are grouped: a hot one costs no more


def of_message(
    connection: Connection,
    user: UserId,
    message_id: int,
    *,
    kind: HitKind | None = None,
    copy: CopyId | None = None,
    machine: bool | None = None,
    after: str | None = None,
    limit: int = PAGE_LIMIT,
) -> Page[EventRow]:
    """Judged requests of one message, latest first. machine: only those of machines, or only the others.

    Raises:
        BadInput: unknown cursor.
    """
    query = behind(_of_message(kind, copy is not None, machine), events.c.at, events.c.hit_id, after)
    asked = {"message": message_id, "user": user, "most": bounded(limit) + 1}
    found = connection.execute(query, asked if copy is None else {**asked, "copy": copy}).all()
    page = found[: bounded(limit)]
    cursor = cursor_of(page[-1].at, page[-1].hit_id) if len(found) > len(page) else None
    return Page(items=_event_rows(connection, page), next=cursor)


@cache
def _of_message(kind: HitKind | None, of_one_copy: bool, machine: bool | None) -> Select[Any]:
    query = _EVENTS.where(events.c.message_id == bindparam("message"), messages.c.user_id == bindparam("user"))
    if kind is not None:
        query = query.where(events.c.kind == kind)
    if of_one_copy:
        query = query.where(events.c.copy_id == bindparam("copy"))
    if machine is not None:
        query = query.where(events.c.finding.in_(MACHINE) if machine else events.c.finding.not_in(MACHINE))
    return query.limit(bindparam("most", type_=Integer))


def acts(
    connection: Connection, copies: Sequence[int], *, after: str | None = None, limit: int
) -> list[tuple[datetime, HitId, CopyId]]:
    """What people did with these copies, latest first: the beginnings of readings, and clicks. copies: some hundreds.

    Raises:
        BadInput: unknown cursor.
    """
    e = events.c
    some = select(e.at, e.hit_id, e.copy_id).where(among(connection, e.copy_id, copies), BY_PEOPLE)
    some = behind(some.order_by(e.at.desc(), e.hit_id.desc()), e.at, e.hit_id, after)
    return [(row.at, HitId(row.hit_id), CopyId(row.copy_id)) for row in connection.execute(some.limit(limit))]


def reading_times(connection: Connection, copies: Sequence[int], limit: int) -> list[datetime]:
    """When people began to read these copies, as far as we believe it; the newest first. copies: some hundreds."""
    e = events.c
    believed = BY_PEOPLE, e.first_of_reading, e.confidence >= BELIEVED
    query = select(e.at).where(among(connection, e.copy_id, copies), *believed)
    return list(connection.execute(query.order_by(e.at.desc()).limit(limit)).scalars())


def one(connection: Connection, user: UserId, hit: HitId) -> EventRow | None:
    """One judged request; None when there is none of this user."""
    # The user is compared here, so that no database walks through all of the user's messages to find it.
    found = connection.execute(_ONE, {"hit": hit}).all()
    return next(iter(_event_rows(connection, [row for row in found if row.user_id == user])), None)


def by_id(connection: Connection, user: UserId, wanted: Iterable[HitId]) -> dict[HitId, EventLine]:
    """These judged requests; those of others are left out."""
    found = connection.execute(_LINES, {"ids": list(wanted)})
    return {HitId(row.hit_id): EventLine(**_line(row)) for row in found if row.user_id == user}


# Put together once, because that cost as much as asking.
_EVENTS: Select[Any] = (
    select(
        events,
        copies.c.address,
        copies.c.name,
        messages.c.opens_level,
        messages.c.clicks_level,
        links.c.text,
        links.c.destination,
        links.c.trap,
        hits.c.method,
        hits.c.user_agent,
        hits.c.accept_language,
        hits.c.referer_host,
        hits.c.level,
    )
    .join(messages, messages.c.id == events.c.message_id)
    .join(copies, copies.c.id == events.c.copy_id)
    .outerjoin(links, and_(links.c.message_id == events.c.message_id, links.c.position == events.c.link))
    .outerjoin(hits, hits.c.id == events.c.hit_id)
    .order_by(events.c.at.desc(), events.c.hit_id.desc())
)
_ONE = _EVENTS.where(events.c.hit_id == bindparam("hit"))
_LINES = (
    select(events, links.c.text, links.c.destination, links.c.trap)
    .outerjoin(links, and_(links.c.message_id == events.c.message_id, links.c.position == events.c.link))
    .where(events.c.hit_id.in_(bindparam("ids", expanding=True)))
)
_BEFORE = (
    select(revisions.c.hit_id, revisions.c.before, rejudgings.c.words)
    .join(rejudgings, rejudgings.c.id == revisions.c.rejudging_id)
    .where(revisions.c.hit_id.in_(bindparam("ids", expanding=True)), revisions.c.before != revisions.c.after)
    .order_by(revisions.c.rejudging_id)
)


def _event_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[EventRow, ...]:
    before = _before(connection, [row.hit_id for row in found])
    return tuple(_event_row(row, before.get(row.hit_id)) for row in found)


def _before(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """What these were called before they were last judged again, where that changed it."""
    if not ids:
        return {}
    rows: Sequence[Any] = connection.execute(_BEFORE, {"ids": ids}).all()
    return {row.hit_id: row for row in rows}


def _event_row(row: Row[Any], before: Any) -> EventRow:
    # Below the full level nothing of the request is shown, also while the raw facts are still there.
    level = row.opens_level if row.kind == HitKind.OPEN else row.clicks_level
    kept = level >= Level.FULL and (row.level is None or row.level >= Level.FULL)  # of the message, and of the copy
    return EventRow(
        **_line(row),
        recipient=row.address,
        name=row.name,
        method=row.method or "",
        user_agent=(kept and row.user_agent) or "",
        accept_language=(kept and row.accept_language) or "",
        referer_host=(kept and row.referer_host) or "",
        was=None if before is None else Finding(before.before),
        was_cause="" if before is None else before.words,
    )


def _line(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": public_id(row.hit_id),
        "message": public_id(row.message_id),
        "copy": public_id(row.copy_id),
        "at": row.at,
        "kind": HitKind(row.kind),
        "finding": Finding(row.finding),
        "confidence": row.confidence,
        "reasons": tuple(Reason(code=code, words=said) for code, said in json.loads(row.reasons)),
        "rules": row.rules,
        "client": row.client,
        "client_kind": ClientKind(row.client_kind),
        "device": Device(row.device),
        "system": row.system,
        "network": NetworkClass(row.network),
        "operator": row.operator,
        "link": row.link,
        "link_text": row.text or "",
        "destination": row.destination or "",
        "first_of_reading": row.first_of_reading,
        "trap": bool(row.trap),
        "place": _place(row),
    }


def _place(row: Row[Any]) -> Place:
    return Place(state=PlaceState(row.place), country=row.country, region=row.region, city=row.city)


def _newest() -> Any:
    some = select(events).where(events.c.message_id == bindparam("message"))
    return some.order_by(events.c.at.desc(), events.c.hit_id.desc()).limit(NEWEST).subquery().c


def _sightings() -> Select[Any]:
    newest = _newest()
    same = (newest.copy_id, newest.client, newest.client_kind, newest.device, newest.system)
    there = (newest.network, newest.operator, newest.place, newest.country, newest.region, newest.city)
    first_at = func.min(newest.at).label("first_at")
    columns: list[Any] = [
        *same,
        *there,
        first_at,
        func.max(newest.at).label("last_at"),
        func.sum(case((newest.first_of_reading, 1), else_=0)).label("readings"),
        func.sum(case((newest.kind == HitKind.CLICK, 1), else_=0)).label("clicks"),
    ]
    return select(*columns).where(newest.finding.in_(COUNTED)).group_by(*same, *there).order_by(first_at)


def _pasted() -> Select[Any]:
    newest = _newest()
    first_at = func.min(newest.at).label("first_at")
    return (
        select(newest.copy_id, newest.client, first_at)
        .where(newest.kind == HitKind.CLICK, newest.client_kind == ClientKind.LINK_PREVIEW)
        .group_by(newest.copy_id, newest.client)
        .order_by(first_at)
        .limit(PAGE_LIMIT)
    )


_SIGHTINGS, _PASTED = _sightings(), _pasted()


def sightings(connection: Connection, message_id: int) -> list[Sighting]:
    """What the counted events of a message came from, grouped by copy, program, network and place, first seen first."""
    return [
        Sighting(
            copy=CopyId(row.copy_id),
            client=row.client,
            kind=ClientKind(row.client_kind),
            device=Device(row.device),
            system=row.system,
            network=NetworkClass(row.network),
            operator=row.operator,
            place=_place(row),
            first_at=row.first_at,
            last_at=row.last_at,
            readings=int(row.readings),
            clicks=int(row.clicks),
        )
        for row in connection.execute(_SIGHTINGS, {"message": message_id})
    ]


def pasted(connection: Connection, message_id: int) -> list[Pasted]:
    """Into which chat programs links of a message were pasted, as far as their previews tell, first seen first."""
    return [
        Pasted(copy=CopyId(row.copy_id), client=row.client, at=row.first_at)
        for row in connection.execute(_PASTED, {"message": message_id})
    ]


def changes(connection: Connection, user: UserId, rejudging: int, limit: int = 10) -> Changes:
    """What judging again made of this user's events, the latest CHANGES, and of which messages the most."""
    v = revisions.c
    query = select(v.before, v.after, v.message_id).where(v.rejudging_id == rejudging, v.user_id == user, DIFFERENT)
    found = connection.execute(query.order_by(v.hit_id.desc()).limit(CHANGES + 1)).all()
    findings = Counter((Finding(row.before), Finding(row.after)) for row in found[:CHANGES])
    by_message = Counter(MessageId(row.message_id) for row in found[:CHANGES])
    return Changes(
        findings=tuple((before, after, events) for (before, after), events in _most(findings)),
        messages=tuple(
            (public_id(id), subject, events)
            for id, subject, events in with_subjects(connection, _most(by_message)[:limit])
        ),
        more=len(found) > CHANGES,
    )


def _most(counted: Counter[Any]) -> list[tuple[Any, int]]:
    """The most first; alike for alike."""
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))
