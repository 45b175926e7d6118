"""Work that is looked for now and then, beside the delivery of mail.

Promises that no fault ends it: the next look is after the usual pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

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
    called: asyncio.Event | None = None,
) -> None:
    """Look until `stop` is set: at once again while there was something to do, or when called, else after a pause.

    name: in the log. work: does what is due, and says how much that was. worked: told when it was something. called:
    set by who knows that there is something; a fault is not tried again any sooner for it.
    """
    called = called or asyncio.Event()
    while not stop.is_set():
        done, awake = 0, [stop, called]
        called.clear()
        try:
            done = await work()
        except (SQLAlchemyError, UnsealedError, OSError) as error:
            awake = [stop]
            log.warning("rounds.store_away", of=name, error=type(error).__name__)
        except Exception:  # mail is delivered beside us, and must go on
            awake = [stop]
            log.exception("rounds.unknown_error", of=name)
        if done:
            worked()
            continue
        await _any_of(awake, every_s)


async def _any_of(events: Iterable[asyncio.Event], within_s: float) -> None:
    waiting = [asyncio.create_task(each.wait()) for each in events]
    await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
