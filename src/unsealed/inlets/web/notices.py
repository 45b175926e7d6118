"""Notices: what open pages show, where else they go, and the page where people say what they want to be told.

    /settings/notifications   silence, wishes, devices, tests, and the last notices with the reason why nobody was told
    /notices/new              what an open page, or the service worker, should show now
    /sw.js, /manifest.webmanifest, /offline   what makes an installable app of the pages

Promises that a device is added, tested and removed by its own user alone, and that a page learns nothing of a device
but its name.
"""

from __future__ import annotations

import json
import secrets
from asyncio import sleep
from collections.abc import Mapping
from datetime import time, timedelta

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from unsealed.flow import notify
from unsealed.inlets.presence import user_agent
from unsealed.inlets.web import cards, stored
from unsealed.inlets.web.cards import Cards
from unsealed.inlets.web.files import STATIC, sentences, static
from unsealed.inlets.web.page import language, render, said, told_by_browser
from unsealed.inlets.web.settings import browser_name
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.message import UserId, from_public_id
from unsealed.model.notice import (
    Act,
    Channel,
    Detail,
    Device,
    DeviceId,
    NoticeDeviceRow,
    NoticeRow,
    Quiet,
    Readings,
    Silence,
    Wants,
    Why,
)
from unsealed.model.texts import later
from unsealed.store import devices, notices
from unsealed.store.people import Role
from unsealed.store.schema import EPOCH, MICROSECOND

RECENT = timedelta(minutes=10)  # what was told longer ago is no toast any more
OVERLAP = timedelta(seconds=2)  # asked for again: somebody may commit later what was told earlier
LATEST = 20
WEEKS_MOST = 52
DEVICES_MOST = 20
LOOKS, LOOK_EVERY_S = 40, 0.1  # how long a page waits for what becomes of a test
NAME_LETTERS, ADDRESS_LETTERS = 60, 2_000

ACTS = {
    Act.OPENED: later("Opens"),
    Act.CLICKED: later("Clicks"),
    Act.REPLIED: later("Replies"),
    Act.BOUNCED: later("Bounces"),
}
READINGS = {
    Readings.FIRST: (later("The first reading"), later("Once for each recipient. Calm, and usually enough.")),
    Readings.EVERY: (later("Every reading"), later("Also when somebody comes back to it, once for each reading.")),
    Readings.HOT: (later("Only hot ones"), later("The third reading within an hour: somebody is busy with it now.")),
}
CHANNELS = {
    Channel.PAGE: (later("In the page"), later("A card in the corner while Unsealed is open.")),
    Channel.SYSTEM: (later("By this browser"), later("A system notice while Unsealed is open in a tab behind others.")),
    Channel.PUSH: (later("On your devices"), later("Phones, tablets and browsers below, also while nothing is open.")),
    Channel.CHAT: (later("In chats"), later("The services below.")),
    Channel.DIGEST: (
        later("One letter a day"),
        later("To your own address, with all that happened, the quiet hours too."),
    ),
}
DETAILS = {
    Detail.ALL: (later("Everything"), later("Who, what, which message, on what, from where, how sure.")),
    Detail.WHO: (later("Who did what"), later("No subject, no place.")),
    Detail.NOTHING: (later("That something happened"), later("No names.")),
}
WHYS = {
    Why.NO_PERSON: later("no person did it"),
    Why.REALTIME_OFF: later("all notices were off"),
    Why.MESSAGE: later("this message is silenced"),
    Why.THREAD: later("its conversation is silenced"),
    Why.CONTACT: later("this recipient is silenced"),
    Why.ALL: later("all mail of then was silenced"),
    Why.LATE: later("it became known too late to be news"),
    Why.NOT_WANTED: later("not among what you want to be told"),
    Why.NOT_FIRST: later("not the first reading"),
    Why.NOT_HOT: later("not the third reading within an hour"),
    Why.SAME_READING: later("that reading was told already"),
    Why.QUIET: later("quiet hours"),
    Why.NO_CHANNEL: later("no way to tell you is chosen"),
}
DONE = {
    "kept": later("Saved."),
    "added": later("Notices go there as well from now on."),
    "removed": later("Removed. Nothing is sent there any more."),
}
NOT_YOURS = later("It is gone already, or it was never yours. Nothing was changed.")


# --- the page ---------------------------------------------------------------------------------------------------------


async def settings(request: Request) -> Response:
    """`/settings/notifications`."""
    done = next((words for name, words in DONE.items() if name in request.query_params), "")
    return await _page(request, done=done)


async def keep(request: Request) -> Response:
    """POST: what somebody wants to be told. Form: the fields of the page."""
    form, user = request.state.form, person(request).id
    try:
        quiet = None
        if "quiet" in form:
            quiet = Quiet(begins=_clock(form.get("begins", "")), ends=_clock(form.get("ends", "")))
        weeks = int(form.get("revival_weeks", "0") or "0")
        if not 0 <= weeks <= WEEKS_MOST:
            raise ValueError
        wants = Wants(
            acts=frozenset(act for act in ACTS if f"act-{act}" in form),
            readings=Readings(form.get("readings", "")),
            revival_weeks=weeks,
            channels=frozenset(channel for channel in CHANNELS if f"channel-{channel}" in form),
            quiet=quiet,
            zone=_zone_name(request),
            digest_at=_clock(form.get("digest_at", "")),
            detail=Detail(form.get("detail", "")),
        )
    except ValueError:
        words = language(request).say(
            "Nothing was saved: choose one of each list, write times as 22:00, and 0 to 52 weeks."
        )
        return await _page(request, status=422, wrong={"wants": words})
    await changed(request, lambda connection: notices.want(connection, user, wants))
    return RedirectResponse("/settings/notifications?kept#wants", 303)


async def add_device(request: Request) -> Response:
    """POST: send notices to this browser. Form: address, key, auth, as the browser gave them."""
    form, user = request.state.form, person(request).id
    device = Device(
        id=DeviceId(0),
        channel=Channel.PUSH,
        name=browser_name(user_agent(request), language(request)),
        address=form.get("address", "")[:ADDRESS_LETTERS],
        key=form.get("key", "")[:200],
        auth=form.get("auth", "")[:100],
    )
    words = "" if device.key and device.auth else language(request).say("This browser gave no keys. Nothing was added.")
    words = words or await _add(request, user, device)
    if words:
        return JSONResponse({"error": words}, 422)
    return JSONResponse({}, 201)


async def add_chat(request: Request) -> Response:
    """POST: send notices to another service. Form: name, address."""
    form, user = request.state.form, person(request).id
    address = form.get("address", "").strip()
    device = Device(
        id=DeviceId(0),
        channel=Channel.CHAT,
        name=form.get("name", "").strip()[:NAME_LETTERS] or language(request).say("Chat"),
        address=address[:ADDRESS_LETTERS],
        trusted=_runs_it(request),
    )
    words = await _add(request, user, device)
    if words:
        return await _page(request, status=422, wrong={"chat": words}, typed={"name": device.name})
    return RedirectResponse("/settings/notifications?added#devices", 303)


async def _add(request: Request, user: UserId, device: Device) -> str:
    """Why the device cannot be added; "" when it was."""
    around, texts = surroundings(request), language(request)
    if words := around.may_notify(device):
        return stored.reread(words, texts)

    def work(connection: Connection) -> str:
        if len(devices.listed(connection, user)) >= DEVICES_MOST:
            return texts.say("There are %(number)s already. Remove one first.", number=DEVICES_MOST)
        notify.add_device(connection, user, device, around.keys, around.clock())
        return ""

    return await changed(request, work)


async def remove_device(request: Request) -> Response:
    """POST: send nothing there any more. Form: id."""
    number = from_public_id(request.state.form.get("id", ""))
    user = person(request).id
    if number is None or not await changed(request, lambda c: devices.remove(c, user, number)):
        raise HTTPException(404, NOT_YOURS)
    return RedirectResponse("/settings/notifications?removed#devices", 303)


async def test(request: Request) -> Response:
    """POST: a test on every channel; the page says what became of it."""
    around, user = surroundings(request), person(request).id
    number = secrets.randbits(62)
    notice = await changed(request, lambda c: notify.send_test(c, user, number, around.clock()))
    for _ in range(LOOKS):
        decided = await asked(request, lambda c: notices.is_decided(c, user, notice))
        outcome = await asked(request, lambda c: devices.outcome(c, user, notice))
        if decided and all(state in ("told", "failed") for _, state, _ in outcome):
            break
        await sleep(LOOK_EVERY_S)
    return RedirectResponse(f"/settings/notifications?tested={notice}#devices", 303)


async def _page(
    request: Request,
    *,
    status: int = 200,
    done: str = "",
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    around, user = surroundings(request), person(request).id
    asked_for = request.query_params.get("tested", "")
    tested = int(asked_for) if asked_for.isascii() and asked_for.isdigit() and len(asked_for) < 16 else None

    def look(
        connection: Connection,
    ) -> tuple[Wants, Silence, list[str], list[NoticeDeviceRow], list[NoticeRow], bool, list[tuple[str, str, str]]]:
        return (
            notices.wants(connection, user),
            notices.silence(connection, user),
            notices.silenced_contacts(connection, user),
            devices.listed(connection, user),
            notices.latest(connection, user, LATEST),
            tested is not None and notices.is_decided(connection, user, tested),
            [] if tested is None else devices.outcome(connection, user, tested),
        )

    wants, silence, contacts, added, latest, decided, outcome = await asked(request, look)
    return render(
        request,
        "settings_notifications.html",
        status=status,
        done=done,
        wants=wants,
        silence=silence,
        contacts=contacts,
        devices=added,
        latest=latest,
        tested=tested is not None,
        decided=decided,
        outcome=outcome,
        acts=ACTS,
        readings=READINGS,
        channels=CHANNELS,
        details=DETAILS,
        whys=WHYS,
        chats=around.chats,
        push_key=around.push_key,
        runs_it=_runs_it(request),
        secure=around.origin.startswith("https:") or around.origin.startswith("http://127.0.0.1"),
        zone=_zone_name(request),
        wrong=wrong or {},
        typed=typed or {},
    )


# --- open pages -------------------------------------------------------------------------------------------------------


async def new(request: Request) -> Response:
    """`/notices/new?since=MICROSECONDS`: what to show, told or taken back since then."""
    around, user = surroundings(request), person(request).id
    now = around.clock()
    given = request.query_params.get("since", "")
    since = EPOCH + int(given) * MICROSECOND if given.isascii() and given.isdigit() and len(given) < 18 else now
    after = max(since - OVERLAP, now - RECENT)

    def look(connection: Connection) -> tuple[Silence, Cards]:
        return notices.silence(connection, user), cards.told_since(connection, user, after)

    silence, told = await asked(request, look)
    return JSONResponse(
        {
            "at": cards.microseconds(now),
            "csrf": person(request).csrf,
            "push": around.push_key,  # for a service worker that has to subscribe again
            "realtime": not silence.realtime_off,
            "system": Channel.SYSTEM in told.wants.channels,
            "notices": cards.in_words(told, said(request)) if given else [],
        }
    )


# --- the app that can be installed ------------------------------------------------------------------------------------


async def worker(request: Request) -> Response:
    """`/sw.js`: the service worker, which must lie above all pages; with the files that it keeps for being offline, and
    its words, which no page gives it."""
    names = ("look.css", "icons.svg", "seal.svg", "zone.js", "texts.js", "offline.js")
    texts = language(request)
    said = [sentences(texts)] if texts.scripts else []
    told = {
        "open": texts.within("notice", "Open"),
        "mute": texts.within("notice", "Mute"),
        "something": texts.say("Something happened to your mail."),
    }
    head = f"const FILES = {json.dumps(['/offline', *map(static, names), *said])};\nconst SAID = {json.dumps(told)};\n"
    content = head.encode() + STATIC["worker.js"].content
    return Response(content, media_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})


async def manifest(request: Request) -> Response:
    """`/manifest.webmanifest`."""
    icons = [
        {"src": static(f"app-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in (192, 512)
        for purpose in ("any", "maskable")
    ]
    told = {
        "name": "Unsealed",
        "short_name": "Unsealed",
        "description": language(request).say("Who opened your mail, when, and how sure that is."),
        "id": "/",
        "start_url": "/sent",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f7f9",
        "theme_color": "#f6f7f9",
        "icons": icons,
    }
    return Response(json.dumps(told), media_type="application/manifest+json", headers={"Cache-Control": "no-cache"})


async def offline(request: Request) -> Response:
    """`/offline`: what the installed app shows when the server cannot be reached; it knows nobody."""

    return render(request, "offline.html")


def _clock(written: str) -> time:
    """A time of day as browsers write it.

    Raises:
        ValueError: it is none.
    """
    return time.fromisoformat(written).replace(tzinfo=None)


def _zone_name(request: Request) -> str:
    """The reader's zone by name; "" when the browser did not tell it."""
    name, _, _ = told_by_browser(request)
    return name if notify.is_zone(name) else ""


def _runs_it(request: Request) -> bool:
    return person(request).session.user.role is not Role.MEMBER


routes = [
    Route("/settings/notifications", settings, methods=["GET"]),
    Route("/settings/notifications", keep, methods=["POST"]),
    Route("/settings/notifications/devices", add_device, methods=["POST"]),
    Route("/settings/notifications/chats", add_chat, methods=["POST"]),
    Route("/settings/notifications/remove", remove_device, methods=["POST"]),
    Route("/settings/notifications/test", test, methods=["POST"]),
    Route("/notices/new", new, methods=["GET"]),
    Route("/sw.js", worker, methods=["GET"]),
    Route("/manifest.webmanifest", manifest, methods=["GET"]),
    Route("/offline", offline, methods=["GET"]),
]
