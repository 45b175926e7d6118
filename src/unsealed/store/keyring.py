"""The key ring of the installation: one file beside the database, never inside it.

Promises that a key, once made, is on disk before anything is sealed with it, and that no key is ever removed: links in
sent mail open for ever. A copy of the database alone can neither forge a link nor open one; the ring needs a backup of
its own.

`keys` in the data folder, JSON, mode 0600: {"version": 1, "keys": [{"id": 1, "made": "...", "key": "<base64>"}]}.
The last one seals new mail. A change is written to a new file that takes the place of the old one when it is on disk.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from unsealed.model.errors import BadInput, Refused, Unavailable

FILE = "keys"
KEY_BYTES = 64
MAX_KEYS = 256  # the key id is one byte of the token


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of the ring."""

    id: int
    made: datetime
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """All keys, oldest first; implements model.ports.Keys."""

    entries: tuple[Key, ...]
    exposed: bool = False  # other accounts of the machine may read the file: a warning for `check`
    _by_id: dict[int, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {key.id: key.secret for key in self.entries})

    @property
    def newest(self) -> int:
        """Id of the key that seals new mail."""
        return self.entries[-1].id

    def key(self, key_id: int) -> bytes | None:
        """The 64-byte AES-SIV key with that id, or None."""
        return self._by_id.get(key_id)


def load(data: Path) -> KeyRing:
    """The key ring of a data folder; makes it, with one key, on the first call.

    Raises:
        BadInput: permanent; the file is not a key ring. It is never replaced: without its keys no sent link opens.
        Unavailable: temporary; it cannot be read or written.
    """
    ring = _read(data)
    if ring is None:
        with _alone(data):
            ring = _read(data)  # another process may have been first
            if ring is None:
                # The lock file was touched just now: its time spares every caller a clock for what happens once.
                made = datetime.fromtimestamp((data / f"{FILE}.lock").stat().st_mtime, UTC)
                ring = KeyRing(entries=(_new(1, made),))
                _write(data, ring)
    return ring


def rotate(data: Path, at: datetime) -> KeyRing:
    """Add a key that seals new mail from now on; the others go on opening. Processes that run see it when they load.

    Raises:
        Refused: permanent; the ring is full (256 keys).
        BadInput, Unavailable: as `load`.
    """
    with _alone(data):
        ring = _read(data) or KeyRing(entries=())
        if len(ring.entries) >= MAX_KEYS:
            raise Refused(f"the ring is full: {MAX_KEYS} keys")
        used = {key.id for key in ring.entries}
        key_id = next(number % MAX_KEYS for number in range(1, MAX_KEYS + 1) if number % MAX_KEYS not in used)
        ring = KeyRing(entries=(*ring.entries, _new(key_id, at)))
        _write(data, ring)
    return ring


def _new(key_id: int, at: datetime) -> Key:
    return Key(id=key_id, made=at, secret=secrets.token_bytes(KEY_BYTES))


def _read(data: Path) -> KeyRing | None:
    path = data / FILE
    try:
        with path.open("rb") as file:
            exposed = bool(os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO))
            written = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"the key ring {path} cannot be read: {error.strerror}") from error
    try:
        ring = json.loads(written)
        if ring["version"] != 1:
            raise BadInput(f"the key ring {path} was written by a later version")
        keys = tuple(
            Key(
                id=int(key["id"]),
                made=datetime.fromisoformat(key["made"]),
                secret=base64.b64decode(key["key"], validate=True),
            )
            for key in ring["keys"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a key ring; restore it from a backup") from error
    ids = {key.id for key in keys}
    if not keys or len(ids) != len(keys) or not ids <= set(range(MAX_KEYS)):
        raise BadInput(f"{path} is not a key ring; restore it from a backup")
    if any(len(key.secret) != KEY_BYTES for key in keys):
        raise BadInput(f"{path} holds a key of the wrong length; restore it from a backup")
    return KeyRing(entries=keys, exposed=exposed)


def _write(data: Path, ring: KeyRing) -> None:
    keys = [
        {"id": key.id, "made": key.made.isoformat(), "key": base64.b64encode(key.secret).decode()}
        for key in ring.entries
    ]
    path = data / f"{FILE}.new"
    try:
        path.unlink(missing_ok=True)  # left over by a crash; O_EXCL keeps its mode from being somebody else's choice
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(json.dumps({"version": 1, "keys": keys}, indent=1).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        path.replace(data / FILE)
        folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # the new name is on disk too
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"the key ring {data / FILE} cannot be written: {error.strerror}") from error


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One writer at a time, over all processes."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data / f"{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the data folder {data} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(lock)
        yield
    finally:
        os.close(lock)
