"""What may be tracked, at which level. Two axes, opens and clicks, never tied."""

from __future__ import annotations

from dataclasses import dataclass, field
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

    @property
    def tracks_links(self) -> bool:
        return self.clicks > Level.OFF and self.links is not LinkScope.NONE

    @property
    def off(self) -> bool:
        return self.opens == Level.OFF and not self.tracks_links


OFF = Switches(opens=Level.OFF, clicks=Level.OFF, links=LinkScope.NONE)
