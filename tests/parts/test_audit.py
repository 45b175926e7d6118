from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine
from tests.conftest import NOON

from unsealed.model.message import UserId
from unsealed.store import audit, schema
from unsealed.store.audit import What

INES, ROB = UserId(7), UserId(8)


def test_an_account_sees_its_own_lines_the_newest_first(engine: Engine) -> None:
    with engine.begin() as connection:
        for user in (INES, ROB):
            email = f"{user}@example.org"
            connection.execute(schema.users.insert().values(id=user, email=email, role="member", created_at=NOON))
        for number in range(3):
            audit.note(connection, INES, What.CORRECTED, f"line {number}", NOON + timedelta(minutes=number))
        audit.note(connection, ROB, What.DEVICE_ADDED, "Firefox", NOON)

        newest, *_ = audit.lines(connection, INES, limit=2)
        older = audit.lines(connection, INES, before=newest.id)

    assert ("corrected", "line 2", NOON + timedelta(minutes=2)) == (newest.what, newest.words, newest.at)
    assert ["line 1", "line 0"] == [line.words for line in older]
