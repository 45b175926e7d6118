from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from tests.parts.web.read import text

from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.store import schema

MARA = UserId(0x5E9D_0000_0000_0001)
Mail = dict[str, MessageId]


def rows(body: str) -> list[str]:
    return [text(each) for each in re.findall(r"<li[^>]* data-row=.*?</a>", body, re.DOTALL)]


def copy_of(engine: Engine, message: MessageId) -> CopyId:
    with engine.connect() as connection:
        query = select(schema.copies.c.id).where(schema.copies.c.message_id == message)
        return CopyId(connection.execute(query).scalars().first() or 0)


async def test_opened_mail_stands_by_the_latest_reader_with_first_last_and_counts(mara: Any) -> None:
    found = rows((await mara.get("/opened")).text)

    assert found[0].startswith(
        "Opened twice, 2 Amara Nwosu Sensors: the follow-up you asked for Safari on iPhone, phone"
    )
    assert found[0].endswith(
        "first Tue 12:00 last 22 min ago 22 min ago 2 openings 1 click"
    )  # as a line, in its column
    assert "3 Ines Marchetti, Rob Okafor +1 more Proposal" in found[1]
    assert "3 openings 2 clicks" in found[1]


async def test_what_was_opened_just_now_says_just_that(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        newest = schema.messages.c.id == mail["clicked"]
        connection.execute(update(schema.messages).where(newest).values(last_at=clock() - timedelta(seconds=20)))
    found = rows((await mara.get("/opened")).text)

    assert found[0].endswith("first Tue 12:00 just now just now 2 openings 1 click")


async def test_who_gave_no_signal_for_three_days_can_be_written_to_again(mara: Any, mail: Mail, engine: Engine) -> None:
    body = (await mara.get("/opened?state=silent")).text

    assert any("Jonas Weidner Proposal for the Lindau site, with drawings No signal" in each for each in rows(body))
    assert f"/compose?reply={public_id(mail['silent'])}&amp;copy={public_id(copy_of(engine, mail['silent']))}" in body
    assert "not the same as unread" in text(body)
    assert "Cannot be seen" not in body


async def test_who_cannot_be_seen_stands_apart_with_the_reason(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:  # five letters to Olu, and nothing ever came back
        c = schema.copies
        connection.execute(update(c).values(mailbox=func.lower(c.c.address)))
        connection.execute(
            update(c)
            .where(c.c.address.like("olu%"))
            .values(opens=0, clicks=0, raw=0, machine=0, came=0, first_at=None, last_at=None)
        )
    body = (await mara.get("/opened?state=silent")).text
    seen, _, unseen = body.partition("Cannot be seen")

    assert "Jonas Weidner" in seen
    assert "Olu Bello" not in seen
    assert "Olu Bello" in unseen
    assert "Nothing was ever seen of this address" in unseen


async def test_who_reads_again_and_again_stands_in_a_list_that_says_what_it_cannot_know(mara: Any, mail: Mail) -> None:
    body = (await mara.get("/opened?state=keen")).text

    assert ["Ines Marchetti", "Dario Conti"] == re.findall(r'class="who"><span class="one"[^>]*>([^<]+)', body)
    assert "no answer that we know of. Answers are found in your mailbox" in text(body)


def forms(body: str, end: str) -> dict[str, tuple[str, str]]:
    """Where a form of each row leads to, and what it leads back to, by the name in the row."""
    found = re.findall(
        rf'class="who"><span class="one"[^>]*>([^<]+).*?action="([^"]+/{end})".*?name="back" value="([^"]*)"',
        body,
        re.DOTALL,
    )
    return {name: (action, unescape(back)) for name, action, back in found}


async def test_who_is_done_leaves_the_list_can_be_undone_at_once_and_put_back_later(mara: Any, mail: Mail) -> None:
    before = (await mara.get("/opened?state=keen")).text
    (first, second) = forms(before, "done").items()
    assert ("Ines Marchetti", "Dario Conti") == (first[0], second[0])
    action, back = first[1]
    row_of_the_next = second[1][0].split("/")[2]
    assert f"/opened?state=keen#r{row_of_the_next}" == back

    answer = await mara.post(action, {"back": back})
    copy = action.split("/")[2]
    assert (303, f"/opened?state=keen&done={copy}#r{row_of_the_next}") == (answer.status, answer.headers["location"])
    shown = (await mara.get(f"/opened?state=keen&done={copy}")).text
    assert "Done: Ines Marchetti Undo" in text(shown)
    assert ["Dario Conti"] == list(forms(shown, "done"))
    assert f'id="r{row_of_the_next}"' in shown

    put_back = forms((await mara.get("/opened?state=done")).text, "undo")
    assert {"Ines Marchetti": (f"/follow-ups/{copy}/undo", "/opened?state=done")} == put_back
    undone = await mara.post(f"/follow-ups/{copy}/undo", {"back": f"/opened?state=keen#r{copy}"})
    assert f"/opened?state=keen#r{copy}" == undone.headers["location"]
    after = (await mara.get(f"/opened?state=keen&done={copy}")).text  # as a browser shows it that goes back
    assert "Undo" not in text(after)
    assert ["Ines Marchetti", "Dario Conti"] == list(forms(after, "done"))
    assert "Nothing is done yet" in text((await mara.get("/opened?state=done")).text)


async def test_a_letter_that_stands_beside_the_list_gives_way_to_the_next_one(mara: Any, mail: Mail) -> None:
    body = (await mara.get(f"/opened?state=keen&m={public_id(mail['proposal'])}")).text
    (_, (_, back)), (_, (second, last)) = forms(body, "done").items()

    next_one = re.search(rf'id="r{second.split("/")[2]}" href="[^"]*m=([0-9a-f]{{16}})', body)
    assert next_one is not None
    assert f"/opened?state=keen&m={next_one[1]}#r{second.split('/')[2]}" == back
    assert "/opened?state=keen" == last


async def test_nobody_is_done_with_the_recipients_of_others(mara: Any, mail: Mail, engine: Engine) -> None:
    await mara.get("/opened")
    for copy in (public_id(copy_of(engine, mail["foreign"])), "0123456789abcdef", "x"):
        assert [404, 404] == [(await mara.post(f"/follow-ups/{copy}/{end}")).status for end in ("done", "undo")]
        assert "Undo" not in text((await mara.get(f"/opened?state=silent&done={copy}")).text)


async def test_a_reminder_that_was_taken_back_by_mistake_is_set_again(
    mara: Any, mail: Mail, clock: Callable[[], datetime]
) -> None:
    by = (clock() + timedelta(days=3)).date().isoformat()
    await mara.get("/opened")
    await mara.post("/reminders", {"message": public_id(mail["silent"]), "copy": "", "unless": "opened", "by": by})
    before = (await mara.get("/opened?state=reminders")).text
    ((action, back),) = forms(before, "done").values()

    answer = await mara.post(action, {"back": back})
    shown = (await mara.get(answer.headers["location"])).text
    assert "Done: Jonas Weidner Undo" in text(shown)
    (undo,) = re.findall(r'action="(/reminders/[0-9a-f]{16}/undo)"', shown)
    assert 303 == (await mara.post(undo, {"back": "/opened?state=reminders"})).status
    assert rows(before) == rows((await mara.get("/opened?state=reminders")).text)
    assert 404 == (await mara.post(undo)).status


async def test_a_reminder_is_set_shown_and_taken_back(mara: Any, mail: Mail, clock: Callable[[], datetime]) -> None:
    by = (clock() + timedelta(days=3)).date()
    put = {
        "message": public_id(mail["silent"]),
        "copy": "",
        "unless": "opened",
        "by": by.isoformat(),
        "back": "/opened",
    }
    answer = await mara.post("/reminders", put)
    assert (303, "/opened") == (answer.status, answer.headers["location"])

    body = (await mara.get("/opened?state=reminders")).text
    (row,) = rows(body)
    assert row.startswith("Jonas Weidner Proposal for the Lindau site, with drawings Unless opened by")
    assert "24 November, 09:00" in row

    (done,) = re.findall(r"/reminders/[0-9a-f]{16}/done", body)
    assert 303 == (await mara.post(done, {"back": "/opened?state=reminders"})).status
    assert [] == rows((await mara.get("/opened?state=reminders")).text)
    assert 404 == (await mara.post(done)).status


async def test_the_morning_is_that_of_the_readers_own_zone(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    by = (clock() + timedelta(days=3)).date()
    mara.cookies["zone"] = "Asia%2FTokyo~540"
    await mara.post("/reminders", {"message": public_id(mail["silent"]), "unless": "answered", "by": by.isoformat()})

    with engine.connect() as connection:
        (due,) = connection.execute(select(schema.reminders.c.due_at)).scalars().all()
    assert due == datetime(by.year, by.month, by.day, 0, tzinfo=UTC)  # 09:00 in Tokyo


@pytest.mark.parametrize("by", ["", "x", "2026-11-21", "2020-01-01", "9999-12-31", "2026-13-01"])
async def test_only_a_day_from_tomorrow_on_is_taken(mara: Any, mail: Mail, by: str) -> None:
    answer = await mara.post("/reminders", {"message": public_id(mail["silent"]), "unless": "opened", "by": by})

    assert 400 == answer.status
    assert "Choose a day from tomorrow on" in answer.text


async def test_nobody_sets_a_reminder_on_the_mail_of_others(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    by = (clock() + timedelta(days=3)).date().isoformat()
    foreign = {"message": public_id(mail["foreign"]), "unless": "opened", "by": by}
    mixed = {
        "message": public_id(mail["silent"]),
        "copy": public_id(copy_of(engine, mail["foreign"])),
        "unless": "opened",
        "by": by,
    }

    assert [404, 404] == [(await mara.post("/reminders", each)).status for each in (foreign, mixed)]
    with engine.connect() as connection:
        assert [] == connection.execute(select(schema.reminders)).all()


async def test_empty_lists_say_what_will_stand_there(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(schema.messages.update().values(opens=0))
        connection.execute(schema.copies.update().values(opens=1, sent_at=None))
    for state, said in (
        ("", "Nobody was seen opening yet"),
        ("silent", "Nothing to follow up"),
        ("keen", "Nobody keeps coming back"),
        ("reminders", "No reminder is set"),
        ("done", "Nothing is done yet"),
    ):
        body = text((await mara.get(f"/opened?state={state}")).text)

        assert said in body
        assert "not opened" not in body
