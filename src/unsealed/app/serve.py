"""`unsealed serve`: opens the sockets, starts the six roles, and tells the newcomer what to do.

Each role is a process of its own, so that a bomb in a message or a heavy page cannot touch a redirect.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import structlog

from unsealed.app import streams
from unsealed.app.config import LogFormat, Settings
from unsealed.app.sockets import Sockets, as_opened, listening, one_server
from unsealed.app.supervise import Role, Supervisor
from unsealed.app.wire import Welcome, join, now, prepare, welcome


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status.

    Raises:
        Unavailable: the data folder or a port cannot be used; says which and what to do.
        BadInput: this machine cannot serve that store beside others; says what to change.
    """
    streams.forgive()
    configure_log(settings)
    with one_server(settings) as tell, listening(settings) as sockets:
        settings = as_opened(settings, sockets)
        tell(settings)
        engine = prepare(settings)
        join(settings, engine)
        hello = welcome(settings, engine, now())
        engine.dispose()  # connections do not survive a fork
        return Supervisor(_roles(settings, sockets)).run(lambda: announce(settings, hello))


def _roles(settings: Settings, sockets: Sockets) -> Iterator[Role]:
    """All six. Redirects come first: they do not wait until the parent has loaded, once, what the others need."""
    from unsealed.app.roles import collect

    yield Role(name="collect", body=partial(collect.run, settings, sockets))

    from unsealed.app.languages import languages
    from unsealed.app.roles import hot, judge, mail, observe, web
    from unsealed.core.agent import read_agent

    languages()
    read_agent("Mozilla/5.0 (X11; Linux)")  # its tables take 0.1 s and 13 MB
    for name, role in {"judge": judge, "hot": hot, "mail": mail, "observe": observe, "web": web}.items():
        yield Role(name=name, body=partial(role.run, settings, sockets))


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
        # A line is one piece: several processes write here, and print() makes two where output is not buffered.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


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
