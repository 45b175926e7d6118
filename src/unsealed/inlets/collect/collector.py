"""What all connections share: the journal, the counters, what was read before, and the prepared answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import resource
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from unsealed.core.token import open_device, open_target, redirect_location, seal_device
from unsealed.inlets.collect.answers import COOKIE, GIF, HTTP_COOKIE, HTTPS_COOKIE, PIXEL, REDIRECT, whole
from unsealed.inlets.collect.head import Headers, read_headers
from unsealed.inlets.collect.settings import CollectSettings
from unsealed.model.errors import UnsealedError
from unsealed.store.journal import GroupCommit, Journal, encode_moment

if TYPE_CHECKING:
    from unsealed.inlets.collect.connection import Connection

_PATIENCE_TURNS: Final = 12  # of the loop, each some microseconds, as long as every turn brings new requests
_KEPT_LINES: Final = 32_768  # entries of a cache; it is emptied when full
_KEPT_HEADERS: Final = 4096
_KEPT_BYTES: Final = 1024  # a longer line, location or block is not kept
IS_PIXEL: Final = b""  # what a pixel's token opens to


class Peer:
    """The connections of one address."""

    __slots__ = ("number", "silent")

    def __init__(self) -> None:
        self.number = 0
        self.silent: dict[Connection, None] = {}  # those that never sent a whole request, oldest first


class Collector:
    """What all connections share: the journal, the counters, the prepared answers."""

    def __init__(self, settings: CollectSettings, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.keys = settings.keys
        self.clock = settings.clock
        self.loop = loop
        self.now = loop.time()  # brought up to date once for each packet and each commit
        self.connections: dict[Connection, None] = {}
        self.silent: dict[Connection, None] = {}  # those that never sent a whole request, oldest first
        self.peers: dict[str, Peer] = {}
        self.draining = False
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.max_connections = max(1, min(self.limits.connections, files - 64))
        self.hits = 0
        self.misses = 0
        self.bad_tokens = 0
        self.refused = 0  # connections
        self._journal = journal
        self._group: GroupCommit[tuple[Connection, bytes]] = GroupCommit(
            journal, settled=self._settled, post=loop.call_soon_threadsafe
        )
        self._flush_planned = False
        self._moment = b""
        self.known_lines: dict[bytes, bytes] = {}  # what `recognise` said
        self.known_headers: dict[bytes, Headers] = {}
        self._stalled = False
        self._error = ""
        self._missed_at = -math.inf
        self._empty = asyncio.Event()  # no connection is left, while draining
        self._tick()

    def open(self, token: bytes) -> bytes | None:
        """Where the token leads, IS_PIXEL for a pixel, None for one that is not ours."""
        try:
            destination = open_target(self.keys, token)
        except UnsealedError:  # not only BadToken: a key ring that cannot be read must not break the connection
            return None
        return IS_PIXEL if destination is None else redirect_location(destination)

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
        guard = HTTPS_COOKIE if self.settings.https else HTTP_COOKIE
        return REDIRECT + b"Location: %b\r\n" % redirect_location(back) + COOKIE % (cookie.encode(), guard)

    def recognise(self, line: bytes) -> bytes | None:
        """Where a line leads that asks for a good token as nearly all do, "GET /c/<token> HTTP/1.1", and IS_PIXEL for
        "GET /o/<token>.gif HTTP/1.1"; None for all others.

        The same few are asked for again and again, by proxies and by people who read a message twice: they are kept in
        `known_lines`.
        """
        if line[-9:] != b" HTTP/1.1":
            return None
        kind = line[:7]
        if kind == b"GET /c/":
            location = self.open(line[7:-9])
        elif kind == b"GET /o/" and line[-13:-9] == b".gif":
            location = self.open(line[7:-13])
        else:
            return None
        if location is None or (location == IS_PIXEL) != (kind == b"GET /o/"):
            return None
        if len(line) <= _KEPT_BYTES and len(location) <= _KEPT_BYTES:
            if len(self.known_lines) >= _KEPT_LINES:
                self.known_lines.clear()
            self.known_lines[line] = location
        return location

    def read_headers(self, block: bytes) -> Headers:
        """Programs ask in the same words each time: what they said is kept."""
        headers = read_headers(block[:-4])
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

    def gone(self, connection: Connection) -> None:
        """A connection was lost."""
        self.connections.pop(connection, None)
        if self.draining and not self.connections:
            self._empty.set()

    def record(self, payload: bytes, connection: Connection, answer: bytes) -> None:
        """Answer after the next commit; an empty payload waits with the others, so that the time does not tell whether
        a token was good."""
        connection.waiting += 1
        if self._stalled:
            self._moment = b""
            self._count_misses(1 if payload else 0)
            connection.answer(answer)
            return
        self._group.add(payload, (connection, answer))
        if not self._flush_planned:
            self._plan_flush()

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

    def _settled(self, waiters: list[tuple[Connection, bytes]], records: int, error: str) -> None:
        self.now = self.loop.time()
        self._stalled = False
        self._error = error
        if error:
            self._count_misses(records)
        else:
            self.hits += records
        for connection, answer in waiters:
            connection.answer(answer)
        if self._group.waiting and not self._flush_planned:
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
        self.pixel = whole(b"200 OK", self.date, PIXEL, GIF)
        self.found = b"HTTP/1.1 302 Found\r\nDate: %b\r\n%bContent-Length: 0\r\nLocation: " % (self.date, REDIRECT)
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.abort()
        if self._group.busy_s > self.limits.stalled_s:
            self._stalled = True
            waiters, records = self._group.give_up_waiting()
            self._count_misses(records)
            for connection, answer in waiters:
                connection.answer(answer)
        self._group.tend()
        self._timer = self.loop.call_later(1.0, self._tick)
