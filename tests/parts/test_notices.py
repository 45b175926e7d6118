"""What is kept of notices: presses and wishes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from unsealed.core.notice import pressed
from unsealed.model.message import UserId
from unsealed.model.notice import (
    Act,
    Channel,
    Detail,
    Press,
    Quiet,
    Readings,
    Scope,
    Silence,
    Wants,
)
from unsealed.store import notices, people, preferences, schema

NOON = datetime.fromisoformat("2026-11-22T12:00:00+00:00")

PRESSES = st.lists(st.tuples(st.sampled_from(Scope), st.sampled_from(("1", "2")), st.booleans()), max_size=12)


@pytest.fixture
def user(engine: Engine, clock: Callable[[], datetime]) -> UserId:
    with engine.begin() as connection:
        return people.create_owner(connection, "ines@example.org", clock())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PRESSES)
def test_what_is_kept_says_the_same_as_the_rule_over_all_orders_of_presses(
    engine: Engine, user: UserId, story: list[tuple[Scope, str, bool]]
) -> None:
    expected = Silence()
    with engine.connect() as connection, connection.begin() as turn:
        for number, (scope, of, silent) in enumerate(story):
            key = of if scope in (Scope.MESSAGE, Scope.THREAD, Scope.CONTACT) else ""
            press = Press(scope=scope, of=key, silent=silent, at=NOON + number * timedelta(seconds=1))
            expected = pressed(expected, press)
            notices.press(connection, user, press)
        found = notices.silence(connection, user, messages=(1, 2), threads=(1, 2), contacts=("1", "2"))
        turn.rollback()

    assert expected == found


def test_only_what_is_asked_for_is_read(engine: Engine, user: UserId) -> None:
    with engine.begin() as connection:
        for scope in (Scope.MESSAGE, Scope.THREAD, Scope.CONTACT):
            notices.press(connection, user, Press(scope=scope, of="1", silent=True, at=NOON))

        assert Silence() == notices.silence(connection, user, messages=[2], threads=[2], contacts=["2"])
        assert ["1"] == notices.silenced_contacts(connection, user)


def test_what_a_user_wants_comes_back_as_it_was_said(engine: Engine, user: UserId) -> None:
    said = Wants(
        acts=frozenset({Act.REPLIED}),
        readings=Readings.HOT,
        revival_weeks=0,
        channels=frozenset({Channel.DIGEST, Channel.PUSH}),
        quiet=Quiet(begins=time(22, 30), ends=time(7)),
        zone="Europe/Lisbon",
        digest_at=time(6, 45),
        detail=Detail.NOTHING,
    )
    with engine.begin() as connection:
        assert Wants() == notices.wants(connection, user)
        notices.want(connection, user, said)

        assert said == notices.wants(connection, user)
        assert {user: said} == notices.digest_wanted(connection)


@pytest.mark.parametrize("kept", [{}, {"acts": "danced"}, {"acts": "", "readings": "first"}])
def test_wishes_that_cannot_be_read_are_as_at_first(engine: Engine, user: UserId, kept: dict[str, str]) -> None:
    with engine.begin() as connection:
        preferences.put(connection, user, notices.KEY, kept)

        assert Wants() == notices.wants(connection, user)


def test_nobody_gets_a_daily_letter_who_left(engine: Engine, user: UserId) -> None:
    with engine.begin() as connection:
        notices.want(connection, user, Wants(channels=frozenset({Channel.DIGEST})))
        connection.execute(update(schema.users).values(removed_at=NOON))

        assert {} == notices.digest_wanted(connection)
