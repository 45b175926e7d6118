"""What people and programs read when something cannot be done: what happened, what to do, a number to quote.

The number stands in the log beside the details, which nobody outside gets to see.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unsealed.flow.request import Faulty
from unsealed.inlets.guard import secure
from unsealed.inlets.web import stored
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import surroundings
from unsealed.model.errors import BadInput, Refused, Unavailable, UnsealedError, sentence
from unsealed.model.texts import later

log = structlog.get_logger(__name__)

TITLES = {
    400: later("This request cannot be used"),
    401: later("You are signed out"),
    403: later("This is not allowed"),
    404: later("There is nothing here"),
    405: later("This address does not do that"),
    413: later("This is too large"),
    429: later("Too many tries"),
    500: later("Something went wrong on our side"),
    503: later("The store is busy"),
}
WORDS = {
    400: later("Go back, check what was entered and try again."),
    401: later("Sign in, then try again."),
    403: later("Nothing was done."),
    404: later("The address is wrong, or what stood here is gone or belongs to somebody else."),
    405: later("Go back and use the buttons of the page."),
    500: later(
        "Nothing that was acknowledged is lost. Mail on its way and links in sent mail are not affected. "
        "Try again; if it stays, the log has the details."
    ),
    503: later("Try again in a minute. Mail on its way and links in sent mail are not affected."),
}
PROGRAM_WORDS = {
    404: "Nothing with this address is yours. Addresses and ids are described in the API reference.",
    405: "This address does not answer that method.",
}


def refuse(
    request: Request, status: int, words: str = "", *, fields: Mapping[str, str] | None = None, **details: object
) -> Response:
    """The answer that says why not: a page, or JSON for programs. words: in English, marked for the catalogue where
    people read them. fields: what is wrong with each, for programs. details: for the log alone."""
    number = secrets.token_hex(4)
    path = request.scope["path"]
    # The first part of the path only: the second may be a secret (/welcome/...).
    area = "/" + path.lstrip("/").partition("/")[0][:40]
    log.log(
        logging.ERROR if status >= 500 else logging.INFO,
        "request.refused",
        number=number,
        status=status,
        method=request.method,
        area=area,
        **details,
    )
    if path.startswith("/api/"):
        said = words or PROGRAM_WORDS.get(status) or WORDS.get(status) or HTTPStatus(status).phrase
        error = {"status": status, "message": said, "number": number}
        return JSONResponse({"error": error if fields is None else {**error, "fields": dict(fields)}}, status)
    texts = language(request)
    if asks_for_json(request):
        said = stored.reread(words or WORDS.get(status) or HTTPStatus(status).phrase, texts)
        return JSONResponse({"error": said, "number": number}, status)
    title = texts.say(TITLES[status]) if status in TITLES else HTTPStatus(status).phrase
    return render(
        request,
        "trouble.html",
        status=status,
        code=status,
        title=title,
        words=stored.reread(words or WORDS.get(status, ""), texts),
        number=number,
        framed=_framed(request, status),
    )


def _framed(request: Request, status: int) -> bool:
    """Whether the rail stands beside it: for who is signed in, outside of the small window of a letter. Never where the
    trouble is ours: the frame may be what is broken, and its live stream would ask a store that is away."""
    signed_in = getattr(request.state, "person", None) is not None
    return signed_in and status < 500 and request.headers.get("sec-fetch-dest") != "iframe"


def asks_for_json(request: Request) -> bool:
    """Whether a script of our pages asks, and not a person's click."""
    return "x-csrf-token" in request.headers or request.headers.get("accept", "").startswith("application/json")


async def _http(request: Request, error: HTTPException) -> Response:
    own_words = "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    response = refuse(request, error.status_code, own_words)
    response.headers.update(error.headers or {})
    return response


async def _ours(request: Request, error: UnsealedError) -> Response:
    match error:
        case Faulty():
            return refuse(request, 422, str(error), fields=error.fields)
        case BadInput():
            status = 400
        case Refused():
            status = 403
        case Unavailable():
            status = 503
        case _:
            return await _unknown(request, error)
    program = request.scope["path"].startswith("/api/")
    return refuse(request, status, sentence(error) if program else sentence(error, language(request)))


async def _store_away(request: Request, error: Exception) -> Response:
    return refuse(request, 503, error=type(error).__name__)


async def _unknown(request: Request, error: Exception) -> Response:
    # Lines of code, never values: an error must not carry a password into the log.
    lines = [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(error.__traceback__)]
    response = refuse(request, 500, error=type(error).__name__, at=lines[-8:])
    # Starlette answers unknown errors outside of all middleware, so the guard has not seen this one.
    secure(response.headers, https=surroundings(request).origin.startswith("https:"))
    return response


HANDLERS: Mapping[Any, Callable[[Request, Any], Awaitable[Response]]] = {
    HTTPException: _http,
    UnsealedError: _ours,
    OperationalError: _store_away,
    Exception: _unknown,
}
