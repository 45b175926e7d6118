"""The senders' own mailboxes, read over IMAP for what came back to their messages.

Promises to change nothing there: folders are opened read-only (EXAMINE), heads are fetched without the mark "seen"
(BODY.PEEK), and of bodies only the beginning of reports. Promises that a password or token goes over verified TLS
alone, in clear only to this machine, that a host is judged by the addresses it leads to before anything is sent, and
that no name, password, token or word of a letter gets into a log.

One thread for each mailbox. It reads what is new since the folder's cursor, then waits (IDLE on INBOX, asked for anew
every few minutes, or a look each minute where there is no IDLE) and looks at the other folders on the way. A mailbox
that does not answer is tried again, ever more rarely; one that refuses the password is left alone until somebody enters
another one: repeated wrong passwords lock accounts. Refused tokens lock nothing, and servers that give them out refuse
in passing, too: they are asked for again.

Does not judge what it finds (core.reply) and keeps nothing itself (flow.observe).
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from unsealed.core.reply import BODY_BYTES, HEAD_BYTES, wants_body
from unsealed.flow import observe
from unsealed.model.errors import BadInput, DeliveryFailed, MailboxClosed, TokenRefused, UnsealedError
from unsealed.model.ports import AccessTokens, Clock, Keys, RefreshTokens
from unsealed.model.reach import is_public
from unsealed.model.reply import Entered, Found, Mailbox
from unsealed.model.upstream import OAuth, Tls, is_local
from unsealed.store import mailboxes
from unsealed.store.engine import reading
from unsealed.store.mailboxes import Cursor, Kept

log = structlog.get_logger()
# At "debug" these would write names and letters.
logging.getLogger("imapclient").setLevel(logging.CRITICAL)

CONNECT_S = 10.0
READ_S = 30.0
IDLE_S = 300.0  # then the other folders are looked at; servers and routers forget connections after 10 to 30 minutes
FIRST_IDLE_S = 10.0  # what comes while we fetch is announced then, and not again
POLL_S = 60.0  # between two looks where there is no IDLE
BELL_S = 2.0  # how soon a watch hears that it is to stop
END_S = 1.0  # how long all of them are waited for; what they do may be cut off anywhere
PAUSE_S, LONGEST_PAUSE_S = 5.0, 900.0  # before the next try; doubles
STEADY_AFTER_S = 120.0  # a connection that lasted this long is missed soon
BATCH = 50  # heads of one command and one transaction
ANSWER_BYTES = 8_000_000  # of one command; a server that sends more is not to be believed
FOLDERS = 40  # at most; the usual mailbox has ten
MISSED = 2_000  # newest messages that are read again when a folder was renumbered
INBOX = "INBOX"
NOT_WATCHED = frozenset({b"\\noselect", b"\\nonexistent", b"\\sent", b"\\drafts", b"\\trash", b"\\flagged"})
# RFC 5530: the server says that it is not the password.
FOR_NOW = ("unavailable", "inuse", "limit", "serverbug", "too many", "temporar", "try again")


def try_out(mailbox: Mailbox, *, inside: bool, trust: ssl.SSLContext, tokens: AccessTokens | None = None) -> Entered:
    """Sign in and look round. inside: whether the host may lie in a private network or on this machine. tokens: shown
    instead of the password.

    Raises:
        MailboxClosed: says what failed, and which entry is to be looked at.
    """
    with entered(mailbox, inside=inside, trust=trust, tokens=tokens) as client, _said_in_words(mailbox):
        return look_round(client)


def look_round(client: Client) -> Entered:
    """The folders of a mailbox, and which of them are watched.

    "All mail", where there is one, stands for all others but what was taken for junk; else every folder does, because
    rules of the server file answers away before they are in INBOX.

    Raises:
        MailboxClosed: temporary; the server shows none.
    """
    try:
        listed = client.fresh().list_folders()[:1000]
    except IMAPClientAbortError:
        raise
    except IMAPClientError as error:  # Microsoft's takes a good token with somebody else's name, and says so only here
        raise MailboxClosed(
            f"the server lets us in, but not to the mailbox of this name: {_shown(str(error))}",
            field="user",
            temporary=True,
        ) from None
    flags = {name: {flag.lower() for flag in found} for found, _, name in listed}
    names = [name for name in flags if name.upper() != INBOX and not flags[name] & NOT_WATCHED]
    if any(b"\\all" in flags[name] for name in names):
        names = [name for name in names if flags[name] & {b"\\all", b"\\junk"}]
    return Entered(
        folders=len(listed), watched=(*names[: FOLDERS - 1], INBOX), idle=bool(client.has_capability("IDLE"))
    )


# --- the connection ---------------------------------------------------------------------------------------------------


class Wire(imaplib.IMAP4):
    """IMAP over a connection that was made and judged before, with a limit on what one command may bring."""

    def __init__(self, made: socket.socket, host: str) -> None:
        self._made = made
        self.left = ANSWER_BYTES
        super().__init__(host)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._made

    def read(self, size: int) -> bytes:
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.abort("the server sends without end")


class Client(IMAPClient):  # type: ignore[misc]  # the package brings no types
    """An IMAPClient on a Wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(wire.host, ssl=False, timeout=SocketTimeout(CONNECT_S, READ_S))
        self.normalise_times = False  # aware datetimes, not the machine's local ones
        self._imap.debug = 0  # it would write each line into words for a log that nobody keeps

    def _create_IMAP4(self) -> Wire:
        return self._wire

    def hang_up(self) -> None:
        """Close the connection, in whatever state it is."""
        with suppress(OSError):
            self.shutdown()

    def fresh(self) -> Client:
        """Itself, for a command whose answer may be as long as any other's."""
        self._wire.left = ANSWER_BYTES
        return self


@contextmanager
def entered(
    mailbox: Mailbox, *, inside: bool, trust: ssl.SSLContext, tokens: AccessTokens | None = None
) -> Iterator[Client]:
    """A signed-in connection; the arguments are those of `try_out`.

    Raises:
        MailboxClosed: says what failed, and which entry is to be looked at.
    """
    if mailbox.tls is Tls.NONE and not is_local(mailbox.host):
        raise MailboxClosed("without TLS everybody on the way could read the password", field="tls")
    token = _token(tokens) if tokens is not None else ""
    made = _dial(mailbox.host, mailbox.port, inside=inside)
    with ExitStack() as left:
        left.callback(made.close)
        with _said_in_words(mailbox):
            if mailbox.tls is Tls.IMPLICIT:
                made = trust.wrap_socket(made, server_hostname=mailbox.host)
                left.callback(made.close)
            client = Client(Wire(made, mailbox.host))
            left.callback(client.hang_up)
            if mailbox.tls is Tls.STARTTLS:
                client.starttls(trust)
            if tokens is None:
                _sign_in(client, mailbox)
            else:
                _show(client, mailbox, token, tokens)
        yield client
        with suppress(IMAPClientError, OSError):
            client.fresh().logout()


def _sign_in(client: Client, mailbox: Mailbox) -> None:
    try:
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(mailbox.user, mailbox.password)  # takes every letter, where LOGIN takes ASCII
        else:
            client.login(mailbox.user, mailbox.password)
    except UnicodeEncodeError:
        raise MailboxClosed("this server takes only plain letters in passwords", field="password") from None
    except LoginError as error:
        raise _not_now(error) or MailboxClosed(
            f"the server refuses the user name or the password: {_shown(str(error))}", field="password"
        ) from None


def _token(tokens: AccessTokens) -> str:
    """A token that is good now; asked for before there is a connection that would wait for it."""
    try:
        return asyncio.run(tokens.get())  # this thread has no loop of its own
    except TokenRefused as error:
        said = str(error).rstrip(".")
        raise MailboxClosed(
            f"{said}; enter a new refresh token, or correct client ID and secret",
            field="refresh_token",
            temporary=True,
        ) from None
    except DeliveryFailed as error:
        raise MailboxClosed(str(error), field="token_url", temporary=True) from None


def _show(client: Client, mailbox: Mailbox, token: str, tokens: AccessTokens) -> None:
    """Sign in with a token: by XOAUTH2, as Google and Microsoft call it, or OAUTHBEARER (RFC 7628)."""
    if client.has_capability("AUTH=XOAUTH2"):
        method, told, bye = "XOAUTH2", f"user={mailbox.user}", b""
    elif client.has_capability("AUTH=OAUTHBEARER"):
        name = mailbox.user.replace("=", "=3D").replace(",", "=2C")
        method, told, bye = "OAUTHBEARER", f"n,a={name},", b"\1"
    else:
        raise MailboxClosed(f"{mailbox.host} offers no sign-in with OAuth", field="auth", temporary=True)
    answers = iter([f"{told}\1auth=Bearer {token}\1\1".encode()])
    try:
        # A server that refuses says why in a second question, which wants an empty answer.
        client.sasl_login(method, lambda _: next(answers, bye))
    except LoginError as error:
        tokens.forget()
        said = _shown(str(error).replace(token, "…")).rstrip(".")
        raise _not_now(error) or MailboxClosed(
            f"the server refuses the access token: {said}; the refresh token must be for this mailbox and for IMAP",
            field="refresh_token",
            temporary=True,
        ) from None


def _not_now(error: LoginError) -> MailboxClosed | None:
    """What is said when it is not the password or token that is refused."""
    said = str(error)
    if isinstance(error.__context__, IMAPClientAbortError) or any(each in said.lower() for each in FOR_NOW):
        return MailboxClosed(f"the server does not let us in for now: {_shown(said)}", temporary=True)
    return None


@contextmanager
def _said_in_words(mailbox: Mailbox) -> Iterator[None]:
    """What goes wrong between the first byte and the sign-in, for the person who entered it."""
    host = mailbox.host
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailboxClosed(
            f"the certificate of {host} is not valid: {error.verify_message}", field="host", temporary=True
        ) from None
    except ssl.SSLError:
        raise MailboxClosed(
            f"there is no TLS on port {mailbox.port} of {host}; try STARTTLS or another port",
            field="tls",
            temporary=True,
        ) from None
    except CapabilityError:
        raise MailboxClosed(f"{host} offers no STARTTLS on port {mailbox.port}", field="tls", temporary=True) from None
    except TimeoutError:
        raise MailboxClosed(f"{host} does not answer on port {mailbox.port}", field="port", temporary=True) from None
    except (IMAPClientError, OSError) as error:
        raise MailboxClosed(
            f"what answers on port {mailbox.port} of {host} is no IMAP server, or it hung up: {_shown(str(error))}",
            field="port",
            temporary=True,
        ) from None


def _shown(said: str) -> str:
    """An answer of a server in one line."""
    words = " ".join(said.split())
    return words[:200] if words.isprintable() else "an answer that is no text"


def _dial(host: str, port: int, *, inside: bool) -> socket.socket:
    """A connection to an address that was judged: the name is looked up once."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise MailboxClosed(f"there is no host named {host}", field="host", temporary=True) from None
    if not inside and not all(is_public(str(each[4][0])) for each in found):
        raise MailboxClosed(f"{host} lies in a private network, and only owners may name such hosts here", field="host")
    trouble: OSError = OSError()
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(CONNECT_S)
            made.connect(address)
        except OSError as error:
            made.close()
            trouble = error
        else:
            made.settimeout(READ_S)
            return made
    if isinstance(trouble, ConnectionRefusedError):
        raise MailboxClosed(f"nobody answers on port {port} of {host}", field="port", temporary=True)
    raise MailboxClosed(f"{host} cannot be reached on port {port}", field="host", temporary=True)


# --- watching ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all watches share."""

    engine: Engine
    keys: Keys
    clock: Clock
    trust: ssl.SSLContext
    tokens: Callable[[OAuth, bool, RefreshTokens], AccessTokens]  # the second: may the endpoint lie inside
    inside: bool = False  # anybody's mailbox may lie in a private network, not the owners' alone


class Watches:
    """One watch for each connected mailbox."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._running: dict[tuple[int, datetime], Watch] = {}

    def see_to(self, kept: Sequence[Kept]) -> None:
        """Begin what is new, end what is gone. A watch that gave up stays so until its mailbox is changed."""
        wanted = {(each.owner, each.changed_at): each for each in kept}
        for key in self._running.keys() - wanted.keys():
            self._running.pop(key).end()
        for key in wanted.keys() - self._running.keys():
            self._running[key] = Watch(self._house, wanted[key])
            self._running[key].start()

    def end(self) -> None:
        """End all, and wait a moment for them."""
        for each in self._running.values():
            each.end()
        until = monotonic() + END_S
        for each in self._running.values():
            each.join(max(until - monotonic(), 0.0))


class Watch(threading.Thread):
    """Reads one mailbox until it is ended, disconnected or refuses the password."""

    _tokens: AccessTokens | None = None

    def __init__(self, house: House, kept: Kept) -> None:
        super().__init__(name="mailbox", daemon=True)
        self._house = house
        self._kept = kept
        self._ended = threading.Event()

    def end(self) -> None:
        self._ended.set()

    def run(self) -> None:
        pause_s = PAUSE_S
        while not self._ended.is_set():
            began = monotonic()
            try:
                self._session()
                return
            except MailboxClosed as error:
                self._note(str(error))
                log.warning("mailbox.closed", again=error.temporary, at=error.field)
                if not error.temporary:
                    return
            except (SQLAlchemyError, UnsealedError) as error:
                log.warning("mailbox.store_away", error=type(error).__name__)
            except (IMAPClientError, OSError) as error:
                log.info("mailbox.hung_up", error=type(error).__name__)
                if monotonic() - began < PAUSE_S:
                    self._note("the connection broke again and again; it is being tried")
            except Exception:
                log.exception("mailbox.unknown_error")
                self._note("our own fault, see the log; it is being tried again")
            if monotonic() - began > STEADY_AFTER_S:
                pause_s = PAUSE_S
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _note(self, trouble: str) -> None:
        with suppress(SQLAlchemyError), self._house.engine.begin() as connection:
            mailboxes.looked(connection, self._kept, at=None, trouble=trouble)

    def _session(self) -> None:
        """Sign in and read until the watch is ended."""
        inside = self._house.inside or self._kept.by_owner
        mailbox = self._opened()
        if mailbox.oauth is not None and self._tokens is None:
            kept = observe.KeptTokens(self._house.engine, self._kept, self._house.keys)
            self._tokens = self._house.tokens(mailbox.oauth, inside, kept)
        with entered(mailbox, inside=inside, trust=self._house.trust, tokens=self._tokens) as client:
            seen = look_round(client)
            log.info("mailbox.entered", folders=seen.folders, watched=len(seen.watched), idle=seen.idle)
            others_at = 0.0
            while not self._ended.is_set():
                try:
                    if monotonic() >= others_at:
                        self._answered()
                        for folder in seen.watched[:-1]:
                            self._catch_up(client, folder)
                        others_at = monotonic() + IDLE_S
                    busy = False
                    while self._catch_up(client, INBOX) and not self._ended.is_set():
                        busy = True  # more may have come meanwhile
                except Disconnected:
                    return
                self._wait(client, seen.idle, min(others_at - monotonic(), FIRST_IDLE_S if busy else IDLE_S))

    def _answered(self) -> None:
        with self._house.engine.begin() as connection:
            if not mailboxes.looked(connection, self._kept, at=self._house.clock()):
                raise Disconnected

    def _opened(self) -> Mailbox:
        try:
            return observe.opened(self._kept, self._house.keys)
        except BadInput as error:
            raise MailboxClosed(str(error), field="password") from None

    def _catch_up(self, client: Client, folder: str) -> int:
        """Read what is new in a folder; how many messages."""
        shown = client.fresh().select_folder(folder, readonly=True)
        validity, next_uid = int(shown.get(b"UIDVALIDITY", 0)), int(shown.get(b"UIDNEXT", 0))
        with reading(self._house.engine) as connection:
            cursor = mailboxes.cursor(connection, self._kept.owner, folder)
        if cursor is None:  # only what comes from now on
            last = next_uid - 1 if next_uid else max(client.fresh().search(), default=0)
            self._take_in(folder, [], Cursor(uidvalidity=validity, uid=last))
            return 0
        if cursor.uidvalidity == validity:
            # "7:*" is never empty: without a newer one it names the last (RFC 3501 §6.4.8).
            uids = [uid for uid in client.fresh().search(["UID", f"{cursor.uid + 1}:*"]) if uid > cursor.uid]
        else:  # renumbered: what we know already is known by its Message-ID
            since = (self._kept.looked_at or self._kept.changed_at) - timedelta(days=1)
            uids = client.fresh().search(["SINCE", since.date()])[-MISSED:]
            if not uids:
                self._take_in(folder, [], Cursor(uidvalidity=validity, uid=max(next_uid - 1, 0)))
        uids = sorted(uids)
        for start in range(0, len(uids), BATCH):
            some = uids[start : start + BATCH]
            self._take_in(folder, fetch(client, some, self._house.clock), Cursor(uidvalidity=validity, uid=some[-1]))
        return len(uids)

    def _take_in(self, folder: str, found: Sequence[Found], upto: Cursor) -> None:
        if not observe.take_in(self._house.engine, self._kept, folder, found, upto, self._house.clock()):
            raise Disconnected

    def _wait(self, client: Client, idle: bool, longest_s: float) -> None:
        """Until something comes into INBOX, which is the open folder, or the time is over."""
        if not idle:
            self._ended.wait(min(POLL_S, max(longest_s, 0.0)))
            return
        if longest_s <= 0:
            return
        client.fresh().idle()
        deadline = monotonic() + longest_s
        while not self._ended.is_set() and (left_s := deadline - monotonic()) > 0:
            asked_at, bell_s = monotonic(), min(BELL_S, left_s)
            said = client.fresh().idle_check(timeout=bell_s)
            if any(len(each) > 1 and each[1] in (b"EXISTS", b"RECENT") for each in said):
                break
            if not said and monotonic() - asked_at < bell_s / 2:
                break  # the server hung up; the next command says so
        client.idle_done()


class Disconnected(Exception):
    """The user connected another mailbox, or none."""


def fetch(client: Client, uids: Sequence[int], clock: Callable[[], datetime]) -> list[Found]:
    """Heads, and of reports the beginning of the body. A message that the server cannot hand out is left out."""
    head, body = b"BODY[HEADER]<0>", b"BODY[]<0>"
    try:
        answers = client.fresh().fetch(uids, ["INTERNALDATE", f"BODY.PEEK[HEADER]<0.{HEAD_BYTES}>"])
    except IMAPClientAbortError:
        raise
    except IMAPClientError:
        if len(uids) == 1:
            log.warning("mailbox.message_left_out")
            return []
        half = len(uids) // 2
        return [*fetch(client, uids[:half], clock), *fetch(client, uids[half:], clock)]
    found = []
    for uid in uids:
        answer = answers.get(uid, {})  # gone meanwhile
        raw = answer.get(head)
        if not isinstance(raw, bytes):
            continue
        if wants_body(raw):
            whole = client.fresh().fetch([uid], [f"BODY.PEEK[]<0.{BODY_BYTES}>"]).get(uid, {}).get(body)
            raw = whole if isinstance(whole, bytes) else raw
        at = answer.get(b"INTERNALDATE")
        found.append(Found(uid=uid, at=at if isinstance(at, datetime) and at.tzinfo else clock(), raw=raw))
    return found
