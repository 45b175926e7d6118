"""Both databases walk by these cursors in test_views and test_contacts; here is what they promise by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from unsealed.model.errors import BadInput
from unsealed.store.keyset import PAGE_LIMIT, behind, bounded, cursor_of
from unsealed.store.schema import messages

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = messages.c.received_at, messages.c.id


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**63 - 1)), max_size=20, unique=True),
    st.integers(1, 4),
)
def test_pages_meet_without_gap_or_repeat(numbers: list[tuple[int, int]], length: int) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE messages (received_at INTEGER, id INTEGER)")
        for second, id in numbers:
            at = cursor_of(NOON + timedelta(seconds=second), 0).partition(".")[0]
            connection.exec_driver_sql("INSERT INTO messages VALUES (?, ?)", (int(at, 16), id))
        key, number = KEYS
        found: list[tuple[int, int]] = []
        after = None
        while rows := connection.execute(
            behind(select(*KEYS).order_by(key.desc(), number.desc()), key, number, after).limit(length)
        ).all():
            found += [((row.received_at - NOON) // timedelta(seconds=1), row.id) for row in rows]
            after = cursor_of(rows[-1].received_at, rows[-1].id)
    engine.dispose()

    assert found == sorted(numbers, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "1", ".", "zz.00000000000000ff", "10.ff", "f" * 40 + ".00000000000000ff"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput):
        behind(select(*KEYS), *KEYS, cursor)


def test_a_page_has_a_length() -> None:
    assert [bounded(each) for each in (-1, 0, 1, 50, 10_000)] == [1, 1, 1, 50, PAGE_LIMIT]
