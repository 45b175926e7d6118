"""The Sent screen: the list of sent mail, the chosen message beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.speakers import Speaker, speakers
from unsealed.inlets.web import states, words
from unsealed.inlets.web.message import tell
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.surroundings import asked, person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.message import UserId, from_public_id
from unsealed.model.template import TemplateId, TemplateRow
from unsealed.model.texts import Texts, later
from unsealed.model.view import MessageRow, Page
from unsealed.store import feed, sent, views
from unsealed.store import templates as shelf
from unsealed.store.engine import reading

ROWS = 50
SEARCH_LETTERS = 200
ASKED_AT_ONCE = 100  # rows that live.js may ask for in one request

FILTERS = {"": later("Any state")} | {state.value: states.STATES[state] for state in sent.FILTERS}
FILTERS["delayed"] = later("Waiting")
ORDERS = {
    "signal": later("Last signal first"),
    "opened": later("Last opened first"),
    "sent": later("Last sent first"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the list shows."""

    page: Page[MessageRow]
    count: int | None  # of all that fit, counted up to a limit; None: nobody knows at this cost
    everything: int | None  # whether there is anything at all, where nothing fits
    speakers: Mapping[str, Speaker]
    template: TemplateRow | None  # from which all of them were made
    feed_at: int  # id of the feed from which on changes are news


async def page(request: Request) -> Response:
    """`/sent`: the list and, beside it, the chosen message (on a wide screen the first, when none is chosen)."""
    around, where, times = surroundings(request), Where.of(request), said(request)
    user, texts = person(request).id, times.texts
    shown = await asked(request, lambda connection: _listed(connection, user, where, times))
    chosen = where.m or (shown.page.items[0].id if shown.page.items else "")
    story = await run_in_threadpool(tell, around, user, from_public_id(chosen), where, times)
    return render(
        request,
        "sent.html",
        where=where,
        page=shown.page,
        full=ROWS,
        count=_counted(shown.count, texts),
        all_count=shown.everything,
        chosen=chosen,
        story=story,
        speakers=shown.speakers,
        filters={state: texts.say(name) for state, name in FILTERS.items()},
        orders={order: texts.say(name) for order, name in ORDERS.items()},
        made_from=shown.template,
        feed_at=shown.feed_at,
        title=words.visible(story.row.subject) if where.m and story else texts.within("place", "Sent"),
    )


def _listed(connection: Connection, user: UserId, where: Where, times: Times) -> Listed:
    search, tag, template = where.q[:SEARCH_LETTERS], where.tag[:SEARCH_LETTERS], _template(where)
    feed_at = feed.ends(connection)[1]
    sought = sent.seek(connection, user, sort=where.sort, search=search, state=where.state, tag=tag, template=template)
    found = sought.listed(after=where.after or None, limit=ROWS, now=times.now)
    count = sought.count(now=times.now) if where.after or found.next else len(found.items)
    return Listed(
        page=found,
        count=count,
        everything=count if found.items else sent.count(connection, user, now=times.now),
        speakers=speakers(connection, user, [row.id for row in found.items]),
        template=None if template is None else shelf.find(connection, user, template),
        feed_at=feed_at,
    )


def _counted(count: int | None, texts: Texts) -> str:
    return "" if count is None else words.counted(count, sent.COUNT_UP_TO, texts)


def _template(where: Where) -> TemplateId | None:
    if not where.template:
        return None
    number = from_public_id(where.template)
    if number is None:
        raise HTTPException(404, "There is no such template.")
    return TemplateId(number)


async def rows(request: Request) -> Response:
    """`/sent/rows?id=...&id=...`: these rows as they are now; live.js puts them in the place of the old ones."""
    around = surroundings(request)
    asked = request.query_params.getlist("id")[:ASKED_AT_ONCE]
    numbers = [number for each in asked if (number := from_public_id(each)) is not None]

    user = person(request).id

    def look() -> tuple[list[MessageRow], Mapping[str, Speaker]]:
        with reading(around.engine) as connection:
            found = views.rows(connection, user, numbers)
            return [found[each] for each in asked if each in found], speakers(connection, user, list(found))

    where = Where.of(request)
    found, speaking = await run_in_threadpool(look)
    return render(
        request,
        "rows.html",
        rows=found,
        speakers=speaking,
        where=Where(
            "/sent", **{name: getattr(where, name) for name in ("q", "state", "tag", "template", "sort", "after")}
        ),
        chosen=where.m,
    )


async def detail(request: Request) -> Response:
    """`/sent/detail/{id}`: the right side alone; the same beside other lists of messages."""
    around, times = surroundings(request), said(request)
    where = Where.of(request)
    beside = request.scope["path"].partition("/detail/")[0]
    where = Where(beside, **dict(where.kept("m")), m=request.path_params["id"])
    story = await run_in_threadpool(
        tell, around, person(request).id, from_public_id(request.path_params["id"]), where, times
    )
    if story is None:
        return Response(status_code=404)
    return render(request, "detail.html", story=story, where=where)


async def home(request: Request) -> Response:
    """`/`: what happened, once there is something that it could have happened to."""
    user = person(request).id
    anything = await asked(request, lambda store: sent.listed(store, user, limit=1, now=said(request).now))
    return RedirectResponse("/activity" if anything.items else "/sent", 303)


routes = [
    Route("/", home),
    Route("/sent", page),
    Route("/sent/rows", rows),
    *(Route(f"/{beside}/detail/{{id}}", detail) for beside in ("sent", "activity", "opened")),
]
