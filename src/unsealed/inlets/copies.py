"""What is known of each copy beside its counts: from where it was read, whether for certain, why it may be silent, and
how far signals of this recipient and this company can be trusted. The same for pages and API; reads only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from unsealed.core.reading import Reader, Silence, copy_state, devices, read_for_certain, readers, why_no_signal
from unsealed.core.reliability import Trait
from unsealed.model.message import CopyState, public_id
from unsealed.model.view import CopyRow, MessageView, Pasted, Sighting
from unsealed.store import views


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Of one copy."""

    certain: bool  # a person acted on it: read, whatever was loaded
    devices: int  # on how many it was read, as far as they can be told
    readers: tuple[Reader, ...]  # first seen first
    pasted: tuple[Pasted, ...]
    silence: tuple[Silence, ...]  # why nothing was seen; empty when something was, or when it is too early
    traits: tuple[Trait, ...]  # of the recipient
    company: tuple[Trait, ...]  # of all recipients of the company


def known(connection: Connection, message: MessageView, copies: Iterable[CopyRow], now: datetime) -> dict[str, Known]:
    """By copy id. copies: of the message, those that are shown."""
    seen: defaultdict[str, list[Sighting]] = defaultdict(list)
    pasted: defaultdict[str, list[Pasted]] = defaultdict(list)
    number = int(message.row.id, 16)
    for sighting in views.sightings(connection, number):
        seen[public_id(sighting.copy)].append(sighting)
    for each in views.pasted(connection, number):
        pasted[public_id(each.copy)].append(each)
    found = {}
    for copy in copies:
        found[copy.id] = Known(
            certain=read_for_certain(copy.facts),
            devices=devices(seen[copy.id]),
            readers=readers(seen[copy.id]),
            pasted=tuple(pasted[copy.id]),
            silence=_silence(message, copy, (), (), now),
            traits=(),
            company=(),
        )
    return found


def _silence(
    message: MessageView, copy: CopyRow, own: tuple[Trait, ...], company: tuple[Trait, ...], now: datetime
) -> tuple[Silence, ...]:
    if copy_state(copy.facts, now) is not CopyState.NO_SIGNAL:
        return ()
    links = sum(row.link.tracked for row in message.links)
    return why_no_signal(message.survey, links=links, opens=message.opens_level, traits=own, company=company)
