"""Pixels and links."""

from __future__ import annotations

from unsealed.app.config import Settings
from unsealed.app.sockets import Sockets
from unsealed.app.supervise import Ready
from unsealed.app.wire import LiveKeys, journal_folder, now
from unsealed.inlets import collect
from unsealed.inlets.collect.settings import CollectSettings, Limits


def run(settings: Settings, sockets: Sockets, ready: Ready) -> None:
    """The body of the process."""
    track = settings.track
    collect.run(
        CollectSettings(
            sockets=(sockets.track.fileno(),),
            private_socket=sockets.private.fileno(),
            journal=journal_folder(settings),
            collector=track.collector,
            keys=LiveKeys(settings.data),
            clock=now,
            trusted_proxies=track.trusted_proxies,
            https=settings.track_url.startswith("https://"),
            limits=Limits(connections=track.connections),
        ),
        ready,
    )
