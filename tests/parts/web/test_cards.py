"""What open pages show of notices; how it comes to them stands in test_live.py and test_notices_page.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from unsealed.flow import notify
from unsealed.inlets.web.cards import in_words, microseconds, told_at, told_since
from unsealed.model.message import UserId
from unsealed.model.texts import ENGLISH

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)


def test_a_moment_has_its_own_notices_and_those_of_nobody_else(
    engine: Engine, mail: object, clock: Callable[[], datetime]
) -> None:
    first, second = clock(), clock() + timedelta(microseconds=1)
    for number, (user, at) in enumerate([(MARA, first), (OTHER, first), (MARA, second)]):
        with engine.begin() as connection:
            notify.send_test(connection, user, number, at)
        notify.decide(engine, at)

    with engine.connect() as connection:
        keys = [[each["key"] for each in in_words(told_at(connection, MARA, at), ENGLISH)] for at in (first, second)]
        both = [each["key"] for each in in_words(told_since(connection, MARA, first - timedelta(seconds=1)), ENGLISH)]

    assert [1, 1] == [len(each) for each in keys]
    assert both == keys[0] + keys[1]
    assert [microseconds(first), microseconds(second)] == [str(each).partition(".")[2] for each in both]
