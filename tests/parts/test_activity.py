from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from tests.parts.test_views import walked

from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.view import Happening, What
from unsealed.store import activity, schema
from unsealed.store.activity import Key
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
HOUR = timedelta(hours=1)
EVERYTHING = frozenset(What)
PEOPLE = frozenset({What.OPEN, What.CLICK, What.REPLY, What.BOUNCE})

Mail = dict[str, MessageId]


@pytest.fixture
def answered(engine: Engine, mail: Mail) -> None:
    """Hanne answered, a machine did for Tomás, and a report is no happening of its own."""
    with engine.begin() as connection:
        c = schema.copies.c
        hanne = connection.execute(schema.copies.select().where(c.message_id == mail["renewal"])).one()
        connection.execute(
            schema.replies.insert(),
            [
                {
                    "user_id": MARA,
                    "message_id": mail[name],
                    "copy_id": copy,
                    "kind": kind,
                    "header_id": f"<{kind}@x.example>",
                    "address": address,
                    "name": "",
                    "at": NOON - timedelta(minutes=minutes),
                }
                for name, copy, kind, address, minutes in (
                    ("renewal", hanne.id, "reply", "hanne@vestergaard.example", 50),
                    ("machine", None, "automatic", "away@iglesias.example", 70),
                    ("machine", None, "bounce", "daemon@iglesias.example", 71),
                )
            ],
        )


def lines(connection: Connection, whats: frozenset[What], limit: int = 200, user: UserId = MARA) -> list[Happening]:
    found = activity.keys(connection, user, whats, after=None, limit=limit)
    return activity.told(connection, user, activity.together(found, limit))


def test_what_people_did_over_all_mail_comes_newest_first(engine: Engine, mail: Mail, answered: None) -> None:
    with reading(engine) as connection:
        found = lines(connection, PEOPLE)

    assert sorted((each.at for each in found), reverse=True) == [each.at for each in found]
    assert [
        (What.CLICK, "Amara Nwosu", 0),
        (What.OPEN, "Amara Nwosu", 2),
        (What.REPLY, "Hanne Vestergaard", 0),
        (What.OPEN, "Ines Marchetti", 3),
        (What.CLICK, "Ines Marchetti", 0),
        (What.OPEN, "Ines Marchetti", 2),
        (What.OPEN, "Hanne Vestergaard", 1),
    ] == [(each.what, each.name, each.nth) for each in found[:7]]
    assert {What.OPEN, What.CLICK, What.REPLY, What.BOUNCE} == {each.what for each in found}


def test_the_loads_of_one_reading_are_one_line(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        second = next(each for each in lines(connection, PEOPLE) if each.nth == 2 and each.name == "Ines Marchetti")

    assert 3 == second.loads
    assert second.at == NOON - timedelta(hours=2, minutes=15)
    assert second.until == NOON - timedelta(hours=2, minutes=13)


def test_what_came_before_is_of_the_same_kind_on_the_same_copy(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:  # two at the same moment: one is before the other
        e = schema.events.c
        of_often = e.message_id == mail["often"], e.first_of_reading.is_(True)
        first, second = connection.execute(schema.events.select().where(*of_often).order_by(e.at).limit(2)).all()
        connection.execute(schema.events.update().where(e.hit_id == second.hit_id).values(at=first.at))
    with reading(engine) as connection:
        keys = activity.keys(connection, MARA, EVERYTHING, after=None, limit=200)
        found = activity.before(connection, keys, HOUR)

    assert {key for key in keys if key.what in (What.OPEN, What.CLICK)} == set(found)
    for key, it in found.items():
        alike = [(each.at, each.number) for each in found if (each.what, each.copy) == (key.what, key.copy)]
        earlier = [each for each in alike if each < (key.at, key.number)]
        assert it.last == (max(earlier)[0] if earlier else None)
        assert it.lately == sum(key.at - HOUR < at <= key.at for at, _ in alike)
    assert {True, False} == {it.last is None for it in found.values()}


def test_what_machines_did_together_is_one_line_and_the_senders_own_look_none(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        found = [
            each for each in lines(connection, frozenset({What.MACHINE})) if each.message == public_id(mail["proposal"])
        ]

    assert [("Ines Marchetti", 1), ("Rob Okafor", 4)] == [(each.name, each.loads) for each in found]
    assert all(each.event is not None and each.event.finding.machine for each in found)


def test_an_answer_of_a_machine_stands_apart_and_reports_are_none(engine: Engine, mail: Mail, answered: None) -> None:
    with reading(engine) as connection:
        (automatic,) = lines(connection, frozenset({What.AUTOMATIC}))

    assert "away@iglesias.example" == automatic.recipient
    assert automatic.copy is None


def test_pages_meet_without_gap_or_repeat_also_where_moments_are_the_same(
    engine: Engine, mail: Mail, answered: None
) -> None:
    with engine.begin() as connection:  # everything at a few moments, over all kinds
        connection.execute(schema.events.update().values(at=NOON - timedelta(hours=1)))
        connection.execute(schema.replies.update().values(at=NOON - timedelta(hours=1)))
        connection.execute(schema.copies.update().where(schema.BOUNCED).values(ended_at=NOON - timedelta(hours=1)))
    with reading(engine) as connection:
        whole = activity.keys(connection, MARA, EVERYTHING, after=None, limit=1_000)
        pieces: list[Key] = []
        while page := activity.keys(connection, MARA, EVERYTHING, after=pieces[-1].cursor if pieces else None, limit=3):
            pieces += page

    assert len(set(whole)) == len(whole) > 50
    assert whole == pieces


@pytest.mark.parametrize(
    "cursor", ["x", "1", "9.1.00000000000000ff", "0.zz.00000000000000ff", "-1.1.0", "٣.1.00000000000000ff"]
)
def test_a_cursor_that_is_none_is_refused(engine: Engine, mail: Mail, cursor: str) -> None:
    with reading(engine) as connection, pytest.raises(BadInput):
        activity.keys(connection, MARA, EVERYTHING, after=cursor, limit=10)


def test_nothing_of_another_user_is_ever_there(engine: Engine, mail: Mail, answered: None) -> None:
    with reading(engine) as connection:
        mine = activity.keys(connection, MARA, EVERYTHING, after=None, limit=500)
        theirs = activity.keys(connection, OTHER, EVERYTHING, after=None, limit=500)

        assert not {key.message for key in mine} & {key.message for key in theirs}
        assert [] == activity.told(connection, OTHER, [[key] for key in mine])
        assert {} == activity.concerned(connection, OTHER, mine)
        assert mail["foreign"] not in {key.message for key in mine}
        assert 0 == activity.hidden(connection, UserId(1), None, None)


def test_hidden_requests_are_counted_between_two_moments(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        everything = activity.hidden(connection, MARA, None, None)
        lately = activity.hidden(connection, MARA, NOON - timedelta(hours=4, minutes=50), NOON)

    assert 5 == lately
    assert everything > lately


def test_opened_mail_comes_by_the_latest_reader(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        page = activity.opened(connection, MARA)
        first = activity.opened(connection, MARA, limit=2)
        rest = activity.opened(connection, MARA, after=first.next)

    names = {public_id(number): name for name, number in mail.items()}
    assert ["clicked", "proposal", "renewal", "maybe"] == [names[each.message.id] for each in page.items[:4]]
    assert page.items == first.items + rest.items
    assert all(each.message.signals.opens for each in page.items)
    last = page.items[0].last
    assert last is not None
    assert "Safari" == last.client


def test_silent_recipients_are_those_of_whom_nothing_was_seen_for_three_days(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        found = activity.silent(connection, MARA, NOON)
        first = activity.silent(connection, MARA, NOON, limit=1)
        rest = activity.silent(connection, MARA, NOON, after=first.next)

    messages = [each.message for each in found.items]
    assert public_id(mail["silent"]) == messages[0]
    assert public_id(mail["sent"]) not in messages  # two hours ago
    assert public_id(mail["untracked"]) not in messages
    assert public_id(mail["bounced"]) not in messages
    assert public_id(mail["partly"]) not in messages  # eleven people
    assert found.items == first.items + rest.items
    assert all(NOON - each.at > activity.SILENT_FOR for each in found.items)


def test_keen_readers_are_those_who_opened_three_times_and_did_not_answer(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        before = [each.message for each in activity.keen(connection, MARA, NOON).items]
    with engine.begin() as connection:
        ines = schema.copies.c.message_id == mail["proposal"]
        connection.execute(schema.copies.update().where(ines).values(replies=1))
    with reading(engine) as connection:
        after = [each.message for each in activity.keen(connection, MARA, NOON).items]

    assert [public_id(mail["proposal"]), public_id(mail["often"])] == before
    assert [public_id(mail["often"])] == after


def test_no_question_walks_through_a_table(engine: Engine, mail: Mail, answered: None) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        found = activity.keys(connection, MARA, EVERYTHING, after=None, limit=20)
        activity.keys(connection, MARA, EVERYTHING, after=found[-1].cursor, limit=20)
        activity.told(connection, MARA, activity.together(found, 20))
        activity.concerned(connection, MARA, found)
        activity.before(connection, found, HOUR)
        activity.hidden(connection, MARA, found[-1].at, NOON)
        activity.opened(connection, MARA, after=activity.opened(connection, MARA, limit=2).next, limit=2)
        activity.silent(connection, MARA, NOON)
        activity.keen(connection, MARA, NOON)
        questions = {statement: parameters for statement, parameters in asked if statement.startswith("SELECT")}
        if engine.dialect.name == "postgresql":  # which rightly reads tables of thirty rows from end to end
            for way in ("seqscan", "hashjoin", "mergejoin", "material", "sort"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        steps = {statement: walked(connection, statement, given) for statement, given in questions.items()}

    assert {} == {statement: step for statement, step in steps.items() if step}
    assert len(steps) > 20


@pytest.mark.parametrize(
    ("number", "index"),
    [
        (0, "ix_replies_user_kind_at"),
        (2, "ix_copies_user_bounced_at"),
        (3, "ix_events_user_people"),
        (4, "ix_events_user_people"),
        (5, "ix_events_user_machine"),
        (6, "ix_events_user_machine"),
    ],
)
def test_each_stream_is_read_in_the_order_of_its_index(engine: Engine, mail: Mail, number: int, index: str) -> None:
    """A page costs as much as it holds, and never a sort of all that there is."""
    asked: list[tuple[str, Any]] = []
    what = activity.STREAMS[number].what
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        activity.keys(connection, MARA, [what], after=f"{number}.ffffffffff.00000000000000ff", limit=20)
        statement, parameters = list(asked)[-1]
        if engine.dialect.name == "postgresql":
            for way in ("seqscan", "bitmapscan", "sort"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
            plan = str(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all())
        else:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())

    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
