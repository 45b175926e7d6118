from __future__ import annotations

import html
import re
from typing import Any

import pytest
from sqlalchemy import Engine, select

from unsealed.store import schema

LETTER = '<p title="&quot;">Hi <a href="https://a.example/x?a=1&amp;b=2">you</a> &lt;b&gt;</p>'


def texts(page: str) -> list[str]:
    return [
        html.unescape(each) for each in re.findall(r"<textarea[^>]*readonly[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    ]


async def test_each_recipient_gets_html_of_their_own(mara: Any, engine: Engine) -> None:
    await mara.get("/paste")
    done = await mara.post("/paste", {"html": LETTER, "to": "Ines <a@x.example>, b@x.example", "subject": "Offer"})
    page = await mara.get(done.headers["location"])
    first, second = texts(page.text)

    assert (303, 200) == (done.status, page.status)
    assert first != second
    assert '<p title="&quot;">Hi <a href="http://127.0.0.1:8026/c/' in first
    assert "&lt;b&gt;</p>" in first
    assert 1 == first.count("/o/")
    assert "Ines" in page.text
    with engine.connect() as connection:
        states = connection.execute(
            select(schema.copies.c.delivery).where(schema.copies.c.mailbox.in_(("a@x.example", "b@x.example")))
        ).scalars()
        assert ["sent", "sent"] == list(states)


async def test_html_for_someone_names_nobody(mara: Any) -> None:
    await mara.get("/paste")
    done = await mara.post("/paste", {"html": LETTER, "to": "", "subject": ""})
    page = await mara.get(done.headers["location"])

    assert 1 == len(texts(page.text))
    assert "For someone" in page.text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"html": " "}, "Paste the HTML of a letter."),
        ({"html": LETTER, "to": "nobody"}, "“nobody” is not an e-mail address"),
        ({"html": LETTER, "subject": "x" * 501}, "500 is the most"),
        ({"html": "<p>\0"}, "NUL"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(
    mara: Any, form: dict[str, str], words: str
) -> None:
    await mara.get("/paste")
    answer = await mara.post("/paste", form)

    assert 422 == answer.status
    assert words in html.unescape(answer.text)
    assert html.escape(form["html"].strip().replace("\0", ""), quote=False)[:8] in answer.text


async def test_a_whole_letter_may_be_pasted(mara: Any) -> None:
    await mara.get("/paste")
    letter = LETTER + "<p>" + "ü" * 400_000 + "</p>"

    assert 303 == (await mara.post("/paste", {"html": letter})).status


async def test_there_is_nothing_of_others(mara: Any) -> None:
    for written in ("0123456789abcdef", "x", "../"):
        assert 404 == (await mara.get(f"/paste?m={written}")).status


async def test_the_page_stands_under_the_drafts_and_leads_back_there(mara: Any) -> None:
    page = await mara.get("/paste")

    assert '<a href="/drafts" aria-current="page">' in page.text
    assert 'href="/drafts" aria-label="Drafts"' in page.text
