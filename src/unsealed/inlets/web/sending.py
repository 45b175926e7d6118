"""Where mail goes from here.

    /settings/sending   the own next hop; for owners and administrators also that of everybody; each can be tried out

Promises that a password is never shown, neither what is kept nor what was typed, and that trying out sends one small
untracked letter to the person's own address and nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.core.next_hop import Written
from unsealed.flow import upstreams
from unsealed.flow.letters import letter
from unsealed.inlets.web import stored
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.errors import BadInput, Refused, Unavailable, sentence
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.ports import Parcel
from unsealed.model.texts import later
from unsealed.model.upstream import Attempt, Auth, Tls, Trouble, Upstream
from unsealed.store import identities
from unsealed.store.people import Role
from unsealed.store.upstreams import EVERYBODY, Kept, of

log = structlog.get_logger(__name__)

HERE = "/settings/sending"
OWN, ALL = "own", "everybody"
TRIES, TRIES_WITHIN = 10, timedelta(minutes=10)  # of one person
SHOWN_LETTERS = 1_000  # of what was typed
TYPED = ("host", "port", "tls", "auth", "user", "token_url", "client_id")  # shown again; never a secret
DONE = {
    "kept": later("Saved. Letters leave this way from now on, those that wait too."),
    "removed": later("Removed, with its password. Letters go the usual way from now on, those that wait too."),
}
TLS_WORDS = {
    Tls.STARTTLS: later("STARTTLS (port 587)"),
    Tls.IMPLICIT: later("TLS from the first byte (port 465)"),
    Tls.NONE: later("None (this machine only)"),
}
AUTH_WORDS = {Auth.PASSWORD: later("Password"), Auth.XOAUTH2: later("OAuth (XOAUTH2)")}
NOTHING_KEPT = later("There is nothing to try out yet: save the server first.")
LETTER = later("""\
This letter was sent to see whether mail leaves.

It came from Unsealed at %(origin)s
by %(host)s port %(port)s. Nothing in it is tracked.
""")
TO_DO = {
    Trouble.NAME: later(
        "The name of the server is not known. Look for a typing mistake: your provider's help names it under "
        "“outgoing server” or “SMTP”."
    ),
    Trouble.INSIDE: later(
        "It lies in a private network. Only owners may choose such servers, unless the setting "
        "people.private_hosts lets everybody."
    ),
    Trouble.REFUSED: later(
        "Nothing listens at this port. Mail is handed over at 587 with STARTTLS, or at 465 with TLS from "
        "the first byte."
    ),
    Trouble.TIMEOUT: later(
        "No answer came in time. Either the port is wrong, or a firewall on the way drops the connection; "
        "many networks do so at port 25. A server that wants TLS from the first byte is silent as well: that is "
        "port 465."
    ),
    Trouble.UNREACHABLE: later(
        "There is no way to it, or it hung up. Try again in a minute; if it stays, ask whoever runs "
        "the server or this network."
    ),
    Trouble.NO_STARTTLS: later(
        "It offers no STARTTLS at this port, and mail does not leave in clear. Try port 465 with TLS "
        "from the first byte."
    ),
    Trouble.CERTIFICATE: later(
        "Its certificate is for another name, has ended, or nobody we know vouches for it. Use the "
        "very name that your provider gives, no alias and no number. For a server of your own, the setting upstream.ca "
        "names who vouches for it."
    ),
    Trouble.TLS: later(
        "No TLS came about. Most often the kind does not fit the port: STARTTLS belongs to 587, TLS from the "
        "first byte to 465."
    ),
    Trouble.SIGN_IN: later(
        "It did not take user name and password. Gmail, iCloud and Fastmail want an app password, made in "
        "their account settings, not your usual one. Microsoft 365 wants OAuth, and SMTP switched on for the mailbox."
    ),
    Trouble.TOKEN: later(
        "No access token was given out. The refresh token may have ended or been revoked: get a new one. "
        "Token address, client ID and secret must be those it was made with."
    ),
    Trouble.ANSWER: later("It answers, but does not let us go on; its own words say why."),
    Trouble.MESSAGE: later(
        "It let us in and refused the letter. Most providers take only letters from an address of the "
        "account: see whether yours is one there."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a provider wants to be told."""

    name: str
    host: str
    port: int
    tls: Tls
    user: str
    proof: str


# Sources and dates: docs/how-to/send-through-your-provider.md
HINTS = (
    Hint(
        name="Gmail",
        host="smtp.gmail.com",
        port=587,
        tls=Tls.STARTTLS,
        user=later("your whole address"),
        proof=later("an app password (needs 2-Step Verification), or OAuth"),
    ),
    Hint(
        name="Microsoft 365",
        host="smtp.office365.com",
        port=587,
        tls=Tls.STARTTLS,
        user=later("your whole address"),
        proof=later("OAuth; passwords are being switched off"),
    ),
    Hint(
        name="Fastmail",
        host="smtp.fastmail.com",
        port=465,
        tls=Tls.IMPLICIT,
        user=later("your whole address"),
        proof=later("an app password"),
    ),
    Hint(
        name="iCloud",
        host="smtp.mail.me.com",
        port=587,
        tls=Tls.STARTTLS,
        user=later("your iCloud address"),
        proof=later("an app-specific password"),
    ),
    Hint(
        name="Postmark",
        host="smtp.postmarkapp.com",
        port=587,
        tls=Tls.STARTTLS,
        user=later("the server’s API token"),
        proof=later("the same token"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of trying out."""

    whose: str
    to: str
    attempt: Attempt

    @property
    def to_do(self) -> str:
        return TO_DO[self.attempt.trouble] if self.attempt.trouble is not None else ""


class Tries:
    """How often who tried out: each try makes connections to a host that they named."""

    def __init__(self) -> None:
        self._at: dict[UserId, deque[datetime]] = {}
        self._busy: set[UserId] = set()

    def begin(self, user: UserId, now: datetime) -> None:
        """Count one try; `end` must follow.

        Raises:
            Unavailable: one is under way, or there were too many.
        """
        at = self._at.setdefault(user, deque())
        while at and now - at[0] >= TRIES_WITHIN:
            at.popleft()
        if user in self._busy:
            raise Unavailable(later("a test is under way: wait for what comes of it"))
        if len(at) >= TRIES:
            raise Unavailable(later("there were many tests in the last minutes: wait ten minutes, then try again"))
        at.append(now)
        self._busy.add(user)

    def end(self, user: UserId) -> None:
        """It is over."""
        self._busy.discard(user)


async def sending(request: Request) -> Response:
    """`/settings/sending`."""
    return await _page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def keep(request: Request) -> Response:
    """POST: keep a next hop, and try it out when asked to. Form: whose, the fields of Written, then."""
    around, by, form = surroundings(request), person(request).id, request.state.form
    whose, owner = _whose(request)
    fields = {name: form.get(name, "") for name in Written.__dataclass_fields__}

    def put(connection: Connection) -> Mapping[str, str]:
        return upstreams.keep(
            connection,
            by,
            owner,
            Written(**fields),
            keys=around.keys,
            private_hosts=around.private_hosts,
            now=around.clock(),
        )

    try:
        wrong = await changed(request, put)
    except Refused as error:
        raise HTTPException(403, sentence(error, language(request))) from None
    if wrong:
        typed = {name: fields[name][:SHOWN_LETTERS] for name in TYPED}
        said = {name: stored.reread(words, language(request)) for name, words in wrong.items()}
        return await _page(request, status=422, wrong={whose: said}, typed={whose: typed})
    log.info("upstream.chosen", of=whose)
    return await _test(request, whose, owner) if form.get("then") == "test" else done_at(HERE, "kept", whose)


async def remove(request: Request) -> Response:
    """POST: let mail go the usual way. Form: whose."""
    by, now = person(request).id, surroundings(request).clock()
    whose, owner = _whose(request)
    try:
        await changed(request, lambda connection: upstreams.remove(connection, by, owner, now))
    except Refused as error:
        raise HTTPException(403, sentence(error, language(request))) from None
    return done_at(HERE, "removed", whose)


async def test(request: Request) -> Response:
    """POST: send a letter to the person's own address by what is kept, and show what both sides said. Form: whose."""
    return await _test(request, *_whose(request))


async def _test(request: Request, whose: str, owner: UserId) -> Response:
    around, who = surroundings(request), person(request)
    if owner == EVERYBODY and who.session.user.role is Role.MEMBER:
        raise HTTPException(403, later("Only owners and administrators try out what holds for everybody."))

    def look(connection: Connection) -> tuple[Upstream | None, str]:
        kept = of(connection, owner)
        if kept is None:
            return None, ""
        found = upstreams.opened(kept, keys=around.keys, private_hosts=around.private_hosts)
        addresses = [each.address for each in identities.list_for(connection, who.id)]
        return found, kept.user.lower() if kept.user.lower() in addresses else who.email

    try:
        upstream, to = await asked(request, look)
    except BadInput as error:
        return await _page(request, status=422, wrong={whose: {"password": sentence(error, language(request))}})
    if upstream is None or around.try_upstream is None:
        return await _page(request, status=422, wrong={whose: {"": language(request).say(NOTHING_KEPT)}})
    tries: Tries = request.app.state.tries
    try:
        tries.begin(who.id, around.clock())
    except Unavailable as error:
        return await _page(request, status=429, wrong={whose: {"": sentence(error, language(request))}})
    try:
        texts = language(request)
        words = texts.say(LETTER, origin=around.origin, host=upstream.host, port=upstream.port)
        raw = letter(to, to, texts.say("Mail leaves"), words, around.clock())
        parcel = Parcel(
            copy=CopyId(0), message=MessageId(0), envelope_from=to, recipient=to, raw=raw, wants_report=False
        )
        tokens = upstreams.KeptTokens(around.engine, owner, upstream, around.keys)
        attempt = await around.try_upstream(upstream, tokens, parcel)
    finally:
        tries.end(who.id)
    log.info("upstream.tried", of=whose, trouble=attempt.trouble or "")
    return await _page(request, tried=Tried(whose=whose, to=to, attempt=attempt))


def _whose(request: Request) -> tuple[str, UserId]:
    whose = request.state.form.get("whose", OWN)
    if whose not in (OWN, ALL):
        raise HTTPException(404)
    return whose, person(request).id if whose == OWN else EVERYBODY


async def _page(
    request: Request,
    *,
    status: int = 200,
    wrong: Mapping[str, Mapping[str, str]] | None = None,
    typed: Mapping[str, Mapping[str, str]] | None = None,
    tried: Tried | None = None,
    done: str = "",
) -> Response:
    around, who = surroundings(request), person(request)

    def look(connection: Connection) -> tuple[Kept | None, Kept | None]:
        return of(connection, who.id), of(connection, EVERYBODY)

    own, everybodys = await asked(request, look)
    decides = who.session.user.role is not Role.MEMBER
    forms = [
        (whose, kept, (typed or {}).get(whose) or upstreams.shown(kept, around.keys))
        for whose, kept in ((OWN, own), (ALL, everybodys))
        if whose == OWN or decides
    ]
    return render(
        request,
        "settings_sending.html",
        status=status,
        own=own,
        everybodys=everybodys,
        usual_host=around.usual_host,
        forms=forms,
        wrong=wrong or {},
        tried=tried,
        hints=HINTS,
        tls_words=TLS_WORDS,
        auth_words=AUTH_WORDS,
        done=done,
    )


routes = [
    Route(HERE, sending, methods=["GET"]),
    Route(HERE, keep, methods=["POST"]),
    Route(f"{HERE}/test", test, methods=["POST"]),
    Route(f"{HERE}/remove", remove, methods=["POST"]),
]
