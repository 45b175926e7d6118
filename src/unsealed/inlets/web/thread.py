"""A conversation: its letters and answers on the left, one letter with its own figures on the right.

    /thread/{id}                  by the id of any of its letters; `?m=` the chosen one, else the last (ALL)
    /thread/{thread}/rows         letters as they are now, for live.js
    /thread/{thread}/detail/{id}  the right side alone

What somebody opens counts for the letter that they opened: our picture and links are taken out of older mail that a
letter quotes, and an old picture that is loaded all the same stands at the old letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.inlets.speakers import Speaker, speakers
from unsealed.inlets.web import history, words
from unsealed.inlets.web.message import tell
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.sent import detail
from unsealed.inlets.web.surroundings import asked, person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.message import from_public_id
from unsealed.model.texts import Texts, later
from unsealed.model.thread import Thread
from unsealed.model.view import MessageRow
from unsealed.store import feed, threads, views

OLDEST_FIRST = "oldest"
ORDERS = {"signal": later("Latest first"), OLDEST_FIRST: later("In order of time")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A letter, or an answer."""

    row: MessageRow | None = None
    answer: history.Line | None = None


async def page(request: Request) -> Response:
    """`/thread/{id}`."""
    around, where, times = surroundings(request), Where.of(request), said(request)
    user = person(request).id
    number = from_public_id(request.path_params["id"])

    def look(connection: Connection) -> tuple[Thread | None, Mapping[str, Speaker], int]:
        found = None if number is None else threads.thread(connection, user, number)
        rows = [] if found is None else [row.id for row in found.messages]
        return found, speakers(connection, user, rows), feed.ends(connection)[1]

    found, speaking, feed_at = await asked(request, look)
    if found is None:
        raise HTTPException(404, later("There is no such conversation of yours."))
    known = {row.id for row in found.messages}
    chosen = where.m if where.m in known else found.last.id
    story = await run_in_threadpool(tell, around, user, from_public_id(chosen), where, times)
    return render(
        request,
        "thread.html",
        where=where,
        thread=found,
        entries=entries(found, times.texts, oldest_first=where.sort == OLDEST_FIRST),
        speakers=speaking,
        chosen=chosen,
        story=story,
        orders={order: times.texts.say(name) for order, name in ORDERS.items()},
        feed_at=feed_at,
        title=words.visible(found.last.subject or times.texts.say("(no subject)")),
    )


async def rows(request: Request) -> Response:
    """`/thread/{thread}/rows?id=...`: these letters as they are now."""
    user = person(request).id
    asked_for = [number for each in request.query_params.getlist("id") if (number := from_public_id(each)) is not None]

    def look(connection: Connection) -> tuple[list[MessageRow], Mapping[str, Speaker]]:
        found = views.rows(connection, user, asked_for[: threads.SHOWN])
        return list(found.values()), speakers(connection, user, list(found))

    found, speaking = await asked(request, look)
    where = Where.of(request)
    here = Where(where.path.removesuffix("/rows"), sort=where.sort, back=where.back)
    return render(request, "rows.html", rows=found, speakers=speaking, where=here, chosen=where.m)


def entries(thread: Thread, texts: Texts, *, oldest_first: bool = False) -> Sequence[Entry]:
    """Letters and answers by time."""
    found = [(row.at, Entry(row=row)) for row in thread.messages]
    answers = history.came_back((answer for _, answer in thread.answers), texts)
    found += [(line.at, Entry(answer=line)) for line in answers]
    found.sort(key=lambda each: each[0], reverse=not oldest_first)
    return [entry for _, entry in found]


routes = [
    Route("/thread/{id}", page),
    Route("/thread/{thread}/rows", rows),
    Route("/thread/{thread}/detail/{id}", detail),
]
