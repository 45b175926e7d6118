from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import quote_plus

import pytest
from sqlalchemy import Engine, select, update
from tests.parts.conftest import INES, MARA
from tests.parts.web.read import text

from unsealed.model.message import MessageId, public_id
from unsealed.store import proofs, schema

Mail = dict[str, MessageId]
LETTERS = ("silent", "renewal", "proposal")  # oldest first


@pytest.fixture
def thread(mail: Mail, engine: Engine, clock: Callable[[], datetime]) -> str:
    """The path of a conversation of three letters, with an answer and an automatic one between them."""
    m = schema.messages
    with engine.begin() as connection:
        ids = [mail[name] for name in LETTERS]
        connection.execute(update(m).where(m.c.id.in_(ids)).values(thread=ids[0]))
        for number, (kind, name, ago) in enumerate(
            (("reply", "Ines Marchetti", timedelta(days=2)), ("automatic", "Hanne", timedelta(days=3)))
        ):
            connection.execute(
                schema.replies.insert(),
                {
                    "user_id": MARA,
                    "message_id": mail["renewal"],
                    "kind": kind,
                    "header_id": f"<{number}@x>",
                    "address": INES[1],
                    "name": name,
                    "at": clock() - ago,
                },
            )
    return f"/thread/{public_id(mail['silent'])}"


def listed(body: str) -> list[str]:
    return re.findall(r'<li data-message="(\w+)">|<li class="came">', body.partition('id="detail"')[0])


async def test_all_shows_the_last_letter_and_each_letter_its_own_figures(mara: Any, mail: Mail, thread: str) -> None:
    everything = (await mara.get(thread)).text
    one = (await mara.get(f"{thread}?m={public_id(mail['renewal'])}")).text

    assert text(everything).count("Ines Marchetti opened, 3rd time") == 1
    assert "All" in text(everything)
    assert "3 letters; all shows the last one’s figures" in text(everything)
    assert "Hanne Vestergaard opened" in text(one)
    assert "3rd time" not in text(one)
    assert f'data-message="{public_id(mail["renewal"])}" data-refresh="{thread}/detail/' in one


async def test_letters_and_answers_stand_by_time_either_way(mara: Any, mail: Mail, thread: str) -> None:
    latest, oldest = (await mara.get(thread)).text, (await mara.get(f"{thread}?sort=oldest")).text
    expected = [public_id(mail["proposal"]), "", "", public_id(mail["renewal"]), public_id(mail["silent"])]

    assert expected == listed(latest)
    assert expected[::-1] == listed(oldest)
    assert "Ines Marchetti replied" in text(latest)
    assert "Automatic answer from Hanne Not counted" in text(latest)


async def test_a_letter_leads_to_its_conversation_when_it_has_one(mara: Any, mail: Mail, thread: str) -> None:
    alone = (await mara.get(f"/message/{public_id(mail['often'])}")).text
    for name in LETTERS:
        of = public_id(mail[name])
        assert f'href="{thread}?m={of}">3 letters in this conversation' in (await mara.get(f"/message/{of}")).text
        assert 200 == (await mara.get(f"/thread/{of}")).status

    assert "in this conversation" not in alone


async def test_a_conversation_leads_back_to_the_list_that_its_letter_was_found_in(
    mara: Any, mail: Mail, thread: str
) -> None:
    of = public_id(mail["renewal"])
    back = quote_plus(f"/sent?q=terms&m={of}")
    assert f'href="{thread}?m={of}&amp;back={back}">3 letters' in (await mara.get(f"/sent?q=terms&m={of}")).text

    body = (await mara.get(f"{thread}?m={of}&back={back}")).text
    assert f'href="/sent?q=terms&amp;m={of}" data-list>' in body
    rows = (await mara.get(f"{thread}/rows?id={of}&back={back}")).text
    assert f'href="{thread}?m={of}&amp;back={back}"' in rows
    letter = re.search(rf'href="(/message/{of}\?back=[^"]+)" data-full', body)
    assert letter
    assert f'href="{thread}?m={of}&amp;back={back}">3 letters' in (await mara.get(unescape(letter[1]))).text
    assert 'href="/sent" data-list>' in (await mara.get(f"{thread}?back=https://evil.example")).text


async def test_the_right_side_and_the_rows_can_be_asked_for_alone(mara: Any, mail: Mail, thread: str) -> None:
    of, foreign = public_id(mail["renewal"]), public_id(mail["foreign"])
    side = await mara.get(f"{thread}/detail/{of}?show=opens")
    rows = (await mara.get(f"{thread}/rows?id={of}&id={foreign}&id=x&m={of}")).text

    assert f'href="{thread}?m={of}&amp;show=clicks"' in side.text
    assert "Conversation" in text(side.text)
    assert [of] == re.findall(r'data-message="(\w+)"', rows)
    assert f'href="{thread}?m={of}" aria-current="true"' in rows
    assert 404 == (await mara.get(f"{thread}/detail/{foreign}")).status


async def test_what_belongs_to_others_is_no_conversation(mara: Any, mail: Mail) -> None:
    for of in (public_id(mail["foreign"]), "0123456789abcdef", "x"):
        assert 404 == (await mara.get(f"/thread/{of}")).status


async def test_a_chosen_letter_of_another_conversation_is_passed_over(mara: Any, mail: Mail, thread: str) -> None:
    said = text((await mara.get(f"{thread}?m={public_id(mail['often'])}")).text)

    assert "Pilot agreement" not in said


async def test_programs_get_the_same(
    mara: Any, mail: Mail, thread: str, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        token = proofs.new_api_token(connection, MARA, "test", clock())
    answer = await mara.get(f"/api/v1{thread.replace('thread', 'threads')}", authorization=f"Bearer {token}")
    other = await mara.get(f"/api/v1/threads/{public_id(mail['foreign'])}", authorization=f"Bearer {token}")

    assert [public_id(mail[name]) for name in LETTERS[::-1]] == [each["id"] for each in answer.json["messages"]]
    assert [3, 1, 0] == [each["opens"] for each in answer.json["messages"]]
    assert ["reply", "automatic"] == [each["kind"] for each in answer.json["answers"]]
    assert 404 == other.status


async def test_several_letters_are_silenced_at_once(mara: Any, mail: Mail, engine: Engine) -> None:
    names = [public_id(mail[name]) for name in ("proposal", "renewal")]
    body = (await mara.get("/sent")).text
    assert f'name="m.{names[0]}"' in body
    chosen = {f"m.{each}": "1" for each in names}

    answer = await mara.post("/silence/several", {"silent": "1", "back": "/sent?sort=sent", **chosen})
    assert (303, "/sent?sort=sent") == (answer.status, answer.headers["location"])
    with engine.connect() as connection:
        silences = connection.execute(select(schema.silences.c.of, schema.silences.c.silent)).all()
    assert {(str(mail[name]), True) for name in ("proposal", "renewal")} == {tuple(row) for row in silences}

    await mara.post("/silence/several", {"silent": "0", **chosen})
    with engine.connect() as connection:
        assert {False} == set(connection.execute(select(schema.silences.c.silent)).scalars())


async def test_not_one_is_silenced_when_one_of_them_is_not_the_users(mara: Any, mail: Mail, engine: Engine) -> None:
    await mara.get("/sent")
    for form in (
        {"silent": "1", f"m.{public_id(mail['proposal'])}": "1", f"m.{public_id(mail['foreign'])}": "1"},
        {"silent": "1", "m.x": "1"},
        {"silent": "2", f"m.{public_id(mail['proposal'])}": "1"},
    ):
        assert 404 == (await mara.post("/silence/several", form)).status
    with engine.connect() as connection:
        assert [] == connection.execute(select(schema.silences)).all()


async def test_links_say_how_often_when_and_by_whom_also_in_the_letter(mara: Any, mail: Mail) -> None:
    body = (await mara.get(f"/message/{public_id(mail['proposal'])}")).text
    letter = (await mara.get(f"/message/{public_id(mail['proposal'])}/letter")).text

    assert "Pricing tidewater.example/pricing?site=depots 1 0 09:46 last Ines Marchetti" in text(body)
    assert "nobody yet" in text(body)
    assert re.search(r'<a x-clicks="1 click" x-counts x-href="[^"]*pricing', letter)
    assert re.search(r'<a x-clicks="machines only" x-href="[^"]*visit', letter)
