"""All hits of one message, seen together: what stands out only then.

Races through the links, one address that opens the copies of several people, hidden links, what follows within
seconds; and what is known of the sender, asked of a hit. What follows from it for a hit, core.judge decides. Linear in
the number of hits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from unsealed.core.behind import (
    COMPANIONS,
    CROWDED,
    FOLLOWED_BY_MACHINES,
    MACHINE_NETWORKS,
    MAIL_PROGRAMS,
    NO_CROSSING,
    PROVIDERS,
    WHERE_PEOPLE_ARE,
    says_ahead,
)
from unsealed.core.correction import covers, network_key
from unsealed.core.reliability import company_of
from unsealed.model.event import (
    NOWHERE,
    Agent,
    Answer,
    ClientKind,
    Correction,
    HitId,
    HitKind,
    Network,
    NetworkClass,
    Place,
)
from unsealed.model.message import CopyId

FOLLOWED_S = 5.0  # from the question of an Office program to the browser that it opens
TRAP_S = 60.0
OFFICE_ASKS = "prefetch.office"  # the rule of core.agent for its question
RACES = ((2, 1.0), (3, 3.0))  # so many different links within so many seconds
RACE_S = 3.0  # the longest of them
CROSSING_S = 2.0  # between the pixels of several people
BURST_S = 10.0  # around a burst, what its address asks for
COMPANION_S = 10.0  # between the requests of one visit of a scanner
REPEAT_S = 5.0  # between two requests that are one act
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


class Scene:
    """All hits of one message in the order of time, and what stands out when they are seen together."""

    def __init__(self, hits: Sequence[SeenHit], context: Context) -> None:
        self.hits = sorted(hits, key=_in_time)
        self.context = context
        self.burst: dict[HitId, str] = {}  # members, with the fact in words
        self.crossing: dict[HitId, str] = {}
        self._told_at: dict[HitId, datetime] = {}  # of the hit that made it known of both
        self._burst_at: dict[tuple[CopyId, str], list[datetime]] = defaultdict(list)
        self._trap_at: dict[str, list[datetime]] = defaultdict(list)
        self._browsed_at: dict[tuple[str, CopyId, int | None], list[datetime]] = defaultdict(list)
        self._scans_at: dict[tuple[CopyId, NetworkClass], list[datetime]] = defaultdict(list)
        self._followed_by_provider: datetime | None = None  # when a provider's network last followed a link
        self._presences: dict[str, list[Presence]] = defaultdict(list)
        self._said: dict[tuple[str, str], list[Correction]] = defaultdict(list)
        for presence in context.presences:
            self._presences[presence.address].append(presence)
        for correction in context.corrections:
            self._said[correction.user_agent, correction.network].append(correction)
        self._agents = context.agents | {presence.user_agent for presence in context.presences}
        self._companies = {company_of(mailbox) for mailbox in context.mailboxes} - {""}
        self._gather()

    def correction(self, hit: SeenHit) -> Correction | None:
        """What the sender said of this hit, or else the newest of what holds for it."""
        if not self._said:
            return None
        if about_it := self._said.get((hit.user_agent, f"hit:{hit.id}")):
            said = about_it
            ahead = False
        else:
            said = self._said.get((hit.user_agent, network_key(hit.address, hit.network)), [])
            ahead = says_ahead(hit.prefetch) or hit.agent.kind is ClientKind.PREFETCH
        nobody = ahead or hit.method != "GET" or hit.link in self.context.traps
        for correction in said:
            if covers(correction.recipient, hit.recipient) and not (correction.answer is Answer.THEM and nobody):
                return correction
        return None

    def signed_in(self, hit: SeenHit) -> bool:
        """Whether the sender was signed in then, with this agent from this address."""
        return any(
            presence.user_agent == hit.user_agent and presence.since <= hit.at <= presence.until
            for presence in self._presences.get(hit.address, ())
        )

    def own_address(self, hit: SeenHit) -> bool:
        """Whether the sender used this address not long before or after."""
        used = self.context.addresses.get(hit.address)
        if used is not None and hit.at <= used + SELF_KEPT:
            return True
        return any(
            presence.since - SELF_KEPT <= hit.at <= presence.until + SELF_KEPT
            for presence in self._presences.get(hit.address, ())
        )

    def usual_agent(self, hit: SeenHit) -> bool:
        return bool(hit.user_agent) and hit.user_agent in self._agents

    def colleague(self, hit: SeenHit) -> bool:
        """Whether the copy went to somebody else in the sender's own company, who sits behind the same addresses."""
        if not self._companies or hit.recipient in self.context.mailboxes:
            return False
        return company_of(hit.recipient) in self._companies

    def shared(self, hit: SeenHit) -> bool:
        """Whether the reader of this copy may sit behind the same address as the sender.

        A company's address is the sender's alone as long as the reader is known to be of another company.
        """
        if hit.address in self.context.shared_addresses or hit.network.kind in CROWDED:
            return True
        return hit.network.kind is NetworkClass.CORPORATE and not (self.context.mailboxes and hit.recipient)

    def trap_near(self, hit: SeenHit) -> float | None:
        """Seconds between this hit and one of its address on a hidden link; None: none within a minute."""
        return nearest(self._trap_at.get(hit.address), hit.at, TRAP_S)

    def burst_near(self, hit: SeenHit) -> bool:
        return nearest(self._burst_at.get((hit.copy, hit.address)), hit.at, BURST_S) is not None

    def scan_near(self, hit: SeenHit) -> bool:
        """Whether the network followed a link of the same copy by itself. Where a person followed it as well, it was
        the check that comes with the person's click."""
        return nearest(self._scans_at.get((hit.copy, hit.network.kind)), hit.at, COMPANION_S) is not None

    def browsed_after(self, hit: SeenHit) -> float | None:
        """Seconds until a browser asked for the same link from the same address; None: none did within 5 s."""
        return _until_next(self._browsed_at.get((hit.address, hit.copy, hit.link)), hit.at, FOLLOWED_S)

    def retells(self, since: datetime, kind: HitKind) -> bool:
        """Whether hits from `since` on say something new of those just before them: of pictures, that they belong to a
        crossing; of links, that they belong to a race, or that Office asked ahead of a browser."""
        if not self.hits or self.hits[0].at >= since:
            return False
        return any(
            self._told_at.get(hit.id, hit.at) >= since or (hit.agent.rule == OFFICE_ASKS and kind is HitKind.CLICK)
            for hit in self._from(since - timedelta(seconds=FOLLOWED_S), since)
            if hit.kind is kind
        )

    def speaks_of_the_past(self, since: datetime) -> bool:
        """Whether hits from `since` on may say something of pictures, or of all that an address did, as far back as
        anything can: a hidden link, one that a provider's network follows, or a person after it."""
        clicks = [hit for hit in self._from(since) if hit.kind is HitKind.CLICK]
        if not clicks:
            return False
        if any(hit.link in self.context.traps for hit in clicks):
            return True
        provider = self._followed_by_provider
        return provider is not None and provider >= since - timedelta(seconds=COMPANION_S)

    def begin_to_race(self, since: datetime) -> set[str]:
        """The addresses of which hits from `since` on tell that they race through the links; but not when the race goes
        on, because its beginning said the same of the same pictures."""
        goes_on_from = since - timedelta(seconds=BURST_S)
        new_from = since - timedelta(seconds=RACE_S)
        told = [hit for hit in self._from(new_from) if hit.id in self.burst and self._told_at[hit.id] >= since]
        raced = {(hit.copy, hit.address) for hit in told}
        return {
            address
            for copy, address in raced
            if bisect_left(times := self._burst_at[copy, address], goes_on_from) == bisect_left(times, new_from)
        }

    def _from(self, since: datetime, until: datetime | None = None) -> Sequence[SeenHit]:
        end = None if until is None else bisect_left(self.hits, until, key=_when)
        return self.hits[bisect_left(self.hits, since, key=_when) : end]

    def _gather(self) -> None:
        clicks: dict[tuple[CopyId, str], list[SeenHit]] = defaultdict(list)
        of_networks: dict[tuple[CopyId, NetworkClass], list[SeenHit]] = defaultdict(list)
        opens: dict[tuple[object, ...], list[SeenHit]] = defaultdict(list)
        provider_clicks: list[SeenHit] = []
        people_at: dict[tuple[CopyId, int | None], list[datetime]] = defaultdict(list)
        traps = self.context.traps
        for hit in self.hits:
            network, kind = hit.network.kind, hit.agent.kind
            if hit.method != "GET" or kind in COMPANIONS or says_ahead(hit.prefetch):
                continue  # says nothing of the others
            if hit.kind is HitKind.OPEN:
                if (program := _one_program(hit)) is not None:
                    opens[program].append(hit)
                continue
            if hit.link in traps and not hit.own_device:
                self._trap_at[hit.address].append(hit.at)
            if kind is ClientKind.BROWSER:
                self._browsed_at[hit.address, hit.copy, hit.link].append(hit.at)
                if network in WHERE_PEOPLE_ARE:
                    people_at[hit.copy, hit.link].append(hit.at)
            clicks[hit.copy, hit.address].append(hit)
            if network in PROVIDERS:
                provider_clicks.append(hit)
                self._followed_by_provider = hit.at
            if network in FOLLOWED_BY_MACHINES:
                of_networks[hit.copy, network].append(hit)
        self._find_scans(provider_clicks, people_at)
        # Addresses first: which of two races tells of a hit must not depend on where the history begins.
        self._find_bursts(_differing([*clicks.values(), *of_networks.values()], _link_of))
        self._find_crossings(_differing(opens.values(), _copy_of))

    def _find_scans(
        self, clicks: Iterable[SeenHit], people_at: Mapping[tuple[CopyId, int | None], Sequence[datetime]]
    ) -> None:
        for hit in clicks:
            if _until_next(people_at.get((hit.copy, hit.link)), hit.at, COMPANION_S) is None:
                self._scans_at[hit.copy, hit.network.kind].append(hit.at)

    def _find_bursts(self, groups: Iterable[list[SeenHit]]) -> None:
        for group in groups:
            for links, within_s in RACES:
                for race in _races(group, _link_of, links, within_s):
                    if members := [hit.id for hit in race.members if hit.id not in self.burst]:
                        words = f"{race.different} different links within {seconds(race.took_s)} from {race.source}"
                        self.burst |= dict.fromkeys(members, words)
                        self._told_at |= dict.fromkeys(members, race.members[-1].at)
        for hit in self.hits if self.burst else ():
            if hit.id in self.burst:
                self._burst_at[hit.copy, hit.address].append(hit.at)

    def _find_crossings(self, groups: Iterable[list[SeenHit]]) -> None:
        for group in groups:
            for race in _races(group, _copy_of, 2, CROSSING_S):
                members = [hit.id for hit in race.members]
                words = f"the pixels of {race.different} recipients within {seconds(race.took_s)} from one address"
                self.crossing |= dict.fromkeys(members, words)
                self._told_at |= dict.fromkeys(members, race.members[-1].at)


def _one_program(hit: SeenHit) -> tuple[object, ...] | None:
    """What the program behind an opening is known by, where one person's program opens for one recipient alone; None
    where it opens for many."""
    network, kind = hit.network.kind, hit.agent.kind
    if network in NO_CROSSING or kind is ClientKind.IMAGE_PROXY:
        return None
    if network in MACHINE_NETWORKS:
        return (hit.address,)
    # Two programs behind one address are two people, and so are two mail programs of one make: offices install the
    # same for everybody.
    return None if kind in MAIL_PROGRAMS else (hit.address, hit.user_agent)


class _Race(NamedTuple):
    members: list[SeenHit]  # those that belong to no earlier race
    different: int
    took_s: float
    source: str


def _differing(groups: Iterable[list[SeenHit]], what: Callable[[SeenHit], object]) -> list[list[SeenHit]]:
    return [group for group in groups if len(group) > 1 and len(set(map(what, group))) > 1]


def _races(hits: list[SeenHit], what: Callable[[SeenHit], object], needed: int, within_s: float) -> Iterator[_Race]:
    """The stretches of less than `within_s` that touch at least `needed` different things.

    hits: in the order of time. Each hit is a member of the first stretch that it belongs to, and only of that one,
    which keeps long races linear and makes the facts depend on the nearest hits alone.
    """
    seen: dict[object, int] = defaultdict(int)
    within = timedelta(seconds=within_s)
    first = 0
    told = 0
    for last, hit in enumerate(hits):
        seen[what(hit)] += 1
        while hit.at - hits[first].at >= within:
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


def nearest(times: Sequence[datetime] | None, at: datetime, within_s: float) -> float | None:
    """Seconds between `at` and the nearest of the times, before or after; None: none is that near."""
    if not times:
        return None
    place = bisect_left(times, at)
    gap = min(abs((time - at).total_seconds()) for time in times[max(place - 1, 0) : place + 1])
    return gap if gap <= within_s else None


def _until_next(times: Sequence[datetime] | None, at: datetime, within_s: float) -> float | None:
    """Seconds from `at` to the first of the times that is not before; None: none comes that soon."""
    if not times or (place := bisect_left(times, at)) == len(times):
        return None
    gap = (times[place] - at).total_seconds()
    return gap if gap <= within_s else None


def seconds(took_s: float) -> str:
    """In words."""
    return f"{took_s:.1f} s" if took_s >= 0.05 else "a blink"


def _in_time(hit: SeenHit) -> tuple[datetime, HitId]:
    return hit.at, hit.id


def _when(hit: SeenHit) -> datetime:
    return hit.at


def _link_of(hit: SeenHit) -> object:
    return hit.link


def _copy_of(hit: SeenHit) -> object:
    return hit.copy
