"""The JSON API: what pages show, for programs.

Promises that an answer holds messages of the token's user alone; an id of somebody else is as unknown as one that
never was. Times are UTC in ISO 8601 and end with Z, ids are 16 hex digits, the same as in the answer to SMTP. Fields
are only ever added. Errors are `{"error": {"status", "message", "number"}}`; `inlets.web.trouble` writes them.

Each module holds the shapes and the routes of its subject, and begins with a list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from anyio import fail_after, to_thread
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from unsealed.core.drafting import Desk
from unsealed.inlets.api import activity, contacts, messages, reminders, reports, sending, templates, tracking
from unsealed.inlets.api.door import Door
from unsealed.model.message import UserId
from unsealed.model.ports import Clock
from unsealed.store.engine import reading
from unsealed.store.schema import users

HEALTH_S = 3.0  # so long a store may take to answer: who asks for the health waits some seconds at most


def routes(*, engine: Engine, clock: Clock, desk: Callable[[Connection, UserId], Desk]) -> list[Route]:
    """The routes of the API, and `/healthz`. desk: where letters of a user are made."""
    door = Door(engine=engine, clock=clock, desk=desk)

    async def healthz(_: Request) -> Response:
        def ask() -> None:
            with reading(engine) as connection:
                connection.execute(select(users.c.id).limit(1)).first()

        try:
            with fail_after(HEALTH_S):
                await to_thread.run_sync(ask, abandon_on_cancel=True)
        except (SQLAlchemyError, TimeoutError):
            return JSONResponse({"status": "store not reachable"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        *messages.routes(door),
        *sending.routes(door),
        *activity.routes(door),
        *contacts.routes(door),
        *reminders.routes(door),
        *tracking.routes(door),
        *reports.routes(door),
        *templates.routes(door),
    ]
