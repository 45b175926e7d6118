"""What is said about tracking: read for a message before it is taken in, shown and changed for people.

Promises that nobody asks for more than stands above them: who does reads which rule forbids it. A place says what holds
for mail to come; mail that was accepted stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from unsealed.core.links import host_of
from unsealed.core.policy import (
    Ceiling,
    Standing,
    clean_domain,
    clean_mailbox,
    installation,
    names_of,
    refusals,
    standing,
)
from unsealed.core.signature import Proposal, proposals
from unsealed.model.errors import Refused
from unsealed.model.message import UserId, public_id
from unsealed.model.policy import Level, Place, Rule, Said, Scope, Switches
from unsealed.model.template import TemplateId
from unsealed.model.texts import later
from unsealed.model.view import PolicyRow
from unsealed.store import identities, people, policies, templates
from unsealed.store.policies import EVERYBODY

LEARNED_FROM = 30  # letters

# Country domains of the European Union and the other states of the European Economic Area.
EU_DOMAINS = tuple(
    "at be bg cy cz de dk ee es eu fi fr gr hr hu ie is it li lt lu lv mt nl no pl pt ro se si sk".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that a user may know about the tracking of mail to come."""

    standing: Standing  # what holds for mail of this user
    yours: Place
    everybody: Place
    limit: Ceiling  # of what the user may say
    top: Ceiling  # of what may be said for everybody
    excluded: list[PolicyRow]
    excluded_for_everybody: list[PolicyRow]
    chosen: bool  # whether somebody answered the question of the first run
    decides: bool  # whether this user speaks for everybody


def said_about(
    connection: Connection, user: UserId, recipients: Iterable[str], template: TemplateId | None = None
) -> Said:
    """All that is said outside of messages about mail of a user to these addresses, made from that template if any.
    The template is named as people know it."""
    names = {name for address in recipients for name in names_of(address)}
    if template is None:
        return policies.said(connection, user, names)
    said = policies.said(connection, user, names, public_id(template))
    called = templates.name_of(connection, template)
    return replace(said, places=tuple(_called(place, called) for place in said.places))


def overview(connection: Connection, user: UserId, switches: Switches) -> Overview:
    """What a user may know. switches: of the settings file."""
    top, everybody = installation(switches), policies.place(connection, EVERYBODY)
    yours = policies.place(connection, user)
    return Overview(
        standing=standing([top, everybody, yours]),
        yours=yours,
        everybody=everybody,
        limit=standing([top, everybody]).ceiling,
        top=standing([top]).ceiling,
        excluded=policies.exclusions(connection, user),
        excluded_for_everybody=policies.exclusions(connection, EVERYBODY),
        chosen=policies.chosen(connection),
        decides=decides(connection, user),
    )


def decides(connection: Connection, user: UserId) -> bool:
    """Whether a user speaks for everybody."""
    found = people.user(connection, user)
    return found is not None and found.role is not people.Role.MEMBER


def keep(connection: Connection, user: UserId, place: Place, switches: Switches, now: datetime) -> bool:
    """Let a user say what holds: for everybody, or for their own mail. False when it was said already.

    Raises:
        AboveCeiling: more than is allowed; the words name the rule.
        Refused: only the owner speaks for everybody.
    """
    owner = _owner(connection, user, everybody=place.limit.scope is Scope.ACCOUNT)
    above = [installation(switches)]
    if owner != EVERYBODY:
        above.append(policies.place(connection, EVERYBODY))
    _within(standing(above).ceiling, place)
    return policies.keep(connection, owner, place, by=user, now=now)


def keep_template(connection: Connection, user: UserId, place: Place, switches: Switches, now: datetime) -> bool:
    """Keep what a template says about letters made from it; False when it was said already. Who may change the
    template asks flow.templates.

    Raises:
        AboveCeiling: more than is allowed for everybody here; the words name the rule.
    """
    _within(standing([installation(switches), policies.place(connection, EVERYBODY)]).ceiling, place)
    return policies.keep(connection, EVERYBODY, place, by=user, now=now)


def exclude_recipient(
    connection: Connection,
    user: UserId,
    written: str,
    *,
    opens: Level | None,
    clicks: Level | None,
    everybody: bool,
    now: datetime,
) -> str:
    """Limit the tracking of mail to an address, or to a domain and those below it; its name as it is kept.

    Raises:
        BadInput: neither an address nor a domain.
        Refused: only the owner speaks for everybody, or the list is full.
    """
    if "@" in written.strip().removeprefix("@"):
        scope, name = Scope.RECIPIENT, clean_mailbox(written)
    else:
        scope, name = Scope.RECIPIENT_DOMAIN, clean_domain(written.strip().removeprefix("@"))
    owner = _owner(connection, user, everybody=everybody)
    policies.exclude(connection, owner, Rule(scope=scope, name=name, opens=opens, clicks=clicks), by=user, now=now)
    return name


def exclude_destination(connection: Connection, user: UserId, written: str, *, everybody: bool, now: datetime) -> str:
    """Leave links to a domain, and to those below it, alone; its name as it is kept.

    Raises:
        BadInput: not a domain.
        Refused: only the owner speaks for everybody, or the list is full.
    """
    owner = _owner(connection, user, everybody=everybody)
    rule = Rule(scope=Scope.DESTINATION, name=clean_domain(written), clicks=Level.OFF)
    policies.exclude(connection, owner, rule, by=user, now=now)
    return rule.name


def learned(connection: Connection, user: UserId, tracking_url: str) -> tuple[Proposal, ...]:
    """Domains that links of this user's signatures lead to, as they are written and as nearly all letters carry them;
    without those that are excluded already."""
    excluded = [*policies.exclusions(connection, user), *policies.exclusions(connection, EVERYBODY)]
    return proposals(
        [each.signature for each in identities.list_for(connection, user)],
        policies.lately_linked(connection, user, LEARNED_FROM),
        {host_of(tracking_url), *(row.name for row in excluded if row.scope is Scope.DESTINATION)},
    )


def include(connection: Connection, user: UserId, scope: Scope, name: str, *, everybody: bool, now: datetime) -> bool:
    """Take an entry off a list; False when it was not there.

    Raises:
        Refused: only the owner speaks for everybody.
    """
    owner = _owner(connection, user, everybody=everybody)
    return policies.include(connection, owner, scope, name, by=user, now=now)


def _within(limit: Ceiling, place: Place) -> None:
    for opens, clicks in ((place.opens, place.clicks), (place.limit.opens, place.limit.clicks)):
        for each in refusals(limit, opens=opens, clicks=clicks):
            raise each.error()


def _called(place: Place, name: str) -> Place:
    return replace(place, limit=replace(place.limit, name=name)) if place.limit.scope is Scope.TEMPLATE else place


def _owner(connection: Connection, user: UserId, *, everybody: bool) -> UserId:
    if not everybody:
        return user
    if not decides(connection, user):
        raise Refused(later("only the owner of this installation decides for everybody"))
    return EVERYBODY
