"""What is said about tracking, read for one message before it is taken in."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from unsealed.core.policy import names_of
from unsealed.model.message import UserId
from unsealed.model.policy import Said
from unsealed.store import policies


def said_about(connection: Connection, user: UserId, recipients: Iterable[str]) -> Said:
    """All that is said outside of messages about mail of a user to these addresses."""
    names = {name for address in recipients for name in names_of(address)}
    return policies.said(connection, user, names)
