"""Reminders whose time has come -> a notice, or a letter where no notice would arrive, or nothing.

Promises that a reminder ends once: that it is over, the notice and the letter are one transaction. One that is not
needed any more, because the letter was opened or answered meanwhile, ends without a word. Looks at an index of what
waits, so that looking costs nothing while nothing is due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core.instrument import Tracking
from unsealed.core.notice import is_quiet
from unsealed.flow import letters
from unsealed.flow.notify import zone_of
from unsealed.model.message import UserId, public_id
from unsealed.model.notice import Act, Heard
from unsealed.model.ports import Clock
from unsealed.model.reminder import Unless
from unsealed.model.texts import ENGLISH_ALONE, Languages
from unsealed.store import devices, notices, preferences, reminders
from unsealed.store.engine import alone, reading
from unsealed.store.reminders import Due

LOOK_S = 5.0
ACTS = {Unless.OPENED: Act.UNOPENED, Unless.ANSWERED: Act.NO_REPLY}
KEPT = timedelta(days=30)  # what is over

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """Looks for what is due. Several processes may have one each."""

    engine: Engine
    origin: str
    tracking: Callable[[], Tracking]
    clock: Clock
    languages: Languages = ENGLISH_ALONE

    def look(self) -> int:
        """End what is due; how many letters were written."""
        now = self.clock()
        with reading(self.engine) as connection:
            if not reminders.any_due(connection, now):
                return 0
        with alone(self.engine, "remind") as turn, turn.writing() as connection:
            reminders.trim(connection, now - KEPT)
            found = reminders.due(connection, now)
            reminders.settle(connection, found, now)
            needed = [each for each in found if not each.happened]
            notices.hear(connection, [_heard(each, now) for each in needed])
            written = sum(self._write(connection, each, now) for each in needed)
        log.info("reminders.ended", due=len(needed), needless=len(found) - len(needed), letters=written)
        return written

    def _write(self, connection: Connection, it: Due, now: datetime) -> bool:
        """The letter, where a notice might reach nobody: a page may not be open, and no device would ring."""
        if self._rings(connection, it.user, now):
            return False
        texts = self.languages.of(preferences.language_of_letters(connection, it.user))
        who = " ".join(it.who.split()) or texts.say("anybody")
        if it.unless is Unless.ANSWERED:
            subject = texts.say("Reminder: no answer yet")
            first = texts.say("You wanted to be reminded. There is no answer from %(who)s to:", who=who)
        else:
            subject = texts.say("Reminder: no signal yet")
            first = texts.say("You wanted to be reminded. There is no signal from %(who)s to:", who=who)
        title = " ".join(it.subject.split()) or texts.say("(no subject)")
        lines = [
            first,
            "",
            f"    {title}",
            f"    {self.origin}/message/{public_id(it.message)}",
            "",
            texts.say("No signal is not the same as unread: many mail programs load no pictures, and say nothing."),
            "",
            texts.say("All reminders: %(address)s", address=f"{self.origin}/opened?state=reminders"),
        ]
        letters.send_digest(connection, it.user, subject, "\n".join(lines), tracking=self.tracking(), now=now)
        return True

    def _rings(self, connection: Connection, user: UserId, now: datetime) -> bool:
        """Whether a device of the user rings now."""
        wants = notices.wants(connection, user)
        if notices.silence(connection, user).realtime_off:
            return False
        if wants.quiet is not None and is_quiet(wants.quiet, now.astimezone(zone_of(wants)).time()):
            return False
        return any(each.channel in wants.channels and not each.trouble for each in devices.listed(connection, user))


def _heard(it: Due, now: datetime) -> Heard:
    # A reminder that is set once more is another cause of a notice.
    number = int.from_bytes(sha256(f"{it.id} {it.due_at.isoformat()}".encode()).digest()[:8]) >> 1
    return Heard(
        cause="reminder",
        cause_id=number,
        user=it.user,
        message=it.message,
        copy=it.copy,
        act=ACTS[it.unless],
        at=now,
    )
