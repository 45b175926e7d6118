from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette

from unsealed.model.message import UserId
from unsealed.model.policy import Level
from unsealed.model.template import TemplateId
from unsealed.store import policies, proofs, schema, templates
from unsealed.store.engine import reading

MARA, ROB = UserId(0x5E9D_0000_0000_0001), UserId(0x5E9D_0000_0000_00FF)
PATH = "/api/v1/templates"
WELCOME = {"name": "Welcome", "subject": "Hi {{first_name}}", "html": "<p>Hello {{company|you}}</p>"}


@pytest.fixture
def ask(app: Starlette, mail: Any, engine: Engine, clock: Callable[[], datetime], browser: Any) -> Any:
    """`await ask(method, path, body, user=...)` is status and answer."""
    it = browser(app=app, origin="http://127.0.0.1:8025")
    with engine.begin() as connection:
        row = {"id": ROB, "email": "rob@z.example", "role": "member", "created_at": clock()}
        connection.execute(schema.users.insert().values(row))
        tokens = {user: proofs.new_api_token(connection, user, "test", clock()) for user in (MARA, ROB)}

    async def asking(method: str, path: str, body: object = None, *, user: UserId = MARA) -> tuple[int, Any]:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = await it.request(method, path, {"authorization": f"Bearer {tokens[user]}"}, sent)
        return answer.status, json.loads(answer.body) if answer.body else None

    return asking


@pytest.fixture
async def made(ask: Any) -> str:
    status, found = await ask("POST", PATH, WELCOME)
    assert status == 201
    return f"{PATH}/{found['id']}"


async def test_what_is_made_is_shown_whole(ask: Any, made: str) -> None:
    status, found = await ask("GET", made)

    assert status == 200
    assert WELCOME == {name: found[name] for name in WELCOME}
    assert (["first_name", "company"], 1, True, False) == (
        found["placeholders"],
        found["version"],
        found["may_change"],
        found["removed"],
    )
    assert found["tracking"] == {"opens": None, "clicks": None, "opens_at_most": None, "clicks_at_most": None}
    listed = (await ask("GET", PATH))[1]["templates"]
    assert [("Welcome", "Hi {{first_name}}", 1)] == [(e["name"], e["subject"], e["version"]) for e in listed]


async def test_what_is_not_named_stays_and_other_words_are_a_version(ask: Any, made: str) -> None:
    status, found = await ask("PUT", made, {"html": "<p>Good day</p><script>x()</script>", "version": 1})
    assert (200, 2, "Hi {{first_name}}", "<p>Good day</p>", ["script"]) == (
        status,
        found["version"],
        found["subject"],
        found["html"],
        found["left_out"],
    )
    assert (await ask("PUT", made, {"name": "Hello"}))[1]["version"] == 2
    status, answer = await ask("PUT", made, {"html": "<p>Late</p>", "version": 1})
    assert (409, "Version 2 is the newest by now. Nothing was changed.") == (status, answer["error"]["message"])

    assert (await ask("GET", f"{made}?version=1"))[1]["html"] == WELCOME["html"]
    versions = (await ask("GET", f"{made}/versions"))[1]["versions"]
    assert [(2, 0), (1, 0)] == [(each["version"], each["messages"]) for each in versions]


async def test_a_template_says_what_is_tracked(ask: Any, made: str, engine: Engine) -> None:
    status, found = await ask("PUT", made, {"tracking": {"opens": "off", "clicks_at_most": "identified"}})

    assert (200, "off", "identified") == (status, found["tracking"]["opens"], found["tracking"]["clicks_at_most"])
    with reading(engine) as connection:
        assert policies.of_template(connection, made[-16:]).limit.clicks is Level.IDENTIFIED

    assert (await ask("PUT", "/api/v1/tracking", {"everybody": {"opens_at_most": "off"}}))[0] == 200
    status, answer = await ask("PUT", made, {"name": "Other", "tracking": {"opens": "full"}})
    assert (422, "Open tracking is switched off for everybody here.") == (status, answer["error"]["message"])
    assert (await ask("GET", made))[1]["name"] == "Welcome"


async def test_others_use_what_is_shared_and_change_nothing(ask: Any, made: str) -> None:
    for method, path in (("GET", made), ("PUT", made), ("DELETE", made), ("GET", f"{made}/versions")):
        assert (await ask(method, path, {} if method == "PUT" else None, user=ROB))[0] == 404
    await ask("PUT", made, {"shared": True})
    status, found = await ask("GET", made, user=ROB)
    assert (200, False) == (status, found["may_change"])
    for method, body in (("PUT", {"name": "Mine"}), ("DELETE", None)):
        status, answer = await ask(method, made, body, user=ROB)
        assert status == 403
        assert "belongs to" in answer["error"]["message"]


async def test_what_is_removed_is_offered_to_nobody_and_keeps_its_versions(ask: Any, made: str, engine: Engine) -> None:
    assert (await ask("DELETE", made)) == (204, None)
    assert (await ask("GET", PATH))[1]["templates"] == []
    assert (await ask("GET", made))[1]["removed"]
    with reading(engine) as connection:
        assert len(templates.versions(connection, TemplateId(int(made[-16:], 16)))) == 1
    assert not (await ask("PUT", made, {"removed": False}))[1]["removed"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"subject": "x", "html": "<p>a</p>"}, "name"),
        ({"name": "a\u0000", "html": "<p>a</p>"}, "name"),
        ({"name": "a"}, "html"),
        ({"name": "a", "subject": "a\r\nBcc: b@c.example", "html": "<p>a</p>"}, "subject"),
        ({"name": "a", "html": "<p>{{a b}}</p>"}, "html"),
        ({"name": "a", "html": "<p>a</p>", "text": "\u001b"}, "text"),
        ({"name": "a", "html": "<p>a</p>", "tracking": {"opens": "anonymous"}}, "tracking.opens"),
        ({"name": "a", "html": "<p>a</p>", "tracking": {"clicks_at_most": "most"}}, "tracking.clicks_at_most"),
    ],
)
async def test_what_cannot_be_kept_is_said_by_field_and_nothing_is(ask: Any, body: object, field: str) -> None:
    status, answer = await ask("POST", PATH, body)

    assert (422, [field]) == (status, list(answer["error"]["fields"]))
    assert (await ask("GET", PATH))[1]["templates"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"x": 1}', b'{"name": 1}'])
async def test_what_cannot_be_read_is_said_so(ask: Any, body: bytes) -> None:
    assert (await ask("POST", PATH, body))[0] == 400


async def test_a_body_that_is_too_large_is_said_so(ask: Any) -> None:
    assert (await ask("POST", PATH, b'{"html": "' + b"x" * 5_000_000 + b'"}'))[0] == 413


@pytest.mark.parametrize("version", ["0", "9", "-1", "x", "1" * 5_000, "%00"])
async def test_a_version_that_is_none_is_not_there(ask: Any, made: str, version: str) -> None:
    assert (await ask("GET", f"{made}?version={version}"))[0] == 404
    assert (await ask("GET", f"{made}?versoin=1"))[0] == 400
