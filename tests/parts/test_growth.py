"""What a page asks of the store does not grow with the store.

Plans alone do not tell: a search of an index by the user is no scan, and still walks through all mail of the user when
the rest of the condition is asked of each row. So the steps of SQLite's own machine are counted, which no clock and no
load can change, for every page and call of `bench.size` on a store and on one four times as large.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from starlette.applications import Starlette

sys.path.append(str(Path(__file__).parents[2]))  # bench/ is started from the root of the repository

from bench.messages import SENDER
from bench.size import LIKE_LARGE, QUESTIONS, Drawn, beside
from bench.synthetic import fill
from tests.conftest import NOON
from tests.parts.web.conftest import ORIGIN

from unsealed.inlets import happenings, web
from unsealed.inlets.guard import cookie_name
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.store import activity, people, proofs, search, sent
from unsealed.store.engine import connect, reading, sqlite_url
from unsealed.store.keyring import load

STEPS = 100  # of the machine are one tick
# Bounds that a store of this size would not reach.
BOUNDS: tuple[tuple[Any, str, int], ...] = (
    (sent, "COUNT_UP_TO", 40),
    (sent, "FEW", 10),
    (sent, "FEW_IN_SEARCH", 10),
    (sent, "WALKED", 400),
    (sent, "WALKED_FIRST", 20),
    (sent, "PROBED", 10),
    (sent, "LOOKED_UP", 50),
    (search, "FEW", 10),
    (activity, "HIDDEN_UP_TO", 40),
    (happenings, "LOOKED_AT", 250),
)
# Where the numbers of events of one message or of letters of one contact decide, which the other questions leave alone.
OTHERS = ("{hot}", "{many}", "{busy}", "/reports")


class Counted:
    """A browser of the sender of a synthetic store, and the ticks of what it asks."""

    def __init__(self, data: Path, messages: int, browser: Callable[..., Any]) -> None:
        data.mkdir()
        shares = replace(LIKE_LARGE, both=100 / messages)  # lists fill their page in both
        fill(data, messages=messages, events=messages, now=NOON, shares=shares)
        self.engine: Engine = connect(sqlite_url(data))
        self._ticks, self._rng = 0, random.Random(7)
        self._drawn = Drawn.of(sqlite_url(data), self._rng)
        with self.engine.begin() as connection:
            user = people.user_by_email(connection, SENDER)
            assert user is not None
            cookie, _ = proofs.new_session(connection, user.id, "127.0.0.1", browser.user_agent, NOON)  # type: ignore[attr-defined]
            self._bearer = {"authorization": f"Bearer {proofs.new_api_token(connection, user.id, 'x', NOON)}"}
        self.engine.dispose()
        event.listen(self.engine, "connect", lambda opened, _: opened.set_progress_handler(self._tick, STEPS))
        self._browser = browser(app=self._app(data), origin=ORIGIN, cookies={cookie_name(ORIGIN): cookie})

    def _app(self, data: Path) -> Starlette:
        return web.build(
            Surroundings(
                engine=self.engine,
                keys=load(data),
                clock=lambda: NOON,
                origin=ORIGIN,
                tracking_url="http://127.0.0.1:8026",
                collector_socket=data / "collect.sock",
                smtp=SmtpWords(host="127.0.0.1", port=2525),
                sandbox=True,
            )
        )

    def _tick(self) -> None:
        self._ticks += 1

    async def ask(self, template: str) -> int:
        """The ticks of one answer."""
        before, path = self._ticks, self._drawn.path(template, self._rng)
        answer = await self._browser.get(path, **(self._bearer if path.startswith("/api/") else {}))
        assert answer.status == 200, path
        return self._ticks - before


async def test_no_page_asks_more_of_a_store_four_times_as_large(
    tmp_path: Path, browser: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, most in BOUNDS:
        monkeypatch.setattr(module, name, most)
    small, large = (Counted(tmp_path / str(number), number, browser) for number in (2_000, 8_000))
    grown = {}
    for name, asked in QUESTIONS:
        template = beside(asked)
        if not any(each in template for each in OTHERS):
            few, many = [min([await each.ask(template) for _ in range(3)]) for each in (small, large)]
            if many > 1.3 * few + 150:  # to go through all letters of the user takes 300 more
                grown[name] = (few, many)

    assert {} == grown
    with reading(large.engine) as connection:
        before = large._ticks
        connection.exec_driver_sql("SELECT id FROM messages WHERE +user_id > 0 AND thread = 7").all()
        assert large._ticks - before > 300  # so that would be seen
    for each in (small, large):
        each.engine.dispose()
