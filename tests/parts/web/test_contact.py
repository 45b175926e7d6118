"""The pages of contacts and the same for programs. What they ask the store is tested in test_dealings.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, select
from tests.parts.conftest import MARA, OTHER, OUTLOOK, Did, Seeding, keep_habits
from tests.parts.web.read import text

from unsealed.inlets.web.contact import belief
from unsealed.model.event import Finding
from unsealed.model.message import MessageId, public_id
from unsealed.model.texts import ENGLISH
from unsealed.model.view import SignalFacts
from unsealed.store import contacts, proofs, schema

Mail = dict[str, MessageId]
INES = "/contacts/ines@harbourline.example"
HOSTILE = "/contacts/x'%22%3E%3Cb%3E@evil.example"


async def test_the_list_names_who_and_what_became_of_the_last_letter(mara: Any) -> None:
    said = text((await mara.get("/contacts")).text)

    assert "Nadia Kowal nadia@kowal.example Last letter: Minutes of the steering meeting Sending 1 letter" in said
    assert "3 Ines Marchetti ines@harbourline.example Last letter: Proposal for the Harbourline depots" in said
    assert "Opened 3 times, clicked 2 , last 1 h ago" in said
    assert "Bounced: mailbox full" in said
    assert "ann@else.example" not in said


async def test_contacts_are_found_and_a_search_without_hits_leads_out(mara: Any) -> None:
    found, nobody = await mara.get("/contacts?q=okafor"), await mara.get("/contacts?q=zzz")

    assert re.findall(r'class="row" href="([^"]*)"', found.text) == [
        "/contacts/rob.okafor@harbourline.example?back=%2Fcontacts%3Fq%3Dokafor"
    ]
    assert "Nobody matches" in text(nobody.text)


async def test_without_contacts_the_list_says_who_will_stand_there(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(schema.contacts.delete())

    assert "Whoever you write to appears here" in text((await mara.get("/contacts")).text)


async def test_a_contact_shows_what_passed_and_where_more_of_it_stands(mara: Any, mail: Mail) -> None:
    body = (await mara.get(INES)).text
    said = text(body)

    assert "<title>Ines Marchetti - Unsealed</title>" in body
    for words in (
        "Opened Proposal for the Harbourline depots Thunderbird on Linux, desktop",
        "Clicked Pricing Proposal",
    ):
        assert words in said
    assert "You wrote Proposal for the Harbourline depots" in said
    assert "You looked" not in said  # it is about them
    assert "Rob" not in said
    assert re.search(
        rf'href="/message/{public_id(mail["proposal"])}\?open=(\w+)&amp;back=%2Fcontacts%2Fines[^"&]+#e\1"', body
    )
    assert 'href="/compose?to=ines%40harbourline.example"' in body


async def test_a_contact_leads_back_to_the_search_that_found_it(mara: Any, mail: Mail) -> None:
    body = (await mara.get("/contacts?q=ines")).text
    contact = f"{INES}?back=%2Fcontacts%3Fq%3Dines"
    assert f'href="{contact}"' in body

    body = (await mara.get(contact)).text
    assert 'href="/contacts?q=ines" data-back>' in body
    letter = re.search(rf'href="(/message/{public_id(mail["proposal"])}\?[^"#]+)', body)
    assert letter
    body = (await mara.get(unescape(letter[1]))).text
    assert f'href="{contact}" data-back>' in body
    assert "Contact Reply" in text(body)

    answer = await mara.post(contact, {"what": "notes", "notes": "Calls before ten"})
    assert f"{contact}&done=notes#notes" == answer.headers["location"]
    assert 'href="/contacts" data-back>' in (await mara.get(f"{INES}?back=//evil.example")).text


async def test_bounces_and_doubts_are_said(mara: Any) -> None:
    assert "Bounced: mailbox full Warranty question" in text((await mara.get("/contacts/piet@verhoef.example")).text)
    assert "Maybe opened Notes from our call" in text((await mara.get("/contacts/claire@dubuc.example")).text)


async def test_what_can_be_believed_says_what_it_rests_on(mara: Any) -> None:
    few, some = text((await mara.get(INES)).text), text((await mara.get("/contacts/olu@bello.example")).text)

    assert "Too little is known yet" in few
    assert "1 opened by a person; 1 with a link followed by a person; 1 loaded ahead by a machine" in few
    assert "3 opened by a person; 4 of which nothing was seen" in some
    assert "Not enough readings yet. 3 readings seen. Hours are named after 20 readings on 7 days" in some


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (SignalFacts(), "Too little is known"),
        (SignalFacts(copies=4, with_pixel=4, silent=4), "Nothing was seen so far"),
        (SignalFacts(copies=9, with_pixel=9, silent=9), "Nothing was ever seen of this address"),
        (SignalFacts(copies=9, with_pixel=9, opened=8), "Opens show reliably"),
        (SignalFacts(copies=9, with_pixel=9, opened=2, silent=7), "silence says nothing"),
        (SignalFacts(copies=9, with_pixel=9, prefetched=9), "loaded ahead for this address"),
    ],
)
def test_how_far_signals_can_be_believed_in_words(facts: SignalFacts, words: str) -> None:
    assert words in belief(facts, (), ENGLISH).notes[0].words


async def test_best_hours_are_named_when_they_stand_out(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        seed = Seeding(connection, clock())
        seed.numbers = count(0x2C5E_0A00_8000_0001, 0x10_0003)
        for day in range(1, 30):
            opened = Did(ago=timedelta(days=day, hours=3), finding=Finding.HUMAN_OPEN, seen=OUTLOOK, first=True)
            seed.send("Figures", [("Zoe", "zoe@z.example")], timedelta(days=day, hours=4), did=[opened])
        keep_habits(connection)
    mara.cookies["zone"] = "Europe%2FLisbon~0"

    said = text((await mara.get("/contacts/zoe@z.example")).text)

    assert re.search(r"Best hours 0[789]:00 to 1[012]:00 , in your time 29 of 29 readings began then", said)
    assert "Opens show reliably for this address" in said


async def test_notes_are_kept_and_shown(mara: Any) -> None:
    await mara.get(INES)
    answer = await mara.post(INES, {"what": "notes", "notes": "Calls <b>before</b> ten\r\nBudget in March"})

    assert (303, f"{INES}?done=notes#notes") == (answer.status, answer.headers["location"])
    body = (await mara.get(answer.headers["location"].partition("#")[0])).text
    assert "Calls &lt;b&gt;before&lt;/b&gt; ten\nBudget in March</textarea>" in body
    assert "Notes saved." in text(body)


async def test_notes_that_are_too_long_are_said_and_not_lost(mara: Any) -> None:
    await mara.get(INES)
    answer = await mara.post(INES, {"what": "notes", "notes": "wordy " * 3_000})

    assert 422 == answer.status
    assert "Nothing was changed" in text(answer.text)
    assert answer.text.count("wordy ") > 2_900
    assert "wordy" not in (await mara.get(INES)).text


async def test_records_lead_to_other_systems_or_are_ids(mara: Any) -> None:
    await mara.get(INES)
    records = {"name0": "CRM", "value0": "https://crm.example/c/7?a=1&b=2", "name1": "Shop", "value1": "K-2231"}
    answer = await mara.post(INES, {"what": "records", **records})
    body = (await mara.get(answer.headers["location"].partition("#")[0])).text

    assert 'href="https://crm.example/c/7?a=1&amp;b=2" rel="noreferrer noopener" target="_blank"' in body
    assert "<code>K-2231</code>" in body

    await mara.post(INES, {"what": "records", "name0": "", "value0": "", "name1": "Shop", "value1": "K-1"})
    assert "crm.example" not in (await mara.get(INES)).text


@pytest.mark.parametrize("value", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://a@b.example"])
async def test_a_record_that_is_no_web_address_is_refused_where_it_was_typed(mara: Any, value: str) -> None:
    await mara.get(INES)
    answer = await mara.post(INES, {"what": "records", "name0": "Shop", "value0": "1", "name1": "CRM", "value1": value})

    assert 422 == answer.status
    assert re.search(r'id="value1"[^>]*aria-invalid="true" aria-describedby="wrong1"', answer.text)
    assert f'href="{value}"' not in answer.text
    assert "K" not in text((await mara.get(INES)).text).partition("Elsewhere")[2].partition("Add a record")[0]


async def test_nothing_of_a_hostile_contact_runs(mara: Any, mail: Mail) -> None:
    evil = "<script>alert(1)</script>\u202e"
    await mara.get(HOSTILE)
    await mara.post(HOSTILE, {"what": "notes", "notes": f"</textarea>{evil}"})
    await mara.post(HOSTILE, {"what": "records", "name0": "<b>'\"", "value0": 'https://x.example/"><script>'})
    bodies = [(await mara.get(path)).text for path in ("/contacts", HOSTILE, f"/thread/{public_id(mail['hostile'])}")]

    for body in bodies:
        assert [] == re.findall(r"<script(?! src=)|<img src=x|<b>@|</textarea><s", body)
    assert "&lt;/textarea&gt;" in bodies[1]


async def test_an_address_that_was_never_written_to_is_not_there(mara: Any) -> None:
    for path in ("/contacts/nobody@x.example", "/contacts/ann@else.example", "/contacts/%00", "/contacts/a/b/c"):
        await mara.get("/contacts")
        assert 404 == (await mara.get(path)).status, path
        assert 404 == (await mara.post(path, {"what": "notes", "notes": "x"})).status, path
    assert 404 == (await mara.post(INES, {"what": "else"})).status


async def test_a_contact_is_silenced_from_its_page(mara: Any) -> None:
    before = (await mara.get(INES)).text
    form = dict(re.findall(r'name="(scope|of|silent|back)" value="([^"]*)"', before))
    await mara.post("/silence", form)

    assert "Notices on" in text(before)
    assert "No notices" in text((await mara.get(INES)).text)


# --- the same for programs --------------------------------------------------------------------------------------------


@pytest.fixture
def token(engine: Engine, mail: Mail, clock: Callable[[], datetime]) -> dict[str, str]:
    with engine.begin() as connection:
        return {"authorization": f"Bearer {proofs.new_api_token(connection, MARA, 'test', clock())}"}


async def test_programs_get_the_same_contacts(mara: Any, token: dict[str, str]) -> None:
    first = (await mara.get("/api/v1/contacts?limit=2", **token)).json
    more = (await mara.get(f"/api/v1/contacts?limit=2&cursor={first['next']}", **token)).json
    one = (await mara.get("/api/v1/contacts?q=ines", **token)).json

    assert 2 == len(first["contacts"])
    assert {each["address"] for each in first["contacts"]}.isdisjoint({each["address"] for each in more["contacts"]})
    assert [("ines@harbourline.example", "Ines Marchetti", 1)] == [
        (each["address"], each["name"], each["messages"]) for each in one["contacts"]
    ]
    assert 400 == (await mara.get("/api/v1/contacts?cursor=x", **token)).status


async def test_programs_get_what_passed_and_what_it_rests_on(mara: Any, token: dict[str, str]) -> None:
    shown = (await mara.get("/api/v1/contacts/ines@harbourline.example?limit=2", **token)).json
    more = await mara.get(f"/api/v1/contacts/ines@harbourline.example?cursor={shown['next']}", **token)

    assert ["opened", "clicked"] == [each["what"] for each in shown["dealings"]]
    assert "Pricing" == shown["dealings"][1]["link_text"]
    assert "sent" == more.json["dealings"][-1]["what"]
    assert (1, 1, 1) == tuple(shown["basis"][name] for name in ("letters", "opened", "prefetched"))
    assert (None, [], {}) == (shown["best_hours"], shown["traits"], shown["records"])
    assert 404 == (await mara.get("/api/v1/contacts/ann@else.example", **token)).status


async def test_programs_keep_notes_and_records(mara: Any, token: dict[str, str], engine: Engine) -> None:
    async def put(body: object, path: str = "ines@harbourline.example") -> Any:
        given = {**token, "content-type": "application/json"}
        return await mara.request("PUT", f"/api/v1/contacts/{path}", given, json.dumps(body).encode())

    most = await put({"notes": "x\r\n" * 4_998 + "done\n"})  # as many as the page takes, counted as they are kept
    kept = await put({"records": {"CRM": "https://crm.example/7"}})
    also = await put({"notes": "Calls before ten"})

    assert (200, 10_000) == (most.status, len(most.json["notes"]))
    assert (200, {"CRM": "https://crm.example/7"}) == (kept.status, kept.json["records"])
    assert most.json["notes"] == kept.json["notes"]  # what is not named stays
    assert ({"CRM": "https://crm.example/7"}, "Calls before ten") == (also.json["records"], also.json["notes"])
    wrong = await put({"records": {"CRM": "javascript:alert(1)"}, "notes": "x" * 10_001})
    assert 422 == wrong.status
    assert {"notes", "records.CRM"} == set(wrong.json["error"]["fields"])
    assert 400 == (await put({"note": "x"})).status
    assert 413 == (await put("x" * 300_000)).status
    assert 404 == (await put({"notes": "x"}, "ann@else.example")).status
    with engine.connect() as connection:
        others = connection.execute(select(schema.contacts).where(schema.contacts.c.user_id == OTHER)).all()
        assert [""] == [row.notes for row in others]
        found = contacts.contact(connection, MARA, "ines@harbourline.example")
    assert found is not None
    assert "Calls before ten" == found.notes
