"""What happened over all messages, what was opened, and whom one might write again, as JSON.

GET /api/v1/activity         show, machine, cursor, limit
GET /api/v1/opened           list, cursor, limit
PUT /api/v1/follow-ups/{id}  {"done": true or false}; id: of a copy
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from unsealed.core.reading import copy_state
from unsealed.inlets import happenings
from unsealed.inlets.api.door import Door, Question
from unsealed.model import view
from unsealed.model.errors import BadInput
from unsealed.model.event import sure
from unsealed.model.message import CopyId, from_public_id
from unsealed.store import activity, follow_ups

BODY_BYTES_MAX = 1024
LISTS = ("opened", "silent", "keen", "done")


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    what: str  # open, click, reply, automatic, bounce, machine
    at: datetime
    message: str
    subject: str
    copy: str | None  # null: it cannot be told whose
    recipient: str | None  # null: a copy that all share
    name: str
    among: int  # how many share it
    nth: int  # of an open: which reading of this copy; 0: not counted
    loads: int  # requests in this reading, or of machines together
    until: datetime | None  # the last of them
    verdict: str  # of a request, see model.event.Finding; "" of others
    confidence: float | None
    confidence_word: str
    client: str
    device: str
    system: str
    network: str
    country: str
    link: str | None
    link_text: str | None
    words: str  # of a bounce: the answer of the next hop
    occasion: str  # of an open or a click: first, again, hot, revived; "" of others
    muted: str  # what silences it, "" when it rings


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    happenings: tuple[Happening, ...]
    hidden: int  # requests of machines in between that are not shown, up to 1,001
    next: str | None


class OpenedMessage(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    subject: str
    recipients: tuple[str, ...]  # the first three: name, or else address
    recipient_count: int
    at: datetime  # when it was submitted
    opens: int
    clicks: int
    first: datetime | None
    last: datetime | None
    client: str  # of the latest act of a person
    device: str
    system: str


class FollowUp(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    subject: str
    at: datetime
    copy: str
    recipient: str | None
    name: str
    state: str  # see model.message.CopyState
    opens: int
    clicks: int
    last: datetime | None
    unseen: tuple[str, ...]  # why nothing can be expected to be seen, see core.reliability.Trait


class Done(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    done: bool = True


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    messages: tuple[OpenedMessage, ...]  # of the list "opened"
    follow_ups: tuple[FollowUp, ...]  # of the others
    next: str | None


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [
        door.get("/api/v1/activity", _activity),
        door.get("/api/v1/opened", _opened),
        door.change("PUT", "/api/v1/follow-ups/{id}", Done, _put, bytes_max=BODY_BYTES_MAX),
    ]


def _activity(question: Question) -> Activity:
    question.only("show", "machine", "cursor", "after", "limit")
    machine = question.given.get("machine", "")
    if machine not in ("", "0", "1"):
        raise BadInput(f"machine is 1 or 0, not {machine[:40]!r}")
    found = happenings.happened(
        question.connection,
        question.user,
        show=question.given.get("show", ""),
        machine=machine == "1",
        after=question.cursor,
        limit=question.limit,
    )
    return Activity(happenings=tuple(map(_happening, found.items)), hidden=found.hidden, next=found.next)


def _opened(question: Question) -> Opened:
    question.only("list", "cursor", "after", "limit")
    connection, user, now = question.connection, question.user, question.now
    after, limit = question.cursor, question.limit
    match named := question.given.get("list", "opened"):
        case "opened":
            page = activity.opened(connection, user, after=after, limit=limit)
            return Opened(messages=tuple(map(_message, page.items)), follow_ups=(), next=page.next)
        case "silent":
            quiet = activity.silent(connection, user, now, after=after, limit=limit)
            why = happenings.invisible(connection, user, quiet, now)
            made = tuple(_follow_up(each, why.get(each.copy.id, ()), now) for each in quiet.items)
            return Opened(messages=(), follow_ups=made, next=quiet.next)
        case "keen":
            keen = activity.keen(connection, user, now, after=after, limit=limit)
            made = tuple(_follow_up(each, (), now) for each in keen.items)
            return Opened(messages=(), follow_ups=made, next=keen.next)
        case "done":
            over = activity.done(connection, user, now, after=after, limit=limit)
            made = tuple(_follow_up(each, (), now) for each in over.items)
            return Opened(messages=(), follow_ups=made, next=over.next)
    raise BadInput(f"list is one of {', '.join(LISTS)}, not {named[:40]!r}")


def _put(question: Question, said: Done) -> Done:
    question.only()
    connection, user, number = question.connection, question.user, from_public_id(question.path["id"])
    copy = CopyId(number or 0)
    if said.done:
        known = follow_ups.done(connection, user, copy, question.now)
    else:
        known = follow_ups.undo(connection, user, copy)
    if not known:
        raise HTTPException(404, "There is no such recipient of yours.")
    return said


def _happening(it: view.Happening) -> Happening:
    event = it.event
    return Happening(
        id=it.id,
        what=it.what,
        at=it.at,
        message=it.message,
        subject=it.subject,
        copy=it.copy,
        recipient=it.recipient or None,
        name=it.name,
        among=it.among,
        nth=it.nth,
        loads=it.loads,
        until=it.until,
        verdict=event.finding if event else "",
        confidence=event.confidence if event else None,
        confidence_word=sure(event.confidence) if event else "",
        client=event.client if event else "",
        device=event.device if event else "",
        system=event.system if event else "",
        network=event.network if event else "",
        country=event.place.country if event else "",
        link=event.destination if event and event.link is not None else None,
        link_text=event.link_text if event and event.link is not None else None,
        words=it.words,
        occasion=it.occasion,
        muted=it.why_muted,
    )


def _message(it: view.OpenedRow) -> OpenedMessage:
    row, last = it.message, it.last
    return OpenedMessage(
        id=row.id,
        subject=row.subject,
        recipients=row.recipients,
        recipient_count=row.recipient_count,
        at=row.at,
        opens=row.signals.opens,
        clicks=row.signals.clicks,
        first=row.signals.first_at,
        last=row.signals.last_at,
        client=last.client if last else "",
        device=last.device if last else "",
        system=last.system if last else "",
    )


def _follow_up(it: view.FollowUp, why: tuple[str, ...], now: datetime) -> FollowUp:
    copy = it.copy
    return FollowUp(
        message=it.message,
        subject=it.subject,
        at=it.at,
        copy=copy.id,
        recipient=copy.address or None,
        name=copy.name,
        state=copy_state(copy.facts, now),
        opens=copy.signals.opens,
        clicks=copy.signals.clicks,
        last=copy.signals.last_at,
        unseen=tuple(why),
    )
