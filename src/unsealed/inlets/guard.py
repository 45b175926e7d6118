"""Who is signed in, and the rules that every answer of the web side keeps.

`Guard` stands in front of all pages. It promises: an unknown Host gets nothing; whoever is not signed in sees the open
pages only; a request that changes something comes from our own pages, which an Origin (or Sec-Fetch-Site) header and a
token of the session prove; every answer carries the security headers. A page behind it may rely on
`request.state.person`, `request.state.address` and, after a POST, on `request.state.form`.

The session's row keeps from where the browser was seen last: the judge needs it to tell the sender's own openings.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from urllib.parse import quote, urlsplit

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unsealed.core import forwarded
from unsealed.inlets import form
from unsealed.inlets.presence import client_address, noted, user_agent
from unsealed.model.message import UserId
from unsealed.model.ports import Clock
from unsealed.model.texts import later
from unsealed.store import people, policies, preferences, proofs, upstreams
from unsealed.store.engine import reading
from unsealed.store.proofs import Session

log = structlog.get_logger(__name__)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CSP,  # a page may set a stricter one of its own: the frame of a letter does
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"

OPEN_PATHS = frozenset(
    {"/sign-in", "/healthz", "/robots.txt", "/favicon.ico", "/sw.js", "/manifest.webmanifest", "/offline"}
)
OPEN_FOLDERS = ("/static/", "/welcome/", "/api/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")

Refuse = Callable[[Request, int, str], Response]  # a page, or JSON under /api, that says why not; "": in general words


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in, for pages."""

    id: UserId
    email: str
    name: str
    csrf: str = field(repr=False)  # every form carries it in the field `csrf`, scripts in the header X-CSRF-Token
    session: Session = field(repr=False)
    next_hop: str | None = None  # host of the next hop chosen in the pages; None: mail goes the usual way
    language: str = ""  # code of the one that was chosen; "": what the browser asks for
    clock: str = ""  # "12" or "24", as it was chosen; "": as the browser counts hours
    undecided: bool = False  # this person decides for everybody, and nobody has chosen yet what is tracked


class Guard:
    """ASGI middleware; outermost of ours."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        engine: Engine,
        clock: Clock,
        origin: str,
        trusted_proxies: Sequence[forwarded.Network],
        refuse: Refuse,
    ) -> None:
        """origin: scheme, host and port under which people reach the pages; absolute addresses come from it alone."""
        self._app = app
        self._engine = engine
        self._clock = clock
        self._origin = origin
        self._host = urlsplit(origin).hostname or ""
        self._trusted = trusted_proxies
        self._refuse = refuse
        self._chosen = False  # whether somebody chose what is tracked by default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"]  # not `request.url`: that one is put together with the Host header, which anybody writes
        if path != "/healthz" and not self._knows_host(request):
            log.warning("request.unknown_host", host=request.headers.get("host", "")[:100], known=self._host)
            await Response(status_code=421)(scope, receive, send)
            return
        secured = _Secured(send, https=self._origin.startswith("https:"))
        cookie = request.cookies.get(cookie_name(self._origin), "")
        person = None
        request.state.person = None
        request.state.address = self._address(request)
        if cookie and not path.startswith(("/static/", "/api/")) and path != "/healthz":
            try:
                person = await self._person(request, cookie, secured)
            except SQLAlchemyError as error:
                log.warning("session.not_read", error=type(error).__name__)
                await self._refuse(request, 503, "")(scope, receive, secured)
                return
        request.state.person = person

        refusal = None
        if request.method not in SAFE_METHODS and not path.startswith("/api/"):
            refusal = await self._refuse_change(request, person)
        elif person is None and not is_open(path):
            refusal = self._sign_in_first(request)
        await (self._app if refusal is None else refusal)(scope, receive, secured)

    def _knows_host(self, request: Request) -> bool:
        # Whoever points a name of his own at us (DNS rebinding) sends that name as Host.
        host = HOST.fullmatch(request.headers.get("host", "").lower())
        return host is not None and (host["name"].strip("[]") == self._host or is_loopback(host["name"].strip("[]")))

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        address = forwarded.read_address(peer)
        if address is None or not forwarded.is_trusted(address, self._trusted):
            return peer
        return forwarded.client_address(peer, ",".join(request.headers.getlist("x-forwarded-for")), self._trusted)

    async def _person(self, request: Request, cookie: str, secured: _Secured) -> Person | None:
        now = self._clock()

        def look() -> tuple[Session, bool, str | None, list[str]] | None:
            with reading(self._engine) as connection:
                session = proofs.session(connection, cookie, now)
                if session is None:
                    return None
                chosen = self._chosen or policies.chosen(connection)
                user = session.user.id
                said = preferences.words(connection, user, preferences.LANGUAGE, preferences.CLOCK)
                return session, chosen, upstreams.host(connection, user), said

        def note(session: Session) -> None:
            with self._engine.begin() as connection:
                proofs.note_session(connection, session, client_address(request), user_agent(request), now)

        found = await run_in_threadpool(look)
        if found is None:
            return None
        session, chosen, next_hop, (language, clock) = found
        self._chosen = chosen  # never taken back
        if proofs.session_is_stale(session, now) and await noted("session", lambda: note(session)):
            secured.cookie = session_cookie(self._origin, cookie)
        user = session.user
        return Person(
            id=user.id,
            email=user.email,
            name=user.name,
            csrf=session.csrf,
            session=session,
            undecided=not chosen and user.role is not people.Role.MEMBER,
            next_hop=next_hop,
            language=language,
            clock=clock,
        )

    async def _refuse_change(self, request: Request, person: Person | None) -> Response | None:
        """None when the request comes from one of our pages; its form is then in `request.state.form`."""
        if not self._is_same_origin(request):
            return self._refuse(
                request, 403, later("This request did not come from a page of Unsealed, so nothing was done.")
            )
        if person is None and not is_open(request.scope["path"]):
            return self._sign_in_first(request)  # nothing that strangers send is read
        shown = request.headers.get("x-csrf-token", "")
        # A script of ours that shows its token may send something else, which the endpoint reads, and bounds.
        script = person is not None and shown and not form.is_form(request)
        fields: Mapping[str, str] | None = {} if script else await form.read(request)
        if fields is None:
            return self._refuse(request, 413, form.why_not_read(request))
        request.state.form = fields
        if person is not None:
            token = shown or fields.get("csrf", "")
            if not compare_digest(token.encode("utf-8", "replace"), person.csrf.encode()):
                words = later(
                    "The page that you sent this from is out of date, so nothing was done. Reload it and try again."
                )
                return self._refuse(request, 403, words)
        return None

    def _is_same_origin(self, request: Request) -> bool:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is None and origin is None:  # every browser of the last years sends one of them
            return False
        if site not in (None, "same-origin"):
            return False
        if origin is None or origin == self._origin:
            return True
        host = HOST.fullmatch(origin.removeprefix("http://"))
        return host is not None and is_loopback(host["name"].strip("[]")) and host[0] == request.headers["host"].lower()

    def _sign_in_first(self, request: Request) -> Response:
        asks_page = "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers
        if request.method != "GET" or not asks_page:
            return self._refuse(request, 401, later("You are signed out. Sign in, then try again."))
        path, query = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
        wanted = f"{path}?{query}" if query else path
        return RedirectResponse("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}", 303)


class _Secured:
    """`send` that adds the security headers which the answer did not set itself."""

    def __init__(self, send: Send, *, https: bool) -> None:
        self._send = send
        self._https = https
        self.cookie = ""  # a Set-Cookie line to add

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            secure(headers, https=self._https)
            if self.cookie and "set-cookie" not in headers:
                headers.append("set-cookie", self.cookie)
        await self._send(message)


def secure(headers: MutableHeaders, *, https: bool) -> None:
    """Add the security headers that are not there yet."""
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if https:
        headers.setdefault("Strict-Transport-Security", HSTS)


def is_open(path: str) -> bool:
    """Whether a path answers people who are not signed in. Everything else does not: a new page is closed at first."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def cookie_name(origin: str) -> str:
    """`__Host-` binds the cookie to this very host and to TLS; plain http, on loopback, cannot have it."""
    return "__Host-unsealed" if origin.startswith("https:") else "unsealed"


def session_cookie(origin: str, value: str) -> str:
    """The Set-Cookie line of a session; with an empty value the line that removes it."""
    age = int(proofs.SESSION_LIFE.total_seconds()) if value else 0
    secured = "; Secure" if origin.startswith("https:") else ""
    return f"{cookie_name(origin)}={value}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{secured}"


def local_path(wanted: str) -> str:
    """Where to go after signing in: a path of ours, or "/"; never another site."""
    ours = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if ours else "/"
