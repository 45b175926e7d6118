"""The language and the clock of the pages: as the browser has them, or chosen.

/settings/language   choose; form: language, a code or "" for what the browser asks; clock, "12", "24" or ""
"""

from __future__ import annotations

from datetime import time

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import language, render, told_by_browser
from unsealed.inlets.web.surroundings import changed, person, surroundings
from unsealed.model.errors import BadInput
from unsealed.model.texts import later
from unsealed.store import preferences

UNKNOWN = later("There is no such language here. Choose one of the list.")
NO_CLOCK = later("There is no such clock. Choose one of the list.")
CLOCKS = ("24", "12")
EXAMPLE = time(14, 5)


async def page(request: Request) -> Response:
    """The choice, each language in its own words and with a date as it writes them, each clock with a time."""
    around, texts = surroundings(request), language(request)
    asked = around.languages.of("", request.headers.get("accept-language", ""))
    now = around.clock()
    return render(
        request,
        "settings_language.html",
        offered=[(each, Times(now, texts=each).day(now)) for each in around.languages.known.values()],
        asked=asked,
        chosen=person(request).language,
        clocks=[(each, texts.clock(EXAMPLE, twelve=each == "12")) for each in CLOCKS],
        clock=person(request).clock,
        counted=texts.clock(EXAMPLE, twelve=told_by_browser(request)[2] == "12"),
        done=later("Saved.") if "saved" in request.query_params else "",
    )


async def choose(request: Request) -> Response:
    """POST: from now on in this language, and by this clock."""
    form, user = request.state.form, person(request).id
    code, clock = form.get("language", ""), form.get("clock", "")
    if code and code not in surroundings(request).languages.known:
        raise BadInput(UNKNOWN)
    if clock and clock not in CLOCKS:
        raise BadInput(NO_CLOCK)

    def keep(store: Connection) -> None:
        preferences.put(store, user, preferences.LANGUAGE, code)
        preferences.put(store, user, preferences.CLOCK, clock)

    await changed(request, keep)
    return RedirectResponse("/settings/language?saved", 303)


routes = [
    Route("/settings/language", page, methods=["GET"]),
    Route("/settings/language", choose, methods=["POST"]),
]
