"""Which follow-ups are done: a recipient whom somebody wrote to again, or need not write to.

What is done is off the lists of `store.activity`, until its reader gives a new sign: what is done is what was known by
then. All functions work in the caller's transaction and see rows of the asking user only.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from unsealed.model.message import CopyId, UserId
from unsealed.store.schema import DONE, copies


def done(connection: Connection, user: UserId, copy: CopyId, now: datetime) -> bool:
    """It is done, with all that is known by now; False: there is no such recipient of this user."""
    return _set(connection, user, copy, now)


def undo(connection: Connection, user: UserId, copy: CopyId) -> bool:
    """It was not done; False: there is no such recipient of this user."""
    return _set(connection, user, copy, None)


def who_is_done(connection: Connection, user: UserId, copy: CopyId) -> str | None:
    """The name of that recipient, or else the address; None: it is not done."""
    c = copies.c
    found = connection.execute(select(c.name, c.address).where(c.id == copy, c.user_id == user, DONE)).first()
    return None if found is None else str(found.name or found.address)


def _set(connection: Connection, user: UserId, copy: CopyId, done_at: datetime | None) -> bool:
    c = copies.c
    own = c.id == copy, c.user_id == user, c.address != ""
    return connection.execute(update(copies).where(*own).values(done_at=done_at)).rowcount == 1
