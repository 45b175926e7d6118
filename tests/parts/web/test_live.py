"""Live updates: nothing lost, nothing doubled, nothing of others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPResponse
from time import monotonic, sleep
from typing import Any, NoReturn

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from tests.patience import PATIENCE_S

from unsealed.flow import notify
from unsealed.inlets.web import live as module
from unsealed.inlets.web.live import STREAMS_PER_USER, Kept, Live, together
from unsealed.inlets.web.moments import Times
from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.texts import ENGLISH, Texts
from unsealed.model.view import FeedRow
from unsealed.store import proofs, schema
from unsealed.store.feed import Change, add_feed

MARA = UserId(1)
KEES = UserId(2)
SEEDED = UserId(0x5E9D_0000_0000_0001)
NOW = datetime.fromisoformat("2026-11-21T12:00:00+00:00")


class Listener:
    """Reads a stream as a browser does."""

    def __init__(self, events: AsyncIterator[Any]) -> None:
        self._events = events
        self.last = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        event = await asyncio.wait_for(anext(self._events), PATIENCE_S)
        self.last = event.id
        return event.event, json.loads(event.data)

    async def close(self) -> None:
        await self._events.aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def listen(engine: Engine) -> AsyncIterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def make(live: Live, user: UserId = MARA, after: int | None = None) -> Listener:
        listeners.append(Listener(live.stream(user, after, times=Times(NOW))))
        return listeners[-1]

    yield make
    for listener in listeners:
        await listener.close()


def happen(engine: Engine, *numbers: int, user: UserId = MARA, what: str = "human_open") -> None:
    with engine.begin() as connection:
        add_feed(
            connection,
            [Change(user=user, message=MessageId(each), copy=CopyId(each + 1), what=what, at=NOW) for each in numbers],
        )


async def test_a_change_reaches_the_listener(engine: Engine, listen: Callable[..., Listener]) -> None:
    it = listen(Live(engine))
    assert await it.next() == ("ready", {})

    happen(engine, 5)

    assert await it.next() == ("change", {"message": public_id(5), "copy": public_id(6), "what": "human_open"})


async def test_what_happened_before_listening_is_not_news(engine: Engine, listen: Callable[..., Listener]) -> None:
    happen(engine, 1)
    it = listen(Live(engine))
    await it.next()

    happen(engine, 2)

    assert (await it.next())[1]["message"] == public_id(2)


async def test_a_browser_that_comes_back_gets_what_it_missed_once_and_in_order(
    engine: Engine, listen: Callable[..., Listener]
) -> None:
    live = Live(engine)
    first = listen(live)
    await first.next()
    happen(engine, 1)
    await first.next()
    await first.close()
    happen(engine, 2, 3)
    happen(engine, 4)

    again = listen(live, after=int(first.last))

    assert (await again.next())[0] == "ready"
    assert [(await again.next())[1]["message"] for _ in range(3)] == [public_id(each) for each in (2, 3, 4)]
    happen(engine, 5)
    assert (await again.next())[1]["message"] == public_id(5)


async def test_reconnecting_all_the_time_loses_and_doubles_nothing(
    engine: Engine, listen: Callable[..., Listener]
) -> None:
    live, seen, after = Live(engine, poll_s=0.005), [], 0
    happen(engine, 1)
    for number in range(2, 40):
        it = listen(live, after=after)
        await it.next()
        happen(engine, number)
        seen += [(await it.next())[1]["message"] for _ in range(2 if number == 2 else 1)]
        after = int(it.last)
        await it.close()

    assert seen == [public_id(each) for each in range(1, 40)]


async def test_nobody_hears_of_others(engine: Engine, listen: Callable[..., Listener]) -> None:
    live = Live(engine)
    mara, kees = listen(live), listen(live, KEES)
    await mara.next()
    await kees.next()

    happen(engine, 1, user=KEES)
    happen(engine, 2, user=MARA)

    assert (await mara.next())[1]["message"] == public_id(2)
    assert (await kees.next())[1]["message"] == public_id(1)


async def test_a_slow_listener_reads_from_the_table_what_is_no_longer_kept(
    engine: Engine, listen: Callable[..., Listener]
) -> None:
    live = Live(engine, kept=3)
    slow, quick = listen(live), listen(live)
    await slow.next()
    await quick.next()
    for number in range(1, 12):
        happen(engine, number)
        assert (await quick.next())[1]["message"] == public_id(number)

    assert [(await slow.next())[1]["message"] for _ in range(11)] == [public_id(each) for each in range(1, 12)]


async def test_a_trimmed_feed_makes_the_browser_load_anew(engine: Engine, listen: Callable[..., Listener]) -> None:
    happen(engine, 1, 2, 3)
    with engine.begin() as connection:
        connection.execute(delete(schema.feed).where(schema.feed.c.message_id < 3))
    it = listen(Live(engine), after=1)

    assert [(await it.next())[0] for _ in range(2)] == ["ready", "reset"]


async def test_an_id_from_before_the_feed_began_anew_makes_the_browser_load_anew(
    engine: Engine, listen: Callable[..., Listener]
) -> None:
    it = listen(Live(engine), after=900)

    assert [(await it.next())[0] for _ in range(2)] == ["ready", "reset"]


def test_changes_of_one_message_and_kind_go_as_one() -> None:
    rows = [
        Kept(FeedRow(id=number, user=1, message=message, copy=None, what=what, at=NOW))
        for number, message, what in [
            (1, "a", "human_open"),
            (2, "b", "scanner"),
            (3, "a", "human_open"),
            (4, "a", "scanner"),
        ]
    ]

    assert [each.row.id for each in together(rows)] == [2, 3, 4]


async def test_who_is_called_looks_at_once(engine: Engine, listen: Callable[..., Listener]) -> None:
    live = Live(engine, poll_s=3600)
    it = listen(live)
    await it.next()
    for number in range(1, 4):
        happen(engine, number)
        live.look()

        assert (await it.next())[1]["message"] == public_id(number)


async def test_the_poller_rests_while_nobody_listens(engine: Engine, listen: Callable[..., Listener]) -> None:
    live = Live(engine)
    it = listen(live)
    await it.next()
    await it.close()

    assert [
        task.get_name() for task in asyncio.all_tasks() if task.get_name() == "feed poller" and not task.cancelling()
    ] == []


async def test_a_stream_ends_so_that_the_session_is_looked_at_again(
    engine: Engine, listen: Callable[..., Listener]
) -> None:
    it = listen(Live(engine, life_s=0.05))
    await it.next()

    with pytest.raises(StopAsyncIteration):
        await it.next()


async def test_a_server_that_stops_ends_its_streams(engine: Engine, listen: Callable[..., Listener]) -> None:
    live = Live(engine)
    it = listen(live)
    await it.next()

    live.close()

    with pytest.raises(StopAsyncIteration):
        await it.next()
    assert not live.has_room(MARA)


@pytest.mark.parametrize("fault", [ValueError("a bug"), OperationalError("SELECT", {}, Exception("away"))])
async def test_a_server_that_stops_ends_a_stream_that_waits_for_the_store(
    engine: Engine, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    live, asked = Live(engine), asyncio.Event()
    loop = asyncio.get_running_loop()

    def away() -> NoReturn:
        loop.call_soon_threadsafe(asked.set)
        raise fault

    monkeypatch.setattr(live, "_ends", away)
    waiting = asyncio.create_task(listen(live).next())
    await asyncio.wait_for(asked.wait(), PATIENCE_S)

    live.close()

    with pytest.raises(StopAsyncIteration):
        await waiting


@pytest.mark.parametrize("fault", [ValueError("a bug"), OperationalError("SELECT", {}, Exception("away"))])
async def test_no_fault_ends_the_poller(
    engine: Engine, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(module, "REST_S", 0.0)
    live, failing = Live(engine), [fault]
    ends = live._ends
    monkeypatch.setattr(live, "_ends", lambda: fail(failing.pop()) if failing else ends())

    assert "ready" == (await listen(live).next())[0]


def fail(fault: Exception) -> NoReturn:
    raise fault


async def test_one_user_cannot_take_all_streams(engine: Engine, listen: Callable[..., Listener]) -> None:
    live = Live(engine)
    for _ in range(STREAMS_PER_USER):
        await listen(live).next()

    assert not live.has_room(MARA)
    assert live.has_room(KEES)


# --- notices ----------------------------------------------------------------------------------------------------------


def tell(engine: Engine, number: int, user: UserId = MARA, at: datetime = NOW) -> None:
    """A notice, told at that time."""
    with engine.begin() as connection:
        notify.send_test(connection, user, number, at)
    notify.decide(engine, at)


def sign_in(engine: Engine, user: UserId = MARA) -> str:
    """A session's hash."""
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, user, "127.0.0.1", "test", NOW)
        session = proofs.session(connection, cookie, NOW)
    assert session is not None
    return session.hash


async def test_a_notice_comes_in_words_so_that_the_page_need_not_ask(engine: Engine, mail: object) -> None:
    live, german = Live(engine), Texts(code="de", one=lambda each: "Ein Versuch" if each == "A test" else each)
    session = sign_in(engine, SEEDED)
    streams = [
        Listener(live.stream(SEEDED, None, times=Times(NOW, texts=texts), session=session))
        for texts in (ENGLISH, german)
    ]
    for stream in streams:
        await stream.next()

    tell(engine, 1, SEEDED)

    said = [(await stream.next())[1] for stream in streams]
    assert [["A test"], ["Ein Versuch"]] == [[each["title"] for each in it["notices"]] for it in said]
    assert 1 == len({it["notices"][0]["key"] for it in said})
    for stream in streams:
        await stream.close()


async def test_notices_that_are_told_one_after_the_other_all_come(engine: Engine, mail: object) -> None:
    live = Live(engine, poll_s=3600)
    stream = Listener(live.stream(SEEDED, None, times=Times(NOW), session=sign_in(engine, SEEDED)))
    await stream.next()
    for number in range(3):
        tell(engine, number, SEEDED, NOW + timedelta(seconds=number))
    live.look()

    said = [(await stream.next())[1]["notices"] for _ in range(3)]

    assert [1, 1, 1] == [len(each) for each in said]
    assert 3 == len({each[0]["key"] for each in said})
    await stream.close()


async def test_of_what_happened_before_the_stream_the_page_asks_itself(
    engine: Engine, mail: object, listen: Callable[..., Listener]
) -> None:
    live = Live(engine)
    first = listen(live, SEEDED)
    await first.next()
    tell(engine, 1, SEEDED)
    with pytest.raises(StopAsyncIteration):
        await first.next()  # in no session: see below

    again = Listener(live.stream(SEEDED, int(first.last), times=Times(NOW), session=sign_in(engine, SEEDED)))

    assert "ready" == (await again.next())[0]
    event, said = await again.next()
    assert ("change", "notice", None) == (event, said["what"], said.get("notices"))
    await again.close()


async def test_a_browser_that_was_signed_out_hears_no_words(engine: Engine, mail: object) -> None:
    live, session = Live(engine), sign_in(engine, SEEDED)
    stream = Listener(live.stream(SEEDED, None, times=Times(NOW), session=session))
    await stream.next()
    with engine.begin() as connection:
        connection.execute(delete(schema.sessions).where(schema.sessions.c.hash == session))

    tell(engine, 1, SEEDED)

    with pytest.raises(StopAsyncIteration):
        await stream.next()


def read_until(answer: HTTPResponse, wanted: bytes) -> list[bytes]:
    """Lines of a stream up to and with the first that holds `wanted`."""
    lines: list[bytes] = []
    while not lines or wanted not in lines[-1]:
        lines.append(answer.readline())
        assert lines[-1], "the stream ended"
    return lines


def test_a_stream_over_http_resumes_and_is_given_back_when_the_browser_goes(
    served: Any, app: Starlette, engine: Engine, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        cookie, _ = proofs.new_session(connection, SEEDED, "127.0.0.1", "test", clock())
    happen(engine, 1, 2, user=SEEDED)
    host, port = served.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=PATIENCE_S)) as browser:
        browser.request("GET", "/live?after=0", headers={"Cookie": f"unsealed={cookie}", "Last-Event-ID": "2"})
        answer = browser.getresponse()

        assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert b"id: 2\n" in [line.replace(b"\r", b"") for line in read_until(answer, b"retry:")]
        assert json.loads(read_until(answer, b"data: {")[-1].removeprefix(b"data: "))["message"] == public_id(2)

    deadline = monotonic() + 2 * PATIENCE_S
    while app.state.live.listeners and monotonic() < deadline:
        sleep(0.02)
    assert app.state.live.listeners == 0
