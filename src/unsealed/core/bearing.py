"""Which hits of a message have to do with one another, so that what is new is judged without all that came before.

How far back verdicts may be others than they were (`changed`), how far before that the message must be known
(`needed`), and which of its hits matter at all (`kin`). Promises that judging those alone says what judging everything
would. So a rule that looks at other hits must be in here; tests compare with judging everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from unsealed.core.behind import FOLLOWED_BY_MACHINES, MANY_ADDRESSES, PROVIDERS
from unsealed.core.scene import (
    BURST_S,
    COMPANION_S,
    CROSSING_S,
    FOLLOWED_S,
    RACE_S,
    REPEAT_S,
    TRAP_S,
    Context,
    Scene,
)
from unsealed.model.event import ClientKind, HitKind, NetworkClass


def neighbourhood(context: Context) -> timedelta:
    """No verdict depends on a hit that is further away than this, before or after.

    A picture of a mail provider looks COMPANION_S around for clicks, each of which may have had a person behind it as
    long after; a burst may have begun 3 s before the hit that made it one; a repeat looks 5 s back at a hit that is
    judged by its own neighbours. Hidden links are looked for TRAP_S around.
    """
    return timedelta(seconds=TRAP_S + REPEAT_S + 1 if context.traps else 2 * COMPANION_S + REPEAT_S + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """How long before a time, by what was asked for."""

    opens: timedelta
    clicks: timedelta


NOTHING = Back(opens=timedelta(), clicks=timedelta())
# What a new hit may change: links that it races with, and what Office asked before it, all of its `kin`.
LINKS = Back(opens=timedelta(), clicks=timedelta(seconds=max(RACE_S, FOLLOWED_S)))
# And pictures that it crosses. These tell of readings, which they share with the pictures of everybody.
JUST_BEFORE = Back(opens=timedelta(seconds=CROSSING_S), clicks=LINKS.clicks)
# And when a race begins, which it did up to RACE_S ago, the pictures that its address asked for around it.
BY_A_RACE = Back(opens=timedelta(seconds=RACE_S + BURST_S), clicks=JUST_BEFORE.clicks)


def far(context: Context) -> Back:
    """As far back as any hit may speak."""
    near = neighbourhood(context)
    return Back(opens=near, clicks=near)


def changed(scene: Scene, since: datetime, loaded: Callable[[Collection[str], datetime], bool]) -> Back:
    """How far back verdicts may be others than they were without the hits from `since` on. Up to LINKS, only those of
    the scene; further back, those of hits that are not there, too.

    scene: all hits from `needed` of LINKS on, or their `kin`. loaded: whether a picture was asked for from any of these
    addresses, at that time or later but before `since`.
    """
    if scene.speaks_of_the_past(since):
        return far(scene.context)
    if (racers := scene.begin_to_race(since)) and loaded(racers, since - BY_A_RACE.opens):
        return BY_A_RACE
    if scene.retells(since, HitKind.OPEN):
        return JUST_BEFORE
    return LINKS if scene.retells(since, HitKind.CLICK) else NOTHING


def needed(context: Context, back: Back) -> Back:
    """How long before the first new hit its scene must begin, to judge it and what lies at most `back` before it.

    Each of these may repeat what came REPEAT_S before it, which is judged by its own neighbours: pictures by pictures
    CROSSING_S before, and by clicks, COMPANION_S before or of a race within BURST_S; clicks by their race. A hidden
    link counts for TRAP_S.
    """
    opens = back.opens.total_seconds() + REPEAT_S
    clicks = back.clicks.total_seconds() + REPEAT_S
    by_links = max(COMPANION_S, BURST_S + RACE_S)
    reach = max(clicks + TRAP_S, opens + TRAP_S) if context.traps else max(clicks + RACE_S, opens + by_links)
    return Back(opens=timedelta(seconds=opens + CROSSING_S), clicks=timedelta(seconds=reach))


class Asker(NamedTuple):
    """Who asked, as far as it says with which other hits this one may have to do."""

    address: str
    network: NetworkClass
    agent: ClientKind


def kin(
    new: Iterable[Asker],
    asked: Collection[str],
    followed: Collection[str],
    network_of: Callable[[str], NetworkClass],
) -> Collection[str]:
    """The addresses whose earlier hits have to do with new ones of the same message: they speak of the new ones, or the
    new ones of them.

    Whoever asks is known by the address, or by the kind of a network that answers, or follows links, with many. What
    calls itself a proxy is one with all of its kind wherever it is; and where a provider follows links everything
    matters, because a person may have been behind it.

    asked: the addresses of all earlier hits. followed: of those on links.
    """
    mine, networks = set[str](), set[NetworkClass]()
    for asker in new:
        if asker.network in _OF_MANY:
            networks.add(asker.network)
        elif asker.agent is ClientKind.IMAGE_PROXY:
            return asked
        else:
            mine.add(asker.address)
    if any(network_of(address) in PROVIDERS for address in followed):
        return asked
    return mine.union(address for address in asked if network_of(address) in networks) if networks else mine


_OF_MANY = MANY_ADDRESSES | FOLLOWED_BY_MACHINES
