"""What the parts are built from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from unsealed.app import wire
from unsealed.app.config import load
from unsealed.app.wire import LiveKeys, prepare, welcome
from unsealed.model.errors import BadInput, Unavailable
from unsealed.store import keyring, people, proofs


def test_the_first_start_makes_the_owner_and_shows_the_secrets_once(tmp_path: Path) -> None:
    settings = load({"data": tmp_path / "data", "owner": "mara@tidewater.example"})
    engine = prepare(settings)
    at = wire.now()

    first = welcome(settings, engine, at)
    second = welcome(settings, engine, at)

    assert first is not None
    assert second is not None
    assert "mara@tidewater.example" == first.email
    assert first.app_password
    assert not second.app_password
    assert first.url != second.url
    secret = second.url.rsplit("/", 1)[1]
    with engine.begin() as connection:
        assert proofs.check_app_password(connection, first.email, first.app_password, at) is not None
        assert proofs.use_login_link(connection, first.url.rsplit("/", 1)[1], at) is None
        user = proofs.use_login_link(connection, secret, at)
        assert user is not None
        proofs.new_session(connection, user, "127.0.0.1", "a browser", at)
    assert welcome(settings, engine, at + timedelta(minutes=1)) is None
    engine.dispose()


def test_where_users_were_added_by_command_no_owner_is_made_up(tmp_path: Path) -> None:
    settings = load({"data": tmp_path / "data"})
    engine = prepare(settings)
    with engine.begin() as connection:
        people.add_user(connection, "ines@x.example", "member", wire.now())

    assert welcome(settings, engine, wire.now()) is None
    engine.dispose()


def test_a_data_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Unavailable, match="cannot be made"):
        prepare(load({"data": tmp_path / "file" / "data"}))


def test_a_store_that_is_none_is_said_in_words(tmp_path: Path) -> None:
    settings = load({"data": tmp_path})
    (tmp_path / "unsealed.db").write_text("not a database\n" * 100)

    with pytest.raises(Unavailable, match="the store cannot be used: file is not a database"):
        prepare(settings)


def test_a_rotation_reaches_a_role_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr(wire, "monotonic", lambda: seconds[0])
    tmp_path.chmod(0o700)
    keys = LiveKeys(tmp_path)
    old = keys.newest

    new = keyring.rotate(tmp_path, wire.now()).newest
    assert (old, None) == (keys.newest, keys.key(new))
    seconds[0] += 1.1

    assert keys.key(new) is not None
    assert keys.key(old) is not None
    assert new == keys.newest


def test_what_is_kept_is_readable_by_this_account_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    prepare(load({"data": tmp_path})).dispose()

    assert {0} == {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}


@pytest.mark.parametrize("damage", [lambda ring: ring.unlink(), lambda ring: ring.write_text("not a ring")])
def test_a_role_keeps_its_keys_when_the_file_is_lost(
    damage: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr(wire, "monotonic", lambda: seconds[0])
    keys = LiveKeys(tmp_path)
    sealing = keys.newest, keys.key(keys.newest)

    damage(tmp_path / keyring.FILE)
    seconds[0] += 10

    assert sealing == (keys.newest, keys.key(keys.newest))
    assert keys.key(99) is None


def test_the_key_for_push_services_is_made_once_and_only_the_key_ring_opens_it(engine: Engine) -> None:
    class Ring:
        newest = 0

        def __init__(self, secret: bytes) -> None:
            self.secret = secret

        def key(self, key_id: int) -> bytes | None:
            return self.secret

    ring = Ring(bytes(range(64)))
    made = wire.push_key(engine, ring)

    assert made == wire.push_key(engine, ring)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT value FROM settings WHERE key = 'push_key'")).scalar_one()
    assert made[0] in kept
    assert made[1] not in kept
    with pytest.raises(BadInput):
        wire.push_key(engine, Ring(bytes(64)))
