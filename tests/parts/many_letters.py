"""Many letters of two templates, with all that can come back, for reports. Seeded: the same in every run."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from unsealed.model.event import Finding, HitKind
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.policy import Level
from unsealed.model.template import Content, TemplateId
from unsealed.store import schema, templates

LONG, SHORT = "Proposal, long", "Proposal, short"
RATES = {LONG: 0.35, SHORT: 0.05}
LINKS = (("Pricing", "https://tidewater.example/pricing"), ("Visit", "https://tidewater.example/visit"))


def write(
    connection: Connection,
    user: UserId,
    now: datetime,
    *,
    letters: int = 240,
    days: int = 28,
    names: Mapping[str, float] = RATES,
    seed: int = 5,
) -> dict[str, TemplateId]:
    """Letters to one recipient each, evenly over the days before `now`; the ids of their templates by name."""
    rng = random.Random(seed)
    made = {
        name: templates.add(connection, user, name, Content(subject=name, html="<p>Dear</p>"), now) for name in names
    }
    rows: dict[Any, list[dict[str, object]]] = {
        table: []
        for table in (schema.messages, schema.copies, schema.links, schema.link_counts, schema.events)
    }  # fmt: skip
    for number in range(letters):
        name = list(names)[number % len(names)]
        day = now.replace(hour=7, minute=0) - timedelta(days=1 + (letters - 1 - number) * (days - 1) // letters)
        at = day + timedelta(minutes=rng.randrange(400))
        message, copy = MessageId(rng.getrandbits(62)), CopyId(rng.getrandbits(62))
        opened, replied = rng.random() < 0.6, rng.random() < names[name]
        clicked, machine = opened and rng.random() < 0.4, not opened and rng.random() < 0.4
        later = at + timedelta(minutes=5 + int(rng.expovariate(1 / 200)))
        bounced, tag = number % 50 == 7, "spring" if number % 5 else ""
        if bounced:
            opened = replied = clicked = machine = False
        seen = {"first_at": later if opened else None, "last_at": later if opened else None}
        domain = f"company{number % 4}.example"
        rows[schema.messages].append(
            {
                "id": message, "user_id": user, "envelope_from": "mara@tidewater.example",
                "message_id": f"<{message:x}@tidewater.example>", "subject": f"{name} {number % 3}",
                "recipients": f"Person {number}", "recipient_count": 1, "size": 900, "tag": tag,
                "opens_level": Level.FULL, "clicks_level": Level.FULL, "switches": "{}", "key_id": 0,
                "tracking_url": "https://t.example", "survey": "{}", "received_at": at, "signal_at": at,
                "thread": message,
                "template_id": made[name], "template_version": 1, "opens": int(opened), "clicks": int(clicked),
                "replies": int(replied), "machine": int(machine), **seen,
            }
        )  # fmt: skip
        rows[schema.copies].append(
            {
                "id": copy, "message_id": message, "position": 0, "address": f"person{number}@{domain}",
                "name": f"Person {number}", "kind": "to", "tracked": True,
                "delivery": "bounced" if bounced else "sent", "sent_at": None if bounced else at,
                "user_id": user, "mailbox": f"person{number}@{domain}",
                "domain": domain, "opens": int(opened), "clicks": int(clicked), "machine": int(machine),
                "replies": int(replied), "replied_at": at + timedelta(hours=20) if replied else None, **seen,
            }
        )  # fmt: skip
        for place, (text, url) in enumerate(LINKS):
            rows[schema.links].append(
                {"message_id": message, "position": place, "offset": 0, "part": "html", "destination": url,
                 "text": text, "tracked": True, "reason": ""}
            )  # fmt: skip
        link = number % 2
        if clicked or machine:
            rows[schema.link_counts].append(
                {"copy_id": copy, "position": link, "message_id": message, "clicks": int(clicked),
                 "machine": int(machine), "first_at": later if clicked else None, "last_at": later if clicked else None}
            )  # fmt: skip
        if opened:
            through = number % 3 == 0
            finding = Finding.PROXIED_OPEN if through else Finding.HUMAN_OPEN
            rows[schema.events].append(_event(rng, user, message, copy, HitKind.OPEN, None, finding, later))
        if clicked:
            rows[schema.events].append(
                _event(rng, user, message, copy, HitKind.CLICK, link, Finding.HUMAN_CLICK, later)
            )
    for table, those in rows.items():
        if those:
            connection.execute(table.insert(), those)
    return made


def _event(
    rng: random.Random,
    user: UserId,
    message: MessageId,
    copy: CopyId,
    kind: HitKind,
    link: int | None,
    finding: Finding,
    at: datetime,
) -> dict[str, object]:
    hidden = finding is Finding.PROXIED_OPEN
    return {
        "hit_id": rng.getrandbits(50), "user_id": user, "message_id": message, "copy_id": copy, "kind": kind,
        "link": link, "at": at, "finding": finding, "confidence": 0.95, "reasons": "[]", "rules": "2026.11",
        "client": "Gmail Image Proxy" if hidden else "Thunderbird",
        "client_kind": "image_proxy" if hidden else "desktop_client",
        "device": "hidden" if hidden else "desktop", "system": "", "network": "residential", "operator": "",
        "first_of_reading": kind is HitKind.OPEN,
    }  # fmt: skip
