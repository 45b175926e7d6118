from __future__ import annotations

import pytest

from unsealed.model.message import Link, LinkPart, Survey, from_public_id, public_id


@pytest.mark.parametrize(
    ("number", "written"), [(0, "0000000000000000"), (255, "00000000000000ff"), (2**63 - 1, "7fffffffffffffff")]
)
def test_a_number_is_written_as_16_digits_and_read_back(number: int, written: str) -> None:
    assert written == public_id(number)
    assert number == from_public_id(written)


@pytest.mark.parametrize("written", ["", "ff", "00000000000000FF", "00000000000000fg", "0x000000000000ff", "8" * 17])
def test_an_id_has_one_spelling(written: str) -> None:
    assert from_public_id(written) is None


def test_a_survey_counts_its_tracked_links() -> None:
    links = tuple(
        Link(position=number, offset=number, part=LinkPart.HTML, destination="https://example.org", tracked=number < 2)
        for number in range(3)
    )

    assert 2 == Survey(links=links).tracked_links
