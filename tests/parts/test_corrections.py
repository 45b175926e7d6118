from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.parts.house import FIREFOX, NOON, SENDER, THUNDERBIRD, House, a_hit

from unsealed.model.event import Answer, HitId
from unsealed.model.message import MessageId, UserId
from unsealed.store import corrections
from unsealed.store.corrections import Cause, Revision, Said

OTHER = UserId(99)


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    return House(engine, tmp_path / "journal")


def about(hit: int, answer: Answer = Answer.ME) -> Said:
    return Said(
        user=SENDER,
        message=MessageId(1),
        hit=HitId(hit),
        answer=answer,
        user_agent=FIREFOX,
        network="192.0.2.0/24",
        recipient="",
        words="Firefox",
    )


def test_what_holds_is_given_newest_first_and_what_was_undone_not_at_all(house: House) -> None:
    with house.engine.begin() as connection:
        first, second, third = (corrections.add(connection, about(hit), 1, NOON) for hit in (1, 2, 3))

        assert about(2) == corrections.undo(connection, SENDER, second, NOON)

        assert [third, first] == [each.id for each in corrections.standing(connection, [SENDER, OTHER])[SENDER]]
        assert None is corrections.undo(connection, SENDER, second, NOON)
        assert None is corrections.undo(connection, OTHER, first, NOON)
        assert [third, first] == [row.id for row in corrections.list_for(connection, SENDER)]
        assert [third, second, first] == [row.id for row in corrections.list_for(connection, SENDER, undone=True)]


def test_the_list_says_how_much_a_correction_changed_and_whether_it_still_does(house: House) -> None:
    with house.engine.begin() as connection:
        rejudging = corrections.begin(connection, cause=Cause.CORRECTION, words="", now=NOON)
        corrections.add(connection, about(1), rejudging, NOON)
        corrections.add_revisions(connection, [revision(rejudging, hit) for hit in (1, 2)])

        (row,) = corrections.list_for(connection, SENDER)
        assert (2, True) == (row.changed, row.judging)
        corrections.finish(connection, rejudging, NOON)
        (row,) = corrections.list_for(connection, SENDER)
        assert (2, False) == (row.changed, row.judging)


def revision(rejudging: int, hit: int, after: str = "scanner", before: str = "human_open") -> Revision:
    return Revision(rejudging=rejudging, hit=HitId(hit), message=MessageId(1), user=SENDER, before=before, after=after)


def test_an_event_that_changes_back_has_not_changed(house: House) -> None:
    with house.engine.begin() as connection:
        rejudging = corrections.begin(connection, cause=Cause.RULES, words="", now=NOON)
        corrections.add_revisions(connection, [revision(rejudging, 1), revision(rejudging, 2)])
        corrections.add_revisions(connection, [revision(rejudging, 1, "human_open", before="scanner")])
        corrections.finish(connection, rejudging, NOON)

        found = corrections.difference(connection, rejudging)
        row = corrections.rejudging(connection, rejudging)

    assert {("human_open", "scanner"): 1} == found.findings
    assert row is not None
    assert (1, NOON) == (row.changed, row.finished_at)


def test_rejudgings_are_worked_off_one_after_the_other(house: House) -> None:
    with house.engine.begin() as connection:
        assert not corrections.any_unfinished(connection)
        first = corrections.begin(connection, cause=Cause.DATA, words="", now=NOON)
        second = corrections.begin(connection, cause=Cause.COMMAND, words="", now=NOON, user=SENDER)
        found = []
        while (unfinished := corrections.oldest_unfinished(connection)) is not None:
            found.append(unfinished.id)
            corrections.finish(connection, unfinished.id, NOON)

        assert [first, second] == found
        assert [second, first] == [row.id for row in corrections.list_rejudgings(connection, SENDER)]
        assert [first] == [row.id for row in corrections.list_rejudgings(connection, OTHER)]


def test_only_messages_with_such_hits_are_judged_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MESSAGES_LOOKED_AT", 2)
    copies = [house.message()[0] for _ in range(4)]
    messages = [house.message_of(copy) for copy in copies]
    house.write(a_hit(copies[0], 300, FIREFOX), a_hit(copies[1], 300, THUNDERBIRD), a_hit(copies[3], 900, FIREFOX))
    house.take_in()

    def found(**which: object) -> list[tuple[int | None, list[MessageId]]]:
        steps: list[tuple[int | None, list[MessageId]]] = []
        after: int | None = -1
        with house.engine.connect() as connection:
            while after is not None:
                steps.append(corrections.next_messages(connection, after=after, **which))  # type: ignore[arg-type]
                after = steps[-1][0]
        return steps

    assert [(messages[1], messages[:2]), (messages[3], messages[3:]), (None, [])] == found()
    assert [messages[:1], messages[3:], []] == [step[1] for step in found(user_agent=FIREFOX)]
    assert [[], messages[3:], []] == [step[1] for step in found(since=NOON.replace(minute=10))]
    assert [(None, [])] == found(user=OTHER)


def test_what_history_was_judged_with_is_noted(house: House) -> None:
    with house.engine.begin() as connection:
        assert None is corrections.judged_with(connection)
        assert None is corrections.judge_with(connection, {"rules": "1", "data": ""})
        assert {"rules": "1", "data": ""} == corrections.judge_with(connection, {"rules": "2", "data": ""})
        assert {"rules": "2", "data": ""} == corrections.judged_with(connection)
