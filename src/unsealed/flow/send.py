"""A message accepted: surveyed, and kept with its copies, links and jobs in one transaction.

Promises that what `write` was committed with is all that delivery needs: every attempt derives the same bytes of a
copy from the kept original, also after a rotation of the keys or a change of the settings. Promises that a bug of ours
in the changing of messages costs the tracking and never the mail: the message then goes out as it came.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core import header
from unsealed.core.instrument import Tracking, make_copy, survey_outgoing
from unsealed.model.errors import BadInput
from unsealed.model.message import DRAWN_BITS, CopyId, MessageId, Outgoing, Survey, new_id, public_id
from unsealed.model.policy import MANY_RECIPIENTS, HiddenLink, Switches
from unsealed.model.ports import Keys, Parcel
from unsealed.store import engine as stores
from unsealed.store import feed, jobs, messages

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A surveyed message, ready to be written."""

    id: MessageId
    outgoing: Outgoing
    survey: Survey
    copies: tuple[CopyId, ...]
    shared: CopyId | None  # whose tokens stand in all of them
    message_id: str
    subject: str
    answered: tuple[str, ...]  # Message-IDs of what it answers, the nearest first
    key_id: int
    tracking_url: str


def plan(outgoing: Outgoing, *, tracking: Tracking) -> Planned:
    """Decide everything about a message. No I/O; costs CPU in proportion to the message, so keep it off event loops."""
    found = header.fields(outgoing.raw)
    outgoing = replace(outgoing, switches=_frozen(outgoing))
    survey = _surveyed(outgoing, tracking)
    shared = outgoing.switches.shared and bool(survey.pixel or survey.tracked_links)
    return Planned(
        id=MessageId(_new_id(outgoing)),
        outgoing=outgoing,
        survey=survey,
        copies=tuple(CopyId(_new_id(outgoing)) for _ in outgoing.recipients),
        shared=CopyId(_new_id(outgoing)) if shared else None,
        message_id=next((header.decoded(item.value) for item in found if item.name == "message-id"), ""),
        subject=header.subject(found),
        answered=header.answered(found),
        key_id=tracking.key_id,
        tracking_url=tracking.base_url,
    )


def _new_id(outgoing: Outgoing) -> int:
    return new_id(outgoing.received_at, secrets.randbits(DRAWN_BITS))


def _frozen(outgoing: Outgoing) -> Switches:
    many = len(outgoing.recipients) >= MANY_RECIPIENTS
    wanted = outgoing.switches.hidden_link
    trap = wanted is HiddenLink.ALWAYS or (wanted is HiddenLink.MANY and many)
    return replace(outgoing.switches, trap=trap, hidden_link=HiddenLink.NEVER)


def _surveyed(outgoing: Outgoing, tracking: Tracking) -> Survey:
    try:
        return survey_outgoing(outgoing, tracking=tracking)
    except Exception:
        log.exception("message.survey_failed")
        return Survey(unchanged="fault")


def write(
    connection: Connection,
    planned: Planned,
    now: datetime,
    *,
    leaves_at: datetime | None = None,
    elsewhere: bool = False,
) -> MessageId:
    """Keep a planned message in the caller's transaction; accepted once that is committed.

    leaves_at: not before; until then it can be taken back. elsewhere: something else delivers it.
    """
    messages.add(
        connection,
        planned.id,
        planned.outgoing,
        survey=planned.survey,
        copy_ids=planned.copies,
        shared=planned.shared,
        message_id=planned.message_id,
        subject=planned.subject,
        answered=planned.answered,
        key_id=planned.key_id,
        tracking_url=planned.tracking_url,
    )
    if not elsewhere:
        jobs.add(connection, jobs.COPY, planned.copies, now, leaves_at)
    accepted = feed.Change(user=planned.outgoing.user, message=planned.id, what="accepted", at=now)
    feed.add_feed(connection, [accepted])
    return planned.id


def accept(engine: Engine, outgoing: Outgoing, *, tracking: Tracking, now: datetime) -> MessageId:
    """Plan and write one message; when this returns it is on disk."""
    planned = plan(outgoing, tracking=tracking)
    with engine.begin() as connection:
        return write(connection, planned, now)


def copy_of(engine: Engine, copy: CopyId, *, keys: Keys) -> Parcel:
    """The copy as it goes to the next hop: the same bytes each time.

    Raises:
        BadInput: permanent; there is no such copy.
    """
    with stores.reading(engine) as connection:
        found = messages.derivation(connection, copy)
    if found is None:
        raise BadInput("there is no such copy")
    return parcel_of(found, keys)


def parcel_of(found: messages.Derivation, keys: Keys) -> Parcel:
    """Derive a copy's bytes. No I/O; costs CPU in proportion to the message."""
    raw = found.original
    if found.tracked:
        tracking = Tracking(base_url=found.tracking_url, keys=keys, key_id=found.key_id)
        try:
            raw = make_copy(
                raw, switches=found.switches, tracking=tracking, copy=found.tokens, recipient=found.recipient
            ).raw
        except Exception:
            log.exception("copy.making_failed", copy=public_id(found.copy))
    return Parcel(
        copy=found.copy,
        message=found.message,
        envelope_from=found.envelope_from,
        recipient=found.recipient.address,
        raw=raw,
    )
