"""Messages, their original bytes, their copies and links: the writing side, and what delivery reads.

Promises that what a copy is derived from (original, switches, key, tracking URL) never changes after `add`.
Functions that write need a connection from `engine.begin()`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, func, or_, select, union_all, update

from unsealed.model.message import (
    AddressKind,
    CopyId,
    Delivery,
    Link,
    MessageId,
    Outgoing,
    Recipient,
    Survey,
    UserId,
)
from unsealed.model.policy import Level, LinkScope, Switches, VisibleUrl
from unsealed.store import contacts, habits, jobs, marks, search
from unsealed.store.habits import Carries
from unsealed.store.schema import copies, links, messages, originals, replies

REPLY_CHARACTERS = 500  # of the next hop's answer

# The copy that all recipients share stands behind theirs; most messages have none.
_shared = copies.alias("shared")
_is_shared = and_(_shared.c.message_id == copies.c.message_id, _shared.c.position == messages.c.recipient_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """Everything that a copy's bytes follow from, and where the copy goes. The same at every attempt."""

    copy: CopyId
    message: MessageId
    user: UserId
    envelope_from: str
    recipient: Recipient
    tokens: CopyId  # whose tokens stand in it: its own, or those of the copy that all recipients share
    tracked: bool  # False: the copy is the original
    switches: Switches  # of this copy
    key_id: int
    tracking_url: str
    original: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A copy that was refused for good: what the report to the sender says."""

    copy: CopyId
    message: MessageId
    user: UserId
    envelope_from: str
    recipient: str
    reply: str
    received_at: datetime
    ended_at: datetime
    original: bytes = field(repr=False)


def add(
    connection: Connection,
    message: MessageId,
    outgoing: Outgoing,
    *,
    survey: Survey,
    copy_ids: Sequence[CopyId],
    shared: CopyId | None = None,
    message_id: str,
    subject: str,
    answered: Sequence[str] = (),
    key_id: int,
    tracking_url: str,
) -> None:
    """Keep one accepted message with its original, its links and one copy for each recipient, all queued.

    copy_ids: as many as `outgoing.recipients`, in their order. shared: the copy whose tokens all of them carry; it is
    kept behind the others, has no address and is never delivered. message_id: the header of that name. answered: those
    of the messages that it answers, the nearest first; it joins the conversation of the first that is known.
    """
    switches = outgoing.switches
    kept = _copies(message, outgoing, survey, copy_ids, shared)
    connection.execute(
        messages.insert(),
        {
            "id": message,
            "user_id": outgoing.user,
            "envelope_from": outgoing.envelope_from,
            "message_id": message_id,
            "subject": subject,
            "recipients": _first_three(outgoing.recipients),
            "recipient_count": len(outgoing.recipients),
            "size": len(outgoing.raw),
            "tag": outgoing.tag,
            "metadata": json.dumps(dict(outgoing.metadata)),
            "opens_level": int(switches.opens),
            "clicks_level": int(switches.clicks),
            "switches": switches_json(switches),
            "key_id": key_id,
            "tracking_url": tracking_url,
            "unchanged": survey.unchanged,
            "survey": _survey_json(survey),
            "notes": json.dumps(list(outgoing.notes)),
            "sealed": outgoing.sealed,
            "received_at": outgoing.received_at,
            "signal_at": outgoing.received_at,
            "thread": _thread(connection, outgoing.user, answered) or message,
            "template_id": outgoing.template[0] if outgoing.template else None,
            "template_version": outgoing.template[1] if outgoing.template else None,
            "untracked": not any(copy["tracked"] for copy in kept),
        },
    )
    connection.execute(originals.insert(), {"message_id": message, "raw": outgoing.raw})
    connection.execute(copies.insert(), kept)
    _add_links(connection, message, survey.links)
    if not outgoing.sealed:
        contacts.met(connection, outgoing.user, outgoing.recipients, outgoing.received_at)
    search.add(
        connection,
        message,
        outgoing.user,
        outgoing.received_at,
        subject=subject,
        recipients=outgoing.recipients,
        links=() if outgoing.sealed else survey.links,
    )


def _copies(
    message: MessageId, outgoing: Outgoing, survey: Survey, copy_ids: Sequence[CopyId], shared: CopyId | None
) -> list[dict[str, object]]:
    switches = outgoing.switches
    given = list(zip(copy_ids, outgoing.recipients, strict=True))
    if shared is not None:
        given.append((shared, _shared_by(outgoing.recipients)))
    rows: list[dict[str, object]] = []
    for position, (copy, recipient) in enumerate(given):
        carries = _carries(survey, switches, recipient) if shared in (None, copy) else Carries.NOTHING
        rows.append(
            {
                "id": copy,
                "message_id": message,
                "position": position,
                "address": recipient.address,
                "name": recipient.name,
                "kind": recipient.kind.value,
                "tracked": bool(carries),
                "carries": habits.kept(carries, switches, recipient),
                "opens_level": int(min(switches.opens, recipient.opens)),
                "clicks_level": int(min(switches.clicks, recipient.clicks)),
                "delivery": Delivery.QUEUED.value,
                "user_id": outgoing.user,
                "mailbox": recipient.address.lower(),
                "domain": recipient.address.lower().rpartition("@")[2],
            }
        )
    return rows


def _add_links(connection: Connection, message: MessageId, found: Sequence[Link]) -> None:
    if not found:
        return
    connection.execute(
        links.insert(),
        [
            {
                "message_id": message,
                "position": link.position,
                "offset": link.offset,
                "part": link.part.value,
                "destination": link.destination,
                "text": link.text,
                "tracked": link.tracked,
                "reason": link.reason,
                "trap": link.trap,
            }
            for link in found
        ],
    )


def take_back(connection: Connection, user: UserId, message: MessageId) -> bool:
    """Remove a message with all that hangs on it, as if it had never been accepted. False: the delivery of a copy was
    begun, or there is no such message; then the caller must roll back."""
    mine = select(copies.c.id, copies.c.address).where(copies.c.message_id == message, copies.c.user_id == user)
    found = connection.execute(mine.where(copies.c.address != "")).all()
    if not found or not jobs.call_off(connection, jobs.COPY, [row.id for row in found]):
        return False
    contacts.unmet(connection, user, [row.address for row in found])
    connection.execute(delete(messages).where(messages.c.id == message, messages.c.user_id == user))
    return True


def _thread(connection: Connection, user: UserId, answered: Sequence[str]) -> int | None:
    """The conversation that a message belongs to which answers these Message-IDs, or answers to answers of them."""
    if not answered:
        return None
    ours = select(messages.c.message_id, messages.c.thread).where(
        messages.c.user_id == user, messages.c.message_id.in_(answered)
    )
    theirs = (
        select(replies.c.header_id, messages.c.thread)
        .join(messages, messages.c.id == replies.c.message_id)
        .where(replies.c.user_id == user, replies.c.header_id.in_(answered))
    )
    found = {name: int(thread) for name, thread in connection.execute(union_all(ours, theirs))}
    return next((found[name] for name in answered if name in found), None)


def derivation(connection: Connection, copy: CopyId) -> Derivation | None:
    """What the bytes of this copy follow from; None when there is no such copy (any more)."""
    return next(iter(derivations(connection, [copy])), None)


def derivations(
    connection: Connection, wanted: Sequence[CopyId], *, at_most_bytes: int | None = None
) -> list[Derivation]:
    """The same for several copies, in no order; only those of messages up to a size, if one is given."""
    question = (
        select(
            copies.c.id,
            copies.c.message_id,
            copies.c.address,
            copies.c.name,
            copies.c.kind,
            func.coalesce(_shared.c.id, copies.c.id).label("tokens"),
            func.coalesce(_shared.c.tracked, copies.c.tracked).label("tracked"),
            copies.c.opens_level,
            copies.c.clicks_level,
            messages.c.user_id,
            messages.c.envelope_from,
            messages.c.switches,
            messages.c.key_id,
            messages.c.tracking_url,
            originals.c.raw,
        )
        .join(messages, messages.c.id == copies.c.message_id)
        .join(originals, originals.c.message_id == copies.c.message_id)
        .outerjoin(_shared, _is_shared)
        .where(copies.c.id.in_(wanted))
    )
    if at_most_bytes is not None:
        question = question.where(messages.c.size <= at_most_bytes)
    return [
        Derivation(
            copy=CopyId(row["id"]),
            message=MessageId(row["message_id"]),
            user=UserId(row["user_id"]),
            envelope_from=row["envelope_from"],
            recipient=_recipient(row),
            tokens=CopyId(row["tokens"]),
            tracked=row["tracked"],
            switches=switches_from(row["switches"]).at_most(Level(row["opens_level"]), Level(row["clicks_level"])),
            key_id=row["key_id"],
            tracking_url=row["tracking_url"],
            original=row["raw"],
        )
        for row in connection.execute(question).mappings()
    ]


def refusal(connection: Connection, copy: CopyId) -> Refusal | None:
    """What there is to report about a bounced copy; None when it has not bounced."""
    row = (
        connection.execute(
            select(
                copies.c.message_id,
                copies.c.user_id,
                copies.c.address,
                copies.c.reply,
                copies.c.ended_at,
                messages.c.envelope_from,
                messages.c.received_at,
                originals.c.raw,
            )
            .join(messages, messages.c.id == copies.c.message_id)
            .join(originals, originals.c.message_id == copies.c.message_id)
            .where(copies.c.id == copy, copies.c.delivery == Delivery.BOUNCED.value)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return Refusal(
        copy=copy,
        message=MessageId(row["message_id"]),
        user=UserId(row["user_id"]),
        envelope_from=row["envelope_from"],
        recipient=row["address"],
        reply=row["reply"],
        received_at=row["received_at"],
        ended_at=row["ended_at"],
        original=row["raw"],
    )


def sent(connection: Connection, copy: CopyId, *, reply: str, at: datetime, final: bool) -> None:
    """The next hop took the copy. `final`: it lies in the mailbox. Hits that came earlier are judged again."""
    _move(
        connection,
        copy,
        delivery=Delivery.DELIVERED if final else Delivery.SENT,
        reply=reply,
        sent_at=at,
        ended_at=at if final else None,
        next_at=None,
    )
    marks.delivered(connection, copy)


def delayed(connection: Connection, copy: CopyId, *, reply: str, next_at: datetime) -> None:
    """The copy was refused for now."""
    _move(connection, copy, delivery=Delivery.DELAYED, reply=reply, next_at=next_at)


def bounced(connection: Connection, copy: CopyId, *, reply: str, at: datetime) -> None:
    """The copy was refused for good, or given up."""
    _move(connection, copy, delivery=Delivery.BOUNCED, reply=reply, ended_at=at, next_at=None)
    told_bounced(connection, copy)


def told_bounced(connection: Connection, copy: CopyId) -> None:
    """Remember on the message that this copy of it bounced; lists find it there."""
    of_copy = select(copies.c.message_id).where(copies.c.id == copy).scalar_subquery()
    connection.execute(update(messages).where(messages.c.id == of_copy).values(bounced=True))


def shared_sent(connection: Connection, shared: CopyId, *, at: datetime, final: bool) -> None:
    """The next hop took the copy of one of those who share this one: from the first of them on time runs for it."""
    c = copies.c
    moved = connection.execute(
        update(copies)
        .where(c.id == shared, or_(c.sent_at.is_(None), c.sent_at > at))
        .values(delivery=(Delivery.DELIVERED if final else Delivery.SENT).value, sent_at=at)
    )
    if moved.rowcount:
        marks.delivered(connection, shared)


def shared_bounced(connection: Connection, shared: CopyId, *, at: datetime) -> None:
    """The copy of one of those who share this one was refused for good; once all of theirs were, so is this one."""
    message = select(copies.c.message_id).where(copies.c.id == shared).scalar_subquery()
    others = select(copies.c.delivery).where(copies.c.message_id == message, copies.c.id != shared).distinct()
    if set(connection.execute(others).scalars()) == {Delivery.BOUNCED.value}:
        connection.execute(
            update(copies).where(copies.c.id == shared).values(delivery=Delivery.BOUNCED.value, ended_at=at)
        )


# Runs for every copy: put together once, because that takes longer than the answer.
_TRIED = update(copies).where(copies.c.id == bindparam("key")).values(attempts=copies.c.attempts + 1)


def _move(connection: Connection, copy: CopyId, *, delivery: Delivery, reply: str, **changes: datetime | None) -> None:
    words = reply.replace("\0", "")[:REPLY_CHARACTERS]
    connection.execute(_TRIED, {"key": copy, "delivery": delivery.value, "reply": words, **changes})


def switches_json(switches: Switches) -> str:
    """Switches as the store keeps them."""
    return json.dumps(
        {
            "opens": int(switches.opens),
            "clicks": int(switches.clicks),
            "links": switches.links.value,
            "visible_urls": switches.visible_urls.value,
            "excluded_domains": sorted(switches.excluded_domains),
            "shared": switches.shared,
            "trap": switches.trap,
        }
    )


def switches_from(text: str) -> Switches:
    """Switches from the form in which the store keeps them."""
    kept = json.loads(text)
    return Switches(
        opens=Level(kept["opens"]),
        clicks=Level(kept["clicks"]),
        links=LinkScope(kept["links"]),
        visible_urls=VisibleUrl(kept["visible_urls"]),
        excluded_domains=frozenset(kept["excluded_domains"]),
        shared=kept.get("shared", False),  # messages of earlier versions do not say
        trap=kept.get("trap", False),
    )


def _carries(survey: Survey, switches: Switches, recipient: Recipient) -> Carries:
    own = switches.at_most(recipient.opens, recipient.clicks)
    if survey.unchanged:
        return Carries.NOTHING
    pixel = Carries.PIXEL if survey.pixel and own.opens > Level.OFF else Carries.NOTHING
    return pixel | (Carries.LINKS if survey.tracked_links and own.tracks_links else Carries.NOTHING)


def _shared_by(recipients: Sequence[Recipient]) -> Recipient:
    """Nobody, with the levels of those who share a copy; who is not tracked at all shares nothing."""
    return Recipient(
        address="",
        opens=min((each.opens for each in recipients if each.opens), default=Level.OFF),
        clicks=min((each.clicks for each in recipients if each.clicks), default=Level.OFF),
    )


def _survey_json(survey: Survey) -> str:
    return json.dumps(
        {
            "pixel": survey.pixel,
            "pixel_offset": survey.pixel_offset,
            "unchanged": survey.unchanged,
            "warnings": list(survey.warnings),
            "html_bytes": survey.html_bytes,
        }
    )


def _first_three(recipients: Sequence[Recipient]) -> str:
    shown = ", ".join(recipient.name or recipient.address for recipient in recipients[:3])
    return shown + (", ..." if len(recipients) > 3 else "")


def _recipient(row: RowMapping) -> Recipient:
    return Recipient(address=row["address"], name=row["name"], kind=AddressKind(row["kind"]))
