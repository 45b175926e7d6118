"""Who wrote something new says so once it can be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, UserId
from unsealed.model.notice import Act, Heard
from unsealed.store import feed, marks, news, notices, preferences, schema
from unsealed.store.engine import alone, reading
from unsealed.store.feed import Change, add_feed
from unsealed.store.news import News

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MARA = UserId(1)


def change(connection: Connection) -> None:
    add_feed(connection, [Change(user=MARA, message=MessageId(5), what="human_open", at=NOON)])


@pytest.fixture
def told(engine: Engine) -> list[tuple[News, int]]:
    """What was told, and how many lines of the feed could be read then."""
    told: list[tuple[News, int]] = []

    def tell(what: News) -> None:
        with reading(engine) as connection:
            told.append((what, len(feed.after(connection, 0))))

    with engine.begin() as connection:
        connection.execute(
            schema.users.insert().values(id=MARA, email="mara@tidewater.example", role="owner", created_at=NOON)
        )
    news.after_commit(engine, tell)
    return told


def test_news_are_told_once_and_can_be_read_then(engine: Engine, told: list[Any]) -> None:
    with engine.begin() as connection:
        change(connection)
        change(connection)
        assert [] == told

    assert [(News.FEED, 2)] == told
    with engine.begin() as connection:
        preferences.put(connection, MARA, "nothing", "new")
    with reading(engine) as connection:
        feed.after(connection, 0)
    assert [(News.FEED, 2)] == told


def test_whoever_writes_alone_tells_as_well(engine: Engine, told: list[Any]) -> None:
    with alone(engine, "judge") as turn:
        with turn.reading() as connection:
            feed.ends(connection)
        with turn.writing() as connection:
            change(connection)

    assert [(News.FEED, 1)] == told


def test_what_was_rolled_back_is_not_told_with_the_next(engine: Engine, told: list[Any]) -> None:
    def fail_half_way() -> None:
        with engine.begin() as connection:
            change(connection)
            raise BadInput

    with pytest.raises(BadInput):
        fail_half_way()
    told.clear()

    with engine.begin() as connection:
        preferences.put(connection, MARA, "nothing", "new")

    assert [] == told


def test_each_kind_is_told_for_itself(engine: Engine, told: list[Any]) -> None:
    with engine.begin() as connection:
        notices.hear(
            connection,
            [Heard(cause="test", cause_id=1, user=MARA, message=None, copy=None, act=Act.TESTED, at=NOON)],
        )
        notices.take_back(connection, [])
        marks.set_apart(connection, [MessageId(5)])

    assert {(News.NOTICES, 0), (News.HOT, 0)} == set(told)
