from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from tests.keys import NoKeys

from unsealed.inlets import web
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.model.message import UserId
from unsealed.store import notices, people, proofs, schema
from unsealed.store.proofs import CredentialKind

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "wrong donkey charger paperclip"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{{7*7}}"


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite alone: the questions to the store are tested on both databases in test_people.py."""
    return sqlite_url


@pytest.fixture
def app(engine: Engine, clock: Any, tmp_path: Path) -> Any:
    return web.build(
        Surroundings(
            engine=engine,
            keys=NoKeys(),
            clock=clock,
            origin="http://127.0.0.1:8025",
            tracking_url="http://127.0.0.1:8026",
            collector_socket=tmp_path / "collector.sock",
            smtp=SmtpWords(host="127.0.0.1", port=2525),
            sandbox=True,
        )
    )


@pytest.fixture
def it(app: Any, browser: Any) -> Any:
    """A browser that nobody has signed in with yet."""
    return browser(app=app)


@pytest.fixture
def ines(engine: Engine, now: datetime) -> UserId:
    with engine.begin() as connection:
        return people.add_user(connection, "ines@example.org", "owner", now, PASSWORD)


@pytest.fixture
def link(engine: Engine, now: datetime) -> str:
    """The path of the one-time link of a fresh installation, whose owner has no name and no password yet."""
    with engine.begin() as connection:
        owner = people.add_user(connection, "owner@localhost", "owner", now)
        return f"/welcome/{proofs.new_login_link(connection, owner, now)}"


async def sign_in(it: Any, email: str = "ines@example.org", password: str = PASSWORD, onward: str = "/sent") -> Any:
    await it.get("/sign-in")
    return await it.post("/sign-in", {"email": email, "password": password, "next": onward})


def alive(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(table)).all())


def secret_in(page: str) -> str:
    [first, *others] = re.findall(r'<code class="secret">([^<]+)</code>', page)
    assert {first} >= set(others)
    return str(first)


# --------------------------------------------------------------------------------------------- sign in, sign out


async def test_signing_in_leads_on_with_a_new_session_and_signing_out_ends_it(
    it: Any, engine: Engine, ines: UserId
) -> None:
    answer = await sign_in(it, onward="/settings")
    cookie = it.cookies["unsealed"]

    assert (303, "/settings") == (answer.status, answer.headers["location"])
    [line] = answer.cookies
    assert "HttpOnly; SameSite=Lax" in line

    page = await it.get("/settings/access")
    assert 200 == page.status
    answer = await it.post("/sign-out")
    assert (303, "/sign-in", 0) == (answer.status, answer.headers["location"], alive(engine, schema.sessions))
    it.cookies["unsealed"] = cookie  # whoever kept it has nothing
    assert 303 == (await it.get("/settings/access")).status


async def test_wrong_name_and_wrong_password_read_the_same(
    it: Any, ines: UserId, engine: Engine, now: datetime
) -> None:
    with engine.begin() as connection:
        people.add_user(connection, "rob@example.org", "member", now)  # has chosen no password yet

    answers = [
        await sign_in(it, email, password)
        for email, password in [("ines@example.org", "x"), ("nobody@example.org", PASSWORD), ("rob@example.org", "")]
    ]

    assert [401, 401, 401] == [answer.status for answer in answers]
    assert 1 == len({re.sub(r'value="[^"]*@[^"]*"', "", answer.text) for answer in answers})
    assert "This name and this password do not belong together." in answers[0].text
    assert {} == it.cookies


async def test_the_sixth_failure_within_a_minute_says_to_wait(it: Any, ines: UserId) -> None:
    for _ in range(5):
        assert 401 == (await sign_in(it, password="x")).status
    answer = await sign_in(it)

    assert (429, "60") == (answer.status, answer.headers["retry-after"])
    assert "Wait a minute" in answer.text


async def test_a_session_is_renewed_when_signing_in_so_that_a_planted_one_is_worth_nothing(
    it: Any, engine: Engine, ines: UserId
) -> None:
    it.cookies["unsealed"] = "planted"
    await sign_in(it)
    first = it.cookies["unsealed"]
    await it.get("/settings/access")
    await it.post("/sign-in", {"email": "ines@example.org", "password": PASSWORD})

    assert 3 == len({"planted", first, it.cookies["unsealed"]})
    assert 1 == alive(engine, schema.sessions)


async def test_who_is_signed_in_need_not_do_it_again(it: Any, ines: UserId) -> None:
    await sign_in(it)
    answer = await it.get("/sign-in?next=/settings")

    assert (303, "/settings") == (answer.status, answer.headers["location"])


async def test_the_way_on_stays_inside(it: Any, ines: UserId) -> None:
    assert "/" == (await sign_in(it, onward="https://evil.example/")).headers["location"]


# ------------------------------------------------------------------------------------------------------- welcome


async def test_looking_at_a_link_changes_nothing_and_its_button_uses_it_up(
    it: Any, engine: Engine, link: str, clock: Any
) -> None:
    for method in ("GET", "HEAD", "GET"):
        assert 200 == (await it.request(method, link, {})).status
    assert (0, 0) == (alive(engine, schema.sessions), alive(engine, schema.credentials))

    await it.get(link)
    page = await it.post(link, {"address": "Mara@Tidewater.example", "password": PASSWORD})

    assert 200 == page.status
    assert "mara@tidewater.example" in page.text
    with engine.begin() as connection:
        owner = people.owner(connection)
        assert owner is not None
        assert ("mara@tidewater.example", True) == (owner.email, owner.has_password)
        assert people.may_send_from(connection, owner.id, "mara@tidewater.example")
        assert owner.id == proofs.check_app_password(
            connection, "mara@tidewater.example", secret_in(page.text), clock()
        )
    assert 200 == (await it.get("/settings/access")).status
    assert 404 == (await it.get(link)).status
    assert 404 == (await it.post(link, {"address": "a@b.example", "password": PASSWORD})).status


async def test_signing_in_works_with_the_address_chosen_at_the_welcome(
    it: Any, link: str, app: Any, browser: Any
) -> None:
    await it.get(link)
    await it.post(link, {"address": "mara@tidewater.example", "password": PASSWORD})

    assert 303 == (await sign_in(browser(app=app), "MARA@tidewater.example")).status


@pytest.mark.parametrize(
    ("address", "password", "words"),
    [
        ("nonsense", PASSWORD, "is not an e-mail address"),
        ("mara@tidewater.example", "short", "at least 12 characters"),
        ("", PASSWORD, "An e-mail address is missing"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_the_link_still_works(
    it: Any, link: str, address: str, password: str, words: str
) -> None:
    await it.get(link)
    answer = await it.post(link, {"address": address, "password": password})

    assert 422 == answer.status
    assert re.search(rf'aria-invalid="true".*?class="says wrong"[^>]*>.*?{words}', answer.text, re.DOTALL)
    assert 200 == (await it.post(link, {"address": "mara@tidewater.example", "password": PASSWORD})).status


async def test_an_address_of_somebody_else_is_refused_and_the_link_still_works(
    it: Any, engine: Engine, link: str, ines: UserId
) -> None:
    await it.get(link)
    answer = await it.post(link, {"address": "ines@example.org", "password": PASSWORD})

    assert 422 == answer.status
    assert "belongs to another user" in answer.text
    assert 0 == alive(engine, schema.sessions)
    assert 200 == (await it.get(link)).status


async def test_a_link_that_is_old_says_what_to_do(it: Any, link: str, clock: Any) -> None:
    clock.advance(timedelta(days=1))
    answer = await it.get(link)

    assert 404 == answer.status
    assert "unsealed user link EMAIL" in answer.text
    assert re.search(r"number <code>[0-9a-f]{8}</code>", answer.text)


async def test_a_new_link_is_the_way_back_for_who_forgot_the_password(
    it: Any, engine: Engine, ines: UserId, now: datetime, app: Any, browser: Any
) -> None:
    thief = browser(app=app)
    await sign_in(thief)
    with engine.begin() as connection:
        link = f"/welcome/{proofs.new_login_link(connection, ines, now)}"

    await it.get(link)
    assert 200 == (await it.post(link, {"address": "", "password": NEW_PASSWORD})).status

    assert 303 == (await thief.get("/settings/access")).status
    assert 401 == (await sign_in(thief)).status
    assert 303 == (await sign_in(thief, password=NEW_PASSWORD)).status


# ------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(("path", "kind"), [("app-passwords", CredentialKind.SMTP), ("api-tokens", CredentialKind.API)])
async def test_a_secret_is_shown_once_and_can_be_revoked(
    it: Any, engine: Engine, ines: UserId, now: datetime, path: str, kind: CredentialKind
) -> None:
    await sign_in(it)
    await it.get("/settings/access")
    secret = secret_in((await it.post(f"/settings/access/{path}", {"label": "Laptop"})).text)
    with engine.begin() as connection:
        [made] = proofs.credentials_of(connection, ines, kind)
        if kind is CredentialKind.SMTP:
            assert ines == proofs.check_app_password(connection, "ines@example.org", secret, now)
        else:
            assert proofs.check_api_token(connection, secret) is not None

    page = (await it.get("/settings/access")).text
    assert "Laptop" in page
    assert secret not in page
    assert (303, "/settings/access") == (
        (again := await it.get(f"/settings/access/{path}")).status,
        again.headers["location"],
    )
    answer = await it.post("/settings/access/revoke", {"id": made.id})
    assert (303, "/settings/access?done=revoked#programs") == (answer.status, answer.headers["location"])
    assert 0 == alive(engine, schema.credentials)
    assert "Revoked." in (await it.get("/settings/access?done=revoked")).text


async def test_a_new_password_needs_the_old_one_and_signs_all_others_out(
    it: Any, ines: UserId, app: Any, browser: Any
) -> None:
    other = browser(app=app)
    await sign_in(other)
    await sign_in(it)
    await it.get("/settings/access")

    wrong = await it.post("/settings/access/password", {"current": "guess", "password": NEW_PASSWORD})
    weak = await it.post("/settings/access/password", {"current": PASSWORD, "password": "short"})
    done = await it.post("/settings/access/password", {"current": PASSWORD, "password": NEW_PASSWORD})

    assert (422, 422, 303) == (wrong.status, weak.status, done.status)
    assert "not your present password" in wrong.text
    assert "at least 12 characters" in weak.text
    assert 200 == (await it.get("/settings/access")).status
    assert 303 == (await other.get("/settings/access")).status


async def test_all_other_browsers_can_be_signed_out(it: Any, ines: UserId, app: Any, browser: Any) -> None:
    other = browser(app=app, user_agent="Other/1.0", address="192.0.2.44")
    await sign_in(other)
    await sign_in(it)
    page = (await it.get("/settings/access")).text
    assert "192.0.2.44" in page

    assert 303 == (await it.post("/settings/access/browsers/others")).status
    assert 200 == (await it.get("/settings/access")).status
    assert 303 == (await other.get("/settings/access")).status


# ------------------------------------------------------------------------------------------------------- tenants


async def test_nobody_touches_what_belongs_to_another(it: Any, engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        rob = people.add_user(connection, "rob@example.org", "member", now)
        people.add_identity(connection, rob, "rob@work.example", now)
        proofs.new_app_password(connection, rob, "Rob's own", now)
        [robs] = proofs.credentials_of(connection, rob, CredentialKind.SMTP)
        proofs.new_session(connection, rob, "198.51.100.77", "RobsBrowser", now)
        [robs_browser] = proofs.sessions_of(connection, rob, now)
    await sign_in(it)
    page = (await it.get("/settings/access")).text

    assert 404 == (await it.post("/settings/access/revoke", {"id": robs.id})).status
    assert 404 == (await it.post("/settings/identities/remove", {"address": "rob@work.example"})).status
    assert 404 == (await it.post("/settings/access/browsers", {"id": robs_browser.id})).status
    await it.post("/settings/access/browsers/others")
    for word in ("rob@", "Rob&#39;s own", robs.id, "198.51.100.77", "RobsBrowser"):
        assert word not in page
    with engine.connect() as connection:
        assert [robs] == proofs.credentials_of(connection, rob, CredentialKind.SMTP)
        assert 1 == len(proofs.sessions_of(connection, rob, now))
        assert ["rob@example.org", "rob@work.example"] == people.identities_of(connection, rob)


# -------------------------------------------------------------------------------------------------- hostile text


async def test_hostile_text_is_shown_as_text(it: Any, engine: Engine, ines: UserId) -> None:
    it.user_agent = HOSTILE.encode("ascii", "ignore").decode()
    await sign_in(it)
    await it.get("/settings/access")
    pages = [
        await it.post("/settings/access/app-passwords", {"label": HOSTILE}),
        await it.post("/settings/access/api-tokens", {"label": HOSTILE}),
        await it.post("/settings/identities", {"address": HOSTILE}),
        await it.get("/settings/access"),
        await it.get(f"/nowhere/{HOSTILE[:20]}"),
    ]
    it.cookies.clear()
    pages.append(await sign_in(it, HOSTILE, "x", onward="/" + HOSTILE))

    assert [200, 200, 422, 200, 404, 401] == [page.status for page in pages]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert not re.search(r"<script(?![^>]*\bsrc=)", page.text)
        shown = re.sub(r'value="[^"]*"', "", page.text)  # a field may hold what was typed, as typed
        assert "\u202e" not in shown
        assert not re.search(r"""\sstyle=|\son[a-z]+=["']""", shown)


async def test_no_get_of_these_pages_changes_anything(it: Any, engine: Engine, ines: UserId, link: str) -> None:
    await sign_in(it)
    before = everything(engine)
    for path in (
        link,
        "/sign-in",
        "/sign-out",
        "/settings",
        "/settings/access?done=revoked",
        "/settings/identities?address=x@y.example",
        "/settings/identities/remove?address=ines@example.org",
        "/settings/access/app-passwords?label=x",
        "/settings/access/api-tokens?label=x",
        "/settings/access/revoke?id=x",
        "/settings/access/browsers/others",
        "/settings/access/password?current=x&password=y",
    ):
        for method in ("GET", "HEAD"):
            await it.request(method, path, {})

    assert before == everything(engine)


def everything(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [
            str(row)
            for table in schema.metadata.sorted_tables
            for row in connection.execute(select(table).order_by(*table.primary_key))
        ]


# -------------------------------------------------------------------------------------------------------- errors


async def test_errors_are_pages_for_people_and_json_for_programs(it: Any, ines: UserId) -> None:
    await sign_in(it)
    page = await it.get("/nowhere")
    wrong_way = await it.get("/sign-out")
    program = await it.get("/api/v1/nowhere")
    wrong_verb = await it.request("DELETE", "/api/v1/messages", {})
    nobody = await it.get("/api/v1/messages")

    assert (404, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
    assert (405, "POST") == (wrong_way.status, wrong_way.headers["allow"])
    assert [404, 405, 401] == [answer.status for answer in (program, wrong_verb, nobody)]
    for answer in (program, wrong_verb, nobody):
        assert {"status", "message", "number"} == answer.json["error"].keys()
        assert answer.json["error"]["message"]


async def test_an_unknown_error_is_a_guarded_page_that_gives_nothing_away(
    it: Any, ines: UserId, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("canary-secret-7f3a")

    await sign_in(it)
    monkeypatch.setattr(proofs, "sessions_of", break_down)
    answer = await it.get("/settings/access")

    assert 500 == answer.status
    assert isinstance(answer.raised, RuntimeError)  # the server gets it too, after the answer went out
    assert "Nothing that was acknowledged is lost" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "canary-secret" not in answer.text + "".join(capfd.readouterr())


async def test_no_log_holds_a_secret(
    it: Any, link: str, capfd: pytest.CaptureFixture[str], engine: Engine, now: datetime
) -> None:
    await it.post(link, origin="https://evil.example")
    await it.get(link)
    secret = secret_in((await it.post(link, {"address": "mara@tidewater.example", "password": PASSWORD})).text)
    await it.get(link)
    await sign_in(it, "mara@tidewater.example", NEW_PASSWORD)
    written = "".join(capfd.readouterr())

    assert "request.refused" in written
    for canary in (link.removeprefix("/welcome/"), PASSWORD, NEW_PASSWORD, secret, it.cookies["unsealed"], "mara@"):
        assert canary not in written


async def test_notices_know_zone_and_clock_of_the_browser_that_signed_in(it: Any, engine: Engine, ines: UserId) -> None:
    it.cookies["zone"] = "America%2FNew_York~-300~12"
    await sign_in(it)
    with engine.connect() as connection:
        wants = notices.wants(connection, ines)
        notices.want(connection, ines, replace(wants, zone="Europe/Lisbon"))
        chosen = notices.wants(connection, ines)

    assert ("America/New_York", True) == (wants.zone, wants.twelve)
    assert ("Europe/Lisbon", True) == (chosen.zone, chosen.twelve)


async def test_what_a_cookie_cannot_say_is_not_kept(it: Any, engine: Engine, ines: UserId) -> None:
    it.cookies["zone"] = "Nowhere~x~13"
    await sign_in(it)
    with engine.connect() as connection:
        wants = notices.wants(connection, ines)

    assert ("", False) == (wants.zone, wants.twelve)
