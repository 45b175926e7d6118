from __future__ import annotations

from unsealed.model.event import Finding


def test_only_what_a_person_did_counts() -> None:
    assert {Finding.HUMAN_OPEN, Finding.PROXIED_OPEN, Finding.HUMAN_CLICK} == {each for each in Finding if each.counted}


def test_machines_are_shown_apart() -> None:
    assert {Finding.MACHINE_PREFETCH, Finding.SCANNER, Finding.SCANNER_CLICK} == {
        each for each in Finding if each.machine
    }


def test_nothing_is_both_a_machine_and_counted() -> None:
    assert [] == [each for each in Finding if each.machine and each.counted]
