"""The judge on simulated mail, in short: `make accuracy` measures with more of it and writes the figures down."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from bench import accuracy
from bench.accuracy import MACHINES_COUNTED, PEOPLE_LOST, Tally, judged, known, measured, seen
from bench.population import Copy, Letter, Population, Rates, Request, Spot, Truth, assumptions

from unsealed.core.bearing import neighbourhood
from unsealed.core.judge import judge
from unsealed.model.event import Finding, NetworkClass, Reason, Verdict

LETTERS = 5_000


@cache
def tally(complete: bool = True) -> Tally:
    return measured(1, LETTERS, complete=complete)


@pytest.mark.parametrize("complete", [True, False], ids=["all networks known", "built-in tables only"])
def test_the_bars_hold(complete: bool) -> None:
    found = tally(complete)

    assert found.people_lost < PEOPLE_LOST
    assert found.readers_lost < PEOPLE_LOST
    assert found.machines_counted < MACHINES_COUNTED


def test_a_confidence_that_is_shown_as_likely_or_certain_is_earned() -> None:
    said = tally().said

    for low, high in ((0.6, 0.9), (0.9, 1.01)):
        right, wrong = (
            sum(count for (value, is_right), count in said.items() if is_right is was and low <= value < high)
            for was in (True, False)
        )
        assert right / (right + wrong) >= low


def test_a_hidden_link_and_head_never_count() -> None:
    for letter in Population(2).letters(1_000):
        for request, verdict in zip(letter.requests, judged(letter, complete=True), strict=True):
            if request.method == "HEAD" or (letter.trap is not None and request.link == letter.trap):
                assert not verdict.finding.counted


def test_a_part_of_a_history_is_judged_as_it_is_with_the_whole() -> None:
    for letter in Population(5).letters(300):
        hits, context = seen(letter, complete=True), known(letter)
        whole, near = judge(hits, context), neighbourhood(context)
        for since in {hit.at for hit in hits}:
            part = judge([hit for hit in hits if hit.at >= since - near], context, since=since)
            assert part == {hit.id: whole[hit.id] for hit in hits if hit.at >= since}


def test_the_same_seed_gives_the_same_population() -> None:
    assert list(Population(3).letters(50)) == list(Population(3).letters(50))
    assert list(Population(3).letters(50)) != list(Population(4).letters(50))


def test_everything_that_can_be_true_and_every_hard_case_occurs() -> None:
    stories = tally().stories

    assert set(Truth) == {truth for _, truth in stories}
    assert {"imitates a person", "Gmail's proxy ahead", "own phone on the road", "Apple, at the moment"} <= {
        story for story, _ in stories
    }


def test_every_assumption_is_a_share_with_its_reason() -> None:
    assert all(0 <= value <= 1 and words and why for words, value, why in assumptions(Rates()))
    mix = Rates()
    kinds = (mix.gmail, mix.icloud, mix.yahoo, mix.outlook_com, mix.other, mix.proton, mix.proxied)
    assert sum((*kinds, mix.office, mix.company, mix.gateway, mix.sse)) == pytest.approx(1)


def test_an_assumption_can_be_changed() -> None:
    nobody_reads = Population(1, Rates(reads=0.0, own_reading=0.0, colleague=0.0)).letters(300)

    assert not [request for letter in nobody_reads for request in letter.requests if request.truth.person]


# The sums


def verdict(finding: Finding, confidence: float = 0.9) -> Verdict:
    return Verdict(finding=finding, confidence=confidence, reasons=(Reason(code="A", words=""),), rules="1")


def request(truth: Truth, *, copy: int = 0, at: float = 900, method: str = "GET") -> Request:
    return Request(
        at=at,
        copy=copy,
        link=None,
        method=method,
        spot=Spot("192.0.2.1", NetworkClass.RESIDENTIAL),
        user_agent="",
        language=False,
        prefetch="",
        own_device=False,
        truth=truth,
        story="",
    )


def letter(*requests: Request, copies: int = 1, read: bool = False) -> Letter:
    one = next(Population(1).letters(1))
    people = tuple(Copy(recipient=f"p{number}@x.example", kind="other", read=read) for number in range(copies))
    return replace(one, copies=people, requests=requests)


def test_an_act_of_a_person_is_lost_when_it_is_called_a_machine_s_or_the_sender_s() -> None:
    found = Tally()
    asked = [request(Truth.READ, copy=number) for number in range(4)]
    said = [Finding.HUMAN_OPEN, Finding.SCANNER, Finding.SELF_OPEN, Finding.DUPLICATE]

    found.add(letter(*asked, copies=4), [verdict(finding) for finding in said])

    assert (0.5, 0.75) == (found.people_lost, found.readers_lost)


def test_a_machine_counts_when_it_is_called_a_person() -> None:
    found = Tally()

    found.add(
        letter(request(Truth.SCAN), request(Truth.PREFETCH)),
        [verdict(Finding.PROXIED_OPEN), verdict(Finding.MACHINE_PREFETCH)],
    )

    assert (0.5, 1, 0) == (found.machines_counted, found.unsealed.shown, found.unsealed.shown_read)


def test_the_simple_counters_count_what_they_say() -> None:
    found = Tally()
    asked = [request(Truth.SCAN, at=5), request(Truth.READ, at=59), request(Truth.SCAN, at=60, method="HEAD")]

    found.add(letter(*asked, read=True), [verdict(Finding.SCANNER)] * 3)

    assert (1, 1, 0) == (found.plain.people, found.plain.machines, found.plain.missed)
    assert (0, 0, 1) == (found.later.people, found.later.machines, found.later.missed)


def test_nobody_is_blamed_for_what_nobody_can_tell() -> None:
    found = Tally()

    found.add(letter(request(Truth.HIDDEN_READ)), [verdict(Finding.MACHINE_PREFETCH)])

    assert not found.said
    assert (1, 0, 1) == (found.readers, found.readers_shown, found.readers_maybe)


def test_the_tables_are_made_of_any_population() -> None:
    short, details = accuracy.pages([tally()], [tally(False)], accuracy.otherwise(1, 5))

    assert short.startswith(accuracy.BEGIN)
    assert short.endswith(accuracy.END)
    assert all(f"## {title}" in details for title in ("What was judged as what", "What is assumed"))
