"""What a speaker says of several recipients; the presses themselves are in test_notices_page.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine, func, update

from unsealed.inlets.speakers import Speaker, of_message, speakers
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.notice import Press, Scope, Why
from unsealed.model.texts import ENGLISH
from unsealed.store import notices, schema

MARA = UserId(0x5E9D_0000_0000_0001)


def silence(engine: Engine, contact: str, now: datetime) -> None:
    with engine.begin() as connection:
        notices.press(connection, MARA, Press(scope=Scope.CONTACT, of=contact, silent=True, at=now))


def test_a_message_to_several_is_silent_when_all_of_them_are(
    engine: Engine, mail: dict[str, MessageId], clock: Callable[[], datetime]
) -> None:
    it = public_id(mail["proposal"])
    c = schema.copies
    with engine.begin() as connection:
        connection.execute(update(c).values(mailbox=func.lower(c.c.address)))
        recipients = notices.spoken(connection, MARA, [mail["proposal"]])[it].contacts
    found = []
    for contact in recipients:
        silence(engine, contact, clock())
        with engine.connect() as connection:
            found.append(speakers(connection, MARA, [it])[it].why)

    assert len(recipients) > 1
    assert [None] * (len(recipients) - 1) + [Why.CONTACT] == found


def test_only_ones_own_messages_have_a_speaker(engine: Engine, mail: dict[str, MessageId]) -> None:
    with engine.connect() as connection:
        assert of_message(connection, MARA, mail["foreign"]) is None
        assert {} == speakers(connection, MARA, ["x", "0123456789abcdef"])


def test_under_the_master_switch_no_press_of_its_own_changes_anything() -> None:
    off = Speaker(of="1", why=Why.REALTIME_OFF)

    assert (True, False) == (off.silent, off.movable)
    assert "all notices are off" in off.words(ENGLISH)
    assert "Notices on" == Speaker(of="1", why=None).words(ENGLISH)
