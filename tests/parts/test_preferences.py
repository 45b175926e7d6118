from __future__ import annotations

from sqlalchemy import Engine
from tests.conftest import NOON

from unsealed.model.message import UserId
from unsealed.store import preferences, schema

MARA, ROB = UserId(1), UserId(2)


def test_a_preference_is_of_one_user_and_of_one_kind(engine: Engine) -> None:
    with engine.begin() as connection:
        for user in (MARA, ROB):
            row = {"id": user, "email": f"{user}@x.example", "role": "owner", "created_at": NOON}
            connection.execute(schema.users.insert(), row)
        preferences.put(connection, MARA, "undo_s", 30)
        preferences.put(connection, MARA, "undo_s", 20)
        preferences.put(connection, MARA, "words", ["a", "ü"])

        assert 20 == preferences.get(connection, MARA, "undo_s", 10)
        assert ["a", "ü"] == preferences.get(connection, MARA, "words", [""])
        assert 10 == preferences.get(connection, ROB, "undo_s", 10)
        assert "x" == preferences.get(connection, MARA, "undo_s", "x")


def test_what_cannot_be_read_counts_as_never_said(engine: Engine) -> None:
    with engine.begin() as connection:
        row = {"id": MARA, "email": "mara@x.example", "role": "owner", "created_at": NOON}
        connection.execute(schema.users.insert(), row)
        connection.execute(schema.preferences.insert(), {"user_id": MARA, "key": "undo_s", "value": "{"})

        assert 10 == preferences.undo_s(connection, MARA)
        preferences.put(connection, MARA, "undo_s", 4_000)
        assert 60 == preferences.undo_s(connection, MARA)
