"""What is tracked: the page where people say it.

    /settings/tracking         what holds, one's own defaults and lists; for the owner also those for everybody
    /settings/tracking/learn   domains of one's signature, put on the list at once
    /settings/tracking/first   the question of the first run

Promises that a control which cannot be used says which rule forbids it, and that a form sent all the same changes
nothing and says the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.core.policy import Ceiling, limited
from unsealed.flow import policy
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.errors import BadInput, Refused, sentence
from unsealed.model.policy import Level, Place, Rule, Scope
from unsealed.model.texts import later

OFFERED = (Level.OFF, Level.IDENTIFIED, Level.FULL)
WORDS = {Level.OFF: later("Off"), Level.IDENTIFIED: later("By name only"), Level.FULL: later("On")}
ABOUT = {
    "opens": {
        Level.OFF: later("No picture is added."),
        Level.IDENTIFIED: later("Who opened, and when. No device, no network, no place."),
        Level.FULL: later("Also on what device, from what network, and roughly where."),
    },
    "clicks": {
        Level.OFF: later("Links stay as you wrote them."),
        Level.IDENTIFIED: later("Who followed which link, and when. No device, no network, no place."),
        Level.FULL: later("Also on what device, from what network, and roughly where."),
    },
}
AXES = (("opens", later("Opens")), ("clicks", later("Links")))
DONE = {
    "kept": later("Saved. It holds for mail from now on; what was sent before stays as it was."),
    "excluded": later("Added. It holds for mail from now on."),
    "included": later("Taken off the list. It holds for mail from now on."),
}
NOT_THERE = later("It is not on your list any more. Nothing was changed.")


async def tracking(request: Request) -> Response:
    """`/settings/tracking`."""
    done = next((words for name, words in DONE.items() if name in request.query_params), "")
    return await _page(request, done=done)


async def keep_yours(request: Request) -> Response:
    """POST: one's own defaults. Form: opens, clicks (a level, or "" for what is usual here), strict."""
    form = request.state.form
    place = Place(
        limit=Rule(scope=Scope.USER),
        opens=_level(form.get("opens", "")),
        clicks=_level(form.get("clicks", "")),
        strict="strict" in form,
    )
    return await _keep(request, place, "yours")


async def keep_everybody(request: Request) -> Response:
    """POST, the owner's: defaults for everybody, whether others may change them, and off for all."""
    form = request.state.form
    off = Level.OFF if "off" in form else None
    place = Place(
        limit=Rule(scope=Scope.ACCOUNT, opens=off, clicks=off),
        opens=_level(form.get("opens", "")),
        clicks=_level(form.get("clicks", "")),
        opens_may_change="opens_may_change" in form,
        clicks_may_change="clicks_may_change" in form,
        strict="strict" in form,
    )
    return await _keep(request, place, "everybody")


async def exclude(request: Request) -> Response:
    """POST: put something on a list. Form: kind ("recipients" or "links"), name, what, everybody."""
    around, form, user = surroundings(request), request.state.form, person(request).id
    kind, name, everybody = form.get("kind", ""), form.get("name", ""), "everybody" in form
    what = form.get("what", "")

    def work(connection: Connection) -> str:
        now = around.clock()
        if kind == "links":
            return policy.exclude_destination(connection, user, name, everybody=everybody, now=now)
        return policy.exclude_recipient(
            connection,
            user,
            name,
            opens=None if what == "clicks" else Level.OFF,
            clicks=None if what == "opens" else Level.OFF,
            everybody=everybody,
            now=now,
        )

    where = f"{'everybody-' if everybody else ''}{'links' if kind == 'links' else 'recipients'}"
    try:
        await changed(request, work)
    except (BadInput, Refused) as error:
        return await _page(request, status=422, wrong={where: sentence(error, language(request))}, typed={where: name})
    return RedirectResponse(f"/settings/tracking?excluded#{where}", 303)


async def learn(request: Request) -> Response:
    """POST: leave the links of a signature alone. Form: learn-1, learn-2 ... (domains that were ticked)."""
    around, form, user = surroundings(request), request.state.form, person(request).id
    ticked = [value for name, value in form.items() if name.startswith("learn-")]

    def work(connection: Connection) -> None:
        for domain in ticked:
            policy.exclude_destination(connection, user, domain, everybody=False, now=around.clock())

    if not ticked:
        return await _page(
            request, status=422, wrong={"learn": language(request).say("Tick those that are to be left alone.")}
        )
    try:
        await changed(request, work)
    except (BadInput, Refused) as error:
        return await _page(request, status=422, wrong={"learn": sentence(error, language(request))})
    return RedirectResponse("/settings/tracking?excluded#links", 303)


async def include(request: Request) -> Response:
    """POST: take something off a list. Form: scope, name, everybody."""
    around, form, user = surroundings(request), request.state.form, person(request).id
    try:
        scope = Scope(form.get("scope", ""))
    except ValueError:
        raise HTTPException(404, NOT_THERE) from None

    def work(connection: Connection) -> bool:
        everybody = "everybody" in form
        return policy.include(connection, user, scope, form.get("name", ""), everybody=everybody, now=around.clock())

    if not await changed(request, work):
        raise HTTPException(404, NOT_THERE)
    return RedirectResponse("/settings/tracking?included", 303)


async def first(request: Request) -> Response:
    """`/settings/tracking/first`: asked once, and nothing is chosen beforehand."""
    found = await _look(request)
    if not found.decides or found.chosen:
        return RedirectResponse("/sent", 303)
    return render(request, "tracking_first.html", found=found, why=_why(request, found.top), wrong="")


async def answer_first(request: Request) -> Response:
    """POST: the answer. Form: what ("nothing", "clicks", "both"), eu."""
    around, form, user = surroundings(request), request.state.form, person(request).id
    answers = {
        "nothing": (Level.OFF, Level.OFF),
        "clicks": (Level.OFF, Level.FULL),
        "both": (Level.FULL, Level.FULL),
    }
    chosen = answers.get(form.get("what", ""))
    found = await _look(request)
    if chosen is None:
        words = language(request).say("Choose one of the three. Nothing was changed.")
        return render(
            request, "tracking_first.html", status=422, found=found, why=_why(request, found.top), wrong=words
        )
    opens, clicks = chosen
    place = Place(
        limit=Rule(scope=Scope.ACCOUNT),
        opens=min(opens, found.top.opens),
        clicks=min(clicks, found.top.clicks),
    )

    def work(connection: Connection) -> None:
        now = around.clock()
        policy.keep(connection, user, place, around.tracking, now)
        if "eu" in form:
            for domain in policy.EU_DOMAINS:
                policy.exclude_recipient(
                    connection, user, domain, opens=Level.OFF, clicks=None, everybody=True, now=now
                )

    await changed(request, work)
    return RedirectResponse("/sent", 303)


async def _keep(request: Request, place: Place, section: str) -> Response:
    around, user = surroundings(request), person(request).id
    try:
        await changed(request, lambda c: policy.keep(c, user, place, around.tracking, around.clock()))
    except Refused as error:
        return await _page(request, status=422, wrong={section: sentence(error, language(request))})
    return RedirectResponse(f"/settings/tracking?kept#{section}", 303)


async def _page(
    request: Request,
    *,
    status: int = 200,
    done: str = "",
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    user, tracking_url = person(request).id, surroundings(request).tracking_url
    found = await _look(request)
    learned = await asked(request, lambda connection: policy.learned(connection, user, tracking_url))
    return render(
        request,
        "settings_tracking.html",
        learned=learned,
        status=status,
        done=done,
        found=found,
        axes=AXES,
        offered=OFFERED,
        level_words=WORDS,
        about=ABOUT,
        why_not=_why(request, found.limit),
        top_why=_why(request, found.top),
        wrong=wrong or {},
        typed=typed or {},
    )


def _why(request: Request, limit: Ceiling) -> dict[str, str]:
    """By axis, what limits it in words; "" where nothing does."""
    texts = language(request)
    said = {"opens": (limit.opens, limit.opens_by), "clicks": (limit.clicks, limit.clicks_by)}
    return {
        axis: limited(axis, level, by, texts) if by is not None and level < Level.FULL else ""
        for axis, (level, by) in said.items()
    }


def _level(written: str) -> Level | None:
    found = [level for level in OFFERED if level.name.lower() == written]
    return found[0] if found else None


async def _look(request: Request) -> policy.Overview:
    user, most = person(request).id, surroundings(request).tracking
    return await asked(request, lambda connection: policy.overview(connection, user, most))


routes = [
    Route("/settings/tracking", tracking, methods=["GET"]),
    Route("/settings/tracking", keep_yours, methods=["POST"]),
    Route("/settings/tracking/everybody", keep_everybody, methods=["POST"]),
    Route("/settings/tracking/exclude", exclude, methods=["POST"]),
    Route("/settings/tracking/learn", learn, methods=["POST"]),
    Route("/settings/tracking/include", include, methods=["POST"]),
    Route("/settings/tracking/first", first, methods=["GET"]),
    Route("/settings/tracking/first", answer_first, methods=["POST"]),
]
