"""Messages that are asked for without end, apart from all others."""

from __future__ import annotations

import structlog

from unsealed.app.config import Settings
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready, Sigterm
from unsealed.app.wire import now, places
from unsealed.flow.judging import Judge
from unsealed.store.engine import connect
from unsealed.store.news import News

log = structlog.get_logger()

HOT_IDLE_S = 0.2  # between two looks whether a message became hot, when nobody rings


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    sigterm = Sigterm()
    engine, known = connect(settings.store_url), places(settings)
    sockets.bells.ring_for(engine)
    judge = Judge(engine, clock=now, locate=known.look_up)
    ready()
    while not sigterm.came():
        try:
            known.refresh()
            worked = judge.judge_hot()
        except Exception as error:
            worked = 0
            log.warning("hot.store_away", error=type(error).__name__, again_in_s=HOT_IDLE_S)
        if not worked:
            sockets.bells.wait(News.HOT, HOT_IDLE_S, sigterm.fileno())
