"""What is said about tracking outside of messages: for everybody here, for one user, at a template, for recipients and
destinations.

Promises that each change leaves an audit line, in the same transaction, at whoever made it; and that mail already
accepted knows nothing of it, because its levels are kept with its copies. Functions that write need a connection from
`engine.begin()`. Names come cleaned by core.policy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, delete, func, or_, select

from unsealed.model.errors import Refused
from unsealed.model.message import UserId, from_public_id
from unsealed.model.policy import Level, Place, Rule, Said, Scope
from unsealed.model.template import TemplateId
from unsealed.model.view import PolicyRow
from unsealed.store import audit, templates
from unsealed.store.engine import insert
from unsealed.store.schema import links, messages, policies

EVERYBODY = UserId(0)  # as an owner: all accounts of this installation
EXCLUSIONS = 2_000  # of one owner and scope; those of destinations are read for every message

_PLACES = (Scope.ACCOUNT, Scope.USER)
_OF_RECIPIENTS = (Scope.RECIPIENT, Scope.RECIPIENT_DOMAIN)
EXCLUDED = (*_OF_RECIPIENTS, Scope.DESTINATION)  # what can be put on a list


def said(connection: Connection, user: UserId, names: Collection[str], template: str = "") -> Said:
    """All that is said about mail of a user to recipients who go by these names, made from that template if any."""
    c = policies.c
    rows = (
        connection.execute(
            select(policies).where(
                c.owner.in_((EVERYBODY, user)),
                or_(
                    c.scope.in_([*_PLACES, Scope.DESTINATION]),
                    and_(c.scope.in_(_OF_RECIPIENTS), c.name.in_(names)),
                    and_(c.scope == Scope.TEMPLATE.value, c.name == template),
                ),
            )
        )
        .mappings()
        .all()
    )
    return Said(
        places=tuple(_place(row) for row in rows if row["scope"] in (*_PLACES, Scope.TEMPLATE)),
        recipients=_strictest(_rule(row) for row in rows if row["scope"] in _OF_RECIPIENTS),
        destinations=frozenset(row["name"] for row in rows if row["scope"] == Scope.DESTINATION),
    )


def place(connection: Connection, owner: UserId) -> Place:
    """What one user said, or what is said for everybody; nothing where nobody said anything."""
    found = connection.execute(_where(owner, _scope_of(owner))).mappings().first()
    return Place(limit=Rule(scope=_scope_of(owner))) if found is None else _place(found)


def of_template(connection: Connection, template: str) -> Place:
    """What is said at a template, by its written id; nothing where nobody said anything."""
    found = connection.execute(_where(EVERYBODY, Scope.TEMPLATE, template)).mappings().first()
    return Place(limit=Rule(scope=Scope.TEMPLATE, name=template)) if found is None else _place(found)


def chosen(connection: Connection) -> bool:
    """Whether somebody chose what is tracked by default here."""
    return connection.execute(_CHOSEN).first() is not None


def keep(connection: Connection, owner: UserId, place: Place, *, by: UserId, now: datetime) -> bool:
    """Put down what is said for a user, for everybody or, under the name of everybody, at a template; False when it
    was said already.

    Raises:
        Refused: the place is not that of the owner.
    """
    scope, name = place.limit.scope, place.limit.name
    at_template = scope is Scope.TEMPLATE and owner == EVERYBODY
    if not (name if at_template else scope is _scope_of(owner) and not name):
        raise Refused("that is not said here")
    found = connection.execute(_where(owner, scope, name)).mappings().first()
    before = None if found is None else _place(found)
    if before == place:
        return False
    values = {
        "opens": place.limit.opens,
        "clicks": place.limit.clicks,
        "default_opens": place.opens,
        "default_clicks": place.clicks,
        "opens_may_change": place.opens_may_change,
        "clicks_may_change": place.clicks_may_change,
        "strict": place.strict,
        "changed_by": by,
        "changed_at": now,
    }
    connection.execute(
        insert(policies, connection.dialect)
        .values(owner=owner, scope=scope.value, name=name, **values)
        .on_conflict_do_update(index_elements=["owner", "scope", "name"], set_=values)
    )
    was = Place(limit=Rule(scope=scope)) if before is None else before
    whose = f"for letters made from “{_called(connection, name)}”" if at_template else _whose(owner)
    audit.note(connection, by, audit.What.TRACKING, f"{whose}: {_changes(was, place)}", now)
    return True


def exclusions(connection: Connection, owner: UserId) -> list[PolicyRow]:
    """The lists of excluded recipients and destinations of one user, or of everybody, in alphabetical order."""
    c = policies.c
    rows = connection.execute(select(policies).where(c.owner == owner, c.scope.in_(EXCLUDED)).order_by(c.name, c.scope))
    return [
        PolicyRow(
            scope=Scope(row["scope"]),
            name=row["name"],
            opens=_level(row["opens"]),
            clicks=_level(row["clicks"]),
            at=row["changed_at"],
        )
        for row in rows.mappings()
    ]


def exclude(connection: Connection, owner: UserId, rule: Rule, *, by: UserId, now: datetime) -> bool:
    """Put a recipient, a recipient domain or a destination on the list; False when it stood there just so.

    Raises:
        Refused: the list is full, or this cannot stand on one.
    """
    if rule.scope not in EXCLUDED or not rule.name or (rule.opens is None and rule.clicks is None):
        raise Refused("this cannot be excluded")
    c = policies.c
    where = (c.owner == owner, c.scope == rule.scope.value)
    found = connection.execute(select(policies).where(*where, c.name == rule.name)).mappings().first()
    if found is not None and _rule(found) == rule:
        return False
    if found is None and connection.execute(select(func.count()).where(*where)).scalar_one() >= EXCLUSIONS:
        raise Refused(f"the list has {EXCLUSIONS:,} entries, and no room for more; exclude a whole domain instead")
    values = {"opens": rule.opens, "clicks": rule.clicks, "changed_by": by, "changed_at": now}
    connection.execute(
        insert(policies, connection.dialect)
        .values(owner=owner, scope=rule.scope.value, name=rule.name, **values)
        .on_conflict_do_update(index_elements=["owner", "scope", "name"], set_=values)
    )
    audit.note(connection, by, audit.What.TRACKING, f"{_whose(owner)}: {_excluded(rule)}", now)
    return True


def lately_linked(connection: Connection, user: UserId, letters: int) -> list[list[str]]:
    """Where the links of the latest letters of a user lead, by letter; those without links are left out."""
    m = messages.c
    latest = select(m.id).where(m.user_id == user, ~m.sealed).order_by(m.received_at.desc(), m.id).limit(letters)
    query = select(links.c.message_id, links.c.destination).where(links.c.message_id.in_(latest), ~links.c.trap)
    found: dict[int, list[str]] = {}
    for message, destination in connection.execute(query):
        found.setdefault(message, []).append(destination)
    return list(found.values())


def include(connection: Connection, owner: UserId, scope: Scope, name: str, *, by: UserId, now: datetime) -> bool:
    """Take something off the list; False when it was not there."""
    c = policies.c
    if scope not in EXCLUDED:
        return False
    gone = connection.execute(delete(policies).where(c.owner == owner, c.scope == scope.value, c.name == name))
    if gone.rowcount:
        audit.note(connection, by, audit.What.TRACKING, f"{_whose(owner)}: {name} is no longer excluded", now)
    return bool(gone.rowcount)


def _where(owner: UserId, scope: Scope, name: str = "") -> Select[Any]:
    c = policies.c
    return select(policies).where(c.owner == owner, c.scope == scope.value, c.name == name)


_CHOSEN = _where(EVERYBODY, Scope.ACCOUNT)


def _scope_of(owner: UserId) -> Scope:
    return Scope.ACCOUNT if owner == EVERYBODY else Scope.USER


def _level(kept: int | None) -> Level | None:
    return None if kept is None else Level(kept)


def _rule(row: RowMapping) -> Rule:
    return Rule(scope=Scope(row["scope"]), name=row["name"], opens=_level(row["opens"]), clicks=_level(row["clicks"]))


def _place(row: RowMapping) -> Place:
    return Place(
        limit=_rule(row),
        opens=_level(row["default_opens"]),
        clicks=_level(row["default_clicks"]),
        opens_may_change=row["opens_may_change"],
        clicks_may_change=row["clicks_may_change"],
        strict=row["strict"],
    )


def _strictest(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """One rule for each name: a user and the account may both have said something about it."""
    found: dict[str, Rule] = {}
    for rule in rules:
        known = found.get(rule.name, rule)
        found[rule.name] = Rule(
            scope=rule.scope,
            name=rule.name,
            opens=min((one for one in (known.opens, rule.opens) if one is not None), default=None),
            clicks=min((one for one in (known.clicks, rule.clicks) if one is not None), default=None),
        )
    return tuple(found.values())


def _called(connection: Connection, template: str) -> str:
    number = from_public_id(template)
    return template if number is None else templates.name_of(connection, TemplateId(number))


def _whose(owner: UserId) -> str:
    return "for everybody" if owner == EVERYBODY else "in your settings"


def _changes(was: Place, now: Place) -> str:
    lines = [
        f"{what} {_word(before)} -> {_word(after)}"
        for what, before, after in (
            ("opens by default", was.opens, now.opens),
            ("links by default", was.clicks, now.clicks),
            ("opens at most", was.limit.opens, now.limit.opens),
            ("links at most", was.limit.clicks, now.limit.clicks),
        )
        if before != after
    ]
    lines += [
        f"{what} {'yes' if after else 'no'}"
        for what, before, after in (
            ("users may change opens", was.opens_may_change, now.opens_may_change),
            ("users may change links", was.clicks_may_change, now.clicks_may_change),
            ("refuse mail that asks for more", was.strict, now.strict),
        )
        if before != after
    ]
    return ", ".join(lines) or "confirmed as it was"


def _word(level: Level | None) -> str:
    return "unsaid" if level is None else level.name.lower()


def _excluded(rule: Rule) -> str:
    if rule.scope is Scope.DESTINATION:
        return f"links to {rule.name} are left alone"
    axes = [what for what, level in (("opens", rule.opens), ("links", rule.clicks)) if level is not None]
    return f"{' and '.join(axes)} of mail to {rule.name}: {_word(rule.opens if rule.clicks is None else rule.clicks)}"
