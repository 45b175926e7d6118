"""How much of a conversation is read. Its letters and answers are tested in test_dealings.py, and in real processes."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update
from tests.parts.conftest import MARA

from unsealed.model.message import MessageId, public_id
from unsealed.store import schema, threads
from unsealed.store.engine import reading


def test_of_a_long_conversation_the_newest_letters_are_shown_and_that_there_are_more(
    engine: Engine, mail: dict[str, MessageId], monkeypatch: pytest.MonkeyPatch
) -> None:
    m = schema.messages
    names = [f"older{each}" for each in range(7)]  # the newest first
    with engine.begin() as connection:
        connection.execute(update(m).where(m.c.id.in_([mail[name] for name in names])).values(thread=mail["older6"]))
    monkeypatch.setattr(threads, "SHOWN", 3)
    with reading(engine) as connection:
        found = threads.thread(connection, MARA, mail["older5"])
        size = threads.size(connection, MARA, mail["older0"])
        whole = threads.thread(connection, MARA, mail["often"])

    assert found is not None
    assert [public_id(mail[name]) for name in names[:3]] == [row.id for row in found.messages]
    assert (public_id(mail["older6"]), 3) == size
    assert (public_id(mail["older6"]), True) == (found.id, found.more)
    assert whole is not None
    assert (1, False) == (len(whole.messages), whole.more)
