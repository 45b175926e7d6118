"""The supervisor keeps its promises with real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import IO

import pytest
from tests.patience import PATIENCE_S, running

SCRIPT = """
import gc, os, signal, sys
import structlog
from unsealed.app.supervise import Role, Supervisor

# In one piece each, also where output is not buffered: both processes write into the same pipe.
structlog.configure(logger_factory=structlog.WriteLoggerFactory())

def say(words):
    os.write(1, f"{words}\\n".encode())

def steady(ready):
    say(f"steady {os.getpid()}")
    ready()
    say(f"settled {gc.get_freeze_count() > 0}")
    signal.pause()

def broken(ready):
    raise SystemExit("cannot start")

def slow(ready):
    say(f"slow {os.getpid()}")
    if sys.stdin.readline():
        ready()
    signal.pause()

def told_to_end_at_once():
    os.fork = fork
    told, tell = os.pipe()
    if pid := fork():
        os.kill(pid, signal.SIGTERM)
        os.write(tell, b"t")
    else:
        os.read(told, 1)
    return pid

fork = os.fork
if sys.argv[2:]:
    os.fork = told_to_end_at_once
bodies = {"steady": steady, "broken": broken, "slow": slow}
role = Role(name=sys.argv[1], body=bodies[sys.argv[1]])
sys.exit(Supervisor((role,)).run(lambda: say("announced")))
"""


def start(which: str, *how: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(
        [sys.executable, "-c", SCRIPT, which, *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def line(stream: IO[str] | None, beginning: str) -> str:
    """The next line that begins so; what else is printed (the log) is passed over."""
    assert stream is not None
    for text in stream:
        if text.startswith(beginning):
            return text
    pytest.fail(f"the process ended without saying {beginning!r}")


def gone(pid: int) -> bool:
    """Whether a process is dead (a zombie is), or dies soon."""
    deadline = monotonic() + PATIENCE_S
    stat = Path(f"/proc/{pid}/stat")
    while monotonic() < deadline:
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        os.sched_yield()
    return False


def test_a_role_that_is_killed_is_started_again() -> None:
    with start("steady") as parent:
        first = int(line(parent.stdout, "steady").split()[1])
        line(parent.stdout, "announced")

        os.kill(first, signal.SIGKILL)
        second = int(line(parent.stdout, "steady").split()[1])

        assert first != second
        parent.terminate()
        assert 0 == parent.wait()
        assert gone(second)


def test_a_role_that_is_killed_again_and_again_never_stays_away_for_long() -> None:
    pauses = []
    with start("steady") as parent:
        assert parent.stdout is not None
        for text in parent.stdout:
            if text.startswith("steady"):
                os.kill(int(text.split()[1]), signal.SIGKILL)
            elif found := re.search(r"again_in_s\W+([\d.]+)", re.sub(r"\x1b\[\d*m", "", text)):
                pauses.append(float(found[1]))
                if len(pauses) == 6:
                    break
        parent.terminate()
        parent.communicate()

    assert [0.05, 0.1, 0.2, 0.4, 0.4, 0.4] == pauses


def test_a_role_that_is_killed_before_it_was_ready_is_started_again() -> None:
    with start("slow") as parent:
        os.kill(int(line(parent.stdout, "slow").split()[1]), signal.SIGKILL)
        line(parent.stdout, "slow")
        assert parent.stdin is not None
        print("go", file=parent.stdin, flush=True)

        line(parent.stdout, "announced")
        parent.terminate()
        assert 0 == parent.wait()


def test_a_role_that_is_told_to_end_before_it_has_begun_ends() -> None:
    with start("steady", "told to end at once") as parent:
        assert parent.stdout is not None
        said = [next(parent.stdout) for _ in range(2)]
        parent.terminate()

        assert "role.died" in said[0]
        assert said[1].startswith("steady")
        assert 0 == parent.wait()


def test_no_role_outlives_a_parent_that_is_killed() -> None:
    with start("steady") as parent:
        role = int(line(parent.stdout, "steady").split()[1])
        line(parent.stdout, "announced")

        parent.kill()
        parent.wait()

        assert gone(role)


def test_a_role_that_cannot_start_ends_everything_with_an_error() -> None:
    with start("broken") as parent:
        assert 1 == parent.wait()


def test_a_role_that_is_ready_does_not_look_for_garbage_in_the_program_itself() -> None:
    with start("steady") as parent:
        try:
            assert "settled True\n" == line(parent.stdout, "settled")
        finally:
            parent.terminate()
