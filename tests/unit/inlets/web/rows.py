"""What a page is given, as plain as it can be: a message, a copy and an event, for tests to change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from unsealed.inlets.web.moments import Times
from unsealed.model.event import ClientKind, Device, Finding, HitKind, NetworkClass, Reason
from unsealed.model.message import AddressKind, Delivery
from unsealed.model.view import CopyFacts, CopyRow, EventRow, MessageRow, Signals

NOW = datetime(2026, 3, 12, 14, 21, tzinfo=UTC)  # a Thursday
SAID = Times(NOW)


def before(**units: float) -> datetime:
    return NOW - timedelta(**units)


FACTS = CopyFacts(tracked=True, delivery=Delivery.SENT, sent_at=before(hours=2), opens=0, clicks=0, machine=0)
ROW = MessageRow(
    id="0" * 16,
    subject="Proposal",
    recipients=("Ines Marchetti",),
    recipient_count=1,
    at=before(hours=2),
    tag="",
    facts=FACTS,
    signals=Signals(),
    signal_at=before(hours=2),
)
COPY = CopyRow(id="0" * 16, address="ines@x.example", name="Ines", kind=AddressKind.TO, facts=FACTS, signals=Signals())
EVENT = EventRow(
    id="1",
    message="0" * 16,
    copy="0" * 16,
    recipient="ines@x.example",
    name="Ines",
    at=NOW,
    kind=HitKind.OPEN,
    finding=Finding.HUMAN_OPEN,
    confidence=0.95,
    reasons=(Reason(code="CLIENT_DIRECT", words="opened in Thunderbird"),),
    rules="2026.11",
    client="Thunderbird",
    client_kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Linux",
    network=NetworkClass.RESIDENTIAL,
    operator="",
    link=None,
    link_text="",
    destination="",
    first_of_reading=True,
)
