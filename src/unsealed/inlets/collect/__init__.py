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
import signal
import socket
from collections.abc import Callable
from typing import Any, cast

import uvloop

from unsealed.inlets.collect.collector import Collector
from unsealed.inlets.collect.connection import Connection
from unsealed.inlets.collect.settings import CollectSettings
from unsealed.store.journal import Journal


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
    collector = Collector(settings, journal, loop)
    servers: list[asyncio.Server] = []
    for number in settings.sockets:
        sock = socket.socket(fileno=number)
        sock.setblocking(False)
        servers.append(await loop.create_server(lambda: Connection(collector, False), sock=sock, backlog=4096))
    if settings.private_socket is not None:
        sock = socket.socket(fileno=settings.private_socket)
        sock.setblocking(False)
        # From Python 3.13 on the end of the server would remove the socket's path, which is not ours.
        unix = cast(Any, loop).create_unix_server  # its type does not know that argument yet
        servers.append(await unix(lambda: Connection(collector, True), sock=sock, cleanup_socket=False))
    ready()
    try:
        await stop.wait()
        for server in servers:
            server.close()
        await collector.drain()
    finally:
        collector.close()
        journal.close()
