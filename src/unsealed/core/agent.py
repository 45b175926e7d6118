"""User agent -> client, kind, device.

The ordered rows of core.agent_rules decide, all of them in one pass of ua-parser's compiled engine; ua-parser's own
tables name the browsers. Promises the same answer for the same text, mostly from a cache.
Does not look at addresses or time: an agent is a claim, and the judge weighs it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from urllib.parse import unquote

from ua_parser import load_lazy_builtins
from ua_parser.loaders import UserAgentDict, load_lazy
from ua_parser.regex import Resolver
from ua_parser_rs import UserAgentExtractor

from unsealed.core.agent_rules import PLATFORMS, RULES, STALE_CHROME, STALE_FIREFOX, Platform
from unsealed.model.event import Agent, ClientKind, Device

_NAMELESS = Agent(client="", kind=ClientKind.UNKNOWN, device=Device.UNKNOWN, rule="none")
_NO_PLATFORM = Platform("", Device.UNKNOWN, "")
_LETTERS_MAX = 2048  # four times what is kept of a request; bounds the caches too


def read_agent(user_agent: str) -> Agent:
    """What the user agent names. Never raises, whatever the text; about 10 µs on a miss of the cache."""
    return _read(user_agent[:_LETTERS_MAX])


@lru_cache(maxsize=8192)
def _read(user_agent: str) -> Agent:
    text = _cleaned(user_agent)
    low = text.lower()
    found = _rules().extract(low)
    if found is None:
        return _NAMELESS
    rule = RULES[int(found.family)]
    place = _platforms().extract(low)
    platform = _NO_PLATFORM if place is None else PLATFORMS[int(place.family)]
    system, device = platform.system, platform.device if rule.device is None else rule.device
    kind = rule.kind
    match kind, device:
        # Mail programs exist for computers and for phones under one name; those for phones rarely say where they run.
        case ClientKind.MOBILE_APP, Device.DESKTOP if rule.device is None:
            kind = ClientKind.DESKTOP_CLIENT
        case ClientKind.MOBILE_APP, Device.UNKNOWN:
            device = Device.MOBILE
        case ClientKind.DESKTOP_CLIENT, Device.MOBILE | Device.TABLET:
            kind = ClientKind.MOBILE_APP
        case ClientKind.DESKTOP_CLIENT, Device.UNKNOWN:
            device = Device.DESKTOP
        case _, Device.HIDDEN | Device.UNKNOWN:
            system = ""  # what a proxy or a robot says of a system is its own disguise, not the reader's
        case _:
            pass
    client = (_own_name(text, kind) or rule.client) if rule.own_name else rule.client
    return Agent(client=client, kind=kind, device=device, system=system, rule=rule.name)


def _cleaned(text: str) -> str:
    """The agent as the program meant it: without what logs, proxies and careless programs wrap around it."""
    if not text.isascii():
        text = text.encode(errors="replace").decode()  # half a pair of surrogates is not text to the engine
    text = text.strip(" \t\r\n\"'")
    if text[:11].lower() == "user-agent:":
        text = text[11:].lstrip(" \"'")
    if "%" in text:
        text = unquote(text)
    if " " not in text and "+" in text and text[:8].lower() == "mozilla/":
        text = text.replace("+", " ")
    return text


def _own_name(text: str, kind: ClientKind) -> str:
    """What the program calls itself: the name that ua-parser finds, or the first words, which is how programs begin.

    The browser that a robot poses as is not its name, nor is that of which a program is built.
    """
    if kind in _MAIL and (mailer := _MAILER.search(text)):
        return mailer[1] or mailer[2]
    if "Electron/" in text and (built := _BUILT.search(text)):
        return built[1]
    found = _browsers().extract(text)
    if found and (kind is ClientKind.BROWSER or (found.family not in _POSES and "/" not in found.family)):
        return found.family
    named = _COMPATIBLE.search(text) or _FIRST_WORDS.match(text)
    name = named[1].strip() if named else ""
    return "" if name.lower().startswith(("mozilla", "msie")) else name


_COMPATIBLE = re.compile(r"\bcompatible[;,] *\+?([A-Za-z][^;/()]{1,39})", re.IGNORECASE)
_MAIL = frozenset({ClientKind.DESKTOP_CLIENT, ClientKind.MOBILE_APP})
_MAILER = re.compile(r"(?:^|\) )((?:[a-z]+ )?[a-z-]*mail)/|[) ]([a-z-]*mail)/", re.IGNORECASE)
# Programs made of a browser: "like Gecko) Name/1.2 Chrome/126.0 Electron/31.0 Safari/537.36".
_BUILT = re.compile(r"like Gecko\) (?!Chrome/|Electron/)([A-Za-z][^/()]{0,39})/v?\d.* Electron/")
_FIRST_WORDS = re.compile(r"([^/(;:]{1,40}?)(?: v?\d[\d.]*)?(?:[/(;]|$)")
_POSES = frozenset(
    {
        "Chrome",
        "Chrome Mobile",
        "Chrome Mobile WebView",
        "Safari",
        "Mobile Safari",
        "Mobile Safari UI/WKWebView",
        "Firefox",
        "Firefox Mobile",
        "IE",
        "Edge",
        "Opera",
        "Android",
        "CFNetwork",
        "Electron",
    }
)


@lru_cache(maxsize=8192)
def is_stale(user_agent: str) -> bool:
    """Whether the agent claims a browser so old that people hardly run it: evidence for a scanner, never proof.

    Mail programs are never stale: Outlook names Internet Explorer for ever, others bring an old Chrome with them.
    """
    if read_agent(user_agent).kind is not ClientKind.BROWSER:
        return False
    if found := _CHROME.search(user_agent):
        return int(found[1]) < STALE_CHROME
    if found := _FIREFOX.search(user_agent):
        return int(found[1]) < STALE_FIREFOX
    return "MSIE " in user_agent or "Trident/" in user_agent


_CHROME = re.compile(r"Chrome/(\d{1,4})")
_FIREFOX = re.compile(r"Firefox/(\d{1,4})")


@cache
def _browsers() -> UserAgentExtractor:
    # Only on first use: the collector never needs them. Without the tables of systems and devices, which are most of
    # the time and of the memory: those are rows of ours.
    names, _, _ = load_lazy_builtins()
    return Resolver((names, [], [])).ua


@cache
def _rules() -> UserAgentExtractor:
    return _engine([row.pattern for row in RULES])


@cache
def _platforms() -> UserAgentExtractor:
    return _engine([row.pattern for row in PLATFORMS])


def _engine(patterns: list[str]) -> UserAgentExtractor:
    """ua-parser's engine over patterns of ours: the first that matches answers, with its number as the name."""
    rows: list[UserAgentDict] = [{"regex": each, "family_replacement": str(n)} for n, each in enumerate(patterns)]
    return Resolver(load_lazy((rows, [], []))).ua
