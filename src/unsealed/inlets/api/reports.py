"""Reports, for programs: the figures of the page /reports.

    GET /api/v1/reports   period (7, 30, 90, year, or own with from and to), tag, template, domain, by (template,
                          subject, link), act (replied, clicked, opened); days and hours are UTC

A rate is null while there are fewer than 20 recipients; its two numbers are always there.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
from starlette.routing import Route

from unsealed.core import report as judge
from unsealed.inlets import report as reporting
from unsealed.inlets.api.door import Door, Question
from unsealed.inlets.report import NAMES, Report
from unsealed.model.message import public_id
from unsealed.model.report import Act, Counts, Group, Part


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    of: int
    rate: float | None  # 0 to 1
    low: float | None  # the range in which the true rate lies, 95 of 100 times
    high: float | None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    recipients: int  # whose copy left, or came back
    tracked: int
    opened: Rate  # of the tracked by a pixel
    clicked: Rate  # of those with tracked links
    replied: Rate  # of those whose copy did not come back
    bounced: Rate
    machine_only: int  # of the tracked: nothing but machines
    machine_clicks_only: int
    no_signal: int
    anonymous: int  # tracked for sums alone: in no figure about signals


class Grouped(Counted, frozen=True, kw_only=True):
    name: str
    template: str | None
    version: int | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    first: str  # the one with the higher rate
    first_rate: Rate
    second: str
    second_rate: Rate
    since: date  # the first day on which both were in use
    winner: bool  # false: no winner yet
    ratio: float  # how much likelier the data are with a difference than without


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    text: str
    clicks: int
    people: Rate  # of all who followed a link


class Program(msgspec.Struct, frozen=True, kw_only=True):
    client: str
    client_kind: str
    device: str
    verdict: str
    readings: int


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    people: int
    quarter_s: int
    median_s: int


class Figures(Counted, frozen=True, kw_only=True):
    first: date
    last: date
    messages: int
    since: datetime | None  # the oldest message that was counted, when there were too many; null: all were
    automatic_replies: int
    act: str  # what the comparison is about
    time_to_open: Delays | None
    hours: tuple[tuple[int | None, ...], ...]  # people by their first open, Monday first; null: under 20
    readings: int
    programs: tuple[Program, ...]
    groups: tuple[Grouped, ...]
    comparisons: tuple[Comparison, ...]
    links: tuple[Followed, ...]


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [door.get("/api/v1/reports", _figures)]


def _figures(question: Question) -> Figures:
    question.only(*NAMES)
    wanted = reporting.read(dict(question.given), question.now, UTC)
    report = reporting.make(question.connection, question.user, wanted, question.now, UTC)
    delays = report.delays
    return Figures(
        **_counted(report.figures.counts),
        first=report.wanted.first,
        last=report.wanted.last,
        messages=report.figures.messages,
        since=report.figures.cut_at,
        automatic_replies=report.figures.automatic,
        act=report.act.value,
        time_to_open=None
        if delays is None
        else Delays(people=delays.people, quarter_s=delays.quarter_s, median_s=delays.median_s),
        hours=report.heat.cells,
        readings=report.programs.readings,
        programs=tuple(
            Program(
                client=each.client,
                client_kind=each.kind.value,
                device=each.device.value,
                verdict=each.finding.value,
                readings=each.readings,
            )
            for each in report.programs.items
        ),
        groups=tuple(map(_grouped, report.groups)),
        comparisons=_comparisons(report),
        links=tuple(
            Followed(url=link.destination, text=link.text, clicks=link.clicks, people=_rate(link.people))
            for link in report.links
        ),
    )


def _comparisons(report: Report) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(
            first=pair.first,
            first_rate=_rate(pair.a),
            second=pair.second,
            second_rate=_rate(pair.b),
            since=date.fromordinal(date(1970, 1, 1).toordinal() + pair.since),
            winner=pair.wins,
            ratio=pair.ratio,
        )
        for pair in report.pairs
    )


def _grouped(group: Group) -> Grouped:
    template = None if group.template is None else public_id(group.template)
    return Grouped(**_counted(group.counts), name=group.name, template=template, version=group.version or None)


def _counted(counts: Counts) -> dict[str, Any]:
    return {
        "recipients": counts.recipients,
        "tracked": counts.tracked,
        "opened": _rate(counts.part(Act.OPENED)),
        "clicked": _rate(counts.part(Act.CLICKED)),
        "replied": _rate(counts.part(Act.REPLIED)),
        "bounced": _rate(Part(counts.bounced, counts.recipients)),
        "machine_only": counts.machine,
        "machine_clicks_only": counts.machine_clicks,
        "no_signal": counts.silent,
        "anonymous": counts.anonymous,
    }


def _rate(part: Part) -> Rate:
    found = judge.rate(part)
    if found is None:
        return Rate(count=part.of, of=part.whole, rate=None, low=None, high=None)
    return Rate(count=part.of, of=part.whole, rate=found.value, low=found.low, high=found.high)
