"""A judge that dies: judge_process.py STORE-URL JOURNAL; each number on standard input is one life (`lives`).

Ships, judges and judges history again, in small portions, until nothing is left, or until it has come to that many
statements or commits: then it kills itself with -9, before the one or after the other.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import event
from tests.crash.lives import lives
from tests.parts.house import KEYS

from unsealed.flow import judging, rejudge
from unsealed.flow.ingest import Ingest
from unsealed.store import corrections
from unsealed.store import engine as stores


def now() -> datetime:
    return datetime.now(UTC)


def live(url: str, journal: Path, statements: int) -> None:
    corrections.MESSAGES_LOOKED_AT = 3
    judging.HISTORY_AT_ONCE = 10
    judging.HOT_HITS = 8
    engine = stores.connect(url)
    steps = itertools.count(1)

    def die(*_: object) -> None:
        if next(steps) == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", die)
    event.listen(engine, "commit", die)
    ingest = Ingest(engine, keys=KEYS, journal=journal, collector="c1", clock=now)
    while ingest.ship(5) + ingest.judge(4) or rejudge.step(engine, now()):
        pass


if __name__ == "__main__":
    address, folder = sys.argv[1:]
    lives(partial(live, address, Path(folder)))
