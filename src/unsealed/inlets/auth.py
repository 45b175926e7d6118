"""Who is asking, and the rules that every answer of the web side keeps.

`Guard` stands in front of all pages. It promises: an unknown Host gets nothing; whoever is not signed in sees the open
pages only; a request that changes something comes from our own pages, which an Origin (or Sec-Fetch-Site) header and a
token of the session prove; every answer carries the security headers. A page behind it may rely on
`request.state.person` and, after a POST, on `request.state.form`. `Door` checks passwords, slowly on purpose and never
on the event loop. `bearer` recognises programs: they have no cookies and browsers no tokens, so that the two cannot be
mixed up.

The session's row keeps from where the browser was seen last: the judge needs it to tell the sender's own openings.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from math import ceil
from threading import Lock
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from anyio import CapacityLimiter, move_on_after, to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unsealed.core import forwarded
from unsealed.inlets import body
from unsealed.model.errors import Refused, Unavailable
from unsealed.model.message import UserId
from unsealed.model.ports import Clock
from unsealed.model.texts import later
from unsealed.store import own, people, policies, preferences, proofs, upstreams
from unsealed.store.engine import reading
from unsealed.store.proofs import Session

Result = TypeVar("Result")

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

FORM_BYTES_MAX = 256 * 1024
FORM_FIELDS_MAX = 500
LARGE_FORMS = ("/paste", "/templates")  # whole letters are pasted there
LARGE_FORM_BYTES_MAX = 8 * 1024 * 1024
USER_AGENT_MAX = 512

MINUTE = timedelta(minutes=1)
NOTE_PATIENCE_S = 0.5
_noting = Lock()

TRIES_PAIR = 5  # failed sign-ins within a minute: of one address for one account,
TRIES_ADDRESS = 20  # of one address for any account (an office behind one address is not locked out by one colleague),
TRIES_ACCOUNT = 20  # and for one account from anywhere (a botnet guesses slowly, yet cannot lock the owner out cheaply)
TRIES_KEPT = 10_000
HASHES_AT_ONCE = 2  # each takes 46 MiB
HASHES_WAITING = 32

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
    undecided: bool = False  # this person decides for everybody, and nobody has chosen yet what is tracked


# --------------------------------------------------------------------------------------------------------- guard


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

        if request.method not in SAFE_METHODS and not path.startswith("/api/"):
            refusal = await self._may_change(request, person)
        else:
            refusal = None
        if refusal is None and person is None and not is_open(path):
            refusal = self._sign_in_first(request)
        if refusal is not None:
            await refusal(scope, receive, secured)
            return
        await self._app(scope, receive, secured)

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

        def look() -> tuple[Session, bool, str | None, str] | None:
            with reading(self._engine) as connection:
                session = proofs.session(connection, cookie, now)
                if session is None:
                    return None
                chosen = self._chosen or policies.chosen(connection)
                user = session.user.id
                return session, chosen, upstreams.host(connection, user), preferences.language(connection, user)

        def note(session: Session) -> None:
            with self._engine.begin() as connection:
                proofs.note_session(connection, session, client_address(request), user_agent(request), now)

        found = await run_in_threadpool(look)
        if found is None:
            return None
        session, chosen, next_hop, language = found
        self._chosen = chosen  # never taken back
        if proofs.session_is_stale(session, now) and await _noted("session", lambda: note(session)):
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
        )

    async def _may_change(self, request: Request, person: Person | None) -> Response | None:
        """None when the request comes from one of our pages; its form is then in `request.state.form`."""
        if not self._is_same_origin(request):
            return self._refuse(
                request, 403, later("This request did not come from a page of Unsealed, so nothing was done.")
            )
        if person is None and not is_open(request.scope["path"]):
            return self._sign_in_first(request)  # nothing that strangers send is read
        shown = request.headers.get("x-csrf-token", "")
        form: Mapping[str, str] = {}
        if person is None or not shown or is_form(request):
            large = request.scope["path"].startswith(LARGE_FORMS)
            limit_bytes = LARGE_FORM_BYTES_MAX if large else FORM_BYTES_MAX
            sent = await read_form(request, limit_bytes)
            if sent is None:
                return self._refuse(request, 413, _why_no_form(request, limit_bytes))
            form = sent
        # Otherwise a script of ours sends something else, which the endpoint reads, and bounds.
        request.state.form = form
        if person is not None:
            token = shown or form.get("csrf", "")
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


def is_form(request: Request) -> bool:
    """Whether what a request carries calls itself a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/x-www-form-urlencoded"


def _why_no_form(request: Request, limit_bytes: int) -> str:
    sent = request.headers.get("content-length", "")
    if not sent.isdecimal() or int(sent) <= limit_bytes:
        return later("This is no form of ours, or it has too many fields. Nothing was done.")
    has, most = (f"{ceil(size / 1024):,} kB" for size in (int(sent), limit_bytes))
    return f"What you entered has {has}, and {most} is the most that this form takes. Nothing was done: enter less."


async def read_form(request: Request, limit_bytes: int = FORM_BYTES_MAX) -> Mapping[str, str] | None:
    """The fields of a submitted form, the first of each name; None when it is too large or not a form."""
    try:
        said = await body.read(request, limit_bytes)
    except ClientDisconnect:
        return None
    if said is None or (said and not is_form(request)):
        return None
    fields: dict[str, str] = {}
    try:
        pairs = parse_qsl(said.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        return None
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def client_address(request: Request) -> str:
    """From where the request comes; behind proxies of our own, from where those say. `Guard` found it out."""
    address: str = request.state.address
    return address


def user_agent(request: Request) -> str:
    """What the program calls itself: one printable line, cut."""
    said = request.headers.get("user-agent", "")[:USER_AGENT_MAX]
    return "".join(letter if letter.isprintable() else "�" for letter in said)


# ------------------------------------------------------------------------------------------------------- cookies


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


# ------------------------------------------------------------------------------------------------------ passwords


class Tries:
    """Failed sign-ins of the last minute. A try counts from its beginning, so that many at once do not slip through."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], deque[datetime]] = {}

    def take(self, address: str, account: str, now: datetime) -> bool:
        """Count one try; False, and nothing counted, when there were too many."""
        if len(self._at) > TRIES_KEPT:
            self._at = {key: at for key, at in self._at.items() if at and now - at[-1] < MINUTE}
        keys = self._keys(address, account)
        for key in keys:
            at = self._at.setdefault(key, deque())
            while at and now - at[0] >= MINUTE:
                at.popleft()
        if any(len(self._at[key]) >= limit for key, limit in keys.items()):
            return False
        for key in keys:
            self._at[key].append(now)
        return True

    def forgive(self, address: str, account: str) -> None:
        """The try succeeded: it does not count."""
        for key in self._keys(address, account):
            if at := self._at.get(key):
                at.pop()

    @staticmethod
    def _keys(address: str, account: str) -> dict[tuple[str, str], int]:
        return {(address, account): TRIES_PAIR, (address, ""): TRIES_ADDRESS, ("", account): TRIES_ACCOUNT}


class Door:
    """Checks and hashes the passwords that people choose."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._tries = Tries()
        self._at_once = CapacityLimiter(HASHES_AT_ONCE)

    async def check(self, email: str, password: str, address: str) -> UserId | None:
        """The user with that sign-in name and password. Unknown names cost the same time as wrong passwords.

        Raises:
            Refused: too many failed tries; says when to try again.
            Unavailable: too many people at the door.
        """
        account = email.strip().lower()[:320]
        if not self._tries.take(address, account, self._clock()):
            log.warning("sign_in.throttled")
            raise Refused("There were too many failed tries. Wait a minute, then try again.")

        def look() -> tuple[UserId, str] | None:
            with reading(self._engine) as connection:
                return people.stored_password(connection, email)

        known = await run_in_threadpool(look)
        stored = None if known is None else known[1]
        fits = await self._hashing(lambda: people.password_fits(stored, password))
        if known is None or not fits:
            log.info("sign_in.failed")
            return None
        self._tries.forgive(address, account)
        return known[0]

    async def hash(self, password: str) -> str:
        """What to keep of a new password.

        Raises:
            BadInput: too short or too long.
            Unavailable: too many people at the door.
        """
        return await self._hashing(lambda: people.hash_password(password))

    async def _hashing(self, work: Callable[[], Result]) -> Result:
        if self._at_once.statistics().tasks_waiting >= HASHES_WAITING:
            raise Unavailable("Too many people are signing in at this moment. Try again in a minute.")
        return await to_thread.run_sync(work, limiter=self._at_once)


# -------------------------------------------------------------------------------------------------------- programs


async def bearer(request: Request, engine: Engine, clock: Clock) -> UserId | None:
    """The user whose API token stands in the Authorization header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    now = clock()

    def look() -> proofs.Credential | None:
        with reading(engine) as connection:
            return proofs.check_api_token(connection, token.strip())

    def note(credential: proofs.Credential) -> None:
        with engine.begin() as connection:
            proofs.note_use(connection, credential, now)
            own.touch_address(connection, credential.user, client_address(request), now)

    found = await run_in_threadpool(look)
    if found is None:
        return None
    if proofs.use_is_stale(found, now):
        await _noted("token", lambda: note(found))
    return found.user


async def _noted(what: str, write: Callable[[], None]) -> bool:
    """Whether `write` was done. A store too busy to note who was here is no reason to keep the page back: a later
    request notes it. One at a time, so that those who wait do not use up the connections to the store."""

    def one() -> bool:
        if not _noting.acquire(blocking=False):
            return False
        try:
            write()
        except SQLAlchemyError as error:
            log.warning("presence.not_noted", of=what, error=type(error).__name__)
            return False
        finally:
            _noting.release()
        return True

    with move_on_after(NOTE_PATIENCE_S):
        return await to_thread.run_sync(one, abandon_on_cancel=True)
    return False
