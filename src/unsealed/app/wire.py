"""Builds the parts from the settings. What a part is made of is decided here and nowhere else."""

from __future__ import annotations

import contextlib
import os
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from unsealed.app.config import Settings
from unsealed.core import network
from unsealed.model.errors import Unavailable, UnsealedError
from unsealed.model.ports import Keys
from unsealed.store import devices, machines, people, proofs
from unsealed.store import engine as stores
from unsealed.store.journal import identity
from unsealed.store.keyring import FILE, KeyRing, load
from unsealed.store.migrate import migrate
from unsealed.store.places import Places

PLACES = "places"  # in the data folder: files about networks and places
COLLECTOR_SOCKET = "collect.sock"  # in the data folder: the collector's own door
LOOK_AGAIN_S = 1.0  # how soon a rotation of the keys reaches the running roles


def now() -> datetime:
    """The clock of the installation: aware UTC."""
    return datetime.now(UTC)


def places(settings: Settings) -> Places:
    """What is known of networks and places: the files of the data folder, and what the product knows by itself."""
    return Places(
        settings.data / PLACES,
        built_in=network.built_in(),
        network_of=network.network_of,
        told_of=network.told_of,
    )


def prepare(settings: Settings) -> Engine:
    """The data folder with its keys, and the store at the newest schema; safe while the server runs.

    Raises:
        Unavailable: temporary; the folder cannot be written, or the store does not answer.
    """
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"the data folder {settings.data} cannot be made: {error.strerror}") from error
    if not os.access(settings.data, os.W_OK | os.X_OK):
        raise Unavailable(f"the data folder {settings.data} cannot be written by this user")
    os.umask(0o077)  # what is kept is for this account alone, also in a folder that others may enter
    load(settings.data)
    engine = stores.connect(settings.store_url)
    try:
        migrate(engine)
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise Unavailable(f"the store cannot be used: {reason}; see `unsealed check`") from error
    return engine


def join(settings: Settings, engine: Engine) -> None:
    """Serve this store, perhaps beside other machines.

    Raises:
        BadInput: permanent; this machine has the keys or the name of another installation or machine.
        Unavailable: temporary; the data folder cannot be written.
    """
    if engine.dialect.name == "sqlite":
        return  # of one machine
    collector = settings.track.collector
    journal = identity(journal_folder(settings))
    with engine.begin() as connection:
        machines.join(connection, load(settings.data), collector, journal)


def journal_folder(settings: Settings) -> Path:
    """Where the collector of this machine records what was asked for."""
    return settings.data / "journal" / settings.track.collector


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What the first start tells the owner; secrets that are shown once."""

    email: str
    url: str
    app_password: str = ""  # only when the owner was made just now


def welcome(settings: Settings, engine: Engine, at: datetime) -> Welcome | None:
    """Make the owner on the very first start. Until the owner has signed in for the first time, each start gives a new
    one-time link; after that, None."""
    with engine.begin() as connection:
        owner = people.owner(connection)
        if owner is None and people.any_user(connection):
            return None
        if owner is None:
            made = people.create_owner(connection, settings.owner, at)
            secret = proofs.new_app_password(connection, made, "first start", at)
            url = welcome_url(settings, proofs.new_login_link(connection, made, at))
            return Welcome(email=settings.owner, url=url, app_password=secret)
        if not proofs.awaited(connection, owner, at):
            return None
        return Welcome(email=owner.email, url=welcome_url(settings, proofs.new_login_link(connection, owner.id, at)))


def welcome_url(settings: Settings, secret: str) -> str:
    """Where a one-time sign-in link leads."""
    return f"{settings.web_url}/welcome/{secret}"


def push_key(engine: Engine, keys: Keys) -> tuple[str, str]:
    """The key by which push services know this installation, public part and private one; made when there is none.

    Browsers subscribe to it, so it never changes; the private part is sealed with the key ring.
    """
    from unsealed.core.secret import seal, unseal
    from unsealed.outlets.webpush import new_key

    with engine.begin() as connection:
        kept = devices.push_key(connection)
        if kept is None:
            public, private = new_key()
            kept = devices.keep_push_key(connection, public, seal(keys, private, purpose="push"))
    return kept[0], unseal(keys, kept[1], purpose="push")


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """TLS for mail programs, from the configured files; None when there are none."""
    if settings.smtp.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.smtp.certificate, settings.smtp.key)
    return context


def trust_for_people(settings: Settings) -> ssl.SSLContext | None:
    """Who may vouch for the servers that people name: the system's authorities, and the configured ones."""
    if settings.upstream.ca is None:
        return None  # the system's alone, loaded when the first connection needs them
    context = ssl.create_default_context()
    context.load_verify_locations(settings.upstream.ca)
    return context


@dataclass(slots=True)
class LiveKeys:
    """The key ring of the data folder, as it is now: `unsealed keys rotate` reaches running roles within a second.

    Looks at the file at most once a second, so that a flood of forged tokens with unknown key ids costs no I/O.
    """

    data: Path
    _ring: KeyRing = field(init=False)
    _looked_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._ring = load(self.data)

    @property
    def newest(self) -> int:
        if monotonic() - self._looked_at > LOOK_AGAIN_S:
            self._look()
        return self._ring.newest

    def key(self, key_id: int) -> bytes | None:
        found = self._ring.key(key_id)
        if found is None and monotonic() - self._looked_at > LOOK_AGAIN_S:
            self._look()
            found = self._ring.key(key_id)
        return found

    def _look(self) -> None:
        self._looked_at = monotonic()
        # A role keeps the ring that it has when the file is gone or broken: a new ring would open no sent link.
        with contextlib.suppress(UnsealedError, OSError):
            if (self.data / FILE).exists():
                self._ring = load(self.data)
