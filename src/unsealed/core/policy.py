"""Combines what is said in many places about tracking: the most restrictive wins, each axis for itself.

A place states limits and defaults. A default is no request: mail that asks for nothing gets the default of the nearest
place (user, account, installation), lowered to the limit in silence. What was asked beyond a limit is named, with the
rule that set it.

Promises that the order in which rules are given changes nothing, that one more rule never raises a level, and that
opens say nothing about clicks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from unsealed.core.envelope import good_address
from unsealed.core.links import host_of
from unsealed.model.errors import AboveCeiling, BadInput, told
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.model.texts import ENGLISH, Phrase, Texts, later

_NEAREST = (Scope.TEMPLATE, Scope.USER, Scope.ACCOUNT, Scope.INSTALLATION)  # whose default holds
_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*+")
_DOMAIN_CHARACTERS = 253  # RFC 1035 §2.3.4
_ORDER = {scope: number for number, scope in enumerate(Scope)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """How much may be tracked at most, and who said so. None: nobody limits the axis."""

    opens: Level = Level.FULL
    clicks: Level = Level.FULL
    opens_by: Rule | None = None
    clicks_by: Rule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """More was asked for on one axis than a rule allows."""

    axis: str  # "opens" or "clicks"
    asked: Level
    allowed: Level
    by: Rule

    def error(self) -> AboveCeiling:
        """The same, to be raised where asking for too much is an error."""
        return _above(self.axis, self.allowed, self.by)

    def __str__(self) -> str:
        return str(self.error())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for the mail of one user before the message itself has its say."""

    opens: Level = Level.FULL  # of mail that asks for nothing; within the ceiling
    clicks: Level = Level.FULL
    ceiling: Ceiling = Ceiling()
    strict: bool = False


def ceiling(rules: Iterable[Rule]) -> Ceiling:
    """The most restrictive of all rules, on each axis. Of equals, the first by scope and name is named."""
    opens_by = clicks_by = None
    opens = clicks = Level.FULL
    for rule in sorted(rules, key=_order):
        if rule.opens is not None and (opens_by is None or rule.opens < opens):
            opens, opens_by = rule.opens, rule
        if rule.clicks is not None and (clicks_by is None or rule.clicks < clicks):
            clicks, clicks_by = rule.clicks, rule
    return Ceiling(opens=opens, clicks=clicks, opens_by=opens_by, clicks_by=clicks_by)


def installation(switches: Switches) -> Place:
    """What the settings file says: as much as it switches on, and no more."""
    clicks = switches.clicks if switches.tracks_links else Level.OFF
    rule = Rule(scope=Scope.INSTALLATION, opens=switches.opens, clicks=clicks)
    return Place(limit=rule, opens=rule.opens, clicks=rule.clicks)


def rule_of(place: Place) -> Rule:
    """The limit that a place sets: its own, and its default where nobody may change that."""
    opens = _lower(place.limit.opens, None if place.opens_may_change else place.opens)
    clicks = _lower(place.limit.clicks, None if place.clicks_may_change else place.clicks)
    return replace(place.limit, opens=opens, clicks=clicks)


def standing(places: Sequence[Place]) -> Standing:
    """Defaults and ceiling of several places."""
    limit = ceiling(map(rule_of, places))
    near = [place for scope in _NEAREST for place in places if place.limit.scope is scope]
    opens = next((place.opens for place in near if place.opens is not None), Level.FULL)
    clicks = next((place.clicks for place in near if place.clicks is not None), Level.FULL)
    return Standing(
        opens=min(opens, limit.opens),
        clicks=min(clicks, limit.clicks),
        ceiling=limit,
        strict=any(place.strict for place in places),
    )


def refusals(limit: Ceiling, *, opens: Level | None, clicks: Level | None) -> tuple[Refusal, ...]:
    """Where more is asked for than `limit` allows; asking for less, or for nothing (None), never is refused."""
    found = []
    for axis, asked, allowed, by in (
        ("opens", opens, limit.opens, limit.opens_by),
        ("clicks", clicks, limit.clicks, limit.clicks_by),
    ):
        if asked is not None and by is not None and asked > allowed:
            found.append(Refusal(axis=axis, asked=asked, allowed=allowed, by=by))
    return tuple(found)


_WHERE = {
    Scope.INSTALLATION: later("in the settings file of this installation"),
    Scope.ACCOUNT: later("for everybody here"),
    Scope.USER: later("in your settings"),
    Scope.TEMPLATE: later("by the template %(name)s"),
    Scope.RECIPIENT: later("for mail to %(name)s"),
    Scope.RECIPIENT_DOMAIN: later("for mail to %(name)s"),
    Scope.DESTINATION: later("for links to %(name)s"),
    Scope.MESSAGE: later("in this message"),
    Scope.LINK: later("at this link"),
}
_LEVELS = {
    Level.ANONYMOUS: later("anonymous"),
    Level.PSEUDONYMOUS: later("pseudonymous"),
    Level.IDENTIFIED: later("identified"),
}


def limited(axis: str, allowed: Level, by: Rule, texts: Texts = ENGLISH) -> str:
    """A limit in words: "open tracking is switched off for mail to example.org"."""
    return told(_above(axis, allowed, by), texts)


def _above(axis: str, allowed: Level, by: Rule) -> AboveCeiling:
    where = Phrase(_WHERE[by.scope], name=by.name)
    opens = axis == "opens"
    if allowed == Level.OFF:
        off = (
            later("open tracking is switched off %(where)s")
            if opens
            else later("link tracking is switched off %(where)s")
        )
        return AboveCeiling(off, axis=axis, where=where)
    most = (
        later("open tracking is limited to the level %(level)s %(where)s")
        if opens
        else later("link tracking is limited to the level %(level)s %(where)s")
    )
    return AboveCeiling(most, axis=axis, level=Phrase(_LEVELS[allowed]), where=where)


def names_of(address: str) -> tuple[str, ...]:
    """Under which names something may be said about mail to an address: its own, its domain, and those above that."""
    local, _, domain = address.rpartition("@")
    domain = _ascii(domain)
    labels = domain.split(".")
    return f"{local.lower()}@{domain}", *(".".join(labels[start:]) for start in range(len(labels)))


def for_recipient(rules: Mapping[str, Rule], address: str) -> Ceiling:
    """How much may be tracked of mail to an address. rules: about addresses and domains, by name."""
    return ceiling(rules[name] for name in names_of(address) if name in rules) if rules else _NO_CEILING


def clean_domain(written: str) -> str:
    """The domain that somebody typed, or copied with an address around it: lower case, IDNA.

    Raises:
        BadInput: it is none.
    """
    text = written.strip()
    if "://" in text:
        text = host_of(text)
    if "@" in text:
        raise BadInput(later("write only the domain, which is what stands behind the @"))
    domain = _ascii(text.removeprefix("*").strip("."))
    if not text.isprintable() or len(domain) > _DOMAIN_CHARACTERS or not _DOMAIN.fullmatch(domain):
        raise BadInput(later("this is not a domain; write it like example.org"))
    return domain


def clean_mailbox(written: str) -> str:
    """The address that somebody typed, in the form in which it is compared.

    Raises:
        BadInput: it is none.
    """
    address = written.strip()
    if not good_address(address) or not _DOMAIN.fullmatch(_ascii(address.rpartition("@")[2])):
        raise BadInput(later("this is not an e-mail address; write it like ines@example.org"))
    return names_of(address)[0]


def _ascii(domain: str) -> str:
    try:
        return domain.lower().encode("idna").decode("ascii")
    except UnicodeError:
        return domain.lower()  # no mail goes there; good enough to be compared


_NO_CEILING = Ceiling()


def _order(rule: Rule) -> tuple[int, str, int, int]:
    opens = -1 if rule.opens is None else rule.opens
    clicks = -1 if rule.clicks is None else rule.clicks
    return _ORDER[rule.scope], rule.name, opens, clicks


def _lower(one: Level | None, other: Level | None) -> Level | None:
    return min((level for level in (one, other) if level is not None), default=None)
