"""The web app: pages, live updates and, beside them, sign-in and the JSON API.

`build` puts the parts together. Behind `inlets.guard.Guard` every path is closed to people who are not signed in, but
for the few that Guard names. Pages read through store.views and change things through flow.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from unsealed.inlets import api
from unsealed.inlets.guard import Guard
from unsealed.inlets.web import (
    access,
    activity,
    compose,
    contact,
    identities,
    language,
    live,
    mailbox,
    members,
    message,
    notices,
    opened,
    paste,
    reminders,
    reports,
    sandbox,
    sending,
    sent,
    settings,
    sign_in,
    speakers,
    template,
    thread,
    tracking,
)
from unsealed.inlets.web.files import static_file
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.inlets.web.trouble import HANDLERS, refuse


def build(around: Surroundings) -> Starlette:
    """The ASGI app of the web role."""
    app = Starlette(
        routes=[
            Route("/static/{digest}/{name}", static_file),
            *template.routes,  # before /compose/{id}
            *sent.routes,
            *activity.routes,
            *opened.routes,
            *reminders.routes,
            *message.routes,
            *compose.routes,
            *contact.routes,
            *thread.routes,
            *paste.routes,
            *reports.routes,
            *sandbox.routes,
            *live.routes,
            *notices.routes,
            *speakers.routes,
            *settings.routes,
            *language.routes,
            *tracking.routes,
            *access.routes,
            *identities.routes,
            *sending.routes,
            *mailbox.routes,
            *members.routes,
            *sign_in.routes(around),
            *api.routes(engine=around.engine, clock=around.clock, desk=around.desk),
        ],
        middleware=[
            Middleware(
                Guard,
                engine=around.engine,
                clock=around.clock,
                origin=around.origin,
                trusted_proxies=around.trusted_proxies,
                refuse=refuse,
            )
        ],
        exception_handlers=HANDLERS,
    )
    app.router.redirect_slashes = False  # Starlette would put the Host header into the address
    app.state.surroundings = around
    app.state.live = live.Live(around.engine, poll_s=around.feed_look_s)
    app.state.tries = sending.Tries()
    return app
