"""From hit to browser: how long after its answer a hit shows in open pages, at 500 hits a second.

Every message is hit once in each round, first its pixel, then its links, so that each change that reaches a browser
belongs to one hit. In the last round another message is asked for all the time, as many times a second as all of them
together. Browsers are streams of server-sent events of a signed-in session.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import re
from collections.abc import Collection
from contextlib import suppress
from time import perf_counter, sleep
from urllib.parse import urlencode

import uvloop

from bench.hits import fire, paths_of
from bench.installation import PASSWORD, Installation, running
from bench.messages import SENDER, letter
from bench.sandbox import copies, kept
from bench.sender import send
from bench.table import Table, number, percentile, progress

AIM_S = 0.25
_RATE = 500.0
_STREAMS = 5
_PATIENCE_S = 15.0
_MESSAGE = re.compile(rb'"message": ?"([0-9a-f]{16})"')


def session(installation: Installation) -> str:
    """Sign in as a person does; the cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", installation.web, timeout=30)
    form = urlencode({"email": SENDER, "password": PASSWORD, "next": "/"})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"http://127.0.0.1:{installation.web}",
        "Sec-Fetch-Site": "same-origin",
    }
    connection.request("POST", "/sign-in", form, headers)
    answer = connection.getresponse()
    cookie = answer.getheader("Set-Cookie")
    connection.close()
    if cookie is None:
        raise ConnectionError(f"signing in was answered with {answer.status} and no cookie")
    return cookie.partition(";")[0]


class Browser:
    """One open page: notes when it hears of which message."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.expect(())

    def expect(self, messages: Collection[bytes]) -> None:
        """Forget everything, and set `complete` once all these messages were heard of."""
        self.heard: dict[bytes, float] = {}
        self.complete = asyncio.Event()
        self._expected = frozenset(messages)

    async def watch(self, port: int, cookie: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n"
            writer.write(f"{head}\r\n".encode())
            if not (await reader.readline()).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("the live stream was refused")
            while line := await reader.readline():
                if line.startswith(b"event: ready"):
                    self.ready.set()
                elif line.startswith(b"data:") and b'"notice"' not in line and (found := _MESSAGE.search(line)):
                    if found[1] in self._expected:
                        self.heard.setdefault(found[1], perf_counter())
                    if len(self.heard) == len(self._expected):
                        self.complete.set()
        finally:
            writer.close()


def seeded(installation: Installation, count: int) -> dict[bytes, list[bytes]]:
    """Messages in the sandbox: public id, and the paths of its pixel and links, the pixel first."""
    mails = [letter(2_000, number=n) for n in range(count)]
    send(installation.smtp, mails, connections=8, login=installation.login)
    while kept(installation) < count:
        sleep(0.05)
    return {b"%016x" % message: sorted(paths_of(raw), reverse=True) for message, raw in copies(installation)}


async def asked_all_the_time(installation: Installation, path: bytes) -> None:
    """One picture, _RATE times a second, until it is enough."""
    while True:
        await fire(installation.track, [path] * 5_000, rate=_RATE, answered=lambda *_: None, addresses=readers()[:50])


async def measure(installation: Installation, messages: dict[bytes, list[bytes]], warm_s: float) -> Table:
    """warm_s: how long one message was asked for when the last round begins; the judge looks 38 s back."""
    table = Table(columns=("at 500 hits/s", "hits", "p50, ms", "p99, ms", "worst, ms", "not seen"))
    cookie = session(installation)
    browsers = [Browser() for _ in range(_STREAMS)]
    watching = [asyncio.create_task(browser.watch(installation.web, cookie)) for browser in browsers]
    await asyncio.wait_for(asyncio.gather(*(browser.ready.wait() for browser in browsers)), _PATIENCE_S)
    hot, *ids = list(messages)
    for turn, name in enumerate(("pixels", "first links", "second links beside a flood")):
        answered: dict[int, float] = {}
        flood = None
        if "flood" in name:
            flood = asyncio.create_task(asked_all_the_time(installation, messages[hot][0]))
            await asyncio.sleep(warm_s)
        for browser in browsers:
            browser.expect(ids)
        wanted = [messages[message][turn] for message in ids]
        late = await fire(installation.track, wanted, rate=_RATE, answered=answered.__setitem__, addresses=readers())
        with suppress(TimeoutError):  # what was not seen is counted below
            await asyncio.wait_for(asyncio.gather(*(browser.complete.wait() for browser in browsers)), _PATIENCE_S)
        if flood is not None:
            flood.cancel()
            with suppress(asyncio.CancelledError):
                await flood
        waits = [
            browser.heard[message] - answered[index]
            for browser in browsers
            for index, message in enumerate(ids)
            if message in browser.heard
        ]
        missed = len(ids) * len(browsers) - len(waits)
        figures = (percentile(waits, 0.5), percentile(waits, 0.99), max(waits))
        table.add(name, f"{len(ids):,}", *(number(1e3 * wait) for wait in figures), str(missed))
        progress(f"{name}: the load was {1e3 * late:.0f} ms late at worst")
    for task in watching:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return table


def readers() -> list[str]:
    """Addresses that readers are said to have."""
    return [f"198.51.{block}.{host}" for block in range(100, 104) for host in range(1, 255)]


def found(count: int, warm_s: float) -> Table:
    """Start an installation with that many messages, and measure; `warm_s` as in `measure`."""
    with running(settings={"UNSEALED_TRACK_TRUSTED_PROXIES": "127.0.0.1"}) as installation:
        messages = seeded(installation, count)
        progress("hits")
        return uvloop.run(measure(installation, messages, warm_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    count, warm_s = (100, 1.0) if parser.parse_args().quick else (3_000, 40.0)
    print("## From hit to browser\n")
    print(f"From the answer to a hit until each of {_STREAMS} open pages has heard of it; no message is hit twice in a")
    print(f"round. Aim: p99 under {1e3 * AIM_S:.0f} ms.\n")
    print(found(count, warm_s).markdown())


if __name__ == "__main__":
    main()
