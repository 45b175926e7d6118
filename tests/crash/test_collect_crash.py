"""The collector and its journal when processes die, the power goes, or the disk has no room or does not answer.

The ledger of acknowledgements is kept by the clients, outside the system under test: an id is in it once the whole
answer was read. Every request carries an id of its own and is never repeated, so that the ledger and the journal can be
compared as sets. `make crash` runs 200 rounds of kills and 100 power cuts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import itertools
import json
import math
import os
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.collector import command
from tests.patience import PATIENCE_S

from unsealed.core.token import seal_click, seal_pixel
from unsealed.model.hit import JournalPosition
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store.journal import decode_hit, read
from unsealed.store.keyring import load

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("UNSEALED_TEST_ROUNDS", "20"))
CLIENTS = 64
SEED = 20261121
URL = "https://www.example.org/bread?utm_source=newsletter"


class Collector:
    """The collector of a data folder, started, killed and started again on one socket, which the test keeps open as the
    parent of the roles does."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self.socket.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, sync: bool = True, stalled_s: float = math.inf) -> float:
        """Start, wait until it answers, and say how long that took after the interpreter was up.

        It never gives up waiting for the disk, however busy the machine: what is answered without the disk is no
        acknowledgement.
        """
        ready, tell = os.pipe()
        listening = self.socket.fileno()
        limits = {"stalled_s": stalled_s, "red_s": 2.0}
        self.process = subprocess.Popen(
            command(self.data, tell, sockets=(listening,), limits=limits, sync=sync), pass_fds=(listening, tell)
        )
        os.close(tell)
        began = time.monotonic()
        readable, _, _ = select.select([ready], [], [], PATIENCE_S)
        came = os.read(ready, 1) if readable else b""
        os.close(ready)
        assert came == b"r", "the collector did not start"
        return time.monotonic() - began

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def close(self) -> None:
        self.kill()
        self.socket.close()

    def health(self) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def paths(self) -> tuple[bytes, bytes]:
        """A pixel and a link."""
        keys = load(self.data)
        pixel = seal_pixel(keys, 1, CopyId(1), Level.FULL)
        link = seal_click(keys, 1, CopyId(1), Level.FULL, 0, URL)
        return f"/o/{pixel}.gif".encode(), f"/c/{link}".encode()

    def recorded(self, data: Path | None = None) -> Counter[str]:
        """How often each id stands in the journal; each position is used once."""
        found: Counter[str] = Counter()
        positions: set[JournalPosition] = set()
        cursor = None
        while True:
            reading = read((data or self.data) / "journal" / "main", cursor, 100_000)
            positions.update(position for position, _ in reading.records)
            found.update(decode_hit(payload).user_agent for _, payload in reading.records)
            if not reading.records:
                break
            cursor = reading.next
        assert len(positions) == found.total()
        return found


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path)
    yield collector
    collector.close()


@dataclass(kw_only=True)
class Load:
    """Clients that ask as fast as they are answered, in a thread of their own, until the test says stop."""

    port: int
    paths: tuple[bytes, ...]
    clients: int = CLIENTS
    acknowledged: set[str] = field(default_factory=set)
    asked: int = 0
    broken: int = 0  # connections that ended before the answer
    refused: int = 0  # connections that were not accepted
    answered: Counter[int] = field(default_factory=Counter)  # times by client

    def __enter__(self) -> Load:
        running = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(running)), daemon=True)
        self._thread.start()
        assert running.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)

    async def _run(self, running: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        running.set()
        tasks = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, number: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while True:
                    self.asked += 1
                    name = f"id-{self.asked}"
                    path = self.paths[self.asked % len(self.paths)]
                    writer.write(b"GET %b HTTP/1.1\r\nHost: t\r\nUser-Agent: %b\r\n\r\n" % (path, name.encode()))
                    head = await reader.readuntil(b"\r\n\r\n")
                    if b"image/gif" in head:
                        await reader.readexactly(43)
                    self.acknowledged.add(name)
                    self.answered[number] += 1
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
            finally:
                writer.transport.abort()


def wait(source: random.Random, least_s: float, most_s: float) -> None:
    """The one wait that is meant: the moment of the blow is random."""
    time.sleep(source.uniform(least_s, most_s))


def until(true: Callable[[], bool], deadline_s: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_killed_under_load_nothing_acknowledged_is_lost_and_nothing_counts_twice(collector: Collector) -> None:
    print(f"seed {SEED}, {ROUNDS} rounds")
    source = random.Random(SEED)
    collector.start()
    slowest_start_s = 0.0
    with Load(port=collector.port, paths=collector.paths()) as load_:
        for _ in range(ROUNDS):
            before = len(load_.acknowledged)
            assert until(lambda before=before: len(load_.acknowledged) > before + 100)  # type: ignore[misc]
            wait(source, 0.1, 0.6 if ROUNDS <= 20 else 1.5)
            collector.kill()
            slowest_start_s = max(slowest_start_s, collector.start())
    collector.kill()
    recorded = collector.recorded()

    print(f"{len(load_.acknowledged)} acknowledged, {recorded.total()} recorded, {load_.broken} connections broken")
    print(f"ready {slowest_start_s:.2f} s after the start of the interpreter at the latest")
    assert [] == [name for name in load_.acknowledged if name not in recorded][:10]
    assert [] == [name for name, times in recorded.items() if times > 1][:10]
    assert load_.refused == 0
    # A hit that was on disk but not answered is at most the last one of each connection at each kill, and at the end.
    assert recorded.total() - len(load_.acknowledged) <= CLIENTS * (ROUNDS + 1)


# A file system of our own


class Mounts:
    """Small file systems in files, mounted for one test. Skips where that is not allowed."""

    def __init__(self, folder: Path, program: Callable[[str], str]) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root to mount a file system")
        self._folder = folder
        self._program = program
        self._mounted: list[Path] = []

    def ext4(self, name: str, megabytes: int) -> tuple[Path, Path]:
        """A fresh file system: the file that it lives in, and where it is mounted."""
        image = self._folder / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        subprocess.run([self._program("mkfs.ext4"), "-q", "-F", "-m", "0", str(image)], check=True, timeout=PATIENCE_S)
        return image, self.mount(image)

    def mount(self, image: Path) -> Path:
        place = image.with_suffix("")
        place.mkdir()
        done = subprocess.run(
            [self._program("mount"), "-o", "loop", str(image), str(place)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            pytest.skip(f"loop mounts are not possible here: {done.stderr.strip()}")
        self._mounted.append(place)
        return place

    def unmount(self, place: Path) -> None:
        subprocess.run([self._program("umount"), "-l", str(place)], check=True, timeout=PATIENCE_S)
        self._mounted.remove(place)

    def close(self) -> None:
        for place in list(self._mounted):
            self.unmount(place)


@pytest.fixture
def mounts(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Mounts]:
    mounts = Mounts(tmp_path, program)
    yield mounts
    mounts.close()


def cut_the_power(mounts: Mounts, name: str, source: random.Random, *, sync: bool = True) -> tuple[int, int]:
    """One power cut under load: how many were acknowledged, and how many of them are lost.

    The process is stopped, what the clients hold is noted, and the file below the file system is copied: what stands in
    it is what reached the disk. The copy is then mounted, as after the power came back.
    """
    image, place = mounts.ext4(name, 64)
    collector = Collector(place)
    load(place)
    os.sync()  # the keys were there long before
    try:
        collector.start(sync=sync)
        with Load(port=collector.port, paths=collector.paths(), clients=16) as load_:
            assert until(lambda: len(load_.acknowledged) > 100)
            wait(source, 0.1, 0.5)
            collector.signal(signal.SIGSTOP)
            assert until_still(lambda: len(load_.acknowledged))
            acknowledged = set(load_.acknowledged)
            copy = image.with_name(f"{name}-after.img")
            shutil.copyfile(image, copy)
            collector.kill()
        recorded = collector.recorded(mounts.mount(copy))
    finally:
        collector.close()
    assert all(times == 1 for times in recorded.values())
    mounts.unmount(copy.with_suffix(""))
    mounts.unmount(place)
    image.unlink()
    copy.unlink()
    return len(acknowledged), len(acknowledged - set(recorded))


def until_still(value: Callable[[], int]) -> bool:
    """Wait until answers that were on their way have arrived."""
    seen = [-1, value()]

    def still() -> bool:
        seen.append(value())
        return len(set(seen[-5:])) == 1

    return until(still)


def test_a_power_cut_loses_nothing_that_was_acknowledged(mounts: Mounts) -> None:
    rounds = max(4, ROUNDS // 2) if ROUNDS > 20 else 4
    print(f"seed {SEED}, {rounds} rounds")
    source = random.Random(SEED)

    for number in range(5):  # the system itself writes down what is half a minute old: a slow machine may need another
        acknowledged, lost = cut_the_power(mounts, f"control{number}", source, sync=False)
        print(f"control: {acknowledged} acknowledged, {lost} lost")
        if lost > acknowledged / 2:
            break
    else:
        pytest.fail("the control build lost too little: this test is void")
    real = [cut_the_power(mounts, f"real{number}", source) for number in range(rounds)]

    print(f"real: {sum(all_ for all_, _ in real)} acknowledged, {sum(lost for _, lost in real)} lost")
    assert [0] * rounds == [lost for _, lost in real]


# No room


@dataclass(frozen=True)
class Answered:
    """What a client saw: every request must be answered, whatever the disk does."""

    pixel: int
    link: str


def ask(collector: Collector, name: str) -> Answered:
    pixel, link = collector.paths()
    with socket.create_connection(("127.0.0.1", collector.port), timeout=PATIENCE_S) as sock:
        got = b""
        for path, end in ((pixel, b""), (link, b"Connection: close\r\n")):
            sock.sendall(b"GET %b HTTP/1.1\r\nHost: t\r\nUser-Agent: %b\r\n%b\r\n" % (path, name.encode(), end))
        while chunk := sock.recv(65536):
            got += chunk
    location = got.partition(b"Location: ")[2].partition(b"\r\n")[0].decode()
    return Answered(pixel=got.count(b"GIF89a"), link=location)


def use_up_the_room(collector: Collector) -> None:
    """Many large hits: the journal has room made ahead, which lasts for some time on a full disk."""
    pixel, _ = collector.paths()
    request = b"GET %b HTTP/1.1\r\nHost: t\r\nUser-Agent: %b\r\n" % (pixel, b"x" * 500)
    with socket.create_connection(("127.0.0.1", collector.port), timeout=PATIENCE_S) as sock:
        sock.sendall((request + b"\r\n") * 300 + request + b"Connection: close\r\n\r\n")
        while sock.recv(65536):
            pass


GOOD = Answered(pixel=1, link=URL)


def no_room_and_room_again(collector: Collector, fill: Callable[[], None], free: Callable[[], None]) -> None:
    collector.start()
    assert GOOD == ask(collector, "before")
    assert collector.health()[0] == 200
    seen: list[tuple[int, dict[str, object]]] = []

    def is_red() -> bool:
        fill()  # again: the failed segment gave its last block back
        assert GOOD == ask(collector, "full")
        use_up_the_room(collector)
        seen.append(collector.health())
        return seen[-1][1]["journal"] == "unwritable"

    assert until(is_red)
    status, state = seen[-1]
    assert (503, False) == (status, state["ok"])
    assert any("cannot be written" in reason for reason in state["reasons"])  # type: ignore[attr-defined]
    assert int(str(state["misses"])) >= 1
    assert until(lambda: is_red() and int(str(seen[-1][1]["misses"])) >= 10)

    free()
    assert until(lambda: collector.health()[1]["journal"] == "writable")  # by itself, without a request for a pixel
    assert GOOD == ask(collector, "after")
    assert until(lambda: collector.health()[0] == 200)

    collector.kill()
    recorded = collector.recorded()
    assert (2, 2) == (recorded["before"], recorded["after"])


def test_on_a_full_disk_everything_is_answered_and_misses_are_counted_until_there_is_room(mounts: Mounts) -> None:
    _, place = mounts.ext4("small", 8)
    filler = place / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            for size in (65536, 1024, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    collector = Collector(place)
    try:
        no_room_and_room_again(collector, fill, filler.unlink)
    finally:
        collector.close()


def test_beyond_a_limit_of_the_system_everything_is_answered_and_misses_are_counted(collector: Collector) -> None:
    def limit(size: int) -> Callable[[], None]:
        def set_limit() -> None:
            assert collector.process is not None
            resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        return set_limit

    no_room_and_room_again(collector, limit(0), limit(resource.RLIM_INFINITY))


# No answer


FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


def test_while_the_disk_does_not_answer_everything_else_does(mounts: Mounts) -> None:
    _, place = mounts.ext4("frozen", 64)
    collector = Collector(place)
    folder = os.open(place, os.O_RDONLY)
    frozen = False
    try:
        collector.start(stalled_s=1.0)
        paths = collector.paths()
        assert GOOD == ask(collector, "before")
        fcntl.ioctl(folder, FIFREEZE, ctypes.c_int(0))
        frozen = True
        with Load(port=collector.port, paths=paths, clients=8) as load_:
            assert until(lambda: collector.health()[1]["journal"] == "stalled")
            load_.answered.clear()
            assert until(lambda: all(load_.answered[each] > 20 for each in range(load_.clients)))
        status, state = collector.health()
        assert status == 503
        assert int(str(state["misses"])) > 100
        fcntl.ioctl(folder, FITHAW, ctypes.c_int(0))
        frozen = False
        assert until(lambda: collector.health()[1]["journal"] == "writable")
        names = (f"after-{number}" for number in itertools.count())
        kept = ""

        def is_kept() -> bool:
            """Where the machine stood still for a second meanwhile, it was taken for a disk that does so."""
            nonlocal kept
            kept, before = next(names), collector.health()[1]["misses"]
            assert GOOD == ask(collector, kept)
            return collector.health()[1]["misses"] == before

        assert until(is_kept)
        assert until(lambda: collector.health()[0] == 200)
        collector.kill()
        assert 2 == collector.recorded()[kept]
    finally:
        if frozen:
            fcntl.ioctl(folder, FITHAW, ctypes.c_int(0))
        os.close(folder)
        collector.close()
