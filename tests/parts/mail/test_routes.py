"""By which next hop a copy goes, and for how long an outlet is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from unsealed.core.instrument import Tracking
from unsealed.core.next_hop import Written
from unsealed.flow import routes as module
from unsealed.flow import send, upstreams
from unsealed.flow.deliver import OWN_AT_ONCE
from unsealed.flow.routes import USUAL, Routes
from unsealed.model.errors import DeliveryFailed
from unsealed.model.message import Outgoing, Recipient, UserId
from unsealed.model.policy import Switches
from unsealed.model.ports import Parcel, Receipt, RefreshTokens
from unsealed.model.upstream import Upstream
from unsealed.store import people, schema
from unsealed.store.people import Role
from unsealed.store.upstreams import EVERYBODY

WRITTEN = Written(host="own.example", port="587", tls="starttls", auth="password", user="ann", password="sesame")


class Kept:
    """An outlet that keeps what it gets, and can be held."""

    def __init__(self, clock: Callable[[], datetime], name: str = "") -> None:
        self.clock = clock
        self.name = name
        self.recipients: list[str] = []
        self.refuses: list[str] = []
        self.closed = 0
        self.most = self.now = 0
        self.free = asyncio.Event()
        self.free.set()

    async def deliver(self, parcel: Parcel) -> Receipt:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.free.wait()
        self.now -= 1
        if parcel.recipient in self.refuses:
            raise DeliveryFailed("550 5.1.1 no such user", temporary=False, code=550, status="5.1.1")
        self.recipients.append(parcel.recipient)
        return Receipt(reply=f"250 kept by {self.name}", at=self.clock())

    async def close(self) -> None:
        self.closed += 1


class Harbour:
    """Makes and remembers outlets by host."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.outlets: dict[str, Kept] = {}
        self.made: list[Upstream] = []
        self.tokens: list[RefreshTokens] = []

    def dial(self, upstream: Upstream, tokens: RefreshTokens) -> Kept:
        self.made.append(upstream)
        self.tokens.append(tokens)
        return self.outlets.setdefault(upstream.host, Kept(self.clock, upstream.host))


@pytest.fixture
def harbour(clock: Any) -> Harbour:
    return Harbour(clock)


@pytest.fixture
def rob(engine: Engine, clock: Any) -> UserId:
    with engine.begin() as connection:
        return people.add_user(connection, "rob@example.org", Role.MEMBER, clock())


@pytest.fixture
def choose(engine: Engine, keys: Any, clock: Any) -> Callable[..., None]:
    """`choose(by, owner, host)`: somebody chooses a next hop."""

    def put(by: UserId, owner: UserId, host: str) -> None:
        written = Written(**{**{n: getattr(WRITTEN, n) for n in Written.__dataclass_fields__}, "host": host})
        with engine.begin() as connection:
            assert not upstreams.keep(connection, by, owner, written, keys=keys, private_hosts=False, now=clock())

    return put


@pytest.fixture
def make(engine: Engine, keys: Any, clock: Any, harbour: Harbour, monkeypatch: Any) -> Callable[..., Routes]:
    """`make()` is a Routes that asks the store each time."""
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.0)
    return lambda: Routes(engine, keys=keys, usual=Kept(clock, "usual"), dial=harbour.dial, private_hosts=False)


@pytest.fixture
def accept(engine: Engine, tracking: Tracking, clock: Any) -> Callable[..., None]:
    """`accept(user, "bob@x.example", ...)` puts a message of that user into the queue."""

    def put(user: UserId, *to: str) -> None:
        outgoing = Outgoing(
            user=user,
            envelope_from=f"{user}@example.org",
            recipients=tuple(Recipient(address=address) for address in to),
            raw=b"From: <a@example.org>\r\nSubject: x\r\n\r\nx\r\n",
            switches=Switches(),
            received_at=clock(),
        )
        send.accept(engine, outgoing, tracking=tracking, now=clock())

    return put


def test_the_own_way_comes_before_everybodys_and_that_before_the_usual(
    make: Any, choose: Any, ann: Any, rob: UserId
) -> None:
    routes = make()
    assert routes.find(rob) is USUAL

    choose(ann.user, EVERYBODY, "all.example")
    choose(ann.user, ann.user, "own.example")
    assert [(way.host, way.own) for way in map(routes.find, (ann.user, rob))] == [
        ("own.example", True),
        ("all.example", False),
    ]
    assert routes.find(ann.user).upstream.password == "sesame"


def test_the_store_is_asked_once_a_second_at_most(
    engine: Engine, make: Any, choose: Any, ann: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 3600.0)
    routes = make()
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 3600.0)
    assert routes.find(ann.user) is USUAL
    choose(ann.user, ann.user, "own.example")

    assert routes.find(ann.user) is USUAL
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.0)
    assert routes.find(ann.user).host == "own.example"


async def test_who_goes_the_same_way_shares_an_outlet_that_is_closed_when_nobody_does(
    make: Any, choose: Any, harbour: Harbour, ann: Any, rob: UserId, eventually: Any
) -> None:
    routes = make()
    choose(ann.user, EVERYBODY, "all.example")
    async with routes.outlet(routes.find(ann.user)) as one, routes.outlet(routes.find(rob)) as two:
        assert one is two
        choose(ann.user, EVERYBODY, "new.example")
        routes.find(ann.user)
        routes.find(rob)
        routes.tidy()
        assert harbour.outlets["all.example"].closed == 0  # it still hands over
    routes.tidy()

    await eventually(lambda: harbour.outlets["all.example"].closed == 1)
    async with routes.outlet(routes.find(rob)) as three:
        assert three is harbour.outlets["new.example"]
    await routes.close()
    assert harbour.outlets["new.example"].closed == 1


async def test_a_renewed_refresh_token_makes_no_new_outlet(
    engine: Engine, make: Any, harbour: Harbour, ann: Any, keys: Any, clock: Any
) -> None:
    written = replace(
        WRITTEN, auth="xoauth2", password="", token_url="https://t.example/t", client_id="id", refresh_token="one"
    )
    with engine.begin() as connection:
        upstreams.keep(connection, ann.user, ann.user, written, keys=keys, private_hosts=False, now=clock())
    routes = make()
    before = routes.find(ann.user)
    async with routes.outlet(before) as one:
        await harbour.tokens[0].keep(replace(before.upstream.oauth, refresh_token="two"))
    after = routes.find(ann.user)
    async with routes.outlet(after) as two:
        routes.tidy()

    assert "two" == after.upstream.oauth.refresh_token
    assert one is two
    assert 1 == len(harbour.made)
    await routes.close()


async def test_an_outlet_that_nobody_uses_is_closed(
    make: Any, choose: Any, harbour: Harbour, ann: Any, monkeypatch: Any, eventually: Any
) -> None:
    routes = make()
    choose(ann.user, ann.user, "own.example")
    async with routes.outlet(routes.find(ann.user)):
        pass
    routes.tidy()
    assert harbour.outlets["own.example"].closed == 0
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    routes.tidy()

    await eventually(lambda: harbour.outlets["own.example"].closed == 1)


async def test_mail_whose_next_hop_cannot_be_opened_waits(
    engine: Engine, make: Any, choose: Any, harbour: Harbour, ann: Any
) -> None:
    routes = make()
    choose(ann.user, ann.user, "own.example")
    with engine.begin() as connection:
        connection.execute(update(schema.upstreams).values(secret=b"\1\1" + bytes(40)))
    way = routes.find(ann.user)

    assert (way.host, way.upstream) == ("own.example", None)
    with pytest.raises(DeliveryFailed, match="type it again") as caught:
        async with routes.outlet(way):
            pass
    assert caught.value.temporary
    assert harbour.made == []


# The queue


async def test_each_users_mail_goes_their_way_and_so_do_reports(
    deliver: Any, accept: Any, choose: Any, harbour: Harbour, ann: Any, rob: UserId, clock: Any, eventually: Any
) -> None:
    usual = Kept(clock, "usual")
    choose(ann.user, ann.user, "own.example")
    own = harbour.outlets["own.example"] = Kept(clock, "own")
    own.refuses = ["gone@x.example"]
    accept(ann.user, "bob@x.example", "gone@x.example")
    accept(rob, "eve@x.example")
    deliver(usual, dial=harbour.dial)
    await eventually(lambda: len(own.recipients) == 2 and len(usual.recipients) == 1)

    assert sorted(own.recipients) == sorted(["bob@x.example", f"{ann.user}@example.org"])
    assert usual.recipients == ["eve@x.example"]


async def test_mail_that_waits_goes_by_the_next_hop_of_the_attempt(
    deliver: Any, accept: Any, choose: Any, harbour: Harbour, ann: Any, clock: Any, eventually: Any, copies: Any
) -> None:
    refusing = Kept(clock, "old")

    async def not_now(parcel: Parcel) -> Receipt:
        raise DeliveryFailed("no sign-in", temporary=True, status="4.7.8")

    refusing.deliver = not_now  # type: ignore[method-assign]
    harbour.outlets["old.example"] = refusing
    choose(ann.user, ann.user, "old.example")
    accept(ann.user, "bob@x.example")
    deliver(Kept(clock), dial=harbour.dial)
    await eventually(lambda: copies()["bob@x.example"]["delivery"] == "delayed")
    choose(ann.user, ann.user, "new.example")

    def arrived() -> bool:
        clock.advance(timedelta(seconds=10))
        new = harbour.outlets.get("new.example")
        return new is not None and new.recipients == ["bob@x.example"]

    await eventually(arrived)


async def test_a_slow_next_hop_of_somebodys_own_keeps_only_their_own_mail_waiting(
    deliver: Any, accept: Any, choose: Any, harbour: Harbour, ann: Any, rob: UserId, clock: Any, eventually: Any,
    rows: Any,
) -> None:  # fmt: skip
    slow = harbour.outlets["own.example"] = Kept(clock, "slow")
    slow.free.clear()
    choose(ann.user, ann.user, "own.example")
    accept(ann.user, *(f"bob{number}@x.example" for number in range(30)))
    usual = Kept(clock, "usual")
    deliver(usual, dial=harbour.dial, concurrency=6)
    await eventually(lambda: slow.now == OWN_AT_ONCE)
    accept(rob, *(f"eve{number}@x.example" for number in range(10)))
    await eventually(lambda: len(usual.recipients) == 10)

    assert slow.most == OWN_AT_ONCE
    slow.free.set()
    await eventually(lambda: len(slow.recipients) == 30)
    assert slow.most == OWN_AT_ONCE
    await eventually(lambda: {row["state"] for row in rows(schema.jobs)} == {"done"})
    assert {row["attempts"] for row in rows(schema.jobs)} == {1}
