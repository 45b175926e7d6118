from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.core import mime
from unsealed.core.instrument import Tracking
from unsealed.core.token import open_token
from unsealed.flow import send
from unsealed.model.errors import BadInput
from unsealed.model.message import CopyId, Outgoing
from unsealed.model.policy import OFF, HiddenLink, Level, Switches
from unsealed.store import events, schema, views


def test_a_message_is_accepted_with_everything_that_follows(
    engine: Engine, outgoing: Callable[..., Outgoing], tracking: Tracking, rows: Any, clock: Any, ann: Any
) -> None:
    message = send.accept(engine, outgoing("bob@x.example", "eve@x.example"), tracking=tracking, now=clock())

    assert [row["id"] for row in rows(schema.messages)] == [message]
    copies = {row["id"] for row in rows(schema.copies)}
    assert {(row["kind"], row["subject_id"], row["state"]) for row in rows(schema.jobs)} == {
        ("copy", copy, "ready") for copy in copies
    }
    assert [(row["what"], row["message_id"], row["user_id"]) for row in rows(schema.feed)] == [
        ("accepted", message, ann.user)
    ]
    [link] = rows(schema.links)
    assert (link["destination"], link["tracked"]) == ("https://example.com/a", True)


def test_nothing_is_kept_of_a_message_that_fails_half_way(
    engine: Engine, outgoing: Any, tracking: Tracking, rows: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsealed.store.feed.add_feed", lambda *args: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        send.accept(engine, outgoing(), tracking=tracking, now=clock())

    for table in (schema.messages, schema.originals, schema.copies, schema.links, schema.jobs, schema.feed):
        assert rows(table) == []


def test_each_copy_has_its_own_tokens_and_is_the_same_at_every_attempt(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any
) -> None:
    planned = send.plan(outgoing("bob@x.example", "eve@x.example"), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())

    bob, eve = (send.copy_of(engine, copy, keys=tracking.keys) for copy in planned.copies)

    assert bob.raw != eve.raw
    assert len(bob.raw) == len(eve.raw)
    assert send.copy_of(engine, bob.copy, keys=tracking.keys) == bob
    head = planned.outgoing.raw.partition(b"\r\n\r\n")[0]
    assert bob.raw.partition(b"\r\n\r\n")[0] == eve.raw.partition(b"\r\n\r\n")[0] == head
    assert b"https://t.example.org/o/" in bob.raw
    assert b"https://t.example.org/c/" in bob.raw


def test_an_untracked_message_goes_out_as_it_came(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any
) -> None:
    planned = send.plan(outgoing(switches=OFF), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())

    assert send.copy_of(engine, planned.copies[0], keys=tracking.keys).raw == planned.outgoing.raw


def test_one_axis_can_be_off(engine: Engine, outgoing: Any, tracking: Tracking, clock: Any) -> None:
    planned = send.plan(outgoing(switches=Switches(opens=Level.OFF)), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())
    raw = send.copy_of(engine, planned.copies[0], keys=tracking.keys).raw

    assert b"/o/" not in raw
    assert b"https://t.example.org/c/" in raw


def test_a_bug_in_the_changing_costs_the_tracking_and_never_the_mail(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = send.plan(outgoing(), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())
    monkeypatch.setattr("unsealed.flow.send.survey_outgoing", lambda *args, **kwargs: 1 // 0)
    monkeypatch.setattr("unsealed.flow.send.make_copy", lambda *args, **kwargs: 1 // 0)

    assert send.copy_of(engine, planned.copies[0], keys=tracking.keys).raw == planned.outgoing.raw
    send.accept(engine, outgoing(), tracking=tracking, now=clock())
    assert sorted(row["unchanged"] for row in rows(schema.messages)) == ["", "fault"]


def test_a_copy_that_is_not_there_is_named(engine: Engine, tracking: Tracking) -> None:
    with pytest.raises(BadInput):
        send.copy_of(engine, CopyId(7), keys=tracking.keys)


def test_ids_are_random_and_fit_the_store(outgoing: Any, tracking: Tracking) -> None:
    plans = [send.plan(outgoing(), tracking=tracking) for _ in range(100)]

    ids = {plan.id for plan in plans} | {plan.copies[0] for plan in plans}
    assert len(ids) == 200
    assert all(0 <= each < 2**63 for each in ids)


def test_a_report_without_a_sender_goes_out_as_it_came_and_says_why(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, rows: Any
) -> None:
    planned = send.plan(replace(outgoing(), envelope_from=""), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())

    assert send.copy_of(engine, planned.copies[0], keys=tracking.keys).raw == planned.outgoing.raw
    assert [row["unchanged"] for row in rows(schema.messages)] == ["null-sender"]


@pytest.mark.parametrize(
    ("wanted", "recipients", "expected"),
    [
        (HiddenLink.NEVER, 10, False),
        (HiddenLink.MANY, 9, False),
        (HiddenLink.MANY, 10, True),
        (HiddenLink.ALWAYS, 1, True),
    ],
)
def test_the_number_of_recipients_says_whether_there_is_a_hidden_link(
    wanted: HiddenLink,
    recipients: int,
    expected: bool,
    engine: Engine,
    outgoing: Any,
    tracking: Tracking,
    clock: Any,
    ann: Any,
) -> None:
    to = [f"r{number}@x.example" for number in range(recipients)]
    planned = send.plan(outgoing(*to, switches=Switches(hidden_link=wanted)), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())
    parcel = send.copy_of(engine, planned.copies[-1], keys=tracking.keys)
    with engine.connect() as connection:
        traps = events.traps(connection, [planned.id])
        shown = views.message(connection, ann.user, planned.id, clock())

    assert (b"display:none" in parcel.raw) is expected
    assert traps == ({planned.id: frozenset({planned.survey.links[-1].position})} if expected else {})
    assert shown is not None
    assert [row.link.trap for row in shown.links] == [False] * len(planned.survey.links[: -1 if expected else None])


def test_recipients_who_share_a_copy_get_the_same_tokens(
    engine: Engine, outgoing: Any, tracking: Tracking, rows: Any, clock: Any, ann: Any
) -> None:
    planned = send.plan(outgoing("bob@x.example", "eve@x.example", switches=Switches(shared=True)), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())
    bob, eve = (send.copy_of(engine, copy, keys=tracking.keys) for copy in planned.copies)
    with engine.connect() as connection:
        shown = views.message(connection, ann.user, planned.id, clock())

    assert bob.raw == eve.raw
    tokens = re.findall(rb"https://t.example.org/[oc]/([A-Za-z0-9_-]+)", bob.raw)
    assert {open_token(tracking.keys, token.decode()).copy for token in tokens} == {planned.shared}
    assert (bob.recipient, eve.recipient) == ("bob@x.example", "eve@x.example")
    assert {row["subject_id"] for row in rows(schema.jobs)} == set(planned.copies)
    assert shown is not None
    assert [(copy.address, copy.facts.tracked) for copy in shown.copies] == [
        ("bob@x.example", False),
        ("eve@x.example", False),
        ("", True),
    ]
    assert (shown.row.recipient_count, shown.row.recipients) == (2, ("bob@x.example", "eve@x.example"))
    assert (shown.row.waiting, shown.row.facts.tracked) == (2, True)


def test_a_message_is_read_once_for_its_decisions_and_all_its_copies(
    engine: Engine, outgoing: Any, tracking: Tracking, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    split = mime.split

    def noted(raw: bytes) -> mime.Part:
        read.append(raw)
        return split(raw)

    monkeypatch.setattr("unsealed.core.mime.split", noted)
    raw = outgoing().raw.replace(b"Look", b"Look once")
    to = [f"r{number}@x.example" for number in range(12)]
    planned = send.plan(outgoing(*to, raw=raw, switches=Switches(hidden_link=HiddenLink.MANY)), tracking=tracking)
    with engine.begin() as connection:
        send.write(connection, planned, clock())

    copies = {send.copy_of(engine, copy, keys=tracking.keys).raw for copy in planned.copies}

    assert len(copies) == 12
    assert read == [raw]


def test_where_nothing_is_tracked_no_copy_is_shared(engine: Engine, outgoing: Any, tracking: Tracking) -> None:
    switches = replace(OFF, shared=True)

    assert send.plan(outgoing(switches=switches), tracking=tracking).shared is None


def test_a_message_joins_the_conversation_that_it_answers(
    engine: Engine, outgoing: Any, tracking: Tracking, rows: Any, clock: Any, ann: Any
) -> None:
    def accept(id: str, *head: str) -> int:
        raw = "\r\n".join([f"Message-ID: <{id}@x.example>", *head, "", "hello", ""]).encode()
        return send.accept(engine, replace(outgoing(), raw=raw), tracking=tracking, now=clock())

    first = accept("1")
    second = accept("2", "In-Reply-To: <1@x.example>")
    with engine.begin() as connection:
        answer = {"message_id": second, "kind": "reply", "header_id": "<r@y.example>", "address": "b@y", "at": clock()}
        connection.execute(schema.replies.insert(), {"user_id": ann.user, **answer})
    third = accept("3", "In-Reply-To: <r@y.example>", "References: <0@x.example> <r@y.example>")
    other = accept("4", "In-Reply-To: <never@x.example>")

    threads = {row["id"]: row["thread"] for row in rows(schema.messages)}
    assert threads == {first: first, second: first, third: first, other: other}
