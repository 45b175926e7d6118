"""Saved letters with placeholders: the pages where people keep them, and what the composer asks about them.

    /templates                what there is, own and shared
    /templates/new            a new one: written, pasted or read from a file
    /templates/{id}           one of them: its words, versions, tracking, who may use it
    /templates/{id}/letter    how it looks to a contact, in a frame that loads nothing
    /compose/templates        the same list, for the composer
    /templates/{id}/fill      its words for a contact, for the composer

Promises that what was typed is never lost to a mistake in it, nor to somebody who saved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TypeVar

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from unsealed.core.template import KNOWN, as_html, prefill
from unsealed.flow import templates
from unsealed.inlets import body
from unsealed.inlets.form import LARGE_BYTES_MAX
from unsealed.inlets.web import letter
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.inlets.web.tracking import OFFERED, WORDS
from unsealed.model.errors import BadInput, Refused, sentence
from unsealed.model.message import Recipient, UserId, from_public_id, public_id
from unsealed.model.policy import Level, Place, Rule, Scope
from unsealed.model.template import Content, Filled, TemplateId, TemplateRow, TemplateUse, TemplateVersion
from unsealed.model.texts import Texts, later
from unsealed.store import contacts, policies
from unsealed.store import templates as shelf

Result = TypeVar("Result")

HERE = "/templates"
NOT_THERE = later("There is no such template, or it is not shared with you.")
ASKED_BYTES_MAX = 64 * 1024
FIELDS = ("name", "subject", "html", "text")
DONE = {
    "kept": later("Saved."),
    "as-before": later("Nothing was different, so no version was made."),
    "taken-back": later("Taken back. It is the newest version now."),
    "tracking": later("Saved. It holds for letters made from now on."),
    "shared": later("Everybody here may use it now."),
    "own": later("Only you see it now."),
    "offered": later("It is offered again."),
    "removed": later("It is not offered any more. Letters made from it stay as they are."),
}
MEANING = {
    "first_name": "Ines",
    "last_name": "Moreau",
    "name": "Ines Moreau",
    "email": "ines@example.org",
    "company": "example.org",
    "sender_name": later("your name"),
    "sender_email": later("your address"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page of one template shows."""

    row: TemplateRow
    versions: list[TemplateVersion]
    uses: dict[int, TemplateUse]
    place: Place
    may: bool
    contacts: list[Recipient]


async def listed(request: Request) -> Response:
    """`/templates`."""
    user = person(request).id
    found = await asked(request, lambda connection: shelf.list_for(connection, user))
    done = _done(request)
    return render(request, "template_list.html", templates=found, id_of=public_id, done=done)


async def new(request: Request) -> Response:
    """`/templates/new`; `?from=ID` begins with the words of another."""
    typed: dict[str, str] = {}
    if "from" in request.query_params:
        shown = await _find(request, request.query_params["from"])
        newest = shown.versions[0].content
        name = language(request).say("%(name)s, mine", name=shown.row.name)
        typed = {"name": name[: templates.NAME_LETTERS], **_fields(newest)}
    return await _editor(request, typed=typed)


async def create(request: Request) -> Response:
    """POST: keep a new one. Form: name, subject, html, text."""
    user, now = person(request).id, surroundings(request).clock()
    written = await run_in_threadpool(_read, request)
    if written.wrong:
        return await _editor(
            request, status=422, typed=request.state.form, wrong=_said(written.wrong, language(request))
        )
    try:
        made = await changed(request, lambda connection: templates.create(connection, user, written, now))
    except Refused as error:
        return await _editor(
            request, status=422, typed=request.state.form, wrong={"": sentence(error, language(request))}
        )
    return _to(made, "kept", written.left_out)


async def show(request: Request) -> Response:
    """`/templates/{id}`; `?version=N` shows an older one."""
    shown = await _find(request, request.path_params["id"])
    wanted = request.query_params.get("version", "")
    version = next((each for each in shown.versions if str(each.version) == wanted), None)
    done = _done(request)
    left_out = [each for each in request.query_params.get("left", "").split(" ") if each.isalnum()][:20]
    return await _page(request, shown, done=done, version=version, left_out=left_out)


async def change(request: Request) -> Response:
    """POST: keep other words as a new version. Form: name, subject, html, text, version (on which they are based)."""
    shown = await _find(request, request.path_params["id"])
    user, now, form = person(request).id, surroundings(request).clock(), request.state.form
    written = await run_in_threadpool(_read, request)
    if written.wrong:
        return await _page(request, shown, status=422, typed=form, wrong=_said(written.wrong, language(request)))
    based_on = _number(form.get("version", ""))
    number = await _allowed(
        request, lambda connection: templates.change(connection, user, shown.row, written, now, based_on)
    )
    if number is None:
        newest = await _find(request, request.path_params["id"])
        texts = language(request)
        words = texts.say(
            "%(who)s saved version %(number)s meanwhile. Yours is still here; save again to put it on top.",
            who=newest.versions[0].by or texts.say("somebody"),
            number=newest.row.version,
        )
        return await _page(request, newest, status=409, typed=form, wrong={"": words})
    same = number == shown.row.version and written.name == shown.row.name
    return _to(shown.row.id, "as-before" if same else "kept", written.left_out)


async def take_back(request: Request) -> Response:
    """POST: make an old version the newest. Form: version."""
    shown = await _find(request, request.path_params["id"])
    user, now = person(request).id, surroundings(request).clock()
    old = _number(request.state.form.get("version", "")) or 0
    made = await _allowed(request, lambda connection: templates.take_back(connection, user, shown.row, old, now))
    if made is None:
        raise HTTPException(404, later("There is no such version. Nothing was changed."))
    return _to(shown.row.id, "taken-back")


async def tracking(request: Request) -> Response:
    """POST: what is tracked in letters made from it. Form: opens, clicks, opens_at_most, clicks_at_most."""
    shown = await _find(request, request.path_params["id"])
    around, user, form = surroundings(request), person(request).id, request.state.form
    name = public_id(shown.row.id)
    place = Place(
        limit=Rule(
            scope=Scope.TEMPLATE,
            name=name,
            opens=_level(form.get("opens_at_most", "")),
            clicks=_level(form.get("clicks_at_most", "")),
        ),
        opens=_level(form.get("opens", "")),
        clicks=_level(form.get("clicks", "")),
    )
    try:
        await changed(
            request,
            lambda c: templates.keep_tracking(c, user, shown.row, place, around.tracking, around.clock()),
        )
    except Refused as error:
        return await _page(
            request, shown, status=422, wrong={"tracking": sentence(error, language(request))}, said_place=place
        )
    return _to(shown.row.id, "tracking", section="tracking")


async def share(request: Request) -> Response:
    """POST: let everybody here use it, or its maker alone. Form: shared."""
    shown = await _find(request, request.path_params["id"])
    user, shared = person(request).id, "shared" in request.state.form
    await _allowed(request, lambda connection: templates.share(connection, user, shown.row, shared))
    if not shared and shown.row.user != user:  # an administrator, to whom it is gone now
        return RedirectResponse(HERE, 303)
    return _to(shown.row.id, "shared" if shared else "own", section="who")


async def offer(request: Request) -> Response:
    """POST: offer it again, or not any more. Form: offered."""
    shown = await _find(request, request.path_params["id"])
    user, now, offered = person(request).id, surroundings(request).clock(), "offered" in request.state.form
    await _allowed(request, lambda connection: templates.offer(connection, user, shown.row, offered, now))
    return _to(shown.row.id, "offered") if offered else RedirectResponse(f"{HERE}?done=removed", 303)


async def letter_frame(request: Request) -> Response:
    """`/templates/{id}/letter`: the words of a version for a contact. `?version=N&contact=ADDRESS`."""
    shown = await _find(request, request.path_params["id"])
    wanted = request.query_params.get("version", "")
    version = next((each for each in shown.versions if str(each.version) == wanted), shown.versions[0])
    return await _framed(request, version.content, request.query_params.get("contact", ""))


async def preview(request: Request) -> Response:
    """POST: how words look that were not saved yet. Form: name, subject, html, text, contact."""
    form = request.state.form
    typed = {name: form.get(name, "") for name in FIELDS} | {"name": "preview"}
    written = await run_in_threadpool(lambda: templates.read(**typed))
    if written.wrong:
        texts = language(request)
        words = "".join(f"<p>{escape(words)}</p>" for words in _said(written.wrong, texts).values())
        title = escape(texts.say("Nothing to show yet"))
        return letter.response(letter.framed(f"<h1>{title}</h1>{words}"))
    return await _framed(request, written.content, form.get("contact", ""))


async def choices(request: Request) -> Response:
    """`/compose/templates`: what the composer offers."""
    user = person(request).id
    found = await asked(request, lambda connection: shelf.list_for(connection, user))
    listed = [{"id": public_id(each.id), "name": each.name, "version": each.version} for each in found]
    return JSONResponse({"templates": listed})


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    contact: str = ""
    sender: str = msgspec.field(default="", name="from")
    values: dict[str, str] = {}


async def fill(request: Request) -> Response:
    """POST, JSON: the words of a template for a contact. What is not known stays a placeholder, and is named."""
    shown = await _find(request, request.path_params["id"])
    user = person(request).id
    asked_for = await body.read(request, ASKED_BYTES_MAX)
    if asked_for is None:
        return JSONResponse({"error": language(request).say("That is more than a template can be filled with.")}, 413)
    try:
        wanted = msgspec.json.decode(asked_for, type=_Wanted)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        words = language(request).say("This cannot be read: %(why)s.", why=str(error)[:200])
        return JSONResponse({"error": words}, 422)

    def make(connection: Connection) -> tuple[TemplateVersion, Filled] | None:
        return templates.made(
            connection,
            user,
            shown.row.id,
            contact=wanted.contact,
            sender=wanted.sender,
            values=wanted.values,
            whole=False,
        )

    try:
        made = await asked(request, make)
    except BadInput as error:
        return JSONResponse({"error": sentence(error, language(request))}, 422)
    if made is None:
        raise HTTPException(404, NOT_THERE)
    version, filled = made
    content = filled.content
    return JSONResponse(
        {
            "subject": content.subject,
            "html": as_html(content),
            "version": version.version,
            "missing": list(filled.missing),
        }
    )


async def _framed(request: Request, content: Content, contact: str) -> Response:
    user, texts = person(request).id, language(request)
    values = await asked(request, lambda connection: templates.known_values(connection, user, contact.strip()))
    try:
        filled = prefill(content, values)
    except BadInput as error:
        title, words = escape(texts.say("This cannot be filled in")), escape(sentence(error, texts))
        return letter.response(letter.framed(f"<h1>{title}</h1><p>{words}</p>"))
    shown = filled.content
    missing = ""
    if filled.missing:
        words = texts.say(
            "Not known of %(who)s: %(names)s. Sending asks for it.",
            who=contact.strip() or texts.say("nobody"),
            names=", ".join(f"{{{{{name}}}}}" for name in filled.missing),
        )
        missing = f"<p {_QUIET}>{escape(words)}</p>"
    subject = shown.subject or texts.say("No subject")
    head = f"<div {_HEAD}>{escape(subject)}{missing}</div>"
    return letter.response(letter.framed(head + as_html(shown)))


# Styles of a frame's own page, which allows them; its letter follows below a line.
_HEAD = (
    'style="font:600 16px/1.4 system-ui,sans-serif;margin:-8px 0 20px;padding-bottom:12px;border-bottom:1px solid #ccc"'
)
_QUIET = 'style="font:400 13px/1.4 system-ui,sans-serif;margin:6px 0 0;color:#474e60"'


async def _find(request: Request, written: str) -> Shown:
    user, number = person(request).id, from_public_id(written)

    def look(connection: Connection) -> Shown | None:
        row = None if number is None else shelf.find(connection, user, TemplateId(number))
        if row is None:
            return None
        return Shown(
            row=row,
            versions=shelf.versions(connection, row.id),
            uses=shelf.uses(connection, user, row.id),
            place=policies.of_template(connection, public_id(row.id)),
            may=templates.may_change(connection, user, row),
            contacts=contacts.suggest(connection, user, ""),
        )

    found = await asked(request, look)
    if found is None:
        raise HTTPException(404, NOT_THERE)
    return found


async def _allowed(request: Request, change: Callable[[Connection], Result]) -> Result:
    try:
        return await changed(request, change)
    except Refused as error:
        raise HTTPException(403, sentence(error, language(request))) from None


async def _editor(
    request: Request,
    *,
    status: int = 200,
    typed: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
) -> Response:
    user: UserId = person(request).id
    known = await asked(request, lambda connection: contacts.suggest(connection, user, ""))
    return render(
        request,
        "template.html",
        status=status,
        shown=None,
        contacts=known,
        typed=typed,
        wrong=wrong or {},
        done="",
        version=None,
        left_out=[],
        **_always(language(request)),
    )


async def _page(
    request: Request,
    shown: Shown,
    *,
    status: int = 200,
    done: str = "",
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    version: TemplateVersion | None = None,
    left_out: list[str] | None = None,
    said_place: Place | None = None,
) -> Response:
    newest = (version or shown.versions[0]).content
    return render(
        request,
        "template.html",
        status=status,
        shown=shown,
        contacts=shown.contacts,
        typed=typed or {"name": shown.row.name, **_fields(newest)},
        wrong=wrong or {},
        done=done,
        version=version if version and version.version != shown.row.version else None,
        left_out=left_out or [],
        place=said_place or shown.place,
        **_always(language(request)),
    )


def _always(texts: Texts) -> dict[str, object]:
    return {
        "id_of": public_id,
        "known": [(name, texts.one(MEANING[name])) for name in KNOWN],
        "levels": [(level.name.lower(), texts.say(WORDS[level])) for level in OFFERED],
        "limits": {"name": templates.NAME_LETTERS, "subject": templates.SUBJECT_LETTERS},
        "most_bytes": LARGE_BYTES_MAX,
    }


def _fields(content: Content) -> dict[str, str]:
    return {"subject": content.subject, "html": content.html, "text": content.text}


def _read(request: Request) -> templates.Written:
    return templates.read(**{name: request.state.form.get(name, "") for name in FIELDS})


def _said(wrong: Mapping[str, BadInput], texts: Texts) -> dict[str, str]:
    return {field: sentence(error, texts) for field, error in wrong.items()}


def _done(request: Request) -> str:
    done = DONE.get(request.query_params.get("done", ""))
    return language(request).say(done) if done else ""


def _level(written: str) -> Level | None:
    return next((level for level in OFFERED if level.name.lower() == written), None)


def _number(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 9 else None


def _to(template: TemplateId, done: str, left_out: tuple[str, ...] = (), section: str = "") -> Response:
    left = f"&left={'+'.join(left_out[:20])}" if left_out else ""
    return RedirectResponse(f"{HERE}/{public_id(template)}?done={done}{left}{'#' + section if section else ''}", 303)


routes = [
    Route(HERE, listed, methods=["GET"]),
    Route(HERE, create, methods=["POST"]),
    Route(f"{HERE}/new", new, methods=["GET"]),
    Route(f"{HERE}/letter", preview, methods=["POST"]),
    Route(f"{HERE}/{{id}}", show, methods=["GET"]),
    Route(f"{HERE}/{{id}}", change, methods=["POST"]),
    Route(f"{HERE}/{{id}}/letter", letter_frame, methods=["GET"]),
    Route(f"{HERE}/{{id}}/take-back", take_back, methods=["POST"]),
    Route(f"{HERE}/{{id}}/tracking", tracking, methods=["POST"]),
    Route(f"{HERE}/{{id}}/share", share, methods=["POST"]),
    Route(f"{HERE}/{{id}}/offer", offer, methods=["POST"]),
    Route(f"{HERE}/{{id}}/fill", fill, methods=["POST"]),
    Route("/compose/templates", choices, methods=["GET"]),
]
