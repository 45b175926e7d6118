"""The questions that screens and the API ask; the reading side of the store.

Promises that every answer holds rows of the asking user only, that lists are read by key and not by counting rows off,
and that no answer walks through all of `events`: counts come from the rollups beside them. Cursors are opaque and
only good for the same question with the same order. Writes nothing.

Functions take a connection, so that the answers of one page come from one moment (`engine.reading`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    or_,
    select,
)

from unsealed.model.event import (
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
from unsealed.model.message import (
    AddressKind,
    CopyId,
    Delivery,
    Link,
    LinkPart,
    MessageId,
    Survey,
    UserId,
    public_id,
)
from unsealed.model.policy import Level
from unsealed.model.view import (
    Changes,
    CopyFacts,
    CopyRow,
    EventRow,
    FeedRow,
    Follower,
    LastClick,
    LinkRow,
    MessageRow,
    MessageView,
    Page,
    Pasted,
    SandboxRow,
    Sighting,
    Signals,
)
from unsealed.store.keyset import PAGE_LIMIT, behind, bounded, cursor_of
from unsealed.store.schema import (
    copies,
    feed,
    hits,
    link_counts,
    links,
    messages,
    originals,
    rejudgings,
    revisions,
    sandbox,
)
from unsealed.store.schema import events as event_table

NAMED = 3  # recipients named in a list

COUNTED = tuple(finding for finding in Finding if finding.counted)
MACHINE = tuple(finding for finding in Finding if finding.machine)


# The copy that all recipients share has no address: it counts for signals, and not among those that are delivered.
_OWN = copies.c.address != ""
ACTS = or_(event_table.c.first_of_reading, event_table.c.kind == HitKind.CLICK)  # of what counts


# Messages in lists


def rows(connection: Connection, user: UserId, ids: Iterable[int]) -> dict[str, MessageRow]:
    """These messages as `sent` lists them, by public id; those of others are left out."""
    # By their ids alone: a database without statistics would go through all messages of the user instead.
    found = connection.execute(select(messages).where(messages.c.id.in_(list(ids)))).all()
    return {row.id: row for row in message_rows(connection, [row for row in found if row.user_id == user])}


def message_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[MessageRow, ...]:
    """Rows of `messages` with all that a list shows of them."""
    ids = [row.id for row in found]
    if not ids:
        return ()
    sums = {row.message_id: row for row in connection.execute(_sums(ids))}
    named: dict[int, list[str]] = {}
    first = (
        select(copies.c.message_id, copies.c.name, copies.c.address)
        .where(copies.c.message_id.in_(ids), copies.c.position < NAMED, _OWN)
        .order_by(copies.c.message_id, copies.c.position)
    )
    for row in connection.execute(first):
        named.setdefault(row.message_id, []).append(row.name or row.address)
    clicks = _last_clicks(connection, link_counts.c.message_id, ids)
    return tuple(_message_row(row, sums[row.id], named.get(row.id, []), clicks.get(row.id)) for row in found)


def _sums(ids: Sequence[int]) -> Select[Any]:
    """Facts of each message, summed over its copies."""

    def number(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(*conditions), 1), else_=0))

    is_ = copies.c.delivery
    return (
        select(
            copies.c.message_id,
            number(_OWN).label("copies"),
            number(copies.c.tracked).label("tracked"),
            number(is_ == Delivery.QUEUED, _OWN).label("queued"),
            number(is_ == Delivery.DELAYED, _OWN).label("delayed"),
            number(is_ == Delivery.SENT, _OWN).label("sent"),
            number(is_ == Delivery.DELIVERED, _OWN).label("delivered"),
            number(is_ == Delivery.BOUNCED, _OWN).label("bounced"),
            func.min(case((is_ == Delivery.DELAYED, copies.c.next_at))).label("next_at"),
            func.max(case((is_ == Delivery.BOUNCED, copies.c.reply))).label("reply"),
            func.max(copies.c.sent_at).label("sent_at"),
            func.max(copies.c.confidence).label("confidence"),
            func.min(copies.c.replied_at).label("replied_at"),
        )
        .where(copies.c.message_id.in_(ids))
        .group_by(copies.c.message_id)
    )


def _message_row(row: Row[Any], sums: Row[Any], named: list[str], last_click: LastClick | None) -> MessageRow:
    if sums.delayed:
        delivery = Delivery.DELAYED
    elif sums.queued:
        delivery = Delivery.QUEUED
    elif sums.bounced == sums.copies:
        delivery = Delivery.BOUNCED
    else:
        delivery = Delivery.SENT if sums.sent else Delivery.DELIVERED
    return MessageRow(
        id=public_id(row.id),
        subject=row.subject,
        recipients=tuple(named),
        recipient_count=row.recipient_count,
        at=row.received_at,
        tag=row.tag,
        facts=CopyFacts(
            tracked=sums.tracked > 0,
            delivery=delivery,
            sent_at=sums.sent_at,
            opens=row.opens,
            clicks=row.clicks,
            machine=row.machine,
            replies=row.replies,
        ),
        signals=_signals(row, sums.confidence),
        waiting=sums.queued + sums.delayed,
        bounced=sums.bounced,
        next_at=sums.next_at,
        reply=sums.reply or "",
        last_click=last_click,
        replied_at=sums.replied_at,
        unchanged=row.unchanged,
        signal_at=row.signal_at,
    )


def _signals(row: Row[Any], confidence: float | None) -> Signals:
    return Signals(
        opens=row.opens,
        clicks=row.clicks,
        raw=row.raw,
        machine=row.machine,
        confidence=confidence,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def _last_clicks(connection: Connection, of: ColumnElement[int], ids: Sequence[int]) -> dict[int, LastClick]:
    """The newest click by a person, by message or by copy."""
    ranked = (
        select(
            of.label("owner"),
            link_counts.c.message_id,
            link_counts.c.position,
            link_counts.c.last_at,
            func.row_number().over(partition_by=of, order_by=link_counts.c.last_at.desc()).label("rank"),
        )
        .where(of.in_(ids), link_counts.c.clicks > 0)
        .subquery()
    )
    query = (
        select(ranked.c.owner, ranked.c.last_at, links.c.text, links.c.destination)
        .join(links, and_(links.c.message_id == ranked.c.message_id, links.c.position == ranked.c.position))
        .where(ranked.c.rank == 1, ranked.c.last_at.is_not(None))
    )
    return {row.owner: LastClick(text=row.text or row.destination, at=row.last_at) for row in connection.execute(query)}


# One message


def message(connection: Connection, user: UserId, message_id: int, now: datetime) -> MessageView | None:
    """The message with all its recipients and links; None when there is none of this user."""
    found = connection.execute(
        select(messages).where(messages.c.id == message_id, messages.c.user_id == user)
    ).one_or_none()
    if found is None:
        return None
    survey = json.loads(found.survey)
    return MessageView(
        row=message_rows(connection, [found])[0],
        envelope_from=found.envelope_from,
        message_id=found.message_id,
        size=found.size,
        sealed=found.sealed,
        metadata=tuple(sorted(json.loads(found.metadata).items())),
        notes=tuple(json.loads(found.notes)),
        opens_level=Level(found.opens_level),
        clicks_level=Level(found.clicks_level),
        tracking_url=found.tracking_url,
        survey=Survey(
            pixel=survey.get("pixel", ""),
            pixel_offset=survey.get("pixel_offset"),
            unchanged=survey.get("unchanged", ""),
            warnings=tuple(survey.get("warnings", ())),
            html_bytes=survey.get("html_bytes", 0),
        ),
        copies=_copies_of(connection, message_id),
        links=_link_rows(connection, message_id),
    )


def copies_by_id(connection: Connection, user: UserId, ids: Iterable[int]) -> dict[str, CopyRow]:
    """These copies, by public id; those of others are left out."""
    found = connection.execute(select(copies).where(copies.c.id.in_(list(ids)))).all()
    return {row.id: row for row in _copy_rows(connection, [row for row in found if row.user_id == user])}


def _copies_of(connection: Connection, message_id: int) -> tuple[CopyRow, ...]:
    query = select(copies).where(copies.c.message_id == message_id).order_by(copies.c.position)
    return _copy_rows(connection, connection.execute(query).all())


def _copy_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[CopyRow, ...]:
    clicked = [row.id for row in found if row.clicks]
    clicks = _last_clicks(connection, link_counts.c.copy_id, clicked) if clicked else {}
    return tuple(
        CopyRow(
            id=public_id(row.id),
            address=row.address,
            name=row.name,
            kind=AddressKind(row.kind),
            facts=_facts(row),
            signals=_signals(row, row.confidence),
            attempts=row.attempts,
            reply=row.reply,
            next_at=row.next_at,
            ended_at=row.ended_at,
            last_click=clicks.get(row.id),
            replied_at=row.replied_at,
            opens_level=Level(row.opens_level),
            clicks_level=Level(row.clicks_level),
        )
        for row in found
    )


def _facts(copy: Row[Any]) -> CopyFacts:
    return CopyFacts(
        tracked=copy.tracked,
        delivery=Delivery(copy.delivery),
        sent_at=copy.sent_at,
        opens=copy.opens,
        clicks=copy.clicks,
        machine=copy.machine,
        replies=copy.replies,
    )


def links_of(connection: Connection, user: UserId, message_id: int) -> tuple[LinkRow, ...]:
    """The links of a message of the user, in their order, and who followed them."""
    mine = select(messages.c.id).where(messages.c.id == message_id, messages.c.user_id == user)
    return _link_rows(connection, message_id) if connection.execute(mine).first() else ()


def _link_rows(connection: Connection, message_id: int) -> tuple[LinkRow, ...]:
    counts: dict[int, Any] = {
        row.position: row
        for row in connection.execute(
            select(
                link_counts.c.position,
                func.sum(link_counts.c.clicks).label("people"),
                func.sum(link_counts.c.machine).label("machine"),
                func.min(link_counts.c.first_at).label("first_at"),
                func.max(link_counts.c.last_at).label("last_at"),
                func.sum(case((link_counts.c.clicks > 0, 1), else_=0)).label("by_count"),
            )
            .where(link_counts.c.message_id == message_id)
            .group_by(link_counts.c.position)
        )
    }
    ranked = (
        select(
            link_counts.c.position,
            link_counts.c.copy_id,
            link_counts.c.clicks,
            link_counts.c.first_at,
            link_counts.c.last_at,
            func.row_number()
            .over(partition_by=link_counts.c.position, order_by=link_counts.c.last_at.desc())
            .label("rank"),
        )
        .where(link_counts.c.message_id == message_id, link_counts.c.clicks > 0)
        .subquery()
    )
    by: dict[int, list[Follower]] = {}
    latest = (
        select(ranked, copies.c.name, copies.c.address)
        .join(copies, copies.c.id == ranked.c.copy_id)
        .where(ranked.c.rank <= NAMED)
        .order_by(ranked.c.position, ranked.c.rank)
    )
    for row in connection.execute(latest):
        by.setdefault(row.position, []).append(
            Follower(name=row.name or row.address, clicks=row.clicks, first_at=row.first_at, last_at=row.last_at)
        )
    shown = select(links).where(links.c.message_id == message_id, links.c.trap.is_(False))
    found = connection.execute(shown.order_by(links.c.position))
    return tuple(_link_row(row, counts.get(row.position), by.get(row.position, [])) for row in found)


def _link_row(row: Row[Any], counts: Row[Any] | None, by: list[Follower]) -> LinkRow:
    link = Link(
        position=row.position,
        offset=row.offset,
        part=LinkPart(row.part),
        destination=row.destination,
        text=row.text,
        tracked=row.tracked,
        reason=row.reason,
    )
    if counts is None:
        return LinkRow(link=link)
    return LinkRow(
        link=link,
        people=int(counts.people),
        machine=int(counts.machine),
        first_at=counts.first_at,
        last_at=counts.last_at,
        by=tuple(by),
        by_count=int(counts.by_count),
    )


def events(
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
    query = _events().where(event_table.c.message_id == message_id, messages.c.user_id == user)
    if kind is not None:
        query = query.where(event_table.c.kind == kind)
    if copy is not None:
        query = query.where(event_table.c.copy_id == copy)
    if machine is not None:
        query = query.where(event_table.c.finding.in_(MACHINE) if machine else event_table.c.finding.not_in(MACHINE))
    query = behind(query, event_table.c.at, event_table.c.hit_id, after)
    found = connection.execute(query.limit(bounded(limit) + 1)).all()
    page = found[: bounded(limit)]
    cursor = cursor_of(page[-1].at, page[-1].hit_id) if len(found) > len(page) else None
    return Page(items=_event_rows(connection, page), next=cursor)


def acts(
    connection: Connection, user: UserId, copies: Sequence[int], *, after: str | None = None, limit: int = PAGE_LIMIT
) -> Page[EventRow]:
    """What people did with these copies, latest first: the beginnings of readings, and clicks. copies: some hundreds.

    Raises:
        BadInput: unknown cursor.
    """
    e = event_table.c
    some = select(e.hit_id, e.at).where(e.copy_id.in_(copies), e.finding.in_(COUNTED), ACTS)
    some = behind(some.order_by(e.at.desc(), e.hit_id.desc()), e.at, e.hit_id, after)
    page = connection.execute(some.limit(bounded(limit) + 1)).all()
    shown = page[: bounded(limit)]
    query = _events().where(e.hit_id.in_([row.hit_id for row in shown]))
    found = [row for row in connection.execute(query).all() if row.user_id == user]
    rest = cursor_of(shown[-1].at, shown[-1].hit_id) if len(page) > len(shown) else None
    return Page(items=_event_rows(connection, found), next=rest)


def reading_times(connection: Connection, copies: Sequence[int], limit: int) -> list[datetime]:
    """When people began to read these copies, as far as we believe it; the newest first. copies: some hundreds."""
    e = event_table.c
    query = select(e.at).where(e.copy_id.in_(copies), e.finding.in_(COUNTED), e.first_of_reading, e.confidence >= 0.6)
    return list(connection.execute(query.order_by(e.at.desc()).limit(limit)).scalars())


def event(connection: Connection, user: UserId, hit: HitId) -> EventRow | None:
    """One judged request; None when there is none of this user."""
    return events_by_id(connection, user, [hit]).get(hit)


def events_by_id(connection: Connection, user: UserId, wanted: Iterable[HitId]) -> dict[HitId, EventRow]:
    """These judged requests; those of others are left out."""
    # The user is compared here, so that no database walks through all of the user's messages to find these.
    found = connection.execute(_events().where(event_table.c.hit_id.in_(list(wanted)))).all()
    made = _event_rows(connection, [row for row in found if row.user_id == user])
    return {HitId(int(each.id, 16)): each for each in made}


def _events() -> Select[Any]:
    return (
        select(
            event_table,
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
        .join(messages, messages.c.id == event_table.c.message_id)
        .join(copies, copies.c.id == event_table.c.copy_id)
        .outerjoin(links, and_(links.c.message_id == event_table.c.message_id, links.c.position == event_table.c.link))
        .outerjoin(hits, hits.c.id == event_table.c.hit_id)
        .order_by(event_table.c.at.desc(), event_table.c.hit_id.desc())
    )


def _event_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[EventRow, ...]:
    before = _before(connection, [row.hit_id for row in found])
    return tuple(_event_row(row, before.get(row.hit_id)) for row in found)


def _before(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """What these were called before they were last judged again, where that changed it."""
    if not ids:
        return {}
    query = (
        select(revisions.c.hit_id, revisions.c.before, rejudgings.c.words)
        .join(rejudgings, rejudgings.c.id == revisions.c.rejudging_id)
        .where(revisions.c.hit_id.in_(ids), revisions.c.before != revisions.c.after)
        .order_by(revisions.c.rejudging_id)
    )
    rows: Sequence[Any] = connection.execute(query).all()
    return {row.hit_id: row for row in rows}


def _event_row(row: Row[Any], before: Any) -> EventRow:
    # Below the full level nothing of the request is shown, also while the raw facts are still there.
    level = row.opens_level if row.kind == HitKind.OPEN else row.clicks_level
    kept = level >= Level.FULL and (row.level is None or row.level >= Level.FULL)  # of the message, and of the copy
    return EventRow(
        id=public_id(row.hit_id),
        message=public_id(row.message_id),
        copy=public_id(row.copy_id),
        recipient=row.address,
        name=row.name,
        at=row.at,
        kind=HitKind(row.kind),
        finding=Finding(row.finding),
        confidence=row.confidence,
        reasons=tuple(Reason(code=code, words=said) for code, said in json.loads(row.reasons)),
        rules=row.rules,
        client=row.client,
        client_kind=ClientKind(row.client_kind),
        device=Device(row.device),
        system=row.system,
        network=NetworkClass(row.network),
        operator=row.operator,
        link=row.link,
        link_text=row.text or "",
        destination=row.destination or "",
        first_of_reading=row.first_of_reading,
        trap=bool(row.trap),
        place=_place(row),
        method=row.method or "",
        user_agent=(kept and row.user_agent) or "",
        accept_language=(kept and row.accept_language) or "",
        referer_host=(kept and row.referer_host) or "",
        was=None if before is None else Finding(before.before),
        was_cause="" if before is None else before.words,
    )


def _place(row: Row[Any]) -> Place:
    return Place(state=PlaceState(row.place), country=row.country, region=row.region, city=row.city)


NEWEST = 10_000  # events of a message that are looked at when they are grouped: a hot one costs no more


def _newest(message_id: int) -> Any:
    some = select(event_table).where(event_table.c.message_id == message_id)
    return some.order_by(event_table.c.at.desc(), event_table.c.hit_id.desc()).limit(NEWEST).subquery().c


def sightings(connection: Connection, message_id: int) -> list[Sighting]:
    """What the counted events of a message came from, grouped by copy, program, network and place, first seen first."""
    newest = _newest(message_id)
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
    query: Select[Any] = select(*columns).where(newest.finding.in_(COUNTED)).group_by(*same, *there).order_by(first_at)
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
        for row in connection.execute(query)
    ]


def pasted(connection: Connection, message_id: int) -> list[Pasted]:
    """Into which chat programs links of a message were pasted, as far as their previews tell, first seen first."""
    newest = _newest(message_id)
    first_at = func.min(newest.at).label("first_at")
    query: Select[Any] = (
        select(newest.copy_id, newest.client, first_at)
        .where(newest.kind == HitKind.CLICK, newest.client_kind == ClientKind.LINK_PREVIEW)
        .group_by(newest.copy_id, newest.client)
        .order_by(first_at)
    )
    return [
        Pasted(copy=CopyId(row.copy_id), client=row.client, at=row.first_at)
        for row in connection.execute(query.limit(PAGE_LIMIT))
    ]


def changes(connection: Connection, user: UserId, rejudging: int, limit: int = 10) -> Changes:
    """What judging again made of this user's events, and of which messages the most."""
    mine = (
        revisions.c.rejudging_id == rejudging,
        revisions.c.before != revisions.c.after,
        messages.c.user_id == user,
    )
    count = func.count().label("events")
    whose = messages.c.id == revisions.c.message_id
    kinds = (
        select(revisions.c.before, revisions.c.after, count)
        .join(messages, whose)
        .where(*mine)
        .group_by(revisions.c.before, revisions.c.after)
        .order_by(count.desc(), revisions.c.before, revisions.c.after)
    )
    where = (
        select(messages.c.id, messages.c.subject, count)
        .join(revisions, whose)
        .where(*mine)
        .group_by(messages.c.id, messages.c.subject)
        .order_by(count.desc(), messages.c.id)
        .limit(limit)
    )
    return Changes(
        findings=tuple((Finding(row.before), Finding(row.after), row.events) for row in connection.execute(kinds)),
        messages=tuple((public_id(row.id), row.subject, row.events) for row in connection.execute(where)),
    )


def original(connection: Connection, user: UserId, message_id: int) -> bytes | None:
    """The bytes as submitted; None when there is no such message of this user, or its text is not for them."""
    query = (
        select(originals.c.raw)
        .join(messages, messages.c.id == originals.c.message_id)
        .where(messages.c.id == message_id, messages.c.user_id == user, messages.c.sealed.is_(False))
    )
    return connection.execute(query).scalar_one_or_none()


def owns_copy(connection: Connection, user: UserId, copy: CopyId) -> MessageId | None:
    """The message that this copy belongs to, when it is one of this user's that they may read."""
    query = (
        select(messages.c.id)
        .join(copies, copies.c.message_id == messages.c.id)
        .where(copies.c.id == copy, messages.c.user_id == user, messages.c.sealed.is_(False))
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else MessageId(found)


# The built-in mailbox


def sandbox_copies(
    connection: Connection, user: UserId, *, after: str | None = None, limit: int = 50
) -> Page[SandboxRow]:
    """Copies in the built-in mailbox, newest first."""
    query = behind(_in_sandbox(user), sandbox.c.at, sandbox.c.copy_id, after)
    found = connection.execute(query.limit(bounded(limit) + 1)).all()
    page = found[: bounded(limit)]
    cursor = cursor_of(page[-1].arrived_at, page[-1].own_id) if len(found) > len(page) else None
    return Page(items=tuple(_sandbox_row(row) for row in page), next=cursor)


def sandbox_copy(connection: Connection, user: UserId, copy: CopyId) -> SandboxRow | None:
    """One copy in the built-in mailbox."""
    found = connection.execute(_in_sandbox(user).where(sandbox.c.copy_id == copy)).one_or_none()
    return None if found is None else _sandbox_row(found)


def _in_sandbox(user: UserId) -> Select[Any]:
    # Facts and signals are those of the copy whose tokens it carries: its own, or the one that all recipients share.
    own, shared = copies.alias("own"), copies.alias("shared")
    return (
        select(copies, own.c.id.label("own_id"), own.c.name.label("own_name"))
        .add_columns(sandbox.c.recipient, sandbox.c.at.label("arrived_at"), messages.c.subject)
        .select_from(sandbox)
        .join(own, own.c.id == sandbox.c.copy_id)
        .join(messages, messages.c.id == sandbox.c.message_id)
        .outerjoin(shared, and_(shared.c.message_id == messages.c.id, shared.c.position == messages.c.recipient_count))
        .join(copies, copies.c.id == func.coalesce(shared.c.id, own.c.id))
        .where(sandbox.c.user_id == user)
        .order_by(sandbox.c.at.desc(), sandbox.c.copy_id.desc())
    )


def _sandbox_row(row: Row[Any]) -> SandboxRow:
    return SandboxRow(
        id=public_id(row.own_id),
        message=public_id(row.message_id),
        tokens=CopyId(row.id),
        recipient=row.recipient,
        name=row.own_name,
        subject=row.subject,
        at=row.arrived_at,
        facts=_facts(row),
        signals=_signals(row, row.confidence),
    )


# What changed


def feed_after(connection: Connection, after: int, *, user: UserId | None = None, limit: int = 1000) -> list[FeedRow]:
    """Changes with a larger id, oldest first: of one user, or (for the live pages' own fan-out) of all."""
    query = select(feed).where(feed.c.id > after).order_by(feed.c.id).limit(limit)
    if user is not None:
        query = query.where(feed.c.user_id == user)
    return [
        FeedRow(
            id=row.id,
            user=row.user_id,
            message=public_id(row.message_id),
            copy=None if row.copy_id is None else public_id(row.copy_id),
            what=row.what,
        )
        for row in connection.execute(query)
    ]


def feed_ends(connection: Connection) -> tuple[int, int]:
    """The smallest and the largest id that the feed still holds; (0, 0) when it is empty."""
    # Two questions: SQLite finds one end at once, but walks through the whole table for both.
    ends = (select(func.min(feed.c.id)).scalar_subquery(), select(func.max(feed.c.id)).scalar_subquery())
    first, last = connection.execute(select(*ends)).one()
    return first or 0, last or 0
