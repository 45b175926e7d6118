"""The mailbox in which answers and delivery reports are found.

    /settings/mailbox   connect one, try it, see when it was looked at and what is wrong, disconnect it

Promises that a secret is never shown, neither the kept one nor what was typed, that a mailbox is kept only after it let
us in, and that a kept secret goes to the very server and name that it was typed for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.core.next_hop import Written, clean_host, clean_port, read_oauth
from unsealed.flow import observe
from unsealed.inlets.web import stored
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.sending import AUTH_WORDS, SHOWN_LETTERS, Tries
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.errors import BadInput, MailboxClosed, Unavailable, UnsealedError, sentence, told
from unsealed.model.ports import Keys, RefreshTokens
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.texts import Texts, later
from unsealed.model.upstream import Auth, OAuth, Tls, is_local
from unsealed.store import mailboxes
from unsealed.store.mailboxes import Kept
from unsealed.store.people import Role, one_line

log = structlog.get_logger(__name__)

HERE = "/settings/mailbox"
USER_LETTERS, PASSWORD_LETTERS = 320, 1024
TYPED = ("host", "port", "tls", "auth", "user", "token_url", "client_id")  # shown again; never a secret
BLANK = dict.fromkeys(TYPED, "") | {"port": "993", "tls": Tls.IMPLICIT.value, "auth": Auth.PASSWORD.value}
DONE = {
    "connected": later("Connected. Answers and reports that come from now on show on your messages."),
    "disconnected": later("Disconnected, and its password or tokens are forgotten. What was found stays."),
}
TLS_WORDS = {
    Tls.IMPLICIT: later("TLS from the first byte (port 993)"),
    Tls.STARTTLS: later("STARTTLS (port 143)"),
    Tls.NONE: later("None (this machine only)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a provider wants to be told."""

    name: str
    host: str
    proof: str


# Sources and dates: docs/how-to/connect-your-mailbox.md
HINTS = (
    Hint(name="Gmail", host="imap.gmail.com", proof=later("an app password (needs 2-Step Verification), or OAuth")),
    Hint(name="iCloud", host="imap.mail.me.com", proof=later("an app-specific password")),
    Hint(name="Fastmail", host="imap.fastmail.com", proof=later("an app password")),
    Hint(name="Yahoo", host="imap.mail.yahoo.com", proof=later("an app password")),
    Hint(name="GMX", host="imap.gmx.net", proof=later("your password, once IMAP is switched on there")),
    Hint(name="Microsoft 365", host="outlook.office365.com", proof=later("OAuth; it takes no passwords any more")),
)


async def mailbox(request: Request) -> Response:
    """`/settings/mailbox`."""
    return await _page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def connect(request: Request) -> Response:
    """POST: sign in with what was typed; keep it unless only asked to try. Form: host, port, tls, user, auth, password,
    the fields of OAuth, then."""
    around, who, form = surroundings(request), person(request), request.state.form
    kept = await asked(request, lambda connection: mailboxes.of(connection, who.id))
    typed = {name: form.get(name, "")[:SHOWN_LETTERS] for name in TYPED}
    wanted = _read(form, kept, around.keys, language(request), inside=_inside(request))
    if not isinstance(wanted, Mailbox):
        return await _page(request, status=422, wrong=wanted, typed=typed)
    tokens = _tokens(request, wanted, kept)
    try:
        seen = await _enter(request, wanted, tokens)
    except MailboxClosed as error:
        return await _page(request, status=422, wrong={error.field: _told(request, error)}, typed=typed)
    except Unavailable as error:
        return await _page(request, status=429, wrong={"": _told(request, error)}, typed=typed)
    if form.get("then") == "try":
        return await _page(request, typed=typed, seen=seen)
    if tokens is not None:  # its server may have given another one just now, and take the one before no more
        wanted = replace(wanted, oauth=await tokens.newest() or wanted.oauth)
    await changed(request, lambda connection: observe.connect(connection, who.id, wanted, around.keys, around.clock()))
    log.info("mailbox.connected")
    return done_at(HERE, "connected", "mailbox")


async def try_kept(request: Request) -> Response:
    """POST: sign in to the connected mailbox now."""
    who = person(request)
    kept = await asked(request, lambda connection: mailboxes.of(connection, who.id))
    if kept is None:
        return await _page(
            request,
            status=422,
            wrong={"": language(request).say("There is nothing to try yet: connect a mailbox first.")},
        )
    try:
        wanted = observe.opened(kept, surroundings(request).keys)
        seen = await _enter(request, wanted, _tokens(request, wanted, kept))
    except MailboxClosed as error:
        return await _page(request, status=422, wrong={error.field: _told(request, error)})
    except BadInput as error:
        field = "password" if kept.auth is Auth.PASSWORD else "refresh_token"
        return await _page(request, status=422, wrong={field: _told(request, error)})
    except Unavailable as error:
        return await _page(request, status=429, wrong={"": _told(request, error)})
    return await _page(request, seen=seen)


async def disconnect(request: Request) -> Response:
    """POST: forget the mailbox and its secret."""
    who, now = person(request), surroundings(request).clock()
    await changed(request, lambda connection: mailboxes.disconnect(connection, who.id, now))
    return done_at(HERE, "disconnected", "mailbox")


def _read(
    form: Mapping[str, str], kept: Kept | None, keys: Keys, texts: Texts, *, inside: bool
) -> Mailbox | Mapping[str, str]:
    """What was typed, or by field what is wrong with it."""
    wrong: dict[str, str] = {}
    host, port, tls = "", 0, Tls.IMPLICIT
    try:
        host = clean_host(form.get("host", ""))
    except BadInput as error:
        wrong["host"] = told(error, texts).replace("smtp.", "imap.")
    try:
        port = clean_port(form.get("port", ""))
    except BadInput:
        wrong["port"] = texts.say("From 1 to 65535; mostly 993.")
    try:
        tls = Tls(form.get("tls", ""))
        if tls is Tls.NONE and host and not is_local(host):
            wrong["tls"] = texts.say(
                "Without TLS everybody on the way could read the password: choose TLS or STARTTLS."
            )
    except ValueError:
        wrong["tls"] = texts.say("Choose one of these.")
    user = form.get("user", "").strip()
    if not user:
        wrong["user"] = texts.say("Write the name that you sign in with there; mostly your whole address.")
    elif len(user) > USER_LETTERS or one_line(user) != user:
        wrong["user"] = texts.say("One line, %(number)s characters at most.", number=texts.number(USER_LETTERS))
    same = kept if kept is not None and (kept.host, kept.user) == (host, user) else None
    password, oauth = "", None
    match form.get("auth", ""):
        case Auth.PASSWORD:
            password = _password(form.get("password", "").strip("\r\n\t"), kept, same, keys, texts, wrong)
        case Auth.XOAUTH2:
            oauth = _oauth(form, same, keys, texts, wrong, inside=inside)
        case _:
            wrong["auth"] = texts.say("Choose one of these.")
    return wrong or Mailbox(host=host, port=port, tls=tls, user=user, password=password, oauth=oauth)


def _password(typed: str, kept: Kept | None, same: Kept | None, keys: Keys, texts: Texts, wrong: dict[str, str]) -> str:
    """What was typed, or else the kept one. same: what is kept, when it is for the same server and name."""
    if len(typed) > PASSWORD_LETTERS or not typed.isprintable():
        wrong["password"] = texts.say("One line, %(number)s characters at most.", number=texts.number(PASSWORD_LETTERS))
    elif not typed and same is not None and same.auth is Auth.PASSWORD:
        try:
            return observe.opened(same, keys).password
        except BadInput as error:
            wrong["password"] = sentence(error, texts)
    elif not typed:
        wrong["password"] = (
            texts.say("Type it again: the kept one was for another name.")
            if kept is not None and kept.auth is Auth.PASSWORD
            else texts.say("Write its password.")
        )
    return typed


def _oauth(
    form: Mapping[str, str], same: Kept | None, keys: Keys, texts: Texts, wrong: dict[str, str], *, inside: bool
) -> OAuth | None:
    """What access tokens are had with, as `_password`."""
    before = None
    if same is not None:
        with suppress(BadInput):  # then they are to be typed again
            before = observe.opened(same, keys).oauth
    found: dict[str, str] = {}
    written = Written(**{name: form.get(name, "") for name in OAuth.__dataclass_fields__})
    oauth = read_oauth(written, before, found, inside=inside)
    wrong |= {name: stored.reread(words, texts) for name, words in found.items()}
    return oauth


def _tokens(request: Request, wanted: Mailbox, kept: Kept | None) -> RefreshTokens | None:
    """Where the refresh token of a mailbox is kept while it is tried; None when it has none."""
    around = surroundings(request)
    if wanted.oauth is None:
        return None
    if kept is not None:
        with suppress(BadInput):
            if observe.opened(kept, around.keys).oauth == wanted.oauth:
                return observe.KeptTokens(around.engine, kept, around.keys)
    return observe.TypedTokens(wanted.oauth)


def _told(request: Request, error: UnsealedError) -> str:
    texts = language(request)
    return sentence(stored.reread(told(error, texts), texts))


def _inside(request: Request) -> bool:
    """Whether what this person names may lie in a private network."""
    return surroundings(request).private_hosts or person(request).session.user.role is Role.OWNER


async def _enter(request: Request, wanted: Mailbox, tokens: RefreshTokens | None) -> Entered:
    """Sign in and look round.

    Raises:
        MailboxClosed: it does not let us in.
        Unavailable: there were too many tries.
    """
    around, who = surroundings(request), person(request)
    enter = around.enter_mailbox
    if enter is None:
        raise Unavailable(later("mailboxes cannot be looked at here"))
    tries: Tries = request.app.state.tries
    tries.begin(who.id, around.clock())
    try:
        return await run_in_threadpool(enter, wanted, _inside(request), tokens)
    finally:
        tries.end(who.id)


async def _page(
    request: Request,
    *,
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    seen: Entered | None = None,
    done: str = "",
) -> Response:
    who = person(request)
    kept = await asked(request, lambda connection: mailboxes.of(connection, who.id))
    return render(
        request,
        "settings_mailbox.html",
        status=status,
        kept=kept,
        values=typed or _shown(kept, surroundings(request).keys),
        wrong=wrong or {},
        seen=seen,
        hints=HINTS,
        tls_words=TLS_WORDS,
        auth_words=AUTH_WORDS,
        done=done,
    )


def _shown(kept: Kept | None, keys: Keys) -> Mapping[str, str]:
    """What the form shows of it, by field: all but the secrets."""
    if kept is None:
        return BLANK
    oauth = None
    with suppress(BadInput):
        oauth = observe.opened(kept, keys).oauth
    return {
        "host": kept.host,
        "port": str(kept.port),
        "tls": kept.tls.value,
        "auth": kept.auth.value,
        "user": kept.user,
        "token_url": oauth.token_url if oauth is not None else "",
        "client_id": oauth.client_id if oauth is not None else "",
    }


routes = [
    Route(HERE, mailbox, methods=["GET"]),
    Route(HERE, connect, methods=["POST"]),
    Route(f"{HERE}/try", try_kept, methods=["POST"]),
    Route(f"{HERE}/disconnect", disconnect, methods=["POST"]),
]
