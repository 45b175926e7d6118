from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.reading import (
    READING_GAP,
    Silence,
    begins_reading,
    copy_state,
    devices,
    read_for_certain,
    readers,
    why_no_signal,
)
from unsealed.core.reliability import Trait
from unsealed.model.event import NOWHERE, ClientKind, Device, NetworkClass, Place, PlaceState
from unsealed.model.message import CopyId, CopyState, Delivery, Survey
from unsealed.model.policy import Level
from unsealed.model.view import CopyFacts, Sighting

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SENT = NOON - timedelta(hours=1)


def facts(
    delivery: Delivery = Delivery.SENT,
    *,
    tracked: bool = True,
    sent_at: datetime | None = SENT,
    opens: int = 0,
    clicks: int = 0,
    machine: int = 0,
) -> CopyFacts:
    return CopyFacts(tracked=tracked, delivery=delivery, sent_at=sent_at, opens=opens, clicks=clicks, machine=machine)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (facts(Delivery.QUEUED, sent_at=None), CopyState.QUEUED),
        (facts(Delivery.DELAYED, sent_at=None), CopyState.DELAYED),
        (facts(Delivery.BOUNCED, sent_at=None), CopyState.BOUNCED),
        (facts(), CopyState.SENT),
        (facts(Delivery.DELIVERED), CopyState.DELIVERED),
        (facts(tracked=False), CopyState.NOT_TRACKED),
        (facts(Delivery.QUEUED, tracked=False), CopyState.QUEUED),
        (facts(sent_at=NOON - timedelta(hours=24)), CopyState.NO_SIGNAL),
        (facts(sent_at=NOON - timedelta(hours=23, minutes=59)), CopyState.SENT),
        (facts(Delivery.DELIVERED, sent_at=NOON - timedelta(days=3)), CopyState.NO_SIGNAL),
        (facts(machine=2), CopyState.LOADED_BY_MACHINE),
        (facts(machine=2, sent_at=NOON - timedelta(days=3)), CopyState.LOADED_BY_MACHINE),
        (facts(opens=1, machine=2), CopyState.OPENED),
        (facts(opens=1, clicks=1), CopyState.CLICKED),
        (facts(Delivery.BOUNCED, opens=1), CopyState.OPENED),
        (facts(Delivery.QUEUED, sent_at=None, opens=1), CopyState.OPENED),
    ],
)
def test_the_strongest_fact_makes_the_state(facts: CopyFacts, state: CopyState) -> None:
    assert state == copy_state(facts, NOON)


def test_a_reading_begins_after_ten_quiet_minutes_and_not_before() -> None:
    assert begins_reading(None, NOON)
    assert not begins_reading(NOON - READING_GAP, NOON)
    assert begins_reading(NOON - READING_GAP - timedelta(microseconds=1), NOON)


def test_a_click_makes_a_reading_certain_with_or_without_a_picture() -> None:
    assert read_for_certain(facts(clicks=1), 0.95)
    assert read_for_certain(facts(clicks=1, opens=3, machine=2), 0.9)
    assert not read_for_certain(facts(opens=3), 0.95)


@pytest.mark.parametrize("confidence", [None, 0.5, 0.7, 0.89])
def test_a_click_that_is_only_likely_makes_nothing_certain_and_an_answer_does(confidence: float | None) -> None:
    clicked = facts(clicks=1, opens=1)

    assert not read_for_certain(clicked, confidence)
    assert read_for_certain(replace(clicked, replies=1), confidence)


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("tracked", [True, False])
def test_an_answer_makes_a_reading_certain_whatever_else_is_known(delivery: Delivery, tracked: bool) -> None:
    for opens, clicks, machine in ((0, 0, 0), (2, 0, 1), (1, 1, 0)):
        known = replace(facts(delivery, tracked=tracked, opens=opens, clicks=clicks, machine=machine), replies=1)

        assert CopyState.REPLIED is copy_state(known, NOON)
        assert read_for_certain(known, None)


# Who read a copy

HAMBURG = Place(state=PlaceState.KNOWN, country="DE", region="Hamburg", city="Hamburg")
WEDEL = Place(state=PlaceState.KNOWN, country="DE", region="Hamburg", city="Wedel")
MUNICH = Place(state=PlaceState.KNOWN, country="DE", region="Bavaria", city="Munich")
PARIS = Place(state=PlaceState.KNOWN, country="FR", region="Ile-de-France", city="Paris")
GERMANY = Place(state=PlaceState.KNOWN, country="DE")
GOOGLES = Place(state=PlaceState.PROXY)


def sighting(
    minute: int = 0,
    device: Device = Device.DESKTOP,
    place: Place = HAMBURG,
    system: str = "Windows",
    kind: ClientKind = ClientKind.DESKTOP_CLIENT,
    network: NetworkClass = NetworkClass.RESIDENTIAL,
) -> Sighting:
    at = NOON + timedelta(minutes=minute)
    return Sighting(
        copy=CopyId(1),
        client="",
        kind=kind,
        device=device,
        system=system,
        network=network,
        operator="",
        place=place,
        first_at=at,
        last_at=at,
        readings=1,
        clicks=0,
    )


def forwarded(*sightings: Sighting) -> list[bool]:
    return [reader.forwarded for reader in readers(sightings)]


def test_another_device_in_another_place_is_perhaps_forwarded() -> None:
    assert [False, True] == forwarded(sighting(), sighting(9, Device.MOBILE, PARIS, "iOS"))
    assert [False, True] == forwarded(sighting(), sighting(9, Device.DESKTOP, MUNICH, "macOS"))


@pytest.mark.parametrize(
    "later",
    [
        sighting(9, Device.DESKTOP, PARIS),  # the same device on a journey
        sighting(9, Device.DESKTOP, PARIS, ""),  # a computer of which nobody knows that it is another
        sighting(9, Device.MOBILE, HAMBURG, "iOS"),  # the phone beside the computer
        sighting(9, Device.MOBILE, WEDEL, "iOS"),  # the phone at home
        sighting(9, Device.MOBILE, NOWHERE, "iOS"),
        sighting(9, Device.MOBILE, GERMANY, "iOS"),
        sighting(9, Device.UNKNOWN, PARIS, ""),
        sighting(
            9, Device.MOBILE, MUNICH, "iOS", network=NetworkClass.MOBILE_CARRIER
        ),  # where the carrier's gateway is
        sighting(9, Device.MOBILE, PARIS, "iOS", network=NetworkClass.VPN),
        sighting(9, Device.HIDDEN, GOOGLES, "", ClientKind.IMAGE_PROXY),
        sighting(9, Device.MOBILE, PARIS, "Android", ClientKind.IMAGE_PROXY),  # Superhuman: the device is known
    ],
)
def test_what_may_be_the_same_reader_is_not_called_forwarded(later: Sighting) -> None:
    assert [False, False] == forwarded(sighting(), later)


def test_a_phone_abroad_is_told_by_its_carriers_country() -> None:
    assert [False, True] == forwarded(
        sighting(), sighting(9, Device.MOBILE, PARIS, "iOS", network=NetworkClass.MOBILE_CARRIER)
    )


def test_a_reader_is_compared_with_all_before_and_proxies_prove_nothing() -> None:
    phone = sighting(9, Device.MOBILE, PARIS, "iOS")

    assert [False, True, False] == forwarded(sighting(), phone, sighting(20, Device.MOBILE, PARIS, "iOS"))
    assert [False, False] == forwarded(sighting(0, Device.HIDDEN, GOOGLES, "", ClientKind.IMAGE_PROXY), phone)
    assert [False] == forwarded(phone)
    assert [] == forwarded()


SIGHTINGS = st.lists(
    st.builds(
        sighting,
        st.integers(0, 5),
        st.sampled_from(Device),
        st.sampled_from((HAMBURG, WEDEL, PARIS, GOOGLES, NOWHERE)),
        st.sampled_from(("", "Windows", "iOS")),
        st.sampled_from(ClientKind),
        st.sampled_from(NetworkClass),
    ),
    max_size=8,
)


@given(SIGHTINGS)
def test_every_sighting_is_a_reader_first_seen_first(sightings: list[Sighting]) -> None:
    found = readers(sightings)

    assert sorted(map(repr, sightings)) == sorted(repr(reader.sighting) for reader in found)
    assert sorted(reader.sighting.first_at for reader in found) == [reader.sighting.first_at for reader in found]
    assert not any(reader.forwarded for reader in found[:1])


def test_devices_are_counted_as_far_as_they_can_be_told() -> None:
    assert 0 == devices([])
    assert 0 == devices([sighting(device=Device.HIDDEN), sighting(device=Device.UNKNOWN)])
    assert 1 == devices([sighting(), sighting(5, place=PARIS)])
    assert 1 == devices([sighting(), sighting(5, system="")])
    assert 1 == devices([sighting(system=""), sighting(5, system="")])
    assert 2 == devices([sighting(), sighting(5, Device.MOBILE, system="iOS")])
    assert 2 == devices([sighting(), sighting(5, system="macOS"), sighting(6, system="")])


# Why nothing was seen

WITH_PIXEL = Survey(pixel="before </body>", pixel_offset=900, html_bytes=1000)


@pytest.mark.parametrize(
    ("survey", "links", "opens", "traits", "company", "expected"),
    [
        (WITH_PIXEL, 2, Level.FULL, (), (), [Silence.PICTURES_MAY_BE_BLOCKED]),
        (WITH_PIXEL, 0, Level.FULL, (Trait.RELIABLE,), (), [Silence.PICTURES_MAY_BE_BLOCKED]),
        (WITH_PIXEL, 0, Level.FULL, (Trait.BLOCKS_PICTURES,), (), [Silence.PICTURES_BLOCKED_LIKELY]),
        (WITH_PIXEL, 0, Level.FULL, (), (Trait.BLOCKS_PICTURES,), [Silence.COMPANY_BLOCKS]),
        (WITH_PIXEL, 0, Level.FULL, (Trait.NEVER_SEEN,), (), [Silence.NOT_LOADED_BEFORE]),
        (Survey(), 2, Level.OFF, (), (), [Silence.OPENS_OFF, Silence.LINKS_ONLY]),
        (WITH_PIXEL, 1, Level.OFF, (), (), [Silence.OPENS_OFF, Silence.LINKS_ONLY]),  # others of its message have one
        (Survey(), 0, Level.FULL, (), (), [Silence.PLAIN_TEXT]),
        (Survey(html_bytes=10), 1, Level.FULL, (), (), [Silence.NO_PIXEL, Silence.LINKS_ONLY]),
        (Survey(pixel="at the end", pixel_offset=102_001, html_bytes=1), 0, Level.FULL, (), (), [Silence.CLIPPED]),
        (
            Survey(pixel="at the end", pixel_offset=102_000, html_bytes=1),
            0,
            Level.FULL,
            (),
            (),
            [Silence.PICTURES_MAY_BE_BLOCKED],
        ),
    ],
)
def test_silence_says_why_it_may_be_so(
    survey: Survey,
    links: int,
    opens: Level,
    traits: tuple[Trait, ...],
    company: tuple[Trait, ...],
    expected: list[Silence],
) -> None:
    assert tuple(expected) == why_no_signal(survey, links=links, opens=opens, traits=traits, company=company)
