"""A program that lives and dies many times: loaded once, and forked for each life.

The program calls `lives`, the test talks with it by `program`. A life is a process of its own, so it may be killed with
-9 at any place; nothing but what is loaded goes from one to the next.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def lives(live: Callable[[int], object]) -> None:
    """In the program: live once for each number on standard input, and say how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.dup2(2, 1)  # what it prints is no answer
                live(int(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


@dataclass
class Program:
    """In the test: a program that calls `lives`."""

    process: subprocess.Popen[str]

    def begin(self, number: int) -> None:
        """One life; `end` waits for its end."""
        assert self.process.stdin is not None
        print(number, file=self.process.stdin, flush=True)

    def end(self) -> int:
        """How the life that was begun last ended: its status, or less than nothing, the signal that killed it."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], f"a life longer than {PATIENCE_S} s"
        return int(self.process.stdout.readline())

    def killed(self, steps: int) -> bool:
        """Have it live once; whether it was killed, or came to its end."""
        self.begin(steps)
        ended = self.end()
        assert ended in (0, -signal.SIGKILL), "see what it said on standard error"
        return ended != 0


@contextmanager
def program(module: str, *arguments: object, pass_fds: tuple[int, ...] = ()) -> Iterator[Program]:
    """Start it; killed at the end, and whatever lives of it."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True, pass_fds=pass_fds
    ) as process:
        try:
            yield Program(process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
