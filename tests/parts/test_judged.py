from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event

from unsealed.model.event import ClientKind, Finding, HitId, HitKind
from unsealed.model.message import MessageId, UserId
from unsealed.model.policy import Level
from unsealed.store import judged, schema
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")

Mail = dict[str, MessageId]


def test_events_come_latest_first_by_kind_and_by_hand(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        everything = judged.of_message(connection, MARA, mail["proposal"])
        clicks = judged.of_message(connection, MARA, mail["proposal"], kind=HitKind.CLICK, machine=False)
        machines = judged.of_message(connection, MARA, mail["proposal"], machine=True)
        first = judged.of_message(connection, MARA, mail["proposal"], limit=5)
        rest = judged.of_message(connection, MARA, mail["proposal"], after=first.next)

    assert len(everything.items) == 13
    assert everything.items == first.items + rest.items
    assert [each.link_text for each in clicks.items] == ["Pricing", "Depot plan"]
    assert {each.finding for each in machines.items} == {
        Finding.SCANNER,
        Finding.SCANNER_CLICK,
        Finding.MACHINE_PREFETCH,
    }
    assert everything.items[0].reasons[0].code == "CLIENT_DIRECT"


def test_sightings_group_the_counted_events_of_a_copy_by_what_they_came_from(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        seen = judged.sightings(connection, mail["proposal"])

    assert [(each.client, each.readings, each.clicks) for each in seen] == [
        ("Gmail Image Proxy", 1, 0),
        ("Safari", 0, 1),
        ("Thunderbird", 2, 0),
        ("Firefox", 0, 1),
    ]
    assert len({each.copy for each in seen}) == 1
    assert all(each.first_at <= each.last_at for each in seen)


def test_an_event_tells_what_it_was_before_it_was_judged_again(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        last, *_ = judged.of_message(connection, MARA, mail["proposal"]).items
        hit = HitId(int(last.id, 16))
        for number, words in ((1, "rules 2026.10 -> 2026.11"), (2, "you corrected an event")):
            connection.execute(
                schema.rejudgings.insert(),
                {"id": number, "cause": "rules", "words": words, "position": -1, "created_at": NOON},
            )
        connection.execute(
            schema.revisions.insert(),
            [
                {
                    "rejudging_id": number,
                    "hit_id": hit,
                    "message_id": mail["proposal"],
                    "before": "scanner",
                    "after": now,
                }
                for number, now in ((1, "scanner"), (2, "human_open"))
            ],
        )

        found = judged.one(connection, MARA, hit)
        assert found is not None
        assert (found.was, found.was_cause) == (Finding.SCANNER, "you corrected an event")
        assert judged.of_message(connection, MARA, mail["proposal"]).items[0] == found
        assert judged.one(connection, OTHER, hit) is None


def test_below_the_full_level_an_event_shows_nothing_of_the_request(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        before = judged.of_message(connection, MARA, mail["proposal"]).items
        connection.execute(schema.messages.update().values(opens_level=Level.IDENTIFIED))
        after = judged.of_message(connection, MARA, mail["proposal"]).items

    assert any(each.user_agent for each in before if each.kind is HitKind.OPEN)
    assert not any(each.user_agent or each.accept_language for each in after if each.kind is HitKind.OPEN)
    assert any(each.accept_language for each in after if each.kind is HitKind.CLICK)


def test_what_judging_again_changed_is_told_of_the_users_own_events(engine: Engine, mail: Mail) -> None:
    own, theirs = mail["proposal"], mail["foreign"]
    with engine.begin() as connection:
        connection.execute(
            schema.revisions.insert(),
            [
                revised(hit, message, before, after, user)
                for hit, message, before, after, user in (
                    (1, own, "scanner", "human_open", MARA),
                    (2, own, "scanner", "human_open", MARA),
                    (3, mail["often"], "human_open", "duplicate", MARA),
                    (4, own, "scanner", "scanner", MARA),
                    (5, theirs, "scanner", "human_open", OTHER),
                )
            ],
        )
        changed = judged.changes(connection, MARA, 1)
        none = judged.changes(connection, MARA, 2)

    assert changed.findings == (
        (Finding.SCANNER, Finding.HUMAN_OPEN, 2),
        (Finding.HUMAN_OPEN, Finding.DUPLICATE, 1),
    )
    assert [(subject, events) for _, subject, events in changed.messages] == [
        ("Proposal for the Harbourline depots", 2),
        ("Pilot agreement, third draft", 1),
    ]
    assert (changed.events, none.events, none.messages) == (3, 0, ())
    assert not changed.more


def revised(hit: int, message: MessageId, before: str, after: str, user: UserId) -> dict[str, Any]:
    return {"rejudging_id": 1, "hit_id": hit, "message_id": message, "before": before, "after": after, "user_id": user}


def test_of_very_much_that_judging_again_changed_the_latest_is_told(
    engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged, "CHANGES", 2)
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with engine.begin() as connection:
        rows = [revised(hit, mail["proposal"], "scanner", "human_open", MARA) for hit in (1, 2)]
        rows += [revised(hit, mail["often"], "human_open", "duplicate", MARA) for hit in (7, 8)]
        connection.execute(schema.revisions.insert(), rows)
        asked.clear()
        changed = judged.changes(connection, MARA, 1)
        question, given = asked[0]
        if engine.dialect.name == "sqlite":
            plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", given)]
            assert ["SEARCH revisions USING COVERING INDEX ix_revisions_user (rejudging_id=? AND user_id=?)"] == plan

    assert changed.findings == ((Finding.HUMAN_OPEN, Finding.DUPLICATE, 2),)
    assert [events for *_, events in changed.messages] == [2]
    assert changed.more


def test_a_paste_is_told_once_for_each_copy_and_program(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.events.update()
            .where(schema.events.c.finding == Finding.SCANNER_CLICK)
            .values(client="Slackbot", client_kind=ClientKind.LINK_PREVIEW)
        )
        [pasted] = judged.pasted(connection, mail["proposal"])

        assert (pasted.client, judged.pasted(connection, mail["often"])) == ("Slackbot", [])
        assert pasted.at == min(
            each.at
            for each in judged.of_message(connection, MARA, mail["proposal"]).items
            if each.client == "Slackbot" and each.kind is HitKind.CLICK
        )
