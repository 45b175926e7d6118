"""From hit to browser: how long after its answer a hit shows in open pages, at 500 hits a second.

Every message is hit once in each round, first its pixel, then its links, so that each change that reaches a browser
belongs to one hit. In the last round another message is asked for all the time, as many times a second as all of them
together. Browsers are streams of server-sent events of a signed-in session.

A notice is there when the stream brought it, or where the stream does not say it in words, when the page has asked for
what is new and was answered, as its script does.
Many pages are open meanwhile, and as many hits a second come in as above, all for one message; of those that are hit
beside it, one after the other, each is a notice.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlencode

import uvloop

from bench.hits import fire, paths_of
from bench.installation import PASSWORD, Installation, add_user, running
from bench.messages import SENDER, letter
from bench.sandbox import copies, wait_for
from bench.sender import send
from bench.table import Table, number, percentile, progress

AIM_S = 0.25
_RATE = 500.0
_STREAMS = 5
_LISTENERS = 200  # pages that are open while notices, and hits that are spread, are measured
_EACH = 20  # of one user: as many as the server allows
_PATIENCE_S = 60.0
_QUIET_S = 3.0  # what is heard of for the last time may be followed by more
_MESSAGE = re.compile(rb'"message": ?"([0-9a-f]{16})"')


def session(installation: Installation, email: str = SENDER) -> str:
    """Sign in as a person does; the cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", installation.web, timeout=30)
    form = urlencode({"email": email, "password": PASSWORD, "next": "/"})
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
        self.heard: dict[bytes, float] = {}  # first
        self.last: dict[bytes, float] = {}
        self._came = asyncio.Event()
        self.complete = asyncio.Event()
        self._expected = frozenset(messages)

    async def hears_after(self, times: dict[bytes, float]) -> None:
        """Wait until each of these messages was heard of after its time."""
        while any(self.last.get(message, 0.0) < at for message, at in times.items()):
            self._came.clear()
            await self._came.wait()

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
                        self.last[found[1]] = perf_counter()
                        self._came.set()
                        self.heard.setdefault(found[1], self.last[found[1]])
                    if len(self.heard) == len(self._expected):
                        self.complete.set()
        finally:
            writer.close()


class Page:
    """One open page: keeps the notices that it hears of, and asks for those that the stream does not say in words."""

    def __init__(self, port: int, cookie: str) -> None:
        self.ready = asyncio.Event()
        self.told: dict[str, float] = {}  # keys of notices, and when they came
        self._news, self._came = asyncio.Event(), asyncio.Event()
        self._port, self._cookie = port, cookie

    async def watch(self) -> None:
        reader, writer = await self._asked("/live")
        asking = asyncio.create_task(self._ask())
        try:
            while line := await reader.readline():
                if line.startswith(b"event: ready"):
                    self.ready.set()
                elif line.startswith(b"data:") and b'"notice"' in line:
                    said = json.loads(line.removeprefix(b"data:"))
                    self._keep(said["notices"]) if "notices" in said else self._news.set()
        finally:
            asking.cancel()
            writer.close()

    async def _ask(self) -> None:
        since = "1"
        while True:
            await self._news.wait()
            self._news.clear()
            reader, writer = await self._asked(f"/notices/new?since={since}", "Connection: close\r\n")
            answer = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
            writer.close()
            since = answer["at"]
            self._keep(answer["notices"])

    def _keep(self, notices: list[dict[str, str]]) -> None:
        for each in notices:
            self.told.setdefault(each["key"], perf_counter())
        self._came.set()

    async def holds(self, count: int) -> None:
        """Wait until so many notices came."""
        while len(self.told) < count:
            self._came.clear()
            await self._came.wait()

    async def _asked(self, path: str, more: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nCookie: {self._cookie}\r\n"
        writer.write(f"{head}{more}\r\n".encode())
        return reader, writer


def sessions(installation: Installation, count: int) -> list[str]:
    """The cookies of the sender and of so many others."""
    users = [f"u{number}@bench.example" for number in range(count)]
    for user in users:
        add_user(installation.data, user, installation.store)
    return [session(installation, user) for user in (SENDER, *users)]


async def notices(installation: Installation, messages: dict[bytes, list[bytes]], listeners: int) -> Table:
    """Hit some messages one after the other, beside a flood."""
    table = Table(columns=("at 500 hits/s", "pages open", "hits", "p50, ms", "p99, ms", "worst, ms", "not seen"))
    cookies = sessions(installation, (listeners - 1) // _EACH)
    pages = [Page(installation.web, cookies[number // _EACH]) for number in range(listeners)]
    watching = [asyncio.create_task(page.watch()) for page in pages]
    await asyncio.wait_for(asyncio.gather(*(page.ready.wait() for page in pages)), _PATIENCE_S)
    mine = pages[:_EACH]
    hot, *ids = list(messages)
    flood = asyncio.create_task(asked_all_the_time(installation, messages[hot][0]))
    await _until_told(mine, 1)
    waits: list[float] = []
    for message in ids:
        before = [set(page.told) for page in mine]
        answered: dict[int, float] = {}
        path = [messages[message][0]]
        await fire(installation.track, path, rate=1, answered=answered.__setitem__, addresses=readers()[60:])
        await _until_told(mine, 1 + max(map(len, before)))
        for page, known in zip(mine, before, strict=True):
            waits += [at - answered[0] for key, at in page.told.items() if key not in known][:1]
    for task in (flood, *watching):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    missed = len(ids) * len(mine) - len(waits)
    figures = (percentile(waits, 0.5), percentile(waits, 0.99), max(waits))
    table.add("notices", str(listeners), str(len(ids)), *(number(1e3 * wait) for wait in figures), str(missed))
    return table


async def _until_told(pages: Collection[Page], count: int) -> None:
    with suppress(TimeoutError):  # what was not seen is counted
        await asyncio.wait_for(asyncio.gather(*(page.holds(count) for page in pages)), _PATIENCE_S)


def seeded(installation: Installation, count: int) -> dict[bytes, list[bytes]]:
    """Messages in the sandbox: public id, and the paths of its pixel and links, the pixel first."""
    mails = [letter(2_000, number=n) for n in range(count)]
    send(installation.smtp, mails, connections=8, login=installation.login)
    wait_for(installation, count)
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


async def spread(
    installation: Installation, messages: dict[bytes, list[bytes]], seconds: float, listeners: int
) -> tuple[str, ...]:
    """Ask for all of some messages all the time, pixels and links: how long after the last hit of each of them the
    pages heard of it for the last time. One row of `found_spread`.

    listeners: pages that are open; all but _STREAMS of them are other people's.
    """
    others = max(listeners - _STREAMS, 0)
    mine, *cookies = sessions(installation, -(-others // _EACH))
    browsers = [Browser() for _ in range(_STREAMS)]
    pages = [(browser, mine) for browser in browsers]
    pages += [(Browser(), cookies[number // _EACH]) for number in range(others)]
    watching = [asyncio.create_task(browser.watch(installation.web, cookie)) for browser, cookie in pages]
    await asyncio.wait_for(asyncio.gather(*(browser.ready.wait() for browser, _ in pages)), _PATIENCE_S)
    for browser in browsers:
        browser.expect(messages)
    asked = [
        (message, path)
        for paths in zip(*messages.values(), strict=False)
        for message, path in zip(messages, paths, strict=True)
    ]
    hits = [asked[number % len(asked)] for number in range(int(_RATE * seconds))]
    answered: dict[bytes, float] = {}

    def note(index: int, at: float) -> None:
        answered[hits[index][0]] = at

    late = await fire(installation.track, [path for _, path in hits], rate=_RATE, answered=note, addresses=readers())
    with suppress(TimeoutError):  # what was not seen is counted below
        await asyncio.wait_for(asyncio.gather(*(browser.hears_after(answered) for browser in browsers)), _PATIENCE_S)
    await asyncio.sleep(_QUIET_S)
    for task in watching:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    pairs = [(browser.last.get(message, 0.0), at) for browser in browsers for message, at in answered.items()]
    waits = [heard - at for heard, at in pairs if heard >= at]
    figures = (
        number(1e3 * wait) for wait in (percentile(waits, 0.5), percentile(waits, 0.99), max(waits, default=0.0))
    )
    progress(f"spread: the load was {1e3 * late:.0f} ms late at worst")
    return f"{len(messages)} messages", str(len(pages)), f"{len(hits):,}", *figures, str(len(pairs) - len(waits))


def readers() -> list[str]:
    """Addresses that readers are said to have."""
    return [f"198.51.{block}.{host}" for block in range(100, 104) for host in range(1, 255)]


def found(count: int, warm_s: float) -> Table:
    """Start an installation with that many messages, and measure; `warm_s` as in `measure`."""
    with running(settings={"UNSEALED_TRACK_TRUSTED_PROXIES": "127.0.0.1"}) as installation:
        messages = seeded(installation, count)
        progress("hits")
        return uvloop.run(measure(installation, messages, warm_s))


def found_spread(counts: Sequence[int], seconds: float, listeners: int) -> Table:
    """For each count start an installation, and measure while so many of its messages are asked for all the time."""
    table = Table(
        columns=("500 hits/s spread over", "pages open", "hits", "p50, ms", "p99, ms", "worst, ms", "not seen")
    )
    for count in counts:
        with running(settings={"UNSEALED_TRACK_TRUSTED_PROXIES": "127.0.0.1"}) as installation:
            messages = seeded(installation, count)
            progress("spread")
            table.add(*uvloop.run(spread(installation, messages, seconds, listeners)))
    return table


def found_notices(count: int, listeners: int) -> Table:
    """Start an installation with that many messages, and measure how long notices take."""
    with running(settings={"UNSEALED_TRACK_TRUSTED_PROXIES": "127.0.0.1"}) as installation:
        messages = seeded(installation, count)
        progress("notices")
        return uvloop.run(notices(installation, messages, listeners))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    parser.add_argument("--listeners", type=int, default=_LISTENERS, help="pages that are open while hits are spread")
    asked = parser.parse_args()
    quick = asked.quick
    count, warm_s = (100, 1.0) if quick else (3_000, 40.0)
    print("## From hit to browser\n")
    print(f"From the answer to a hit until each of {_STREAMS} open pages has heard of it; no message is hit twice in a")
    print(f"round. Aim: p99 under {1e3 * AIM_S:.0f} ms.\n")
    print(found(count, warm_s).markdown())
    print("\nAnd when each message is asked for all the time, from the last hit of each. Aim: the same.\n")
    print(found_spread((5, 20, 100), *((2.0, 20) if quick else (60.0, asked.listeners))).markdown())
    print(f"\nAnd until {_EACH} pages hold the notice of it. Aim: p99 under {1e3 * AIM_S:.0f} ms.\n")
    print((found_notices(5, 20) if quick else found_notices(60, _LISTENERS)).markdown())


if __name__ == "__main__":
    main()
