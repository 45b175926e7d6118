from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update
from tests.parts.house import (
    CLOUD,
    CURL,
    FIREFOX,
    GMAIL,
    GOOGLE,
    HITS,
    HOME,
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

from unsealed.flow import ingest, judging
from unsealed.flow.ingest import recount
from unsealed.model.event import Finding
from unsealed.model.message import CopyId, Delivery, MessageId
from unsealed.model.policy import Level
from unsealed.store import events, marks, messages, schema
from unsealed.store.journal import Journal


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    return House(engine, tmp_path / "journal")


# From the journal to counts


def test_an_open_in_the_journal_becomes_an_event_and_a_count(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))

    house.take_in()

    assert [Finding.HUMAN_OPEN] == house.findings()
    assert (1, 0, 1, 0) == house.counts(copy)


def test_preview_panes_that_load_again_and_again_are_one_reading(house: House) -> None:
    (copy,) = house.message()
    house.write(*(a_hit(copy, 300 + 20 * number) for number in range(8)))

    house.take_in()

    assert (1, 0, 8, 0) == house.counts(copy)


def test_reading_again_after_more_than_ten_minutes_is_another_reading(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300), a_hit(copy, 300 + 600), a_hit(copy, 300 + 600 + 601))

    house.take_in()

    assert (2, 0, 3, 0) == house.counts(copy)


def test_a_click_without_an_open_means_opened(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 900, FIREFOX, link=1))

    house.take_in()

    assert (1, 1, 1, 0) == house.counts(copy)


def test_a_click_does_not_add_to_the_readings_that_were_seen(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 900, FIREFOX, link=1))
    house.take_in()
    house.write(a_hit(copy, 5000))
    house.take_in()
    house.write(a_hit(copy, 9000))
    house.take_in()

    assert (2, 1, 3, 0) == house.counts(copy)


def test_a_head_request_is_recorded_and_never_counted(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, method="HEAD"), a_hit(copy, 310, FIREFOX, link=0, method="HEAD"))

    house.take_in()

    assert (0, 0, 2, 2) == house.counts(copy)


def test_the_message_has_the_sums_and_the_ends_of_its_copies(house: House) -> None:
    one, other = house.message(2)
    house.write(a_hit(one, 300), a_hit(other, 400, address=OFFICE), a_hit(other, 450, FIREFOX, OFFICE, link=2))

    house.take_in()

    m = schema.messages.c
    with house.engine.connect() as connection:
        row = connection.execute(select(m.opens, m.clicks, m.raw, m.machine, m.first_at, m.last_at, m.signal_at)).one()
    first, last = NOON + timedelta(seconds=300), NOON + timedelta(seconds=450)
    assert (2, 1, 3, 0, first, last, last) == tuple(row)


def test_clicks_are_counted_by_link(house: House) -> None:
    (copy,) = house.message()
    house.write(
        a_hit(copy, 300, FIREFOX, link=2), a_hit(copy, 400, FIREFOX, link=2), a_hit(copy, 500, CURL, CLOUD, link=0)
    )

    house.take_in()

    c = schema.link_counts.c
    with house.engine.connect() as connection:
        rows = connection.execute(select(c.position, c.clicks, c.machine).order_by(c.position)).all()
    assert [(0, 0, 1), (2, 2, 0)] == [tuple(row) for row in rows]


def test_later_hits_of_a_burst_take_the_earlier_click_back(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, FIREFOX, link=0))
    house.take_in()
    assert (1, 1, 1, 0) == house.counts(copy)

    house.write(a_hit(copy, 300.4, FIREFOX, link=1))
    house.take_in()

    assert [Finding.SCANNER_CLICK, Finding.SCANNER_CLICK] == house.findings()
    assert (0, 0, 2, 2) == house.counts(copy)
    c = schema.copies.c
    with house.engine.connect() as connection:
        assert (None, None, None) == tuple(connection.execute(select(c.first_at, c.last_at, c.confidence)).one())


def test_hits_that_arrive_late_are_judged_where_they_belong_in_time(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 1000), a_hit(copy, 1300))
    house.take_in()
    house.write(a_hit(copy, 500))
    house.take_in()

    e = schema.events.c
    with house.engine.connect() as connection:
        firsts = connection.execute(select(e.first_of_reading).order_by(e.at)).scalars().all()
    assert [True, False, False] == firsts
    assert (1, 0, 3, 0) == house.counts(copy)


def test_below_the_full_level_events_keep_no_program_network_or_words(house: House) -> None:
    (copy,) = house.message(level=Level.IDENTIFIED)
    house.write(a_hit(copy, 300, GMAIL, GOOGLE, level=Level.IDENTIFIED))

    house.take_in()

    e = schema.events.c
    with house.engine.connect() as connection:
        row = connection.execute(select(e.finding, e.client, e.device, e.network, e.operator, e.reasons)).one()
    assert (Finding.PROXIED_OPEN, "", "unknown", "unknown", "") == tuple(row)[:5]
    assert "Gmail" not in row.reasons.replace("PROXY_GMAIL", "")


def test_the_senders_signed_in_browser_is_not_a_reader(house: House) -> None:
    (copy,) = house.message()
    with house.engine.begin() as connection:
        connection.execute(
            schema.sessions.insert().values(
                hash="0" * 64,
                user_id=SENDER,
                csrf="",
                address="127.0.0.1",
                user_agent=FIREFOX,
                created_at=NOON,
                seen_at=NOON,
                expires_at=NOON + timedelta(days=7),
            )
        )
    house.write(a_hit(copy, 300, FIREFOX, "127.0.0.1"), a_hit(copy, 320, THUNDERBIRD, "127.0.0.1"))

    house.take_in()

    assert [Finding.SELF_OPEN, Finding.HUMAN_OPEN] == house.findings()
    assert (1, 0, 2, 0) == house.counts(copy)


def test_hits_before_the_next_hop_confirmed_are_judged_again_when_it_did(house: House) -> None:
    """A scanner asks while the next hop still thinks about its 250, a quick reader before we have written it down."""
    (copy,) = house.message(sent_at=None, delivery=Delivery.QUEUED)
    house.write(a_hit(copy, -6, FIREFOX, OFFICE, link=0), a_hit(copy, 0.2))
    house.take_in()
    assert [Finding.SCANNER_CLICK, Finding.SCANNER] == house.findings()

    with house.engine.begin() as connection:
        messages.sent(connection, copy, reply="250 2.0.0 Ok", at=NOON, final=False)
    house.take_in()

    assert [Finding.SCANNER_CLICK, Finding.HUMAN_OPEN] == house.findings()
    assert (1, 0, 2, 1) == house.counts(copy)


def test_a_hit_after_an_attempt_that_ended_badly_may_be_a_reader(house: House) -> None:
    (copy,) = house.message(sent_at=None, delivery=Delivery.QUEUED)
    house.write(a_hit(copy, -600))
    with house.engine.begin() as connection:
        messages.delayed(connection, copy, reply="451 4.3.0", next_at=NOON)
        messages.sent(connection, copy, reply="250 2.0.0 Ok", at=NOON, final=False)

    house.take_in()

    assert [Finding.HUMAN_OPEN] == house.findings()


def test_a_changed_finding_is_told_to_live_pages(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, FIREFOX, link=0))
    house.take_in()
    house.write(a_hit(copy, 300.4, FIREFOX, link=1))
    house.take_in()

    f = schema.feed.c
    with house.engine.connect() as connection:
        lines = connection.execute(select(f.user_id, f.copy_id, f.what).order_by(f.id)).all()
    assert [(SENDER, copy, "human_click"), (SENDER, copy, "scanner_click")] == [tuple(line) for line in lines]


# Nothing lost, nothing twice


def test_a_journal_that_is_shipped_again_changes_nothing(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300), a_hit(copy, 2000))
    house.take_in()
    with house.engine.begin() as connection:
        connection.execute(delete(schema.cursors))

    house.ingest = house.fresh_ingest()
    house.take_in()

    assert 2 == house.rows("hits")
    assert (2, 0, 2, 0) == house.counts(copy)


def test_a_new_process_goes_on_where_the_last_one_stopped(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.take_in()
    house.write(a_hit(copy, 2000))
    house.ingest = house.fresh_ingest()

    assert 1 == house.ingest.ship()


def test_a_process_that_dies_between_shipping_and_judging_loses_nothing(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.ingest.ship()

    house.ingest = house.fresh_ingest()
    house.take_in()

    assert (1, 0, 1, 0) == house.counts(copy)


def test_segments_are_deleted_only_after_they_were_shipped(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.journal.close()
    house.journal = Journal(house.folder, "c1")
    house.write(a_hit(copy, 2000))
    assert 2 == len(list(house.folder.glob("*.journal")))

    house.ingest.ship(1)
    assert 2 == len(list(house.folder.glob("*.journal")))
    house.take_in()

    assert 1 == len(list(house.folder.glob("*.journal")))
    assert (2, 0, 2, 0) == house.counts(copy)


def test_what_a_process_that_died_did_not_delete_the_next_one_deletes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.journal.close()
    house.journal = Journal(house.folder, "c1")
    with monkeypatch.context() as patched:
        patched.setattr(ingest, "drop_before", lambda folder, position: 0)
        house.take_in()
    before = len(list(house.folder.glob("*.journal")))
    house.fresh_ingest().ship()

    assert (2, 1) == (before, len(list(house.folder.glob("*.journal"))))


def test_hits_of_unknown_copies_and_records_that_are_no_hits_are_passed_over(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(CopyId(5), 300), a_hit(copy, 300))
    house.journal.commit([b"1not a hit"])

    house.take_in()

    assert 1 == house.rows("hits")
    assert (1, 0, 1, 0) == house.counts(copy)


def test_a_message_that_was_erased_meanwhile_is_passed_over(house: House) -> None:
    (copy,) = house.message()
    (other,) = house.message()
    house.write(a_hit(copy, 300), a_hit(other, 300))
    house.ingest.ship()
    with house.engine.begin() as connection:
        erased = connection.execute(select(schema.copies.c.message_id).where(schema.copies.c.id == copy)).scalar_one()
        connection.execute(delete(schema.messages).where(schema.messages.c.id == erased))

    house.take_in()

    assert 0 == house.rows("marks")
    assert 1 == house.rows("events")
    assert (1, 0, 1, 0) == house.counts(other)


def test_a_mark_that_moved_while_it_was_judged_stays(house: House) -> None:
    house.message()
    with house.engine.begin() as connection:
        marks.mark(connection, {MessageId(1000): NOON})
        seen = marks.marked(connection, 10)
        marks.mark(connection, {MessageId(1000): NOON - timedelta(hours=1)})
        marks.clear(connection, seen)

        (left,) = marks.marked(connection, 10)

    assert (NOON - timedelta(hours=1), 2) == (left.since, left.seq)


# In pieces, at once, and counted again


def test_recount_repairs_what_is_wrong_and_says_how_much(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300), a_hit(copy, 400, FIREFOX, link=2))
    house.take_in()
    with house.engine.begin() as connection:
        connection.execute(update(schema.copies).values(opens=9, first_at=None))
        connection.execute(update(schema.messages).values(raw=0))
        connection.execute(delete(schema.link_counts))

    assert 3 == recount(house.engine)
    assert 0 == recount(house.engine)
    assert (1, 1, 2, 0) == house.counts(copy)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(HITS, min_size=1, max_size=25), sent=st.booleans())
def test_judging_in_pieces_at_once_and_recounting_agree(house: House, drawn: list[Drawn], sent: bool) -> None:
    house.forget()
    copies = house.message(2, sent_at=NOON if sent else None)
    for batch in range(4):
        house.write(
            *(
                a_hit(copies[hit.copy], hit.after_s, hit.agent, hit.address, link=hit.link, method=hit.method)
                for hit in drawn
                if hit.batch == batch
            )
        )
        house.take_in()

    in_pieces = snapshot(house, copies)
    assert 0 == recount(house.engine)
    judge_from_scratch(house, copies)
    assert in_pieces == snapshot(house, copies)


# Under load


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_message_that_is_asked_for_without_end_is_judged_in_linear_time(house: House) -> None:
    """What a hit costs must not grow with the number of hits: of all of them, and of those within a minute."""

    def taken_s(count: int) -> float:
        (copy,) = house.message()
        house.write(*(a_hit(copy, 100 + 60 * number / count) for number in range(count)))
        begun = process_time()
        while house.ingest.ship(500) + house.ingest.judge(500):
            pass
        assert count == house.counts(copy)[2]
        return process_time() - begun

    taken_s(500)
    small, large = taken_s(1_000), taken_s(10_000)

    assert large < 25 * small


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_while_a_backlog_is_shipped_the_newest_messages_wait_and_none_is_forgotten(house: House) -> None:
    (old,), (new,) = house.message(), house.message()
    house.write(a_hit(old, 100), *(a_hit(new, 1000 + number) for number in range(9)))

    house.ingest.ship(5)
    assert 1 == house.ingest.judge()
    assert [(1, 0, 1, 0), (0, 0, 0, 0)] == [house.counts(old), house.counts(new)]
    house.take_in()

    assert (1, 0, 9, 0) == house.counts(new)
    assert 0 == house.rows("marks")


def test_messages_with_many_hits_are_judged_in_several_transactions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "HITS_AT_ONCE", 3)
    copies = [house.message()[0] for _ in range(4)]
    house.write(*(a_hit(copy, 100 + number) for copy in copies for number in range(2)))
    house.ingest.ship()

    assert [1, 1, 1, 1, 0] == [house.ingest.judge() for _ in range(5)]
    assert [(1, 0, 2, 0)] * 4 == [house.counts(copy) for copy in copies]


def test_others_do_not_wait_behind_a_hot_message(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "HOT_HITS", 3)
    hot, first, second = (house.message()[0] for _ in range(3))
    house.write(*(a_hit(hot, 100 + number) for number in range(4)), a_hit(first, 110))
    house.ingest.ship()
    assert 2 == house.ingest.judge(hot=False)
    assert (0, 1) == (house.counts(hot)[2], house.counts(first)[2])

    house.write(a_hit(second, 120))
    house.ingest.ship()

    assert [1, 0] == [house.ingest.judge(hot=False) for _ in range(2)]
    assert (0, 1) == (house.counts(hot)[2], house.counts(second)[2])
    assert [1, 0] == [house.ingest.judge() for _ in range(2)]
    assert 4 == house.counts(hot)[2]


# What is kept below the full level


def dump(house: House) -> str:
    with house.engine.connect() as connection:
        rows = [row for table in schema.metadata.sorted_tables for row in connection.execute(table.select())]
    return repr(rows)


def events_of(house: House) -> list[Any]:
    with house.engine.connect() as connection:
        return list(connection.execute(schema.events.select().order_by(schema.events.c.at, schema.events.c.hit_id)))


def bare(house: House, before: datetime, *levels: Level) -> int:
    with house.engine.begin() as connection:
        return events.bare(connection, before, levels or [Level.PSEUDONYMOUS, Level.IDENTIFIED])


@pytest.mark.parametrize(("level", "found"), [(Level.IDENTIFIED, False), (Level.FULL, True)])
def test_after_judging_nothing_of_a_request_is_left_below_the_full_level(
    house: House, level: Level, found: bool
) -> None:
    (copy,) = house.message(level=level)
    house.write(a_hit(copy, 300, THUNDERBIRD, HOME, level=level))
    house.take_in()
    before = events_of(house)

    assert bare(house, NOON + timedelta(hours=2)) == (not found)

    assert [HOME in dump(house), "Thunderbird" in dump(house), "rv:128" in dump(house)] == [found] * 3
    message = house.message_of(copy)
    with house.engine.begin() as connection:
        marks.mark(connection, {message: NOON})
    house.take_in()
    assert events_of(house) == before
    house.write(a_hit(copy, 9_000, THUNDERBIRD, HOME, level=level))
    house.take_in()
    assert events_of(house)[: len(before)] == before
    assert len(events_of(house)) == 2


def test_when_its_time_is_over_a_request_is_forgotten_and_its_event_stays(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, THUNDERBIRD, HOME), a_hit(copy, 9_000, THUNDERBIRD, OFFICE))
    house.take_in()
    before = events_of(house)

    assert bare(house, NOON + timedelta(seconds=8_000), Level.FULL) == 1

    assert [HOME in dump(house), OFFICE in dump(house)] == [False, True]
    message = house.message_of(copy)
    with house.engine.begin() as connection:
        marks.mark(connection, {message: NOON})
    house.take_in()
    assert events_of(house) == before


def test_a_copy_keeps_less_than_others_of_its_message(house: House) -> None:
    one, other = house.message(copies=2)
    house.write(a_hit(one, 300, level=Level.IDENTIFIED), a_hit(other, 300))

    house.take_in()

    kept = {event.copy_id: (event.client, event.network) for event in events_of(house)}
    assert kept[one] == ("", "unknown")
    assert kept[other][0] == "Thunderbird"


def test_what_is_new_or_not_judged_is_left_alone(house: House) -> None:
    (copy,) = house.message(level=Level.IDENTIFIED)
    house.write(a_hit(copy, 300, level=Level.IDENTIFIED))
    house.ingest.ship()

    assert bare(house, NOON + timedelta(hours=2)) == 0
    house.ingest.judge()
    assert bare(house, NOON + timedelta(seconds=300)) == 0
    assert bare(house, NOON + timedelta(seconds=301)) == 1
    assert bare(house, NOON + timedelta(seconds=301)) == 0
