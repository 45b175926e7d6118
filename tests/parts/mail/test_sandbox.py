from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from unsealed.core.instrument import Tracking
from unsealed.flow import send
from unsealed.model.message import CopyId, MessageId, Outgoing, UserId
from unsealed.model.ports import Parcel
from unsealed.outlets.sandbox import SandboxOutlet
from unsealed.store import sandbox

MARA = UserId(0x5E9D_0000_0000_0001)


def parcels(engine: Engine, outgoing: Callable[..., Outgoing], tracking: Tracking, clock: Any) -> list[Parcel]:
    planned = send.plan(outgoing("bob@x.example", "eve@x.example"), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())
    return [send.copy_of(engine, copy, keys=tracking.keys) for copy in planned.copies]


async def test_a_copy_lies_in_the_mailbox_and_is_delivered(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, ann: Any, sandbox_outlet: SandboxOutlet
) -> None:
    bob, eve = parcels(engine, outgoing, tracking, clock)
    receipt = await sandbox_outlet.deliver(bob)
    await sandbox_outlet.deliver(eve)
    await sandbox_outlet.close()

    assert receipt.final
    with engine.connect() as connection:
        kept = sandbox.listed(connection, ann.user).items
        assert {each.recipient: (each.subject, each.at) for each in kept} == {
            "bob@x.example": ("hi", clock()),
            "eve@x.example": ("hi", clock()),
        }
        assert sandbox.raw(connection, ann.user, bob.copy) == bob.raw


async def test_a_copy_that_comes_twice_lies_there_once(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, ann: Any, sandbox_outlet: SandboxOutlet
) -> None:
    bob, _ = parcels(engine, outgoing, tracking, clock)
    await sandbox_outlet.deliver(bob)
    await sandbox_outlet.deliver(replace(bob, raw=b"other"))

    with engine.connect() as connection:
        assert len(sandbox.listed(connection, ann.user).items) == 1
        assert sandbox.raw(connection, ann.user, bob.copy) == bob.raw


async def test_nobody_sees_the_copies_of_others(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, sandbox_outlet: SandboxOutlet
) -> None:
    bob, _ = parcels(engine, outgoing, tracking, clock)
    await sandbox_outlet.deliver(bob)

    with engine.connect() as connection:
        assert sandbox.listed(connection, UserId(99)).items == ()
        assert sandbox.raw(connection, UserId(99), bob.copy) is None
        assert sandbox.raw(connection, UserId(99), CopyId(1)) is None


def test_the_mailbox_lists_the_copies_that_arrived(engine: Engine, mail: dict[str, MessageId]) -> None:
    with engine.connect() as connection:
        page = sandbox.listed(connection, MARA)
        copy = page.items[0]

        assert {item.recipient for item in page.items} == {
            "ines@harbourline.example",
            "rob.okafor@harbourline.example",
            "lotte@fennel.example",
        }
        assert sandbox.one(connection, MARA, CopyId(int(copy.id, 16))) == copy
