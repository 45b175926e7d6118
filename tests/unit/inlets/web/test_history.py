from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.inlets.web.rows import EVENT

from unsealed.inlets.web import history
from unsealed.inlets.web.moments import Times
from unsealed.model.event import ClientKind, Finding, HitKind
from unsealed.model.message import AddressKind, Delivery
from unsealed.model.reply import Kind
from unsealed.model.texts import ENGLISH
from unsealed.model.view import CopyFacts, CopyRow, EventRow, ReplyRow, Signals

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
OPENED, PROXIED, CLICKED, REPEATED = (
    Finding.HUMAN_OPEN,
    Finding.PROXIED_OPEN,
    Finding.HUMAN_CLICK,
    Finding.DUPLICATE,
)


def event(
    minute: float, finding: Finding, *, copy: str = "a", link: int | None = None, first: bool = False
) -> EventRow:
    return replace(
        EVENT,
        id=f"{int(minute * 1000):016x}",
        message="m",
        copy=copy,
        recipient=f"{copy}@x.example",
        name=copy.upper(),
        at=NOON + timedelta(minutes=minute),
        kind=HitKind.OPEN if link is None else HitKind.CLICK,
        finding=finding,
        confidence=0.9,
        reasons=(),
        link=link,
        link_text="" if link is None else f"link {link}",
        first_of_reading=first,
        user_agent="Chrome/79",
    )


def copy(name: str, opens: int = 0, **facts: object) -> CopyRow:
    known = CopyFacts(tracked=True, delivery=Delivery.SENT, sent_at=NOON, opens=opens, clicks=0, machine=0)
    return CopyRow(
        id=name,
        address=f"{name}@x.example",
        name=name.upper(),
        kind=AddressKind.TO,
        facts=replace(known, **facts),  # type: ignore[arg-type]
        signals=Signals(opens=opens),
        reply="250 Ok",
    )


def verbs(lines: list[history.Line]) -> list[str]:
    return [f"{line.verb}{', ' + line.loads if line.loads else ''}" for line in lines]


def test_the_loads_of_one_reading_are_one_line() -> None:
    events = [
        event(0, OPENED, first=True),
        event(0.1, REPEATED),
        event(1, CLICKED, link=0),
        event(2, OPENED),
        event(30, OPENED, first=True),
    ]

    assert verbs(history.lines(reversed(events), [copy("a", 2)], ENGLISH)) == [
        "A opened, 2nd time",
        "A clicked link 0",
        "A opened, 3 loads in 2 min",
    ]


def test_the_newest_reading_keeps_its_number_when_older_ones_are_not_shown() -> None:
    (line,) = history.lines([event(0, PROXIED, first=True)], [copy("a", 12)], ENGLISH)

    assert line.verb == "A opened, 12th time"


def test_recipients_have_readings_of_their_own() -> None:
    events = [event(1, OPENED, copy="b", first=True), event(0, OPENED, first=True)]

    assert verbs(history.lines(events, [copy("a", 1), copy("b", 1)], ENGLISH)) == ["B opened", "A opened"]


def test_the_senders_own_look_never_joins_a_reading() -> None:
    events = [event(1, Finding.SELF_OPEN), event(0, OPENED, first=True)]

    assert verbs(history.lines(events, [copy("a", 1)], ENGLISH)) == ["You looked at the copy of A", "A opened"]


def test_a_repeat_whose_reading_is_not_shown_stands_alone() -> None:
    assert verbs(history.lines([event(0, REPEATED)], [copy("a", 1)], ENGLISH)) == ["The copy of A was loaded again"]


def test_a_followed_link_proves_an_opening_that_nobody_saw() -> None:
    clicked = replace(copy("b", 1), signals=Signals(opens=1, clicks=1, first_at=NOON))
    lines = history.lines([event(0, OPENED, first=True)], [copy("a", 1), clicked], ENGLISH)

    assert [(line.verb, line.detail) for line in history.proven(lines, [copy("a", 1), clicked], ENGLISH)] == [
        ("B opened", "A followed link proves it; the picture was never loaded")
    ]


def test_an_unsure_open_says_maybe() -> None:
    unsure = replace(event(0, OPENED, first=True), confidence=0.55)

    assert verbs(history.lines([unsure], [copy("a", 1)], ENGLISH)) == ["A maybe opened"]


def test_silence_of_an_hour_or_more_gets_words_on_the_same_day() -> None:
    events = [event(0, OPENED, first=True), event(113, OPENED, first=True), event(170, OPENED, first=True)]

    assert [line.gap for line in history.lines(reversed(events), [copy("a", 3)], ENGLISH)] == ["", "1 h 53 min", ""]


def test_days_are_those_of_the_reader() -> None:
    lines = history.lines([event(0, OPENED, first=True), event(-800, OPENED, first=True)], [copy("a", 2)], ENGLISH)

    days = history.days(lines, Times(NOON))

    assert [(day.heading, len(day.lines)) for day in days] == [
        ("Today, Thursday 12 March", 1),
        ("Yesterday, Wednesday 11 March", 1),
    ]


def test_what_a_machine_did_at_once_stands_together() -> None:
    scanner, followed = Finding.SCANNER, Finding.SCANNER_CLICK
    events = [
        event(10, OPENED, first=True),
        event(0.01, followed, link=1),
        event(0.005, followed, link=0),
        event(0, scanner),
        event(-5, scanner),
    ]

    bursts = history.bursts(events)

    assert [burst.span(ENGLISH) for burst in bursts] == ["", "2 links and the picture in 0.6 s", ""]
    assert [len(burst.events) for burst in bursts] == [1, 3, 1]


def test_every_finding_has_a_verb() -> None:
    lines = history.machine_lines([event(0, finding, link=0) for finding in Finding], [], ENGLISH)

    assert all(line.verb for line in lines)
    assert len(lines) == len(Finding)


def test_no_events_make_no_lines() -> None:
    assert history.lines([], [], ENGLISH) == []
    assert history.days([], Times(NOON)) == []
    assert history.bursts([]) == []


def test_requests_are_listed_as_they_came_and_not_as_readings() -> None:
    events = [event(2, OPENED), event(1, CLICKED, link=0), event(0, OPENED, first=True)]

    assert verbs(history.requests(events, [copy("a", 1)], ENGLISH)) == [
        "Picture, copy of A",
        "Link 0, copy of A",
        "Picture, copy of A",
    ]


def test_a_shared_copy_was_opened_by_someone_of_those_who_share_it() -> None:
    shared = replace(event(0, OPENED, first=True), name="", recipient="")
    copies = [copy("a"), copy("b"), replace(copy("c"), address="", name="")]

    assert verbs(history.lines([shared], copies, ENGLISH)) == ["Someone (one of 2) opened"]


def test_a_preview_by_a_chat_program_says_where_the_link_was_pasted() -> None:
    preview = replace(event(0, Finding.SCANNER_CLICK, link=0), client="Slackbot", client_kind=ClientKind.LINK_PREVIEW)

    assert verbs(history.machine_lines([preview], [copy("a")], ENGLISH)) == [
        "Link 0 was pasted into Slack, from the copy of A"
    ]


def test_a_line_knows_the_requests_that_are_folded_into_it() -> None:
    (line,) = history.lines([event(1, REPEATED), event(0, OPENED, first=True)], [copy("a", 1)], ENGLISH)

    assert line.has(event(0, OPENED).id)
    assert line.has(event(1, OPENED).id)
    assert not line.has(event(2, OPENED).id)


def back(number: int, kind: Kind, *, copy: str | None = "a", name: str = "Ines") -> ReplyRow:
    at = NOON + timedelta(hours=number)
    return ReplyRow(id=number, copy=copy, kind=kind, name=name, address="ines@x.example", at=at)


def test_what_came_back_stands_between_the_readings_with_the_silence_made_anew() -> None:
    read = history.Line(at=NOON + timedelta(hours=2), verb="Ines opened", gap="2 h")
    out = history.Line(at=NOON, verb="Sent to both")
    replies = [back(3, Kind.REPLY), back(1, Kind.AUTOMATIC), back(0, Kind.BOUNCE), back(0, Kind.DELIVERED)]

    made = history.between([read, out], history.came_back(replies, ENGLISH), ENGLISH)

    assert ["Ines replied", "Ines opened", "Automatic answer from Ines", "Sent to both"] == [each.verb for each in made]
    assert ["1 h", "1 h", "1 h", ""] == [each.gap for each in made]
    assert [read, out] == history.between([read, out], [], ENGLISH)


def test_who_was_not_written_to_is_named_as_such() -> None:
    [line] = history.came_back([back(1, Kind.REPLY, copy=None, name="")], ENGLISH)

    assert ("ines@x.example replied", "Not from an address that it was sent to") == (line.verb, line.detail)
    [delayed] = history.came_back([back(1, Kind.DELAYED)], ENGLISH)
    assert "Delayed on the way to Ines" == delayed.verb
