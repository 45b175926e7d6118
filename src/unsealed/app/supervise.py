"""Runs the roles as processes of one parent, and starts again what dies.

The parent opens every listening socket and keeps it: while a role is restarted, connections wait in the socket's queue
instead of being refused. Each role is forked from the parent: it inherits the sockets and shares what the parent has
loaded, so one that is started again has nothing to load. A role never outlives its parent: everything it acknowledged
is on disk, so it is killed at once, and a new parent finds the ports free. The parent itself does no work that could
fail: no threads, no database, no requests.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

import structlog

log = structlog.get_logger()

Ready = Callable[[], None]

FIRST_PAUSE_S = 0.05  # before a role that died is started again; doubles with each death in a row
LONGEST_PAUSE_S = 5.0
LONGEST_PAUSE_KILLED_S = 0.4  # of one that was ready, or was killed: who waits for it is answered within a second
STEADY_AFTER_S = 30.0  # a role that lived this long starts with the first pause again
STOP_PATIENCE_S = 10.0  # after SIGTERM; then SIGKILL, which loses nothing that was acknowledged

_PR_SET_PDEATHSIG = 1
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process: `body` runs until SIGTERM and calls the function it is given once it is ready for work."""

    name: str
    body: Callable[[Ready], None]


@dataclass(slots=True, kw_only=True)
class _Running:
    role: Role
    pid: int
    ready: int  # read end of the pipe on which the role says that it is ready; -1 once it did
    since: float
    pause_s: float = FIRST_PAUSE_S


@dataclass(slots=True)
class Supervisor:
    """Starts roles, waits until they are ready, restarts the dead, stops all.

    `roles` may load what they need while it is gone through, which must start no thread: each role is started as soon
    as it comes, with what is loaded by then; one that is started again, with all.
    """

    roles: Iterable[Role]
    _running: dict[int, _Running] = field(default_factory=dict)
    _due: list[tuple[float, Role, float]] = field(default_factory=list)  # when, what, pause before the next try
    _stopping: bool = False

    def run(self, announce: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status. `announce` is called once, when all roles are ready.

        A role that ends by itself before the first announcement ends everything with status 1: a configuration that
        cannot start must say so instead of trying for ever. One that was killed is started again, as at any time.
        """
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        for number in _HEARD:
            signal.signal(number, self._on_signal)
        announced = False
        status = 0
        for role in self.roles:
            self._start(role, FIRST_PAUSE_S)
        while not self._stopping:
            if not announced and not self._due and all(each.ready == -1 for each in self._running.values()):
                announced = True
                announce()
            waiting = [running.ready for running in self._running.values() if running.ready != -1]
            readable, _, _ = select.select([wake, *waiting], [], [], self._sleep_s())
            if wake in readable:
                os.read(wake, 4096)
            self._hear(set(readable))
            ended = self._bury()
            if ended and not announced:
                status = 1
                break
            self._revive()
        self._stop()
        return status

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True

    def _sleep_s(self) -> float | None:
        return max(0.0, min(when for when, _, _ in self._due) - monotonic()) if self._due else None

    def _start(self, role: Role, pause_s: float) -> None:
        ready, tell = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # looking through it for garbage would write to all of it, and what is written to is not shared
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # or the role would take for ours what is meant for it
        pid = os.fork()
        if pid == 0:
            os.close(ready)
            _live(role, parent, tell)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        os.close(tell)
        self._running[pid] = _Running(role=role, pid=pid, ready=ready, since=monotonic(), pause_s=pause_s)

    def _hear(self, readable: set[int]) -> None:
        for running in self._running.values():
            if running.ready in readable and os.read(running.ready, 1):
                os.close(running.ready)
                running.ready = -1
                log.info("role.ready", role=running.role.name, pid=running.pid)

    def _bury(self) -> bool:
        """Note the dead, to start them again; whether one of them ended by itself."""
        ended = False
        for pid in list(self._running):
            dead, status = os.waitpid(pid, os.WNOHANG)
            if dead == 0:
                continue
            running = self._running.pop(pid)
            if running.ready != -1:
                os.close(running.ready)
            ended = ended or os.WIFEXITED(status)
            steady = monotonic() - running.since > STEADY_AFTER_S
            pause_s = FIRST_PAUSE_S if steady else running.pause_s
            if running.ready == -1 or os.WIFSIGNALED(status):
                pause_s = min(pause_s, LONGEST_PAUSE_KILLED_S)
            self._due.append((monotonic() + pause_s, running.role, min(2 * pause_s, LONGEST_PAUSE_S)))
            log.error("role.died", role=running.role.name, pid=pid, again_in_s=pause_s)
        return ended

    def _revive(self) -> None:
        for entry in [entry for entry in self._due if entry[0] <= monotonic()]:
            self._due.remove(entry)
            self._start(entry[1], entry[2])

    def _stop(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        deadline = monotonic() + STOP_PATIENCE_S
        while self._running:
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
            if monotonic() > deadline:
                for pid in self._running:
                    os.kill(pid, signal.SIGKILL)
            select.select([], [], [], 0.02)


def settle() -> None:
    """Have the collector of garbage look less often, and never again at what is there now: programs and their data.

    Work comes in batches of some ten thousand objects, none of them garbage until the batch is done. Looking through
    them at every 700th took a fifth of the time that hits take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _live(role: Role, parent: int, tell: int) -> None:
    """The life of a forked role; never returns to the parent's code."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to stop
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)
        role.body(lambda: _ready(tell))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _ready(tell: int) -> None:
    settle()
    os.write(tell, b"r")
    os.close(tell)


class Sigterm:
    """SIGTERM as something that a role asks for, and that ends its waits at once; from now on it does nothing else."""

    def __init__(self) -> None:
        self._heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told)
        signal.signal(signal.SIGTERM, lambda number, _: None)

    def came(self, within_s: float = 0.0) -> bool:
        """Whether it has come, or comes within that time."""
        return bool(select.select([self._heard], [], [], within_s)[0])

    def fileno(self) -> int:
        """Readable from when it has come, for ever."""
        return self._heard
