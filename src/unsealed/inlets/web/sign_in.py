"""Signing in and out, the one-time link, and another password.

Promises that a link is used up by its button and not by looking at it (scanners look at everything), that a secret is
shown once and never again, and that wrong name, wrong password and no password read the same and take the same time.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.flow.notify import is_zone
from unsealed.inlets.guard import Person, local_path, session_cookie
from unsealed.inlets.passwords import Passwords
from unsealed.inlets.presence import client_address, user_agent
from unsealed.inlets.web import access
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.language import CLOCKS
from unsealed.inlets.web.page import language, render, told_by_browser
from unsealed.inlets.web.surroundings import Surroundings, asked, changed, person
from unsealed.model.errors import BadInput, Refused, Unavailable, sentence
from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.store import audit, people, preferences, proofs
from unsealed.store.people import User

log = structlog.get_logger(__name__)

WRONG_PAIR = later("This name and this password do not belong together.")
LINK_GONE = later(
    "This sign-in link was used already, is too old, or was replaced by a newer one. "
    "Sign in with your password, or ask whoever runs this installation for a new one (unsealed user link EMAIL)."
)
STAND_IN = "@localhost"  # the owner's address before the first sign-in, when the installation was given none


def routes(around: Surroundings) -> list[Route]:
    """The routes of this module. `/sign-in` and `/welcome/` are open, see `inlets.guard`."""
    pages = _Pages(around)
    return [
        Route("/sign-in", pages.sign_in, methods=["GET"]),
        Route("/sign-in", pages.try_password, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Route("/welcome/{secret}", pages.welcome, methods=["GET"]),
        Route("/welcome/{secret}", pages.arrive, methods=["POST"]),
        Route("/settings/access/password", pages.change_password, methods=["POST"]),
        Route("/settings/{part:path}", access.back, methods=["GET"]),
    ]


class _Pages:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._passwords = Passwords(around.engine, around.clock)

    # Sign in, sign out

    async def sign_in(self, request: Request) -> Response:
        onward = local_path(request.query_params.get("next", "/"))
        if request.state.person is not None:
            return RedirectResponse(onward, 303)
        return render(request, "sign_in.html", email="", onward=onward, wrong="")

    async def try_password(self, request: Request) -> Response:
        form = _form(request)
        email, onward = form.get("email", ""), local_path(form.get("next", "/"))

        texts = language(request)

        def again(status: int, wrong: str) -> Response:
            return render(request, "sign_in.html", status=status, email=email[:320], onward=onward, wrong=wrong)

        try:
            user = await self._passwords.check(email, form.get("password", ""), client_address(request))
        except Refused as error:
            response = again(429, sentence(error, texts))
            response.headers["Retry-After"] = "60"
            return response
        except Unavailable as error:
            return again(503, sentence(error, texts))
        if user is None:
            return again(401, texts.say(WRONG_PAIR))
        cookie = await changed(request, lambda connection: self._new_session(connection, request, user))
        log.info("sign_in.done")
        return self._with_cookie(RedirectResponse(onward, 303), cookie)

    async def sign_out(self, request: Request) -> Response:
        session = person(request).session
        await changed(request, lambda connection: proofs.end_session(connection, session))
        return self._with_cookie(RedirectResponse("/sign-in", 303), "")

    # The one-time link

    async def welcome(self, request: Request) -> Response:
        user = await asked(request, lambda connection: self._link_user(connection, request))
        return self._welcome_page(request, user, address=_own_address(user), wrong={})

    async def arrive(self, request: Request) -> Response:
        """Use the link up: password and address are kept, the browser is signed in, an app password is shown."""
        form = _form(request)
        user = await asked(request, lambda connection: self._link_user(connection, request))
        # Only the first of all says who they are: any other address has to be proven, see `store.identities`.
        address = _own_address(user) or form.get("address", "").strip()
        texts = language(request)
        wrong: dict[str, str] = {}
        password_hash = ""
        try:
            address = people.clean_address(address)
        except BadInput as error:
            wrong["address"] = sentence(error, texts)
        try:
            password_hash = await self._passwords.hash(form.get("password", ""))
        except BadInput as error:
            wrong["password"] = sentence(error, texts)
        if wrong:
            return self._welcome_page(request, user, address=address, wrong=wrong, status=422)

        def settle(connection: Connection) -> tuple[str, str]:
            now = self._around.clock()
            used = proofs.use_login_link(connection, request.path_params["secret"], now)
            if used is None:
                raise HTTPException(404, LINK_GONE)
            if not _own_address(user):
                people.rename(connection, used, address, now)
            people.set_password_hash(connection, used, password_hash)
            audit.note(connection, used, audit.What.SIGN_IN, "with a one-time link", now)
            made = proofs.new_app_password(connection, used, texts.say("Mail program"), now)
            return made, self._new_session(connection, request, used)

        try:
            made, cookie = await changed(request, settle)
        except Refused as error:  # the address is somebody else's; nothing was kept, the link still works
            wrong["address"] = sentence(error, texts)
            return self._welcome_page(request, user, address=address, wrong=wrong, status=422)
        log.info("welcome.done")
        return self._with_cookie(render(request, "ready.html", secret=made, name=address), cookie)

    def _link_user(self, connection: Connection, request: Request) -> User:
        found = proofs.login_link_user(connection, request.path_params["secret"], self._around.clock())
        if found is None:
            raise HTTPException(404, LINK_GONE)
        return found

    def _welcome_page(
        self, request: Request, user: User, *, address: str, wrong: Mapping[str, str], status: int = 200
    ) -> Response:
        return render(
            request, "welcome.html", status=status, user=user, address=address, own=_own_address(user), wrong=wrong
        )

    # The password

    async def change_password(self, request: Request) -> Response:
        who, form, texts = person(request), _form(request), language(request)
        try:
            if await self._passwords.check(who.email, form.get("current", ""), client_address(request)) != who.id:
                raise Refused(later("this is not your present password"))
        except Refused as error:
            return await access.page(request, status=422, wrong={"current": sentence(error, texts)})
        try:
            password_hash = await self._passwords.hash(form.get("password", ""))
        except BadInput as error:
            return await access.page(request, status=422, wrong={"password": sentence(error, texts)})

        def keep(connection: Connection) -> str:
            people.set_password_hash(connection, who.id, password_hash)
            audit.note(connection, who.id, audit.What.SIGN_IN, "on the settings page", self._around.clock())
            return self._new_session(connection, request, who.id)

        return self._with_cookie(done_at("/settings/access", "password", "browsers"), await changed(request, keep))

    # The cookie

    def _new_session(self, connection: Connection, request: Request, user: UserId) -> str:
        """A fresh session, whatever cookie came with the request: an old one, or one planted, is worth nothing."""
        old: Person | None = request.state.person
        if old is not None:
            proofs.end_session(connection, old.session)
        now = self._around.clock()
        asked = self._around.languages.of("", request.headers.get("accept-language", ""))
        preferences.put(connection, user, preferences.BROWSER_LANGUAGE, asked.code)
        zone, _, hours = told_by_browser(request)
        if is_zone(zone):
            preferences.put(connection, user, preferences.BROWSER_ZONE, zone)
        if hours in CLOCKS:
            preferences.put(connection, user, preferences.BROWSER_CLOCK, hours)
        cookie, _ = proofs.new_session(connection, user, client_address(request), user_agent(request), now)
        return cookie

    def _with_cookie(self, response: Response, value: str) -> Response:
        response.headers.append("set-cookie", session_cookie(self._around.origin, value))
        return response


def _form(request: Request) -> Mapping[str, str]:
    form: Mapping[str, str] = request.state.form  # read by the guard before anything may change
    return form


def _own_address(user: User) -> str:
    return "" if user.email.endswith(STAND_IN) else user.email
