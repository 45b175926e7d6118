from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.model.ranges import NOBODY, Range, build_table, lay_over, unwrap

TOP = {4: (1 << 32) - 1, 6: (1 << 128) - 1}


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Few distinct ends, so that ranges nest, touch, overlap and repeat; also around the halves of an IPv6 address."""
    version = draw(st.sampled_from((4, 6)))
    near = st.integers(0, 40)
    ends = near | near.map(lambda n: TOP[version] - n)
    if version == 6:
        ends |= near.map(lambda n: (1 << 64) - 20 + n)
    first, last = sorted((draw(ends), draw(ends)))
    return Range(version, first, last, draw(st.integers(1, 5)))


def narrowest(held: list[Range], version: int, number: int) -> int:
    """The same by looking at every range; of equally narrow ones the last."""
    holders = [
        (each.last - each.first, -order, each.value)
        for order, each in enumerate(held)
        if each.version == version and each.first <= number <= each.last
    ]
    return min(holders)[2] if holders else NOBODY


@given(st.lists(ranges(), max_size=12))
def test_the_narrowest_range_wins_at_every_edge(held: list[Range]) -> None:
    table = build_table(held)
    edges = {
        (each.version, number)
        for each in held
        for number in (each.first - 1, each.first, each.last, each.last + 1)
        if 0 <= number <= TOP[each.version]
    }

    for version, number in edges | {(4, 0), (6, 0), (4, TOP[4]), (6, TOP[6])}:
        assert narrowest(held, version, number) == table.find(version, number)


@given(st.lists(st.lists(ranges(), max_size=6), max_size=3), ranges())
def test_tables_laid_over_one_another_say_what_each_says(lists: list[list[Range]], other: Range) -> None:
    tables = [build_table(held) for held in lists]
    table, said = lay_over(tables)
    edges = {
        (each.version, number)
        for held in [*lists, [other]]
        for each in held
        for number in (each.first - 1, each.first, each.last, each.last + 1)
        if 0 <= number <= TOP[each.version]
    }

    for version, number in edges | {(4, 0), (6, 0), (4, TOP[4]), (6, TOP[6])}:
        assert tuple(each.find(version, number) for each in tables) == said[table.find(version, number)]


def test_an_empty_table_knows_nobody() -> None:
    table = build_table([])

    assert (NOBODY, NOBODY) == (table.find(4, 1), table.find(6, TOP[6]))


@pytest.mark.parametrize(
    ("written", "stands_for"),
    [
        ("::ffff:66.249.84.77", "66.249.84.77"),
        ("64:ff9b::66.249.84.77", "66.249.84.77"),
        ("2002:42f9:544d:1::1", "66.249.84.77"),
        ("::66.249.84.77", "::66.249.84.77"),  # RFC 4291 §2.5.5.1: no longer used
        ("64:ff9b:1::66.249.84.77", "64:ff9b:1::66.249.84.77"),  # RFC 8215: local, lengths unknown
        ("2001:0:1::1", "2001:0:1::1"),  # Teredo
        ("2a00:1450::1", "2a00:1450::1"),
        ("66.249.84.77", "66.249.84.77"),
    ],
)
def test_an_ipv6_address_that_stands_for_an_ipv4_address_is_that(written: str, stands_for: str) -> None:
    address, inside = ip_address(written), ip_address(stands_for)

    assert (inside.version, int(inside)) == unwrap(address.version, int(address))
