from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from tests.parts.one_copy import COPY, HIT, MESSAGE, NOON, keep_one_copy

from unsealed.model.hit import JournalPosition
from unsealed.store import events, marks


@pytest.fixture
def store(engine: Engine) -> Engine:
    keep_one_copy(engine)
    return engine


def test_a_mark_keeps_the_earliest_time_and_counts_how_often_it_was_set(store: Engine) -> None:
    with store.begin() as connection:
        for minutes in (5, 1, 9):
            marks.mark(connection, {MESSAGE: NOON + timedelta(minutes=minutes)})
        (mark,) = marks.marked(connection, 10)
        assert (MESSAGE, NOON + timedelta(minutes=1), 3) == (mark.message, mark.since, mark.seq)
        assert [] == marks.marked(connection, 10, until=NOON)

        marks.clear(connection, [mark])
        assert [] == marks.marked(connection, 10)


def test_a_mark_that_moved_meanwhile_is_neither_cleared_nor_advanced(store: Engine) -> None:
    with store.begin() as connection:
        marks.mark(connection, {MESSAGE: NOON})
        (seen,) = marks.marked(connection, 10)
        marks.mark(connection, {MESSAGE: NOON + timedelta(minutes=1)})

        marks.clear(connection, [seen])
        marks.advance(connection, seen, NOON + timedelta(hours=1))
        (mark,) = marks.marked(connection, 10)
        assert (NOON, seen.seq + 1) == (mark.since, mark.seq)


def test_history_waits_behind_what_is_new_until_something_new_comes(store: Engine) -> None:
    with store.begin() as connection:
        marks.mark(connection, {MESSAGE: NOON}, rejudging=7)
        assert [] == marks.marked(connection, 10)
        assert [7] == [mark.rejudging for mark in marks.marked_history(connection, 10)]

        marks.mark(connection, {MESSAGE: NOON})
        assert [7] == [mark.rejudging for mark in marks.marked(connection, 10)]
        assert [] == marks.marked_history(connection, 10)


def test_what_comes_while_a_message_is_judged_apart_is_marked_beside_it(store: Engine) -> None:
    later = NOON + timedelta(minutes=1)
    with store.begin() as connection:
        marks.mark(connection, {MESSAGE: NOON})
        marks.set_apart(connection, [MESSAGE])
        assert ([], True) == (marks.marked(connection, 10), marks.any_apart(connection))

        taken = marks.take_apart(connection)
        assert taken is not None
        assert NOON == taken.since
        marks.mark(connection, {MESSAGE: later})
        again = marks.take_apart(connection)  # as after a death: nothing is forgotten
        assert again is not None
        assert NOON == again.since

        marks.mark(connection, {MESSAGE: later})
        marks.done_apart(connection, again)
        assert [] == marks.marked(connection, 10)
        taken = marks.take_apart(connection)  # at once: nobody has to look for it
        assert taken is not None
        assert later == taken.since
        marks.done_apart(connection, taken)
        assert ([], False) == (marks.marked(connection, 10), marks.any_apart(connection))


def test_a_copy_that_is_delivered_has_its_earlier_hits_judged_again(store: Engine) -> None:
    position = JournalPosition(collector="c1", segment=1, offset=7)
    with store.begin() as connection:
        marks.delivered(connection, COPY)
        assert [] == marks.marked(connection, 10)

        events.add_hits(connection, [events.Shipped(position, HIT, MESSAGE, COPY, None)])
        marks.delivered(connection, COPY)
        assert [(MESSAGE, NOON)] == [(mark.message, mark.since) for mark in marks.marked(connection, 10)]
