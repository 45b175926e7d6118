"""The speaker of a message: whether what happens to it rings, why not, and the press that changes that.

    POST /silence           scope, of, silent ("1" or "0"), back; of a message also: one ("ID.1" or "ID.0"), back
    POST /silence/several   silent, back, and a field "m.ID" for each message

A press says what is wanted, not "the other way": pressed twice it is the same. Whatever is silenced goes on being
tracked and shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from unsealed.core.notice import silenced
from unsealed.inlets.guard import local_path
from unsealed.inlets.web.page import language
from unsealed.inlets.web.surroundings import changed, person, surroundings
from unsealed.model.message import MessageId, UserId, from_public_id
from unsealed.model.notice import Press, Scope, Why
from unsealed.model.texts import Texts, later
from unsealed.store import notices

CONTACT_LETTERS = 320
SEVERAL = 200  # messages at once
NO_MESSAGE = later("There is no such message of yours.")
NO_SPEAKER = later("There is no such speaker. Nothing was changed.")
WHY = {
    Why.REALTIME_OFF: later("all notices are off"),
    Why.MESSAGE: later("silenced"),
    Why.THREAD: later("its conversation is silenced"),
    Why.CONTACT: later("its recipient is silenced"),
    Why.ALL: later("all mail of then is silenced"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Of one message."""

    of: str  # public id of the message
    why: Why | None  # what silences it; None: it rings
    thread_silent: bool = False
    contact: str = ""  # its only recipient
    contact_silent: bool = False

    @property
    def silent(self) -> bool:
        return self.why is not None

    def words(self, texts: Texts) -> str:
        """The state, for a title and for who cannot see the icon."""
        if self.why is None:
            return texts.say("Notices on")
        return texts.say("No notices: %(why)s", why=texts.say(WHY[self.why]))

    @property
    def movable(self) -> bool:
        """Whether its own press changes anything: not under the master switch."""
        return self.why is not Why.REALTIME_OFF


def speakers(connection: Connection, user: UserId, ids: Iterable[str]) -> Mapping[str, Speaker]:
    """The speakers of these messages of the user, by public id. Of several recipients a message is silent when all
    are."""
    numbers = [number for each in ids if (number := from_public_id(each)) is not None]
    asked = notices.spoken(connection, user, numbers)
    silence = notices.silence(
        connection,
        user,
        messages=[each.message for each in asked.values()],
        threads=[each.thread for each in asked.values()],
        contacts={contact for each in asked.values() for contact in each.contacts},
    )
    made = {}
    for id, it in asked.items():
        whys = [silenced(silence, it.message, it.thread, contact, it.sent_at) for contact in it.contacts or ("",)]
        made[id] = Speaker(
            of=id,
            why=None if None in whys else whys[0],
            thread_silent=it.thread in silence.threads,
            contact=it.contacts[0] if len(it.contacts) == 1 else "",
            contact_silent=len(it.contacts) == 1 and it.contacts[0] in silence.contacts,
        )
    return made


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


def of_message(connection: Connection, user: UserId, message: MessageId) -> Speaker | None:
    """The speaker of one message."""
    return next(iter(speakers(connection, user, [f"{message:016x}"]).values()), None)


routes = [
    Route("/silence", press, methods=["POST"]),
    Route("/silence/several", press_several, methods=["POST"]),
]
