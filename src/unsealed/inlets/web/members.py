"""The people of this installation, for owners and administrators.

    /settings/people   everybody with their role; invite, change, remove

Promises that members get no page and no word about others, and that a one-time link is shown once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.flow import letters
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import asked, changed, newest_tracking, person, surroundings
from unsealed.model.errors import BadInput, Refused, sentence
from unsealed.model.message import UserId, from_public_id, public_id
from unsealed.model.texts import later
from unsealed.store import members
from unsealed.store.people import Role

HERE = "/settings/people"
NOT_FOR_YOU = later("Only owners and administrators see the people of this installation.")
ROLES = {Role.OWNER: later("Owner"), Role.ADMIN: later("Administrator"), Role.MEMBER: later("Member")}
DONE = {
    "role": later("The role was changed. It holds from the next sign-in."),
    "removed": later(
        "Removed: signed out and refused from now on. Their mail stays, and is theirs if you invite them again."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A one-time link that was made just now."""

    email: str
    link: str = field(repr=False)


async def listed(request: Request) -> Response:
    """`/settings/people`."""
    _check(request)
    return await _page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def invite(request: Request) -> Response:
    """POST: a one-time link for somebody. Form: email, role."""
    _check(request)
    around, by, form = surroundings(request), person(request).id, request.state.form
    tracking = None if around.sandbox else newest_tracking(around)

    def add() -> tuple[str, str]:
        return letters.invite(
            around.engine,
            by,
            form.get("email", ""),
            form.get("role", Role.MEMBER),
            link=lambda secret: f"{around.origin}/welcome/{secret}",
            origin=around.origin,
            tracking=tracking,
            now=around.clock(),
            texts=language(request),
        )

    try:
        email, link = await run_in_threadpool(add)
    except (BadInput, Refused) as error:
        return await _page(request, status=422, wrong={"email": sentence(error, language(request))}, typed=form)
    return await _page(request, invited=Invited(email=email, link=link))


async def change_role(request: Request) -> Response:
    """POST. Form: id, role."""
    by, form, now = person(request).id, request.state.form, surroundings(request).clock()
    return await _change(
        request, "role", lambda connection, user: members.change_role(connection, by, user, form.get("role", ""), now)
    )


async def remove(request: Request) -> Response:
    """POST. Form: id."""
    by, now = person(request).id, surroundings(request).clock()
    return await _change(request, "removed", lambda connection, user: members.remove(connection, by, user, now))


async def _change(request: Request, done: str, change: Callable[[Connection, UserId], None]) -> Response:
    _check(request)
    given = request.state.form.get("id", "")
    number = from_public_id(given)
    if number is None:
        raise HTTPException(404)
    try:
        await changed(request, lambda connection: change(connection, UserId(number)))
    except (BadInput, Refused) as error:
        return await _page(request, status=422, wrong={given: sentence(error, language(request))})
    if number == person(request).id and request.state.form.get("role") == Role.MEMBER:
        return RedirectResponse("/settings/access", 303)  # this page is theirs no longer
    return done_at(HERE, done, "people")


def _check(request: Request) -> None:
    if person(request).session.user.role is Role.MEMBER:
        raise HTTPException(403, NOT_FOR_YOU)


async def _page(
    request: Request,
    *,
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    invited: Invited | None = None,
    done: str = "",
) -> Response:
    own = person(request).session.user.role
    now = surroundings(request).clock()
    return render(
        request,
        "settings_people.html",
        status=status,
        people=await asked(request, lambda connection: members.listed(connection, now)),
        id_of=lambda member: public_id(member.user.id),
        may=lambda role: members.may(own, role),
        roles=ROLES,
        offered=[(role, ROLES[role]) for role in (Role.MEMBER, Role.ADMIN, Role.OWNER) if members.may(own, role)],
        wrong=wrong or {},
        typed=typed or {},
        invited=invited,
        done=done,
    )


routes = [
    Route(HERE, listed, methods=["GET"]),
    Route(HERE, invite, methods=["POST"]),
    Route(f"{HERE}/role", change_role, methods=["POST"]),
    Route(f"{HERE}/remove", remove, methods=["POST"]),
]
