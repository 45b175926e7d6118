"""What came back from earlier copies to a person or a company: the numbers that core.reliability reads.

Promises to look at no more than the newest copies, by key, and at the events of those that a machine touched. Counts
nothing of messages whose level keeps readers apart from their addresses. Writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from unsealed.model.event import ClientKind, Finding
from unsealed.model.message import CopyId, UserId
from unsealed.model.policy import Level
from unsealed.model.view import SignalFacts
from unsealed.store.schema import copies, events, links, messages

OF_A_PERSON = 50  # the newest copies that are looked at: habits change with the next phone
OF_A_COMPANY = 300
TIME_TO_ANSWER = timedelta(hours=24)  # a copy that was silent for less says nothing yet

BY_NAME = tuple(level for level in Level if level is Level.OFF or level >= Level.IDENTIFIED)


def facts_of_mailbox(
    connection: Connection, user: UserId, mailbox: str, now: datetime, limit: int = OF_A_PERSON
) -> SignalFacts:
    """What came back from the user's newest copies to this address (in lower case)."""
    return _facts(connection, user, copies.c.mailbox == mailbox, now, limit)


def facts_of_domain(
    connection: Connection, user: UserId, domain: str, now: datetime, limit: int = OF_A_COMPANY
) -> SignalFacts:
    """What came back from the user's newest copies to all addresses of this domain (in lower case)."""
    return _facts(connection, user, copies.c.domain == domain, now, limit)


def _facts(connection: Connection, user: UserId, whose: ColumnElement[bool], now: datetime, limit: int) -> SignalFacts:
    found = connection.execute(
        select(
            copies.c.id,
            copies.c.opens,
            copies.c.clicks,
            copies.c.raw,
            copies.c.machine,
            copies.c.replies,
            messages.c.opens_level,
            copies.c.opens_level.label("own_opens_level"),
            copies.c.clicks_level.label("own_clicks_level"),
            messages.c.survey,
            exists()
            .where(links.c.message_id == copies.c.message_id, links.c.tracked, ~links.c.trap)
            .label("with_links"),
        )
        .join(messages, messages.c.id == copies.c.message_id)
        .where(
            copies.c.user_id == user,
            whose,
            copies.c.tracked,
            copies.c.sent_at.is_not(None),
            or_(copies.c.raw > 0, copies.c.sent_at <= now - TIME_TO_ANSWER),
            messages.c.opens_level.in_(BY_NAME),
            messages.c.clicks_level.in_(BY_NAME),
            copies.c.opens_level.in_(BY_NAME),
            copies.c.clicks_level.in_(BY_NAME),
        )
        .order_by(copies.c.sent_at.desc(), copies.c.id)
        .limit(limit)
    ).all()
    machines = _machines(connection, [row.id for row in found if row.machine])
    prefetched, scanned_pixels, scanned_links = (
        machines[finding] for finding in (Finding.MACHINE_PREFETCH, Finding.SCANNER, Finding.SCANNER_CLICK)
    )
    with_pixel = {
        row.id for row in found if row.opens_level and row.own_opens_level and json.loads(row.survey).get("pixel")
    }
    loaded = {row.id for row in found if row.opens} | prefetched | scanned_pixels
    clicked = {row.id for row in found if row.clicks}
    answered = {row.id for row in found if row.replies} - clicked
    return SignalFacts(
        copies=len(found),
        with_pixel=len(with_pixel),
        with_links=sum(row.with_links and row.own_clicks_level > Level.OFF for row in found),
        opened=sum(row.opens > 0 for row in found),
        clicked=len(clicked),
        clicked_unloaded=len((clicked & with_pixel) - loaded),
        prefetched=len(prefetched),
        scanned_pixels=len(scanned_pixels),
        scanned_links=len(scanned_links),
        silent=sum(row.raw == 0 and row.replies == 0 for row in found),
        answered_unloaded=len((answered & with_pixel) - loaded),
    )


def _machines(connection: Connection, ids: Sequence[CopyId]) -> dict[Finding, set[CopyId]]:
    """Which of the copies each kind of machine touched. A preview is no scanner: somebody pasted the link."""
    by_finding: dict[Finding, set[CopyId]] = {finding: set() for finding in Finding if finding.machine}
    if ids:
        rows = connection.execute(
            select(events.c.copy_id, events.c.finding)
            .where(
                and_(
                    events.c.copy_id.in_(ids),
                    events.c.finding.in_(tuple(by_finding)),
                    events.c.client_kind != ClientKind.LINK_PREVIEW,
                )
            )
            .distinct()
        )
        for copy, finding in rows:
            by_finding[Finding(finding)].add(copy)
    return by_finding
