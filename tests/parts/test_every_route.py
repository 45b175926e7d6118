"""What must hold for each route of the web side, also for the ones that are added tomorrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, select
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.routing import Route
from tests.keys import OneKey

from unsealed.inlets import guard, web
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.model.draft import Draft, Mode
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.template import Content
from unsealed.store import drafts, proofs, schema, templates

MARA = UserId(0x5E9D_0000_0000_0001)  # whose mail the fixture `mail` makes
OTHER = UserId(0x5E9D_0000_0000_0002)  # and one message of somebody else
MARAS = ("tidewater", "harbourline", "Harbourline", "Marchetti")  # words that stand in Mara's mail alone
STREAM = "/live"  # never ends; has tests of its own
CONTACT = "lotte@fennel.example"  # whom Mara wrote to
NEVER = "0123456789abcdef"  # an id that nothing has
HOSTILE = (
    "\0",
    ".",
    " ",
    "-1",
    "../../etc/passwd",
    "ffffffffffffffffffff.0123456789abcdef",
    "7fffffffffffffff.7fffffffffffffff",
    "-1.0123456789abcdef",
    "1_0.0123456789abcdef",
    "٣.0123456789abcdef",
    "\N{GRINNING FACE}",
    "<script>alert(1)</script>",
    "a" * 5000,
)
STORED = ("\0", "7fffffffffffffff.7fffffffffffffff", "1_0.0123456789abcdef", "\N{GRINNING FACE}", "a" * 5000)
ALONE = ("\0", "7fffffffffffffff.7fffffffffffffff", "٣.0123456789abcdef")


@pytest.fixture
def app(engine: Engine, clock: Any, tmp_path: Path) -> Starlette:
    return web.build(
        Surroundings(
            engine=engine,
            keys=OneKey(),
            clock=clock,
            origin="http://127.0.0.1:8025",
            tracking_url="http://127.0.0.1:8026",
            collector_socket=tmp_path / "collector.sock",
            smtp=SmtpWords(host="127.0.0.1", port=2525),
            sandbox=True,
        )
    )


@pytest.fixture
def ids(engine: Engine, mail: Mapping[str, MessageId], clock: Any) -> list[str]:
    """Some ids of Mara's: of messages, an event, a template, a draft and its file, of copies; and a contact."""
    with engine.begin() as connection:
        words = Content(subject="Harbourline", html="<p>From the tidewater</p>")
        template = templates.add(connection, MARA, "Harbourline", words, clock())
        answer = Draft(subject="Harbourline", answers=public_id(mail["proposal"]), mode=Mode.REPLY)
        draft = drafts.create(connection, MARA, answer, clock())
        drafts.attach(
            connection,
            draft,
            name="plan.txt",
            media_type="text/plain",
            content=b"tidewater",
            inline=False,
            now=clock(),
        )
        connection.execute(schema.attachments.update().values(id=draft))  # one value fills all parameters of a path
        copies = connection.execute(
            select(schema.copies.c.id).where(schema.copies.c.message_id == mail["proposal"])
        ).scalars()
        events = connection.execute(
            select(schema.events.c.hit_id).where(schema.events.c.message_id == mail["proposal"]).limit(1)
        ).scalars()
        first = [public_id(number) for number in (mail["proposal"], mail["hostile"], *events, template, draft)]
        return [*first, CONTACT, *(public_id(number) for number in copies)]


@pytest.fixture
def visit(app: Starlette, browser: Any, engine: Engine, clock: Any, mail: Mapping[str, MessageId]) -> Any:
    """`visit(user)` is a browser in which that user is signed in, with an API token beside the cookie."""

    def signed_in(user: UserId) -> Any:
        with engine.begin() as connection:
            cookie, csrf = proofs.new_session(connection, user, "127.0.0.1", browser.user_agent, clock())
            token = proofs.new_api_token(connection, user, "test", clock())
            credential = proofs.check_api_token(connection, token)
            assert credential is not None
            proofs.note_use(connection, credential, clock())
        return browser(app=app, cookies={"unsealed": cookie}, token=csrf), {"authorization": f"Bearer {token}"}

    return signed_in


def paths(app: Starlette, method: str) -> list[str]:
    """The paths of all routes that answer a method, with their {parameters}."""
    found = [each.path for each in app.routes if isinstance(each, Route) and method in (each.methods or ())]
    assert found
    return [path for path in dict.fromkeys(found) if path != STREAM]


def changes(app: Starlette) -> list[tuple[str, str]]:
    """Method and path of all routes that change something."""
    return [(method, path) for method in ("POST", "PUT", "DELETE") for path in paths(app, method)]


async def changed(it: Any, method: str, path: str, form: dict[str, str], token: dict[str, str]) -> Any:
    """Ask for a change as those do who may: a form of a page, its script, or a program with its token."""
    if method == "POST" and not path.startswith("/api/"):
        return await it.post(path, form)
    return await it.request(method, path, {"origin": it.origin, "x_csrf_token": it.token} | token, b"{}")


def filled(path: str, value: str) -> str:
    return re.sub(r"\{[^}]+\}", quote(value, safe=""), path)


def everything(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [
            str(row)
            for table in schema.metadata.sorted_tables
            for row in connection.execute(select(table).order_by(*table.primary_key))
        ]


async def test_mara_herself_sees_her_mail(visit: Any, app: Starlette, ids: list[str]) -> None:
    """The control: without it the next test could pass on routes that show nothing to anybody."""
    it, token = visit(MARA)
    shown = [
        path
        for path in paths(app, "GET")
        if "{id}" in path
        and any(
            answer.status == 200 and any(word in answer.text for word in MARAS)
            for answer in [await it.get(filled(path, each), **token) for each in ids]
        )
    ]

    assert [path for path in paths(app, "GET") if "{id}" in path] == shown


async def test_no_route_shows_or_touches_what_belongs_to_another(
    visit: Any, app: Starlette, ids: list[str], engine: Engine
) -> None:
    it, token = visit(OTHER)
    before = everything(engine)
    form = {"as": "thunderbird", "link": "0", "answer": "me", "what": "notes", "notes": "x"}
    for path in paths(app, "GET"):
        unknown = await it.get(filled(path, NEVER), **token)
        for plain in dict.fromkeys(filled(path, each) for each in ids):
            answer = await it.get(plain, **token)

            assert [] == [word for word in MARAS if word in answer.text], path
            assert unknown.status == answer.status, path
        for each in ids:
            for query in (f"?m={each}", f"?id={each}&copy={each}&message={each}"):
                answer = await it.get(filled(path, each) + query, **token)

                assert [] == [word for word in MARAS if word in answer.text], (path, query)
    for method, path in changes(app):
        if "{id}" in path or "{address" in path:
            for each in (NEVER, *ids):
                answer = await changed(it, method, filled(path, each), {"id": each} | form, token)

                assert 404 == answer.status, (method, path)
    assert before == everything(engine)


async def test_no_get_changes_anything(visit: Any, app: Starlette, ids: list[str], engine: Engine, clock: Any) -> None:
    it, token = visit(MARA)
    with engine.begin() as connection:
        link = proofs.new_login_link(connection, OTHER, clock())
    before = everything(engine)
    for method in ("GET", "HEAD"):
        for path in [*paths(app, "GET"), *paths(app, "POST")]:
            for address in dict.fromkeys(filled(path, value) for value in (ids[0], ids[-1], link)):
                await it.request(method, address, token)
                await it.request(method, f"{address}?id=x&address=a@b.example&label=x&delete=1", token)

    assert before == everything(engine)


async def test_the_signed_out_get_nothing_but_the_open_pages(app: Starlette, browser: Any, ids: list[str]) -> None:
    it = browser(app=app)
    for path in paths(app, "GET"):
        answer = await it.get(filled(path, ids[0]))
        if guard.is_open(path):
            assert answer.status in (200, 401, 404), path
        else:
            assert (303, "/sign-in") == (answer.status, answer.headers["location"].partition("?")[0]), path
        assert [] == [word for word in MARAS if word in answer.text], path
    for method, path in changes(app):
        answer = await changed(it, method, filled(path, ids[0]), {}, {})
        assert answer.status in (401, 404), (method, path)


async def test_no_change_is_made_for_another_site(visit: Any, app: Starlette, ids: list[str], engine: Engine) -> None:
    it, _ = visit(MARA)
    before = everything(engine)
    for path in paths(app, "POST"):
        for headers in ({"origin": "https://evil.example"}, {"origin": ""}, {"sec_fetch_site": "cross-site"}):
            wanted = 401 if path.startswith("/api/") else 403  # programs have tokens, which no other site can send
            assert wanted == (await it.post(filled(path, ids[0]), **headers)).status, path
    it.token = ""
    for path in paths(app, "POST"):
        wanted = 401 if path.startswith("/api/") else 403
        assert wanted == (await it.post(filled(path, ids[0]))).status, path
    assert before == everything(engine)


async def test_every_answer_carries_the_security_headers(visit: Any, app: Starlette, ids: list[str]) -> None:
    it, token = visit(MARA)
    letters = 0
    for path in paths(app, "GET"):
        for each in (ids[0], ids[-1]):
            answer = await it.get(filled(path, each), **token)
            policy = answer.headers["content-security-policy"]

            assert "default-src 'none'" in policy, path
            assert "nosniff" == answer.headers["x-content-type-options"], path
            assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer"), path
            if (
                path.endswith(("/letter", "/quote")) and answer.status == 200
            ):  # brings its own styles, and must do nothing else
                letters += 1
                assert "sandbox;" in policy, path
                assert "script-src" not in policy, path
            else:
                assert "unsafe" not in policy, path
    assert letters


@pytest.fixture
def looked_for(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the parameters that any route has looked for in its query, whether they were there or not."""
    names: set[str] = set()

    def noting(look: Callable[[QueryParams, str], object]) -> Callable[[QueryParams, str], object]:
        def noted(given: QueryParams, name: str) -> object:
            names.add(name)
            return look(given, name)

        return noted

    for look in ("__contains__", "__getitem__", "getlist"):
        monkeypatch.setattr(QueryParams, look, noting(getattr(QueryParams, look)))
    return names


async def test_hostile_values_never_break_an_answer(
    visit: Any, app: Starlette, ids: list[str], looked_for: set[str], engine: Engine
) -> None:
    it, token = visit(MARA)
    # What a value does before the store sees it does not depend on the store.
    values = HOSTILE if engine.dialect.name == "sqlite" else STORED
    usual = "q after cursor state sort m limit kind show events people done next who lines open correction".split()
    usual += "reply reply_all forward copy to template tag".split()
    failed = []

    async def tried(path: str) -> Any:
        answer = await it.get(path, **token)
        if answer.status >= 500:
            failed.append((path[:120], answer.status, repr(answer.raised)[:120]))
        return answer

    for path in paths(app, "GET"):
        looked_for.clear()
        for there in dict.fromkeys(filled(path, each) for each in (ids[0], ids[-1])):
            await tried(there)
        names = sorted(looked_for)
        for value in values:
            if "{" in path:
                await tried(filled(path, value[:200]))
            query = "&".join(f"{name}={quote(value)}" for name in sorted({*names, *usual}))
            for there in dict.fromkeys(f"{filled(path, each)}?{query}" for each in (ids[-1], ids[0])):
                answer = await tried(there)
            if value in ALONE and answer.status != 200:  # a first parameter that is refused hides the others
                for name in names:
                    await tried(f"{filled(path, ids[0])}?{name}={quote(value)}")
        for cookie in ("zone=%00", "zone=../x", "zone=" + "x" * 4000, "unsealed=" + "\xff" * 100):
            answer = await it.get(filled(path, ids[0]), cookie=f"{cookie}; a=b")
            if answer.status >= 500:
                failed.append((path, cookie[:20], repr(answer.raised)[:120]))

    assert [] == failed


@pytest.mark.parametrize("path", ["/sent/", "/api/v1/messages/"])
async def test_no_address_is_made_from_the_host_header(visit: Any, path: str) -> None:
    it, token = visit(MARA)
    answer = await it.get(path, host="localhost:1", **token)

    assert (404, None) == (answer.status, answer.headers.get("location"))
