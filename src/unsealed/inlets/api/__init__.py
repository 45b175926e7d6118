"""The JSON API: what pages show, for programs.

Promises that an answer holds messages of the token's user alone; an id of somebody else is as unknown as one that
never was. Times are UTC in ISO 8601 and end with Z, ids are 16 hex digits, the same as in the answer to SMTP. Fields
are only ever added. Errors are `{"error": {"status", "message", "number"}}`; `inlets.web.trouble` writes them.

    GET /api/v1/messages              newest first; cursor, limit
    POST /api/v1/messages             send a letter; see api.sending
    GET /api/v1/messages/{id}         one message with its recipients and links
    GET /api/v1/messages/{id}/events  latest first; kind, cursor, limit
    GET /api/v1/activity, /opened     what happened over all messages; see api.activity
    GET /api/v1/threads/{id}          a conversation, by any of its messages
    GET /api/v1/contacts, GET, PUT /api/v1/contacts/{address}    see api.contacts
    GET, PUT /api/v1/tracking         what is tracked; see api.tracking
    GET /api/v1/reports               figures of a period; see api.reports
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import msgspec
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from unsealed.core.reading import copy_state
from unsealed.flow import send
from unsealed.flow.compose import Desk
from unsealed.flow.request import read as read_request
from unsealed.inlets.api import activity, contacts, reports, sending, templates, tracking
from unsealed.inlets.auth import bearer
from unsealed.inlets.copies import Known, is_forwarded, known, readers_of, sure
from unsealed.inlets.report import NAMES
from unsealed.model.errors import AboveCeiling, BadInput
from unsealed.model.event import HitKind
from unsealed.model.message import MessageId, UserId, from_public_id, public_id
from unsealed.model.ports import Clock
from unsealed.model.view import CopyRow, EventRow, LinkRow, MessageRow, MessageView
from unsealed.store import views
from unsealed.store.engine import reading
from unsealed.store.keyset import PAGE_LIMIT
from unsealed.store.schema import users

LIMIT = 50
LIMIT_MAX = PAGE_LIMIT
SEARCH_LETTERS = 200

# ------------------------------------------------------------------------------------------------------- answers


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is sent as a JSON object."""


class Message(Answer, frozen=True, kw_only=True):
    id: str  # the queue id of the final SMTP 250
    subject: str
    at: datetime  # when it was submitted
    recipients: tuple[str, ...]  # the first three: name, or else address
    recipient_count: int
    tag: str
    state: str  # the furthest that any recipient got, see model.message.CopyState
    opens: int  # readings by people, summed over the recipients
    raw: int  # requests recorded
    clicks: int  # clicks by people
    machine: int  # requests by machines
    confidence: float | None  # best of the counted events, 0 to 1
    first: datetime | None  # first and last signal of a person
    last: datetime | None
    replies: int  # answers by people, as found in the sender's mailbox


class Messages(Answer, frozen=True, kw_only=True):
    messages: tuple[Message, ...]
    next: str | None  # give it back as `cursor` for the older ones


class Copy(Answer, frozen=True, kw_only=True):
    id: str
    recipient: str | None  # null: one shared copy, it cannot be told who
    name: str
    kind: str  # to, cc, bcc
    state: str
    delivery: str
    attempts: int
    reply: str  # last answer of the next hop
    next_try: datetime | None
    tracked: bool
    opens: int
    raw: int
    clicks: int
    machine: int
    confidence: float | None
    first: datetime | None
    last: datetime | None
    replies: int  # answers by people
    replied: datetime | None  # the first of them
    certain: bool  # a person answered or followed a link: read, whatever was loaded
    devices: int  # on how many it was read, as far as they can be told
    why: tuple[str, ...]  # of no signal: why it may be so, see core.reading.Silence
    traits: tuple[str, ...]  # how signals of this recipient behave, see core.reliability.Trait
    company_traits: tuple[str, ...]  # the same of all recipients of the company
    opens_level: str  # of this copy, at most: the message's may be lower
    clicks_level: str


class Follower(Answer, frozen=True, kw_only=True):
    name: str  # or else address; "" when it cannot be told
    clicks: int
    first: datetime | None
    last: datetime | None


class Link(Answer, frozen=True, kw_only=True):
    position: int
    url: str
    text: str
    part: str  # html, text
    tracked: bool
    reason: str  # why it was left alone, "" when tracked
    clicks: int
    machine: int
    first: datetime | None
    last: datetime | None
    by: tuple[Follower, ...]  # up to three, latest first
    by_count: int  # how many followed it


class Tracking(Answer, frozen=True, kw_only=True):
    opens: str  # off, anonymous, pseudonymous, identified, full
    clicks: str
    pixel: str  # where it stands, "" when there is none
    unchanged: str  # reason code when the message went out as it came


class WholeMessage(Message, frozen=True, kw_only=True):
    sender: str = msgspec.field(name="from")
    message_id: str
    size: int
    metadata: dict[str, str]
    notes: tuple[str, ...]
    tracking: Tracking
    copies: tuple[Copy, ...]
    links: tuple[Link, ...]


class Reason(Answer, frozen=True, kw_only=True):
    code: str
    words: str


class Place(Answer, frozen=True, kw_only=True):
    state: str  # known, proxy, unknown
    country: str  # ISO 3166-1 alpha-2; "" unless known
    region: str
    city: str


class Event(Answer, frozen=True, kw_only=True):
    id: str
    at: datetime
    kind: str  # open, click
    verdict: str  # see model.event.Finding
    counted: bool  # whether it counts as the act of a person
    confidence: float
    confidence_word: str  # certain, likely, maybe
    corrected: bool  # you said what it was
    forwarded: bool  # perhaps: another device in another place than before
    reasons: tuple[Reason, ...]  # the first one decided
    rules: str
    client: str
    client_kind: str
    device: str
    system: str
    network: str
    operator: str
    place: Place
    link: str | None  # where the link leads; null for an open
    link_text: str | None
    copy: str
    recipient: str | None
    name: str


class Events(Answer, frozen=True, kw_only=True):
    events: tuple[Event, ...]
    next: str | None


class Thread(Answer, frozen=True, kw_only=True):
    id: str  # of its first message
    messages: tuple[Message, ...]  # latest first, each with its own counts
    answers: tuple[contacts.Came, ...]  # latest first


# --------------------------------------------------------------------------------------------------------- routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One authenticated request."""

    connection: Connection
    user: UserId
    now: datetime
    given: QueryParams
    path: dict[str, str]


def routes(*, engine: Engine, clock: Clock, desk: Callable[[Connection, UserId], Desk]) -> list[Route]:
    """The routes of the API, and `/healthz`. desk: where letters of a user are made."""

    async def who(request: Request) -> UserId:
        user = await bearer(request, engine, clock)
        if user is None:
            raise HTTPException(
                401,
                "An API token is needed: the header `Authorization: Bearer unsealed_...`. Settings makes one, and "
                "so does `unsealed api-token EMAIL`.",
                headers={"WWW-Authenticate": 'Bearer realm="unsealed"'},
            )
        return user

    async def change_tracking(request: Request) -> Response:
        user = await who(request)
        said = tracking.read(await _body(request, tracking.BODY_BYTES_MAX))

        def work() -> bytes:
            with engine.begin() as connection:
                switches = desk(connection, user).switches
                tracking.change(connection, user, said, switches, clock())
                return msgspec.json.encode(tracking.show(connection, user, switches))

        return await changed(work)

    async def changed(work: Callable[[], bytes], status: int = HTTPStatus.OK) -> Response:
        try:
            return Response(await run_in_threadpool(work), status, media_type="application/json")
        except AboveCeiling as error:
            words = str(error)
            raise HTTPException(422, words[:1].upper() + words[1:] + ".") from None

    async def make_template(request: Request) -> Response:
        user, body = await who(request), await _body(request, templates.BODY_BYTES_MAX)

        def work() -> bytes:
            said = templates.read(body)
            with engine.begin() as connection:
                switches = desk(connection, user).switches
                return msgspec.json.encode(templates.create(connection, user, said, switches, clock()))

        return await changed(work, HTTPStatus.CREATED)

    async def change_template(request: Request) -> Response:
        user, body = await who(request), await _body(request, templates.BODY_BYTES_MAX)

        def work() -> bytes:
            said = templates.read(body)
            with engine.begin() as connection:
                switches, id = desk(connection, user).switches, request.path_params["id"]
                return msgspec.json.encode(templates.change(connection, user, id, said, switches, clock()))

        return await changed(work)

    async def remove_template(request: Request) -> Response:
        user = await who(request)

        def work() -> None:
            with engine.begin() as connection:
                templates.remove(connection, user, request.path_params["id"], clock())

        await run_in_threadpool(work)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def note_contact(request: Request) -> Response:
        user, body = await who(request), await _body(request, contacts.BODY_BYTES_MAX)
        address = request.path_params["address"]

        def work() -> bytes:
            said = contacts.read(body)
            with engine.begin() as connection:
                contacts.keep(connection, user, address, said)
                return msgspec.json.encode(contacts.show(connection, user, address, clock()))

        return await changed(work)

    async def send_letter(request: Request) -> Response:
        user = await who(request)
        body = await _body(request, sending.BODY_BYTES_MAX)

        def work() -> bytes:
            wanted = sending.read(body)
            with reading(engine) as connection:
                at = desk(connection, user)
                outgoing = read_request(connection, user, wanted, at)
            planned = send.plan(outgoing, tracking=at.tracking)
            with engine.begin() as connection:
                accepted = send.write(connection, planned, at.now)
            return msgspec.json.encode(sending.Accepted(id=public_id(accepted)))

        return Response(await run_in_threadpool(work), HTTPStatus.ACCEPTED, media_type="application/json")

    def route(path: str, answer: Callable[[Question], msgspec.Struct]) -> Route:
        async def endpoint(request: Request) -> Response:
            user = await who(request)

            def work() -> bytes:
                with reading(engine) as connection:
                    question = Question(
                        connection=connection,
                        user=user,
                        now=clock(),
                        given=request.query_params,
                        path=request.path_params,
                    )
                    return msgspec.json.encode(answer(question))

            return Response(await run_in_threadpool(work), media_type="application/json")

        return Route(path, endpoint, methods=["GET"])

    async def healthz(_: Request) -> Response:
        def ask() -> None:
            with reading(engine) as connection:
                connection.execute(select(users.c.id).limit(1)).first()

        try:
            await run_in_threadpool(ask)
        except SQLAlchemyError:
            return JSONResponse({"status": "store not reachable"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        route("/api/v1/messages", messages),
        Route("/api/v1/messages", send_letter, methods=["POST"]),
        route("/api/v1/messages/{id}", message),
        route("/api/v1/messages/{id}/events", events),
        route("/api/v1/activity", happened),
        route("/api/v1/opened", opened),
        route("/api/v1/threads/{id}", thread),
        route("/api/v1/contacts", all_contacts),
        route("/api/v1/contacts/{address:path}", contact),
        Route("/api/v1/contacts/{address:path}", note_contact, methods=["PUT"]),
        route(
            "/api/v1/tracking",
            lambda asked: tracking.show(asked.connection, asked.user, desk(asked.connection, asked.user).switches),
        ),
        Route("/api/v1/tracking", change_tracking, methods=["PUT"]),
        route("/api/v1/reports", report),
        route("/api/v1/templates", all_templates),
        Route("/api/v1/templates", make_template, methods=["POST"]),
        route("/api/v1/templates/{id}", template),
        Route("/api/v1/templates/{id}", change_template, methods=["PUT"]),
        Route("/api/v1/templates/{id}", remove_template, methods=["DELETE"]),
        route("/api/v1/templates/{id}/versions", template_versions),
    ]


async def _body(request: Request, limit_bytes: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit_bytes:
            break  # what is there is too long, and is said so
    return bytes(body)


def messages(question: Question) -> Messages:
    _only(question.given, "cursor", "after", "limit")
    page = views.sent(
        question.connection,
        question.user,
        sort="sent",
        after=_cursor(question.given),
        limit=_limit(question.given),
        now=question.now,
    )
    return Messages(messages=tuple(_message(row, question.now) for row in page.items), next=page.next)


def message(question: Question) -> WholeMessage:
    _only(question.given)
    found = views.message(question.connection, question.user, _id(question.path["id"]), question.now)
    if found is None:
        raise HTTPException(404)
    of_copies = known(question.connection, question.user, found, found.copies, question.now)
    return _whole(found, of_copies, question.now)


def events(question: Question) -> Events:
    _only(question.given, "kind", "cursor", "after", "limit")
    kind = question.given.get("kind")
    if kind is not None and kind not in set(HitKind):
        raise BadInput(f"kind is open or click, not {kind[:40]!r}")
    number = _id(question.path["id"])
    if not views.rows(question.connection, question.user, [number]):
        raise HTTPException(404)
    page = views.events(
        question.connection,
        question.user,
        number,
        kind=None if kind is None else HitKind(kind),
        after=_cursor(question.given),
        limit=_limit(question.given),
    )
    of_copies = readers_of(question.connection, number)
    made = tuple(_event(row, is_forwarded(row, of_copies.get(row.copy, ()))) for row in page.items)
    return Events(events=made, next=page.next)


def happened(question: Question) -> activity.Activity:
    _only(question.given, "show", "machine", "cursor", "after", "limit")
    return activity.show_activity(
        question.connection,
        question.user,
        show=question.given.get("show", ""),
        machine=question.given.get("machine", ""),
        after=_cursor(question.given),
        limit=_limit(question.given),
    )


def opened(question: Question) -> activity.Opened:
    _only(question.given, "list", "cursor", "after", "limit")
    return activity.show_opened(
        question.connection,
        question.user,
        question.now,
        list_=question.given.get("list", "opened"),
        after=_cursor(question.given),
        limit=_limit(question.given),
    )


def thread(question: Question) -> Thread:
    _only(question.given)
    found = contacts.thread(question.connection, question.user, _id(question.path["id"]))
    return Thread(
        id=found.id,
        messages=tuple(_message(row, question.now) for row in found.messages),
        answers=tuple(contacts.came(message, row) for message, row in found.answers),
    )


def all_contacts(question: Question) -> contacts.Contacts:
    _only(question.given, "q", "cursor", "after", "limit")
    search = question.given.get("q", "")[:SEARCH_LETTERS]
    return contacts.show_all(
        question.connection, question.user, search, _cursor(question.given), _limit(question.given)
    )


def contact(question: Question) -> contacts.WholeContact:
    _only(question.given, "cursor", "after", "limit")
    return contacts.show(
        question.connection,
        question.user,
        question.path["address"],
        question.now,
        after=_cursor(question.given),
        limit=_limit(question.given),
    )


def report(question: Question) -> reports.Figures:
    _only(question.given, *NAMES)
    return reports.show(question.connection, question.user, dict(question.given), question.now)


def all_templates(question: Question) -> templates.Templates:
    _only(question.given)
    return templates.show_all(question.connection, question.user)


def template(question: Question) -> templates.WholeTemplate:
    _only(question.given, "version")
    found = templates.find(question.connection, question.user, question.path["id"])
    return templates.show(question.connection, question.user, found, question.given.get("version", ""))


def template_versions(question: Question) -> templates.Versions:
    _only(question.given)
    found = templates.find(question.connection, question.user, question.path["id"])
    return templates.show_versions(question.connection, question.user, found)


# ----------------------------------------------------------------------------------------------- what was asked


def _id(written: str) -> MessageId:
    number = from_public_id(written)
    if number is None:
        raise HTTPException(404)
    return MessageId(number)


def _only(given: QueryParams, *known: str) -> None:
    # A misspelt parameter that is passed over in silence gives a wrong answer that looks right.
    unknown = sorted(set(given) - set(known))
    if unknown:
        says = f"known here: {', '.join(known)}" if known else "none is known here"
        raise BadInput(f"unknown parameter {unknown[0][:40]!r}; {says}")


def _cursor(given: QueryParams) -> str | None:
    return given.get("cursor") or given.get("after") or None


def _limit(given: QueryParams) -> int:
    said = given.get("limit", str(LIMIT))
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= 4 else 0
    if not 1 <= number <= LIMIT_MAX:
        raise BadInput(f"limit is a number from 1 to {LIMIT_MAX}, not {said[:40]!r}")
    return number


# --------------------------------------------------------------------------------------- shapes of the view as JSON


def _message(row: MessageRow, now: datetime) -> Message:
    return Message(
        id=row.id,
        subject=row.subject,
        at=row.at,
        recipients=row.recipients,
        recipient_count=row.recipient_count,
        tag=row.tag,
        state=copy_state(row.facts, now),
        opens=row.signals.opens,
        raw=row.signals.raw,
        clicks=row.signals.clicks,
        machine=row.signals.machine,
        confidence=row.signals.confidence,
        first=row.signals.first_at,
        last=row.signals.last_at,
        replies=row.facts.replies,
    )


def _whole(view: MessageView, of_copies: dict[str, Known], now: datetime) -> WholeMessage:
    return WholeMessage(
        **msgspec.structs.asdict(_message(view.row, now)),
        sender=view.envelope_from,
        message_id=view.message_id,
        size=view.size,
        metadata=dict(view.metadata),
        notes=view.notes,
        tracking=Tracking(
            opens=view.opens_level.name.lower(),
            clicks=view.clicks_level.name.lower(),
            pixel=view.survey.pixel,
            unchanged=view.row.unchanged,
        ),
        copies=tuple(_copy(copy, of_copies[copy.id], now) for copy in view.copies),
        links=tuple(map(_link, view.links)),
    )


def _copy(row: CopyRow, of_copy: Known, now: datetime) -> Copy:
    return Copy(
        id=row.id,
        recipient=row.address or None,
        name=row.name,
        kind=row.kind,
        state=copy_state(row.facts, now),
        delivery=row.facts.delivery,
        attempts=row.attempts,
        reply=row.reply,
        next_try=row.next_at,
        tracked=row.facts.tracked,
        opens=row.signals.opens,
        raw=row.signals.raw,
        clicks=row.signals.clicks,
        machine=row.signals.machine,
        confidence=row.signals.confidence,
        first=row.signals.first_at,
        last=row.signals.last_at,
        replies=row.facts.replies,
        replied=row.replied_at,
        certain=of_copy.certain,
        devices=of_copy.devices,
        why=of_copy.silence,
        traits=of_copy.traits,
        company_traits=of_copy.company,
        opens_level=row.opens_level.name.lower(),
        clicks_level=row.clicks_level.name.lower(),
    )


def _link(row: LinkRow) -> Link:
    return Link(
        position=row.link.position,
        url=row.link.destination,
        text=row.link.text,
        part=row.link.part,
        tracked=row.link.tracked,
        reason=row.link.reason,
        clicks=row.people,
        machine=row.machine,
        first=row.first_at,
        last=row.last_at,
        by=tuple(
            Follower(name=each.name, clicks=each.clicks, first=each.first_at, last=each.last_at) for each in row.by
        ),
        by_count=row.by_count,
    )


def _event(row: EventRow, forwarded: bool) -> Event:
    return Event(
        id=row.id,
        at=row.at,
        kind=row.kind,
        verdict=row.finding,
        counted=row.finding.counted,
        confidence=row.confidence,
        confidence_word=sure(row.confidence),
        corrected=row.corrected,
        forwarded=forwarded,
        reasons=tuple(Reason(code=each.code, words=each.words) for each in row.reasons),
        rules=row.rules,
        client=row.client,
        client_kind=row.client_kind,
        device=row.device,
        system=row.system,
        network=row.network,
        operator=row.operator,
        place=Place(state=row.place.state, country=row.place.country, region=row.place.region, city=row.place.city),
        link=row.destination if row.link is not None else None,
        link_text=row.link_text if row.link is not None else None,
        copy=row.copy,
        recipient=row.recipient or None,
        name=row.name,
    )
