"""Paste HTML, get tracked HTML: for letters that something else sends.

    GET  /paste         the form; ?m= a message that was made here, with the HTML of each recipient
    POST /paste         make it. Form: html, to, subject

The message and its copies are kept like any others, and count as sent at once: nothing is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.flow import request as asking
from unsealed.flow import send
from unsealed.inlets.form import LARGE_BYTES_MAX
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import asked, person, surroundings
from unsealed.model.errors import BadInput, sentence
from unsealed.model.message import CopyId, MessageId, from_public_id, public_id
from unsealed.model.texts import later
from unsealed.model.view import MessageView
from unsealed.store import messages, views
from unsealed.store.engine import reading

SHOWN = 50  # recipients; each is a whole letter on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The HTML for one recipient."""

    recipient: str  # name, or else address; "": whoever gets it
    html: str = field(repr=False)


async def page(request: Request) -> Response:
    """`/paste`."""
    written = request.query_params.get("m", "")
    if not written:
        return _form(request)
    number, user, around = from_public_id(written), person(request).id, surroundings(request)

    def look(connection: Connection) -> tuple[MessageView, list[Made]] | None:
        found = None if number is None else views.message(connection, user, number, around.clock())
        if found is None or found.sealed:
            return None
        copies = {CopyId(int(each.id, 16)): each for each in found.copies[:SHOWN]}
        derived = {each.copy: each for each in messages.derivations(connection, list(copies))}
        return found, [
            Made(
                recipient=each.name or each.address,
                html=asking.tracked_html(send.parcel_of(derived[copy], around.keys).raw),
            )
            for copy, each in copies.items()
            if copy in derived
        ]

    shown = await asked(request, look)
    if shown is None:
        raise HTTPException(404, later("There is no such letter."))
    message, made = shown
    return render(request, "paste_made.html", message=message, made=made, more=len(message.copies) - len(made))


async def make(request: Request) -> Response:
    """POST: track what was pasted."""
    form, user, around = request.state.form, person(request).id, surroundings(request)

    def work() -> MessageId:
        with reading(around.engine) as connection:
            at = replace(around.desk(connection, user), texts=language(request))
            outgoing = asking.paste(
                connection,
                user,
                html=form.get("html", ""),
                to=form.get("to", ""),
                subject=form.get("subject", ""),
                desk=at,
            )
        planned = send.plan(outgoing, tracking=at.tracking)
        with around.engine.begin() as connection:
            asking.keep_pasted(connection, planned, at.now)
        return planned.id

    try:
        made = await run_in_threadpool(work)
    except asking.Faulty as error:
        return _form(request, wrong=error.fields, typed=form, status=422)
    except BadInput as error:
        return _form(request, wrong={"html": sentence(error, language(request))}, typed=form, status=422)
    return RedirectResponse(f"/paste?m={public_id(made)}", 303)


def _form(
    request: Request,
    *,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    fields = {name: (typed or {}).get(name, "") for name in ("html", "to", "subject")}
    given = dict(wrong or {})
    for name in given.keys() - fields.keys():  # what no field stands for
        given["html"] = given.get("html") or given[name]
    return render(request, "paste.html", status=status, wrong=given, typed=fields, most_bytes=LARGE_BYTES_MAX)


routes = [Route("/paste", page, methods=["GET"]), Route("/paste", make, methods=["POST"])]
