"""The collector as a process of its own, asked over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.collector import command
from tests.patience import PATIENCE_S, running

from unsealed.core.token import seal_click, seal_pixel
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store.journal import decode_hit, read
from unsealed.store.keyring import KeyRing, load

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00"
    b"\x01\x00\x00\x02\x02D\x01\x00;"
)
URL = "https://www.example.org/bread?q=ü b"
LOCATION = "https://www.example.org/bread?q=%C3%BC%20b"


def until(true: Callable[[], bool]) -> bool:
    """Ask again until it is so, or the deadline is over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


@dataclass(kw_only=True)
class Collector:
    """A running collector."""

    port: int
    private: Path
    journal: Path
    ring: KeyRing
    process: subprocess.Popen[bytes]
    opened: list[socket.socket] = field(default_factory=list)

    def pixel(self, copy: int = 1) -> str:
        return f"/o/{seal_pixel(self.ring, 1, CopyId(copy), Level.FULL)}.gif"

    def link(self, url: str = URL, copy: int = 1) -> str:
        return f"/c/{seal_click(self.ring, 1, CopyId(copy), Level.FULL, 0, url)}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """All that comes back until the collector closes."""
        with self.connect() as sock:
            sock.sendall(sent)
            return receive(sock)

    def connect(self) -> socket.socket:
        """A connection; closed with the test at the latest."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        self.opened.append(sock)
        return sock

    def hits(self) -> list[Hit]:
        return [decode_hit(payload) for _, payload in read(self.journal, None, 10**9).records]

    def health(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.ask("/healthz")[2])
        return answer


def receive(sock: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            got += chunk
    return got


def gone(sock: socket.socket) -> bool:
    """Whether the collector closed its side."""
    sock.setblocking(False)
    try:
        return sock.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


Start = Callable[..., Collector]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start collectors; they end with the test."""
    started: list[Collector] = []
    held: list[socket.socket] = []
    living = contextlib.ExitStack()

    def begin(
        *, files: int | None = None, trusted: tuple[str, ...] = (), https: bool = False, **limits: float
    ) -> Collector:
        public = socket.create_server(("127.0.0.1", 0), backlog=4096)
        private = socket.socket(socket.AF_UNIX)
        place = tmp_path / f"private{len(started)}"
        private.bind(str(place))
        private.listen()
        held.extend((public, private))
        ready, tell = os.pipe()
        told = command(
            tmp_path,
            tell,
            sockets=(public.fileno(),),
            private_socket=private.fileno(),
            trusted_proxies=trusted,
            https=https,
            limits=limits,
            files=files,
        )
        process = living.enter_context(running(told, pass_fds=(public.fileno(), private.fileno(), tell)))
        os.close(tell)
        collector = Collector(
            port=public.getsockname()[1],
            private=place,
            journal=tmp_path / "journal" / "main",
            ring=load(tmp_path),
            process=process,
        )
        started.append(collector)
        assert select.select([ready], [], [], PATIENCE_S)[0]
        assert b"r" == os.read(ready, 1)
        os.close(ready)
        return collector

    with living:
        yield begin
        for each in started:
            each.process.kill()
    for sock in (*held, *(each for collector in started for each in collector.opened)):
        sock.close()


@pytest.fixture
def collector(start: Start) -> Collector:
    return start()
