"""What pages and API ask over all messages; the questions to the store are in test_activity.py."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, update

from unsealed.core.reliability import Trait
from unsealed.inlets import happenings
from unsealed.inlets.happenings import happened, invisible
from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.notice import Press, Scope
from unsealed.model.view import Happening, What
from unsealed.store import activity, notices, schema
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")

Mail = dict[str, MessageId]


def silence(engine: Engine, scope: Scope, of: str = "") -> None:
    with engine.begin() as connection:
        notices.press(connection, MARA, Press(scope=scope, of=of, silent=True, at=NOON))


@pytest.mark.parametrize("show", list(happenings.SHOWS))
def test_pages_of_everything_that_can_be_shown_meet(engine: Engine, mail: Mail, show: str) -> None:
    silence(engine, Scope.MESSAGE, str(int(mail["often"])))
    with reading(engine) as connection:
        whole = happened(connection, MARA, show=show, machine=True, limit=200)
        pieces: list[Happening] = []
        after = None
        while True:
            page = happened(connection, MARA, show=show, machine=True, after=after, limit=3)
            pieces += page.items
            if (after := page.next) is None:
                break

    assert tuple(pieces) == whole.items
    assert whole.next is None
    assert {each.what for each in whole.items} <= happenings.SHOWS[show] | happenings.MACHINES


def test_what_is_silenced_is_found_among_much_that_is_not(
    engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happenings, "AT_ONCE", 5)
    monkeypatch.setattr(happenings, "LOOKED_AT", 10)
    silence(engine, Scope.CONTACT, "dario@conti.example")
    with reading(engine) as connection:
        found: list[Happening] = []
        after, pages = None, 0
        while True:
            page = happened(connection, MARA, show="muted", after=after, limit=4)
            found += page.items
            pages += 1
            if (after := page.next) is None:
                break

    assert 17 == len(found)
    assert {(public_id(mail["often"]), "contact")} == {(each.message, each.why_muted) for each in found}
    assert pages > 4


def test_highlights_are_what_is_no_ordinary_repetition(
    engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading(engine) as connection:
        everything = happened(connection, MARA, limit=200).items
        monkeypatch.setattr(happenings, "AT_ONCE", 5)
        monkeypatch.setattr(happenings, "LOOKED_AT", 10)
        found: list[Happening] = []
        after = None
        while True:
            page = happened(connection, MARA, show="highlights", after=after, limit=4)
            found += page.items
            if (after := page.next) is None:
                break

    assert tuple(found) == tuple(each for each in everything if each.occasion != "again")
    assert {"", "first", "again"} <= {each.occasion for each in everything}
    assert {each.occasion == "" for each in found if each.what in (What.OPEN, What.CLICK)} == {False}


def test_who_comes_back_after_weeks_and_who_reads_again_and_again_stand_out(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        e = schema.events.c
        query = schema.events.select().where(e.message_id == mail["often"], e.first_of_reading.is_(True))
        hits = [row.hit_id for row in connection.execute(query.order_by(e.at))]
        ago = [timedelta(weeks=9), timedelta(weeks=5), *(timedelta(minutes=20 * back) for back in range(len(hits) - 2))]
        for hit, back in zip(hits, sorted(ago, reverse=True), strict=True):
            connection.execute(schema.events.update().where(e.hit_id == hit).values(at=NOON - back))
    with reading(engine) as connection:
        found = happened(connection, MARA, show="opens", limit=200).items

    of_often = {each.id: each.occasion for each in found if each.message == public_id(mail["often"])}
    occasions = [of_often[f"open.{public_id(hit)}"] for hit in hits]
    assert ["first", "revived", "revived", "again", "hot"] == occasions[:5]
    assert "first" not in occasions[1:]


def test_mute_all_is_a_point_in_time(engine: Engine, mail: Mail) -> None:
    silence(engine, Scope.ALL)
    with reading(engine) as connection:
        everything = happened(connection, MARA, limit=200)
        muted = happened(connection, MARA, show="muted", limit=200)

    assert everything.items == muted.items
    assert {"all"} == {each.why_muted for each in everything.items}


def test_machines_are_counted_only_where_they_are_hidden(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        hidden = happened(connection, MARA, limit=200)
        shown = happened(connection, MARA, machine=True, limit=200)
        opens = happened(connection, MARA, show="opens", limit=200)

    machines = sum(each.loads for each in shown.items if each.what is What.MACHINE)
    assert (machines, 0, 0) == (hidden.hidden, shown.hidden, opens.hidden)
    assert machines == 7


def test_what_cannot_be_shown_is_refused(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection, pytest.raises(BadInput):
        happened(connection, MARA, show="unread", limit=5)


def test_who_was_never_seen_is_known_to_be_invisible(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        c = schema.copies
        connection.execute(update(c).values(mailbox=func.lower(c.c.address)))
        nothing = {"opens": 0, "clicks": 0, "raw": 0, "machine": 0, "came": 0}
        connection.execute(update(c).where(c.c.mailbox.like("olu%")).values(nothing))
    with reading(engine) as connection:
        page = activity.silent(connection, MARA, NOON)
        why = invisible(connection, MARA, page, NOON)

    names = {each.copy.id: each.copy.name for each in page.items}
    assert {("Olu Bello", (Trait.NEVER_SEEN,))} == {(names[copy], traits) for copy, traits in why.items()}
