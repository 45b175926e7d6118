"""Moments, spans and ages in words, for one reader: in the reader's zone and language, by the reader's clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from unsealed.model.texts import ENGLISH, Texts, later

JUST_NOW = later("just now")


@dataclass(frozen=True, slots=True)
class Times:
    """Moments in words, for one reader: seen from `now`, in the reader's zone and language, by the reader's clock."""

    now: datetime
    zone: tzinfo = UTC
    texts: Texts = ENGLISH
    twelve: bool = False  # the reader counts hours to twelve: "2:05 pm"

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def clock(self, at: datetime) -> str:
        return self.texts.clock(self.local(at), twelve=self.twelve)

    def second(self, at: datetime) -> str:
        return self.texts.clock(self.local(at), twelve=self.twelve, seconds=True)

    def hour(self, hour: int) -> str:
        """A whole hour, 0 to 24."""
        return self.texts.hour(hour, twelve=self.twelve)

    def on_the_hour(self, hour: int) -> str:
        """ "09:00", or "9 am" """
        return self.hour(hour) if self.twelve else f"{hour:02}:00"

    def days(self, at: datetime) -> int:
        """Midnights between then and now."""
        return (self.local(self.now).date() - self.local(at).date()).days

    def dated(self, day: date) -> str:
        return self.texts.day(day, short=True, year=self._another_year(day))

    def _another_year(self, day: date) -> bool:
        return day.year != self.local(self.now).year

    def ago(self, at: datetime) -> str:
        """ "just now", "3 min ago", "2 h ago", "yesterday", "Tuesday", "6 Mar"; live.js ages them by the same rule."""
        passed, say = self.now - at, self.texts.say
        if passed < timedelta(minutes=1):
            return say(JUST_NOW)
        if passed < timedelta(hours=1):
            return say("%(number)s min ago", number=passed // timedelta(minutes=1))
        if self.days(at) == 0 or passed < timedelta(hours=12):
            return say("%(number)s h ago", number=passed // timedelta(hours=1))
        if self.days(at) == 1:
            return say("yesterday")
        if self.days(at) < 7:
            return self.texts.weekday(self.local(at))
        return self.dated(self.local(at).date())

    def since(self, at: datetime, before: str) -> str:
        """How long ago, with words in front, "last 3 min ago": `before` names the place, "last %(ago)s"."""
        ago = self.ago(at)
        return ago if ago == self.texts.say(JUST_NOW) or not before else before % {"ago": ago}

    def when(self, at: datetime) -> str:
        """ "14:19" today, "Wed 16:40" this week, "6 Mar" before."""
        if self.days(at) <= 0:
            return self.clock(at)
        if self.days(at) < 7:
            return f"{self.texts.weekday(self.local(at), short=True)} {self.clock(at)}"
        return self.dated(self.local(at).date())

    def full(self, at: datetime) -> str:
        """ "today, 12 March, 09:14"."""
        there, say = self.local(at), self.texts.say
        parts = [self.texts.day(there, year=self._another_year(there)), self.clock(at)]
        days = self.days(at)
        if days in (0, 1):
            parts.insert(0, say("yesterday") if days else say("today"))
        elif days < 7:
            parts.insert(0, self.texts.weekday(there))
        return ", ".join(parts)

    def day(self, at: datetime) -> str:
        """Heading of a day: "Today, Thursday 12 March"."""
        there, say = self.local(at), self.texts.say
        day = self.texts.day(there, year=self._another_year(there))
        said = say("%(weekday)s %(date)s", weekday=self.texts.weekday(there), date=day)
        match self.days(at):
            case 0:
                return say("Today, %(day)s", day=said)
            case 1:
                return say("Yesterday, %(day)s", day=said)
            case _:
                return said

    def ahead(self, weeks: int = 2) -> list[tuple[date, str]]:
        """The next days, and some weeks behind them: "tomorrow, Friday 13 March", "Monday 16 March", "in 3 weeks"."""
        today, texts = self.local(self.now).date(), self.texts
        named: list[tuple[date, str]] = []
        for day in (today + timedelta(days=ahead) for ahead in range(1, 7 * weeks + 1)):
            said = texts.say("%(weekday)s %(date)s", weekday=texts.weekday(day), date=texts.day(day))
            named.append((day, said if named else texts.say("tomorrow, %(day)s", day=said)))
        for number in (3, 4, 8):
            said = texts.plural("in %(number)s week", "in %(number)s weeks", number)
            named.append((today + timedelta(weeks=number), said))
        return named

    def exact(self, at: datetime) -> str:
        """For tooltips: "Thu 12 Mar 2026, 12:08:44 WET"."""
        there, texts = self.local(at), self.texts
        weekday, day = texts.weekday(there, short=True), texts.day(there, short=True, year=True)
        said = texts.say("%(weekday)s %(date)s", weekday=weekday, date=day)
        return f"{said}, {self.second(at)} {there:%Z}"


def lasting(span: timedelta, texts: Texts) -> str:
    """ "1 h 53 min", "2 min", "8 s"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    said = {
        "d": texts.plural("%(number)s d", "%(number)s d", days),
        "h": texts.say("%(number)s h", number=hours),
        "min": texts.say("%(number)s min", number=minutes),
    }
    if days:
        return f"{said['d']} {said['h']}" if hours else said["d"]
    if hours:
        return f"{said['h']} {said['min']}" if minutes else said["h"]
    return said["min"] if minutes else texts.say("%(number)s s", number=seconds)


def days_old(day: date, today: date, texts: Texts) -> str:
    """ "of today", "5 days old", "7 months old"."""
    days = (today - day).days
    if days <= 0:
        return texts.say("of today")
    if days < 60:
        return texts.plural("%(number)s day old", "%(number)s days old", days)
    return texts.plural("%(number)s month old", "%(number)s months old", round(days / 30.44))
