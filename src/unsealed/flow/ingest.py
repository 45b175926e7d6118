"""From the journal to judged, counted events.

Two short steps, so that many collectors can feed one store. *Ship*: journal -> raw hits, the messages they touch
marked, the journal's cursor moved, in one transaction. *Judge*: marked messages -> their hits through core.agent,
core.network and core.judge -> events, counts, feed, marks cleared, in one transaction.

Promises that no hit is lost or counted twice wherever the process dies, because the place in the journal is the
identity of a hit and the cursor moves with the rows; that a segment is deleted only after the commit that shipped it;
and that judging in pieces gives the same events as judging everything at once. Judging again is the same step with the
mark set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import structlog
from sqlalchemy import Engine

from unsealed.core.agent import read_agent
from unsealed.core.judge import Context, Presence, SeenHit, judge, neighbourhood
from unsealed.core.network import read_network
from unsealed.core.reading import READING_GAP, begins_reading
from unsealed.core.token import Claims, open_token
from unsealed.model.errors import BadInput
from unsealed.model.event import Agent, ClientKind, Device, Event, HitId, HitKind, Network, Reason, Verdict
from unsealed.model.hit import Hit, JournalPosition
from unsealed.model.message import CopyId, Delivery, MessageId, UserId
from unsealed.model.policy import Level
from unsealed.model.ports import Clock, Keys
from unsealed.store import events
from unsealed.store.engine import reading
from unsealed.store.feed import Change, add_feed
from unsealed.store.journal import Damage, decode_hit, drop_before, read

log = structlog.get_logger()

MESSAGES_AT_ONCE = 1_000  # judged in one transaction
RECORDS_AT_ONCE = 10_000  # shipped in one transaction
HITS_AT_ONCE = 10_000  # judged in one transaction: other writers of a SQLite store wait about half a second for it
HOT_HITS = 2_000  # a message with more is judged apart from others, and after them, so that they do not wait for it
# While a backlog is shipped, messages that are asked for right now are judged once behind it, not again at every step.
SETTLED = timedelta(seconds=60)

_NOT_KEPT = Agent(client="", kind=ClientKind.UNKNOWN, device=Device.UNKNOWN)
_NOWHERE = Network()
_PRIVATE_WORDS = "what the request looked like is not kept for this message"


class Ingest:
    """Ships the journal of one collector and judges what was shipped. For one thread."""

    def __init__(self, engine: Engine, *, keys: Keys, journal: Path, collector: str, clock: Clock) -> None:
        """
        journal: the folder of the journal of one collector.
        """
        self._engine = engine
        self._keys = keys
        self._folder = journal
        self._collector = collector
        self._clock = clock
        self._cursor: JournalPosition | None = None
        self._reported = 0  # the newest segment whose damage was told
        self._hot_next = False  # whose turn it is to be judged, a hot message's or that of all others
        self._newest: datetime | None = None  # the newest hit that was shipped, while more are waiting in the journal

    def ship(self, limit: int = RECORDS_AT_ONCE) -> int:
        """Move at most `limit` records from the journal into the store; how many were read. 0: nothing is waiting.

        Records that are no hits, and hits of copies that are not known (any more), are passed over and logged.

        Raises:
            Unavailable: temporary; the journal or the store cannot be used. Nothing moved.
        """
        if self._cursor is None:
            with reading(self._engine) as connection:
                self._cursor = events.cursor(connection, self._collector)
        self._newest = None
        found = read(self._folder, self._cursor, limit)
        self._report(found.damage)
        if found.next is None or found.next == self._cursor:
            return 0
        opened = self._open(found.records)
        to = JournalPosition(collector=self._collector, segment=found.next.segment, offset=found.next.offset)
        with self._engine.begin() as connection:
            messages = events.messages_of(connection, {claims.copy for _, _, claims in opened})
            shipped: list[events.Shipped] = []
            since: dict[MessageId, datetime] = {}
            for position, hit, claims in opened:
                message = messages.get(claims.copy)
                if message is None:
                    continue
                shipped.append(events.Shipped(position, hit, message, claims.copy, claims.link))
                if message not in since or hit.at < since[message]:
                    since[message] = hit.at
            events.add_hits(connection, shipped)
            events.mark(connection, since)
            events.move_cursor(connection, to)
        if len(shipped) < len(found.records):
            log.warning("ingest.passed_over", collector=self._collector, records=len(found.records) - len(shipped))
        if self._cursor is None or to.segment > self._cursor.segment:
            drop_before(self._folder, to)
        self._cursor = to
        if len(found.records) == limit and opened:
            self._newest = max(hit.at for _, hit, _ in opened)
        return len(found.records)

    def judge(self, limit: int = MESSAGES_AT_ONCE) -> int:
        """Judge at most `limit` marked messages; how many were judged. 0: nothing is waiting, or everything that waits
        is so new that the rest of the journal had better be shipped first."""
        span = neighbourhood(Context())
        with self._engine.begin() as connection:
            events.begin_judging(connection)
            until = None if self._newest is None else self._newest - SETTLED
            marks = events.marked(connection, limit, until=until)
            if not marks:
                return 0
            waiting = events.hits_waiting(connection, [mark.message for mark in marks], 2 * span)
            marks, self._hot_next = _affordable(marks, waiting, hot_first=self._hot_next)
            ids = [mark.message for mark in marks]
            owners = events.owners(connection, ids)
            presences = self._presences(events.sessions(connection, {owner.user for owner in owners.values()}))
            # Hits ahead of the mark may have new neighbours, and they in turn are judged by theirs.
            hits = events.hits_since(connection, ids, 2 * span)
            before = events.judged_since(connection, ids, span)
            opened = events.last_opens(connection, ids, span, READING_GAP)
            begins = {mark.message: mark.since - span for mark in marks}
            changes: list[events.Changed] = []
            for message, rows in groupby(hits, itemgetter(0)):
                owner = owners.get(message)
                if owner is not None:
                    context = Context(presences=presences.get(owner.user, ()))
                    changes.extend(_changes(list(rows), context, begins[message], opened, owner, before))
            events.put_events(connection, changes)
            events.count(connection, changes)
            events.clear(connection, marks)
            add_feed(connection, self._feed(changes, owners))
            return len(marks)

    def _open(self, records: Sequence[tuple[JournalPosition, bytes]]) -> list[tuple[JournalPosition, Hit, Claims]]:
        opened = []
        for position, payload in records:
            try:
                hit = decode_hit(payload)
                claims = open_token(self._keys, hit.token)
            except BadInput:
                continue  # counted by `ship`
            if claims.level > Level.OFF:
                place = JournalPosition(collector=self._collector, segment=position.segment, offset=position.offset)
                opened.append((place, hit, claims))
        return opened

    def _report(self, damage: tuple[Damage, ...]) -> None:
        for each in damage:
            if each.at.segment > self._reported:  # damage of the newest segment is found again at every reading
                log.error("journal.damaged", collector=self._collector, segment=each.at.segment, why=each.why)
                self._reported = each.at.segment

    def _presences(self, sessions: Sequence[events.AnyRow]) -> dict[UserId, tuple[Presence, ...]]:
        found: defaultdict[UserId, list[Presence]] = defaultdict(list)
        for row in sessions:
            presence = Presence(
                address=row.address, user_agent=row.user_agent, since=row.created_at, until=row.expires_at
            )
            found[row.user_id].append(presence)
        return {user: tuple(presences) for user, presences in found.items()}

    def _feed(self, changes: Sequence[events.Changed], owners: dict[MessageId, events.Owner]) -> list[Change]:
        """One line for each copy and finding: a page that looks again sees all of them."""
        at = self._clock()
        lines = {}
        for change in changes:
            event = change.event
            finding = event.verdict.finding
            if change.before is None or change.before.finding != finding:
                lines[event.copy, finding] = event.message
        return [
            Change(user=owners[message].user, message=message, copy=copy, what=finding, at=at)
            for (copy, finding), message in lines.items()
        ]


def recount(engine: Engine) -> int:
    """Make all counts again from the events; how many rows were wrong. Nothing else writes meanwhile on SQLite."""
    with engine.begin() as connection:
        return events.recount(connection)


def _affordable(
    marks: Sequence[events.Mark], waiting: dict[MessageId, int], *, hot_first: bool
) -> tuple[list[events.Mark], bool]:
    """What to judge now, and whether it is a hot message's turn next: the first marks of ordinary messages whose hits
    fit into HITS_AT_ONCE together, or one hot message, in turns as long as there are both."""
    hot = [mark for mark in marks if waiting.get(mark.message, 0) > HOT_HITS]
    if hot and (hot_first or len(hot) == len(marks)):
        return hot[:1], False
    total = 0
    taken: list[events.Mark] = []
    for mark in marks:
        hits = waiting.get(mark.message, 0)
        if hits > HOT_HITS:
            continue
        total += hits
        if taken and total > HITS_AT_ONCE:
            break
        taken.append(mark)
    return taken, bool(hot)


def _changes(
    rows: Sequence[events.AnyRow],
    context: Context,
    since: datetime,
    opened: dict[CopyId, datetime],
    owner: events.Owner,
    before: dict[HitId, events.Judged],
) -> list[events.Changed]:
    """The events of one message at or after `since` that are new or not what they were, in the order of time.

    rows: of `events.hits_since`. opened: the last counted open of each copy before `since`; brought forward.
    """
    hits = [_seen(row) for row in rows]
    verdicts = judge(hits, context, since=since)
    changes = []
    for hit in hits:
        verdict = verdicts.get(hit.id)
        if verdict is None:
            continue
        first = False
        if hit.kind is HitKind.OPEN and verdict.finding.counted:
            first = begins_reading(opened.get(hit.copy), hit.at)
            opened[hit.copy] = hit.at
        kept = owner.opens_level if hit.kind is HitKind.OPEN else owner.clicks_level
        if kept < Level.FULL:
            verdict = _without_words(verdict)
        old = before.get(hit.id)
        if old is None or _differs(old, verdict, first):
            event = Event(
                hit=hit.id,
                message=rows[0].message_id,
                copy=hit.copy,
                kind=hit.kind,
                link=hit.link,
                at=hit.at,
                verdict=verdict,
                agent=hit.agent if kept >= Level.FULL else _NOT_KEPT,
                network=hit.network if kept >= Level.FULL else _NOWHERE,
                first_of_reading=first,
            )
            changes.append(events.Changed(event, old))
    return changes


def _differs(old: events.Judged, verdict: Verdict, first_of_reading: bool) -> bool:
    return (
        old.finding != verdict.finding
        or old.first_of_reading != first_of_reading
        or old.confidence != verdict.confidence
        or old.rules != verdict.rules
        or old.reasons != events.reasons_text(verdict.reasons)
    )


def _without_words(verdict: Verdict) -> Verdict:
    """Below the full level an event says what it was, and nothing about the device, the network or the place."""
    reasons = tuple(Reason(code=reason.code, words=_PRIVATE_WORDS) for reason in verdict.reasons)
    return replace(verdict, reasons=reasons)


def _seen(row: events.AnyRow) -> SeenHit:
    _, id, copy, link, at, method, address, user_agent, language, prefetch, sent_at, delivery, attempts = row
    if sent_at is not None and at < sent_at and attempts > 1:
        sent_at = None  # an earlier attempt may have brought the message although it ended badly
    return SeenHit(
        id=id,
        copy=copy,
        kind=HitKind.OPEN if link is None else HitKind.CLICK,
        link=link,
        at=at,
        sent_at=sent_at,
        waiting=delivery == Delivery.QUEUED,
        method=method,
        address=address,
        user_agent=user_agent,
        agent=read_agent(user_agent),
        network=read_network(address),
        language=language is not None,
        prefetch=prefetch,
    )
