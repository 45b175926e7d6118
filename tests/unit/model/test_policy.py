from __future__ import annotations

import pytest

from unsealed.model.policy import OFF, Level, LinkScope, Switches


def test_the_lower_level_is_the_more_restrictive() -> None:
    assert [Level.OFF, Level.ANONYMOUS, Level.PSEUDONYMOUS, Level.IDENTIFIED, Level.FULL] == sorted(Level)


@pytest.mark.parametrize(
    ("switches", "tracks_links", "off"),
    [
        (Switches(), True, False),
        (Switches(opens=Level.OFF), True, False),
        (Switches(links=LinkScope.NONE), False, False),
        (Switches(clicks=Level.OFF), False, False),
        (Switches(opens=Level.OFF, links=LinkScope.NONE), False, True),
        (Switches(opens=Level.OFF, clicks=Level.OFF), False, True),
        (OFF, False, True),
    ],
)
def test_opens_and_links_are_switched_apart(switches: Switches, tracks_links: bool, off: bool) -> None:
    assert (tracks_links, off) == (switches.tracks_links, switches.off)
