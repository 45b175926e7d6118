"""SMTP submission: where mail programs hand in their mail (RFC 6409).

An adapter around aiosmtpd, which brings the command loop and STARTTLS and leaves everything else to us. Promises:

- 250 after the end of data stands for a committed message; every fault of ours is answered 4xx.
- Nothing is taken from someone who did not sign in, wherever they come from, nor in the name of an address that is
  not theirs. Signing in needs TLS, or a connection from this very machine.
- Only <CRLF>.<CRLF> ends a message; what is kept has CRLF line ends only. No two servers can disagree about where it
  ends.
- Connections, recipients, sizes, waiting times, failures and the memory for mail that is coming in are bounded.

Runs on asyncio's own loop: aiosmtpd's STARTTLS does not work on uvloop (aio-libs/aiosmtpd#295).
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import socket
from time import monotonic
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from unsealed.core.instrument import Tracking
from unsealed.core.intake import take_in
from unsealed.flow import send
from unsealed.flow.policy import said_about
from unsealed.inlets.submit_dialogue import Dialogue
from unsealed.inlets.submit_throttle import Throttle
from unsealed.model.errors import AboveCeiling, BadInput, DiskFull, Refused, Unavailable
from unsealed.model.message import UserId, public_id
from unsealed.model.policy import Switches
from unsealed.model.ports import Clock
from unsealed.store import engine as stores
from unsealed.store import own, people, proofs
from unsealed.store.writer import Writer

OWNED_S = 5.0  # how long it is remembered that an address belongs to a user; so long it may outlive its removal
_WISH = re.compile(r"([^@\x00-\x20]*)\+(track|notrack)(@[^@]*|)", re.IGNORECASE)  # in a sign-in name

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all together, may use up."""

    message_bytes: int = 25 * 2**20
    line_bytes: int = 65_536  # far over RFC 5321's 1,000: many programs send long lines, and mail must arrive
    recipients: int = 1_000
    connections: int = 500
    connections_per_address: int = 50
    buffered_bytes: int = 256 * 2**20  # mail coming in, all connections together
    errors: int = 20  # replies of 4xx and 5xx on one connection
    timeout_s: float = 300.0  # between two commands, and between two pieces of data
    stranger_timeout_s: float = 60.0  # the same before signing in


class SignedIn(NamedTuple):
    """Who hands in mail, and what the name that was used to sign in asks for."""

    user: UserId
    asks: bool | None  # to track, or not to; None: nothing


class SubmissionServer:
    """Takes mail on listening sockets that it is given.

    host: how we introduce ourselves. tls: for STARTTLS and implicit TLS; without it, signing in is possible from this
    machine only. defaults: what the settings file says about tracking. mark: in front of a subject it switches tracking
    off. accepted: called after each commit.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        *,
        tracking: Callable[[], Tracking],
        defaults: Callable[[UserId], Switches],
        clock: Clock,
        accepted: Callable[[], None],
        mark: str = "",
        host: str = "localhost",
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.engine = engine
        self.writer = writer
        self.tracking = tracking
        self.defaults = defaults
        self.clock = clock
        self.accepted = accepted
        self.mark = mark
        self.host = host
        self.tls = tls
        self.limits = limits or Limits()
        self.throttle = Throttle()
        self.buffered = 0  # bytes of mail coming in or being committed
        self._owned: dict[tuple[UserId, str], float] = {}  # found so, when
        self._connected: Counter[str] = Counter()
        self._dialogues: set[Dialogue] = set()
        self._servers: list[asyncio.Server] = []
        self._committing = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd writes whole addresses there

    async def start(self, plain: Sequence[socket] = (), implicit: Sequence[socket] = ()) -> None:
        """Begin to take mail on `plain` sockets (with STARTTLS when there is a certificate) and on sockets where TLS
        comes first.

        Raises:
            BadInput: permanent; TLS was to come first and there is no certificate.
        """
        if implicit and self.tls is None:
            raise BadInput("TLS from the first byte needs a certificate")
        loop = asyncio.get_running_loop()
        for listening in plain:
            self._servers.append(await loop.create_server(lambda: Dialogue(self), sock=listening))
        for listening in implicit:
            self._servers.append(
                await loop.create_server(lambda: Dialogue(self), sock=listening, ssl=self.tls, ssl_handshake_timeout=30)
            )

    async def stop(self, patience_s: float = 5.0) -> None:
        """Take no more connections; let messages that are being committed be answered, then hang up."""
        for server in self._servers:
            server.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), patience_s)
        for dialogue in list(self._dialogues):
            dialogue.hang_up("421 4.3.2 Going down")
        self._servers.clear()

    def enter(self, dialogue: Dialogue, address: str) -> bool:
        """Whether one more connection from `address` may come in."""
        limits = self.limits
        if len(self._dialogues) >= limits.connections or self._connected[address] >= limits.connections_per_address:
            log.warning("submission.turned_away", connections=len(self._dialogues))
            return False
        self._dialogues.add(dialogue)
        self._connected[address] += 1
        return True

    def leave(self, dialogue: Dialogue, address: str) -> None:
        """A connection has ended; calling twice does no harm."""
        if dialogue not in self._dialogues:
            return
        self._dialogues.remove(dialogue)
        self._connected[address] -= 1
        if not self._connected[address]:
            del self._connected[address]

    @contextmanager
    def committing(self, size_bytes: int) -> Iterator[None]:
        """Around the time from the end of data to the reply."""
        self._committing += 1
        self.buffered += size_bytes
        self._quiet.clear()
        try:
            yield
        finally:
            self._committing -= 1
            self.buffered -= size_bytes
            if not self._committing:
                self._quiet.set()

    async def may_send_from(self, user: UserId, address: str) -> bool:
        """Whether the address belongs to the user."""
        if self._known_owned(user, address):
            return True
        return await asyncio.to_thread(self._all_owned, user, (address,))

    def _known_owned(self, user: UserId, address: str) -> bool:
        return monotonic() - self._owned.get((user, address), -OWNED_S) < OWNED_S

    def _all_owned(self, user: UserId, addresses: Sequence[str]) -> bool:
        unknown = [address for address in addresses if not self._known_owned(user, address)]
        if not unknown:
            return True
        try:
            with stores.reading(self.engine) as connection:
                if not all(people.may_send_from(connection, user, address) for address in unknown):
                    return False
        except SQLAlchemyError as error:
            raise Unavailable("the store does not answer") from error
        if len(self._owned) > 10_000:
            self._owned.clear()
        self._owned.update({(user, address): monotonic() for address in unknown})
        return True

    async def sign_in(self, address: str, account: str, password: str) -> SignedIn | None:
        """The user, or None after a wait that grows with the failures.

        `mara+notrack@example.org` is mara@example.org who wants nothing tracked; `+track` asks for the opposite.

        Raises:
            Refused: too many failures lately; the password was not looked at.
            Unavailable: temporary.
        """
        loop = asyncio.get_running_loop()
        wish = _WISH.fullmatch(account)
        bare = account if wish is None else wish[1] + wish[3]  # guesses count together, whatever is wished
        if not self.throttle.open(address, bare, loop.time()):
            log.warning("submission.throttled")
            raise Refused("too many failures")
        now = self.clock()

        def check(connection: Connection) -> SignedIn | None:
            asks = None  # an address that really ends in +track goes first
            user = proofs.check_app_password(connection, account, password, now)
            if user is None and wish is not None:
                user = proofs.check_app_password(connection, bare, password, now)
                asks = wish[2].lower() == "track"
            if user is None:
                return None
            own.touch_address(connection, user, address, now)
            return SignedIn(user, asks)

        found = await self.writer.run(check)
        if found is None:
            await asyncio.sleep(self.throttle.failed(address, bare, loop.time()))
            return None
        self.throttle.succeeded(address, bare)
        return found

    async def take(self, who: SignedIn, envelope_from: str, envelope_to: Sequence[str], content: bytes) -> str:
        """Accept one message; return the reply. A reply of 250 stands for a committed message."""
        try:
            planned = await asyncio.to_thread(self._plan, who, envelope_from, envelope_to, content)
            if isinstance(planned, str):
                return planned
            now = planned.outgoing.received_at
            message = await self.writer.run(lambda c: send.write(c, planned, now))
        except DiskFull:
            log.error("submission.disk_full")
            return "452 4.3.1 No room to keep the message; try again later"
        except Exception as error:
            log.exception("submission.local_trouble", error=type(error).__name__)
            return "451 4.3.0 Local trouble; try again later"
        log.info("message.accepted", message=public_id(message), copies=len(planned.copies), bytes=len(content))
        self.accepted()
        return f"250 2.0.0 Ok: queued as {public_id(message)}"

    def _plan(
        self, who: SignedIn, envelope_from: str, envelope_to: Sequence[str], content: bytes
    ) -> send.Planned | str:
        with stores.reading(self.engine) as connection:
            said = said_about(connection, who.user, envelope_to)
        try:
            intake = take_in(
                content,
                user=who.user,
                envelope_from=envelope_from,
                envelope_to=envelope_to,
                defaults=self.defaults(who.user),
                said=said,
                asks=who.asks,
                mark=self.mark,
                now=self.clock(),
                new_id=secrets.token_hex(16),
            )
        except AboveCeiling as error:
            return f"550 5.7.1 {error}"
        except Refused as error:
            return f"554 5.4.6 {error}"
        except BadInput as error:
            return f"554 5.6.0 {error}"
        if not intake.authors:
            return "550 5.7.1 The From header names no address that could be checked"
        if not self._all_owned(who.user, ([envelope_from] if envelope_from else []) + [*intake.authors]):
            return "550 5.7.1 An address in the From header does not belong to you"
        # RFC 6409 §8.1 would let us put another in its place; but mail is not rewritten, and who wrote it is told.
        if not self._all_owned(who.user, intake.senders):
            return "550 5.7.1 An address in the Sender or Resent-From header does not belong to you"
        return send.plan(intake.outgoing, tracking=self.tracking())
