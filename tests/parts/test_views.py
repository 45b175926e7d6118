from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from unsealed.model.event import HitId, HitKind
from unsealed.model.message import CopyId, Delivery, MessageId, UserId, from_public_id, public_id
from unsealed.store import feed, judged, notices, sandbox, sent, views
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")

Mail = dict[str, MessageId]


def names(mail: Mail, items: tuple[object, ...]) -> list[str]:
    by_id = {public_id(number): name for name, number in mail.items()}
    return [by_id[item.id] for item in items]  # type: ignore[attr-defined]


def test_a_row_carries_the_facts_of_all_its_copies(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        found = views.rows(connection, MARA, [mail["partly"], mail["foreign"]])

    (row,) = found.values()
    assert (row.recipients, row.recipient_count) == (("Priya Raman", "Joel Addo", "Buyer 0"), 11)
    assert (row.bounced, row.waiting, row.facts.delivery) == (1, 0, Delivery.SENT)
    assert (row.signals.opens, row.signals.clicks) == (7, 2)
    assert row.last_click is not None
    assert row.last_click.text == "Price list"


def test_a_message_shows_its_copies_and_links(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        shown = views.message(connection, MARA, mail["proposal"], NOON)

    assert shown is not None
    assert [(copy.name, copy.signals.opens, copy.signals.clicks, copy.signals.machine) for copy in shown.copies] == [
        ("Ines Marchetti", 3, 2, 1),
        ("Rob Okafor", 0, 0, 4),
        ("Lotte Brandsma", 0, 0, 0),
    ]
    pricing, plan, visit, *_, unsubscribe = shown.links
    assert (pricing.people, pricing.machine, [each.name for each in pricing.by]) == (1, 0, ["Ines Marchetti"])
    assert pricing.by[0].clicks == 1
    assert pricing.by[0].first_at == pricing.by[0].last_at == pricing.last_at
    assert (plan.people, plan.machine, plan.by_count) == (1, 1, 1)
    assert (visit.people, visit.machine, visit.by) == (0, 1, ())
    assert (unsubscribe.link.tracked, unsubscribe.link.reason) == (False, "unsubscribe")
    assert shown.survey.pixel == "before </body>"


def test_what_belongs_to_another_user_is_not_there(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        copy = views.message(connection, MARA, mail["proposal"], NOON).copies[0]  # type: ignore[union-attr]
        number = int(copy.id, 16)

        assert views.message(connection, OTHER, mail["proposal"], NOON) is None
        assert judged.of_message(connection, OTHER, mail["proposal"]).items == ()
        assert views.original(connection, OTHER, mail["proposal"]) is None
        assert views.owns_copy(connection, OTHER, number) is None  # type: ignore[arg-type]
        assert views.owns_copy(connection, MARA, number) == mail["proposal"]  # type: ignore[arg-type]
        assert sandbox.listed(connection, OTHER).items == ()
        assert sandbox.one(connection, OTHER, number) is None  # type: ignore[arg-type]
        assert feed.after(connection, 0, user=OTHER) == []


BIG = "messages|copies|links|link_counts|events|hits|originals|feed|sandbox|revisions"


INDEXES = """
    SELECT index.relname, whole.relname, CASE WHEN indpred IS NULL THEN attname END FROM pg_index
    JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS whole ON whole.oid = indrelid
    LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
"""


def walked(connection: Connection, statement: str, parameters: Any, *, of: str = "") -> list[str]:
    """The steps of a plan that read a big table, or an index of it, from end to end.

    of: tables in which there is so much that PostgreSQL has no reason to ask an index of all rows for a column that is
    not its first, and to go through all of it.
    """
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [step for *_, step in plan if re.match(rf"SCAN ({BIG})\b", step)]
    found: list[str] = []
    tables, first = {}, {}
    for index, table, column in connection.exec_driver_sql(INDEXES) if of else ():
        tables[index], first[index] = table, column

    def look(node: dict[str, Any], above: str) -> None:
        one_end = above == "Limit" and "Filter" not in node
        index = node.get("Index Name", "")
        table = node.get("Relation Name") or tables.get(index, "")
        scan = node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan")
        entered = re.search(rf"\b{first.get(index) or '.*'}\b", node.get("Index Cond", ""))
        if scan and not entered and not one_end and re.fullmatch(of or BIG, table):
            found.append(f"{node['Node Type']} of {index or table}")
        for part in node.get("Plans", ()):
            look(part, node["Node Type"])

    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    look(plan[0]["Plan"], "")
    return found


def ask_everything(connection: Connection, mail: Mail) -> None:
    """Every question of the module, but for the search: that reads what it looks through."""
    proposal = mail["proposal"]
    found = views.message(connection, MARA, proposal, NOON)
    assert found is not None
    ines = CopyId(from_public_id(found.copies[0].id) or 0)
    for sort in ("signal", "sent"):
        for state in ("", *sent.FILTERS):
            page = sent.listed(connection, MARA, sort=sort, state=state, limit=1, now=NOON)
            sent.listed(connection, MARA, sort=sort, state=state, after=page.next, now=NOON)
    for state in ("", *sent.FILTERS):
        sent.count(connection, MARA, state=state, now=NOON)
    views.rows(connection, MARA, mail.values())
    views.message(connection, MARA, proposal, NOON)
    for kind in (None, *HitKind):
        for machine in (None, True, False):
            page_of = judged.of_message(connection, MARA, proposal, kind=kind, machine=machine, limit=1)
            judged.of_message(connection, MARA, proposal, kind=kind, machine=machine, after=page_of.next)
    judged.of_message(connection, MARA, proposal, copy=ines)
    judged.one(connection, MARA, HitId(1))
    judged.sightings(connection, proposal)
    judged.pasted(connection, proposal)
    judged.changes(connection, MARA, 1)
    views.original(connection, MARA, proposal)
    views.owns_copy(connection, MARA, ines)
    sandbox.one(connection, MARA, ines)
    feed.after(connection, 0, user=MARA)
    feed.ends(connection)


@pytest.mark.parametrize("many", [False, True])
def test_no_question_walks_through_a_table(
    engine: Engine, mail: Mail, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page costs must not grow with the store: every table is entered by a key. many: as though a state were
    that of many messages."""
    if many:
        monkeypatch.setattr(sent, "FEW", 0)
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        ask_everything(connection, mail)
        questions = {statement: parameters for statement, parameters in asked if statement.startswith("SELECT")}
        if engine.dialect.name == "postgresql":  # which rightly reads tables of thirty rows from end to end
            for way in ("seqscan", "hashjoin", "mergejoin", "material"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        steps = {statement: walked(connection, statement, given) for statement, given in questions.items()}

    assert {statement: found for statement, found in steps.items() if found} == {}
    assert len(steps) > 40


def test_messages_are_looked_up_by_their_ids_however_many_are_asked_for(engine: Engine, mail: Mail) -> None:
    """SQLite, which counts on ten messages of a user, would go through all of them for the ids of eleven."""
    if engine.dialect.name != "sqlite":
        return
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        views.rows(connection, MARA, mail.values())
        notices.spoken(connection, MARA, list(mail.values()))
        plans = [
            step
            for statement, parameters in list(asked)
            if " FROM messages" in statement.replace("\n", " ")
            for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    assert ["SEARCH messages USING INDEX sqlite_autoindex_messages_1 (id=?)"] * 2 == plans
