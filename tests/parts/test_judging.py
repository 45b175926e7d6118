from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select
from tests.parts.house import (
    CLOUD,
    CURL,
    FIREFOX,
    HOME,
    KEYS,
    NOON,
    OFFICE,
    SENDER,
    THUNDERBIRD,
    House,
    a_hit,
    judge_from_scratch,
    snapshot,
)

from unsealed.core.bearing import Back
from unsealed.core.judge import verdicts_from
from unsealed.core.network import locate
from unsealed.core.scene import Context, Scene, SeenHit
from unsealed.core.token import seal_device
from unsealed.flow import judging, rejudge
from unsealed.flow.judging import Judge
from unsealed.model.errors import Unavailable
from unsealed.model.event import Answer, Finding, HitId, Located, Place, PlaceState, Verdict
from unsealed.model.message import UserId
from unsealed.model.policy import Level
from unsealed.store import corrections, counts, marks, own, schema
from unsealed.store import engine as stores

COLLEAGUE = UserId(8)
BERLIN = Place(state=PlaceState.KNOWN, country="DE", region="Berlin", city="Berlin")


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    house = House(engine, tmp_path / "journal")
    with engine.begin() as connection:
        connection.execute(
            schema.users.insert().values(id=COLLEAGUE, email="rob@example.org", role="member", created_at=NOON)
        )
    return house


def a_judge(house: House, meanwhile: Callable[[], object]) -> Judge:
    """A judge while whose first thoughts something else happens."""
    happened: list[object] = []

    def look_up(address: str) -> Located:
        if not happened:
            happened.append(True)
            meanwhile()
        return locate(address)

    return Judge(house.engine, clock=lambda: NOON, locate=look_up)


# What reaches the rules


def test_a_browser_that_the_sender_called_own_is_the_senders_and_nobody_elses(house: House) -> None:
    (copy,) = house.message()
    with house.engine.begin() as connection:
        mine = own.add_device(connection, SENDER, FIREFOX, NOON)
        colleagues = own.add_device(connection, COLLEAGUE, FIREFOX, NOON)
    cookies = [seal_device(KEYS, 0, mine, ""), seal_device(KEYS, 0, colleagues, ""), "forged", ""]
    house.write(*(a_hit(copy, 300 + 900 * number, device=cookie) for number, cookie in enumerate(cookies)))

    house.take_in()

    assert [Finding.SELF_OPEN, *[Finding.HUMAN_OPEN] * 3] == house.findings()
    with house.engine.connect() as connection:
        kept = connection.execute(select(schema.hits.c.device).order_by(schema.hits.c.at)).scalars().all()
        assert [mine, colleagues, None, None] == kept
        assert NOON + timedelta(seconds=300) == own.list_devices(connection, SENDER)[0].seen_at


def test_an_address_from_which_the_sender_submitted_mail_is_evidence(house: House) -> None:
    (copy,) = house.message()
    with house.engine.begin() as connection:
        own.touch_address(connection, SENDER, HOME, NOON)
    house.write(a_hit(copy, 300), a_hit(copy, 900, THUNDERBIRD, OFFICE))

    house.take_in()

    assert [Finding.SELF_OPEN, Finding.HUMAN_OPEN] == house.findings()


def test_an_address_that_others_use_as_well_hides_no_colleague(house: House) -> None:
    (copy,) = house.message()
    with house.engine.begin() as connection:
        own.touch_address(connection, SENDER, HOME, NOON)
        own.touch_address(connection, COLLEAGUE, HOME, NOON)
    house.write(a_hit(copy, 300))

    house.take_in()

    assert [Finding.HUMAN_OPEN] == house.findings()


def test_a_hidden_link_counts_for_what_came_from_there_within_a_minute_whenever_it_is_known(house: House) -> None:
    (copy,) = house.message()
    house.hide_link(copy, 9)
    house.write(a_hit(copy, 300), a_hit(copy, 300, THUNDERBIRD, OFFICE))
    house.take_in()
    assert [Finding.HUMAN_OPEN] * 2 == house.findings()

    house.write(a_hit(copy, 350, FIREFOX, link=9))
    house.take_in()

    assert [Finding.SCANNER, Finding.HUMAN_OPEN, Finding.SCANNER_CLICK] == house.findings()
    in_pieces = snapshot(house, [copy])
    judge_from_scratch(house, [copy])
    assert in_pieces == snapshot(house, [copy])


def test_a_place_is_kept_at_the_full_level_alone(house: House) -> None:
    (full,), (less,) = house.message(), house.message(level=Level.IDENTIFIED)
    house.write(a_hit(full, 300), a_hit(less, 300, level=Level.IDENTIFIED))
    house.ingest.ship()

    Judge(
        house.engine, clock=lambda: NOON, locate=lambda text: Located(network=locate(text).network, place=BERLIN)
    ).judge()

    e = schema.events.c
    with house.engine.connect() as connection:
        rows = connection.execute(select(e.place, e.country, e.region, e.city).order_by(e.hit_id)).all()
    assert [("known", "DE", "Berlin", "Berlin"), ("unknown", "", "", "")] == [tuple(row) for row in rows]


# One judge at a time, and others at work


def test_others_write_while_the_judge_thinks(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.ingest.ship()
    judge = a_judge(house, house.message)  # on SQLite there is one write lock: whoever held it would wait for itself

    assert 1 == judge.judge()
    assert 2 == house.rows("messages")


def test_hits_that_arrive_while_the_judge_thinks_are_judged_next(house: House) -> None:
    (copy,) = house.message()
    house.write(a_hit(copy, 300, FIREFOX, link=0))
    house.ingest.ship()
    house.write(a_hit(copy, 300.4, FIREFOX, link=1))
    judge = a_judge(house, house.ingest.ship)

    assert [1, 1, 0] == [judge.judge() for _ in range(3)]
    assert [Finding.SCANNER_CLICK] * 2 == house.findings()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_message_that_is_erased_while_the_judge_thinks_leaves_nothing(house: House) -> None:
    (copy,), (other,) = house.message(), house.message()
    house.write(a_hit(copy, 300, FIREFOX, link=1), a_hit(other, 300))
    house.ingest.ship()
    gone = house.message_of(copy)

    def erase() -> None:
        with house.engine.begin() as connection:
            connection.execute(delete(schema.messages).where(schema.messages.c.id == gone))

    assert 2 == a_judge(house, erase).judge()

    assert (1, 0) == (house.rows("events"), house.rows("marks"))
    assert (1, 0, 1, 0) == house.counts(other)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nobody_judges_while_another_does(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BUSY_TIMEOUT_MS", 20)
    (copy,) = house.message()
    house.write(a_hit(copy, 300))
    house.ingest.ship()
    refused: list[Unavailable] = []

    def try_too() -> None:
        with pytest.raises(Unavailable) as caught:
            house.ingest.judge()
        refused.append(caught.value)

    assert 1 == a_judge(house, try_too).judge()
    assert 1 == len(refused)
    assert (1, 0, 1, 0) == house.counts(copy)


@pytest.mark.parametrize("hot_hits", [6, 2_000])
def test_several_judges_at_once_come_to_the_same_as_one(
    house: House, monkeypatch: pytest.MonkeyPatch, hot_hits: int
) -> None:
    """New hits, corrections and history, worked off by three judges; each count moves once."""
    monkeypatch.setattr(judging, "HOT_HITS", hot_hits)
    copies = [house.message()[0] for _ in range(8)]
    hits = [
        a_hit(copy, 100 + 0.3 * number, *((FIREFOX, HOME) if number % 3 else (CURL, CLOUD)), link=number % 4 or None)
        for number in range(12)
        for copy in copies
    ]
    house.write(*hits[:40])
    house.take_in()
    with house.engine.begin() as connection:
        corrections.begin(connection, cause=corrections.Cause.COMMAND, words="", now=NOON)
    rejudge.correct(house.engine, SENDER, house.hit(0), Answer.ME, NOON)
    house.write(*hits[40:])

    def work(number: int) -> None:
        judge, idle = Judge(house.engine, clock=lambda: NOON), 0
        while idle < 3:
            shipped = house.ingest.ship(7) if number == 0 else 0
            worked = judge.judge(3) + judge.judge_hot() + rejudge.step(house.engine, NOON)
            idle = 0 if shipped + worked else idle + 1

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, number) for number in range(3)]:
            done.result()
    house.take_in()
    house.work_off()

    at_once = [snapshot(house, [copy]) for copy in copies]
    for copy in copies:
        judge_from_scratch(house, [copy])
    assert at_once == [snapshot(house, [copy]) for copy in copies]
    assert 0 == house.rows("marks")


def test_what_arrives_while_a_hot_message_is_judged_is_marked_beside_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "HOT_HITS", 3)
    (copy,) = house.message()
    house.write(*(a_hit(copy, 100 + number) for number in range(5)))
    house.ingest.ship()
    house.write(a_hit(copy, 4000))
    judge = a_judge(house, house.ingest.ship)
    assert [1, 0] == [judge.judge() for _ in range(2)]

    assert 1 == judge.judge_hot()

    assert (1, 0, 5, 0) == house.counts(copy)
    assert 0 == judge.judge()
    assert [1, 0] == [judge.judge_hot() for _ in range(2)]
    assert (2, 0, 6, 0) == house.counts(copy)
    assert 0 == house.rows("marks")


def test_a_hot_message_whose_judge_died_is_judged_from_where_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "HOT_HITS", 3)
    (copy,) = house.message()
    house.write(*(a_hit(copy, 100 + number) for number in range(5)))
    house.ingest.ship()
    judge = Judge(house.engine, clock=lambda: NOON)
    judge.judge()
    with house.engine.begin() as connection:  # and then it dies
        assert marks.take_apart(connection) is not None
    house.write(a_hit(copy, 4000))
    house.ingest.ship()

    assert [0, 1, 0] == [judge.judge(), judge.judge_hot(), judge.judge_hot()]
    assert (2, 0, 6, 0) == house.counts(copy)
    assert 0 == house.rows("marks")


@pytest.mark.parametrize("hot_hits", [20, 2_000])
def test_what_is_judged_of_a_flood_is_what_is_new(house: House, monkeypatch: pytest.MonkeyPatch, hot_hits: int) -> None:
    monkeypatch.setattr(judging, "HOT_HITS", hot_hits)
    copies = house.message(copies=2)
    judged: list[int] = []

    def count(scene: Scene, since: datetime, back: Back) -> dict[HitId, Verdict]:
        found = verdicts_from(scene, since, back)
        judged.append(len(found))
        return found

    monkeypatch.setattr(judging, "verdicts_from", count)
    for second in range(40):
        house.write(
            *(
                a_hit(copies[number % 2], 100 + second + number / 10, FIREFOX, link=(None, 0, 1)[number % 3])
                for number in range(10)
            )
        )
        house.take_in()

    assert 40 * 10 <= sum(judged) <= 2 * 40 * 10
    in_pieces = snapshot(house, copies)
    judge_from_scratch(house, copies)
    assert in_pieces == snapshot(house, copies)


def test_of_a_flood_of_strangers_only_those_who_have_to_do_with_what_is_new_are_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = house.message(copies=2)
    looked_at: list[int] = []

    def scene(hits: Sequence[SeenHit], context: Context) -> Scene:
        looked_at.append(len(hits))
        return Scene(hits, context)

    monkeypatch.setattr(judging, "Scene", scene)
    for second in range(15):
        house.write(
            *(
                a_hit(copies[number % 2], 100 + second + number / 10, FIREFOX, f"203.0.113.{10 * second + number}")
                for number in range(10)
            )
        )
        house.take_in()

    assert [10] * 15 == looked_at
    in_pieces = snapshot(house, copies)
    judge_from_scratch(house, copies)
    assert in_pieces == snapshot(house, copies)


def test_of_a_flood_in_which_everybody_races_through_the_links_only_the_racers_are_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy,) = house.message()
    looked_at: list[int] = []

    def scene(hits: Sequence[SeenHit], context: Context) -> Scene:
        looked_at.append(len(hits))
        return Scene(hits, context)

    monkeypatch.setattr(judging, "Scene", scene)
    for second in range(10):
        for link, begin in ((1, 0), (0, 5)):  # the second link of five who came half a second ago, the first of others
            house.write(
                *(
                    a_hit(copy, 100 + second + (begin + number) / 10, FIREFOX, f"203.0.113.{address}", link=link)
                    for number in range(5)
                    for address in [5 * (second - link) + number + 5]
                )
            )
        house.take_in()

    assert [10] + [15] * 9 == looked_at
    assert [Finding.HUMAN_CLICK] * 5 == house.findings()[-5:]
    assert {Finding.SCANNER_CLICK} == set(house.findings()[5:-5])
    in_pieces = snapshot(house, [copy])
    judge_from_scratch(house, [copy])
    assert in_pieces == snapshot(house, [copy])


def test_what_is_judged_again_and_what_is_new_do_not_wait_for_one_another(house: House) -> None:
    (one,), (other,) = house.message(), house.message()
    house.write(a_hit(one, 300), a_hit(other, 300))
    house.take_in()
    rejudge.correct(house.engine, SENDER, house.hit(0), Answer.ME, NOON)
    house.write(a_hit(other, 900, THUNDERBIRD, OFFICE))
    house.ingest.ship()

    assert 2 == house.ingest.judge()

    assert [Finding.SELF_OPEN, Finding.HUMAN_OPEN, Finding.HUMAN_OPEN] == house.findings()


def test_a_long_history_is_judged_again_in_portions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "HISTORY_AT_ONCE", 10)
    (copy,) = house.message()
    house.write(
        *(
            a_hit(copy, 100 + 20 * number, *((THUNDERBIRD, HOME) if number % 2 else (CURL, CLOUD)))
            for number in range(90)
        )
    )
    house.take_in()
    right = snapshot(house, [copy])
    message = house.message_of(copy)
    with house.engine.begin() as connection:
        connection.execute(schema.events.update().values(finding="scanner", first_of_reading=False))
        counts.recount(connection)
        marks.mark(connection, {message: schema.EPOCH}, rejudging=1)

    portions = 0
    while house.ingest.judge():
        portions += 1

    assert 5 < portions < 40
    assert right == snapshot(house, [copy])
