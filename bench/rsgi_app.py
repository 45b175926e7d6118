"""The same token, journal and group commit as the collector, on granian's RSGI instead of a protocol of our own.

Shows what a server at hand would cost; it has none of the collector's limits. Started with granian; the data folder is
in UNSEALED_BENCH_DATA.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unsealed.core.token import open_token, redirect_location
from unsealed.model.hit import Hit
from unsealed.store.journal import GroupCommit, Journal, encode_hit
from unsealed.store.keyring import load

_GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,".ljust(43, b";")
_HEADERS = [("cache-control", "no-cache, no-store, max-age=0, must-revalidate, private")]


class App:
    """One worker."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        data = Path(os.environ["UNSEALED_BENCH_DATA"])
        self._loop = loop
        self._keys = load(data)
        self._planned = False
        self._group: GroupCommit[asyncio.Future[None]] = GroupCommit(
            Journal(data / "journal" / "rsgi", "rsgi"), settled=self._settled, post=loop.call_soon_threadsafe
        )

    def _settled(self, waiters: list[asyncio.Future[None]], records: int, error: str) -> None:
        if error:
            raise SystemExit(error)
        for waiter in waiters:
            waiter.set_result(None)
        if self._group.waiting:
            self._plan_flush()

    def _plan_flush(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._planned = False
        self._group.flush()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        path: str = scope.path
        token = path[3:].removesuffix(".gif")
        claims = open_token(self._keys, token)
        get = scope.headers.get
        hit = Hit(
            at=datetime.now(UTC),
            token=token,
            method=scope.method,
            address=scope.client,
            user_agent=get("user-agent") or "",
            accept=get("accept") or "",
            accept_language=get("accept-language"),
        )
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._group.add(encode_hit(hit), waiter)
        self._plan_flush()
        await waiter
        if claims.link is None:
            protocol.response_bytes(200, [("content-type", "image/gif"), *_HEADERS], _GIF)
        else:
            location = redirect_location(claims.destination).decode()
            protocol.response_empty(302, [("location", location), *_HEADERS])


app = App()
