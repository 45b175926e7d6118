from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.inlets.web.rows import EVENT

from unsealed.inlets.web import evidence
from unsealed.inlets.web.evidence import Chip
from unsealed.model.event import BELIEVED, Answer, ClientKind, Device, Finding, NetworkClass, Place, PlaceState
from unsealed.model.texts import ENGLISH


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Chip("person")),
        ({"finding": Finding.PROXIED_OPEN, "network": NetworkClass.GOOGLE_PROXY}, Chip("through a proxy")),
        ({"finding": Finding.PROXIED_OPEN, "network": NetworkClass.WEBMAIL_PROXY}, Chip("through a proxy")),
        ({"finding": Finding.MACHINE_PREFETCH, "network": NetworkClass.APPLE_RELAY}, Chip("Apple privacy", "apart")),
        ({"finding": Finding.MACHINE_PREFETCH}, Chip("prefetched", "apart")),
        ({"finding": Finding.SCANNER}, Chip("scanner", "apart")),
        ({"finding": Finding.SCANNER_CLICK, "client_kind": ClientKind.LINK_PREVIEW}, Chip("link preview", "apart")),
        ({"finding": Finding.SELF_OPEN}, Chip("you", "you")),
        ({"finding": Finding.DUPLICATE}, Chip("repeated", "apart")),
    ],
)
def test_a_chip_is_solid_only_where_the_event_counts(change: dict[str, object], expected: Chip) -> None:
    event = replace(EVENT, **change)  # type: ignore[arg-type]

    assert expected == evidence.chip(event, ENGLISH)
    assert event.finding.counted == (evidence.chip(event, ENGLISH).look == "")


@pytest.mark.parametrize("finding", Finding)
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_every_finding_has_a_heading(finding: Finding, confidence: float) -> None:
    event = replace(EVENT, finding=finding, confidence=confidence, link_text="Pricing")

    assert evidence.verdict(event, ENGLISH).said
    assert ("aybe" in evidence.verdict(event, ENGLISH).said) == (finding.counted and confidence < BELIEVED)


def test_every_finding_and_answer_has_words() -> None:
    assert set(evidence.FINDINGS) == set(Finding)
    assert set(evidence.ANSWERS) == set(Answer)


@pytest.mark.parametrize("network", NetworkClass)
@pytest.mark.parametrize("device", Device)
def test_device_and_network_always_have_words(network: NetworkClass, device: Device) -> None:
    event = replace(EVENT, network=network, device=device)

    assert evidence.device(event, ENGLISH).startswith("Thunderbird on Linux, ")
    assert evidence.device_symbol(event)
    assert isinstance(evidence.network(event, ENGLISH), str)
    assert isinstance(evidence.place(event, ENGLISH), str)


def test_no_place_is_said_behind_a_proxy() -> None:
    hidden = replace(
        EVENT, client="Gmail Image Proxy", system="", device=Device.HIDDEN, network=NetworkClass.GOOGLE_PROXY
    )

    assert evidence.device(hidden, ENGLISH) == "Gmail, device hidden"
    assert evidence.place(hidden, ENGLISH) == "place hidden by Gmail"
    assert evidence.where_from(hidden, ENGLISH) == "place hidden"  # Gmail stands before it
    assert evidence.where_from(replace(hidden, client="Firefox"), ENGLISH) == "place hidden by Gmail"
    assert evidence.device_symbol(hidden) == "devices"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"place": Place(state=PlaceState.KNOWN, country="PT", region="Lisbon", city="Lisbon")}, "Lisbon, Portugal"),
        ({"place": Place(state=PlaceState.KNOWN, country="PT")}, "Portugal"),
        ({"place": Place(state=PlaceState.UNKNOWN)}, ""),
        ({"place": Place(state=PlaceState.PROXY), "operator": "Fastmail"}, "place hidden by Fastmail"),
        ({"place": Place(state=PlaceState.PROXY)}, "place hidden by a proxy"),
        ({"network": NetworkClass.APPLE_RELAY}, "place hidden by Apple"),
        (
            {"network": NetworkClass.HOSTING, "operator": "Amazon", "place": Place(state=PlaceState.PROXY)},
            "a rented machine at Amazon",
        ),
        ({"network": NetworkClass.SSE_PROXY}, "place hidden by the company’s proxy"),
    ],
)
def test_a_place_is_known_or_hidden_or_nothing(change: dict[str, object], expected: str) -> None:
    assert expected == evidence.place(replace(EVENT, **change), ENGLISH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "symbol"),
    [
        ({}, "desktop"),
        ({"device": Device.MOBILE}, "phone"),
        ({"device": Device.TABLET}, "tablet"),
        ({"device": Device.UNKNOWN}, "unknown"),
        ({"device": Device.HIDDEN, "client_kind": ClientKind.WEBMAIL}, "devices"),
        ({"device": Device.HIDDEN, "client_kind": ClientKind.IMAGE_PROXY}, "proxy"),
        ({"finding": Finding.SCANNER}, "scanner"),
        ({"finding": Finding.MACHINE_PREFETCH, "network": NetworkClass.APPLE_RELAY}, "proxy"),
        ({"finding": Finding.SELF_OPEN, "device": Device.MOBILE}, "you"),
    ],
)
def test_an_icon_shows_what_asked(change: dict[str, object], symbol: str) -> None:
    assert symbol == evidence.device_symbol(replace(EVENT, **change))  # type: ignore[arg-type]
