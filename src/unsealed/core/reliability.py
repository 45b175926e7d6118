"""What came back from earlier copies -> how far a signal of this recipient, or of this company, can be trusted.

Shown beside the recipient ("this company's gateway opens every link"), never used to judge: a verdict follows from the
hits of its own message alone, so that one wrong guess does not breed others.

A trait is said only after LEAST copies: two machines in a row are no habit. "Every" means ALWAYS of them, because one
message in five comes while a phone is off or a policy is being changed; "never" allows no exception.
Does not know the store: the numbers come from store.habits.
"""

from __future__ import annotations

from enum import StrEnum

from unsealed.core.mail_providers import MAIL_PROVIDERS
from unsealed.model.view import SignalFacts

LEAST = 3  # copies before anything is said; the same for a person and for a company
LEAST_SILENT = 5  # people who do not answer are common: silence is told from blocked pictures only after more
ALWAYS = 0.8
OFTEN = 0.5


class Trait(StrEnum):
    """How signals of a recipient, or of a company, behave."""

    BLOCKS_PICTURES = "blocks_pictures"  # clicks or answers, but never loads pictures: "no signal" is not "not read"
    NEVER_SEEN = "never_seen"  # nothing ever came back
    ALWAYS_PREFETCHED = "always_prefetched"  # pictures are loaded ahead, read or not: only clicks tell
    GATEWAY_FOLLOWS_LINKS = "gateway_follows_links"  # a scanner follows the links of every message
    GATEWAY_LOADS_PICTURES = "gateway_loads_pictures"  # a scanner loads the pictures of every message
    RELIABLE = "reliable"  # when a message is opened it shows, and nothing else does


def traits(facts: SignalFacts) -> tuple[Trait, ...]:
    """What can be said, in the order of Trait; often nothing."""
    found: list[Trait] = []
    loaded = facts.opened + facts.prefetched + facts.scanned_pixels
    # Twice without a picture, because once it may have been a text reader or a forwarded link.
    if facts.with_pixel >= LEAST and loaded == 0 and facts.clicked_unloaded + facts.answered_unloaded >= 2:
        found.append(Trait.BLOCKS_PICTURES)
    if facts.copies >= LEAST_SILENT and facts.silent == facts.copies:
        found.append(Trait.NEVER_SEEN)
    if _habit(facts.prefetched, facts.with_pixel):
        found.append(Trait.ALWAYS_PREFETCHED)
    if _habit(facts.scanned_links, facts.with_links):
        found.append(Trait.GATEWAY_FOLLOWS_LINKS)
    if _habit(facts.scanned_pixels, facts.with_pixel):
        found.append(Trait.GATEWAY_LOADS_PICTURES)
    if not found and facts.with_pixel >= LEAST and facts.opened >= OFTEN * facts.with_pixel:
        found.append(Trait.RELIABLE)
    return tuple(found)


def company_of(mailbox: str) -> str:
    """The domain whose recipients have something in common, in lower case; "" for a mailbox at a provider at which
    anybody can have one, and for what is no address."""
    _, at, domain = mailbox.rpartition("@")
    domain = domain.strip().lower()
    return "" if not at or domain in MAIL_PROVIDERS else domain


def _habit(times: int, of: int) -> bool:
    return of >= LEAST and times >= ALWAYS * of
