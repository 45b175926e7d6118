"""The Message screen: who did what with one message, what we changed in it, how it went out, the letter itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.flow import send
from unsealed.inlets.web import history, letter, words
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.surroundings import surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.errors import BadInput
from unsealed.model.event import Finding, HitKind
from unsealed.model.message import CopyId, UserId, from_public_id
from unsealed.model.view import CopyRow, EventRow, LinkRow, MessageRow, MessageView, Page
from unsealed.store import views
from unsealed.store.engine import reading

PEOPLE_SHOWN = 25  # more stand behind a link
MACHINES_SHOWN = 50
EVENTS_SHOWN = 100
KINDS = {"": None, "opens": HitKind.OPEN, "clicks": HitKind.CLICK}


@dataclass(frozen=True, slots=True)
class Story:
    """All that both message screens show."""

    message: MessageView
    copies: Sequence[CopyRow]
    show: str
    days: Sequence[history.Day]
    next: str | None
    machines: Sequence[history.Line]
    machine_kinds: str
    all_count: int
    feed_at: int  # id of the feed from which on changes are news

    @property
    def row(self) -> MessageRow:
        return self.message.row

    @property
    def survey(self) -> object:
        return self.message.survey

    @property
    def notes(self) -> Sequence[str]:
        return self.message.notes

    @property
    def size(self) -> int:
        return self.message.size

    @property
    def links(self) -> Sequence[LinkRow]:
        return self.message.links

    @property
    def more_copies(self) -> int:
        return len(self.message.copies) - len(self.copies)

    @property
    def shown_links(self) -> Sequence[LinkRow]:
        """Tracked links, the most followed first."""
        return sorted((row for row in self.links if row.link.tracked), key=lambda row: (-row.people, row.link.position))

    @property
    def left_alone(self) -> Sequence[LinkRow]:
        return [row for row in self.links if not row.link.tracked]

    @property
    def tracked_links(self) -> int:
        return len(self.shown_links)

    @property
    def left_links(self) -> int:
        return len(self.left_alone)

    @property
    def tracking_host(self) -> str:
        return urlsplit(self.message.tracking_url).netloc

    @property
    def is_silent(self) -> bool:
        """Tracked and on its way out, and no person was seen."""
        facts = self.row.facts
        return facts.tracked and facts.sent_at is not None and not (facts.opens or facts.clicks)

    @property
    def changed(self) -> str:
        """What we changed, in one line."""
        if self.row.unchanged:
            return "nothing"
        parts = [f"{self.tracked_links} of {words.many(len(self.links), 'link')}"] if self.links else []
        if self.message.survey.pixel:
            parts.append("one picture")
        return ", ".join(parts) or "nothing"


def tell(engine: Engine, user: UserId, number: int | None, where: Where, times: words.Times) -> Story | None:
    """Read everything about one message; None when there is none of this user."""
    if number is None:
        return None
    if where.show not in KINDS:
        raise BadInput(f"no such kind of event: {where.show!r}")
    with reading(engine) as connection:
        feed_at = views.feed_ends(connection)[1]
        message = views.message(connection, user, number, times.now)
        if message is None:
            return None
        kind = KINDS[where.show]
        events = views.events(
            connection, user, number, kind=kind, machine=False, after=where.events or None, limit=EVENTS_SHOWN
        )
        machines: Page[EventRow] = Page(items=())
        if message.row.signals.machine:
            machines = views.events(connection, user, number, machine=True, limit=MACHINES_SHOWN)
    lines = history.lines(events.items, message.copies)
    if where.show == "opens":
        lines = [line for line in lines if line.event is not None and line.event.finding != Finding.DUPLICATE]
        if events.next is None and not where.events:
            lines = sorted([*lines, *history.proven(lines, message.copies)], key=lambda line: line.at, reverse=True)
    if not where.show and events.next is None:
        lines.append(history.departure(message))
    signals = message.row.signals
    return Story(
        message=message,
        copies=message.copies if where.people == "all" else message.copies[:PEOPLE_SHOWN],
        show=where.show,
        days=history.days(lines, times),
        next=events.next,
        machines=history.machine_lines(machines.items),
        machine_kinds=_kinds(machines.items),
        all_count=signals.opens + signals.clicks if events.next or where.show else len(lines),
        feed_at=feed_at,
    )


def _kinds(events: Sequence[EventRow]) -> str:
    """ "scanner 2, prefetched 1"."""
    return ", ".join(
        f"{kind} {number}" for kind, number in Counter(words.chip(each).words for each in events).most_common()
    )


async def page(request: Request) -> Response:
    """`/message/{id}`: the screen."""
    where, times = Where.of(request), said(request)
    story = await run_in_threadpool(
        tell, surroundings(request).engine, request.state.person.id, _number(request), where, times
    )
    if story is None:
        raise HTTPException(404, "There is no such message of yours.")
    return render(request, "message.html", story=story, where=where, feed_at=story.feed_at)


async def letter_frame(request: Request) -> Response:
    """`/message/{id}/letter`: the letter as written, for the sandboxed frame; loads nothing from outside."""
    return letter.response(await run_in_threadpool(letter.html, await _original(request)))


async def original(request: Request) -> Response:
    """`/message/{id}/original.eml`: the bytes as submitted."""
    return letter.source(await _original(request), f"original-{request.path_params['id']}.eml")


async def copy_sent(request: Request) -> Response:
    """`/copy/{id}/sent.eml`: the bytes that went to one recipient, derived again."""
    around = surroundings(request)
    number = _number(request)

    def derive() -> bytes | None:
        with reading(around.engine) as connection:
            if number is None or views.owns_copy(connection, request.state.person.id, CopyId(number)) is None:
                return None
        return send.copy_of(around.engine, CopyId(number), keys=around.keys).raw

    raw = await run_in_threadpool(derive)
    if raw is None:
        raise HTTPException(404, "There is no such copy of yours.")
    return letter.source(raw, f"sent-{request.path_params['id']}.eml")


async def _original(request: Request) -> bytes:
    number = _number(request)

    def look() -> bytes | None:
        with reading(surroundings(request).engine) as connection:
            return None if number is None else views.original(connection, request.state.person.id, number)

    raw = await run_in_threadpool(look)
    if raw is None:
        raise HTTPException(404, "There is no such message of yours.")
    return raw


def _number(request: Request) -> int | None:
    return from_public_id(request.path_params["id"])


routes = [
    Route("/message/{id}", page),
    Route("/message/{id}/letter", letter_frame),
    Route("/message/{id}/original.eml", original),
    Route("/copy/{id}/sent.eml", copy_sent),
]
