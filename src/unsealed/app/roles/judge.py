"""The far side of the journal; and history judged again, when nothing new waits."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import structlog
from sqlalchemy import Engine

from unsealed.app.config import Settings
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready, Sigterm
from unsealed.app.wire import LiveKeys, journal_folder, now, places
from unsealed.flow import rejudge
from unsealed.flow.ingest import Ingest
from unsealed.model.policy import Level
from unsealed.store import corrections, drafts, events, feed, jobs, notices, own, search
from unsealed.store.engine import connect

log = structlog.get_logger()

JUDGE_IDLE_S = 0.01  # between two looks at the journal when there was nothing new
JUDGE_LOOK_S = 1.0  # between two looks for messages that others marked
DATA_EVERY_S = 10.0  # between two looks whether data about networks and places are new
TRIM_EVERY_S = 3_600.0
FEED_KEPT = timedelta(days=1)  # a page that was away longer loads itself anew
NOTICES_KEPT = timedelta(days=90)
JOBS_KEPT = timedelta(days=30)  # finished ones, for who looks into the store after trouble
ADDRESSES_KEPT = timedelta(days=400)  # of senders, after the last use: history is judged again with them
REJUDGINGS_KEPT = timedelta(days=180)  # what judging again changed
SENT_DRAFTS_KEPT = timedelta(hours=1)  # so long who lost the answer to "send" may ask again
MERGE_EVERY_S = 3_600.0
BARE_EVERY_S = 60.0
JUDGED_AFTER = timedelta(hours=1)  # then no hit below the full level needs its neighbours or the delivery any more


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    sigterm = Sigterm()
    engine, known = connect(settings.store_url), places(settings)
    sockets.bells.ring_for(engine)
    ingest = Ingest(
        engine,
        keys=LiveKeys(settings.data),
        journal=journal_folder(settings),
        collector=settings.track.collector,
        clock=now,
        locate=known.look_up,
    )
    ready()
    pause_s, look_at, trim_at, bare_at, merge_at, data_at, news = JUDGE_IDLE_S, 0.0, 0.0, 0.0, 0.0, 0.0, True
    while not sigterm.came():
        try:
            if monotonic() >= trim_at:
                _trim(engine)
                trim_at = monotonic() + TRIM_EVERY_S
            if monotonic() >= bare_at:
                _bare(engine, timedelta(days=settings.keep.requests_days))
                bare_at = monotonic() + BARE_EVERY_S
            if monotonic() >= data_at:
                # Only when it is news here: judges of several machines with different data would never come to an end.
                news = known.refresh() or news
                if news:
                    rejudge.keep_up(engine, known.fingerprint, now())
                news, data_at = False, monotonic() + DATA_EVERY_S
            worked = ingest.ship()
            if worked or monotonic() >= look_at:
                # Marks that others set, such as a correction, can wait a second.
                judged = ingest.judge(hot=False) or int(not worked and rejudge.step(engine, now()))
                worked += judged
                look_at = 0.0 if judged else monotonic() + JUDGE_LOOK_S
            if not worked and monotonic() >= merge_at:
                # A portion at a time, and only when nothing waits to be judged.
                merge_at = 0.0 if _merge(engine) else monotonic() + MERGE_EVERY_S
            pause_s = JUDGE_IDLE_S
        except Exception as error:
            # The journal keeps everything meanwhile, however long the store is away; nothing here is lost or skipped.
            worked = 0
            pause_s = min(2 * pause_s, 1.0)
            log.warning("judge.store_away", error=type(error).__name__, again_in_s=pause_s)
        if not worked:
            sigterm.came(within_s=pause_s)


def _bare(engine: Engine, kept: timedelta) -> None:
    """Forget what requests looked like: below the full level once it cannot change a verdict, at the full level after
    `kept`."""
    below = [level for level in Level if Level.OFF < level < Level.FULL]
    for levels, age in ((below, JUDGED_AFTER), ([Level.FULL], kept)):
        forgotten = 1
        while forgotten:
            with engine.begin() as connection:
                forgotten = events.bare(connection, now() - age, levels)


def _merge(engine: Engine) -> bool:
    with engine.begin() as connection:
        return search.merge(connection)


def _trim(engine: Engine) -> None:
    with engine.begin() as connection:
        notices.trim(connection, now() - NOTICES_KEPT)
        feed.trim(connection, now() - FEED_KEPT)
        jobs.trim(connection, now() - JOBS_KEPT)
        own.trim(connection, now() - ADDRESSES_KEPT)
        corrections.trim(connection, now() - REJUDGINGS_KEPT)
        drafts.trim(connection, now() - SENT_DRAFTS_KEPT)
