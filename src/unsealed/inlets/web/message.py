"""The Message screen: who did what with one message, what we changed in it, how it went out, the letter itself.

What an event was can be corrected beside its reasons; the answer leads back to the same event, and says what it did.
"""

from __future__ import annotations

from asyncio import sleep
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.flow import rejudge, send
from unsealed.inlets.copies import Known, is_forwarded, known
from unsealed.inlets.guard import local_path
from unsealed.inlets.speakers import Speaker, of_message
from unsealed.inlets.web import evidence, history, letter, moments
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.surroundings import Surroundings, asked, person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.errors import BadInput
from unsealed.model.event import Answer, Finding, HitId, HitKind, PlaceState
from unsealed.model.message import CopyId, MessageId, UserId, from_public_id
from unsealed.model.texts import Texts, later
from unsealed.model.view import CopyRow, CorrectionRow, EventRow, LinkRow, MessageRow, MessageView, Page
from unsealed.store import corrections, feed, judged, replies, threads, views
from unsealed.store.engine import reading
from unsealed.store.places import Credit, credits_for

PEOPLE_SHOWN = 25  # more stand behind a link
LINES_SHOWN = 10  # the same
MACHINES_READ = 50  # for their kinds; of these, the newest lines are shown
EVENTS_SHOWN = 100  # of a page
LOOKS, LOOK_EVERY_S = 15, 0.1  # how long a page waits for the judge
KINDS = {"": None, "opens": HitKind.OPEN, "clicks": HitKind.CLICK, "raw": None}


@dataclass(frozen=True, slots=True)
class Story:
    """All that both message screens show."""

    message: MessageView
    copies: Sequence[CopyRow]
    known: Mapping[str, Known]
    show: str
    who: CopyRow | None  # only this copy's history
    days: Sequence[history.Day]
    more: bool  # there are older lines than those
    next: str | None
    machines: Sequence[history.Line]
    machine_kinds: str
    all_count: int
    among: int  # how many share a copy that is nobody's own
    open: str  # id of the event that stands open
    correction: CorrectionRow | None  # what was said just now
    credits: Sequence[Credit]  # for the places that are shown
    feed_at: int  # id of the feed from which on changes are news
    speaker: Speaker | None = None  # whether what happens to it rings
    thread: str = ""  # public id of the conversation
    thread_size: int = 1  # letters in it

    @property
    def row(self) -> MessageRow:
        return self.message.row

    def is_forwarded(self, event: EventRow) -> bool:
        known = self.known.get(event.copy)
        return known is not None and is_forwarded(event, known.readers)

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
    def sealed(self) -> bool:
        return self.message.sealed

    @property
    def links(self) -> Sequence[LinkRow]:
        return self.message.links

    @property
    def shares(self) -> bool:
        """Whether all recipients share one copy."""
        return any(not copy.address for copy in self.message.copies)

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
        return facts.tracked and facts.sent_at is not None and not (facts.opens or facts.clicks or facts.replies)

    @property
    def says_why(self) -> bool:
        """Whether a recipient's own line says already why silence may mean nothing."""
        return any(each.silence for each in self.known.values())

    def changed(self, texts: Texts) -> str:
        """What we changed, in one line."""
        if self.row.unchanged:
            return texts.say("nothing")
        parts = []
        if self.links:
            of = texts.number(self.tracked_links)
            parts.append(
                texts.plural("%(part)s of %(number)s link", "%(part)s of %(number)s links", len(self.links), part=of)
            )
        if self.message.survey.pixel:
            parts.append(texts.say("one picture"))
        return ", ".join(parts) or texts.say("nothing")


def tell(around: Surroundings, user: UserId, number: int | None, where: Where, times: moments.Times) -> Story | None:
    """Read everything about one message; None when there is none of this user."""
    if number is None:
        return None
    if where.show not in KINDS:
        raise BadInput(later("no such kind of event: %(asked)s"), asked=repr(where.show))
    texts = times.texts
    with reading(around.engine) as connection:
        feed_at = feed.ends(connection)[1]
        message = views.message(connection, user, number, times.now)
        if message is None:
            return None
        who = next((copy for copy in message.copies if copy.id == where.who), None)
        only = None if who is None else CopyId(int(who.id, 16))
        events, machines = _events(connection, user, message.row, where, only)
        # What all share stands first: it is the one that shows something.
        copies = sorted(message.copies, key=lambda copy: copy.address != "")
        if where.people != "all":
            copies = copies[:PEOPLE_SHOWN]
        found = known(connection, user, message, copies, times.now)
        back = replies.of_message(connection, user, number) if not (where.show or where.events or where.who) else []
        said = corrections.list_for(connection, user, undone=True) if where.correction else []
        speaker = of_message(connection, user, MessageId(number))
        thread, thread_size = threads.size(connection, user, number)
    lines = history.between(_lines(events, message, where, texts), history.came_back(back, texts), texts)
    machine_lines = history.machine_lines(machines.items, message.copies, texts)
    if not any(line.has(where.open) for line in machine_lines[LINES_SHOWN:]):
        machine_lines = machine_lines[:LINES_SHOWN]
    opened = next((place for place, line in enumerate(lines) if line.has(where.open)), -1)
    asked = where.lines or where.events or where.show == "raw"
    whole = bool(asked) or len(lines) <= LINES_SHOWN or opened >= LINES_SHOWN
    signals = message.row.signals
    return Story(
        message=message,
        copies=copies,
        known=found,
        show=where.show,
        who=who,
        days=history.days(lines if whole else lines[:LINES_SHOWN], times),
        more=not whole,
        next=events.next if whole else None,
        machines=machine_lines,
        machine_kinds=_kinds(machines, texts),
        all_count=signals.opens + signals.clicks + message.row.facts.replies,
        among=history.sharing(message.copies),
        open=where.open if opened >= 0 or any(line.has(where.open) for line in machine_lines) else "",
        correction=next((each for each in said if str(each.id) == where.correction), None),
        credits=_credits(around, [*events.items, *machines.items]),
        feed_at=feed_at,
        speaker=speaker,
        thread=thread,
        thread_size=thread_size,
    )


def _events(
    connection: Connection, user: UserId, message: MessageRow, where: Where, only: CopyId | None
) -> tuple[Page[EventRow], Page[EventRow]]:
    """What people did, or all requests where these are asked for; and what machines did, apart."""
    number, raw = int(message.id, 16), where.show == "raw"
    events = judged.of_message(
        connection,
        user,
        number,
        kind=KINDS[where.show],
        copy=only,
        machine=None if raw else False,
        after=where.events or None,
        limit=EVENTS_SHOWN,
    )
    if raw or not message.signals.machine:
        return events, Page(items=())
    return events, judged.of_message(connection, user, number, copy=only, machine=True, limit=MACHINES_READ)


def _lines(events: Page[EventRow], message: MessageView, where: Where, texts: Texts) -> list[history.Line]:
    if where.show == "raw":
        return history.requests(events.items, message.copies, texts)
    lines = history.lines(events.items, message.copies, texts)
    if where.show == "opens":
        lines = [line for line in lines if line.event is not None and line.event.finding != Finding.DUPLICATE]
        if events.next is None and not where.events and not where.who:
            lines = sorted(
                [*lines, *history.proven(lines, message.copies, texts)], key=lambda line: line.at, reverse=True
            )
    if not where.show and not where.who and events.next is None:
        lines.append(history.departure(message, texts))
    return lines


def _credits(around: Surroundings, events: Sequence[EventRow]) -> Sequence[Credit]:
    """What the licences of the data want shown beside places."""
    if not any(event.place.state == PlaceState.KNOWN for event in events):
        return ()
    return credits_for(tuple(around.data_files()))


def _kinds(events: Page[EventRow], texts: Texts) -> str:
    """ "scanner 2, prefetched 1"."""
    counted = Counter(evidence.chip(each, texts).words for each in events.items).most_common()
    kinds = ", ".join(f"{kind} {texts.number(number)}" for kind, number in counted)
    if events.next is None:
        return kinds
    return texts.say("the newest %(number)s are %(kinds)s", number=texts.number(len(events.items)), kinds=kinds)


async def page(request: Request) -> Response:
    """`/message/{id}`: the screen."""
    where, times = Where.of(request), said(request)
    story = await run_in_threadpool(tell, surroundings(request), person(request).id, _number(request), where, times)
    if story is None:
        raise HTTPException(404, later("There is no such message of yours."))
    return render(request, "message.html", story=story, where=where, feed_at=story.feed_at)


async def correct(request: Request) -> Response:
    """`/event/{id}/correct`: remember what the sender says that an event was, and lead back to it."""
    around, user, form = surroundings(request), person(request).id, request.state.form
    number = _number(request)

    def work() -> tuple[EventRow | None, int]:
        with reading(around.engine) as connection:
            event = None if number is None else judged.one(connection, user, HitId(number))
        if event is None or number is None:
            return None, 0
        try:
            answer = Answer(form.get("answer", ""))
        except ValueError:
            raise BadInput(later("an event can be you, them or a machine")) from None
        return event, rejudge.correct(around.engine, user, HitId(number), answer, around.clock(), locate=around.locate)

    event, correction = await run_in_threadpool(work)
    if event is None:
        raise HTTPException(404, later("There is no such event of yours."))
    await until_judged(around, user)
    back = form.get("back", "") or f"/message/{event.message}"
    return RedirectResponse(back_to(back, open=event.id, correction=str(correction)), 303)


async def until_judged(around: Surroundings, user: UserId) -> None:
    """Wait a moment for what was just said, so that the next page can tell what it changed; a long history goes on
    alone."""

    def look() -> bool:
        with reading(around.engine) as connection:
            return any(each.finished_at is None for each in corrections.list_rejudgings(connection, user, limit=1))

    for _ in range(LOOKS):
        if not await run_in_threadpool(look):
            return
        await sleep(LOOK_EVERY_S)


def back_to(wanted: str, *, open: str = "", correction: str = "") -> str:
    """The page that a form stood in, with that event open."""
    path, _, query = local_path(wanted).partition("#")[0].partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name not in ("open", "correction")]
    kept += [(name, value) for name, value in (("open", open), ("correction", correction)) if value]
    return path + (f"?{urlencode(kept)}" if kept else "") + (f"#e{open}" if open else "")


async def letter_frame(request: Request) -> Response:
    """`/message/{id}/letter`: the letter as written, with what came of its links, for the sandboxed frame; loads
    nothing from outside."""
    raw = await _original(request)
    number = _number(request) or 0
    links = await asked(request, lambda connection: views.links_of(connection, person(request).id, number))
    return letter.response(await run_in_threadpool(letter.html, raw, said(request).texts, links))


async def original(request: Request) -> Response:
    """`/message/{id}/original.eml`: the bytes as submitted."""
    return letter.source(await _original(request), f"original-{request.path_params['id']}.eml")


async def copy_sent(request: Request) -> Response:
    """`/copy/{id}/sent.eml`: the bytes that went to one recipient, derived again."""
    around = surroundings(request)
    number = _number(request)

    def derive() -> bytes | None:
        with reading(around.engine) as connection:
            if number is None or views.owns_copy(connection, person(request).id, CopyId(number)) is None:
                return None
        return send.copy_of(around.engine, CopyId(number), keys=around.keys).raw

    raw = await run_in_threadpool(derive)
    if raw is None:
        raise HTTPException(404, later("There is no such copy of yours."))
    return letter.source(raw, f"sent-{request.path_params['id']}.eml")


async def _original(request: Request) -> bytes:
    number = _number(request)

    def look() -> bytes | None:
        with reading(surroundings(request).engine) as connection:
            return None if number is None else views.original(connection, person(request).id, number)

    raw = await run_in_threadpool(look)
    if raw is None:
        raise HTTPException(404, later("There is no such message of yours."))
    return raw


def _number(request: Request) -> int | None:
    return from_public_id(request.path_params["id"])


routes = [
    Route("/message/{id}", page),
    Route("/event/{id}/correct", correct, methods=["POST"]),
    Route("/message/{id}/letter", letter_frame),
    Route("/message/{id}/original.eml", original),
    Route("/copy/{id}/sent.eml", copy_sent),
]
