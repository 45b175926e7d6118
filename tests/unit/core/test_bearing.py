from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.hits import (
    CHROME,
    CLOUD,
    CONTEXTS,
    GMAIL,
    GOOGLE,
    HITS,
    HOME,
    MICROSOFT,
    NOON,
    OFFICE,
    OFFICE_ASKS,
    OTHER_CLOUD,
    OUTLOOK,
    PLAIN,
    RELAY,
    THUNDERBIRD,
    VENDOR,
    Place,
    number,
    seen,
)

from unsealed.core.bearing import BY_A_RACE, LINKS, NOTHING, Asker, Back, changed, kin, needed, neighbourhood
from unsealed.core.judge import judge, verdicts_from
from unsealed.core.scene import Context, Scene, SeenHit
from unsealed.model.event import HitId, HitKind, Verdict


@given(hits=HITS, since=st.integers(-10, 3000), context=CONTEXTS)
def test_a_part_of_the_history_is_judged_as_in_the_whole(hits: list[SeenHit], since: int, context: Context) -> None:
    numbered = number(hits)
    begin = NOON + timedelta(seconds=since)
    whole = judge(numbered, context)

    part = judge([hit for hit in numbered if hit.at >= begin - neighbourhood(context)], context, since=begin)

    assert {hit.id: whole[hit.id] for hit in numbered if hit.at >= begin} == part


@given(hits=HITS, added=HITS, context=CONTEXTS)
def test_a_new_hit_changes_nothing_beyond_its_neighbourhood(
    hits: list[SeenHit], added: list[SeenHit], context: Context
) -> None:
    numbered = number([*hits, *added])
    before, new = numbered[: len(hits)], numbered[len(hits) :]
    old, now = judge(before, context), judge(numbered, context)
    reach = neighbourhood(context)

    changed = [hit for hit in before if old[hit.id] != now[hit.id]]

    assert [] == [hit for hit in changed if all(abs(hit.at - other.at) > reach for other in new)]


def beside(place: Place) -> Place:
    """Another address of the same network."""
    address, network = place
    return f"{address[:-1]}{(int(address[-1]) + 1) % 10}", network


TOGETHER: list[tuple[Place, ...]] = [
    (HOME,),
    (HOME, beside(HOME)),
    (HOME, OFFICE, PLAIN),
    *((place, beside(place)) for place in (MICROSOFT, GOOGLE, CLOUD, RELAY, VENDOR)),
    (MICROSOFT, GOOGLE),
]


@st.composite
def crowds(draw: st.DrawFn) -> list[SeenHit]:
    """Hits of few programs in little time, so that most of them have to do with one another; in the order of time."""
    agents = draw(st.lists(st.sampled_from((CHROME, OUTLOOK, GMAIL, OFFICE_ASKS, "")), min_size=1, max_size=2))
    where = [*draw(st.sampled_from(TOGETHER)), *draw(st.lists(st.sampled_from((HOME, OFFICE, PLAIN)), max_size=2))]
    links = draw(st.sampled_from(((None,), (0, 1, 2), (None, 0, 1))))
    quarters = draw(st.sampled_from((16, 48, 96, 160, 320)))
    hit = st.builds(
        seen,
        st.integers(0, quarters).map(lambda at: at / 4),
        st.sampled_from(agents),
        st.sampled_from(where),
        st.sampled_from(links),
        copy=st.integers(1, 2),
    )
    return number(sorted(draw(st.lists(hit, min_size=2, max_size=20)), key=lambda hit: hit.at))


@given(numbered=crowds(), cut=st.integers(0, 19), late=st.sets(st.integers(0, 20)), context=CONTEXTS)
def test_judging_what_is_new_says_what_judging_everything_would(
    numbered: list[SeenHit], cut: int, late: set[int], context: Context
) -> None:
    begin = cut % len(numbered)
    new = [hit for place, hit in enumerate(numbered) if place >= begin and place not in late]
    if not new:
        return
    since = new[0].at
    before = judge([hit for hit in numbered if hit not in new], context)

    found, back = judge_new(numbered, since, context)

    assert judge(numbered, context) == before | found
    reached = {hit.id for hit in numbered if hit.at >= since - of(back, hit)}
    assert reached == found.keys() or (back == LINKS and reached >= found.keys() >= {hit.id for hit in new})


def judge_new(hits: list[SeenHit], since: datetime, context: Context) -> tuple[dict[HitId, Verdict], Back]:
    """The verdicts that hits from `since` on may change, made of as little as can be; and how far back they lie."""
    scene = Scene(with_kin(within(hits, since, needed(context, LINKS)), since), context)
    back = changed(scene, since, loaded_in(hits, since))
    if back not in (NOTHING, LINKS):
        scene = Scene(within(hits, since, needed(context, back)), context)
    return verdicts_from(scene, since, back), back


def loaded_in(hits: list[SeenHit], until: datetime) -> Callable[[Collection[str], datetime], bool]:
    pictures = [hit for hit in hits if hit.kind is HitKind.OPEN and hit.at < until]
    return lambda addresses, begin: any(hit.address in addresses and hit.at >= begin for hit in pictures)


def within(hits: list[SeenHit], since: datetime, back: Back) -> list[SeenHit]:
    return [hit for hit in hits if hit.at >= since - of(back, hit)]


def of(back: Back, hit: SeenHit) -> timedelta:
    return back.opens if hit.kind is HitKind.OPEN else back.clicks


def with_kin(hits: list[SeenHit], since: datetime) -> list[SeenHit]:
    whose = whose_hits([hit for hit in hits if hit.at < since], [hit for hit in hits if hit.at >= since])
    return [hit for hit in hits if hit.at >= since or hit.address in whose]


def whose_hits(before: list[SeenHit], new: list[SeenHit]) -> set[str]:
    networks = {hit.address: hit.network.kind for hit in before}
    clicked = {hit.address for hit in before if hit.kind is HitKind.CLICK}
    askers = [Asker(hit.address, hit.network.kind, hit.agent.kind) for hit in new]
    return networks.keys() & set(kin(askers, networks, clicked, networks.__getitem__))


def test_a_person_behind_a_providers_click_speaks_of_pictures_long_before_both() -> None:
    hits = number([seen(900, place=MICROSOFT), seen(909, place=MICROSOFT, link=0), seen(918, place=HOME, link=0)])
    before = judge(hits[:2], Context())

    found, _ = judge_new(hits, hits[2].at, Context())

    assert judge(hits, Context()) == found
    assert before[hits[0].id] != found[hits[0].id]


@pytest.mark.parametrize("links", [(9.0, 9.5), (9.6, 12.5, 12.55)])
def test_a_race_that_begins_speaks_of_the_pictures_that_its_address_asked_for_before(links: tuple[float, ...]) -> None:
    hits = number([seen(900), *(seen(900 + after_s, link=link) for link, after_s in enumerate(links))])
    before = judge(hits[:2], Context())

    found, _ = judge_new(hits, hits[2].at, Context())

    assert judge(hits, Context()) == before | found
    assert before[hits[0].id] != found[hits[0].id]


def test_a_race_without_pictures_speaks_of_its_own_links_alone() -> None:
    hits = number(
        [
            *(seen(900 + place / 10, place=(f"203.0.113.{place}", HOME[1]), link=0) for place in range(40)),
            *(seen(904, place=(f"203.0.113.{place}", HOME[1]), link=1) for place in range(30, 40)),
        ]
    )
    before = judge(hits[:40], Context())

    found, back = judge_new(hits, hits[40].at, Context())

    assert back == LINKS
    assert judge(hits, Context()) == before | found
    assert {hit.id for hit in hits[30:]} == found.keys()


def test_a_race_of_somebody_who_loaded_the_picture_speaks_of_everybody() -> None:
    hits = number([seen(900), seen(905, link=0), seen(905.5, link=1)])

    assert judge_new(hits, hits[2].at, Context())[1] == BY_A_RACE
    assert judge_new(number(hits[1:]), hits[2].at, Context())[1] == LINKS


@pytest.mark.parametrize(
    ("new", "whose"),
    [
        ((CHROME, HOME), {HOME}),
        (
            (GMAIL, HOME),
            {HOME, OFFICE, CLOUD, OTHER_CLOUD, VENDOR},
        ),  # with the proxies of all who say that they are one
        ((CHROME, CLOUD), {CLOUD, OTHER_CLOUD}),
        ((GMAIL, GOOGLE), set()),
        ((THUNDERBIRD, PLAIN), set()),
    ],
)
def test_who_asks_has_to_do_with_the_same_address_and_with_the_same_kind_of_crowd(
    new: tuple[str, Place], whose: set[Place]
) -> None:
    before = [seen(900, place=place, link=0) for place in (HOME, OFFICE, CLOUD, OTHER_CLOUD, VENDOR)]

    assert {address for address, _ in whose} == whose_hits(before, [seen(901, *new)])


def test_where_a_provider_follows_links_everybody_matters() -> None:
    before = [seen(900, place=OFFICE), seen(900, place=MICROSOFT, link=0)]

    assert {OFFICE[0], MICROSOFT[0]} == whose_hits(before, [seen(901)])
    assert set() == whose_hits([seen(900, place=OFFICE), seen(900, place=MICROSOFT)], [seen(901)])


@pytest.mark.parametrize(
    "flood",
    [
        lambda place: seen(900 + place / 10, copy=place % 3),
        lambda place: seen(900 + place / 10, GMAIL, GOOGLE),
        lambda place: seen(900 + place / 10, link=0, copy=place % 3),
        lambda place: seen(900 + place / 10, link=place % 3),
        lambda place: seen(900 + place / 10, link=(None, 0, 1, 2)[place % 4]),
    ],
)
def test_what_is_asked_for_all_the_time_says_nothing_of_what_is_long_past(flood: Any) -> None:
    hits = number([flood(place) for place in range(400)])
    found = [
        changed(Scene(hits[: place + 1], Context()), hits[place].at, loaded_in(hits, hits[place].at))
        for place in range(300, 400)
    ]

    assert [NOTHING] * 100 == found
