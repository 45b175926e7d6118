"""Where senders submit mail is remembered: what comes from there is more likely the sender's than a reader's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from unsealed.store import own


async def test_the_address_of_a_mail_program_that_signed_in_is_the_senders(
    desk: Any, ann: Any, engine: Engine, clock: Callable[[], datetime]
) -> None:
    server = (await desk()).server

    assert await server.sign_in("192.0.2.7", ann.email, ann.password)
    assert await server.sign_in("127.0.0.1", ann.email, ann.password)

    with engine.connect() as connection:
        assert {ann.user: {"192.0.2.7": clock()}} == own.addresses_of(connection, [ann.user])


async def test_who_does_not_get_in_leaves_no_address(desk: Any, ann: Any, engine: Engine, monkeypatch: Any) -> None:
    server = (await desk()).server
    monkeypatch.setattr(server.throttle, "failed", lambda *_: 0.0)

    assert None is await server.sign_in("192.0.2.7", ann.email, "us-nothing-of-the-kind")

    with engine.connect() as connection:
        assert {} == own.addresses_of(connection, [ann.user])
