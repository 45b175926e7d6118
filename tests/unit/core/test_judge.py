from __future__ import annotations

import dataclasses
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.hits import (
    APPLE,
    CHROME,
    CLOUD,
    CONTEXTS,
    GMAIL,
    GMAIL_PREFETCH,
    GOOGLE,
    HERE,
    HITS,
    HOME,
    MICROSOFT,
    NOON,
    OFFICE,
    OFFICE_ASKS,
    OTHER_CLOUD,
    PLAIN,
    RELAY,
    SAFARI,
    SIGNED_IN,
    STALE,
    THUNDERBIRD,
    VENDOR,
    VPN,
    YAHOO,
    ZSCALER,
    Place,
    number,
    seen,
)

from unsealed.core.agent import read_agent
from unsealed.core.judge import RULES_VERSION, judge
from unsealed.core.scene import Context, SeenHit
from unsealed.model.event import Finding, HitId, HitKind, Network, NetworkClass, Verdict
from unsealed.model.message import CopyId

OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)"


def verdicts(*hits: SeenHit, context: Context | None = None) -> list[Verdict]:
    """The verdicts in the order in which the hits were given."""
    numbered = [dataclasses.replace(hit, id=HitId(number)) for number, hit in enumerate(hits)]
    found = judge(numbered, context or Context())
    return [found[hit.id] for hit in numbered]


def codes(*hits: SeenHit, context: Context | None = None) -> list[str]:
    return [verdict.reasons[0].code for verdict in verdicts(*hits, context=context)]


def findings(*hits: SeenHit, context: Context | None = None) -> list[str]:
    return [verdict.finding.value for verdict in verdicts(*hits, context=context)]


# One hit alone


@pytest.mark.parametrize(
    ("hit", "finding", "code", "confidence"),
    [
        (seen(-6, place=HOME), "scanner", "BEFORE_DELIVERY", 0.97),
        (seen(-6, place=HOME, link=0), "scanner_click", "BEFORE_DELIVERY", 0.97),
        (seen(900, prefetch="prefetch", link=0), "machine_prefetch", "PREFETCH_HEADER", 0.95),
        (seen(900, prefetch="prefetch;prerender"), "machine_prefetch", "PREFETCH_HEADER", 0.95),
        (seen(900, "Barracuda Sentinel (EE)", link=0), "scanner_click", "UA_SCANNER", 0.98),
        (seen(900, "WhatsApp/2.24 A", link=0), "scanner_click", "UA_PREVIEW", 0.97),
        (seen(900, "Mozilla/5.0 (compatible; bingbot/2.0)", CLOUD), "scanner", "UA_CRAWLER", 0.95),
        (seen(900, "curl/8.5.0", HERE), "scanner", "UA_LIBRARY", 0.9),
        (seen(900, "python-requests/2.32", HERE, link=0), "scanner_click", "UA_LIBRARY", 0.9),
        (seen(900, place=VENDOR), "scanner", "NET_VENDOR", 0.9),
        (seen(900, STALE, MICROSOFT, link=0), "scanner_click", "NET_MS_CLICK", 0.85),
        (seen(900, CHROME, MICROSOFT, link=0), "scanner_click", "NET_MS_CLICK", 0.6),
        (seen(900, method="HEAD", link=0), "scanner_click", "METHOD_HEAD", 0.85),
        (seen(900, OUTLOOK, method="HEAD"), "scanner", "METHOD_HEAD", 0.7),
        (seen(900, APPLE, RELAY), "machine_prefetch", "APPLE_MPP", 0.97),
        (seen(900, APPLE, PLAIN), "machine_prefetch", "APPLE_MPP", 0.5),
        (seen(900, GMAIL_PREFETCH, GOOGLE), "machine_prefetch", "GMAIL_PREFETCH", 0.98),
        (seen(900, GMAIL, GOOGLE), "proxied_open", "PROXY_GMAIL", 0.9),
        (seen(2, GMAIL, GOOGLE), "machine_prefetch", "PROXY_TOO_SOON", 0.5),
        (seen(2, GMAIL, GOOGLE, timed=False), "proxied_open", "PROXY_GMAIL", 0.9),
        (seen(900, YAHOO, PLAIN), "proxied_open", "PROXY_YAHOO", 0.9),
        (seen(900, "FastmailUA/1.0", PLAIN), "proxied_open", "PROXY_OTHER", 0.9),
        (seen(900, CHROME, MICROSOFT), "proxied_open", "PROXY_BY_NET", 0.7),
        (seen(5, CHROME, MICROSOFT), "machine_prefetch", "PROXY_BY_NET", 0.7),
        (seen(900, STALE, MICROSOFT), "scanner", "PROXY_BY_NET", 0.7),
        (seen(30, "", CLOUD), "scanner", "NET_HOSTING_EARLY", 0.8),
        (seen(30, STALE, CLOUD, link=0), "scanner_click", "NET_HOSTING_EARLY", 0.8),
        (seen(9000, "", CLOUD), "scanner", "NET_HOSTING_STALE", 0.6),
        (seen(900, THUNDERBIRD, HERE), "human_open", "CLIENT_DIRECT", 0.95),
        (seen(900, THUNDERBIRD, PLAIN), "human_open", "CLIENT_DIRECT", 0.95),
        (seen(6, THUNDERBIRD, PLAIN), "human_open", "CLIENT_DIRECT", 0.7),
        (seen(900, CHROME, OFFICE, link=0), "human_click", "BROWSER_DIRECT", 0.95),
        (seen(900, CHROME, ZSCALER, link=0), "human_click", "BROWSER_DIRECT", 0.95),
        (seen(900, CHROME, VPN, link=0), "human_click", "BROWSER_DIRECT", 0.75),
        (seen(900, SAFARI, RELAY, link=0), "human_click", "BROWSER_DIRECT", 0.95),
        (seen(900, CHROME, CLOUD, link=0), "human_click", "NET_HOSTING_LATE", 0.55),
        (seen(900, "an agent of its own", PLAIN), "human_open", "DEFAULT", 0.5),
        (seen(900, "greedyhand/0.1", PLAIN), "scanner", "UA_LIBRARY", 0.6),
    ],
)
def test_a_single_hit(hit: SeenHit, finding: str, code: str, confidence: float) -> None:
    (verdict,) = verdicts(hit)

    assert (finding, code, confidence) == (verdict.finding, verdict.reasons[0].code, verdict.confidence)
    assert RULES_VERSION == verdict.rules
    assert all(reason.words for reason in verdict.reasons)


@pytest.mark.parametrize("agent", [CHROME, GMAIL, THUNDERBIRD, "", APPLE])
@pytest.mark.parametrize("place", [HOME, GOOGLE, MICROSOFT, CLOUD, HERE, RELAY])
@pytest.mark.parametrize("link", [None, 0])
def test_head_never_counts(agent: str, place: Place, link: int | None) -> None:
    (verdict,) = verdicts(seen(900, agent, place, link, method="HEAD"))

    assert not verdict.finding.counted


def test_what_is_asked_for_while_the_copy_waits_is_no_reader() -> None:
    waiting = dataclasses.replace(seen(900, THUNDERBIRD, timed=False), waiting=True)

    assert ["BEFORE_DELIVERY"] == codes(waiting)
    assert ["scanner"] == findings(waiting)


def test_clocks_that_differ_a_little_do_not_put_a_reader_before_delivery() -> None:
    assert ["human_open"] == findings(seen(-0.4, THUNDERBIRD))


def test_speed_alone_is_no_machine() -> None:
    assert ["human_open", "human_click"] == findings(seen(3, OUTLOOK, OFFICE), seen(9, CHROME, OFFICE, 1))


# The sender


def test_the_signed_in_browser_on_this_machine_is_the_sender() -> None:
    assert ["self_open", "self_click"] == findings(
        seen(900, CHROME, HERE), seen(960, CHROME, HERE, 0), context=SIGNED_IN
    )


def test_another_program_on_the_same_shared_address_is_not_the_sender() -> None:
    assert ["human_open"] == findings(seen(900, THUNDERBIRD, HERE), context=SIGNED_IN)


def test_the_same_browser_at_another_address_is_not_the_sender() -> None:
    assert ["human_open"] == findings(seen(900, CHROME, HOME), context=SIGNED_IN)


def test_a_session_that_ended_proves_nothing() -> None:
    assert ["human_open"] == findings(seen(8 * 86400, CHROME, HERE), context=SIGNED_IN)


def test_an_address_of_the_senders_own_is_the_sender_with_any_program() -> None:
    context = Context(addresses={HOME[0]: NOON})

    assert ["SELF_IP"] == codes(seen(30, THUNDERBIRD, HOME), context=context)
    assert ["CLIENT_DIRECT"] == codes(seen(30 * 86400, THUNDERBIRD, HOME), context=context)


def test_a_colleague_behind_the_senders_office_address_is_not_hidden() -> None:
    context = Context(addresses={OFFICE[0]: NOON})

    (verdict,) = verdicts(seen(900, OUTLOOK, OFFICE), context=context)

    assert (Finding.HUMAN_OPEN, 0.5, "SELF_IP_SHARED") == (
        verdict.finding,
        verdict.confidence,
        verdict.reasons[0].code,
    )


def test_a_view_reported_by_the_senders_client_explains_the_proxy() -> None:
    context = Context(views=(NOON + timedelta(seconds=598),))

    assert ["self_open", "proxied_open"] == findings(
        seen(600, GMAIL, GOOGLE), seen(700, GMAIL, GOOGLE), context=context
    )


def test_the_marked_browser_is_the_sender_even_where_a_scanner_raced() -> None:
    hits = (seen(900, link=0, own_device=True), seen(900.1, link=1, own_device=True))

    assert ["SELF_COOKIE", "SELF_COOKIE"] == codes(*hits)


def test_a_colleague_who_runs_the_senders_browser_behind_the_senders_address_is_not_hidden() -> None:
    context = dataclasses.replace(SIGNED_IN, mailboxes=frozenset({"me@x.example"}))
    hits = [seen(900, CHROME, HERE, recipient=whose) for whose in ("rob@x.example", "me@x.example", "ines@y.example")]

    assert ["human_open", "self_open", "self_open"] == [findings(hit, context=context)[0] for hit in hits]


# Hits together


def test_two_different_links_within_a_second_are_a_machine_and_so_is_the_first_of_them() -> None:
    assert ["scanner_click", "scanner_click"] == findings(seen(900, link=0), seen(900.9, link=1))


def test_two_different_links_a_second_apart_are_a_person() -> None:
    assert ["human_click", "human_click"] == findings(seen(900, link=0), seen(901, link=1))


def test_three_different_links_within_three_seconds_are_a_machine() -> None:
    hits = (seen(900, link=0), seen(901.4, link=1), seen(902.9, link=2))

    assert ["BURST_LINKS"] * 3 == codes(*hits)
    assert "3 different links within 2.9 s from the same address" == verdicts(*hits)[0].reasons[0].words


def test_three_different_links_over_three_seconds_are_a_person() -> None:
    assert ["human_click"] * 3 == findings(seen(900, link=0), seen(901.5, link=1), seen(903, link=2))


def test_a_burst_from_several_addresses_of_one_rented_network_is_one_machine() -> None:
    assert ["BURST_LINKS"] * 2 == codes(seen(900, place=CLOUD, link=0), seen(900.5, place=OTHER_CLOUD, link=1))


def test_a_race_is_told_by_its_address_wherever_the_history_begins() -> None:
    long_before = seen(0, place=CLOUD, link=0)
    hits = (
        seen(900, place=OTHER_CLOUD, link=0),
        seen(900.4, place=CLOUD, link=2),
        seen(900.8, place=OTHER_CLOUD, link=1),
    )

    assert verdicts(*hits) == verdicts(long_before, *hits)[1:]


def test_people_in_different_houses_who_click_at_once_are_people() -> None:
    other = ("203.0.113.99", NetworkClass.RESIDENTIAL)

    assert ["human_click", "human_click"] == findings(seen(900, link=0), seen(900.5, place=other, link=1))


def test_colleagues_behind_one_address_who_click_in_their_own_copies_are_people() -> None:
    assert ["human_click"] * 2 == findings(
        seen(900, place=OFFICE, link=0, copy=1), seen(900.5, OUTLOOK, OFFICE, 1, copy=2)
    )


def test_a_person_inside_a_scanners_burst_stays_a_person() -> None:
    assert ["scanner_click", "human_click", "scanner_click"] == findings(
        seen(900, place=CLOUD, link=0), seen(900.2, place=HOME, link=1), seen(900.4, place=CLOUD, link=1)
    )


def test_the_pixel_near_a_burst_from_its_address_is_the_machines() -> None:
    burst = (seen(900, link=0), seen(900.5, link=1))

    assert "BURST_PIXEL" == codes(seen(892), *burst)[0]
    assert "BURST_PIXEL" == codes(seen(910.4), *burst)[0]
    assert "BROWSER_DIRECT" == codes(seen(889), *burst)[0]
    assert "BROWSER_DIRECT" == codes(seen(895, place=OFFICE), *burst)[0]


def test_what_a_person_brings_along_is_no_proof_of_a_burst() -> None:
    assert "human_click" == findings(seen(900, link=0), seen(900.3, link=1, prefetch="prefetch"))[0]
    assert "human_click" == findings(seen(900, link=0), seen(900.3, link=1, method="HEAD"))[0]
    assert "human_click" == findings(seen(900, link=0), seen(900.3, "WhatsApp/2.24 A", HOME, 1))[0]


def test_one_address_that_loads_the_pixels_of_several_people_at_once_is_a_scanner() -> None:
    hits = (seen(900, place=PLAIN, copy=1), seen(901, place=PLAIN, copy=2), seen(901.5, place=PLAIN, copy=3))

    assert ["CROSS_RECIPIENT"] * 3 == codes(*hits)


@pytest.mark.parametrize(("agent", "place"), [(GMAIL, GOOGLE), (CHROME, ZSCALER), (THUNDERBIRD, HERE), (CHROME, VPN)])
def test_addresses_that_many_people_share_do_not_make_a_scanner(agent: str, place: Place) -> None:
    found = findings(seen(900, agent, place, copy=1), seen(900.5, agent, place, copy=2))

    assert "scanner" not in found


def test_different_programs_behind_one_address_are_different_people() -> None:
    assert ["human_open"] * 2 == findings(seen(900, OUTLOOK, OFFICE, copy=1), seen(901, THUNDERBIRD, OFFICE, copy=2))


def test_the_same_again_within_five_seconds_is_a_duplicate() -> None:
    assert ["human_open", "duplicate", "human_open"] == findings(seen(900), seen(905), seen(910.1))


def test_a_duplicate_keeps_the_reason_of_what_it_repeats() -> None:
    assert ["REPEAT", "BROWSER_DIRECT"] == [reason.code for reason in verdicts(seen(900), seen(901))[1].reasons]


def test_a_proxy_with_many_addresses_repeats_as_one() -> None:
    other = ("66.249.93.84", NetworkClass.GOOGLE_PROXY)

    assert ["proxied_open", "duplicate"] == findings(seen(900, GMAIL, GOOGLE), seen(902, GMAIL, other))


def test_the_pixel_and_a_link_and_the_copies_of_others_are_no_repeats() -> None:
    assert ["human_open", "human_click", "human_open"] == findings(
        seen(900, place=HERE), seen(901, place=HERE, link=0), seen(902, place=HERE, copy=2)
    )


def test_a_click_after_its_prefetch_counts() -> None:
    assert ["machine_prefetch", "human_click"] == findings(seen(900, link=0, prefetch="prefetch"), seen(902, link=0))


def test_a_get_after_its_head_counts() -> None:
    assert ["scanner_click", "human_click"] == findings(seen(900, link=0, method="HEAD"), seen(901, link=0))


def test_a_read_after_the_proxy_came_too_soon_counts() -> None:
    assert ["machine_prefetch", "proxied_open"] == findings(seen(1, GMAIL, GOOGLE), seen(4, GMAIL, GOOGLE))


def test_office_that_asks_before_the_browser_is_the_same_click() -> None:
    assert ["duplicate", "human_click"] == findings(seen(900, OFFICE_ASKS, OFFICE, 0), seen(902, CHROME, OFFICE, 0))
    assert ["machine_prefetch", "human_click"] == findings(
        seen(900, OFFICE_ASKS, OFFICE, 0), seen(906, CHROME, OFFICE, 0)
    )
    assert ["machine_prefetch", "human_click"] == findings(
        seen(900, OFFICE_ASKS, OFFICE, 0), seen(902, CHROME, OFFICE, 1)
    )


def test_a_picture_and_a_link_from_one_provider_at_once_are_its_scanner() -> None:
    assert ["scanner", "scanner_click"] == findings(
        seen(900, CHROME, MICROSOFT), seen(903, STALE, ("40.107.1.1", NetworkClass.MICROSOFT), 0)
    )


def test_a_hidden_link_taints_its_address_for_a_minute() -> None:
    context = Context(traps=frozenset({9}))

    assert ["human_click", "scanner_click", "scanner_click", "scanner", "human_click"] == findings(
        seen(839, place=PLAIN, link=0),
        seen(841, place=PLAIN, link=1),
        seen(900, place=PLAIN, link=9),
        seen(959, place=PLAIN),
        seen(900, place=HOME, link=0),
        context=context,
    )


# What holds for all


@given(hits=HITS, context=CONTEXTS, order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(hits: list[SeenHit], context: Context, order: Any) -> None:
    numbered = number(hits)
    shuffled = list(numbered)
    order.shuffle(shuffled)

    assert judge(numbered, context) == judge(shuffled, context)


@given(hits=HITS, context=CONTEXTS)
def test_nothing_that_a_machine_says_of_itself_counts(hits: list[SeenHit], context: Context) -> None:
    numbered = number(hits)
    found = judge(numbered, dataclasses.replace(context, corrections=()))

    for hit in numbered:
        if hit.method == "HEAD" or hit.prefetch or hit.user_agent in ("curl/8", APPLE):
            assert not found[hit.id].finding.counted


@given(hits=HITS, context=CONTEXTS)
def test_neither_a_hidden_link_nor_head_is_ever_a_person_whatever_is_said_of_it(
    hits: list[SeenHit], context: Context
) -> None:
    numbered = number(hits)
    found = judge(numbered, context)

    for hit in numbered:
        if hit.method == "HEAD" or hit.link in context.traps:
            assert not found[hit.id].finding.counted


@given(hits=HITS, context=CONTEXTS)
def test_what_only_announces_itself_takes_nothing_from_a_person(hits: list[SeenHit], context: Context) -> None:
    """HEAD and declared prefetches change no verdict of anything else, but for pictures beside a provider's scan."""
    numbered = number(hits)
    real = [hit for hit in numbered if hit.method != "HEAD" and not hit.prefetch]
    with_them, without = judge(numbered, context), judge(real, context)

    assert without == {hit.id: with_them[hit.id] for hit in real}


@settings(max_examples=20)
@given(hits=HITS)
def test_a_click_is_judged_as_a_click_and_an_open_as_an_open(hits: list[SeenHit]) -> None:
    of_opens = {Finding.HUMAN_OPEN, Finding.PROXIED_OPEN, Finding.SCANNER, Finding.SELF_OPEN}
    of_clicks = {Finding.HUMAN_CLICK, Finding.SCANNER_CLICK, Finding.SELF_CLICK}
    numbered = number(hits)
    found = judge(numbered, SIGNED_IN)

    for hit in numbered:
        assert found[hit.id].finding not in (of_clicks if hit.kind is HitKind.OPEN else of_opens)


@pytest.mark.parametrize(
    "flood",
    [
        lambda place, count: seen(900 + place / count, link=place % 3, copy=place % 5),  # within the reach of all rules
        lambda place, count: seen(900 + place / count, THUNDERBIRD, CLOUD, copy=place),  # everybody crosses everybody
        lambda place, count: seen(900 + place, GMAIL, GOOGLE),
        lambda place, count: seen(900 + place / count, CHROME, MICROSOFT, None if place % 2 else 0),
        lambda place, count: seen(900 + place / count, OFFICE_ASKS if place % 2 else CHROME, OFFICE, 0),
        lambda place, count: seen(900 + place / count, link=99 if place % 2 else 0),
    ],
)
def test_twice_as_many_hits_take_twice_as_many_steps(flood: Any) -> None:
    """Steps are calls of functions, also of those that are not ours: no clock, so no luck."""

    def steps(count: int) -> int:
        hits = number([flood(place, count) for place in range(count)])
        taken = 0

        def count_calls(frame: object, event: str, argument: object) -> None:
            nonlocal taken
            taken += event in ("call", "c_call")

        sys.setprofile(count_calls)
        try:
            judge(hits, Context(traps=frozenset({99})))
        finally:
            sys.setprofile(None)
        return taken

    steps(10)  # fills the caches
    assert steps(4_000) < 2.1 * steps(2_000)


# The public scenarios


def test_the_public_scenarios_come_out_right(shared: Path) -> None:
    scenarios = json.loads((shared / "data" / "scenarios.json").read_text())["scenarios"]
    wrong = []
    for scenario in scenarios:
        found = judge(*read_scenario(scenario))
        for request in scenario["requests"]:
            verdict = found[HitId(request["n"])].finding.value
            if verdict not in (request["verdict"], *request.get("also_acceptable", ())):
                wrong.append((scenario["id"], request["n"], verdict))

    assert [] == wrong


def read_scenario(scenario: dict[str, Any]) -> tuple[list[SeenHit], Context]:
    links = scenario["links"]
    known = scenario.get("context", {})
    hits = []
    for request in scenario["requests"]:
        hints = request.get("hints") or {}
        link = links.index(request["link"]) if request.get("link") else None
        hits.append(
            SeenHit(
                id=HitId(request["n"]),
                copy=CopyId(1),
                kind=HitKind(request["type"]),
                link=link,
                at=NOON + timedelta(seconds=request["t"]),
                sent_at=NOON,
                method=request["method"],
                address=request["ip"],
                user_agent=request["ua"],
                agent=read_agent(request["ua"]),
                network=Network(kind=NetworkClass(request["ip_class"]), operator=request.get("as_org") or ""),
                language=hints["accept_language"] is not None if "accept_language" in hints else None,
                prefetch=hints.get("sec_purpose") or "",
            )
        )
    context = Context(
        addresses=dict.fromkeys(known.get("sender_ips", ()), NOON),
        views=tuple(NOON + timedelta(seconds=at) for at in known.get("sender_views", ())),
        traps=frozenset(links.index(link) for link in [scenario.get("honeypot_link")] if link),
    )
    return hits, context
