from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine
from tests.conftest import NOON

from unsealed.inlets.web import stored
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Place, Rule, Scope
from unsealed.model.report import Team
from unsealed.model.upstream import Auth, Tls
from unsealed.store import audit, members, people, policies, reports, schema, upstreams
from unsealed.store.audit import What
from unsealed.store.people import Role

INES, ROB = UserId(7), UserId(8)


def test_an_account_sees_its_own_lines_the_newest_first(engine: Engine) -> None:
    with engine.begin() as connection:
        for user in (INES, ROB):
            email = f"{user}@example.org"
            connection.execute(schema.users.insert().values(id=user, email=email, role="member", created_at=NOON))
        for number in range(3):
            audit.note(connection, INES, What.CORRECTED, f"line {number}", NOON + timedelta(minutes=number))
        audit.note(connection, ROB, What.DEVICE_ADDED, "Firefox", NOON)

        newest, *_ = audit.lines(connection, INES, limit=2)
        older = audit.lines(connection, INES, before=newest.id)

    assert ("corrected", "line 2", NOON + timedelta(minutes=2)) == (newest.what, newest.words, newest.at)
    assert ["line 1", "line 0"] == [line.words for line in older]


def test_whatever_is_changed_is_told_in_a_form_that_other_languages_know(engine: Engine) -> None:
    own, all_of_it = Rule(scope=Scope.USER), Rule(scope=Scope.ACCOUNT, opens=Level.IDENTIFIED, clicks=Level.OFF)
    house = Place(limit=all_of_it, opens=Level.OFF, clicks=Level.OFF, opens_may_change=False, clicks_may_change=False)
    with engine.begin() as connection:
        boss = people.add_user(connection, "boss@example.org", Role.OWNER, NOON)
        rob = people.add_user(connection, "rob@example.org", Role.MEMBER, NOON)
        for place in (Place(limit=own), Place(limit=own, opens=Level.FULL, strict=True), Place(limit=own)):
            policies.keep(connection, boss, place, by=boss, now=NOON)
        for place in (house, Place(limit=all_of_it)):
            policies.keep(connection, policies.EVERYBODY, place, by=boss, now=NOON)
        for scope, opens in (
            (Scope.RECIPIENT, Level.OFF),
            (Scope.RECIPIENT_DOMAIN, None),
            (Scope.DESTINATION, None),
        ):
            rule = Rule(scope=scope, name="x@y.example", opens=opens, clicks=Level.OFF)
            policies.exclude(connection, boss, rule, by=boss, now=NOON)
            policies.include(connection, boss, scope, rule.name, by=boss, now=NOON)
        for owner, user in ((boss, ""), (policies.EVERYBODY, "a user")):
            kept = upstreams.Kept(
                owner=owner,
                host="h",
                port=25,
                tls=Tls.NONE,
                auth=Auth.PASSWORD,
                user=user,
                secret=None,
                inside=False,
                changed_by="",
                changed_at=NOON,
            )
            upstreams.put(connection, kept, by=boss)
            upstreams.remove(connection, owner, by=boss, now=NOON)
        members.invite(connection, boss, "new@example.org", "admin", NOON)
        members.change_role(connection, boss, rob, "admin", NOON)
        members.remove(connection, boss, rob, NOON)
        for team in Team:
            reports.allow_team(connection, boss, team, NOON)
        lines = [*audit.lines(connection, boss), *audit.lines(connection, rob)]

    kinds = {What.TRACKING, What.SENDING, What.INVITED, What.ROLE, What.REMOVED, What.REPORTS}
    assert kinds == {line.what for line in lines}
    unknown = [line for line in lines if stored.read(line.words, line.what) is None]
    assert [line.words for line in unknown] == ["rob@example.org"]  # who was removed, told to who did it
    changes = [stored.read(line.words, line.what) for line in lines if line.what == What.TRACKING]
    limits = [each for found in changes if found for each in found[1]["limits"].split(", ")]
    assert len(limits) > 15
    assert [] == [each for each in limits if stored.read(each, "limits") is None]
