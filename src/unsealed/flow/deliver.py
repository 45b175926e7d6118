"""Jobs to the outlets and back: lease, deliver, settle.

Promises that a copy counts as sent only after the next hop's own answer, that a refusal for good is told to the sender
once, and that nothing is forgotten: a process that dies between the next hop's answer and the settling commit
leaves a leased job that is run again with the same bytes. Unknown errors are temporary. A report that cannot be
delivered is dropped: nobody is told about it, so there are no loops. A copy goes by the next hop that its user has at
the time of the attempt, a report by that of its sender; a next hop of somebody's own that is slow keeps only their own
mail waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from unsealed.core.backoff import next_try
from unsealed.core.bounce import Failure, report
from unsealed.flow import notify
from unsealed.flow.routes import Routes, Way
from unsealed.flow.send import parcel_of
from unsealed.model.errors import BadInput, DeliveryFailed, Unavailable, UnsealedError
from unsealed.model.message import CopyId, UserId, public_id
from unsealed.model.ports import Clock, Keys, Parcel, Receipt
from unsealed.store import engine as stores
from unsealed.store import feed, jobs, messages
from unsealed.store.jobs import Job
from unsealed.store.messages import Derivation
from unsealed.store.writer import Writer

KINDS = (jobs.COPY, jobs.REPORT)
LEASE = timedelta(minutes=10)
IDLE_S = 2.0  # how long at most before looking for jobs that another process wrote
SETTLE_AGAIN_S = 0.5  # pause when the store does not take a result
SMALL_BYTES = 100_000  # originals up to here are read together with the lease
LARGE_AT_ONCE = 3  # of the others so many are held in memory at a time
GATHER_S = 0.003  # pause while busy, so that several free places are filled with one lease
OWN_AT_ONCE = 4  # copies that one user's own next hop is handed at a time
PATIENCE_S = 10.0  # how long deliveries under way may take to end when stopping

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    parcel: Parcel
    sender: UserId
    way: Way
    user: UserId | None  # whose copy it is; None: a report
    shared: CopyId | None = None  # whose tokens stand in the parcel, when not its own


class Delivery:
    """The loop that empties the outbound queue.

    owner: names this process in the leases; the same at each of its starts, and no two processes at a time share it.
    host: the name of this installation in reports.
    """

    def __init__(
        self,
        engine: Engine,
        routes: Routes,
        *,
        keys: Keys,
        clock: Clock,
        writer: Writer,
        owner: str = "mail",
        host: str = "localhost",
        concurrency: int = 20,
        idle_s: float = IDLE_S,
    ) -> None:
        self._engine = engine
        self._routes = routes
        self._keys = keys
        self._clock = clock
        self._writer = writer
        self._owner = owner
        self._host = host
        self._concurrency = concurrency
        self._idle_s = idle_s
        self._work = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._own: Counter[UserId] = Counter()  # copies under way by own next hops
        self._renewed_at = clock()

    def wake(self) -> None:
        """There may be new jobs: look now."""
        self._work.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then let what is under way end."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._work.set())
        reclaimed = False
        try:
            while not stop.is_set():
                self._work.clear()
                wait_s = self._idle_s
                try:
                    if not reclaimed:
                        await self._writer.run(lambda c: jobs.reclaim(c, self._owner, self._clock()))
                        reclaimed = True
                    wait_s = await self._round()
                except (SQLAlchemyError, UnsealedError, OSError) as error:
                    log.warning("delivery.store_away", error=type(error).__name__)
                    wait_s = min(1.0, self._idle_s)
                self._routes.tidy()
                if wait_s > 0:
                    await self._pause(wait_s)
        finally:
            stopping.cancel()
            if self._under_way:
                _, late = await asyncio.wait(self._under_way, timeout=PATIENCE_S)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _pause(self, wait_s: float) -> None:
        try:
            await asyncio.wait_for(self._work.wait(), wait_s)
        except TimeoutError:
            pass

    async def _round(self) -> float:
        """Start what is due and there is room for; return how many seconds there is nothing to do."""
        now = self._clock()
        if now - self._renewed_at > LEASE / 3:
            await self._writer.run(lambda c: jobs.renew(c, self._owner, now + LEASE))
            self._renewed_at = now
        if len(self._under_way) > self._concurrency // 2:
            await asyncio.sleep(GATHER_S)
        free = self._concurrency - len(self._under_way)
        if free <= 0:
            return self._idle_s
        full = [user for user, copies in self._own.items() if copies >= OWN_AT_ONCE]
        taken, small, due = await self._writer.run(lambda c: self._lease(c, now, free, full))
        for job in taken:
            task = asyncio.create_task(self._run_job(job, small.get(job.subject) if job.kind == jobs.COPY else None))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        if len(taken) == free:
            return 0 if len(self._under_way) < self._concurrency else self._idle_s
        if due is None:
            return self._idle_s
        return min(max((due - self._clock()).total_seconds(), 0.0), self._idle_s)

    def _lease(
        self, connection: Connection, now: datetime, limit: int, full: list[UserId]
    ) -> tuple[list[Job], dict[int, Derivation], datetime | None]:
        taken = jobs.lease(connection, KINDS, owner=self._owner, now=now, until=now + LEASE, limit=limit, but_of=full)
        wanted = [CopyId(job.subject) for job in taken if job.kind == jobs.COPY]
        small = messages.derivations(connection, wanted, at_most_bytes=SMALL_BYTES) if wanted else []
        due = jobs.next_due(connection, KINDS, but_of=full) if len(taken) < limit else None
        return taken, {found.copy: found for found in small}, due

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._work.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The job stays leased and is run again when the lease ends.
            log.error("delivery.unsettled", error=repr(error))

    async def _run_job(self, job: Job, small: Derivation | None) -> None:
        if small is not None:
            await self._hand_over(job, small)
            return
        async with self._large:
            await self._hand_over(job, None)

    async def _hand_over(self, job: Job, found: Derivation | None) -> None:
        try:
            loaded = await asyncio.to_thread(self._load, job, found)
        except BadInput as error:
            words = str(error)
            await self._settle(lambda c: jobs.dead(c, job.id, self._owner, error=words))
            return
        if not loaded.way.own:
            await self._deliver(job, loaded)
            return
        if self._own[loaded.sender] >= OWN_AT_ONCE:  # leased together with those that are under way
            now = self._clock()
            await self._settle(lambda c: jobs.release(c, job.id, self._owner, due_at=now))
            return
        self._own[loaded.sender] += 1
        try:
            await self._deliver(job, loaded)
        finally:
            self._own[loaded.sender] -= 1
            self._own += Counter()  # forgets those at zero

    async def _deliver(self, job: Job, loaded: _Loaded) -> None:
        try:
            async with self._routes.outlet(loaded.way) as outlet:
                receipt = await outlet.deliver(loaded.parcel)
        except DeliveryFailed as error:
            await self._settle_failure(job, loaded, error)
        except Exception as error:
            log.exception("delivery.unknown_error", job=job.id)
            unknown = DeliveryFailed(f"local trouble: {type(error).__name__}", temporary=True, status="4.3.0")
            await self._settle_failure(job, loaded, unknown)
        else:
            await self._settle(lambda c: self._sent(c, job, loaded, receipt))
            log.info("copy.sent", **_logged(job), final=receipt.final)

    def _load(self, job: Job, found: Derivation | None) -> _Loaded:
        if job.kind == jobs.REPORT:
            return self._load_report(job)
        if found is None:
            with stores.reading(self._engine) as connection:
                found = messages.derivation(connection, CopyId(job.subject))
        if found is None:
            raise BadInput("the copy is gone")
        shared = None if found.tokens == found.copy else found.tokens
        return _Loaded(
            parcel=parcel_of(found, self._keys),
            sender=found.user,
            way=self._routes.find(found.user),
            user=found.user,
            shared=shared,
        )

    def _load_report(self, job: Job) -> _Loaded:
        with stores.reading(self._engine) as connection:
            refused = messages.refusal(connection, CopyId(job.subject))
        if refused is None or not refused.envelope_from:
            raise BadInput("there is nothing to report, or nobody to tell")
        raw = report(
            Failure(
                copy=refused.copy,
                message=refused.message,
                sender=refused.envelope_from,
                recipient=refused.recipient,
                reply=refused.reply,
                received_at=refused.received_at,
                failed_at=refused.ended_at,
                original=refused.original,
            ),
            host=self._host,
        )
        return _Loaded(
            parcel=Parcel(
                copy=CopyId(-job.id),  # no copy of the message; never meets the id of one
                message=refused.message,
                envelope_from="",
                recipient=refused.envelope_from,
                raw=raw,
                wants_report=False,
            ),
            sender=refused.user,
            way=self._routes.find(refused.user),
            user=None,
        )

    async def _settle(self, change: Callable[[Connection], object]) -> None:
        # The next hop has answered. Not being able to write that down must not make it get the copy again.
        while True:
            try:
                await self._writer.run(change)
            except Unavailable as error:
                log.warning("delivery.settle_later", error=str(error))
                await asyncio.sleep(SETTLE_AGAIN_S)
            else:
                return

    async def _settle_failure(self, job: Job, loaded: _Loaded, error: DeliveryFailed) -> None:
        now = self._clock()
        again_at = next_try(attempts=job.attempts, first_at=job.first_at, now=now) if error.temporary else None
        words = _words(error)
        if again_at is not None:
            await self._settle(lambda c: self._delayed(c, job, loaded, words, now, again_at))
            log.info("copy.delayed", **_logged(job), smtp=_smtp(error), next_at=again_at.isoformat())
            return
        await self._settle(lambda c: self._bounced(c, job, loaded, words, now))
        log.info("copy.bounced", **_logged(job), smtp=_smtp(error))
        self.wake()

    def _sent(self, connection: Connection, job: Job, loaded: _Loaded, receipt: Receipt) -> None:
        if not jobs.done(connection, job.id, self._owner) or loaded.user is None:
            return
        messages.sent(connection, loaded.parcel.copy, reply=receipt.reply, at=receipt.at, final=receipt.final)
        if loaded.shared is not None:
            messages.shared_sent(connection, loaded.shared, at=receipt.at, final=receipt.final)
        self._tell(connection, loaded, loaded.user, receipt.at)

    def _delayed(
        self, connection: Connection, job: Job, loaded: _Loaded, words: str, now: datetime, again_at: datetime
    ) -> None:
        if not jobs.later(connection, job.id, self._owner, due_at=again_at, error=words) or loaded.user is None:
            return
        messages.delayed(connection, loaded.parcel.copy, reply=words, next_at=again_at)
        self._tell(connection, loaded, loaded.user, now)

    def _bounced(self, connection: Connection, job: Job, loaded: _Loaded, words: str, now: datetime) -> None:
        if loaded.user is None:
            jobs.dead(connection, job.id, self._owner, error=words)
            return
        if not jobs.done(connection, job.id, self._owner):
            return
        messages.bounced(connection, loaded.parcel.copy, reply=words, at=now)
        if loaded.shared is not None:
            messages.shared_bounced(connection, loaded.shared, at=now)
        jobs.add(connection, jobs.REPORT, [loaded.parcel.copy], now)
        notify.hear_bounce(connection, loaded.user, loaded.parcel.message, loaded.parcel.copy, now)
        self._tell(connection, loaded, loaded.user, now)

    def _tell(self, connection: Connection, loaded: _Loaded, user: UserId, at: datetime) -> None:
        parcel = loaded.parcel
        feed.add_feed(
            connection,
            [feed.Change(user=user, message=parcel.message, copy=parcel.copy, what="delivery", at=at)],
        )


def _logged(job: Job) -> dict[str, object]:
    """what: the copy itself, or the report to its sender."""
    return {"what": job.kind, "copy": public_id(CopyId(job.subject)), "attempt": job.attempts}


def _smtp(error: DeliveryFailed) -> str:
    """The codes alone: next hops like to repeat addresses in their answers."""
    return f"{error.code or ''} {error.status}".strip()


def _words(error: DeliveryFailed) -> str:
    said = str(error).strip() or "no answer"
    return said if not error.code or said.startswith(str(error.code)) else f"{error.code} {said}"
