"""The key ring on disk: made once, never shrinking, readable by its owner alone."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from unsealed.model.errors import BadInput, Refused, Unavailable
from unsealed.store.keyring import FILE, load, rotate

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_first_call_makes_one_key_and_later_calls_find_it(tmp_path: Path) -> None:
    ring = load(tmp_path / "data")

    assert ring == load(tmp_path / "data")
    assert [1] == [key.id for key in ring.entries]
    assert ring.newest == 1
    assert len(ring.key(1) or b"") == 64
    assert ring.key(2) is None
    assert ring.entries[0].made.tzinfo is UTC


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    ring = load(tmp_path)

    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert not ring.exposed


def test_a_file_that_others_can_read_is_used_and_said(tmp_path: Path) -> None:
    made = load(tmp_path)
    (tmp_path / FILE).chmod(0o640)

    assert load(tmp_path).exposed
    assert load(tmp_path).entries == made.entries


def test_rotating_adds_a_key_that_seals_and_keeps_the_others(tmp_path: Path) -> None:
    first = load(tmp_path)

    ring = rotate(tmp_path, NOON)

    assert ring == load(tmp_path)
    assert ring.newest == 2
    assert ring.entries[1].made == NOON
    assert ring.key(1) == first.key(1)
    assert ring.key(2) != first.key(1)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_full_ring_refuses_another_key_and_stays_as_it_is(tmp_path: Path) -> None:
    load(tmp_path)
    for _ in range(255):
        ring = rotate(tmp_path, NOON)

    with pytest.raises(Refused):
        rotate(tmp_path, NOON)
    assert ring == load(tmp_path)
    assert sorted(key.id for key in ring.entries) == list(range(256))


def test_two_processes_that_rotate_at_once_add_two_keys(tmp_path: Path) -> None:
    load(tmp_path)
    threads = [threading.Thread(target=rotate, args=(tmp_path, NOON)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({key.secret for key in load(tmp_path).entries}) == 9


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"version": 2, "keys": []}',
        b'{"version": 1, "keys": []}',
        b'{"version": 1, "keys": [{"id": 1, "made": "x", "key": ""}]}',
        b'{"version": 1, "keys": [{"id": 1, "made": "2026-11-21T12:00:00+00:00", "key": "AAAA"}]}',
        b'{"version": 1, "keys": [{"id": 1, "made": "2026-11-21T12:00:00+00:00", "key": "!"}]}',
    ],
)
def test_a_file_that_is_no_ring_is_an_error_and_is_never_replaced(tmp_path: Path, written: bytes) -> None:
    (tmp_path / FILE).write_bytes(written)

    with pytest.raises(BadInput):
        load(tmp_path)
    with pytest.raises(BadInput):
        rotate(tmp_path, NOON)
    assert written == (tmp_path / FILE).read_bytes()


@pytest.mark.parametrize("key_id", [-1, 256])
def test_an_id_that_does_not_fit_into_a_token_is_an_error(tmp_path: Path, key_id: int) -> None:
    load(tmp_path)
    ring = json.loads((tmp_path / FILE).read_text())
    ring["keys"][0]["id"] = key_id
    (tmp_path / FILE).write_text(json.dumps(ring))

    with pytest.raises(BadInput):
        load(tmp_path)


def test_what_a_crash_left_over_does_not_matter(tmp_path: Path) -> None:
    ring = load(tmp_path)
    (tmp_path / f"{FILE}.new").write_bytes(b"half a ring")

    assert ring == load(tmp_path)
    assert rotate(tmp_path, NOON) == load(tmp_path)
    assert not (tmp_path / f"{FILE}.new").exists()


def test_a_folder_that_cannot_be_used_is_a_temporary_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable):
        load(tmp_path / "file" / "data")


def test_secrets_do_not_show_in_the_printed_form(tmp_path: Path) -> None:
    ring = load(tmp_path)

    assert "secret" not in repr(ring)
    assert "_by_id" not in repr(ring)
