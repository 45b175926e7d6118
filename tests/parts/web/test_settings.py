from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, func, select
from starlette.applications import Starlette

from unsealed.core.token import open_device
from unsealed.inlets import web
from unsealed.inlets.web import message, settings
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.event import Answer, HitId
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.view import DataFileRow
from unsealed.store import judged, own, schema
from unsealed.store.engine import reading

Mail = dict[str, MessageId]
MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)


@pytest.fixture(autouse=True)
def _without_a_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "LOOKS", 0)  # nobody judges here: there is nothing to wait for


@pytest.fixture
def opened(engine: Engine, mail: Mail) -> str:
    """The id of the newest event of the proposal: Ines opened it in Thunderbird."""
    with reading(engine) as connection:
        return judged.of_message(connection, MARA, mail["proposal"]).items[0].id


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def has(body: str, words: str) -> bool:
    return words in " ".join(re.sub(r"<[^>]+>", " ", body).split())


# --- that was me, them, a machine -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", Answer)
async def test_a_correction_leads_back_to_the_event_and_says_what_is_remembered(
    mara: Any, mail: Mail, opened: str, answer: Answer
) -> None:
    there = f"/message/{public_id(mail['proposal'])}"
    before = (await mara.get(f"{there}?show=opens")).text
    assert f'action="/event/{opened}/correct"' in before
    assert 'value="/message/' in before

    answered = await mara.post(f"/event/{opened}/correct", {"answer": answer, "back": f"{there}?show=opens"})
    back = urlsplit(answered.headers["location"])
    body = (await mara.get(f"{back.path}?{back.query}")).text

    assert (303, there, f"e{opened}") == (answered.status, back.path, back.fragment)
    assert back.query.startswith(f"show=opens&open={opened}&correction=")
    said = {"me": "is you", "them": "is the recipient", "machine": "is a machine"}[answer]
    assert has(body, said)
    assert has(body, "Remembered: Thunderbird on Linux, 203.0.113.0/24")
    assert re.search(rf'data-key="e{opened}" open', body)
    assert body.index('id="e') < body.index("Remembered:") < body.index("Why we think so")


async def test_a_correction_is_undone_where_it_was_made(mara: Any, mail: Mail, opened: str, engine: Engine) -> None:
    there = f"/message/{public_id(mail['proposal'])}"
    await mara.get(there)
    made = await mara.post(f"/event/{opened}/correct", {"answer": "me", "back": there})
    body = (await mara.get(made.headers["location"].partition("#")[0])).text
    [number] = re.findall(r'action="/settings/judging/undo">.*?name="id" value="(\d+)"', body)

    undone = await mara.post("/settings/judging/undo", {"id": number, "back": made.headers["location"]})
    body = (await mara.get(undone.headers["location"].partition("#")[0])).text

    assert undone.headers["location"].endswith(f"#e{opened}")
    assert "Taken back: Thunderbird on Linux" in body
    assert 404 == (await mara.post("/settings/judging/undo", {"id": number})).status
    with engine.connect() as connection:
        assert connection.execute(select(schema.corrections.c.undone_at)).scalar_one() is not None


async def test_what_is_no_answer_is_refused(mara: Any, mail: Mail, opened: str, engine: Engine) -> None:
    await mara.get(f"/message/{public_id(mail['proposal'])}")

    for answer in ("", "nobody", "ME", "\0"):
        assert 400 == (await mara.post(f"/event/{opened}/correct", {"answer": answer})).status
    assert 0 == count(engine, schema.corrections)


async def test_nobody_corrects_what_is_not_theirs(mara: Any, mail: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        hit = connection.execute(select(schema.events.c.hit_id).limit(1)).scalar_one()
        connection.execute(schema.messages.update().values(user_id=OTHER))
        connection.execute(schema.events.update().values(user_id=OTHER))
    await mara.get("/settings/access")

    for event in (public_id(hit), "0" * 16, "nonsense"):
        assert 404 == (await mara.post(f"/event/{event}/correct", {"answer": "me"})).status
    assert 0 == count(engine, schema.corrections)


@pytest.mark.parametrize("back", ["https://evil.example/x", "//evil.example", "\\\\evil", "/sent\r\nX: 1", ""])
async def test_the_way_back_never_leads_to_another_site(mara: Any, mail: Mail, opened: str, back: str) -> None:
    await mara.get(f"/message/{public_id(mail['proposal'])}")

    answer = await mara.post(f"/event/{opened}/correct", {"answer": "me", "back": back})
    there = urlsplit(answer.headers["location"])

    assert (303, "", "") == (answer.status, there.scheme, there.netloc)
    assert there.path in ("/", f"/message/{public_id(mail['proposal'])}")


async def test_without_the_token_of_the_page_nothing_is_remembered(mara: Any, opened: str, engine: Engine) -> None:
    mara.token = "wrong"

    assert 403 == (await mara.post(f"/event/{opened}/correct", {"answer": "me"})).status
    assert 403 == (await mara.post("/settings/devices")).status
    assert (0, 0) == (count(engine, schema.corrections), count(engine, schema.devices))


async def test_settings_list_what_was_said_and_undo_it_in_one_step(mara: Any, mail: Mail, opened: str) -> None:
    assert "Nothing yet." in (await mara.get("/settings/judging")).text
    await mara.post(f"/event/{opened}/correct", {"answer": "machine"})

    body = (await mara.get("/settings/judging")).text
    [number] = re.findall(r'name="id" value="(\d+)"', body)
    assert has(body, "A machine Thunderbird on Linux, 203.0.113.0/24")
    assert f"/message/{public_id(mail['proposal'])}?open={opened}#e{opened}" in body
    assert has(body, "You said that this was a machine: Thunderbird on Linux")
    assert has(body, "Corrected")  # the audit line
    answer = await mara.post("/settings/judging/undo", {"id": number})
    after = (await mara.get(answer.headers["location"])).text

    assert "/settings/judging?undone" == answer.headers["location"]
    assert "Taken back." in after
    assert "Nothing yet." in after
    assert has(after, "Correction undone")


async def test_judging_again_lists_what_changed_for_this_user_alone(
    mara: Any,
    mail: Mail,
    opened: str,
    engine: Engine,
    clock: Callable[[], datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, theirs = (mail["proposal"], MARA), (mail["foreign"], OTHER)
    with engine.begin() as connection:
        number = connection.execute(
            schema.rejudgings.insert()
            .values(
                cause="rules", words="rules 2026.10 -> 2026.11", position=-1, created_at=clock(), finished_at=clock()
            )
            .returning(schema.rejudgings.c.id)
        ).scalar_one()
        for hit, (of, user) in ((HitId(int(opened, 16)), own), (HitId(7), theirs), (HitId(8), theirs)):
            connection.execute(
                schema.revisions.insert().values(
                    rejudging_id=number, hit_id=hit, message_id=of, before="scanner", after="human_open", user_id=user
                )
            )

    body = (await mara.get("/settings/judging")).text

    assert has(body, "Rules 2026.10 -&gt; 2026.11 1 event changed")
    assert has(body, "1 loaded by a scanner, now opened by a person")
    assert has(body, "Proposal for the Harbourline depots 1")
    assert "Not yours" not in body
    assert has(
        (await mara.get(f"/message/{public_id(mail['proposal'])}")).text, "loaded by a scanner, until rules 2026.10"
    )
    monkeypatch.setattr(judged, "CHANGES", 0)
    assert has((await mara.get("/settings/judging")).text, "Rules 2026.10 -&gt; 2026.11 more than 0 events changed")


async def test_long_lists_come_in_pages(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SAID", 2)
    monkeypatch.setattr(settings, "LINES", 2)
    with reading(engine) as connection:
        events = [each.id for each in judged.of_message(connection, MARA, mail["proposal"]).items]
    await mara.get("/settings/judging")
    for each in events[:3]:
        assert 303 == (await mara.post(f"/event/{each}/correct", {"answer": "machine"})).status

    first = (await mara.get("/settings/judging")).text
    whole = (await mara.get("/settings/judging?all")).text
    [older] = re.findall(r'href="/settings/judging\?(older=\d+)#log"', first)
    second = (await mara.get(f"/settings/judging?{older}")).text

    assert (2, 3) == (first.count('action="/settings/judging/undo"'), whole.count('action="/settings/judging/undo"'))
    assert (2, 1) == tuple(body.partition('id="log"')[2].count("Corrected") for body in (first, second))
    assert "Newest" in second
    assert 200 == (await mara.get("/settings/judging?older=x")).status


# --- this is me -------------------------------------------------------------------------------------------------------


async def test_this_is_me_leads_through_the_tracking_address_and_back(
    mara: Any, engine: Engine, around: Surroundings
) -> None:
    page = await mara.get("/settings/devices")
    answer = await mara.post("/settings/devices")
    there, _, token = answer.headers["location"].rpartition("/")
    device, back = open_device(around.keys, token)
    with reading(engine) as connection:
        [row] = own.list_devices(connection, MARA)

    assert "form-action 'self' http://127.0.0.1:8026;" in page.headers["content-security-policy"]
    assert (303, f"{around.tracking_url}/me") == (answer.status, there)
    assert (public_id(device), f"{around.origin}/settings/devices?added") == (row.id, back)
    listed = (await mara.get("/settings/devices?added")).text
    assert "This browser is known as yours." in listed
    assert has(listed, "Firefox on Linux like this browser")


async def test_a_device_is_removed_by_its_owner_alone(mara: Any, engine: Engine, clock: Callable[[], datetime]) -> None:
    with engine.begin() as connection:
        mine = own.add_device(connection, MARA, "Mine", clock())
        theirs = own.add_device(connection, OTHER, "Theirs", clock())
    assert "Theirs" not in (await mara.get("/settings/devices")).text

    assert 404 == (await mara.post("/settings/devices/remove", {"id": public_id(theirs)})).status
    assert 404 == (await mara.post("/settings/devices/remove", {"id": "nonsense"})).status
    assert 303 == (await mara.post("/settings/devices/remove", {"id": public_id(mine)})).status
    assert 404 == (await mara.post("/settings/devices/remove", {"id": public_id(mine)})).status
    with reading(engine) as connection:
        assert len(own.list_devices(connection, OTHER)) == 1


async def test_a_hostile_browser_name_stays_text(mara: Any, engine: Engine, clock: Callable[[], datetime]) -> None:
    with engine.begin() as connection:
        own.add_device(connection, MARA, "<script>alert(1)</script>\u202e", clock())

    body = (await mara.get("/settings/devices")).text

    assert "<script>alert" not in body
    assert "\u202e" not in body


# --- data -------------------------------------------------------------------------------------------------------------


async def test_data_files_show_their_age_source_and_credit(
    around: Surroundings, mara: Any, clock: Callable[[], datetime]
) -> None:
    cities = DataFileRow(
        name="city",
        holds="the city of an address",
        source="dbip-city-lite.mmdb",
        licence="CC BY 4.0",
        credit="IP Geolocation by DB-IP",
        credit_url="https://db-ip.com",
        as_of=datetime.fromisoformat("2026-11-01").date(),
        rows=8_123_456,
    )
    app: Starlette = web.build(replace(around, data_files=lambda: (cities, replace(cities, trouble="torn"))))
    mara.app = app

    body = (await mara.get("/settings/data")).text

    assert has(body, "The city of an address dbip-city-lite.mmdb, CC BY 4.0 IP Geolocation by DB-IP 1 Nov 20 days old")
    assert '<a href="https://db-ip.com" rel="noreferrer">' in body
    assert "8,123,456" in body
    assert has(body, "Not used: torn")
    assert "unsealed data update" in body


async def test_without_data_files_that_is_said(mara: Any) -> None:
    assert "Only the ranges that came with the program." in (await mara.get("/settings/data")).text
