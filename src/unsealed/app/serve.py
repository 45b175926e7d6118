"""`unsealed serve`: opens the sockets, starts the six roles, and tells the newcomer what to do.

    collect   pixels and links -> journal                       knows no database
    judge     journal -> hits -> events, counts, live feed      the only reader of the journal
    hot       messages that are asked for without end           apart, so that no other waits for them
    mail      submission and delivery
    observe   the senders' own mailboxes                        apart: it reads what strangers wrote, and waits a lot
    web       pages, live updates, JSON API

Each is a process of its own, so that a bomb in a message or a heavy page cannot touch a redirect.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import structlog

from unsealed.app.config import Listen, LogFormat, Settings
from unsealed.app.supervise import Ready, Role, Supervisor
from unsealed.app.wire import COLLECTOR_SOCKET, LiveKeys, Welcome, certificate, now, places, prepare, push_key, welcome
from unsealed.model.errors import Unavailable
from unsealed.model.event import Located
from unsealed.model.ports import Parcel
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.upstream import Attempt, Upstream
from unsealed.model.view import DataFileRow

log = structlog.get_logger()

BACKLOG = 4096
BIND_PATIENCE_S = 5.0  # a killed parent's roles take a moment to let go of the ports
JUDGE_IDLE_S = 0.01  # between two looks at the journal when there was nothing new
FEED_KEPT = timedelta(days=1)  # a page that was away longer loads itself anew
NOTICES_KEPT = timedelta(days=90)
JOBS_KEPT = timedelta(days=30)  # finished ones, for who looks into the store after trouble
TRIM_EVERY_S = 3_600.0
JUDGED_AFTER = timedelta(hours=1)  # then no hit below the full level needs its neighbours or the delivery any more
BARE_EVERY_S = 60.0
HOT_IDLE_S = 0.2  # between two looks whether a message became hot
DATA_EVERY_S = 10.0  # between two looks whether data about networks and places are new
JUDGE_LOOK_S = 1.0  # between two looks for messages that others marked
ADDRESSES_KEPT = timedelta(days=400)  # of senders, after the last use: history is judged again with them
REJUDGINGS_KEPT = timedelta(days=180)  # what judging again changed
SENT_DRAFTS_KEPT = timedelta(hours=1)  # so long who lost the answer to "send" may ask again
OWN_PATIENCE_S = 60.0  # with next hops that people choose: others wait for room meanwhile
OBSERVE_LOOK_S = 2.0  # between two looks for mailboxes that were connected or disconnected
TRY_OUT_S = 30.0  # for a test, while somebody looks at the page
UNIX_PATH_BYTES = 100  # the system takes 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Every socket that listens; opened once by the parent."""

    web: socket.socket
    track: socket.socket
    private: socket.socket  # the collector's own door for the sandbox: callers are believed about addresses
    private_path: Path
    smtp: socket.socket
    smtp_tls: socket.socket | None


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status.

    Raises:
        Unavailable: the data folder or a port cannot be used; says which and what to do.
    """
    import unsealed.inlets.collect  # noqa: F401  (forked with it, a collector that was killed is back at once)

    configure_log(settings)
    with _one_server(settings.data), _sockets(settings) as sockets:
        engine = prepare(settings)
        hello = welcome(settings, engine, now())
        engine.dispose()  # connections do not survive a fork
        roles = (
            Role(name="collect", body=lambda ready: collect(settings, sockets, ready)),
            Role(name="judge", body=lambda ready: judge(settings, ready)),
            Role(name="hot", body=lambda ready: hot(settings, ready)),
            Role(name="mail", body=lambda ready: asyncio.run(mail(settings, sockets, ready))),
            Role(name="observe", body=lambda ready: observe(settings, ready)),
            Role(name="web", body=lambda ready: web(settings, sockets, ready)),
        )
        return Supervisor(roles).run(lambda: announce(settings, hello))


def configure_log(settings: Settings) -> None:
    """Structured events on standard error, as text for people or JSON for machines."""
    level = logging.getLevelNamesMapping()[settings.log.level.upper()]
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    shown: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log.format is LogFormat.JSON
        # Plain tracebacks: structlog's fancy ones print local variables, secrets among them.
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


# The roles


def collect(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """Pixels and links."""
    from unsealed.inlets import collect as collector
    from unsealed.inlets.collect.settings import CollectSettings, Limits

    track = settings.track
    collector.run(
        CollectSettings(
            sockets=(sockets.track.fileno(),),
            private_socket=sockets.private.fileno(),
            journal=settings.data / "journal" / track.collector,
            collector=track.collector,
            keys=LiveKeys(settings.data),
            clock=now,
            trusted_proxies=track.trusted_proxies,
            https=settings.track_url.startswith("https://"),
            limits=Limits(connections=track.connections),
        ),
        ready,
    )


def judge(settings: Settings, ready: Ready) -> None:
    """The far side of the journal; and history judged again, when nothing new waits."""
    from unsealed.core.agent import read_agent
    from unsealed.flow import rejudge
    from unsealed.flow.ingest import Ingest

    stop = _until_sigterm()
    read_agent("Mozilla/5.0 (X11; Linux)")  # its tables take 0.2 s to load: not while the first reader's event waits
    engine, known = _engine(settings), places(settings)
    ingest = Ingest(
        engine,
        keys=LiveKeys(settings.data),
        journal=settings.data / "journal" / settings.track.collector,
        collector=settings.track.collector,
        clock=now,
        locate=known.look_up,
    )
    ready()
    pause_s, look_at, trim_at, bare_at, data_at, news = JUDGE_IDLE_S, 0.0, 0.0, 0.0, 0.0, True
    while not stop():
        try:
            if monotonic() >= trim_at:
                _trim(engine)
                trim_at = monotonic() + TRIM_EVERY_S
            if monotonic() >= bare_at:
                _bare(engine, timedelta(days=settings.keep.requests_days))
                bare_at = monotonic() + BARE_EVERY_S
            if monotonic() >= data_at:
                # Only when it is news here: judges of several machines with different data would never come to an end.
                news = known.refresh() or news
                if news:
                    rejudge.keep_up(engine, known.fingerprint, now())
                news, data_at = False, monotonic() + DATA_EVERY_S
            worked = ingest.ship()
            if worked or monotonic() >= look_at:
                # Marks that others set, such as a correction, can wait a second.
                judged = ingest.judge(hot=False) or int(not worked and rejudge.step(engine, now()))
                worked += judged
                look_at = 0.0 if judged else monotonic() + JUDGE_LOOK_S
            pause_s = JUDGE_IDLE_S
        except Exception as error:
            # The journal keeps everything meanwhile, however long the store is away; nothing here is lost or skipped.
            worked = 0
            pause_s = min(2 * pause_s, 1.0)
            log.warning("judge.store_away", error=type(error).__name__, again_in_s=pause_s)
        if not worked:
            sleep(pause_s)


def hot(settings: Settings, ready: Ready) -> None:
    """Judges messages with so many hits that all others would wait for them."""
    from unsealed.core.agent import read_agent
    from unsealed.flow.judging import Judge

    stop = _until_sigterm()
    read_agent("Mozilla/5.0 (X11; Linux)")
    known = places(settings)
    judge = Judge(_engine(settings), clock=now, locate=known.look_up)
    ready()
    while not stop():
        try:
            known.refresh()
            worked = judge.judge_hot()
        except Exception as error:
            worked = 0
            log.warning("hot.store_away", error=type(error).__name__, again_in_s=HOT_IDLE_S)
        if not worked:
            sleep(HOT_IDLE_S)


def _bare(engine: Any, kept: timedelta) -> None:
    """Forget what requests looked like: below the full level once it cannot change a verdict, at the full level after
    `kept`."""
    from unsealed.model.policy import Level
    from unsealed.store import events

    below = [level for level in Level if Level.OFF < level < Level.FULL]
    for levels, age in ((below, JUDGED_AFTER), ([Level.FULL], kept)):
        forgotten = 1
        while forgotten:
            with engine.begin() as connection:
                forgotten = events.bare(connection, now() - age, levels)


def _trim(engine: Any) -> None:
    from unsealed.store import corrections, drafts, feed, jobs, notices, own

    with engine.begin() as connection:
        notices.trim(connection, now() - NOTICES_KEPT)
        feed.trim(connection, now() - FEED_KEPT)
        jobs.trim(connection, now() - JOBS_KEPT)
        own.trim(connection, now() - ADDRESSES_KEPT)
        corrections.trim(connection, now() - REJUDGINGS_KEPT)
        drafts.trim(connection, now() - SENT_DRAFTS_KEPT)


async def mail(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """Submission and delivery."""
    from unsealed.core.instrument import Tracking
    from unsealed.flow import digest, remind
    from unsealed.flow.deliver import Delivery
    from unsealed.flow.notify import Notifier
    from unsealed.flow.rounds import rounds
    from unsealed.flow.routes import Routes
    from unsealed.inlets.submit import Limits, SubmissionServer
    from unsealed.store.writer import Writer

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine, keys = _engine(settings), LiveKeys(settings.data)
    writer = Writer(engine)
    outlet = _outlet(settings, writer)
    routes = Routes(engine, keys=keys, usual=outlet, dial=_dial(settings), private_hosts=settings.people.private_hosts)
    name = socket.getfqdn() if settings.upstream.url else "localhost"
    # The collector's name is this machine's own: a lease of another machine is never taken back at our start.
    owner = f"mail-{settings.track.collector}"[:32]
    delivery = Delivery(engine, routes, keys=keys, clock=now, writer=writer, owner=owner, host=name)

    def tracking() -> Tracking:
        return Tracking(base_url=settings.track_url, keys=keys, key_id=keys.newest)

    notifier = Notifier(
        engine, _bells(settings, engine, keys), keys=keys, clock=now, writer=writer, owner=f"notify-{owner}"[:32]
    )
    digests = digest.Digests(engine=engine, origin=settings.web_url, tracking=tracking, clock=now)
    reminders = remind.Reminders(engine=engine, origin=settings.web_url, tracking=tracking, clock=now)
    server = SubmissionServer(
        engine,
        writer,
        tracking=tracking,
        defaults=lambda user: settings.allowed_by(routes.find(user).host or settings.usual_host),
        clock=now,
        accepted=delivery.wake,
        mark=settings.tracking.subject_mark,
        host=name,
        tls=certificate(settings),
        limits=Limits(message_bytes=settings.smtp.max_size),
    )
    await server.start(plain=[sockets.smtp], implicit=[sockets.smtp_tls] if sockets.smtp_tls else [])
    ready()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(delivery.run(stop))
            group.create_task(notifier.run(stop))
            for name, letters, every_s in (
                ("digest", digests.write, digest.LOOK_S),
                ("reminders", reminders.look, remind.LOOK_S),
            ):
                look = partial(asyncio.to_thread, letters)
                group.create_task(rounds(name, look, stop, every_s=every_s, worked=delivery.wake))
    finally:
        await server.stop()
        await writer.close()
        await routes.close()
        await outlet.close()


def _outlet(settings: Settings, writer: Any) -> Any:
    """The usual next hop: the upstream, or the sandbox when there is none."""
    if settings.upstream.url is None:
        from unsealed.outlets.sandbox import SandboxOutlet
        from unsealed.store import sandbox

        return SandboxOutlet(lambda parcel, at: writer.run(lambda c: sandbox.keep(c, parcel, at)), clock=now)
    from unsealed.outlets.smtp import SmtpOutlet

    trust = ssl.create_default_context(cafile=settings.upstream.ca) if settings.upstream.ca else None
    return SmtpOutlet(settings.upstream.url, clock=now, host=socket.getfqdn(), tls_context=trust)


def _bells(settings: Settings, engine: Any, keys: LiveKeys) -> Any:
    """Where notices for devices go."""
    from unsealed.model.notice import Channel
    from unsealed.outlets.chat import Chat
    from unsealed.outlets.webpush import WebPush

    _, private = push_key(engine, keys)
    push = WebPush(private, origin=settings.web_url, clock=now, private=settings.people.private_hosts)
    return {Channel.PUSH: push, Channel.CHAT: Chat()}


def _why_not(device: Any, *, private: bool) -> str:
    """Why notices cannot be sent to a device; "" when they can."""
    from unsealed.model.errors import DeliveryFailed
    from unsealed.model.notice import Channel
    from unsealed.outlets import chat, post

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


def observe(settings: Settings, ready: Ready) -> None:
    """What comes back into the senders' own mailboxes."""
    from unsealed.store import mailboxes
    from unsealed.store.engine import reading

    stop = _until_sigterm()
    engine = _engine(settings)
    watches: Any = None
    ready()
    while not stop():
        try:
            with reading(engine) as connection:
                kept = mailboxes.every(connection)
            if kept and watches is None:  # what it needs is loaded only where there is something to watch
                watches = _watches(settings, engine)
            if watches is not None:
                watches.see_to(kept)
        except Exception as error:
            log.warning("observe.store_away", error=type(error).__name__)
        sleep(OBSERVE_LOOK_S)
    if watches is not None:
        watches.end()


def _watches(settings: Settings, engine: Any) -> Any:
    from unsealed.inlets import imap

    house = imap.House(
        engine=engine,
        keys=LiveKeys(settings.data),
        clock=now,
        trust=_trust_for_people(settings) or ssl.create_default_context(),
        inside=settings.people.private_hosts,
    )
    return imap.Watches(house)


def _dial(settings: Settings) -> Callable[[Upstream], Any]:
    """Makes outlets for the next hops that people choose."""
    from unsealed.outlets.smtp import SmtpOutlet

    trust = _trust_for_people(settings)
    return lambda upstream: SmtpOutlet(upstream, clock=now, host=None, timeout_s=OWN_PATIENCE_S, tls_context=trust)


def _trust_for_people(settings: Settings) -> ssl.SSLContext | None:
    """Who may vouch for the servers that people name: the system's authorities, and the configured ones."""
    if settings.upstream.ca is None:
        return None  # the system's alone, loaded when the first connection needs them
    context = ssl.create_default_context()
    context.load_verify_locations(settings.upstream.ca)
    return context


def web(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """Pages, live updates and the JSON API."""
    import uvloop
    from granian import net
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    from unsealed.core.network import BUILT_IN
    from unsealed.inlets.web import build
    from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
    from unsealed.outlets import chat
    from unsealed.outlets.smtp import try_out

    trust = _trust_for_people(settings)

    async def try_upstream(upstream: Upstream, parcel: Parcel) -> Attempt:
        return await try_out(upstream, parcel, clock=now, host=None, timeout_s=TRY_OUT_S, tls_context=trust)

    def enter_mailbox(mailbox: Mailbox, inside: bool) -> Entered:
        from unsealed.inlets import imap  # nobody else here needs it

        return imap.try_out(mailbox, inside=inside, trust=trust or ssl.create_default_context())

    known = places(settings)

    def locate(address: str) -> Located:
        known.refresh()  # asked when somebody corrects an event: by the same data as the judge's
        return known.look_up(address)

    def data_files() -> Sequence[DataFileRow]:
        known.refresh()
        return BUILT_IN, *known.files()

    smtp = settings.smtp.tls_listen or settings.smtp.listen
    tls = "implicit" if settings.smtp.tls_listen else "starttls" if settings.smtp.certificate else "none"
    engine, keys = _engine(settings), LiveKeys(settings.data)
    around = Surroundings(
        engine=engine,
        keys=keys,
        clock=now,
        origin=settings.web_url,
        tracking_url=settings.track_url,
        collector_socket=sockets.private_path,
        smtp=SmtpWords(host="127.0.0.1" if smtp.wildcard else smtp.host, port=smtp.port, tls=tls),
        trusted_proxies=settings.track.trusted_proxies,
        locate=locate,
        data_files=data_files,
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

    class Inherited(Server):
        """granian on the parent's socket instead of one of its own, for which it has no public way."""

        _shd: Any
        _sfd: Any

        def _init_shared_socket(self) -> None:
            holder: Any = vars(net)["SocketHolder"]
            self._shd = holder(os.dup(sockets.web.fileno()), False, BACKLOG)
            self._sfd = self._shd.get_fd()

    async def serve() -> None:
        app = build(around)
        server = Inherited(
            app,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=32 * 1024),
        )

        halt: Callable[[], None] = server.stop

        def stop() -> None:
            app.state.live.close()  # the server waits for open streams, and they would go on for minutes
            halt()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        ready()
        await server.serve()

    uvloop.run(serve())


def _engine(settings: Settings) -> Any:
    from unsealed.store import engine as stores

    return stores.connect(settings.store_url)


def _until_sigterm() -> Callable[[], bool]:
    """Whether SIGTERM has come; from now on it does nothing else."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    return lambda: bool(told)


# What the parent holds


@contextlib.contextmanager
def _one_server(data: Path) -> Any:
    """Hold the data folder for this server alone."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the data folder {data} cannot be used: {error.strerror}") from error
    deadline = monotonic() + BIND_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if monotonic() > deadline:
                raise Unavailable(f"another `unsealed serve` works in {data}; stop it, or use another --data") from None
            sleep(0.05)
    try:
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _sockets(settings: Settings) -> Any:
    private_path, folder = settings.data / COLLECTOR_SOCKET, None
    if len(os.fsencode(private_path)) > UNIX_PATH_BYTES:
        folder = tempfile.mkdtemp(prefix="unsealed-")
        private_path = Path(folder) / COLLECTOR_SOCKET
    private_path.unlink(missing_ok=True)
    private = socket.socket(socket.AF_UNIX)
    private.bind(str(private_path))
    private_path.chmod(0o600)
    private.listen(128)
    opened = [private]
    try:
        for key, address in (
            ("web.listen", settings.web.listen),
            ("track.listen", settings.track.listen),
            ("smtp.listen", settings.smtp.listen),
            ("smtp.tls_listen", settings.smtp.tls_listen),
        ):
            if address is not None:
                opened.append(_listen(key, address))
        yield Sockets(
            web=opened[1],
            track=opened[2],
            private=private,
            private_path=private_path,
            smtp=opened[3],
            smtp_tls=opened[4] if len(opened) > 4 else None,
        )
    finally:
        for each in opened:
            each.close()
        private_path.unlink(missing_ok=True)
        if folder is not None:
            Path(folder).rmdir()


def _listen(key: str, address: Listen) -> socket.socket:
    deadline = monotonic() + BIND_PATIENCE_S
    while True:
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
        except OSError as error:
            if monotonic() > deadline or not address.port:
                raise Unavailable(
                    f"{key}: cannot listen on {address}: {error.strerror}; see `unsealed check`"
                ) from error
            sleep(0.05)


def announce(settings: Settings, hello: Welcome | None) -> None:
    """Say where everything is; with the secrets of a first start, once."""
    lines = [f"Unsealed is ready.   Pages  {settings.web_url}"]
    if hello is not None:
        lines += ["", f"Open this link to sign in (it works once):  {hello.url}"]
    smtp = settings.smtp.listen
    lines += ["", f"Mail programs send through  {smtp.host} port {smtp.port}"]
    if hello is not None and hello.app_password:
        lines += [f"  user      {hello.email}", f"  password  {hello.app_password}   (shown only now)"]
    if settings.upstream.url is None:
        lines += ["", "No upstream is configured: mail stays in the sandbox, which the pages show."]
    else:
        lines += ["", f"Mail goes out through {settings.upstream.url.host} port {settings.upstream.url.port}."]
    if not settings.links_reach_readers:
        lines += ["NOTHING IS TRACKED: without --track-url https://... links in sent mail would lead nowhere."]
    print("\n".join(lines), flush=True)
