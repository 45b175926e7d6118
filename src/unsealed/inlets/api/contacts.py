"""Contacts and conversations, for programs: the same as the pages under /contacts and /thread.

    GET /api/v1/contacts            the last written to first; q, cursor, limit
    GET /api/v1/contacts/{address}  one, with what passed latest first; cursor, limit
    PUT /api/v1/contacts/{address}  {"notes": "...", "records": {"CRM": "https://..."}}; what is not named stays
    GET /api/v1/threads/{id}        a conversation, by the id of any of its messages

What cannot be kept is answered 422, by field in `error.fields`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from unsealed.core import records
from unsealed.core.hours import BestHours, best_hours
from unsealed.core.reliability import company_of, traits
from unsealed.flow.request import Faulty
from unsealed.inlets.api.door import Door, Question
from unsealed.inlets.api.messages import Message, shown
from unsealed.model import contact as model
from unsealed.model.texts import ENGLISH
from unsealed.model.view import ReplyRow, SignalFacts
from unsealed.store import contacts as book
from unsealed.store import dealings, habits, threads

BODY_BYTES_MAX = 256 * 1024


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    name: str
    messages: int  # letters to them
    first: datetime  # when the first and the last of these were accepted
    last: datetime


class Contacts(msgspec.Struct, frozen=True, kw_only=True):
    contacts: tuple[Contact, ...]
    next: str | None


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of letters that the traits rest on."""

    letters: int
    opened: int
    clicked: int
    prefetched: int
    scanned: int
    silent: int


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    begin: int  # UTC
    end: int
    inside: int
    readings: int


class Dealing(msgspec.Struct, frozen=True, kw_only=True):
    what: str  # sent, opened, clicked, replied, automatic, bounced
    at: datetime
    message: str
    subject: str
    event: str | None  # of an opening and a click
    confidence: float | None
    link_text: str | None


class WholeContact(Contact, frozen=True, kw_only=True):
    notes: str
    records: dict[str, str]
    traits: tuple[str, ...]  # core.reliability.Trait
    company_traits: tuple[str, ...]
    basis: Basis
    best_hours: Hours | None
    dealings: tuple[Dealing, ...]  # latest first
    next: str | None


class Came(msgspec.Struct, frozen=True, kw_only=True):
    message: str  # which it answers
    kind: str  # reply, automatic
    name: str
    address: str
    at: datetime


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # of its first message
    messages: tuple[Message, ...]  # latest first, each with its own counts
    answers: tuple[Came, ...]  # latest first


class Noted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    notes: str | None = None
    records: dict[str, str] | None = None


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [
        door.get("/api/v1/contacts", _contacts),
        door.get("/api/v1/contacts/{address:path}", _contact),
        door.change("PUT", "/api/v1/contacts/{address:path}", Noted, _note, bytes_max=BODY_BYTES_MAX),
        door.get("/api/v1/threads/{id}", _thread),
    ]


def _contacts(question: Question) -> Contacts:
    question.only("q", "cursor", "after", "limit")
    page = book.listed(
        question.connection, question.user, search=question.search, after=question.cursor, limit=question.limit
    )
    return Contacts(contacts=tuple(_head(row) for row in page.items), next=page.next)


def _contact(question: Question) -> WholeContact:
    question.only("cursor", "after", "limit")
    return _whole(question)


def _whole(question: Question) -> WholeContact:
    connection, user, found = question.connection, question.user, _find(question)
    mailbox, company = found.row.mailbox, company_of(found.row.mailbox)
    letters = dealings.letters(connection, user, mailbox)
    page = dealings.time_line(connection, user, letters, after=question.cursor, limit=question.limit)
    facts = habits.facts_of_mailboxes(connection, user, [mailbox], question.now)[mailbox]
    of_company = habits.facts_of_domains(connection, user, [company] if company else [], question.now)
    return WholeContact(
        **msgspec.structs.asdict(_head(found.row)),
        notes=found.notes,
        records=dict(found.records),
        traits=traits(facts),
        company_traits=traits(of_company[company]) if company else (),
        basis=_basis(facts),
        best_hours=_hours(best_hours(dealings.readings(connection, letters))),
        dealings=tuple(map(_dealing, page.items)),
        next=page.next,
    )


def _note(question: Question, said: Noted) -> WholeContact:
    notes, kept = _read(said)
    mailbox = _find(question).row.mailbox
    if notes is not None:
        book.note(question.connection, question.user, mailbox, notes)
    if kept is not None:
        book.record(question.connection, question.user, mailbox, kept)
    return _whole(question)


def _read(said: Noted) -> tuple[str | None, dict[str, str] | None]:
    """Notes and records as they are kept; None for what stays."""
    wrong = {}
    notes = None if said.notes is None else records.clean_notes(said.notes)
    if notes is not None and len(notes) > records.NOTES_LETTERS:
        wrong["notes"] = f"At most {records.NOTES_LETTERS:,} letters are kept."
    pairs = list((said.records or {}).items())
    kept, wrong_by = records.read(pairs, ENGLISH)
    wrong |= {f"records.{pairs[number][0]}": words for number, words in wrong_by.items()}
    if wrong:
        raise Faulty(wrong)
    return notes, None if said.records is None else kept


def _thread(question: Question) -> Thread:
    question.only()
    found = threads.thread(question.connection, question.user, question.message_id)
    if found is None:
        raise HTTPException(404)
    return Thread(
        id=found.id,
        messages=shown(question, found.messages),
        answers=tuple(_came(message, row) for message, row in found.answers),
    )


def _came(message: str, row: ReplyRow) -> Came:
    return Came(message=message, kind=row.kind, name=row.name, address=row.address, at=row.at)


def _find(question: Question) -> model.Contact:
    found = book.contact(question.connection, question.user, question.path["address"])
    if found is None:
        raise HTTPException(404)
    return found


def _head(row: model.ContactRow) -> Contact:
    return Contact(address=row.address, name=row.name, messages=row.messages, first=row.first_at, last=row.last_at)


def _basis(facts: SignalFacts) -> Basis:
    return Basis(
        letters=facts.copies,
        opened=facts.opened,
        clicked=facts.clicked,
        prefetched=facts.prefetched,
        scanned=max(facts.scanned_pixels, facts.scanned_links),
        silent=facts.silent,
    )


def _hours(found: BestHours | None) -> Hours | None:
    if found is None:
        return None
    return Hours(begin=found.begin_h, end=found.end_h, inside=found.inside, readings=found.readings)


def _dealing(each: model.Dealt) -> Dealing:
    event = each.event
    return Dealing(
        what=each.what,
        at=each.at,
        message=each.message,
        subject=each.subject,
        event=None if event is None else event.id,
        confidence=None if event is None else event.confidence,
        link_text=None if event is None or event.link is None else event.link_text,
    )
