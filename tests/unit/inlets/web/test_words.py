from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.instrument import UNCHANGED_REASONS
from unsealed.core.links import LEFT_REASONS
from unsealed.inlets.web import words
from unsealed.model.texts import ENGLISH


def test_control_and_direction_changing_characters_become_visible() -> None:
    assert words.visible("in\u202evoice\x00\x07\u2066") == "in‹U+202E›voice‹U+0000›‹U+0007›‹U+2066›"
    assert words.visible("Zoë 👩\u200d💻 نامه\u200cها") == "Zoë 👩\u200d💻 نامه\u200cها"


@given(st.text())
def test_what_is_shown_turns_no_direction(text: str) -> None:
    assert not set(words.visible(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b")


def test_a_shared_copy_is_someones() -> None:
    assert words.someone("", "", 4, ENGLISH) == "someone (one of 4)"
    assert words.someone("", "", 0, ENGLISH) == words.someone("", "", 1, ENGLISH) == "someone"
    assert words.someone("Ines", "ines@x.example", 4, ENGLISH) == "Ines"


def test_reason_codes_of_the_instrumenting_side_have_words() -> None:
    assert all(words.left_reason(code, ENGLISH) == said for code, said in LEFT_REASONS.items())
    assert all(words.unchanged_reason(code, ENGLISH) == said for code, said in UNCHANGED_REASONS.items())


def test_numbers_in_words() -> None:
    assert [words.ordinal(each, ENGLISH) for each in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
    assert [words.times(each, ENGLISH) for each in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [words.size(each, ENGLISH) for each in (812, 49_900, 3_200_000)] == ["812 bytes", "49.9 kB", "3.2 MB"]
