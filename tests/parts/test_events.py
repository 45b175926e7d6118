from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from tests.parts.one_copy import COPY, HIT, MESSAGE, NOON, an_event, keep_one_copy, put

from unsealed.model.event import Finding
from unsealed.model.hit import Hit, JournalPosition
from unsealed.model.message import CopyId
from unsealed.store import events, marks, schema


@pytest.fixture
def store(engine: Engine) -> Engine:
    keep_one_copy(engine)
    return engine


def test_a_hit_is_kept_once_with_all_its_facts(store: Engine) -> None:
    hit = replace(
        HIT,
        user_agent="é ☃",
        accept="image/*",
        referer_host="mail.example",
        prefetch="prefetch",
        sec_fetch="cross-site/no-cors/image/",
    )
    shipped = events.Shipped(
        JournalPosition(collector="c1", segment=2**40, offset=7), hit, MESSAGE, COPY, None, device=2**62
    )
    with store.begin() as connection:
        events.add_hits(connection, [shipped])
        events.add_hits(connection, [shipped, shipped])
        (row,) = connection.execute(select(schema.hits)).all()

    kept = {name: getattr(hit, name) for name in Hit.__slots__ if name not in ("token", "device")}
    assert kept == {name: getattr(row, name) for name in kept}
    assert ("c1", 2**40, 7, MESSAGE, COPY, None, 2**62) == (
        row.collector,
        row.segment,
        row.offset,
        row.message_id,
        row.copy_id,
        row.link,
        row.device,
    )


def test_an_event_is_kept_as_it_is_judged_now(store: Engine) -> None:
    with store.begin() as connection:
        put(connection, an_event(1, 60, first=True))
        put(connection, an_event(1, 60, Finding.SCANNER, 0.9), before={1: an_event(1, 60, first=True)})
        (row,) = connection.execute(select(schema.events)).all()

    assert (1, Finding.SCANNER, 0.9, False) == (row.hit_id, row.finding, row.confidence, row.first_of_reading)
    assert '[["CODE","words \\"é\\""]]' == row.reasons
    assert NOON + timedelta(seconds=60) == row.at


def test_the_cursor_of_each_collector_stands_alone(store: Engine) -> None:
    one, other = (JournalPosition(collector=name, segment=3, offset=64) for name in ("c1", "c2"))
    further = JournalPosition(collector="c1", segment=4, offset=0)
    with store.begin() as connection:
        assert events.cursor(connection, "c1") is None
        for position in (one, other, further):
            events.move_cursor(connection, position)

        assert [further, other] == [events.cursor(connection, "c1"), events.cursor(connection, "c2")]


def test_the_messages_of_many_copies_are_found_and_unknown_copies_left_out(store: Engine) -> None:
    with store.begin() as connection:
        wanted = [CopyId(number) for number in range(12_000)]

        assert {COPY: MESSAGE} == events.messages_of(connection, [*wanted, COPY])


def test_the_last_opening_before_a_mark_is_found_among_those_that_count_and_are_not_long_past(store: Engine) -> None:
    with store.begin() as connection:
        put(connection, an_event(1, 60), an_event(2, 120), an_event(3, 130, Finding.SCANNER))
        put(connection, an_event(4, 140, Finding.HUMAN_CLICK), an_event(5, 300))
        marks.mark(connection, {MESSAGE: NOON + timedelta(seconds=300)})
        gap = timedelta(minutes=10)
        ahead = [timedelta(seconds=seconds) for seconds in (0, 180, 181, 241)]
        found = [events.last_opens(connection, [COPY], before, gap).get(COPY) for before in ahead]

        assert [NOON + timedelta(seconds=seconds) for seconds in (120, 60, 60)] == found[:3]
        assert found[3] is None
        assert {} == events.last_opens(connection, [COPY], ahead[0], timedelta(seconds=179))
        assert {} == events.last_opens(connection, [], ahead[0], gap)


def test_openings_and_clicks_ahead_of_a_mark_are_asked_for_each_in_its_measure(store: Engine) -> None:
    shipped = [
        events.Shipped(
            JournalPosition(collector="c1", segment=1, offset=number),
            replace(HIT, at=NOON + timedelta(seconds=number)),
            MESSAGE,
            COPY,
            number % 2 or None,
        )
        for number in range(10)
    ]
    with store.begin() as connection:
        events.add_hits(connection, shipped)
        marks.mark(connection, {MESSAGE: NOON + timedelta(seconds=8)})
        opens, clicks = timedelta(seconds=2), timedelta(seconds=5)
        rows = events.hits_since(connection, [MESSAGE], opens=opens, clicks=clicks)
        before = events.asked_before(connection, [MESSAGE], opens=opens, clicks=clicks)
        again = events.hits_of(connection, [row.id for row in rows])

    assert [3, 5, 6, 7, 8, 9] == [(row.at - NOON).seconds for row in rows]
    assert sorted((row.message_id, row.id, row.address, row.link) for row in rows[:4]) == sorted(map(tuple, before))
    assert rows == again
