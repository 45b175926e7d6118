"""The figures of a report as lines of a file, in the language of who downloads it.

Promises one figure a line and everything that the page shows. What is a name of ours is said in the reader's language;
days, ids and what people wrote stay as the API writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from unsealed.core import report as judge
from unsealed.core.spreadsheet import Value
from unsealed.inlets.report import Report
from unsealed.inlets.web import evidence
from unsealed.model.event import Device
from unsealed.model.message import public_id
from unsealed.model.report import Act, By, Part
from unsealed.model.texts import Texts, later

DEVICES = {
    Device.DESKTOP: later("Computer"),
    Device.MOBILE: later("Phone"),
    Device.TABLET: later("Tablet"),
    Device.HIDDEN: later("Not told: a proxy or webmail stands between"),
    Device.UNKNOWN: later("Not known"),
}


class Line(NamedTuple):
    """One figure, in the order of `COLUMNS`."""

    section: str
    name: str
    number: Value
    of: int | None = None
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


COLUMNS = ("section", "name", "count", "of", "rate", "low", "high", "note")


def lines(report: Report, texts: Texts) -> Iterator[Line]:
    """Everything that the page shows, one figure in a line."""
    acts = {
        Act.REPLIED: texts.within("figure", "replied"),
        Act.CLICKED: texts.within("figure", "clicked"),
        Act.OPENED: texts.within("figure", "opened"),
    }
    yield from _asked(report, texts)
    yield from _sums(report, acts, texts)
    yield from _readings(report, texts)
    yield from _groups(report, acts, texts)


def _asked(report: Report, texts: Texts) -> Iterator[Line]:
    wanted, within = report.wanted, texts.within
    period, kept = within("section", "period"), within("section", "filter")
    yield Line(period, within("figure", "first day"), wanted.first.isoformat())
    yield Line(period, within("figure", "last day"), wanted.last.isoformat())
    if wanted.asked.tag:
        yield Line(kept, within("column", "tag"), wanted.asked.tag)
    if wanted.asked.domain:
        yield Line(kept, within("column", "domain"), wanted.asked.domain)
    if wanted.asked.template is not None:
        yield Line(kept, within("column", "template"), public_id(wanted.asked.template))


def _sums(report: Report, acts: Mapping[Act, str], texts: Texts) -> Iterator[Line]:
    counts, within = report.figures.counts, texts.within
    figures, left_out = within("section", "figures"), within("section", "left out")
    yield Line(figures, within("figure", "messages"), report.figures.messages, note=_cut(report, texts))
    for act, done in acts.items():
        yield _rated(figures, done, counts.part(act), "", texts)
    yield _rated(figures, within("figure", "bounced"), report.bounced, "", texts)
    for name, number in (
        (within("figure", "machines alone"), counts.machine),
        (within("figure", "no signal"), counts.silent),
        (within("figure", "anonymous, in no figure"), counts.anonymous),
        (within("figure", "links followed by machines alone"), counts.machine_clicks),
    ):
        yield Line(left_out, name, number, counts.tracked)
    yield Line(left_out, within("figure", "automatic replies"), report.figures.automatic)


def _readings(report: Report, texts: Texts) -> Iterator[Line]:
    """How soon, when and with what."""
    within = texts.within
    if report.delays is not None:
        first = within("section", "first open")
        yield Line(first, within("figure", "a quarter within seconds"), report.delays.quarter_s)
        yield Line(first, within("figure", "half within seconds"), report.delays.median_s)
        for end, people in report.delays.bins:
            name = within("figure", "under %(number)s seconds", number=end) if end else within("figure", "later")
            yield Line(first, name, people, report.delays.people)
    for day, row in enumerate(report.heat.cells):
        for hour, seen in enumerate(row):
            yield Line(within("section", "hours"), f"{texts.weekdays[day]} {hour:02}", seen, report.heat.total)
    for program in report.programs.items:
        client = evidence.NAMED.get(program.client, program.client) or texts.say("Not known")
        name = ", ".join((client, texts.say(DEVICES[program.device]), texts.say(evidence.FINDINGS[program.finding])))
        yield Line(within("section", "programs"), name, program.readings, report.programs.readings)


def _groups(report: Report, acts: Mapping[Act, str], texts: Texts) -> Iterator[Line]:
    """Templates, subjects or links side by side."""
    within = texts.within
    grouped = {
        By.TEMPLATE: within("column", "template"),
        By.SUBJECT: within("column", "subject"),
        By.LINK: within("column", "link"),
    }[report.wanted.by]
    for group in report.groups:
        for act, done in acts.items():
            yield _rated(grouped, group.name, group.counts.part(act), done, texts)
    for pair in report.pairs:
        names = {"first": pair.first, "second": pair.second}
        said = (
            texts.say("%(first)s stands clear of %(second)s", **names)
            if pair.wins
            else texts.say("%(first)s no winner yet against %(second)s", **names)
        )
        yield Line(within("section", "comparison"), said, pair.a.of, pair.a.whole)
    for link in report.links:
        yield _rated(grouped, link.destination, link.people, link.text, texts)


def _rated(section: str, name: str, part: Part, note: str, texts: Texts) -> Line:
    rate = judge.rate(part)
    if rate is None:
        return Line(section, name, part.of, part.whole, note=note or texts.say("not enough yet"))
    ends = round(rate.low, 4), round(rate.high, 4)
    return Line(section, name, part.of, part.whole, round(rate.value, 4), *ends, note=note)


def _cut(report: Report, texts: Texts) -> str:
    cut_at = report.figures.cut_at
    return "" if cut_at is None else texts.say("the newest only, since %(day)s", day=f"{cut_at:%Y-%m-%d}")
