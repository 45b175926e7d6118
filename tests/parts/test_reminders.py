from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.reminder import State, Unless
from unsealed.store import reminders, schema

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
LATER = NOON + timedelta(days=3)

Mail = dict[str, MessageId]


def put(
    engine: Engine, message: int, *, user: UserId = MARA, unless: Unless = Unless.OPENED, copy: int | None = None
) -> int | None:
    with engine.begin() as connection:
        return reminders.put(connection, user, message, copy, unless, LATER, NOON)


def test_a_letter_to_one_person_is_about_that_person(engine: Engine, mail: Mail) -> None:
    assert put(engine, mail["silent"])
    assert put(engine, mail["proposal"])

    with engine.connect() as connection:
        found = reminders.listed(connection, MARA)
    assert ["Jonas Weidner", ""] == [each.who for each in found]
    assert [public_id(mail["silent"]), public_id(mail["proposal"])] == [each.message.id for each in found]


def test_the_same_reminder_set_twice_moves(engine: Engine, mail: Mail) -> None:
    for days in (3, 5):
        with engine.begin() as connection:
            assert reminders.put(
                connection, MARA, mail["silent"], None, Unless.OPENED, NOON + timedelta(days=days), NOON
            )

    with engine.connect() as connection:
        assert [NOON + timedelta(days=5)] == [each.due_at for each in reminders.listed(connection, MARA)]


def test_nobody_reaches_the_reminders_or_letters_of_others(engine: Engine, mail: Mail) -> None:
    assert not put(engine, mail["silent"], user=OTHER)
    assert not put(engine, mail["foreign"])
    assert put(engine, mail["silent"])
    with engine.begin() as connection:
        (mine,) = reminders.listed(connection, MARA)

        assert [] == reminders.listed(connection, OTHER)
        assert not reminders.done(connection, OTHER, mine.id, NOON)
        assert reminders.done(connection, MARA, mine.id, NOON)
        assert not reminders.done(connection, MARA, mine.id, NOON)
        assert [] == reminders.listed(connection, MARA)


def test_no_more_than_a_thousand_wait(engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "MOST", 1)

    assert put(engine, mail["silent"])
    assert not put(engine, mail["sent"])


@pytest.mark.parametrize(
    ("unless", "column", "happened"),
    [
        (Unless.OPENED, "opens", True),
        (Unless.OPENED, "clicks", True),
        (Unless.OPENED, "replies", True),
        (Unless.ANSWERED, "replies", True),
        (Unless.ANSWERED, "opens", False),
        (Unless.ANSWERED, "clicks", False),
    ],
)
@pytest.mark.parametrize("name", ["silent", "queued"])  # one recipient, several
def test_what_happened_is_asked_when_the_time_has_come(
    engine: Engine, mail: Mail, name: str, unless: Unless, column: str, happened: bool
) -> None:
    put(engine, mail[name], unless=unless)
    with engine.begin() as connection:
        c = schema.copies.c.message_id == mail[name]
        connection.execute(update(schema.copies).where(c).values({column: 1}))
        connection.execute(update(schema.messages).where(schema.messages.c.id == mail[name]).values({column: 1}))

        assert not reminders.any_due(connection, NOON)
        assert [] == reminders.due(connection, NOON)
        assert reminders.any_due(connection, LATER)
        found = reminders.due(connection, LATER)
        assert [(mail[name], happened)] == [(each.message, each.happened) for each in found]

        reminders.settle(connection, found, LATER)
        assert not reminders.any_due(connection, LATER)
        states = connection.execute(select(schema.reminders.c.state)).scalars().all()
        assert [State.NEEDLESS if happened else State.DUE] == states


def test_an_open_of_another_recipient_does_not_count_for_one(engine: Engine, mail: Mail) -> None:
    with engine.connect() as connection:
        c = schema.copies.c
        query = select(c.id).where(c.message_id == mail["proposal"]).order_by(c.position)
        ines, rob, _ = connection.execute(query).scalars().all()
    put(engine, mail["proposal"], copy=ines)
    put(engine, mail["proposal"], copy=rob)

    with engine.connect() as connection:
        due = reminders.due(connection, LATER)
    assert {"Ines Marchetti": True, "Rob Okafor": False} == {each.who: each.happened for each in due}


def test_what_is_over_is_forgotten_and_what_is_due_never(engine: Engine, mail: Mail) -> None:
    put(engine, mail["silent"])
    put(engine, mail["renewal"])
    with engine.begin() as connection:
        reminders.settle(connection, reminders.due(connection, LATER), LATER)

        assert 1 == reminders.trim(connection, LATER + timedelta(days=1))  # the renewal was opened
        assert [State.DUE] == [each.state for each in reminders.listed(connection, MARA)]


@pytest.mark.parametrize(("days", "state"), [(0, State.WAITING), (4, State.DUE)])
def test_what_was_done_by_mistake_waits_again_or_is_due_as_its_time_says(
    engine: Engine, mail: Mail, days: int, state: State
) -> None:
    put(engine, mail["silent"])
    with engine.begin() as connection:
        (mine,) = reminders.listed(connection, MARA)
        assert reminders.one_done(connection, MARA, mine.id) is None
        assert not reminders.undo(connection, MARA, mine.id, NOON)
        assert reminders.done(connection, MARA, mine.id, NOON)
        done = reminders.one_done(connection, MARA, mine.id)

        assert done is not None
        assert (mine.who, State.DONE) == (done.who, done.state)
        assert reminders.one_done(connection, OTHER, mine.id) is None
        assert not reminders.undo(connection, OTHER, mine.id, NOON)
        assert reminders.undo(connection, MARA, mine.id, NOON + timedelta(days=days))
        assert [(mine.id, mine.due_at, state)] == [
            (each.id, each.due_at, each.state) for each in reminders.listed(connection, MARA)
        ]
