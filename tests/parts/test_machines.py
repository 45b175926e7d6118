"""Several machines on one store."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.conftest import NOON

from unsealed.model.errors import BadInput
from unsealed.store import machines
from unsealed.store.keyring import KeyRing, load, rotate


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return load(tmp_path / "one")


def join(engine: Engine, ring: KeyRing, collector: str, journal: str) -> None:
    with engine.begin() as connection:
        machines.join(connection, ring, collector, journal)


def test_machines_with_the_same_keys_and_names_of_their_own_share_a_store(engine: Engine, ring: KeyRing) -> None:
    join(engine, ring, "one", "a1")
    join(engine, ring, "two", "b2")
    join(engine, ring, "one", "a1")  # started again

    with engine.connect() as connection:
        assert "" == machines.foreign(connection, ring, "two", "b2")
        assert "" == machines.foreign(connection, ring, "three", "")


def test_other_keys_are_refused_and_nothing_is_written(engine: Engine, ring: KeyRing, tmp_path: Path) -> None:
    join(engine, ring, "one", "a1")

    with pytest.raises(BadInput, match="copy the file `keys` of a machine that uses this store"):
        join(engine, load(tmp_path / "other"), "two", "b2")
    join(engine, ring, "two", "c3")


def test_keys_that_were_rotated_since_are_the_same_keys(engine: Engine, ring: KeyRing, tmp_path: Path) -> None:
    join(engine, ring, "one", "a1")
    rotate(tmp_path / "one", NOON)
    join(engine, load(tmp_path / "one"), "one", "a1")


def test_a_journal_with_the_name_of_another_is_refused(engine: Engine, ring: KeyRing) -> None:
    """What it holds would be passed over up to where the other was read, and deleted."""
    join(engine, ring, "main", "a1")

    with pytest.raises(BadInput, match=r"'main'.*track\.collector"):
        join(engine, ring, "main", "b2")
    with engine.connect() as connection:
        assert "track.collector" in machines.foreign(connection, ring, "main", "")
