from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.inlets.passwords import TRIES_KEPT, Passwords, Tries
from unsealed.model.errors import Refused
from unsealed.model.message import UserId
from unsealed.store import people

PASSWORD = "correct horse battery staple"


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite alone: the questions to the store are tested on both databases in test_people.py."""
    return sqlite_url


@pytest.fixture
def ines(engine: Engine, now: datetime) -> UserId:
    with engine.begin() as connection:
        return people.add_user(connection, "ines@example.org", "owner", now, PASSWORD)


async def test_the_right_password_opens_and_all_others_do_not(engine: Engine, clock: Any, ines: UserId) -> None:
    passwords = Passwords(engine, clock)

    assert ines == await passwords.check("Ines@Example.org", PASSWORD, "192.0.2.1")
    assert await passwords.check("ines@example.org", PASSWORD + "x", "192.0.2.1") is None
    assert await passwords.check("nobody@example.org", PASSWORD, "192.0.2.1") is None
    assert await passwords.check("ines@example.org", "x" * 100_000, "192.0.2.1") is None
    assert await passwords.check("\0\udcff", "\0", "192.0.2.1") is None


async def test_five_failures_within_a_minute_close_the_door_for_the_right_password_too(
    engine: Engine, clock: Any, ines: UserId
) -> None:
    passwords = Passwords(engine, clock)
    for _ in range(5):
        assert await passwords.check("ines@example.org", "wrong", "192.0.2.1") is None

    with pytest.raises(Refused, match="too many failed tries"):
        await passwords.check("INES@example.org", PASSWORD, "192.0.2.1")
    assert ines == await passwords.check("ines@example.org", PASSWORD, "192.0.2.2")
    clock.advance(timedelta(minutes=1))
    assert ines == await passwords.check("ines@example.org", PASSWORD, "192.0.2.1")


def test_one_address_cannot_go_through_many_names_nor_many_addresses_try_one(now: datetime) -> None:
    tries = Tries()
    names = [tries.take("192.0.2.1", f"user{n}", now) for n in range(21)]
    addresses = [Tries.take(tries, f"198.51.100.{n}", "ines", now) for n in range(21)]

    assert [True] * 20 + [False] == names == addresses


def test_success_is_not_held_against_anyone(now: datetime) -> None:
    tries = Tries()
    for _ in range(100):
        assert tries.take("192.0.2.1", "ines", now)
        tries.forgive("192.0.2.1", "ines")


def test_tries_do_not_fill_the_memory(now: datetime) -> None:
    tries = Tries()
    for n in range(TRIES_KEPT):
        tries.take(f"a{n}", f"b{n}", now + timedelta(seconds=n))

    assert len(tries._at) <= TRIES_KEPT + 3
