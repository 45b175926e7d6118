"""The page about notices, the speakers, and what open pages ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from starlette.applications import Starlette

from unsealed.flow import notify
from unsealed.inlets import web
from unsealed.inlets.guard import cookie_name
from unsealed.inlets.speakers import speakers
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.notice import Act, Channel, Detail, Device, Heard, Readings, Wants, Why
from unsealed.store import notices, proofs, schema

ORIGIN = "http://127.0.0.1:8025"
MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
THERE = "/settings/notifications"
FORM = {
    "act-opened": "1",
    "readings": "hot",
    "revival_weeks": "5",
    "channel-page": "1",
    "channel-digest": "1",
    "quiet": "1",
    "begins": "22:00",
    "ends": "07:30",
    "digest_at": "06:15",
    "detail": "nothing",
}
BROWSER = {"address": "https://push.example/s3cret", "key": "BCVx", "auth": "BTBZ"}


@pytest.fixture
def app(around: Surroundings) -> Starlette:
    def may(device: Device) -> str:
        return "" if device.address.startswith(("https://push.example", "tgram://")) else "Not there."

    return web.build(replace(around, push_key="BPublic", chats=("Telegram",), may_notify=may))


@pytest.fixture
def other(app: Starlette, mara: Any, engine: Engine, clock: Callable[[], datetime], browser: Any) -> Any:
    it = browser(app=app, origin=ORIGIN)
    with engine.begin() as connection:
        it.cookies[cookie_name(ORIGIN)], it.token = proofs.new_session(connection, OTHER, "127.0.0.1", "test", clock())
    return it


def wants(engine: Engine, user: UserId = MARA) -> Wants:
    with engine.connect() as connection:
        return notices.wants(connection, user)


def heard(engine: Engine, mail: dict[str, MessageId], now: datetime, act: Act = Act.REPLIED) -> None:
    """Somebody answered the proposal."""
    with engine.begin() as connection:
        c = schema.copies.c
        copy = connection.execute(select(c.id).where(c.message_id == mail["proposal"]).limit(1)).scalar_one()
        notices.hear(
            connection,
            [Heard(cause="reply", cause_id=1, user=MARA, message=mail["proposal"], copy=CopyId(copy), act=act, at=now)],
        )
    notify.decide(engine, now)


async def test_what_is_chosen_is_kept_with_the_readers_own_zone(mara: Any, engine: Engine) -> None:
    await mara.get(THERE)
    mara.cookies["zone"] = "Europe%2FLisbon~0"
    answer = await mara.post(THERE, FORM)

    assert (303, f"{THERE}?kept#wants") == (answer.status, answer.headers["location"])
    kept = wants(engine)
    assert (frozenset({Act.OPENED}), Readings.HOT, 5) == (kept.acts, kept.readings, kept.revival_weeks)
    assert frozenset({Channel.PAGE, Channel.DIGEST}) == kept.channels
    assert ("Europe/Lisbon", Detail.NOTHING, "06:15") == (kept.zone, kept.detail, f"{kept.digest_at:%H:%M}")
    assert kept.quiet is not None
    assert "22:00" in (await mara.get(THERE)).text


@pytest.mark.parametrize(
    ("field", "value"),
    [("readings", "some"), ("revival_weeks", "-1"), ("revival_weeks", "many"), ("begins", "25:00"), ("detail", "")],
)
async def test_a_choice_that_is_none_changes_nothing_and_says_so(
    mara: Any, engine: Engine, field: str, value: str
) -> None:
    await mara.get(THERE)
    answer = await mara.post(THERE, FORM | {field: value})

    assert 422 == answer.status
    assert "Nothing was saved" in answer.text
    assert Wants() == wants(engine)


async def test_a_browser_is_added_without_its_secrets_ever_being_shown_and_removed_by_its_user_alone(
    mara: Any, other: Any
) -> None:
    await mara.get(THERE)
    assert 201 == (await mara.post(f"{THERE}/devices", BROWSER)).status
    page = (await mara.get(THERE)).text

    assert "push messages" in page
    assert "s3cret" not in page
    device = page.partition(f'action="{THERE}/remove"')[2].partition('name="id" value="')[2].partition('"')[0]
    assert 404 == (await other.post(f"{THERE}/remove", {"id": device})).status
    assert 303 == (await mara.post(f"{THERE}/remove", {"id": device})).status
    assert 404 == (await mara.post(f"{THERE}/remove", {"id": device})).status


@pytest.mark.parametrize("form", [BROWSER | {"address": "http://127.0.0.1/"}, BROWSER | {"key": ""}, {}])
async def test_a_browser_that_cannot_be_notified_is_refused_in_words(mara: Any, form: dict[str, str]) -> None:
    await mara.get(THERE)
    answer = await mara.post(f"{THERE}/devices", form)

    assert 422 == answer.status
    assert answer.json["error"]


async def test_a_chat_is_added_or_refused_beside_its_field(mara: Any) -> None:
    await mara.get(THERE)
    assert 303 == (await mara.post(f"{THERE}/chats", {"name": "Team", "address": "tgram://a/b"})).status
    refused = await mara.post(f"{THERE}/chats", {"name": "<b>x", "address": "json://127.0.0.1"})

    assert 422 == refused.status
    assert "Not there." in refused.text
    assert "<b>x" not in refused.text
    assert "Team" in (await mara.get(THERE)).text


async def test_there_is_an_end_to_the_number_of_devices(mara: Any) -> None:
    await mara.get(THERE)
    for number in range(20):
        await mara.post(f"{THERE}/devices", BROWSER | {"address": f"https://push.example/{number}"})

    assert 422 == (await mara.post(f"{THERE}/devices", BROWSER)).status


@pytest.mark.parametrize(("device", "words"), [(False, "No device"), (True, "</b> no answer yet")])
async def test_a_test_says_that_there_is_no_device_once_that_is_known(
    mara: Any, engine: Engine, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch, device: bool, words: str
) -> None:
    monkeypatch.setattr("unsealed.inlets.web.notices.LOOKS", 1)
    await mara.get(THERE)
    if device:
        await mara.post(f"{THERE}/devices", BROWSER)
    answer = await mara.post(f"{THERE}/test")
    assert 303 == answer.status
    page = answer.headers["location"].partition("#")[0]

    early = (await mara.get(page)).text
    assert "no answer yet" in early
    assert "No device" not in early
    notify.decide(engine, clock())
    assert words in (await mara.get(page)).text


# --- speakers ---------------------------------------------------------------------------------------------------------


def speaker(engine: Engine, message: int) -> Why | None:
    with engine.connect() as connection:
        return speakers(connection, MARA, [public_id(message)])[public_id(message)].why


async def test_a_press_silences_one_message_and_another_lets_it_speak(
    mara: Any, mail: dict[str, MessageId], engine: Engine
) -> None:
    it = public_id(mail["proposal"])
    await mara.get("/sent")
    answer = await mara.post("/silence", {"one": f"{it}.1"}, accept="application/json")

    assert {"silent": True, "words": "No notices: silenced", "movable": True} == answer.json
    assert Why.MESSAGE is speaker(engine, mail["proposal"])
    assert 'aria-pressed="true"' in (await mara.get(f"/message/{it}")).text
    back = await mara.post("/silence", {"one": f"{it}.0", "back": f"/message/{it}"})
    assert (303, f"/message/{it}") == (back.status, back.headers["location"])
    assert speaker(engine, mail["proposal"]) is None


@pytest.mark.parametrize(
    ("scope", "why"),
    [("realtime", Why.REALTIME_OFF), ("all", Why.ALL), ("thread", Why.THREAD)],
)
async def test_each_level_is_shown_at_the_message(
    mara: Any, mail: dict[str, MessageId], engine: Engine, scope: str, why: Why
) -> None:
    await mara.get("/sent")
    for silent, expected in (("1", why), ("0", None)):
        await mara.post("/silence", {"scope": scope, "of": public_id(mail["proposal"]), "silent": silent})
        assert expected is speaker(engine, mail["proposal"])


async def test_what_belongs_to_another_cannot_be_silenced(
    other: Any, mail: dict[str, MessageId], engine: Engine
) -> None:
    await other.get("/sent")
    for scope in ("message", "thread"):
        form = {"scope": scope, "of": public_id(mail["proposal"]), "silent": "1"}
        assert 404 == (await other.post("/silence", form)).status
    for form in ({}, {"scope": "world", "silent": "1"}, {"scope": "all", "silent": "2"}, {"one": "x"}):
        assert 404 == (await other.post("/silence", form)).status
    assert speaker(engine, mail["proposal"]) is None


async def test_a_press_leads_to_no_other_site(mara: Any) -> None:
    await mara.get("/sent")
    answer = await mara.post("/silence", {"scope": "all", "silent": "1", "back": "https://evil.example/"})

    assert "/" == answer.headers["location"]


# --- open pages -------------------------------------------------------------------------------------------------------


async def test_an_open_page_gets_what_is_new_once_it_knows_where_it_stands(
    mara: Any, other: Any, mail: dict[str, MessageId], engine: Engine, clock: Any
) -> None:
    first = (await mara.get("/notices/new")).json
    assert ([], True, mara.token) == (first["notices"], first["realtime"], first["csrf"])
    assert "BPublic" == first["push"]  # a service worker that lost its subscription makes a new one with it
    clock.advance(timedelta(minutes=1))
    heard(engine, mail, clock())

    [told] = (await mara.get(f"/notices/new?since={first['at']}")).json["notices"]
    assert told["title"].endswith(" replied")
    assert "harbourline" in told["body"].lower()
    assert "" == told["outside"]["body"]
    assert (f"/message/{public_id(mail['proposal'])}", True, False) == (told["path"], told["page"], told["gone"])
    assert [] == (await other.get(f"/notices/new?since={first['at']}")).json["notices"]
    later = (await mara.get("/notices/new?since=0")).json
    assert [told["key"]] == [each["key"] for each in later["notices"]]
    clock.advance(timedelta(minutes=11))
    assert [] == (await mara.get("/notices/new?since=0")).json["notices"]


async def test_the_page_says_why_nobody_was_told(
    mara: Any, mail: dict[str, MessageId], engine: Engine, clock: Any
) -> None:
    await mara.get("/sent")
    await mara.post("/silence", {"scope": "all", "silent": "1"})
    heard(engine, mail, clock())

    assert "no notice: all mail of then was silenced" in (await mara.get(THERE)).text


async def test_the_app_can_be_installed_and_has_a_page_for_being_offline(app: Starlette, browser: Any) -> None:
    it = browser(app=app, origin=ORIGIN)
    told = await it.get("/manifest.webmanifest")
    worker = await it.get("/sw.js")
    files = json.loads(worker.text.partition("const FILES = ")[2].partition(";")[0])

    assert "application/manifest+json" == told.headers["content-type"].partition(";")[0]
    for path in (*files, *(icon["src"] for icon in told.json["icons"])):
        assert 200 == (await it.get(path)).status
    assert "no-cache" == worker.headers["cache-control"]
    assert "manifest-src 'self'" in worker.headers["content-security-policy"]
