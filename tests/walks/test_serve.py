"""`unsealed serve` as its owner meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_every_role_that_is_killed_comes_back(installation: Any, until: Callable[..., Any]) -> None:
    installation.start()
    before = until(lambda: len(found := children(installation.process.pid)) == 6 and found, "six roles")

    for pid in before:
        os.kill(pid, signal.SIGKILL)

    until(lambda: len(set(children(installation.process.pid)) - set(before)) == len(before), "as many new roles")
    until(lambda: installation.healthy(installation.web) and installation.healthy(installation.track), "health")
    installation.stop()


def test_a_second_server_on_the_same_folder_says_so_and_stops(installation: Any) -> None:
    installation.start()

    second = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "serve", "--data", str(installation.data)],
        capture_output=True,
        text=True,
        timeout=60,
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
        timeout=60,
        check=False,
    )

    assert 2 == done.returncode
    assert f"track.listen: cannot listen on 127.0.0.1:{taken}" in done.stderr
