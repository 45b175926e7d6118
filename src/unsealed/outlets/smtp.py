"""The outlet that hands copies to the next hop over SMTP.

Promises that a Receipt stands for the next hop's own 250 after the end of data, that TLS which was asked for is never
given up silently, and that only canonical lines with our own dot-stuffing leave. Whatever fails before the next hop
has looked at the message (no connection, TLS, sign-in) is temporary: it says nothing about the mail.

A message with 8-bit data goes to a next hop without 8BITMIME as it is: re-encoding would change signed parts, and
nearly every server takes it. Connections are kept and used again for a while. `try_out` puts down what both sides say;
secrets are masked before anybody sees them.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Literal

import aiosmtplib
from aiosmtplib.errors import SMTPAuthenticationError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.typing import Default

from unsealed.model.errors import DeliveryFailed, Refused
from unsealed.model.message import public_id
from unsealed.model.ports import Clock, Parcel, Receipt, RefreshTokens
from unsealed.model.upstream import Attempt, Line, Speaker, Tls, Trouble, Upstream
from unsealed.outlets.dial import dial
from unsealed.outlets.oauth import AccessTokens

TIMEOUT_S = 300.0  # RFC 5321 §4.5.3.2: five minutes for most steps
CONNECTIONS = 10
IDLE_S = 20.0  # kept so long between two copies; servers cut after 30 s and more
COPIES_PER_CONNECTION = 100  # several big hosts hang up after that many
SLOW_LINE = 20_000  # bytes a second that a connection must carry at least, or the time-out strikes
LINES_HEARD, LETTERS_HEARD = 200, 500  # of a dialogue that is put down
MASK = "***"

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
# Answers about our sign-in, not about the mail: it waits until the operator has set it right.
_SIGN_IN = frozenset({454, 530, 534, 535, 538})


@dataclass(slots=True, kw_only=True)
class _Connection:
    client: aiosmtplib.SMTP
    used: int = 0  # copies it has carried
    idle_since: float = 0.0  # on the loop's clock


class SmtpOutlet:
    """Hands over one copy in one transaction, over a few connections that are kept.

    host: how we introduce ourselves (EHLO); None: by the name of this machine. tls_context: other trust than the
    system's. heard: puts the dialogues down. tokens: where the refresh token is kept.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        clock: Clock,
        host: str | None = "localhost",
        connections: int = CONNECTIONS,
        timeout_s: float = TIMEOUT_S,
        tls_context: ssl.SSLContext | None = None,
        heard: Heard | None = None,
        tokens: RefreshTokens | None = None,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._heard = heard
        self._tokens: AccessTokens | None = None
        if upstream.oauth is not None:
            self._tokens = AccessTokens(upstream.oauth, inside=upstream.inside, kept=tokens, tls_context=tls_context)
        self._host = host
        self._timeout_s = timeout_s
        self._tls_context = tls_context
        self._room = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []

    async def deliver(self, parcel: Parcel) -> Receipt:
        """Hand over one copy.

        Raises:
            DeliveryFailed: as the next hop answered; temporary when it did not answer or could not be reached.
        """
        raw = _wire_form(parcel.raw)
        async with self._room:
            connection = await self._kept() or await self._connect()
            try:
                reply = await self._hand_over(connection, parcel, raw)
            except DeliveryFailed as error:
                if not connection.used or not _went_stale(error):
                    raise
                connection = await self._connect()  # the next hop had hung up between two copies
                reply = await self._hand_over(connection, parcel, raw)
            return Receipt(reply=reply, at=self._clock())

    async def probe(self) -> None:
        """Connect, make TLS and sign in as for a copy, and hang up: nothing is sent.

        Raises:
            DeliveryFailed: temporary; says what the next hop did not do.
        """
        await self._leave(await self._connect())

    async def close(self) -> None:
        """Say good-bye on the connections that are kept."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._leave(connection) for connection in idle))

    async def _kept(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.client.is_connected and now - connection.idle_since < IDLE_S:
                return connection
            await self._leave(connection)
        return None

    async def _leave(self, connection: _Connection) -> None:
        try:
            if connection.client.is_connected:
                await connection.client.execute_command(b"QUIT", timeout=2)
        except (aiosmtplib.SMTPException, OSError):
            pass
        finally:
            _hang_up(connection.client)

    async def _connect(self) -> _Connection:
        upstream = self._upstream
        if upstream.tls is not Tls.NONE and self._tls_context is None:
            self._tls_context = await asyncio.to_thread(ssl.create_default_context)
        step = "connecting"
        client: aiosmtplib.SMTP | None = None
        try:
            made = await dial(upstream.host, upstream.port, inside=upstream.inside, timeout_s=self._timeout_s)
            client = self._client(made)
            hello = await client.connect()
            if self._heard is not None:
                self._heard.met(client, hello)
            step = "greeting"
            await self._greet(client)
            if upstream.tls is Tls.STARTTLS:
                step = "STARTTLS"
                if not client.supports_extension("starttls"):
                    raise NotReached(
                        f"{upstream.host} offers no STARTTLS, and mail must not leave in clear",
                        Trouble.NO_STARTTLS,
                        status="4.7.4",
                    )
                await client.starttls(server_hostname=upstream.host)
                await self._greet(client)
            if upstream.user:
                step = "signing in"
                await self._sign_in(client)
        except DeliveryFailed:
            _hang_up(client)
            raise
        except Refused as error:
            raise NotReached(str(error), Trouble.INSIDE, status="4.7.0") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            _hang_up(client)
            raise _unreachable(upstream, step, error) from error
        except BaseException:
            _hang_up(client)
            raise
        return _Connection(client=client)

    def _client(self, made: socket.socket) -> aiosmtplib.SMTP:
        settings: dict[str, Any] = {
            "hostname": self._upstream.host,
            "sock": made,
            "local_hostname": self._host,
            "timeout": self._timeout_s,
            "use_tls": self._upstream.tls is Tls.IMPLICIT,
            "start_tls": False,
            "tls_context": self._tls_context if self._upstream.tls is not Tls.NONE else None,
        }
        return aiosmtplib.SMTP(**settings) if self._heard is None else _Overheard(self._heard, **settings)

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        if self._tokens is None:
            await client.login(self._upstream.user, self._upstream.password)
            return
        if "xoauth2" not in client.server_auth_methods:
            raise NotReached(f"{self._upstream.host} offers no XOAUTH2", Trouble.SIGN_IN, status="4.7.8")
        try:
            token = await self._tokens.get()
        except DeliveryFailed as error:
            raise NotReached(str(error), Trouble.TOKEN, status=error.status) from error
        if self._heard is not None:
            self._heard.mask(token)
        try:
            await client.auth_xoauth2(self._upstream.user, token)
        except SMTPAuthenticationError:
            self._tokens.forget()
            raise

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError as error:
            if error.code == 421 or not client.is_connected:
                raise
            await client.helo()  # a server from before ESMTP

    async def _hand_over(self, connection: _Connection, parcel: Parcel, raw: bytes) -> str:
        client = connection.client
        step = "MAIL"
        try:
            mail, rcpt = _commands(client, parcel, raw)
            await self._ask(client, mail, (250,))
            step = "RCPT"
            await self._ask(client, rcpt, (250, 251, 252))
            step = "DATA"
            await self._ask(client, [b"DATA"], (354,))
            step = "end of data"
            reply = await self._send(client, raw)
        except DeliveryFailed as error:
            await self._put_back(connection, clean=step == "end of data" and error.code > 0)
            raise
        except (aiosmtplib.SMTPException, OSError) as error:
            _hang_up(client)
            raise _broken(step, error) from error
        except BaseException:
            _hang_up(client)
            raise
        await self._put_back(connection, clean=True)
        return reply

    async def _ask(self, client: aiosmtplib.SMTP, words: list[bytes], good: tuple[int, ...]) -> str:
        try:
            response = await client.execute_command(*words)
        except ValueError as error:  # control characters in an address
            raise DeliveryFailed("the address cannot be used in SMTP", temporary=False, status="5.1.3") from error
        return _judged(response.code, response.message, good)

    async def _send(self, client: aiosmtplib.SMTP, raw: bytes) -> str:
        if client.protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        client.protocol.write(raw)
        response = await client.protocol.read_response(timeout=self._timeout_s + len(raw) / SLOW_LINE)
        if self._heard is not None:
            self._heard.put(Speaker.NOTE, f"the message, {len(raw)} bytes")
            self._heard.answered(response.code, response.message)
        return _judged(response.code, response.message, (250,))

    async def _put_back(self, connection: _Connection, *, clean: bool) -> None:
        client = connection.client
        connection.used += 1
        try:
            if not clean and client.is_connected:
                await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            _hang_up(client)
            return
        if not client.is_connected or connection.used >= COPIES_PER_CONNECTION:
            await self._leave(connection)
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)


class NotReached(DeliveryFailed):
    """The next hop did not come to see the message: that says nothing about the mail, so it is temporary."""

    def __init__(self, message: str, trouble: Trouble, *, status: str) -> None:
        super().__init__(message, temporary=True, status=status)
        self.trouble = trouble


async def try_out(
    upstream: Upstream,
    parcel: Parcel,
    *,
    clock: Clock,
    host: str | None,
    timeout_s: float,
    tokens: RefreshTokens | None = None,
    tls_context: ssl.SSLContext | None = None,
) -> Attempt:
    """Hand over one copy on a connection of its own, and put down what both sides said.

    host, tokens, tls_context: as of SmtpOutlet. timeout_s: for all of it.
    """
    heard = Heard(upstream)
    outlet = SmtpOutlet(
        upstream, clock=clock, host=host, timeout_s=timeout_s, tls_context=tls_context, heard=heard, tokens=tokens
    )
    trouble: Trouble | None = None
    try:
        async with asyncio.timeout(timeout_s):
            words = (await outlet.deliver(parcel)).reply
    except TimeoutError:
        trouble, words = Trouble.TIMEOUT, f"{upstream.host}:{upstream.port} did not come to an end in time"
    except NotReached as error:
        trouble, words = error.trouble, str(error)
    except DeliveryFailed as error:
        trouble, words = Trouble.MESSAGE, str(error)
    await outlet.close()
    if trouble is not None:
        heard.put(Speaker.NOTE, words)
    return Attempt(lines=heard.lines, trouble=trouble, words=heard.masked(words))


class Heard:
    """A dialogue with a next hop, put down without its secrets."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._lines: list[Line] = []
        self._secrets: list[str] = []
        oauth = upstream.oauth
        for secret in (upstream.password, *([oauth.client_secret, oauth.refresh_token] if oauth else [])):
            self.mask(secret)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All that was said so far."""
        return tuple(self._lines)

    def mask(self, secret: str) -> None:
        """Never show this, nor the forms of it that are sent: servers like to repeat what they refuse."""
        if secret:
            user = self._upstream.user
            forms = (secret, f"\0{user}\0{secret}", f"user={user}\1auth=Bearer {secret}\1\1")
            self._secrets += [secret, *(base64.b64encode(form.encode()).decode() for form in forms)]

    def masked(self, words: str) -> str:
        """The words without the secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            words = words.replace(secret, MASK)
        return words

    def put(self, by: Speaker, words: str) -> None:
        """Put one line down."""
        if len(self._lines) < LINES_HEARD:
            # Server's words come with surrogates where they are no UTF-8.
            shown = self.masked(words).encode("utf-8", "replace").decode()
            self._lines.append(Line(by=by, words=shown[:LETTERS_HEARD]))

    def answered(self, code: int, message: str) -> None:
        """Put an answer down, line by line as it came."""
        *first, last = message.split("\n")
        for line in first:
            self.put(Speaker.THEM, f"{code}-{line}")
        self.put(Speaker.THEM, f"{code} {last}")

    def met(self, client: aiosmtplib.SMTP, hello: aiosmtplib.SMTPResponse) -> None:
        """Put down who answered, and how: after the greeting, and anew after STARTTLS."""
        peer = client.get_transport_info("peername")
        self.put(Speaker.NOTE, f"connected to {peer[0]} port {peer[1]}")
        self.secured(client)
        self.answered(hello.code, hello.message)

    def secured(self, client: aiosmtplib.SMTP) -> None:
        """Put down what TLS came to, if there is any."""
        tls = client.get_transport_info("ssl_object")
        if tls is not None:
            certificate = tls.getpeercert() or {}
            self.put(Speaker.NOTE, f"{tls.version()} with {tls.cipher()[0]}; certificate {_described(certificate)}")


def _described(certificate: dict[str, Any]) -> str:
    names = [name for kind, name in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    issuer = dict(pair for parts in certificate.get("issuer", ()) for pair in parts)
    by = issuer.get("organizationName") or issuer.get("commonName") or "nobody named"
    return f"for {', '.join(names[:5]) or 'no name'}, issued by {by}, good until {certificate.get('notAfter', '?')}"


class _Overheard(aiosmtplib.SMTP):
    """A client that puts down what both sides say."""

    def __init__(self, heard: Heard, **settings: Any) -> None:
        super().__init__(**settings)
        self._heard = heard
        self._signing_in = False

    async def execute_command(
        self,
        *args: bytes,
        timeout: float | Literal[Default.token] | None = Default.token,  # noqa: ASYNC109 - the overridden method's
    ) -> aiosmtplib.SMTPResponse:
        shown = args
        # What follows "AUTH METHOD", on its line or on the next ones, proves who we are.
        if args[0].upper() == b"AUTH":
            self._signing_in = True
            shown = (*args[:2], *(MASK.encode() for _ in args[2:]))
        elif self._signing_in:
            shown = (MASK.encode(),)
        self._heard.put(Speaker.US, b" ".join(shown).decode("utf-8", "replace"))
        response = await super().execute_command(*args, timeout=timeout)
        self._signing_in = self._signing_in and response.code == 334
        self._heard.answered(response.code, response.message)
        return response

    async def starttls(self, **settings: Any) -> aiosmtplib.SMTPResponse:
        self._heard.put(Speaker.US, "STARTTLS")
        response = await super().starttls(**settings)
        self._heard.answered(response.code, response.message)
        self._heard.secured(self)
        return response


def _hang_up(client: aiosmtplib.SMTP | None) -> None:
    """Close at once: TLS would wait for the other side's good-bye, maybe beyond the end of the event loop."""
    if client is None:
        return
    transport = client.transport
    client.close()
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _wire_form(raw: bytes) -> bytes:
    """Canonical lines, dots stuffed, with the end of data. The parcel is canonical already; this is the last guard,
    because a bare CR or LF in front of a dot would end the message for some servers and begin another one."""
    if b"\0" in raw:
        raise DeliveryFailed("the message contains a NUL octet", temporary=False, status="5.6.0")
    if not raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n"):
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


def _commands(client: aiosmtplib.SMTP, parcel: Parcel, raw: bytes) -> tuple[list[bytes], list[bytes]]:
    mail = [b"MAIL", f"FROM:<{parcel.envelope_from}>".encode()]
    rcpt = [b"RCPT", f"TO:<{parcel.recipient}>".encode()]
    international = not (parcel.envelope_from + parcel.recipient).isascii()
    if client.supports_extension("size"):
        mail.append(f"SIZE={len(parcel.raw)}".encode())
    if client.supports_extension("8bitmime") and not raw.isascii():
        mail.append(b"BODY=8BITMIME")
    if client.supports_extension("smtputf8"):
        head = raw[: raw.find(b"\r\n\r\n") + 1] or raw
        if international or not head.isascii():
            mail.append(b"SMTPUTF8")
    elif international:
        raise DeliveryFailed("the next hop takes no addresses beyond ASCII (SMTPUTF8)", temporary=False, status="5.6.7")
    if client.supports_extension("dsn"):
        if parcel.wants_report:
            mail += [b"RET=HDRS", f"ENVID={public_id(parcel.copy)}".encode()]
            # Not SUCCESS: the report would go to the sender's own inbox, one for each copy of each mail.
            rcpt.append(b"NOTIFY=FAILURE,DELAY")
            if parcel.recipient.isascii():
                rcpt.append(b"ORCPT=rfc822;" + _xtext(parcel.recipient))
        else:
            rcpt.append(b"NOTIFY=NEVER")  # RFC 3461 §6.2: nobody wants a report about a report
    return mail, rcpt


def _xtext(text: str) -> bytes:
    # RFC 3461 §4
    return "".join(
        character if "!" <= character <= "~" and character not in "+=" else f"+{ord(character):02X}"
        for character in text
    ).encode("ascii")


def _judged(code: int, message: str, good: tuple[int, ...]) -> str:
    words = " ".join(message.split()).encode("utf-8", "replace").decode()
    reply = f"{code} {words}".strip()
    if code in good:
        return reply
    status = match[1] if (match := _STATUS.match(words)) else ""
    permanent = 500 <= code <= 599 and code not in _SIGN_IN
    raise DeliveryFailed(reply, temporary=not permanent, code=max(code, 0), status=status)


def _unreachable(upstream: Upstream, step: str, error: Exception) -> NotReached:
    where = f"{upstream.host}:{upstream.port}"
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(error, SMTPAuthenticationError):
        words = f"{where} did not let us sign in: {error.code} {error.message}"
        return NotReached(words, Trouble.SIGN_IN, status="4.7.8")
    if isinstance(error, SMTPResponseException):
        words = f"{where} while {step}: {error.code} {error.message}"
        return NotReached(words, Trouble.ANSWER, status="4.3.2")
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = f"the certificate of {where} cannot be trusted: {cause.verify_message}"
        return NotReached(words, Trouble.CERTIFICATE, status="4.7.5")
    if isinstance(cause, ssl.SSLError):
        return NotReached(f"TLS with {where} failed: {cause.reason}", Trouble.TLS, status="4.7.5")
    if isinstance(error, TimeoutError):
        return NotReached(f"{where} did not answer in time while {step}", Trouble.TIMEOUT, status="4.4.2")
    trouble = Trouble.UNREACHABLE
    if isinstance(cause, socket.gaierror):
        trouble = Trouble.NAME
    elif step == "connecting" and isinstance(cause, ConnectionRefusedError):
        trouble = Trouble.REFUSED
    elif step == "signing in" and not isinstance(error, OSError):
        trouble = Trouble.SIGN_IN  # no way of signing in that both know
    return NotReached(f"{where} could not be reached while {step}: {cause}", trouble, status="4.4.1")


def _broken(step: str, error: Exception) -> DeliveryFailed:
    if isinstance(error, SMTPResponseException):
        return DeliveryFailed(f"the next hop's answer to {step} makes no sense", temporary=True, status="4.5.0")
    if isinstance(error, TimeoutError):
        return DeliveryFailed(f"the next hop did not answer in time after {step}", temporary=True, status="4.4.2")
    return _Stale(f"the connection broke after {step}", temporary=True, status="4.4.2", at_mail=step == "MAIL")


class _Stale(DeliveryFailed):
    """The connection broke."""

    def __init__(self, message: str, *, temporary: bool, status: str, at_mail: bool) -> None:
        super().__init__(message, temporary=temporary, status=status)
        self.at_mail = at_mail


def _went_stale(error: DeliveryFailed) -> bool:
    """Whether the next hop hung up on an idle connection before it saw anything of the copy."""
    return isinstance(error, _Stale) and error.at_mail
