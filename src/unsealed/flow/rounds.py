"""Work that is looked for now and then, beside the delivery of mail.

Promises that no fault ends it: the next look is after the usual pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from unsealed.model.errors import UnsealedError

log = structlog.get_logger()


async def rounds(
    name: str,
    work: Callable[[], Awaitable[int]],
    stop: asyncio.Event,
    *,
    every_s: float,
    worked: Callable[[], None] = lambda: None,
) -> None:
    """Look until `stop` is set: at once again while there was something to do, else after a pause.

    name: in the log. work: does what is due, and says how much that was. worked: told when it was something.
    """
    while not stop.is_set():
        done = 0
        try:
            done = await work()
        except (SQLAlchemyError, UnsealedError, OSError) as error:
            log.warning("rounds.store_away", of=name, error=type(error).__name__)
        except Exception:  # mail is delivered beside us, and must go on
            log.exception("rounds.unknown_error", of=name)
        if done:
            worked()
            continue
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            pass
