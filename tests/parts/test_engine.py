from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine, insert, select

from unsealed.store import schema
from unsealed.store.engine import insert as insert_or
from unsealed.store.engine import reading

if TYPE_CHECKING:
    from tests.conftest import FrozenClock


def test_a_moment_comes_back_as_it_was_put_in(engine: Engine, clock: FrozenClock) -> None:
    at = clock.advance(timedelta(microseconds=123_456))
    with engine.begin() as connection:
        connection.execute(insert(schema.marks).values(message_id=2**62, since=at, seq=1))

    with reading(engine) as connection:
        rows = connection.execute(select(schema.marks)).all()

    assert [(2**62, at, 1)] == rows


def test_each_test_begins_with_an_empty_store(engine: Engine) -> None:
    with reading(engine) as connection:
        assert [] == connection.execute(select(schema.marks)).all()


def test_an_insert_can_give_way_to_the_row_that_is_there(engine: Engine, clock: FrozenClock) -> None:
    for seq in (1, 2):
        with engine.begin() as connection:
            statement = insert_or(schema.marks, engine.dialect).values(message_id=1, since=clock(), seq=seq)
            connection.execute(statement.on_conflict_do_nothing(index_elements=["message_id"]))

    with reading(engine) as connection:
        assert [(1, clock(), 1)] == connection.execute(select(schema.marks)).all()
