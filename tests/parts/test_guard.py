from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.patience import PATIENCE_S

from unsealed.inlets import form, guard, presence
from unsealed.inlets.guard import Guard
from unsealed.inlets.presence import client_address
from unsealed.model.message import UserId
from unsealed.store import proofs
from unsealed.store.schema import sessions

HTTP = "http://127.0.0.1:8025"
HTTPS = "https://mail.example.org"


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite alone: the questions to the store are tested on both databases in test_people.py."""
    return sqlite_url


@pytest.fixture
def guarded(engine: Engine, clock: Callable[[], datetime]) -> Callable[[str], Starlette]:
    """`guarded(origin)`: an app with one page and one change behind the guard."""

    async def page(request: Request) -> Response:
        person = request.state.person
        return PlainTextResponse(person.email if person else "nobody")

    async def change(request: Request) -> Response:
        return JSONResponse(dict(request.state.form))

    async def from_where(request: Request) -> Response:
        return PlainTextResponse(client_address(request))

    async def letter(_: Request) -> Response:
        return PlainTextResponse("letter", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "private"})

    def refuse(_: Request, status: int, words: str) -> Response:
        return PlainTextResponse(words, status)

    def build(origin: str = HTTP) -> Starlette:
        return Starlette(
            routes=[
                Route("/sent", page),
                Route("/static/from", from_where),
                Route("/change", change, methods=["POST"]),
                Route("/letter", letter),
                Route("/sign-in", page),
                Route("/sign-in", change, methods=["POST"]),
                Route("/static/x", page),
                Route("/healthz", page),
            ],
            middleware=[
                Middleware(
                    Guard,
                    engine=engine,
                    clock=clock,
                    origin=origin,
                    trusted_proxies=[ip_network("10.0.0.0/8")],
                    refuse=refuse,
                )
            ],
        )

    return build


@pytest.fixture
def signed_in(engine: Engine, ines: UserId, now: datetime, guarded: Any, browser: Any) -> Callable[..., Any]:
    """`signed_in()`: a browser with a session of Ines."""

    def sign_in(origin: str = HTTP) -> Any:
        with engine.begin() as connection:
            cookie, csrf = proofs.new_session(connection, ines, "127.0.0.1", "Firefox", now)
        return browser(app=guarded(origin), origin=origin, cookies={guard.cookie_name(origin): cookie}, token=csrf)

    return sign_in


# ------------------------------------------------------------------------------------------------------ who sees


@pytest.mark.parametrize(
    ("peer", "chain", "expected"),
    [
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # behind our proxy
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # a stranger may write what he likes
        ("", "203.0.113.9", ""),
    ],
)
async def test_a_proxy_of_ours_says_from_where_a_request_comes(
    guarded: Any, browser: Any, peer: str, chain: str, expected: str
) -> None:
    answer = await browser(app=guarded(), address=peer).get("/static/from", x_forwarded_for=chain)

    assert expected == answer.text


async def test_a_page_is_for_people_who_are_signed_in(guarded: Any, browser: Any, signed_in: Any) -> None:
    stranger = await browser(app=guarded()).get("/sent?state=opened&q=a b")

    assert (303, "/sign-in?next=/sent%3Fstate%3Dopened%26q%3Da%20b") == (stranger.status, stranger.headers["location"])
    assert "ines@example.org" == (await signed_in().get("/sent")).text


async def test_a_path_nobody_thought_of_is_closed(guarded: Any, browser: Any) -> None:
    assert 303 == (await browser(app=guarded()).get("/not/there")).status


async def test_scripts_and_changes_of_the_signed_out_are_refused_and_not_sent_elsewhere(
    guarded: Any, browser: Any
) -> None:
    stranger = browser(app=guarded())

    assert 401 == (await stranger.get("/sent", accept="text/event-stream")).status
    assert 401 == (await stranger.get("/sent", hx_request="true")).status
    assert 401 == (await stranger.post("/change")).status


async def test_a_made_up_or_expired_cookie_signs_nobody_in(
    guarded: Any, browser: Any, signed_in: Any, clock: Any
) -> None:
    assert 303 == (await browser(app=guarded(), cookies={"unsealed": "made-up"}).get("/sent")).status

    known = signed_in()
    clock.advance(timedelta(days=30))
    assert 303 == (await known.get("/sent")).status


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "localhost/static/", "localhost@evil.example", "[::1", "a b"]
)
async def test_an_unknown_host_gets_nothing(guarded: Any, browser: Any, signed_in: Any, host: str) -> None:
    answer = await signed_in().get("/sent", host=host)

    assert (421, b"") == (answer.status, answer.body)


@pytest.mark.parametrize("host", ["127.0.0.1:8025", "localhost:8025", "LOCALHOST", "[::1]:8025", "mail.example.org"])
async def test_the_configured_host_and_loopback_are_known(guarded: Any, browser: Any, host: str) -> None:
    assert 200 == (await browser(app=guarded(HTTPS)).get("/sign-in", host=host)).status


async def test_a_crafted_host_does_not_open_a_closed_page(guarded: Any, browser: Any) -> None:
    stranger = browser(app=guarded())
    for host in ("localhost/static/", "localhost/static/?", "localhost/sign-in#", "127.0.0.1:8025/static/"):
        assert 421 == (await stranger.get("/sent", host=host)).status


async def test_health_answers_whatever_the_host(guarded: Any, browser: Any) -> None:
    assert 200 == (await browser(app=guarded()).get("/healthz", host="10.0.0.7:8025")).status


# ------------------------------------------------------------------------------------------------------- changes


async def test_a_change_from_our_own_page_passes_with_its_fields(signed_in: Any) -> None:
    it = signed_in()
    answer = await it.post("/change", {"a": "1 ü", "b": ""})

    assert (200, {"a": "1 ü", "b": "", "csrf": it.token}) == (answer.status, answer.json)


async def test_a_change_from_our_own_script_passes_with_the_token_in_a_header(signed_in: Any) -> None:
    it = signed_in()
    token, it.token = it.token, ""

    assert 200 == (await it.post("/change", x_csrf_token=token)).status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:8025.evil.example"},
        {"origin": "http://[::1"},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
)
async def test_a_change_from_elsewhere_is_refused_also_with_the_right_token(
    signed_in: Any, headers: dict[str, str]
) -> None:
    answer = await signed_in().post("/change", **headers)

    assert (403, "This request did not come from a page of Unsealed, so nothing was done.") == (
        answer.status,
        answer.text,
    )


async def test_signing_in_cannot_be_forged_by_another_site(guarded: Any, browser: Any) -> None:
    assert 403 == (await browser(app=guarded()).post("/sign-in", origin="https://evil.example")).status
    assert 403 == (await browser(app=guarded()).post("/sign-in", origin="")).status


@pytest.mark.parametrize("token", ["", "wrong", "\udce9"])
async def test_a_change_without_the_token_of_the_session_is_refused(signed_in: Any, token: str) -> None:
    it = signed_in()
    it.token = token.encode("utf-8", "replace").decode()

    assert 403 == (await it.post("/change")).status


async def test_the_token_of_another_session_does_not_count(signed_in: Any) -> None:
    it, other = signed_in(), signed_in()
    it.token = other.token

    assert 403 == (await it.post("/change")).status


async def test_what_is_no_form_or_too_large_is_refused(signed_in: Any) -> None:
    it = signed_in()

    assert 413 == (await it.post("/change", {"a": "x" * form.BYTES_MAX})).status
    assert 413 == (await it.post("/change", {f"f{n}": "" for n in range(form.FIELDS_MAX + 1)})).status
    assert 413 == (await it.post("/change", content_type="text/plain")).status


async def test_who_typed_too_much_is_told_how_much(signed_in: Any) -> None:
    much = form.BYTES_MAX + 1
    answer = await signed_in().post("/change", {"a": "x" * much}, content_length=str(much))

    assert "has 257 kB, and 256 kB is the most that this form takes" in answer.body.decode()


async def test_a_page_open_on_another_loopback_name_may_change_things_too(signed_in: Any) -> None:
    answer = await signed_in().post("/change", host="localhost:8025", origin="http://localhost:8025")

    assert 200 == answer.status


# ------------------------------------------------------------------------------------------------------- headers


async def test_every_answer_carries_the_security_headers(guarded: Any, browser: Any) -> None:
    stranger = browser(app=guarded())
    for answer in (
        await stranger.get("/sign-in"),
        await stranger.get("/sent"),
        await stranger.get("/static/none"),
        await stranger.post("/change"),
    ):
        assert guard.SECURITY_HEADERS == {name: answer.headers.get(name.lower()) for name in guard.SECURITY_HEADERS}
        assert "strict-transport-security" not in answer.headers


async def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert "unsafe" not in guard.CSP
    assert "default-src 'none'" in guard.CSP
    assert "http" not in guard.CSP


async def test_a_page_may_have_a_policy_of_its_own(signed_in: Any) -> None:
    answer = await signed_in().get("/letter")

    assert ("sandbox", "private") == (answer.headers["content-security-policy"], answer.headers["cache-control"])


async def test_over_tls_the_cookie_is_bound_to_host_and_tls(guarded: Any, browser: Any) -> None:
    answer = await browser(app=guarded(HTTPS), origin=HTTPS).get("/sign-in")

    assert guard.HSTS == answer.headers["strict-transport-security"]
    assert "__Host-unsealed=v; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Secure" == guard.session_cookie(
        HTTPS, "v"
    )
    assert "unsealed=v; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax" == guard.session_cookie(HTTP, "v")
    assert "unsealed=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax" == guard.session_cookie(HTTP, "")


# ------------------------------------------------------------------------------------------------------- session


async def test_the_session_remembers_from_where_it_was_seen_last_once_a_minute(
    signed_in: Any, engine: Engine, clock: Any
) -> None:
    def seen() -> tuple[str, str, datetime]:
        with engine.connect() as connection:
            row = connection.execute(select(sessions)).one()
            return row.address, row.user_agent, row.seen_at

    it = signed_in()
    first = seen()
    it.address, it.user_agent = "192.0.2.9", "Evil\x07Agent" + "x" * 600
    clock.advance(timedelta(seconds=59))
    answer = await it.get("/sent")
    assert (first, ()) == (seen(), answer.cookies)

    clock.advance(timedelta(seconds=1))
    answer = await it.get("/sent")

    assert ("192.0.2.9", "Evil�Agent" + "x" * 502, clock()) == seen()
    assert (guard.session_cookie(HTTP, it.cookies["unsealed"]),) == answer.cookies


async def test_a_store_too_busy_to_write_does_not_keep_pages_back(
    signed_in: Any, engine: Engine, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = signed_in()
    monkeypatch.setattr("unsealed.store.engine.BUSY_TIMEOUT_MS", 1)
    engine.dispose()
    clock.advance(timedelta(minutes=2))

    with engine.begin():  # holds the write lock
        answer = await it.get("/sent")

    assert (200, "ines@example.org", ()) == (answer.status, answer.text, answer.cookies)


async def test_a_store_that_is_locked_for_long_keeps_no_page_back_for_long(
    signed_in: Any, engine: Engine, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = signed_in()
    monkeypatch.setattr(presence, "PATIENCE_S", 0.5)
    monkeypatch.setattr("unsealed.store.engine.BUSY_TIMEOUT_MS", 2_000 * PATIENCE_S)
    engine.dispose()
    clock.advance(timedelta(minutes=2))

    with engine.begin():
        async with asyncio.timeout(PATIENCE_S):  # half of what a writer waits for its turn
            answers = [await it.get("/sent") for _ in range(3)]
    with presence._noting:  # what was left behind ends before the store does
        pass

    assert [200] * 3 == [answer.status for answer in answers]


async def test_a_store_that_is_away_is_said(signed_in: Any, engine: Engine) -> None:
    it = signed_in()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE sessions RENAME TO sessions_gone"))

    assert 503 == (await it.get("/sent")).status


@pytest.mark.parametrize(
    ("wanted", "gone_to"),
    [
        ("/sent?state=opened", "/sent?state=opened"),
        ("/", "/"),
        ("", "/"),
        ("sent", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_signing_in_nobody_is_sent_to_another_site(wanted: str, gone_to: str) -> None:
    assert gone_to == guard.local_path(wanted)
