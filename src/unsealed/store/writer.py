"""Many small changes, one commit.

Promises that a change has been committed when `run` returns, and that a change that fails takes no other with it.
Changes that arrive while a commit runs go with the next one, so the rate grows with the load while each commit still
waits for the disk. One thread writes: several would only wait for the lock of the one SQLite file, sleeping.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from unsealed.model.errors import DiskFull, Unavailable

BATCH = 200  # changes in one transaction

T = TypeVar("T")
Change = Callable[[Connection], Any]


class Writer:
    """Runs changes in transactions of one engine. Belongs to one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Change, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")

    async def run(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in a transaction that may hold others too; return its result after the commit.

        `change` may be run twice: a batch of which one change failed is rolled back, and each is tried by itself.

        Raises:
            DiskFull, Unavailable: temporary; nothing of this change was kept.
            Whatever `change` itself raises; nothing of it was kept either.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Wait for the changes under way and stop the thread."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [(change, future) for change, future in self._waiting[:BATCH] if not future.cancelled()]
            del self._waiting[:BATCH]
            outcomes = await loop.run_in_executor(self._thread, self._commit, [change for change, _ in batch])
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.cancelled():
                    continue
                if isinstance(outcome, _Failed):
                    future.set_exception(outcome.error)
                else:
                    future.set_result(outcome)

    def _commit(self, changes: Sequence[Change]) -> list[Any]:
        try:
            with self._engine.begin() as connection:
                return [change(connection) for change in changes]
        except Exception as error:
            if len(changes) == 1:
                return [_Failed(_as_ours(error))]
        return [self._commit([change])[0] for change in changes]


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


def _as_ours(error: Exception) -> Exception:
    if not isinstance(error, SQLAlchemyError):
        return error
    original = getattr(error, "orig", None)
    if "disk is full" in str(original) or getattr(original, "sqlstate", None) == "53100":
        return DiskFull()
    return Unavailable(f"the store did not answer: {type(original or error).__name__}")
