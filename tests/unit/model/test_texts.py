"""Sentences, plurals, numbers and dates of a language, and which language somebody gets."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.model.texts import ENGLISH, Languages, Texts

GERMAN = Texts(code="de", name="Deutsch", one={"Sent": "Gesendet"}.get, thousands=".", point=",")  # type: ignore[arg-type]
LANGUAGES = Languages({"en": ENGLISH, "de": GERMAN, "pt-br": Texts(code="pt-br")})


def test_values_stand_where_the_sentence_names_them() -> None:
    assert "Ada replied, 100 %" == ENGLISH.say("%(who)s replied, 100 %%", who="Ada")
    assert "open" == ENGLISH.within("key", "open")


@pytest.mark.parametrize(("number", "expected"), [(0, "0 letters"), (1, "1 letter"), (1234, "1,234 letters")])
def test_a_number_chooses_its_form_and_is_written_as_numbers_are(number: int, expected: str) -> None:
    assert expected == ENGLISH.plural("%(number)s letter", "%(number)s letters", number)


def test_numbers_are_written_with_the_signs_of_the_language() -> None:
    assert ("1.234.567", "1.234,50") == (GERMAN.number(1_234_567), GERMAN.decimal(1234.5, 2))
    assert ("1,234", "0.6", "3") == (ENGLISH.number(1234), ENGLISH.decimal(0.6), ENGLISH.decimal(3, 0))


def test_days_have_their_names() -> None:
    day = date(2026, 3, 12)

    assert "12 March" == ENGLISH.day(day)
    assert "12 Mar 2026" == ENGLISH.day(day, short=True, year=True)
    assert ("Thursday", "Thu") == (ENGLISH.weekday(day), ENGLISH.weekday(day, short=True))


@pytest.mark.parametrize(
    ("chosen", "asked", "expected"),
    [
        ("", "", "en"),
        ("de", "en-US,en;q=0.9", "de"),
        ("fr", "de", "de"),  # chosen once, and gone since
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "fr-FR, fr;q=0.9, en;q=0.5, de;q=0.7", "de"),
        ("", "de;q=0, en", "en"),
        ("", "pt-BR", "pt-br"),
        ("", "fr, *;q=0.5", "en"),
    ],
)
def test_a_choice_stands_above_what_a_browser_asks_for(chosen: str, asked: str, expected: str) -> None:
    assert expected == LANGUAGES.of(chosen, asked).code


@given(st.text(max_size=60), st.text(alphabet="deEN-;q=01., *\t", max_size=80))
def test_whatever_is_asked_there_is_a_language(chosen: str, asked: str) -> None:
    assert LANGUAGES.of(chosen, asked).code in LANGUAGES.known
