"""Marked messages -> events, counts, live feed, causes of notices.

Their hits, and what is known about their senders, go through core.agent, core.network and core.judge; what is new or
not what it was is written with its counts, and the marks are cleared, in one transaction. Judging again is the same
step with the mark set again.

Promises that judging in pieces gives the same events as judging everything at once; that only one process judges a
message at a time, so that no verdict stands on facts older than those of another; and that others can write to the
store while it thinks. What is new goes first, history that is judged again comes last and in small portions, and a
message that is asked for without end is judged apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from msgspec import structs
from sqlalchemy import Connection, Engine, FromClause

from unsealed.core.agent import read_agent
from unsealed.core.bearing import LINKS, NOTHING, Asker, Back, changed, far, kin, needed
from unsealed.core.judge import verdicts_from
from unsealed.core.network import locate as locate_by_ranges
from unsealed.core.network import place_behind
from unsealed.core.reading import READING_GAP, begins_reading
from unsealed.core.scene import Context, Presence, Scene, SeenHit
from unsealed.flow import notify
from unsealed.model.event import (
    NOWHERE,
    Agent,
    ClientKind,
    Device,
    Event,
    HitId,
    HitKind,
    Located,
    Network,
    NetworkClass,
    Reason,
    Verdict,
)
from unsealed.model.message import CopyId, Delivery, MessageId, UserId
from unsealed.model.policy import Level
from unsealed.model.ports import Clock
from unsealed.store import corrections, counts, events, marks, own
from unsealed.store.engine import alone, reading
from unsealed.store.feed import Change, add_feed
from unsealed.store.marks import Mark
from unsealed.store.schema import marks as all_marks

MESSAGES_AT_ONCE = 1_000  # judged in one transaction
HITS_AT_ONCE = 10_000  # judged in one transaction
HISTORY_AT_ONCE = 2_000  # hits of the past judged in one transaction: what is new waits for it
HOT_HITS = 500  # a message with more is judged apart from others, so that they do not wait for it
REJUDGED = "rejudged"  # in the feed: pages show what is now, and nobody is told

Locate: TypeAlias = Callable[[str], Located]

_NOT_KEPT = Agent(client="", kind=ClientKind.UNKNOWN, device=Device.UNKNOWN)
_NO_NETWORK = Network()
_PRIVATE_WORDS = "what the request looked like is not kept for this message"


class Judge:
    """Judges what is marked. For one thread; several processes may have one each."""

    def __init__(self, engine: Engine, *, clock: Clock, locate: Locate = locate_by_ranges) -> None:
        self._engine = engine
        self._clock = clock
        self._locate = locate

    def judge(self, limit: int = MESSAGES_AT_ONCE, *, until: datetime | None = None) -> int:
        """Judge at most `limit` marked messages, and leave hot ones to `judge_hot`; how many were taken care of. 0:
        nothing is waiting here.

        until: leave alone messages of which the earliest new hit is later, and history.

        Raises:
            Unavailable: temporary; somebody else judges and does not come to an end.
        """
        with alone(self._engine, "judge") as turn:
            with turn.reading() as connection:
                hot, work = self._work(connection, limit, until)
                changes = [] if work is None else work.changes(connection)
            if hot or work is not None:
                with turn.writing() as connection:
                    if hot:
                        marks.set_apart(connection, hot)
                    if work is not None:
                        self._write(connection, work, changes)
            return len(hot) + (0 if work is None else len(work.marks))

    def judge_hot(self) -> int:
        """Judge one message with so many new hits that others would wait for it; 0: there is none.

        What a process of its own does while others go on with `judge`: a message belongs to one of the two, and what
        arrives meanwhile is marked beside it, so that a message that is asked for without end is judged all the same.

        Raises:
            Unavailable: as `judge`.
        """
        with reading(self._engine) as connection:
            if not marks.any_apart(connection):
                return 0
        with alone(self._engine, "judge-hot") as turn:
            with self._engine.begin() as connection:
                mark = marks.take_apart(connection)
            if mark is None:
                return 0
            with turn.reading() as connection:
                work = look(connection, [mark], self._locate, among=marks.as_marked(mark.since), new=True)
                changes = work.changes(connection)
            with turn.writing() as connection:
                self._write(connection, work, changes)
            return 1

    def _work(self, connection: Connection, limit: int, until: datetime | None) -> tuple[list[MessageId], Work | None]:
        """Which messages are hot, and what to judge now with all that is needed for it."""
        found = marks.marked(connection, limit, until=until)
        if found:
            waiting = _waiting(connection, found, True)
            hot = [mark.message for mark in found if waiting.get(mark.message, 0) > HOT_HITS]
            cool = [mark for mark in found if waiting.get(mark.message, 0) <= HOT_HITS]
            fitting = _fitting(cool, waiting, HITS_AT_ONCE)
            return hot, look(connection, fitting, self._locate, new=True) if fitting else None
        if until is not None or not (found := marks.marked_history(connection, limit)):
            return [], None
        waiting = _waiting(connection, found, False)
        fitting = _fitting(found, waiting, HISTORY_AT_ONCE)
        long = waiting.get(fitting[0].message, 0) > HISTORY_AT_ONCE
        return [], look(connection, fitting, self._locate, portion=HISTORY_AT_ONCE if long else None)

    def _write(self, connection: Connection, work: Work, changes: list[events.Changed]) -> None:
        # Messages may have been erased while we thought.
        owners = events.owners(connection, [mark.message for mark in work.marks])
        changes = [change for change in changes if change.event.message in owners]
        rejudging = {mark.message: mark.rejudging for mark in work.marks if mark.rejudging is not None}
        corrections.add_revisions(connection, _revisions(changes, rejudging))  # before the marks, as `rejudge.step`
        events.put_events(connection, changes)
        counts.count(connection, changes)
        notify.hear(connection, changes, owners, rejudging)
        if work.apart:
            marks.done_apart(connection, work.marks[0])
        elif work.until is None:
            marks.clear(connection, work.marks)
        else:
            marks.advance(connection, work.marks[0], work.until + work.span.opens)
        add_feed(connection, self._feed(changes, owners, rejudging))

    def _feed(
        self, changes: Sequence[events.Changed], owners: dict[MessageId, events.Owner], rejudging: dict[MessageId, int]
    ) -> list[Change]:
        """One line for each copy and finding: a page that looks again sees all of them."""
        at = self._clock()
        lines: dict[tuple[MessageId, CopyId | None, str], None] = {}  # in the order of time
        for change in changes:
            event, before = change.event, change.before
            if before is not None and event.message in rejudging:
                if change.now != before._replace(rules=change.now.rules):
                    lines[event.message, None, REJUDGED] = None
            elif before is None or before.finding != change.now.finding:
                lines[event.message, event.copy, change.now.finding] = None
        return [
            Change(user=owners[message].user, message=message, copy=copy, what=what, at=at)
            for message, copy, what in lines
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Hits of marked messages, and what is needed to judge them."""

    marks: Sequence[Mark]
    among: FromClause  # the marks, or what stands in for them
    new: bool  # what lies ahead of the marks was judged, so that only new hits can change it, and judging again
    span: Back  # how far ahead of the marks verdicts may change, of what is not `new`
    owners: dict[MessageId, events.Owner]
    contexts: dict[MessageId, Context]
    devices: dict[UserId, dict[int, str]]
    hits: Sequence[events.AnyRow]
    until: datetime | None  # hits from then on have neighbours that are not here: they wait for the next portion
    locate: Locate

    @property
    def apart(self) -> bool:
        """Whether this is one hot message."""
        return self.among is not all_marks

    def changes(self, connection: Connection) -> list[events.Changed]:
        """The events that are new or not what they were, of each message in the order of time."""
        marked = {mark.message: mark for mark in self.marks}
        judged: list[_Judged] = []
        again: defaultdict[Back | None, list[Mark]] = defaultdict(list)  # by how far ahead of the mark
        again[None] = [mark for mark in self.marks if self.new and mark.rejudging is not None]
        for message, group in groupby(self.hits, itemgetter(0)):
            owner = self.owners.get(message)
            if owner is None:
                continue
            mark, devices, reach = marked[message], self.devices.get(owner.user, {}), self.span
            seen = [(_seen(row, devices, self.locate), row.level) for row in group]
            scene = Scene([hit for hit, _ in seen], self.contexts[message])
            if self.new:
                loaded = partial(events.any_opens, connection, message, until=mark.since)
                reach = changed(scene, mark.since, loaded)
                if reach not in (NOTHING, LINKS):
                    again[reach].append(mark)
                    continue
            verdicts = verdicts_from(scene, mark.since, reach)
            judged += [
                (owner, message, hit, level, verdicts[hit.id])
                for hit, level in seen
                if hit.id in verdicts and (self.until is None or hit.at < self.until)
            ]
        changes = self._changed(connection, judged)
        for span, some in again.items():
            if some:
                changes += look(connection, some, self.locate, among=self.among, span=span).changes(connection)
        return changes

    def _changed(self, connection: Connection, judged: Sequence[_Judged]) -> list[events.Changed]:
        stood = events.judged_before(connection, [hit.id for _, _, hit, *_ in judged])
        opened_in = {hit.copy for _, _, hit, _, verdict in judged if _opened(hit, verdict)}
        opened = events.last_opens(connection, opened_in, self.span.opens, READING_GAP, among=self.among)
        changes = []
        for owner, message, hit, token_level, verdict in judged:
            first = False
            if _opened(hit, verdict):
                first = begins_reading(opened.get(hit.copy), hit.at)
                opened[hit.copy] = hit.at
            level = owner.opens_level if hit.kind is HitKind.OPEN else owner.clicks_level
            full = min(level, token_level) >= Level.FULL  # of the message, and of the token in this copy
            event = Event(
                hit=hit.id,
                message=message,
                copy=hit.copy,
                kind=hit.kind,
                link=hit.link,
                at=hit.at,
                verdict=verdict if full else _without_words(verdict),
                agent=hit.agent if full else _NOT_KEPT,
                network=hit.network if full else _NO_NETWORK,
                place=hit.place if full else NOWHERE,
                first_of_reading=first,
            )
            now, before = events.judged(event), stood.get(hit.id)
            if now != before:
                changes.append(events.Changed(owner.user, event, now, before))
        return changes


_Judged: TypeAlias = tuple[events.Owner, MessageId, SeenHit, int, Verdict]  # the number: the level of the token


def _opened(hit: SeenHit, verdict: Verdict) -> bool:
    return hit.kind is HitKind.OPEN and verdict.finding.counted


def look(
    connection: Connection,
    marks: Sequence[Mark],
    locate: Locate,
    *,
    among: FromClause = all_marks,
    new: bool = False,
    span: Back | None = None,
    portion: int | None = None,
) -> Work:
    """All that is needed to judge the marked messages.

    among: the marks, or what stands in for them. new: they wait for new hits, or else are judged again as well. span:
    of what is not new, how far ahead of the marks verdicts may change; None: as far as anything can. portion: of a
    single message, no more than about so many hits.
    """
    ids = [mark.message for mark in marks]
    traps = events.traps(connection, ids)
    context = _widest(traps)
    if new:
        span = NOTHING
    elif span is None:
        span = far(context)
    back = needed(context, LINKS if new else span)
    until = None
    if new:
        hits = _new(connection, [mark.message for mark in marks if mark.rejudging is None], back, locate, among)
    else:
        hits = events.hits_since(connection, ids, opens=back.opens, clicks=back.clicks, among=among, limit=portion)
    while portion is not None and len(hits) == portion:
        begin, until = marks[0].since - span.opens, hits[-1].at - span.opens
        if sum(begin <= row.at < until for row in hits) >= portion / 4:
            break
        portion, until = 2 * portion, None  # nearly nothing but neighbours: the portion was too small
        hits = events.hits_since(connection, ids, opens=back.opens, clicks=back.clicks, among=among, limit=portion)
    owners = events.owners(connection, ids)
    users = {owner.user for owner in owners.values()}
    devices = own.devices_of(connection, users)
    return Work(
        marks=marks,
        among=among,
        new=new,
        owners=owners,
        contexts=_contexts(connection, owners, traps, devices),
        devices=devices,
        hits=hits,
        span=span,
        until=until,
        locate=locate,
    )


def _new(
    connection: Connection, ids: Sequence[MessageId], back: Back, locate: Locate, among: FromClause
) -> Sequence[events.AnyRow]:
    """New hits by message, each message with those from `back` on that they have to do with."""
    new = events.hits_since(connection, ids, opens=NOTHING.opens, clicks=NOTHING.clicks, among=among)
    before = events.asked_before(connection, ids, opens=back.opens, clicks=back.clicks, among=among)
    if not before:
        return new

    def network_of(address: str) -> NetworkClass:
        return locate(address).network.kind

    askers = {
        message: [Asker(row.address, network_of(row.address), read_agent(row.user_agent).kind) for row in rows]
        for message, rows in groupby(new, itemgetter(0))
    }
    wanted: list[HitId] = []
    for message, group in groupby(before, itemgetter(0)):
        rows = list(group)
        asked = {address for _, _, address, _ in rows}
        followed = {address for _, _, address, link in rows if link is not None}
        whose = kin(askers.get(message, ()), asked, followed, network_of)
        wanted += [id for _, id, address, _ in rows if address in whose]
    return sorted([*events.hits_of(connection, wanted), *new], key=itemgetter(0))


def _contexts(
    connection: Connection,
    owners: dict[MessageId, events.Owner],
    traps: dict[MessageId, frozenset[int]],
    devices: dict[UserId, dict[int, str]],
) -> dict[MessageId, Context]:
    """What is known about the sender of each message, and about its links."""
    users = {owner.user for owner in owners.values()}
    presences: defaultdict[UserId, list[Presence]] = defaultdict(list)
    for row in events.sessions(connection, users):
        presence = Presence(address=row.address, user_agent=row.user_agent, since=row.created_at, until=row.expires_at)
        presences[row.user_id].append(presence)
    addresses = own.addresses_of(connection, users)
    shared = own.used_by_several(connection, {address for used in addresses.values() for address in used})
    mailboxes = own.mailboxes_of(connection, users)
    said = corrections.standing(connection, users)
    plain = {
        user: Context(
            presences=tuple(presences[user]),
            addresses=addresses.get(user, {}),
            shared_addresses=shared.intersection(addresses.get(user, {})),
            agents=frozenset([*(presence.user_agent for presence in presences[user]), *devices.get(user, {}).values()]),
            mailboxes=mailboxes.get(user, frozenset()),
            corrections=said.get(user, ()),
        )
        for user in users
    }
    contexts = {message: plain[owner.user] for message, owner in owners.items()}
    for message, positions in traps.items():
        if message in contexts:
            contexts[message] = replace(contexts[message], traps=positions)
    return contexts


def _widest(traps: dict[MessageId, frozenset[int]]) -> Context:
    """Messages are looked at together, so what reaches furthest counts for all of them."""
    return Context(traps=frozenset().union(*traps.values()))


def _waiting(connection: Connection, marks: Sequence[Mark], new: bool) -> dict[MessageId, int]:
    """About how many hits each message must be looked at for."""
    ids = [mark.message for mark in marks]
    context = _widest(events.traps(connection, ids))
    back = needed(context, NOTHING if new else far(context))
    return events.hits_waiting(connection, ids, back.opens)


def _fitting(marks: Sequence[Mark], waiting: dict[MessageId, int], room: int) -> list[Mark]:
    """The first marks whose hits fit into the room together; one at least, when there is any."""
    taken: list[Mark] = []
    for mark in marks:
        room -= waiting.get(mark.message, 0)
        if taken and room < 0:
            break
        taken.append(mark)
    return taken


def _revisions(changes: Sequence[events.Changed], rejudging: dict[MessageId, int]) -> list[corrections.Revision]:
    return [
        corrections.Revision(
            rejudging=rejudging[change.event.message],
            hit=change.event.hit,
            message=change.event.message,
            user=change.user,
            before=change.before.finding,
            after=change.now.finding,
        )
        for change in changes
        if change.event.message in rejudging
        and change.before is not None
        and change.before.finding != change.now.finding
    ]


def _without_words(verdict: Verdict) -> Verdict:
    """Below the full level an event says what it was, and nothing about the device, the network or the place."""
    return structs.replace(verdict, reasons=tuple(Reason(reason.code, _PRIVATE_WORDS) for reason in verdict.reasons))


def _seen(row: events.AnyRow, devices: dict[int, str], locate: Locate) -> SeenHit:
    _, id, copy, link, at, method, address, user_agent, language, prefetch, referer, device, _, mailbox, *sending = row
    sent_at, delivery, attempts = sending
    if sent_at is not None and at < sent_at and attempts > 1:
        sent_at = None  # an earlier attempt may have brought the message although it ended badly
    agent, located = read_agent(user_agent), locate(address)
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
        agent=agent,
        network=located.network,
        language=language is not None,
        prefetch=prefetch,
        own_device=device is not None and device in devices,
        recipient=mailbox,
        referer=referer,
        place=place_behind(agent.kind, located.place),
    )
