"""A collector as a program of its own, for tests that kill it: `collector.py FOLDER SOCKET_FD READY_FD [FLAG ...]`.

`hasty` gives up waiting for the disk after a second: for the test whose disk hangs. Others never give up, however busy
the machine: what is answered without the disk is no acknowledgement.

`no-sync` is the control build: the same collector on a disk whose fsync does nothing. A power cut must show that its
acknowledgements are worth nothing, or the test of the real one proves nothing.
"""

from __future__ import annotations

import math
import os
import sys
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    data, listening, ready = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if "no-sync" in sys.argv[4:]:
        os.fsync = lambda fd: None
        os.fdatasync = lambda fd: None
    # Imported after the control build has taken fdatasync away: the journal keeps it as a default.
    from unsealed.inlets.collect import run
    from unsealed.inlets.collect.settings import CollectSettings, Limits
    from unsealed.store.keyring import load

    limits = Limits(stalled_s=1.0 if "hasty" in sys.argv[4:] else math.inf, red_s=2.0)
    settings = CollectSettings(
        sockets=(listening,),
        journal=data / "journal" / "main",
        collector="main",
        keys=load(data),
        clock=lambda: datetime.now(UTC),
        limits=limits,
    )

    def say_ready() -> None:
        os.write(ready, b"r")
        os.close(ready)

    run(settings, say_ready)


if __name__ == "__main__":
    main()
