"""Presses of speakers: of a message, a conversation, a contact, of all mail sent until now, and the master switch.

    POST /silence           scope, of, silent ("1" or "0"), back; of a message also: one ("ID.1" or "ID.0"), back
    POST /silence/several   silent, back, and a field "m.ID" for each message

A press says what is wanted, not "the other way": pressed twice it is the same. Whatever is silenced goes on being
tracked and shown.
"""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.guard import local_path
from unsealed.inlets.speakers import Speaker, speakers
from unsealed.inlets.web.page import language
from unsealed.inlets.web.surroundings import changed, person, surroundings
from unsealed.model.message import from_public_id
from unsealed.model.notice import Press, Scope
from unsealed.model.texts import later
from unsealed.store import notices

CONTACT_LETTERS = 320
SEVERAL = 200  # messages at once
NO_MESSAGE = later("There is no such message of yours.")
NO_SPEAKER = later("There is no such speaker. Nothing was changed.")


async def press(request: Request) -> Response:
    """POST: press a speaker."""
    form, user = request.state.form, person(request).id
    scope, of, silent = form.get("scope", ""), form.get("of", ""), form.get("silent", "")
    if one := form.get("one", ""):
        scope, (of, _, silent) = Scope.MESSAGE.value, one.partition(".")
    if scope not in tuple(Scope) or silent not in ("0", "1"):
        raise HTTPException(404, NO_SPEAKER)

    def work(connection: Connection) -> Speaker | None:
        number = from_public_id(of)
        about = ""
        if scope in (Scope.MESSAGE, Scope.THREAD):
            found = notices.spoken(connection, user, [] if number is None else [number]).get(of)
            if found is None:
                raise HTTPException(404, NO_MESSAGE)
            about = str(found.message if scope == Scope.MESSAGE else found.thread)
        elif scope == Scope.CONTACT:
            about = of.strip().lower()[:CONTACT_LETTERS].replace("\0", "")
        made = Press(scope=Scope(scope), of=about, silent=silent == "1", at=surroundings(request).clock())
        notices.press(connection, user, made)
        return speakers(connection, user, [of]).get(of) if number is not None else None

    speaker = await changed(request, work)
    if "application/json" in request.headers.get("accept", ""):
        if speaker is None:
            return JSONResponse({"silent": silent == "1", "words": ""})
        return JSONResponse(
            {"silent": speaker.silent, "words": speaker.words(language(request)), "movable": speaker.movable}
        )
    return RedirectResponse(local_path(form.get("back", "")), 303)


async def press_several(request: Request) -> Response:
    """POST: press the speakers of several messages at once; none, where one is not the user's."""
    form, user, now = request.state.form, person(request).id, surroundings(request).clock()
    ids = [name.removeprefix("m.") for name in form if name.startswith("m.")][:SEVERAL]
    silent = form.get("silent", "")
    if silent not in ("0", "1"):
        raise HTTPException(404, NO_SPEAKER)

    def work(connection: Connection) -> None:
        numbers = [number for each in ids if (number := from_public_id(each)) is not None]
        found = notices.spoken(connection, user, numbers)
        if len(found) < len(set(ids)):
            raise HTTPException(404, NO_MESSAGE)
        for each in found.values():
            notices.press(
                connection, user, Press(scope=Scope.MESSAGE, of=str(each.message), silent=silent == "1", at=now)
            )

    await changed(request, work)
    return RedirectResponse(local_path(form.get("back", "")), 303)


routes = [
    Route("/silence", press, methods=["POST"]),
    Route("/silence/several", press_several, methods=["POST"]),
]
