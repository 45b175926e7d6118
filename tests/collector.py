"""A collector as a program of its own. `command` says how to start it.

Started anew instead of forked from pytest, which has threads. Who starts it keeps its sockets, as the parent of the
roles does, and passes them on.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any


def command(data: Path, ready: int, **told: Any) -> list[str]:
    """The command of a collector of that data folder, which writes a byte to the file `ready` once it answers.

    told: what else `main` takes.
    """
    return [sys.executable, __file__, json.dumps({"data": str(data), "ready": ready, **told})]


def main(
    *,
    data: str,
    ready: int,
    sockets: tuple[int, ...] = (),
    private_socket: int | None = None,
    trusted_proxies: tuple[str, ...] = (),
    https: bool = False,
    limits: dict[str, float],
    files: int | None = None,
    sync: bool = True,
) -> None:
    """Collect until SIGTERM.

    files: how many it may have open.
    sync: whether fsync does anything. A control build without it must lose what it acknowledged when the power is cut,
        or the test of the real one proves nothing.
    """
    if not sync:
        os.fsync = lambda fd: None
        os.fdatasync = lambda fd: None
    if files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    # Imported after the control build has taken fdatasync away: the journal keeps it as a default.
    from unsealed.inlets.collect import run
    from unsealed.inlets.collect.settings import CollectSettings, Limits
    from unsealed.store.keyring import load

    settings = CollectSettings(
        sockets=tuple(sockets),
        private_socket=private_socket,
        journal=Path(data) / "journal" / "main",
        collector="main",
        keys=load(Path(data)),
        clock=lambda: datetime.now(UTC),
        trusted_proxies=tuple(ip_network(network) for network in trusted_proxies),
        https=https,
        limits=Limits(**limits),  # type: ignore[arg-type]
    )

    def say_ready() -> None:
        os.write(ready, b"r")
        os.close(ready)

    run(settings, say_ready)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
