"""Who changed what: one line for each change of judgement, tracking or access, in the transaction of the change.

Promises that a line is never changed, and shown to nobody but the account it belongs to.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.model.view import AuditRow
from unsealed.store.schema import audit

LINES = 100  # of a page


class What(StrEnum):
    """What was changed, as pages say it."""

    CORRECTED = later("corrected")
    UNDONE = later("correction undone")
    DEVICE_ADDED = later("device added")
    DEVICE_REMOVED = later("device removed")
    TRACKING = later("tracking changed")
    GIVEN = later("access given")  # to a program
    REVOKED = later("access revoked")
    SIGNED_OUT = later("browser signed out")
    SIGN_IN = later("password changed")
    ADDRESS_ADDED = later("address added")
    ADDRESS_REMOVED = later("address removed")
    MAILBOX_ADDED = later("mailbox connected")
    MAILBOX_REMOVED = later("mailbox disconnected")
    SENDING = later("way of mail changed")
    INVITED = later("person invited")
    ROLE = later("role changed")
    REMOVED = later("person removed")
    REPORTS = later("reports changed")


def note(connection: Connection, user: UserId, what: What, words: str, now: datetime) -> None:
    """Write one line."""
    connection.execute(audit.insert().values(user_id=user, at=now, what=what.value, words=words))


def lines(connection: Connection, user: UserId, *, limit: int = LINES, before: int | None = None) -> list[AuditRow]:
    """The newest lines of an account first; `before`: only those older than the line with that id."""
    query = select(audit.c.id, audit.c.at, audit.c.what, audit.c.words).where(audit.c.user_id == user)
    if before is not None:
        query = query.where(audit.c.id < before)
    rows = connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
    return [AuditRow(id=row.id, at=row.at, what=row.what, words=row.words) for row in rows]
