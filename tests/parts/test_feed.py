"""The feed of changes, on both databases."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, select

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.ports import Clock
from unsealed.store import schema
from unsealed.store.engine import reading
from unsealed.store.feed import Change, add_feed, after, ends, trim

MARA = UserId(0x5E9D_0000_0000_0001)


def test_trimming_forgets_the_old_and_never_the_newest(engine: Engine, clock: Clock) -> None:
    def change(message: int, age: timedelta) -> Change:
        return Change(user=UserId(1), message=MessageId(message), what="delivery", at=clock() - age)

    day = timedelta(days=1)
    with engine.begin() as connection:
        add_feed(connection, [change(1, 3 * day), change(2, 2 * day), change(3, day / 2)])
        add_feed(connection, [])

        assert 2 == trim(connection, clock() - day)
        assert [3] == list(connection.execute(select(schema.feed.c.message_id)).scalars())
        assert 0 == trim(connection, clock())
        assert [3] == list(connection.execute(select(schema.feed.c.id)).scalars())


def test_the_feed_is_read_behind_an_id(engine: Engine, mail: dict[str, MessageId]) -> None:
    with reading(engine) as connection:
        (row,) = after(connection, 0, user=MARA)

        assert (row.message, row.what) == (public_id(mail["proposal"]), "human_open")
        assert ends(connection) == (row.id, row.id)
        assert after(connection, row.id) == []
