from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from unsealed.core.instrument import Tracking
from unsealed.flow import send
from unsealed.flow.deliver import LARGE_AT_ONCE, Delivery
from unsealed.flow.ingest import Ingest
from unsealed.model.errors import DeliveryFailed, Unavailable
from unsealed.model.event import Finding
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId, Outgoing, public_id
from unsealed.model.policy import Switches
from unsealed.model.ports import Parcel, Receipt
from unsealed.model.upstream import Tls, Upstream
from unsealed.outlets.sandbox import SandboxOutlet
from unsealed.outlets.smtp import SmtpOutlet
from unsealed.store import jobs, judged, sandbox, schema, sent, views
from unsealed.store.journal import Journal, encode_hit

Eventually = Callable[[Callable[[], Any]], Awaitable[Any]]
Deliver = Callable[..., Delivery]

GREYLISTED = DeliveryFailed("451 4.7.1 greylisted", temporary=True, code=451, status="4.7.1")
NO_SUCH_USER = DeliveryFailed("550 5.1.1 no such user", temporary=False, code=550, status="5.1.1")


class Scripted:
    """An outlet that answers each recipient as the script says, one answer after the other, then takes everything."""

    def __init__(self, clock: Callable[[], datetime], **script: list[Exception]) -> None:
        self.clock = clock
        self.script = {name.replace("_at_", "@") + ".example": answers for name, answers in script.items()}
        self.parcels: list[Parcel] = []
        self.free = asyncio.Event()  # cleared: it holds whatever it is given
        self.free.set()
        self.at_once = 0
        self.most_at_once = 0

    async def deliver(self, parcel: Parcel) -> Receipt:
        self.parcels.append(parcel)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.free.wait()
        self.at_once -= 1
        if answers := self.script.get(parcel.recipient):
            raise answers.pop(0)
        return Receipt(reply="250 2.0.0 Ok", at=self.clock())

    async def close(self) -> None:
        pass


@pytest.fixture
def accept(
    engine: Engine, outgoing: Callable[..., Outgoing], tracking: Tracking, clock: Callable[[], datetime]
) -> Callable[..., None]:
    """`accept("bob@x.example", ...)` puts a message from Ann into the queue."""

    def put(*to: str, **changes: Any) -> None:
        send.accept(engine, outgoing(*to, **changes), tracking=tracking, now=clock())

    return put


def states(copies: Callable[[], dict[str, Any]]) -> dict[str, str]:
    return {address: row["delivery"] for address, row in copies().items()}


async def test_copies_are_handed_over_and_settled(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock)
    accept("bob@x.example", "eve@x.example")
    deliver(outlet)
    await eventually(lambda: states(copies) == {"bob@x.example": "sent", "eve@x.example": "sent"})

    bob = copies()["bob@x.example"]
    assert (bob["sent_at"], bob["ended_at"], bob["reply"], bob["attempts"]) == (clock(), None, "250 2.0.0 Ok", 1)
    assert [row["state"] for row in rows(schema.jobs)] == ["done", "done"]
    assert sorted(row["what"] for row in rows(schema.feed)) == ["accepted", "delivery", "delivery"]
    assert {row["copy_id"] for row in rows(schema.feed)} == {None, bob["id"], copies()["eve@x.example"]["id"]}


async def test_in_the_sandbox_they_are_delivered(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, sandbox_outlet: SandboxOutlet, eventually: Eventually
) -> None:
    accept("bob@x.example")
    deliver(sandbox_outlet)
    await eventually(lambda: states(copies) == {"bob@x.example": "delivered"})

    assert [row["recipient"] for row in rows(schema.sandbox)] == ["bob@x.example"]
    assert copies()["bob@x.example"]["ended_at"] is not None


async def test_waking_beats_waiting(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually
) -> None:
    delivery = deliver(Scripted(clock), idle_s=3600.0)
    await asyncio.sleep(0.05)
    accept("bob@x.example")
    delivery.wake()

    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})


async def test_a_refusal_for_now_is_tried_again_with_the_same_bytes(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock, bob_at_x=[GREYLISTED, RuntimeError("a bug of ours")])
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: states(copies) == {"bob@x.example": "delayed"})
    bob = copies()["bob@x.example"]
    assert (bob["reply"], bob["sent_at"]) == ("451 4.7.1 greylisted", None)
    assert bob["next_at"] == clock() + timedelta(seconds=2)

    clock.advance(timedelta(seconds=2))
    await eventually(lambda: copies()["bob@x.example"]["attempts"] == 2)
    assert copies()["bob@x.example"]["reply"] == "local trouble: RuntimeError"
    clock.advance(timedelta(seconds=10))
    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})

    assert len({parcel.raw for parcel in outlet.parcels}) == 1
    assert len(outlet.parcels) == 3
    assert [row["kind"] for row in rows(schema.jobs)] == [jobs.COPY]


async def test_a_refusal_for_good_is_told_to_the_sender_once(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock, bob_at_x=[NO_SUCH_USER])
    accept("bob@x.example", "eve@x.example")
    deliver(outlet)
    await eventually(lambda: [row["state"] for row in rows(schema.jobs)] == ["done"] * 3)

    assert states(copies) == {"bob@x.example": "bounced", "eve@x.example": "sent"}
    [told] = [parcel for parcel in outlet.parcels if parcel.recipient == "ann@example.org"]
    assert (told.envelope_from, told.wants_report) == ("", False)
    report = message_from_bytes(told.raw, policy=policy.default)
    assert report["Auto-Submitted"] == "auto-replied"
    _, status, head = report.iter_parts()
    blocks: Any = status.get_payload()
    assert blocks[0]["Original-Envelope-Id"] == public_id(copies()["bob@x.example"]["id"])
    assert (blocks[1]["Final-Recipient"], blocks[1]["Status"]) == ("rfc822; bob@x.example", "5.1.1")
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert "Message-ID: <1@example.org>" in head.get_payload()


async def test_each_recipient_that_is_refused_has_a_report_of_its_own(
    accept: Any, deliver: Deliver, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock, bob_at_x=[NO_SUCH_USER], eve_at_x=[NO_SUCH_USER])
    accept("bob@x.example", "eve@x.example", "joe@x.example")
    deliver(outlet)
    await eventually(lambda: [row["state"] for row in rows(schema.jobs)] == ["done"] * 5)

    # a report is handed over as soon as its copy is refused: before or after the other copies
    assert sorted(parcel.recipient for parcel in outlet.parcels) == [
        *["ann@example.org"] * 2,
        *["bob@x.example", "eve@x.example", "joe@x.example"],
    ]


async def test_a_report_that_is_refused_is_dropped(
    accept: Any, deliver: Deliver, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock, bob_at_x=[NO_SUCH_USER])
    outlet.script["ann@example.org"] = [GREYLISTED, NO_SUCH_USER]
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: len(outlet.parcels) == 2)
    await eventually(lambda: any(row["error"] for row in rows(schema.jobs)))
    clock.advance(timedelta(seconds=2))
    await eventually(lambda: [row["state"] for row in rows(schema.jobs)] == ["done", "dead"])

    assert [row["kind"] for row in rows(schema.jobs)] == [jobs.COPY, jobs.REPORT]
    first, second = [parcel.raw for parcel in outlet.parcels if not parcel.envelope_from]
    assert first == second


async def test_the_log_tells_a_copy_from_the_report_about_it(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, clock: Any, eventually: Eventually
) -> None:
    accept("bob@x.example")
    copy = public_id(copies()["bob@x.example"]["id"])
    with capture_logs() as lines:
        deliver(Scripted(clock, bob_at_x=[GREYLISTED, NO_SUCH_USER]))
        await eventually(lambda: states(copies) == {"bob@x.example": "delayed"})
        again_at = clock.advance(timedelta(seconds=2))
        await eventually(lambda: [row["state"] for row in rows(schema.jobs)] == ["done", "done"])
        await eventually(lambda: len(lines) == 3)

    assert [("copy.delayed", "copy", copy), ("copy.bounced", "copy", copy), ("copy.sent", "report", copy)] == [
        (line["event"], line["what"], line["copy"]) for line in lines
    ]
    assert again_at.isoformat() == lines[0]["next_at"]
    assert "x.example" not in str(lines)


async def test_after_five_days_it_is_given_up_and_told(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock, bob_at_x=[GREYLISTED] * 100)
    accept("bob@x.example")
    start = clock()
    deliver(outlet)
    for attempt in range(1, 100):
        await eventually(partial(lambda number: copies()["bob@x.example"]["attempts"] == number, attempt))
        if (again_at := copies()["bob@x.example"]["next_at"]) is None:
            break
        clock.now = again_at

    assert copies()["bob@x.example"]["ended_at"] == start + timedelta(days=5)
    assert copies()["bob@x.example"]["reply"] == "451 4.7.1 greylisted"
    await eventually(lambda: outlet.parcels[-1].recipient == "ann@example.org")


async def test_several_at_once_and_not_more(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock)
    outlet.free.clear()
    accept(*(f"r{number}@x.example" for number in range(60)))
    deliver(outlet, concurrency=7)
    await eventually(lambda: outlet.at_once == 7)
    outlet.free.set()
    await eventually(lambda: set(states(copies).values()) == {"sent"})

    assert outlet.most_at_once == 7
    assert len(outlet.parcels) == len({parcel.copy for parcel in outlet.parcels}) == 60


async def test_of_large_messages_only_a_few_are_in_memory(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsealed.flow.deliver.SMALL_BYTES", 1_000)
    outlet = Scripted(clock)
    outlet.free.clear()
    accept(*(f"r{number}@x.example" for number in range(20)), raw=b"From: ann@example.org\r\n\r\n" + b"x\r\n" * 1_000)
    deliver(outlet)
    await eventually(lambda: outlet.at_once == LARGE_AT_ONCE)
    outlet.free.set()
    await eventually(lambda: set(states(copies).values()) == {"sent"})

    assert outlet.most_at_once == LARGE_AT_ONCE


async def test_a_result_that_cannot_be_written_is_kept_until_it_can(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unsealed.store import messages

    monkeypatch.setattr("unsealed.flow.deliver.SETTLE_AGAIN_S", 0.01)
    faults = [Unavailable("away")] * 3
    sent = messages.sent

    def failing(*args: Any, **kwargs: Any) -> None:
        if faults:
            raise faults.pop()
        sent(*args, **kwargs)

    monkeypatch.setattr("unsealed.store.messages.sent", failing)
    outlet = Scripted(clock)
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})

    assert len(outlet.parcels) == 1


async def test_a_store_that_was_away_is_asked_again(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [Unavailable("away")] * 3
    lease = jobs.lease

    def failing(*args: Any, **kwargs: Any) -> Any:
        if faults:
            raise faults.pop()
        return lease(*args, **kwargs)

    monkeypatch.setattr("unsealed.store.jobs.lease", failing)
    accept("bob@x.example")
    deliver(Scripted(clock))

    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})


async def test_a_copy_that_is_gone_is_dropped(
    accept: Any, deliver: Deliver, engine: Engine, rows: Any, clock: Any, eventually: Eventually
) -> None:
    accept("bob@x.example")
    with engine.begin() as connection:
        connection.execute(schema.copies.delete())
    deliver(Scripted(clock))

    await eventually(lambda: [row["state"] for row in rows(schema.jobs)] == ["dead"])


async def test_what_an_earlier_life_held_is_run_again_at_once(
    accept: Any, deliver: Deliver, engine: Engine, copies: Any, clock: Any, eventually: Eventually
) -> None:
    accept("bob@x.example")
    with engine.begin() as connection:
        jobs.lease(connection, [jobs.COPY], owner="mail", now=clock(), until=clock() + timedelta(days=1), limit=9)
    deliver(Scripted(clock))

    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})


async def test_whoever_lost_the_lease_settles_nothing(
    accept: Any, deliver: Deliver, engine: Engine, copies: Any, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock)
    hold = asyncio.Event()
    usual = outlet.deliver

    async def slow(parcel: Parcel) -> Receipt:
        await hold.wait()
        return await usual(parcel)

    outlet.deliver = slow  # type: ignore[method-assign]
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: rows(schema.jobs)[0]["state"] == "leased")
    with engine.begin() as connection:
        connection.execute(schema.jobs.update().values(owner="other"))
    with capture_logs() as lines:
        hold.set()
        await eventually(lambda: lines)  # the next hop took it, and what there was to write is written

    assert ["copy.sent"] == [line["event"] for line in lines]
    assert states(copies) == {"bob@x.example": "queued"}


async def test_long_deliveries_keep_their_lease(
    accept: Any, deliver: Deliver, rows: Any, clock: Any, eventually: Eventually
) -> None:
    outlet = Scripted(clock)
    hold = asyncio.Event()

    async def slow(parcel: Parcel) -> Receipt:
        await hold.wait()
        return Receipt(reply="250 ok", at=clock())

    outlet.deliver = slow  # type: ignore[method-assign]
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: rows(schema.jobs)[0]["state"] == "leased")
    clock.advance(timedelta(minutes=5))
    await eventually(lambda: rows(schema.jobs)[0]["due_at"] == clock() + timedelta(minutes=10))
    hold.set()
    await eventually(lambda: rows(schema.jobs)[0]["state"] == "done")


async def test_over_smtp_some_are_refused_and_the_others_go(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, upstream: Any, eventually: Eventually
) -> None:
    hop = upstream()
    hop.script = {
        "RCPT": [
            lambda _, command: (
                "550 5.1.1 no such user" if "bob@" in command else "450 4.2.0 later" if "joe@" in command else "usual"
            )
        ]
    }
    outlet = SmtpOutlet(Upstream(host="127.0.0.1", port=await hop.start(), tls=Tls.NONE), clock=clock)
    accept("bob@x.example", "eve@x.example", "joe@x.example")
    deliver(outlet)
    await eventually(
        lambda: (
            states(copies) == {"bob@x.example": "bounced", "eve@x.example": "sent", "joe@x.example": "delayed"}
            and len(hop.messages) == 2
        )
    )

    assert any("RCPT TO:<ann@example.org> NOTIFY=NEVER" in line for line in hop.commands)
    await outlet.close()


async def test_nothing_that_was_smuggled_in_reaches_the_next_hop_as_a_second_message(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, upstream: Any, eventually: Eventually
) -> None:
    hop = upstream()
    outlet = SmtpOutlet(Upstream(host="127.0.0.1", port=await hop.start(), tls=Tls.NONE), clock=clock)
    body = b"From: ann@example.org\r\n\r\n.\r\n..\r\nMAIL FROM:<ann@example.org>\r\n"
    accept("bob@x.example", raw=body)
    deliver(outlet)
    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})
    await outlet.close()

    assert hop.messages == [b"From: ann@example.org\r\n\r\n..\r\n...\r\nMAIL FROM:<ann@example.org>\r\n"]
    assert [line for line in hop.commands if line.startswith("MAIL")] == [
        f"MAIL FROM:<ann@example.org> SIZE={len(body)} RET=HDRS ENVID={public_id(copies()['bob@x.example']['id'])}"
    ]


async def test_a_copy_is_never_called_sent_before_the_next_hop_says_so(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, upstream: Any, eventually: Eventually
) -> None:
    hop = upstream()
    seen: list[str] = []
    go = asyncio.Event()

    async def look(_hop: Any, _command: str) -> str:
        seen.append(states(copies)["bob@x.example"])
        await go.wait()
        return "usual"

    hop.script = {"END": [look]}
    outlet = SmtpOutlet(Upstream(host="127.0.0.1", port=await hop.start(), tls=Tls.NONE), clock=clock)
    accept("bob@x.example")
    deliver(outlet)
    await eventually(lambda: seen)
    go.set()
    await eventually(lambda: states(copies) == {"bob@x.example": "sent"})

    assert seen == ["queued"]
    await outlet.close()


SHARED = Switches(shared=True)


async def test_time_runs_for_a_shared_copy_from_the_first_recipient_on(
    accept: Any, deliver: Deliver, copies: Any, clock: Any, eventually: Eventually
) -> None:
    begun = clock()
    accept("bob@x.example", "eve@x.example", "joe@x.example", switches=SHARED)
    deliver(Scripted(clock, eve_at_x=[GREYLISTED], joe_at_x=[NO_SUCH_USER]))
    expected = {"bob@x.example": "sent", "eve@x.example": "delayed", "joe@x.example": "bounced", "": "sent"}
    await eventually(lambda: states(copies) == expected)
    assert copies()[""]["sent_at"] == begun

    clock.advance(timedelta(seconds=2))
    await eventually(lambda: copies()["eve@x.example"]["delivery"] == "sent")

    assert (copies()[""]["sent_at"], copies()["eve@x.example"]["sent_at"]) == (begun, begun + timedelta(seconds=2))


async def test_a_shared_copy_has_bounced_once_it_bounced_for_all(
    accept: Any, deliver: Deliver, copies: Any, rows: Any, clock: Any, engine: Engine, ann: Any, eventually: Eventually
) -> None:
    accept("bob@x.example", "eve@x.example", switches=SHARED)
    deliver(Scripted(clock, bob_at_x=[NO_SUCH_USER], eve_at_x=[GREYLISTED, NO_SUCH_USER]))
    await eventually(
        lambda: states(copies)["bob@x.example"] == "bounced" and states(copies)["eve@x.example"] == "delayed"
    )
    assert states(copies)[""] == "queued"

    clock.advance(timedelta(seconds=2))
    await eventually(lambda: set(states(copies).values()) == {"bounced"})

    with engine.connect() as connection:
        [row] = sent.listed(connection, ann.user, now=clock()).items
    assert (row.facts.delivery, row.bounced, row.waiting) == ("bounced", 2, 0)


async def test_what_is_opened_in_a_shared_copy_was_opened_by_someone(
    accept: Any,
    deliver: Deliver,
    copies: Any,
    clock: Any,
    sandbox_outlet: SandboxOutlet,
    engine: Engine,
    ann: Any,
    keys: Any,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    accept(*(f"r{number}@x.example" for number in range(4)), switches=SHARED)
    deliver(sandbox_outlet)
    await eventually(lambda: set(states(copies).values()) == {"delivered"})
    with engine.connect() as connection:
        boxes = sandbox.listed(connection, ann.user).items
        raw = sandbox.raw(connection, ann.user, CopyId(int(boxes[0].id, 16))) or b""
    [pixel] = re.findall(rb"https://t.example.org/o/([A-Za-z0-9_-]+)[.]gif", raw)
    journal = Journal(tmp_path / "c1", "c1")
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0"
    at = clock() + timedelta(minutes=5)
    hit = Hit(at=at, token=pixel.decode(), method="GET", address="203.0.113.21", user_agent=agent)
    await asyncio.to_thread(journal.commit, [encode_hit(hit)])
    ingest = Ingest(engine, keys=keys, journal=tmp_path / "c1", collector="c1", clock=clock)
    await asyncio.to_thread(ingest.ship)
    await asyncio.to_thread(ingest.judge)

    with engine.connect() as connection:
        [row] = sent.listed(connection, ann.user, now=at).items
        message = views.message(connection, ann.user, int(row.id, 16), at)
        [event] = judged.of_message(connection, ann.user, int(row.id, 16)).items
        boxes = sandbox.listed(connection, ann.user).items
    assert message is not None
    assert [(copy.address, copy.signals.opens) for copy in message.copies][-2:] == [("r3@x.example", 0), ("", 1)]
    assert (row.recipient_count, row.signals.opens, row.waiting, row.facts.delivery) == (4, 1, 0, "delivered")
    assert (event.recipient, event.finding) == ("", Finding.HUMAN_OPEN)
    assert [(box.tokens, box.signals.opens) for box in boxes] == [(copies()[""]["id"], 1)] * 4
