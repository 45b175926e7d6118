from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.inlets.web.rows import COPY, FACTS, NOW, ROW, SAID, before

from unsealed.core.instrument import UNCHANGED_REASONS
from unsealed.inlets.web import states
from unsealed.model.message import CopyState, Delivery
from unsealed.model.texts import ENGLISH
from unsealed.model.view import CopyFacts, LastClick, MessageRow, Signals


def row(*, opens: int = 0, clicks: int = 0, machine: int = 0, **changes: object) -> MessageRow:
    seen = {name: changes.pop(name) for name in ("confidence", "last_at") if name in changes}
    facts = replace(FACTS, opens=opens, clicks=clicks, machine=machine)
    signals = replace(Signals(opens=opens, clicks=clicks, machine=machine), **seen)  # type: ignore[arg-type]
    return replace(ROW, **{"facts": facts, "signals": signals, **changes})  # type: ignore[arg-type]


def shown(message: MessageRow) -> str:
    """What stands in a list: number under the mark, and all the words."""
    is_ = states.message_standing(message, SAID)
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
    assert states.UNCHANGED_SHORT.keys() == UNCHANGED_REASONS.keys()
    assert max(map(len, states.UNCHANGED_SHORT.values())) <= 20


def test_no_state_is_ever_called_unread() -> None:
    said = " ".join([*states.STATES.values()]).lower()

    assert set(CopyState) == set(states.STATES) == set(states.MARKS)
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

    assert expected == states.copy_standing(copy, SAID).said


def test_a_click_without_a_seen_open_takes_the_mark_column() -> None:
    shown = states.mark(CopyState.CLICKED, Signals(clicks=2), ENGLISH)

    assert (shown.kind, shown.symbol, shown.number) == ("clicked", "link", "2")


def test_every_number_under_a_mark_has_words() -> None:
    told = [
        states.mark(state, Signals(opens=opens, clicks=clicks, confidence=confidence), ENGLISH).said
        for state, opens, clicks, confidence in (
            (CopyState.OPENED, 1, 0, 0.9),
            (CopyState.CLICKED, 2, 1, 0.9),
            (CopyState.OPENED, 3, 0, 0.5),
            (CopyState.CLICKED, 0, 2, None),
        )
    ]

    assert ["Opened once", "Opened twice", "Maybe opened 3 times", "2 clicks"] == told


def test_only_an_open_that_is_believed_colours_the_ticks() -> None:
    opened, believed, guess = (
        states.mark(CopyState.OPENED, Signals(opens=1, confidence=confidence), ENGLISH)
        for confidence in (0.95, 0.6, 0.55)
    )

    assert [(each.kind, each.symbol, each.number) for each in (opened, believed, guess)] == [
        ("opened", "ticks", "1"),
        ("opened", "ticks", "1"),
        ("maybe", "ticks", "1?"),
    ]
    assert [each.hint.rpartition(" ")[2] for each in (opened, believed)] == ["certain", "likely"]
    clicked = states.mark(CopyState.CLICKED, Signals(opens=1, clicks=1, confidence=0.7), ENGLISH)
    assert "A person opened it: likely" == clicked.hint
    assert states.mark(CopyState.LOADED_BY_MACHINE, Signals(machine=3), ENGLISH).symbol == "ticks-hollow"
    assert all(states.MARKS[state].hint for state in CopyState if state not in (CopyState.OPENED, CopyState.CLICKED))


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
    assert expected == states.bounced(reply, ENGLISH)


@pytest.mark.parametrize(
    ("opens", "expected"), [(0, "Replied"), (1, "Replied, opened"), (3, "Replied, opened 3 times")]
)
def test_a_recipient_who_answered_may_have_opened_too(opens: int, expected: str) -> None:
    copy = replace(COPY, facts=replace(FACTS, opens=opens, replies=1), signals=Signals(opens=opens))

    assert expected == states.copy_standing(copy, SAID).said


def test_an_answer_stands_above_all_that_was_seen() -> None:
    facts, signals = replace(FACTS, opens=3, clicks=1, replies=1), Signals(opens=3, clicks=1, confidence=0.3)
    one = states.message_standing(
        replace(ROW, facts=facts, signals=signals, replied_at=before(minutes=5), bounced=1), SAID
    )
    two = states.message_standing(replace(ROW, facts=replace(facts, replies=2)), SAID)

    assert ("Replied, 1 bounced", before(minutes=5), "reply") == (one.said, one.aged, one.mark.symbol)
    assert ("Replied twice", None) == (two.said, two.aged)
    assert "read for certain" in one.mark.hint


def test_a_recipient_who_answered_says_when() -> None:
    copy = replace(COPY, facts=replace(FACTS, replies=1), replied_at=before(hours=1))
    shown = states.copy_standing(copy, SAID)

    assert ("Replied", "", before(hours=1)) == (shown.said, shown.beside, shown.aged)

    seen = replace(copy, signals=Signals(opens=2, clicks=1))
    shown = states.copy_standing(seen, SAID)

    assert ("Replied, opened twice, clicked 1", "answer %(ago)s") == (shown.said, shown.beside)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, ("Sent", "12:21")),
        (replace(FACTS, delivery=Delivery.DELIVERED), ("Delivered", "12:21")),
        (replace(FACTS, delivery=Delivery.DELIVERED, machine=1), ("Loaded by a machine", "delivered 12:21")),
        (replace(FACTS, tracked=False), ("Not tracked", "sent 12:21")),
    ],
)
def test_what_the_state_says_is_not_said_again_beside_it(facts: CopyFacts, expected: tuple[str, str]) -> None:
    shown = states.copy_standing(replace(COPY, facts=facts, signals=Signals(machine=facts.machine)), SAID)

    assert expected == (shown.said, shown.beside)
