from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

from sqlalchemy import Engine, delete, select
from tests.parts.web.read import text

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.notice import Press, Scope
from unsealed.store import notices, schema

MARA = UserId(0x5E9D_0000_0000_0001)
Mail = dict[str, MessageId]


def lines(body: str) -> list[str]:
    return [text(each) for each in re.findall(r"<li data-row=.*?</li>", body, re.DOTALL)]


async def test_what_happened_stands_under_its_days_in_words(mara: Any, mail: Mail) -> None:
    body = (await mara.get("/activity")).text
    said = lines(body)

    assert (
        "11:38 Amara Nwosu clicked Book a time Sensors: the follow-up you asked for Safari on iPhone, phone person"
        in said
    )
    assert (
        "10:08 Ines Marchetti opened, 3rd time Proposal for the Harbourline depots Thunderbird on Linux, desktop person"
        in said
    )
    assert any(each.startswith("06:00 Claire Dubuc maybe opened Notes from our call") for each in said)
    assert any("3 loads in 2 min" in each for each in said)
    assert any("bounced mailbox full · Warranty question" in each for each in said)
    assert "Today, Saturday 21 November 4 people opened, 2 clicked" in text(body)
    assert "Yesterday, Friday 20 November" in text(body)


async def test_machines_are_hidden_counted_and_shown_on_demand(mara: Any) -> None:
    hidden = (await mara.get("/activity")).text
    shown = (await mara.get("/activity?machine=1")).text
    alone = (await mara.get("/activity?state=machine")).text

    assert "machine requests are hidden. Show machine activity" in text(hidden)
    assert not [each for each in lines(hidden) if "a machine" in each.replace("a rented machine", "")]
    assert "Hide machine activity" in text(shown)
    assert [each for each in lines(shown) if "Rob Okafor loaded by a machine" in each and "4 requests in" in each]
    assert all("machine" in each for each in lines(alone))


async def test_a_filter_stands_in_the_address_and_in_its_links(mara: Any) -> None:
    for state, verb in (("opens", "opened"), ("clicks", "clicked")):
        body = (await mara.get(f"/activity?state={state}")).text

        assert lines(body)
        assert all(verb in each for each in lines(body)), state
        assert f'href="/activity?state={state}" aria-current="page"' in body
        assert f"/activity?state={state}&amp;m=" in body


async def test_an_unknown_filter_is_refused_in_words(mara: Any) -> None:
    answer = await mara.get("/activity?state=unread")

    assert 400 == answer.status
    assert "Show is one of opens, clicks, highlights, replies, muted, machine" in unescape(answer.text)


async def test_what_is_silenced_is_shown_says_so_and_has_a_list(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    assert "Nothing happened to what is silenced" in text((await mara.get("/activity?state=muted")).text)
    with engine.begin() as connection:
        notices.press(connection, MARA, Press(scope=Scope.MESSAGE, of=str(int(mail["often"])), silent=True, at=clock()))

    everything, muted = (await mara.get("/activity")).text, (await mara.get("/activity?state=muted")).text

    assert [each for each in lines(everything) if "No notice: silenced" in each] == lines(muted)[:17]
    assert all("Dario Conti" in each for each in lines(muted))
    assert "Book a time" not in muted


async def test_the_message_of_a_line_stands_beside_it_and_leads_back(mara: Any, mail: Mail) -> None:
    it = public_id(mail["proposal"])
    body = (await mara.get(f"/activity?state=opens&m={it}")).text

    assert "<title>Proposal for the Harbourline depots - Unsealed</title>" in body
    assert f'data-refresh="/activity/detail/{it}?state=opens&amp;m={it}"' in body
    assert '<a class="button plain small" href="/activity?state=opens" data-back>' in body
    assert f'<article class="message" data-message="{it}"' in (await mara.get(f"/activity/detail/{it}")).text
    assert 404 == (await mara.get("/activity/detail/0123456789abcdef")).status


async def test_the_lines_alone_are_the_lines_of_the_page(mara: Any, mail: Mail) -> None:
    query = f"state=opens&m={public_id(mail['proposal'])}"
    page, alone = (await mara.get(f"/activity?{query}")).text, (await mara.get(f"/activity/rows?{query}")).text

    found = [re.findall(r"<li data-row=.*?</li>", body, re.DOTALL) for body in (page, alone)]
    assert found[0]
    assert found[0] == found[1]


async def test_pages_go_on_where_they_end(mara: Any, monkeypatch: Any) -> None:
    from unsealed.inlets.web import activity

    monkeypatch.setattr(activity, "LINES", 7)
    path, seen = "/activity", []
    while path:
        body = (await mara.get(path)).text
        seen += re.findall(r'data-row="([^"]+)"', body)
        older = re.search(r'href="([^"]+)" rel="next"', body)
        path = unescape(older[1]) if older else ""

    monkeypatch.setattr(activity, "LINES", 200)
    assert re.findall(r'data-row="([^"]+)"', (await mara.get("/activity")).text) == seen
    assert len(set(seen)) == len(seen) > 20


async def test_a_day_that_the_page_cuts_has_no_sum(mara: Any, monkeypatch: Any) -> None:
    from unsealed.inlets.web import activity

    monkeypatch.setattr(activity, "LINES", 4)
    body = (await mara.get("/activity")).text

    assert "people opened" not in body


async def test_an_answer_of_a_person_and_one_of_a_machine_are_told_apart(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        rows = [
            {"kind": "reply", "address": "hanne@vestergaard.example", "name": "Hanne Vestergaard"},
            {"kind": "automatic", "address": "away@iglesias.example", "name": ""},
        ]
        connection.execute(
            schema.replies.insert(),
            [
                {"user_id": MARA, "message_id": mail["renewal"], "header_id": f"<{number}>", "at": clock(), **row}
                for number, row in enumerate(rows)
            ],
        )

    everything = lines((await mara.get("/activity")).text)
    answers = lines((await mara.get("/activity?state=replies")).text)

    assert "12:00 Hanne Vestergaard replied Renewal terms for 2027" in everything
    assert not [each for each in everything if "away@iglesias" in each]
    assert [True, True] == ["replied" in answers[0], "answered by a machine" in answers[1]]


async def test_an_empty_list_says_what_will_stand_there_and_the_one_thing_to_do(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(schema.events))
        connection.execute(schema.copies.update().values(delivery="sent"))
    body = (await mara.get("/activity")).text

    assert "Nothing happened yet Opens, clicks and replies appear here the moment they happen" in text(body)
    assert "not the same as unread" in text(body)
    assert 1 == body.count('class="button primary"')
    assert "/compose?to=mara%40tidewater.example" in body or "/compose?to=mara@tidewater.example" in body


async def test_hostile_words_stay_words_and_no_code_is_inline(mara: Any, mail: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.events.update().values(client="<script>alert(1)</script>", system="\u202e<img src=x>")
        )
        connection.execute(schema.links.update().values(text="<img src=x onerror=alert(1)>"))
        connection.execute(
            schema.replies.insert(),
            {
                "user_id": MARA,
                "message_id": mail["hostile"],
                "kind": "reply",
                "header_id": "<x>",
                "address": '"><script>alert(2)</script>',
                "name": "<svg onload=alert(3)>\u202e",
                "at": connection.execute(select(schema.messages.c.received_at)).scalars().first(),
            },
        )
    for path in (
        "/activity?machine=1",
        "/activity?state=replies",
        "/opened",
        f"/opened?m={public_id(mail['hostile'])}",
    ):
        answer = await mara.get(path)

        assert 200 == answer.status
        for bad in ("<script>alert", "<img src=x", "<svg onload", "\u202e"):
            assert bad not in answer.text, (path, bad)
        assert not re.search(r"<style|<[a-z][^>]*\s(style|on[a-z]+)=|<script(?! src=)", answer.text)


async def test_a_reminder_that_is_due_is_said_at_the_top(
    mara: Any, mail: Mail, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.reminders.insert(),
            {
                "user_id": MARA,
                "message_id": mail["silent"],
                "unless": "opened",
                "due_at": clock() - timedelta(hours=1),
                "state": "due",
                "created_at": clock(),
            },
        )

    assert "1 reminder is due. Look" in text((await mara.get("/activity")).text)
