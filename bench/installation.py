"""A throw-away installation of Unsealed for the measurements: own data folder, own ports on loopback, one user."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from bench import DISK, database
from bench.messages import SENDER
from bench.ports import free_port
from unsealed.store.engine import sqlite_url

_COMMAND = (sys.executable, "-m", "unsealed.app")
_START_PATIENCE_S = 120.0
PASSWORD = "correct horse battery"  # of SENDER, for the pages


@dataclass(kw_only=True)
class Installation:
    """Ports and secrets of a server that runs."""

    data: Path
    web: int
    track: int
    smtp: int
    store: str = field(repr=False)  # URL
    password: str = field(repr=False)  # for AUTH as SENDER
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def login(self) -> tuple[str, str]:
        return SENDER, self.password

    def roles(self) -> dict[int, str]:
        """Every process of the server by id, named by its role; children that a role starts carry its name."""
        log = (self.data.parent / "log").read_text().splitlines()
        ready = [json.loads(line) for line in log if '"role.ready"' in line]
        named = {entry["pid"]: entry["role"] for entry in ready}
        found = {self.process.pid: "parent"}
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            for child in _children(pid):
                found[child] = named.get(child, found[pid])
                waiting.append(child)
        return found


@contextmanager
def running(
    *, upstream: str = "", settings: dict[str, str] | None = None, fill: Callable[[Path], None] = lambda data: None
) -> Iterator[Installation]:
    """Start `unsealed serve` with a fresh data folder, stop it and remove the folder at the end.

    upstream: URL of the next hop; without it, mail stays in the sandbox.
    settings: further `UNSEALED_*` environment variables.
    fill: puts into the data folder what shall be there at the start; the user is there already.
    """
    with tempfile.TemporaryDirectory(dir=DISK, prefix="bench-unsealed-") as folder, database.empty() as url:
        data = Path(folder) / "data"
        web, track, smtp = (free_port() for _ in range(3))
        arguments = ["--web", f"127.0.0.1:{web}", "--track", f"127.0.0.1:{track}", "--smtp", f"127.0.0.1:{smtp}"]
        add_user(data, SENDER)
        password = _command("app-password", SENDER, data=data)
        fill(data)
        if url:
            database.move(data / "unsealed.db", url)
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_COMMAND, "serve", "--data", data, *arguments, *(["--upstream", upstream] if upstream else [])],
                stdout=log,
                stderr=log,
                env=_environment((settings or {}) | {"UNSEALED_STORE_URL": url}),
            )
        try:
            store = url or sqlite_url(data)
            made = Installation(
                data=data, web=web, track=track, smtp=smtp, store=store, password=password, process=process
            )
            _wait_until_ready(made)
            yield made
        except BaseException:
            print(_complaints((Path(folder) / "log").read_text()), file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(60)


def api_token(installation: Installation) -> str:
    """A new API token of SENDER."""
    return _command("api-token", SENDER, data=installation.data, store=installation.store).split()[-1]


def add_user(data: Path, email: str, store: str = "") -> None:
    """A further user, with the same password. store: URL of the store, where it is not in the data folder."""
    _command("user", "add", email, "--password-stdin", data=data, store=store, given=f"{PASSWORD}\n".encode())


def _complaints(log: str) -> str:
    """What the server logged that is more than business as usual, the end of it."""
    return "\n".join([line for line in log.splitlines() if '"level": "info"' not in line][-60:])


def _command(*arguments: str, data: Path, store: str = "", given: bytes = b"") -> str:
    environment = _environment({} if store.startswith("sqlite") else {"UNSEALED_STORE_URL": store})
    done = subprocess.run(
        [*_COMMAND, *arguments, "--data", data], input=given, stdout=subprocess.PIPE, check=True, env=environment
    )
    return done.stdout.decode().strip()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    return (
        {name: value for name, value in os.environ.items() if not name.startswith("UNSEALED_")}
        | settings
        | {"UNSEALED_LOG_FORMAT": "json"}
    )


def _wait_until_ready(installation: Installation) -> None:
    deadline = monotonic() + _START_PATIENCE_S
    for port in (installation.web, installation.track):
        while not _healthy(port):
            if installation.process.poll() is not None or monotonic() > deadline:
                raise ChildProcessError("unsealed serve did not become ready")
            sleep(0.05)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, task.read_text().split())
    return found
