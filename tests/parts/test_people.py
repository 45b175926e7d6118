from __future__ import annotations

from datetime import datetime

import pytest
from argon2 import extract_parameters
from sqlalchemy import Engine
from tests.parts.test_proofs import everything_kept

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.store import people, proofs
from unsealed.store.engine import reading
from unsealed.store.people import Role

PASSWORD = "correct horse battery staple"


# ------------------------------------------------------------------------------------------------------- users


def test_a_user_is_found_by_any_spelling_of_case_and_may_send_from_the_own_address(
    engine: Engine, ines: UserId
) -> None:
    with reading(engine) as connection:
        found = people.user_by_email(connection, "INES@example.org")

        assert found == people.User(id=ines, email="ines@example.org", name="", role=Role.OWNER, has_password=False)
        assert found == people.owner(connection) == people.user(connection, ines)
        assert ["ines@example.org"] == people.identities_of(connection, ines)


def test_there_is_one_owner_only(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection, pytest.raises(Refused, match="has an owner already"):
        people.create_owner(connection, "other@example.org", now)


def test_a_user_goes_by_any_own_address_and_keeps_the_old_one_after_a_new_name(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "", now)
        people.rename(connection, ines, "Ines@Work.example", now)

        for address in ("ines@example.org", "ines@work.example"):
            found = people.user_by_email(connection, address)
            assert found is not None
            assert (ines, "ines@work.example") == (found.id, found.email)
            assert ines == proofs.check_app_password(connection, address, password, now)
        with pytest.raises(Refused, match="belongs to another user"):
            people.rename(connection, rob, "ines@example.org", now)


def test_an_empty_installation_has_nobody(engine: Engine) -> None:
    with reading(engine) as connection:
        assert not people.any_user(connection)
        assert people.owner(connection) is None


def test_an_address_is_taken_once(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection, pytest.raises(BadInput, match=r"there is a user ines@example\.org already"):
        people.add_user(connection, "INES@example.org", Role.MEMBER, now)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ines",
        "@example.org",
        "ines@",
        "a@b@example.org",
        "ines@example.org, rob@example.org",
        "Ines <ines@example.org>",
        "in es@example.org",
        "ines@example.org\r\nBcc: x@y",
        "ines@exam\0ple.org",
        "ines@.example.org",
        "ines@example..org",
        "i" * 250 + "@example.org",
    ],
)
def test_what_is_no_address_is_refused_in_words(address: str) -> None:
    with pytest.raises(BadInput, match="e-mail address"):
        people.clean_address(address)


# -------------------------------------------------------------------------------------------------- identities


def test_a_user_sends_from_own_addresses_only(engine: Engine, ines: UserId, rob: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        assert "ines@work.example" == people.add_identity(connection, ines, " Ines@Work.Example", now)
        people.add_identity(connection, ines, "ines@work.example", now)

        assert ["ines@example.org", "ines@work.example"] == people.identities_of(connection, ines)
        assert people.may_send_from(connection, ines, "INES@WORK.EXAMPLE")
        assert not people.may_send_from(connection, rob, "ines@work.example")
        assert not people.may_send_from(connection, ines, "ines@work.example.evil.example")
        assert not people.may_send_from(connection, ines, "\0\ud800")
        with pytest.raises(Refused, match="belongs to another user"):
            people.add_identity(connection, rob, "ines@work.example", now)


def test_the_last_address_of_a_user_stays(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        people.add_identity(connection, ines, "ines@work.example", now)

        assert not people.remove_identity(connection, ines, "nobody@example.org")
        assert people.remove_identity(connection, ines, "Ines@Example.org")
        with pytest.raises(Refused, match="only address"):
            people.remove_identity(connection, ines, "ines@work.example")


# ------------------------------------------------------------------------------------- passwords people choose


def test_a_chosen_password_is_kept_as_argon2id_and_fits_only_itself(engine: Engine, ines: UserId, rob: UserId) -> None:
    hashed = people.hash_password(PASSWORD)
    with engine.begin() as connection:
        people.set_password_hash(connection, ines, hashed)

        assert (ines, hashed) == people.stored_password(connection, "Ines@example.org")
        assert people.stored_password(connection, "rob@example.org") is None
        assert people.stored_password(connection, "nobody@example.org") is None

    assert hashed.startswith("$argon2id$")
    assert people.password_fits(hashed, PASSWORD)
    assert not people.password_fits(hashed, PASSWORD + " ")
    assert not people.password_fits(None, PASSWORD)
    assert PASSWORD not in everything_kept(engine)


def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    known = extract_parameters(people.hash_password(PASSWORD))

    assert known == extract_parameters(people._NOBODY)


def test_the_same_word_fits_composed_and_decomposed() -> None:
    assert people.password_fits(people.hash_password("pâté de campagne"), "pa\u0302te\u0301 de campagne")


@pytest.mark.parametrize(("password", "words"), [("short", "at least 12"), ("x" * 1025, "longer than 1024")])
def test_a_password_too_short_or_too_long_is_refused_in_words(password: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        people.hash_password(password)


def test_choosing_a_password_signs_out_everywhere(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        people.set_password_hash(connection, ines, people.hash_password(PASSWORD))

        assert proofs.session(connection, cookie, now) is None
