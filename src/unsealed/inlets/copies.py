"""What is known of each copy beside its counts: from where it was read, whether for certain, why it may be silent, and
how far signals of this recipient and this company can be trusted. The same for pages and API; reads only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from unsealed.core.reading import Reader, Silence, copy_state, devices, read_for_certain, readers, why_no_signal
from unsealed.core.reliability import Trait, company_of, traits
from unsealed.model.message import CopyState, UserId, public_id
from unsealed.model.policy import Level
from unsealed.model.view import CopyRow, EventRow, MessageView, Pasted, Sighting, SignalFacts
from unsealed.store import habits, judged

ASKED_ABOUT = 100  # recipients of one message whose habits are looked up: each costs a look at hundreds of copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Of one copy."""

    certain: bool  # see core.reading.read_for_certain
    devices: int  # on how many it was read, as far as they can be told
    readers: tuple[Reader, ...]  # first seen first
    pasted: tuple[Pasted, ...]
    silence: tuple[Silence, ...]  # why nothing was seen; empty when something was, or when it is too early
    traits: tuple[Trait, ...]  # of the recipient
    company: tuple[Trait, ...]  # of all recipients of the company


def known(
    connection: Connection, user: UserId, message: MessageView, copies: Sequence[CopyRow], now: datetime
) -> dict[str, Known]:
    """By copy id. copies: of the message, those that are shown; habits are looked up of the first ASKED_ABOUT."""
    seen = _sightings(connection, int(message.row.id, 16))
    pasted: defaultdict[str, list[Pasted]] = defaultdict(list)
    for each in judged.pasted(connection, int(message.row.id, 16)):
        pasted[public_id(each.copy)].append(each)
    asked = copies[:ASKED_ABOUT]
    mailboxes = {copy.address.lower() for copy in asked if copy.address}
    companies = {company for copy in asked if (company := company_of(copy.address))}
    of_person = _traits(habits.facts_of_mailboxes(connection, user, mailboxes, now))
    of_company = _traits(habits.facts_of_domains(connection, user, companies, now))
    found = {}
    for copy in copies:
        own, company_traits = of_person.get(copy.address.lower(), ()), of_company.get(company_of(copy.address), ())
        found[copy.id] = Known(
            certain=read_for_certain(copy.facts, copy.signals.confidence),
            devices=devices(seen.get(copy.id, ())),
            readers=readers(seen.get(copy.id, ())),
            pasted=tuple(pasted[copy.id]),
            silence=_silence(message, copy, own, company_traits, now),
            traits=own,
            company=company_traits,
        )
    return found


def _traits(facts: Mapping[str, SignalFacts]) -> dict[str, tuple[Trait, ...]]:
    return {whose: traits(came) for whose, came in facts.items()}


def readers_of(connection: Connection, message_id: int) -> dict[str, tuple[Reader, ...]]:
    """Who read each copy, by copy id."""
    return {copy: readers(sightings) for copy, sightings in _sightings(connection, message_id).items()}


def is_forwarded(event: EventRow, of_copy: Iterable[Reader]) -> bool:
    """Whether an event came from somebody to whom the copy was perhaps forwarded."""
    return event.finding.counted and any(
        reader.forwarded and _same(event, reader.sighting) and event.at >= reader.sighting.first_at
        for reader in of_copy
    )


def _same(event: EventRow, seen: Sighting) -> bool:
    return (
        event.client,
        event.client_kind,
        event.device,
        event.system,
        event.network,
        event.operator,
        event.place,
    ) == (
        seen.client,
        seen.kind,
        seen.device,
        seen.system,
        seen.network,
        seen.operator,
        seen.place,
    )


def _sightings(connection: Connection, message_id: int) -> dict[str, list[Sighting]]:
    found: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in judged.sightings(connection, message_id):
        found[public_id(sighting.copy)].append(sighting)
    return dict(found)


def _silence(
    message: MessageView, copy: CopyRow, own: tuple[Trait, ...], company: tuple[Trait, ...], now: datetime
) -> tuple[Silence, ...]:
    if copy_state(copy.facts, now) is not CopyState.NO_SIGNAL:
        return ()
    links = sum(row.link.tracked for row in message.links) if copy.clicks_level > Level.OFF else 0
    opens = min(message.opens_level, copy.opens_level)
    return why_no_signal(message.survey, links=links, opens=opens, traits=own, company=company)
