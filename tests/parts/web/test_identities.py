from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from starlette.routing import Route
from tests.parts.test_identities import NO_ADDRESSES

from unsealed.inlets import web
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import UserId, public_id
from unsealed.store import people, proofs, schema
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
SALES = "sales@tidewater.example"
HERE = "/settings/identities"


def letter(engine: Engine) -> bytes:
    """The newest letter that Unsealed wrote."""
    m, o = schema.messages.c, schema.originals.c
    with engine.connect() as connection:
        newest = select(o.raw).join(schema.messages, m.id == o.message_id).order_by(m.received_at.desc(), m.id)
        raw: bytes = connection.execute(newest.where(m.sealed).limit(1)).scalar_one()
        return raw


def code_in(engine: Engine) -> str:
    [code] = re.findall(rb"^    (\d{6})\r$", letter(engine), re.MULTILINE)
    return str(code, "ascii")


def owns(engine: Engine, address: str = SALES) -> bool:
    with reading(engine) as connection:
        return people.may_send_from(connection, MARA, address)


async def test_an_address_is_added_with_the_code_from_its_letter(mara: Any, engine: Engine) -> None:
    answer = await mara.post(HERE, {"address": " Sales@Tidewater.example"})
    assert (303, f"{HERE}?done=sent#waiting") == (answer.status, answer.headers["location"])
    page = (await mara.get(f"{HERE}?done=sent")).text
    assert "Waiting for a code" in page
    assert "lands in the Sandbox" in page
    assert not owns(engine)

    answer = await mara.post(f"{HERE}/code", {"address": SALES, "code": code_in(engine)})

    assert (303, f"{HERE}?done=proven#addresses") == (answer.status, answer.headers["location"])
    assert owns(engine)
    assert "Waiting for a code" not in (await mara.get(HERE)).text


async def test_the_letter_is_untracked_names_who_asks_and_comes_back_to_nobody_else(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, {"address": SALES})
    raw = letter(engine).decode()

    assert "From: <mara@tidewater.example>\r\n" in raw
    assert f"To: <{SALES}>\r\n" in raw
    assert "Auto-Submitted: auto-generated\r\n" in raw
    assert "mara@tidewater.example wants to send mail" in raw
    with engine.connect() as connection:
        row = connection.execute(select(schema.messages).where(schema.messages.c.sealed)).one()
        [copy] = connection.execute(select(schema.copies).where(schema.copies.c.message_id == row.id))
    assert (SALES, 0, 0, False, SALES) == (
        row.envelope_from,
        row.opens_level,
        row.clicks_level,
        copy.tracked,
        copy.address,
    )
    assert code_in(engine) not in row.subject


async def test_with_an_upstream_nobody_reads_the_code_but_in_the_mail_of_the_address(
    around: Surroundings, engine: Engine, clock: Any, browser: Any, mail: Any
) -> None:
    """Whatever pages come: who asked for a code must not find it in the own list of sent mail."""
    app = web.build(replace(around, sandbox=False))
    it = browser(app=app)
    with engine.begin() as connection:
        it.cookies["unsealed"], it.token = proofs.new_session(connection, MARA, "127.0.0.1", "test", clock())
        token = proofs.new_api_token(connection, MARA, "test", clock())
    await it.post(HERE, {"address": SALES})
    code = code_in(engine)
    with engine.connect() as connection:
        message = connection.execute(select(schema.messages.c.id).where(schema.messages.c.sealed)).scalar_one()
        copy = connection.execute(select(schema.copies.c.id).where(schema.copies.c.message_id == message)).scalar_one()
    seen = 0
    for route in app.routes:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()) or route.path == "/live":
            continue
        for id in (public_id(message), public_id(copy)):
            answer = await it.get(re.sub(r"\{[^}]+\}", id, route.path), authorization=f"Bearer {token}")
            seen += SALES in answer.text

            assert code not in answer.text, route.path
    assert seen  # the control: the letter itself is listed


async def test_the_page_of_a_sealed_letter_leads_to_no_text(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, {"address": SALES})
    with engine.connect() as connection:
        message = connection.execute(select(schema.messages.c.id).where(schema.messages.c.sealed)).scalar_one()

    page = (await mara.get(f"/message/{public_id(message)}")).text

    assert "shown to its recipient alone" in page
    assert ".eml" not in page
    assert "iframe" not in page


async def test_a_wrong_code_says_how_many_tries_are_left(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, {"address": SALES})
    bad = f"{(int(code_in(engine)) + 1) % 10**6:06}"

    for left in ("4 tries left", "3 tries left", "2 tries left", "1 try left"):
        answer = await mara.post(f"{HERE}/code", {"address": SALES, "code": bad})
        assert 422 == answer.status
        assert re.search(
            rf'aria-invalid="true".*class="says wrong"[^>]*>.*not the code.*{left}', answer.text, re.DOTALL
        )
    await mara.post(f"{HERE}/code", {"address": SALES, "code": bad})
    answer = await mara.post(f"{HERE}/code", {"address": SALES, "code": code_in(engine)})

    assert 422 == answer.status
    assert "tried too often" in answer.text
    assert not owns(engine)


async def test_a_code_that_is_too_old_says_so(mara: Any, engine: Engine, clock: Any) -> None:
    await mara.post(HERE, {"address": SALES})
    clock.advance(timedelta(minutes=15))

    answer = await mara.post(f"{HERE}/code", {"address": SALES, "code": code_in(engine)})

    assert 422 == answer.status
    assert "too old" in answer.text


async def test_asking_says_nothing_about_others_and_the_right_code_does(mara: Any, engine: Engine, clock: Any) -> None:
    with engine.begin() as connection:
        people.add_identity(connection, OTHER, "sales@elsewhere.example", clock())
    free = await mara.post(HERE, {"address": "free@elsewhere.example"})
    taken = await mara.post(HERE, {"address": "sales@elsewhere.example"})
    assert (free.status, free.headers["location"]) == (taken.status, taken.headers["location"])
    with engine.connect() as connection:
        raws = connection.execute(select(schema.originals.c.raw)).scalars().all()
    [raw] = [each for each in raws if b"To: <sales@elsewhere.example>" in each]
    [code] = re.findall(rb"^    (\d{6})\r$", raw, re.MULTILINE)

    answer = await mara.post(f"{HERE}/code", {"address": "sales@elsewhere.example", "code": code.decode()})

    assert 422 == answer.status
    assert "Another user here sends from this address" in answer.text
    assert not owns(engine, "sales@elsewhere.example")


async def test_letters_to_one_address_are_limited_and_nothing_is_sent_then(mara: Any, engine: Engine) -> None:
    for _ in range(3):
        assert 303 == (await mara.post(HERE, {"address": SALES})).status
    answer = await mara.post(HERE, {"address": SALES})

    assert 429 == answer.status
    assert "wait an hour" in answer.text
    with engine.connect() as connection:
        assert 3 == len(connection.execute(select(schema.messages).where(schema.messages.c.sealed)).all())


@pytest.mark.parametrize("address", NO_ADDRESSES[:-1], ids=lambda each: repr(each)[:30])
async def test_what_is_no_address_is_said_at_its_field_and_gets_no_letter(
    mara: Any, engine: Engine, address: str
) -> None:
    typed = address
    answer = await mara.post(HERE, {"address": typed})

    assert 422 == answer.status
    assert re.search(r'aria-invalid="true".*class="says wrong"', answer.text, re.DOTALL)
    shown = re.sub(r'value="[^"]*"', "", answer.text)
    assert not re.search("[\0\x7f\u202e\u200b]", shown)
    with engine.connect() as connection:
        assert [] == connection.execute(select(schema.messages).where(schema.messages.c.sealed)).all()
    assert 422 == (await mara.post(f"{HERE}/code", {"address": typed, "code": "123456"})).status
    assert 404 == (await mara.post(f"{HERE}/remove", {"address": typed})).status
    assert 404 == (await mara.post(f"{HERE}/describe", {"address": typed})).status


async def test_an_international_address_gets_a_letter(mara: Any, engine: Engine) -> None:
    assert 303 == (await mara.post(HERE, {"address": "Grüße@Bücher.example"})).status
    assert "To: <grüße@bücher.example>\r\n" in letter(engine).decode()
    answer = await mara.post(f"{HERE}/code", {"address": "grüße@bücher.example", "code": code_in(engine)})

    assert 303 == answer.status
    assert owns(engine, "grüße@bücher.example")


async def test_name_and_signature_are_kept_as_text(mara: Any) -> None:
    form = {
        "address": "mara@tidewater.example",
        "name": "Mara <script>\r\nBcc: x@example.com",
        "signature": "--\r\nMara\0\r\n</textarea><script>alert(1)</script>",
    }
    assert 303 == (await mara.post(f"{HERE}/describe", form)).status
    page = (await mara.get(HERE)).text

    assert 'value="Mara &lt;script&gt; Bcc: x@example.com"' in page
    assert "--\nMara\n&lt;/textarea&gt;&lt;script&gt;" in page
    assert "<script>alert" not in page


async def test_what_is_too_long_is_said_at_its_field_and_not_lost(mara: Any) -> None:
    form = {"address": "mara@tidewater.example", "name": "n" * 10_000, "signature": "s" * 10_000}
    answer = await mara.post(f"{HERE}/describe", form)

    assert 422 == answer.status
    assert 'value="' + "n" * 10_000 + '"' in answer.text
    assert "s" * 10_000 + "</textarea>" in answer.text
    assert 2 == answer.text.count('aria-invalid="true"')
    assert 1 == answer.text.count('<details class="fold entry-fold" open>')


async def test_addresses_go_but_the_last_one_stays(mara: Any, engine: Engine, clock: Any) -> None:
    with engine.begin() as connection:
        people.add_identity(connection, MARA, SALES, clock())
    assert 303 == (await mara.post(f"{HERE}/remove", {"address": SALES})).status
    assert not owns(engine)
    last = await mara.post(f"{HERE}/remove", {"address": "mara@tidewater.example"})

    assert 422 == last.status
    assert "This is your only address" in last.text
    assert 404 == (await mara.post(f"{HERE}/remove", {"address": SALES})).status


async def test_proving_an_address_can_be_given_up(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, {"address": SALES})
    assert 303 == (await mara.post(f"{HERE}/remove", {"address": SALES})).status

    assert "Waiting for a code" not in (await mara.get(HERE)).text
    assert 422 == (await mara.post(f"{HERE}/code", {"address": SALES, "code": code_in(engine)})).status
