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


@contextmanager
def program(module: str, *arguments: object) -> Iterator[Callable[[int], bool]]:
    """In the test: a function that has the program live once, and says whether it was killed or came to its end."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:

        def killed(steps: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            print(steps, file=process.stdin, flush=True)
            assert select.select([process.stdout], [], [], PATIENCE_S)[0], f"a life longer than {PATIENCE_S} s"
            ended = int(process.stdout.readline())
            assert ended in (0, -signal.SIGKILL), "see what it said on standard error"
            return ended != 0

        try:
            yield killed
        finally:
            os.killpg(process.pid, signal.SIGKILL)
