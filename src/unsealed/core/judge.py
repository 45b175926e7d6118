"""Hits of one message -> what each of them was, how sure, and why.

The rules stand in RULES, in the order in which they are asked. Each looks at one hit within the scene of all hits of
the message and answers nothing, evidence (a reason that is kept, and the next rule is asked) or a decision. The first
decision wins. What is then counted goes through REPEAT: the same actor asking again within seconds is one act.

Promises: the same hits, context and rule set give the same verdicts in any order of arrival; a hit is judged by what
happened within `neighbourhood` of it, never by anything further away, so that a part of a long history can be judged
alone; HEAD never counts; time since delivery alone never makes a machine. Costs some microseconds for each hit.

Does not know networks or agents by itself: both come with the hit (core.network, core.agent).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import assert_never

from unsealed.core.agent import is_stale, read_agent
from unsealed.core.reliability import company_of
from unsealed.model.event import (
    NOWHERE,
    Agent,
    Answer,
    ClientKind,
    Correction,
    Finding,
    HitId,
    HitKind,
    Network,
    NetworkClass,
    Place,
    Reason,
    Verdict,
)
from unsealed.model.message import CopyId

RULES_VERSION = "2026.11"

CLOCKS_DIFFER_S = 1.0  # the collector and the mail side may run on different machines, and a 250 takes its time
REPEAT_S = 5.0
SELF_KEPT = timedelta(days=7)  # how long an address that the sender used is evidence


@dataclass(slots=True, kw_only=True)
class SeenHit:
    """One hit with all that the judge may look at. Never changed; not frozen only because that costs three times as
    long to make, and tens of thousands are made in a second."""

    id: HitId
    copy: CopyId
    kind: HitKind
    link: int | None
    at: datetime
    sent_at: datetime | None  # when the next hop accepted the copy; None: unknown, rules of time are silent
    waiting: bool = False  # the next hop has not confirmed the copy yet, as far as we know
    method: str
    address: str = field(repr=False)
    user_agent: str
    agent: Agent
    network: Network
    language: bool | None = None  # Accept-Language was there, was absent, or nobody knows
    prefetch: str = ""
    own_device: bool = False  # the request carried the cookie of a browser that the sender called "me"
    recipient: str = ""  # whose copy, in lower case; "": shared or not known
    referer: str = ""  # host that showed the picture or the link
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """The sender was signed in with this browser from this address."""

    address: str = field(repr=False)
    user_agent: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known about the sender beside the hits."""

    presences: tuple[Presence, ...] = ()
    addresses: Mapping[str, datetime] = field(default_factory=dict)  # address the sender used -> when last
    shared_addresses: frozenset[str] = frozenset()  # known to be used by recipients too
    views: tuple[datetime, ...] = ()  # when the sender's own client reported a view of the thread, in order of time
    traps: frozenset[int] = frozenset()  # positions of hidden links
    agents: frozenset[str] = frozenset()  # user agents of the sender's own browsers
    mailboxes: frozenset[str] = frozenset()  # the sender's own mail addresses, in lower case: whose domain is shared
    corrections: tuple[Correction, ...] = ()  # newest first; the first that fits holds


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that speaks, but does not decide."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The rule is sure enough to end the questions."""

    finding: Finding
    confidence: float
    code: str
    words: str


Ruling = Evidence | Decision | None
Rule = Callable[[SeenHit, "Scene"], Ruling]


def judge(hits: Sequence[SeenHit], context: Context, *, since: datetime | None = None) -> dict[HitId, Verdict]:
    """The verdict of each hit at or after `since` (of all without it).

    hits: hits of one message, in any order; with `since`, at least all from one neighbourhood before it.
    """
    scene = Scene(hits, context)
    verdicts: dict[HitId, Verdict] = {}
    acts: dict[tuple[object, ...], datetime] = {}  # actor and resource -> the last hit that stood for itself
    from_here = None if since is None else since - timedelta(seconds=REPEAT_S)
    for hit in scene.hits:
        if from_here is not None and hit.at < from_here:
            continue
        decision, evidence = _decide(hit, scene)
        if decision.finding.counted:
            act = (*_actor(hit), hit.copy, hit.link)
            last = acts.get(act)
            acts[act] = hit.at
            if last is not None and (gap := (hit.at - last).total_seconds()) <= REPEAT_S:
                evidence = (*evidence, Reason(code=decision.code, words=decision.words))
                decision = Decision(Finding.DUPLICATE, 0.95, "REPEAT", f"the same again after {_seconds(gap)}")
        if since is None or hit.at >= since:
            verdicts[hit.id] = Verdict(
                finding=decision.finding,
                confidence=decision.confidence,
                reasons=(Reason(code=decision.code, words=decision.words), *evidence),
                rules=RULES_VERSION,
            )
    return verdicts


def network_key(address: str, network: Network) -> str:
    """What a correction remembers of where a request came from.

    "operator:Example Ltd" where one actor answers with many addresses; otherwise the network around the address, /24 of
    IPv4 or /56 of IPv6, which is what a household or an office keeps while its address changes; "local" for this
    machine and private addresses; the text itself when it is no address.
    """
    if network.kind in _MANY_ADDRESSES_ONE_ACTOR:
        return f"operator:{network.operator or network.kind.value}"
    if network.kind is NetworkClass.LOCAL:
        return "local"
    return _prefix(address)


@lru_cache(maxsize=16_384)
def _prefix(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((parsed, 56), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, 24), strict=False))


def correction_scope(
    answer: Answer, *, hit: HitId, user_agent: str, address: str, network: Network, recipient: str, prefetch: str
) -> tuple[str, str, str]:
    """user_agent, network and recipient of the correction that the sender's answer about a hit makes: which other hits
    it holds for.

    "That was me" holds for all recipients, "a machine" for the recipient's company, "them" for the recipient. What says
    nothing of a device, such as Gmail's image proxy, is the same for every reader in the world: there the answer never
    reaches beyond the recipient, and "me" not beyond this one hit (network "hit:<id>"). So it is with an unknown
    recipient, and with "them" about a request that says itself that nobody looks yet.

    recipient: whose copy, in lower case; "" when it is shared. prefetch: as in SeenHit.
    """
    kind = read_agent(user_agent).kind
    key = network_key(address, network)
    one_device = kind not in _NO_DEVICE
    everybodys = not one_device or network.kind in _MANY_ADDRESSES_ONE_ACTOR
    this_one = f"hit:{hit}"
    match answer:
        case Answer.ME:
            return user_agent, this_one if everybodys else key, ""
        case Answer.MACHINE:
            company = company_of(recipient)
            at_work = one_device and network.kind in _MACHINE_NETWORKS  # a gateway, not a provider's proxy
            if company and (at_work or not everybodys):
                recipient = f"@{company}"
            return user_agent, this_one if everybodys and not recipient else key, recipient
        case Answer.THEM:
            ahead = kind is ClientKind.PREFETCH or _says_ahead(prefetch)
            return user_agent, this_one if ahead or (everybodys and not recipient) else key, recipient
        case _:
            assert_never(answer)


def neighbourhood(context: Context) -> timedelta:
    """No verdict depends on a hit that is further away than this, before or after.

    A pixel looks 10 s around for a burst, which may have begun 3 s before; a repeat looks 5 s back at a hit that is
    judged by its own neighbours. Hidden links are looked for 60 s around.
    """
    return timedelta(seconds=66 if context.traps else 19)


def _decide(hit: SeenHit, scene: Scene) -> tuple[Decision, tuple[Reason, ...]]:
    evidence: tuple[Reason, ...] = ()
    for rule in RULES:
        ruling = rule(hit, scene)
        if ruling is None:
            continue
        if isinstance(ruling, Decision):
            return ruling, evidence
        evidence = (*evidence, Reason(code=ruling.code, words=ruling.words))
    raise AssertionError("the last rule decides everything")


class Scene:
    """All hits of one message in the order of time, and what stands out when they are seen together."""

    def __init__(self, hits: Sequence[SeenHit], context: Context) -> None:
        self.hits = sorted(hits, key=lambda hit: (hit.at, hit.id))
        self.context = context
        self.burst: dict[HitId, str] = {}  # members, with the fact in words
        self.crossing: dict[HitId, str] = {}
        self._burst_at: dict[str, list[datetime]] = defaultdict(list)
        self._trap_at: dict[str, list[datetime]] = defaultdict(list)
        self._browsed_at: dict[tuple[str, CopyId, int | None], list[datetime]] = defaultdict(list)
        self._provider_clicks: dict[tuple[CopyId, NetworkClass], list[datetime]] = defaultdict(list)
        self._gather()

    def trap_near(self, hit: SeenHit) -> bool:
        return _near(self._trap_at.get(hit.address), hit.at, 60.0)

    def burst_near(self, hit: SeenHit) -> bool:
        return _near(self._burst_at.get(hit.address), hit.at, 10.0)

    def clicks_near(self, hit: SeenHit) -> bool:
        return _near(self._provider_clicks.get((hit.copy, hit.network.kind)), hit.at, 10.0)

    def browsed_after(self, hit: SeenHit) -> float | None:
        """Seconds until a browser asked for the same link from the same address; None when none did within 5 s."""
        times = self._browsed_at.get((hit.address, hit.copy, hit.link))
        if not times:
            return None
        place = bisect_left(times, hit.at)
        gap = (times[place] - hit.at).total_seconds() if place < len(times) else REPEAT_S + 1
        return gap if gap <= 5.0 else None

    def _gather(self) -> None:
        clicks: dict[tuple[object, ...], list[SeenHit]] = defaultdict(list)
        opens: dict[tuple[object, ...], list[SeenHit]] = defaultdict(list)
        for hit in self.hits:
            network = hit.network.kind
            if hit.kind is HitKind.OPEN:
                if network not in _NO_CROSSING and hit.agent.kind is not ClientKind.IMAGE_PROXY and _is_proof(hit):
                    # Two programs behind one address are two people, unless it is a machine's address.
                    opens[hit.address, "" if network in _MACHINE_NETWORKS else hit.user_agent].append(hit)
                continue
            if hit.link in self.context.traps:
                self._trap_at[hit.address].append(hit.at)
            if network in _PROVIDERS:
                self._provider_clicks[hit.copy, network].append(hit.at)
            if hit.agent.kind is ClientKind.BROWSER and hit.method != "HEAD":
                self._browsed_at[hit.address, hit.copy, hit.link].append(hit.at)
            if _is_proof(hit):
                clicks[hit.copy, hit.address].append(hit)
                if network in _MACHINE_NETWORKS:
                    clicks[hit.copy, network].append(hit)
        for group in clicks.values():
            if len(group) > 1:
                for links, within_s in ((2, 1.0), (3, 3.0)):
                    for race in _races(group, lambda hit: hit.link, links, within_s):
                        words = f"{race.different} different links within {_seconds(race.took_s)} from {race.source}"
                        for hit in race.members:
                            self.burst.setdefault(hit.id, words)
        for group in opens.values():
            if len(group) > 1:
                for race in _races(group, lambda hit: hit.copy, 2, 2.0):
                    words = f"the pixels of {race.different} recipients within {_seconds(race.took_s)} from one address"
                    for hit in race.members:
                        self.crossing.setdefault(hit.id, words)
        if self.burst:
            for hit in self.hits:
                if hit.id in self.burst:
                    self._burst_at[hit.address].append(hit.at)


@dataclass(frozen=True, slots=True)
class _Race:
    members: list[SeenHit]  # those that belong to no earlier race
    different: int
    took_s: float
    source: str


def _races(hits: list[SeenHit], what: Callable[[SeenHit], object], needed: int, within_s: float) -> Iterator[_Race]:
    """The stretches of less than `within_s` that touch at least `needed` different things.

    hits: in the order of time. Each hit is a member of the first stretch that it belongs to, and only of that one,
    which keeps long races linear and makes the facts depend on the nearest hits alone.
    """
    seen: dict[object, int] = defaultdict(int)
    first = 0
    told = 0
    for last, hit in enumerate(hits):
        seen[what(hit)] += 1
        while (hit.at - hits[first].at).total_seconds() >= within_s:
            left = what(hits[first])
            seen[left] -= 1
            if not seen[left]:
                del seen[left]
            first += 1
        if len(seen) < needed:
            continue
        one = hits[first]
        source = "the same address" if one.address == hit.address else f"one network ({hit.network.kind.value})"
        yield _Race(hits[max(first, told) : last + 1], len(seen), (hit.at - one.at).total_seconds(), source)
        told = last + 1


def _near(times: list[datetime] | None, at: datetime, within_s: float) -> bool:
    if not times:
        return False
    place = bisect_left(times, at - timedelta(seconds=within_s))
    return place < len(times) and (times[place] - at).total_seconds() <= within_s


def _is_proof(hit: SeenHit) -> bool:
    """HEAD, declared prefetches and previews come along with a person's own act: no evidence against the person."""
    return hit.method != "HEAD" and hit.agent.kind not in _COMPANIONS and not _says_ahead(hit.prefetch)


def _says_ahead(prefetch: str) -> bool:
    return bool(prefetch) and any(word in prefetch.lower() for word in _PREFETCH_WORDS)


def _actor(hit: SeenHit) -> tuple[object, ...]:
    """Who acted: one proxy family, with all its addresses, is one actor."""
    if hit.agent.kind is ClientKind.IMAGE_PROXY or hit.network.kind in _MANY_ADDRESSES:
        return (hit.network.kind, hit.agent.client)
    return (hit.address, hit.agent.client or hit.user_agent, hit.agent.device)


def _age_s(hit: SeenHit) -> float | None:
    return None if hit.sent_at is None else (hit.at - hit.sent_at).total_seconds()


def _seconds(took_s: float) -> str:
    return f"{took_s:.1f} s" if took_s >= 0.05 else "a blink"


def _after(age_s: float | None) -> str:
    if age_s is None:
        return "at an unknown time after delivery"
    if age_s < 120:
        return f"{max(age_s, 0):.0f} s after delivery"
    if age_s < 7200:
        return f"{age_s / 60:.0f} min after delivery"
    return f"{age_s / 3600:.0f} h after delivery"


def _machine(hit: SeenHit) -> Finding:
    return Finding.SCANNER if hit.kind is HitKind.OPEN else Finding.SCANNER_CLICK


def _person(hit: SeenHit) -> Finding:
    return Finding.HUMAN_OPEN if hit.kind is HitKind.OPEN else Finding.HUMAN_CLICK


def _own(hit: SeenHit) -> Finding:
    return Finding.SELF_OPEN if hit.kind is HitKind.OPEN else Finding.SELF_CLICK


# --- the rules --------------------------------------------------------------------------------------------------------


def signed_in(hit: SeenHit, scene: Scene) -> Ruling:
    """1: the sender's own browser, signed in here: the address and the exact agent, never one of them alone, because
    colleagues sit behind the same address and whole companies run the same browser."""
    for presence in scene.context.presences:
        if (
            presence.user_agent == hit.user_agent
            and presence.address == hit.address
            and presence.since <= hit.at <= presence.until
        ):
            return Decision(_own(hit), 0.99, "SELF_COOKIE", "the browser in which you are signed in")
    return None


def trap(hit: SeenHit, scene: Scene) -> Ruling:
    """2: a link that people cannot see."""
    if not scene.context.traps:
        return None
    if hit.link is not None and hit.link in scene.context.traps:
        return Decision(Finding.SCANNER_CLICK, 0.99, "HONEYPOT", "followed a link that no person can see")
    if scene.trap_near(hit):
        words = "the same address followed a hidden link within a minute"
        return Decision(_machine(hit), 0.95, "HONEYPOT_NEIGHBOUR", words)
    return None


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
    if not hit.prefetch:
        return None
    said = hit.prefetch.lower()
    if any(word in said for word in _PREFETCH_WORDS):
        words = f'the request says "{hit.prefetch[:40]}": loaded ahead'
        return Decision(Finding.MACHINE_PREFETCH, 0.95, "PREFETCH_HEADER", words)
    return None


def names_itself(hit: SeenHit, scene: Scene) -> Ruling:
    """5: scanners, previews, crawlers and libraries that say who they are."""
    match hit.agent.kind:
        case ClientKind.SCANNER:
            return Decision(
                _machine(hit), 0.98, "UA_SCANNER", f"{hit.agent.client}, a security scanner, by its own words"
            )
        case ClientKind.LINK_PREVIEW:
            words = f"{hit.agent.client} fetched a preview"
            if hit.kind is HitKind.CLICK:
                words += ": the link was pasted or forwarded there"
            return Decision(_machine(hit), 0.97, "UA_PREVIEW", words)
        case ClientKind.CRAWLER if hit.agent.rule in _GUESSED:
            words = f'"{hit.user_agent[:40]}" looks like a program, not like a mail client'
            return Decision(_machine(hit), 0.6, "UA_LIBRARY", words)
        case ClientKind.CRAWLER if hit.agent.rule.startswith("library."):
            return Decision(_machine(hit), 0.9, "UA_LIBRARY", f"{hit.agent.client}: a program, not a mail client")
        case ClientKind.CRAWLER:
            return Decision(_machine(hit), 0.95, "UA_CRAWLER", f"{hit.agent.client}, a crawler, by its own words")
        case _:
            return None


def office_preflight(hit: SeenHit, scene: Scene) -> Ruling:
    """6: Office programs ask once before they open the browser: part of the same click."""
    if hit.agent.rule != "prefetch.office":
        return None
    gap = scene.browsed_after(hit)
    if gap is None:
        words = "Office asked whether the link exists, no browser followed"
        return Decision(Finding.MACHINE_PREFETCH, 0.7, "OFFICE_PREFLIGHT", words)
    words = f"Office asked first, the browser followed after {_seconds(gap)}"
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
    if hit.method != "HEAD":
        return None
    if hit.kind is HitKind.CLICK:
        return Decision(Finding.SCANNER_CLICK, 0.85, "METHOD_HEAD", "asked for the headers of the link only")
    return Decision(Finding.SCANNER, 0.7, "METHOD_HEAD", "asked for the headers of the picture only: nothing was shown")


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
    if not scene.context.views or hit.kind is HitKind.CLICK:
        return None
    proxied = hit.agent.kind is ClientKind.IMAGE_PROXY or hit.network.kind in _PROVIDERS
    if proxied and _near(list(scene.context.views), hit.at, 5.0):
        return Decision(Finding.SELF_OPEN, 0.75, "SELF_VIEW", "you looked at this thread within the same 5 s")
    return None


def own_address(hit: SeenHit, scene: Scene) -> Ruling:
    """15: an address that the sender uses, unless others use it as well."""
    context = scene.context
    used = context.addresses.get(hit.address)
    recent = used is not None and hit.at <= used + SELF_KEPT
    recent = recent or any(
        presence.address == hit.address and presence.since - SELF_KEPT <= hit.at <= presence.until + SELF_KEPT
        for presence in context.presences
    )
    if hit.network.kind is NetworkClass.SENDER:
        recent = True
    if not recent or hit.network.kind is NetworkClass.LOCAL:
        return None
    usual = any(presence.user_agent == hit.user_agent for presence in context.presences)
    if usual or not (hit.address in context.shared_addresses or hit.network.kind in _SHARED_NETWORKS):
        return Decision(_own(hit), 0.85, "SELF_IP", "from an address that you use yourself")
    if hit.agent.kind not in _READERS:
        return Evidence("SELF_IP_SHARED", "from a network that you use too")
    return Decision(_person(hit), 0.5, "SELF_IP_SHARED", "from a network that you use too, with another program")


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
    if hit.network.kind not in _PROVIDERS or hit.kind is HitKind.CLICK:
        return None
    age_s = _age_s(hit)
    who = hit.network.operator or "a mail provider"
    if scene.clicks_near(hit):
        words = f"from the network of {who}, which followed a link as well within 10 s"
        return Decision(Finding.SCANNER, 0.7, "PROXY_BY_NET", words)
    if not hit.user_agent or is_stale(hit.user_agent):
        words = (
            f"from the network of {who} with {'an outdated browser' if hit.user_agent else 'no name'}, as scanners do"
        )
        return Decision(Finding.SCANNER, 0.7, "PROXY_BY_NET", words)
    if age_s is not None and age_s < 10.0:
        words = f"from the network of {who} {_after(age_s)}: most likely loaded ahead"
        return Decision(Finding.MACHINE_PREFETCH, 0.7, "PROXY_BY_NET", words)
    sure = 0.7 if age_s is None or age_s >= 60.0 else 0.55
    return Decision(
        Finding.PROXIED_OPEN, sure, "PROXY_BY_NET", f"one picture through the network of {who}, {_after(age_s)}"
    )


def hosting_machine(hit: SeenHit, scene: Scene) -> Ruling:
    """19: rented machines with no name or an old one."""
    if hit.network.kind is not NetworkClass.HOSTING or hit.agent.kind in _MAIL_PROGRAMS:
        return None
    if hit.user_agent and not is_stale(hit.user_agent):
        return None
    age_s = _age_s(hit)
    what = "an outdated browser" if hit.user_agent else "no agent"
    words = f"{what} on a rented machine, {_after(age_s)}"
    early = age_s is not None and age_s < 60.0
    return Decision(_machine(hit), 0.8 if early else 0.6, "NET_HOSTING_EARLY" if early else "NET_HOSTING_STALE", words)


def direct(hit: SeenHit, scene: Scene) -> Ruling:
    """20: a mail program or a browser where people are."""
    program = hit.agent.kind in _MAIL_PROGRAMS
    if not program and hit.agent.kind is not ClientKind.BROWSER:
        return None
    network = hit.network.kind
    if network is NetworkClass.APPLE_RELAY:
        if hit.agent.client not in _SAFARI or hit.language is False:
            return None
    elif network not in _WHERE_PEOPLE_ARE:
        return None
    age_s = _age_s(hit)
    if network is NetworkClass.VPN:
        sure = 0.75
    else:
        sure = 0.7 if age_s is not None and age_s < 10.0 else 0.95
    code = "CLIENT_DIRECT" if program else "BROWSER_DIRECT"
    act = "opened in" if hit.kind is HitKind.OPEN else "followed in"
    return Decision(_person(hit), sure, code, f"{act} {hit.agent.client}, {_after(age_s)}")


def hosting_person(hit: SeenHit, scene: Scene) -> Ruling:
    """21: people reach us through rented machines too: VPNs, remote desktops, company proxies."""
    if hit.network.kind is not NetworkClass.HOSTING or hit.agent.kind not in _READERS:
        return None
    age_s = _age_s(hit)
    if hit.language is False and hit.kind is HitKind.CLICK:
        return Evidence("NO_LANGUAGE", "a browser that names no language")
    if age_s is not None and age_s < 60.0:
        return Evidence("SOON_FROM_HOSTING", f"from a rented machine, {_after(age_s)}")
    words = f"{hit.agent.client} on a rented machine, {_after(age_s)}: perhaps a person behind a VPN"
    return Decision(_person(hit), 0.55, "NET_HOSTING_LATE", words)


def unsure(hit: SeenHit, scene: Scene) -> Ruling:
    """22: nothing speaks against a person, and nothing for one."""
    what = hit.agent.client or ("an unknown program" if hit.user_agent else "a program without a name")
    return Decision(_person(hit), 0.5, "DEFAULT", f"{what}: nothing proves a machine")


RULES: tuple[Rule, ...] = (
    signed_in,
    trap,
    before_delivery,
    says_prefetch,
    names_itself,
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
    direct,
    hosting_person,
    unsure,
)

_PREFETCH_WORDS = ("prefetch", "preview", "prerender", "instant")
_GUESSED = frozenset({"library.bare", "library.generic"})
_COMPANIONS = frozenset({ClientKind.LINK_PREVIEW, ClientKind.PREFETCH})
_MAIL_PROGRAMS = frozenset({ClientKind.DESKTOP_CLIENT, ClientKind.MOBILE_APP, ClientKind.WEBMAIL})
_READERS = _MAIL_PROGRAMS | {ClientKind.BROWSER}
_PROVIDERS = frozenset(
    {NetworkClass.MICROSOFT, NetworkClass.WEBMAIL_PROXY, NetworkClass.GOOGLE_PROXY, NetworkClass.YAHOO_PROXY}
)
# Networks that answer with many addresses for one actor.
_MANY_ADDRESSES = _PROVIDERS | {NetworkClass.APPLE_RELAY}
_MANY_ADDRESSES_ONE_ACTOR = _MANY_ADDRESSES | {NetworkClass.SECURITY_VENDOR, NetworkClass.HOSTING}
_NO_DEVICE = frozenset({ClientKind.IMAGE_PROXY, ClientKind.PREFETCH})
_MACHINE_NETWORKS = frozenset({NetworkClass.MICROSOFT, NetworkClass.SECURITY_VENDOR, NetworkClass.HOSTING})
_WHERE_PEOPLE_ARE = frozenset(
    {
        NetworkClass.RESIDENTIAL,
        NetworkClass.MOBILE_CARRIER,
        NetworkClass.CORPORATE,
        NetworkClass.SSE_PROXY,
        NetworkClass.VPN,
        NetworkClass.LOCAL,
        NetworkClass.UNKNOWN,  # without a routing table every ordinary address is unknown
        NetworkClass.SENDER,
    }
)
_SHARED_NETWORKS = frozenset(
    {
        NetworkClass.CORPORATE,
        NetworkClass.SSE_PROXY,
        NetworkClass.VPN,
        NetworkClass.MOBILE_CARRIER,
        NetworkClass.HOSTING,
        *_MANY_ADDRESSES,
    }
)
# Many people behind one address: two of them opening within 2 s prove nothing.
_NO_CROSSING = _SHARED_NETWORKS - {NetworkClass.HOSTING, NetworkClass.CORPORATE} | {NetworkClass.LOCAL}
_SAFARI = frozenset({"Safari", "Mobile Safari", "Apple Mail"})
