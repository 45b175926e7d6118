"""What senders say about events, and judging history again because of it.

Promises that a correction holds until it is undone and is never deleted; that a rejudging goes through every message it
is about, once, wherever a process dies; and that what it changed stays listed for a while.
Does not judge: marks are worked off by flow.ingest. All functions work in the caller's transaction.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, or_, select, update

from unsealed.model.event import Answer, Correction, HitId
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.view import CorrectionRow, RejudgingRow
from unsealed.store.engine import insert
from unsealed.store.schema import corrections, hits, marks, messages, rejudgings, revisions, settings

MESSAGES_LOOKED_AT = 500  # in one step of a rejudging
JUDGED_WITH = "judged_with"  # in the settings table
TRIMMED_AT_ONCE = 100  # rejudgings: other writers of a SQLite store wait for it


class Cause(StrEnum):
    """Why history is judged again."""

    RULES = "rules"
    DATA = "data"
    CORRECTION = "correction"
    UNDO = "undo"
    DEVICE = "device"
    COMMAND = "command"


# --- what senders say -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A correction as it is written down."""

    user: UserId
    message: MessageId
    hit: HitId
    answer: Answer
    user_agent: str
    network: str
    recipient: str
    words: str


def add(connection: Connection, said: Said, rejudging: int, now: datetime) -> int:
    """Remember a correction; its id. rejudging: which applies it to history."""
    id: int = connection.execute(
        corrections.insert()
        .values(
            user_id=said.user,
            message_id=said.message,
            hit_id=said.hit,
            answer=said.answer.value,
            user_agent=said.user_agent,
            network=said.network,
            recipient=said.recipient,
            words=said.words,
            rejudging_id=rejudging,
            created_at=now,
        )
        .returning(corrections.c.id)
    ).scalar_one()
    return id


def undo(connection: Connection, user: UserId, id: int, now: datetime) -> Said | None:
    """Have a correction hold no longer; what it said. None: there is none such, or it was undone before."""
    return _undo(connection, now, corrections.c.user_id == user, corrections.c.id == id)


def undo_about(connection: Connection, user: UserId, hit: HitId, now: datetime) -> Said | None:
    """The same for what was said about that event, when anything was."""
    return _undo(connection, now, corrections.c.user_id == user, corrections.c.hit_id == hit)


def _undo(connection: Connection, now: datetime, *which: ColumnElement[bool]) -> Said | None:
    c = corrections.c
    row = connection.execute(
        update(corrections)
        .where(c.undone_at.is_(None), *which)
        .values(undone_at=now)
        .returning(c.user_id, c.message_id, c.hit_id, c.answer, c.user_agent, c.network, c.recipient, c.words)
    ).one_or_none()
    if row is None:
        return None
    user, message, hit, answer, *rest = row
    return Said(
        user=user,
        message=message,
        hit=hit,
        answer=Answer(answer),
        user_agent=rest[0],
        network=rest[1],
        recipient=rest[2],
        words=rest[3],
    )


def standing(connection: Connection, users: Collection[UserId]) -> dict[UserId, tuple[Correction, ...]]:
    """The corrections that hold, newest first."""
    c = corrections.c
    rows = connection.execute(
        select(c.user_id, c.id, c.answer, c.user_agent, c.network, c.recipient, c.created_at)
        .where(c.user_id.in_(sorted(users)), c.undone_at.is_(None))
        .order_by(c.id.desc())
    )
    found: defaultdict[UserId, list[Correction]] = defaultdict(list)
    for user, id, answer, user_agent, network, recipient, at in rows:
        correction = Correction(
            id=id, answer=Answer(answer), user_agent=user_agent, network=network, recipient=recipient, at=at
        )
        found[user].append(correction)
    return {user: tuple(said) for user, said in found.items()}


def list_for(connection: Connection, user: UserId, *, undone: bool = False) -> list[CorrectionRow]:
    """What a sender said, newest first; with `undone` also what was taken back."""
    c, r = corrections.c, rejudgings.c
    query = (
        select(c.id, c.answer, c.words, c.message_id, c.hit_id, c.created_at, c.undone_at, r.changed, r.finished_at)
        .select_from(corrections)
        .outerjoin(rejudgings, r.id == c.rejudging_id)
        .where(c.user_id == user)
        .order_by(c.id.desc())
    )
    if not undone:
        query = query.where(c.undone_at.is_(None))
    return [
        CorrectionRow(
            id=row.id,
            answer=Answer(row.answer),
            words=row.words,
            message=public_id(row.message_id),
            event=public_id(row.hit_id),
            at=row.created_at,
            changed=row.changed or 0,
            judging=row.changed is not None and row.finished_at is None,
            undone_at=row.undone_at,
        )
        for row in connection.execute(query)
    ]


# --- judging again ----------------------------------------------------------------------------------------------------


def begin(
    connection: Connection,
    *,
    cause: Cause,
    words: str,
    now: datetime,
    user: UserId | None = None,
    user_agent: str | None = None,
    since: datetime | None = None,
) -> int:
    """Have history judged again; the id of the rejudging, which the judge works off in the background.

    user: only this user's messages. user_agent: only messages with a hit of this agent. since: only hits since then.
    """
    id: int = connection.execute(
        rejudgings.insert()
        .values(
            user_id=user,
            cause=cause.value,
            words=words,
            user_agent=user_agent,
            since=since,
            position=-1,
            created_at=now,
        )
        .returning(rejudgings.c.id)
    ).scalar_one()
    return id


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A rejudging that goes on."""

    id: int
    user: UserId | None
    user_agent: str | None
    since: datetime | None
    position: int


def any_unfinished(connection: Connection) -> bool:
    """Whether any rejudging goes on."""
    return connection.execute(select(rejudgings.c.id).where(rejudgings.c.finished_at.is_(None))).first() is not None


def oldest_unfinished(connection: Connection) -> Unfinished | None:
    """The rejudging whose turn it is; nobody else moves it until the transaction ends."""
    r = rejudgings.c
    row = connection.execute(
        select(r.id, r.user_id, r.user_agent, r.since, r.position)
        .where(r.finished_at.is_(None))
        .order_by(r.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    return Unfinished(id=row.id, user=row.user_id, user_agent=row.user_agent, since=row.since, position=row.position)


def judged_with(connection: Connection) -> dict[str, str] | None:
    """The rules and data that history was judged with, or is being judged with; None: nobody noted it yet."""
    value = connection.execute(select(settings.c.value).where(settings.c.key == JUDGED_WITH)).scalar_one_or_none()
    return None if value is None else json.loads(value)


def judge_with(connection: Connection, now: dict[str, str]) -> dict[str, str] | None:
    """Note what history is judged with from now on; what it was until now. Two at once see one another."""
    row = {"key": JUDGED_WITH, "value": json.dumps(now)}
    statement = insert(settings, connection.dialect).values(key=JUDGED_WITH, value="null")
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"key": JUDGED_WITH}))  # locks it
    before = judged_with(connection)
    connection.execute(update(settings).where(settings.c.key == JUDGED_WITH).values(row))
    return before


def next_messages(
    connection: Connection,
    *,
    after: int,
    user: UserId | None = None,
    user_agent: str | None = None,
    since: datetime | None = None,
) -> tuple[int | None, list[MessageId]]:
    """Of the next messages behind the id `after`: how far was looked (None: there are none), and which have such hits.

    Looks at MESSAGES_LOOKED_AT messages at once, so that a step takes no longer when few of them have any.
    """
    m, h = messages.c, hits.c
    query = select(m.id).where(m.id > after).order_by(m.id).limit(MESSAGES_LOOKED_AT)
    if user is not None:
        query = query.where(m.user_id == user)
    ids = connection.execute(query).scalars().all()
    if not ids:
        return None, []
    seen = select(h.id).where(h.message_id == m.id)
    if user_agent is not None:
        seen = seen.where(h.user_agent == user_agent)
    if since is not None:
        seen = seen.where(h.at >= since)
    found = connection.execute(select(m.id).where(m.id.in_(ids), seen.exists()).order_by(m.id))
    return ids[-1], [MessageId(id) for id in found.scalars()]


def move(connection: Connection, rejudging: int, position: int, marked: int) -> None:
    """Note how far a rejudging has come; in the transaction that marks the messages."""
    r = rejudgings.c
    values = {"position": position, "messages": r.messages + marked}
    connection.execute(update(rejudgings).where(r.id == rejudging).values(values))


def marks_left(connection: Connection, rejudging: int) -> bool:
    """Whether messages that it marked are not judged yet."""
    return (
        connection.execute(select(marks.c.message_id).where(marks.c.rejudging == rejudging).limit(1)).first()
        is not None
    )


def finish(connection: Connection, rejudging: int, now: datetime) -> None:
    """It has been through everything."""
    r, v = rejudgings.c, revisions.c
    changed = select(func.count()).where(v.rejudging_id == rejudging, v.before != v.after).scalar_subquery()
    connection.execute(update(rejudgings).where(r.id == rejudging).values(finished_at=now, changed=changed))


def begun_by(connection: Connection, rejudging: int) -> tuple[UserId, MessageId] | None:
    """Who said something of an event of which message, when a rejudging was begun by that."""
    c = corrections.c
    row = connection.execute(select(c.user_id, c.message_id).where(c.rejudging_id == rejudging)).one_or_none()
    return None if row is None else (row[0], row[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An event that was called something else before it was judged again."""

    rejudging: int
    hit: HitId
    message: MessageId
    user: UserId  # of the message
    before: str
    after: str


def add_revisions(connection: Connection, rows: Sequence[Revision]) -> None:
    """List what changed. Of an event that changes twice in one rejudging, what it was at first and is at last."""
    if not rows:
        return
    statement = insert(revisions, connection.dialect)
    statement = statement.on_conflict_do_update(
        index_elements=["rejudging_id", "hit_id"], set_={"after": statement.excluded.after}
    )
    connection.execute(
        statement,
        [
            {
                "rejudging_id": row.rejudging,
                "hit_id": row.hit,
                "message_id": row.message,
                "user_id": row.user,
                "before": row.before,
                "after": row.after,
            }
            for row in rows
        ],
    )
    by_rejudging: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        by_rejudging[row.rejudging] += 1
    r = rejudgings.c
    connection.execute(
        update(rejudgings).where(r.id == bindparam("which")).values(changed=r.changed + bindparam("more")),
        [{"which": id, "more": count} for id, count in sorted(by_rejudging.items())],
    )


def rejudging(connection: Connection, id: int) -> RejudgingRow | None:
    """One of them; None when it was forgotten."""
    return next(iter(_rejudgings(connection, rejudgings.c.id == id, limit=1)), None)


def list_rejudgings(connection: Connection, user: UserId, *, limit: int = 20) -> list[RejudgingRow]:
    """Those that touched a user's messages, newest first."""
    mine = or_(rejudgings.c.user_id == user, rejudgings.c.user_id.is_(None))
    return _rejudgings(connection, mine, limit=limit)


def _rejudgings(connection: Connection, which: ColumnElement[bool], *, limit: int) -> list[RejudgingRow]:
    r = rejudgings.c
    query = (
        select(r.id, r.cause, r.words, r.messages, r.changed, r.created_at, r.finished_at)
        .where(which)
        .order_by(r.id.desc())
        .limit(limit)
    )
    return [
        RejudgingRow(
            id=row.id,
            cause=row.cause,
            words=row.words,
            messages=row.messages,
            changed=row.changed,
            at=row.created_at,
            finished_at=row.finished_at,
        )
        for row in connection.execute(query)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What judging again changed, summed up."""

    findings: dict[tuple[str, str], int]  # before, after -> events
    messages: tuple[tuple[MessageId, str, int], ...]  # those with most changes: id, subject, events


def difference(connection: Connection, rejudging: int, *, limit: int = 10) -> Difference:
    """What a rejudging changed so far; `limit`: of messages."""
    v = revisions.c
    changed = (v.rejudging_id == rejudging, v.before != v.after)
    rows = connection.execute(select(v.before, v.after, func.count()).where(*changed).group_by(v.before, v.after))
    findings = {(before, after): count for before, after, count in rows}
    most = connection.execute(
        select(v.message_id, func.count().label("events"))
        .where(*changed)
        .group_by(v.message_id)
        .order_by(func.count().desc(), v.message_id)
        .limit(limit)
    ).all()
    return Difference(findings=findings, messages=with_subjects(connection, [(row[0], row[1]) for row in most]))


def with_subjects(
    connection: Connection, counts: Sequence[tuple[MessageId, int]]
) -> tuple[tuple[MessageId, str, int], ...]:
    """Messages with their subjects, in the same order; those that are gone are left out."""
    query = select(messages.c.id, messages.c.subject).where(messages.c.id.in_([id for id, _ in counts]))
    subjects = {row[0]: row[1] for row in connection.execute(query)}
    return tuple((id, subjects[id], count) for id, count in counts if id in subjects)


def trim(connection: Connection, before: datetime) -> int:
    """Forget rejudgings that ended before that time, and what they changed; how many. Those of corrections that hold
    stay: the list of corrections shows them."""
    r, c = rejudgings.c, corrections.c
    held = select(c.rejudging_id).where(c.undone_at.is_(None))
    old = connection.execute(
        select(r.id).where(r.finished_at < before, r.id.not_in(held)).order_by(r.id).limit(TRIMMED_AT_ONCE)
    )
    ids: Iterable[int] = old.scalars().all()
    connection.execute(delete(revisions).where(revisions.c.rejudging_id.in_(ids)))
    return connection.execute(delete(rejudgings).where(r.id.in_(ids))).rowcount
