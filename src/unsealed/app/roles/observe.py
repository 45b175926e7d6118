"""What comes back into the senders' own mailboxes."""

from __future__ import annotations

import ssl

import structlog
from sqlalchemy import Engine

from unsealed.app.config import Settings
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready, Sigterm
from unsealed.app.wire import LiveKeys, now, trust_for_people
from unsealed.inlets import imap
from unsealed.model.ports import RefreshTokens
from unsealed.model.upstream import OAuth
from unsealed.outlets.oauth import AccessTokens
from unsealed.store import mailboxes
from unsealed.store.engine import connect, reading

log = structlog.get_logger()

OBSERVE_LOOK_S = 2.0  # between two looks for mailboxes that were connected or disconnected


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    sigterm = Sigterm()
    engine = connect(settings.store_url)
    sockets.bells.ring_for(engine)
    watches: imap.Watches | None = None
    ready()
    while not sigterm.came():
        try:
            with reading(engine) as connection:
                kept = mailboxes.every(connection)
            if kept and watches is None:  # who vouches for servers is looked up only where there are some
                watches = _watches(settings, engine)
            if watches is not None:
                watches.see_to(kept)
        except Exception as error:
            log.warning("observe.store_away", error=type(error).__name__)
        sigterm.came(within_s=OBSERVE_LOOK_S)
    if watches is not None:
        watches.end()


def _watches(settings: Settings, engine: Engine) -> imap.Watches:
    trust = trust_for_people(settings) or ssl.create_default_context()

    def tokens(oauth: OAuth, inside: bool, kept: RefreshTokens) -> AccessTokens:
        return AccessTokens(oauth, inside=inside, kept=kept, tls_context=trust)

    house = imap.House(
        engine=engine,
        keys=LiveKeys(settings.data),
        clock=now,
        trust=trust,
        tokens=tokens,
        inside=settings.people.private_hosts,
    )
    return imap.Watches(house)
