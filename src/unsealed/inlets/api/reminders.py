"""Reminders, for programs: the same as those that the pages set.

    GET    /api/v1/reminders        those that are due or wait, the first due first
    POST   /api/v1/reminders        {"message", "copy", "unless": "opened" or "answered", "due"}; 201 and its id
    DELETE /api/v1/reminders/{id}   it is not needed, or was seen

A time that cannot be kept is answered 422, in `error.fields`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from unsealed.flow.request import Faulty
from unsealed.inlets.api.door import Door, Question
from unsealed.model import reminder as model
from unsealed.model.message import from_public_id, public_id
from unsealed.model.reminder import Unless
from unsealed.store import reminders

BODY_BYTES_MAX = 4 * 1024


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    message: str
    subject: str
    copy: str | None  # null: whichever recipient
    name: str  # of the recipient, or else address; "" of whichever
    unless: str  # opened, answered
    due: datetime
    state: str  # waiting, due
    happened: bool  # what it waits for has happened meanwhile


class Reminders(msgspec.Struct, frozen=True, kw_only=True):
    reminders: tuple[Reminder, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message: str
    copy: str | None = None  # null: whichever recipient; of a letter to one person, that person
    unless: Unless
    due: Annotated[datetime, msgspec.Meta(tz=True)]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    id: str


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    path = "/api/v1/reminders"
    return [
        door.get(path, _listed),
        door.change("POST", path, Wanted, _put, bytes_max=BODY_BYTES_MAX, status=HTTPStatus.CREATED),
        door.delete(f"{path}/{{id}}", _done),
    ]


def _listed(question: Question) -> Reminders:
    question.only()
    return Reminders(reminders=tuple(map(_reminder, reminders.listed(question.connection, question.user))))


def _put(question: Question, said: Wanted) -> Kept:
    question.only()
    if not question.now < said.due <= question.now + model.LATEST:
        raise Faulty({"due": f"A time to come, at most {model.LATEST.days} days from now."})
    message, copy = from_public_id(said.message), None if said.copy is None else from_public_id(said.copy)
    if message is None or (said.copy is not None and copy is None):
        raise HTTPException(404, "There is no such message of yours.")
    due_at = said.due.astimezone(UTC)
    kept = reminders.put(question.connection, question.user, message, copy, said.unless, due_at, question.now)
    if kept is None:
        raise HTTPException(404, "There is no such message of yours, or too many reminders wait already.")
    return Kept(id=public_id(kept))


def _done(question: Question) -> None:
    question.only()
    number = from_public_id(question.path["id"])
    if number is None or not reminders.done(question.connection, question.user, number, question.now):
        raise HTTPException(404, "There is no such reminder of yours.")


def _reminder(row: model.Reminder) -> Reminder:
    return Reminder(
        id=public_id(row.id),
        message=row.message.id,
        subject=row.message.subject,
        copy=row.copy or None,
        name=row.who,
        unless=row.unless,
        due=row.due_at,
        state=row.state,
        happened=row.happened,
    )
