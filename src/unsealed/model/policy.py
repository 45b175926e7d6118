"""What may be tracked, at which level. Two axes, opens and clicks, never tied."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How much may be kept, ordered: the lower of two levels is the more restrictive. Stored and put into tokens."""

    OFF = 0  # no pixel, or no rewritten link
    ANONYMOUS = 1  # counts only, one shared token per message
    PSEUDONYMOUS = 2  # own token per copy, no link from pseudonym to address
    IDENTIFIED = 3  # events with the recipient's name, no address, agent or place
    FULL = 4  # plus address, agent, device and approximate place


class LinkScope(StrEnum):
    """In which parts links are tracked."""

    NONE = "none"
    HTML = "html"
    HTML_AND_TEXT = "html+text"


class VisibleUrl(StrEnum):
    """What happens to a link whose visible text is itself a URL or host."""

    LEAVE = "leave"  # the default: mail programs warn of fraud when text and target differ
    TRACK = "track"


class HiddenLink(StrEnum):
    """Which messages get a hidden link that only machines follow."""

    NEVER = "never"
    MANY = "many"  # those with at least MANY_RECIPIENTS
    ALWAYS = "always"


MANY_RECIPIENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The combined, frozen answer to "what is tracked in this message"."""

    opens: Level = Level.FULL
    clicks: Level = Level.FULL
    links: LinkScope = LinkScope.HTML
    visible_urls: VisibleUrl = VisibleUrl.LEAVE
    excluded_domains: frozenset[str] = field(
        default_factory=frozenset
    )  # destination domains, subdomains included, lower-case IDNA
    hidden_link: HiddenLink = HiddenLink.NEVER  # flow.send makes `trap` of it, once the recipients are known
    shared: bool = False  # all recipients get the same tokens: who of them it was is not to be known
    trap: bool = False  # a hidden link stands beside the pixel, where there is a tracked link

    def at_most(self, opens: Level, clicks: Level) -> Switches:
        """The same, with each axis lowered to what is allowed."""
        if opens >= self.opens and clicks >= self.clicks:
            return self
        return replace(self, opens=min(self.opens, opens), clicks=min(self.clicks, clicks))

    @property
    def tracks_links(self) -> bool:
        return self.clicks > Level.OFF and self.links is not LinkScope.NONE

    @property
    def off(self) -> bool:
        return self.opens == Level.OFF and not self.tracks_links


OFF = Switches(opens=Level.OFF, clicks=Level.OFF, links=LinkScope.NONE)


class Scope(StrEnum):
    """Where something can be said about tracking. Stored. As limits all are equal: the most restrictive wins."""

    INSTALLATION = "installation"
    ACCOUNT = "account"
    USER = "user"
    TEMPLATE = "template"
    RECIPIENT_DOMAIN = "recipient_domain"
    RECIPIENT = "recipient"
    DESTINATION = "destination"  # domain that a link leads to
    MESSAGE = "message"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most so much, said somewhere. None: nothing is said about that axis."""

    scope: Scope
    name: str = ""  # which one: "ines@example.org", "example.com", a template's name; "" where there is only one
    opens: Level | None = None
    clicks: Level | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one place says: a limit, and what mail gets that asks for nothing. None: nothing is said."""

    limit: Rule
    opens: Level | None = None  # defaults
    clicks: Level | None = None
    opens_may_change: bool = True  # False: the default is the limit too
    clicks_may_change: bool = True
    strict: bool = False  # mail that asks for more than is allowed is refused, not lowered


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that is said, outside of a message, about the mail of one user to certain recipients."""

    places: tuple[Place, ...] = ()
    recipients: tuple[Rule, ...] = ()  # about addresses and domains of recipients
    destinations: frozenset[str] = frozenset()  # domains, links to which are left alone
