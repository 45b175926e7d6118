from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from tests.parts.test_identities import NO_ADDRESSES

from unsealed.inlets import web
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import UserId, public_id
from unsealed.store import members, people, proofs, schema
from unsealed.store.engine import reading
from unsealed.store.people import Role

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
HERE = "/settings/people"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def other(app: Any, mara: Any, engine: Engine, clock: Any, browser: Any) -> Any:
    """The browser of another person, who is a member."""
    it = browser(app=app)
    with engine.begin() as connection:
        it.cookies["unsealed"], it.token = proofs.new_session(connection, OTHER, "192.0.2.9", "test", clock())
    return it


def link_in(page: str) -> str:
    [link] = re.findall(r'<code class="secret">http://127\.0\.0\.1:8025(/welcome/[^<]+)</code>', page)
    return str(link)


def letters(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.messages)).scalar_one()


async def test_who_is_invited_comes_in_with_the_link_and_sends_from_that_address_alone(
    mara: Any, app: Any, browser: Any, engine: Engine
) -> None:
    before = letters(engine)
    page = (await mara.post(HERE, {"email": "Rob@Tidewater.example", "role": "member"})).text
    link = link_in(page)
    assert "it is shown this once" in page
    assert link not in (await mara.get(HERE)).text
    assert before == letters(engine)  # there is no upstream

    rob = browser(app=app)
    assert 'name="address"' not in (await rob.get(link)).text
    ready = await rob.post(link, {"password": PASSWORD, "address": "mara@elsewhere.example"})

    assert 200 == ready.status
    assert "rob@tidewater.example" in ready.text
    assert 200 == (await rob.get("/sent")).status
    assert 403 == (await rob.get(HERE)).status
    with reading(engine) as connection:
        found = people.user_by_email(connection, "rob@tidewater.example")
        assert found is not None
        assert Role.MEMBER is found.role
        assert ["rob@tidewater.example"] == people.identities_of(connection, found.id)


async def test_with_an_upstream_the_invitation_is_mailed_untracked(
    around: Surroundings, engine: Engine, clock: Any, browser: Any, mail: Any
) -> None:
    it = browser(app=web.build(replace(around, sandbox=False)))
    with engine.begin() as connection:
        it.cookies["unsealed"], it.token = proofs.new_session(connection, MARA, "127.0.0.1", "test", clock())

    page = (await it.post(HERE, {"email": "rob@tidewater.example", "role": "admin"})).text

    assert "It was mailed to them" in page
    with engine.connect() as connection:
        row = connection.execute(
            select(schema.messages, schema.originals.c.raw.label("letter"))
            .join(schema.originals)
            .where(schema.messages.c.subject == "Your invitation")
        ).one()
    assert link_in(page) in row.letter.decode()
    assert ("mara@tidewater.example", MARA, 0, 0) == (
        row.envelope_from,
        row.user_id,
        row.opens_level,
        row.clicks_level,
    )


async def test_members_get_no_page_and_no_say(other: Any, engine: Engine) -> None:
    page = await other.get(HERE)
    assert 403 == page.status
    assert "tidewater" not in page.text
    assert HERE not in (await other.get("/settings/access")).text
    for path, form in (
        (HERE, {"email": "x@example.org", "role": "owner"}),
        (f"{HERE}/role", {"id": public_id(OTHER), "role": "owner"}),
        (f"{HERE}/remove", {"id": public_id(MARA)}),
    ):
        assert 403 == (await other.post(path, form)).status
    with reading(engine) as connection:
        assert people.user_by_email(connection, "x@example.org") is None
        found = people.user(connection, OTHER)
        assert found is not None
        assert Role.MEMBER is found.role


async def test_an_administrator_does_not_get_above_the_own_role(other: Any, mara: Any, engine: Engine) -> None:
    await mara.post(f"{HERE}/role", {"id": public_id(OTHER), "role": "admin"})
    with engine.begin() as connection:
        other.cookies["unsealed"], other.token = proofs.new_session(
            connection, OTHER, "192.0.2.9", "test", mara.app.state.surroundings.clock()
        )
    page = (await other.get(HERE)).text

    assert '<option value="owner"' not in page
    assert f'value="{public_id(MARA)}"' not in page
    for path, form in (
        (HERE, {"email": "x@example.org", "role": "owner"}),
        (f"{HERE}/role", {"id": public_id(OTHER), "role": "owner"}),
        (f"{HERE}/role", {"id": public_id(MARA), "role": "member"}),
        (f"{HERE}/remove", {"id": public_id(MARA)}),
    ):
        answer = await other.post(path, form)
        assert 422 == answer.status
        assert "Only owners" in answer.text or path != HERE


async def test_who_is_removed_is_out_at_the_next_request(other: Any, mara: Any, engine: Engine) -> None:
    assert 200 == (await other.get("/sent")).status
    answer = await mara.post(f"{HERE}/remove", {"id": public_id(OTHER)})

    assert (303, f"{HERE}?done=removed#people") == (answer.status, answer.headers["location"])
    assert 303 == (await other.get("/sent")).status
    assert public_id(OTHER) not in (await mara.get(HERE)).text
    with engine.connect() as connection:
        assert connection.execute(select(schema.messages.c.id).where(schema.messages.c.user_id == OTHER)).first()
    again = await mara.post(f"{HERE}/remove", {"id": public_id(OTHER)})
    assert 422 == again.status


async def test_the_only_owner_stays_and_the_page_says_why(mara: Any) -> None:
    for path, form in ((f"{HERE}/role", {"role": "member"}), (f"{HERE}/remove", {})):
        answer = await mara.post(path, {"id": public_id(MARA)} | form)

        assert 422 == answer.status
        assert "This is the only owner" in answer.text


async def test_who_steps_down_is_led_to_a_page_that_is_still_theirs(mara: Any) -> None:
    await mara.post(f"{HERE}/role", {"id": public_id(OTHER), "role": "owner"})
    answer = await mara.post(f"{HERE}/role", {"id": public_id(MARA), "role": "member"})

    assert (303, "/settings/access") == (answer.status, answer.headers["location"])
    assert 200 == (await mara.get("/settings/access")).status
    assert 403 == (await mara.get(HERE)).status


@pytest.mark.parametrize("id", ["", "\0", "x" * 10_000, "f" * 16, "../x"])
async def test_what_is_nobody_is_not_there(mara: Any, id: str) -> None:
    assert 404 == (await mara.post(f"{HERE}/remove", {"id": id})).status


@pytest.mark.parametrize("role", ["", "root", "OWNER", "owner\0", "x" * 10_000])
async def test_what_is_no_role_is_refused(mara: Any, engine: Engine, role: str) -> None:
    assert 422 == (await mara.post(f"{HERE}/role", {"id": public_id(OTHER), "role": role})).status
    assert 422 == (await mara.post(HERE, {"email": "x@example.org", "role": role})).status
    with reading(engine) as connection:
        assert people.user_by_email(connection, "x@example.org") is None


@pytest.mark.parametrize("address", NO_ADDRESSES[:-1], ids=lambda each: repr(each)[:30])
async def test_what_is_no_address_is_said_at_its_field(mara: Any, engine: Engine, clock: Any, address: str) -> None:
    answer = await mara.post(HERE, {"email": address, "role": "member"})

    assert 422 == answer.status
    assert re.search(r'aria-invalid="true".*class="says wrong"', answer.text, re.DOTALL)
    with reading(engine) as connection:
        assert 2 == len(members.listed(connection, clock()))
