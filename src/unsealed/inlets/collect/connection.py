"""One connection: HTTP/1.1, spoken by ourselves, so that slow and fat clients find an end (see the package)."""

from __future__ import annotations

import asyncio
import math
from typing import Final, cast

from unsealed.core.forwarded import client_address, is_trusted, read_address
from unsealed.inlets.collect.answers import ALLOW, END, GIF, JSON, METHODS, NOT_FOUND, PAGE, PIXEL, ROBOTS, TEXT, whole
from unsealed.inlets.collect.collector import IS_PIXEL, Collector, Peer
from unsealed.inlets.collect.head import Headers, path_of_absolute
from unsealed.store.journal import encode_address, encode_asked

_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 64 * 1024
_MAX_WAITING: Final = 64  # pipelined requests of one connection that wait for the disk


class Connection(asyncio.Protocol):
    """One connection: splits what comes into requests, and sends the answers in their order.

    Without a timer of its own: `deadline` is looked at once a second.
    """

    __slots__ = (
        "_asker",
        "_buffer",
        "_closing",
        "_collector",
        "_forgotten",
        "_got",
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

    def __init__(self, collector: Collector, private: bool) -> None:
        self._collector = collector
        self._private = private
        self._trusted = private  # whether its X-Forwarded-For is believed
        self._transport: asyncio.Transport
        self._buffer = bytearray()  # the beginning of a request, or requests that wait for earlier ones
        self._peer: Peer | None = None
        self._paused = False  # nothing is read
        self._silent = True  # it never sent a whole request
        self._stuffed = False  # the client does not read
        self._closing = False  # with the last answer that waits
        self._lingers = False  # read and forget what still comes, so that the refusal arrives before a reset
        self._forgotten = 0  # bytes
        self._headers: Headers | None = None  # of the last request
        self._asker = b""  # the pieces of its record that say who asked and how
        self._got = b""  # all that stands behind the token in it, when the method is GET
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
            self._peer = peer = collector.peers.setdefault(self.address, Peer())
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
                headers is not None
                and line > b" "
                and len(data) <= self._collector.limits.head_bytes
                and self.waiting < _MAX_WAITING
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

    def _make_room(self, silent: dict[Connection, None]) -> None:
        """Too many: the oldest one that never sent a request goes, so that good ones always come in; if there is none
        but this one, this one goes."""
        self._collector.refused += 1
        oldest = next(iter(silent))
        oldest._spoke()
        oldest.abort()

    # requests

    def _request(self, line: bytes, headers: Headers) -> None:
        """One request: its first line, and what the others say."""
        collector = self._collector
        if headers.usual:
            location = collector.known_lines.get(line)
            if location is None:
                location = collector.recognise(line)
            if location is not None:
                if self._silent:
                    self._spoke()
                self.deadline = math.inf
                if headers is not self._headers:
                    self._heed(headers)
                if location:
                    token, answer = line[7:-9], collector.found + location + END
                else:
                    token, answer = line[7:-13], collector.pixel
                collector.record(collector.moment() + token + self._got, self, answer)
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
            path = path_of_absolute(path)
        kind = path[:3]
        if kind == b"/o/" and path[-4:] == b".gif":
            self._pixel(method, path[3:-4], headers)
        elif kind == b"/c/":
            self._link(method, path[3:], headers)
        elif path[:4] == b"/me/" and method in METHODS and (welcome := collector.welcome(path[4:])):
            self._say(b"303 See Other", welcome, b"", method)
        elif path == b"/healthz" and method in METHODS:
            fine, body = collector.health(details=self._is_local(headers))
            self._say(b"200 OK" if fine else b"503 Service Unavailable", JSON, body, method)
        elif path == b"/robots.txt" and method in METHODS:
            self._say(b"200 OK", TEXT, ROBOTS, method)
        else:
            self._say(b"404 Not Found", PAGE, NOT_FOUND, method)

    def _pixel(self, method: bytes, token: bytes, headers: Headers) -> None:
        collector = self._collector
        if method == b"GET" and not self._closing:
            answer = collector.pixel
        elif method in METHODS:
            answer = whole(b"200 OK", collector.date, PIXEL, GIF, head=method == b"HEAD", close=self._closing)
        else:
            self._say(b"405 Method Not Allowed", ALLOW, b"", method)
            return
        if collector.open(token) != IS_PIXEL:
            collector.bad_tokens += 1
            collector.record(b"", self, answer)
            return
        self._record(encode_asked(token, method), headers, answer)

    def _link(self, method: bytes, token: bytes, headers: Headers) -> None:
        collector = self._collector
        if method not in METHODS:
            self._say(b"405 Method Not Allowed", ALLOW, b"", method)
            return
        location = collector.open(token)
        if location is None or location == IS_PIXEL:
            collector.bad_tokens += 1
            self._say(b"404 Not Found", PAGE, NOT_FOUND, method)
            return
        end = b"\r\nConnection: close\r\n\r\n" if self._closing else END
        self._record(encode_asked(token, method), headers, collector.found + location + end)

    def _record(self, asked: bytes, headers: Headers, answer: bytes) -> None:
        if headers is not self._headers:
            self._heed(headers)
        self._collector.record(self._collector.moment() + asked + self._asker, self, answer)

    def _heed(self, headers: Headers) -> None:
        """Who asks and how, for as long as the same is said: nearly always as long as the connection lasts."""
        self._headers = headers
        address = self.address
        if headers.forwarded is not None and self._trusted:
            address = client_address(address, headers.forwarded, self._collector.settings.trusted_proxies)
        self._asker = encode_address(address) + headers.request
        self._got = encode_asked(b"", b"GET") + self._asker

    def _is_local(self, headers: Headers) -> bool:
        return self._private or (headers.forwarded is None and self.address in ("127.0.0.1", "::1"))

    # answers that need no disk

    def _say(self, status: bytes, headers: bytes, body: bytes, method: bytes) -> None:
        answer = whole(status, self._collector.date, headers, body, head=method == b"HEAD", close=self._closing)
        if self.waiting:
            self._collector.record(b"", self, answer)  # answers leave in the order of the requests
        else:
            self.waiting += 1
            self.answer(answer)

    def _refuse(self, status: bytes) -> None:
        """Answer something that is no request of ours, and close: what follows cannot be told from a body."""
        self._closing = self._lingers = True
        self._buffer.clear()
        self._say(status, PAGE, b"", b"")
