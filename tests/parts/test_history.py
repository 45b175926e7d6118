"""The weeks of mail in the pictures of the documents are such as grow by themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # docs/ is started from the root of the repository

from docs import history
from sqlalchemy import select
from tests.conftest import NOON

from unsealed.model.message import CopyState, Delivery, UserId, public_id
from unsealed.store import people, schema, sent
from unsealed.store.engine import connect, reading, sqlite_url
from unsealed.store.migrate import migrate


def test_letters_that_came_back_stand_in_the_list_of_those_and_no_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "DAYS", 7)
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    with engine.begin() as connection:
        user = people.add_user(connection, "mara@x.example", "owner", NOON)
    history.write(tmp_path, "mara@x.example", NOON)

    with reading(engine) as connection:
        c = schema.copies.c
        mine = select(c.message_id).where(c.user_id == user, c.delivery == Delivery.BOUNCED)
        back = {public_id(each) for each in connection.execute(mine).scalars()}
        listed = sent.listed(connection, UserId(user), state=CopyState.BOUNCED, now=NOON).items
        assert back
        assert back == {row.id for row in listed}
    engine.dispose()
