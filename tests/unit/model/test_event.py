from __future__ import annotations

import pytest

from unsealed.model.event import Finding, sure


def test_only_what_a_person_did_counts() -> None:
    assert {Finding.HUMAN_OPEN, Finding.PROXIED_OPEN, Finding.HUMAN_CLICK} == {each for each in Finding if each.counted}


def test_machines_are_shown_apart() -> None:
    assert {Finding.MACHINE_PREFETCH, Finding.SCANNER, Finding.SCANNER_CLICK} == {
        each for each in Finding if each.machine
    }


def test_nothing_is_both_a_machine_and_counted() -> None:
    assert [] == [each for each in Finding if each.machine and each.counted]


@pytest.mark.parametrize(("confidence", "word"), [(1, "certain"), (0.9, "certain"), (0.6, "likely"), (0.59, "maybe")])
def test_one_word_says_how_sure_we_are(confidence: float, word: str) -> None:
    assert word == sure(confidence)
