from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import Engine, select

from unsealed.model.message import MessageId, public_id
from unsealed.store import schema

Mail = dict[str, MessageId]


class Reader(HTMLParser):
    """What is read, without tags, white space folded."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.feed(body)

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def text(body: str) -> str:
    return " ".join(" ".join(Reader(body).said).split())


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
        "Gmail, device hidden · place hidden by Gmail",
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
    assert tabs == [("All", "7"), ("Opens", "3"), ("Clicks", "2"), ("Requests", "13")]
    assert "clicked Pricing" not in opens[: opens.index("machine loads")]
    assert opens.count("Ines Marchetti opened") == 3
    assert "Ines Marchetti opened" not in clicks


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
    assert "No signal so far. This is not the same as unread" in text(await page(mara, mail["silent"]))
