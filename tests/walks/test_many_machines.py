"""Two machines on one PostgreSQL, each with its own data folder, as docs/how-to/use-several-machines.md says."""

from __future__ import annotations

import re
import shutil
import signal
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url, select, text
from tests.conftest import administer, plain
from tests.patience import PATIENCE_S
from tests.walks.conftest import COMMAND, Answer, Installation, Sink

from unsealed.store import engine as stores
from unsealed.store import schema

pytestmark = [pytest.mark.walk, pytest.mark.parametrize("database", ["postgresql"], indirect=True)]

SENDER = "mara@tidewater.example"
MAILS, HITS = 12, 40


def letter(number: int) -> bytes:
    return (
        b"From: mara@tidewater.example\r\nTo: r%d@x.example\r\nSubject: Plan %d\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n"
        b'<html><body><p><a href="https://tidewater.example/plan">the plan</a></p></body></html>\r\n'
    ) % (number, number)


class Machine(Installation):
    """One of them; its collector has a name of its own when it is given one."""

    collector = "main"

    def start(self) -> None:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("UNSEALED_TRACK_COLLECTOR", self.collector)
            super().start()

    def refusal(self) -> str:
        """What `serve` says that does not start."""
        doors = {"--web": self.web, "--track": self.track, "--smtp": self.smtp}
        listen = [word for door, port in doors.items() for word in (door, f"127.0.0.1:{port}")]
        done = subprocess.run(
            [*COMMAND, "serve", "--data", self.data, *listen],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert 0 != done.returncode
        return done.stderr.decode()


@pytest.fixture
def machines(
    installation: Installation,
    sink: Sink,
    store_url: str,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Machine, Machine]]:
    monkeypatch.setenv("UNSEALED_STORE_URL", store_url)
    fields = {name: value for name, value in vars(installation).items() if name not in ("output", "process")}
    one = Machine(**fields | {"upstream": f"smtp://127.0.0.1:{sink.port}"})
    two = replace(one, data=one.data.with_name("data2"), web=free_port(), track=free_port(), smtp=free_port())
    yield one, two
    for each in (one, two):
        if each.process is not None and each.process.poll() is None:
            each.process.send_signal(signal.SIGKILL)
            each.process.wait(PATIENCE_S)


def test_two_machines_send_record_and_show_together_and_either_may_die(
    machines: tuple[Machine, Machine], sink: Sink, until: Callable[..., Any]
) -> None:
    one, two = machines
    one.command("user", "add", SENDER, "--password-stdin", given=b"correct horse battery\n")
    password, token = one.command("app-password", SENDER), one.command("api-token", SENDER)
    one.start()

    assert "copy the file `keys`" in two.refusal()
    shutil.copy(one.data / "keys", two.data / "keys")
    assert "track.collector" in two.refusal()
    two.collector = "second"
    two.start()

    def ask(machine: Machine, path: str) -> Any:
        return machine.get(machine.web, f"/api/v1{path}", Authorization=f"Bearer {token}").json

    def raw(machine: Machine) -> int:
        return sum(each["raw"] for each in ask(machine, "/messages")["messages"])

    # Whoever accepted it, each mail goes out once, and what was asked for at either is shown by both.
    for number in range(MAILS):
        machine = machines[number % 2]
        machine.send(SENDER, password, SENDER, [f"r{number}@x.example"], letter(number))
    until(lambda: len(sink.mails) >= MAILS, "all mails at the next hop")
    until(
        lambda: {"sent"} == {each["state"] for each in ask(two, "/messages")["messages"]}, "all of them noted as sent"
    )
    assert [f"r{number}@x.example" for number in range(MAILS)] == sorted(
        (mail.rcpt_tos[0] for mail in sink.mails), key=lambda address: int(address[1:-10])
    )
    paths = [paths_of(sink.copy_for(f"r{number}@x.example")) for number in range(MAILS)]
    for pixel, link in paths:
        assert 200 == two.get(two.track, pixel).status
        assert 302 == one.get(one.track, link).status
    for machine in machines:
        until(lambda machine=machine: raw(machine) == 2 * MAILS, "every hit on every machine")

    # One is killed with its journal full of news: the other goes on, and nothing is lost or counted twice.
    for turn in range(HITS):
        assert 302 == one.get(one.track, paths[turn % MAILS][1]).status
    one.kill()
    for turn in range(HITS):
        assert 200 == two.get(two.track, paths[turn % MAILS][0]).status
    two.send(SENDER, password, SENDER, ["r99@x.example"], letter(99))
    until(lambda: sink_has(sink, "r99@x.example"), "mail by the other")
    until(lambda: raw(two) >= 2 * MAILS + HITS, "what the other recorded")
    two.kill()
    one.start()
    two.start()
    for machine in machines:
        until(lambda machine=machine: raw(machine) == 2 * MAILS + 2 * HITS, "every hit, once")
    assert "all counts were right" == one.command("recount")
    one.stop()
    two.stop()
    assert [] == [mail for mail in sink.mails[MAILS + 1 :] if mail.rcpt_tos != ["r99@x.example"]]


def paths_of(raw: bytes) -> tuple[str, str]:
    """Of the pixel and of the link."""
    text = raw.replace(b"=\r\n", b"").replace(b"=3D", b"=").decode()
    found = [re.search(rf"http://127\.0\.0\.1:\d+(/{kind}/[\w.-]+)", text) for kind in "oc"]
    pixel, link = (each[1] for each in found if each)
    return pixel, link


def sink_has(sink: Sink, recipient: str) -> bool:
    with sink.lock:
        return any(mail.rcpt_tos == [recipient] for mail in sink.mails)


def test_a_machine_without_the_driver_says_what_to_install(installation: Installation, store_url: str) -> None:
    """As on a machine where `pip install` was given no extra."""
    script = "import sys; sys.modules['psycopg'] = None; from unsealed.app.cli import main; main()"
    doors = [word for door in ("--web", "--track", "--smtp") for word in (door, "127.0.0.1:0")]
    done = subprocess.run(
        [COMMAND[0], "-c", script, "serve", "--data", Path(installation.data), *doors],
        env={"UNSEALED_STORE_URL": store_url, "PATH": ""},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert b"pip install" in done.stderr
    assert b"Traceback" not in done.stderr


@dataclass(frozen=True)
class Delivered:
    """A letter in the sandbox of a server that runs on PostgreSQL."""

    server: Installation
    database: str
    password: str
    token: str
    message: str
    pixel: str
    link: str

    def ask(self, path: str) -> Answer:
        return self.server.get(self.server.web, f"/api/v1{path}", Authorization=f"Bearer {self.token}")

    def read(self) -> None:
        """Open it and follow its link, as often as `HITS` says."""
        for _ in range(HITS):
            assert 200 == self.server.get(self.server.track, self.pixel).status
            assert 302 == self.server.get(self.server.track, self.link).status

    def all_are_counted(self) -> bool:
        return bool(self.ask(f"/messages/{self.message}").json["raw"] == 2 * HITS)


@pytest.fixture
def delivered(
    installation: Installation, blank_url: str, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Delivered:
    monkeypatch.setenv("UNSEALED_STORE_URL", blank_url)
    installation.command("user", "add", SENDER, "--password-stdin", given=b"correct horse battery\n")
    password, token = installation.command("app-password", SENDER), installation.command("api-token", SENDER)
    installation.start()

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1{path}", Authorization=f"Bearer {token}").json

    installation.send(SENDER, password, SENDER, ["r1@x.example"], letter(1))
    message = until(lambda: ask("/messages")["messages"], "the message")[0]["id"]
    until(lambda: ask(f"/messages/{message}")["copies"][0]["state"] == "delivered", "delivery")
    engine = stores.connect(blank_url)
    with stores.reading(engine) as connection:
        pixel, link = paths_of(connection.execute(select(schema.sandbox.c.raw)).scalar_one())
    engine.dispose()
    return Delivered(installation, str(make_url(blank_url).database), password, token, message, pixel, link)


def test_while_postgresql_is_away_readers_are_served_and_nothing_is_lost(
    delivered: Delivered, postgres: URL, until: Callable[..., Any]
) -> None:
    server, name = delivered.server, delivered.database
    administer(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    administer(postgres, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")
    delivered.read()
    assert 503 == delivered.ask("/messages").status
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        server.send(SENDER, delivered.password, SENDER, ["r2@x.example"], letter(2))
    assert 400 <= refused.value.smtp_code < 500
    administer(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    until(lambda: delivered.ask("/messages").status == 200, "pages again")
    until(delivered.all_are_counted, "every hit, once")
    server.send(SENDER, delivered.password, SENDER, ["r2@x.example"], letter(2))
    server.stop()


def test_while_postgresql_hangs_readers_are_served_and_nothing_is_lost(
    delivered: Delivered, postgres: URL, until: Callable[..., Any]
) -> None:
    server = delivered.server
    tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
    engine = stores.connect(plain(postgres.set(database=delivered.database)))
    with engine.begin() as connection:
        connection.execute(text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))  # whoever asks anything waits
        delivered.read()
        assert 503 == server.get(server.web, "/healthz").status
        assert 200 == server.get(server.track, "/healthz").status
    engine.dispose()

    until(delivered.all_are_counted, "every hit, once")
    assert 200 == server.get(server.web, "/healthz").status
    server.send(SENDER, delivered.password, SENDER, ["r2@x.example"], letter(2))
    server.stop()
