"""Who was here: the address and the program of a request, and noting them when that costs nothing.

The judge needs it to tell the sender's own openings. A page never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import structlog
from anyio import move_on_after, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

log = structlog.get_logger(__name__)

USER_AGENT_MAX = 512
PATIENCE_S = 0.5
_noting = Lock()


def client_address(request: Request) -> str:
    """From where the request comes; behind proxies of our own, from where those say. `Guard` found it out."""
    address: str = request.state.address
    return address


def user_agent(request: Request) -> str:
    """What the program calls itself: one printable line, cut."""
    said = request.headers.get("user-agent", "")[:USER_AGENT_MAX]
    return "".join(letter if letter.isprintable() else "�" for letter in said)


async def noted(what: str, write: Callable[[], None]) -> bool:
    """Whether `write` was done. A store too busy to note who was here is no reason to keep the page back: a later
    request notes it. One at a time, so that those who wait do not use up the connections to the store."""

    def one() -> bool:
        if not _noting.acquire(blocking=False):
            return False
        try:
            write()
        except SQLAlchemyError as error:
            log.warning("presence.not_noted", of=what, error=type(error).__name__)
            return False
        finally:
            _noting.release()
        return True

    with move_on_after(PATIENCE_S):
        return await to_thread.run_sync(one, abandon_on_cancel=True)
    return False
