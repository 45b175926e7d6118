"""What PostgreSQL does by its own choice, once it knows that there is much in the tables."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from tests.conftest import NOON
from tests.parts.test_views import walked

sys.path.append(str(Path(__file__).parents[2]))  # bench/ is started from the root of the repository

from bench.database import move
from bench.messages import SENDER
from bench.synthetic import fill

from unsealed.model.event import HitId, HitKind
from unsealed.model.message import MessageId
from unsealed.model.view import What
from unsealed.store import activity, contacts, dealings, feed, judged, sent, views
from unsealed.store import engine as stores
from unsealed.store.schema import messages, users

LARGE = "messages|copies|links|link_counts|events|originals|texts"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_enters_large_tables_by_their_keys(blank_url: str, tmp_path: Path) -> None:
    """No page reads a table, or an index of one, from end to end, whatever is in it and whoever asks."""
    (tmp_path / "data").mkdir()
    fill(tmp_path / "data", messages=5_000, events=50_000, now=NOON)
    move(tmp_path / "data" / "unsealed.db", blank_url)
    engine = stores.connect(blank_url)
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with stores.reading(engine) as connection:
        user = connection.execute(select(users.c.id).where(users.c.email == SENDER)).scalar_one()
        mine = select(messages.c.id).where(messages.c.user_id == user)
        hot, one = connection.execute(mine.order_by(messages.c.raw.desc()).limit(2)).scalars()
        some = list(connection.execute(mine.limit(50)).scalars())
        asked.clear()
        for sort in sent.SORTS:
            for state in ("", *sent.FILTERS):
                for search in ("", "invoice", "invoice survey", "person1@", "zzz"):
                    what: Any = {"sort": sort, "state": state, "search": search}
                    page = sent.listed(connection, user, now=NOON, **what)
                    sent.listed(connection, user, now=NOON, after=page.next, **what)
                    sent.count(connection, user, now=NOON, **what)
        views.rows(connection, user, some)
        for id in (MessageId(hot), MessageId(one)):
            found = views.message(connection, user, id, NOON)
            assert found is not None
            for kind in (None, *HitKind):
                for machine in (None, True, False):
                    of = judged.of_message(connection, user, id, kind=kind, machine=machine)
                    judged.of_message(connection, user, id, kind=kind, machine=machine, after=of.next)
            judged.sightings(connection, id)
            judged.pasted(connection, id)
            views.original(connection, user, id)
        judged.one(connection, user, HitId(1))
        everything = list(What)
        keys = activity.keys(connection, user, everything, after=None, limit=50)
        activity.keys(connection, user, everything, after=keys[-1].cursor, limit=50)
        activity.told(connection, user, activity.together(keys, 50))
        activity.concerned(connection, user, keys)
        activity.before(connection, keys, timedelta(hours=1))
        activity.opened(connection, user)
        activity.silent(connection, user, NOON)
        activity.keen(connection, user, NOON)
        people = contacts.listed(connection, user)
        contacts.listed(connection, user, search="person1")
        contacts.suggest(connection, user, "person1")
        dealings.last_letters(connection, user, [each.address for each in people.items])
        feed.after(connection, 0, user=user)
        questions = {statement: given for statement, given in asked if statement.startswith("SELECT")}
        steps = {each: walked(connection, each, given, of=LARGE) for each, given in questions.items()}
    engine.dispose()

    assert {} == {statement: found for statement, found in steps.items() if found}
    assert len(steps) > 60
