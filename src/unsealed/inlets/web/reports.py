"""Reports: what comes back from one's letters, in figures.

    /reports               figures, hours, programs, and what works best, by template, subject or link
    /reports/figures.csv   the same as a file
    /reports/messages.csv, /reports/recipients.csv, /reports/events.csv   what it is counted from
    /reports/team          all people together, for owners and administrators, once an owner allowed it

The query of all of them is that of inlets.report. Charts are drawn here and never hold what their table does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from unsealed.core import report as judge
from unsealed.core.report import Pair, Rate
from unsealed.core.spreadsheet import BOM, Value, line
from unsealed.inlets import report as reporting
from unsealed.inlets.report import NAMES, Report, Wanted
from unsealed.inlets.web import evidence, figures, moments, words
from unsealed.inlets.web.columns import heads
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.surroundings import asked, changed, person, surroundings
from unsealed.model.event import Device, Finding
from unsealed.model.message import UserId, public_id
from unsealed.model.report import Act, Asked, By, Counts, Group, Part, Programs, Team, Week
from unsealed.model.texts import Texts, later
from unsealed.store import reports, sent
from unsealed.store.people import Role

PERIODS = {
    "7": later("Last 7 days"),
    "30": later("Last 30 days"),
    "90": later("Last 90 days"),
    "year": later("This year"),
}
LONGER = ("90", "year")  # offered when there is too little in another
SENT = {  # the same within a sentence
    "7": later("last 7 days"),
    "30": later("last 30 days"),
    "90": later("last 90 days"),
    "year": later("this year"),
}
BYS = {By.TEMPLATE: later("Templates"), By.SUBJECT: later("Subjects"), By.LINK: later("Links")}
ACTS = {Act.REPLIED: later("By replies"), Act.CLICKED: later("By clicks"), Act.OPENED: later("By opens")}
DONE = {Act.REPLIED: later("Replied"), Act.CLICKED: later("Clicked"), Act.OPENED: later("Opened")}
WINDOWS = {
    Act.REPLIED: later(
        "Who replied within %(days)s days, of letters sent since both were in use, whatever the period above."
    ),
    Act.CLICKED: later(
        "Who clicked within %(days)s days, of letters sent since both were in use, whatever the period above."
    ),
    Act.OPENED: later(
        "Who opened within %(days)s days, of letters sent since both were in use, whatever the period above."
    ),
}
SPANS = (4, 13)  # weeks of a team report
NOT_FOR_YOU = later("Only owners and administrators see figures of all people together.")

BINS = {  # of the time until somebody opened, by the end of each; 0: what is later
    60: later("Within a minute"),
    600: later("A minute to 10 minutes"),
    3_600: later("10 minutes to an hour"),
    14_400: later("An hour to 4 hours"),
    86_400: later("4 hours to a day"),
    259_200: later("A day to 3 days"),
    604_800: later("3 days to a week"),
    0: later("Later than a week"),
}


# --- pages ------------------------------------------------------------------------------------------------------------


async def page(request: Request) -> Response:
    """`/reports`."""
    times, user = said(request), person(request).id
    wanted = reporting.read(request.query_params, times.now, times.zone)

    def look(store: Connection) -> tuple[Report, Team, bool, str]:
        report = reporting.make(store, user, wanted, times.now, times.zone)
        anything = report.enough or bool(sent.listed(store, user, limit=1, now=times.now).items)
        longer = "" if report.enough else _longer(store, user, wanted, times)
        return report, reports.team(store), anything, longer

    report, team, anything, longer = await asked(request, look)
    where, texts = Address(request.query_params), times.texts
    return render(
        request,
        "reports.html",
        report=report,
        anything=anything,
        longer=longer,
        seen_by_person=team is Team.PEOPLE,
        where=where,
        judge=judge,
        Act=Act,
        periods=PERIODS,
        spans=SENT,
        windows=WINDOWS,
        bys=BYS,
        acts=ACTS,
        did=DONE[report.act],
        span=period_words(wanted, times),
        devices=shares(device_parts(report.programs, texts)),
        proxied=proxied(report.programs),
        seen=shares(seen_parts(report.figures.counts, texts)),
        delays=shares(delay_parts(report, texts)),
        programs=program_parts(report.programs, texts),
        chart=chart(report, texts),
        likelier=likelier,
        template_name=_template_name(report, texts),
        percent=lambda value: percent(value, texts),
        duration=duration,
        public_id=public_id,
    )


def _longer(store: Connection, user: UserId, wanted: Wanted, times: moments.Times) -> str:
    """The longest period that holds letters from before the one that is looked at; "" when none does."""
    offered = [reporting.read({"period": name}, times.now, times.zone) for name in LONGER]
    for other in sorted(offered, key=lambda other: other.first):
        before = replace(other.asked, until=wanted.asked.since)
        if other.first < wanted.first and reports.any_sent(store, user, before):
            return other.period
    return ""


def _template_name(report: Report, texts: Texts) -> str:
    wanted = report.wanted.asked.template
    return next(
        (each.name for each in report.templates if each.id == wanted), texts.say("A template") if wanted else ""
    )


async def team(request: Request) -> Response:
    """`/reports/team`."""
    me, times = _chief(request), said(request)
    span = next((each for each in SPANS if request.query_params.get("weeks") == str(each)), SPANS[1])
    since, until = judge.whole_weeks(times.now, span)

    def look(store: Connection) -> tuple[Team, list[Week], list[Group]]:
        allowed = reports.team(store)
        weeks = [] if allowed is Team.NOTHING else reports.weeks(store, since, until, besides=me)
        return allowed, weeks, reports.by_person(store, since, until) if allowed is Team.PEOPLE else []

    allowed, weeks, found = await asked(request, look)
    counts, told, left_out = judge.team(weeks)
    return render(
        request,
        "reports_team.html",
        allowed=allowed,
        owner=person(request).session.user.role is Role.OWNER,
        counts=counts,
        told=told,
        left_out=left_out,
        span=span,
        spans=SPANS,
        until=until,
        senders=ranked(found),
        judge=judge,
        Act=Act,
        Team=Team,
        percent=lambda value: percent(value, times.texts),
    )


def ranked(found: Sequence[Group]) -> list[Group]:
    """People by their replies, those with a rate first."""

    def place(group: Group) -> tuple[bool, float]:
        rate = judge.rate(group.counts.part(Act.REPLIED))
        return rate is None, -rate.value if rate else 0.0

    return sorted(found, key=place)


async def allow_team(request: Request) -> Response:
    """POST. Form: allowed, one of Team."""
    me, now = _chief(request), surroundings(request).clock()
    try:
        allowed = Team(request.state.form.get("allowed", ""))
    except ValueError:
        raise HTTPException(400, "Choose what owners and administrators may see.") from None
    await changed(request, lambda store: reports.allow_team(store, me, allowed, now))
    return RedirectResponse("/reports/team", 303)


def _chief(request: Request) -> UserId:
    who = person(request)
    if who.session.user.role is Role.MEMBER:
        raise HTTPException(403, NOT_FOR_YOU)
    return who.id


# --- files ------------------------------------------------------------------------------------------------------------


async def figures_file(request: Request) -> Response:
    """`/reports/figures.csv`: everything that the page shows."""
    times, user = said(request), person(request).id
    wanted = reporting.read(request.query_params, times.now, times.zone)
    report = await asked(request, lambda store: reporting.make(store, user, wanted, times.now, times.zone))
    return _file(wanted, "figures", heads(figures.COLUMNS, times.texts), figures.lines(report, times.texts))


Rows = Callable[[Engine, UserId, Asked], Iterator[tuple[Any, ...]]]


def _rows_file(name: str, columns: Sequence[str], rows: Rows, ids: frozenset[str]) -> Route:
    async def answer(request: Request) -> Response:
        times, engine, user = said(request), surroundings(request).engine, person(request).id
        wanted = reporting.read(request.query_params, times.now, times.zone)
        hidden = [column in ids for column in columns]

        def lines() -> Iterator[tuple[Value, ...]]:
            for row in rows(engine, user, wanted.asked):
                pairs = zip(row, hidden, strict=True)
                yield tuple(public_id(value) if is_id and value is not None else value for value, is_id in pairs)

        return _file(wanted, name, heads(columns, times.texts), lines())

    return Route(f"/reports/{name}.csv", answer)


def _file(wanted: Wanted, name: str, head: tuple[str, ...], rows: Iterator[tuple[Value, ...]]) -> Response:
    def content() -> Iterator[str]:
        yield BOM
        yield line(head)
        for row in rows:
            yield line(row)

    called = f"unsealed-{name}-{wanted.first:%Y%m%d}-{wanted.last:%Y%m%d}.csv"
    return StreamingResponse(
        _gathered(content()),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{called}"', "X-Content-Type-Options": "nosniff"},
    )


def _gathered(lines: Iterator[str], portion: int = 64_000) -> Iterator[bytes]:
    """Lines in pieces of some size: each piece is a trip through the thread pool."""
    waiting: list[str] = []
    letters = 0
    for each in lines:
        waiting.append(each)
        letters += len(each)
        if letters >= portion:
            yield "".join(waiting).encode()
            waiting, letters = [], 0
    yield "".join(waiting).encode()


# --- addresses --------------------------------------------------------------------------------------------------------


class Address:
    """The address of a report, to be changed in one place."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = {name: given[name] for name in NAMES if given.get(name)}

    def to(self, path: str = "/reports", /, **changes: str) -> str:
        """The address after these changes; "" takes something away. `from_` is the parameter `from`."""
        query = self._given | {name.rstrip("_"): value for name, value in changes.items()}
        kept = urlencode({name: value for name, value in query.items() if value})
        return f"{path}?{kept}" if kept else path

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """For the hidden fields of a form."""
        return [(name, value) for name, value in self._given.items() if name not in without]

    @property
    def narrowed(self) -> bool:
        return any(name in self._given for name in ("tag", "template", "domain"))


def period_words(wanted: Wanted, times: moments.Times) -> str:
    """ "Last 30 days", "3 Mar to 4 Apr"."""
    if wanted.period in PERIODS:
        return times.texts.say(PERIODS[wanted.period])
    return times.texts.say("%(first)s to %(last)s", first=times.dated(wanted.first), last=times.dated(wanted.last))


# --- figures in words -------------------------------------------------------------------------------------------------


def percent(value: float, texts: Texts) -> str:
    """ "61.4"."""
    return texts.decimal(100 * value)


def duration(seconds: int, texts: Texts) -> str:
    """ "40 s", "22 min", "2 h 40 min", "3 days"."""
    if seconds < 48 * 3_600:
        return moments.lasting(timedelta(seconds=seconds), texts)
    return texts.plural("%(number)s day", "%(number)s days", seconds // 86_400)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole with a bar: f full, e hollow, d dashed."""

    words: str
    part: Part
    look: str = "f"

    @property
    def width(self) -> float:
        """Of 200."""
        return round(199 * self.part.of / self.part.whole, 1) if self.part.whole else 0.0

    @property
    def percent(self) -> str:
        return f"{100 * self.part.of / self.part.whole:.0f} %" if self.part.whole else "-"


def shares(parts: Sequence[tuple[str, Part, str]]) -> list[Share]:
    """Name, part and look of each, for a bar."""
    return [Share(*part) for part in parts]


def seen_parts(counts: Counts, texts: Texts) -> list[tuple[str, Part, str]]:
    """What can be said of the tracked recipients; the parts add up."""
    other = counts.tracked - counts.opened - counts.machine - counts.silent
    found = [(texts.say("Opened"), counts.opened, "f")]
    if other > 0:
        found.append((texts.say("Clicked or replied, the open was not seen"), other, "f"))
    silent = texts.say("No signal")
    if counts.unseen:
        unseen = texts.number(counts.unseen)
        silent = texts.say("No signal; for %(number)s of them opens are never seen", number=unseen)
    found += [(texts.say("Loaded by a machine only"), counts.machine, "e"), (silent, counts.silent, "d")]
    return [(said_so, Part(number, counts.tracked), look) for said_so, number, look in found]


def device_parts(programs: Programs, texts: Texts) -> list[tuple[str, Part, str]]:
    """Readings by device, then by program, the most first."""
    found: list[tuple[str, Part, str]] = []
    for device, name in figures.DEVICES.items():
        number = sum(each.readings for each in programs.items if each.device is device)
        if number:
            told = device not in (Device.HIDDEN, Device.UNKNOWN)
            found.append((texts.say(name), Part(number, programs.readings), "f" if told else "e"))
    return found


def program_parts(programs: Programs, texts: Texts, most: int = 6) -> list[tuple[str, Part]]:
    """The programs that were named most."""
    by_name: dict[str, int] = {}
    for each in programs.items:
        name = evidence.NAMED.get(each.client, each.client) or texts.say("Not known")
        by_name[name] = by_name.get(name, 0) + each.readings
    ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    return [(name, Part(number, programs.readings)) for name, number in ordered[:most]]


def proxied(programs: Programs) -> Part:
    """Readings of which a proxy hides device and place."""
    hidden = sum(each.readings for each in programs.items if each.finding is Finding.PROXIED_OPEN)
    return Part(hidden, programs.readings)


def delay_parts(report: Report, texts: Texts) -> list[tuple[str, Part, str]]:
    """People by the time until they were first seen."""
    if report.delays is None:
        return []
    whole = report.delays.people
    return [(texts.say(BINS[end]), Part(people, whole), "f") for end, people in report.delays.bins]


# --- groups with their ranges -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One group in the table, with its range drawn over an axis from 0 to `Chart.top`."""

    name: str
    to: dict[str, str]  # what its address changes
    part: Part
    rate: Rate | None
    drawn: Rate  # also where there is not enough for a rate
    says: str
    apart: bool = False  # not enough yet
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a range of rates, placed for drawing."""

    top: float  # 0 to 1
    lines: tuple[Line, ...]

    def x(self, value: float) -> float:
        """Where a rate lies in a drawing of 352."""
        return round(4 + 344 * min(value / self.top, 1), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Four steps of the axis: where, and percent."""
        steps = [self.top * number / 4 for number in range(5)]
        return [(self.x(each), f"{100 * each:g}") for each in steps]


def chart(report: Report, texts: Texts) -> Chart:
    """The groups of a report, or its links."""
    if report.wanted.by is By.LINK:
        lines = [
            _line(
                link.text or words.bare(link.destination),
                {},
                link.people,
                "",
                texts,
                texts.plural("%(number)s click", "%(number)s clicks", link.clicks),
            )
            for link in report.links
        ]
    else:
        lines = [
            _line(
                group.name,
                {} if group.template is None else {"template": public_id(group.template)},
                group.counts.part(report.act),
                says(group, report.pairs, texts),
                texts,
            )
            for group in report.groups
        ]
    highest = max((each.rate.high for each in lines if each.rate is not None), default=1.0)
    return Chart(_top(highest), tuple(lines))


def _line(name: str, to: dict[str, str], part: Part, verdict: str, texts: Texts, note: str = "") -> Line:
    rate = judge.rate(part)
    if rate is None:
        missing = judge.missing(part)
        verdict = texts.say("not enough yet: %(missing)s more until %(least)s", missing=missing, least=judge.LEAST)
    return Line(
        name=name, to=to, part=part, rate=rate, drawn=judge.wilson(part), says=verdict, apart=rate is None, note=note
    )


def _top(highest: float) -> float:
    """The end of the axis: the next of 4, 8, 12, 20, 40, 60, 80, 100 percent."""
    return next((end / 100 for end in (4, 8, 12, 20, 40, 60, 80) if highest <= end / 100), 1.0)


def says(group: Group, pairs: Sequence[Pair], texts: Texts) -> str:
    """What the comparison of a group with the others came to; "" when it was not compared."""
    mine = [pair for pair in pairs if group.name in (pair.first, pair.second)]
    ahead = [pair.second for pair in mine if pair.wins and pair.first == group.name]
    behind = [pair.first for pair in mine if pair.wins and pair.second == group.name]
    found = [texts.say("ahead of %(others)s", others=_several(ahead, texts))] if ahead else []
    found += [texts.say("behind %(others)s", others=_several(behind, texts))] if behind else []
    return "; ".join(found) or (texts.say("no winner yet") if mine else "")


def _several(names: Sequence[str], texts: Texts) -> str:
    """ "Renewal", "Renewal and 2 others"."""
    if len(names) == 1:
        return names[0]
    return texts.plural(
        "%(name)s and %(number)s other", "%(name)s and %(number)s others", len(names) - 1, name=names[0]
    )


def likelier(ratio: float, texts: Texts) -> str:
    """How much likelier what was seen is with a difference than without: "3 times", "more than 1,000 times"."""
    if ratio >= 1_000:
        return texts.say("more than %(number)s times", number=texts.number(1_000))
    number = texts.decimal(ratio) if ratio < 10 else texts.number(math.floor(ratio))
    return texts.say("%(number)s times", number=number)


_IDS = frozenset({"id", "message", "copy", "event"})

routes = [
    Route("/reports", page),
    Route("/reports/team", team),
    Route("/reports/team", allow_team, methods=["POST"]),
    Route("/reports/figures.csv", figures_file),
    _rows_file("messages", reports.SENT, reports.sent_rows, _IDS),
    _rows_file("recipients", reports.PEOPLE, reports.people_rows, _IDS),
    _rows_file("events", reports.HAPPENED, reports.event_rows, _IDS),
]
