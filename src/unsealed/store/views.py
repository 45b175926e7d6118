"""Messages, their copies and their links, as pages and the API show them: the reading side of the store.

Promises that every answer holds rows of the asking user only, and that no answer walks through all of `events`: counts
come from the rollups beside them. Writes nothing. Lists of messages are found by store.sent, store.activity and
others, and shown by `message_rows`; requests by store.judged.

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
    bindparam,
    case,
    func,
    select,
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
    CopyFacts,
    CopyRow,
    Follower,
    LastClick,
    LinkRow,
    MessageRow,
    MessageView,
    Signals,
)
from unsealed.store.schema import (
    copies,
    link_counts,
    links,
    messages,
    originals,
)

NAMED = 3  # recipients named in a list


# The copy that all recipients share has no address: it counts for signals, and not among those that are delivered.
_OWN = copies.c.address != ""
# What each page asks is put together once: that cost as much as asking.
_IDS: Any = bindparam("ids", expanding=True)
_MESSAGE: Any = bindparam("message")


def rows(connection: Connection, user: UserId, ids: Iterable[int]) -> dict[str, MessageRow]:
    """These messages as `sent` lists them, by public id; those of others are left out."""
    # By their ids alone: a database without statistics would go through all messages of the user instead.
    found = connection.execute(_MESSAGES, {"ids": list(ids)}).all()
    return {row.id: row for row in message_rows(connection, [row for row in found if row.user_id == user])}


def message_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[MessageRow, ...]:
    """Rows of `messages` with all that a list shows of them."""
    ids = [row.id for row in found]
    if not ids:
        return ()
    sums = {row.message_id: row for row in connection.execute(_SUMS, {"ids": ids})}
    named: dict[int, list[str]] = {}
    for row in connection.execute(_NAMED, {"ids": ids}):
        named.setdefault(row.message_id, []).append(row.name or row.address)
    clicks = _last_clicks(connection, _CLICKED_MESSAGES, [row.id for row in found if row.clicks])
    return tuple(_message_row(row, sums[row.id], named.get(row.id, []), clicks.get(row.id)) for row in found)


def _sums() -> Select[Any]:
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
        .where(copies.c.message_id.in_(_IDS))
        .group_by(copies.c.message_id)
    )


_MESSAGES = select(messages).where(messages.c.id.in_(_IDS))
_SUMS = _sums()
_NAMED = (
    select(copies.c.message_id, copies.c.name, copies.c.address)
    .where(copies.c.message_id.in_(_IDS), copies.c.position < NAMED, _OWN)
    .order_by(copies.c.message_id, copies.c.position)
)


def _message_row(row: Row[Any], sums: Row[Any], named: list[str], last_click: LastClick | None) -> MessageRow:
    if sums.delayed:
        delivery = Delivery.DELAYED
    elif sums.queued:
        delivery = Delivery.QUEUED
    elif sums.copies and sums.bounced == sums.copies:  # of what was pasted for "someone", no copy is anybody's own
        delivery = Delivery.BOUNCED
    else:
        delivery = Delivery.DELIVERED if sums.delivered and not sums.sent else Delivery.SENT
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
        signals=signals_of(row, sums.confidence),
        waiting=sums.queued + sums.delayed,
        bounced=sums.bounced,
        next_at=sums.next_at,
        reply=sums.reply or "",
        last_click=last_click,
        replied_at=sums.replied_at,
        unchanged=row.unchanged,
        signal_at=row.signal_at,
    )


def signals_of(row: Row[Any], confidence: float | None) -> Signals:
    """The counts of a row of `messages` or `copies`."""
    return Signals(
        opens=row.opens,
        clicks=row.clicks,
        raw=row.raw,
        machine=row.machine,
        confidence=confidence,
        first_at=row.first_at,
        last_at=row.last_at,
    )


def _clicked(of: ColumnElement[int]) -> Select[Any]:
    """The newest click by a person, by message or by copy."""
    ranked = (
        select(
            of.label("owner"),
            link_counts.c.message_id,
            link_counts.c.position,
            link_counts.c.last_at,
            func.row_number().over(partition_by=of, order_by=link_counts.c.last_at.desc()).label("rank"),
        )
        .where(of.in_(_IDS), link_counts.c.clicks > 0)
        .subquery()
    )
    return (
        select(ranked.c.owner, ranked.c.last_at, links.c.text, links.c.destination)
        .join(links, and_(links.c.message_id == ranked.c.message_id, links.c.position == ranked.c.position))
        .where(ranked.c.rank == 1, ranked.c.last_at.is_not(None))
    )


_CLICKED_MESSAGES, _CLICKED_COPIES = _clicked(link_counts.c.message_id), _clicked(link_counts.c.copy_id)


def _last_clicks(connection: Connection, clicked: Select[Any], ids: Sequence[int]) -> dict[int, LastClick]:
    if not ids:
        return {}
    found = connection.execute(clicked, {"ids": ids})
    return {row.owner: LastClick(text=row.text or row.destination, at=row.last_at) for row in found}


def message(connection: Connection, user: UserId, message_id: int, now: datetime) -> MessageView | None:
    """The message with all its recipients and links; None when there is none of this user."""
    found = connection.execute(_MINE, {"message": message_id, "user": user}).one_or_none()
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


_MINE = select(messages).where(messages.c.id == _MESSAGE, messages.c.user_id == bindparam("user"))


def copies_by_id(connection: Connection, user: UserId, ids: Iterable[int]) -> dict[str, CopyRow]:
    """These copies, by public id; those of others are left out."""
    found = connection.execute(_COPIES, {"ids": list(ids)}).all()
    return {row.id: row for row in _copy_rows(connection, [row for row in found if row.user_id == user])}


def _copies_of(connection: Connection, message_id: int) -> tuple[CopyRow, ...]:
    return _copy_rows(connection, connection.execute(_COPIES_OF, {"message": message_id}).all())


_COPIES = select(copies).where(copies.c.id.in_(_IDS))
_COPIES_OF = select(copies).where(copies.c.message_id == _MESSAGE).order_by(copies.c.position)


def _copy_rows(connection: Connection, found: Sequence[Row[Any]]) -> tuple[CopyRow, ...]:
    clicks = _last_clicks(connection, _CLICKED_COPIES, [row.id for row in found if row.clicks])
    return tuple(
        CopyRow(
            id=public_id(row.id),
            address=row.address,
            name=row.name,
            kind=AddressKind(row.kind),
            facts=facts_of(row),
            signals=signals_of(row, row.confidence),
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


def facts_of(copy: Row[Any]) -> CopyFacts:
    """What the state of a row of `copies` follows from."""
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
    of = {"message": message_id}
    counts: dict[int, Any] = {row.position: row for row in connection.execute(_LINK_SUMS, of)}
    by: dict[int, list[Follower]] = {}
    for row in connection.execute(_FOLLOWERS, of):
        by.setdefault(row.position, []).append(
            Follower(name=row.name or row.address, clicks=row.clicks, first_at=row.first_at, last_at=row.last_at)
        )
    found = connection.execute(_LINKS, of)
    return tuple(_link_row(row, counts.get(row.position), by.get(row.position, [])) for row in found)


_LINKS = select(links).where(links.c.message_id == _MESSAGE, links.c.trap.is_(False)).order_by(links.c.position)
_LINK_SUMS = (
    select(
        link_counts.c.position,
        func.sum(link_counts.c.clicks).label("people"),
        func.sum(link_counts.c.machine).label("machine"),
        func.min(link_counts.c.first_at).label("first_at"),
        func.max(link_counts.c.last_at).label("last_at"),
        func.sum(case((link_counts.c.clicks > 0, 1), else_=0)).label("by_count"),
    )
    .where(link_counts.c.message_id == _MESSAGE)
    .group_by(link_counts.c.position)
)


def _followers() -> Select[Any]:
    """The latest who followed each link."""
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
        .where(link_counts.c.message_id == _MESSAGE, link_counts.c.clicks > 0)
        .subquery()
    )
    return (
        select(ranked, copies.c.name, copies.c.address)
        .join(copies, copies.c.id == ranked.c.copy_id)
        .where(ranked.c.rank <= NAMED)
        .order_by(ranked.c.position, ranked.c.rank)
    )


_FOLLOWERS = _followers()


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
