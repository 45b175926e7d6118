"""The Opened screen: what was opened, by the latest reader, and beside it whom one might write again.

GET  /opened                 state: one of LISTS; done: what was just taken off
GET  /opened/rows            the rows alone; live.js puts them in the place of the old ones
POST /follow-ups/{id}/done   id: of a copy; back
POST /follow-ups/{id}/undo   back
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.core.reliability import Trait
from unsealed.inlets.guard import local_path
from unsealed.inlets.happenings import invisible
from unsealed.inlets.web import words
from unsealed.inlets.web.message import tell
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.inlets.web.where import Where, with_done
from unsealed.model.errors import BadInput
from unsealed.model.message import CopyId, UserId, from_public_id
from unsealed.model.reminder import Reminder
from unsealed.model.texts import later
from unsealed.model.view import FollowUp, OpenedRow, Page
from unsealed.store import activity, feed, follow_ups, mailboxes, reminders

ROWS = 50
FOLLOW_UPS = 15  # habits are looked up for each
LISTS = {
    "": later("Opened"),
    "silent": later("No signal after 3 days"),
    "keen": later("Read 3 times, no reply"),
    "reminders": later("Reminders"),
    "done": later("Done"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What one of the lists holds."""

    opened: Sequence[OpenedRow] = ()
    follow_ups: Sequence[FollowUp] = ()
    invisible: Sequence[FollowUp] = ()  # of these nothing can be expected to be seen
    why: Mapping[str, Sequence[Trait]] | None = None  # by copy id
    reminders: Sequence[Reminder] = ()
    next: str | None = None
    watched: bool = True  # whether answers can be seen at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """What was just taken off a list."""

    who: str  # or of a reminder of whichever recipient: the subject
    id: str
    undo: str  # address


async def page(request: Request) -> Response:
    """`/opened`."""
    around, given, times = surroundings(request), Where.of(request), said(request)
    user, where = person(request).id, replace(given, done="")

    def look(store: Connection) -> tuple[int, Listed, int, Off | None]:
        waiting = reminders.listed(store, user) if where.state != "reminders" else ()
        return feed.ends(store)[1], _listed(store, user, where, times), len(waiting), _off(store, user, given)

    feed_at, found, waiting, off = await asked(request, look)
    story = await run_in_threadpool(tell, around, user, from_public_id(where.m), where, times)
    return render(
        request,
        "opened.html",
        where=where,
        off=off,
        found=found,
        lists={state: times.texts.say(name) for state, name in LISTS.items()},
        waiting=waiting or len(found.reminders),
        story=story,
        feed_at=feed_at,
        title=words.visible(story.row.subject) if story else times.texts.within("place", "Opened"),
    )


async def rows(request: Request) -> Response:
    """`/opened/rows`: the same rows, as they are now."""
    where, times = Where.of(request), said(request)
    user = person(request).id
    found = await asked(request, lambda store: _listed(store, user, where, times))
    here = Where("/opened", state=where.state, after=where.after, m=where.m)
    return render(request, "opened_rows.html", where=here, found=found)


def _listed(store: Connection, user: UserId, where: Where, times: Times) -> Listed:
    after = where.after or None
    match where.state:
        case "":
            opened = activity.opened(store, user, after=after, limit=ROWS)
            return Listed(opened=opened.items, next=opened.next)
        case "silent":
            quiet = activity.silent(store, user, times.now, after=after, limit=FOLLOW_UPS)
            why = invisible(store, user, quiet, times.now)
            seen = [each for each in quiet.items if each.copy.id not in why]
            unseen = [each for each in quiet.items if each.copy.id in why]
            return Listed(follow_ups=seen, invisible=unseen, why=why, next=quiet.next)
        case "keen":
            keen: Page[FollowUp] = activity.keen(store, user, times.now, after=after, limit=FOLLOW_UPS)
            watched = mailboxes.of(store, user) is not None
            return Listed(follow_ups=keen.items, next=keen.next, watched=watched)
        case "reminders":
            return Listed(reminders=reminders.listed(store, user))
        case "done":
            over: Page[FollowUp] = activity.done(store, user, times.now, after=after, limit=FOLLOW_UPS)
            return Listed(follow_ups=over.items, next=over.next)
    raise BadInput(later("there is no such list: %(asked)s"), asked=repr(where.state[:40]))


def _off(store: Connection, user: UserId, where: Where) -> Off | None:
    """None: nothing was, or it stands there again."""
    number = from_public_id(where.done)
    if number is None:
        return None
    if where.state == "reminders":
        reminder = reminders.one_done(store, user, number)
        who, kind = None if reminder is None else reminder.who or reminder.message.subject, "reminders"
    else:
        who, kind = follow_ups.who_is_done(store, user, CopyId(number)), "follow-ups"
    return None if who is None else Off(who=who, id=where.done, undo=f"/{kind}/{where.done}/undo")


async def done(request: Request) -> Response:
    """POST: a recipient is done."""
    now = said(request).now
    await _move(request, lambda store, user, copy: follow_ups.done(store, user, copy, now))
    return RedirectResponse(with_done(request.state.form.get("back", ""), request.path_params["id"]), 303)


async def undo(request: Request) -> Response:
    """POST: a recipient was not done."""
    await _move(request, follow_ups.undo)
    return RedirectResponse(local_path(request.state.form.get("back", "")), 303)


async def _move(request: Request, move: Callable[[Connection, UserId, CopyId], bool]) -> None:
    user, number = person(request).id, from_public_id(request.path_params["id"])
    if number is None or not await changed(request, lambda store: move(store, user, CopyId(number))):
        raise HTTPException(404, later("There is no such recipient of yours."))


routes = [
    Route("/opened", page),
    Route("/opened/rows", rows),
    Route("/follow-ups/{id}/done", done, methods=["POST"]),
    Route("/follow-ups/{id}/undo", undo, methods=["POST"]),
]
