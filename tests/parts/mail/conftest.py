"""A mail room with real sockets: submission server, delivery loop, a next hop that plays any script."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import trustme
from sqlalchemy import Engine, select
from tests.patience import PATIENCE_S

from unsealed.core.instrument import Tracking
from unsealed.flow.deliver import Delivery
from unsealed.flow.routes import Routes
from unsealed.inlets.submit import Limits, SubmissionServer
from unsealed.model.message import AddressKind, Outgoing, Recipient, UserId
from unsealed.model.policy import Switches
from unsealed.model.ports import Outlet, RefreshTokens
from unsealed.model.upstream import Upstream as NextHop
from unsealed.outlets.sandbox import SandboxOutlet
from unsealed.store import people, proofs, sandbox, schema
from unsealed.store.people import Role
from unsealed.store.writer import Writer

ANN = "ann@example.org"
HTML = (
    b"From: Ann <ann@example.org>\r\nTo: Bob <bob@x.example>\r\nSubject: hi\r\nMessage-ID: <1@example.org>\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><body><p>Look <a href="https://example.com/a">here</a>.</p></body></html>\r\n'
)


class FixedKeys:
    """One key, always the same."""

    newest = 1

    def key(self, key_id: int) -> bytes | None:
        return bytes(range(64)) if key_id == 1 else None


@dataclass
class Ann:
    """A user with an app password."""

    user: UserId
    password: str
    email: str = ANN


@pytest.fixture
def keys() -> FixedKeys:
    return FixedKeys()


@pytest.fixture
def ann(engine: Engine, clock: Callable[[], datetime]) -> Ann:
    with engine.begin() as connection:
        user = people.add_user(connection, ANN, Role.OWNER, clock())
        return Ann(user=user, password=proofs.new_app_password(connection, user, "mail program", clock()))


@pytest.fixture
def outgoing(ann: Ann, clock: Callable[[], datetime]) -> Callable[..., Outgoing]:
    """`outgoing("bob@x.example", ...)` is a message from Ann to these addresses."""

    def make(*to: str, raw: bytes = HTML, switches: Switches | None = None) -> Outgoing:
        return Outgoing(
            user=ann.user,
            envelope_from=ANN,
            recipients=tuple(Recipient(address=address, kind=AddressKind.TO) for address in to or ("bob@x.example",)),
            raw=raw,
            switches=switches or Switches(),
            received_at=clock(),
        )

    return make


@pytest.fixture
def tracking(keys: FixedKeys) -> Tracking:
    return Tracking(base_url="https://t.example.org", keys=keys, key_id=1)


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    made = Writer(engine)
    yield made
    await made.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """`await eventually(question)`: the first true answer; fails after some seconds."""

    async def wait(question: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := question()):  # noqa: ASYNC110 - it asks other threads and processes
                await asyncio.sleep(0.01)
            return answer

    return wait


@pytest.fixture
def copies(engine: Engine) -> Callable[[], dict[str, Any]]:
    """`copies()`: the rows of all copies by address."""

    def read() -> dict[str, Any]:
        with engine.connect() as connection:
            return {row["address"]: dict(row) for row in connection.execute(select(schema.copies)).mappings()}

    return read


@pytest.fixture
def rows(engine: Engine) -> Callable[[Any], list[Any]]:
    """`rows(table)`: all its rows, in the order of their keys: a database gives them in whatever order it likes."""

    def read(table: Any) -> list[Any]:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]

    return read


@pytest.fixture
async def deliver(
    engine: Engine, keys: FixedKeys, clock: Callable[[], datetime], writer: Writer
) -> AsyncIterator[Callable[..., Delivery]]:
    """`deliver(outlet)` starts a delivery loop; it is stopped when the test ends. dial: makes outlets for the next hops
    that the store names."""
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    def start(
        outlet: Outlet, dial: Callable[[NextHop, RefreshTokens], Outlet] | None = None, **settings: Any
    ) -> Delivery:
        settings.setdefault("idle_s", 0.02)  # tests move the clock; the loop has to look often
        routes = Routes(engine, keys=keys, usual=outlet, dial=dial or (lambda *_: outlet), private_hosts=False)
        made = Delivery(engine, routes, keys=keys, clock=clock, writer=writer, host="mail.example.org", **settings)
        stop = asyncio.Event()
        running.append((stop, asyncio.create_task(made.run(stop))))
        return made

    yield start
    for stop, task in running:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


@pytest.fixture
def sandbox_outlet(writer: Writer, clock: Callable[[], datetime]) -> SandboxOutlet:
    return SandboxOutlet(lambda parcel, at: writer.run(partial(sandbox.keep, parcel=parcel, at=at)), clock=clock)


# The submission server and a client that says exactly what it is told


class Client:
    """A raw SMTP client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next reply, its lines joined by a bar; "" when the server hung up."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.reader.readline()).decode():
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "|".join(lines)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.drain()

    async def say(self, line: str) -> str:
        await self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def sign_in(self, account: str, password: str) -> str:
        await self.say("EHLO client.example")
        return await self.say(f"AUTH PLAIN {plain(account, password)}")

    async def envelope(self, sender: str = ANN, *to: str) -> str:
        await self.say(f"MAIL FROM:<{sender}>")
        for address in to or ("bob@x.example",):
            await self.say(f"RCPT TO:<{address}>")
        return await self.say("DATA")

    async def start_tls(self, context: ssl.SSLContext) -> str:
        reply = await self.say("STARTTLS")
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.start_tls(context, server_hostname="localhost")
        return reply

    async def at_end(self) -> bool:
        """Whether the server hangs up, whatever it says before."""
        async with asyncio.timeout(PATIENCE_S):
            await self.reader.read()
        return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError, ssl.SSLError):  # TimeoutError among them
            async with asyncio.timeout(PATIENCE_S):
                await self.writer.wait_closed()


def plain(account: str, password: str) -> str:
    return base64.b64encode(f"\0{account}\0{password}".encode()).decode()


@dataclass
class Desk:
    """A running submission server."""

    server: SubmissionServer
    port: int
    tls_port: int
    accepted: list[None]
    clients: list[Client] = field(default_factory=list)

    async def client(self, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Client:
        """A new connection; the greeting has been read."""
        port = self.port if context is None else self.tls_port
        name = None if context is None else "localhost"
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        made = Client(reader, writer)
        self.clients.append(made)
        await made.reply()
        return made


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def desk(
    engine: Engine,
    ann: Ann,
    writer: Writer,
    clock: Callable[[], datetime],
    tracking: Tracking,
    listening: Callable[[], socket.socket],
    server_tls: ssl.SSLContext,
) -> AsyncIterator[Callable[..., Awaitable[Desk]]]:
    """`await desk()` is a running server with STARTTLS and implicit TLS; `limits=` and `tls=None` change it."""
    made: list[Desk] = []

    async def start(limits: Limits | None = None, tls: ssl.SSLContext | None = server_tls) -> Desk:
        accepted: list[None] = []
        server = SubmissionServer(
            engine,
            writer,
            tracking=lambda: tracking,
            defaults=lambda user: Switches(),
            clock=clock,
            accepted=lambda: accepted.append(None),
            mark="[notrack]",
            host="mail.example.org",
            tls=tls,
            limits=limits,
        )
        sockets = [listening(), listening()]
        await server.start(plain=sockets[:1], implicit=sockets[1:] if tls else [])
        ports = [each.getsockname()[1] for each in sockets]
        made.append(Desk(server=server, port=ports[0], tls_port=ports[1], accepted=accepted))
        return made[-1]

    yield start
    for each in made:
        await each.server.stop()
        for client in each.clients:
            await client.close()


# A next hop that plays a script


class Upstream:
    """An SMTP server that answers each command as the script says; "250 ok" and the like where it says nothing.

    script: verb (EHLO, MAIL, RCPT, DATA, END, ...; CONNECT for the greeting) -> list of answers, used up one by one,
    the last one again and again. None hangs up, "hang" never answers, a callable is called with the command.
    """

    EXTENSIONS = ("8BITMIME", "SMTPUTF8", "DSN", "SIZE 40000000")

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: dict[str, list[Any]] = {}
        self.extensions: tuple[str, ...] = self.EXTENSIONS
        self.tls = tls
        self.messages: list[bytes] = []  # raw, as they came over the wire, without the end of data
        self.commands: list[str] = []
        self.connections = 0
        self._said = ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, *, implicit: bool = False) -> int:
        """Begin to listen; return the port."""
        listening = socket.create_server(("127.0.0.1", 0))
        self._server = await asyncio.start_server(
            self._serve, sock=listening, ssl=self.tls if implicit else None, limit=2**22
        )
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        self._stopped.set()
        await asyncio.wait_for(self._idle.wait(), PATIENCE_S)

    def hang_up_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self._idle.clear()
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            if not self._open:
                self._idle.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._answer(writer, "CONNECT", "", "220 upstream.example ESMTP"):
            return
        secure = False
        while line := (await reader.readline()).decode():
            command = line.rstrip("\r\n")
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            usual = "250 2.0.0 Ok"
            if verb == "EHLO":
                offered = [*self.extensions, "AUTH PLAIN LOGIN"]
                if self.tls is not None and not secure and "no-tls" not in self.script:
                    offered.append("STARTTLS")
                usual = "\r\n".join(["250-upstream.example", *(f"250-{each}" for each in offered[:-1])])
                usual += f"\r\n250 {offered[-1]}"
            elif verb == "DATA":
                usual = "354 go"
            elif verb == "QUIT":
                usual = "221 2.0.0 bye"
            elif verb == "AUTH":
                usual = "235 2.7.0 in"
            elif verb == "STARTTLS":
                usual = "220 2.0.0 go"
            if not await self._answer(writer, verb, command, usual):
                return
            if verb == "STARTTLS" and self._said.startswith("220"):
                before: Any = writer.transport
                await writer.start_tls(self.tls)  # type: ignore[arg-type]
                after: Any = writer.transport
                if after is None:  # the client hung up within the handshake
                    setattr(writer, "_transport", before)  # noqa: B010 - its destructor needs one
                    return
                secure = True
            if verb == "DATA" and self._said.startswith("354"):
                body = await reader.readuntil(b"\r\n.\r\n")
                if not await self._answer(writer, "END", "", f"250 2.0.0 Ok: queued as {len(self.messages):X}", body):
                    return
            if verb == "QUIT":
                return

    async def _answer(
        self, writer: asyncio.StreamWriter, verb: str, command: str, usual: str, body: bytes = b""
    ) -> bool:
        answers = self.script.get(verb)
        answer: Any = usual if not answers else answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(self, command)
            if asyncio.iscoroutine(answer):
                answer = await answer
            answer = usual if answer == "usual" else answer
        if answer == "usual":
            answer = usual
        if answer == "hang":
            await self._stopped.wait()
            return False
        if verb == "END" and (answer is None or str(answer).startswith("2")):
            self.messages.append(body.removesuffix(b".\r\n"))
        if answer is None:
            return False
        self._said = str(answer)
        writer.write(answer.encode() + b"\r\n" if isinstance(answer, str) else answer)
        await writer.drain()
        return True


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[..., Upstream]]:
    """`upstream()` is a next hop; `await it.start()` gives its port."""
    made: list[Upstream] = []

    def make(tls: ssl.SSLContext | None = None) -> Upstream:
        made.append(Upstream(tls))
        return made[-1]

    yield make
    for each in made:
        await each.stop()
