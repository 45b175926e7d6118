from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, delete
from tests.parts.web.read import text

from unsealed.model.message import MessageId, public_id
from unsealed.store import schema
from unsealed.store import sent as listing

Mail = dict[str, MessageId]
HREF = re.compile(r'(?:href|src)="([^"]*)"')


def row(body: str, message: MessageId) -> str:
    found = re.search(rf'<li data-message="{public_id(message)}">.*?</a>', body, re.DOTALL)
    assert found
    return text(found[0])


async def test_each_row_says_state_and_count_in_words(mara: Any, mail: Mail) -> None:
    body = (await mara.get("/sent")).text

    assert (
        row(body, mail["waiting"]) == "Sofia Ekdahl Sample shipment, second pallet Sending , next try 12:05 sent 11:54"
    )
    assert "3 Ines Marchetti, Rob Okafor +1 more" in row(body, mail["proposal"])
    assert "Opened , last 1 h ago 2 clicks sent 07:14" in row(body, mail["proposal"])
    assert "Clicked Book a time , 22 min ago" in row(body, mail["clicked"])
    assert "1? Claire Dubuc" in row(body, mail["maybe"])
    assert "Maybe opened , last 6 h ago" in row(body, mail["maybe"])
    assert "Opened, 1 bounced , last yesterday" in row(body, mail["partly"])
    assert "Bounced: mailbox full" in row(body, mail["bounced"])
    assert "Loaded by a machine" in row(body, mail["machine"])
    assert "Not tracked , signed" in row(body, mail["untracked"])
    assert "No signal" in row(body, mail["silent"])
    assert "Delivered" in row(body, mail["delivered"])
    assert "Sending" in row(body, mail["queued"])


async def test_nobody_is_called_unread(mara: Any) -> None:
    said = text((await mara.get("/sent")).text).lower()

    assert "unread" not in said
    assert "not opened" not in said


async def test_the_chosen_message_stands_beside_the_list(mara: Any, mail: Mail) -> None:
    body = (await mara.get(f"/sent?m={public_id(mail['proposal'])}")).text

    assert "<title>Proposal for the Harbourline depots - Unsealed</title>" in body
    assert re.search(
        rf'data-message="{public_id(mail["proposal"])}">(?:<input[^>]*>)?<a class="row"[^>]*aria-current="true"', body
    )
    assert "Ines Marchetti opened, 3rd time" in text(body)


async def test_a_search_and_a_filter_narrow_the_list_and_stay_in_its_links(mara: Any, mail: Mail) -> None:
    body = (await mara.get("/sent?q=harbourline&state=opened&sort=sent")).text

    assert body.count("<li data-message=") == 1
    assert f"/sent?q=harbourline&amp;state=opened&amp;sort=sent&amp;m={public_id(mail['proposal'])}" in body


async def test_a_filter_that_nothing_matches_says_so_and_leads_out(mara: Any) -> None:
    body = (await mara.get("/sent?q=zzz")).text

    assert "Nothing matches this filter 25 messages are outside it. Clear the filter" in text(body)


@pytest.mark.parametrize("query", ["", "?state=opened&q=depots", "?sort=opened"])
async def test_an_empty_list_tells_how_to_set_up_the_mail_program_and_nothing_else(
    mara: Any, mail: Mail, engine: Engine, query: str
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(schema.sandbox))
        connection.execute(delete(schema.messages))

    body = (await mara.get(f"/sent{query}")).text
    said = text(body)

    assert "Nothing sent yet" in said
    assert [] == [each for each in ("Any state", "Last signal first", "matches", 'type="search"') if each in body]
    for word in ("mail.tidewater.example", "2525", "STARTTLS", "mara@tidewater.example", "Make an app password"):
        assert word in said


async def test_an_unknown_filter_is_a_page_that_says_so(mara: Any) -> None:
    answer = await mara.get("/sent?state=unread")

    assert answer.status == 400
    assert "No such state" in text(answer.text)


async def test_rows_can_be_asked_for_alone(mara: Any, mail: Mail) -> None:
    wanted, foreign = public_id(mail["proposal"]), public_id(mail["foreign"])

    body = (await mara.get(f"/sent/rows?sort=sent&id={wanted}&id={foreign}&id=nonsense")).text

    assert re.findall(r'data-message="([^"]*)"', body) == [wanted]
    assert "<html" not in body
    assert f"/sent?sort=sent&amp;m={wanted}" in body


async def test_the_right_side_can_be_asked_for_alone(mara: Any, mail: Mail) -> None:
    answer = await mara.get(f"/sent/detail/{public_id(mail['proposal'])}?show=clicks")

    assert "<html" not in answer.text
    assert "clicked Pricing" in text(answer.text)
    assert "opened, 3rd time" not in text(answer.text)
    assert (await mara.get(f"/sent/detail/{public_id(mail['foreign'])}")).status == 404


async def test_the_root_leads_to_what_happened_once_something_was_sent(mara: Any, engine: Engine) -> None:
    answer = await mara.get("/")
    assert (answer.status, answer.headers["location"]) == (303, "/activity")

    with engine.begin() as connection:
        for table in (schema.links, schema.copies, schema.messages):
            connection.execute(delete(table))
    answer = await mara.get("/")
    assert (answer.status, answer.headers["location"]) == (303, "/sent")


async def test_hostile_words_stay_words(mara: Any, mail: Mail) -> None:
    for path in ("/sent", f"/sent?m={public_id(mail['hostile'])}", f"/message/{public_id(mail['hostile'])}"):
        body = (await mara.get(path)).text

        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "\u202e" not in body
        assert "‹U+202E›" in body


async def test_pages_keep_the_policy_without_inline_code(mara: Any, mail: Mail) -> None:
    for path in ("/sent", f"/message/{public_id(mail['proposal'])}", "/sandbox", "/settings/access"):
        answer = await mara.get(path)

        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert not re.search(r"<style|<[a-z][^>]*\s(style|on[a-z]+)=|<script(?! src=)", answer.text)
        assert all(each.startswith(("/", "#")) for each in HREF.findall(answer.text)), "nothing from another origin"


async def test_the_rail_names_only_screens_that_are_there(mara: Any) -> None:
    body = (await mara.get("/sent")).text
    nav = body[body.index('<nav aria-label="Main"') : body.index("</nav>")]
    behind_more = nav.index('<details class="drop more">')

    for path in re.findall(r'href="([^"]+)"', nav):
        if not path.startswith("/static"):
            assert (await mara.get(path)).status == 200
    named = re.findall(r"</svg>([A-Za-z]+)</a>", nav[:behind_more])
    assert named == "Activity Sent Opened Contacts Reports Drafts Templates Sandbox Settings Write".split()
    assert set(re.findall(r"</svg>([A-Za-z]+)</a>", nav[behind_more:])) < set(named)


@pytest.mark.parametrize(("zone", "expected"), [("", "11:54"), ("Asia/Tokyo~540", "20:54"), ("nowhere~-60", "10:54")])
async def test_times_are_those_of_the_readers_zone(
    mara: Any, mail: Mail, zone: str, expected: str, clock: Callable[[], datetime]
) -> None:
    if zone:
        mara.cookies["zone"] = zone

    assert f"sent {expected}" in row((await mara.get("/sent")).text, mail["waiting"])


async def test_a_page_that_ends_early_says_so_and_leads_on(
    mara: Any, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a state that few of the newest are in, only so many letters are looked at for one page."""
    monkeypatch.setattr(listing, "WALKED", 2)
    found: list[str] = []
    path: str | None = "/sent?state=no_signal"
    for _ in range(len(mail)):
        page = (await mara.get(path)).text
        found += re.findall(r'data-message="([0-9a-f]{16})"', page)
        on = re.search(r'href="([^"]*after=[^"]*)" data-older>Look further back<', page)
        if on is None:
            break
        path = unescape(on[1])

    assert on is None
    assert public_id(mail["silent"]) in found


@pytest.mark.parametrize(
    ("cookie", "chosen", "expected"),
    [
        ("Asia/Tokyo~540~12", "", "8:54 pm"),
        ("Asia/Tokyo~540~24", "", "20:54"),
        ("Asia/Tokyo~540~12", "24", "20:54"),
        ("Asia/Tokyo~540~24", "12", "8:54 pm"),
        ("Asia/Tokyo~540~noon~12", "", "20:54"),
    ],
)
async def test_hours_are_counted_as_the_browser_does_unless_a_clock_was_chosen(
    mara: Any, mail: Mail, cookie: str, chosen: str, expected: str
) -> None:
    await mara.get("/settings/language")
    mara.cookies["zone"] = cookie
    await mara.post("/settings/language", {"language": "", "clock": chosen})
    page = (await mara.get("/sent")).text

    assert f"sent {expected}" in row(page, mail["waiting"])
    assert ('data-clock="12"' in page) is expected.endswith("pm")
