from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.model.message import UserId
from unsealed.store import audit, proofs
from unsealed.store.engine import reading
from unsealed.store.proofs import CredentialKind

MARA = UserId(0x5E9D_0000_0000_0001)
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def phone(app: Any, mara: Any, engine: Engine, clock: Any, browser: Any) -> Any:
    """Mara's second browser."""
    it = browser(app=app, user_agent=PHONE, address="192.0.2.44")
    with engine.begin() as connection:
        it.cookies["unsealed"], it.token = proofs.new_session(connection, MARA, "192.0.2.44", PHONE, clock())
    return it


def sessions(engine: Engine, now: Any) -> dict[str, str]:
    """Id of each of Mara's browsers by its address."""
    with reading(engine) as connection:
        return {each.address: each.id for each in proofs.sessions_of(connection, MARA, now)}


def audited(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        return [(line.what, line.words) for line in audit.lines(connection, MARA)]


async def test_one_browser_is_signed_out_and_the_others_stay(mara: Any, phone: Any, engine: Engine, clock: Any) -> None:
    page = (await mara.get("/settings/access")).text
    assert "Mobile Safari on iOS" in page
    assert "192.0.2.44" in page
    assert 1 == page.count("this browser, since")

    answer = await mara.post("/settings/access/browsers", {"id": sessions(engine, clock())["192.0.2.44"]})

    assert (303, "/settings/access?done=out#browsers") == (answer.status, answer.headers["location"])
    assert 303 == (await phone.get("/settings/access")).status
    assert 200 == (await mara.get("/settings/access")).status
    assert ("browser signed out", "Mobile Safari on iOS") in audited(engine)


async def test_ending_the_session_that_asks_signs_out(mara: Any, engine: Engine, clock: Any) -> None:
    cookie = dict(mara.cookies)
    answer = await mara.post("/settings/access/browsers", {"id": sessions(engine, clock())["127.0.0.1"]})

    assert (303, "/sign-in") == (answer.status, answer.headers["location"])
    assert {} == mara.cookies
    mara.cookies.update(cookie)
    assert 303 == (await mara.get("/settings/access")).status


async def test_all_others_are_signed_out_at_once(mara: Any, phone: Any, engine: Engine) -> None:
    assert 303 == (await mara.post("/settings/access/browsers/others")).status
    assert 303 == (await phone.get("/sent")).status
    assert 200 == (await mara.get("/sent")).status
    assert ("browser signed out", "all but one") in audited(engine)


async def test_all_are_signed_out_at_once_also_this_one(mara: Any, phone: Any, engine: Engine) -> None:
    cookie = dict(mara.cookies)
    answer = await mara.post("/settings/access/browsers/all")

    assert (303, "/sign-in") == (answer.status, answer.headers["location"])
    assert {} == mara.cookies
    mara.cookies.update(cookie)
    assert [303, 303] == [(await it.get("/sent")).status for it in (mara, phone)]
    assert ("browser signed out", "all") in audited(engine)


@pytest.mark.parametrize("id", ["", "\0", "x" * 10_000, "0" * 16])
async def test_what_is_no_session_of_ones_own_is_not_there(mara: Any, id: str) -> None:
    assert 404 == (await mara.post("/settings/access/browsers", {"id": id})).status


async def test_no_session_is_given_away_by_its_id(mara: Any, phone: Any, engine: Engine, clock: Any) -> None:
    page = (await mara.get("/settings/access")).text
    with reading(engine) as connection:
        for session in proofs.sessions_of(connection, MARA, clock()):
            assert session.hash not in page


async def test_a_revoked_token_is_refused_at_the_next_request(mara: Any, engine: Engine) -> None:
    page = (await mara.post("/settings/access/api-tokens", {"label": "Report"})).text
    token = page[page.index('<code class="secret">') + len('<code class="secret">') :].partition("<")[0]
    asking = {"authorization": f"Bearer {token}"}
    with reading(engine) as connection:
        [made] = proofs.credentials_of(connection, MARA, CredentialKind.API)
    assert 200 == (await mara.get("/api/v1/messages", **asking)).status

    assert 303 == (await mara.post("/settings/access/revoke", {"id": made.id})).status

    assert 401 == (await mara.get("/api/v1/messages", **asking)).status
    assert [("access revoked", "Report"), ("access given", "API token Report")] == audited(engine)
    assert 404 == (await mara.post("/settings/access/revoke", {"id": made.id})).status


async def test_a_revoked_app_password_ends_at_the_next_sign_in(mara: Any, engine: Engine, clock: Any) -> None:
    with engine.begin() as connection:
        secret = proofs.new_app_password(connection, MARA, "", clock())
        [made] = proofs.credentials_of(connection, MARA, CredentialKind.SMTP)
    assert 303 == (await mara.post("/settings/access/revoke", {"id": made.id})).status
    with engine.begin() as connection:
        assert proofs.check_app_password(connection, "mara@tidewater.example", secret, clock()) is None


async def test_last_use_is_listed_and_a_secret_is_not(mara: Any, engine: Engine, clock: Any) -> None:
    page = (await mara.post("/settings/access/app-passwords", {"label": "Laptop"})).text
    secret = page[page.index('<code class="secret">us-') + len('<code class="secret">') :].partition("<")[0]
    with engine.begin() as connection:
        assert MARA == proofs.check_app_password(connection, "mara@tidewater.example", secret, clock())
    clock.advance(timedelta(hours=3))

    page = (await mara.get("/settings/access")).text

    assert secret not in page
    assert "Laptop" in page
    assert "not yet" not in page
    assert (303, "/settings/access") == (
        (again := await mara.get("/settings/access/app-passwords")).status,
        again.headers["location"],
    )


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/settings", "/settings/access"),
        ("/settings/people/role", "/settings/people"),
        ("/settings/nowhere", "/settings"),
        ("/settings//evil.example", "/settings"),
        ("/settings/%20/x", "/settings"),
    ],
)
async def test_an_address_that_only_takes_forms_leads_back(mara: Any, path: str, there: str) -> None:
    answer = await mara.get(path)

    assert (303, there) == (answer.status, answer.headers["location"])
