"""The language of the pages, and of what is written when no browser asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.app.languages import languages
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import UserId
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
