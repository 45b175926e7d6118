"""The language of the pages, and of what is written when no browser asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.parts.web.read import text

from unsealed.app.languages import languages
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.store import preferences

MARA = UserId(0x5E9D_0000_0000_0001)


@pytest.fixture
def around(around: Surroundings) -> Surroundings:
    return replace(around, languages=languages())


async def test_a_page_is_in_the_language_that_the_browser_asks_for(mara: Any) -> None:
    german = await mara.get("/sent", accept_language="de-AT,de;q=0.9")
    english = await mara.get("/sent", accept_language="fr")

    assert '<html lang="de" dir="ltr">' in german.text
    assert "Gesendetes durchsuchen" in german.text
    assert '<html lang="en" dir="ltr">' in english.text
    assert "Search sent mail" in english.text


async def test_what_was_chosen_stands_above_what_the_browser_asks_for(mara: Any, engine: Engine) -> None:
    answer = await mara.post("/settings/language", {"language": "de"})
    page = await mara.get("/settings/language", accept_language="en")
    with engine.connect() as connection:
        kept = preferences.language(connection, MARA), preferences.language_of_letters(connection, MARA)

    assert 303 == answer.status
    assert "Wie dieser Browser es wünscht" in page.text
    assert ("de", "de") == kept


async def test_a_language_that_is_not_there_changes_nothing(mara: Any, engine: Engine) -> None:
    answer = await mara.post("/settings/language", {"language": "tlh"})
    with engine.connect() as connection:
        kept = preferences.language(connection, MARA)

    assert (400, "") == (answer.status, kept)


async def test_letters_are_in_the_language_of_the_last_sign_in_when_none_was_chosen(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        preferences.put(connection, MARA, preferences.BROWSER_LANGUAGE, "de")
        kept = preferences.language(connection, MARA), preferences.language_of_letters(connection, MARA)

    assert ("", "de") == kept


async def test_scripts_get_the_sentences_of_the_language_in_a_file_of_its_own(mara: Any) -> None:
    page = (await mara.get("/sent", accept_language="de")).text
    address = page.partition('<script src="')[2].partition('"')[0]
    file = await mara.get(address)

    assert address.endswith("/sentences-de.js")
    assert file.text.startswith("globalThis.sentences = {")
    assert "gerade eben" in file.text
    assert "sentences-" not in (await mara.get("/sent", accept_language="en")).text


async def read(browser: Any, address: str) -> str:
    answer = await browser.get(address, accept_language="de")
    assert 200 == answer.status
    return text(answer.text)


async def test_a_message_tells_who_did_what_and_why_we_think_so_in_german(
    mara: Any, mail: dict[str, MessageId]
) -> None:
    said = await read(mara, f"/message/{public_id(mail['proposal'])}")

    for words in (
        "Ines Marchetti hat zum 3. Mal geöffnet",
        "Ines Marchetti hat geklickt: Pricing",
        "Sie haben das Exemplar von Ines Marchetti angesehen",
        "Gmail, Gerät verborgen · Ort verborgen",
        "1 Std. 53 Min. ohne Signal",
        "Warum wir das glauben",
        "Das war eine Maschine",
        "Gesendet an alle drei",
    ):
        assert words in said, words
    for chip in ("Mensch sicher", "über einen Proxy sicher", "Sie wahrscheinlich"):
        assert chip in said, chip


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "/activity?machine=1",
            ("haben geöffnet", "von einer Maschine geladen", "Maschinen ausblenden", "über einen Proxy"),
        ),
        ("/opened", ("zuletzt ", "Öffnungen", "Nach 3 Tagen kein Signal")),
        ("/opened?state=reminders", ("Keine Erinnerung gesetzt",)),
        ("/contacts", ("Kontakte durchsuchen", "1 Nachricht , zuletzt")),
        ("/contacts/ines@harbourline.example", ("Was geschah", "Wie weit den Signalen zu trauen ist", "Beste Zeiten")),
    ],
)
async def test_what_happened_is_told_in_german(mara: Any, address: str, expected: tuple[str, ...]) -> None:
    said = await read(mara, address)

    for words in expected:
        assert words in said, words


async def test_a_clock_that_is_not_there_changes_nothing(mara: Any, engine: Engine) -> None:
    answer = await mara.post("/settings/language", {"language": "", "clock": "13"})
    with engine.connect() as connection:
        kept = preferences.words(connection, MARA, preferences.CLOCK)

    assert (400, [""]) == (answer.status, kept)


async def test_the_page_shows_each_clock_with_a_time(mara: Any) -> None:
    await mara.get("/settings/language")
    mara.cookies["zone"] = "America/New_York~-300~12"
    await mara.post("/settings/language", {"language": "", "clock": "24"})
    page = text((await mara.get("/settings/language")).text)

    assert "As this browser does Now: 2:05 pm 14:05 2:05 pm" in " ".join(page.split())
