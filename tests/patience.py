"""How tests wait: for what happened, never for a time to pass, and never without end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseServer, ThreadingMixIn
from typing import Any

PATIENCE_S = 120.0  # for a machine that does much else: only what never happens takes so long


@contextmanager
def running(command: list[Any], *, patience_s: float = PATIENCE_S, **settings: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed with all its children when the test fails, or has taken too long: whoever reads what
    they say, or waits for its end, comes to an end as well."""
    process: subprocess.Popen[Any] = subprocess.Popen(command, start_new_session=True, **settings)

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(patience_s, kill)
    timer.daemon = True
    timer.start()
    try:
        with process:
            try:
                yield process
            except BaseException:
                kill()
                raise
    finally:
        timer.cancel()


@contextmanager
def serving(server: BaseServer) -> Iterator[Any]:
    """A server of `socketserver` at work; yields its address. Nobody who stays connected keeps it from ending: each is
    served in a thread that nobody waits for, so what may take long, such as a handshake, belongs there."""
    assert isinstance(server, ThreadingMixIn)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()
