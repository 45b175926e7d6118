from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.conftest import NOON
from tests.parts.test_api import app, wordless  # noqa: F401 - the app with the API alone

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.store import proofs

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)

Mail = dict[str, MessageId]


@pytest.fixture
def ask(app: Any, browser: Any, engine: Engine, mail: Mail, clock: Callable[[], datetime]) -> Any:  # noqa: F811
    async def get(path: str, user: UserId = MARA) -> Any:
        with engine.begin() as connection:
            token = proofs.new_api_token(connection, user, "test", clock())
        return await browser(app=app).get(path, authorization=f"Bearer {token}")

    return get


async def test_what_happened_is_told_newest_first_and_page_by_page(ask: Any, mail: Mail) -> None:
    whole = (await ask("/api/v1/activity?limit=200")).json
    first = (await ask("/api/v1/activity?limit=5")).json
    rest = (await ask(f"/api/v1/activity?limit=200&cursor={first['next']}")).json

    assert whole["happenings"] == first["happenings"] + rest["happenings"]
    assert whole["next"] is None
    assert 7 == whole["hidden"]
    click, opened = whole["happenings"][:2]
    assert ("click", "Book a time", "https://tidewater.example/book") == (
        click["what"],
        click["link_text"],
        click["link"],
    )
    assert ("open", 2, "proxied_open", "certain") == (
        opened["what"],
        opened["nth"],
        opened["verdict"],
        opened["confidence_word"],
    )
    assert public_id(mail["clicked"]) == opened["message"]
    assert opened["at"].endswith("Z")


async def test_machines_are_shown_when_asked_for(ask: Any) -> None:
    shown = (await ask("/api/v1/activity?machine=1&limit=200")).json
    alone = (await ask("/api/v1/activity?show=machine")).json

    assert 0 == shown["hidden"]
    assert {"machine"} == {each["what"] for each in alone["happenings"]}
    assert alone["happenings"][0] in shown["happenings"]


async def test_the_three_lists_of_opened_mail(ask: Any, mail: Mail) -> None:
    opened = (await ask("/api/v1/opened")).json
    silent = (await ask("/api/v1/opened?list=silent")).json
    keen = (await ask("/api/v1/opened?list=keen&limit=1")).json

    assert public_id(mail["clicked"]) == opened["messages"][0]["id"]
    assert ("Safari", "mobile") == (opened["messages"][0]["client"], opened["messages"][0]["device"])
    assert ("Jonas Weidner", "no_signal", []) == tuple(
        silent["follow_ups"][0][key] for key in ("name", "state", "unseen")
    )
    assert [3] == [each["opens"] for each in keen["follow_ups"]]
    assert keen["next"]


async def test_a_follow_up_is_done_listed_as_such_and_put_back(
    app: Any,  # noqa: F811
    browser: Any,
    ask: Any,
    engine: Engine,
) -> None:
    async def put(copy: str, said: bytes, user: UserId = MARA) -> Any:
        with engine.begin() as connection:
            token = proofs.new_api_token(connection, user, "test", NOON)
        authorized = {"authorization": f"Bearer {token}"}
        return await browser(app=app).request("PUT", f"/api/v1/follow-ups/{copy}", authorized, said)

    async def lists() -> list[list[str]]:
        found = [(await ask(f"/api/v1/opened?list={name}")).json["follow_ups"] for name in ("silent", "done")]
        return [[each["name"] for each in rows] for rows in found]

    [copy] = [
        each["copy"]
        for each in (await ask("/api/v1/opened?list=silent")).json["follow_ups"]
        if each["name"] == "Jonas Weidner"
    ]
    before = await lists()

    assert 404 == (await put(copy, b'{"done": true}', OTHER)).status
    assert {"done": True} == (await put(copy, b'{"done": true}')).json
    silent, done = await lists()
    assert (["Jonas Weidner"], False) == (done, "Jonas Weidner" in silent)
    assert {"done": False} == (await put(copy, b'{"done": false}')).json
    assert before == await lists()
    assert [404, 404, 400] == [
        (await put(each, said)).status
        for each, said in (
            ("0123456789abcdef", b'{"done": true}'),
            ("x", b'{"done": false}'),
            (copy, b'{"over": 1}'),
        )
    ]


@pytest.mark.parametrize(
    "query",
    [
        "activity?show=unread",
        "activity?machine=yes",
        "activity?cursor=x",
        "activity?q=1",
        "opened?list=x",
        "opened?cursor=9",
        "opened?limit=0",
    ],
)
async def test_what_is_not_understood_is_refused(ask: Any, query: str) -> None:
    assert 400 == (await ask(f"/api/v1/{query}")).status


async def test_nothing_of_another_user_is_told(ask: Any) -> None:
    answer = await ask("/api/v1/activity?machine=1", OTHER)
    opened = await ask("/api/v1/opened", OTHER)

    for each in (answer, opened):
        assert "tidewater.example/book" not in each.text
        assert "Marchetti" not in each.text
