"""The Sandbox screen: the built-in mailbox, read as the recipient, loaded as known programs, judged beside it."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import sleep
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.presence import client_address, user_agent
from unsealed.inlets.web import history, letter, looks, simulate
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.errors import BadInput
from unsealed.model.message import CopyId, UserId, from_public_id
from unsealed.model.texts import later
from unsealed.model.view import LinkRow, Page, SandboxRow
from unsealed.store import feed, judged, sandbox, views
from unsealed.store.engine import reading

COPIES = 50
JUDGED = 40
LOOKS, LOOK_EVERY_S = 30, 0.03  # an answer waits for the judgement, which without scripts nothing else would bring


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One copy in the reader's hands."""

    copy: SandboxRow
    head: letter.Letterhead
    links: tuple[LinkRow, ...]  # those that lead through us in this copy
    has_pixel: bool
    remote_pictures: bool
    bursts: list[history.Burst]


async def page(request: Request) -> Response:
    """`/sandbox` and `/sandbox/{copy}`."""
    around, where = surroundings(request), Where.of(request)
    user = person(request).id
    asked = request.path_params.get("id")

    def look() -> tuple[Page[SandboxRow], int]:
        with reading(around.engine) as connection:
            feed_at = feed.ends(connection)[1]
            return sandbox.listed(connection, user, after=where.after or None, limit=COPIES), feed_at

    found, feed_at = await run_in_threadpool(look)
    chosen = asked or (found.items[0].id if found.items else None)
    shown = await run_in_threadpool(_read, request, user, chosen) if chosen else None
    if asked and shown is None:
        raise HTTPException(404, later("There is no such copy in your sandbox."))
    return render(
        request,
        "sandbox.html",
        page=found,
        where=where,
        asked=asked,
        shown=shown,
        readers=looks.READERS,
        clickers=looks.CLICKERS,
        loaded_as=request.query_params.get("as", ""),
        pictures=request.query_params.get("pictures") == "on",
        feed_at=feed_at,
    )


def _read(request: Request, user: UserId, public: str) -> Reading | None:
    around = surroundings(request)
    number = from_public_id(public)
    if number is None:
        return None
    with reading(around.engine) as connection:
        copy = sandbox.one(connection, user, CopyId(number))
        raw = sandbox.raw(connection, user, CopyId(number))
        if copy is None or raw is None:
            return None
        of = from_public_id(copy.message) or 0
        message = views.message(connection, user, of, around.clock())
        events = judged.of_message(connection, user, of, copy=copy.tokens, limit=JUDGED)
    if message is None:
        return None
    found = simulate.trackers(raw, copy.tokens, message.tracking_url, around.keys)
    return Reading(
        copy=copy,
        head=letter.letterhead(raw, language(request)),
        links=tuple(row for row in message.links if row.link.position in found.links),
        has_pixel=bool(found.pixel),
        remote_pictures=letter.has_remote_pictures(letter.html(raw, language(request))),
        bursts=history.bursts(events.items),
    )


async def letter_frame(request: Request) -> Response:
    """`/sandbox/{copy}/letter`: the copy as it arrived, for the sandboxed frame; with `?pictures=on` it may load
    pictures from outside, and so the reader's own browser loads ours."""
    raw = await _raw(request)
    return letter.response(
        await run_in_threadpool(letter.html, raw, language(request)),
        pictures=request.query_params.get("pictures") == "on",
    )


async def source(request: Request) -> Response:
    """`/sandbox/{copy}/source.eml`: the bytes that arrived."""
    return letter.source(await _raw(request), f"sandbox-{request.path_params['id']}.eml")


async def load(request: Request) -> Response:
    """POST: let a known program open the copy. Form: as."""
    name = request.state.form.get("as", "")
    look = _own(request) if name == "you" else looks.reader(name)
    if look is None:
        raise BadInput(later("choose one of the programs"))
    found, base = await _trackers(request)
    around = surroundings(request)
    before = await _recorded(request)
    await run_in_threadpool(lambda: simulate.load(look, found, collector=around.collector_socket, base=base))
    await _until_judged(request, before)
    return RedirectResponse(f"/sandbox/{request.path_params['id']}?as={name}", 303)


async def click(request: Request) -> Response:
    """POST: let somebody follow one link of the copy. Form: as, link (its position)."""
    name, position = request.state.form.get("as", ""), request.state.form.get("link", "")
    look = _own(request) if name == "you" else looks.CLICKERS.get(name)
    found, base = await _trackers(request)
    path = found.links.get(int(position)) if position.isdecimal() and len(position) < 6 else None
    if look is None or path is None:
        raise BadInput(later("choose one of the links"))
    around = surroundings(request)
    before = await _recorded(request)
    await run_in_threadpool(lambda: simulate.request([path], look, collector=around.collector_socket, base=base))
    await _until_judged(request, before)
    return RedirectResponse(f"/sandbox/{request.path_params['id']}?as={name}", 303)


def _own(request: Request) -> looks.Look:
    return looks.own(client_address(request), user_agent(request), request.headers.get("accept-language", ""))


async def _recorded(request: Request) -> int:
    """How many requests for this copy were judged so far."""
    number = CopyId(from_public_id(request.path_params["id"]) or 0)

    def look() -> int:
        with reading(surroundings(request).engine) as connection:
            copy = sandbox.one(connection, person(request).id, number)
            return copy.signals.raw if copy else 0

    return await run_in_threadpool(look)


async def _until_judged(request: Request, before: int) -> None:
    for _ in range(LOOKS):
        if await _recorded(request) != before:
            return
        await sleep(LOOK_EVERY_S)


async def _trackers(request: Request) -> tuple[simulate.Trackers, str]:
    around = surroundings(request)
    raw = await _raw(request)
    number = CopyId(from_public_id(request.path_params["id"]) or 0)

    def find() -> tuple[simulate.Trackers, str]:
        with reading(around.engine) as connection:
            copy = sandbox.one(connection, person(request).id, number)
            of = copy and from_public_id(copy.message)
            message = of and views.message(connection, person(request).id, of, around.clock())
        if not copy or not message:
            raise HTTPException(404)
        return simulate.trackers(raw, copy.tokens, message.tracking_url, around.keys), message.tracking_url

    return await run_in_threadpool(find)


async def _raw(request: Request) -> bytes:
    number = from_public_id(request.path_params["id"])

    def look() -> bytes | None:
        with reading(surroundings(request).engine) as connection:
            return None if number is None else sandbox.raw(connection, person(request).id, CopyId(number))

    raw = await run_in_threadpool(look)
    if raw is None:
        raise HTTPException(404, later("There is no such copy in your sandbox."))
    return raw


routes = [
    Route("/sandbox", page),
    Route("/sandbox/{id}", page),
    Route("/sandbox/{id}/letter", letter_frame),
    Route("/sandbox/{id}/source.eml", source),
    Route("/sandbox/{id}/load", load, methods=["POST"]),
    Route("/sandbox/{id}/click", click, methods=["POST"]),
]
