"""The daily letter: what became of a user's mail since the last one, at the hour that the user chose.

Promises one letter a day and user at most, and none when nothing happened; the letter and the note that it was written
are one transaction. Tells what was told, and what quiet hours kept back; nothing of what is silenced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core.instrument import Tracking
from unsealed.flow import letters
from unsealed.flow.notify import worded, zone_of
from unsealed.model.message import UserId
from unsealed.model.notice import Act, Detail, Wants
from unsealed.model.ports import Clock
from unsealed.store import notices
from unsealed.store.engine import alone, reading

LOOK_S = 30.0
DAY = timedelta(days=1)
LINES = 100

log = structlog.get_logger()

NUMBERS = {
    Act.OPENED: ("1 opened", "{} opened"),
    Act.CLICKED: ("1 click", "{} clicks"),
    Act.REPLIED: ("1 reply", "{} replies"),
    Act.BOUNCED: ("1 bounce", "{} bounces"),
    Act.UNOPENED: ("1 reminder", "{} reminders"),
    Act.NO_REPLY: ("1 reminder of an answer", "{} reminders of answers"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Writes the letters that are due. Several processes may have one each."""

    engine: Engine
    origin: str
    tracking: Callable[[], Tracking]
    clock: Clock

    def write(self) -> int:
        """Write what is due now; how many letters."""
        now = self.clock()
        with reading(self.engine) as connection:
            if not _due(connection, now):
                return 0
        with alone(self.engine, "digest") as turn, turn.writing() as connection:
            due = _due(connection, now)
            return sum(self._write(connection, user, wants, now) for user, wants in due.items())

    def _write(self, connection: Connection, user: UserId, wants: Wants, now: datetime) -> bool:
        since = max(notices.last_digest(connection, user) or now - DAY, now - 7 * DAY)
        found = notices.since_digest(connection, user, since, LINES + 1)
        notices.digest_written(connection, user, now)
        if not found or notices.silence(connection, user).realtime_off:
            return False
        counted = Counter(each.act for each in found[:LINES])
        subject = ", ".join(
            one if counted[act] == 1 else more.format(counted[act])
            for act, (one, more) in NUMBERS.items()
            if counted[act]
        )
        lines = [f"What became of your mail until {now.astimezone(zone_of(wants)):%H:%M, %d %B}:", ""]
        for each in found[:LINES]:
            said = worded(each, wants, detail=Detail.ALL)
            lines += [
                said.title,
                *(f"    {line}" for line in said.body.splitlines()),
                f"    {self.origin}{said.path}",
                "",
            ]
        if len(found) > LINES:
            lines += [f"And more: {self.origin}/sent", ""]
        lines.append(f"Choose what is in this letter, or stop it: {self.origin}/settings/notifications")
        letters.send_digest(
            connection, user, f"Your mail: {subject}", "\n".join(lines), tracking=self.tracking(), now=now
        )
        log.info("digest.written", lines=len(found[:LINES]))
        return True


def _due(connection: Connection, now: datetime) -> dict[UserId, Wants]:
    """Whose letter of today was not written yet, though its hour has come."""
    due = {}
    for user, wants in notices.digest_wanted(connection).items():
        local = now.astimezone(zone_of(wants))
        at = local.replace(hour=wants.digest_at.hour, minute=wants.digest_at.minute, second=0, microsecond=0)
        last = notices.last_digest(connection, user)
        if local >= at and (last is None or last < at):
            due[user] = wants
    return due
