from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.reliability import LEAST, LEAST_SILENT, Trait, company_of, traits
from unsealed.model.view import SignalFacts


def facts(copies: int, **known: Any) -> SignalFacts:
    return SignalFacts(copies=copies, **{"with_pixel": copies, "with_links": copies, **known})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (facts(3, prefetched=3), [Trait.ALWAYS_PREFETCHED]),
        (facts(5, prefetched=4), [Trait.ALWAYS_PREFETCHED]),
        (facts(5, prefetched=3, opened=2), []),
        (facts(3, scanned_links=3), [Trait.GATEWAY_FOLLOWS_LINKS]),
        (facts(9, with_links=3, scanned_links=3), [Trait.GATEWAY_FOLLOWS_LINKS]),
        (facts(9, with_links=2, scanned_links=2), []),
        (facts(4, scanned_links=4, scanned_pixels=4), [Trait.GATEWAY_FOLLOWS_LINKS, Trait.GATEWAY_LOADS_PICTURES]),
        (facts(3, clicked=2, clicked_unloaded=2), [Trait.BLOCKS_PICTURES]),
        (facts(3, clicked=1, clicked_unloaded=1), []),
        (facts(3, answered_unloaded=2), [Trait.BLOCKS_PICTURES]),
        (facts(3, clicked=1, clicked_unloaded=1, answered_unloaded=1), [Trait.BLOCKS_PICTURES]),
        (facts(3, answered_unloaded=1), []),
        (facts(4, clicked=3, clicked_unloaded=3, opened=1), []),
        (facts(4, clicked=3, clicked_unloaded=3, prefetched=1), []),
        (facts(5, silent=5), [Trait.NEVER_SEEN]),
        (facts(4, silent=4), []),
        (facts(6, silent=5, opened=1), []),
        (facts(4, opened=2), [Trait.RELIABLE]),
        (facts(4, opened=1), []),
        (facts(4, opened=4, scanned_links=4), [Trait.GATEWAY_FOLLOWS_LINKS]),
        (facts(0), []),
    ],
)
def test_a_habit_is_said_from_enough_copies_on(facts: SignalFacts, expected: list[Trait]) -> None:
    assert tuple(expected) == traits(facts)


@given(st.builds(SignalFacts, **{name: st.integers(0, LEAST - 1) for name in SignalFacts.__slots__}))
def test_two_copies_are_no_habit(facts: SignalFacts) -> None:
    assert LEAST <= LEAST_SILENT
    assert () == traits(facts)


@pytest.mark.parametrize(
    ("mailbox", "company"),
    [
        ("ines@Harbourline.example", "harbourline.example"),
        ("ines@gmail.com", ""),
        ("ines@GMX.de", ""),
        ("ines@mail.gmail.com", "mail.gmail.com"),
        ("", ""),
        ("ines", ""),
    ],
)
def test_a_mailbox_at_a_provider_says_nothing_of_a_company(mailbox: str, company: str) -> None:
    assert company == company_of(mailbox)
