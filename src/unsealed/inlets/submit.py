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
import binascii
import ipaddress
import logging
import re
import secrets
import ssl
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import socket
from time import monotonic
from typing import Any, NamedTuple, cast

import structlog
from aiosmtpd.smtp import MISSING, SMTP, Session
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from unsealed.core.envelope import read_path
from unsealed.core.instrument import Tracking
from unsealed.core.intake import take_in
from unsealed.flow import send
from unsealed.flow.policy import said_about
from unsealed.inlets.submit_throttle import Throttle
from unsealed.model.errors import AboveCeiling, BadInput, DiskFull, Refused, Unavailable
from unsealed.model.message import UserId, public_id
from unsealed.model.policy import Switches
from unsealed.model.ports import Clock
from unsealed.store import engine as stores
from unsealed.store import own, people
from unsealed.store.writer import Writer

END = b"\r\n.\r\n"
OWNED_S = 5.0  # how long it is remembered that an address belongs to a user; so long it may outlive its removal
_WISH = re.compile(r"([^@\x00-\x20]*)\+(track|notrack)(@[^@]*|)", re.IGNORECASE)  # in a sign-in name
READ_BYTES = 2**24  # more than the stream ever holds: one read empties it

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
            user = people.check_app_password(connection, account, password, now)
            if user is None and wish is not None:
                user = people.check_app_password(connection, bare, password, now)
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
        return send.plan(intake.outgoing, tracking=self.tracking())


# How replies of aiosmtpd that carry no enhanced code get one (RFC 3463, RFC 5248).
_STATUS = {
    "421": "4.3.2",
    "454": "4.7.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "504": "5.5.4",
    "555": "5.5.4",
}
_BARE = re.compile(r"([245]\d\d)([ -])(?!\d\.\d{1,3}\.\d{1,3}(?: |$))")
_PARAMETER = re.compile(r"[A-Z0-9][A-Z0-9-]*(?:=[!-<>-~]+)?")


class Dialogue(SMTP):
    """One connection."""

    line_length_limit = 65_536  # of the stream: bounds what waits unread

    def __init__(self, server: SubmissionServer) -> None:
        self.server = server
        self.committing = False  # between the end of data and the reply
        self.address = ""  # of the client
        self.who: SignedIn | None = None
        self.errors = 0
        self.greeted = False
        self.turned_away = False
        super().__init__(  # reads every attribute and property of this object
            self,
            data_size_limit=server.limits.message_bytes,
            enable_SMTPUTF8=True,
            hostname=server.host,
            ident="Unsealed",
            tls_context=server.tls,
            timeout=server.limits.timeout_s,
            auth_required=True,
            auth_require_tls=True,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            loop=asyncio.get_running_loop(),
        )
        self.command_size_limits = defaultdict(lambda: 512, AUTH=12_288, MAIL=2_048, RCPT=2_048)

    # Connection

    def connection_made(self, transport: Any) -> None:
        self.who = None  # RFC 3207 §4.2: nothing known from before TLS counts
        if self._original_transport is None:
            peer = transport.get_extra_info("peername")
            self.address = str(peer[0]) if isinstance(peer, tuple) else ""
            if not self.server.enter(self, self.address):
                self.turned_away = True
                transport.write(b"421 4.7.0 Too many connections; try again later\r\n")
                transport.close()
                return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.leave(self, self.address)
        if not self.turned_away and self._timeout_handle is not None:
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        if self.turned_away:
            return None
        return bool(super().eof_received())

    def hang_up(self, reply: str) -> None:
        """Say a last word and close."""
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).write(f"{reply}\r\n".encode())
            self.transport.close()

    def _reset_timeout(self, duration: float | None = None) -> None:
        limits = self.server.limits
        super()._reset_timeout(duration or (limits.timeout_s if self.who else limits.stranger_timeout_s))

    def _timeout_cb(self) -> None:
        if self.committing:  # our own slowness is no fault of the client
            self._reset_timeout()
            return
        self.hang_up("421 4.4.2 Nothing heard from you for too long")

    async def push(self, status: Any) -> None:
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else str(status)
        if self.greeted and (bare := _BARE.match(text)):
            text = _with_status(bare) + text[bare.end() :]
        self.greeted = True
        text = text.encode("utf-8", "replace").decode()  # what a client sent comes back only as proper text
        await super().push(text)
        if text[:1] in ("4", "5"):
            self.errors += 1
            if self.errors > self.server.limits.errors:
                self.hang_up("421 4.7.0 Too many errors")

    async def handle_exception(self, error: Exception) -> str:
        """The reply to a fault of ours: never a permanent one."""
        log.error("submission.unexpected", error=repr(error))
        return "451 4.3.0 Local trouble; try again later"

    # Commands

    async def smtp_EHLO(self, hostname: str | None) -> None:
        if not hostname:
            await self.push("501 5.5.4 Syntax: EHLO hostname")
            return
        self.envelope = self._create_envelope()
        session = self._session
        session.extended_smtp = True
        session.host_name = hostname
        offered = [
            self.server.host,
            f"SIZE {self.server.limits.message_bytes}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if self.server.tls is not None and not self._secure:
            offered.append("STARTTLS")
        if self._may_sign_in:
            offered.append("AUTH PLAIN LOGIN")
        lines = [f"250-{line}" for line in offered[:-1]] + [f"250 {offered[-1]}"]
        await super().push("\r\n".join(lines))

    async def smtp_HELO(self, hostname: str | None) -> None:
        if not hostname:
            await self.push("501 5.5.4 Syntax: HELO hostname")
            return
        self.envelope = self._create_envelope()
        self._session.extended_smtp = False
        self._session.host_name = hostname
        await super().push(f"250 {self.server.host}")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self._secure:
            await self.push("503 5.5.1 TLS is on already")
            return
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str | None) -> None:
        if await self.check_helo_needed("EHLO"):
            return
        words = (arg or "").split()
        if not self._may_sign_in:
            await self.push("538 5.7.11 Encryption required: use STARTTLS first")
        elif self.who is not None or self._envelope.mail_from is not None:
            await self.push("503 5.5.1 Signed in already, or in the middle of a message")
        elif not 1 <= len(words) <= 2:
            await self.push("501 5.5.4 Syntax: AUTH mechanism [initial-response]")
        elif words[0].upper() == "PLAIN":
            await self._auth_plain(words[1] if len(words) == 2 else None)
        elif words[0].upper() == "LOGIN":
            await self._auth_login(words[1] if len(words) == 2 else None)
        else:
            await self.push("504 5.5.4 Only PLAIN and LOGIN are offered")

    async def _auth_plain(self, initial: str | None) -> None:
        answer = await self._secret("", initial)
        if answer is None:
            return
        parts = answer.split(b"\0")
        if len(parts) != 3:
            await self.push("501 5.5.2 That is not the form of AUTH PLAIN")
            return
        await self._sign_in(parts[1], parts[2])

    async def _auth_login(self, initial: str | None) -> None:
        account = await self._secret("Username:", initial)
        if account is None:
            return
        password = await self._secret("Password:", None)
        if password is not None:
            await self._sign_in(account, password)

    async def _secret(self, challenge: str, initial: str | None) -> bytes | None:
        """The client's answer; None when it was none and has been replied to."""
        if initial is None:
            answer = await self.challenge_auth(challenge)
            return None if answer is MISSING else bytes(answer)
        try:
            return b"" if initial == "=" else b64decode(initial, validate=True)
        except (binascii.Error, ValueError):
            await self.push("501 5.5.2 That is not base64")
            return None

    async def _sign_in(self, account: bytes, password: bytes) -> None:
        try:
            who = await self.server.sign_in(
                self.address, account.decode("utf-8", "replace"), password.decode("utf-8", "replace")
            )
        except Refused:
            await self.push("454 4.7.0 Too many failures; wait a minute")
            return
        except Unavailable:
            await self.push("454 4.7.0 Cannot check that now; try again later")
            return
        if who is None:
            await self.push("535 5.7.8 Authentication credentials invalid")
            return
        self.who = who
        self._session.authenticated = True
        self._reset_timeout()
        await self.push("235 2.7.0 Authentication successful")

    async def smtp_MAIL(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self._stranger():
            return
        path = self._path(arg, "FROM:")
        if path is None:
            await self.push("501 5.1.7 Syntax: MAIL FROM:<address>")
            return
        address, parameters = path
        if self._envelope.mail_from is not None:
            await self.push("503 5.5.1 One MAIL is open already")
            return
        international = False
        for name, value in parameters:
            match name:
                case "SIZE" if value.isdigit():
                    if len(value) > 15 or int(value) > self.server.limits.message_bytes:
                        await self.push(f"552 5.3.4 {self._too_big}")
                        return
                case "BODY" if value in ("7BIT", "8BITMIME"):
                    pass
                case "SMTPUTF8" if not value:
                    international = True
                case "AUTH" if value:  # RFC 4954 §5: who sent it first; we know who did
                    pass
                case _:
                    await self.push("555 5.5.4 A parameter of MAIL is not known here")
                    return
        if not address.isascii() and not international:
            await self.push("553 5.6.7 This address needs SMTPUTF8")
            return
        # Mail programs send receipts with the null sender (RFC 8098 §2.1); whose they are, the From header says.
        if self.who is None or (address and not await self.server.may_send_from(self.who.user, address)):
            await self.push("550 5.7.1 This sender address does not belong to you")
            return
        self._envelope.mail_from = address
        self._envelope.smtp_utf8 = international
        await self.push("250 2.1.0 Ok")

    async def smtp_RCPT(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self._stranger():
            return
        if self._envelope.mail_from is None:
            await self.push("503 5.5.1 MAIL comes first")
            return
        path = self._path(arg, "TO:")
        if path is None or not path[0]:
            await self.push("501 5.1.3 Syntax: RCPT TO:<address>")
        elif path[1]:
            await self.push("555 5.5.4 A parameter of RCPT is not known here")
        elif not path[0].isascii() and not self._envelope.smtp_utf8:
            await self.push("553 5.6.7 This address needs SMTPUTF8")
        elif len(self._envelope.rcpt_tos) >= self.server.limits.recipients:
            await self.push(f"452 4.5.3 Not more than {self.server.limits.recipients} recipients")
        else:
            self._envelope.rcpt_tos.append(path[0])
            await self.push("250 2.1.5 Ok")

    async def smtp_DATA(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self._stranger():
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
        elif not self._envelope.rcpt_tos or self.who is None:
            await self.push("503 5.5.1 RCPT comes first")
        else:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            envelope, who = self._envelope, self.who
            content = await self._receive()
            self.envelope = self._create_envelope()
            if isinstance(content, str):
                await self.push(content)
                return
            self.committing = True
            with self.server.committing(len(content)):
                try:
                    reply = await self.server.take(who, envelope.mail_from or "", envelope.rcpt_tos, content)
                finally:
                    self.committing = False
                self._reset_timeout()
                await self.push(reply)

    async def _receive(self) -> bytes | str:
        """The message up to <CRLF>.<CRLF>, dots unstuffed; or the reply that refuses it.

        Everything is read to the end before anything is refused, so that the rest is never taken for commands.
        """
        limits = self.server.limits
        data = bytearray(b"\r\n")  # the end of the DATA line: a message may be empty
        counted = 0
        refused = ""
        try:
            while True:
                piece = await self._reader.read(READ_BYTES)
                if not piece:
                    raise ConnectionResetError
                self._reset_timeout()
                searched = max(len(data) - len(END) + 1, 0)
                data += piece
                counted += len(piece)
                self.server.buffered += len(piece)
                end = data.find(END, searched)
                if end >= 0:
                    self._reader.feed_data(bytes(data[end + len(END) :]))  # pipelined behind the message
                    break
                if not refused and len(data) > limits.message_bytes + 2:
                    refused = f"552 5.3.4 {self._too_big}"
                if not refused and self.server.buffered > limits.buffered_bytes:
                    refused = "452 4.3.1 Too much mail at once; try again later"
                if refused:
                    del data[: -len(END) + 1]
                    self.server.buffered -= counted
                    counted = 0
            if refused:
                return refused
            content = bytes(data[2 : end + 2])
        finally:
            self.server.buffered -= counted
        content = content.replace(b"\r\n.", b"\r\n").removeprefix(b".")
        if len(content) > limits.message_bytes:
            return f"552 5.3.4 {self._too_big}"
        if _longest_line(content) > limits.line_bytes:
            return f"554 5.6.0 A line is longer than {limits.line_bytes} octets"
        return content

    # What the commands share

    @property
    def _session(self) -> Session:
        return cast(Session, self.session)  # set when the connection is made

    @property
    def _envelope(self) -> Any:
        return self.envelope

    @property
    def _secure(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    @property
    def _may_sign_in(self) -> bool:
        return self._secure or _is_loopback(self.address)

    @property
    def _too_big(self) -> str:
        return f"Not more than {self.server.limits.message_bytes} bytes"

    async def _stranger(self) -> bool:
        if self.who is not None:
            return False
        await self.push("530 5.7.0 Authentication required")
        return True

    def _path(self, arg: str | None, keyword: str) -> tuple[str, list[tuple[str, str]]] | None:
        if arg is None or arg[: len(keyword)].upper() != keyword:
            return None
        read = read_path(arg[len(keyword) :])
        if read is None:
            return None
        parameters = read[1].upper().split()
        if not all(_PARAMETER.fullmatch(parameter) for parameter in parameters):
            return None
        return read[0], [(name, value) for name, _, value in (each.partition("=") for each in parameters)]

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # VRFY comes here; aiosmtpd's own reader recurses with the nesting of comments.
        return read_path(arg) or (None, None)


def _with_status(match: re.Match[str]) -> str:
    code, gap = match[1], match[2]
    return f"{code}{gap}{_STATUS.get(code, code[0] + '.0.0')} "


def _longest_line(content: bytes) -> int:
    longest = at = 0
    while (end := content.find(b"\r\n", at)) >= 0:
        longest = max(longest, end - at)
        at = end + 2
    return longest


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
