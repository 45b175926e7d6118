"""Submission and delivery, and the letters and notices that we write ourselves."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine

from unsealed.app.config import Settings
from unsealed.app.languages import languages
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready
from unsealed.app.wire import LiveKeys, certificate, now, push_key, trust_for_people
from unsealed.core.instrument import Tracking
from unsealed.flow import digest, remind
from unsealed.flow.deliver import Delivery
from unsealed.flow.notify import Notifier
from unsealed.flow.rounds import rounds
from unsealed.flow.routes import Routes
from unsealed.inlets.submit import Limits, SubmissionServer
from unsealed.model.notice import Channel
from unsealed.model.ports import Bell, RefreshTokens
from unsealed.model.upstream import Upstream
from unsealed.outlets.chat import Chat
from unsealed.outlets.sandbox import SandboxOutlet
from unsealed.outlets.smtp import SmtpOutlet
from unsealed.outlets.webpush import WebPush
from unsealed.store import sandbox
from unsealed.store.engine import connect
from unsealed.store.news import News
from unsealed.store.writer import Writer

OWN_PATIENCE_S = 60.0  # with next hops that people choose: others wait for room meanwhile


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    asyncio.run(_serve(settings, sockets, ready))


async def _serve(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine, keys = connect(settings.store_url), LiveKeys(settings.data)
    sockets.bells.ring_for(engine)
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
        engine,
        _bells(settings, engine, keys),
        keys=keys,
        clock=now,
        writer=writer,
        languages=languages(),
        owner=f"notify-{owner}"[:32],
    )
    digests = digest.Digests(
        engine=engine, origin=settings.web_url, tracking=tracking, clock=now, languages=languages()
    )
    reminders = remind.Reminders(
        engine=engine, origin=settings.web_url, tracking=tracking, clock=now, languages=languages()
    )
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
    sockets.bells.listen(News.NOTICES, notifier.look)
    await server.start(plain=[sockets.smtp], implicit=[sockets.smtp_tls] if sockets.smtp_tls else [])
    ready()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(delivery.run(stop))
            group.create_task(notifier.run(stop))
            for what, write, every_s in (
                ("digest", digests.write, digest.LOOK_S),
                ("reminders", reminders.look, remind.LOOK_S),
            ):
                look = partial(asyncio.to_thread, write)
                group.create_task(rounds(what, look, stop, every_s=every_s, worked=delivery.wake))
    finally:
        await server.stop()
        await writer.close()
        await routes.close()
        await outlet.close()


def _outlet(settings: Settings, writer: Writer) -> SandboxOutlet | SmtpOutlet:
    """The usual next hop: the upstream, or the sandbox when there is none."""
    if settings.upstream.url is None:
        return SandboxOutlet(lambda parcel, at: writer.run(lambda c: sandbox.keep(c, parcel, at)), clock=now)
    trust = ssl.create_default_context(cafile=settings.upstream.ca) if settings.upstream.ca else None
    return SmtpOutlet(settings.upstream.url, clock=now, host=socket.getfqdn(), tls_context=trust)


def _dial(settings: Settings) -> Callable[[Upstream, RefreshTokens], SmtpOutlet]:
    """Makes outlets for the next hops that people choose."""
    trust = trust_for_people(settings)
    return lambda upstream, tokens: SmtpOutlet(
        upstream, clock=now, host=None, timeout_s=OWN_PATIENCE_S, tls_context=trust, tokens=tokens
    )


def _bells(settings: Settings, engine: Engine, keys: LiveKeys) -> dict[Channel, Bell]:
    """Where notices for devices go."""
    _, private = push_key(engine, keys)
    push = WebPush(private, origin=settings.web_url, clock=now, private=settings.people.private_hosts)
    return {Channel.PUSH: push, Channel.CHAT: Chat(origin=settings.web.url)}
