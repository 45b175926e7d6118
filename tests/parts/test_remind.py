from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from tests.parts.house import KEYS

from unsealed.core.instrument import Tracking
from unsealed.flow import notify
from unsealed.flow.remind import Reminders
from unsealed.model.message import MessageId, UserId
from unsealed.model.notice import Act, Channel, Device, DeviceId, Press, Quiet, Scope, Wants
from unsealed.model.reminder import State, Unless
from unsealed.store import notices, reminders, schema

MARA = UserId(0x5E9D_0000_0000_0001)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
LATER = NOON + timedelta(days=3)
TRACKING = Tracking(base_url="https://t.example.org", keys=KEYS, key_id=0)

Mail = dict[str, MessageId]


@pytest.fixture
def loop_of(engine: Engine) -> Reminders:
    return Reminders(
        engine=engine, origin="https://unsealed.example.org", tracking=lambda: TRACKING, clock=lambda: LATER
    )


def put(engine: Engine, message: MessageId, unless: Unless = Unless.OPENED) -> None:
    with engine.begin() as connection:
        assert reminders.put(connection, MARA, message, None, unless, LATER, NOON)


def letters(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = select(schema.originals.c.raw).order_by(schema.originals.c.message_id)
        return [text for raw in connection.execute(query).scalars() if "Reminder:" in (text := bytes(raw).decode())]


def heard(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        n = schema.notices.c
        return [tuple(row) for row in connection.execute(select(n.cause, n.act, n.message_id, n.state))]


def test_what_is_due_makes_a_notice_and_one_letter(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    put(engine, mail["silent"])

    assert (1, 0) == (loop_of.look(), loop_of.look())
    assert [("reminder", "unopened", mail["silent"], "new")] == heard(engine)
    [letter] = letters(engine)
    assert "To: <mara@tidewater.example>" in letter
    assert "There is no signal from Jonas Weidner to:" in letter
    assert "Proposal for the Lindau site, with drawings" in letter
    assert f"https://unsealed.example.org/message/{mail['silent']:016x}" in letter
    assert "No signal is not the same as unread" in letter
    with engine.connect() as connection:
        assert [State.DUE] == [each.state for each in reminders.listed(connection, MARA)]


def test_what_happened_meanwhile_ends_without_a_word(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    put(engine, mail["renewal"])

    assert 0 == loop_of.look()
    assert ([], []) == (heard(engine), letters(engine))
    with engine.connect() as connection:
        assert [] == reminders.listed(connection, MARA)


def test_an_answer_is_another_thing_than_an_open(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    put(engine, mail["renewal"], Unless.ANSWERED)

    assert 1 == loop_of.look()
    assert [("reminder", "no_reply", mail["renewal"], "new")] == heard(engine)
    assert "There is no answer from Hanne Vestergaard" in letters(engine)[0]


def test_who_has_a_device_gets_no_letter_unless_notices_are_off(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    device = Device(id=DeviceId(0), channel=Channel.PUSH, name="phone", address="https://push.example/1")
    with engine.begin() as connection:
        notify.add_device(connection, MARA, device, KEYS, NOON)
    put(engine, mail["silent"])
    assert 0 == loop_of.look()
    assert 1 == len(heard(engine))

    with engine.begin() as connection:
        notices.press(connection, MARA, Press(scope=Scope.REALTIME, of="", silent=True, at=NOON))
    put(engine, mail["apple"])
    assert 1 == loop_of.look()


@pytest.mark.parametrize(
    "wants",
    [
        Wants(quiet=Quiet(begins=time(21), ends=time(7)), zone="Asia/Tokyo"),  # 21:00 there
        Wants(channels=frozenset({Channel.PAGE, Channel.CHAT})),
        Wants(channels=frozenset()),
    ],
    ids=["quiet", "another channel", "no channel"],
)
def test_who_has_a_device_that_would_not_ring_gets_a_letter(
    engine: Engine, mail: Mail, loop_of: Reminders, wants: Wants
) -> None:
    device = Device(id=DeviceId(0), channel=Channel.PUSH, name="phone", address="https://push.example/1")
    with engine.begin() as connection:
        notify.add_device(connection, MARA, device, KEYS, NOON)
        notices.want(connection, MARA, wants)
    put(engine, mail["silent"])

    assert 1 == loop_of.look()


def test_who_has_a_device_that_cannot_be_reached_gets_a_letter(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    device = Device(id=DeviceId(0), channel=Channel.PUSH, name="phone", address="https://push.example/1")
    with engine.begin() as connection:
        notify.add_device(connection, MARA, device, KEYS, NOON)
        connection.execute(update(schema.notice_devices).values(trouble="refused"))
    put(engine, mail["silent"])

    assert 1 == loop_of.look()


def test_a_reminder_set_once_more_is_told_once_more(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    put(engine, mail["silent"])
    loop_of.look()
    with engine.begin() as connection:
        again = LATER - timedelta(hours=1)
        assert reminders.put(connection, MARA, mail["silent"], None, Unless.OPENED, again, NOON)

    assert 1 == loop_of.look()
    assert 2 == len(heard(engine))


def test_the_words_of_a_reminder_never_say_that_it_was_not_read() -> None:
    from unsealed.core.notice import say
    from unsealed.model.notice import Detail, Told

    for act in (Act.UNOPENED, Act.NO_REPLY):
        for detail in Detail:
            for who in ("Ines", ""):
                words = say(
                    Told(act=act, who=who, subject="Offer", at=None), message=MessageId(1), tag="x", detail=detail
                )
                assert "Reminder" in words.title or words.title == "A reminder is due"
                assert "not opened" not in words.title + words.body
                assert ("Ines" in words.title) is (bool(who) and detail is not Detail.NOTHING)


def test_hostile_names_and_subjects_break_no_line_of_the_letter(engine: Engine, mail: Mail, loop_of: Reminders) -> None:
    with engine.begin() as connection:
        m, c = schema.messages, schema.copies
        connection.execute(
            update(m).where(m.c.id == mail["silent"]).values(subject="Offer\r\nBcc: x@y.example\r\n\r\n.")
        )
        connection.execute(update(c).where(c.c.message_id == mail["silent"]).values(name="A\r\nB\n\n.\r\n"))
    put(engine, mail["silent"])
    loop_of.look()

    [letter] = letters(engine)
    assert "\r\nBcc" not in letter
    assert "from A B . to:" in letter
