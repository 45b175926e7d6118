from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.instrument import UNCHANGED_REASONS
from unsealed.core.links import LEFT_REASONS
from unsealed.core.reading import Reader, Silence
from unsealed.core.reliability import Trait
from unsealed.inlets.copies import BELIEVED, Known
from unsealed.inlets.web import words
from unsealed.inlets.web.words import Chip, Times
from unsealed.model.event import (
    Answer,
    ClientKind,
    Device,
    Finding,
    HitKind,
    NetworkClass,
    Place,
    PlaceState,
    Reason,
)
from unsealed.model.message import AddressKind, CopyId, CopyState, Delivery
from unsealed.model.texts import ENGLISH
from unsealed.model.view import (
    CopyFacts,
    CopyRow,
    EventRow,
    LastClick,
    MessageRow,
    Pasted,
    Sighting,
    Signals,
)

NOW = datetime(2026, 3, 12, 14, 21, tzinfo=UTC)  # a Thursday
SAID = Times(NOW)


def before(**units: float) -> datetime:
    return NOW - timedelta(**units)


FACTS = CopyFacts(tracked=True, delivery=Delivery.SENT, sent_at=before(hours=2), opens=0, clicks=0, machine=0)
ROW = MessageRow(
    id="0" * 16,
    subject="Proposal",
    recipients=("Ines Marchetti",),
    recipient_count=1,
    at=before(hours=2),
    tag="",
    facts=FACTS,
    signals=Signals(),
    signal_at=before(hours=2),
)
COPY = CopyRow(id="0" * 16, address="ines@x.example", name="Ines", kind=AddressKind.TO, facts=FACTS, signals=Signals())
EVENT = EventRow(
    id="1",
    message="0" * 16,
    copy="0" * 16,
    recipient="ines@x.example",
    name="Ines",
    at=NOW,
    kind=HitKind.OPEN,
    finding=Finding.HUMAN_OPEN,
    confidence=0.95,
    reasons=(Reason(code="CLIENT_DIRECT", words="opened in Thunderbird"),),
    rules="2026.11",
    client="Thunderbird",
    client_kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Linux",
    network=NetworkClass.RESIDENTIAL,
    operator="",
    link=None,
    link_text="",
    destination="",
    first_of_reading=True,
)


def row(*, opens: int = 0, clicks: int = 0, machine: int = 0, **changes: object) -> MessageRow:
    seen = {name: changes.pop(name) for name in ("confidence", "last_at") if name in changes}
    facts = replace(FACTS, opens=opens, clicks=clicks, machine=machine)
    signals = replace(Signals(opens=opens, clicks=clicks, machine=machine), **seen)  # type: ignore[arg-type]
    return replace(ROW, **{"facts": facts, "signals": signals, **changes})  # type: ignore[arg-type]


def shown(message: MessageRow) -> str:
    """What stands in a list: number under the mark, and all the words."""
    is_ = words.message_standing(message, SAID)
    number = f"[{is_.mark.number}] " if is_.mark.number else ""
    beside = SAID.since(is_.aged, is_.beside) if is_.aged else is_.beside
    return number + is_.said + (f", {beside}" if beside else "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (row(), "Sent"),
        (row(facts=replace(FACTS, delivery=Delivery.DELIVERED)), "Delivered"),
        (row(facts=replace(FACTS, sent_at=before(days=1))), "No signal"),
        (row(facts=replace(FACTS, delivery=Delivery.QUEUED)), "Sending"),
        (
            row(facts=replace(FACTS, delivery=Delivery.DELAYED), next_at=NOW + timedelta(minutes=4)),
            "Sending, next try 14:25",
        ),
        (row(facts=replace(FACTS, tracked=False)), "Not tracked"),
        (row(facts=replace(FACTS, tracked=False), unchanged="encrypted"), "Not tracked, encrypted"),
        (
            row(facts=replace(FACTS, delivery=Delivery.BOUNCED), bounced=1, reply="552 5.2.2 Full"),
            "Bounced: mailbox full",
        ),
        (row(machine=3), "Loaded by a machine"),
        (row(opens=3, confidence=0.9, last_at=before(hours=2)), "[3] Opened, last 2 h ago"),
        (row(opens=1, confidence=0.55, last_at=before(hours=6)), "[1?] Maybe opened, last 6 h ago"),
        (row(opens=7, bounced=1, last_at=before(days=1)), "[7] Opened, 1 bounced, last yesterday"),
        (
            row(
                opens=2,
                clicks=1,
                last_at=before(minutes=22),
                last_click=LastClick(text="Book a time", at=before(minutes=22)),
            ),
            "[2] Clicked Book a time, 22 min ago",
        ),
        (
            row(opens=2, clicks=1, last_at=before(minutes=3), last_click=LastClick(text="Plan", at=before(hours=1))),
            "[2] Opened, last 3 min ago",
        ),
    ],
)
def test_a_row_says_the_state_in_the_words_of_the_product(message: MessageRow, expected: str) -> None:
    assert expected == shown(message)


def test_every_reason_to_leave_a_message_alone_has_a_short_form_for_the_list() -> None:
    assert words.UNCHANGED_SHORT.keys() == UNCHANGED_REASONS.keys()
    assert max(map(len, words.UNCHANGED_SHORT.values())) <= 20


def test_no_state_is_ever_called_unread() -> None:
    said = " ".join([*words.STATES.values()]).lower()

    assert set(CopyState) == set(words.STATES) == set(words.MARKS)
    assert "unread" not in said
    assert "not opened" not in said


@pytest.mark.parametrize(
    ("signals", "last_click", "expected"),
    [
        (Signals(opens=3, clicks=2, confidence=0.9, last_at=NOW), None, "Opened 3 times, clicked 2"),
        (Signals(opens=1, confidence=0.9, last_at=NOW), None, "Opened"),
        (Signals(opens=2, confidence=0.5, last_at=NOW), None, "Maybe opened twice"),
        (Signals(opens=1, clicks=1, last_at=NOW), LastClick(text="Pricing", at=NOW), "Clicked Pricing"),
    ],
)
def test_a_recipient_has_opens_and_clicks_in_one_line(
    signals: Signals, last_click: LastClick | None, expected: str
) -> None:
    facts = replace(FACTS, opens=signals.opens, clicks=signals.clicks)
    copy = replace(COPY, facts=facts, signals=signals, last_click=last_click)

    assert expected == words.copy_standing(copy, SAID).said


def test_a_click_without_a_seen_open_takes_the_mark_column() -> None:
    shown = words.mark(CopyState.CLICKED, Signals(clicks=2), ENGLISH)

    assert (shown.kind, shown.symbol, shown.number) == ("clicked", "link", "2")


def test_only_an_open_that_is_believed_colours_the_ticks() -> None:
    opened, believed, guess = (
        words.mark(CopyState.OPENED, Signals(opens=1, confidence=confidence), ENGLISH)
        for confidence in (0.95, 0.6, 0.55)
    )

    assert [(each.kind, each.symbol, each.number) for each in (opened, believed, guess)] == [
        ("opened", "ticks", "1"),
        ("opened", "ticks", "1"),
        ("maybe", "ticks", "1?"),
    ]
    assert [each.hint.rpartition(" ")[2] for each in (opened, believed)] == ["certain", "likely"]
    assert words.mark(CopyState.LOADED_BY_MACHINE, Signals(machine=3), ENGLISH).symbol == "ticks-hollow"
    assert all(words.MARKS[state].hint for state in CopyState if state not in (CopyState.OPENED, CopyState.CLICKED))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("552 5.2.2 <a@b.example>: quota", "mailbox full"),
        ("550 5.1.1 User unknown", "no such mailbox"),
        ("550 Requested action not taken", "Requested action not taken"),
        ("", "given up"),
        ("554 5.9.9 " + "x" * 200, "x" * 59 + "…"),
    ],
)
def test_a_bounce_is_said_in_words_where_its_code_tells(reply: str, expected: str) -> None:
    assert expected == words.bounced(reply, ENGLISH)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW + timedelta(seconds=5), "just now"),
        (before(seconds=59), "just now"),
        (before(seconds=60), "1 min ago"),
        (before(minutes=59, seconds=59), "59 min ago"),
        (before(hours=1), "1 h ago"),
        (before(hours=14), "14 h ago"),
        (before(hours=15), "yesterday"),
        (before(days=2), "Tuesday"),
        (before(days=6), "Friday"),
        (before(days=7), "5 Mar"),
        (before(days=365), "12 Mar 2025"),
    ],
)
def test_how_long_ago_grows_coarser(at: datetime, expected: str) -> None:
    assert expected == SAID.ago(at)


def test_just_after_midnight_yesterday_is_still_hours_ago() -> None:
    assert Times(datetime(2026, 3, 12, 1, tzinfo=UTC)).ago(datetime(2026, 3, 11, 23, tzinfo=UTC)) == "2 h ago"


def test_times_are_those_of_the_reader() -> None:
    tokyo = Times(NOW, timezone(timedelta(hours=9), "JST"))

    assert tokyo.clock(before(hours=1)) == "22:21"
    assert tokyo.when(before(hours=16)) == "07:21"  # the same day there, the day before here
    assert tokyo.exact(NOW) == "Thu 12 Mar 2026, 23:21:00 JST"


@pytest.mark.parametrize(
    ("at", "when", "full", "day"),
    [
        (before(hours=5, minutes=7), "09:14", "today, 12 March, 09:14", "Today, Thursday 12 March"),
        (before(days=1), "Wed 14:21", "yesterday, 11 March, 14:21", "Yesterday, Wednesday 11 March"),
        (before(days=6), "Fri 14:21", "Friday, 6 March, 14:21", "Friday 6 March"),
        (before(days=400), "5 Feb 2025", "5 February 2025, 14:21", "Wednesday 5 February 2025"),
    ],
)
def test_moments_of_a_list_of_a_head_and_of_a_day(at: datetime, when: str, full: str, day: str) -> None:
    assert (when, full, day) == (SAID.when(at), SAID.full(at), SAID.day(at))


def test_control_and_direction_changing_characters_become_visible() -> None:
    assert words.visible("in\u202evoice\x00\x07\u2066") == "in‹U+202E›voice‹U+0000›‹U+0007›‹U+2066›"
    assert words.visible("Zoë 👩\u200d💻 نامه\u200cها") == "Zoë 👩\u200d💻 نامه\u200cها"


@given(st.text())
def test_what_is_shown_turns_no_direction(text: str) -> None:
    assert not set(words.visible(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Chip("person")),
        ({"finding": Finding.PROXIED_OPEN, "network": NetworkClass.GOOGLE_PROXY}, Chip("through Gmail")),
        ({"finding": Finding.PROXIED_OPEN, "network": NetworkClass.WEBMAIL_PROXY}, Chip("through another proxy")),
        ({"finding": Finding.MACHINE_PREFETCH, "network": NetworkClass.APPLE_RELAY}, Chip("Apple privacy", "apart")),
        ({"finding": Finding.MACHINE_PREFETCH}, Chip("prefetched", "apart")),
        ({"finding": Finding.SCANNER}, Chip("scanner", "apart")),
        ({"finding": Finding.SCANNER_CLICK, "client_kind": ClientKind.LINK_PREVIEW}, Chip("link preview", "apart")),
        ({"finding": Finding.SELF_OPEN}, Chip("you", "you")),
        ({"finding": Finding.DUPLICATE}, Chip("repeated", "apart")),
    ],
)
def test_a_chip_is_solid_only_where_the_event_counts(change: dict[str, object], expected: Chip) -> None:
    event = replace(EVENT, **change)  # type: ignore[arg-type]

    assert expected == words.chip(event, ENGLISH)
    assert event.finding.counted == (words.chip(event, ENGLISH).look == "")


@pytest.mark.parametrize("finding", Finding)
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_every_finding_has_a_heading(finding: Finding, confidence: float) -> None:
    event = replace(EVENT, finding=finding, confidence=confidence, link_text="Pricing")

    assert words.verdict(event, ENGLISH).said
    assert ("aybe" in words.verdict(event, ENGLISH).said) == (finding.counted and confidence < BELIEVED)


@pytest.mark.parametrize("network", NetworkClass)
@pytest.mark.parametrize("device", Device)
def test_device_and_network_always_have_words(network: NetworkClass, device: Device) -> None:
    event = replace(EVENT, network=network, device=device)

    assert words.device(event, ENGLISH).startswith("Thunderbird on Linux, ")
    assert words.device_symbol(event)
    assert isinstance(words.network(event, ENGLISH), str)
    assert isinstance(words.place(event, ENGLISH), str)


def test_no_place_is_said_behind_a_proxy() -> None:
    hidden = replace(
        EVENT, client="Gmail Image Proxy", system="", device=Device.HIDDEN, network=NetworkClass.GOOGLE_PROXY
    )

    assert words.device(hidden, ENGLISH) == "Gmail, device hidden"
    assert words.place(hidden, ENGLISH) == "place hidden by Gmail"
    assert words.device_symbol(hidden) == "devices"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"place": Place(state=PlaceState.KNOWN, country="PT", region="Lisbon", city="Lisbon")}, "Lisbon, Portugal"),
        ({"place": Place(state=PlaceState.KNOWN, country="PT")}, "Portugal"),
        ({"place": Place(state=PlaceState.UNKNOWN)}, ""),
        ({"place": Place(state=PlaceState.PROXY), "operator": "Fastmail"}, "place hidden by Fastmail"),
        ({"place": Place(state=PlaceState.PROXY)}, "place hidden by a proxy"),
        ({"network": NetworkClass.APPLE_RELAY}, "place hidden by Apple"),
        (
            {"network": NetworkClass.HOSTING, "operator": "Amazon", "place": Place(state=PlaceState.PROXY)},
            "a rented machine at Amazon",
        ),
        ({"network": NetworkClass.SSE_PROXY}, "place hidden by the company’s proxy"),
    ],
)
def test_a_place_is_known_or_hidden_or_nothing(change: dict[str, object], expected: str) -> None:
    assert expected == words.place(replace(EVENT, **change), ENGLISH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "symbol"),
    [
        ({}, "desktop"),
        ({"device": Device.MOBILE}, "phone"),
        ({"device": Device.TABLET}, "tablet"),
        ({"device": Device.UNKNOWN}, "unknown"),
        ({"device": Device.HIDDEN, "client_kind": ClientKind.WEBMAIL}, "devices"),
        ({"device": Device.HIDDEN, "client_kind": ClientKind.IMAGE_PROXY}, "proxy"),
        ({"finding": Finding.SCANNER}, "scanner"),
        ({"finding": Finding.MACHINE_PREFETCH, "network": NetworkClass.APPLE_RELAY}, "proxy"),
        ({"finding": Finding.SELF_OPEN, "device": Device.MOBILE}, "you"),
    ],
)
def test_an_icon_shows_what_asked(change: dict[str, object], symbol: str) -> None:
    assert symbol == words.device_symbol(replace(EVENT, **change))  # type: ignore[arg-type]


def test_a_shared_copy_is_someones() -> None:
    assert words.someone("", "", 4, ENGLISH) == "someone (one of 4)"
    assert words.someone("", "", 0, ENGLISH) == words.someone("", "", 1, ENGLISH) == "someone"
    assert words.someone("Ines", "ines@x.example", 4, ENGLISH) == "Ines"


def known(**changes: object) -> Known:
    nothing = Known(certain=False, devices=0, readers=(), pasted=(), silence=(), traits=(), company=())
    return replace(nothing, **changes)  # type: ignore[arg-type]


def said(of: Known) -> list[str]:
    return [note.words for note in words.notes(of, SAID)]


SIGHTING = Sighting(
    copy=CopyId(1),
    client="Outlook",
    kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Windows",
    network=NetworkClass.RESIDENTIAL,
    operator="",
    place=Place(state=PlaceState.KNOWN, country="ES"),
    first_at=before(hours=1),
    last_at=NOW,
    readings=1,
    clicks=0,
)


def test_a_likely_forward_and_a_paste_stand_under_the_recipient() -> None:
    readers = (Reader(replace(SIGHTING, client="Thunderbird")), Reader(SIGHTING, forwarded=True))
    pasted = (Pasted(copy=CopyId(1), client="Slackbot", at=before(minutes=30)),)

    assert said(known(readers=readers, pasted=pasted)) == [
        "Perhaps forwarded: Outlook on Windows in Spain, 13:21",
        "Pasted into Slack, 13:51",
    ]


def test_silence_says_why_it_may_be_so_and_nothing_twice() -> None:
    silent = known(
        silence=(Silence.NOT_LOADED_BEFORE,), traits=(Trait.NEVER_SEEN,), company=(Trait.GATEWAY_FOLLOWS_LINKS,)
    )

    assert said(silent) == [
        "Not the same as unread: earlier letters to this address showed nothing either",
        "This company’s gateway opens every link",
    ]


def test_what_holds_for_the_company_is_not_said_of_the_person_again() -> None:
    both = known(traits=(Trait.ALWAYS_PREFETCHED, Trait.GATEWAY_FOLLOWS_LINKS), company=(Trait.GATEWAY_FOLLOWS_LINKS,))
    calm = known(traits=(Trait.RELIABLE,), company=(Trait.RELIABLE,))

    assert len(said(both)) == 2
    assert said(calm) == ["Opens show reliably for this address"]
    assert said(known()) == []


def test_every_trait_and_silence_has_words() -> None:
    assert set(words.SILENCES) == set(Silence)
    assert set(words.TRAITS) == set(words.COMPANY_TRAITS) == set(Trait)
    assert set(words.FINDINGS) == set(Finding)
    assert set(words.ANSWERS) == set(Answer)
    assert not [each for each in words.SILENCES.values() if "unread" in each or "not opened" in each]


def test_an_age_of_data_is_said_in_days_then_in_months() -> None:
    today = NOW.date()
    ages = [words.days_old(today - timedelta(days=days), today, ENGLISH) for days in (-1, 0, 1, 59, 90)]

    assert ages == ["of today", "of today", "1 day old", "59 days old", "3 months old"]


def test_reason_codes_of_the_instrumenting_side_have_words() -> None:
    assert all(words.left_reason(code, ENGLISH) == said for code, said in LEFT_REASONS.items())
    assert all(words.unchanged_reason(code, ENGLISH) == said for code, said in UNCHANGED_REASONS.items())


def test_numbers_in_words() -> None:
    assert [words.ordinal(each, ENGLISH) for each in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
    assert [words.times(each, ENGLISH) for each in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [words.size(each, ENGLISH) for each in (812, 49_900, 3_200_000)] == ["812 bytes", "49.9 kB", "3.2 MB"]
    spans = (timedelta(seconds=8), timedelta(minutes=2), timedelta(hours=1, minutes=53), timedelta(days=2, hours=3))
    assert [words.lasting(each, ENGLISH) for each in spans] == ["8 s", "2 min", "1 h 53 min", "2 d 3 h"]


@pytest.mark.parametrize(
    ("opens", "expected"), [(0, "Replied"), (1, "Replied, opened"), (3, "Replied, opened 3 times")]
)
def test_a_recipient_who_answered_may_have_opened_too(opens: int, expected: str) -> None:
    copy = replace(COPY, facts=replace(FACTS, opens=opens, replies=1), signals=Signals(opens=opens))

    assert expected == words.copy_standing(copy, SAID).said


def test_an_answer_stands_above_all_that_was_seen() -> None:
    facts, signals = replace(FACTS, opens=3, clicks=1, replies=1), Signals(opens=3, clicks=1, confidence=0.3)
    one = words.message_standing(
        replace(ROW, facts=facts, signals=signals, replied_at=before(minutes=5), bounced=1), SAID
    )
    two = words.message_standing(replace(ROW, facts=replace(facts, replies=2)), SAID)

    assert ("Replied, 1 bounced", before(minutes=5), "reply") == (one.said, one.aged, one.mark.symbol)
    assert ("Replied twice", None) == (two.said, two.aged)
    assert "read for certain" in one.mark.hint


def test_a_recipient_who_answered_says_when() -> None:
    copy = replace(COPY, facts=replace(FACTS, replies=1), replied_at=before(hours=1))
    shown = words.copy_standing(copy, SAID)

    assert ("Replied", "replied %(ago)s", before(hours=1)) == (shown.said, shown.beside, shown.aged)
