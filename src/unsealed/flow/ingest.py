"""From the journal to judged, counted events.

Two short steps, so that many collectors can feed one store. *Ship*: journal -> raw hits, the messages they touch
marked, the journal's cursor moved, in one transaction. *Judge*: see flow.judging.

Promises that no hit is lost or counted twice wherever the process dies, because the place in the journal is the
identity of a hit and the cursor moves with the rows; and that a segment is deleted only after it was shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Engine

from unsealed.core.network import locate as locate_by_ranges
from unsealed.core.token import Claims, open_device, open_token
from unsealed.flow.judging import MESSAGES_AT_ONCE, Judge, Locate
from unsealed.model.errors import BadInput
from unsealed.model.hit import Hit, JournalPosition
from unsealed.model.message import MessageId
from unsealed.model.policy import Level
from unsealed.model.ports import Clock, Keys
from unsealed.store import counts, events, marks, own, replies
from unsealed.store.engine import reading
from unsealed.store.journal import Damage, decode_hit, drop_before, read

log = structlog.get_logger()

RECORDS_AT_ONCE = 10_000  # shipped in one transaction
# While a backlog is shipped, messages that are asked for right now are judged once behind it, not again at every step.
SETTLED = timedelta(seconds=60)


class Ingest:
    """Ships the journal of one collector and judges what was shipped. For one thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        keys: Keys,
        journal: Path,
        collector: str,
        clock: Clock,
        locate: Locate = locate_by_ranges,
    ) -> None:
        """
        journal: the folder of the journal of one collector. locate: what an address says about network and place.
        """
        self._engine = engine
        self._keys = keys
        self._folder = journal
        self._collector = collector
        self._judge = Judge(engine, clock=clock, locate=locate)
        self._cursor: JournalPosition | None = None  # None: not looked up yet
        self._reported = 0  # the newest segment whose damage was told
        self._newest: datetime | None = None  # the newest hit that was shipped, while more are waiting in the journal

    def ship(self, limit: int = RECORDS_AT_ONCE) -> int:
        """Move at most `limit` records from the journal into the store; how many were read. 0: nothing is waiting.

        Records that are no hits, and hits of copies that are not known (any more), are passed over and logged.

        Raises:
            Unavailable: temporary; the journal or the store cannot be used. Nothing moved.
        """
        if self._cursor is None:
            with reading(self._engine) as connection:
                self._cursor = events.cursor(connection, self._collector) or JournalPosition(self._collector, 0, 0)
            drop_before(self._folder, self._cursor)  # what the last process had no time to delete
        self._newest = None
        found = read(self._folder, self._cursor, limit)
        self._report(found.damage)
        to = found.next
        if to is None or to == self._cursor:
            return 0
        opened = self._open(found.records)
        with self._engine.begin() as connection:
            messages = events.messages_of(connection, {claims.copy for _, _, claims in opened})
            shipped: list[events.Shipped] = []
            since: dict[MessageId, datetime] = {}
            devices: dict[int, datetime] = {}
            for position, hit, claims in opened:
                message = messages.get(claims.copy)
                if message is None:
                    continue
                device = self._device(hit)
                if device is not None:
                    devices[device] = hit.at
                shipped.append(events.Shipped(position, hit, message, claims.copy, claims.link, device, claims.level))
                if message not in since or hit.at < since[message]:
                    since[message] = hit.at
            events.add_hits(connection, shipped)
            marks.mark(connection, since)
            own.devices_seen(connection, devices)
            events.move_cursor(connection, to)
        if len(shipped) < len(found.records):
            log.warning("ingest.passed_over", collector=self._collector, records=len(found.records) - len(shipped))
        if to.segment > self._cursor.segment:
            drop_before(self._folder, to)
        self._cursor = to
        if len(found.records) == limit and opened:
            self._newest = max(hit.at for _, hit, _ in opened)
        return len(found.records)

    def judge(self, limit: int = MESSAGES_AT_ONCE, *, hot: bool = True) -> int:
        """Judge at most `limit` marked messages; how many were taken care of. 0: nothing is waiting, or everything that
        waits is so new that the rest of the journal had better be shipped first.

        hot: also messages with very many hits, when no other waits; False where another process does that.
        """
        until = None if self._newest is None else self._newest - SETTLED
        return self._judge.judge(limit, until=until) or (self._judge.judge_hot() if hot else 0)

    def _open(self, records: Sequence[tuple[JournalPosition, bytes]]) -> list[tuple[JournalPosition, Hit, Claims]]:
        opened = []
        known: dict[str, Claims] = {}  # what is asked for again and again is opened once
        for position, payload in records:
            try:
                hit = decode_hit(payload)
                claims = known.get(hit.token) or known.setdefault(hit.token, open_token(self._keys, hit.token))
            except BadInput:
                continue  # counted by `ship`
            if claims.level > Level.OFF:
                opened.append((position, hit, claims))
        return opened

    def _device(self, hit: Hit) -> int | None:
        """The browser that its cookie names, when it was sealed here. Whose it is, and still is, the judge asks."""
        if not hit.device:
            return None
        try:
            return open_device(self._keys, hit.device)[0]
        except BadInput:
            return None

    def _report(self, damage: tuple[Damage, ...]) -> None:
        for each in damage:
            if each.at.segment > self._reported:  # damage of the newest segment is found again at every reading
                log.error("journal.damaged", collector=self._collector, segment=each.at.segment, why=each.why)
                self._reported = each.at.segment


def recount(engine: Engine) -> int:
    """Make all counts again from the events, and from what came back; how many rows were wrong. Nothing else writes
    meanwhile on SQLite."""
    with engine.begin() as connection:
        return counts.recount(connection) + replies.recount(connection)
