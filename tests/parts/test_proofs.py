from __future__ import annotations

import re
import string
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from unsealed.model.message import UserId
from unsealed.store import proofs, schema
from unsealed.store.engine import reading
from unsealed.store.proofs import CredentialKind

PASSWORD = "correct horse battery staple"


def everything_kept(engine: Engine) -> str:
    """All values of all tables about people, as text."""
    tables = (schema.users, schema.identities, schema.credentials, schema.login_links, schema.sessions)
    with reading(engine) as connection:
        return "\n".join(str(row) for table in tables for row in connection.execute(select(table)))


def test_an_app_password_proves_its_user_under_the_own_name_only(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "Thunderbird", now)

        assert ines == proofs.check_app_password(connection, "INES@example.org", password, now)
        assert ines == proofs.check_app_password(connection, "ines@example.org", f" {password}\n", now)
        assert proofs.check_app_password(connection, "rob@example.org", password, now) is None


@pytest.mark.parametrize("spoil", ["", "us-", "us--", "x", "\0", "\ud800", "us-abcdefghjk-" + "a" * 28])
def test_what_is_no_app_password_proves_nothing(engine: Engine, ines: UserId, now: datetime, spoil: str) -> None:
    with engine.begin() as connection:
        assert proofs.check_app_password(connection, "ines@example.org", spoil, now) is None


def test_an_app_password_with_one_letter_changed_proves_nothing(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "", now)
        for position in range(len("us-"), len(password)):
            changed = password[:position] + ("a" if password[position] != "a" else "b") + password[position + 1 :]

            assert proofs.check_app_password(connection, "ines@example.org", changed, now) is None


def test_secrets_have_the_strength_and_the_form_that_is_promised(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "", now)
        token = proofs.new_api_token(connection, ines, "", now)

    assert re.fullmatch(r"us-[a-z2-9]{10}-[a-z2-9]{28}", password)
    assert re.fullmatch(r"unsealed_[a-z2-9]{10}_[a-z2-9]{52}", token)
    assert len(proofs.LETTERS) ** proofs.APP_SECRET_LETTERS >= 2**128
    assert len(proofs.LETTERS) ** proofs.API_SECRET_LETTERS >= 2**256
    assert set(proofs.LETTERS) <= set(string.ascii_lowercase + string.digits) - set("ilo01")


def test_no_secret_is_kept(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        made = [
            proofs.new_app_password(connection, ines, "", now).rpartition("-")[2],
            proofs.new_api_token(connection, ines, "", now).rpartition("_")[2],
            proofs.new_login_link(connection, ines, now),
            proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)[0],
        ]
    kept = everything_kept(engine)

    assert [] == [secret for secret in made if secret in kept]


def test_a_token_is_not_an_app_password_nor_the_other_way_round(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "", now)
        token = proofs.new_api_token(connection, ines, "", now)
        _, key, secret = token.split("_")

        assert proofs.check_api_token(connection, password) is None
        assert proofs.check_api_token(connection, "unsealed_" + password.removeprefix("us-").replace("-", "_")) is None
        assert proofs.check_app_password(connection, "ines@example.org", f"us-{key}-{secret}", now) is None


def test_last_use_is_written_at_most_once_a_minute(engine: Engine, ines: UserId, now: datetime) -> None:
    def used_at() -> datetime | None:
        [only] = proofs.credentials_of(connection, ines, CredentialKind.SMTP)
        return only.used_at

    with engine.begin() as connection:
        password = proofs.new_app_password(connection, ines, "", now)
        assert used_at() is None
        proofs.check_app_password(connection, "ines@example.org", password, now)
        proofs.check_app_password(connection, "ines@example.org", password, now + timedelta(seconds=59))
        assert now == used_at()
        proofs.check_app_password(connection, "ines@example.org", password, now + timedelta(seconds=60))
        assert now + timedelta(seconds=60) == used_at()


def test_a_revoked_credential_stops_working_and_only_its_user_can_revoke_it(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        token = proofs.new_api_token(connection, ines, "Report script", now)
        [shown] = proofs.credentials_of(connection, ines, CredentialKind.API)
        assert ("Report script", now, None) == (shown.label, shown.created_at, shown.used_at)

        assert not proofs.revoke_credential(connection, rob, shown.id)
        assert not proofs.revoke_credential(connection, ines, "\0\ud800")
        assert shown == proofs.check_api_token(connection, token)
        assert proofs.revoke_credential(connection, ines, shown.id)
        assert proofs.check_api_token(connection, token) is None
        assert [] == proofs.credentials_of(connection, ines, CredentialKind.API)


def test_a_label_is_one_short_line(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        proofs.new_api_token(connection, ines, "a\r\nb\0\u202e " + "c" * 200, now)
        [shown] = proofs.credentials_of(connection, ines, CredentialKind.API)

    assert "a b " + "c" * 76 == shown.label


def test_a_link_signs_in_once_and_looking_does_not_use_it_up(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        secret = proofs.new_login_link(connection, ines, now)
        for _ in range(3):
            looked = proofs.login_link_user(connection, secret, now)
            assert looked is not None
            assert ines == looked.id

        assert ines == proofs.use_login_link(connection, secret, now)
        assert proofs.use_login_link(connection, secret, now) is None
        assert proofs.login_link_user(connection, secret, now) is None


def test_a_link_dies_after_a_day_and_when_a_newer_one_is_made(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        older = proofs.new_login_link(connection, ines, now)
        newer = proofs.new_login_link(connection, ines, now)

        assert proofs.use_login_link(connection, older, now) is None
        assert proofs.use_login_link(connection, newer, now + timedelta(days=1)) is None
        assert ines == proofs.use_login_link(connection, newer, now + timedelta(hours=23))


def test_a_session_knows_its_user_until_it_ends(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        cookie, csrf = proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = proofs.session(connection, cookie, now)

        assert found is not None
        assert (ines, csrf, "192.0.2.1", "Firefox") == (found.user.id, found.csrf, found.address, found.user_agent)
        assert proofs.session(connection, cookie[:-1] + "~", now) is None
        proofs.end_session(connection, found)
        assert proofs.session(connection, cookie, now) is None


def test_a_session_lives_thirty_days_after_its_last_use(engine: Engine, ines: UserId, now: datetime) -> None:
    later = now + timedelta(days=29)
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = proofs.session(connection, cookie, later)
        assert found is not None
        assert proofs.session(connection, cookie, now + timedelta(days=30)) is None

        proofs.note_session(connection, found, "198.51.100.7", "Firefox 2", later)

        again = proofs.session(connection, cookie, later + timedelta(days=29))
        assert again is not None
        assert ("198.51.100.7", "Firefox 2", later) == (again.address, again.user_agent, again.seen_at)


def test_a_session_is_written_at_most_once_a_minute(engine: Engine, ines: UserId, now: datetime) -> None:
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        found = proofs.session(connection, cookie, now)

    assert found is not None
    assert not proofs.session_is_stale(found, now + timedelta(seconds=59))
    assert proofs.session_is_stale(found, now + timedelta(seconds=60))


def test_signing_out_the_others_keeps_this_one_and_other_people(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        here, _ = proofs.new_session(connection, ines, "192.0.2.1", "Firefox", now)
        proofs.new_session(connection, ines, "192.0.2.2", "Chrome", now)
        robs, _ = proofs.new_session(connection, rob, "192.0.2.3", "Safari", now)
        session = proofs.session(connection, here, now)
        assert session is not None
        assert 2 == len(proofs.sessions_of(connection, ines, now))

        assert 1 == proofs.end_other_sessions(connection, session)
        assert [session] == proofs.sessions_of(connection, ines, now)
        assert proofs.session(connection, robs, now) is not None
