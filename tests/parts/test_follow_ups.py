from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, select, update

from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.store import activity, follow_ups, schema

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")

Mail = dict[str, MessageId]


def lists(engine: Engine, now: datetime = NOON) -> dict[str, list[str]]:
    with engine.connect() as connection:
        return {
            each.__name__: [row.copy.name or row.copy.address for row in each(connection, MARA, now).items]
            for each in (activity.silent, activity.keen, activity.done)
        }


def copy_to(engine: Engine, name: str, message: MessageId) -> CopyId:
    c = schema.copies.c
    with engine.connect() as connection:
        found = connection.execute(select(c.id).where(c.name == name, c.message_id == message)).scalar_one()
        return CopyId(found)


def test_who_is_done_is_off_the_list_until_it_is_undone(engine: Engine, mail: Mail) -> None:
    jonas = copy_to(engine, "Jonas Weidner", mail["silent"])
    before = lists(engine)
    with engine.begin() as connection:
        assert follow_ups.done(connection, MARA, jonas, NOON)
        assert follow_ups.done(connection, MARA, jonas, NOON)

    after = lists(engine)
    assert "Jonas Weidner" in before["silent"]
    assert [each for each in before["silent"] if each != "Jonas Weidner"] == after["silent"]
    assert (before["keen"], ["Jonas Weidner"]) == (after["keen"], after["done"])
    with engine.begin() as connection:
        assert follow_ups.undo(connection, MARA, jonas)
    assert before == lists(engine)


def test_a_new_sign_of_the_reader_brings_them_back(engine: Engine, mail: Mail) -> None:
    ines = copy_to(engine, "Ines Marchetti", mail["proposal"])
    before = lists(engine)["keen"]
    with engine.begin() as connection:
        follow_ups.done(connection, MARA, ines, NOON)
    assert "Ines Marchetti" not in lists(engine)["keen"]

    with engine.begin() as connection:
        again = update(schema.copies).where(schema.copies.c.id == ines)
        connection.execute(again.values(last_at=NOON + timedelta(minutes=1)))
    assert ("Ines Marchetti" in before, [], ["Ines Marchetti"]) == (
        True,
        lists(engine)["done"],
        lists(engine)["keen"][:1],
    )


def test_what_was_done_long_ago_is_history(engine: Engine, mail: Mail) -> None:
    jonas = copy_to(engine, "Jonas Weidner", mail["silent"])
    with engine.begin() as connection:
        follow_ups.done(connection, MARA, jonas, NOON)

    assert ["Jonas Weidner"] == lists(engine, NOON + timedelta(days=59))["done"]
    assert [] == lists(engine, NOON + timedelta(days=61))["done"]


def test_nobody_reaches_the_follow_ups_of_others(engine: Engine, mail: Mail) -> None:
    jonas = copy_to(engine, "Jonas Weidner", mail["silent"])
    before = lists(engine)
    with engine.begin() as connection:
        assert not follow_ups.done(connection, OTHER, jonas, NOON)
        assert follow_ups.done(connection, MARA, jonas, NOON)
        assert not follow_ups.undo(connection, OTHER, jonas)
        assert not follow_ups.done(connection, MARA, CopyId(1), NOON)
        assert () == activity.done(connection, OTHER, NOON).items

    assert before != lists(engine)
