from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.signature import LETTERS_MIN, NEARLY_ALL, Proposal, proposals

SIGNATURE = "Mara Lindqvist\nTidewater Ltd.\nmara@mail.tidewater.example | www.Tidewater.example\nhttps://b\xfccher.example/me\nPlan.pdf"
CALENDAR = "https://calendar.example/mara"


def domains(signatures: list[str], letters: list[list[str]], known: list[str] | None = None) -> list[str]:
    return [each.domain for each in proposals(signatures, letters, known or [])]


def test_domains_of_a_signature_are_proposed_whatever_was_sent() -> None:
    assert ["tidewater.example", "xn--bcher-kva.example"] == domains([SIGNATURE], [])
    assert proposals(["see a.example"], [["https://a.example/1"], ["https://b.example"]]) == (
        Proposal(domain="a.example", in_signature=True, letters=1, of=2),
    )


@pytest.mark.parametrize(
    ("there", "elsewhere", "proposed"),
    [
        (LETTERS_MIN, 0, True),
        (LETTERS_MIN - 1, 0, False),  # too few to tell
        (4, 1, True),  # just nearly all
        (3, 2, False),
        (8, 2, True),
        (79, 21, False),
    ],
)
def test_what_nearly_all_letters_lead_to_is_proposed(there: int, elsewhere: int, proposed: bool) -> None:
    letters = [[f"{CALENDAR}?{number}", CALENDAR] for number in range(there)]
    letters += [[f"https://{number}.example/"] for number in range(elsewhere)]

    assert (["calendar.example"] if proposed else []) == domains([], letters)


def test_letters_without_links_say_nothing() -> None:
    assert ["calendar.example"] == domains([], [[CALENDAR]] * 5 + [[], ["mailto:a@b.example"], ["cid:x"]] * 9)


def test_one_letter_with_many_links_is_one_letter() -> None:
    assert [] == domains([], [[f"{CALENDAR}/{number}" for number in range(50)]])


@pytest.mark.parametrize("known", ["calendar.example", "example"])
def test_what_is_excluded_already_is_not_proposed_again(known: str) -> None:
    assert [] == domains(["https://calendar.example"], [[CALENDAR]] * 5, [known])
    assert ["calendar.example"] == domains([], [[CALENDAR]] * 5, ["my.calendar.example", "r.example"])


@pytest.mark.parametrize(
    "text",
    ["mara@tidewater.example", "Tel. 030.1234", "plan.pdf", "ftp://files.example", "..", "https://", "a@b.c.example"],
)
def test_what_is_no_web_site_is_not_proposed(text: str) -> None:
    assert [] == domains([text], [[text]] * 5)


def test_what_stands_in_the_signature_comes_first_then_what_recurs_most() -> None:
    letters = [["https://a.example", "https://z.example"]] * 4 + [["https://z.example"]]

    assert ["sig.example", "z.example", "a.example"] == domains(["sig.example"], letters)


@given(
    texts=st.lists(st.text(max_size=60), max_size=3),
    letters=st.lists(st.lists(st.text(max_size=30).map(lambda each: f"https://{each}"), max_size=3), max_size=8),
)
def test_whatever_is_written_a_proposal_is_a_domain_and_counts_are_true(
    texts: list[str], letters: list[list[str]]
) -> None:
    for each in proposals(texts, letters):
        assert each.domain.isascii()
        assert each.domain == each.domain.lower()
        assert each.letters <= each.of <= len(letters)
        assert each.in_signature or (each.of >= LETTERS_MIN and each.letters >= NEARLY_ALL * each.of)


def test_a_hostile_signature_is_read_in_linear_time() -> None:
    for piece in ("a.", "a-", "https://", "www.", "@a.b "):
        proposals([piece * 20_000], [])
