"""The figures of a report as lines of a file, in the language of who downloads it.

Promises one figure a line and everything that the page shows. What is a name of ours is said in the reader's language;
days, ids and what people wrote stay as the API writes them.
"""

from __future__ import annotations

from collections.abc import Iterator

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
COLUMNS = ("section", "name", "count", "of", "rate", "low", "high", "note")


def lines(report: Report, texts: Texts) -> Iterator[tuple[Value, ...]]:
    """Everything that the page shows, one figure in a line, in the order of `COLUMNS`."""
    counts, wanted, within = report.figures.counts, report.wanted, texts.within
    acts = {
        Act.REPLIED: within("figure", "replied"),
        Act.CLICKED: within("figure", "clicked"),
        Act.OPENED: within("figure", "opened"),
    }
    period, kept = within("section", "period"), within("section", "filter")
    yield period, within("figure", "first day"), wanted.first.isoformat(), None, None, None, None, ""
    yield period, within("figure", "last day"), wanted.last.isoformat(), None, None, None, None, ""
    if wanted.asked.tag:
        yield kept, within("column", "tag"), wanted.asked.tag, None, None, None, None, ""
    if wanted.asked.domain:
        yield kept, within("column", "domain"), wanted.asked.domain, None, None, None, None, ""
    if wanted.asked.template is not None:
        yield kept, within("column", "template"), public_id(wanted.asked.template), None, None, None, None, ""
    figures = within("section", "figures")
    yield figures, within("figure", "messages"), report.figures.messages, None, None, None, None, _cut(report, texts)
    for act, done in acts.items():
        yield _rated(figures, done, counts.part(act), "", texts)
    yield _rated(figures, within("figure", "bounced"), report.bounced, "", texts)
    left_out = within("section", "left out")
    for name, number in (
        (within("figure", "machines alone"), counts.machine),
        (within("figure", "no signal"), counts.silent),
        (within("figure", "anonymous, in no figure"), counts.anonymous),
        (within("figure", "links followed by machines alone"), counts.machine_clicks),
    ):
        yield left_out, name, number, counts.tracked, None, None, None, ""
    yield left_out, within("figure", "automatic replies"), report.figures.automatic, None, None, None, None, ""
    if report.delays is not None:
        first = within("section", "first open")
        quarter, half = within("figure", "a quarter within seconds"), within("figure", "half within seconds")
        yield first, quarter, report.delays.quarter_s, None, None, None, None, ""
        yield first, half, report.delays.median_s, None, None, None, None, ""
        for end, people in report.delays.bins:
            name = within("figure", "under %(number)s seconds", number=end) if end else within("figure", "later")
            yield first, name, people, report.delays.people, None, None, None, ""
    for day, row in enumerate(report.heat.cells):
        for hour, seen in enumerate(row):
            name = f"{texts.weekdays[day]} {hour:02}"
            yield within("section", "hours"), name, seen, report.heat.total, None, None, None, ""
    for program in report.programs.items:
        client = evidence.NAMED.get(program.client, program.client) or texts.say("Not known")
        name = ", ".join((client, texts.say(DEVICES[program.device]), texts.say(evidence.FINDINGS[program.finding])))
        yield within("section", "programs"), name, program.readings, report.programs.readings, None, None, None, ""
    grouped = {
        By.TEMPLATE: within("column", "template"),
        By.SUBJECT: within("column", "subject"),
        By.LINK: within("column", "link"),
    }[wanted.by]
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
        yield within("section", "comparison"), said, pair.a.of, pair.a.whole, None, None, None, ""
    for link in report.links:
        yield _rated(grouped, link.destination, link.people, link.text, texts)


def _rated(section: str, name: str, part: Part, note: str, texts: Texts) -> tuple[Value, ...]:
    rate = judge.rate(part)
    if rate is None:
        return section, name, part.of, part.whole, None, None, None, note or texts.say("not enough yet")
    return section, name, part.of, part.whole, round(rate.value, 4), round(rate.low, 4), round(rate.high, 4), note


def _cut(report: Report, texts: Texts) -> str:
    cut_at = report.figures.cut_at
    return "" if cut_at is None else texts.say("the newest only, since %(day)s", day=f"{cut_at:%Y-%m-%d}")
