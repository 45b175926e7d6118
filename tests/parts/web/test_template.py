from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from tests.parts.web.read import text

from unsealed.core.template import KNOWN
from unsealed.inlets import web
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.inlets.web.template import MEANING
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.model.template import TemplateId
from unsealed.store import policies, proofs, schema, templates
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
ROB = UserId(0x5E9D_0000_0000_00FF)
PAGE = "/templates"
FORM = {
    "name": "Welcome",
    "subject": "Welcome, {{first_name}}",
    "html": '<table width="100%"><tr><td style="padding:3px">Dear {{first_name}}, {{phone}}</td></tr></table>',
    "text": "",
}


def unescaped(body: str) -> str:
    return html.unescape(body)


@pytest.fixture
async def made(mara: Any) -> str:
    """The id of a template of Mara's."""
    await mara.get(PAGE)
    answer = await mara.post(PAGE, FORM)
    assert answer.status == 303
    found = re.match(rf"{PAGE}/([0-9a-f]{{16}})\?done=kept", answer.headers["location"])
    assert found
    return found[1]


@pytest.fixture
def rob(app: Any, mail: Any, engine: Engine, clock: Callable[[], datetime], browser: Any) -> Any:
    """The browser of a member who is not Mara."""
    it = browser(app=app, origin="http://127.0.0.1:8025")
    with engine.begin() as connection:
        row = {"id": ROB, "email": "rob@z.example", "role": "member", "created_at": clock()}
        connection.execute(schema.users.insert().values(row))
        it.cookies["unsealed"], it.token = proofs.new_session(connection, ROB, "127.0.0.1", "test", clock())
    return it


async def filled(it: Any, path: str, asked: object = None, *, raw: bytes | None = None) -> Any:
    """What the composer is told."""
    body = json.dumps(asked).encode() if raw is None else raw
    headers = {"origin": it.origin, "content-type": "application/json", "x-csrf-token": it.token}
    return await it.request("POST", path, headers, body)


def versions(engine: Engine, id: str) -> list[str]:
    with reading(engine) as connection:
        return [each.content.html for each in templates.versions(connection, TemplateId(int(id, 16)))]


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_an_empty_list_says_what_a_template_is_good_for(mara: Any) -> None:
    page = text((await mara.get(PAGE)).text)

    assert "No template yet" in page
    assert "{{first_name}}" in page
    assert "Make the first one" in page


async def test_what_is_kept_stands_on_the_list_and_in_the_composer(mara: Any, rob: Any, made: str) -> None:
    page = await mara.get(PAGE)
    assert "Welcome Welcome, {{first_name}} Version 1, just now" in text(page.text)
    assert f'href="/compose?template={made}"' in page.text
    offered = json.loads((await mara.get("/compose/templates")).body)
    assert offered == {"templates": [{"id": made, "name": "Welcome", "version": 1}]}

    assert "No template yet" in (await rob.get(PAGE)).text
    assert json.loads((await rob.get("/compose/templates")).body) == {"templates": []}


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_other_words_make_a_version_and_the_old_one_can_be_taken_back(
    mara: Any, made: str, engine: Engine
) -> None:
    answer = await mara.post(f"{PAGE}/{made}", FORM | {"html": "<p>Hello</p>", "version": "1"})
    assert (303, f"{PAGE}/{made}?done=kept") == (answer.status, answer.headers["location"])
    assert "<p>Hello</p>" == versions(engine, made)[0]

    old = await mara.get(f"{PAGE}/{made}?version=1")
    assert "These are the words of version 1" in text(old.text)
    assert "Dear {{first_name}}" in unescaped(old.text)
    assert (await mara.post(f"{PAGE}/{made}/take-back", {"version": "1"})).status == 303
    assert ["Dear" in each for each in versions(engine, made)] == [True, False, True]
    assert (await mara.post(f"{PAGE}/{made}/take-back", {"version": "٣"})).status == 404


async def test_saving_the_same_makes_no_version(mara: Any, made: str, engine: Engine) -> None:
    answer = await mara.post(f"{PAGE}/{made}", FORM | {"version": "1"})

    assert answer.headers["location"].endswith("?done=as-before")
    assert 1 == len(versions(engine, made))


async def test_what_somebody_saved_meanwhile_is_not_covered_and_nothing_typed_is_lost(
    mara: Any, made: str, engine: Engine
) -> None:
    await mara.post(f"{PAGE}/{made}", FORM | {"html": "<p>Theirs</p>", "version": "1"})
    answer = await mara.post(f"{PAGE}/{made}", FORM | {"html": "<p>Mine & more</p>", "version": "1"})

    assert answer.status == 409
    assert "saved version 2 meanwhile" in text(answer.text)
    assert "<p>Mine & more</p>" in unescaped(answer.text)
    assert 'name="version" value="2"' in answer.text
    assert "<p>Theirs</p>" == versions(engine, made)[0]


async def test_what_a_letter_cannot_hold_is_left_out_and_said(mara: Any, engine: Engine) -> None:
    await mara.get(PAGE)
    answer = await mara.post(PAGE, FORM | {"html": "<style>p{}</style><p onclick=x()>a<script>x()</script></p>"})

    assert answer.headers["location"].endswith("?done=kept&left=script+style")
    page = await mara.get(answer.headers["location"])
    assert "Left out, because letters cannot hold it: script, style" in text(page.text)
    with reading(engine) as connection:
        assert "<p>a</p>" == connection.execute(select(schema.template_versions.c.html)).scalar_one()


HOSTILE = {
    "name": ["", "a\r\nb", "a\0b", "x" * 10_000, "\u202ea"],
    "subject": ["a\r\nBcc: x@y.example", "x" * 10_000, "=?utf-8?q?a=0d=0ab?=", "\x1b", "{{a b}}"],
    "html": ["", "a\0b", "x" * 400_000, "<div>" * 5_000, '<p style="{{c}}">', "<script>alert(1)</script>"],
    "text": ["\0", "x" * 200_000, "{{"],
}


@pytest.mark.parametrize(
    ("field", "typed"), [(f, each) for f in HOSTILE for each in HOSTILE[f]], ids=lambda v: ascii(v)[:30]
)
@pytest.mark.parametrize("there", [False, True])
async def test_what_cannot_be_kept_is_said_beside_its_field_and_stays_typed(
    mara: Any, engine: Engine, field: str, typed: str, there: bool
) -> None:
    await mara.get(PAGE)
    before = []
    path = PAGE
    if there:
        path = (await mara.post(PAGE, FORM)).headers["location"].partition("?")[0]
        before = versions(engine, path.rpartition("/")[2])
    answer = await mara.post(path, FORM | {"version": "1", "name": "Kept", field: typed})

    assert 422 == answer.status
    shown = answer.text[answer.text.index(f'id="{field}"') :]
    assert 'aria-invalid="true"' in shown[: shown.index("says wrong") + 20]
    assert "<script>alert" not in answer.text
    if field != "name":
        assert 'value="Kept"' in answer.text
    if field in ("html", "text") and typed:
        assert html.escape(typed.strip("\0")[:100], quote=False) in answer.text.replace("&#34;", '"')
    if there:
        assert before == versions(engine, path.rpartition("/")[2])


async def test_a_copy_of_one_s_own_begins_with_the_words_of_another(mara: Any, rob: Any, made: str) -> None:
    assert (await rob.get(f"{PAGE}/new?from={made}")).status == 404
    await mara.post(f"{PAGE}/{made}/share", {"shared": "1"})
    page = (await rob.get(f"{PAGE}/new?from={made}")).text

    assert "Welcome, mine" in page
    assert "Dear {{first_name}}" in unescaped(page)
    assert (await mara.get(f"{PAGE}/new?from=x")).status == 404


# --- how it looks -----------------------------------------------------------------------------------------------------


async def test_a_preview_is_filled_for_a_contact_and_loads_nothing(mara: Any, made: str) -> None:
    answer = await mara.get(f"{PAGE}/{made}/letter?contact=new@y.example")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox;" in answer.headers["content-security-policy"]
    assert "Not known of new@y.example: {{first_name}}, {{phone}}" in text(answer.text)


async def test_words_that_are_not_saved_can_be_looked_at(mara: Any, made: str, engine: Engine) -> None:
    form = FORM | {"html": '<p>{{email}}</p><img src="https://x.example/a.png"><a href="https://x.example">b</a>'}
    answer = await mara.post(f"{PAGE}/letter", form | {"contact": "<b>a@y.example"})
    assert "&lt;b&gt;a@y.example" in answer.text
    assert "<img x-src=" in answer.text
    assert "<a x-href=" in answer.text
    assert 1 == len(versions(engine, made))

    wrong = await mara.post(f"{PAGE}/letter", FORM | {"html": "{{a b}}", "subject": "<script>\n"})
    assert "Nothing to show yet" in wrong.text
    assert "<script>" not in wrong.text
    link = await mara.post(f"{PAGE}/letter", FORM | {"html": '<a href="{{email}}">x</a>', "contact": "a@y.example"})
    assert "This cannot be filled in" in link.text


# --- others -----------------------------------------------------------------------------------------------------------


async def test_a_shared_template_can_be_used_by_all_and_changed_by_its_maker(
    mara: Any, rob: Any, made: str, engine: Engine
) -> None:
    assert (await rob.get(f"{PAGE}/{made}")).status == 404
    assert (await mara.post(f"{PAGE}/{made}/share", {"shared": "1"})).status == 303

    page = await rob.get(f"{PAGE}/{made}")
    assert "Make one of your own from it" in text(page.text)
    assert "<textarea" not in page.text
    assert rob.token not in page.text
    assert [made] == [each["id"] for each in json.loads((await rob.get("/compose/templates")).body)["templates"]]
    for act, form in (
        ("", FORM),
        ("/share", {}),
        ("/offer", {}),
        ("/tracking", {"opens": "off"}),
        ("/take-back", {"version": "1"}),
    ):
        answer = await rob.post(f"{PAGE}/{made}{act}", form)
        assert answer.status in (403, 422), act
        assert "belongs to" in text(answer.text)
    assert 1 == len(versions(engine, made))

    with engine.begin() as connection:
        connection.execute(update(schema.users).where(schema.users.c.id == ROB).values(role="admin"))
    assert (await rob.post(f"{PAGE}/{made}/share", {})).headers["location"] == PAGE
    assert (await rob.get(f"{PAGE}/{made}")).status == 404


async def test_what_is_removed_is_offered_nowhere_and_can_be_offered_again(mara: Any, made: str) -> None:
    answer = await mara.post(f"{PAGE}/{made}/offer", {})
    assert "It is not offered any more" in text((await mara.get(answer.headers["location"])).text)
    assert json.loads((await mara.get("/compose/templates")).body) == {"templates": []}
    assert (await filled(mara, f"{PAGE}/{made}/fill", {})).status == 404
    assert "Offer it again" in text((await mara.get(f"{PAGE}/{made}")).text)

    await mara.post(f"{PAGE}/{made}/offer", {"offered": "1"})
    assert len(json.loads((await mara.get("/compose/templates")).body)["templates"]) == 1


# --- tracking ---------------------------------------------------------------------------------------------------------


async def test_a_template_says_what_is_tracked_in_its_letters(mara: Any, made: str, engine: Engine) -> None:
    form = {"opens": "identified", "clicks": "", "opens_at_most": "", "clicks_at_most": "off"}
    answer = await mara.post(f"{PAGE}/{made}/tracking", form)

    assert answer.headers["location"] == f"{PAGE}/{made}?done=tracking#tracking"
    with reading(engine) as connection:
        assert policies.of_template(connection, made) == Place(
            limit=Rule(scope=Scope.TEMPLATE, name=made, clicks=Level.OFF), opens=Level.IDENTIFIED
        )
    page = (await mara.get(f"{PAGE}/{made}")).text
    assert re.search(r'name="opens">.*?value="identified" selected', page)
    assert re.search(r'name="clicks_at_most">.*?value="off" selected', page)


async def test_more_than_is_allowed_is_refused_with_the_rule(
    around: Surroundings, mara: Any, made: str, engine: Engine
) -> None:
    mara.app = web.build(replace(around, tracking=Switches(opens=Level.OFF)))
    answer = await mara.post(f"{PAGE}/{made}/tracking", {"opens": "full"})

    assert answer.status == 422
    assert "Open tracking is switched off in the settings file of this installation." in text(answer.text)
    assert re.search(r'name="opens">.*?value="full" selected', answer.text)
    with reading(engine) as connection:
        assert policies.of_template(connection, made).opens is None


# --- the composer -----------------------------------------------------------------------------------------------------


async def test_the_composer_gets_what_is_known_and_the_names_of_the_rest(mara: Any, made: str) -> None:
    answer = await filled(mara, f"{PAGE}/{made}/fill", {"contact": "i@y.example", "values": {"first_name": "I <b>"}})

    assert answer.status == 200
    found = json.loads(answer.body)
    assert ("Welcome, I <b>", 1, ["phone"]) == (found["subject"], found["version"], found["missing"])
    assert "Dear I &lt;b&gt;, {{phone}}" in found["html"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"values": {"a": 1}}', b'{"x": 1}', b'{"contact": "\\ud800"}', b"[" * 9_999]
)
async def test_what_cannot_be_read_is_said_so(mara: Any, made: str, body: bytes) -> None:
    answer = await filled(mara, f"{PAGE}/{made}/fill", raw=body)

    assert answer.status == 422
    assert json.loads(answer.body)["error"].startswith("This cannot be read")


async def test_too_much_is_refused(mara: Any, made: str) -> None:
    assert (await filled(mara, f"{PAGE}/{made}/fill", {"values": {"a": "x" * 70_000}})).status == 413


async def test_a_value_that_would_be_another_address_is_refused(mara: Any) -> None:
    await mara.get(PAGE)
    made = (await mara.post(PAGE, FORM | {"html": '<a href="{{link}}">x</a>'})).headers["location"].partition("?")[0]
    answer = await filled(mara, f"{made}/fill", {"values": {"link": "javascript:alert(1)", "first_name": "I"}})

    assert answer.status == 422
    assert "{{link}}" in json.loads(answer.body)["error"]


def test_every_placeholder_that_is_known_is_explained() -> None:
    assert set(KNOWN) == set(MEANING)
