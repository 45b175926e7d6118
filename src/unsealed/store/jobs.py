"""Work that follows from a cause, written in the transaction of its cause.

    ready   on disk, waits for its time
    leased  one worker holds it; when the lease runs out it is ready again
    done    finished; forgotten some time later
    dead    given up

Promises that a job is written once for its key, that at most one worker holds it, and that only the holder of the
lease moves it on. A worker that dies leaves its jobs leased: `reclaim` at its next start, or the end of the lease,
makes them ready again, so a job can be run twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select, update

from unsealed.model.message import UserId
from unsealed.store.engine import insert
from unsealed.store.schema import copies, jobs

JobId = NewType("JobId", int)

COPY = "copy"  # hand copies.id over to the next hop
REPORT = "report"  # tell the sender that copies.id bounced

ERROR_CHARACTERS = 500
CALLED_OFF_AT_ONCE = 500  # parameters of one statement
TRIMMED_AT_ONCE = 10_000  # other writers of a SQLite store wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A leased job."""

    id: JobId
    kind: str
    subject: int
    attempts: int  # this one included
    first_at: datetime


def add(
    connection: Connection, kind: str, subjects: Iterable[int], now: datetime, due_at: datetime | None = None
) -> None:
    """One job of `kind` for each subject, ready now or at `due_at`. A job that is there already stays as it is."""
    due_at = due_at or now
    rows = [
        {"kind": kind, "key": f"{kind}:{subject:016x}", "subject_id": subject, "state": "ready", "due_at": due_at,
         "first_at": due_at}
        for subject in subjects
    ]  # fmt: skip
    connection.execute(insert(jobs, connection.dialect).on_conflict_do_nothing(index_elements=["key"]), rows)


def lease(
    connection: Connection,
    kinds: Sequence[str],
    *,
    owner: str,
    now: datetime,
    until: datetime,
    limit: int,
    but_of: Collection[UserId] = (),
) -> list[Job]:
    """Take up to `limit` jobs whose time has come, the oldest first, until `until`; none about mail of `but_of`."""
    connection.execute(
        update(jobs)
        .where(jobs.c.state == "leased", jobs.c.due_at <= now, jobs.c.kind.in_(kinds))
        .values(state="ready", owner="")
    )
    due = (
        select(jobs.c.id)
        .where(jobs.c.state == "ready", jobs.c.due_at <= now, jobs.c.kind.in_(kinds), *_not_of(but_of))
        .order_by(jobs.c.due_at, jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer anyway
    )
    rows = connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(due))
        .values(state="leased", owner=owner, due_at=until, attempts=jobs.c.attempts + 1)
        .returning(jobs.c.id, jobs.c.kind, jobs.c.subject_id, jobs.c.attempts, jobs.c.first_at)
    )
    taken = [
        Job(id=JobId(row.id), kind=row.kind, subject=row.subject_id, attempts=row.attempts, first_at=row.first_at)
        for row in rows
    ]
    return sorted(taken, key=lambda job: job.id)


def next_due(connection: Connection, kinds: Sequence[str], *, but_of: Collection[UserId] = ()) -> datetime | None:
    """When the next waiting job is due, those about mail of `but_of` left out; None when none waits."""
    found: datetime | None = connection.execute(
        select(func.min(jobs.c.due_at, type_=jobs.c.due_at.type)).where(
            jobs.c.state == "ready", jobs.c.kind.in_(kinds), *_not_of(but_of)
        )
    ).scalar()
    return found


def _not_of(users: Collection[UserId]) -> list[ColumnElement[bool]]:
    if not users:
        return []
    return [~select(copies.c.id).where(copies.c.id == jobs.c.subject_id, copies.c.user_id.in_(users)).exists()]


def any_due(connection: Connection, kinds: Sequence[str], now: datetime) -> bool:
    """Whether a job could be leased now: its time has come, or the lease of who had it is over."""
    due = select(jobs.c.id).where(jobs.c.state.in_(("ready", "leased")), jobs.c.due_at <= now, jobs.c.kind.in_(kinds))
    return connection.execute(due.limit(1)).first() is not None


def renew(connection: Connection, owner: str, until: datetime) -> None:
    """Keep all leases of `owner` until `until`."""
    connection.execute(update(jobs).where(jobs.c.state == "leased", jobs.c.owner == owner).values(due_at=until))


def reclaim(connection: Connection, owner: str, now: datetime) -> int:
    """Make the jobs ready that an earlier life of `owner` held when it died; how many there were."""
    return connection.execute(
        update(jobs).where(jobs.c.state == "leased", jobs.c.owner == owner).values(state="ready", owner="", due_at=now)
    ).rowcount


def done(connection: Connection, job: JobId, owner: str) -> bool:
    """Finished. False, and nothing done, when `owner` no longer holds the job; the same for all that follow."""
    return _move(connection, job, owner, state="done")


def later(connection: Connection, job: JobId, owner: str, *, due_at: datetime, error: str) -> bool:
    """Try again at `due_at`."""
    return _move(connection, job, owner, state="ready", due_at=due_at, error=_cut(error))


def release(connection: Connection, job: JobId, owner: str, *, due_at: datetime) -> bool:
    """Give a job back that was not begun: this attempt does not count."""
    given = (
        update(jobs)
        .where(jobs.c.id == job, jobs.c.state == "leased", jobs.c.owner == owner)
        .values(state="ready", owner="", due_at=due_at, attempts=jobs.c.attempts - 1)
    )
    return connection.execute(given).rowcount == 1


def dead(connection: Connection, job: JobId, owner: str, *, error: str) -> bool:
    """Given up."""
    return _move(connection, job, owner, state="dead", error=_cut(error))


def call_off(connection: Connection, kind: str, subjects: Sequence[int]) -> bool:
    """Forget the jobs of all these subjects, if none was ever taken. False: one was; then the caller must roll back."""
    removed = 0
    for start in range(0, len(subjects), CALLED_OFF_AT_ONCE):
        keys = [f"{kind}:{subject:016x}" for subject in subjects[start : start + CALLED_OFF_AT_ONCE]]
        waiting = delete(jobs).where(jobs.c.key.in_(keys), jobs.c.state == "ready", jobs.c.attempts == 0)
        removed += connection.execute(waiting).rowcount
    return removed == len(subjects)


def trim(connection: Connection, before: datetime) -> int:
    """Forget jobs that were finished before that time, the oldest first; how many, TRIMMED_AT_ONCE at most."""
    old = (
        select(jobs.c.id)
        .where(jobs.c.state == "done", jobs.c.due_at < before)
        .order_by(jobs.c.due_at, jobs.c.id)
        .limit(TRIMMED_AT_ONCE)
    )
    return connection.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount


# Runs for every job: put together once, because that takes longer than the answer.
_HELD = update(jobs).where(jobs.c.id == bindparam("job"), jobs.c.state == "leased", jobs.c.owner == bindparam("holder"))


def _move(connection: Connection, job: JobId, owner: str, *, state: str, **changes: object) -> bool:
    moved = connection.execute(_HELD, {"job": job, "holder": owner, "state": state, "owner": "", **changes})
    return moved.rowcount == 1


def _cut(error: str) -> str:
    return error.replace("\0", "")[:ERROR_CHARACTERS]
