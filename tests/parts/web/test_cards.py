"""What open pages show of notices; how it comes to them stands in test_live.py and test_notices_page.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from unsealed.flow import notify
from unsealed.inlets.web.cards import Cards, in_words, microseconds, told_at, told_since
from unsealed.inlets.web.moments import Times
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.notice import Act, Detail, NoticeId, Wants
from unsealed.store.notices import State, Waiting

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
TIMES = Times(NOON)


def test_a_moment_has_its_own_notices_and_those_of_nobody_else(
    engine: Engine, mail: object, clock: Callable[[], datetime]
) -> None:
    first, second = clock(), clock() + timedelta(microseconds=1)
    for number, (user, at) in enumerate([(MARA, first), (OTHER, first), (MARA, second)]):
        with engine.begin() as connection:
            notify.send_test(connection, user, number, at)
        notify.decide(engine, at)

    with engine.connect() as connection:
        keys = [[each["key"] for each in in_words(told_at(connection, MARA, at), TIMES)] for at in (first, second)]
        both = [each["key"] for each in in_words(told_since(connection, MARA, first - timedelta(seconds=1)), TIMES)]

    assert [1, 1] == [len(each) for each in keys]
    assert both == keys[0] + keys[1]
    assert [microseconds(first), microseconds(second)] == [str(each).partition(".")[2] for each in both]


def told(number: int, state: State = State.TOLD, leader: int = 0, more: int = 0) -> Waiting:
    return Waiting(
        id=NoticeId(number),
        user=MARA,
        state=state,
        act=Act.CLICKED,
        at=NOON,
        message=MessageId(1),
        copy=CopyId(0xA + number),
        thread=1,
        sent_at=NOON,
        address=f"reader{number}@x.example",
        leader=NoticeId(leader) if leader else None,
        more=more,
    )


def cards(*notices: Waiting, leader: Waiting) -> list[tuple[object, ...]]:
    found = in_words(Cards(notices=notices, leaders={leader.id: leader}, wants=Wants()), TIMES)
    return [(each["title"], each["tag"], each["instead"], each["gone"]) for each in found]


def test_what_is_told_with_another_takes_the_place_of_that_ones_card() -> None:
    alone, together = told(1), told(1, more=2)

    assert [("reader1@x.example clicked a link", "cb", "n1", False)] == cards(alone, leader=alone)
    both = ("reader1@x.example clicked a link, and 2 more", "n1", "cb", False)
    assert [both] == cards(told(2, leader=1), leader=together)


def test_what_was_told_with_another_is_taken_back_without_it() -> None:
    back = told(2, State.BACK, leader=1)

    assert [("reader1@x.example clicked a link", "cb", "n1", False)] == cards(back, leader=told(1))
    both = ("reader1@x.example clicked a link, and 1 more", "n1", "cb", False)
    assert [both] == cards(back, leader=told(1, more=1))
    assert [("Taken back", "cc", "n1", True)] == cards(back, leader=told(1, State.BACK))


def test_what_was_told_with_one_that_is_taken_back_speaks_for_itself() -> None:
    gone = told(1, State.BACK)

    assert [("Taken back", "cb", "n1", True), ("reader2@x.example clicked a link", "cc", "n1", False)] == cards(
        gone, told(2, leader=1), leader=gone
    )


def test_what_is_taken_back_leaves_the_card_of_what_was_told_since() -> None:
    gone = told(1, State.BACK)

    [said] = in_words(Cards(notices=[gone], leaders={}, wants=Wants(), replaced={gone.id}), TIMES)

    assert ("n1", "", True, False) == (said["tag"], said["instead"], said["gone"], said["system"])


def test_a_card_tells_the_time_of_the_browser_that_shows_it_wherever_its_user_signed_in_last() -> None:
    opened = replace(told(1), act=Act.OPENED)
    wants = Wants(zone="America/New_York", detail=Detail.ALL)
    tokyo = Times(NOON, ZoneInfo("Asia/Tokyo"), twelve=True)

    [said] = in_words(Cards(notices=[opened], leaders={}, wants=wants), tokyo)

    assert "(no subject)\n9:00\N{NO-BREAK SPACE}pm, certain" == said["body"]
    assert {"title": "reader1@x.example opened it", "body": said["body"]} == said["outside"]
