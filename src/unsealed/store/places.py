"""The data folder's files about addresses, and what all of them say of one.

Promises that a look-up never raises, costs a few microseconds and asks nobody outside this machine; that a file is
taken whole or not at all, also through a power cut; and that one which broke later is passed over and named, while the
others work on. Does not decide what the facts mean: that is handed in.

    places/NAME.json              what the file holds, where it came from, its licence, its age; names the data
    places/NAME.HASH.ranges       the data, never changed under its name; deleted when NAME.json names another

The data is on disk before the note that names it, so every note there is names data that is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache, partial
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from unsealed.model.errors import BadInput, Unavailable, UnsealedError
from unsealed.model.event import HIDDEN, NOWHERE, Located, Network, NetworkClass, Place, PlaceState, Told
from unsealed.model.ranges import NOBODY, AddressFacts, RangeTable, build_table, lay_over, unwrap
from unsealed.model.view import DataFileRow
from unsealed.store.address_files import Contents, DataKind, read_contents, read_meaning
from unsealed.store.database_file import read_place
from unsealed.store.range_file import Ranges, load, pack

CACHED = 32_768  # look-ups remembered; some 10 MB when full

NetworkOf = Callable[[AddressFacts], Network]  # core.network.network_of
ToldOf = Callable[[Network], Told]  # core.network.told_of

# Named once: before Python 3.12 a member of an enum costs 80 ns each time.
_ALL, _NOTHING, _HIDDEN = Told.ALL, Told.NOTHING, Told.HIDDEN

_Said = tuple[Network | None, bool, Network | None]  # own, relay, cloud

_HOLDS = {
    DataKind.OWN: "your own ranges",
    DataKind.RELAY: "Apple's relay list",
    DataKind.CLOUD: "ranges of rented machines",
    DataKind.ROUTES: "whose network an address is in",
    DataKind.COUNTRY: "the country of an address",
    DataKind.CITY: "region and city of an address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What the licence of data in use wants on every page that shows places."""

    words: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    row: DataFileRow
    kind: DataKind
    versions: frozenset[int]
    data: str  # name of the file with the data
    size: int  # its bytes
    sha256: str  # of what came from the source


@dataclass(frozen=True, slots=True)
class _Database:
    ranges: Ranges
    places: dict[int, Place] = field(default_factory=dict)  # those that were asked for, by the table's value


class _Known(NamedTuple):
    """What is known of all addresses that the lists and the routing table say the same of."""

    network: Network
    told: Told
    nowhere: Located  # of those whose place is not known, or not told


@dataclass(slots=True)
class _Loaded:
    """The files in use. Never changed once it is asked, but for what it remembers."""

    lists: list[tuple[_Note, Ranges]] = field(default_factory=list)  # own ranges, the relay's, the clouds'
    table: RangeTable = field(default_factory=lambda: build_table(()))  # the built-in ranges and all lists in one
    said: list[tuple[int, _Said]] = field(default_factory=list)  # what each says, by the table's value
    relay_versions: frozenset[int] = frozenset()
    routes: dict[int, Ranges] = field(default_factory=dict)  # by version
    databases: dict[int, list[_Database]] = field(default_factory=lambda: {4: [], 6: []})  # by version
    known: dict[tuple[int, int, int], _Known] = field(default_factory=dict)  # by version and values of the tables


class Places:
    """Where addresses are, by the files of one folder. Without any it still says what the built-in ranges say."""

    def __init__(self, folder: Path, *, built_in: RangeTable, network_of: NetworkOf, told_of: ToldOf) -> None:
        self._folder = folder
        self._built_in = built_in
        self._network_of = network_of
        self._told_of = told_of
        self._load()

    def look_up(self, address: str) -> Located:
        """What is known of an address as text; "" (a local socket) is LOCAL, what cannot be read UNKNOWN."""
        return self._cached(address)

    def refresh(self) -> bool:
        """Take the files as they are now; says whether they changed. Costs one look into the folder when not."""
        if _names(self._folder) == self._seen:
            return False
        before = self.fingerprint
        self._load()
        return self.fingerprint != before

    @property
    def fingerprint(self) -> str:
        """Of the data in use, "" when there are no files: what was judged with another one may be judged again."""
        return self._fingerprint

    def files(self) -> tuple[DataFileRow, ...]:
        """The files, those that cannot be used with their trouble."""
        return tuple(replace(note.row, trouble=self._trouble.get(note.row.name, "")) for note in self._notes)

    def _load(self) -> None:
        self._seen = _names(self._folder)
        self._notes = _notes(self._folder)
        self._trouble: dict[str, str] = {note.row.name: note.row.trouble for note in self._notes}
        loaded, used = _Loaded(), []
        # Of two files that know an address the first decides: cities before countries, then the newer.
        for note in sorted(self._notes, key=lambda note: (note.kind is not DataKind.CITY, -note.row.as_of.toordinal())):
            if note.row.trouble:
                continue
            try:
                _add(loaded, note, self._folder / note.data)
                used.append(f"{note.row.name} {note.sha256}\n")
            except (UnsealedError, OSError) as error:
                self._trouble[note.row.name] = f"cannot be used: {error}"
        loaded.table, said = lay_over([self._built_in, *(ranges.table for _, ranges in loaded.lists)])
        loaded.said = [(first, _meanings(loaded.lists, rest)) for first, *rest in said]
        loaded.relay_versions = frozenset(
            version for note, _ in loaded.lists if note.kind is DataKind.RELAY for version in note.versions
        )
        self._fingerprint = hashlib.sha256("".join(sorted(used)).encode()).hexdigest()[:16] if used else ""
        # In one step, for threads that ask meanwhile: an answer from the old files is never remembered with the new.
        self._cached = lru_cache(maxsize=CACHED)(partial(self._find, loaded))

    def _find(self, loaded: _Loaded, address: str) -> Located:
        if not address:
            return Located(network=Network(kind=NetworkClass.LOCAL))
        text = address if "%" not in address else address.partition("%")[0]
        try:
            if ":" in text:
                version, number = unwrap(6, int.from_bytes(inet_pton(AF_INET6, text)))
            else:
                version, number = 4, int.from_bytes(inet_pton(AF_INET, text))
        except (OSError, ValueError):
            return Located(network=Network())
        listed = loaded.table.find(version, number)
        routes = loaded.routes.get(version)
        routed = 0 if routes is None else routes.table.find(version, number)
        known = loaded.known.get((version, listed, routed))
        if known is None:
            known = loaded.known[version, listed, routed] = self._known(loaded, version, listed, routed)
        network, told, nowhere = known
        if told is _HIDDEN or told is _NOTHING:
            return nowhere
        for database in loaded.databases[version]:
            value = database.ranges.table.find(version, number)
            if value:
                place = database.places.get(value)
                if place is None:
                    place = database.places[value] = read_place(database.ranges.meaning(value)[1])
                return Located(network, place if told is _ALL else _country_alone(place.country))
        return nowhere

    def _known(self, loaded: _Loaded, version: int, listed: int, routed: int) -> _Known:
        built_in, (own, relay, cloud) = loaded.said[listed]
        system, organisation = loaded.routes[version].meaning(routed) if routed else (0, "")
        asked = relay if version in loaded.relay_versions else None
        network = self._network_of(AddressFacts(built_in, own, asked, cloud, system, organisation))
        told = self._told_of(network)
        return _Known(network, told, Located(network=network, place=HIDDEN if told is _HIDDEN else NOWHERE))


@lru_cache(maxsize=300)
def _country_alone(country: str) -> Place:
    return Place(state=PlaceState.KNOWN, country=country)


def _add(loaded: _Loaded, note: _Note, path: Path) -> None:
    ranges = load(path)
    match note.kind:
        case DataKind.OWN | DataKind.RELAY | DataKind.CLOUD:
            loaded.lists.append((note, ranges))
        case DataKind.ROUTES:
            for version in note.versions:
                loaded.routes.setdefault(version, ranges)
        case DataKind.COUNTRY | DataKind.CITY:
            database = _Database(ranges)
            for version in note.versions:
                loaded.databases[version].append(database)


def _meanings(lists: list[tuple[_Note, Ranges]], said: list[int]) -> _Said:
    """What the lists say of an address, given the value that it has in each."""
    own = cloud = None
    relay = False
    for (note, ranges), value in zip(lists, said, strict=True):
        match note.kind:
            case DataKind.RELAY:
                relay = relay or value != NOBODY
            case DataKind.OWN if value:
                own = read_meaning(ranges.meaning(value)[1])
            case DataKind.CLOUD if value:
                cloud = cloud or read_meaning(ranges.meaning(value)[1])
    return own, relay, cloud


# The folder


def data_files(folder: Path) -> tuple[DataFileRow, ...]:
    """The files, by name, as their notes say; cheap. Of damage only missing and cut data is noticed."""
    return tuple(note.row for note in _notes(folder))


def examine(folder: Path) -> tuple[DataFileRow, ...]:
    """The same, after every byte of data was read again."""
    return tuple(replace(note.row, trouble=note.row.trouble or _damage(folder / note.data)) for note in _notes(folder))


def credits_for(rows: tuple[DataFileRow, ...]) -> tuple[Credit, ...]:
    """What pages that show places must show, once each."""
    return tuple({row.credit: Credit(words=row.credit, url=row.credit_url) for row in rows if row.credit}.values())


def keep(
    folder: Path,
    path: Path,
    *,
    name: str,
    source: str,
    dated: date,
    at: datetime,
    kind: DataKind | None = None,
    network: Network | None = None,
    may_shrink: bool = True,
) -> DataFileRow:
    """Take a file among the data files, in place of what it supersedes.

    name: what it was called where it came from. source: where that was, for people.
    dated: its age, for a file that does not say itself.
    kind: what it must turn out to be. network: whose the prefixes of a plain list are.
    may_shrink: False refuses what holds less than half of what it would replace: a source in trouble.

    Raises:
        BadInput: permanent; it cannot be used, and nothing was changed.
        Unavailable: temporary; it cannot be read or kept, and nothing was changed.
    """
    try:
        contents = read_contents(path, name, kind=kind, network=network)
        before = next((row for row in data_files(folder) if row.name == contents.name), None)
        if not may_shrink and before is not None and 2 * contents.rows < before.rows:
            raise BadInput(
                f"it holds {contents.rows:,} rows, the old file {before.rows:,}; if that is right: unsealed data add"
            )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with _alone(folder):
            return _keep(folder, contents, sha256, source, dated, at)
    except OSError as error:
        raise Unavailable(f"{error.filename or path}: {error.strerror}") from error


def _keep(folder: Path, contents: Contents, sha256: str, source: str, dated: date, at: datetime) -> DataFileRow:
    data = f"{contents.name}.{sha256[:12]}.ranges"
    packed = pack(contents.ranges)
    _write(folder / data, lambda out: out.write_bytes(packed))
    row = DataFileRow(
        name=contents.name,
        holds=_HOLDS[contents.kind],
        source=source,
        licence=contents.publisher.licence,
        credit=contents.publisher.credit,
        credit_url=contents.publisher.credit_url,
        as_of=contents.as_of or dated,
        added_at=at,
        rows=contents.rows,
    )
    note = json.dumps(
        {
            "version": 1,
            "kind": contents.kind,
            "versions": sorted(contents.versions),
            "data": data,
            "size": (folder / data).stat().st_size,
            "sha256": sha256,
            "source": row.source,
            "licence": row.licence,
            "credit": row.credit,
            "credit_url": row.credit_url,
            "as_of": row.as_of.isoformat(),
            "added_at": at.isoformat(),
            "rows": row.rows,
        },
        indent=1,
    )
    _write(folder / f"{contents.name}.json", lambda out: out.write_text(note + "\n", encoding="utf-8"))
    _drop_superseded(folder, contents)
    return row


def _drop_superseded(folder: Path, contents: Contents) -> None:
    """Delete what the new file replaces: of the same kind, a file for both versions replaces one for each."""
    notes = _notes(folder)
    for note in notes:
        if (
            note.row.name != contents.name
            and note.kind is contents.kind
            and contents.kind not in (DataKind.OWN, DataKind.CLOUD)
            and note.versions <= contents.versions
        ):
            (folder / f"{note.row.name}.json").unlink()
    used = {note.data for note in _notes(folder)}
    for each in folder.iterdir():
        if each.suffix in (".ranges", ".new") and each.name not in used:
            each.unlink(missing_ok=True)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Make a file that is there whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    write(new)
    with new.open("rb+") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _notes(folder: Path) -> list[_Note]:
    return [_note(folder, name.removesuffix(".json")) for name in _names(folder) if name.endswith(".json")]


def _note(folder: Path, name: str) -> _Note:
    path = folder / f"{name}.json"
    try:
        said = json.loads(path.read_bytes())
        if said["version"] != 1:
            raise BadInput("written by a later version")
        kind, data, size = DataKind(said["kind"]), Path(said["data"]).name, int(said["size"])
        trouble = ""
        try:
            if (folder / data).stat().st_size != size:
                trouble = "cut short or changed"
        except FileNotFoundError:
            trouble = f"{data} is gone"
        row = DataFileRow(
            name=name,
            holds=_HOLDS[kind],
            source=str(said["source"]),
            licence=str(said["licence"]),
            credit=str(said["credit"]),
            credit_url=str(said["credit_url"]),
            as_of=date.fromisoformat(said["as_of"]),
            added_at=datetime.fromisoformat(said["added_at"]),
            rows=int(said["rows"]),
            trouble=trouble,
        )
        versions = frozenset({4, 6}) & frozenset(said["versions"])
        return _Note(row=row, kind=kind, versions=versions, data=data, size=size, sha256=str(said["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, UnsealedError) as error:
        row = DataFileRow(name=name, holds="unknown", source="", licence="", as_of=date.min, trouble=f"{path}: {error}")
        return _Note(row=row, kind=DataKind.OWN, versions=frozenset(), data="", size=0, sha256="")


def _damage(path: Path) -> str:
    try:
        load(path)
    except (BadInput, OSError) as error:
        return str(error)
    return ""
