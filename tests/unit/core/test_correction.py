"""What an answer of the sender reaches, as the judge then judges."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest
from tests.unit.core.hits import (
    APPLE,
    CHROME,
    CLOUD,
    GMAIL,
    GOOGLE,
    HOME,
    INES,
    NOON,
    OFFICE,
    OUTLOOK,
    RELAY,
    THUNDERBIRD,
    VENDOR,
    seen,
)

from unsealed.core.correction import correction_scope, network_key
from unsealed.core.judge import judge
from unsealed.core.scene import Context, SeenHit
from unsealed.model.event import Answer, Correction, HitId, Network, NetworkClass, Verdict


def verdicts(*hits: SeenHit, context: Context | None = None) -> list[Verdict]:
    """The verdicts in the order in which the hits were given."""
    numbered = [dataclasses.replace(hit, id=HitId(number)) for number, hit in enumerate(hits)]
    found = judge(numbered, context or Context())
    return [found[hit.id] for hit in numbered]


def findings(*hits: SeenHit, context: Context | None = None) -> list[str]:
    return [verdict.finding.value for verdict in verdicts(*hits, context=context)]


def correction(answer: Answer, hit: SeenHit, *, number: int = 1, at: datetime = NOON) -> Correction:
    user_agent, network, recipient = correction_scope(
        answer,
        hit=hit.id,
        user_agent=hit.user_agent,
        address=hit.address,
        network=hit.network,
        recipient=hit.recipient,
        prefetch=hit.prefetch,
    )
    return Correction(id=number, answer=answer, user_agent=user_agent, network=network, recipient=recipient, at=at)


def corrected(answer: Answer, hit: SeenHit, *others: SeenHit) -> list[str]:
    """What the hit and the others are once the answer was given about the first."""
    return findings(hit, *others, context=Context(corrections=(correction(answer, hit),)))


LOTTE, ROB = "lotte@fennel.example", "rob@gmail.com"


def test_me_holds_for_all_recipients_of_the_same_program_and_network() -> None:
    same = seen(2000, THUNDERBIRD, ("203.0.113.99", NetworkClass.RESIDENTIAL), recipient=ROB)

    assert ["self_open", "self_open", "human_open", "human_open"] == corrected(
        Answer.ME,
        seen(900, THUNDERBIRD, HOME, recipient=INES),
        same,
        seen(3000, OUTLOOK, HOME, recipient=INES),
        seen(4000, THUNDERBIRD, OFFICE, recipient=INES),
    )


def test_a_machine_holds_for_the_company() -> None:
    gateway = seen(900, CHROME, CLOUD, recipient=INES)
    other = ("18.200.1.1", NetworkClass.HOSTING)

    assert ["scanner", "scanner", "human_open"] == corrected(
        Answer.MACHINE, gateway, seen(2000, CHROME, other, recipient=LOTTE), seen(3000, CHROME, other, recipient=ROB)
    )


def test_a_machine_at_a_mail_provider_holds_for_the_recipient_alone() -> None:
    other = "sue@gmail.com"

    assert ["scanner", "scanner", "human_open"] == corrected(
        Answer.MACHINE, seen(900, recipient=ROB), seen(2000, recipient=ROB), seen(3000, recipient=other)
    )


def test_them_holds_for_the_recipient() -> None:
    assert ["human_open", "human_open", "scanner"] == corrected(
        Answer.THEM,
        seen(900, place=VENDOR, recipient=INES),
        seen(2000, place=VENDOR, recipient=INES),
        seen(3000, place=VENDOR, recipient=LOTTE),
    )


def test_an_answer_about_a_mail_providers_proxy_reaches_no_other_reader() -> None:
    """All readers of Gmail come with the same agent from the same network."""
    mine, theirs = seen(900, GMAIL, GOOGLE, recipient=INES), seen(2000, GMAIL, GOOGLE, recipient=LOTTE)
    later = seen(3000, GMAIL, GOOGLE, recipient=INES)

    assert ["self_open", "proxied_open", "proxied_open"] == corrected(Answer.ME, mine, theirs, later)
    assert ["scanner", "proxied_open", "scanner"] == corrected(Answer.MACHINE, mine, theirs, later)
    assert ["proxied_open"] * 3 == corrected(Answer.THEM, mine, theirs, later)


def test_without_a_recipient_an_answer_about_a_proxy_holds_for_the_one_hit() -> None:
    for answer in Answer:
        assert "proxied_open" == corrected(answer, seen(900, GMAIL, GOOGLE), seen(2000, GMAIL, GOOGLE))[1]


def test_them_about_a_picture_loaded_ahead_makes_no_reader_of_the_next() -> None:
    ahead = seen(900, APPLE, RELAY, recipient=INES)

    assert ["human_open", "machine_prefetch"] == corrected(Answer.THEM, ahead, seen(2000, APPLE, RELAY, recipient=INES))


def test_the_newest_answer_holds() -> None:
    hit = seen(900, recipient=INES)
    answers = (correction(Answer.THEM, hit, number=2), correction(Answer.ME, hit, number=1))

    assert ["human_open"] == findings(hit, context=Context(corrections=answers))


def test_an_answer_says_when_it_was_given() -> None:
    (verdict,) = verdicts(seen(900), context=Context(corrections=(correction(Answer.ME, seen(900)),)))

    assert (1.0, "CORRECTED", "you said on 21 Nov 2026 that this was you") == (
        verdict.confidence,
        verdict.reasons[0].code,
        verdict.reasons[0].words,
    )


def test_what_is_corrected_to_a_person_still_repeats_once() -> None:
    assert ["human_open", "duplicate"] == corrected(
        Answer.THEM, seen(900, place=VENDOR, recipient=INES), seen(901, place=VENDOR, recipient=INES)
    )


@pytest.mark.parametrize(
    ("address", "kind", "operator", "key"),
    [
        ("203.0.113.21", NetworkClass.RESIDENTIAL, "Example Ltd", "203.0.113.0/24"),
        ("203.0.113.21", NetworkClass.UNKNOWN, "", "203.0.113.0/24"),
        ("2001:db8:1:2ff:3::4", NetworkClass.RESIDENTIAL, "", "2001:db8:1:200::/56"),
        ("::ffff:203.0.113.21", NetworkClass.RESIDENTIAL, "", "203.0.113.0/24"),
        ("fe80::1%eth0", NetworkClass.UNKNOWN, "", "fe80::/56"),
        ("54.70.12.9", NetworkClass.HOSTING, "Amazon", "operator:Amazon"),
        ("66.249.84.77", NetworkClass.GOOGLE_PROXY, "", "operator:google_proxy"),
        ("10.1.2.3", NetworkClass.LOCAL, "", "local"),
        ("", NetworkClass.LOCAL, "", "local"),
        ("nonsense", NetworkClass.UNKNOWN, "", "nonsense"),
    ],
)
def test_a_correction_remembers_the_network_not_the_address(
    address: str, kind: NetworkClass, operator: str, key: str
) -> None:
    assert key == network_key(address, Network(kind=kind, operator=operator))
