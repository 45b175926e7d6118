from __future__ import annotations

import dataclasses

import pytest

from unsealed.model.hit import Hit, JournalPosition


def test_positions_follow_the_order_of_writing() -> None:
    def at(segment: int, offset: int) -> JournalPosition:
        return JournalPosition(collector="main", segment=segment, offset=offset)

    assert [at(1, 64), at(1, 99), at(2, 0)] == sorted([at(2, 0), at(1, 99), at(1, 64)])


def test_a_hit_does_not_show_the_address_when_it_is_printed() -> None:
    (address,) = [field for field in dataclasses.fields(Hit) if field.name == "address"]

    assert not address.repr


def test_a_position_never_changes() -> None:
    position = JournalPosition(collector="main", segment=1, offset=64)

    with pytest.raises(AttributeError):
        position.offset = 65  # type: ignore[misc]
