"""Hits of one message -> what each of them was, how sure, and why.

The rules stand in RULES, in the order in which they are asked. Each looks at one hit within the scene of all hits of
the message (core.scene) and answers nothing, evidence (a reason that is kept, and the next rule is asked) or a
decision. The first decision wins. What is then counted goes through REPEAT: the same actor asking again within seconds
is one act.

Promises: the same hits, context and rule set give the same verdicts in any order of arrival; a hit is judged by what
core.bearing says that it has to do with, never by anything else, so that a part of a long history can be judged alone;
HEAD never counts, nor does a hidden link; time since delivery alone never makes a machine. Linear in the number of
hits, some microseconds for each.

Does not know networks or agents by itself: both come with the hit (core.network, core.agent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

import msgspec

from unsealed.core.agent import is_stale
from unsealed.core.bearing import NOTHING, Back
from unsealed.core.behind import (
    CROWDED,
    MAIL_PROGRAMS,
    MANY_ADDRESSES,
    PROVIDERS,
    READERS,
    WHERE_PEOPLE_ARE,
    says_ahead,
)
from unsealed.core.scene import (
    OFFICE_ASKS,
    REPEAT_S,
    Context,
    Scene,
    SeenHit,
    nearest,
    seconds,
)
from unsealed.model.event import (
    Answer,
    ClientKind,
    Finding,
    HitId,
    HitKind,
    NetworkClass,
    Reason,
    Verdict,
)

RULES_VERSION = "2026.11.4"

CLOCKS_DIFFER_S = 1.0  # the collector and the mail side may run on different machines, and a 250 takes its time
EARLY_S = 60.0


class Decision(msgspec.Struct, frozen=True):
    """The rule is sure enough to end the questions."""

    finding: Finding
    confidence: float
    code: str
    words: str


# Of a rule: nothing, something that speaks, or a decision.
Ruling: TypeAlias = Reason | Decision | None
Rule: TypeAlias = Callable[[SeenHit, Scene], Ruling]
Act: TypeAlias = tuple[object, ...]  # actor and resource


def judge(hits: Sequence[SeenHit], context: Context, *, since: datetime | None = None) -> dict[HitId, Verdict]:
    """The verdict of each hit at or after `since` (of all without it).

    hits: hits of one message, in any order; with `since`, at least all from one neighbourhood (core.bearing) before it.
    """
    return verdicts_from(Scene(hits, context), since)


def verdicts_from(scene: Scene, since: datetime | None = None, back: Back = NOTHING) -> dict[HitId, Verdict]:
    """The verdict of each hit from `since` on (of all without it), and of those that lie at most so far back.

    scene: all hits, or those that core.bearing says are needed.
    """
    opens_since, clicks_since = (since, since) if since is None else (since - back.opens, since - back.clicks)
    asked: list[SeenHit] = []
    before: list[SeenHit] = []  # what the first of them may repeat
    repeat = timedelta(seconds=REPEAT_S)
    for hit in scene.hits:
        begin = opens_since if hit.kind is HitKind.OPEN else clicks_since
        if begin is None or hit.at >= begin:
            asked.append(hit)
        elif hit.at >= begin - repeat:
            before.append(hit)
    decided = [(hit, *_decide(hit, scene)) for hit in asked]
    acts: dict[Act, datetime] = {}
    if before:
        acts = _last_acts(before, {_act(hit) for hit, decision, _ in decided if decision.finding.counted}, scene)
    found: dict[HitId, Verdict] = {}
    for hit, decision, evidence in decided:
        if decision.finding.counted:
            act = _act(hit)
            last = acts.get(act)
            acts[act] = hit.at
            if last is not None and (gap := (hit.at - last).total_seconds()) <= REPEAT_S:
                evidence = (*evidence, Reason(decision.code, decision.words))
                decision = Decision(Finding.DUPLICATE, 0.95, "REPEAT", f"the same again after {seconds(gap)}")
        found[hit.id] = Verdict(
            finding=decision.finding,
            confidence=decision.confidence,
            reasons=(Reason(decision.code, decision.words), *evidence),
            rules=RULES_VERSION,
        )
    return found


def _last_acts(hits: Sequence[SeenHit], acts: set[Act], scene: Scene) -> dict[Act, datetime]:
    """When each of the acts, as far as one of the hits stood for it, was last done."""
    last: dict[Act, datetime] = {}
    for hit in reversed(hits):
        if len(last) == len(acts):
            break
        act = _act(hit)
        if act in acts and act not in last and _decide(hit, scene)[0].finding.counted:
            last[act] = hit.at
    return last


def _decide(hit: SeenHit, scene: Scene) -> tuple[Decision, tuple[Reason, ...]]:
    evidence: tuple[Reason, ...] = ()
    for rule in RULES:
        ruling = rule(hit, scene)
        if ruling is None:
            continue
        if isinstance(ruling, Decision):
            return ruling, evidence
        evidence = (*evidence, ruling)
    raise AssertionError("the last rule decides everything")


def _act(hit: SeenHit) -> Act:
    """Who did what: one proxy family, with all its addresses, is one actor."""
    if hit.agent.kind is ClientKind.IMAGE_PROXY or hit.network.kind in MANY_ADDRESSES:
        return (hit.network.kind, hit.agent.client, hit.copy, hit.link)
    return (hit.address, hit.agent.client or hit.user_agent, hit.agent.device, hit.copy, hit.link)


def _age_s(hit: SeenHit) -> float | None:
    return None if hit.sent_at is None else (hit.at - hit.sent_at).total_seconds()


def _after(age_s: float | None) -> str:
    if age_s is None:
        return "at an unknown time after delivery"
    if age_s < 120:
        return f"{max(age_s, 0):.0f} s after delivery"
    if age_s < 7200:
        return f"{age_s / 60:.0f} min after delivery"
    return f"{age_s / 3600:.0f} h after delivery"


def _through_proxy(hit: SeenHit) -> bool:
    return hit.agent.kind is ClientKind.IMAGE_PROXY or hit.network.kind in PROVIDERS


def _machine(hit: SeenHit) -> Finding:
    return Finding.SCANNER if hit.kind is HitKind.OPEN else Finding.SCANNER_CLICK


def _person(hit: SeenHit) -> Finding:
    return Finding.HUMAN_OPEN if hit.kind is HitKind.OPEN else Finding.HUMAN_CLICK


def _own(hit: SeenHit) -> Finding:
    return Finding.SELF_OPEN if hit.kind is HitKind.OPEN else Finding.SELF_CLICK


# --- the rules --------------------------------------------------------------------------------------------------------


def corrected(hit: SeenHit, scene: Scene) -> Ruling:
    """0: the sender said what it was, of this hit or of one like it. Even then HEAD and hidden links are no person."""
    said = scene.correction(hit)
    if said is None:
        return None
    day = f"{said.at.day} {said.at:%b %Y}"
    match said.answer:
        case Answer.ME:
            return Decision(_own(hit), 1.0, "CORRECTED", f"you said on {day} that this was you")
        case Answer.MACHINE:
            return Decision(_machine(hit), 1.0, "CORRECTED", f"you said on {day} that this was a machine")
        case Answer.THEM:
            proxied = hit.kind is HitKind.OPEN and _through_proxy(hit)
            finding = Finding.PROXIED_OPEN if proxied else _person(hit)
            return Decision(finding, 1.0, "CORRECTED", f"you said on {day} that this was them")
        case _:
            assert_never(said.answer)


def own_device(hit: SeenHit, scene: Scene) -> Ruling:
    """1: the sender said "this is me" in this browser, and it showed the cookie."""
    if hit.own_device:
        return Decision(_own(hit), 0.99, "SELF_COOKIE", "the browser that you called your own")
    return None


def signed_in(hit: SeenHit, scene: Scene) -> Ruling:
    """1: the sender's own browser, signed in here: the address and the exact agent, never one of them alone, because
    colleagues sit behind the same address and whole companies run the same browser. Where the reader is a colleague
    even both are not enough: see `own_address`."""
    if not scene.signed_in(hit) or scene.colleague(hit):
        return None
    sure = 0.85 if scene.shared(hit) else 0.99
    return Decision(_own(hit), sure, "SELF_COOKIE", "the browser in which you are signed in")


def trap(hit: SeenHit, scene: Scene) -> Ruling:
    """2: a link that people cannot see."""
    if hit.link is not None and hit.link in scene.context.traps:
        return Decision(Finding.SCANNER_CLICK, 0.99, "HONEYPOT", "followed a link that no person can see")
    return None


def trap_neighbour(hit: SeenHit, scene: Scene) -> Ruling:
    """2: whatever else came from the address that followed a hidden link."""
    if not scene.context.traps or (gap := scene.trap_near(hit)) is None:
        return None
    words = f"the same address followed a hidden link, {seconds(gap)} apart"
    return Decision(_machine(hit), 0.95, "HONEYPOT_NEIGHBOUR", words)


def before_delivery(hit: SeenHit, scene: Scene) -> Ruling:
    """3: nobody reads what has not arrived."""
    if hit.waiting:
        words = "asked for before the next server confirmed that it has the message"
        return Decision(_machine(hit), 0.6, "BEFORE_DELIVERY", words)
    age_s = _age_s(hit)
    if age_s is None or age_s >= -CLOCKS_DIFFER_S:
        return None
    return Decision(
        _machine(hit), 0.97, "BEFORE_DELIVERY", f"asked for {-age_s:.0f} s before the message was delivered"
    )


def says_prefetch(hit: SeenHit, scene: Scene) -> Ruling:
    """4: the request itself says that nobody looks yet."""
    if not says_ahead(hit.prefetch):
        return None
    words = f'the request says "{hit.prefetch[:40]}": loaded ahead'
    return Decision(Finding.MACHINE_PREFETCH, 0.95, "PREFETCH_HEADER", words)


def scanner_by_name(hit: SeenHit, scene: Scene) -> Ruling:
    """5: security products that say who they are."""
    if hit.agent.kind is not ClientKind.SCANNER:
        return None
    return Decision(_machine(hit), 0.98, "UA_SCANNER", f"{hit.agent.client}, a security scanner, by its own words")


def preview_by_name(hit: SeenHit, scene: Scene) -> Ruling:
    """5: chat programs and sites that draw a card for a link. On a link it is news: the link was passed on."""
    if hit.agent.kind is not ClientKind.LINK_PREVIEW:
        return None
    service = SERVICES.get(hit.agent.client, hit.agent.client)
    if hit.kind is HitKind.OPEN:
        words = f"{service} fetched a preview of the picture"
    elif service in NOT_CHATS:
        words = f"{service} fetched a preview of the link: it was passed on"
    else:
        words = f"pasted into {service}, which fetched a preview of the link"
    return Decision(_machine(hit), 0.97, "UA_PREVIEW", words)


def crawler_by_name(hit: SeenHit, scene: Scene) -> Ruling:
    """5: search engines and programs that are no mail client."""
    if hit.agent.kind is not ClientKind.CRAWLER:
        return None
    if hit.agent.rule in _GUESSED:
        words = f'"{hit.user_agent[:40]}" looks like a program, not like a mail client'
        return Decision(_machine(hit), 0.6, "UA_LIBRARY", words)
    if hit.agent.rule.startswith("library."):
        return Decision(_machine(hit), 0.9, "UA_LIBRARY", f"{hit.agent.client}: a program, not a mail client")
    return Decision(_machine(hit), 0.95, "UA_CRAWLER", f"{hit.agent.client}, a crawler, by its own words")


def office_preflight(hit: SeenHit, scene: Scene) -> Ruling:
    """6: Office programs ask once before they open the browser: part of the same click."""
    if hit.agent.rule != OFFICE_ASKS:
        return None
    gap = scene.browsed_after(hit)
    if gap is None:
        words = "Office asked whether the link exists, no browser followed"
        return Decision(Finding.MACHINE_PREFETCH, 0.7, "OFFICE_PREFLIGHT", words)
    words = f"Office asked first, the browser followed after {seconds(gap)}"
    return Decision(Finding.DUPLICATE, 0.85, "OFFICE_PREFLIGHT", words)


def burst(hit: SeenHit, scene: Scene) -> Ruling:
    """7: nobody follows links that fast."""
    if (words := scene.burst.get(hit.id)) is not None:
        return Decision(Finding.SCANNER_CLICK, 0.95, "BURST_LINKS", words)
    if hit.kind is HitKind.OPEN and scene.burst_near(hit):
        words = "the same address raced through the links within 10 s"
        return Decision(Finding.SCANNER, 0.95, "BURST_PIXEL", words)
    return None


def crossing(hit: SeenHit, scene: Scene) -> Ruling:
    """8: one reader does not open the copies of several people at once."""
    if (words := scene.crossing.get(hit.id)) is not None:
        return Decision(Finding.SCANNER, 0.9, "CROSS_RECIPIENT", words)
    return None


def vendor_network(hit: SeenHit, scene: Scene) -> Ruling:
    """9: the network of a company that scans mail."""
    if hit.network.kind is not NetworkClass.SECURITY_VENDOR:
        return None
    who = hit.network.operator or "a mail security company"
    return Decision(_machine(hit), 0.9, "NET_VENDOR", f"from the network of {who}")


def microsoft_click(hit: SeenHit, scene: Scene) -> Ruling:
    """10: Safe Links does not carry people's clicks, so what follows a link from Microsoft's network is its scanner."""
    if hit.network.kind is not NetworkClass.MICROSOFT or hit.kind is HitKind.OPEN:
        return None
    words = "followed from Microsoft's own network, where its link scanner runs"
    browser = hit.agent.kind is ClientKind.BROWSER and not is_stale(hit.user_agent)
    sure = 0.6 if hit.language and browser else 0.85
    return Decision(Finding.SCANNER_CLICK, sure, "NET_MS_CLICK", words)


def head(hit: SeenHit, scene: Scene) -> Ruling:
    """11: a browser that shows a page or a picture asks with GET."""
    if hit.method == "GET":
        return None
    asked = "asked for the headers" if hit.method == "HEAD" else f"asked with {hit.method[:10]}, not for the content"
    if hit.kind is HitKind.CLICK:
        return Decision(Finding.SCANNER_CLICK, 0.85, "METHOD_HEAD", f"{asked} of the link only")
    return Decision(Finding.SCANNER, 0.7, "METHOD_HEAD", f"{asked} of the picture only: nothing was shown")


def apple_privacy(hit: SeenHit, scene: Scene) -> Ruling:
    """12: Apple Mail loads all pictures in the background when its privacy protection is on."""
    if hit.agent.rule != "prefetch.apple":
        return None
    if hit.network.kind is NetworkClass.APPLE_RELAY:
        words = "Apple Mail's privacy protection loads every picture, read or not"
        return Decision(Finding.MACHINE_PREFETCH, 0.97, "APPLE_MPP", words)
    words = "the bare agent of Apple's privacy protection, from a network that is not known as Apple's relay"
    return Decision(Finding.MACHINE_PREFETCH, 0.5, "APPLE_MPP", words)


def gmail_prefetch(hit: SeenHit, scene: Scene) -> Ruling:
    """13: Gmail loads pictures ahead while its page is open."""
    if hit.agent.rule != "prefetch.gmail":
        return None
    if hit.network.kind is NetworkClass.GOOGLE_PROXY:
        return Decision(Finding.MACHINE_PREFETCH, 0.98, "GMAIL_PREFETCH", "Gmail loaded the picture ahead, unread")
    words = "the agent of Gmail's prefetch, from a network that is not known as Google's"
    return Decision(Finding.MACHINE_PREFETCH, 0.6, "GMAIL_PREFETCH", words)


def own_view(hit: SeenHit, scene: Scene) -> Ruling:
    """14: the sender's own mail program showed the thread at that moment."""
    if not scene.context.views or hit.kind is HitKind.CLICK or not _through_proxy(hit):
        return None
    gap = nearest(scene.context.views, hit.at, 5.0)
    if gap is None:
        return None
    return Decision(Finding.SELF_OPEN, 0.75, "SELF_VIEW", f"you looked at this thread yourself, {seconds(gap)} apart")


def own_address(hit: SeenHit, scene: Scene) -> Ruling:
    """15: an address that the sender uses. Where the reader may use it as well, the program decides; where both may
    run the same program, nothing does, and a colleague is not hidden."""
    network = hit.network.kind
    if network is not NetworkClass.SENDER and not scene.own_address(hit):
        return None
    colleague = scene.colleague(hit)
    if network is NetworkClass.LOCAL and not (colleague and scene.signed_in(hit)):
        return None  # behind a proxy that hides addresses everybody is local
    if not colleague:
        if scene.usual_agent(hit):
            sure = 0.7 if network in CROWDED else 0.85
            return Decision(_own(hit), sure, "SELF_IP", "from an address that you use, with a program that you use")
        if not scene.shared(hit):
            sure = 0.7 if network is NetworkClass.CORPORATE else 0.85
            return Decision(_own(hit), sure, "SELF_IP", "from an address that you use yourself")
    if hit.agent.kind not in READERS:
        return Reason("SELF_IP_SHARED", "from a network that you use too")
    if colleague:
        words = "from a network that you use too, but the copy is a colleague's"
    else:
        words = "from a network that you use too, with another program"
    return Decision(_person(hit), 0.5, "SELF_IP_SHARED", words)


def named_proxy(hit: SeenHit, scene: Scene) -> Ruling:
    """17: a mail provider's image proxy, by its own words."""
    if hit.agent.kind is not ClientKind.IMAGE_PROXY:
        return None
    who = hit.agent.client
    if hit.kind is HitKind.CLICK:
        return Decision(
            Finding.SCANNER_CLICK, 0.8, "PROXY_ON_LINK", f"{who} is for pictures, people do not click with it"
        )
    age_s = _age_s(hit)
    if age_s is not None and age_s < 3.0:
        words = f"{who} asked {_after(age_s)}: too soon for a reader"
        return Decision(Finding.MACHINE_PREFETCH, 0.5, "PROXY_TOO_SOON", words)
    code = {"Gmail Image Proxy": "PROXY_GMAIL", "Yahoo Mail Proxy": "PROXY_YAHOO"}.get(who, "PROXY_OTHER")
    return Decision(Finding.PROXIED_OPEN, 0.9, code, f"loaded through {who} when the reader opened the message")


def provider_pixel(hit: SeenHit, scene: Scene) -> Ruling:
    """18: a nameless proxy in a mail provider's network. Scanners live there too: time and company decide."""
    if hit.network.kind not in PROVIDERS or hit.kind is HitKind.CLICK:
        return None
    age_s = _age_s(hit)
    who = hit.network.operator or "a mail provider"
    if scene.scan_near(hit):
        words = f"from the network of {who}, which followed a link as well within 10 s"
        return Decision(Finding.SCANNER, 0.7, "PROXY_BY_NET", words)
    late = age_s is None or age_s >= EARLY_S
    # Outlook on a desktop in the cloud comes from there, too, and calls itself an old Internet Explorer.
    if hit.agent.kind not in MAIL_PROGRAMS and (is_stale(hit.user_agent) if hit.user_agent else not late):
        what = "an outdated browser" if hit.user_agent else "no name"
        return Decision(Finding.SCANNER, 0.7, "PROXY_BY_NET", f"from the network of {who} with {what}, as scanners do")
    loads_ahead = hit.network.operator.startswith(_LOAD_AHEAD)
    if age_s is not None and age_s < (EARLY_S if loads_ahead else 10.0):
        words = f"from the network of {who} {_after(age_s)}: most likely loaded ahead"
        return Decision(Finding.MACHINE_PREFETCH, 0.7, "PROXY_BY_NET", words)
    sure = 0.7 if late and hit.user_agent and not loads_ahead else 0.55
    words = f"one picture through the network of {who}, {_after(age_s)}"
    return Decision(Finding.PROXIED_OPEN, sure, "PROXY_BY_NET", words)


def hosting_machine(hit: SeenHit, scene: Scene) -> Ruling:
    """19: rented machines with no name or an old one. Old browsers that name a language are perhaps a remote desktop:
    later, and on a link, that is no proof. Apple Mail's bare agent is sent by other fetchers too, so early it is none
    of a person either."""
    if hit.network.kind is not NetworkClass.HOSTING:
        return None
    age_s = _age_s(hit)
    early = age_s is not None and age_s < EARLY_S
    if hit.agent.kind in MAIL_PROGRAMS:
        if not early or hit.agent.client != "Apple Mail":
            return None
        words = f"as Apple Mail, but as fetchers do, on a rented machine, {_after(age_s)}"
        return Decision(_machine(hit), 0.6, "NET_HOSTING_EARLY", words)
    if hit.user_agent and not is_stale(hit.user_agent):
        return None
    what = "an outdated browser" if hit.user_agent else "no agent"
    words = f"{what} on a rented machine, {_after(age_s)}"
    if early:
        return Decision(_machine(hit), 0.8, "NET_HOSTING_EARLY", words)
    if hit.kind is HitKind.CLICK and hit.user_agent and hit.language:
        return Reason("NET_HOSTING_STALE", words)
    return Decision(_machine(hit), 0.6, "NET_HOSTING_STALE", words)


def no_language(hit: SeenHit, scene: Scene) -> Ruling:
    """19: browsers name a language when they follow a link. Programs that play a browser often do not, and then it
    takes one thing more to call them so: a rented machine, or a browser that hardly anybody runs. Mail programs
    and proxies that load pictures need not name one."""
    if hit.language is not False or hit.agent.kind is not ClientKind.BROWSER:
        return None
    age_s = _age_s(hit)
    early = age_s is not None and age_s < EARLY_S
    if hit.network.kind is NetworkClass.HOSTING and (early or hit.kind is HitKind.CLICK):
        words = f"a browser that names no language, on a rented machine, {_after(age_s)}"
        return Decision(_machine(hit), 0.7 if early else 0.6, "NO_LANGUAGE", words)
    if hit.kind is HitKind.OPEN:
        return None
    if is_stale(hit.user_agent):
        words = f"an outdated browser that names no language, {_after(age_s)}"
        return Decision(Finding.SCANNER_CLICK, 0.7, "NO_LANGUAGE", words)
    return Reason("NO_LANGUAGE", "a browser that names no language")


def direct(hit: SeenHit, scene: Scene) -> Ruling:
    """20: a mail program or a browser where people are."""
    program = hit.agent.kind in MAIL_PROGRAMS
    if not program and hit.agent.kind is not ClientKind.BROWSER:
        return None
    network = hit.network.kind
    if network is NetworkClass.APPLE_RELAY:
        if hit.agent.client not in _SAFARI or hit.language is False:
            return None
    elif network not in WHERE_PEOPLE_ARE:
        return None
    age_s = _age_s(hit)
    sure = 0.95
    if network is NetworkClass.VPN:
        sure = 0.75
    if (age_s is not None and age_s < 10.0) or (hit.language is False and not program and hit.kind is HitKind.CLICK):
        sure = 0.7
    code = "CLIENT_DIRECT" if program else "BROWSER_DIRECT"
    act = "opened in" if hit.kind is HitKind.OPEN else "followed in"
    on = f" on {hit.referer}" if hit.referer and not program else ""  # which webmail it was, when the browser says so
    return Decision(_person(hit), sure, code, f"{act} {hit.agent.client or 'a browser'}{on}, {_after(age_s)}")


def hosting_person(hit: SeenHit, scene: Scene) -> Ruling:
    """21: people reach us through rented machines too: VPNs, remote desktops, company proxies."""
    if hit.network.kind is not NetworkClass.HOSTING or hit.agent.kind not in READERS:
        return None
    age_s = _age_s(hit)
    if age_s is not None and age_s < EARLY_S:
        return Reason("SOON_FROM_HOSTING", f"from a rented machine, {_after(age_s)}")
    if hit.agent.kind is ClientKind.BROWSER and is_stale(hit.user_agent):
        return None
    words = f"{hit.agent.client} on a rented machine, {_after(age_s)}: perhaps a person behind a VPN"
    return Decision(_person(hit), 0.55, "NET_HOSTING_LATE", words)


def unsure(hit: SeenHit, scene: Scene) -> Ruling:
    """22: nothing speaks against a person, and nothing for one."""
    what = hit.agent.client or ("an unknown program" if hit.user_agent else "a program without a name")
    return Decision(_person(hit), 0.5, "DEFAULT", f"{what}: nothing proves a machine")


RULES: tuple[Rule, ...] = (
    corrected,
    own_device,
    signed_in,
    trap,
    trap_neighbour,
    before_delivery,
    says_prefetch,
    scanner_by_name,
    preview_by_name,
    crawler_by_name,
    office_preflight,
    burst,
    crossing,
    vendor_network,
    microsoft_click,
    head,
    apple_privacy,
    gmail_prefetch,
    own_view,
    own_address,
    # 16, REPEAT, is asked in `judge` of everything that would count
    named_proxy,
    provider_pixel,
    hosting_machine,
    no_language,
    direct,
    hosting_person,
    unsure,
)

# What people call the services whose previews have other names.
SERVICES = {
    "Slackbot": "Slack",
    "Slack Image Proxy": "Slack",
    "Skype URI Preview": "Teams or Skype",
    "Microsoft Preview": "Microsoft Teams",
    "Discordbot": "Discord",
    "TelegramBot": "Telegram",
    "Twitterbot": "X (Twitter)",
    "LinkedInBot": "LinkedIn",
    "facebookexternalhit": "Facebook",
    "facebookcatalog": "Facebook",
    "Facebot": "Facebook",
    "Apple Messages": "Messages",
    "Snap URL Preview Service": "Snapchat",
    "Yahoo Link Preview": "Yahoo",
    "redditbot": "Reddit",
    "vkShare": "VK",
    "OdklBot": "OK.ru",
    "Bluesky Cardyb": "Bluesky",
    "link preview": "a chat",
    "fediverse server": "the fediverse",
}
# Previews for pages, not for what somebody wrote to somebody.
NOT_CHATS = frozenset(
    {
        "BingPreview",
        "Bitly",
        "Embedly",
        "FlipboardProxy",
        "Google Favicon",
        "Google PageRenderer",
        "Google Snippet",
        "HubSpot Link Preview",
        "Iframely",
        "Medium",
        "Outbrain",
    }
)
_GUESSED = frozenset({"library.bare", "library.generic", "crawler.compatible"})
_LOAD_AHEAD = "Proton"  # "pre-loads" what it does not strip; on arrival or on opening, it does not say
_SAFARI = frozenset({"Safari", "Mobile Safari", "Apple Mail"})
