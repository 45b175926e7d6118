"""Messages with their recipients and links, and the events of one, as JSON.

GET /api/v1/messages              newest first; q, state, tag, template, sort, cursor, limit
GET /api/v1/messages/{id}         one message with its recipients and links
GET /api/v1/messages/{id}/events  latest first; kind, cursor, limit
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from unsealed.core.reading import copy_state
from unsealed.inlets.api.door import Door, Question
from unsealed.inlets.copies import Known, is_forwarded, known, readers_of
from unsealed.inlets.speakers import speakers
from unsealed.model.errors import BadInput
from unsealed.model.event import HitKind, sure
from unsealed.model.message import from_public_id
from unsealed.model.notice import Why
from unsealed.model.template import TemplateId
from unsealed.model.view import CopyRow, EventRow, LinkRow, MessageRow, MessageView
from unsealed.store import judged, sent, views


class LastClick(msgspec.Struct, frozen=True, kw_only=True):
    text: str  # of the link, or its address
    at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
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
    waiting: int  # copies that the next hop has not taken yet
    bounced: int
    last_click: LastClick | None  # the newest by a person
    muted: str  # what silences it, see model.notice.Why; "": it rings


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    messages: tuple[Message, ...]
    next: str | None  # give it back as `cursor` for the older ones


class Copy(msgspec.Struct, frozen=True, kw_only=True):
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


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    name: str  # or else address; "" when it cannot be told
    clicks: int
    first: datetime | None
    last: datetime | None


class Link(msgspec.Struct, frozen=True, kw_only=True):
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


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
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


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    words: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    state: str  # known, proxy, unknown
    country: str  # ISO 3166-1 alpha-2; "" unless known
    region: str
    city: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
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


class Events(msgspec.Struct, frozen=True, kw_only=True):
    events: tuple[Event, ...]
    next: str | None


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [
        door.get("/api/v1/messages", _messages),
        door.get("/api/v1/messages/{id}", _message),
        door.get("/api/v1/messages/{id}/events", _events),
    ]


def _messages(question: Question) -> Messages:
    question.only("q", "state", "tag", "template", "sort", "cursor", "after", "limit")
    page = sent.listed(
        question.connection,
        question.user,
        sort=question.given.get("sort", "sent"),
        search=question.search,
        state=question.given.get("state", ""),
        tag=question.given.get("tag", ""),
        template=_template(question.given.get("template", "")),
        after=question.cursor,
        limit=question.limit,
        now=question.now,
    )
    return Messages(messages=shown(question, page.items), next=page.next)


def _template(written: str) -> TemplateId | None:
    number = from_public_id(written)
    if written and number is None:
        raise HTTPException(404, "There is no such template.")
    return None if number is None else TemplateId(number)


def _message(question: Question) -> WholeMessage:
    question.only()
    found = views.message(question.connection, question.user, question.message_id, question.now)
    if found is None:
        raise HTTPException(404)
    of_copies = known(question.connection, question.user, found, found.copies, question.now)
    [it] = shown(question, [found.row])
    return _whole(found, it, of_copies, question.now)


def _events(question: Question) -> Events:
    question.only("kind", "cursor", "after", "limit")
    kind = question.given.get("kind")
    if kind is not None and kind not in set(HitKind):
        raise BadInput(f"kind is open or click, not {kind[:40]!r}")
    number = question.message_id
    if not views.rows(question.connection, question.user, [number]):
        raise HTTPException(404)
    page = judged.of_message(
        question.connection,
        question.user,
        number,
        kind=None if kind is None else HitKind(kind),
        after=question.cursor,
        limit=question.limit,
    )
    of_copies = readers_of(question.connection, number)
    made = tuple(_event(row, is_forwarded(row, of_copies.get(row.copy, ()))) for row in page.items)
    return Events(events=made, next=page.next)


def shown(question: Question, rows: Sequence[MessageRow]) -> tuple[Message, ...]:
    """Messages in a list."""
    speaking = speakers(question.connection, question.user, [row.id for row in rows])
    return tuple(_message_of(row, speaking[row.id].why, question.now) for row in rows)


def _message_of(row: MessageRow, why: Why | None, now: datetime) -> Message:
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
        waiting=row.waiting,
        bounced=row.bounced,
        last_click=LastClick(text=row.last_click.text, at=row.last_click.at) if row.last_click else None,
        muted=why or "",
    )


def _whole(view: MessageView, it: Message, of_copies: dict[str, Known], now: datetime) -> WholeMessage:
    return WholeMessage(
        **{name: getattr(it, name) for name in it.__struct_fields__},
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
