from __future__ import annotations

import re
import string
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from argon2 import extract_parameters
from sqlalchemy import Engine, select

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.store import people, schema
from unsealed.store.engine import reading
from unsealed.store.people import CredentialKind, Role

PASSWORD = "correct horse battery staple"


@pytest.fixture
def now(clock: Callable[[], datetime]) -> datetime:
    return clock()


@pytest.fixture
def ines(engine: Engine, now: datetime) -> UserId:
    with engine.begin() as connection:
        return people.create_owner(connection, "Ines@Example.ORG ", now)


@pytest.fixture
def rob(engine: Engine, ines: UserId, now: datetime) -> UserId:
    with engine.begin() as connection:
        return people.add_user(connection, "rob@example.org", Role.MEMBER, now)


def everything_kept(engine: Engine) -> str:
    """All values of all tables about people, as text."""
    tables = (schema.users, schema.identities, schema.credentials, schema.login_links, schema.sessions)
    with reading(engine) as connection:
        return "\n".join(str(row) for table in tables for row in connection.execute(select(table)))


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
        password = people.new_app_password(connection, ines, "", now)
        people.rename(connection, ines, "Ines@Work.example", now)

        for address in ("ines@example.org", "ines@work.example"):
            found = people.user_by_email(connection, address)
            assert found is not None
            assert (ines, "ines@work.example") == (found.id, found.email)
            assert ines == people.check_app_password(connection, address, password, now)
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
        cookie, _ = people.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        people.set_password_hash(connection, ines, people.hash_password(PASSWORD))

        assert people.session(connection, cookie, now) is None


# ------------------------------------------------------------------------------- app passwords and API tokens


def test_an_app_password_proves_its_user_under_the_own_name_only(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        password = people.new_app_password(connection, ines, "Thunderbird", now)

        assert ines == people.check_app_password(connection, "INES@example.org", password, now)
        assert ines == people.check_app_password(connection, "ines@example.org", f" {password}\n", now)
        assert people.check_app_password(connection, "rob@example.org", password, now) is None


@pytest.mark.parametrize("spoil", ["", "us-", "us--", "x", "\0", "\ud800", "us-abcdefghjk-" + "a" * 28])
def test_what_is_no_app_password_proves_nothing(engine: Engine, ines: UserId, now: datetime, spoil: str) -> None:
    with engine.begin() as connection:
        assert people.check_app_password(connection, "ines@example.org", spoil, now) is None


def test_an_app_password_with_one_letter_changed_proves_nothing(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = people.new_app_password(connection, ines, "", now)
        for position in range(len("us-"), len(password)):
            changed = password[:position] + ("a" if password[position] != "a" else "b") + password[position + 1 :]

            assert people.check_app_password(connection, "ines@example.org", changed, now) is None


def test_secrets_have_the_strength_and_the_form_that_is_promised(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = people.new_app_password(connection, ines, "", now)
        token = people.new_api_token(connection, ines, "", now)

    assert re.fullmatch(r"us-[a-z2-9]{10}-[a-z2-9]{28}", password)
    assert re.fullmatch(r"unsealed_[a-z2-9]{10}_[a-z2-9]{52}", token)
    assert len(people.LETTERS) ** people.APP_SECRET_LETTERS >= 2**128
    assert len(people.LETTERS) ** people.API_SECRET_LETTERS >= 2**256
    assert set(people.LETTERS) <= set(string.ascii_lowercase + string.digits) - set("ilo01")


def test_no_secret_is_kept(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        made = [
            people.new_app_password(connection, ines, "", now).rpartition("-")[2],
            people.new_api_token(connection, ines, "", now).rpartition("_")[2],
            people.new_login_link(connection, ines, now),
            people.new_session(connection, ines, "192.0.2.1", "Firefox", now)[0],
        ]
    kept = everything_kept(engine)

    assert [] == [secret for secret in made if secret in kept]


def test_a_token_is_not_an_app_password_nor_the_other_way_round(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = people.new_app_password(connection, ines, "", now)
        token = people.new_api_token(connection, ines, "", now)
        _, key, secret = token.split("_")

        assert people.check_api_token(connection, password) is None
        assert people.check_api_token(connection, "unsealed_" + password.removeprefix("us-").replace("-", "_")) is None
        assert people.check_app_password(connection, "ines@example.org", f"us-{key}-{secret}", now) is None


def test_last_use_is_written_at_most_once_a_minute(engine: Engine, ines: UserId, now: datetime) -> None:
    def used_at() -> datetime | None:
        [only] = people.credentials_of(connection, ines, CredentialKind.SMTP)
        return only.used_at

    with engine.begin() as connection:
        password = people.new_app_password(connection, ines, "", now)
        assert used_at() is None
        people.check_app_password(connection, "ines@example.org", password, now)
        people.check_app_password(connection, "ines@example.org", password, now + timedelta(seconds=59))
        assert now == used_at()
        people.check_app_password(connection, "ines@example.org", password, now + timedelta(seconds=60))
        assert now + timedelta(seconds=60) == used_at()


def test_a_revoked_credential_stops_working_and_only_its_user_can_revoke_it(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        token = people.new_api_token(connection, ines, "Report script", now)
        [shown] = people.credentials_of(connection, ines, CredentialKind.API)
        assert ("Report script", now, None) == (shown.label, shown.created_at, shown.used_at)

        assert not people.revoke_credential(connection, rob, shown.id)
        assert not people.revoke_credential(connection, ines, "\0\ud800")
        assert shown == people.check_api_token(connection, token)
        assert people.revoke_credential(connection, ines, shown.id)
        assert people.check_api_token(connection, token) is None
        assert [] == people.credentials_of(connection, ines, CredentialKind.API)


def test_a_label_is_one_short_line(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        people.new_api_token(connection, ines, "a\r\nb\0\u202e " + "c" * 200, now)
        [shown] = people.credentials_of(connection, ines, CredentialKind.API)

    assert "a b " + "c" * 76 == shown.label


# ---------------------------------------------------------------------------------------------- one-time links


def test_a_link_signs_in_once_and_looking_does_not_use_it_up(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        secret = people.new_login_link(connection, ines, now)
        for _ in range(3):
            looked = people.login_link_user(connection, secret, now)
            assert looked is not None
            assert ines == looked.id

        assert ines == people.use_login_link(connection, secret, now)
        assert people.use_login_link(connection, secret, now) is None
        assert people.login_link_user(connection, secret, now) is None


def test_a_link_dies_after_a_day_and_when_a_newer_one_is_made(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        older = people.new_login_link(connection, ines, now)
        newer = people.new_login_link(connection, ines, now)

        assert people.use_login_link(connection, older, now) is None
        assert people.use_login_link(connection, newer, now + timedelta(days=1)) is None
        assert ines == people.use_login_link(connection, newer, now + timedelta(hours=23))


# ---------------------------------------------------------------------------------------------------- sessions


def test_a_session_knows_its_user_until_it_ends(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        cookie, csrf = people.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = people.session(connection, cookie, now)

        assert found is not None
        assert (ines, csrf, "192.0.2.1", "Firefox") == (found.user.id, found.csrf, found.address, found.user_agent)
        assert people.session(connection, cookie[:-1] + "~", now) is None
        people.end_session(connection, found)
        assert people.session(connection, cookie, now) is None


def test_a_session_lives_thirty_days_after_its_last_use(engine: Engine, ines: UserId, now: datetime) -> None:
    later = now + timedelta(days=29)
    with engine.begin() as connection:
        cookie, _ = people.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = people.session(connection, cookie, later)
        assert found is not None
        assert people.session(connection, cookie, now + timedelta(days=30)) is None

        people.note_session(connection, found, "198.51.100.7", "Firefox 2", later)

        again = people.session(connection, cookie, later + timedelta(days=29))
        assert again is not None
        assert ("198.51.100.7", "Firefox 2", later) == (again.address, again.user_agent, again.seen_at)


def test_a_session_is_written_at_most_once_a_minute(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        cookie, _ = people.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = people.session(connection, cookie, now)

    assert found is not None
    assert not people.session_is_stale(found, now + timedelta(seconds=59))
    assert people.session_is_stale(found, now + timedelta(seconds=60))


def test_signing_out_the_others_keeps_this_one_and_other_people(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        here, _ = people.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        people.new_session(connection, ines, "192.0.2.2", "Chrome", now)
        robs, _ = people.new_session(connection, rob, "192.0.2.3", "Safari", now)
        session = people.session(connection, here, now)
        assert session is not None
        assert 2 == len(people.sessions_of(connection, ines, now))

        assert 1 == people.end_other_sessions(connection, session)
        assert [session] == people.sessions_of(connection, ines, now)
        assert people.session(connection, robs, now) is not None
