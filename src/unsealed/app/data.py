"""`unsealed data`: the files of facts about networks and places: listed, fetched, added.

Promises that a file is replaced only by one that came whole and can be read, that each file stands for itself (one that
cannot be had keeps its old version and is named), and that nothing leaves this machine but the requests for the files:
every look-up is answered from them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from time import monotonic
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import typer

from unsealed.app.config import Settings
from unsealed.app.wire import PLACES, now
from unsealed.core.network import BUILT_IN
from unsealed.model.errors import BadInput, Unavailable, UnsealedError
from unsealed.model.event import Network
from unsealed.model.upstream import is_local
from unsealed.model.view import DataFileRow
from unsealed.store.address_files import DataKind
from unsealed.store.places import data_files, keep

FRESH_FOR = timedelta(days=60)  # after that, ranges have moved between companies
BYTES_MAX = 300_000_000  # of one file
SILENCE_MAX_S = 30.0
TIME_MAX_S = 900.0  # for one file
READ_BYTES = 1 << 20
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".mmdb", ".gz")

# Openly licensed, or published for this use; fetched by no account. Looked at: 2026-11. ip-location-db moved from npm
# to its releases in June 2026, and says that what npm still serves is no longer corrected.
_IP_LOCATION_DB = "https://github.com/sapics/ip-location-db/releases/download/latest"
SOURCES = (
    f"{_IP_LOCATION_DB}/user-country.mmdb",  # PDDL: in which country the users of an address are
    f"{_IP_LOCATION_DB}/origin-asn-ipv4.csv",  # PDDL: which system announces an address
    f"{_IP_LOCATION_DB}/origin-asn-ipv6.csv",
    "https://mask-api.icloud.com/egress-ip-ranges.csv",  # Apple's list of its relay
    "https://ip-ranges.amazonaws.com/ip-ranges.json",
    "https://www.gstatic.com/ipranges/cloud.json",
)


def show(settings: Settings) -> None:
    """Print every file with its age, source and licence."""
    today = now().date()
    for row in (BUILT_IN, *data_files(settings.data / PLACES)):
        if row.trouble:
            typer.echo(f"{row.name:14}  NOT USED: {row.trouble}")
            continue
        licence = f"; {row.licence}" if row.licence else ""
        typer.echo(f"{row.name:14}  {age(row, today)}: {row.holds}, {row.rows:,} entries; {row.source}{licence}")
        if row.credit:
            typer.echo(f"{'':14}  pages that show places must show: {row.credit}, {row.credit_url}")


def age(row: DataFileRow, today: date) -> str:
    """ "of 2026-06-17, 158 days old"."""
    days = (today - row.as_of).days
    return f"of {row.as_of}, {'new' if days <= 0 else '1 day old' if days == 1 else f'{days} days old'}"


def add(settings: Settings, path: Path, *, kind: DataKind | None, network: Network | None) -> None:
    """Take one file, whatever it holds.

    Raises:
        BadInput: permanent; it cannot be used.
        Unavailable: temporary; it cannot be read or kept.
    """
    row = keep(
        settings.data / PLACES,
        path,
        name=path.name,
        source=path.name,
        dated=_dated(path),
        at=now(),
        kind=kind,
        network=network,
    )
    _said(row)


def update(settings: Settings, source: str | None) -> int:
    """Fetch all files anew; the exit status is 1 when one of them could not be had.

    source: a folder to take every file from, or the address of a copy of the files; else the publishers'.
    """
    failed = 0
    with tempfile.TemporaryDirectory(prefix="unsealed-") as room:
        for each in _wanted(source):
            try:
                with _fetched(each, Path(room)) as fetched:
                    row = keep(
                        settings.data / PLACES,
                        fetched.path,
                        name=Path(urlsplit(each).path).name,
                        source=each,
                        dated=fetched.dated,
                        at=now(),
                        may_shrink=False,
                    )
                _said(row)
            except UnsealedError as error:
                failed += 1
                typer.echo(f"{each}: {error}; nothing was changed", err=True)
    return 1 if failed else 0


def _said(row: DataFileRow) -> None:
    typer.echo(f"{row.name}: {row.holds}, {row.rows:,} entries {age(row, now().date())}")
    if row.credit:
        typer.echo(f"  pages that show places must show: {row.credit}, {row.credit_url}")


def _wanted(source: str | None) -> list[str]:
    """The addresses or paths to take, in order."""
    if source is None:
        return list(SOURCES)
    if source.startswith(("https://", "http://")):
        return [urljoin(f"{source.rstrip('/')}/", Path(urlsplit(each).path).name) for each in SOURCES]
    folder = Path(source)
    if not folder.is_dir():
        raise BadInput(f"--from {source}: neither a folder nor an address that begins with https://")
    found = sorted(str(path) for path in folder.iterdir() if path.suffix in DATA_SUFFIXES and path.is_file())
    if not found:
        raise BadInput(f"--from {source}: no file there ends in {', '.join(DATA_SUFFIXES)}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    path: Path
    dated: date


@contextmanager
def _fetched(source: str, room: Path) -> Iterator[_Fetched]:
    """A file on this machine, deleted afterwards when it was fetched."""
    if "://" not in source:
        path = Path(source)
        yield _Fetched(path=path, dated=_dated(path))
        return
    path = room / "file"
    try:
        yield _Fetched(path=path, dated=_download(source, path))
    finally:
        path.unlink(missing_ok=True)


def _dated(path: Path) -> date:
    try:
        return _day(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error


def _day(changed: datetime) -> date:
    """Its day; today when it is what packers write who hide the time (npm: 1985)."""
    return (changed if changed >= _EARLIEST else now()).date()


def _download(url: str, path: Path) -> date:
    """Fetch a file whole; returns the day that the server says it is of, else today."""
    _allowed(url)
    opener = build_opener(_OnlySecure)
    request = Request(url, headers={"User-Agent": "unsealed data update"})  # noqa: S310  (checked by _allowed)
    deadline, size = monotonic() + TIME_MAX_S, 0
    try:
        with opener.open(request, timeout=SILENCE_MAX_S) as answer, path.open("wb") as file:
            while chunk := answer.read(READ_BYTES):
                size += len(chunk)
                if size > BYTES_MAX:
                    raise Unavailable(f"more than {BYTES_MAX // 1_000_000} MB; not fetched to its end")
                if monotonic() > deadline:
                    raise Unavailable(f"not there after {TIME_MAX_S / 60:.0f} minutes")
                file.write(chunk)
            length, modified = answer.headers.get("Content-Length"), answer.headers.get("Last-Modified")
    except HTTPError as error:
        error.close()  # it is the answer, not read to its end
        raise Unavailable(f"the server answers {error.code} {error.reason}") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise Unavailable(f"not reached: {getattr(error, 'reason', error) or type(error).__name__}") from error
    if length is not None and int(length) != size:
        raise Unavailable(f"cut short: {size:,} of {int(length):,} bytes")
    try:
        return _day(parsedate_to_datetime(modified or "").astimezone(UTC))
    except ValueError:
        return now().date()


class _OnlySecure(HTTPRedirectHandler):
    """Follows redirects, but never out of TLS."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _allowed(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _allowed(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts.hostname or "")):
        raise Unavailable(f"not https, so that others could change the data on its way ({url})")
