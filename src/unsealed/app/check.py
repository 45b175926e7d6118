"""`unsealed check`: what is wrong, before anything starts and while it runs.

Promises to change nothing, to look at everything even when the first look finds trouble, and to say with each finding
what to do. Nothing is made that is missing: the first start makes it.
"""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import shlex
import shutil
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import typer
from cryptography import x509
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from unsealed.app.config import Settings
from unsealed.app.config_values import Listen
from unsealed.app.data import FRESH_FOR, age
from unsealed.app.wire import COLLECTOR_SOCKET, PLACES, journal_folder, now
from unsealed.core.network import BUILT_IN
from unsealed.model.errors import DeliveryFailed, UnsealedError
from unsealed.model.ports import Clock
from unsealed.model.upstream import Tls, is_local
from unsealed.outlets.smtp import SmtpOutlet
from unsealed.store import engine as stores
from unsealed.store import keyring, machines, people, proofs, schema
from unsealed.store.address_files import DataKind
from unsealed.store.journal import identity
from unsealed.store.migrate import NEWEST, NO_SEARCH, can_search, revision
from unsealed.store.people import User
from unsealed.store.places import examine

TIMEOUT_S = 10.0  # for each answer from outside
LITTLE_SPACE = 1_000_000_000  # bytes: time to act
NO_SPACE = 10_000_000  # bytes: the journal and the store stop at any moment
CERTIFICATE_ENDS_SOON = timedelta(days=14)
EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)  # this program did not exist before
FORGETFUL = ("tmpfs", "ramfs", "overlay")  # file systems whose files do not outlive the machine or its container
SHARED = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")  # SQLite's locks and fsync cannot be relied on there


class State(StrEnum):
    """How it stands with one thing that was looked at."""

    OK = "ok"
    WARN = "warn"  # works, but not as it should
    FAIL = "fail"  # does not work, or harms mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    state: State
    what: str  # "tracking address"
    where: str  # the path, address or URL
    words: str
    remedy: str = ""


def show(settings: Settings, *, clock: Clock = now) -> int:
    """Print all findings; the exit status is 1 when one of them is a failure."""
    findings = run(settings, clock=clock)
    for each in findings:
        typer.echo(f"{each.state:4}  {each.what}: {each.where}: {each.words}")
        if each.remedy:
            typer.echo(f"      -> {each.remedy}")
    failed = sum(each.state is State.FAIL for each in findings)
    warned = sum(each.state is State.WARN for each in findings)
    typer.echo(f"{len(findings)} looked at, {warned} to look into, {failed} wrong")
    return 1 if failed else 0


def run(settings: Settings, *, clock: Clock = now) -> list[Finding]:
    """Look at everything. Never raises for what is wrong; never shows a password."""
    return [
        *data_folder(settings.data),
        *key_ring(settings.data),
        *store(settings, clock()),
        *data_about_addresses(settings.data, clock().date()),
        *listeners(settings),
        *certificate(settings, clock()),
        *addresses(settings),
        *tracking_answers(settings),
        *collector(settings),
        *upstream(settings, clock),
    ]


def data_folder(data: Path) -> Iterator[Finding]:
    """The folder: writable, private, roomy, on a disk that remembers."""

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="data folder", where=str(data), words=words, remedy=remedy)

    existing = next(path for path in (data, *data.parents) if path.exists())
    if not existing.is_dir():
        yield found(State.FAIL, f"{existing} is not a folder", "choose another with --data")
        return
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        yield found(State.FAIL, f"this user may not write to {existing}", "change its owner, or run as its owner")
        return
    kind = _file_system(existing)
    free = shutil.disk_usage(existing).free
    room = f"{free / 1e9:.1f} GB free on {kind}"
    if free < NO_SPACE:
        yield found(State.FAIL, f"only {free / 1e6:.0f} MB free", "make room: nothing can be kept when it is full")
    elif free < LITTLE_SPACE:
        yield found(State.WARN, f"only {free / 1e6:.0f} MB free", "make room: nothing can be kept when it is full")
    else:
        yield found(State.OK, f"{room}{'' if data == existing else '; the first start makes it'}")
    if kind in FORGETFUL:
        yield found(State.WARN, f"{kind} does not outlive this machine", "keep what matters on a disk or a volume")
    if kind in SHARED:
        yield found(State.WARN, f"a lock or a sync on {kind} may not hold", "use a local disk, or PostgreSQL")
    if data.exists() and data.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield found(State.WARN, "other accounts of this machine may look inside", f"chmod 700 {data}")


def _file_system(path: Path) -> str:
    """Name of the kind of file system that holds `path`, as the system calls it."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown file system"
    real = path.resolve()
    holding = [(point, kind) for point, kind in mounts if real.is_relative_to(point.replace("\\040", " "))]
    return max(holding, key=lambda mount: len(mount[0]), default=("", "an unknown file system"))[1]


def key_ring(data: Path) -> Iterator[Finding]:
    """The keys: present, readable, private."""
    path = data / keyring.FILE

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="keys", where=str(path), words=words, remedy=remedy)

    if not path.exists():
        if (data / "unsealed.db").exists():
            yield found(
                State.FAIL, "the key ring is gone, the store is there", "restore it: without it no sent link opens"
            )
        else:
            yield found(State.OK, "none yet; the first start makes one")
        return
    try:
        ring = keyring.load(data)
    except UnsealedError as error:
        yield found(State.FAIL, str(error), "restore the file from a backup")
        return
    if ring.exposed:
        yield found(
            State.FAIL, "other accounts of this machine may read it", f"chmod 600 {path}; then: unsealed keys rotate"
        )
    else:
        yield found(State.OK, f"{len(ring.entries)} in the ring; key {ring.newest} seals new mail")


def store(settings: Settings, at: datetime) -> Iterator[Finding]:
    """The store: reachable, at a schema that this program knows, and no younger than the clock."""
    on_sqlite = settings.store_url.startswith("sqlite")
    place = settings.store_url.removeprefix("sqlite:///") if on_sqlite else "PostgreSQL"

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="store", where=place, words=words, remedy=remedy)

    if on_sqlite and not Path(place).exists():
        yield found(State.OK, "none yet; the first start makes it")
        yield _clock(at, None)
        return
    try:
        engine = stores.connect(settings.store_url)
    except UnsealedError as error:
        words, _, remedy = str(error).partition(": ")
        yield found(State.FAIL, words, remedy)
        return
    try:
        with stores.reading(engine) as connection:
            schema_revision = revision(connection)
            newest, searches, wrong, owner = None, can_search(connection), "", None
            if schema_revision == NEWEST:
                newest = connection.execute(select(func.max(schema.messages.c.received_at))).scalar()
                wrong = "" if on_sqlite else _foreign(connection, settings)
                owner = _awaited_owner(connection, at)
    except (SQLAlchemyError, UnsealedError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        yield found(State.FAIL, f"it does not answer: {reason}", "start it, or set store.url right")
        return
    finally:
        engine.dispose()
    if not searches:
        yield found(State.FAIL, NO_SEARCH, "use a Python whose SQLite has it, as that of python.org, or PostgreSQL")
    elif wrong:
        words, _, remedy = wrong.partition(": ")
        yield found(State.FAIL, words, remedy)
    elif schema_revision == NEWEST:
        yield found(State.OK, f"answers; schema {NEWEST}")
    elif schema_revision is None or schema_revision < NEWEST:
        yield found(State.OK, f"answers; the next start brings it to schema {NEWEST}")
    else:
        yield found(State.FAIL, f"a newer Unsealed made it (schema {schema_revision})", "run that version")
    if owner is not None:
        another = shlex.join(["unsealed", "user", "link", owner.email, "--data", str(settings.data)])
        remedy = f"open the link that the start printed; another: {another}"
        yield Finding(state=State.OK, what="owner", where=owner.email, words="has not signed in yet", remedy=remedy)
    yield _clock(at, newest)


def _awaited_owner(connection: Connection, at: datetime) -> User | None:
    owner = people.owner(connection)
    return owner if owner is not None and proofs.awaited(connection, owner, at) else None


def _foreign(connection: Connection, settings: Settings) -> str:
    """Why this machine cannot serve that store; "" when it can, or was not started yet."""
    if not (settings.data / keyring.FILE).exists():
        return ""
    journal = identity(journal_folder(settings), make=False)
    return machines.foreign(connection, keyring.load(settings.data), settings.track.collector, journal)


def _clock(at: datetime, newest: datetime | None) -> Finding:
    where = f"{at:%Y-%m-%d %H:%M} UTC"
    if at < EARLIEST or (newest is not None and newest > at + timedelta(minutes=5)):
        words, remedy = "earlier than what was written here before", "set it right (NTP): times of opens would be wrong"
        return Finding(state=State.WARN, what="clock", where=where, words=words, remedy=remedy)
    return Finding(state=State.OK, what="clock", where=where, words="plausible")


def data_about_addresses(data: Path, today: date) -> Iterator[Finding]:
    """The files of facts about networks and places: whole, and not too old. None is needed."""

    def found(name: str, state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="data", where=name, words=words, remedy=remedy)

    yield found(BUILT_IN.name, State.OK, f"{BUILT_IN.holds}, {age(BUILT_IN, today)}")
    rows = examine(data / PLACES)
    for row in rows:
        if row.trouble:
            remedy = "unsealed data update, or unsealed data add FILE; until then the others are used"
            yield found(row.name, State.FAIL, f"not used: {row.trouble}", remedy)
        elif today - row.as_of > FRESH_FOR and row.name != DataKind.OWN:
            fetched = row.source.startswith("http")
            remedy = "unsealed data update" if fetched else "unsealed data add FILE, with a newer one"
            yield found(row.name, State.WARN, f"{row.holds}, {age(row, today)}: addresses change hands", remedy)
        else:
            yield found(row.name, State.OK, f"{row.holds}, {age(row, today)}")
    if not rows:
        yield found("none", State.OK, "unsealed data update brings countries, networks and Apple's relay list")


def listeners(settings: Settings) -> Iterator[Finding]:
    """The addresses to listen on: each another, and free or held by this installation."""
    wanted: list[tuple[str, Listen, Callable[[Listen], bool]]] = [
        ("web.listen", settings.web.listen, lambda listen: "status" in _healthz(listen.url)[1]),
        ("track.listen", settings.track.listen, lambda listen: _healthz(listen.url)[1].get("role") == "collect"),
        ("smtp.listen", settings.smtp.listen, _greets_as_unsealed),
    ]
    if settings.smtp.tls_listen is not None:
        wanted.append(
            ("smtp.tls_listen", settings.smtp.tls_listen, lambda _: _greets_as_unsealed(settings.smtp.listen))
        )
    for number, (what, listen, ours) in enumerate(wanted):
        before = next((name for name, other, _ in wanted[:number] if _clash(other, listen)), None)
        if before is not None:
            state, words, remedy = State.FAIL, f"{before} has the same port", "choose another port"
        else:
            state, words, remedy = _free(listen)
        if state is State.FAIL and words == _TAKEN and ours(listen):
            state, words, remedy = State.OK, "Unsealed listens here", ""
        yield Finding(state=state, what=what, where=str(listen), words=words, remedy=remedy)
    if not settings.smtp.listen.loopback and settings.smtp.certificate is None:
        yield Finding(
            state=State.WARN,
            what="smtp.listen",
            where=str(settings.smtp.listen),
            words="without a certificate nobody but programs on this machine can sign in",
            remedy="set smtp.certificate and smtp.key",
        )


_TAKEN = "another program listens here"


def _clash(one: Listen, other: Listen) -> bool:
    """Whether no more than one of them can be listened on: `near` is the same where one takes all addresses."""
    return 0 != one.port == other.port and one.near == other.near


def _free(listen: Listen) -> tuple[State, str, str]:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            listen.host, listen.port, family=listen.family, type=socket.SOCK_STREAM
        )[0]
        with closing(socket.socket(family, kind)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)  # a socket that is bound alone does not clash with one that listens
    except socket.gaierror:
        return State.FAIL, "there is no such host", "write an address of this machine"
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                return State.FAIL, _TAKEN, "stop it, or choose another port"
            case errno.EACCES:
                return State.FAIL, "ports below 1024 are for privileged programs", "choose a port above, or a proxy"
            case errno.EADDRNOTAVAIL:
                return State.FAIL, "this machine has no such address", "write an address of this machine"
            case _:
                return State.FAIL, f"{error.strerror}", "choose another address"
    return State.OK, "free", ""


def _greets_as_unsealed(listen: Listen) -> bool:
    try:
        with closing(socket.create_connection((listen.near, listen.port), timeout=TIMEOUT_S)) as connection:
            return b"Unsealed" in connection.recv(512)
    except OSError:
        return False


def _healthz(base: str) -> tuple[str, dict[str, object]]:
    """Why `base`/healthz does not answer ("" when it does), and what it says."""
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return _healthz_of(kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _healthz_of(connection: http.client.HTTPConnection) -> tuple[str, dict[str, object]]:
    try:
        connection.request("GET", "/healthz", headers={"User-Agent": "unsealed check"})
        answer = connection.getresponse()
        said = json.loads(answer.read(65_536))
        return "", said if isinstance(said, dict) else {}
    except ssl.SSLCertVerificationError as error:
        return f"its certificate cannot be trusted: {error.verify_message}", {}
    except OSError as error:
        return f"it cannot be reached: {error.strerror or error}", {}
    except (http.client.HTTPException, ValueError):
        return "something else answers there", {}
    finally:
        connection.close()


def certificate(settings: Settings, at: datetime) -> Iterator[Finding]:
    """The certificate for mail programs: readable, belonging to its key, not at its end."""
    path, key = settings.smtp.certificate, settings.smtp.key
    if path is None or key is None:
        return

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="certificate", where=str(path), words=words, remedy=remedy)

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(path, key)
        leaf = x509.load_pem_x509_certificate(path.read_bytes())
        exposed = bool(key.stat().st_mode & stat.S_IROTH)
    except ssl.SSLError as error:
        words = (
            "the key does not belong to it"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"not usable: {error.reason or 'it or its key is no PEM file'}"
        )
        yield found(State.FAIL, words, "set smtp.certificate and smtp.key to files of the same pair")
        return
    except (OSError, ValueError) as error:
        yield found(State.FAIL, f"cannot be read: {getattr(error, 'strerror', None) or error}", "look at path and mode")
        return
    ends = leaf.not_valid_after_utc
    if ends <= at:
        yield found(State.FAIL, f"ended on {ends:%Y-%m-%d}", "renew it; mail programs refuse it")
    elif leaf.not_valid_before_utc > at:
        yield found(State.FAIL, f"begins only on {leaf.not_valid_before_utc:%Y-%m-%d}", "look at the clock")
    elif ends <= at + CERTIFICATE_ENDS_SOON:
        yield found(State.WARN, f"ends on {ends:%Y-%m-%d}", "renew it")
    else:
        yield found(State.OK, f"belongs to its key, good until {ends:%Y-%m-%d}")
    if exposed:
        yield Finding(
            state=State.WARN,
            what="certificate key",
            where=str(key),
            words="every account of this machine may read it",
            remedy=f"chmod 600 {key}",
        )


def addresses(settings: Settings) -> Iterator[Finding]:
    """The public addresses: what people and their mail programs are given."""
    track, web = urlsplit(settings.track_url), urlsplit(settings.web_url)

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="tracking address", where=settings.track_url, words=words, remedy=remedy)

    if not settings.links_reach_readers:
        yield found(
            State.FAIL,
            "mail leaves this machine, but its links would lead to the reader's own: nothing is tracked",
            "set track.url to the public https address of the tracking host",
        )
    elif is_local(track.hostname or ""):
        yield found(State.OK, "for this machine alone, as the mail")
    else:
        unresolved = _unresolved(track.hostname or "")
        if unresolved:
            yield found(State.FAIL, unresolved, "set the name up in DNS, or set track.url right")
        elif track.scheme != "https":
            yield found(State.WARN, "links without TLS are warned of, and can be changed on their way", "use https")
        else:
            yield found(State.OK, "https, and the name is known")
    if (track.hostname, track.port) == (web.hostname, web.port):
        yield found(State.FAIL, "the pages have the same address", "give the tracking host a name of its own")
    if web.scheme != "https" and not is_local(web.hostname or ""):
        yield Finding(
            state=State.WARN,
            what="web address",
            where=settings.web_url,
            words="passwords and sessions travel in clear",
            remedy="put a proxy with TLS in front and set web.url to https://...",
        )


def _unresolved(host: str) -> str:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return f"the name {host} is not known"
    return ""


def tracking_answers(settings: Settings) -> Iterator[Finding]:
    """Whether the public tracking address leads to the collector; asked only when that runs."""
    if (
        settings.track_url == settings.track.listen.url
        or _healthz(settings.track.listen.url)[1].get("role") != "collect"
    ):
        return
    trouble, said = _healthz(settings.track_url)
    ours = said.get("role") == "collect"
    yield Finding(
        state=State.OK if ours else State.FAIL,
        what="tracking address",
        where=settings.track_url,
        words="leads to the collector" if ours else trouble or "something else answers there",
        remedy="" if ours else f"let the proxy pass it on to {settings.track.listen}",
    )


def collector(settings: Settings) -> Iterator[Finding]:
    """How the running collector is; nothing when none runs. Asked through the data folder, because `serve` may have
    been given another port than this command."""
    private = settings.data / COLLECTOR_SOCKET
    where = str(private)
    _, said = _healthz_of(_UnixConnection(private)) if private.is_socket() else ("", {})
    if said.get("role") != "collect":
        where = str(settings.track.listen)
        _, said = _healthz(settings.track.listen.url)
    if said.get("role") != "collect":
        return
    reasons, misses = said.get("reasons"), said.get("misses", 0)
    if not said.get("ok"):
        words = "; ".join(map(str, reasons)) if isinstance(reasons, list) else "not well"
        state, remedy = State.FAIL, "look at the disk of the data folder; readers are served meanwhile"
    elif misses:
        words = f"well now, but {misses} requests were answered without being recorded since it started"
        state, remedy = State.WARN, "look into the log for the reason"
    else:
        state, words, remedy = State.OK, f"well; {said.get('hits', 0)} requests recorded since it started", ""
    yield Finding(state=state, what="collector", where=where, words=words, remedy=remedy)


def upstream(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """The next hop: reachable, trusted, and letting us in. Nothing is sent."""
    route = settings.upstream.url
    if route is None:
        yield Finding(state=State.OK, what="upstream", where="none", words="mail stays in the built-in sandbox")
        return
    where = f"{route.host}:{route.port}"

    def found(state: State, words: str, remedy: str = "") -> Finding:
        return Finding(state=state, what="upstream", where=where, words=words, remedy=remedy)

    try:
        context = ssl.create_default_context(cafile=settings.upstream.ca)
    except OSError as error:
        yield found(State.FAIL, f"upstream.ca cannot be read: {error.strerror or error}", "set it to a PEM file")
        return

    async def probe() -> None:
        outlet = SmtpOutlet(route, clock=clock, timeout_s=TIMEOUT_S, tls_context=context)
        try:
            await outlet.probe()
        finally:
            await outlet.close()

    try:
        asyncio.run(probe())
    except DeliveryFailed as error:
        yield found(State.FAIL, str(error), "mail waits until it lets us in; set upstream.url right")
        return
    signed_in = ", signed in" if route.user else ""
    yield found(State.OK, f"answers{'' if route.tls is Tls.NONE else ', TLS verified'}{signed_in}")
    if route.tls is Tls.NONE and not is_local(route.host):
        yield found(State.WARN, "mail and password travel in clear", "use ?tls=starttls or ?tls=implicit")
