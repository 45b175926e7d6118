from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, func, insert, inspect, select, text
from sqlalchemy.exc import StatementError

from unsealed.model.event import MACHINE
from unsealed.store import schema
from unsealed.store.engine import reading

if TYPE_CHECKING:
    from tests.conftest import FrozenClock


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_moment_comes_back_as_it_was_put_in(engine: Engine, at: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(insert(schema.marks).values(message_id=2**63 - 1, since=at, seq=1))

    with reading(engine) as connection:
        ((message_id, since),) = connection.execute(select(schema.marks.c.message_id, schema.marks.c.since)).all()

    assert (2**63 - 1, at, UTC) == (message_id, since, since.tzinfo)


def test_a_time_without_its_zone_is_refused(engine: Engine) -> None:
    naive = datetime(2026, 11, 21, 12)  # noqa: DTZ001

    with pytest.raises(StatementError), engine.begin() as connection:
        connection.execute(insert(schema.marks).values(message_id=1, since=naive, seq=1))


def test_rows_of_the_feed_are_numbered_upwards(engine: Engine, clock: FrozenClock) -> None:
    with engine.begin() as connection:
        for message in (3, 1, 2):
            connection.execute(insert(schema.feed).values(user_id=1, message_id=message, what="accepted", at=clock()))

    with reading(engine) as connection:
        rows = connection.execute(select(schema.feed.c.message_id).order_by(schema.feed.c.id)).scalars().all()

    assert [3, 1, 2] == rows


def test_what_belongs_to_a_message_goes_with_it(engine: Engine, clock: FrozenClock) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(schema.users).values(id=1, email="ines@example.org", role="owner", created_at=clock())
        )
        connection.execute(insert(schema.identities).values(user_id=1, address="ines@example.org", created_at=clock()))
        connection.execute(schema.users.delete())

    with reading(engine) as connection:
        assert 0 == connection.execute(select(func.count()).select_from(schema.identities)).scalar()


def test_every_constraint_has_a_name_that_a_migration_can_use(engine: Engine) -> None:
    look = inspect(engine)
    nameless = [
        (table, constraint)
        for table in schema.metadata.tables
        for constraint in [
            look.get_pk_constraint(table),
            *look.get_foreign_keys(table),
            *look.get_unique_constraints(table),
        ]
        if not constraint["name"]
    ]

    assert [] == nameless


def test_the_questions_that_lists_ask_are_answered_by_an_index(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return  # PostgreSQL plans by the number of rows, and there are none here
    question = "SELECT id FROM messages WHERE user_id = 1 ORDER BY signal_at DESC, id DESC LIMIT 50"

    with reading(engine) as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {question}")).all()

    assert ["ix_messages_user_signal" in row[-1] for row in plan] == [True]


def test_the_index_of_what_machines_did_knows_each_of_their_findings() -> None:
    said = str(schema.BY_MACHINE.compile())

    assert {finding.value for finding in MACHINE} == set(re.findall(r"'(\w+)'", said))
