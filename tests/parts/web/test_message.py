from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import Engine, select
from tests.parts.web.read import text

from unsealed.inlets.web import message
from unsealed.model.message import MessageId, public_id
from unsealed.store import schema

Mail = dict[str, MessageId]


async def page(mara: Any, message: MessageId, query: str = "") -> str:
    answer = await mara.get(f"/message/{public_id(message)}{query}")
    assert answer.status == 200
    return str(answer.text)


async def test_each_recipient_has_a_state_of_its_own(mara: Any, mail: Mail) -> None:
    said = text(await page(mara, mail["proposal"]))

    assert "3 Ines Marchetti ines@harbourline.example Opened 3 times, clicked 2" in said
    assert "Rob Okafor rob.okafor@harbourline.example Loaded by a machine" in said
    assert "Lotte Brandsma Cc lotte@fennel.example Sent" in said


async def test_the_history_shows_readings_and_folds_machines_away(mara: Any, mail: Mail) -> None:
    said = text(await page(mara, mail["proposal"]))

    history = said[said.index("All") : said.index("machine loads")]
    for words in (
        "Ines Marchetti opened, 3rd time",
        "Ines Marchetti clicked Pricing",
        "Ines Marchetti opened, 2nd time",
        "3 loads in 2 min",
        "1 h 53 min without a signal",
        "Ines Marchetti clicked Depot plan",
        "Gmail, device hidden · place hidden",
        "You looked at the copy of Ines Marchetti",
        "Sent to all three",
    ):
        assert words in history
    assert "5 machine loads not counted, no notice: scanner 4, Apple privacy 1" in said


async def test_a_chip_opens_why_we_think_so(mara: Any, mail: Mail) -> None:
    body = await page(mara, mail["proposal"])

    why = text(body[body.index('<div class="why">') :])
    assert why.startswith("Why we think so rules 2026.11 Thunderbird asked for the picture")
    assert "CLIENT_DIRECT" in why
    assert 'aria-label="Confidence 0.95, from 0 to 1; under 0.6 we say maybe"' in body


async def test_tabs_count_and_filter(mara: Any, mail: Mail) -> None:
    everything = await page(mara, mail["proposal"])
    opens = text(await page(mara, mail["proposal"], "?show=opens"))
    clicks = text(await page(mara, mail["proposal"], "?show=clicks"))

    tabs = re.findall(r">(\w+) <span class=\"n\">(\d+)<", everything)
    assert tabs == [("All", "5"), ("Opens", "3"), ("Clicks", "2"), ("Requests", "13")]
    assert "clicked Pricing" not in opens[: opens.index("machine loads")]
    assert opens.count("Ines Marchetti opened") == 3
    assert "Ines Marchetti opened" not in clicks


@pytest.mark.parametrize(
    ("back", "name"),
    [
        ("/opened?state=keen&after=1.2", "Opened"),
        ("/activity?state=clicks", "Activity"),
        ("/sent?q=depot&state=opened", "Sent"),
        ("/thread/00000000000000ff", "Conversation"),
    ],
)
async def test_the_way_back_is_the_list_as_it_was_whatever_tab_is_looked_at(
    mara: Any, mail: Mail, back: str, name: str
) -> None:
    body = await page(mara, mail["proposal"], f"?back={quote(back, safe='')}")
    tab = re.search(r'href="([^"]+show=clicks[^"]+)"', body)
    assert tab
    for each in (body, (await mara.get(unescape(tab[1]))).text):
        link = re.search(r'href="([^"]+)" data-back>.*?</svg>(\w+)<', each)
        assert link
        assert (back, name) == (unescape(link[1]), link[2])


@pytest.mark.parametrize("hostile", ["https://evil.example/sent", "//evil.example", "/sign-out", "javascript:alert(1)"])
async def test_a_way_back_that_is_no_list_of_ours_is_not_shown(mara: Any, mail: Mail, hostile: str) -> None:
    body = await page(mara, mail["proposal"], f"?back={quote(hostile, safe='')}")

    assert f'href="/sent?m={public_id(mail["proposal"])}" data-back>' in body
    assert "evil" not in body
    assert hostile not in body


@pytest.mark.parametrize("beside", ["/sent?state=clicked&sort=sent&", "/activity?state=opens&", "/opened?"])
async def test_a_list_is_named_to_the_page_that_it_leads_to(mara: Any, mail: Mail, beside: str) -> None:
    of = public_id(mail["proposal"])
    body = (await mara.get(f"{beside}m={of}")).text

    assert f'href="/message/{of}?back={quote_plus(f"{beside}m={of}")}" data-full>' in body
    assert f'href="/message/{of}?show=raw&amp;who=' in body


async def test_links_show_people_and_machines_apart_and_why_some_were_left_alone(mara: Any, mail: Mail) -> None:
    said = text(await page(mara, mail["proposal"]))

    assert "Pricing tidewater.example/pricing?site=depots 1 0" in said
    assert "Depot plan tidewater.example/plans/harbourline.pdf 1 1" in said
    assert "Book a visit tidewater.example/visit 0 1 none nobody yet" in said
    assert "Unsubscribe tidewater.example/unsubscribe left alone: looks like an unsubscribe link" in said


async def test_what_was_changed_is_said(mara: Any, mail: Mail) -> None:
    changed = text(await page(mara, mail["proposal"]))
    untouched = text(await page(mara, mail["untracked"]))

    assert "4 lead through 127.0.0.1:8026, 3 left alone" in changed
    assert "one, before </body>, at byte 2,211" in changed
    assert "It went out as you wrote it: the message is signed" in untouched


async def test_the_delivery_log_shows_what_the_next_server_said(mara: Any, mail: Mail) -> None:
    body = text(await page(mara, mail["bounced"]))
    assert "552 5.2.2 <piet@verhoef.example>: mailbox full" in body
    assert "Accepted from your mail program" not in body.partition("Links")[0]  # the history says what became of it
    assert "1 bounced" in text(await page(mara, mail["partly"])).partition("Links")[0]
    assert "lotte@fennel.example 250 OK , 2nd try" in text(await page(mara, mail["proposal"]))
    assert "451 4.7.1 Greylisted, try later , next try then" in text(await page(mara, mail["waiting"]))


async def test_the_letter_stands_in_a_frame_that_loads_nothing(mara: Any, mail: Mail) -> None:
    body = await page(mara, mail["proposal"])
    letter = await mara.get(f"/message/{public_id(mail['proposal'])}/letter")

    assert (
        f'<iframe class="paper" src="/message/{public_id(mail["proposal"])}/letter" title="The letter" sandbox=""'
        in body
    )
    assert letter.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in letter.headers["content-security-policy"]
    assert "Thank you for showing us round" in letter.text


async def test_the_original_is_a_file(mara: Any, mail: Mail, engine: Engine) -> None:
    answer = await mara.get(f"/message/{public_id(mail['proposal'])}/original.eml")

    with engine.connect() as connection:
        kept = connection.execute(
            select(schema.originals.c.raw).where(schema.originals.c.message_id == mail["proposal"])
        ).scalar_one()
    assert answer.body == kept
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("path", ["/message/{}", "/message/{}/letter", "/message/{}/original.eml", "/copy/{}/sent.eml"])
async def test_what_is_not_yours_is_not_there(mara: Any, mail: Mail, path: str) -> None:
    for number in (public_id(mail["foreign"]), "0" * 16, "nonsense"):
        assert (await mara.get(path.format(number))).status == 404


async def test_an_unknown_tab_is_refused(mara: Any, mail: Mail) -> None:
    answer = await mara.get(f"/message/{public_id(mail['proposal'])}?show=views")

    assert answer.status == 400


async def test_the_tab_of_opens_shows_also_what_a_click_proved(mara: Any, mail: Mail) -> None:
    body = await page(mara, mail["click_only"], "?show=opens")

    assert '>Opens <span class="n">1<' in body
    assert "Kofi Mensa opened A followed link proves it" in text(body)


async def test_a_message_without_a_signal_says_what_that_means(mara: Any, mail: Mail) -> None:
    said = text(await page(mara, mail["silent"], "?show=opens"))

    assert "No open seen This is not the same as unread" in said
    whole = text(await page(mara, mail["silent"]))
    assert "Not the same as unread: many mail programs load no pictures unless asked" in whole
    assert whole.count("not the same as unread") == 0  # once is enough
    assert "No signal so far. This is not the same as unread" in text(await page(mara, mail["sent"]))


async def test_a_shared_copy_says_someone_and_stands_first(mara: Any, mail: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        row = connection.execute(
            select(schema.copies).where(schema.copies.c.message_id == mail["partly"], schema.copies.c.position == 2)
        ).one()
        connection.execute(
            schema.copies.update().where(schema.copies.c.message_id == mail["partly"]).values(tracked=False, opens=0)
        )
        connection.execute(
            schema.copies.update()
            .where(schema.copies.c.id == row.id)
            .values(address="", name="", position=40, tracked=True, opens=1, kind="bcc")
        )

    said = text(await page(mara, mail["partly"]))

    assert "who of them it was cannot be told" in said
    people = said[said.index("To State Requests") : said.index("Opens")]
    assert "1 Someone (one of 10) Opened" in people
    assert "Not tracked" not in people
    assert people.index("Someone (one of 10)") < people.index("Priya Raman")
    assert "Someone (one of 10) opened" in said


async def test_the_hidden_link_is_named_as_what_it_is(mara: Any, mail: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.links.update()
            .where(schema.links.c.message_id == mail["proposal"], schema.links.c.position == 3)
            .values(trap=True)
        )

    said = text(await page(mara, mail["proposal"]))

    assert "A machine followed the hidden link for Rob Okafor" in said
    assert "References tidewater" not in said


async def test_the_newest_ten_lines_are_shown_and_all_on_request(mara: Any, mail: Mail) -> None:
    short, whole = await page(mara, mail["often"]), await page(mara, mail["often"], "?lines=all")

    assert 10 == short.count('<li id="e')
    assert "More than 10: show all</a>" in short
    assert 17 == whole.count('<li id="e')
    assert "show all</a>" not in whole


async def test_every_raw_request_is_one_click_away(mara: Any, mail: Mail) -> None:
    whole = await page(mara, mail["proposal"])
    [ines, rob] = re.findall(r'href="(/message/[^"]+show=raw&amp;who=[^"]+)"', whole)

    everything = await page(mara, mail["proposal"], "?show=raw")
    robs = (await mara.get(rob.replace("&amp;", "&"))).text

    assert 13 == everything.count('<li id="e')
    assert 4 == robs.count('<li id="e')
    assert "Only the copy of Rob Okafor." in text(robs)
    assert "machine loads" not in text(everything)
    assert ines != rob


async def test_an_event_opened_by_its_address_is_shown_wherever_it_stands(mara: Any, mail: Mail) -> None:
    oldest = re.findall(r'<li id="e(\w+)"', await page(mara, mail["often"], "?lines=all"))[-1]
    machine = re.findall(r'<li id="e(\w+)"', await page(mara, mail["proposal"]))[-1]

    assert f'data-key="e{oldest}" open' in await page(mara, mail["often"], f"?open={oldest}")
    opened = await page(mara, mail["proposal"], f"?open={machine}")
    assert 'data-key="machines" open' in opened
    assert f'data-key="e{machine}" open' in opened


async def test_every_event_says_how_sure_we_are(mara: Any, mail: Mail) -> None:
    assert "person certain Why we think so" in text(await page(mara, mail["renewal"]))
    assert "person maybe Why we think so" in text(await page(mara, mail["maybe"]))


async def test_hostile_facts_of_a_request_stay_text(mara: Any, mail: Mail, engine: Engine) -> None:
    evil = "<script>alert(3)</script>\u202e"
    with engine.begin() as connection:
        connection.execute(
            schema.hits.update().values(user_agent=evil, accept_language=evil, referer_host=evil, method=evil)
        )
        connection.execute(
            schema.events.update().values(
                client=evil, system=evil, operator=evil, place="known", city=evil, region=evil
            )
        )

    for query in ("", "?show=raw"):
        body = await page(mara, mail["proposal"], query)
        assert "<script>alert(3)" not in body
        assert "\u202e" not in body


async def test_many_machine_loads_show_the_newest_and_lead_to_all(
    mara: Any, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message, "LINES_SHOWN", 2)
    monkeypatch.setattr(message, "MACHINES_READ", 4)

    body = await page(mara, mail["proposal"])
    fold = body[body.index('data-region="machines"') :]

    assert "5 machine loads not counted, no notice: the newest 4 are scanner 3, Apple privacy 1" in text(body)
    assert 2 == fold.count('<li id="e')
    assert "show=raw" in fold
