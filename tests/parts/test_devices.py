"""Where notices are sent to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.model.message import UserId, from_public_id
from unsealed.model.notice import Channel
from unsealed.store import devices, people

NOON = datetime.fromisoformat("2026-11-22T12:00:00+00:00")


@pytest.fixture
def user(engine: Engine, clock: Callable[[], datetime]) -> UserId:
    with engine.begin() as connection:
        return people.create_owner(connection, "ines@example.org", clock())


def put(connection: Any, user: UserId, name: str, address: str = "https://push.example/1") -> int:
    return devices.put(connection, user, Channel.PUSH, address=address, name=name, sealed=b"x", trusted=False, now=NOON)


def test_a_device_that_is_added_again_is_the_same_one(engine: Engine, user: UserId) -> None:
    with engine.begin() as connection:
        first, again = put(connection, user, "Firefox"), put(connection, user, "Firefox 2")
        other = put(connection, user, "Phone", "https://push.example/2")

        assert first == again != other
        assert {"Firefox 2", "Phone"} == {each.name for each in devices.listed(connection, user)}


def test_only_who_added_a_device_removes_it(engine: Engine, user: UserId) -> None:
    with engine.begin() as connection:
        put(connection, user, "Firefox")
        [device] = devices.listed(connection, user)
        number = from_public_id(device.id) or 0

        assert not devices.remove(connection, UserId(user + 1), number)
        assert devices.remove(connection, user, number)
        assert [] == devices.listed(connection, user)


def test_the_key_of_the_installation_is_made_once(engine: Engine) -> None:
    with engine.begin() as connection:
        assert devices.push_key(connection) is None
        assert ("public", b"1") == devices.keep_push_key(connection, "public", b"1")
        assert ("public", b"1") == devices.keep_push_key(connection, "other", b"2")
