"""What the parent holds while it serves: its data folder, every socket that listens, the bells between the roles.

While it is held, `serve.lock` says in JSON what commands have to know of the options that the server was started with:
{"web": base of the pages, "track": base of pixels and links, "host": next hop of all, "" for the sandbox}.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from unsealed.app.bells import Bells
from unsealed.app.config import Settings
from unsealed.app.config_values import Listen
from unsealed.app.wire import COLLECTOR_SOCKET
from unsealed.model.errors import Unavailable
from unsealed.model.upstream import Upstream

LOCK = "serve.lock"  # in the data folder
BACKLOG = 4096
BIND_PATIENCE_S = 5.0  # a killed parent's roles take a moment to let go of the ports
UNIX_PATH_BYTES = 100  # the system takes 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Every socket that listens, and the bells; opened once by the parent."""

    web: socket.socket
    track: socket.socket
    private: socket.socket  # the collector's own door for the sandbox: callers are believed about addresses
    private_path: Path
    smtp: socket.socket
    smtp_tls: socket.socket | None
    bells: Bells


@contextlib.contextmanager
def one_server(settings: Settings) -> Iterator[Callable[[Settings], None]]:
    """Hold the data folder for this server alone; yields what tells commands there how it serves.

    Raises:
        Unavailable: temporary; another server holds it, or it cannot be made.
    """
    data = settings.data
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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

    def tell(served: Settings) -> None:
        said = {"web": served.web_url, "track": served.track_url, "host": served.usual_host}
        os.pwrite(lock, json.dumps(said).encode(), 0)

    try:
        os.ftruncate(lock, 0)
        yield tell
    finally:
        os.close(lock)


def as_served(settings: Settings) -> Settings:
    """The settings of a command, with the addresses and the next hop of the server that works in the data folder: it
    may have been started with options that the command does not know. As they are where none works there."""
    try:
        lock = os.open(settings.data / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return settings
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _with(settings, os.read(lock, 10_000))
    else:
        return settings  # nobody holds it: what it says is of a server that has ended
    finally:
        os.close(lock)


def _with(settings: Settings, written: bytes) -> Settings:
    try:
        said = json.loads(written)
    except ValueError:
        return settings  # the server has only just begun, or is an older one
    hop = Upstream(host=said["host"], port=0) if said["host"] else None
    return settings.model_copy(
        update={
            "web": settings.web.model_copy(update={"url": said["web"]}),
            "track": settings.track.model_copy(update={"url": said["track"]}),
            "upstream": settings.upstream.model_copy(update={"url": hop}),
        }
    )


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[Sockets]:
    """Open all sockets, and close them at the end.

    Raises:
        Unavailable: temporary; an address cannot be listened on, says which.
    """
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
    bells = Bells()
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
            bells=bells,
        )
    finally:
        bells.close()
        for each in opened:
            each.close()
        private_path.unlink(missing_ok=True)
        if folder is not None:
            Path(folder).rmdir()


def as_opened(settings: Settings, sockets: Sockets) -> Settings:
    """The settings with the ports that the system chose where they said 0."""

    def chosen(listen: Listen, opened: socket.socket) -> Listen:
        return Listen(listen.host, opened.getsockname()[1])

    doors = {"listen": chosen(settings.smtp.listen, sockets.smtp)}
    if settings.smtp.tls_listen is not None and sockets.smtp_tls is not None:
        doors["tls_listen"] = chosen(settings.smtp.tls_listen, sockets.smtp_tls)
    web = {"listen": chosen(settings.web.listen, sockets.web)}
    track = {"listen": chosen(settings.track.listen, sockets.track)}
    return settings.model_copy(
        update={
            "web": settings.web.model_copy(update=web),
            "track": settings.track.model_copy(update=track),
            "smtp": settings.smtp.model_copy(update=doors),
        }
    )


def _listen(key: str, address: Listen) -> socket.socket:
    deadline = monotonic() + BIND_PATIENCE_S
    while True:
        try:
            both = address.host == "::" and socket.has_dualstack_ipv6()  # all addresses of the machine, IPv4 as well
            return socket.create_server(
                (address.host, address.port), family=address.family, backlog=BACKLOG, dualstack_ipv6=both
            )
        except OSError as error:
            if monotonic() > deadline or not address.port:
                raise Unavailable(
                    f"{key}: cannot listen on {address}: {error.strerror}; see `unsealed check`"
                ) from error
            sleep(0.05)
