"""The addresses a person sends from.

    /settings/identities   each with a name and a signature; new ones are proven by a mailed code

Promises that asking for a code says nothing about whether others use the address: that is said to who reads its mail.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.flow import letters
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.settings import NOT_YOURS
from unsealed.inlets.web.surroundings import asked, changed, newest_tracking, person, surroundings
from unsealed.model.draft import Identity
from unsealed.model.errors import BadInput, Refused, sentence
from unsealed.model.texts import later
from unsealed.store import identities
from unsealed.store.identities import NAME_LETTERS, SIGNATURE_LETTERS, Proof, Waiting

HERE = "/settings/identities"
DONE = {
    "sent": later("A code is on its way. Enter it here within 15 minutes."),
    "proven": later("The address is yours. You can send from it now."),
    "kept": later("Saved."),
    "removed": later("Removed. Nothing can be sent from it any more."),
}
WRONG = {
    Proof.WRONG: later("This is not the code of the newest letter to this address."),
    Proof.NONE: later("The code is too old, or was tried too often. Have another one sent."),
    Proof.TAKEN: later(
        "Another user here sends from this address. They can remove it in their settings; then try again."
    ),
}


async def addresses(request: Request) -> Response:
    """`/settings/identities`."""
    return await _page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def send_code(request: Request) -> Response:
    """POST: mail a code to an address. Form: address."""
    around, user, address = surroundings(request), person(request).id, request.state.form.get("address", "")
    tracking, texts = newest_tracking(around), language(request)

    def send() -> str:
        return letters.send_code(
            around.engine, user, address, origin=around.origin, tracking=tracking, now=around.clock(), texts=texts
        )

    try:
        await run_in_threadpool(send)
    except (BadInput, Refused) as error:
        status = 429 if isinstance(error, Refused) else 422
        return await _page(
            request, status=status, wrong={"address": sentence(error, language(request))}, typed={"address": address}
        )
    return done_at(HERE, "sent", "waiting")


async def enter_code(request: Request) -> Response:
    """POST: prove an address. Form: address, code."""
    user, form, now = person(request).id, request.state.form, surroundings(request).clock()
    address = form.get("address", "")
    proof = await changed(
        request, lambda connection: identities.enter_code(connection, user, address, form.get("code", ""), now)
    )
    if proof is Proof.PROVEN:
        return done_at(HERE, "proven", "addresses")
    return await _page(
        request, status=422, wrong={"code": language(request).say(WRONG[proof]), "code-of": address.strip().lower()}
    )


async def describe(request: Request) -> Response:
    """POST: keep name and signature. Form: address, name, signature."""
    user, form = person(request).id, request.state.form
    address, wrong = form.get("address", ""), {}
    name = signature = ""
    try:
        name = identities.clean_name(form.get("name", ""))
    except BadInput as error:
        wrong["name"] = sentence(error, language(request))
    try:
        signature = identities.clean_signature(form.get("signature", ""))
    except BadInput as error:
        wrong["signature"] = sentence(error, language(request))
    if wrong:
        return await _page(request, status=422, wrong=wrong, typed=form)
    if not await changed(
        request,
        lambda connection: identities.describe(connection, user, address, name=name, signature=signature),
    ):
        raise HTTPException(404, NOT_YOURS)
    return done_at(HERE, "kept", "addresses")


async def remove(request: Request) -> Response:
    """POST: take an address away, or give up proving it. Form: address."""
    user, now = person(request).id, surroundings(request).clock()
    address = request.state.form.get("address", "")
    try:
        if not await changed(request, lambda connection: identities.remove(connection, user, address, now)):
            raise HTTPException(404, NOT_YOURS)
    except Refused as error:
        return await _page(request, status=422, wrong={"addresses": sentence(error, language(request))})
    return done_at(HERE, "removed", "addresses")


async def _page(
    request: Request,
    *,
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    done: str = "",
) -> Response:
    user, now = person(request).id, surroundings(request).clock()

    def look(connection: Connection) -> tuple[list[Identity], list[Waiting]]:
        return identities.list_for(connection, user), identities.waiting(connection, user, now)

    own, waiting = await asked(request, look)
    return render(
        request,
        "settings_identities.html",
        status=status,
        identities=own,
        waiting=waiting,
        wrong=wrong or {},
        typed=typed or {},
        limits={"name": NAME_LETTERS, "signature": SIGNATURE_LETTERS},
        done=done,
    )


routes = [
    Route(HERE, addresses, methods=["GET"]),
    Route(HERE, send_code, methods=["POST"]),
    Route(f"{HERE}/code", enter_code, methods=["POST"]),
    Route(f"{HERE}/describe", describe, methods=["POST"]),
    Route(f"{HERE}/remove", remove, methods=["POST"]),
]
