from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from starlette.applications import Starlette
from tests.patience import PATIENCE_S

from unsealed.inlets import web
from unsealed.inlets.web.sending import TRIES, TRIES_WITHIN
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import UserId
from unsealed.model.policy import OFF, Switches
from unsealed.model.ports import Parcel, RefreshTokens
from unsealed.model.upstream import Attempt, Line, Speaker, Trouble, Upstream, is_local
from unsealed.store import proofs, schema, upstreams
from unsealed.store.engine import reading
from unsealed.store.upstreams import EVERYBODY

MARA = UserId(0x5E9D_0000_0000_0001)  # an owner
OTHER = UserId(0x5E9D_0000_0000_0002)  # a member
HERE = "/settings/sending"
FORM = {
    "whose": "own",
    "host": "smtp.example.org",
    "port": "587",
    "tls": "starttls",
    "auth": "password",
    "user": "mara@tidewater.example",
    "password": "open sesame",
}
TOOK = Attempt(lines=(Line(by=Speaker.THEM, words="250 Ok <b>"),), words="250 Ok")


class Hop:
    """Takes what is tried out, or does not."""

    def __init__(self) -> None:
        self.tried: list[tuple[Upstream, Parcel]] = []
        self.answer = TOOK
        self.go = asyncio.Event()
        self.go.set()
        self.begun = asyncio.Event()

    async def __call__(self, upstream: Upstream, _tokens: RefreshTokens, parcel: Parcel) -> Attempt:
        self.tried.append((upstream, parcel))
        if not self.go.is_set():
            self.begun.set()
        await self.go.wait()
        return self.answer


@pytest.fixture
def hop() -> Hop:
    return Hop()


@pytest.fixture
def app(around: Surroundings, hop: Hop) -> Starlette:
    """A tracking address that only this machine reaches: mail that leaves it is not tracked."""
    return web.build(replace(around, try_upstream=hop, allowed_by=lambda host: Switches() if is_local(host) else OFF))


@pytest.fixture
def other(app: Starlette, mara: Any, engine: Engine, clock: Any, browser: Any) -> Any:
    """The browser of a member."""
    it = browser(app=app)
    with engine.begin() as connection:
        it.cookies["unsealed"], it.token = proofs.new_session(connection, OTHER, "192.0.2.9", "test", clock())
    return it


def kept(engine: Engine, owner: UserId = MARA) -> Any:
    with reading(engine) as connection:
        return upstreams.of(connection, owner)


def letters(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.messages)).scalar_one()


async def test_a_server_is_kept_and_shown_without_its_password(mara: Any, engine: Engine) -> None:
    assert "They land in the Sandbox" in (await mara.get(HERE)).text
    saved = await mara.post(HERE, FORM)
    page = (await mara.get(saved.headers["location"].partition("#")[0])).text

    assert (303, f"{HERE}?done=kept#own") == (saved.status, saved.headers["location"])
    assert "Letters leave this way from now on" in page
    assert "by <code>smtp.example.org</code> port 587" in page
    assert "One is kept." in page
    assert "sesame" not in page
    assert b"sesame" not in kept(engine).secret


async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(mara: Any, engine: Engine) -> None:
    form = FORM | {"host": "smtp://evil<script>", "port": "99999", "user": "a\r\nb", "password": "s" * 10_000}
    answer = await mara.post(HERE, form)

    assert 422 == answer.status
    for field in ("host", "port", "user", "password"):
        assert f'id="own-{field}-says">' in answer.text, field
    assert 'value="smtp://evil&lt;script&gt;"' in answer.text
    assert 'value="99999"' in answer.text
    assert "sss" not in answer.text
    assert kept(engine) is None


async def test_another_host_does_not_get_the_password(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, FORM)
    answer = await mara.post(HERE, FORM | {"host": "smtp.evil.example", "password": ""})

    assert 422 == answer.status
    assert "it was for mara@tidewater.example at smtp.example.org" in answer.text
    assert "smtp.example.org" == kept(engine).host
    assert 303 == (await mara.post(HERE, FORM | {"port": "465", "tls": "implicit", "password": ""})).status
    assert 465 == kept(engine).port


async def test_a_test_goes_to_the_own_address_by_what_is_kept_and_is_no_letter(
    mara: Any, engine: Engine, hop: Hop
) -> None:
    before = letters(engine)
    await mara.post(HERE, FORM)
    answer = await mara.post(f"{HERE}/test", {"whose": "own", "to": "eve@evil.example"})

    [(upstream, parcel)] = hop.tried
    assert (upstream.host, upstream.password) == ("smtp.example.org", "open sesame")
    assert (parcel.envelope_from, parcel.recipient) == ("mara@tidewater.example", "mara@tidewater.example")
    assert b"To: <mara@tidewater.example>" in parcel.raw
    assert b"http://127.0.0.1:8026" not in parcel.raw  # nothing is tracked
    assert "The test letter left for mara@tidewater.example." in answer.text
    assert "250 Ok &lt;b&gt;" in answer.text
    assert before == letters(engine)


async def test_an_account_that_is_an_own_address_gets_the_test(
    mara: Any, engine: Engine, hop: Hop, clock: Callable[[], datetime]
) -> None:
    proven = {"address": "mara@gmail.example", "user_id": MARA, "created_at": clock()}
    with engine.begin() as connection:
        connection.execute(schema.identities.insert().values(proven))
    await mara.post(HERE, FORM | {"user": "Mara@gmail.example", "then": "test"})

    assert [parcel.recipient for _, parcel in hop.tried] == ["mara@gmail.example"]


@pytest.mark.parametrize("trouble", list(Trouble))
async def test_a_test_that_fails_says_what_to_do_and_shows_the_dialogue(mara: Any, hop: Hop, trouble: Trouble) -> None:
    lines = (Line(by=Speaker.US, words="AUTH PLAIN ***"), Line(by=Speaker.THEM, words="535 5.7.8 <script>no</script>"))
    hop.answer = Attempt(lines=lines, trouble=trouble, words="smtp.example.org:587 said no")
    answer = await mara.post(HERE, FORM | {"then": "test"})

    assert 200 == answer.status
    assert 'role="alert"' in answer.text
    assert "The test letter did not leave." in answer.text
    assert "AUTH PLAIN ***" in answer.text
    assert "535 5.7.8 &lt;script&gt;no&lt;/script&gt;" in answer.text
    assert "smtp.example.org:587 said no" in answer.text
    assert "sesame" not in answer.text


async def test_tests_are_not_a_tool_to_look_around_with(
    mara: Any, hop: Hop, clock: Callable[[], datetime], engine: Engine
) -> None:
    await mara.post(HERE, FORM)
    statuses = [(await mara.post(f"{HERE}/test", {"whose": "own"})).status for _ in range(TRIES + 1)]
    assert statuses == [200] * TRIES + [429]
    clock.advance(TRIES_WITHIN)  # type: ignore[attr-defined]
    hop.go.clear()
    first = asyncio.create_task(mara.post(f"{HERE}/test", {"whose": "own"}))
    await asyncio.wait_for(hop.begun.wait(), PATIENCE_S)
    second = await mara.post(f"{HERE}/test", {"whose": "own"})
    hop.go.set()

    assert (429, 200) == (second.status, (await first).status)
    assert "under way" in second.text


async def test_without_a_server_there_is_nothing_to_test(mara: Any, hop: Hop) -> None:
    answer = await mara.post(f"{HERE}/test", {"whose": "own"})

    assert (422, []) == (answer.status, hop.tried)
    assert "save the server first" in answer.text


async def test_members_choose_for_themselves_alone(other: Any, mara: Any, engine: Engine, hop: Hop) -> None:
    page = (await other.get(HERE)).text
    assert "For everybody here" not in page
    for path in (HERE, f"{HERE}/test", f"{HERE}/remove"):
        assert 403 == (await other.post(path, FORM | {"whose": "everybody"})).status, path
    assert 404 == (await other.post(HERE, FORM | {"whose": str(MARA)})).status
    answer = await other.post(HERE, FORM | {"host": "10.0.0.1"})
    assert 422 == answer.status
    assert "private network" in answer.text
    assert (kept(engine), kept(engine, OTHER), kept(engine, EVERYBODY), hop.tried) == (None, None, None, [])

    assert 303 == (await mara.post(HERE, FORM | {"host": "10.0.0.1"})).status  # an owner


async def test_everybodys_server_is_for_all_who_chose_none(other: Any, mara: Any, engine: Engine) -> None:
    await mara.post(HERE, FORM | {"whose": "everybody", "host": "all.example"})
    page = (await other.get(HERE)).text

    assert "by <code>all.example</code>" in page
    assert "The choice for everybody here" in page
    assert "mara@tidewater.example" not in page  # the user name of the account is not for all
    await other.post(HERE, FORM)
    assert "by <code>smtp.example.org</code>" in (await other.get(HERE)).text


async def test_pages_speak_of_the_sandbox_to_those_whose_mail_lands_there(other: Any, mara: Any) -> None:
    await mara.post(HERE, FORM | {"host": "localhost", "tls": "none"})

    assert 'href="/sandbox"' not in (await mara.get("/sent")).text
    assert "land in the Sandbox" not in (await mara.get("/settings/access")).text
    assert 'href="/sandbox"' in (await other.get("/sent")).text
    assert "land in the Sandbox" in (await other.get("/settings/access")).text


async def test_mail_that_leaves_is_not_tracked_where_its_links_would_lead_nowhere(other: Any, mara: Any) -> None:
    token = (await mara.post("/settings/access/api-tokens", {"label": "x"})).text
    secret = token.split('<code class="secret">')[1].split("<")[0]
    bearer = {"authorization": f"Bearer {secret}"}
    assert (await mara.get("/api/v1/tracking", **bearer)).json["opens"]["level"] == "full"
    await mara.post(HERE, FORM)

    page = (await mara.get(HERE)).text
    assert "their links would lead nowhere" in page
    assert (await mara.get("/api/v1/tracking", **bearer)).json["opens"]["level"] == "off"
    assert "their links would lead nowhere" not in (await other.get(HERE)).text


async def test_removing_leads_back_to_the_usual_way(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, FORM)
    removed = await mara.post(f"{HERE}/remove", {"whose": "own"})

    assert f"{HERE}?done=removed#own" == removed.headers["location"]
    assert kept(engine) is None
    assert 303 == (await mara.post(f"{HERE}/remove", {"whose": "own"})).status


async def test_tokens_are_kept_and_their_address_is_shown_again(mara: Any, engine: Engine) -> None:
    form = FORM | {
        "auth": "xoauth2",
        "password": "",
        "token_url": "https://oauth2.googleapis.com/token",
        "client_id": "the client",
        "client_secret": "hush",
        "refresh_token": "1//once more",
    }
    assert 303 == (await mara.post(HERE, form)).status
    page = (await mara.get(HERE)).text
    assert 'value="https://oauth2.googleapis.com/token"' in page
    assert 'value="the client"' in page
    assert "hush" not in page
    assert "once more" not in page
    assert 303 == (await mara.post(HERE, form | {"client_secret": "", "refresh_token": ""})).status
    answer = await mara.post(HERE, form | {"refresh_token": "", "token_url": "https://evil.example/"})
    assert 422 == answer.status
    assert "it was for oauth2.googleapis.com" in answer.text


async def test_when_the_keys_are_others_the_page_asks_for_the_password_again(
    mara: Any, engine: Engine, around: Surroundings, hop: Hop, browser: Any, clock: Any
) -> None:
    class OtherKeys:
        newest = 0

        def key(self, key_id: int) -> bytes | None:
            return bytes(64)

    await mara.post(HERE, FORM)
    mara.app = web.build(replace(around, try_upstream=hop, keys=OtherKeys()))
    answer = await mara.post(f"{HERE}/test", {"whose": "own"})

    assert (422, []) == (answer.status, hop.tried)
    assert "The secret cannot be opened" in answer.text
