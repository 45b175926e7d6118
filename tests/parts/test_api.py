from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import Connection, Engine, text, update
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.keys import OneKey
from tests.patience import PATIENCE_S

from unsealed.core.drafting import Desk
from unsealed.core.instrument import Tracking
from unsealed.inlets import api
from unsealed.inlets.guard import Guard
from unsealed.model.errors import BadInput
from unsealed.model.event import HitKind
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.notice import Press, Scope
from unsealed.model.policy import Switches
from unsealed.store import notices, proofs, schema, sent
from unsealed.store.proofs import CredentialKind

MARA = UserId(0x5E9D_0000_0000_0001)  # whose mail the fixture `mail` makes
OTHER = UserId(0x5E9D_0000_0000_0002)  # and one message of somebody else


async def wordless(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


@pytest.fixture
def app(engine: Engine, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch) -> Starlette:
    monkeypatch.setattr(api, "HEALTH_S", PATIENCE_S)
    guard = Middleware(
        Guard,
        engine=engine,
        clock=clock,
        origin="http://127.0.0.1:8025",
        trusted_proxies=(),
        refuse=lambda _, status, words: JSONResponse({"error": words}, status),
    )

    def desk(_connection: Connection, _user: UserId) -> Desk:
        tracking = Tracking(base_url="https://t.example.org", keys=OneKey(), key_id=0)
        return Desk(tracking=tracking, switches=Switches(), now=clock())

    return Starlette(
        routes=api.routes(engine=engine, clock=clock, desk=desk),
        middleware=[guard],
        exception_handlers={BadInput: wordless},
    )


@pytest.fixture
def client(app: Starlette, browser: Any, engine: Engine, mail: Mapping[str, MessageId], clock: Any) -> Any:
    """`await client(path)` asks as Mara, `await client(path, user=OTHER)` as somebody else."""

    async def ask(path: str, user: UserId = MARA) -> Any:
        if user not in tokens:
            with engine.begin() as connection:
                tokens[user] = proofs.new_api_token(connection, user, "test", clock())
        return await browser(app=app).get(path, authorization=f"Bearer {tokens[user]}")

    tokens: dict[UserId, str] = {}
    return ask


# ------------------------------------------------------------------------------------------------------- who asks


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer unsealed_abcdefghjk_nope", "Basic dXNlcjpwYXNz", "unsealed_x_y", "é"]
)
async def test_without_a_token_nothing_is_answered(
    app: Starlette, browser: Any, mail: Mapping[str, MessageId], header: str
) -> None:
    for path in ("", f"/{public_id(mail['proposal'])}", f"/{public_id(mail['proposal'])}/events", "/unknown"):
        answer = await browser(app=app).get(f"/api/v1/messages{path}", authorization=header)

        assert (401, 'Bearer realm="unsealed"') == (answer.status, answer.headers["www-authenticate"])


async def test_a_session_cookie_is_no_token(
    app: Starlette, browser: Any, engine: Engine, mail: Mapping[str, MessageId], clock: Any
) -> None:
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, MARA, "127.0.0.1", "Firefox", clock())

    assert 401 == (await browser(app=app, cookies={"unsealed": cookie}).get("/api/v1/messages")).status


async def test_a_revoked_token_ends_with_the_commit(client: Any, engine: Engine) -> None:
    assert 200 == (await client("/api/v1/messages")).status
    with engine.begin() as connection:
        [token] = proofs.credentials_of(connection, MARA, CredentialKind.API)
        proofs.revoke_credential(connection, MARA, token.id)

    assert 401 == (await client("/api/v1/messages")).status


async def test_last_use_of_a_token_is_written_at_most_once_a_minute(client: Any, engine: Engine, clock: Any) -> None:
    def used_at() -> datetime | None:
        with engine.connect() as connection:
            [token] = proofs.credentials_of(connection, MARA, CredentialKind.API)
            return token.used_at

    first = clock()
    await client("/api/v1/messages")
    clock.advance(timedelta(seconds=59))
    await client("/api/v1/messages")
    assert first == used_at()
    clock.advance(timedelta(seconds=1))
    await client("/api/v1/messages")
    assert clock() == used_at()


# ------------------------------------------------------------------------------------------------------- tenants


async def test_what_belongs_to_another_is_as_unknown_as_what_never_was(
    client: Any, mail: Mapping[str, MessageId]
) -> None:
    foreign, never = public_id(mail["foreign"]), "0123456789abcdef"
    for rest in ("", "/events", "/events?kind=click"):
        theirs = await client(f"/api/v1/messages/{foreign}{rest}")
        nobodys = await client(f"/api/v1/messages/{never}{rest}")

        assert (404, nobodys.status, nobodys.body) == (theirs.status, 404, theirs.body)
        assert 200 == (await client(f"/api/v1/messages/{foreign}{rest}", user=OTHER)).status


async def test_no_answer_holds_anything_of_another(client: Any, mail: Mapping[str, MessageId]) -> None:
    mine = (await client("/api/v1/messages?limit=200")).json
    theirs = (await client("/api/v1/messages?limit=200", user=OTHER)).json

    assert {public_id(number) for name, number in mail.items() if name != "foreign"} == {
        each["id"] for each in mine["messages"]
    }
    assert [public_id(mail["foreign"])] == [each["id"] for each in theirs["messages"]]
    for name, number in mail.items():
        if name != "foreign":
            for rest in ("", "/events"):
                assert 404 == (await client(f"/api/v1/messages/{public_id(number)}{rest}", user=OTHER)).status


# ------------------------------------------------------------------------------------------------------- the list


async def test_the_list_is_newest_first_and_its_cursor_leads_through_all_of_it_once(client: Any) -> None:
    whole = (await client("/api/v1/messages?limit=200")).json
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client(f"/api/v1/messages?limit=4{cursor}")).json
        seen += [each["id"] for each in page["messages"]]
        assert len(page["messages"]) <= 4
        if page["next"] is None:
            break
        cursor = f"&{'cursor' if len(seen) % 8 else 'after'}={page['next']}"

    assert whole["next"] is None
    assert [each["id"] for each in whole["messages"]] == seen
    times = [each["at"] for each in whole["messages"]]
    assert sorted(times, reverse=True) == times


@pytest.mark.parametrize("sort", ["sent", "signal", "opened"])
@pytest.mark.parametrize(
    "asked",
    [{}, {"q": "harbourline DEPOTS"}, {"tag": "depots"}, {"q": "nobody wrote this"}]
    + [{"state": state.value} for state in sent.FILTERS],
    ids=str,
)
async def test_the_list_is_narrowed_as_the_page_is(
    client: Any, engine: Engine, clock: Any, asked: dict[str, str], sort: str
) -> None:
    told = (await client(f"/api/v1/messages?limit=200&{urlencode({'sort': sort, **asked})}")).json["messages"]

    what: Any = {"search" if name == "q" else name: value for name, value in asked.items()}
    with engine.connect() as connection:
        page = sent.listed(connection, MARA, limit=200, now=clock(), sort=sort, **what)
    assert [row.id for row in page.items] == [each["id"] for each in told]


async def test_a_search_finds_words_and_nothing_of_others(client: Any, mail: Mapping[str, MessageId]) -> None:
    async def found(query: str, user: UserId = MARA) -> list[str]:
        return [each["id"] for each in (await client(f"/api/v1/messages?{query}", user=user)).json["messages"]]

    assert [public_id(mail["proposal"])] == await found("q=proposal+harbourline&tag=depots&state=clicked")
    assert [] == await found("q=proposal+harbourline", user=OTHER)
    assert [] == await found("template=0123456789abcdef")
    assert await found("") == await found("q=&state=&tag=&template=")


async def test_a_message_of_the_list_says_what_became_of_it(client: Any, mail: Mapping[str, MessageId]) -> None:
    listed = (await client("/api/v1/messages?limit=200")).json["messages"]
    [message] = [each for each in listed if each["id"] == public_id(mail["proposal"])]

    assert {
        "id": public_id(mail["proposal"]),
        "subject": "Proposal for the Harbourline depots",
        "at": "2026-11-21T07:14:00Z",
        "recipients": ["Ines Marchetti", "Rob Okafor", "Lotte Brandsma"],
        "recipient_count": 3,
        "tag": "depots",
        "state": "clicked",
        "opens": 3,
        "raw": 13,
        "clicks": 2,
        "machine": 5,
        "confidence": 0.95,
        "first": "2026-11-21T07:51:00Z",
        "last": "2026-11-21T10:08:00Z",
        "replies": 0,
        "waiting": 0,
        "bounced": 0,
        "last_click": {"text": "Pricing", "at": "2026-11-21T09:46:00Z"},
        "muted": "",
    } == message


async def test_a_message_says_what_silences_it_as_its_speaker_does(
    client: Any, engine: Engine, mail: Mapping[str, MessageId], clock: Any
) -> None:
    it = public_id(mail["proposal"])
    with engine.begin() as connection:
        notices.press(connection, MARA, Press(scope=Scope.MESSAGE, of=str(mail["proposal"]), silent=True, at=clock()))

    listed = (await client("/api/v1/messages?limit=200")).json["messages"]
    assert {it: "message"} == {each["id"]: each["muted"] for each in listed if each["muted"]}
    assert "message" == (await client(f"/api/v1/messages/{it}")).json["muted"]


# ------------------------------------------------------------------------------------------------------ a message


async def test_a_message_lists_its_recipients_and_sums_them_up(client: Any, mail: Mapping[str, MessageId]) -> None:
    message = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}")).json
    ines, rob, lotte = message["copies"]

    assert ("mara@tidewater.example", "full", "full") == (
        message["from"],
        message["tracking"]["opens"],
        message["tracking"]["clicks"],
    )
    assert ("ines@harbourline.example", "Ines Marchetti", "to", "clicked", "sent") == (
        ines["recipient"],
        ines["name"],
        ines["kind"],
        ines["state"],
        ines["delivery"],
    )
    assert ("loaded_by_machine", 0, 4, None) == (rob["state"], rob["opens"], rob["raw"], rob["first"])
    assert ("sent", 0, 2, "cc") == (lotte["state"], lotte["raw"], lotte["attempts"], lotte["kind"])
    for count in ("opens", "raw", "clicks", "machine"):
        assert message[count] == sum(copy[count] for copy in message["copies"])
    assert (ines["first"], ines["last"]) == (message["first"], message["last"])


async def test_a_message_lists_its_links_with_the_reason_of_those_left_alone(
    client: Any, mail: Mapping[str, MessageId]
) -> None:
    links = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}")).json["links"]

    assert {"Choose your password": "one-time", "social.example": "visible-url", "Unsubscribe": "unsubscribe"} == {
        each["text"]: each["reason"] for each in links if not each["tracked"]
    }
    pricing = links[0]
    assert ("Pricing", "https://tidewater.example/pricing?site=depots", 1, 0) == (
        pricing["text"],
        pricing["url"],
        pricing["clicks"],
        pricing["machine"],
    )


# --------------------------------------------------------------------------------------------------------- events


async def test_every_event_carries_verdict_confidence_and_reasons(client: Any, mail: Mapping[str, MessageId]) -> None:
    page = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}/events")).json
    clicks = [each for each in page["events"] if each["verdict"] == "human_click"]

    assert (13, None) == (len(page["events"]), page["next"])
    assert ("2026-11-21T09:46:00Z", "click", True, 0.95) == tuple(
        clicks[0][name] for name in ("at", "kind", "counted", "confidence")
    )
    assert [
        {
            "code": "BROWSER_DIRECT",
            "words": "Firefox followed the link from the same address that loaded the picture",
        }
    ] == clicks[0]["reasons"]
    assert ("https://tidewater.example/pricing?site=depots", "Pricing", "ines@harbourline.example", "Firefox") == tuple(
        clicks[0][name] for name in ("link", "link_text", "recipient", "client")
    )
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", each["at"]) for each in page["events"])
    assert {None} == {each["link"] for each in page["events"] if each["kind"] == "open"}


@pytest.mark.parametrize("kind", list(HitKind))
async def test_events_can_be_asked_by_kind(client: Any, mail: Mapping[str, MessageId], kind: HitKind) -> None:
    every = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}/events")).json["events"]
    some = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}/events?kind={kind}")).json["events"]

    assert [each for each in every if each["kind"] == kind] == some
    assert some


async def test_the_cursor_leads_through_all_events_once(client: Any, mail: Mapping[str, MessageId]) -> None:
    path = f"/api/v1/messages/{public_id(mail['proposal'])}/events"
    every = (await client(path)).json["events"]
    seen: list[Any] = []
    cursor = ""
    while True:
        page = (await client(f"{path}?limit=3{cursor}")).json
        seen += page["events"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert every == seen


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit is a number from 1 to 200"),
        ("limit=201", "limit is a number from 1 to 200"),
        ("limit=ten", "limit is a number from 1 to 200"),
        ("limit=%C2%B2", "limit is a number from 1 to 200"),
        ("cursor=nonsense", "cursor"),
        ("curser=1", "unknown parameter 'curser'; known here: q, state, tag, template, sort, cursor, after, limit"),
        ("sort=size", "sort by signal, opened, sent, not by 'size'"),
        ("state=read", "no such state to look for: 'read'"),
    ],
)
async def test_a_bad_parameter_is_named(client: Any, query: str, words: str) -> None:
    answer = await client(f"/api/v1/messages?{query}")

    assert 400 == answer.status
    assert words in answer.json["error"]


async def test_a_bad_kind_is_named(client: Any, mail: Mapping[str, MessageId]) -> None:
    answer = await client(f"/api/v1/messages/{public_id(mail['proposal'])}/events?kind=opened")

    assert (400, {"error": "kind is open or click, not 'opened'"}) == (answer.status, answer.json)


@pytest.mark.parametrize("written", ["1", "0123456789ABCDEF", "ffffffffffffffff", "0123456789abcdeg", "%00", "é" * 16])
async def test_what_is_no_id_is_not_found(client: Any, written: str) -> None:
    assert 404 == (await client(f"/api/v1/messages/{written}")).status


# --------------------------------------------------------------------------------------------------------- health


async def test_health_says_whether_the_store_can_be_reached(app: Starlette, browser: Any, engine: Engine) -> None:
    assert (200, {"status": "ok"}) == await health(browser(app=app))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME TO users_gone"))

    assert (503, {"status": "store not reachable"}) == await health(browser(app=app))


async def test_health_does_not_wait_for_a_store_that_hangs(
    app: Starlette, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Event()

    def hang(_: Engine) -> Connection:
        answered.wait(PATIENCE_S)
        raise OperationalError("", {}, OSError())

    monkeypatch.setattr(api, "reading", hang)
    monkeypatch.setattr(api, "HEALTH_S", 0.01)
    try:
        assert (503, {"status": "store not reachable"}) == await health(browser(app=app))
    finally:
        answered.set()


async def health(browser: Any) -> tuple[int, Any]:
    answer = await browser.get("/healthz")
    return answer.status, answer.json


async def test_a_copy_says_whether_it_was_read_for_certain_and_on_what(
    client: Any, mail: Mapping[str, MessageId]
) -> None:
    ines, rob, _ = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}")).json["copies"]
    [silent] = (await client(f"/api/v1/messages/{public_id(mail['silent'])}")).json["copies"]

    assert (True, 2, []) == (ines["certain"], ines["devices"], ines["why"])
    assert (False, 0, []) == (rob["certain"], rob["devices"], rob["why"])
    assert ("no_signal", ["pictures_may_be_blocked"]) == (silent["state"], silent["why"])
    assert ([], []) == (silent["traits"], silent["company_traits"])


async def test_an_event_says_how_sure_we_are_from_where_and_who_said_so(
    client: Any, engine: Engine, mail: Mapping[str, MessageId]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("update events set place = 'known', country = 'PT' where client = 'Thunderbird'"))
        said = """update events set reasons = '[["CORRECTED", "you"]]', confidence = 0.5 where client = 'Firefox'"""
        connection.exec_driver_sql(said)
    listed = (await client(f"/api/v1/messages/{public_id(mail['proposal'])}/events")).json["events"]
    thunderbird = next(each for each in listed if each["client"] == "Thunderbird")
    firefox = next(each for each in listed if each["client"] == "Firefox")

    assert {"state": "known", "country": "PT", "region": "", "city": ""} == thunderbird["place"]
    assert ("certain", False, False) == tuple(thunderbird[key] for key in ("confidence_word", "corrected", "forwarded"))
    assert ("maybe", True, "unknown") == (firefox["confidence_word"], firefox["corrected"], firefox["place"]["state"])


async def test_an_answer_says_read_for_certain_without_an_opening(
    client: Any, mail: Mapping[str, MessageId], engine: Engine
) -> None:
    message, at = mail["silent"], datetime(2026, 11, 21, 12, tzinfo=UTC)
    with engine.begin() as connection:
        of = schema.copies.c.message_id == message
        connection.execute(update(schema.copies).where(of).values(replies=2, replied_at=at))
        connection.execute(update(schema.messages).where(schema.messages.c.id == message).values(replies=2))
    found = (await client(f"/api/v1/messages/{public_id(message)}")).json
    [copy] = found["copies"]

    assert (0, 0, "replied", 2) == (found["opens"], found["raw"], found["state"], found["replies"])
    assert (True, 2, "2026-11-21T12:00:00Z", "replied", 0, []) == (
        copy["certain"],
        copy["replies"],
        copy["replied"],
        copy["state"],
        copy["opens"],
        copy["why"],
    )
