from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.spreadsheet import BOM, line


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("https://evil.example","x")', "\uff1d1", "-"],
)
def test_nothing_that_a_stranger_wrote_runs_as_a_formula(text: str) -> None:
    assert [[f"'{text}"]] == list(csv.reader(io.StringIO(line([text]), newline="")))


def test_numbers_stay_numbers_and_times_are_utc() -> None:
    at = datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC)

    assert "-3,0.5,yes,no,,2026-11-22T04:05:06Z\r\n" == line([-3, 0.5, True, False, None, at])


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=5))
def test_every_text_comes_back_with_at_most_an_apostrophe_in_front(texts: list[str]) -> None:
    (found,) = csv.reader(io.StringIO(line(texts), newline=""))

    assert texts == [cell if cell == text else cell[1:] for cell, text in zip(found, texts, strict=True)]


def test_the_mark_is_the_one_that_utf_8_sig_takes_away() -> None:
    assert "a" == f"{BOM}a".encode().decode("utf-8-sig")
