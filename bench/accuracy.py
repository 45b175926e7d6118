"""How often the judge is right about people and machines of bench.population.

    python -m bench.accuracy [--write] [--seeds N] [--letters N]

Every request goes the way it goes in the product: core.agent and core.network read it, core.judge judges all requests
of a message together. Prints what was judged as what, how often a confidence is right, what is lost and what is wrongly
counted, beside a plain counter and a counter that drops the first minute. Fails when a bar is missed. `--write` puts
the short tables into docs/explanation/how-opens-are-judged.md, between its markers, and everything, the assumptions
included, into docs/reference/accuracy.md.

Figures are means over the seeds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import mean
from time import perf_counter
from typing import TypeVar

from bench import ROOT
from bench.population import Letter, Population, Rates, Spot, Truth, assumptions
from bench.table import Table, progress
from unsealed.core.agent import read_agent
from unsealed.core.judge import RULES_VERSION, judge
from unsealed.core.network import read_network
from unsealed.core.scene import Context, Presence, SeenHit
from unsealed.model.event import Finding, HitId, HitKind, Network, NetworkClass, Verdict
from unsealed.model.message import CopyId

PAGE = ROOT / "docs" / "explanation" / "how-opens-are-judged.md"
DETAILS = ROOT / "docs" / "reference" / "accuracy.md"
COMMAND = "make accuracy"
BEGIN, END = f"<!-- measured by `{COMMAND}`; do not edit -->", "<!-- measured: end -->"
SEEDS = 8
LETTERS = 5_000
PEOPLE_LOST = 0.005  # the bars
MACHINES_COUNTED = 0.02
SOON_S = 60.0

_T = TypeVar("_T")
_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_RIGHT = {
    Truth.READ: Finding.HUMAN_OPEN,
    Truth.PROXIED_READ: Finding.PROXIED_OPEN,
    Truth.CLICK: Finding.HUMAN_CLICK,
    Truth.REPEAT: Finding.DUPLICATE,
    Truth.OWN: Finding.SELF_OPEN,
    Truth.PREFETCH: Finding.MACHINE_PREFETCH,
    Truth.SCAN: Finding.SCANNER,
    Truth.SCAN_CLICK: Finding.SCANNER_CLICK,
}


@dataclass(slots=True)
class Counted:
    """What one way of counting makes of the population."""

    people: int = 0  # acts of people that count, or repeat what counts
    machines: int = 0  # requests of machines that count
    own: int = 0  # requests of the sender that count
    shown: int = 0  # copies shown as read
    shown_read: int = 0  # of these, with a reader
    missed: int = 0  # copies with a trace of a reader that are not shown


@dataclass(slots=True)
class Tally:
    """What the judge said of the letters of one seed, and what was true."""

    matrix: Counter[tuple[Truth, Finding]] = field(default_factory=Counter)
    said: Counter[tuple[float, bool]] = field(default_factory=Counter)  # confidence, whether the judge was right
    codes: Counter[tuple[str, float, bool]] = field(default_factory=Counter)
    wrong: dict[tuple[str, Truth], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stories: Counter[tuple[str, Truth]] = field(default_factory=Counter)
    unsealed: Counted = field(default_factory=Counted)
    plain: Counted = field(default_factory=Counted)  # every GET counts
    later: Counted = field(default_factory=Counted)  # every GET counts that comes a minute or more after the message
    copies: int = 0
    traced: int = 0  # copies with at least one request of a reader
    readers: int = 0  # copies that somebody looked at
    readers_shown: int = 0
    readers_maybe: int = 0  # of the others, with the picture loaded ahead
    people: int = 0
    machines: int = 0
    own: int = 0

    def add(self, letter: Letter, verdicts: Sequence[Verdict]) -> None:
        """All of one letter. verdicts: in the order of its requests."""
        opened: dict[str, set[int]] = {"unsealed": set(), "plain": set(), "later": set()}
        traced: set[int] = set()
        ahead: set[int] = set()
        hidden: set[int] = set()
        for request, verdict in zip(letter.requests, verdicts, strict=True):
            truth, finding = request.truth, verdict.finding
            self.matrix[truth, finding] += 1
            self.people += truth.person
            self.machines += truth.machine
            self.own += truth is Truth.OWN
            asked = request.method == "GET"
            counts = {"unsealed": finding.counted, "plain": asked, "later": asked and request.at >= SOON_S}
            for way, counted in counts.items():
                total: Counted = getattr(self, way)
                if counted:
                    opened[way].add(request.copy)
                    total.people += truth.person
                    total.machines += truth.machine
                    total.own += truth is Truth.OWN
                elif way == "unsealed" and finding is Finding.DUPLICATE:
                    total.people += truth.person
            if truth.person:
                traced.add(request.copy)
            if truth is Truth.HIDDEN_READ:
                hidden.add(request.copy)
            if finding is Finding.MACHINE_PREFETCH:
                ahead.add(request.copy)
            right = _fits(truth, finding)
            if right is not None:
                self.said[round(verdict.confidence, 2), right] += 1
                self.codes[verdict.reasons[0].code, round(verdict.confidence, 2), right] += 1
            self.stories[request.story, truth] += 1
            if right is False:
                self.wrong[request.story, truth][f"{finding.value}, {verdict.reasons[0].code}"] += 1
        read = {number for number, copy in enumerate(letter.copies) if copy.read} | traced | hidden
        self.copies += len(letter.copies)
        self.traced += len(traced)
        self.readers += len(read)
        self.readers_shown += len(read & opened["unsealed"])
        self.readers_maybe += len((read & ahead) - opened["unsealed"])
        for way, copies in opened.items():
            total = getattr(self, way)
            total.shown += len(copies)
            total.shown_read += len(copies & read)
            total.missed += len(traced - copies)

    @property
    def people_lost(self) -> float:
        """The share of acts of people that are taken for a machine's or for the sender's own."""
        return 1 - self.unsealed.people / self.people

    @property
    def readers_lost(self) -> float:
        """The share of copies with a trace of a reader that are not shown as read."""
        return self.unsealed.missed / self.traced

    @property
    def machines_counted(self) -> float:
        return self.unsealed.machines / self.machines


def measured(seed: int, letters: int, *, complete: bool = True, rates: Rates | None = None) -> Tally:
    """One population, judged.

    complete: the network of every address is known, as with a routing table; else only what the built-in ranges know.
    """
    tally = Tally()
    for letter in Population(seed, rates).letters(letters):
        tally.add(letter, list(judged(letter, complete=complete)))
    return tally


def judged(letter: Letter, *, complete: bool) -> Iterator[Verdict]:
    """The verdicts of one letter, in the order of its requests."""
    hits = seen(letter, complete=complete)
    verdicts = judge(hits, known(letter))
    return (verdicts[hit.id] for hit in hits)


def seen(letter: Letter, *, complete: bool) -> list[SeenHit]:
    """What the judge sees of the requests of one letter."""
    return [
        SeenHit(
            id=HitId(number),
            copy=CopyId(request.copy),
            kind=HitKind.OPEN if request.link is None else HitKind.CLICK,
            link=request.link,
            at=_NOON + timedelta(seconds=request.at),
            sent_at=_NOON,
            method=request.method,
            address=request.spot.address,
            user_agent=request.user_agent,
            agent=read_agent(request.user_agent),
            network=_network(request.spot, complete=complete),
            language=request.language,
            prefetch=request.prefetch,
            own_device=request.own_device,
            recipient=letter.copies[request.copy].recipient,
        )
        for number, request in enumerate(letter.requests)
    ]


def _network(spot: Spot, *, complete: bool) -> Network:
    if spot.network is None:
        return read_network(spot.address)
    return Network(kind=spot.network if complete else NetworkClass.UNKNOWN)


def known(letter: Letter) -> Context:
    """What the judge knows about the sender of one letter."""
    sender = letter.sender
    presence = Presence(
        address=sender.spot.address,
        user_agent=sender.browser,
        since=_NOON - timedelta(days=1),
        until=_NOON + timedelta(days=30),
    )
    return Context(
        presences=(presence,) if sender.signed_in else (),
        addresses={sender.spot.address: _NOON} if sender.signed_in or sender.submits else {},
        shared_addresses=frozenset({sender.spot.address}) if letter.shared else frozenset(),
        traps=frozenset() if letter.trap is None else frozenset({letter.trap}),
        agents=frozenset({sender.browser}) if sender.signed_in else frozenset(),
        mailboxes=frozenset({f"me@{sender.domain}"}),
    )


def _fits(truth: Truth, finding: Finding) -> bool | None:
    """Whether the answer to "a person, a machine, or I?" is right; None where nobody could tell."""
    if truth is Truth.HIDDEN_READ:
        return None
    if finding is Finding.DUPLICATE:
        return truth is Truth.REPEAT or truth.person
    if finding in (Finding.SELF_OPEN, Finding.SELF_CLICK):
        return truth is Truth.OWN
    return truth.machine if finding.machine else truth.person


# --- what is shown ----------------------------------------------------------------------------------------------------


def shown(shares: Iterable[float], *, span: bool = True) -> str:
    """Shares of one as per cent: the mean, the lowest and the highest."""
    values = [100 * share for share in shares]
    digits = 2 if 0 < mean(values) < 2 else 1
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return f"{mean(values):.{digits}f} %" + (f" ({low} to {high})" if span else "")


def beside(*columns: tuple[str, Sequence[Tally], str], span: bool = True) -> Table:
    """Ways of counting side by side. columns: title, the tallies, the field of Tally that holds the way."""
    table = Table(columns=("", *(title for title, _, _ in columns)))

    def row(words: str, share: Callable[[Tally, Counted], float]) -> None:
        cells = [shown((share(each, getattr(each, way)) for each in found), span=span) for _, found, way in columns]
        table.add(words, *cells)

    row("what people did, taken for something else", lambda tally, counted: 1 - counted.people / tally.people)
    row("readers who left a trace and are not shown", lambda tally, counted: counted.missed / tally.traced)
    row("what machines did, counted as a person", lambda tally, counted: counted.machines / tally.machines)
    row("what the sender did, counted as the reader", lambda tally, counted: counted.own / tally.own)
    row('copies shown as "opened" that somebody read', lambda tally, counted: counted.shown_read / counted.shown)
    return table


def of_readers(tallies: Sequence[Tally], *, span: bool = True) -> Table:
    """What is seen of the people who looked."""
    table = Table(columns=("of all who really looked at the letter", "share"))

    def row(words: str, share: Callable[[Tally], float]) -> None:
        table.add(words, shown(map(share, tallies), span=span))

    row('shown as "opened" or "clicked"', lambda tally: tally.readers_shown / tally.readers)
    row('shown as "loaded by a machine": perhaps read', lambda tally: tally.readers_maybe / tally.readers)
    row("nothing was seen", lambda tally: 1 - (tally.readers_shown + tally.readers_maybe) / tally.readers)
    return table


def matrix(tallies: Sequence[Tally]) -> Table:
    """What was judged as what: verdicts across, truth down; with the recall of each truth."""
    total = _sum(tally.matrix for tally in tallies)
    table = Table(columns=("what it was", *(finding.value for finding in Finding), "exactly right"))
    for truth in Truth:
        row = [total[truth, finding] for finding in Finding]
        right = _RIGHT.get(truth)
        exact = total[truth, right] if right else 0
        if truth is Truth.OWN:
            exact += total[truth, Finding.SELF_CLICK]
        said = f"{100 * exact / sum(row):.1f} %" if right and sum(row) else "cannot be told"
        table.add(truth.value, *(f"{count:,}" if count else "" for count in row), said)
    precise = []
    for finding in Finding:
        column = {truth: total[truth, finding] for truth in Truth}
        exact = sum(count for truth, count in column.items() if _RIGHT.get(truth) is finding)
        if finding is Finding.SELF_CLICK:
            exact = column[Truth.OWN]
        precise.append(f"{100 * exact / sum(column.values()):.1f} %" if sum(column.values()) else "")
    table.add("of these, exactly right", *precise, "")
    return table


def calibration(tallies: Sequence[Tally]) -> Table:
    """How often a confidence is right about "a person, a machine, or I?"."""
    said = _sum(tally.said for tally in tallies)
    table = Table(columns=("confidence", "in words", "judged", "right"))
    for value in sorted({confidence for confidence, _ in said}):
        right, wrong = said[value, True], said[value, False]
        words = "certain" if value >= 0.9 else "likely" if value >= 0.6 else "maybe"
        table.add(f"{value:.2f}", words, f"{right + wrong:,}", f"{100 * right / (right + wrong):.1f} %")
    return table


def in_words(tallies: Sequence[Tally]) -> Table:
    """The same for the words that screens use."""
    said = _sum(tally.said for tally in tallies)
    table = Table(columns=("we say", "confidence", "judged", "right"))
    for words, low, high in (("certain", 0.9, 1.01), ("likely", 0.6, 0.9), ("maybe", 0.0, 0.6)):
        right, wrong = (
            sum(n for (value, is_right), n in said.items() if is_right is was and low <= value < high)
            for was in (True, False)
        )
        span = f"{low} and more" if high > 1 else f"{low} to {high}" if low else f"under {high}"
        table.add(words, span, f"{right + wrong:,}", f"{100 * right / max(1, right + wrong):.1f} %")
    return table


def by_rule(tallies: Sequence[Tally]) -> Table:
    """The same for each reason."""
    codes = _sum(tally.codes for tally in tallies)
    table = Table(columns=("decided by", "confidence", "judged", "right"))
    for code, value in sorted({(code, value) for code, value, _ in codes}):
        right, wrong = codes[code, value, True], codes[code, value, False]
        table.add(code, f"{value:.2f}", f"{right + wrong:,}", f"{100 * right / (right + wrong):.1f} %")
    return table


def mistakes(tallies: Sequence[Tally]) -> Table:
    """Where the judge is wrong about "a person, a machine, or I?": the behaviour, how often, taken for what."""
    stories = _sum(tally.stories for tally in tallies)
    wrong: dict[tuple[str, Truth], Counter[str]] = defaultdict(Counter)
    for tally in tallies:
        for behaviour, taken in tally.wrong.items():
            wrong[behaviour].update(taken)
    table = Table(columns=("behaviour", "what it was", "requests", "wrong", "taken for"))
    for (story, truth), taken in sorted(wrong.items(), key=lambda item: -item[1].total()):
        words = "; ".join(f"{what} ({count:,})" for what, count in taken.most_common(4))
        table.add(story, truth.value, f"{stories[story, truth]:,}", f"{taken.total():,}", words)
    return table


def otherwise(seeds: int, letters: int) -> Table:
    """What becomes of the bars when an assumption is far off."""
    table = Table(columns=("if", "people taken for something else", "readers not shown", "machines counted"))
    for words, rates in _OTHERWISE:
        tallies = [measured(seed, letters, rates=rates) for seed in range(1, seeds + 1)]
        table.add(
            words,
            shown(tally.people_lost for tally in tallies),
            shown(tally.readers_lost for tally in tallies),
            shown(tally.machines_counted for tally in tallies),
        )
    return table


_OTHERWISE = (
    ("all is as assumed", Rates()),
    ("three times as many read at once", Rates(at_once=0.24)),
    ("four times as many sit behind VPNs", Rates(vpn=0.12)),
    ("ten times as many work on desktops in Azure", Rates(cloud_desktop=0.05)),
    ("ten times as many open two links at once", Rates(tab_after_tab=0.2)),
    ("no letter has a hidden link", Rates(hidden_link=0.0)),
    ("no gateway visits from its vendor's network", Rates(gateway_own_network=0.0)),
    ("all gateways look like new browsers", Rates(gateway_modern=1.0)),
    ("and name a language", Rates(gateway_modern=1.0, gateway_language=1.0)),
    ("ten times as many gateways imitate people", Rates(gateway_imitates=0.2)),
    ("Defender always looks like a new browser", Rates(defender_modern=1.0)),
)


def assumed(rates: Rates) -> Table:
    table = Table(columns=("assumed share of", "", "why"))
    for words, value, why in assumptions(rates):
        table.add(words, f"{100 * value:g} %", why)
    return table


def _sum(counters: Iterable[Counter[_T]]) -> Counter[_T]:
    total: Counter[_T] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def pages(tallies: Sequence[Tally], built_in: Sequence[Tally], varied: Table) -> tuple[str, str]:
    """What stands in the explanation, for people who write letters, and the page with everything."""
    return _short(tallies), _details(tallies, built_in, varied)


def _size(tallies: Sequence[Tally]) -> str:
    requests = sum(tally.matrix.total() for tally in tallies)
    copies = sum(tally.copies for tally in tallies)
    return f"Rule set {RULES_VERSION}; {len(tallies)} populations with {copies:,} copies and {requests:,} requests.\n"


def _short(tallies: Sequence[Tally]) -> str:
    return "\n".join(
        (
            BEGIN,
            "",
            _size(tallies),
            beside(
                ("Unsealed", tallies, "unsealed"),
                ("every request counts", tallies, "plain"),
                ("all but the first minute counts", tallies, "later"),
                span=False,
            ).markdown(),
            of_readers(tallies, span=False).markdown(),
            'How often a confidence is right about "a person, a machine, or I?":\n',
            in_words(tallies).markdown(),
            END,
        )
    )


def _details(tallies: Sequence[Tally], built_in: Sequence[Tally], varied: Table) -> str:
    sections = (
        (
            "Beside simple counters",
            _BESIDE,
            beside(
                ("Unsealed", tallies, "unsealed"),
                ("Unsealed, built-in tables only", built_in, "unsealed"),
                ("every request counts", tallies, "plain"),
                ("all but the first minute counts", tallies, "later"),
            ),
        ),
        ("What is seen of readers", "", of_readers(tallies)),
        ("What was judged as what", _MATRIX, matrix(tallies)),
        ("How often a confidence is right", _CALIBRATION, calibration(tallies)),
        ("The same for each reason", _BY_RULE, by_rule(tallies)),
        ("Where the judge is wrong", "", mistakes(tallies)),
        ("If an assumption is wrong", _VARIED, varied),
        ("What is assumed", _ASSUMED, assumed(Rates())),
    )
    head = f"# Accuracy\n\n<!-- Written by `{COMMAND}`; do not edit. -->\n\n{_size(tallies)}{_MEANS}"
    return "\n".join((head, *(f"## {title}\n\n{words}{table.markdown()}" for title, words, table in sections)))


_MEANS = "Shares are means over the populations, with the lowest and the highest.\n"
_BESIDE = """\
A bar is set for two rows: under 0.5 % of what people do may be taken for something else, and under 2 % of what machines
do may count.
"Built-in tables only" is an installation without a routing table: homes, offices, phones and VPNs look alike to it.

"""
_MATRIX = """\
Truth down, verdicts across.
A *hidden read* is a person who was faster than Apple: the request is the same as one that is loaded ahead, octet for
octet, so no answer is right or wrong and none is scored.

"""
_CALIBRATION = """\
Right means: the answer to "a person, a machine, or I?" is true.
A number that is right more often than it says is modest on purpose: it stands for kinds of people and machines that
the simulation does not hold.

"""
_BY_RULE = "A row that is right less often than it says is where machines in disguise come through.\n\n"
_VARIED = """\
Each row changes one or two of the assumptions below, mostly to the worse, and leaves the others.

"""
_ASSUMED = """\
Written down before the judge was run on it for the first time.
Change a row in `bench/population.py` to your own mail, and measure again.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--letters", type=int, default=LETTERS)
    asked = parser.parse_args()
    begun = perf_counter()
    tallies, built_in = [], []
    for seed in range(1, asked.seeds + 1):
        tallies.append(measured(seed, asked.letters))
        built_in.append(measured(seed, asked.letters, complete=False))
        progress(f"population {seed} of {asked.seeds}: {tallies[-1].matrix.total():,} requests")
    progress("other assumptions")
    short, details = pages(tallies, built_in, otherwise(max(1, asked.seeds // 3), asked.letters))
    print(details, end="")
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + short + after, encoding="utf-8")
        DETAILS.write_text(details, encoding="utf-8")
        progress(f"wrote {PAGE.relative_to(ROOT)} and {DETAILS.relative_to(ROOT)}")
    progress(f"took {perf_counter() - begun:.0f} s")
    bars = (
        ("of what people did is lost", mean(tally.people_lost for tally in tallies), PEOPLE_LOST),
        ("of readers with a trace are not shown", mean(tally.readers_lost for tally in tallies), PEOPLE_LOST),
        ("of what machines did counts", mean(tally.machines_counted for tally in tallies), MACHINES_COUNTED),
    )
    missed = [(words, value, bar) for words, value, bar in bars if value >= bar]
    for words, value, bar in missed:
        progress(f"BAR MISSED: {100 * value:.2f} % {words}; the bar is {100 * bar:g} %")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
