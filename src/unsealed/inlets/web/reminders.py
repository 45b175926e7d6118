"""Reminders: set one, take it back, set it again.

POST /reminders             message, copy ("" for whichever recipient), unless, by (a day), back
POST /reminders/{id}/done   back
POST /reminders/{id}/undo   back
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.guard import local_path
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import said
from unsealed.inlets.web.surroundings import changed, person
from unsealed.inlets.web.where import with_done
from unsealed.model.message import UserId, from_public_id
from unsealed.model.reminder import LATEST, Unless
from unsealed.model.texts import later
from unsealed.store import reminders

AT = time(9)  # by the reader's clock: in time to write again that day


async def put(request: Request) -> Response:
    """POST: remind me."""
    form, user, times = request.state.form, person(request).id, said(request)
    message, copy = from_public_id(form.get("message", "")), from_public_id(form.get("copy", ""))
    unless = form.get("unless", "")
    due_at = _due(form.get("by", ""), times)
    if unless not in tuple(Unless) or due_at is None:
        raise HTTPException(400, later("Choose a day from tomorrow on, and what should have happened by then."))
    if message is None or (form.get("copy") and copy is None):
        raise HTTPException(404, later("There is no such message of yours."))
    kept = await changed(
        request, lambda store: reminders.put(store, user, message, copy, Unless(unless), due_at, times.now)
    )
    if kept is None:
        raise HTTPException(404, later("There is no such message of yours, or too many reminders wait already."))
    return RedirectResponse(local_path(form.get("back", "")), 303)


async def done(request: Request) -> Response:
    """POST: it is not needed, or was seen."""
    await _move(request, reminders.done)
    return RedirectResponse(with_done(request.state.form.get("back", ""), request.path_params["id"]), 303)


async def undo(request: Request) -> Response:
    """POST: it was not done."""
    await _move(request, reminders.undo)
    return RedirectResponse(local_path(request.state.form.get("back", "")), 303)


async def _move(request: Request, move: Callable[[Connection, UserId, int, datetime], bool]) -> None:
    user, number, now = person(request).id, from_public_id(request.path_params["id"]), said(request).now
    if number is None or not await changed(request, lambda store: move(store, user, number, now)):
        raise HTTPException(404, later("There is no such reminder of yours."))


def _due(written: str, times: Times) -> datetime | None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    today = times.local(times.now).date()
    if not today < day <= today + LATEST:
        return None
    return datetime.combine(day, AT, times.zone).astimezone(UTC)


routes = [
    Route("/reminders", put, methods=["POST"]),
    Route("/reminders/{id}/done", done, methods=["POST"]),
    Route("/reminders/{id}/undo", undo, methods=["POST"]),
]
