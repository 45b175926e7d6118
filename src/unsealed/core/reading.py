"""Judged events -> readings, states, readers, and why nothing was seen.

A reading is a run of counted opens of one copy, each at most READING_GAP after the one before: a preview pane that
loads the picture eight times is one reading. Clicks have their own count; a click without any counted open proves one
reading.

Everything here is derived and nothing is rewritten: a certain click or an answer raises its copy to "read for certain"
and leaves the prefetch before it what it was. An answer adds no opening.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from unsealed.core.reliability import Trait
from unsealed.model.event import CERTAIN, ClientKind, Device, NetworkClass, Place, PlaceState
from unsealed.model.message import CopyState, Delivery, Survey
from unsealed.model.policy import Level
from unsealed.model.view import CopyFacts, Sighting

READING_GAP = timedelta(minutes=10)
NO_SIGNAL_AFTER = timedelta(hours=24)
GMAIL_CUTS_AT = 102_000  # bytes of HTML; what comes later is behind "view entire message"


def begins_reading(previous: datetime | None, at: datetime) -> bool:
    """Whether a counted open begins a reading. previous: the counted open of the same copy before it."""
    return previous is None or at - previous > READING_GAP


def copy_state(facts: CopyFacts, now: datetime) -> CopyState:
    """The one state that screens and API show. The strongest signal wins, whatever the mail side says: a copy that was
    read did arrive."""
    if facts.replies:
        return CopyState.REPLIED
    if facts.clicks:
        return CopyState.CLICKED
    if facts.opens:
        return CopyState.OPENED
    match facts.delivery:
        case Delivery.QUEUED:
            return CopyState.QUEUED
        case Delivery.DELAYED:
            return CopyState.DELAYED
        case Delivery.BOUNCED:
            return CopyState.BOUNCED
        case Delivery.SENT | Delivery.DELIVERED:
            pass
    if not facts.tracked:
        return CopyState.NOT_TRACKED
    if facts.machine:
        return CopyState.LOADED_BY_MACHINE
    if facts.sent_at is not None and now - facts.sent_at >= NO_SIGNAL_AFTER:
        return CopyState.NO_SIGNAL
    return CopyState.DELIVERED if facts.delivery is Delivery.DELIVERED else CopyState.SENT


def read_for_certain(facts: CopyFacts, confidence: float | None) -> bool:
    """Whether a person surely acted on the copy, with or without a picture loaded: nobody answers a message, or follows
    a link in it, that was not opened. confidence: of the best of its counted events; a click must be certain itself."""
    return facts.replies > 0 or (facts.clicks > 0 and (confidence or 0.0) >= CERTAIN)


# --- who read a copy --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reader:
    """A sighting, and whether it may be somebody to whom the message was forwarded."""

    sighting: Sighting
    forwarded: bool = False


def readers(sightings: Sequence[Sighting]) -> tuple[Reader, ...]:
    """Those who read one copy, first seen first.

    Perhaps forwarded: another device in another place than every direct sighting before it. Both must be known on both
    sides: a new phone at the same place is the same person, and so is the same computer on a journey. Places differ by
    country or region, not by city: people read at work and at home. An address of a mobile carrier or a company lies
    where its operator put it: only its country is believed, of a VPN not even that. Proxies and webmail tell neither
    device nor place, so they are never forwarded and prove nothing.

    sightings: of one copy, in any order.
    """
    found: list[Reader] = []
    direct: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda one: (one.first_at, one.client, one.operator)):
        if not _direct(sighting):
            found.append(Reader(sighting))
            continue
        forwarded = bool(direct) and all(_elsewhere(sighting, one) for one in direct)
        found.append(Reader(sighting, forwarded))
        direct.append(sighting)
    return tuple(found)


def devices(sightings: Iterable[Sighting]) -> int:
    """On how many devices a copy was read, as far as they can be told: two phones of one system count as one."""
    named: set[tuple[Device, str]] = set()
    for sighting in sightings:
        if sighting.device in _DEVICES:
            named.add((sighting.device, sighting.system))
    # "A computer" whose system nobody named is no second one beside a computer that runs Windows.
    return sum(
        bool(system) or all(not other or other_kind != kind for other_kind, other in named) for kind, system in named
    )


_DEVICES = frozenset({Device.DESKTOP, Device.MOBILE, Device.TABLET})
_INDIRECT = frozenset({ClientKind.IMAGE_PROXY, ClientKind.WEBMAIL, ClientKind.PREFETCH})
_COUNTRY_ONLY = frozenset({NetworkClass.MOBILE_CARRIER, NetworkClass.SSE_PROXY, NetworkClass.CORPORATE})
_NO_PLACE = frozenset({NetworkClass.VPN, NetworkClass.HOSTING, NetworkClass.APPLE_RELAY})


def _direct(sighting: Sighting) -> bool:
    return sighting.kind not in _INDIRECT and sighting.place.state is not PlaceState.PROXY


def _elsewhere(one: Sighting, other: Sighting) -> bool:
    """Another device and another place, both known."""
    return _other_device(one, other) and _other_place(one, other)


def _other_device(one: Sighting, other: Sighting) -> bool:
    if one.device not in _DEVICES or other.device not in _DEVICES:
        return False
    return one.device is not other.device or bool(one.system and other.system and one.system != other.system)


def _other_place(one: Sighting, other: Sighting) -> bool:
    a, b = one.place, other.place
    if not (_placed(one) and _placed(other)):
        return False
    if a.country != b.country:
        return True
    if one.network in _COUNTRY_ONLY or other.network in _COUNTRY_ONLY:
        return False
    return bool(a.region and b.region) and a.region != b.region


def _placed(sighting: Sighting) -> bool:
    place: Place = sighting.place
    return place.state is PlaceState.KNOWN and bool(place.country) and sighting.network not in _NO_PLACE


# --- why nothing was seen ---------------------------------------------------------------------------------------------


class Silence(StrEnum):
    """Why a tracked copy may show no signal although it was read. The words for people stand in inlets.web.words."""

    OPENS_OFF = "opens_off"  # openings were not to be tracked
    PLAIN_TEXT = "plain_text"  # no HTML part: there is nothing that could be loaded
    NO_PIXEL = "no_pixel"  # HTML, but no place for a pixel
    LINKS_ONLY = "links_only"  # without a pixel only a click can tell
    PICTURES_BLOCKED_LIKELY = "pictures_blocked_likely"  # acted on earlier messages without loading their pictures
    COMPANY_BLOCKS = "company_blocks"  # nobody at this company loads pictures
    NOT_LOADED_BEFORE = "not_loaded_before"  # earlier messages to this recipient showed nothing either
    CLIPPED = "clipped"  # so long that Gmail cuts it before the pixel
    PICTURES_MAY_BE_BLOCKED = "pictures_may_be_blocked"  # nothing is known: many programs load none unless asked


def why_no_signal(
    survey: Survey,
    *,
    links: int,
    opens: Level,
    traits: Collection[Trait] = (),
    company: Collection[Trait] = (),
) -> tuple[Silence, ...]:
    """What may hide a reader of a copy in which nothing was seen, the best explanation first; never empty.

    survey: of the message; its links are not looked at. links, opens: how many are tracked in this copy, and at which
    level. traits, company: what core.reliability knows of the recipient and of all recipients of the company.
    """
    found: list[Silence] = []
    if not survey.pixel or opens is Level.OFF:
        if opens is Level.OFF:
            found.append(Silence.OPENS_OFF)
        elif not survey.html_bytes:
            found.append(Silence.PLAIN_TEXT)
        else:
            found.append(Silence.NO_PIXEL)
        if links:
            found.append(Silence.LINKS_ONLY)
        return tuple(found)
    if Trait.BLOCKS_PICTURES in traits:
        found.append(Silence.PICTURES_BLOCKED_LIKELY)
    if Trait.BLOCKS_PICTURES in company:
        found.append(Silence.COMPANY_BLOCKS)
    if Trait.NEVER_SEEN in traits:
        found.append(Silence.NOT_LOADED_BEFORE)
    if (survey.pixel_offset or 0) > GMAIL_CUTS_AT:
        found.append(Silence.CLIPPED)
    return tuple(found) or (Silence.PICTURES_MAY_BE_BLOCKED,)
