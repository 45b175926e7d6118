from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from tests.parts.house import (
    APPLE,
    CLOUD,
    CURL,
    FIREFOX,
    GMAIL,
    GOOGLE,
    HITS,
    KEYS,
    NOON,
    OFFICE,
    SENDER,
    THUNDERBIRD,
    Drawn,
    House,
    a_hit,
    judge_from_scratch,
    snapshot,
)

from unsealed.core.token import seal_device
from unsealed.flow import judging, rejudge
from unsealed.flow.ingest import recount
from unsealed.model.errors import BadInput, Refused
from unsealed.model.event import Answer, Finding, HitId
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId, Delivery, UserId, public_id
from unsealed.model.policy import Level
from unsealed.store import audit, corrections, counts, own, schema
from unsealed.store.corrections import Cause

STRANGER = UserId(8)


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    return House(engine, tmp_path / "journal")


def say(house: House, answer: Answer, hit: HitId | None = None, user: UserId = SENDER) -> int:
    return rejudge.correct(house.engine, user, house.hit() if hit is None else hit, answer, NOON)


def said(house: House) -> list[tuple[str, int]]:
    with house.engine.connect() as connection:
        return [(row.answer, row.changed) for row in corrections.list_for(connection, SENDER)]


# What a sender says


def test_what_the_sender_called_own_counts_no_longer_in_the_past_and_in_the_future(house: House) -> None:
    (copy,), (other,) = house.message(), house.message()
    house.write(a_hit(copy, 300), a_hit(other, 400), a_hit(other, 500, THUNDERBIRD, OFFICE))
    house.take_in()

    say(house, Answer.ME, house.hit(0))
    house.work_off()
    house.write(a_hit(copy, 5000))
    house.take_in()

    assert [Finding.SELF_OPEN, Finding.SELF_OPEN, Finding.HUMAN_OPEN, Finding.SELF_OPEN] == house.findings()
    assert [(0, 0, 2, 0), (1, 0, 2, 0)] == [house.counts(copy), house.counts(other)]
    assert [("me", 2)] == said(house)


def test_a_message_that_was_never_read_after_all_stands_where_it_stood_before_its_signal(house: House) -> None:
    (copy,) = house.message()
    m, c = schema.messages.c, schema.copies.c
    with house.engine.connect() as connection:
        before = connection.execute(select(m.opens, m.first_at, m.last_at, m.received_at)).one()
    house.write(a_hit(copy, 300))
    house.take_in()

    say(house, Answer.MACHINE)
    house.work_off()

    with house.engine.connect() as connection:
        after = connection.execute(select(m.opens, m.first_at, m.last_at, m.signal_at)).one()
        ends = connection.execute(select(c.opens, c.first_at, c.last_at, c.confidence)).one()
    assert tuple(before) == tuple(after)
    assert (0, None, None, None) == tuple(ends)


def test_the_message_of_the_event_goes_before_the_rest_of_history(house: House) -> None:
    (first,), (second,) = house.message(), house.message()
    house.write(a_hit(first, 300), a_hit(second, 300))
    house.take_in()

    say(house, Answer.ME, house.hit(1))
    house.ingest.judge()

    assert [(1, 0, 1, 0), (0, 0, 1, 0)] == [house.counts(first), house.counts(second)]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An event, the last hit of a message."""

    hits: Callable[[CopyId], list[Hit]]
    delivery: Delivery = Delivery.SENT


EVENTS = {
    "human open": Case(hits=lambda copy: [a_hit(copy, 300)]),
    "through Gmail": Case(hits=lambda copy: [a_hit(copy, 300, GMAIL, GOOGLE)]),
    "loaded ahead": Case(hits=lambda copy: [a_hit(copy, 300, APPLE, "172.226.56.12")]),
    "says so itself": Case(hits=lambda copy: [a_hit(copy, 300, FIREFOX, prefetch="prefetch")]),
    "a program": Case(hits=lambda copy: [a_hit(copy, 300, CURL, CLOUD)]),
    "no name": Case(hits=lambda copy: [a_hit(copy, 300, "", CLOUD)]),
    "before the message": Case(hits=lambda copy: [a_hit(copy, -60)]),
    "before the answer": Case(hits=lambda copy: [a_hit(copy, 5)], delivery=Delivery.QUEUED),
    "a click": Case(hits=lambda copy: [a_hit(copy, 300, FIREFOX, link=1)]),
    "a scanner's click": Case(hits=lambda copy: [a_hit(copy, 300, CURL, CLOUD, link=1)]),
    "in a burst": Case(hits=lambda copy: [a_hit(copy, 300 + number / 10, FIREFOX, link=number) for number in range(4)]),
    "twice": Case(hits=lambda copy: [a_hit(copy, 300), a_hit(copy, 302)]),
    "not kept": Case(hits=lambda copy: [a_hit(copy, 300, level=Level.IDENTIFIED)]),
}
EXPECTED = {
    Answer.ME: {Finding.SELF_OPEN, Finding.SELF_CLICK},
    Answer.MACHINE: {Finding.SCANNER, Finding.SCANNER_CLICK, Finding.MACHINE_PREFETCH},
    Answer.THEM: {Finding.HUMAN_OPEN, Finding.HUMAN_CLICK, Finding.PROXIED_OPEN, Finding.DUPLICATE},
}


@pytest.mark.parametrize("answer", Answer)
@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_answer_changes_the_event_that_it_was_said_about(house: House, name: str, answer: Answer) -> None:
    case = EVENTS[name]
    level = Level.IDENTIFIED if name == "not kept" else Level.FULL
    (copy,) = house.message(delivery=case.delivery, level=level)
    house.write(*case.hits(copy))
    house.take_in()
    hit, e = house.hit(), schema.events.c

    say(house, answer, hit)
    house.work_off()

    with house.engine.connect() as connection:
        row = connection.execute(select(e.finding, e.confidence, e.reasons).where(e.hit_id == hit)).one()
    assert row.finding in EXPECTED[answer]
    assert '"CORRECTED"' in row.reasons
    assert "Thunderbird" not in row.reasons or level is Level.FULL


def test_nobody_can_say_that_a_person_followed_a_hidden_link_or_asked_for_nothing(house: House) -> None:
    (copy,) = house.message()
    house.hide_link(copy, 3)
    house.write(a_hit(copy, 300, FIREFOX, link=3), a_hit(copy, 900, method="HEAD"))
    house.take_in()

    with pytest.raises(Refused, match="No person can see"):
        say(house, Answer.THEM, house.hit(0))
    with pytest.raises(Refused, match="nothing that a person"):
        say(house, Answer.THEM, house.hit(1))

    say(house, Answer.ME, house.hit(0))
    house.work_off()
    assert [Finding.SELF_CLICK, Finding.SCANNER] == house.findings()


def test_an_event_of_somebody_else_is_not_there(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()
    id = say(house, Answer.ME)

    with pytest.raises(BadInput, match="no such event"):
        say(house, Answer.ME, user=STRANGER)
    with pytest.raises(BadInput, match="no such correction"):
        rejudge.undo(house.engine, STRANGER, id, NOON)


def test_another_answer_takes_the_place_of_the_former(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()

    say(house, Answer.ME)
    say(house, Answer.MACHINE)
    house.work_off()

    assert [Finding.SCANNER] == house.findings()
    assert [("machine", 1)] == said(house)
    with house.engine.connect() as connection:
        assert [
            ("corrected", "a machine: Thunderbird on Linux, 203.0.113.0/24, for everybody at x.example"),
            ("correction undone", "no longer you: Thunderbird on Linux, 203.0.113.0/24"),
            ("corrected", "you: Thunderbird on Linux, 203.0.113.0/24"),
        ] == [(line.what, line.words) for line in audit.lines(connection, SENDER)]


def test_what_was_taken_back_leaves_no_trace_in_counts(house: House) -> None:
    (copy,), (other,) = house.message(), house.message()
    house.write(a_hit(copy, 300), a_hit(copy, 900, FIREFOX, link=1), a_hit(other, 400))
    house.take_in()
    before = snapshot(house, [copy]), snapshot(house, [other])

    id = say(house, Answer.ME, house.hit(0))
    house.work_off()
    assert before != (snapshot(house, [copy]), snapshot(house, [other]))
    rejudge.undo(house.engine, SENDER, id, NOON)
    house.work_off()

    assert before == (snapshot(house, [copy]), snapshot(house, [other]))
    assert [] == said(house)
    with pytest.raises(BadInput, match="undone before"):
        rejudge.undo(house.engine, SENDER, id, NOON)


def test_a_lower_level_keeps_quiet_about_the_device_in_the_list_too(house: House) -> None:
    (copy,) = house.message(level=Level.IDENTIFIED)
    house.write(a_hit(copy, 300, level=Level.IDENTIFIED))
    house.take_in()

    say(house, Answer.THEM)

    with house.engine.connect() as connection:
        (row,) = corrections.list_for(connection, SENDER)
    assert "the program and network of this event, for rob0@x.example" == row.words
    assert (public_id(house.message_of(copy)), public_id(house.hit())) == (row.message, row.event)


def test_nobody_is_notified_of_the_past(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()
    with house.engine.begin() as connection:
        connection.execute(delete(schema.feed))

    say(house, Answer.MACHINE)
    house.write(a_hit(copy, 900, FIREFOX, OFFICE, link=1))
    house.ingest.ship()
    house.work_off()

    f = schema.feed.c
    with house.engine.connect() as connection:
        lines = connection.execute(select(f.what, f.copy_id).order_by(f.id)).all()
    assert {("rejudged", None), ("human_click", copy)} == {tuple(line) for line in lines}


def test_a_page_hears_that_judging_again_has_ended_also_when_nothing_changed(house: House) -> None:
    (copy,), (other,) = house.message(), house.message()
    house.write(a_hit(copy, 300), a_hit(other, 300, FIREFOX, OFFICE))
    house.take_in()
    say(house, Answer.ME, house.hit(0))
    house.work_off()
    with house.engine.begin() as connection:
        connection.execute(delete(schema.feed))

    say(house, Answer.ME, house.hit(0))
    house.work_off()

    f = schema.feed.c
    with house.engine.connect() as connection:
        lines = connection.execute(select(f.user_id, f.message_id, f.copy_id, f.what)).all()
    assert [(SENDER, house.message_of(copy), None, "rejudged")] == [tuple(line) for line in lines]


# History


def test_new_rules_are_applied_to_history_once(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300), a_hit(copy, 400, CURL, CLOUD))
    house.take_in()
    right = snapshot(house, [copy])
    spoil(house)
    with house.engine.begin() as connection:
        corrections.judge_with(connection, {"rules": "2020.01", "data": ""})

    assert rejudge.keep_up(house.engine, "", NOON)
    assert not rejudge.keep_up(house.engine, "", NOON)
    house.work_off()

    assert right == snapshot(house, [copy])
    with house.engine.connect() as connection:
        row, *_ = corrections.list_rejudgings(connection, SENDER)
        (revised,) = connection.execute(
            select(schema.revisions.c.before, schema.revisions.c.after).where(schema.revisions.c.rejudging_id == row.id)
        ).all()
    assert (1, 1, NOON) == (row.messages, row.changed, row.finished_at)
    assert row.words.startswith("rules 2020.01 -> ")
    assert ("human_open", "scanner") == tuple(revised)


def test_new_data_is_applied_to_history(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()
    rejudge.keep_up(house.engine, "old", NOON)
    house.work_off()

    assert rejudge.keep_up(house.engine, "new", NOON)

    with house.engine.connect() as connection:
        assert Cause.DATA == corrections.list_rejudgings(connection, SENDER)[0].cause


def test_a_store_without_history_has_nothing_to_judge_again(house: House) -> None:
    assert not rejudge.keep_up(house.engine, "", NOON)
    assert not rejudge.keep_up(house.engine, "new", NOON)


def spoil(house: House) -> None:
    """As though older rules had believed everybody."""
    with house.engine.begin() as connection:
        connection.execute(
            update(schema.events).values(finding="human_open", confidence=0.5, first_of_reading=False, rules="old")
        )
        counts.recount(connection)


def test_a_browser_that_is_no_longer_the_senders_is_a_reader_again(house: House) -> None:
    (copy,) = house.message()
    with house.engine.begin() as connection:
        device = own.add_device(connection, SENDER, FIREFOX, NOON)
    house.write(a_hit(copy, 300, device=cookie(device)))
    house.take_in()
    assert [Finding.SELF_OPEN] == house.findings()

    with house.engine.begin() as connection:
        assert own.remove_device(connection, SENDER, device, NOON)
        assert not own.remove_device(connection, SENDER, device, NOON)
    house.work_off()

    assert [Finding.HUMAN_OPEN] == house.findings()


def cookie(device: int) -> str:
    return seal_device(KEYS, 0, device, "")


def test_a_message_that_is_gone_is_passed_over(house: House) -> None:
    (copy,), (other,) = house.message(), house.message()
    house.write(a_hit(copy, 300), a_hit(other, 300))
    house.take_in()
    spoil(house)
    begin(house)
    assert rejudge.step(house.engine, NOON)
    gone = house.message_of(copy)
    with house.engine.begin() as connection:
        connection.execute(delete(schema.messages).where(schema.messages.c.id == gone))

    house.work_off()

    assert 0 == house.rows("marks")
    assert (1, 0, 1, 0) == house.counts(other)
    with house.engine.connect() as connection:
        assert NOON == corrections.list_rejudgings(connection, SENDER)[0].finished_at


def begin(house: House, *, days: int | None = None) -> int:
    since = None if days is None else NOON + timedelta(days=days)
    with house.engine.begin() as connection:
        return corrections.begin(connection, cause=Cause.COMMAND, words="", now=NOON, since=since)


def test_what_is_new_goes_before_history(house: House) -> None:
    (old,), (new,) = house.message(), house.message()
    house.write(a_hit(old, 300))
    house.take_in()
    spoil(house)
    begin(house)
    assert rejudge.step(house.engine, NOON)
    house.write(a_hit(new, 300))
    house.ingest.ship()

    assert 1 == house.ingest.judge()
    assert [(1, 0, 1, 0), (0, 0, 1, 0)] == [house.counts(new), house.counts(old)]
    house.work_off()
    assert (1, 0, 1, 0) == house.counts(old)


def test_a_process_that_dies_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MESSAGES_LOOKED_AT", 2)
    copies = [house.message()[0] for _ in range(5)]
    house.write(*(a_hit(copy, 300, CURL, CLOUD) for copy in copies))
    house.take_in()
    spoil(house)
    begin(house)
    for _ in range(3):  # marked, judged, marked; then another process
        if not house.ingest.judge():
            rejudge.step(house.engine, NOON)
    house.ingest = house.fresh_ingest()

    house.work_off()

    assert [Finding.SCANNER] * 5 == house.findings()
    with house.engine.connect() as connection:
        (row,) = corrections.list_rejudgings(connection, SENDER)
    assert (5, 5) == (row.messages, row.changed)


def test_judging_again_since_a_day_leaves_alone_what_was_before(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, CURL, CLOUD), a_hit(copy, 2 * 86_400, CURL, CLOUD))
    house.take_in()
    spoil(house)

    begin(house, days=1)
    house.work_off()

    assert [Finding.HUMAN_OPEN, Finding.SCANNER] == house.findings()


def test_a_rehearsal_says_what_judging_again_does_and_writes_nothing(house: House) -> None:
    copies = [house.message()[0] for _ in range(3)]
    house.write(*(a_hit(copy, 300, CURL, CLOUD) for copy in copies), a_hit(copies[0], 900, FIREFOX, link=1))
    house.take_in()
    spoil(house)
    before = everything(house)

    (*_, found) = rejudge.rehearse(house.engine, None)

    assert before == everything(house)
    id = begin(house)
    house.work_off()
    with house.engine.connect() as connection:
        done = corrections.difference(connection, id)
    assert found.findings == done.findings
    assert found.by_message == {message: count for message, _, count in done.messages}
    assert 3 == found.messages


def everything(house: House) -> dict[str, list[object]]:
    with house.engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in schema.metadata.tables.items()
        }


def test_old_rejudgings_are_forgotten_unless_a_correction_that_holds_shows_them(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()
    begin(house)
    say(house, Answer.ME)
    house.work_off()

    with house.engine.begin() as connection:
        assert 0 == corrections.trim(connection, NOON)
        assert 1 == corrections.trim(connection, NOON + timedelta(days=1))

    assert [("me", 1)] == said(house)
    assert (1, 1) == (house.rows("rejudgings"), house.rows("revisions"))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(HITS, min_size=1, max_size=20),
    answers=st.lists(st.tuples(st.sampled_from(Answer), st.integers(0, 19), st.booleans()), max_size=4),
    portion=st.sampled_from((1, 3, 2_000)),
    hot=st.sampled_from((2, 2_000)),
)
def test_history_judged_again_equals_a_judgement_from_scratch(
    house: House, drawn: list[Drawn], answers: list[tuple[Answer, int, bool]], portion: int, hot: int
) -> None:
    house.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "HISTORY_AT_ONCE", portion)
        patch.setattr(judging, "HOT_HITS", hot)
        copies = house.message(2)
        for batch in range(4):
            house.write(
                *(
                    a_hit(copies[hit.copy], hit.after_s, hit.agent, hit.address, link=hit.link, method=hit.method)
                    for hit in drawn
                    if hit.batch == batch
                )
            )
            house.take_in()
            for answer, number, taken_back in answers[batch : batch + 1]:
                answer_one(house, copies, answer, number, taken_back=taken_back)
        house.work_off()
        in_the_background = snapshot(house, copies)

        assert 0 == recount(house.engine)
        judge_from_scratch(house, copies)
        assert in_the_background == snapshot(house, copies)

        spoil(house)
        begin(house)
        house.work_off()
        assert in_the_background == snapshot(house, copies)


def answer_one(house: House, copies: list[CopyId], answer: Answer, number: int, *, taken_back: bool) -> None:
    h = schema.hits.c
    with house.engine.connect() as connection:
        query = select(h.id).where(h.copy_id.in_(copies)).order_by(h.id)
        ids = connection.execute(query).scalars().all()
    if not ids:
        return
    try:
        id = say(house, answer, ids[number % len(ids)])
    except Refused:
        return
    if taken_back:
        house.ingest.judge()
        rejudge.undo(house.engine, SENDER, id, NOON)
