from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.model.message import DRAWN_BITS, Link, LinkPart, Survey, from_public_id, new_id, public_id

_SOME_DAY = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
_DRAWN = st.integers(0, 2**DRAWN_BITS - 1)


@pytest.mark.parametrize(
    ("number", "written"), [(0, "0000000000000000"), (255, "00000000000000ff"), (2**63 - 1, "7fffffffffffffff")]
)
def test_a_number_is_written_as_16_digits_and_read_back(number: int, written: str) -> None:
    assert written == public_id(number)
    assert number == from_public_id(written)


@pytest.mark.parametrize("written", ["", "ff", "00000000000000FF", "00000000000000fg", "0x000000000000ff", "8" * 17])
def test_an_id_has_one_spelling(written: str) -> None:
    assert from_public_id(written) is None


@given(
    st.integers(0, 9999 * 365 * 86_400).map(lambda second: datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=second)),
    _DRAWN,
)
def test_an_id_of_any_time_can_be_written_and_holds_all_that_was_drawn(at: datetime, drawn: int) -> None:
    number = new_id(at, drawn)

    assert number == from_public_id(public_id(number))
    assert number % 2**DRAWN_BITS == drawn


@given(st.integers(0, 59_999_999), st.integers(0, 59_999_999), _DRAWN, _DRAWN, _DRAWN)
def test_ids_of_a_minute_lie_together_and_tell_no_order(
    first: int, second: int, drawn: int, other: int, later: int
) -> None:
    one, two = (new_id(_SOME_DAY + timedelta(microseconds=at), bits) for at, bits in ((first, drawn), (second, other)))

    assert (one < two) is (drawn < other)
    assert max(one, two) < new_id(_SOME_DAY + timedelta(minutes=1), later)


def test_a_survey_counts_its_tracked_links() -> None:
    links = tuple(
        Link(position=number, offset=number, part=LinkPart.HTML, destination="https://example.org", tracked=number < 2)
        for number in range(3)
    )

    assert 2 == Survey(links=links).tracked_links
