from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import BigInteger, Engine, bindparam, literal, select, union_all, update

from unsealed.store.engine import insert, reading
from unsealed.store.many_rows import ManyRows, Several, among, each_of, stored
from unsealed.store.schema import cursors, users

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_values_reach_their_columns_in_whatever_order_they_are_given(engine: Engine) -> None:
    put = ManyRows(lambda dialect: insert(cursors, dialect), ("offset", "collector", "segment"))
    move = ManyRows(
        lambda _: update(cursors).where(cursors.c.collector == bindparam("key")), ("segment", "offset", "key")
    )
    with engine.begin() as connection:
        put.run(connection, [(7, "a", 1), (8, "b", 2)])
        move.run(connection, [(3, 9, "b")])
        move.run(connection, [])
        rows = connection.execute(select(cursors).order_by(cursors.c.collector)).all()

    assert [("a", 1, 7), ("b", 3, 9)] == [(row.collector, row.segment, row.offset) for row in rows]


def test_a_time_is_read_back_as_it_was_stored(engine: Engine) -> None:
    at = NOON + timedelta(microseconds=1)
    put = ManyRows(lambda dialect: insert(users, dialect), ("id", "email", "role", "created_at", "removed_at"))
    with engine.begin() as connection:
        put.run(connection, [(1, "a@x.example", "owner", stored(at), stored(None))])
        row = connection.execute(select(users)).one()

    assert (at, None) == (row.created_at, row.removed_at)


@pytest.mark.parametrize("wanted", [set(), {2}, {1, (1 << 63) - 1, 77}, set(range(40_000))])
def test_what_is_among_many_numbers_is_found(engine: Engine, wanted: set[int]) -> None:
    numbers = 1, 2, (1 << 63) - 1
    stored_as = union_all(*(select(literal(each, BigInteger).label("id")) for each in numbers)).subquery()
    with reading(engine) as connection:
        found = connection.execute(select(stored_as.c.id).where(among(connection, stored_as.c.id, wanted))).scalars()

        assert wanted & set(numbers) == set(found)


def test_a_row_comes_for_each_value(engine: Engine) -> None:
    given = ["b", "", "a'\"%", "é\n", "b"]
    with reading(engine) as connection:
        each = select(each_of(engine.dialect.name, bindparam("values", type_=Several())))
        assert sorted(given) == sorted(connection.execute(each, {"values": given}).scalars())
        assert [] == list(connection.execute(each, {"values": []}).scalars())
