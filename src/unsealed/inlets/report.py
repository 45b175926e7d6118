"""One report, put together from an address: what pages, files and the API show alike.

The query names the period (`period`: 7, 30, 90, year, or own with `from` and `to`, days in the reader's zone), the
filters (`tag`, `template`, `domain`), by what recipients are put together (`by`) and which act ranks them (`act`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeVar

from sqlalchemy import Connection

from unsealed.core import report as judge
from unsealed.core.report import Delays, Heat, Pair
from unsealed.model.errors import BadInput
from unsealed.model.message import UserId, from_public_id
from unsealed.model.report import Act, Asked, By, Figures, Group, LinkGroup, Part, Programs
from unsealed.model.template import TemplateId, TemplateRow
from unsealed.store import mailboxes, reports, templates

PERIODS = {"7": 7, "30": 30, "90": 90}  # days, today included
PERIOD = "30"
COMPARED = 6  # groups, the largest: more pairs would need ever stronger evidence
REMEMBERED = timedelta(days=400)  # how far back a comparison reaches, whatever the period
NAMES = ("period", "from", "to", "tag", "template", "domain", "by", "act")
LETTERS = 253  # of a domain, and more than any tag has

Word = TypeVar("Word", By, Act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for, with what it left out filled in."""

    period: str
    first: date  # days in the reader's zone
    last: date
    asked: Asked
    by: By
    act: Act | None  # None: replies where they can be known, else opens


def read(given: Mapping[str, str], now: datetime, zone: tzinfo) -> Wanted:
    """What a query asks for.

    Raises:
        BadInput: a period, date, template, grouping or act that is none.
    """
    today = now.astimezone(zone).date()
    period = given.get("period") or PERIOD
    if period in PERIODS:
        first, last = today - timedelta(days=PERIODS[period] - 1), today
    elif period == "year":
        first, last = date(today.year, 1, 1), today
    elif period == "own":
        first, last = _day(given, "from"), _day(given, "to")
        if first > last:
            raise BadInput("the first day is behind the last one")
    else:
        raise BadInput(f"period is 7, 30, 90, year or own, not {period[:40]!r}")
    template = given.get("template", "")
    number = from_public_id(template) if template else None
    if template and number is None:
        raise BadInput("template is the id of a template: 16 hex digits")
    asked = Asked(
        since=_midnight(first, zone),
        until=_midnight(last + timedelta(days=1), zone),
        tag=_text(given, "tag"),
        template=None if number is None else TemplateId(number),
        domain=_text(given, "domain").lower().removeprefix("@"),
    )
    return Wanted(
        period=period,
        first=first,
        last=last,
        asked=asked,
        by=_one_of(By, given.get("by") or By.TEMPLATE, "by"),
        act=_one_of(Act, given["act"], "act") if given.get("act") else None,
    )


def _day(given: Mapping[str, str], name: str) -> date:
    try:
        day = date.fromisoformat(given.get(name, ""))
    except ValueError:
        day = date.min
    if not 1970 < day.year < 9000:
        raise BadInput(f"{name!r} is a day such as 2026-11-22") from None
    return day


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _text(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").replace("\0", "").strip()[:LETTERS]


def _one_of(kind: type[Word], value: str, name: str) -> Word:
    try:
        return kind(value)
    except ValueError:
        raise BadInput(f"{name} is {', '.join(kind)}, not {value[:40]!r}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a page, a file or a program is shown of one report."""

    wanted: Wanted
    act: Act  # what ranks the groups
    replies_known: bool  # a mailbox is looked at for answers
    figures: Figures
    heat: Heat
    delays: Delays | None
    programs: Programs
    groups: tuple[Group, ...]  # those with a rate first
    pairs: tuple[Pair, ...]  # the most certain first
    links: tuple[LinkGroup, ...]
    tags: tuple[str, ...]  # what there is to filter by
    templates: tuple[TemplateRow, ...]

    @property
    def enough(self) -> bool:
        """Whether there is anything but "not enough yet" to show."""
        return self.figures.counts.tracked >= judge.LEAST

    @property
    def bounced(self) -> Part:
        return Part(self.figures.counts.bounced, self.figures.counts.recipients)


def make(connection: Connection, user: UserId, wanted: Wanted, now: datetime, zone: tzinfo) -> Report:
    """Everything that a report shows."""
    looked = reports.look(connection, user, wanted.asked, wanted.by)
    figures = looked.figures
    known = mailboxes.of(connection, user) is not None or figures.counts.replied > 0
    act = wanted.act or (Act.REPLIED if known else Act.OPENED)
    groups: Sequence[Group] = ()
    links: Sequence[LinkGroup] = ()
    pairs: Sequence[Pair] = ()
    if wanted.by is By.LINK:
        links = reports.link_groups(connection, user, wanted.asked)
    else:
        groups = sorted(looked.groups(act), key=lambda group: judge.rate(group.counts.part(act)) is None)
        pairs = _compared(connection, user, wanted.asked, groups, act, now)
    return Report(
        wanted=wanted,
        act=act,
        replies_known=known,
        figures=figures,
        heat=judge.heat(figures.quarters, zone),
        delays=judge.delays(figures.delays_s),
        programs=reports.programs(connection, user, wanted.asked),
        groups=tuple(groups),
        pairs=tuple(pairs),
        links=tuple(links),
        tags=tuple(reports.tags(connection, user)),
        templates=tuple(templates.list_for(connection, user)),
    )


def _compared(
    connection: Connection, user: UserId, asked: Asked, groups: Sequence[Group], act: Act, now: datetime
) -> list[Pair]:
    sized = [group for group in groups if judge.rate(group.counts.part(act)) is not None]
    largest = sorted(sized, key=lambda group: -group.counts.part(act).whole)[:COMPARED]
    if len(largest) < 2:
        return []
    everything = Asked(since=now - REMEMBERED, until=now, tag=asked.tag, template=asked.template, domain=asked.domain)
    return judge.compare(reports.arms(connection, user, everything, largest, act, window=judge.WINDOW))
