"""Which machines share a store: all with one key ring, each with a journal of its own name.

Promises that a server with another key ring does not start beside the others: its mail would hold links that they do
not open, and it could open none of theirs. And that two journals never go by one name: the store knows for each name
how far it was read, so what the one recorded would be passed over and deleted as if the other had shipped it.

For stores on PostgreSQL. One on SQLite lies in the data folder of its one machine, and is restored without a journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from sqlalchemy import Connection, select

from unsealed.model.errors import BadInput
from unsealed.store import schema
from unsealed.store.engine import insert
from unsealed.store.keyring import KeyRing


def join(connection: Connection, ring: KeyRing, collector: str, journal: str) -> None:
    """Be one of the machines of this store; the first decides.

    journal: the identity of the one that goes by the name of this collector.

    Raises:
        BadInput: permanent; says what this machine has to change.
    """
    rows = [{"key": key, "value": value} for key, value in _said(ring, collector, journal)]
    connection.execute(insert(schema.settings, connection.dialect).on_conflict_do_nothing(index_elements=["key"]), rows)
    if wrong := foreign(connection, ring, collector, journal):
        raise BadInput(wrong)


def foreign(connection: Connection, ring: KeyRing, collector: str, journal: str) -> str:
    """Why a machine cannot be one of this store, and what to do; "" when it can."""
    s = schema.settings.c
    (key, mine), (name, own) = _said(ring, collector, journal)
    known = {row.key: row.value for row in connection.execute(select(schema.settings).where(s.key.in_((key, name))))}
    if known.get(key, mine) != mine:
        return (
            "the keys in this data folder are not those of the store: copy the file `keys` of a machine that uses"
            " this store into it"
        )
    if known.get(name, own) != own:
        return (
            f"the journal of another data folder goes by the name {collector!r} in this store: give this machine a name"
            " of its own with track.collector"
        )
    return ""


def _said(ring: KeyRing, collector: str, journal: str) -> Iterator[tuple[str, str]]:
    """What the store keeps of a machine. Of the ring its oldest key, which every copy of it holds however often it was
    rotated since; it has 64 random bytes, so its hash tells nobody what it is."""
    yield "ring", json.dumps(sha256(b"ring" + ring.entries[0].secret).hexdigest())
    yield f"journal {collector}", json.dumps(journal)
