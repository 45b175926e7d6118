"""What is tracked, for programs: the same as the page /settings/tracking.

    GET /api/v1/tracking   what holds for your mail, what you said, and what is said for everybody
    PUT /api/v1/tracking   say something else: what is not named stays as it is

Asking for more than is allowed is answered 422 with the rule that forbids it, and a value that cannot be kept 422 by
field; either changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy import Connection
from starlette.routing import Route

from unsealed.core.policy import limited
from unsealed.flow import policy
from unsealed.flow.request import Faulty
from unsealed.inlets.api.door import Door, Question
from unsealed.model.errors import BadInput, sentence
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Place, Rule, Scope
from unsealed.model.view import PolicyRow
from unsealed.store.policies import EXCLUDED

OFFERED = {level.name.lower(): level for level in (Level.OFF, Level.IDENTIFIED, Level.FULL)}
BODY_BYTES_MAX = 256 * 1024


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    level: str  # off, anonymous, pseudonymous, identified, full: what mail gets that asks for nothing
    at_most: str
    because: str  # what limits it, in words; "" where nothing does


class Excluded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str  # recipient, recipient_domain, destination
    name: str  # address or domain, with all below it
    opens: str | None = None  # at most; null: nothing is said
    clicks: str | None = None


class Yours(msgspec.Struct, frozen=True, kw_only=True):
    opens: str | None  # null: what is usual here
    clicks: str | None
    strict: bool  # mail that asks for more than is allowed is refused
    excluded: tuple[Excluded, ...]


class Everybody(Yours, frozen=True, kw_only=True):
    opens_at_most: str | None
    clicks_at_most: str | None
    users_may_change_opens: bool
    users_may_change_clicks: bool
    chosen: bool  # whether the owner has answered the question of the first run


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    opens: Axis
    clicks: Axis
    yours: Yours
    everybody: Everybody


class YoursSaid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    opens: str | msgspec.UnsetType | None = msgspec.UNSET
    clicks: str | msgspec.UnsetType | None = msgspec.UNSET
    strict: bool | msgspec.UnsetType = msgspec.UNSET
    excluded: tuple[Excluded, ...] | msgspec.UnsetType = msgspec.UNSET  # the whole list


class EverybodySaid(YoursSaid, frozen=True, kw_only=True, forbid_unknown_fields=True):
    opens_at_most: str | msgspec.UnsetType | None = msgspec.UNSET
    clicks_at_most: str | msgspec.UnsetType | None = msgspec.UNSET
    users_may_change_opens: bool | msgspec.UnsetType = msgspec.UNSET
    users_may_change_clicks: bool | msgspec.UnsetType = msgspec.UNSET


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    yours: YoursSaid | None = None
    everybody: EverybodySaid | None = None


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [
        door.get("/api/v1/tracking", _tracking),
        door.change("PUT", "/api/v1/tracking", Said, _change, bytes_max=BODY_BYTES_MAX),
    ]


def _tracking(question: Question) -> Tracking:
    found = policy.overview(question.connection, question.user, question.switches)
    holds, yours, all_ = found.standing, found.yours, found.everybody
    limit = holds.ceiling
    return Tracking(
        opens=_axis("opens", holds.opens, limit.opens, limit.opens_by),
        clicks=_axis("clicks", holds.clicks, limit.clicks, limit.clicks_by),
        yours=Yours(
            opens=word_of(yours.opens),
            clicks=word_of(yours.clicks),
            strict=yours.strict,
            excluded=tuple(map(_excluded, found.excluded)),
        ),
        everybody=Everybody(
            opens=word_of(all_.opens),
            clicks=word_of(all_.clicks),
            strict=all_.strict,
            excluded=tuple(map(_excluded, found.excluded_for_everybody)),
            opens_at_most=word_of(all_.limit.opens),
            clicks_at_most=word_of(all_.limit.clicks),
            users_may_change_opens=all_.opens_may_change,
            users_may_change_clicks=all_.clicks_may_change,
            chosen=found.chosen,
        ),
    )


def _change(question: Question, said: Said) -> Tracking:
    connection, user, switches, now = question.connection, question.user, question.switches, question.now
    found = policy.overview(connection, user, switches)
    if said.everybody is not None:
        asked = said.everybody
        place = _place("everybody", asked, found.everybody)
        limit = Rule(
            scope=Scope.ACCOUNT,
            opens=_level("everybody.opens_at_most", asked.opens_at_most, place.limit.opens),
            clicks=_level("everybody.clicks_at_most", asked.clicks_at_most, place.limit.clicks),
        )
        place = replace(
            place,
            limit=limit,
            opens_may_change=_flag(asked.users_may_change_opens, place.opens_may_change),
            clicks_may_change=_flag(asked.users_may_change_clicks, place.clicks_may_change),
        )
        policy.keep(connection, user, place, switches, now)
        _list(connection, user, asked.excluded, found.excluded_for_everybody, everybody=True, now=now)
    if said.yours is not None:
        place = _place("yours", said.yours, found.yours)
        if place != found.yours:
            policy.keep(connection, user, place, switches, now)
        _list(connection, user, said.yours.excluded, found.excluded, everybody=False, now=now)
    return _tracking(question)


def _list(
    connection: Connection,
    user: UserId,
    wanted: tuple[Excluded, ...] | msgspec.UnsetType,
    there: list[PolicyRow],
    *,
    everybody: bool,
    now: datetime,
) -> None:
    if wanted is msgspec.UNSET:
        return
    side = "everybody" if everybody else "yours"
    kept = {
        (each.kind, _exclude(f"{side}.excluded[{number}]", connection, user, each, everybody=everybody, now=now))
        for number, each in enumerate(wanted)
    }
    for row in there:
        if (row.scope.value, row.name) not in kept:
            policy.include(connection, user, row.scope, row.name, everybody=everybody, now=now)


def _exclude(
    where: str, connection: Connection, user: UserId, each: Excluded, *, everybody: bool, now: datetime
) -> str:
    opens, clicks = level_of(f"{where}.opens", each.opens), level_of(f"{where}.clicks", each.clicks)
    if each.kind not in EXCLUDED:
        raise Faulty({f"{where}.kind": "It is recipient, recipient_domain or destination."})
    if each.kind == Scope.DESTINATION:
        if opens is not None or clicks not in (None, Level.OFF):
            raise Faulty({where: "Of a destination only clicks can be off."})
    elif (each.kind == Scope.RECIPIENT) != ("@" in each.name):
        words = "It is an address for kind recipient, and a domain for kind recipient_domain."
        raise Faulty({f"{where}.name": words})
    elif opens is None and clicks is None:
        raise Faulty({where: "Say opens, clicks or both."})
    try:
        if each.kind == Scope.DESTINATION:
            return policy.exclude_destination(connection, user, each.name, everybody=everybody, now=now)
        return policy.exclude_recipient(
            connection, user, each.name, opens=opens, clicks=clicks, everybody=everybody, now=now
        )
    except BadInput as error:
        raise Faulty({f"{where}.name": sentence(error)}) from None


def _place(side: str, asked: YoursSaid, there: Place) -> Place:
    return replace(
        there,
        opens=_level(f"{side}.opens", asked.opens, there.opens),
        clicks=_level(f"{side}.clicks", asked.clicks, there.clicks),
        strict=_flag(asked.strict, there.strict),
    )


def _level(where: str, written: str | msgspec.UnsetType | None, there: Level | None) -> Level | None:
    return there if isinstance(written, msgspec.UnsetType) else level_of(where, written)


def level_of(where: str, written: str | None) -> Level | None:
    """The level that is written; None where nothing is said.

    Raises:
        Faulty: it is none that is offered; names the field.
    """
    if written is None:
        return None
    if written not in OFFERED:
        raise Faulty({where: f"It is {', '.join(OFFERED)} or null, not {written[:40]!r}."})
    return OFFERED[written]


def _flag(written: bool | msgspec.UnsetType, there: bool) -> bool:
    return there if isinstance(written, msgspec.UnsetType) else written


def _axis(axis: str, level: Level, most: Level, by: Rule | None) -> Axis:
    because = limited(axis, most, by) if by is not None and most < Level.FULL else ""
    return Axis(level=level.name.lower(), at_most=most.name.lower(), because=because)


def _excluded(row: PolicyRow) -> Excluded:
    return Excluded(kind=row.scope, name=row.name, opens=word_of(row.opens), clicks=word_of(row.clicks))


def word_of(level: Level | None) -> str | None:
    """How a level is written; None where nothing is said."""
    return None if level is None else level.name.lower()
