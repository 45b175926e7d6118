"""What opens this account: browsers that are signed in, app passwords of mail programs, API tokens.

    /settings/access   lists of the three; each is ended alone, browsers also all, or all but this one

Promises that a secret is shown once and never again, and that whatever is ended here is refused from then on: a browser
and an API token at the next request, an app password at the next sign-in of a mail program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.guard import session_cookie
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.settings import NOT_YOURS, browser_name
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.store import audit, people, proofs
from unsealed.store.proofs import Credential, CredentialKind, Session

log = structlog.get_logger(__name__)

DONE = {
    "revoked": later("Revoked. Programs that used it are refused from now on."),
    "out": later("That browser is signed out."),
    "others-out": later("All other browsers are signed out."),
    "password": later("The new password is kept. All other browsers are signed out."),
}
KINDS = {CredentialKind.SMTP: "app password", CredentialKind.API: "API token"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A secret that was made just now: this is the only answer that holds it."""

    kind: CredentialKind
    label: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the page lists."""

    app_passwords: list[Credential]
    api_tokens: list[Credential]
    sessions: list[Session]


async def account(_: Request) -> Response:
    """`/settings`."""
    return RedirectResponse("/settings/access", 303)


async def back(request: Request) -> Response:
    """Who loads the address of an answer again, one that held a secret, gets the page without it."""
    part, slash, _ = request.path_params["part"].partition("/")
    known = slash and part.isascii() and part.isalpha()
    return RedirectResponse(f"/settings/{part}" if known else "/settings", 303)


async def access(request: Request) -> Response:
    """`/settings/access`."""
    return await page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def make_app_password(request: Request) -> Response:
    """POST: a password for one mail program. Form: label."""
    return await _make(request, CredentialKind.SMTP, proofs.new_app_password)


async def make_api_token(request: Request) -> Response:
    """POST: a token for one program that reads. Form: label."""
    return await _make(request, CredentialKind.API, proofs.new_api_token)


async def revoke(request: Request) -> Response:
    """POST: end an app password or API token. Form: id."""
    who, key, now = person(request), request.state.form.get("id", ""), surroundings(request).clock()

    def end(connection: Connection) -> bool:
        label = proofs.revoke_credential(connection, who.id, key)
        if label is None:
            return False
        audit.note(connection, who.id, audit.What.REVOKED, label or key, now)
        return True

    if not await changed(request, end):
        raise HTTPException(404, NOT_YOURS)
    log.info("credential.revoked", credential=key)
    return done_at("/settings/access", "revoked", "programs")


async def sign_out(request: Request) -> Response:
    """POST: sign one browser out, also this one. Form: id."""
    who, id, now = person(request), request.state.form.get("id", ""), surroundings(request).clock()

    def end(connection: Connection) -> Session | None:
        found = proofs.session_by_id(connection, who.id, id, now)
        if found is not None:
            proofs.end_session(connection, found)
            audit.note(connection, who.id, audit.What.SIGNED_OUT, browser_name(found.user_agent), now)
        return found

    ended = await changed(request, end)
    if ended is None:
        raise HTTPException(404, NOT_YOURS)
    if ended.hash != who.session.hash:
        return done_at("/settings/access", "out", "browsers")
    return _out(request)


async def sign_others_out(request: Request) -> Response:
    """POST: sign out every browser but this one."""
    who, now = person(request), surroundings(request).clock()

    def end(connection: Connection) -> None:
        if proofs.end_other_sessions(connection, who.session):
            audit.note(connection, who.id, audit.What.SIGNED_OUT, "all but one", now)

    await changed(request, end)
    return done_at("/settings/access", "others-out", "browsers")


async def sign_all_out(request: Request) -> Response:
    """POST: sign out every browser, this one too."""
    who, now = person(request), surroundings(request).clock()

    def end(connection: Connection) -> None:
        proofs.end_other_sessions(connection, who.session)
        proofs.end_session(connection, who.session)
        audit.note(connection, who.id, audit.What.SIGNED_OUT, "all", now)

    await changed(request, end)
    return _out(request)


def _out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", 303)
    response.headers.append("set-cookie", session_cookie(surroundings(request).origin, ""))
    return response


async def page(
    request: Request,
    *,
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
    made: Made | None = None,
    done: str = "",
) -> Response:
    """The page; `wrong`: what is wrong, by field."""
    who = person(request)

    def look(connection: Connection) -> Kept:
        return Kept(
            app_passwords=proofs.credentials_of(connection, who.id, CredentialKind.SMTP),
            api_tokens=proofs.credentials_of(connection, who.id, CredentialKind.API),
            sessions=proofs.sessions_of(connection, who.id, surroundings(request).clock()),
        )

    return render(
        request,
        "settings_access.html",
        status=status,
        kept=await asked(request, look),
        wrong=wrong or {},
        made=made,
        done=done,
        here=who.session.hash,
        named=lambda session: browser_name(session.user_agent, language(request)),
    )


def done_at(path: str, done: str, section: str) -> Response:
    """To the page that says what was done."""
    return RedirectResponse(f"{path}?done={done}#{section}", 303)


async def _make(
    request: Request, kind: CredentialKind, new: Callable[[Connection, UserId, str, datetime], str]
) -> Response:
    who, label, now = (
        person(request),
        people.one_line(request.state.form.get("label", "")),
        surroundings(request).clock(),
    )

    def make(connection: Connection) -> str:
        audit.note(connection, who.id, audit.What.GIVEN, f"{KINDS[kind]} {label}".rstrip(), now)
        return new(connection, who.id, label, now)

    secret = await changed(request, make)
    return await page(request, made=Made(kind=kind, label=label, secret=secret))


routes = [
    Route("/settings", account, methods=["GET"]),
    Route("/settings/access", access, methods=["GET"]),
    Route("/settings/access/app-passwords", make_app_password, methods=["POST"]),
    Route("/settings/access/api-tokens", make_api_token, methods=["POST"]),
    Route("/settings/access/revoke", revoke, methods=["POST"]),
    Route("/settings/access/browsers", sign_out, methods=["POST"]),
    Route("/settings/access/browsers/others", sign_others_out, methods=["POST"]),
    Route("/settings/access/browsers/all", sign_all_out, methods=["POST"]),
]
