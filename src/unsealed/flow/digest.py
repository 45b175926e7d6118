"""The daily letter: what became of a user's mail since the last one, at the hour that the user chose.

Promises one letter a day and user at most, and none when nothing happened; the letter and the note that it was written
are one transaction. Tells what was told, and what quiet hours kept back; nothing of what is silenced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core.instrument import Tracking
from unsealed.core.notice import REMINDERS, silenced
from unsealed.flow import letters
from unsealed.flow.notify import own_time, worded, zone_of
from unsealed.model.message import UserId
from unsealed.model.notice import Act, Detail, Silence, Wants
from unsealed.model.ports import Clock
from unsealed.model.texts import ENGLISH_ALONE, Languages, Texts
from unsealed.store import notices, preferences
from unsealed.store.engine import alone, reading
from unsealed.store.notices import Waiting

LOOK_S = 30.0
DAY = timedelta(days=1)
LINES = 100
READ = 2_000  # counted at most

log = structlog.get_logger()

ACTS = (Act.OPENED, Act.CLICKED, Act.REPLIED, Act.BOUNCED, Act.UNOPENED, Act.NO_REPLY)  # in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Writes the letters that are due. Several processes may have one each."""

    engine: Engine
    origin: str
    tracking: Callable[[], Tracking]
    clock: Clock
    languages: Languages = ENGLISH_ALONE

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
        found = _speaking(connection, user, notices.since_digest(connection, user, since, READ))
        notices.digest_written(connection, user, now)
        if not found:
            return False
        texts = self.languages.of(preferences.language_of_letters(connection, user))
        counted = Counter(each.act for each in found)
        numbers = ", ".join(_number(act, counted[act], texts) for act in ACTS if counted[act])
        local = now.astimezone(zone_of(wants))
        until = texts.say(
            "What became of your mail until %(time)s, %(day)s:",
            time=texts.clock(local, twelve=wants.twelve),
            day=texts.day(local),
        )
        lines = [until, ""]
        for each in found[:LINES]:
            at = own_time(each.at, wants)
            said = worded(each, at=at, twelve=wants.twelve, detail=Detail.ALL, texts=texts)
            lines += [
                said.title,
                *(f"    {line}" for line in said.body.splitlines()),
                f"    {self.origin}{said.path}",
                "",
            ]
        if len(found) > LINES:
            lines += [texts.say("And more: %(address)s", address=f"{self.origin}/sent"), ""]
        settings = f"{self.origin}/settings/notifications"
        lines.append(texts.say("Choose what is in this letter, or stop it: %(address)s", address=settings))
        subject = texts.say("Your mail: %(numbers)s", numbers=numbers)
        letters.send_digest(connection, user, subject, "\n".join(lines), tracking=self.tracking(), now=now)
        log.info("digest.written", lines=len(found[:LINES]))
        return True


def _speaking(connection: Connection, user: UserId, found: Sequence[Waiting]) -> list[Waiting]:
    """Those that nothing silences now: what was told before its speaker was pressed is not told once more."""
    silence = notices.silence(
        connection,
        user,
        messages={each.message for each in found if each.message is not None},
        threads={each.thread for each in found},
        contacts={each.address.lower() for each in found},
    )
    return [each for each in found if not _is_silent(silence, each)]


def _is_silent(silence: Silence, it: Waiting) -> bool:
    if silence.realtime_off or it.act in REMINDERS or it.message is None or it.sent_at is None:
        return silence.realtime_off
    return silenced(silence, it.message, it.thread, it.address.lower(), it.sent_at) is not None


def _number(act: Act, number: int, texts: Texts) -> str:
    match act:
        case Act.OPENED:
            return texts.plural("%(number)s opened", "%(number)s opened", number)
        case Act.CLICKED:
            return texts.plural("%(number)s click", "%(number)s clicks", number)
        case Act.REPLIED:
            return texts.plural("%(number)s reply", "%(number)s replies", number)
        case Act.BOUNCED:
            return texts.plural("%(number)s bounce", "%(number)s bounces", number)
        case Act.UNOPENED:
            return texts.plural("%(number)s reminder", "%(number)s reminders", number)
        case _:
            return texts.plural("%(number)s reminder of an answer", "%(number)s reminders of answers", number)


def _due(connection: Connection, now: datetime) -> dict[UserId, Wants]:
    """Whose letter of today was not written yet, though its hour has come."""
    due = {}
    for user, wants in notices.digest_wanted(connection).items():
        local = now.astimezone(zone_of(wants))
        # By one clock that is never set: of an hour that comes twice the first, and one that is left out comes as well.
        at = datetime.combine(local, wants.digest_at, local.tzinfo).astimezone(UTC)
        last = notices.last_digest(connection, user)
        if now >= at and (last is None or last < at):
            due[user] = wants
    return due
