"""What people read, in the language of who reads.

The English sentence is the key: `texts.say("No letter is open")`. Values stand in it by name, `%(who)s`, and a percent
sign is written twice. A sentence that is chosen in one place and said in another is marked with `later`.

Promises that a sentence without translation is said in English, and that nobody is ever told a key or a code instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time

Forms = Mapping[str, str | Mapping[str, str]]  # by the English sentence; of plurals, by the category of the number

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")
_RANGES_READ = 20
_MONTHS = "January February March April May June July August September October November December"


def later(sentence: str) -> str:
    """Marks a sentence for the catalogue; who reads it is known later, and then it is given to `Texts.say`."""
    return sentence


class Phrase(str):
    """A value in the sentence of an error that stands in the catalogue itself: `Phrase(later("the subject"))`; as a
    sentence with values of its own `Phrase(later("for mail to %(name)s"), name=name)`."""

    values: Mapping[str, object]

    def __new__(cls, sentence: str, **values: object) -> Phrase:
        made = super().__new__(cls, sentence)
        made.values = values
        return made


def _same(sentence: str) -> str:
    return sentence


def _within(context: str, sentence: str) -> str:
    return sentence


def _english(one: str, more: str, number: int) -> str:
    return one if number == 1 else more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texts:
    """One language: its sentences, and the names and signs that dates and numbers are written with."""

    code: str = "en"
    name: str = "English"  # as its speakers call it
    right_to_left: bool = False
    one: Callable[[str], str] = _same
    within_context: Callable[[str, str], str] = _within
    several: Callable[[str, str, int], str] = _english
    months: tuple[str, ...] = tuple(_MONTHS.split())
    months_short: tuple[str, ...] = tuple(each[:3] for each in _MONTHS.split())
    weekdays: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    weekdays_short: tuple[str, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    thousands: str = ","
    point: str = "."
    territories: Mapping[str, str] = field(default_factory=dict)  # names of countries by their code; else as in English
    scripts: Forms = field(default_factory=dict)  # what the scripts of the pages say, where it is not English

    def say(self, sentence: str, **values: object) -> str:
        """A sentence with its values."""
        return self.one(sentence) % values

    def within(self, context: str, sentence: str, **values: object) -> str:
        """A word that means several things, in one of its meanings: `within("state", "Open")`."""
        return self.within_context(context, sentence) % values

    def plural(self, one: str, more: str, number: int, **values: object) -> str:
        """The sentence for so many. Both may name `%(number)s`, which is then written as numbers are."""
        return self.several(one, more, number) % {"number": self.number(number), **values}

    def number(self, number: int) -> str:
        """ "1,234" """
        return f"{number:,}".replace(",", self.thousands)

    def decimal(self, number: float, places: int = 1) -> str:
        """ "1,234.5" """
        whole, _, rest = f"{number:,.{places}f}".partition(".")
        return whole.replace(",", self.thousands) + (self.point + rest if rest else "")

    def day(self, day: date, *, short: bool = False, year: bool = False) -> str:
        """ "12 March", "12 Mar 2026" """
        month = (self.months_short if short else self.months)[day.month - 1]
        if year:
            return self.say("%(day)s %(month)s %(year)s", day=day.day, month=month, year=day.year)
        return self.say("%(day)s %(month)s", day=day.day, month=month)

    def weekday(self, day: date, *, short: bool = False) -> str:
        """ "Thursday" or "Thu" """
        return (self.weekdays_short if short else self.weekdays)[day.weekday()]

    def clock(self, at: datetime | time, *, twelve: bool = False, seconds: bool = False) -> str:
        """ "14:05"; by the clock of twelve hours "2:05 pm" """
        rest = f":{at:%M:%S}" if seconds else f":{at:%M}"
        return self._half(at.hour, rest) if twelve else f"{at:%H}{rest}"

    def hour(self, hour: int, *, twelve: bool = False) -> str:
        """A whole hour, 0 to 24: "14"; by the clock of twelve hours "2 pm" """
        return self._half(hour % 24, "") if twelve else str(hour)

    def _half(self, hour: int, rest: str) -> str:
        half = self.within("clock", "pm") if hour >= 12 else self.within("clock", "am")
        return f"{hour % 12 or 12}{rest}\u00a0{half}"

    @property
    def direction(self) -> str:
        """For the attribute `dir` of a page."""
        return "rtl" if self.right_to_left else "ltr"


ENGLISH = Texts()


@dataclass(frozen=True, slots=True)
class Languages:
    """All that the pages can be read in, by code; English always."""

    known: Mapping[str, Texts] = field(default_factory=lambda: {ENGLISH.code: ENGLISH})

    def of(self, chosen: str, asked: str = "") -> Texts:
        """The language that somebody chose; else the first known one that a browser asks for; else English.

        chosen: a code, or "". asked: an Accept-Language header, by anybody.
        """
        if chosen in self.known:
            return self.known[chosen]
        found = [match for each in asked.split(",")[:_RANGES_READ] if (match := _RANGE.fullmatch(each))]
        ranges = [(float(match[2] or 1), match[1].lower()) for match in found]
        for wanted, code in sorted(ranges, key=lambda each: -each[0]):  # of equals, the first
            if not wanted:
                break
            if texts := self.known.get(code) or self.known.get(code.partition("-")[0]):
                return texts
        return ENGLISH


ENGLISH_ALONE = Languages()
