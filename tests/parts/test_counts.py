from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, select
from tests.parts.one_copy import COPY, MESSAGE, NOON, an_event, keep_one_copy, put

from unsealed.model.event import Finding
from unsealed.store import counts, schema
from unsealed.store.habits import Came


@pytest.fixture
def store(engine: Engine) -> Engine:
    keep_one_copy(engine)
    return engine


def counted(connection: Connection) -> tuple[object, ...]:
    c = schema.copies.c
    row = connection.execute(
        select(c.opens, c.clicks, c.raw, c.machine, c.confidence, c.first_at, c.last_at).where(c.id == COPY)
    ).one()
    return tuple(row)


def test_counts_move_by_what_changed(store: Engine) -> None:
    first, second = an_event(1, 60, sure=0.7, first=True), an_event(2, 5000, first=True)
    with store.begin() as connection:
        put(connection, first, second, an_event(3, 30, Finding.MACHINE_PREFETCH))
        expected = (2, 0, 3, 1, 0.95, NOON + timedelta(seconds=60), NOON + timedelta(seconds=5000))
        assert expected == counted(connection)

        put(connection, an_event(2, 5000, Finding.SELF_OPEN), before={2: second})
        assert (1, 0, 3, 1, 0.7, first.at, first.at) == counted(connection)
        assert 0 == counts.recount(connection)


def test_a_click_alone_proves_one_opening_until_a_reading_is_seen(store: Engine) -> None:
    with store.begin() as connection:
        put(connection, an_event(1, 60, Finding.HUMAN_CLICK), an_event(2, 90, Finding.HUMAN_CLICK))
        assert (1, 2) == counted(connection)[:2]
        put(connection, an_event(3, 100, first=True))
        assert (1, 2) == counted(connection)[:2]
        put(connection, an_event(4, 9000, first=True))
        assert (2, 2) == counted(connection)[:2]
        assert 0 == counts.recount(connection)


def came(connection: Connection) -> Came:
    return Came(connection.execute(select(schema.copies.c.came)).scalar_one())


def test_what_came_is_kept_by_kind_and_taken_back_with_it(store: Engine) -> None:
    loaded, scanned, again = (
        an_event(number, 60 * number, finding)
        for number, finding in ((1, Finding.MACHINE_PREFETCH), (2, Finding.SCANNER), (3, Finding.SCANNER))
    )
    with store.begin() as connection:
        put(connection, loaded, scanned, again)
        assert Came.ANYTHING | Came.PREFETCHED | Came.SCANNED_PIXEL == came(connection)
        put(connection, an_event(2, 120, Finding.HUMAN_OPEN, first=True), before={2: scanned})
        assert Came.ANYTHING | Came.PREFETCHED | Came.SCANNED_PIXEL | Came.OPENED == came(connection)
        put(connection, an_event(3, 180, Finding.DUPLICATE), before={3: again})
        assert Came.ANYTHING | Came.PREFETCHED | Came.OPENED == came(connection)
        put(connection, an_event(4, 240, Finding.HUMAN_CLICK), an_event(5, 250, Finding.SCANNER_CLICK))
        everything = Came.ANYTHING | Came.PREFETCHED | Came.OPENED | Came.CLICKED | Came.SCANNED_LINK
        assert everything == came(connection)
        assert 0 == counts.recount(connection)
        connection.execute(schema.copies.update().values(came=0))
        assert 1 == counts.recount(connection)
        assert everything == came(connection)


def test_a_message_without_any_event_counts_nothing(store: Engine) -> None:
    with store.begin() as connection:
        assert 0 == counts.recount(connection)
        connection.execute(schema.copies.update().values(opens=3, first_at=NOON))
        connection.execute(
            schema.link_counts.insert().values(copy_id=COPY, position=0, message_id=MESSAGE, clicks=1, machine=0)
        )
        assert 2 == counts.recount(connection)
        assert (0, 0, 0, 0, None, None, None) == counted(connection)
