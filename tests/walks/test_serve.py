"""`unsealed serve` as its owner meets it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.walk


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_first_start_prints_a_link_and_ready_smtp_settings(installation: Any, until: Callable[..., Any]) -> None:
    installation.start()
    pattern = r"user +(\S+)\n +password +(\S+) "
    secret = until(lambda: re.search(pattern, installation.output.read_text()), "the greeting")
    said = installation.output.read_text()
    link = re.search(rf"http://127\.0\.0\.1:{installation.web}(/welcome/[\w-]+)", said)
    assert link is not None
    assert f"port {installation.smtp}" in said
    assert 200 == installation.get(installation.web, link[1], Accept="text/html").status
    letter = b"From: owner@localhost\r\nTo: ines@x.example\r\nSubject: Hello\r\n\r\nHello\r\n"
    assert {} == installation.send(secret[1], secret[2], "owner@localhost", ["ines@x.example"], letter)
    installation.stop()


def test_every_role_that_is_killed_comes_back_and_has_nothing_to_load(
    installation: Any, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # each import of each process is a line of its output
    installation.start()
    installation.welcome()
    started = installation.output.read_text()
    before = children(installation.process.pid)
    assert 6 == len(before) == started.count("role.ready")

    for pid in before:
        os.kill(pid, signal.SIGKILL)

    said = until(lambda: (text := installation.output.read_text()).count("role.ready") == 12 and text, "six new roles")
    assert "import time:" in started
    assert "import time:" not in said.removeprefix(started)
    assert not set(before) & set(children(installation.process.pid))
    assert installation.healthy(installation.web)
    assert installation.healthy(installation.track)
    installation.stop()


def test_the_parent_has_one_thread_and_nothing_open_but_what_it_holds_for_its_roles(installation: Any) -> None:
    installation.start()
    installation.welcome()
    proc = Path(f"/proc/{installation.process.pid}")

    opened = [link.readlink().name.partition(":")[0] for link in (proc / "fd").iterdir()]

    assert 1 == len(list((proc / "task").iterdir()))
    assert 4 == opened.count("socket")  # of pages, pixels and links, mail programs, and the sandbox
    held = {name for name in opened if not name.startswith("libffi.")}  # which newer systems let hold itself
    assert {"socket", "pipe", "serve.lock", "null", installation.output.name} == held
    installation.stop()


def test_what_roles_have_loaded_is_in_memory_once(installation: Any) -> None:
    installation.start()
    installation.welcome()
    for pid in children(installation.process.pid):
        found = re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        kilobytes = {name: int(value) for name, value in found}

        assert kilobytes["Private_Dirty"] < kilobytes["Rss"] / 2
    installation.stop()


def test_a_second_server_on_the_same_folder_says_so_and_stops(installation: Any) -> None:
    installation.start()

    second = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "serve", "--data", str(installation.data)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 2 == second.returncode
    assert "another `unsealed serve` works in" in second.stderr
    assert "Traceback" not in second.stderr
    installation.stop()


def test_a_port_that_is_taken_is_named(installation: Any, listening: Callable[[], Any]) -> None:
    taken = listening().getsockname()[1]

    doors = ["--web", f"127.0.0.1:{installation.web}", "--track", f"127.0.0.1:{taken}", "--smtp", "127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "serve", "--data", str(installation.data), *doors],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 2 == done.returncode
    assert f"track.listen: cannot listen on 127.0.0.1:{taken}" in done.stderr


def test_a_line_of_the_log_is_written_in_one_piece_whatever_is_buffered(tmp_path: Path) -> None:
    """Six processes write into the same pipe: two pieces of a line may have a line of another between them."""
    program = (
        "import structlog, sys\n"
        "from unsealed.app.config import load\n"
        "from unsealed.app.serve import configure_log\n"
        "configure_log(load({'data': sys.argv[1]}))\n"
        "structlog.get_logger().info('role.ready')\n"
    )
    pieces, log = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # keeps apart what is written apart
    with pieces, log:
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            stderr=log.fileno(),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            timeout=PATIENCE_S,
            check=True,
        )
        pieces.setblocking(False)
        line = pieces.recv(65_536).decode()

        assert "role.ready" in line
        assert line.endswith("\n")
