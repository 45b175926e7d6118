"""The language of the pages: as the browser asks, or one that is chosen.

/settings/language   choose; form: language, a code or "" for what the browser asks
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import render
from unsealed.inlets.web.surroundings import changed, person, surroundings
from unsealed.model.errors import BadInput
from unsealed.model.texts import later
from unsealed.store import preferences

UNKNOWN = later("There is no such language here. Choose one of the list.")


async def page(request: Request) -> Response:
    """The choice, each language in its own words and with a date as it writes them."""
    around = surroundings(request)
    asked = around.languages.of("", request.headers.get("accept-language", ""))
    now = around.clock()
    return render(
        request,
        "settings_language.html",
        offered=[(each, Times(now, texts=each).day(now)) for each in around.languages.known.values()],
        asked=asked,
        chosen=person(request).language,
        done=later("Saved.") if "saved" in request.query_params else "",
    )


async def choose(request: Request) -> Response:
    """POST: from now on in this language."""
    code, user = request.state.form.get("language", ""), person(request).id
    if code and code not in surroundings(request).languages.known:
        raise BadInput(UNKNOWN)
    await changed(request, lambda store: preferences.put(store, user, preferences.LANGUAGE, code))
    return RedirectResponse("/settings/language?saved", 303)


routes = [
    Route("/settings/language", page, methods=["GET"]),
    Route("/settings/language", choose, methods=["POST"]),
]
