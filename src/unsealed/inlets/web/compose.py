"""Writing: the composer, what it asks while somebody types, and the list of drafts.

    GET  /compose                     an empty composer; ?reply=, ?reply_all=, ?forward= a message (with &copy= one
                                      recipient), ?to= an address, ?template= one
    GET  /compose/{id}                with a kept draft
    GET  /drafts                      the list
    POST /compose                     keep a new draft
    PUT  /compose/{id}                keep a change
    POST /compose/check               what would become of it; keeps nothing
    POST /compose/{id}/send, undo, discard
    POST /compose/{id}/attachments    a file, as the body
    GET  /compose/{id}/quote          the message that is answered, for a frame that can do nothing

Bodies and answers are JSON, but for files; what is wrong is `{"error": words, "fields": {field: words}}`. Promises that
a GET makes no draft, and that only the user's own drafts are there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote as percent

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.core import compose as composing
from unsealed.core import draft_check
from unsealed.core.drafting import Desk, quoted
from unsealed.core.quote import Quote
from unsealed.flow import compose, templates
from unsealed.flow.compose import Changed, Sent, Wrong
from unsealed.inlets import body
from unsealed.inlets.web import letter
from unsealed.inlets.web.page import language, render, said
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.draft import (
    Attachment,
    AttachmentId,
    Check,
    Draft,
    DraftId,
    FromTemplate,
    Identity,
    KeptDraft,
    Mode,
)
from unsealed.model.errors import BadInput, Refused, sentence
from unsealed.model.message import CopyId, MessageId, from_public_id, public_id
from unsealed.model.template import TemplateId
from unsealed.model.texts import later
from unsealed.store import contacts, drafts, identities, preferences

Body = TypeVar("Body", bound=msgspec.Struct)

DRAFT_BYTES_MAX = 12 * 1024 * 1024
FILE_BYTES_MAX = drafts.FILES_BYTES
TYPED_MAX = 200  # characters of a name that is looked for
ADDRESS_OF_A_NAME = re.compile(r"(?<=[^\s,;]) <[^<>]*(?:>|$)")  # in a list, a name says enough
NO_DRAFT = later("There is no such draft. It was discarded, sent, or belongs to somebody else.")
NO_FILE = later("There is no such file.")
TITLES = {
    Mode.NEW: later("New letter"),
    Mode.REPLY: later("Reply"),
    Mode.REPLY_ALL: later("Reply to all"),
    Mode.FORWARD: later("Forward"),
}
# A file is shown to nobody but its sender, and still it is somebody else's content: it can do nothing.
FILE_POLICY = "sandbox; default-src 'none'"


class Save(msgspec.Struct, frozen=True, kw_only=True):
    """A draft as it stands in the browser, made from a revision that was read before."""

    revision: int
    content: Draft


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A draft to be looked at; nothing is kept."""

    content: Draft
    id: str = ""  # whose files go along


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """The revision that is to be sent."""

    revision: int


# Pages


async def write(request: Request) -> Response:
    """`/compose`: nothing is kept before something is typed."""
    user, now = person(request).id, surroundings(request).clock()
    given = request.query_params
    begun = [(mode, given[mode]) for mode in (Mode.REPLY, Mode.REPLY_ALL, Mode.FORWARD) if given.get(mode)]
    copy = from_public_id(given.get("copy", ""))
    template = from_public_id(given.get("template", ""))

    def look(connection: Connection) -> Draft:
        if begun:
            mode, written = begun[0]
            message = from_public_id(written)
            found = message is not None and compose.answer(
                connection, user, MessageId(message), mode, now, None if copy is None else CopyId(copy)
            )
            if not found:
                raise HTTPException(404, later("There is no such message that you could answer."))
            return found
        draft = Draft(to=" ".join(given.get("to", "").split())[:TYPED_MAX])
        if template is None:
            return draft
        try:
            made = templates.made(connection, user, TemplateId(template), contact=draft.to, whole=False)
        except BadInput:
            made = None
        if made is None:
            return draft
        version, filled = made
        content = filled.content
        return Draft(
            to=draft.to,
            subject=content.subject,
            html=content.html,
            template=FromTemplate(id=public_id(template), version=version.version),
        )

    return await _page(request, await asked(request, look), None)


async def draft_page(request: Request) -> Response:
    """`/compose/{id}`: a kept draft; of one that was sent, the message."""
    kept = await _kept(request)
    if kept.message is not None:
        return RedirectResponse(f"/message/{public_id(kept.message)}", 303)
    return await _page(request, kept.draft, kept)


async def _page(request: Request, draft: Draft, kept: KeptDraft | None) -> Response:
    user = person(request).id

    def look(connection: Connection) -> tuple[list[Identity], int]:
        return identities.list_for(connection, user), preferences.undo_s(connection, user)

    own, undo_s = await asked(request, look)
    composer = {
        "id": public_id(kept.id) if kept else "",
        "revision": kept.revision if kept else 0,
        "content": msgspec.to_builtins(draft),
        "check": msgspec.to_builtins(await _check(request, draft, kept)),
        "undo_s": undo_s,
        "attachments": [_file(kept.id, each) for each in kept.attachments if not each.inline] if kept else [],
        "identities": [{"address": each.address, "name": each.name, "signature": each.signature} for each in own],
    }
    title = draft.subject.strip() if kept else ""
    return render(request, "compose.html", composer=composer, title=title or language(request).say(TITLES[draft.mode]))


async def drafts_page(request: Request) -> Response:
    """`/drafts`: what is being written, the last changed first."""
    return await _drafts(request)


async def _drafts(request: Request, *, typed: str | None = None, wrong: Mapping[str, str] | None = None) -> Response:
    user = person(request).id
    found, undo_s = await asked(
        request, lambda connection: (drafts.list_for(connection, user), preferences.undo_s(connection, user))
    )
    return render(
        request,
        "drafts.html",
        status=422 if wrong else 200,
        drafts=[replace(each, recipients=ADDRESS_OF_A_NAME.sub("", each.recipients)) for each in found],
        undo_s=undo_s if typed is None else typed,
        undo_s_max=preferences.UNDO_S_MAX,
        wrong=wrong or {},
        done=request.query_params.get("done", ""),
    )


async def keep_undo(request: Request) -> Response:
    """POST: how long a letter waits in which it can be taken back. Form: undo_s."""
    user, written = person(request).id, request.state.form.get("undo_s", "").strip()
    seconds = int(written) if written.isascii() and written.isdigit() and len(written) < 5 else -1
    if not 0 <= seconds <= preferences.UNDO_S_MAX:
        words = language(request).say("Write a number of seconds from 0 to %(most)s.", most=preferences.UNDO_S_MAX)
        return await _drafts(request, typed=written, wrong={"undo_s": words})
    await changed(request, lambda connection: preferences.put(connection, user, preferences.UNDO_S, seconds))
    return RedirectResponse("/drafts?done=kept", 303)


# What the composer asks


async def create(request: Request) -> Response:
    """POST: keep a new draft."""
    draft = await _body(request, Draft)
    user, now = person(request).id, surroundings(request).clock()
    made = await changed(request, lambda connection: compose.keep(connection, user, draft, now))
    kept = await _load(request, made)
    found = await _check(request, draft, kept)
    files = [_file(made, each) for each in kept.attachments] if kept else []
    answer = {"id": public_id(made), "revision": 1, "check": found, "attachments": files}
    return _json(answer, HTTPStatus.CREATED)


async def save(request: Request) -> Response:
    """PUT: keep a change."""
    kept = await _kept(request)
    said = await _body(request, Save)
    user, now = person(request).id, surroundings(request).clock()
    revision = await changed(
        request, lambda connection: drafts.save(connection, user, kept.id, said.revision, said.content, now)
    )
    if revision is None:
        return _conflict(request, await _load(request, kept.id))
    return _json({"revision": revision, "check": await _check(request, said.content, kept)})


async def check(request: Request) -> Response:
    """POST: what would become of it. Keeps nothing."""
    said = await _body(request, Ask)
    number = from_public_id(said.id)
    kept = await _load(request, DraftId(number)) if number is not None else None
    return _json({"check": await _check(request, said.content, kept)})


async def send(request: Request) -> Response:
    """POST: send it; it leaves when the time to take it back is over."""
    kept = await _kept(request)
    said = await _body(request, Send)
    around, user, desk = surroundings(request), person(request).id, await _desk(request)
    match await run_in_threadpool(lambda: compose.dispatch(around.engine, user, kept.id, said.revision, desk)):
        case Sent() as sent:
            return _json({"message": public_id(sent.message), "undo_s": sent.undo_s})
        case Wrong() as wrong:
            words = wrong.fields.get("") or language(request).say(
                "It cannot be sent as it is: see what stands beside the fields."
            )
            return _json({"error": words, "fields": wrong.fields}, HTTPStatus.UNPROCESSABLE_ENTITY)
        case Changed() as other:
            return _conflict(request, other.kept)
        case None:
            raise HTTPException(404, NO_DRAFT)


async def undo(request: Request) -> Response:
    """POST: take it back, while it has not left."""
    kept = await _kept(request)
    around, user = surroundings(request), person(request).id
    revision = await run_in_threadpool(lambda: compose.take_back(around.engine, user, kept.id, around.clock()))
    if revision is None:
        words = language(request).say("It has left, and cannot be taken back.")
        return _json({"error": words}, HTTPStatus.CONFLICT)
    return _json({"revision": revision})


async def discard(request: Request) -> Response:
    """POST: forget it."""
    kept, user = await _kept(request), person(request).id
    await changed(request, lambda connection: drafts.discard(connection, user, kept.id))
    return _json({})


async def suggest(request: Request) -> Response:
    """Contacts whose address or name begins with `q`."""
    user, typed = person(request).id, request.query_params.get("q", "")[:TYPED_MAX].replace("\0", "")
    found = await asked(request, lambda connection: contacts.suggest(connection, user, typed))
    return _json({"contacts": [{"address": each.address, "name": composing.plain(each.name)} for each in found]})


# Files


async def attach(request: Request) -> Response:
    """POST: a file, as the body. `name`, `inline=1` for a picture in the text."""
    kept = await _kept(request)
    now = surroundings(request).clock()
    content = await _bytes(request, FILE_BYTES_MAX)
    if content is None:
        words = language(request).say(
            "This file is larger than %(most)s MB, which is what a letter can carry.", most=FILE_BYTES_MAX // 10**6
        )
        return _json({"error": words, "fields": {"attachments": words}}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    kind = composing.media_type(request.headers.get("content-type", ""))
    try:
        name = composing.file_name(request.query_params.get("name", ""))
        inline = request.query_params.get("inline") == "1" and kind in letter.CARRIED_TYPES
        made = await changed(
            request,
            lambda connection: drafts.attach(
                connection, kept.id, name=name, media_type=kind, content=content, inline=inline, now=now
            ),
        )
    except (BadInput, Refused) as error:
        words = sentence(error, language(request))
        return _json({"error": words, "fields": {"attachments": words}}, HTTPStatus.UNPROCESSABLE_ENTITY)
    if made is None:
        return _conflict(request, await _load(request, kept.id))
    file = Attachment(id=made, name=name, media_type=kind, size=len(content), inline=inline)
    return _json(_file(kept.id, file), HTTPStatus.CREATED)


async def file(request: Request) -> Response:
    """One file: pictures are shown, all else is to be kept."""
    number, attachment = from_public_id(request.path_params["id"]), from_public_id(request.path_params["aid"])
    user = person(request).id
    found = None
    if number is not None and attachment is not None:
        found = await asked(
            request, lambda connection: drafts.file(connection, user, DraftId(number), AttachmentId(attachment))
        )
    if found is None:
        raise HTTPException(404, NO_FILE)
    about, content = found
    shown = "inline" if about.media_type in letter.CARRIED_TYPES else "attachment"
    return Response(
        content,
        media_type=about.media_type if shown == "inline" else "application/octet-stream",
        headers={
            "Content-Disposition": f"{shown}; filename*=utf-8''{percent(about.name, safe='')}",
            "Content-Security-Policy": FILE_POLICY,
        },
    )


async def detach(request: Request) -> Response:
    """POST: forget one file."""
    kept, user = await _kept(request), person(request).id
    attachment = from_public_id(request.path_params["aid"])
    gone = attachment is not None and await changed(
        request, lambda connection: drafts.detach(connection, user, kept.id, AttachmentId(attachment))
    )
    if not gone:
        raise HTTPException(404, NO_FILE)
    return _json({})


# The message that is answered


async def quote_frame(request: Request) -> Response:
    """`/compose/{id}/quote`: what stands below, for the sandboxed frame."""
    kept = await _kept(request)
    user, desk = person(request).id, await _desk(request)

    def look(connection: Connection) -> Quote | None:
        answered = compose.gather(connection, user, kept.draft, None).answered
        return None if answered is None else quoted(answered, kept.draft.mode, desk)

    found = await asked(request, look)
    if found is None:
        raise HTTPException(404, later("This draft answers no message."))
    return letter.response(_with_pictures(found))


def _with_pictures(found: Quote) -> str:
    page, room = found.html, letter.CARRIED_TOTAL_MAX
    for part in found.pictures:
        room -= len(part.content)
        if len(part.content) <= letter.CARRIED_MAX and room >= 0:
            shown = f"data:{part.media_type};base64,{base64.b64encode(part.content).decode()}"
            page = page.replace(f'"cid:{part.id}"', f'"{shown}"')
    return letter.framed(f"<!doctype html>{page}")


# What they share


async def _desk(request: Request) -> Desk:
    user = person(request).id
    made = await asked(request, lambda connection: surroundings(request).desk(connection, user))
    times = said(request)
    return replace(made, zone=times.zone, twelve=times.twelve, texts=times.texts)


async def _kept(request: Request) -> KeptDraft:
    """The draft that the address names."""
    number = from_public_id(request.path_params["id"])
    kept = None if number is None else await _load(request, DraftId(number))
    if kept is None:
        raise HTTPException(404, NO_DRAFT)
    return kept


async def _load(request: Request, draft: DraftId) -> KeptDraft | None:
    user = person(request).id
    return await asked(request, lambda connection: drafts.load(connection, user, draft))


async def _check(request: Request, draft: Draft, kept: KeptDraft | None) -> Check:
    user, desk = person(request).id, await _desk(request)
    material = await asked(request, lambda connection: compose.gather(connection, user, draft, kept))
    return await run_in_threadpool(lambda: draft_check.check(material, desk))


def _file(draft: DraftId, each: Attachment) -> dict[str, object]:
    return {
        "id": public_id(each.id),
        "name": each.name,
        "size": each.size,
        "media_type": each.media_type,
        "inline": each.inline,
        "address": f"/compose/{public_id(draft)}/attachments/{public_id(each.id)}",
    }


def _conflict(request: Request, kept: KeptDraft | None) -> Response:
    texts = language(request)
    if kept is None:
        return _json({"error": texts.say("This draft was discarded in another window."), "message": ""}, 409)
    if kept.message is not None:
        words = texts.say("This letter was sent from another window.")
        return _json({"error": words, "message": public_id(kept.message)}, HTTPStatus.CONFLICT)
    words = texts.say("This draft was changed in another window.")
    return _json({"error": words, "revision": kept.revision, "content": kept.draft}, HTTPStatus.CONFLICT)


def _json(answer: Mapping[str, object], status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def _body(request: Request, kind: type[Body]) -> Body:
    """What a script of ours sent.

    Raises:
        HTTPException: too large, or not that.
    """
    raw = await _bytes(request, DRAFT_BYTES_MAX)
    if raw is None:
        raise HTTPException(
            413, later("The letter is too large to be kept. Take out pictures that were pasted, or attach them.")
        )
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # A browser may send half of a character, which a strict reader refuses; the rest of the letter must be kept.
        whole = json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(whole, type=kind)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"This is not what the composer sends: {str(error)[:200]}") from None


async def _bytes(request: Request, limit_bytes: int) -> bytes | None:
    """The body; None when it is larger than that."""
    try:
        return await body.read(request, limit_bytes)
    except ClientDisconnect:
        raise HTTPException(400) from None
    except RuntimeError:  # a form: the guard has read it
        raise HTTPException(400, "Send JSON, and the token in the header X-CSRF-Token.") from None


routes = [
    Route("/compose", write, methods=["GET"]),
    Route("/compose", create, methods=["POST"]),
    Route("/compose/check", check, methods=["POST"]),
    Route("/compose/contacts", suggest, methods=["GET"]),
    Route("/compose/{id}", draft_page, methods=["GET"]),
    Route("/compose/{id}", save, methods=["PUT"]),
    Route("/compose/{id}/quote", quote_frame, methods=["GET"]),
    Route("/compose/{id}/send", send, methods=["POST"]),
    Route("/compose/{id}/undo", undo, methods=["POST"]),
    Route("/compose/{id}/discard", discard, methods=["POST"]),
    Route("/compose/{id}/attachments", attach, methods=["POST"]),
    Route("/compose/{id}/attachments/{aid}", file, methods=["GET"]),
    Route("/compose/{id}/attachments/{aid}/remove", detach, methods=["POST"]),
    Route("/drafts", drafts_page, methods=["GET"]),
    Route("/drafts/undo", keep_undo, methods=["POST"]),
]
