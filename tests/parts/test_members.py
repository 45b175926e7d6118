from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from tests.conftest import NOON

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.store import audit, members, people, proofs
from unsealed.store.engine import reading
from unsealed.store.people import Role
from unsealed.store.proofs import CredentialKind

PASSWORD = "correct horse battery staple"
OWNER, ADMIN, MEMBER = Role.OWNER, Role.ADMIN, Role.MEMBER


@pytest.fixture
def everybody(engine: Engine, now: datetime) -> dict[Role, UserId]:
    """One of each role, who have been here."""
    with engine.begin() as connection:
        made = {role: people.add_user(connection, f"{role}@example.org", role, now) for role in Role}
        for user in made.values():
            people.set_password_hash(connection, user, "$not-asked-for$")
        return made


def roles(engine: Engine) -> dict[str, Role]:
    with reading(engine) as connection:
        return {each.user.email: each.user.role for each in members.listed(connection, NOON)}


def said(connection: Connection, user: UserId) -> list[tuple[str, str]]:
    return [(line.what, line.words) for line in audit.lines(connection, user)]


@pytest.mark.parametrize(("actor", "target"), list(product(Role, Role)))
def test_nobody_touches_who_stands_above_nor_makes_somebody_so(
    engine: Engine, everybody: dict[Role, UserId], now: datetime, actor: Role, target: Role
) -> None:
    with engine.begin() as connection:
        other = people.add_user(connection, "other@example.org", target, now)
        others: list[Callable[[Connection], object]] = [
            lambda c: members.change_role(c, everybody[actor], other, "member", now),
            lambda c: members.change_role(c, everybody[actor], everybody[MEMBER], target, now),
            lambda c: members.invite(c, everybody[actor], "new@example.org", target, now),
            lambda c: members.remove(c, everybody[actor], other, now),
        ]
    allowed = actor is OWNER or (actor is ADMIN and target is not OWNER)
    assert allowed == members.may(actor, target)
    before = roles(engine)
    for change in others:
        with engine.begin() as connection:
            if allowed:
                change(connection)
                continue
            with pytest.raises(Refused):
                change(connection)
        assert before == roles(engine)


def test_an_invitation_lets_in_once_within_a_week(engine: Engine, everybody: dict[Role, UserId], clock: Any) -> None:
    with engine.begin() as connection:
        address, first = members.invite(connection, everybody[ADMIN], " Rob@Example.org ", "member", clock())
        assert "rob@example.org" == address
        again, second = members.invite(connection, everybody[ADMIN], "rob@example.org", "admin", clock())
        assert "rob@example.org" == again
        [row] = [each for each in members.listed(connection, clock()) if each.user.email == address]

        assert (MEMBER, clock() + timedelta(days=7)) == (row.user.role, row.link_until)
        assert proofs.login_link_user(connection, first, clock()) is None
        assert proofs.login_link_user(connection, second, clock() + timedelta(days=7)) is None
        assert row.user.id == proofs.use_login_link(connection, second, clock() + timedelta(days=6))
        assert proofs.login_link_user(connection, second, clock()) is None
        assert ("person invited", "rob@example.org as member") in said(connection, everybody[ADMIN])


def test_who_is_here_is_not_invited_and_gets_no_link_from_an_administrator(
    engine: Engine, everybody: dict[Role, UserId], now: datetime
) -> None:
    with engine.begin() as connection:
        program = people.add_user(connection, "program@example.org", "member", now)
        proofs.new_app_password(connection, program, "", now)
        for address in ("member@example.org", "owner@example.org", "program@example.org"):
            with pytest.raises(BadInput, match="is here already"):
                members.invite(connection, everybody[ADMIN], address, "member", now)
        with pytest.raises(BadInput, match="one of owner, admin, member"):
            members.invite(connection, everybody[OWNER], "x@example.org", "root", now)


def test_there_is_always_an_owner(engine: Engine, everybody: dict[Role, UserId], now: datetime) -> None:
    owner = everybody[OWNER]
    with engine.begin() as connection:
        for role in (ADMIN, MEMBER):
            with pytest.raises(Refused, match="the only owner"):
                members.change_role(connection, owner, owner, role, now)
        with pytest.raises(Refused, match="the only owner"):
            members.remove(connection, owner, owner, now)
        members.change_role(connection, owner, everybody[ADMIN], OWNER, now)
        members.change_role(connection, owner, owner, MEMBER, now)
        found = people.owner(connection)

        assert found is not None
        assert everybody[ADMIN] == found.id
        with pytest.raises(Refused):
            members.change_role(connection, owner, owner, OWNER, now)


def test_nobody_removes_themselves(engine: Engine, everybody: dict[Role, UserId], now: datetime) -> None:
    with engine.begin() as connection, pytest.raises(Refused, match="nobody removes themselves"):
        members.remove(connection, everybody[ADMIN], everybody[ADMIN], now)


def test_who_is_removed_proves_nothing_any_more(engine: Engine, everybody: dict[Role, UserId], now: datetime) -> None:
    rob = everybody[MEMBER]
    with engine.begin() as connection:
        app_password = proofs.new_app_password(connection, rob, "", now)
        token = proofs.new_api_token(connection, rob, "", now)
        cookie, _ = proofs.new_session(connection, rob, "192.0.2.1", "x", now)
        link = proofs.new_login_link(connection, rob, now)
        members.remove(connection, everybody[ADMIN], rob, now)

        assert proofs.check_app_password(connection, "member@example.org", app_password, now) is None
        assert proofs.check_api_token(connection, token) is None
        assert proofs.session(connection, cookie, now) is None
        assert proofs.login_link_user(connection, link, now) is None
        assert people.stored_password(connection, "member@example.org") is None
        assert not people.may_send_from(connection, rob, "member@example.org")
        assert people.user(connection, rob) is None
        assert ["admin@example.org", "owner@example.org"] == [
            each.user.email for each in members.listed(connection, now)
        ]
        assert ("person removed", "member@example.org") in said(connection, everybody[ADMIN])
        assert ("person removed", "member@example.org, by admin@example.org") in said(connection, rob)


def test_whatever_is_left_of_somebody_who_was_removed_is_refused(
    engine: Engine, everybody: dict[Role, UserId], now: datetime
) -> None:
    """Credentials made at the very moment of the removal."""
    rob = everybody[MEMBER]
    with engine.begin() as connection:
        members.remove(connection, everybody[OWNER], rob, now)
        app_password = proofs.new_app_password(connection, rob, "", now)
        token = proofs.new_api_token(connection, rob, "", now)
        cookie, _ = proofs.new_session(connection, rob, "192.0.2.1", "x", now)
        link = proofs.new_login_link(connection, rob, now)

        assert proofs.check_app_password(connection, "member@example.org", app_password, now) is None
        assert proofs.check_api_token(connection, token) is None
        assert proofs.session(connection, cookie, now) is None
        assert proofs.login_link_user(connection, link, now) is None


def test_who_is_invited_again_gets_the_own_account_back_but_no_address_that_others_use_since(
    engine: Engine, everybody: dict[Role, UserId], now: datetime
) -> None:
    rob = everybody[MEMBER]
    with engine.begin() as connection:
        for address in ("sales@example.org", "help@example.org"):
            people.add_identity(connection, rob, address, now)
        members.remove(connection, everybody[OWNER], rob, now)
        people.add_identity(connection, everybody[ADMIN], "sales@example.org", now)
        _, link = members.invite(connection, everybody[OWNER], "member@example.org", "admin", now)

        assert rob == proofs.use_login_link(connection, link, now)
        assert ["help@example.org", "member@example.org"] == people.identities_of(connection, rob)
        found = people.user(connection, rob)
        assert found is not None
        assert (ADMIN, False) == (found.role, found.has_password)
        assert [] == proofs.credentials_of(connection, rob, CredentialKind.SMTP)


def test_another_role_begins_with_a_new_sign_in(engine: Engine, everybody: dict[Role, UserId], now: datetime) -> None:
    rob = everybody[MEMBER]
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, rob, "192.0.2.1", "x", now)
        members.change_role(connection, everybody[OWNER], rob, ADMIN, now)

        assert proofs.session(connection, cookie, now) is None
        assert ("role changed", "member@example.org from member to admin, by owner@example.org") in said(
            connection, rob
        )


def test_nobody_is_changed_or_removed_twice(engine: Engine, everybody: dict[Role, UserId], now: datetime) -> None:
    with engine.begin() as connection:
        members.remove(connection, everybody[OWNER], everybody[MEMBER], now)
        for user in (everybody[MEMBER], UserId(17)):
            with pytest.raises(BadInput, match="no such person"):
                members.remove(connection, everybody[OWNER], user, now)
            with pytest.raises(BadInput, match="no such person"):
                members.change_role(connection, everybody[OWNER], user, "member", now)
        with pytest.raises(Refused):  # who was removed has no say
            members.remove(connection, everybody[MEMBER], everybody[ADMIN], now)
