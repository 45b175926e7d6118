"""The collector: answers pixels and links, and records each as a hit.

Promises that an answer to a valid token is sent only when its hit is on disk; that a pixel is always the same picture
with the same headers, whether the token is good or not; that a link leads only where this installation sealed it; and
that the reader never pays for our trouble: when the journal cannot be written, everything is answered all the same, the
misses are counted, and /healthz turns red until it works again. Knows no database and no user; what a hit means is
judged elsewhere.

    GET|HEAD /o/<token>.gif   200, a transparent GIF of 43 bytes
    GET|HEAD /c/<token>       302 to the destination; 404 when the token is not ours
    GET|HEAD /me/<token>      303 back to the app, with the cookie of one of the sender's own browsers; 404 as above
    GET|HEAD /robots.txt      keep out
    GET|HEAD /healthz         200 when all is well, 503 with the reasons otherwise
    anything else             404

A cookie is set at /me/ alone, whose tokens the app gives to its own users: no recipient ever gets one. What comes back
at /o/ and /c/ goes into the hit unopened, as far as it could be ours.

Speaks HTTP/1.1 itself instead of standing on a server at hand. Of 1,500 half-open requests granian still held 658 after
30 s, and it took 490 kB of headers; here none is left and 32 kB is the end. And it is faster than granian with the same
token, journal and group commit (docs/reference/measurements.md): one callback takes all requests of a packet, what was
said before in the same words is not read again, no task or future is made for a request, and all who waited for a
commit are answered in one go. Requests have no body here: one that announces a body is refused and the connection
closed, so nothing can be smuggled behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import uvloop

from unsealed.core.forwarded import Network, client_address, is_trusted, read_address
from unsealed.core.token import open_device, open_target, redirect_location, seal_device
from unsealed.model.errors import UnsealedError
from unsealed.model.ports import Clock, Keys
from unsealed.store.journal import GroupCommit, Journal, encode_address, encode_asked, encode_moment, encode_request

DEVICE_COOKIE: Final = b"unsealed_me"

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Against slow and fat clients."""

    head_s: float = 10.0  # from the first byte (or the connection) to the end of the request head
    head_bytes: int = 32 * 1024
    idle_s: float = 15.0  # between requests, and for a client that does not read its answers
    connections: int = 4096
    connections_per_address: int = 2048  # of one peer that is not a trusted proxy
    stalled_s: float = 5.0  # a commit that takes longer: answer without it
    red_s: float = 60.0  # how long a miss keeps /healthz red
    free_bytes: int = 2**20  # less on the disk turns /healthz red, although the journal has made room ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectSettings:
    """What a collector needs. Sockets are file descriptors that listen already; who opened them keeps them, so that a
    restart refuses nobody."""

    sockets: tuple[int, ...]
    private_socket: int | None = None  # a unix socket whose peers are trusted proxies
    journal: Path  # folder of this collector alone
    collector: str
    keys: Keys
    clock: Clock
    trusted_proxies: tuple[Network, ...] = ()
    https: bool = False  # whether browsers reach the tracking host by https: its cookie is then for https alone
    limits: Limits = field(default_factory=Limits)


def run(settings: CollectSettings, ready: Callable[[], None] = lambda: None) -> None:
    """The body of the collector process: serve until SIGTERM, then answer what waits and return.

    ready: called once, when requests are answered.

    Raises:
        Unavailable: temporary; another process writes this journal, or its folder cannot be made.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, ready))


async def _serve(settings: CollectSettings, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    # Numbers of segments begin with the time in seconds, so that they do not come back when the folder was emptied.
    journal = Journal(settings.journal, settings.collector, first_segment=int(settings.clock().timestamp()))
    collector = _Collector(settings, journal, loop)
    servers: list[asyncio.Server] = []
    for number in settings.sockets:
        sock = socket.socket(fileno=number)
        sock.setblocking(False)
        servers.append(await loop.create_server(lambda: _Connection(collector, False), sock=sock, backlog=4096))
    if settings.private_socket is not None:
        sock = socket.socket(fileno=settings.private_socket)
        sock.setblocking(False)
        # From Python 3.13 on the end of the server would remove the socket's path, which is not ours.
        unix = cast(Any, loop).create_unix_server  # its type does not know that argument yet
        servers.append(await unix(lambda: _Connection(collector, True), sock=sock, cleanup_socket=False))
    ready()
    try:
        await stop.wait()
        for server in servers:
            server.close()
        await collector.drain()
    finally:
        collector.close()
        journal.close()


_GIF: Final = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00"
    b"\x01\x00\x00\x02\x02D\x01\x00;"
)
_NEVER_KEPT: Final = b"Cache-Control: no-cache, no-store, max-age=0, must-revalidate, private\r\n"
_PIXEL: Final = b"Content-Type: image/gif\r\nCross-Origin-Resource-Policy: cross-origin\r\n" + _NEVER_KEPT
_END: Final = b"\r\n\r\n"
_NO_ROBOTS: Final = b"X-Robots-Tag: noindex, nofollow\r\n"
_PAGE: Final = (
    b"Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
    b"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n" + _NO_ROBOTS + _NEVER_KEPT
)
_REDIRECT: Final = b"Referrer-Policy: no-referrer\r\n" + _NO_ROBOTS + _NEVER_KEPT
_JSON: Final = b"Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n" + _NEVER_KEPT
_TEXT: Final = b"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
_ALLOW: Final = b"Allow: GET, HEAD\r\n" + _NEVER_KEPT
_METHODS: Final = (b"GET", b"HEAD")
_NOT_FOUND: Final = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    b"<title>Not found</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:28rem;"
    b"padding:0 1rem;color-scheme:light dark}</style><h1>Not found</h1>"
    b"<p>There is nothing at this address. It may have been damaged on its way.</p></html>\n"
)
# Mail is read inside the pages of others, where browsers send only cookies that say None, and they take those by https.
_COOKIE: Final = b"Set-Cookie: " + DEVICE_COOKIE + b"=%b; Max-Age=34560000; Path=/; HttpOnly; %b\r\n"  # 400 days
_HTTPS_COOKIE: Final = b"SameSite=None; Secure"
_HTTP_COOKIE: Final = b"SameSite=Lax"
_ROBOTS: Final = b"User-agent: *\nDisallow: /\n"

_PREFETCH: Final = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
_SEC_FETCH: Final = (b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-fetch-user")
_NAME: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110 §5.6.2
_TOKEN: Final = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_FIELD_BYTES: Final = 512
_DEVICE_BYTES: Final = 128
_PATIENCE_TURNS: Final = 12  # of the loop, each some microseconds, as long as every turn brings new requests
_KEPT_LINES: Final = 16_384  # entries of a cache; it is emptied when full
_KEPT_HEADERS: Final = 4096
_KEPT_BYTES: Final = 1024  # a longer line, location or block is not kept
_IS_PIXEL: Final = b""  # what a pixel's token opens to
_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 64 * 1024
_MAX_WAITING: Final = 64  # pipelined requests of one connection that wait for the disk


class _Peer:
    """The connections of one address."""

    __slots__ = ("number", "silent")

    def __init__(self) -> None:
        self.number = 0
        self.silent: dict[_Connection, None] = {}  # those that never sent a whole request, oldest first


class _Collector:
    """What all connections share: the journal, the counters, the prepared answers."""

    def __init__(self, settings: CollectSettings, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.keys = settings.keys
        self.clock = settings.clock
        self.loop = loop
        self.now = loop.time()  # brought up to date once for each packet and each commit
        self.connections: dict[_Connection, None] = {}
        self.silent: dict[_Connection, None] = {}  # those that never sent a whole request, oldest first
        self.peers: dict[str, _Peer] = {}
        self.draining = False
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.max_connections = max(1, min(self.limits.connections, files - 64))
        self.hits = 0
        self.misses = 0
        self.bad_tokens = 0
        self.refused = 0  # connections
        self._journal = journal
        self._group: GroupCommit[tuple[_Connection, bytes]] = GroupCommit(
            journal, settled=self._settled, post=loop.call_soon_threadsafe
        )
        self._flush_planned = False
        self._moment = b""
        self.known_lines: dict[bytes, tuple[bytes, bytes]] = {}  # location and journal.encode_asked of "GET ..."
        self.known_headers: dict[bytes, _Headers] = {}
        self._stalled = False
        self._error = ""
        self._missed_at = -math.inf
        self._empty = asyncio.Event()  # no connection is left, while draining
        self._tick()

    def open(self, token: bytes) -> bytes | None:
        """Where the token leads, _IS_PIXEL for a pixel, None for one that is not ours."""
        if not token.isascii():
            return None
        try:
            destination = open_target(self.keys, token.decode())
        except UnsealedError:  # not only BadToken: a key ring that cannot be read must not break the connection
            return None
        return _IS_PIXEL if destination is None else redirect_location(destination)

    def welcome(self, token: bytes) -> bytes | None:
        """The headers that give a sender's own browser its cookie and send it back; None for a token that is not
        ours, or one from a cookie, which leads nowhere."""
        if not token.isascii():
            return None
        try:
            device, back = open_device(self.keys, token.decode())
            cookie = seal_device(self.keys, self.keys.newest, device, "")
        except UnsealedError:
            return None
        if not back:
            return None
        guard = _HTTPS_COOKIE if self.settings.https else _HTTP_COOKIE
        return _REDIRECT + b"Location: %b\r\n" % redirect_location(back) + _COOKIE % (cookie.encode(), guard)

    def keep_line(self, line: bytes, location: bytes, asked: bytes) -> None:
        """The same few are asked for again and again, by proxies and by people who read a message twice."""
        if len(line) <= _KEPT_BYTES and len(location) <= _KEPT_BYTES:
            if len(self.known_lines) >= _KEPT_LINES:
                self.known_lines.clear()
            self.known_lines[line] = location, asked

    def read_headers(self, block: bytes) -> _Headers:
        """Programs ask in the same words each time: what they said is kept."""
        headers = _read_headers(block[:-4])
        if len(block) <= _KEPT_BYTES:
            if len(self.known_headers) >= _KEPT_HEADERS:
                self.known_headers.clear()
            self.known_headers[block] = headers
        return headers

    def moment(self) -> bytes:
        """Now, as a journal writes it; the same for all requests that arrived together."""
        if not self._moment:
            self._moment = encode_moment(self.clock())
        return self._moment

    def gone(self, connection: _Connection) -> None:
        """A connection was lost."""
        self.connections.pop(connection, None)
        if self.draining and not self.connections:
            self._empty.set()

    def record(self, payload: bytes, connection: _Connection, answer: bytes) -> None:
        """Answer after the next commit; an empty payload waits with the others, so that the time does not tell whether
        a token was good."""
        connection.waiting += 1
        if self._stalled:
            self._moment = b""
            self._count_misses(1 if payload else 0)
            connection.answer(answer)
            return
        self._group.add(payload, (connection, answer))
        self._plan_flush()

    def compose(self, status: bytes, headers: bytes, body: bytes, *, head: bool = False, close: bool = False) -> bytes:
        """A whole answer; `head` leaves out the body and nothing else."""
        return b"HTTP/1.1 %b\r\nDate: %b\r\n%bContent-Length: %d\r\n%b\r\n%b" % (
            status,
            self.date,
            headers,
            len(body),
            b"Connection: close\r\n" if close else b"",
            b"" if head else body,
        )

    def health(self, *, details: bool) -> tuple[bool, bytes]:
        """Whether all is well, and the JSON that says so; counters are for this machine alone."""
        reasons = []
        if not self._journal.writable:
            reasons.append(self._error or "the journal cannot be written")
        if self._stalled:
            reasons.append("the disk of the journal does not answer")
        if self._disk_is_full():
            reasons.append("the disk of the journal is full; what it has set aside will not last")
        if self.now - self._missed_at < self.limits.red_s:
            reasons.append("hits were answered without being recorded in the last minute")
        state: dict[str, object] = {"ok": not reasons, "role": "collect", "reasons": reasons}
        if details:
            state |= {
                "collector": self.settings.collector,
                "journal": "stalled" if self._stalled else "writable" if self._journal.writable else "unwritable",
                "hits": self.hits,
                "misses": self.misses,
                "bad_tokens": self.bad_tokens,
                "connections": len(self.connections),
                "refused_connections": self.refused,
            }
        return not reasons, json.dumps(state).encode() + b"\n"

    async def drain(self) -> None:
        """Answer what waits for the disk, close what is idle, and wait until all connections are gone, as long as
        that goes on."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()
        if not self.connections:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.stalled_s):
                await self._empty.wait()

    def close(self) -> None:
        """End the writer's thread and all connections."""
        self._timer.cancel()
        self._group.close(self.limits.stalled_s)
        for connection in list(self.connections):
            connection.abort()

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self.loop.call_soon(self._flush_when_quiet, 0, _PATIENCE_TURNS)

    def _flush_when_quiet(self, before: int, turns: int) -> None:
        """Commit when a turn of the loop has brought nothing more. A commit costs nearly the same for one record as for
        sixty: at 64 clients, fewer and larger ones gave a tenth to a fifth more answers."""
        waiting = self._group.waiting
        if waiting != before and turns:
            self.loop.call_soon(self._flush_when_quiet, waiting, turns - 1)
            return
        self._flush_planned = False
        self._moment = b""
        self._group.flush()

    def _settled(self, waiters: list[tuple[_Connection, bytes]], records: int, error: str) -> None:
        self.now = self.loop.time()
        self._stalled = False
        self._error = error
        if error:
            self._count_misses(records)
        else:
            self.hits += records
        for connection, answer in waiters:
            connection.answer(answer)
        if self._group.waiting:
            self._plan_flush()

    def _disk_is_full(self) -> bool:
        try:
            disk = os.statvfs(self.settings.journal)
        except OSError:
            return False  # the journal itself says what is wrong with its folder
        return disk.f_bavail * disk.f_frsize < self.limits.free_bytes

    def _count_misses(self, number: int) -> None:
        if number:
            self.misses += number
            self._missed_at = self.loop.time()

    def _tick(self) -> None:
        """Once a second: the date, the deadlines, the journal."""
        self._group.stay_near()
        self.now = now = self.loop.time()
        self.date = format_datetime(self.clock(), usegmt=True).encode()
        self.pixel = self.compose(b"200 OK", _PIXEL, _GIF)
        self.found = b"HTTP/1.1 302 Found\r\nDate: %b\r\n%bContent-Length: 0\r\nLocation: " % (self.date, _REDIRECT)
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.abort()
        if self._group.busy_s > self.limits.stalled_s:
            self._stalled = True
            waiters, records = self._group.give_up_waiting()
            self._count_misses(records)
            for connection, answer in waiters:
                connection.answer(answer)
        self._group.probe()
        self._timer = self.loop.call_later(1.0, self._tick)


class _Connection(asyncio.Protocol):
    """One connection: splits what comes into requests, and sends the answers in their order.

    Without a timer of its own: `deadline` is looked at once a second.
    """

    __slots__ = (
        "_asker",
        "_buffer",
        "_closing",
        "_collector",
        "_forgotten",
        "_headers",
        "_lingers",
        "_paused",
        "_peer",
        "_private",
        "_silent",
        "_stuffed",
        "_transport",
        "_trusted",
        "address",
        "deadline",
        "waiting",
    )

    def __init__(self, collector: _Collector, private: bool) -> None:
        self._collector = collector
        self._private = private
        self._trusted = private  # whether its X-Forwarded-For is believed
        self._transport: asyncio.Transport
        self._buffer = bytearray()  # the beginning of a request, or requests that wait for earlier ones
        self._peer: _Peer | None = None
        self._paused = False  # nothing is read
        self._silent = True  # it never sent a whole request
        self._stuffed = False  # the client does not read
        self._closing = False  # with the last answer that waits
        self._lingers = False  # read and forget what still comes, so that the refusal arrives before a reset
        self._forgotten = 0  # bytes
        self._headers: _Headers | None = None  # of the last request
        self._asker = b""  # the pieces of its record that say who asked and how
        self.address = ""
        self.deadline = 0.0
        self.waiting = 0  # answers that wait for the disk

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        collector = self._collector
        self._transport = cast(asyncio.Transport, transport)
        self.deadline = collector.loop.time() + collector.limits.head_s
        collector.connections[self] = None
        collector.silent[self] = None
        if not self._private:
            self.address = str(transport.get_extra_info("peername")[0])
            address = read_address(self.address)
            self._trusted = address is not None and is_trusted(address, collector.settings.trusted_proxies)
            if address is not None:
                self.address = str(address)
        if not self._trusted:
            self._peer = peer = collector.peers.setdefault(self.address, _Peer())
            peer.number += 1
            peer.silent[self] = None
            if peer.number > collector.limits.connections_per_address:
                self._make_room(peer.silent)
        if len(collector.connections) > collector.max_connections:
            self._make_room(collector.silent)

    def connection_lost(self, error: Exception | None) -> None:
        collector = self._collector
        collector.gone(self)
        self._spoke()
        if self._peer is not None:
            self._peer.number -= 1
            if not self._peer.number:
                collector.peers.pop(self.address, None)
        self._closing = True
        self._buffer.clear()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._forgotten += len(data)
            if self._forgotten > _LINGER_BYTES:
                self._transport.abort()
            return
        if not self._buffer:
            line, _, block = data.partition(b"\r\n")
            headers = self._collector.known_headers.get(block)
            if (
                headers is not None and line > b" " and len(data) <= self._collector.limits.head_bytes
            ):  # one whole request
                self._request(line, headers)
                return
            self.deadline = self._collector.loop.time() + self._collector.limits.head_s
        searched = max(0, len(self._buffer) - 3)
        self._buffer += data
        self._split(searched)

    def eof_received(self) -> bool:
        self._closing = True
        self._buffer.clear()
        return self.waiting > 0  # True: keep the other direction open for the answers

    def pause_writing(self) -> None:
        self._stuffed = True  # take nothing more from it; the deadline ends it
        self.deadline = self._collector.loop.time() + self._collector.limits.idle_s
        self._pause()

    def resume_writing(self) -> None:
        self._stuffed = False
        if not self.waiting and not self._transport.is_closing():
            self._resume()

    # what the collector calls

    def answer(self, answer: bytes) -> None:
        """Send one of the answers that waited for the disk."""
        self.waiting -= 1
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if self.waiting:
            return
        limits = self._collector.limits
        if self._lingers:
            self.deadline = self._collector.now + min(_LINGER_S, limits.idle_s)
            self._transport.write_eof()
            self._resume()
            return
        self.deadline = self._collector.now + (limits.head_s if self._buffer and not self._stuffed else limits.idle_s)
        if self._closing or self._collector.draining:
            self._transport.close()
        elif self._paused and not self._stuffed:
            self._resume()

    def close_if_idle(self) -> None:
        """End a connection on which nobody waits for an answer."""
        if not self.waiting:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now, whatever was not sent yet."""
        self._transport.abort()

    # splitting

    def _split(self, searched: int) -> None:
        """Take whole requests out of the buffer, as many as may wait at once."""
        collector, buffer = self._collector, self._buffer
        limit = collector.limits.head_bytes
        start = 0
        while self.waiting < _MAX_WAITING and not self._stuffed:
            end = buffer.find(b"\r\n\r\n", max(start, searched))
            if end - start > limit or (end < 0 and len(buffer) - start > limit):
                self._refuse(b"431 Request Header Fields Too Large")
                return
            if end < 0:
                break
            start, head = end + 4, bytes(buffer[start : end + 4]).lstrip(b"\r\n")
            if head:  # RFC 9112 §2.2: empty lines before a request are ignored
                line, _, block = head.partition(b"\r\n")
                self._request(line, collector.known_headers.get(block) or collector.read_headers(block))
            if self._closing:
                return
        else:
            self._pause()
        del buffer[:start]

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._buffer:
            self._split(0)

    def _spoke(self) -> None:
        self._silent = False
        self._collector.silent.pop(self, None)
        if self._peer is not None:
            self._peer.silent.pop(self, None)

    def _make_room(self, silent: dict[_Connection, None]) -> None:
        """Too many: the oldest one that never sent a request goes, so that good ones always come in; if there is none
        but this one, this one goes."""
        self._collector.refused += 1
        oldest = next(iter(silent))
        oldest._spoke()
        oldest.abort()

    # requests

    def _request(self, line: bytes, headers: _Headers) -> None:
        """One request: its first line, and what the others say."""
        collector = self._collector
        known = collector.known_lines.get(line)
        if known is not None and headers.usual:
            if self._silent:
                self._spoke()
            self.deadline = math.inf
            location, asked = known
            self._record(asked, headers, collector.found + location + _END if location else collector.pixel)
            return
        words = line.split(b" ")
        if len(words) != 3 or headers.fault:
            self._refuse(b"400 Bad Request")
            return
        method, target, version = words
        if version == b"HTTP/1.1" and headers.host:
            if headers.close:
                self._closing = True
        elif version == b"HTTP/1.0":
            self._closing = True
        else:
            self._refuse(b"400 Bad Request")
            return
        if self._silent:
            self._spoke()
        self.deadline = math.inf
        path = target.partition(b"?")[0]
        if path[:1] != b"/":
            path = _path_of_absolute(path)
        kind = path[:3]
        if kind == b"/o/" and path[-4:] == b".gif":
            self._pixel(method, path[3:-4], line, headers)
        elif kind == b"/c/":
            self._link(method, path[3:], line, headers)
        elif path[:4] == b"/me/" and method in _METHODS and (welcome := collector.welcome(path[4:])):
            self._say(b"303 See Other", welcome, b"", method)
        elif path == b"/healthz" and method in _METHODS:
            fine, body = collector.health(details=self._is_local(headers))
            self._say(b"200 OK" if fine else b"503 Service Unavailable", _JSON, body, method)
        elif path == b"/robots.txt" and method in _METHODS:
            self._say(b"200 OK", _TEXT, _ROBOTS, method)
        else:
            self._say(b"404 Not Found", _PAGE, _NOT_FOUND, method)

    def _pixel(self, method: bytes, token: bytes, line: bytes, headers: _Headers) -> None:
        collector = self._collector
        usual = method == b"GET" and not self._closing
        if usual:
            answer = collector.pixel
        elif method in _METHODS:
            answer = collector.compose(b"200 OK", _PIXEL, _GIF, head=method == b"HEAD", close=self._closing)
        else:
            self._say(b"405 Method Not Allowed", _ALLOW, b"", method)
            return
        if collector.open(token) != _IS_PIXEL:
            collector.bad_tokens += 1
            collector.record(b"", self, answer)
            return
        asked = encode_asked(token.decode(), method.decode())
        if usual:
            collector.keep_line(line, _IS_PIXEL, asked)
        self._record(asked, headers, answer)

    def _link(self, method: bytes, token: bytes, line: bytes, headers: _Headers) -> None:
        collector = self._collector
        if method not in _METHODS:
            self._say(b"405 Method Not Allowed", _ALLOW, b"", method)
            return
        location = collector.open(token)
        if location is None or location == _IS_PIXEL:
            collector.bad_tokens += 1
            self._say(b"404 Not Found", _PAGE, _NOT_FOUND, method)
            return
        asked = encode_asked(token.decode(), method.decode())
        if method == b"GET" and not self._closing:
            collector.keep_line(line, location, asked)
        end = b"\r\nConnection: close\r\n\r\n" if self._closing else _END
        self._record(asked, headers, collector.found + location + end)

    def _record(self, asked: bytes, headers: _Headers, answer: bytes) -> None:
        if headers is not self._headers:
            self._headers = headers
            address = self.address
            if headers.forwarded is not None and self._trusted:
                address = client_address(address, headers.forwarded, self._collector.settings.trusted_proxies)
            self._asker = encode_address(address) + headers.request
        self._collector.record(self._collector.moment() + asked + self._asker, self, answer)

    def _is_local(self, headers: _Headers) -> bool:
        return self._private or (headers.forwarded is None and self.address in ("127.0.0.1", "::1"))

    # answers that need no disk

    def _say(self, status: bytes, headers: bytes, body: bytes, method: bytes) -> None:
        answer = self._collector.compose(status, headers, body, head=method == b"HEAD", close=self._closing)
        if self.waiting:
            self._collector.record(b"", self, answer)  # answers leave in the order of the requests
        else:
            self.waiting += 1
            self.answer(answer)

    def _refuse(self, status: bytes) -> None:
        """Answer something that is no request of ours, and close: what follows cannot be told from a body."""
        self._closing = self._lingers = True
        self._buffer.clear()
        self._say(status, _PAGE, b"", b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Headers:
    """What a block of header lines says."""

    usual: bool = False  # without fault, for HTTP/1.1, and the connection is kept
    fault: bool = False  # malformed, ambiguous, or it announces a body
    host: bool = False
    close: bool = False
    forwarded: str | None = None
    request: bytes = b""  # journal.encode_request


def _read_headers(block: bytes) -> _Headers:
    """block: header lines without the last line end."""
    lines = block.split(b"\r\n") if block else []
    breaks = max(0, len(lines) - 1)
    if block.count(b"\n") != breaks or block.count(b"\r") != breaks or b"\0" in block:
        return _Headers(fault=True)
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or name.translate(None, _NAME):
            return _Headers(fault=True)
        if name not in headers:
            headers[name] = value.strip(b" \t")
        elif name == b"x-forwarded-for":
            headers[name] += b"," + value
        elif name in (b"host", b"content-length"):  # whoever stands before us may have read the other one
            return _Headers(fault=True)
    get = headers.get
    if get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        return _Headers(fault=True)
    language, forwarded = get(b"accept-language"), get(b"x-forwarded-for")
    sec_fetch = [_visible(get(name, b"")) for name in _SEC_FETCH]
    host, close = b"host" in headers, b"close" in get(b"connection", b"").lower()
    return _Headers(
        usual=host and not close,
        host=host,
        close=close,
        forwarded=None if forwarded is None else forwarded.decode("latin-1"),
        request=encode_request(
            user_agent=_visible(get(b"user-agent", b"")),
            accept=_visible(get(b"accept", b"")),
            accept_language=None if language is None else _visible(language),
            referer_host=_host_of(get(b"referer", b"")),
            prefetch=_visible(next((headers[name] for name in _PREFETCH if name in headers), b"")),
            sec_fetch=_cut("/".join(sec_fetch)) if any(sec_fetch) else "",
            device=_device_of(headers[b"cookie"]) if b"cookie" in headers else "",
        ),
    )


def _visible(value: bytes) -> str:
    """Text that any log, page and journal can hold: control and other invisible characters are written as escapes, at
    most 512 bytes of UTF-8."""
    if value.isascii():
        text = value.decode("ascii")
    else:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    if not text.isprintable():
        text = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
        )
    return _cut(text)


def _cut(text: str) -> str:
    if len(text) * 4 <= _FIELD_BYTES:
        return text
    return text.encode()[:_FIELD_BYTES].decode(errors="ignore")


def _host_of(referer: bytes) -> str:
    """The host that a Referer names, without user and port; "" when it names none."""
    _, found, rest = referer.partition(b"://")
    if not found:
        return ""
    for end in (b"/", b"?", b"#"):
        rest = rest.partition(end)[0]
    host = rest.rpartition(b"@")[2]
    if host[:1] == b"[":
        host = host.partition(b"]")[0] + b"]"
    else:
        host = host.partition(b":")[0]
    return _visible(host.lower())


def _device_of(cookies: bytes) -> str:
    """What the cookie of a sender's own browser says; "" when there is none that we could have set."""
    for cookie in cookies.split(b";"):
        name, _, value = cookie.strip(b" \t").partition(b"=")
        if name == DEVICE_COOKIE:
            return value.decode() if len(value) <= _DEVICE_BYTES and not value.translate(None, _TOKEN) else ""
    return ""


def _path_of_absolute(target: bytes) -> bytes:
    """RFC 9112 §3.2.2: a request through a proxy names the whole URL."""
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return b""
    return b"/" + rest.partition(b"/")[2]
