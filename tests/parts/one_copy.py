"""A store with one message, one copy, and what its requests were: for tests of what is kept and counted of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

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
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.store import counts, events, schema

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE, COPY = MessageId(2**62 + 1), CopyId(2**62 + 2)
HIT = Hit(
    at=NOON,
    token="t",
    method="GET",
    address="203.0.113.9",
    user_agent="",
    accept="",
    accept_language=None,
    referer_host="",
    prefetch="",
    sec_fetch="",
)


def keep_one_copy(engine: Engine) -> None:
    """One message of user 1 with one copy, sent at NOON."""
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
    """Write and count events as they are now; `before`: what those were that the store knows, by hit."""
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
    counts.count(connection, changes)
