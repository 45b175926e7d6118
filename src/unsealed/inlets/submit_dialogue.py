"""The dialogue of one connection: the commands and replies of SMTP (RFC 5321, RFC 4954), and where a message ends.

What they lead to is decided by the server, in `inlets.submit`.
"""

from __future__ import annotations

import asyncio
import binascii
import ipaddress
import re
from base64 import b64decode
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiosmtpd.smtp import MISSING, SMTP, Session

from unsealed.core.compose import in_transport
from unsealed.core.envelope import read_path
from unsealed.model.errors import BadInput, Refused, Unavailable

if TYPE_CHECKING:
    from unsealed.inlets.submit import SignedIn, SubmissionServer

log = structlog.get_logger()

END = b"\r\n.\r\n"
READ_BYTES = 2**24  # more than the stream ever holds: one read empties it

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
        if parts[0] not in (b"", parts[1]):
            await self.push("535 5.7.8 Nobody signs in to act for somebody else")
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
        elif not _names_a_host(path[0]):
            await self.push("501 5.1.3 What stands behind the @ is not a domain")
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
        if longest_line(content) > limits.line_bytes:
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


def _names_a_host(address: str) -> bool:
    """Whether mail can be sent there at all: a domain, or a number in brackets, behind the @."""
    if address.endswith("]"):
        return True
    try:
        in_transport(address)
    except BadInput:
        return False
    return True


def longest_line(content: bytes) -> int:
    """Bytes of the longest line that ends in CRLF, without its end."""
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
