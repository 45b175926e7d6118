"""What comes back into the senders' own mailboxes."""

from __future__ import annotations

import ssl
from time import sleep
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Engine

from unsealed.app.config import Settings
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready, until_sigterm
from unsealed.app.wire import LiveKeys, now, trust_for_people
from unsealed.store import mailboxes
from unsealed.store.engine import connect, reading

if TYPE_CHECKING:
    from unsealed.inlets.imap import Watches

log = structlog.get_logger()

OBSERVE_LOOK_S = 2.0  # between two looks for mailboxes that were connected or disconnected


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    stop = until_sigterm()
    engine = connect(settings.store_url)
    sockets.bells.ring_for(engine)
    watches: Watches | None = None
    ready()
    while not stop():
        try:
            with reading(engine) as connection:
                kept = mailboxes.every(connection)
            if kept and watches is None:  # what it needs is loaded only where there is something to watch
                watches = _watches(settings, engine)
            if watches is not None:
                watches.see_to(kept)
        except Exception as error:
            log.warning("observe.store_away", error=type(error).__name__)
        sleep(OBSERVE_LOOK_S)
    if watches is not None:
        watches.end()


def _watches(settings: Settings, engine: Engine) -> Watches:
    from unsealed.inlets import imap

    house = imap.House(
        engine=engine,
        keys=LiveKeys(settings.data),
        clock=now,
        trust=trust_for_people(settings) or ssl.create_default_context(),
        inside=settings.people.private_hosts,
    )
    return imap.Watches(house)
