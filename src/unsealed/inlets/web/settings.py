"""The settings about judging: whose browser this is, what the sender said about events, what the data rests on.

    /settings/devices   browsers of which the sender said "this is me"
    /settings/judging   corrections, what judging again changed, who changed what
    /settings/data      the files that networks and places are told from

Promises that everything said here is undone in one step, and that a browser becomes "you" only through the button: the
answer leads to the tracking address, which alone can set a cookie there, and back.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.core.agent import read_agent
from unsealed.core.judge import RULES_VERSION
from unsealed.core.token import seal_device
from unsealed.flow import rejudge
from unsealed.inlets.guard import CSP
from unsealed.inlets.presence import user_agent
from unsealed.inlets.web.message import back_to, until_judged
from unsealed.inlets.web.page import render
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.message import from_public_id
from unsealed.model.texts import ENGLISH, Texts, later
from unsealed.model.view import AuditRow, Changes, CorrectionRow, RejudgingRow
from unsealed.store import audit, corrections, judged, own

SAID, REJUDGINGS, LINES = 50, 20, 50  # shown
NOT_YOURS = later("It is gone already, or it was never yours. Nothing was changed.")
DONE = {
    "added": later("This browser is known as yours. What it loads from now on is shown as “you”, and never counted."),
    "removed": later("Removed. What this browser loaded is judged again, as anybody’s."),
    "undone": later("Taken back. What it had changed is judged again."),
}


async def devices(request: Request) -> Response:
    """`/settings/devices`."""
    user = person(request).id
    listed = await asked(request, lambda connection: own.list_devices(connection, user))
    done = next((words for name, words in DONE.items() if name in request.query_params), "")
    response = render(
        request, "settings_devices.html", devices=listed, done=done, here=user_agent(request), named=browser_name
    )
    # The button leads through the tracking address: the policy of every other page would stop it there.
    tracking = urlsplit(surroundings(request).tracking_url)
    response.headers["Content-Security-Policy"] = CSP.replace(
        "form-action 'self'", f"form-action 'self' {tracking.scheme}://{tracking.netloc}"
    )
    return response


async def add_device(request: Request) -> Response:
    """POST: this browser is the sender's own."""
    around, user = surroundings(request), person(request).id
    device = await changed(
        request, lambda connection: own.add_device(connection, user, user_agent(request), around.clock())
    )
    token = seal_device(around.keys, around.keys.newest, device, f"{around.origin}/settings/devices?added")
    return RedirectResponse(f"{around.tracking_url}/me/{token}", 303)


async def remove_device(request: Request) -> Response:
    """POST: believe a browser no longer. Form: id."""
    now, user = surroundings(request).clock(), person(request).id
    number = from_public_id(request.state.form.get("id", ""))
    if number is None or not await changed(request, lambda c: own.remove_device(c, user, number, now)):
        raise HTTPException(404, NOT_YOURS)
    return RedirectResponse("/settings/devices?removed", 303)


async def judging(request: Request) -> Response:
    """`/settings/judging`."""
    user, given = person(request).id, request.query_params
    older = given.get("older", "")
    before = int(older) if older.isascii() and older.isdigit() and len(older) < 16 else None

    def look(connection: Connection) -> tuple[list[CorrectionRow], list[tuple[RejudgingRow, Changes]], list[AuditRow]]:
        rejudged = corrections.list_rejudgings(connection, user, limit=REJUDGINGS)
        return (
            corrections.list_for(connection, user),
            [(each, judged.changes(connection, user, each.id)) for each in rejudged],
            audit.lines(connection, user, limit=LINES + 1, before=before),
        )

    said, rejudgings, lines = await asked(request, look)
    return render(
        request,
        "settings_judging.html",
        corrections=said if "all" in given else said[:SAID],
        more_said="all" not in given and len(said) > SAID,
        rejudgings=rejudgings,
        audit=lines[:LINES],
        older=lines[LINES - 1].id if len(lines) > LINES else None,
        newest=before is None,
        rules=RULES_VERSION,
        named=browser_name,
        done=DONE["undone"] if "undone" in given else "",
    )


async def undo(request: Request) -> Response:
    """POST: take back what was said about an event. Form: id, back."""
    around, user, form = surroundings(request), person(request).id, request.state.form
    given = form.get("id", "")
    standing = await asked(request, lambda connection: corrections.list_for(connection, user))
    said = next((each for each in standing if str(each.id) == given), None)
    if said is None:
        raise HTTPException(404, NOT_YOURS)
    await run_in_threadpool(rejudge.undo, around.engine, user, said.id, around.clock())
    await until_judged(around, user)
    if form.get("back"):
        return RedirectResponse(back_to(form["back"], open=said.event, correction=given), 303)
    return RedirectResponse("/settings/judging?undone", 303)


async def data(request: Request) -> Response:
    """`/settings/data`."""
    files = await run_in_threadpool(surroundings(request).data_files)
    return render(request, "settings_data.html", files=files, today=surroundings(request).clock().date(), done="")


def browser_name(agent: str, texts: Texts = ENGLISH) -> str:
    """ "Firefox on Linux"."""
    read = read_agent(agent)
    name = read.client or texts.say("A browser")
    return texts.say("%(browser)s on %(system)s", browser=name, system=read.system) if read.system else name


routes = [
    Route("/settings/devices", devices, methods=["GET"]),
    Route("/settings/devices", add_device, methods=["POST"]),
    Route("/settings/devices/remove", remove_device, methods=["POST"]),
    Route("/settings/judging", judging, methods=["GET"]),
    Route("/settings/judging/undo", undo, methods=["POST"]),
    Route("/settings/data", data, methods=["GET"]),
]
