"""The mail side, for tests that kill it: mail_process.py DATA SOCKET-FD UPSTREAM-PORT READY-FD; each line on standard
input is one life (`lives`), which writes its process id to READY-FD when it is ready.

Submission on the inherited socket, delivery to the upstream, the store and the keys in the data folder.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.crash.lives import lives

from unsealed.core.instrument import Tracking
from unsealed.flow.deliver import Delivery
from unsealed.flow.routes import Routes
from unsealed.inlets.submit import SubmissionServer
from unsealed.model.policy import Switches
from unsealed.model.upstream import Tls, Upstream
from unsealed.outlets.smtp import SmtpOutlet
from unsealed.store import engine as stores
from unsealed.store.keyring import load
from unsealed.store.writer import Writer


def now() -> datetime:
    return datetime.now(UTC)


async def main(data: Path, listening: socket.socket, upstream_port: int, ready: int) -> None:
    engine = stores.connect(stores.sqlite_url(data))
    keys = load(data)
    writer = Writer(engine)
    outlet = SmtpOutlet(Upstream(host="127.0.0.1", port=upstream_port, tls=Tls.NONE), clock=now, connections=1)
    routes = Routes(engine, keys=keys, usual=outlet, dial=lambda *_: outlet, private_hosts=False)
    delivery = Delivery(engine, routes, keys=keys, clock=now, writer=writer, idle_s=0.5)
    server = SubmissionServer(
        engine,
        writer,
        tracking=lambda: Tracking(base_url="https://t.example.org", keys=keys, key_id=keys.newest),
        defaults=lambda user: Switches(),
        clock=now,
        accepted=delivery.wake,
    )
    await server.start(plain=[listening])
    os.write(ready, b"%d" % os.getpid())
    await delivery.run(asyncio.Event())


if __name__ == "__main__":
    folder, fd, port, tell = sys.argv[1:]
    lives(lambda _: asyncio.run(main(Path(folder), socket.socket(fileno=int(fd)), int(port), int(tell))))
