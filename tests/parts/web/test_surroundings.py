from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, select
from starlette.applications import Starlette
from starlette.requests import Request

from unsealed.inlets.web.surroundings import Surroundings, asked, changed, newest_tracking, surroundings
from unsealed.store import people, schema


def test_a_request_knows_the_surroundings_of_its_app(app: Starlette, around: Surroundings) -> None:
    assert surroundings(Request({"type": "http", "app": app, "headers": []})) is around


def test_surroundings_do_not_show_keys_or_store_in_a_log(around: Surroundings) -> None:
    assert "engine" not in repr(around)
    assert "keys" not in repr(around)


def test_new_mail_is_sealed_with_the_newest_key(around: Surroundings) -> None:
    tracking = newest_tracking(around)

    assert (around.tracking_url, around.keys.newest) == (tracking.base_url, tracking.key_id)


async def test_a_change_is_there_for_the_next_question_and_a_failed_one_is_not(
    app: Starlette, around: Surroundings, engine: Engine
) -> None:
    request = Request({"type": "http", "app": app, "headers": []})

    def add_then_fail(connection: Connection) -> None:
        people.add_user(connection, "rob@example.org", "member", around.clock())
        raise RuntimeError

    added = await changed(request, lambda c: people.add_user(c, "ines@example.org", "owner", around.clock()))
    with pytest.raises(RuntimeError):
        await changed(request, add_then_fail)

    assert [added] == await asked(request, lambda c: c.execute(select(schema.users.c.id)).scalars().all())
