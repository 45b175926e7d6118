"""Pages, live updates and the JSON API."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import uvloop
from granian import net
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.applications import Starlette

from unsealed.app.config import Settings
from unsealed.app.languages import languages
from unsealed.app.sockets import BACKLOG, Sockets
from unsealed.app.supervise import Ready
from unsealed.app.wire import LiveKeys, now, places, push_key, trust_for_people
from unsealed.core.network import BUILT_IN
from unsealed.inlets import imap
from unsealed.inlets.web import build
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.model.errors import DeliveryFailed
from unsealed.model.event import Located
from unsealed.model.notice import Channel, Device
from unsealed.model.ports import Parcel, RefreshTokens
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.upstream import Attempt, Upstream
from unsealed.model.view import DataFileRow
from unsealed.outlets import chat, post
from unsealed.outlets.oauth import AccessTokens
from unsealed.outlets.smtp import try_out
from unsealed.store.engine import connect
from unsealed.store.news import News

CONNECTIONS = 4_000  # at a time: of live pages, and those that browsers keep open between two pages
OWN_FILES = 200  # for the store and what else is open
# Who writes to an SQLite store rings, but for commands; to PostgreSQL the roles of other machines write as well.
FEED_LOOK_S = {"sqlite": 1.0, "postgresql": 0.05}
TRY_OUT_S = 30.0  # for a test, while somebody looks at the page


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    uvloop.run(_serve(build(_surroundings(settings, sockets)), sockets, ready))


async def _serve(app: Starlette, sockets: Sockets, ready: Ready) -> None:
    server = _Inherited(
        app,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # to find out which HTTP it is, it waits for the first byte without end
        backpressure=_connections(),  # its own 128 are taken by as many open pages, and nobody gets another
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=32 * 1024),
    )
    server.inherited = sockets.web.fileno()

    halt: Callable[[], None] = server.stop

    def stop() -> None:
        app.state.live.close()  # the server waits for open streams, and they would go on for minutes
        halt()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    sockets.bells.listen(News.FEED, app.state.live.look)
    ready()
    await server.serve()


def _connections() -> int:
    """As many as there is room for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(CONNECTIONS, files - OWN_FILES))


class _Inherited(Server):
    """granian on the parent's socket instead of one of its own, for which it has no public way."""

    inherited: int
    _shd: Any
    _sfd: Any

    def _init_shared_socket(self) -> None:
        holder: Any = vars(net)["SocketHolder"]
        self._shd = holder(os.dup(self.inherited), False, BACKLOG)
        self._sfd = self._shd.get_fd()


def _surroundings(settings: Settings, sockets: Sockets) -> Surroundings:
    engine, keys, known = connect(settings.store_url), LiveKeys(settings.data), places(settings)
    sockets.bells.ring_for(engine)
    trust = trust_for_people(settings)

    async def try_upstream(upstream: Upstream, tokens: RefreshTokens, parcel: Parcel) -> Attempt:
        return await try_out(
            upstream, parcel, clock=now, host=None, timeout_s=TRY_OUT_S, tokens=tokens, tls_context=trust
        )

    def enter_mailbox(mailbox: Mailbox, inside: bool, kept: RefreshTokens | None) -> Entered:
        vouched = trust or ssl.create_default_context()
        tokens = None
        if mailbox.oauth is not None:
            tokens = AccessTokens(mailbox.oauth, inside=inside, kept=kept, tls_context=vouched)
        return imap.try_out(mailbox, inside=inside, trust=vouched, tokens=tokens)

    def locate(address: str) -> Located:
        known.refresh()  # asked when somebody corrects an event: by the same data as the judge's
        return known.look_up(address)

    def data_files() -> Sequence[DataFileRow]:
        known.refresh()
        return BUILT_IN, *known.files()

    return Surroundings(
        engine=engine,
        keys=keys,
        clock=now,
        feed_look_s=FEED_LOOK_S[engine.dialect.name],
        origin=settings.web_url,
        tracking_url=settings.track_url,
        collector_socket=sockets.private_path,
        smtp=_smtp_words(settings),
        trusted_proxies=settings.track.trusted_proxies,
        locate=locate,
        data_files=data_files,
        languages=languages(),
        tracking=settings.allowed,
        subject_mark=settings.tracking.subject_mark,
        sandbox=settings.upstream.url is None,
        usual_host=settings.usual_host,
        allowed_by=settings.allowed_by,
        private_hosts=settings.people.private_hosts,
        push_key=push_key(engine, keys)[0],
        chats=tuple(chat.SERVICES.values()) if chat.available() else (),
        may_notify=lambda device: _why_not(device, private=settings.people.private_hosts),
        try_upstream=try_upstream,
        enter_mailbox=enter_mailbox,
    )


def _smtp_words(settings: Settings) -> SmtpWords:
    """What a mail program is told about sending through us."""
    listen = settings.smtp.tls_listen or settings.smtp.listen
    tls = "implicit" if settings.smtp.tls_listen else "starttls" if settings.smtp.certificate else "none"
    return SmtpWords(host=listen.near, port=listen.port, tls=tls)


def _why_not(device: Device, *, private: bool) -> str:
    """Why notices cannot be sent to a device; "" when they can."""
    if device.channel is Channel.CHAT:
        if chat.service(device.address, trusted=device.trusted):
            return ""
        known = ", ".join(chat.SERVICES.values())
        return f"Write an address such as slack://TOKEN or tgram://TOKEN/CHAT. Services: {known}."
    try:
        post.checked(device.address, private=private)
    except DeliveryFailed as error:
        return f"Notices cannot be sent to this browser: {error}."
    return ""
