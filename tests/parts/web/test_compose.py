"""The composer's endpoints, as its script asks them."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.store import drafts, preferences, schema

MARA = UserId(0x5E9D_0000_0000_0001)

IMAGE = b"\x89PNG\r\n\x1a\n and more"
LETTER = {
    "to": "ines@harbour.example, Rob Li <rob@quay.example>",
    "cc": "cleo@quay.example",
    "bcc": "secret@quay.example",
    "subject": "The offer",
    "html": '<p>See <a href="https://offer.example/a">the offer</a> or '
    '<a href="https://offer.example/b" data-unsealed="off">this</a>.</p>',
}


class Composer:
    """Asks as compose.js does."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        answer = await self.browser.request(
            method,
            path,
            {
                "origin": self.browser.origin,
                "accept": "application/json",
                "x-csrf-token": self.browser.token,
                "content-type": "application/json",
                **headers,
            },
            body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        return answer.status, answer.json

    async def draft(self, **content: object) -> str:
        status, made = await self.ask("POST", "/compose", LETTER | content)
        assert 201 == status
        return str(made["id"])


@pytest.fixture
def composer(mara: Any) -> Composer:
    return Composer(mara)


def rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one()


async def test_a_draft_is_kept_as_it_was_typed(composer: Composer) -> None:
    typed = LETTER | {"to": "ines@@harbour", "subject": "x\r\nBcc: a@b.example", "html": "<p>\x00<script>"}
    status, made = await composer.ask("POST", "/compose", typed)
    page = await composer.browser.get(f"/compose/{made['id']}")

    assert (201, {"to", "subject", "html"}) == (status, set(made["check"]["errors"]))
    assert 200 == page.status


async def test_a_check_says_what_sending_does_and_keeps_nothing(composer: Composer, engine: Engine) -> None:
    status, answer = await composer.ask("POST", "/compose/check", {"content": LETTER})
    found = answer["check"]

    assert (200, {}, []) == (status, found["errors"], found["warnings"])
    assert ("full", "full", 1, 1) == (found["opens"], found["clicks"], found["tracked"], found["left"])
    assert [(0, True, "", True), (1, False, "opt-out", True)] == [
        (each["n"], each["tracked"], each["reason"], each["may"]) for each in found["links"]
    ]
    assert {"body"} == {each["where"] for each in found["links"]}
    assert {"may": True, "why": ""} == found["controls"]["opens"]
    assert 0 == rows(engine, "drafts")


async def test_a_window_that_is_behind_is_told(composer: Composer) -> None:
    id = await composer.draft()
    first = await composer.ask("PUT", f"/compose/{id}", {"revision": 1, "content": LETTER | {"subject": "mine"}})
    second = await composer.ask("PUT", f"/compose/{id}", {"revision": 1, "content": LETTER | {"subject": "theirs"}})

    assert (200, 2) == (first[0], first[1]["revision"])
    assert (409, 2, "mine") == (second[0], second[1]["revision"], second[1]["content"]["subject"])
    assert "another window" in second[1]["error"]


async def test_a_letter_leaves_when_it_can_no_longer_be_taken_back(
    composer: Composer, engine: Engine, clock: Callable[[], datetime]
) -> None:
    id, before = await composer.draft(), rows(engine, "messages")
    status, sent = await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    again = await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    with engine.connect() as connection:
        job = connection.execute(select(schema.jobs).order_by(schema.jobs.c.id.desc())).mappings().first()
        kinds = connection.execute(
            select(schema.copies.c.address, schema.copies.c.kind)
            .where(schema.copies.c.message_id == int(sent["message"], 16))
            .order_by(schema.copies.c.position)
        ).all()

    assert (200, 10) == (status, sent["undo_s"])
    assert (200, sent) == again
    assert before + 1 == rows(engine, "messages")
    assert job is not None
    assert ("ready", clock() + timedelta(seconds=10)) == (job["state"], job["due_at"])
    assert [("to", 2), ("cc", 1), ("bcc", 1)] == [
        (kind, sum(row.kind == kind for row in kinds)) for kind in ("to", "cc", "bcc")
    ]


async def test_what_is_taken_back_is_a_draft_again_and_nothing_else(composer: Composer, engine: Engine) -> None:
    tables = ("messages", "copies", "links", "originals", "jobs", "contacts")
    id, before = await composer.draft(), [rows(engine, each) for each in tables]
    await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    status, answer = await composer.ask("POST", f"/compose/{id}/undo", {})
    page = await composer.browser.get("/drafts")

    assert (200, 3) == (status, answer["revision"])
    assert before == [rows(engine, each) for each in tables]
    assert "The offer" in page.text
    assert 200 == (await composer.ask("PUT", f"/compose/{id}", {"revision": 3, "content": LETTER}))[0]


async def test_the_list_of_drafts_names_people_by_name(composer: Composer) -> None:
    await composer.draft(cc="", bcc="", to="Rob Li <rob@quay.example>, <cleo@quay.example>, ines@harbour.example")
    page = await composer.browser.get("/drafts")

    assert "Rob Li, &lt;cleo@quay.example&gt;, ines@harbour.example<" in page.text


async def test_what_has_left_is_not_taken_back(composer: Composer, engine: Engine) -> None:
    id = await composer.draft()
    await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    with engine.begin() as connection:
        newest = select(func.max(schema.jobs.c.id)).scalar_subquery()
        connection.execute(schema.jobs.update().where(schema.jobs.c.id == newest).values(state="leased", attempts=1))
    before = rows(engine, "jobs")
    status, answer = await composer.ask("POST", f"/compose/{id}/undo", {})

    assert (409, {"error": "It has left, and cannot be taken back."}) == (status, answer)
    assert before == rows(engine, "jobs")


async def test_what_cannot_be_sent_is_said_beside_its_field(composer: Composer, engine: Engine) -> None:
    id, before = await composer.draft(to="nobody", subject="Dear {{first_name}}"), rows(engine, "messages")
    status, answer = await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})

    assert (422, {"to", "subject"}) == (status, set(answer["fields"]))
    assert "“nobody” is not an e-mail address" in answer["fields"]["to"]
    assert "{{first_name}}" in answer["fields"]["subject"]
    assert before == rows(engine, "messages")


async def test_nobody_sends_from_the_address_of_another(composer: Composer) -> None:
    id = await composer.draft(**{"from": "boss@bank.example"})
    status, answer = await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})

    assert (422, {"from"}) == (status, set(answer["fields"]))


async def test_files_go_along(composer: Composer, engine: Engine) -> None:
    id = await composer.draft()
    where = f"/compose/{id}/attachments"
    status, file = await composer.ask("POST", f"{where}?name=%C3%BCber.pdf", b"%PDF", content_type="application/pdf")
    _, picture = await composer.ask("POST", f"{where}?name=a.png&inline=1", IMAGE, content_type="image/png")
    shown = await composer.browser.get(picture["address"])
    html = f'<p><img src="{picture["address"]}"></p>'
    await composer.ask("PUT", f"/compose/{id}", {"revision": 1, "content": LETTER | {"html": html}})
    _, sent = await composer.ask("POST", f"/compose/{id}/send", {"revision": 2})
    with engine.connect() as connection:
        raw = connection.execute(
            select(schema.originals.c.raw).where(schema.originals.c.message_id == int(sent["message"], 16))
        ).scalar_one()

    assert (201, "über.pdf", 4) == (status, file["name"], file["size"])
    assert (200, IMAGE, "image/png") == (shown.status, shown.body, shown.headers["content-type"])
    assert "sandbox" in shown.headers["content-security-policy"]
    assert b'src="cid:' in raw
    assert b"filename*=utf-8''%C3%BCber.pdf" in raw
    assert b"/compose/" not in raw


async def test_a_file_that_no_letter_can_carry_is_refused(composer: Composer) -> None:
    id = await composer.draft()
    where = f"/compose/{id}/attachments?name=a.bin"
    large = await composer.ask("POST", where, bytes(26_000_000), content_type="application/zip")
    half = bytes(10_000_000)
    first = await composer.ask("POST", where, half, content_type="application/zip")
    second = await composer.ask("POST", where, half, content_type="application/zip")

    assert (413, 201, 422) == (large[0], first[0], second[0])
    assert "18 MB" in large[1]["fields"]["attachments"]
    assert "18 MB" in second[1]["fields"]["attachments"]


async def test_a_file_is_taken_off_again(composer: Composer, engine: Engine) -> None:
    id = await composer.draft()
    _, file = await composer.ask("POST", f"/compose/{id}/attachments?name=a.txt", b"a", content_type="text/plain")
    status, _ = await composer.ask("POST", f"/compose/{id}/attachments/{file['id']}/remove", {})

    assert (200, 0) == (status, rows(engine, "attachments"))


async def test_an_answer_goes_to_whom_the_letter_went(
    composer: Composer, mail: Mapping[str, MessageId], engine: Engine
) -> None:
    id = public_id(mail["proposal"])
    page = await composer.browser.get(f"/compose?reply={id}")

    assert 200 == page.status
    assert "Re: " in page.text
    assert 0 == rows(engine, "drafts")


@pytest.mark.parametrize(("hours", "told"), [("12", "4:14 pm UTC+9"), ("24", "16:14 UTC+9")])
async def test_the_time_above_a_quote_is_told_by_the_clock_and_in_the_zone_of_who_answers(
    composer: Composer, mail: Mapping[str, MessageId], engine: Engine, hours: str, told: str
) -> None:
    composer.browser.cookies["zone"] = f"Asia/Tokyo~540~{hours}"
    id = await composer.draft(answers=public_id(mail["proposal"]), mode="reply")
    shown = (await composer.browser.get(f"/compose/{id}/quote")).text
    _, left = await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    raw = (await composer.browser.get(f"/message/{left['message']}/original.eml")).body
    sent = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))

    assert f", {told}, Mara" in shown
    assert sent is not None
    assert f", {told}, Mara" in sent.get_content()


async def test_a_draft_is_discarded_with_its_files(composer: Composer, engine: Engine) -> None:
    id = await composer.draft()
    await composer.ask("POST", f"/compose/{id}/attachments?name=a.txt", b"a", content_type="text/plain")

    assert 200 == (await composer.ask("POST", f"/compose/{id}/discard", {}))[0]
    assert (0, 0) == (rows(engine, "drafts"), rows(engine, "attachments"))
    assert 404 == (await composer.ask("PUT", f"/compose/{id}", {"revision": 1, "content": LETTER}))[0]


async def test_contacts_are_offered(composer: Composer) -> None:
    id = await composer.draft()
    await composer.ask("POST", f"/compose/{id}/send", {"revision": 1})
    _, found = await composer.ask("GET", "/compose/contacts?q=ro")

    assert {"address": "rob@quay.example", "name": "Rob Li"} in found["contacts"]


async def test_the_time_to_take_back_is_the_users_choice(composer: Composer, engine: Engine) -> None:
    kept = await composer.browser.post("/drafts/undo", {"undo_s": "30"})
    refused = await composer.browser.post("/drafts/undo", {"undo_s": "61"})
    with engine.connect() as connection:
        seconds = preferences.undo_s(connection, MARA)

    assert (303, 422, 30) == (kept.status, refused.status, seconds)
    assert "Write a number of seconds from 0 to 60." in refused.text
    assert 'value="61"' in refused.text  # what was typed stays


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"to": 1}', b"\xff", b"[" * 100_000])
async def test_what_the_composer_never_sends_is_refused(composer: Composer, body: bytes) -> None:
    status, answer = await composer.ask("POST", "/compose", body)

    assert (400, True) == (status, bool(answer["error"]))


async def test_half_a_character_costs_no_draft(composer: Composer) -> None:
    status, made = await composer.ask("POST", "/compose", b'{"subject": "a\\ud800b"}')

    assert 201 == status
    assert "a?b" in (await composer.browser.get(f"/compose/{made['id']}")).text


async def test_a_script_of_a_signed_out_browser_is_told_in_json(composer: Composer) -> None:
    composer.browser.cookies.clear()
    status, answer = await composer.ask("POST", "/compose/check", {"content": {}})

    assert (401, True) == (status, "signed out" in answer["error"])


async def test_drafts_are_bounded(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "DRAFTS", 1)
    await composer.draft()
    status, answer = await composer.ask("POST", "/compose", LETTER)

    assert (403, True) == (status, "discard" in answer["error"])
