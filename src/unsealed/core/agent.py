"""User agent -> client, kind, device.

The ordered rows of core.agent_rules come first: they know what matters to mail. What no row names goes to ua-parser
with its compiled engine, which knows browsers. Promises the same answer for the same text, mostly from a cache.
Does not look at addresses or time: an agent is a claim, and the judge weighs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache

from ua_parser import Domain, load_lazy_builtins
from ua_parser.regex import Resolver

from unsealed.core.agent_rules import RULES, STALE_CHROME, STALE_FIREFOX, AgentRule
from unsealed.model.event import Agent, ClientKind, Device

_NAMELESS = Agent(client="", kind=ClientKind.UNKNOWN, device=Device.UNKNOWN, rule="none")


@lru_cache(maxsize=16_384)
def read_agent(user_agent: str) -> Agent:
    """What the user agent names. Never raises; about 20 µs on a miss of the cache."""
    text = user_agent.strip()
    if not text:
        return _NAMELESS
    low = text.lower()
    for rule, matches in _MATCHERS:
        if matches(low):
            system = _system(low)
            device = _device(low, system) if rule.device is None else rule.device
            if rule.kind is ClientKind.MOBILE_APP and device is Device.UNKNOWN:
                device = Device.MOBILE  # apps rarely say where they run
            if device is Device.HIDDEN:
                system = ""  # what the proxy says of a system is its own disguise, not the reader's
            return Agent(client=rule.client, kind=rule.kind, device=device, system=system, rule=rule.name)
    named = _browsers()(text, Domain.USER_AGENT).user_agent
    family = "" if named is None else named.family
    system = _system(low)
    # "Mozilla/5.0 (platform) ..." is how browsers begin; apps on Apple's systems name CFNetwork, old phones MIDP.
    if low.startswith(("mozilla/", "opera/")) and "(" in low:
        kind, device = ClientKind.BROWSER, _device(low, system)
    elif "cfnetwork/" in low or "browser" in low or "midp" in low:
        kind, device = ClientKind.BROWSER, Device.DESKTOP if "x86_64" in low else Device.MOBILE
        family = family or text.partition("/")[0]
    else:
        kind, device = ClientKind.UNKNOWN, Device.UNKNOWN
    return Agent(client=family, kind=kind, device=device, system=system, rule="ua-parser" if family else "none")


@lru_cache(maxsize=16_384)
def is_stale(user_agent: str) -> bool:
    """Whether the agent claims a browser so old that people hardly run it: evidence for a scanner, never proof."""
    if found := _CHROME.search(user_agent):
        return int(found[1]) < STALE_CHROME
    if found := _FIREFOX.search(user_agent):
        return int(found[1]) < STALE_FIREFOX
    return "MSIE " in user_agent or "Trident/" in user_agent


_CHROME = re.compile(r"Chrome/(\d{1,4})")
_FIREFOX = re.compile(r"Firefox/(\d{1,4})")


@cache
def _browsers() -> Resolver:
    # Only on first use: the tables take 0.2 s, and the collector never needs them.
    return Resolver(load_lazy_builtins())


def _system(low: str) -> str:
    for word, system in _SYSTEMS:
        if word in low:
            return system
    return ""


_SYSTEMS = (  # the order matters: iPads say "like Mac OS X", Android says Linux, Windows Phone says Android and iPhone
    ("windows phone", "Windows Phone"),
    ("windows", "Windows"),
    ("ipad", "iPadOS"),
    ("iphone", "iOS"),
    ("ipod", "iOS"),
    ("outlook-ios", "iOS"),
    ("android", "Android"),
    ("cros ", "ChromeOS"),
    ("mac os x", "macOS"),
    ("macintosh", "macOS"),
    ("darwin", ""),  # CFNetwork runs on the Mac and on the phone
    ("linux", "Linux"),
    ("x11", "Linux"),
    ("win32", "Windows"),
    ("win64", "Windows"),
)


def _device(low: str, system: str) -> Device:
    match system:
        case "iPadOS":
            return Device.TABLET
        case "iOS" | "Windows Phone":
            return Device.MOBILE
        case "Android":
            # Android browsers say "Mobile" on phones only; apps say nothing of the kind.
            phone = "mobile" in low or not low.startswith("mozilla/")
            return Device.TABLET if "tablet" in low or not phone else Device.MOBILE
        case "Windows" | "macOS" | "Linux" | "ChromeOS":
            return Device.MOBILE if "mobile" in low and system == "Linux" else Device.DESKTOP
        case _:
            return Device.MOBILE if "mobile" in low or "cfnetwork" in low else Device.UNKNOWN


def _matcher(rule: AgentRule) -> Callable[[str], bool]:
    """The cheapest test that decides the row: there are 260 of them, and most are one search for a token."""
    exact, starts, has, any_of, lacks = rule.exact, rule.starts, rule.has, rule.any_of, rule.lacks
    search = re.compile(rule.pattern).search if rule.pattern else None
    if exact:
        return exact.__eq__
    if search is None:
        match (bool(starts), len(has), len(any_of), len(lacks)):
            case (True, 0, 0, 0):
                return lambda low: low.startswith(starts)
            case (False, 1, 0, 0):
                needed = has[0]
                return lambda low: needed in low
            case _:
                pass
    elif not (starts or has or lacks):
        found = search
        if not any_of:
            return lambda low: found(low) is not None
        if len(any_of) == 1:
            gate = any_of[0]
            return lambda low: gate in low and found(low) is not None

    def matches(low: str) -> bool:
        if any_of:
            for token in any_of:
                if token in low:
                    break
            else:
                return False
        for token in has:
            if token not in low:
                return False
        return (
            low.startswith(starts)
            and not any(token in low for token in lacks)
            and (search is None or search(low) is not None)
        )

    return matches


_MATCHERS = tuple((rule, _matcher(rule)) for rule in RULES)
