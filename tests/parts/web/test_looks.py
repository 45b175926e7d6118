"""The looks of the sandbox, judged by the rules that real programs meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from unsealed.core.agent import read_agent
from unsealed.core.judge import judge
from unsealed.core.network import read_network
from unsealed.core.scene import Context, SeenHit
from unsealed.inlets.web import looks
from unsealed.inlets.web.looks import Look
from unsealed.model.event import Finding, HitId, HitKind
from unsealed.model.message import CopyId

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def found(look: Look, *kinds: HitKind) -> list[Finding]:
    """What the judge says about this look, two minutes after delivery."""
    hits = [
        SeenHit(
            id=HitId(number),
            copy=CopyId(1),
            kind=kind,
            link=None if kind is HitKind.OPEN else number,
            at=NOON + timedelta(milliseconds=20 * number),
            sent_at=NOON - timedelta(minutes=2),
            method=look.method,
            address=look.address,
            user_agent=look.agent,
            agent=read_agent(look.agent),
            network=read_network(look.address),
            language=bool(look.language),
            prefetch=look.more.get("Sec-Purpose", ""),
        )
        for number, kind in enumerate(kinds)
    ]
    verdicts = judge(hits, Context())
    return [verdicts[hit.id].finding for hit in hits]


GROUPS = {
    "On a computer": Finding.HUMAN_OPEN,
    "On a phone or tablet": Finding.HUMAN_OPEN,
    "Through a provider's proxy": Finding.PROXIED_OPEN,
    "Loaded ahead, unread": Finding.MACHINE_PREFETCH,
    "Gateways and scanners": Finding.SCANNER,
    "Previews and programs": Finding.SCANNER,
}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in GROUPS for name in looks.READERS[group]])
def test_a_look_is_judged_as_its_group_says(group: str, name: str) -> None:
    assert found(looks.READERS[group][name], HitKind.OPEN) == [GROUPS[group]]


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("thunderbird", Finding.HUMAN_OPEN),
        ("gmail", Finding.PROXIED_OPEN),
        ("apple", Finding.MACHINE_PREFETCH),
        ("outlook", Finding.HUMAN_OPEN),
        ("phone", Finding.HUMAN_OPEN),
        ("mail-scanner", Finding.SCANNER),
        ("link-scanner", Finding.SCANNER),
    ],
)
def test_the_usual_readers_show_the_usual_differences(name: str, finding: Finding) -> None:
    assert found(looks.READERS["Usual"][name], HitKind.OPEN) == [finding]


@pytest.mark.parametrize("look", [each for each in looks.READERS["Usual"].values() if each.follows_links])
def test_who_follows_every_link_is_a_scanner(look: Look) -> None:
    burst = [HitKind.OPEN, HitKind.CLICK, HitKind.CLICK]

    assert found(look, *burst) == [Finding.SCANNER, Finding.SCANNER_CLICK, Finding.SCANNER_CLICK]


@pytest.mark.parametrize("name", looks.CLICKERS)
def test_people_click_and_programs_do_not(name: str) -> None:
    look = looks.CLICKERS[name]

    person = look.name.startswith("Person")

    assert found(look, HitKind.CLICK) == [Finding.HUMAN_CLICK if person else Finding.SCANNER_CLICK]


def test_names_are_told_apart() -> None:
    names = [name for group in looks.READERS.values() for name in group]

    assert len(names) == len(set(names))
    assert "you" not in {*names, *looks.CLICKERS}
