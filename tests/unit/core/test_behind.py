from __future__ import annotations

import pytest

from unsealed.core.behind import CROWDED, MACHINE_NETWORKS, MANY_ADDRESSES, PROVIDERS, WHERE_PEOPLE_ARE, says_ahead
from unsealed.model.event import NetworkClass


def test_it_is_said_of_every_network_who_may_be_behind_it() -> None:
    assert set(NetworkClass) == WHERE_PEOPLE_ARE | MACHINE_NETWORKS | MANY_ADDRESSES


def test_nobody_is_looked_for_where_machines_run() -> None:
    assert not WHERE_PEOPLE_ARE & (MACHINE_NETWORKS | PROVIDERS)
    assert PROVIDERS <= CROWDED


@pytest.mark.parametrize(
    ("prefetch", "ahead"),
    [("", False), ("prefetch", True), ("Prefetch;prerender", True), ("instant", True), ("navigate", False)],
)
def test_a_request_says_by_itself_that_nobody_looks_yet(prefetch: str, ahead: bool) -> None:
    assert ahead == says_ahead(prefetch)
