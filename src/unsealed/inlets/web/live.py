"""Live pages: what changed in the store reaches open browsers as server-sent events.

One poller per web process reads the `feed` table while anybody listens, and keeps the newest rows for all streams.
Promises that a stream gives every change of its user behind the id it started from, in order, each once: what the kept
rows no longer hold is read from the table again. Where the table itself has been trimmed, the browser is told to load
the page anew ("reset"). Changes of one message and kind that come together are sent as one.

An event: `id` = feed id, `event: change`, `data: {"message", "copy", "what"}`. The first event is `ready`. That of a
notice also has "at" and "notices", as `/notices/new` answers, so that a card needs no question of its own; when they
are left out, as for what happened before the stream began, the page asks. Words go to no browser that was signed out
meanwhile: its stream ends.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import NamedTuple, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.flow.notify import NOTICE
from unsealed.inlets.web import cards
from unsealed.inlets.web.cards import Cards
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import said
from unsealed.inlets.web.surroundings import person
from unsealed.model.message import UserId
from unsealed.model.view import FeedRow
from unsealed.store import feed, proofs
from unsealed.store.engine import reading

GAP_S = 0.02  # between two looks at least, however often somebody calls: what comes together goes together
REST_S = 1.0  # after the store failed to answer
CARDS_AT_ONCE = 20  # lines of notices that are asked for with the feed; the pages of further ones ask themselves
KEPT = 5_000  # rows for all streams together
READ_AT_ONCE = 1_000
PING_S = 15
LIFE_S = 300.0  # then the browser comes back, and its session is looked at again
STREAMS = 500
STREAMS_PER_USER = 20
RETRY_MS = 1_000

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


class Kept(NamedTuple):
    """A line of the feed, and what it says when it is one of notices."""

    row: FeedRow
    cards: Cards | None = None
    readers: frozenset[str] = frozenset()  # hashes of the sessions whose browsers may read them


class Live:
    """The poller and its listeners; one per web process.

    poll_s: between two looks at the feed when nobody called `look`.
    """

    def __init__(self, engine: Engine, *, poll_s: float = 0.05, life_s: float = LIFE_S, kept: int = KEPT) -> None:
        self._engine = engine
        self._poll_s = poll_s
        self._life_s = life_s
        self._called = asyncio.Event()
        self._rows: deque[Kept] = deque(maxlen=kept)
        self._from = 0  # the kept rows are all there are between this id and `_last`
        self._last = 0
        self._started = asyncio.Event()
        self._bells: dict[asyncio.Event, UserId] = {}
        self._poller: asyncio.Task[None] | None = None
        self._own_thread = CapacityLimiter(1)
        self._closed = False

    def look(self) -> None:
        """There is something new in the feed."""
        self._called.set()

    def close(self) -> None:
        """End all streams: the server is about to stop, and waits for them. Browsers come back by themselves."""
        self._closed = True
        self._started.set()
        for bell in self._bells:
            bell.set()

    @property
    def listeners(self) -> int:
        """Streams that are open."""
        return len(self._bells)

    def has_room(self, user: UserId) -> bool:
        mine = sum(each == user for each in self._bells.values())
        return not self._closed and len(self._bells) < STREAMS and mine < STREAMS_PER_USER

    async def stream(
        self, user: UserId, after: int | None, *, times: Times, session: str = ""
    ) -> AsyncIterator[ServerSentEvent]:
        """Changes of the user behind the id `after` (None: from now on), until the stream's life or its session ends.

        times: of the browser that listens. session: hash of the one in which the stream was asked for.
        """
        bell = asyncio.Event()
        self._bells[bell] = user
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._life_s
        try:
            await self._polling()
            if self._closed:
                return
            if after is None:
                after = self._last
            begun = self._last
            yield ServerSentEvent(event="ready", id=str(after), data="{}", retry=RETRY_MS)
            while not self._closed and (left := ends_at - loop.time()) > 0:
                bell.clear()
                end = self._last
                rows = self._kept_since(after, user)
                if rows is None:
                    rows, end, complete = await self._read(after, user)
                    if not complete:
                        yield ServerSentEvent(event="reset", id=str(end), data="{}")
                for kept in together(rows):
                    told = kept.cards if kept.row.id > begun else None
                    if told is not None and session not in kept.readers:
                        return
                    yield _event(kept.row, told, times)
                after = end
                if after >= self._last:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(bell.wait(), left)
        finally:
            del self._bells[bell]
            if not self._bells and self._poller:
                self._poller.cancel()
                self._poller = None

    async def _polling(self) -> None:
        """Wait until the feed is being read, or all is over."""
        if self._poller is None and not self._closed:
            self._started = asyncio.Event()
            self._poller = asyncio.create_task(self._poll(), name="feed poller")
        await self._started.wait()

    async def _poll(self) -> None:
        while True:
            try:
                if not self._started.is_set():
                    _, self._last = await self._ask(self._ends)
                    self._rows.clear()
                    self._from = self._last
                    self._started.set()
                self._called.clear()
                listening = frozenset(self._bells.values())
                found, last = await self._ask(partial(self._behind, self._last, listening))
            except SQLAlchemyError as error:
                log.warning("feed.unread", error=type(error).__name__)
                await asyncio.sleep(REST_S)
                continue
            except Exception:  # who listens would wait for a poller that is gone
                log.exception("feed.unknown_error")
                await asyncio.sleep(REST_S)
                continue
            if last < self._last:  # the table was emptied and counts anew
                self._rows.clear()
                self._from = self._last = 0
                continue
            if found:
                self._keep(found)
                self._ring(found)
            await asyncio.sleep(min(GAP_S, self._poll_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), self._poll_s)

    def _keep(self, found: list[Kept]) -> None:
        for each in found:
            if len(self._rows) == self._rows.maxlen:
                self._from = self._rows[0].row.id
            self._rows.append(each)
        self._last = found[-1].row.id

    def _ring(self, found: list[Kept]) -> None:
        users = {each.row.user for each in found}
        for bell, user in self._bells.items():
            if user in users:
                bell.set()

    def _kept_since(self, after: int, user: UserId) -> list[Kept] | None:
        """Rows behind `after` from what is kept; None when that does not reach back so far (or not so far ahead)."""
        if not self._from <= after <= self._last:
            return None
        news = list(takewhile(lambda each: each.row.id > after, reversed(self._rows)))
        return [each for each in reversed(news) if each.row.user == user]

    async def _read(self, after: int, user: UserId) -> tuple[list[Kept], int, bool]:
        """From the table: rows behind `after`, up to which id they are all, and whether none in between is lost."""

        def ask() -> tuple[list[Kept], int, bool]:
            with reading(self._engine) as connection:
                first, last = feed.ends(connection)
                if after > last or after < first - 1:
                    return [], last, False
                rows = feed.after(connection, after, user=user, limit=READ_AT_ONCE)
            return [Kept(row) for row in rows], rows[-1].id if len(rows) == READ_AT_ONCE else last, True

        return await to_thread.run_sync(ask)

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        return await to_thread.run_sync(question, limiter=self._own_thread)

    def _ends(self) -> tuple[int, int]:
        with reading(self._engine) as connection:
            return feed.ends(connection)

    def _behind(self, after: int, listening: Container[UserId]) -> tuple[list[Kept], int]:
        with reading(self._engine) as connection:
            found = feed.after(connection, after, limit=READ_AT_ONCE)
            last = found[-1].id if found else feed.ends(connection)[1]
            told = [row for row in found if row.what == NOTICE and row.user in listening][:CARDS_AT_ONCE]
            said = {row.id: _kept(connection, row) for row in told}
            return [said.get(row.id) or Kept(row) for row in found], last


def _kept(connection: Connection, row: FeedRow) -> Kept:
    user = UserId(row.user)
    readers = frozenset(each.hash for each in proofs.sessions_of(connection, user, row.at))
    return Kept(row, cards.told_at(connection, user, row.at), readers)


def together(rows: Iterable[Kept]) -> list[Kept]:
    """One row for each message and kind, the newest, in the order of ids; of notices all that say something."""
    newest = {(each.row.message, each.row.what, each.row.id if each.cards else 0): each for each in rows}
    return sorted(newest.values(), key=lambda each: each.row.id)


def _event(row: FeedRow, told: Cards | None, times: Times) -> ServerSentEvent:
    data: dict[str, object] = {"message": row.message, "copy": row.copy, "what": row.what}
    if told is not None:
        data |= {"at": cards.microseconds(row.at), "notices": cards.in_words(told, times)}
    return ServerSentEvent(event="change", id=str(row.id), data=json.dumps(data, separators=(",", ":")))


async def stream(request: Request) -> Response:
    """`/live?after=ID`: the changes of the signed-in user. A browser that comes back says Last-Event-ID."""
    live: Live = request.app.state.live
    who = person(request)
    user = who.id
    if not live.has_room(user):
        return Response(status_code=503, headers={"Retry-After": "30"})
    last = request.headers.get("last-event-id") or request.query_params.get("after", "")
    after = int(last) if last.isdecimal() and len(last) < 19 else None
    return EventSourceResponse(live.stream(user, after, session=who.session.hash, times=said(request)), ping=PING_S)


routes = [Route("/live", stream)]
