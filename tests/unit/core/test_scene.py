"""What stands out among hits, before any rule is asked. What the judge makes of it is tested in test_judge.py."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from tests.unit.core.hits import (
    CHROME,
    CLOUD,
    GOOGLE,
    HERE,
    HOME,
    MICROSOFT,
    NOON,
    OFFICE,
    OFFICE_ASKS,
    OTHER_CLOUD,
    THUNDERBIRD,
    VPN,
    Place,
    seen,
)

from unsealed.core.scene import Context, Presence, Scene, SeenHit, nearest, seconds
from unsealed.model.event import HitId


def scene(*hits: SeenHit, context: Context | None = None) -> tuple[Scene, list[SeenHit]]:
    """The scene, and its hits in the order in which they were given."""
    numbered = [dataclasses.replace(hit, id=HitId(number)) for number, hit in enumerate(hits)]
    return Scene(numbered, context or Context()), numbered


def test_hits_stand_in_the_order_of_time_and_of_their_ids() -> None:
    made, (late, early, beside) = scene(seen(9), seen(1), seen(9))

    assert [early, late, beside] == made.hits


def test_a_race_through_the_links_names_its_members_and_nobody_else() -> None:
    made, hits = scene(seen(900, link=0), seen(900.9, link=1), seen(950, link=2), seen(900.5, link=3, copy=2))

    assert {hits[0].id, hits[1].id} == made.burst.keys()
    assert "2 different links within 0.9 s from the same address" == made.burst[hits[0].id]
    assert made.burst_near(hits[1])
    assert not made.burst_near(hits[2])


def test_a_race_from_several_addresses_is_told_of_its_network() -> None:
    made, hits = scene(seen(900, place=CLOUD, link=0), seen(900.9, place=OTHER_CLOUD, link=1))

    assert "2 different links within 0.9 s from one network (hosting)" == made.burst[hits[0].id]


def test_the_copies_of_several_people_opened_at_once_cross() -> None:
    made, hits = scene(seen(900), seen(901, copy=2), seen(901.5, THUNDERBIRD, copy=3), seen(901, copy=4, place=OFFICE))

    assert {hits[0].id, hits[1].id} == made.crossing.keys()


def test_a_hidden_link_is_near_for_a_minute_to_its_address_alone() -> None:
    made, (_, near, far, other) = scene(
        seen(900, link=9),
        seen(930, link=0),
        seen(961, link=0),
        seen(930, place=OFFICE),
        context=Context(traps=frozenset({9})),
    )

    assert [30.0, None, None] == [made.trap_near(hit) for hit in (near, far, other)]


def test_the_browser_that_follows_an_office_program_is_found_within_seconds() -> None:
    made, (asked, _, alone) = scene(seen(900, OFFICE_ASKS, link=0), seen(902, link=0), seen(910, OFFICE_ASKS, link=0))

    assert [2.0, None] == [made.browsed_after(asked), made.browsed_after(alone)]


def test_a_network_that_follows_a_link_with_a_person_behind_it_scans_nothing() -> None:
    picture, click = seen(900, "", MICROSOFT), seen(905, "", MICROSOFT, link=0)
    made, (shown, _) = scene(picture, click)
    assert made.scan_near(shown)

    made, (shown, *_) = scene(picture, click, seen(907, link=0))
    assert not made.scan_near(shown)


@pytest.mark.parametrize(
    ("mailboxes", "recipient", "place", "colleague", "shared"),
    [
        ("me@x.example", "rob@x.example", OFFICE, True, False),
        ("me@x.example", "ines@y.example", OFFICE, False, False),
        ("me@x.example", "me@x.example", OFFICE, False, False),
        ("me@x.example", "", OFFICE, False, True),
        ("", "rob@x.example", OFFICE, False, True),
        ("me@x.example", "ines@y.example", VPN, False, True),
        ("me@x.example", "ines@y.example", GOOGLE, False, True),
        ("me@x.example", "ines@y.example", HOME, False, False),
    ],
)
def test_who_else_may_sit_behind_an_address(
    mailboxes: str, recipient: str, place: Place, colleague: bool, shared: bool
) -> None:
    context = Context(mailboxes=frozenset(mailboxes.split()))
    made, (hit,) = scene(seen(900, place=place, recipient=recipient), context=context)

    assert (colleague, shared) == (made.colleague(hit), made.shared(hit))


def test_the_senders_session_is_its_address_and_its_program_while_it_lasts() -> None:
    presence = Presence(address=HERE[0], user_agent=CHROME, since=NOON, until=NOON + timedelta(minutes=10))
    made, hits = scene(
        seen(60, CHROME, HERE), seen(60, THUNDERBIRD, HERE), seen(60, CHROME, HOME), seen(601, CHROME, HERE),
        context=Context(presences=(presence,)),
    )  # fmt: skip

    assert [True, False, False, False] == [made.signed_in(hit) for hit in hits]
    assert [True, True, False, True] == [made.own_address(hit) for hit in hits]
    assert [True, False, True, True] == [made.usual_agent(hit) for hit in hits]


def test_the_nearest_of_some_times_is_told_in_words() -> None:
    times = [NOON, NOON + timedelta(seconds=10)]

    assert 4.0 == nearest(times, NOON + timedelta(seconds=6), 5.0)
    assert nearest(times, NOON + timedelta(seconds=16), 5.0) is None
    assert nearest((), NOON, 5.0) is None
    assert ("a blink", "4.0 s") == (seconds(0.01), seconds(4))
