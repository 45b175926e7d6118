"""The mailbox in which answers and delivery reports are found.

    /settings/mailbox   connect one, try it, see when it was looked at and what is wrong, disconnect it

Promises that a password is never shown, neither the kept one nor what was typed, that a mailbox is kept only after it
let us in, and that a kept password goes to the very server and name that it was typed for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.core.next_hop import clean_host, clean_port
from unsealed.flow import observe
from unsealed.inlets.web import stored
from unsealed.inlets.web.access import done_at
from unsealed.inlets.web.page import language, render
from unsealed.inlets.web.sending import Tries
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.errors import BadInput, MailboxClosed, Unavailable, UnsealedError, sentence, told
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.texts import Texts, later
from unsealed.model.upstream import Tls, is_local
from unsealed.store import mailboxes
from unsealed.store.mailboxes import Kept
from unsealed.store.people import Role, one_line

log = structlog.get_logger(__name__)

HERE = "/settings/mailbox"
USER_LETTERS, PASSWORD_LETTERS = 320, 1024
TYPED = ("host", "port", "tls", "user")  # shown again; never the password
BLANK = {"host": "", "port": "993", "tls": Tls.IMPLICIT.value, "user": ""}
DONE = {
    "connected": later("Connected. Answers and reports that come from now on show on your messages."),
    "disconnected": later("Disconnected, and the password is forgotten. What was found stays."),
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
    Hint(name="Gmail", host="imap.gmail.com", proof=later("an app password; needs 2-Step Verification")),
    Hint(name="iCloud", host="imap.mail.me.com", proof=later("an app-specific password")),
    Hint(name="Fastmail", host="imap.fastmail.com", proof=later("an app password")),
    Hint(name="Yahoo", host="imap.mail.yahoo.com", proof=later("an app password")),
    Hint(name="GMX", host="imap.gmx.net", proof=later("your password, once IMAP is switched on there")),
    Hint(
        name="Microsoft 365", host="outlook.office365.com", proof=later("takes no passwords any more: not possible yet")
    ),
)


async def mailbox(request: Request) -> Response:
    """`/settings/mailbox`."""
    return await _page(request, done=DONE.get(request.query_params.get("done", ""), ""))


async def connect(request: Request) -> Response:
    """POST: sign in with what was typed; keep it unless only asked to try. Form: host, port, tls, user, password,
    then."""
    around, who, form = surroundings(request), person(request), request.state.form
    kept = await asked(request, lambda connection: mailboxes.of(connection, who.id))
    typed = {name: form.get(name, "")[:USER_LETTERS] for name in TYPED}
    read = _read(form, kept, language(request))
    if not isinstance(read, _Read):
        return await _page(request, status=422, wrong=read, typed=typed)
    try:
        wanted = _wanted(request, read, kept)
        seen = await _enter(request, wanted)
    except MailboxClosed as error:
        return await _page(request, status=422, wrong={error.field: _told(request, error)}, typed=typed)
    except BadInput as error:
        return await _page(request, status=422, wrong={"password": _told(request, error)}, typed=typed)
    except Unavailable as error:
        return await _page(request, status=429, wrong={"": _told(request, error)}, typed=typed)
    if form.get("then") == "try":
        return await _page(request, typed=typed, seen=seen)
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
        seen = await _enter(request, observe.opened(kept, surroundings(request).keys))
    except MailboxClosed as error:
        return await _page(request, status=422, wrong={error.field: _told(request, error)})
    except BadInput as error:
        return await _page(request, status=422, wrong={"password": _told(request, error)})
    except Unavailable as error:
        return await _page(request, status=429, wrong={"": _told(request, error)})
    return await _page(request, seen=seen)


async def disconnect(request: Request) -> Response:
    """POST: forget the mailbox and its password."""
    who, now = person(request), surroundings(request).clock()
    await changed(request, lambda connection: mailboxes.disconnect(connection, who.id, now))
    return done_at(HERE, "disconnected", "mailbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    host: str
    port: int
    tls: Tls
    user: str
    password: str


def _read(form: Mapping[str, str], kept: Kept | None, texts: Texts) -> _Read | Mapping[str, str]:
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
    user, password = form.get("user", "").strip(), form.get("password", "").strip("\r\n\t")
    if not user:
        wrong["user"] = texts.say("Write the name that you sign in with there; mostly your whole address.")
    elif len(user) > USER_LETTERS or one_line(user) != user:
        wrong["user"] = texts.say("One line, %(number)s characters at most.", number=texts.number(USER_LETTERS))
    same = kept is not None and (kept.host, kept.user) == (host, user)
    if not password and not same:
        wrong["password"] = (
            texts.say("Write its password.")
            if kept is None
            else texts.say("Type it again: the kept one was for another name.")
        )
    elif len(password) > PASSWORD_LETTERS or not password.isprintable():
        wrong["password"] = texts.say("One line, %(number)s characters at most.", number=texts.number(PASSWORD_LETTERS))
    return wrong or _Read(host=host, port=port, tls=tls, user=user, password=password)


def _wanted(request: Request, read: _Read, kept: Kept | None) -> Mailbox:
    password = read.password
    if not password and kept is not None:
        password = observe.opened(kept, surroundings(request).keys).password
    return Mailbox(host=read.host, port=read.port, tls=read.tls, user=read.user, password=password)


def _told(request: Request, error: UnsealedError) -> str:
    texts = language(request)
    return sentence(stored.reread(told(error, texts), texts))


async def _enter(request: Request, wanted: Mailbox) -> Entered:
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
        inside = around.private_hosts or who.session.user.role is Role.OWNER
        return await run_in_threadpool(enter, wanted, inside)
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
    shown = BLANK
    if kept is not None:
        shown = {"host": kept.host, "port": str(kept.port), "tls": kept.tls.value, "user": kept.user}
    return render(
        request,
        "settings_mailbox.html",
        status=status,
        kept=kept,
        values=typed or shown,
        wrong=wrong or {},
        seen=seen,
        hints=HINTS,
        tls_words=TLS_WORDS,
        done=done,
    )


routes = [
    Route(HERE, mailbox, methods=["GET"]),
    Route(HERE, connect, methods=["POST"]),
    Route(f"{HERE}/try", try_kept, methods=["POST"]),
    Route(f"{HERE}/disconnect", disconnect, methods=["POST"]),
]
