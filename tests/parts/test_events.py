from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, select

from unsealed.model.event import (
    Agent,
    ClientKind,
    Device,
    Event,
    Finding,
    HitId,
    HitKind,
    Network,
    Reason,
    Verdict,
)
from unsealed.model.hit import Hit, JournalPosition
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.store import events, schema

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE, COPY = MessageId(2**62 + 1), CopyId(2**62 + 2)


@pytest.fixture
def store(engine: Engine) -> Engine:
    """One message with one copy."""
    with engine.begin() as connection:
        connection.execute(schema.users.insert().values(id=1, email="a@x.example", role="owner", created_at=NOON))
        connection.execute(
            schema.messages.insert().values(
                id=MESSAGE,
                user_id=UserId(1),
                envelope_from="a@x.example",
                message_id="",
                subject="",
                recipients="",
                recipient_count=1,
                size=1,
                opens_level=4,
                clicks_level=3,
                switches="{}",
                key_id=0,
                tracking_url="",
                survey="{}",
                received_at=NOON,
                signal_at=NOON,
            )
        )
        connection.execute(
            schema.copies.insert().values(
                id=COPY,
                message_id=MESSAGE,
                position=0,
                address="b@x.example",
                kind="to",
                tracked=True,
                delivery="sent",
                sent_at=NOON,
            )
        )
    return engine


def an_event(
    hit: int, after_s: float, finding: Finding = Finding.HUMAN_OPEN, sure: float = 0.95, first: bool = False
) -> Event:
    click = finding in (Finding.HUMAN_CLICK, Finding.SCANNER_CLICK)
    return Event(
        hit=HitId(hit),
        message=MESSAGE,
        copy=COPY,
        kind=HitKind.CLICK if click else HitKind.OPEN,
        link=3 if click else None,
        at=NOON + timedelta(seconds=after_s),
        verdict=Verdict(
            finding=finding, confidence=sure, reasons=(Reason(code="CODE", words='words "é"'),), rules="2026.11"
        ),
        agent=Agent(client="Thunderbird", kind=ClientKind.DESKTOP_CLIENT, device=Device.DESKTOP, system="Linux"),
        network=Network(),
        first_of_reading=first,
    )


def put(connection: Connection, *new: Event, before: dict[int, Event] | None = None) -> None:
    changes = [
        events.Changed(
            UserId(1),
            event,
            events.judged(event),
            events.judged(old) if (old := (before or {}).get(event.hit)) else None,
        )
        for event in new
    ]
    events.put_events(connection, changes)
    events.count(connection, changes)


def counts(connection: Connection) -> tuple[object, ...]:
    c = schema.copies.c
    row = connection.execute(
        select(c.opens, c.clicks, c.raw, c.machine, c.confidence, c.first_at, c.last_at).where(c.id == COPY)
    ).one()
    return tuple(row)


def test_a_hit_is_kept_once_with_all_its_facts(store: Engine) -> None:
    hit = Hit(
        at=NOON,
        token="t",
        method="GET",
        address="203.0.113.9",
        user_agent="é ☃",
        accept="image/*",
        accept_language=None,
        referer_host="mail.example",
        prefetch="prefetch",
        sec_fetch="cross-site/no-cors/image/",
    )
    shipped = events.Shipped(
        JournalPosition(collector="c1", segment=2**40, offset=7), hit, MESSAGE, COPY, None, device=2**62
    )
    with store.begin() as connection:
        events.add_hits(connection, [shipped])
        events.add_hits(connection, [shipped, shipped])
        (row,) = connection.execute(select(schema.hits)).all()

    kept = {name: getattr(hit, name) for name in Hit.__slots__ if name not in ("token", "device")}
    assert kept == {name: getattr(row, name) for name in kept}
    assert ("c1", 2**40, 7, MESSAGE, COPY, None, 2**62) == (
        row.collector,
        row.segment,
        row.offset,
        row.message_id,
        row.copy_id,
        row.link,
        row.device,
    )


def test_an_event_is_kept_as_it_is_judged_now(store: Engine) -> None:
    with store.begin() as connection:
        put(connection, an_event(1, 60, first=True))
        put(connection, an_event(1, 60, Finding.SCANNER, 0.9), before={1: an_event(1, 60, first=True)})
        (row,) = connection.execute(select(schema.events)).all()

    assert (1, Finding.SCANNER, 0.9, False) == (row.hit_id, row.finding, row.confidence, row.first_of_reading)
    assert '[["CODE","words \\"é\\""]]' == row.reasons
    assert NOON + timedelta(seconds=60) == row.at


def test_counts_move_by_what_changed(store: Engine) -> None:
    first, second = an_event(1, 60, sure=0.7, first=True), an_event(2, 5000, first=True)
    with store.begin() as connection:
        put(connection, first, second, an_event(3, 30, Finding.MACHINE_PREFETCH))
        expected = (2, 0, 3, 1, 0.95, NOON + timedelta(seconds=60), NOON + timedelta(seconds=5000))
        assert expected == counts(connection)

        put(connection, an_event(2, 5000, Finding.SELF_OPEN), before={2: second})
        assert (1, 0, 3, 1, 0.7, first.at, first.at) == counts(connection)
        assert 0 == events.recount(connection)


def test_a_click_alone_proves_one_opening_until_a_reading_is_seen(store: Engine) -> None:
    with store.begin() as connection:
        put(connection, an_event(1, 60, Finding.HUMAN_CLICK), an_event(2, 90, Finding.HUMAN_CLICK))
        assert (1, 2) == counts(connection)[:2]
        put(connection, an_event(3, 100, first=True))
        assert (1, 2) == counts(connection)[:2]
        put(connection, an_event(4, 9000, first=True))
        assert (2, 2) == counts(connection)[:2]
        assert 0 == events.recount(connection)


def test_a_message_without_any_event_counts_nothing(store: Engine) -> None:
    with store.begin() as connection:
        assert 0 == events.recount(connection)
        connection.execute(schema.copies.update().values(opens=3, first_at=NOON))
        connection.execute(
            schema.link_counts.insert().values(copy_id=COPY, position=0, message_id=MESSAGE, clicks=1, machine=0)
        )
        assert 2 == events.recount(connection)
        assert (0, 0, 0, 0, None, None, None) == counts(connection)


def test_the_cursor_of_each_collector_stands_alone(store: Engine) -> None:
    one, other = (JournalPosition(collector=name, segment=3, offset=64) for name in ("c1", "c2"))
    further = JournalPosition(collector="c1", segment=4, offset=0)
    with store.begin() as connection:
        assert events.cursor(connection, "c1") is None
        for position in (one, other, further):
            events.move_cursor(connection, position)

        assert [further, other] == [events.cursor(connection, "c1"), events.cursor(connection, "c2")]


def test_a_mark_keeps_the_earliest_time_and_counts_how_often_it_was_set(store: Engine) -> None:
    with store.begin() as connection:
        for minutes in (5, 1, 9):
            events.mark(connection, {MESSAGE: NOON + timedelta(minutes=minutes)})
        (mark,) = events.marked(connection, 10)
        assert (MESSAGE, NOON + timedelta(minutes=1), 3) == (mark.message, mark.since, mark.seq)
        assert [] == events.marked(connection, 10, until=NOON)

        events.clear(connection, [mark])
        assert [] == events.marked(connection, 10)


def test_the_messages_of_many_copies_are_found_and_unknown_copies_left_out(store: Engine) -> None:
    with store.begin() as connection:
        wanted = [CopyId(number) for number in range(12_000)]

        assert {COPY: MESSAGE} == events.messages_of(connection, [*wanted, COPY])
