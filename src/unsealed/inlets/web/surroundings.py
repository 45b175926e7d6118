"""What the web app stands in: the store, the clock, the addresses. Built once in `app`, read by every page.

`asked` and `changed` run a page's questions to the store and its changes, off the event loop; `person` is who asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from unsealed.core.drafting import Desk
from unsealed.core.forwarded import Network
from unsealed.core.instrument import Tracking
from unsealed.core.network import locate
from unsealed.inlets.guard import Person
from unsealed.model.event import Located
from unsealed.model.message import UserId
from unsealed.model.notice import Device
from unsealed.model.policy import Switches
from unsealed.model.ports import Clock, Keys, Parcel, RefreshTokens
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.texts import Languages, later
from unsealed.model.upstream import Attempt, Upstream
from unsealed.model.view import DataFileRow
from unsealed.store import upstreams
from unsealed.store.engine import reading

Result = TypeVar("Result")
Try = Callable[[Upstream, RefreshTokens, Parcel], Awaitable[Attempt]]
# The second: whether it may lie in a private network; the third: where its refresh token is kept, when it has one.
Enter = Callable[[Mailbox, bool, RefreshTokens | None], Entered]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpWords:
    """What a sender types into a mail program to send through us; shown, never used."""

    host: str
    port: int
    tls: str = "none"  # "none" (loopback only), "starttls" or "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Stands in `app.state.surroundings` for the life of the process."""

    engine: Engine = field(repr=False)
    keys: Keys = field(repr=False)  # only to derive again what was sent
    clock: Clock
    origin: str  # public base of the web app, without trailing slash: what an Origin header must equal
    tracking_url: str  # base of the tracking links of new mail, without trailing slash
    collector_socket: Path  # private socket of the collector, where the sandbox's loads go
    smtp: SmtpWords
    trusted_proxies: tuple[Network, ...] = ()  # who may say in X-Forwarded-For from where a request comes
    locate: Callable[[str], Located] = locate  # whose network an address is, as the judge sees it
    data_files: Callable[[], Sequence[DataFileRow]] = tuple  # what that rests on
    tracking: Switches = field(default_factory=Switches)  # what the settings file allows at most
    subject_mark: str = ""  # switches tracking off in front of a subject; "": there is none
    languages: Languages = field(default_factory=Languages)  # in which the pages can be read
    sandbox: bool = False  # copies land in the built-in mailbox, as no next hop was chosen
    usual_host: str = ""  # of the settings file's next hop; "": there is none
    allowed_by: Callable[[str], Switches] = lambda host: Switches()  # what may be tracked in mail that goes by a host
    feed_look_s: float = 0.05  # between two looks for what changed, when nobody calls
    private_hosts: bool = False  # whether people's mail servers may lie in a private network
    push_key: str = ""  # by which push services know the installation; "": browsers cannot be notified
    chats: tuple[str, ...] = ()  # services that notices can be sent to
    may_notify: Callable[[Device], str] = lambda device: later("Notices cannot be sent there.")  # why not, or ""
    try_upstream: Try | None = field(default=None, repr=False)  # hands over one copy and puts the dialogue down
    enter_mailbox: Enter | None = field(default=None, repr=False)  # signs in and looks round

    def most(self, connection: Connection, user: UserId) -> Switches:
        """What the settings file allows at most in mail of a user, by where that goes."""
        host = upstreams.host(connection, user)
        return self.tracking if host is None else self.allowed_by(host)

    def desk(self, connection: Connection, user: UserId) -> Desk:
        """Where letters of a user are made."""
        most = self.most(connection, user)
        return Desk(tracking=newest_tracking(self), switches=most, mark=self.subject_mark, now=self.clock())


def surroundings(connection: HTTPConnection) -> Surroundings:
    """The surroundings of the app that answers this request, as they are for who asks: where mail of that person goes
    by a next hop chosen in the pages, `sandbox` and `tracking` say what holds for it."""
    around: Surroundings = connection.app.state.surroundings
    who: Person | None = getattr(connection.state, "person", None)  # not set where an error came before the guard
    host = who.next_hop if who is not None else None
    return around if host is None else replace(around, sandbox=False, tracking=around.allowed_by(host))


def person(connection: HTTPConnection) -> Person:
    """Who is signed in."""
    who: Person = connection.state.person  # the guard lets nobody else come here
    return who


def newest_tracking(around: Surroundings) -> Tracking:
    """Where the tracking addresses of new mail lead, and the key that seals them."""
    return Tracking(base_url=around.tracking_url, keys=around.keys, key_id=around.keys.newest)


async def asked(connection: HTTPConnection, question: Callable[[Connection], Result]) -> Result:
    """What the store answers."""

    def run() -> Result:
        with reading(surroundings(connection).engine) as store:
            return question(store)

    return await run_in_threadpool(run)


async def changed(connection: HTTPConnection, change: Callable[[Connection], Result]) -> Result:
    """What comes of a change, which is committed then."""

    def run() -> Result:
        with surroundings(connection).engine.begin() as store:
            return change(store)

    return await run_in_threadpool(run)
