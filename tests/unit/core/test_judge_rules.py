"""Each rule alone: where it speaks, and where it just does not. The order of all of them is tested in test_judge.py."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from tests.unit.core.hits import (
    APPLE_MAIL,
    CHROME,
    CLOUD,
    GMAIL,
    GMAIL_PREFETCH,
    GOOGLE,
    HERE,
    HOME,
    MICROSOFT,
    NOON,
    OFFICE,
    OFFICE_ASKS,
    OUTLOOK,
    PHONE,
    PROTON,
    RELAY,
    SAFARI,
    SLACKBOT,
    STALE,
    THUNDERBIRD,
    VENDOR,
    VPN,
    ZSCALER,
    Place,
    seen,
)

from unsealed.core import judge as rules
from unsealed.core.agent_rules import RULES as AGENTS
from unsealed.core.judge import RULES, Decision, Rule
from unsealed.core.scene import Context, Presence, Scene, SeenHit
from unsealed.model.event import Answer, ClientKind, Correction, HitId, NetworkClass

MARA = "mara@tidewater.example"
COLLEAGUE = "rob@tidewater.example"
OUTSIDER = "ines@harbourline.example"


def said(answer: Answer, network: str = "203.0.113.0/24", recipient: str = "", agent: str = CHROME) -> Context:
    correction = Correction(id=1, answer=answer, user_agent=agent, network=network, recipient=recipient, at=NOON)
    return Context(corrections=(correction,))


def signed_in(place: Place = HOME, agent: str = CHROME, mailboxes: str = "") -> Context:
    presence = Presence(address=place[0], user_agent=agent, since=NOON, until=NOON + timedelta(hours=1))
    return Context(presences=(presence,), mailboxes=frozenset(mailboxes.split()))


def uses(place: Place, *agents: str, shared: bool = False, mailboxes: str = "") -> Context:
    return Context(
        addresses={place[0]: NOON},
        shared_addresses=frozenset({place[0]} if shared else ()),
        agents=frozenset(agents),
        mailboxes=frozenset(mailboxes.split()),
    )


TRAPPED = Context(traps=frozenset({9}))
SAW_IT = Context(views=(NOON + timedelta(seconds=600),))

# rule, the hit it is asked about, what else came, what is known of the sender; and what it says: code, finding and
# confidence, or the code of mere evidence, or nothing
CASES: list[tuple[Rule, SeenHit, tuple[SeenHit, ...], Context, str]] = []


def case(rule: Rule, hit: SeenHit, says: str, *others: SeenHit, context: Context | None = None) -> None:
    CASES.append((rule, hit, others, context or Context(), says))


ME, MACHINE, THEM = said(Answer.ME), said(Answer.MACHINE), said(Answer.THEM)
case(rules.corrected, seen(), "CORRECTED self_open 1.0", context=ME)
case(rules.corrected, seen(link=0), "CORRECTED self_click 1.0", context=ME)
case(rules.corrected, seen(), "CORRECTED scanner 1.0", context=MACHINE)
case(rules.corrected, seen(link=0), "CORRECTED scanner_click 1.0", context=MACHINE)
case(rules.corrected, seen(link=0), "CORRECTED human_click 1.0", context=THEM)
case(rules.corrected, seen(place=("203.0.113.99", NetworkClass.RESIDENTIAL)), "CORRECTED self_open 1.0", context=ME)
case(rules.corrected, seen(place=("203.0.112.99", NetworkClass.RESIDENTIAL)), "", context=ME)
case(rules.corrected, seen(agent=STALE), "", context=ME)
case(rules.corrected, seen(link=0, method="HEAD"), "", context=THEM)
case(rules.corrected, seen(link=0, method="HEAD"), "CORRECTED scanner_click 1.0", context=MACHINE)
case(rules.corrected, seen(link=0, prefetch="prefetch"), "", context=THEM)
case(
    rules.corrected, seen(link=0, prefetch="prefetch"), "CORRECTED human_click 1.0", context=said(Answer.THEM, "hit:0")
)
case(rules.corrected, seen(link=9), "", context=dataclasses.replace(THEM, traps=frozenset({9})))
case(rules.corrected, seen(link=9), "CORRECTED self_click 1.0", context=dataclasses.replace(ME, traps=frozenset({9})))
case(
    rules.corrected,
    seen(recipient=OUTSIDER),
    "CORRECTED scanner 1.0",
    context=said(Answer.MACHINE, recipient="@harbourline.example"),
)
case(
    rules.corrected,
    seen(recipient="ines@x.harbourline.example"),
    "",
    context=said(Answer.MACHINE, recipient="@harbourline.example"),
)
case(
    rules.corrected, seen(recipient=OUTSIDER), "CORRECTED human_open 1.0", context=said(Answer.THEM, recipient=OUTSIDER)
)
case(rules.corrected, seen(recipient=COLLEAGUE), "", context=said(Answer.THEM, recipient=OUTSIDER))
case(
    rules.corrected,
    seen(agent=GMAIL, place=GOOGLE, recipient=OUTSIDER),
    "CORRECTED proxied_open 1.0",
    context=said(Answer.THEM, "operator:google_proxy", OUTSIDER, GMAIL),
)

case(rules.own_device, seen(own_device=True), "SELF_COOKIE self_open 0.99")
case(rules.own_device, seen(link=0, own_device=True), "SELF_COOKIE self_click 0.99")
case(rules.own_device, seen(), "")

case(rules.signed_in, seen(), "SELF_COOKIE self_open 0.99", context=signed_in())
case(rules.signed_in, seen(t=0), "SELF_COOKIE self_open 0.99", context=signed_in())
case(rules.signed_in, seen(t=-0.1), "", context=signed_in())
case(rules.signed_in, seen(t=3600), "SELF_COOKIE self_open 0.99", context=signed_in())
case(rules.signed_in, seen(t=3600.1), "", context=signed_in())
case(rules.signed_in, seen(agent=STALE), "", context=signed_in())
case(rules.signed_in, seen(place=OFFICE), "", context=signed_in())
case(rules.signed_in, seen(place=OFFICE), "SELF_COOKIE self_open 0.85", context=signed_in(OFFICE))
case(
    rules.signed_in,
    seen(place=OFFICE, recipient=OUTSIDER),
    "SELF_COOKIE self_open 0.99",
    context=signed_in(OFFICE, mailboxes=MARA),
)
case(rules.signed_in, seen(place=OFFICE, recipient=COLLEAGUE), "", context=signed_in(OFFICE, mailboxes=MARA))
case(
    rules.signed_in,
    seen(place=OFFICE, recipient=MARA),
    "SELF_COOKIE self_open 0.99",
    context=signed_in(OFFICE, mailboxes=MARA),
)
case(
    rules.signed_in,
    seen(recipient="you@gmail.com"),
    "SELF_COOKIE self_open 0.99",
    context=signed_in(mailboxes="me@gmail.com"),
)

case(rules.trap, seen(link=9), "HONEYPOT scanner_click 0.99", context=TRAPPED)
case(rules.trap, seen(link=9, method="HEAD"), "HONEYPOT scanner_click 0.99", context=TRAPPED)
case(rules.trap, seen(link=8), "", context=TRAPPED)
case(rules.trap, seen(), "", context=TRAPPED)

case(rules.trap_neighbour, seen(960), "HONEYPOT_NEIGHBOUR scanner 0.95", seen(link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(840, link=0), "HONEYPOT_NEIGHBOUR scanner_click 0.95", seen(link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(960, copy=2), "HONEYPOT_NEIGHBOUR scanner 0.95", seen(link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(960.1), "", seen(link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(839.9), "", seen(link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(900), "", seen(place=OFFICE, link=9), context=TRAPPED)
case(rules.trap_neighbour, seen(900), "", seen(link=9, method="HEAD"), context=TRAPPED)
case(rules.trap_neighbour, seen(900), "", seen(link=9, prefetch="prefetch"), context=TRAPPED)
case(rules.trap_neighbour, seen(900), "", seen(link=9, own_device=True), context=TRAPPED)

case(rules.before_delivery, seen(-1.1), "BEFORE_DELIVERY scanner 0.97")
case(rules.before_delivery, seen(-1.1, link=0), "BEFORE_DELIVERY scanner_click 0.97")
case(rules.before_delivery, seen(-1), "")
case(rules.before_delivery, seen(-60, timed=False), "")
case(rules.before_delivery, seen(timed=False, waiting=True), "BEFORE_DELIVERY scanner 0.6")

case(rules.says_prefetch, seen(prefetch="prefetch;prerender"), "PREFETCH_HEADER machine_prefetch 0.95")
case(rules.says_prefetch, seen(link=0, prefetch="Instant"), "PREFETCH_HEADER machine_prefetch 0.95")
case(rules.says_prefetch, seen(prefetch="navigate"), "")
case(rules.says_prefetch, seen(), "")

case(rules.scanner_by_name, seen(agent="Barracuda Sentinel (EE)", link=0), "UA_SCANNER scanner_click 0.98")
case(rules.scanner_by_name, seen(agent=SLACKBOT), "")
case(rules.preview_by_name, seen(agent=SLACKBOT, link=0), "UA_PREVIEW scanner_click 0.97")
case(rules.preview_by_name, seen(agent="Slack-ImgProxy (+https://api.slack.com/robots)"), "UA_PREVIEW scanner 0.97")
case(rules.preview_by_name, seen(agent=CHROME.replace("Chrome", "Slack_SSB/4.39 Chrome"), link=0), "")
case(rules.crawler_by_name, seen(agent="Mozilla/5.0 (compatible; bingbot/2.0)"), "UA_CRAWLER scanner 0.95")
case(rules.crawler_by_name, seen(agent="python-requests/2.32", link=0), "UA_LIBRARY scanner_click 0.9")
case(rules.crawler_by_name, seen(agent="greedyhand/0.1"), "UA_LIBRARY scanner 0.6")
case(rules.crawler_by_name, seen(), "")

case(rules.office_preflight, seen(agent=OFFICE_ASKS, link=0), "OFFICE_PREFLIGHT duplicate 0.85", seen(905, link=0))
case(rules.office_preflight, seen(agent=OFFICE_ASKS, link=0), "OFFICE_PREFLIGHT duplicate 0.85", seen(900, link=0))
case(
    rules.office_preflight,
    seen(agent=OFFICE_ASKS, link=0),
    "OFFICE_PREFLIGHT machine_prefetch 0.7",
    seen(905.1, link=0),
)
case(
    rules.office_preflight, seen(agent=OFFICE_ASKS, link=0), "OFFICE_PREFLIGHT machine_prefetch 0.7", seen(902, link=1)
)
case(
    rules.office_preflight,
    seen(agent=OFFICE_ASKS, link=0),
    "OFFICE_PREFLIGHT machine_prefetch 0.7",
    seen(902, link=0, method="HEAD"),
)
case(rules.office_preflight, seen(link=0), "", seen(902, link=0))

case(rules.burst, seen(link=0), "BURST_LINKS scanner_click 0.95", seen(900.9, link=1))
case(rules.burst, seen(link=0), "", seen(901, link=1))
case(rules.burst, seen(link=0), "", seen(900.1, link=0), seen(900.2, link=0))
case(rules.burst, seen(link=0), "BURST_LINKS scanner_click 0.95", seen(901.5, link=1), seen(902.9, link=2))
case(rules.burst, seen(link=0), "", seen(901.5, link=1), seen(903, link=2))
case(rules.burst, seen(link=0), "", seen(900.5, link=1, copy=2))
case(rules.burst, seen(link=0), "", seen(900.5, link=1, place=OFFICE))
case(
    rules.burst,
    seen(link=0, place=CLOUD),
    "BURST_LINKS scanner_click 0.95",
    seen(900.5, link=1, place=("18.1.1.1", NetworkClass.HOSTING)),
)
case(rules.burst, seen(link=0), "", seen(900.5, link=1, method="HEAD"), seen(900.6, link=2, prefetch="prefetch"))
case(rules.burst, seen(890), "BURST_PIXEL scanner 0.95", seen(900, link=0), seen(900.5, link=1))
case(rules.burst, seen(910.5), "BURST_PIXEL scanner 0.95", seen(900, link=0), seen(900.5, link=1))
case(rules.burst, seen(910.6), "", seen(900, link=0), seen(900.5, link=1))
case(rules.burst, seen(900, place=OFFICE), "", seen(900, link=0), seen(900.5, link=1))
case(rules.burst, seen(900, copy=2), "", seen(900, link=0), seen(900.5, link=1))

case(rules.crossing, seen(place=CLOUD), "CROSS_RECIPIENT scanner 0.9", seen(901.9, STALE, CLOUD, copy=2))
case(rules.crossing, seen(place=CLOUD), "", seen(902, place=CLOUD, copy=2))
case(rules.crossing, seen(place=OFFICE), "CROSS_RECIPIENT scanner 0.9", seen(901, place=OFFICE, copy=2))
case(rules.crossing, seen(place=OFFICE), "", seen(901, STALE, OFFICE, copy=2))
case(rules.crossing, seen(agent=OUTLOOK, place=OFFICE), "", seen(901, OUTLOOK, OFFICE, copy=2))
case(rules.crossing, seen(place=PHONE), "", seen(901, place=PHONE, copy=2))
case(rules.crossing, seen(agent=GMAIL, place=GOOGLE), "", seen(901, GMAIL, GOOGLE, copy=2))
case(rules.crossing, seen(place=CLOUD), "", seen(901, place=CLOUD))

case(rules.vendor_network, seen(place=VENDOR), "NET_VENDOR scanner 0.9")
case(rules.vendor_network, seen(place=VENDOR, link=0), "NET_VENDOR scanner_click 0.9")
case(rules.vendor_network, seen(place=ZSCALER, link=0), "")

case(rules.microsoft_click, seen(place=MICROSOFT, link=0), "NET_MS_CLICK scanner_click 0.6")
case(rules.microsoft_click, seen(place=MICROSOFT, link=0, language=None), "NET_MS_CLICK scanner_click 0.85")
case(rules.microsoft_click, seen(agent=STALE, place=MICROSOFT, link=0), "NET_MS_CLICK scanner_click 0.85")
case(rules.microsoft_click, seen(place=MICROSOFT), "")

case(rules.head, seen(link=0, method="HEAD"), "METHOD_HEAD scanner_click 0.85")
case(rules.head, seen(method="HEAD"), "METHOD_HEAD scanner 0.7")
case(rules.head, seen(link=0, method="OPTIONS"), "METHOD_HEAD scanner_click 0.85")
case(rules.head, seen(link=0), "")

case(rules.apple_privacy, seen(agent="Mozilla/5.0", place=RELAY), "APPLE_MPP machine_prefetch 0.97")
case(rules.apple_privacy, seen(agent="Mozilla/5.0"), "APPLE_MPP machine_prefetch 0.5")
case(rules.apple_privacy, seen(agent=SAFARI, place=RELAY), "")

case(rules.gmail_prefetch, seen(agent=GMAIL_PREFETCH, place=GOOGLE), "GMAIL_PREFETCH machine_prefetch 0.98")
case(rules.gmail_prefetch, seen(agent=GMAIL_PREFETCH), "GMAIL_PREFETCH machine_prefetch 0.6")
case(rules.gmail_prefetch, seen(agent=GMAIL, place=GOOGLE), "")

case(rules.own_view, seen(605, GMAIL, GOOGLE), "SELF_VIEW self_open 0.75", context=SAW_IT)
case(rules.own_view, seen(595, GMAIL, GOOGLE), "SELF_VIEW self_open 0.75", context=SAW_IT)
case(rules.own_view, seen(605.1, GMAIL, GOOGLE), "", context=SAW_IT)
case(rules.own_view, seen(600), "", context=SAW_IT)
case(rules.own_view, seen(600, place=MICROSOFT, link=0), "", context=SAW_IT)

AT_WORK = uses(OFFICE, CHROME, mailboxes=MARA)
case(rules.own_address, seen(agent=THUNDERBIRD), "SELF_IP self_open 0.85", context=uses(HOME))
case(rules.own_address, seen(agent=THUNDERBIRD, place=("198.51.100.7", NetworkClass.SENDER)), "SELF_IP self_open 0.85")
case(rules.own_address, seen(agent=THUNDERBIRD), "", context=uses(OFFICE))
case(rules.own_address, seen(7 * 86400, THUNDERBIRD), "SELF_IP self_open 0.85", context=uses(HOME))
case(rules.own_address, seen(7 * 86400 + 1, THUNDERBIRD), "", context=uses(HOME))
case(rules.own_address, seen(agent=THUNDERBIRD), "SELF_IP_SHARED human_open 0.5", context=uses(HOME, shared=True))
case(rules.own_address, seen(), "SELF_IP self_open 0.85", context=uses(HOME, CHROME, shared=True))
case(
    rules.own_address, seen(place=OFFICE, agent=OUTLOOK), "SELF_IP_SHARED human_open 0.5", context=uses(OFFICE, CHROME)
)
case(rules.own_address, seen(place=OFFICE, agent=OUTLOOK, recipient=OUTSIDER), "SELF_IP self_open 0.7", context=AT_WORK)
case(rules.own_address, seen(place=OFFICE, recipient=OUTSIDER), "SELF_IP self_open 0.85", context=AT_WORK)
case(rules.own_address, seen(place=OFFICE, recipient=COLLEAGUE), "SELF_IP_SHARED human_open 0.5", context=AT_WORK)
case(
    rules.own_address,
    seen(place=OFFICE, link=0, recipient=COLLEAGUE),
    "SELF_IP_SHARED human_click 0.5",
    context=AT_WORK,
)
case(rules.own_address, seen(place=OFFICE, recipient=MARA), "SELF_IP self_open 0.85", context=AT_WORK)
case(rules.own_address, seen(place=PHONE, agent=SAFARI), "SELF_IP_SHARED human_open 0.5", context=uses(PHONE))
case(rules.own_address, seen(place=PHONE, agent=SAFARI), "SELF_IP self_open 0.7", context=uses(PHONE, SAFARI))
case(rules.own_address, seen(agent=""), "SELF_IP self_open 0.85", context=uses(HOME, ""))
case(rules.own_address, seen(place=OFFICE, agent=""), "SELF_IP_SHARED", context=uses(OFFICE, ""))
case(rules.own_address, seen(place=HERE), "", context=uses(HERE, CHROME))
case(
    rules.own_address,
    seen(place=HERE, recipient=COLLEAGUE),
    "SELF_IP_SHARED human_open 0.5",
    context=signed_in(HERE, mailboxes=MARA),
)

case(rules.named_proxy, seen(3, GMAIL, GOOGLE), "PROXY_GMAIL proxied_open 0.9")
case(rules.named_proxy, seen(2.9, GMAIL, GOOGLE), "PROXY_TOO_SOON machine_prefetch 0.5")
case(rules.named_proxy, seen(2.9, GMAIL, GOOGLE, timed=False), "PROXY_GMAIL proxied_open 0.9")
case(rules.named_proxy, seen(agent="FastmailUA/1.0", place=CLOUD), "PROXY_OTHER proxied_open 0.9")
case(rules.named_proxy, seen(agent=GMAIL, place=GOOGLE, link=0), "PROXY_ON_LINK scanner_click 0.8")
case(rules.named_proxy, seen(place=GOOGLE), "")

case(rules.provider_pixel, seen(60, place=MICROSOFT), "PROXY_BY_NET proxied_open 0.7")
case(rules.provider_pixel, seen(59, place=MICROSOFT), "PROXY_BY_NET proxied_open 0.55")
case(rules.provider_pixel, seen(9.9, place=MICROSOFT), "PROXY_BY_NET machine_prefetch 0.7")
case(rules.provider_pixel, seen(9.9, place=MICROSOFT, timed=False), "PROXY_BY_NET proxied_open 0.7")
case(rules.provider_pixel, seen(agent=STALE, place=MICROSOFT), "PROXY_BY_NET scanner 0.7")
case(rules.provider_pixel, seen(30, "", MICROSOFT), "PROXY_BY_NET scanner 0.7")
case(rules.provider_pixel, seen(900, "", MICROSOFT), "PROXY_BY_NET proxied_open 0.55")
case(rules.provider_pixel, seen(agent=OUTLOOK, place=MICROSOFT), "PROXY_BY_NET proxied_open 0.7")
case(rules.provider_pixel, seen(place=MICROSOFT), "PROXY_BY_NET scanner 0.7", seen(910, STALE, MICROSOFT, 0))
case(rules.provider_pixel, seen(place=MICROSOFT), "PROXY_BY_NET proxied_open 0.7", seen(910.1, STALE, MICROSOFT, 0))
case(
    rules.provider_pixel,
    seen(place=MICROSOFT),
    "PROXY_BY_NET proxied_open 0.7",
    seen(905, STALE, MICROSOFT, 0),
    seen(905.5, link=0),
)
case(
    rules.provider_pixel,
    seen(place=MICROSOFT),
    "PROXY_BY_NET scanner 0.7",
    seen(905, STALE, MICROSOFT, 0),
    seen(905.5, link=1),
)
case(rules.provider_pixel, seen(59, place=PROTON), "PROXY_BY_NET machine_prefetch 0.7")
case(rules.provider_pixel, seen(60, place=PROTON), "PROXY_BY_NET proxied_open 0.55")
case(rules.provider_pixel, seen(place=MICROSOFT, link=0), "")
case(rules.provider_pixel, seen(), "")

case(rules.hosting_machine, seen(59, "", CLOUD), "NET_HOSTING_EARLY scanner 0.8")
case(rules.hosting_machine, seen(60, "", CLOUD), "NET_HOSTING_STALE scanner 0.6")
case(rules.hosting_machine, seen(59, STALE, CLOUD, 0), "NET_HOSTING_EARLY scanner_click 0.8")
case(rules.hosting_machine, seen(60, STALE, CLOUD, 0), "NET_HOSTING_STALE")
case(rules.hosting_machine, seen(60, STALE, CLOUD, 0, language=False), "NET_HOSTING_STALE scanner_click 0.6")
case(rules.hosting_machine, seen(60, STALE, CLOUD), "NET_HOSTING_STALE scanner 0.6")
case(rules.hosting_machine, seen(59, APPLE_MAIL, CLOUD), "NET_HOSTING_EARLY scanner 0.6")
case(rules.hosting_machine, seen(60, APPLE_MAIL, CLOUD), "")
case(rules.hosting_machine, seen(4, APPLE_MAIL, HOME), "")
case(rules.hosting_machine, seen(4, place=CLOUD), "")
case(rules.hosting_machine, seen(4, OUTLOOK, CLOUD), "")
case(rules.hosting_machine, seen(4, "", HOME), "")

case(rules.no_language, seen(59, place=CLOUD, language=False), "NO_LANGUAGE scanner 0.7")
case(rules.no_language, seen(59, place=CLOUD, link=0, language=False), "NO_LANGUAGE scanner_click 0.7")
case(rules.no_language, seen(60, place=CLOUD, link=0, language=False), "NO_LANGUAGE scanner_click 0.6")
case(rules.no_language, seen(60, place=CLOUD, language=False), "")
case(rules.no_language, seen(59, place=CLOUD, link=0, language=None), "")
case(rules.no_language, seen(link=0, language=False), "NO_LANGUAGE")
case(rules.no_language, seen(agent=STALE, link=0, language=False), "NO_LANGUAGE scanner_click 0.7")
case(rules.no_language, seen(agent=STALE, language=False), "")
case(rules.no_language, seen(agent=OUTLOOK, link=0, language=False), "")

case(rules.direct, seen(10, OUTLOOK, OFFICE), "CLIENT_DIRECT human_open 0.95")
case(rules.direct, seen(9.9, OUTLOOK, OFFICE), "CLIENT_DIRECT human_open 0.7")
case(rules.direct, seen(9.9, OUTLOOK, OFFICE, timed=False), "CLIENT_DIRECT human_open 0.95")
case(rules.direct, seen(link=0), "BROWSER_DIRECT human_click 0.95")
case(rules.direct, seen(link=0, language=False), "BROWSER_DIRECT human_click 0.7")
case(rules.direct, seen(place=VPN, link=0), "BROWSER_DIRECT human_click 0.75")
case(rules.direct, seen(place=ZSCALER), "BROWSER_DIRECT human_open 0.95")
case(rules.direct, seen(agent=SAFARI, place=RELAY, link=0), "BROWSER_DIRECT human_click 0.95")
case(rules.direct, seen(agent=SAFARI, place=RELAY, link=0, language=False), "")
case(rules.direct, seen(place=RELAY, link=0), "")
case(rules.direct, seen(agent=""), "")
case(rules.direct, seen(place=CLOUD), "")

case(rules.hosting_person, seen(60, place=CLOUD), "NET_HOSTING_LATE human_open 0.55")
case(rules.hosting_person, seen(59, place=CLOUD), "SOON_FROM_HOSTING")
case(rules.hosting_person, seen(60, STALE, CLOUD), "")
case(rules.hosting_person, seen(60, OUTLOOK, CLOUD), "NET_HOSTING_LATE human_open 0.55")
case(rules.hosting_person, seen(60, "", CLOUD), "")
case(rules.hosting_person, seen(60), "")

case(rules.unsure, seen(agent=""), "DEFAULT human_open 0.5")
case(rules.unsure, seen(agent="", link=0), "DEFAULT human_click 0.5")


@pytest.mark.parametrize(("rule", "hit", "others", "context", "says"), CASES)
def test_a_rule_says_this_and_no_more(
    rule: Rule, hit: SeenHit, others: tuple[SeenHit, ...], context: Context, says: str
) -> None:
    numbered = [dataclasses.replace(other, id=HitId(number)) for number, other in enumerate((hit, *others))]

    ruling = rule(numbered[0], Scene(numbered, context))

    assert ruling is None or ruling.words
    if isinstance(ruling, Decision):
        assert says == f"{ruling.code} {ruling.finding.value} {ruling.confidence}"
    else:
        assert says == ("" if ruling is None else ruling.code)


@pytest.mark.parametrize(
    ("hit", "others", "context", "words"),
    [
        (seen(link=0), [seen(900.4, link=1)], Context(), "2 different links within 0.4 s from the same address"),
        (
            seen(link=0, place=CLOUD),
            [seen(900.4, link=1, place=("18.1.1.1", NetworkClass.HOSTING))],
            Context(),
            "2 different links within 0.4 s from one network (hosting)",
        ),
        (seen(930), [seen(900, link=9)], TRAPPED, "the same address followed a hidden link, 30.0 s apart"),
        (seen(agent=SLACKBOT, link=0), [], Context(), "pasted into Slack, which fetched a preview of the link"),
        (
            seen(agent="Mozilla/5.0 (compatible; Embedly/0.2)", link=0),
            [],
            Context(),
            "Embedly fetched a preview of the link: it was passed on",
        ),
        (seen(601, GMAIL, GOOGLE), [], SAW_IT, "you looked at this thread yourself, 1.0 s apart"),
        (seen(-6), [], Context(), "asked for 6 s before the message was delivered"),
        (
            seen(7500, place=CLOUD),
            [],
            Context(),
            "Chrome on a rented machine, 2 h after delivery: perhaps a person behind a VPN",
        ),
        (
            dataclasses.replace(seen(), referer="mail.fennel.example"),
            [],
            Context(),
            "opened in Chrome on mail.fennel.example, 15 min after delivery",
        ),
        (seen(), [], THEM, "you said on 21 Nov 2026 that this was them"),
    ],
)
def test_a_reason_names_the_facts_that_fired(hit: SeenHit, others: list[SeenHit], context: Context, words: str) -> None:
    numbered = [dataclasses.replace(other, id=HitId(number)) for number, other in enumerate((hit, *others))]

    assert words == rules.judge(numbered, context)[HitId(0)].reasons[0].words


def test_the_services_are_named_as_the_agents_name_them() -> None:
    named = {rule.client for rule in AGENTS if rule.kind is ClientKind.LINK_PREVIEW}

    assert set() == (rules.SERVICES.keys() | rules.NOT_CHATS) - named


def test_every_rule_is_seen_speaking_and_but_for_the_last_silent() -> None:
    spoken = {rule for rule, _, _, _, says in CASES if says}
    silent = {rule for rule, _, _, _, says in CASES if not says}

    assert set(RULES) == spoken
    assert set(RULES) - {rules.unsure} == silent
