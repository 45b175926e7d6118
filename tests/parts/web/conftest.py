"""A signed-in browser before a web app on the seeded store. SQLite alone: the questions to the store are tested on both
databases in test_views.py."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from sqlalchemy import Engine
from starlette.applications import Starlette
from tests.keys import OneKey
from tests.patience import PATIENCE_S

from unsealed.inlets import web
from unsealed.inlets.guard import cookie_name
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.model.message import UserId
from unsealed.store import proofs

ORIGIN = "http://127.0.0.1:8025"
MARA = UserId(0x5E9D_0000_0000_0001)


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def around(engine: Engine, clock: Callable[[], datetime], tmp_path: Path) -> Surroundings:
    return Surroundings(
        engine=engine,
        keys=OneKey(),
        clock=clock,
        origin=ORIGIN,
        tracking_url="http://127.0.0.1:8026",
        collector_socket=tmp_path / "collect.sock",
        smtp=SmtpWords(host="mail.tidewater.example", port=2525, tls="starttls"),
        sandbox=True,
    )


@pytest.fixture
def app(around: Surroundings) -> Starlette:
    return web.build(around)


@pytest.fixture
def mara(app: Starlette, mail: dict[str, Any], engine: Engine, clock: Callable[[], datetime], browser: Any) -> Any:
    """Mara's browser, signed in."""
    it = browser(app=app, origin=ORIGIN)
    with engine.begin() as connection:
        it.cookies[cookie_name(ORIGIN)], it.token = proofs.new_session(connection, MARA, "127.0.0.1", "test", clock())
    return it


class Served:
    """The app behind granian, in a thread of its own."""

    def __init__(self, app: Starlette, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._app = app
        self._port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(
            self._app,
            address="127.0.0.1",
            port=self._port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(self._server.serve())
        while True:  # whoever started us does not wait for ever
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        self._ready.set()
        await serving

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._app.state.live.close)
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(PATIENCE_S)


@pytest.fixture
def served(app: Starlette, mail: dict[str, Any], free_port: Callable[[], int]) -> Iterator[Served]:
    it = Served(app, free_port())
    yield it
    it.stop()
