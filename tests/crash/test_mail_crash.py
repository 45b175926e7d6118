"""The mail side killed with -9 at each step of both dialogues: submission and the hand-over to the next hop.

The client is one that does not give up: a message without a 250 is handed in again after the restart, with the same
Message-ID, as mail programs do. The next hop keeps every message that reached its end of data. Promised: nothing that
was acknowledged is lost, and a copy comes twice only when the process died between an end of data and its reply, then
with the same Message-ID and, towards the next hop, the same bytes.
`make crash` runs ten rounds of each step.
"""

from __future__ import annotations

import base64
import os
import re
import select
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.crash.lives import program
from tests.patience import PATIENCE_S

from unsealed.store import engine as stores
from unsealed.store import people, proofs, schema
from unsealed.store.keyring import load
from unsealed.store.people import Role

pytestmark = pytest.mark.crash

ROUNDS = max(1, int(os.environ.get("UNSEALED_TEST_ROUNDS", "20")) // 20)
RECIPIENTS = ("bob@x.example", "eve@x.example")

SUBMISSION_STEPS = [
    "connect",
    "EHLO",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "half",
    "end",
    "end+1ms",
    "end+5ms",
    "reply",
    "QUIT",
]
UPSTREAM_STEPS = ["connect", "EHLO", "MAIL", "RCPT", "DATA", "half", "end", "reply", "reply+2ms"]
# When the next hop has answered DATA, the process may have sent everything, the end of data too.
AFTER_END_OF_DATA = ("DATA", "end", "reply", "reply+2ms")


class NextHop:
    """Keeps what it acknowledged and what reached its end of data; calls `hook` at each step."""

    def __init__(self) -> None:
        self.hook: Callable[[str], None] = lambda step: None
        self.arrived: list[tuple[str, bytes]] = []  # recipient and bytes of everything whose end of data came
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # so that a large message gets stuck
        self.port: int = self._socket.getsockname()[1]
        self._dialogues: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self) -> None:
        """Until all that a dead process said was heard: nothing of it is taken for what the next one says."""
        while self._dialogues:
            self._dialogues.pop().join(PATIENCE_S)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._dialogues.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._dialogues[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 next.hop.example\r\n")
            self.hook("connect")
            to = ""
            while line := lines.readline().decode():
                verb = line[:4].upper()
                if verb == "RCPT":
                    to = re.findall("<(.*?)>", line)[0]
                connection.sendall(b"354 go\r\n" if verb == "DATA" else b"250 ok\r\n")
                self.hook(verb)
                if verb == "DATA":
                    self._data(connection, lines, to)
                if verb == "QUIT":
                    return

    def _data(self, connection: socket.socket, lines: Iterator[bytes], to: str) -> None:
        data: list[bytes] = []
        for line in lines:
            if not data:
                self.hook("half")
            if line == b".\r\n":
                self.arrived.append((to, b"".join(data)))
                self.hook("end")
                connection.sendall(b"250 ok\r\n")
                self.hook("reply")
                return
            data.append(line)


class MailProcess:
    """The mail side, killed and started again on one socket."""

    def __init__(self, data: Path, upstream_port: int) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self._living = ExitStack()
        self._ready, tell = os.pipe()
        self._living.callback(os.close, self._ready)
        inherited = self.socket.fileno()
        self._program = self._living.enter_context(
            program("tests.crash.mail_process", data, inherited, upstream_port, tell, pass_fds=(inherited, tell))
        )
        os.close(tell)
        self._pid: int | None = None
        self._killing = threading.Lock()

    def start(self) -> None:
        self._program.begin(1)
        readable, _, _ = select.select([self._ready], [], [], PATIENCE_S)
        assert readable, "the mail side did not start"
        self._pid = int(os.read(self._ready, 20))

    def kill(self) -> None:
        """kill -9, and wait until it is gone. Once more does no harm."""
        with self._killing:
            pid, self._pid = self._pid, None  # first, for who loses a connection asks whether it is running
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                assert -signal.SIGKILL == self._program.end(), "it ended by itself"

    def close(self) -> None:
        self._living.close()
        self.socket.close()

    @property
    def running(self) -> bool:
        return self._pid is not None


class Room:
    """The mail process, its next hop, and a client that does not give up."""

    def __init__(self, data: Path) -> None:
        self.data = data
        engine = stores.connect(stores.sqlite_url(data))
        schema.metadata.create_all(engine)
        now = datetime.now(UTC)
        with engine.begin() as connection:
            user = people.add_user(connection, "ann@example.org", Role.OWNER, now)
            self.password = proofs.new_app_password(connection, user, "test", now)
        engine.dispose()
        load(data)
        self.hop = NextHop()
        self.mail = MailProcess(data, self.hop.port)
        self.mail.start()

    def close(self) -> None:
        self.mail.close()
        self.hop.close()

    def restart(self) -> None:
        self.mail.kill()
        self.hop.wait()
        self.mail.start()

    def submit(self, name: str, hook: Callable[[str], None] = lambda step: None, *, padding: int = 0) -> bool:
        """Hand in a message, with so many lines of plain text; whether it was acknowledged."""
        secret = base64.b64encode(f"\0ann@example.org\0{self.password}".encode()).decode()
        message = (
            f"From: ann@example.org\r\nTo: bob@x.example\r\nMessage-ID: <{name}@example.org>\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nContent-Type: text/html\r\n\r\n"
            f'<html><body><p>{name} <a href="https://example.com/{name}">here</a></p></body></html>\r\n'
        ).encode() + (b"x" * 70 + b"\r\n") * padding
        acknowledged = False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.mail.port), PATIENCE_S) as connection:
            lines = connection.makefile("rb")

            def reply() -> str:
                while (line := lines.readline().decode())[3:4] == "-":
                    pass
                if not line:
                    raise ConnectionResetError
                return line

            reply()
            hook("connect")
            for step in (
                "EHLO client.example",
                f"AUTH PLAIN {secret}",
                "MAIL FROM:<ann@example.org>",
                *(f"RCPT TO:<{address}>" for address in RECIPIENTS),
                "DATA",
            ):
                connection.sendall(f"{step}\r\n".encode())
                assert reply()[0] in "23"
                hook(step[:4])
            connection.sendall(message[:100])
            hook("half")
            connection.sendall(message[100:] + b".\r\n")
            hook("end")
            acknowledged = reply().startswith("250 ")
            hook("reply")
            connection.sendall(b"QUIT\r\n")
            hook("QUIT")
        return acknowledged

    def settled(self) -> bool:
        """Whether no job is left to do."""
        with closing(sqlite3.connect(self.data / "unsealed.db", timeout=PATIENCE_S)) as connection:
            left: int = connection.execute("SELECT count(*) FROM jobs WHERE state != 'done'").fetchone()[0]
            return left == 0

    def wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self.settled():
            assert time.monotonic() < until, "mail is left in the queue"
            time.sleep(0.02)

    def copies(self, name: str) -> dict[str, list[bytes]]:
        """What arrived at the next hop of the message `name`, by recipient."""
        mark = f"Message-ID: <{name}@example.org>".encode()
        found: dict[str, list[bytes]] = {address: [] for address in RECIPIENTS}
        for to, data in self.hop.arrived:
            if mark in data:
                found[to].append(data)
        return found


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    made = Room(tmp_path_factory.mktemp("mail"))
    yield made
    made.close()


def killer(room: Room, step: str) -> Callable[[str], None]:
    """A hook that kills the mail process once, when the dialogue is at `step` (and some milliseconds later)."""
    name, _, delay = step.partition("+")

    def hook(at: str) -> None:
        if at == name:  # killing it again, when two dialogues come to that, does no harm
            time.sleep(int(delay.removesuffix("ms") or 0) / 1000 if delay else 0)
            room.mail.kill()

    return hook


@pytest.mark.parametrize("step", SUBMISSION_STEPS)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_within_a_submission_nothing_is_lost(room: Room, step: str, number: int) -> None:
    name = f"in-{step}-{number}".replace("+", "-")
    acknowledged = room.submit(name, killer(room, step))
    room.restart()
    handed_in = 1
    until = time.monotonic() + PATIENCE_S
    while not acknowledged:
        assert time.monotonic() < until, "it is not taken"
        acknowledged = room.submit(name)
        handed_in += 1
    room.wait()

    arrived = room.copies(name)
    assert all(arrived.values()), "a copy was lost"
    most = max(len(set(copies)) for copies in arrived.values())
    assert most <= (handed_in if step.startswith("end") else 1)
    # The next hop got the bytes of one copy twice only if it was killed while it was being handed over.
    assert all(count <= 2 for copies in arrived.values() for count in Counter(copies).values())


@pytest.mark.parametrize("step", UPSTREAM_STEPS)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_within_a_hand_over_nothing_is_lost(room: Room, step: str, number: int) -> None:
    name = f"out-{step}-{number}".replace("+", "-")
    if step in ("connect", "EHLO"):
        room.restart()  # else a connection that is kept is used
    room.hop.hook = killer(room, step)
    # 20 MB do not fit into the buffers on the way, so that the end of data is still in the process.
    assert room.submit(name, padding=280_000 if step == "half" else 0) or not room.mail.running
    until = time.monotonic() + PATIENCE_S
    while room.mail.running:
        assert time.monotonic() < until, f"nobody came to {step}"
        time.sleep(0.005)
    room.hop.hook = lambda step: None
    room.restart()
    room.wait()

    arrived = room.copies(name)
    assert all(arrived.values()), "a copy was lost"
    for copies in arrived.values():
        assert len(set(copies)) == 1, "the same copy came with other bytes"
        assert len(copies) <= (2 if step in AFTER_END_OF_DATA else 1)
    if step != "half":
        assert len({copies[0] for copies in arrived.values()}) == len(RECIPIENTS)  # each with tokens of its own
