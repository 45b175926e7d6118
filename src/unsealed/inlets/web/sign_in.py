"""Signing in and out, the one-time link, and the settings of the person who is signed in.

Promises that a link is used up by its button and not by looking at it (scanners look at everything), that a secret is
shown once and never again, and that wrong name, wrong password and no password read the same and take the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.inlets.auth import Door, Person, client_address, local_path, session_cookie, user_agent
from unsealed.inlets.web.page import render
from unsealed.inlets.web.settings import browser_name
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.inlets.web.trouble import sentence
from unsealed.model.errors import BadInput, Refused, Unavailable
from unsealed.model.message import UserId
from unsealed.store import people
from unsealed.store.engine import reading
from unsealed.store.people import Credential, CredentialKind, Session, User

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

WRONG_PAIR = "This name and this password do not belong together."
LINK_GONE = (
    "This sign-in link was used already, is older than a day, or was replaced by a newer one. "
    "Sign in with your password, or ask whoever runs this installation for a new one (unsealed user link EMAIL)."
)
NOT_YOURS = "It is gone already, or it was never yours. Nothing was changed."
STAND_IN = "@localhost"  # the owner's address before the first sign-in, when the installation was given none
DONE = {
    "address-added": "The address was added. Your mail program can send from it now.",
    "address-removed": "The address was removed.",
    "revoked": "Revoked. Programs that used it are refused from now on.",
    "others-out": "All other browsers are signed out.",
    "password": "The new password is kept. All other browsers are signed out.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A secret that was made just now: this is the only answer that holds it."""

    kind: CredentialKind
    label: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the settings page lists."""

    addresses: list[str]
    app_passwords: list[Credential]
    api_tokens: list[Credential]
    sessions: list[Session]
    user: User


def routes(around: Surroundings) -> list[Route]:
    """The routes of this module. `/sign-in` and `/welcome/` are open, see `inlets.auth`."""
    pages = _Pages(around)
    return [
        Route("/sign-in", pages.sign_in, methods=["GET"]),
        Route("/sign-in", pages.try_password, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Route("/welcome/{secret}", pages.welcome, methods=["GET"]),
        Route("/welcome/{secret}", pages.arrive, methods=["POST"]),
        Route("/settings", pages.settings, methods=["GET"]),
        Route("/settings/{part:path}", pages.back, methods=["GET"]),
        Route("/settings/addresses", pages.add_address, methods=["POST"]),
        Route("/settings/addresses/remove", pages.remove_address, methods=["POST"]),
        Route("/settings/app-passwords", pages.make_app_password, methods=["POST"]),
        Route("/settings/api-tokens", pages.make_api_token, methods=["POST"]),
        Route("/settings/revoke", pages.revoke, methods=["POST"]),
        Route("/settings/sessions/others", pages.sign_others_out, methods=["POST"]),
        Route("/settings/password", pages.change_password, methods=["POST"]),
    ]


class _Pages:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._door = Door(around.engine, around.clock)

    # Sign in, sign out

    async def sign_in(self, request: Request) -> Response:
        onward = local_path(request.query_params.get("next", "/"))
        if request.state.person is not None:
            return RedirectResponse(onward, 303)
        return render(request, "sign_in.html", email="", onward=onward, wrong="")

    async def try_password(self, request: Request) -> Response:
        form = _form(request)
        email, onward = form.get("email", ""), local_path(form.get("next", "/"))

        def again(status: int, wrong: str) -> Response:
            return render(request, "sign_in.html", status=status, email=email[:320], onward=onward, wrong=wrong)

        try:
            user = await self._door.check(email, form.get("password", ""), client_address(request))
        except Refused as error:
            response = again(429, str(error))
            response.headers["Retry-After"] = "60"
            return response
        except Unavailable as error:
            return again(503, str(error))
        if user is None:
            return again(401, WRONG_PAIR)
        cookie = await self._write(lambda connection: self._new_session(connection, request, user))
        log.info("sign_in.done")
        return self._with_cookie(RedirectResponse(onward, 303), cookie)

    async def sign_out(self, request: Request) -> Response:
        session = _person(request).session
        await self._write(lambda connection: people.end_session(connection, session))
        return self._with_cookie(RedirectResponse("/sign-in", 303), "")

    # The one-time link

    async def welcome(self, request: Request) -> Response:
        user = await self._read(lambda connection: self._link_user(connection, request))
        return self._welcome_page(request, user, address=_own_address(user), wrong={})

    async def arrive(self, request: Request) -> Response:
        """Use the link up: password and address are kept, the browser is signed in, an app password is shown."""
        form = _form(request)
        user = await self._read(lambda connection: self._link_user(connection, request))
        address = form.get("address", "").strip() or _own_address(user)
        wrong: dict[str, str] = {}
        password_hash = ""
        try:
            address = people.clean_address(address)
        except BadInput as error:
            wrong["address"] = sentence(error)
        try:
            password_hash = await self._door.hash(form.get("password", ""))
        except BadInput as error:
            wrong["password"] = sentence(error)
        if wrong:
            return self._welcome_page(request, user, address=address, wrong=wrong, status=422)

        def settle(connection: Connection) -> tuple[str, str]:
            now = self._around.clock()
            used = people.use_login_link(connection, request.path_params["secret"], now)
            if used is None:
                raise HTTPException(404, LINK_GONE)
            if user.email.endswith(STAND_IN):
                people.rename(connection, used, address, now)
            else:
                people.add_identity(connection, used, address, now)
            people.set_password_hash(connection, used, password_hash)
            made = people.new_app_password(connection, used, "Mail program", now)
            return made, self._new_session(connection, request, used)

        try:
            made, cookie = await self._write(settle)
        except Refused as error:  # the address is somebody else's; nothing was kept, the link still works
            wrong["address"] = sentence(error)
            return self._welcome_page(request, user, address=address, wrong=wrong, status=422)
        log.info("welcome.done")
        return self._with_cookie(render(request, "ready.html", secret=made, name=address), cookie)

    def _link_user(self, connection: Connection, request: Request) -> User:
        found = people.login_link_user(connection, request.path_params["secret"], self._around.clock())
        if found is None:
            raise HTTPException(404, LINK_GONE)
        return found

    def _welcome_page(
        self, request: Request, user: User, *, address: str, wrong: Mapping[str, str], status: int = 200
    ) -> Response:
        return render(request, "welcome.html", status=status, user=user, address=address, wrong=wrong)

    # Settings

    async def settings(self, request: Request) -> Response:
        return await self._settings_page(request, done=DONE.get(request.query_params.get("done", ""), ""))

    async def back(self, _: Request) -> Response:
        """Who loads the address of an answer again, one that held a secret, gets the page without it."""
        return RedirectResponse("/settings", 303)

    async def add_address(self, request: Request) -> Response:
        person, address = _person(request), _form(request).get("address", "")
        try:
            await self._write(
                lambda connection: people.add_identity(connection, person.id, address, self._around.clock())
            )
        except (BadInput, Refused) as error:
            wrong = {"address": sentence(error)}
            return await self._settings_page(request, status=422, wrong=wrong, typed={"address": address})
        return _back("address-added", "addresses")

    async def remove_address(self, request: Request) -> Response:
        person, address = _person(request), _form(request).get("address", "")
        try:
            if not await self._write(lambda connection: people.remove_identity(connection, person.id, address)):
                raise HTTPException(404, NOT_YOURS)
        except Refused as error:
            return await self._settings_page(request, status=422, wrong={"addresses": sentence(error)})
        return _back("address-removed", "addresses")

    async def make_app_password(self, request: Request) -> Response:
        return await self._make(request, CredentialKind.SMTP, people.new_app_password)

    async def make_api_token(self, request: Request) -> Response:
        return await self._make(request, CredentialKind.API, people.new_api_token)

    async def revoke(self, request: Request) -> Response:
        person, key = _person(request), _form(request).get("id", "")
        if await self._write(lambda connection: people.revoke_credential(connection, person.id, key)) is None:
            raise HTTPException(404, NOT_YOURS)
        log.info("credential.revoked", credential=key)
        return _back("revoked", "programs")

    async def sign_others_out(self, request: Request) -> Response:
        session = _person(request).session
        await self._write(lambda connection: people.end_other_sessions(connection, session))
        return _back("others-out", "browsers")

    async def change_password(self, request: Request) -> Response:
        person, form = _person(request), _form(request)
        try:
            if await self._door.check(person.email, form.get("current", ""), client_address(request)) != person.id:
                raise Refused("this is not your present password")
        except Refused as error:
            return await self._settings_page(request, status=422, wrong={"current": sentence(error)})
        try:
            password_hash = await self._door.hash(form.get("password", ""))
        except BadInput as error:
            return await self._settings_page(request, status=422, wrong={"password": sentence(error)})

        def keep(connection: Connection) -> str:
            people.set_password_hash(connection, person.id, password_hash)
            return self._new_session(connection, request, person.id)

        return self._with_cookie(_back("password", "browsers"), await self._write(keep))

    async def _make(
        self,
        request: Request,
        kind: CredentialKind,
        new: Callable[[Connection, UserId, str, datetime], str],
    ) -> Response:
        person, label = _person(request), _form(request).get("label", "")
        secret = await self._write(lambda connection: new(connection, person.id, label, self._around.clock()))
        return await self._settings_page(request, made=Made(kind=kind, label=label, secret=secret))

    async def _settings_page(
        self,
        request: Request,
        *,
        status: int = 200,
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        made: Made | None = None,
        done: str = "",
    ) -> Response:
        person = _person(request)

        def look(connection: Connection) -> Kept:
            user = people.user(connection, person.id)
            assert user is not None  # noqa: S101 - its session was found a moment ago
            return Kept(
                addresses=people.identities_of(connection, person.id),
                app_passwords=people.credentials_of(connection, person.id, CredentialKind.SMTP),
                api_tokens=people.credentials_of(connection, person.id, CredentialKind.API),
                sessions=people.sessions_of(connection, person.id, self._around.clock()),
                user=user,
            )

        kept = await self._read(look)
        return render(
            request,
            "settings.html",
            status=status,
            kept=kept,
            wrong=wrong or {},
            typed=typed or {},
            made=made,
            done=done,
            here=person.session.hash,
            named=lambda session: browser_name(session.user_agent),
        )

    # Store and cookie

    async def _read(self, work: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with reading(self._around.engine) as connection:
                return work(connection)

        return await run_in_threadpool(run)

    async def _write(self, work: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with self._around.engine.begin() as connection:
                return work(connection)

        return await run_in_threadpool(run)

    def _new_session(self, connection: Connection, request: Request, user: UserId) -> str:
        """A fresh session, whatever cookie came with the request: an old one, or one planted, is worth nothing."""
        old: Person | None = request.state.person
        if old is not None:
            people.end_session(connection, old.session)
        now = self._around.clock()
        cookie, _ = people.new_session(connection, user, client_address(request), user_agent(request), now)
        return cookie

    def _with_cookie(self, response: Response, value: str) -> Response:
        response.headers.append("set-cookie", session_cookie(self._around.origin, value))
        return response


def _person(request: Request) -> Person:
    person: Person = request.state.person  # the guard lets nobody else come here
    return person


def _form(request: Request) -> Mapping[str, str]:
    form: Mapping[str, str] = request.state.form  # read by the guard before anything may change
    return form


def _own_address(user: User) -> str:
    return "" if user.email.endswith(STAND_IN) else user.email


def _back(done: str, section: str) -> Response:
    return RedirectResponse(f"/settings?done={done}#{section}", 303)
