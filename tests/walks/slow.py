"""A slow way between browser and server, to find what depends on speed.

UNSEALED_TEST_SLOW=300 keeps each request and each answer of the browser walks back for up to 300 ms, and so in another
order than they were made; UNSEALED_TEST_SLOW=300:7 does it with another seed. What is asked and left before it has
arrived is lost, as on a bad line. A stream of changes begins late and then flows.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from random import Random
from urllib.parse import urlsplit

MOST = 65_536  # bytes of a head, and of one portion of a body


@contextmanager
def slow_proxy() -> Iterator[int | None]:
    """Port of the proxy on 127.0.0.1 that browsers are to use, where the environment asks for one."""
    given = os.environ.get("UNSEALED_TEST_SLOW")
    if not given:
        yield None
        return
    most_ms, _, seed = given.partition(":")
    line = Line(int(most_ms) / 1000, Random(seed))
    ready: Future[tuple[int, Callable[[], object]]] = Future()
    thread = threading.Thread(target=asyncio.run, args=[line.serve(ready)])
    thread.start()
    port, stop = ready.result()
    yield port
    stop()
    thread.join()


class Line:
    """Carries what a browser asks of an HTTP proxy."""

    def __init__(self, most_s: float, chance: Random) -> None:
        self._most_s, self._chance = most_s, chance
        self._under_way: set[asyncio.Task[None] | None] = set()  # the loop itself holds its tasks weakly

    async def serve(self, ready: Future[tuple[int, Callable[[], object]]]) -> None:
        """Until what `ready` gives beside the port is called, from any thread."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self.carry, "127.0.0.1", 0, limit=MOST)
        ready.set_result((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(ended.set)))
        await ended.wait()
        server.close()

    async def carry(self, browser: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._under_way.add(task)
        try:
            await self._carry(browser, back)
        finally:
            self._under_way.discard(task)

    async def _carry(self, browser: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(back):
            head = (await browser.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, url, version = head.partition("\r\n")[0].split(" ")
            if method == "CONNECT":  # a browser calls home
                return
            fields = [line for line in head.split("\r\n")[1:] if line]
            size = next((int(line.split(":")[1]) for line in fields if line.lower().startswith("content-length:")), 0)
            body = await browser.readexactly(size)
            await self._wait()
            if browser.at_eof():
                return
            to = urlsplit(url)
            server, away = await asyncio.open_connection(to.hostname, to.port)
            with closing(away):
                kept = [line for line in fields if not line.lower().startswith(("connection:", "proxy-connection:"))]
                path = url.removeprefix(f"{to.scheme}://{to.netloc}")
                lines = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
                away.write("\r\n".join(lines).encode("latin-1") + body)
                answer = await server.read(MOST)
                await self._wait()
                back.write(answer)
                ends = [asyncio.ensure_future(each) for each in (self._pass_on(server, back), browser.read())]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)  # who leaves a stream leaves it at once
                for each in ends:
                    each.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

    async def _wait(self) -> None:
        await asyncio.sleep(self._chance.random() * self._most_s)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while portion := await reader.read(MOST):
            writer.write(portion)
            await writer.drain()
