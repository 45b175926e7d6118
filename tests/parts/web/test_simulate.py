"""The looks of the simulated programs, judged by the rules that real ones meet."""

from __future__ import annotations

import pytest

from unsealed.core.agent import read_agent
from unsealed.core.network import read_network
from unsealed.inlets.web.simulate import CLICKERS, READERS
from unsealed.model.event import ClientKind, NetworkClass


@pytest.mark.parametrize(
    ("name", "kind", "network"),
    [
        ("thunderbird", ClientKind.DESKTOP_CLIENT, NetworkClass.UNKNOWN),
        ("gmail", ClientKind.IMAGE_PROXY, NetworkClass.GOOGLE_PROXY),
        ("outlook", ClientKind.DESKTOP_CLIENT, NetworkClass.UNKNOWN),
        ("phone", ClientKind.MOBILE_APP, NetworkClass.UNKNOWN),
        ("mail-scanner", ClientKind.SCANNER, NetworkClass.SECURITY_VENDOR),
        ("link-scanner", ClientKind.BROWSER, NetworkClass.MICROSOFT),
    ],
)
def test_a_reader_looks_like_what_it_is_called(name: str, kind: ClientKind, network: NetworkClass) -> None:
    reader = READERS[name]

    assert read_agent(reader.headers["User-Agent"]).kind == kind
    assert read_network(reader.address).kind == network


def test_apples_relay_shows_the_bare_agent_from_its_own_network() -> None:
    assert READERS["apple"].headers["User-Agent"] == "Mozilla/5.0"
    assert read_network(READERS["apple"].address).kind == NetworkClass.APPLE_RELAY


def test_a_person_clicks_with_a_browser() -> None:
    assert read_agent(CLICKERS["person"].headers["User-Agent"]).kind == ClientKind.BROWSER
