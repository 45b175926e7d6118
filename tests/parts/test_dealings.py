"""Contacts and conversations on the seeded store: what their pages and programs ask, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, update
from tests.parts.conftest import FIREFOX, GMAIL, INES, MARA, OTHER, SCANNER, THUNDERBIRD, UNSURE, Did, Out, Seeding
from tests.parts.test_views import walked

from unsealed.model.contact import Dealing
from unsealed.model.errors import BadInput
from unsealed.model.event import Finding
from unsealed.model.message import Delivery, MessageId, public_id
from unsealed.model.policy import Level
from unsealed.model.template import TemplateId
from unsealed.store import contacts, dealings, judged, schema, sent, threads, views
from unsealed.store.engine import reading

NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
HENK = ("Henk de Vries", "Henk@Quay.example")

Mail = dict[str, MessageId]


def passed(connection: Connection, mailbox: str, **given: Any) -> list[tuple[Dealing, str]]:
    letters = dealings.letters(connection, MARA, mailbox)
    page = dealings.time_line(connection, MARA, letters, **given)
    return [(each.what, each.subject) for each in page.items]


def ago(**units: float) -> timedelta:
    return timedelta(**units)


@pytest.fixture
def henk(engine: Engine, mail: Mail) -> Mail:
    """Letters to Henk in every state, and answers by him and by his machine."""
    with engine.begin() as connection:
        seed = Seeding(connection, NOON)
        seed.numbers = count(0x2C5E_0A00_8000_0001, 0x10_0003)
        made = {
            "offer": seed.send(
                "Offer",
                [HENK, INES],
                ago(days=9),
                links=[("Terms", "https://tidewater.example/terms")],
                did=[
                    Did(ago=ago(days=8), finding=Finding.SCANNER, seen=SCANNER),
                    Did(ago=ago(days=7), finding=Finding.PROXIED_OPEN, seen=GMAIL, first=True),
                    Did(ago=ago(days=7) - ago(minutes=1), finding=Finding.DUPLICATE, seen=GMAIL),
                    Did(ago=ago(days=6), finding=Finding.HUMAN_CLICK, seen=FIREFOX, link=0),
                    Did(ago=ago(days=5), finding=Finding.HUMAN_OPEN, seen=THUNDERBIRD, to=1, first=True),
                ],
            ),
            "again": seed.send(
                "Offer again",
                [HENK],
                ago(days=2),
                did=[Did(ago=ago(days=1), finding=Finding.HUMAN_OPEN, seen=UNSURE, first=True, confidence=0.5)],
            ),
            "lost": seed.send(
                "Lost", [HENK], ago(days=1), out=[Out(delivery=Delivery.BOUNCED, reply="552 5.2.2 Mailbox full")]
            ),
        }
        connection.execute(
            update(schema.messages).where(schema.messages.c.id.in_(list(made.values()))).values(thread=made["offer"])
        )
        whose = select(schema.copies.c.id).where(
            schema.copies.c.message_id == made["offer"], schema.copies.c.position == 0
        )
        copy = connection.execute(whose).scalar_one()
        for number, (kind, at) in enumerate((("automatic", ago(days=8, hours=23)), ("reply", ago(days=3)))):
            connection.execute(
                schema.replies.insert(),
                {
                    "user_id": MARA,
                    "message_id": made["offer"],
                    "copy_id": copy,
                    "kind": kind,
                    "header_id": f"<{number}@quay.example>",
                    "address": HENK[1],
                    "at": NOON - at,
                },
            )
    return mail | made


ALL = [
    (Dealing.BOUNCED, "Lost"),
    (Dealing.OPENED, "Offer again"),
    (Dealing.SENT, "Offer again"),
    (Dealing.REPLIED, "Offer"),
    (Dealing.CLICKED, "Offer"),
    (Dealing.OPENED, "Offer"),
    (Dealing.AUTOMATIC, "Offer"),
    (Dealing.SENT, "Offer"),
]


def test_a_time_line_holds_all_that_passed_with_one_contact_and_nothing_of_others(henk: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        assert passed(connection, "henk@quay.example") == ALL
        assert passed(connection, "Henk@Quay.example") == []  # a mailbox is in lower case
        other = dealings.letters(connection, OTHER, "henk@quay.example")
        assert other.rows == ()


@pytest.mark.parametrize("at_once", [1, 2, dealings.COPIES_AT_ONCE])
def test_pages_of_a_time_line_meet_without_gap_or_repeat(
    henk: Mail, engine: Engine, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealings, "COPIES_AT_ONCE", at_once)
    with reading(engine) as connection:
        letters = dealings.letters(connection, MARA, "henk@quay.example")
        found: list[tuple[Dealing, str]] = []
        after = None
        while True:
            page = dealings.time_line(connection, MARA, letters, after=after, limit=1)
            found += [(each.what, each.subject) for each in page.items]
            after = page.next
            if after is None:
                break
        with pytest.raises(BadInput):
            dealings.time_line(connection, MARA, letters, after="x")

    assert found == ALL


def test_only_readings_that_are_believed_tell_the_hours(henk: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        letters = dealings.letters(connection, MARA, "henk@quay.example")

        assert dealings.readings(connection, letters) == [NOON - ago(days=7)]


def test_below_the_level_of_names_nobody_is_told_what_a_contact_did(henk: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(schema.copies).values(opens_level=Level.PSEUDONYMOUS))
    with reading(engine) as connection:
        letters = dealings.letters(connection, MARA, "henk@quay.example")

        assert letters.seen == []
        assert [each for each, _ in passed(connection, "henk@quay.example")] == [
            Dealing.BOUNCED,
            Dealing.SENT,
            Dealing.REPLIED,
            Dealing.AUTOMATIC,
            Dealing.SENT,
        ]


def test_more_letters_than_are_looked_at_are_said(henk: Mail, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealings, "LETTERS", 1)
    with reading(engine) as connection:
        letters = dealings.letters(connection, MARA, "henk@quay.example")

        assert letters.more
        assert {subject for _, subject in passed(connection, "henk@quay.example")} == {"Lost", "Offer again"}


def test_contacts_are_listed_by_the_last_letter_with_what_became_of_it(henk: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        page = contacts.listed(connection, MARA)
        (found,) = contacts.listed(connection, MARA, search=" QUAY.exam").items
        assert [each.name for each in contacts.listed(connection, MARA, search="de vri").items] == ["Henk de Vries"]
        assert contacts.listed(connection, MARA, search="%").items == ()
        assert contacts.listed(connection, OTHER, search="henk").items == ()
        assert [each.mailbox for each in contacts.listed(connection, OTHER).items] == ["ann@else.example"]

    times = [each.last_at for each in page.items]
    assert times == sorted(times, reverse=True)
    assert (found.address, found.name, found.messages) == ("Henk@Quay.example", "Henk de Vries", 3)
    assert found.last is not None
    assert (found.last.subject, found.last.copy.signals.opens) == ("Offer again", 1)
    (mei,) = (each for each in page.items if each.mailbox == "mei@tanabe.example")
    assert mei.last is not None
    assert mei.last.copy.facts.delivery == Delivery.DELIVERED
    (piet,) = (each for each in page.items if each.mailbox == "piet@verhoef.example")
    assert piet.last is not None  # it never left, and it is what there is to say
    assert piet.last.copy.facts.delivery == Delivery.BOUNCED


def test_pages_of_contacts_meet_also_where_many_were_written_to_at_once(mail: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        whole = [each.mailbox for each in contacts.listed(connection, MARA, limit=200).items]
        found: list[str] = []
        after = None
        while True:
            page = contacts.listed(connection, MARA, after=after, limit=3)
            found += [each.mailbox for each in page.items]
            after = page.next
            if after is None:
                break
        for cursor in ("x", "10", "zz.a@b", "f" * 40 + ".a", "1.\0"):
            with pytest.raises(BadInput):
                contacts.listed(connection, MARA, after=cursor)

    assert found == whole
    assert len(whole) == len(set(whole)) > 20


def test_notes_and_records_are_the_users_own(henk: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        assert contacts.note(connection, MARA, "Henk@quay.example", "Calls before ten")
        assert contacts.record(connection, MARA, "henk@quay.example", {"Shop": "7", "CRM": "https://crm.example/7"})
        assert not contacts.note(connection, OTHER, "henk@quay.example", "x")
        assert not contacts.record(connection, OTHER, "henk@quay.example", {})
    with reading(engine) as connection:
        found = contacts.contact(connection, MARA, " HENK@quay.example")
        assert contacts.contact(connection, OTHER, "henk@quay.example") is None
        assert contacts.contact(connection, MARA, "nobody@quay.example") is None

    assert found is not None
    assert (found.notes, found.records) == (
        "Calls before ten",
        (("CRM", "https://crm.example/7"), ("Shop", "7")),
    )


def test_a_conversation_has_all_its_letters_each_with_its_own_figures(henk: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        by_each = [threads.thread(connection, MARA, henk[name]) for name in ("offer", "again", "lost")]
        assert threads.size(connection, MARA, henk["again"]) == (public_id(henk["offer"]), 3)
        assert threads.size(connection, MARA, henk["silent"])[1] == 1
        assert threads.size(connection, OTHER, henk["again"]) == ("", 0)
        assert threads.thread(connection, OTHER, henk["offer"]) is None
        assert threads.thread(connection, MARA, 5) is None

    found = by_each[0]
    assert found is not None
    assert by_each == [found] * 3
    assert [(row.subject, row.signals.opens, row.signals.clicks) for row in found.messages] == [
        ("Lost", 0, 0),
        ("Offer again", 1, 0),
        ("Offer", 2, 1),
    ]
    assert found.last.subject == "Lost"
    assert [(message, answer.kind, answer.name) for message, answer in found.answers] == [
        (public_id(henk["offer"]), "reply", "Henk de Vries"),
        (public_id(henk["offer"]), "automatic", "Henk de Vries"),
    ]


def test_a_conversation_is_found_when_its_first_letter_is_gone(henk: Mail, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(schema.messages.delete().where(schema.messages.c.id == henk["offer"]))
    with reading(engine) as connection:
        found = threads.thread(connection, MARA, henk["offer"])

    assert found is not None
    assert [row.subject for row in found.messages] == ["Lost", "Offer again"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("quay.example", {"Offer", "Offer again", "Lost"}),
        ("tidewater.example/TERMS", {"Offer"}),
        ("terms", {"Offer", "Renewal terms for 2027"}),
    ],
)
def test_mail_is_found_by_person_subject_and_link(henk: Mail, engine: Engine, search: str, expected: set[str]) -> None:
    with reading(engine) as connection:
        page = sent.listed(connection, MARA, search=search, now=NOON)

    assert {row.subject for row in page.items} == expected


def test_last_opened_first_lists_what_was_opened(henk: Mail, engine: Engine) -> None:
    with reading(engine) as connection:
        page = sent.listed(connection, MARA, sort="opened", limit=200, now=NOON)

    times = [row.signals.last_at for row in page.items]
    assert times == sorted(times, key=lambda at: at or NOON, reverse=True)
    assert all(row.signals.opens for row in page.items)
    assert "Offer again" in {row.subject for row in page.items}


def test_mail_is_narrowed_by_tag_and_template_together_with_all_else(
    mail: Mail, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = TemplateId(77)
    with engine.begin() as connection:
        some = [mail[name] for name in ("proposal", "silent", "renewal")]
        m = schema.messages
        connection.execute(update(m).where(m.c.id.in_(some)).values(tag="depots", template_id=template))
        connection.execute(update(m).where(m.c.id == mail["often"]).values(tag="depots"))
        connection.execute(update(m).where(m.c.id == mail["foreign"]).values(tag="depots", template_id=template))

    def subjects(**given: Any) -> set[str]:
        with reading(engine) as connection:
            items = sent.listed(connection, MARA, now=NOON, **given).items
            number = sent.count(connection, MARA, now=NOON, **given)
            assert number in (len(items), sent.COUNT_UP_TO + 1, None)
            return {each.id for each in items}

    def ids(*names: str) -> set[str]:
        return {public_id(mail[name]) for name in names}

    for most in (sent.FEW, 0):  # as though they were few, and many
        monkeypatch.setattr(sent, "FEW", most)
        assert subjects(tag="depots") == ids("proposal", "silent", "renewal", "often")
        assert subjects(template=template) == ids("proposal", "silent", "renewal")
        assert subjects(tag="depots", template=template, state="opened") == ids("proposal", "renewal")
        assert subjects(tag="depots", state="no_signal") == ids("silent")
        assert subjects(tag="depots", search="pilot") == ids("often")
        assert subjects(tag="depot") == set()


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(*args: Any) -> None:
        found.append((args[2], args[3]))

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def test_what_a_contact_did_is_read_from_an_index_alone(
    henk: Mail, engine: Engine, asked: list[tuple[str, Any]]
) -> None:
    """Their events lie as far apart as the times they came: each would be one more page to be read."""
    if engine.dialect.name != "sqlite":
        return
    with reading(engine) as connection:
        letters = dealings.letters(connection, MARA, "henk@quay.example")
        copies = [row.id for row in letters.seen]
        asked.clear()
        assert judged.acts(connection, copies, limit=50)
        assert judged.reading_times(connection, copies, 50)
        questions = list(asked)
        plans = [
            [
                step
                for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                if "events" in step
            ]
            for statement, given in questions
        ]

    assert [["SEARCH events USING COVERING INDEX ix_events_copy_people (copy_id=?)"]] * 2 == plans


def test_no_question_walks_through_a_table(henk: Mail, engine: Engine, asked: list[tuple[str, Any]]) -> None:
    with reading(engine) as connection:
        page = contacts.listed(connection, MARA, limit=1)
        contacts.listed(connection, MARA, after=page.next)
        contacts.contact(connection, MARA, "henk@quay.example")
        letters = dealings.letters(connection, MARA, "henk@quay.example")
        line = dealings.time_line(connection, MARA, letters, limit=1)
        dealings.time_line(connection, MARA, letters, after=line.next)
        dealings.readings(connection, letters)
        threads.thread(connection, MARA, henk["again"])
        threads.size(connection, MARA, henk["again"])
        views.links_of(connection, MARA, henk["offer"])
        for given in ({"sort": "opened"}, {"tag": "depots"}, {"template": TemplateId(1)}):
            sent.listed(connection, MARA, now=NOON, **given)
        questions = {statement: given for statement, given in asked if statement.startswith("SELECT")}
        if engine.dialect.name == "postgresql":  # which rightly reads tables of thirty rows from end to end
            for way in ("seqscan", "hashjoin", "mergejoin", "material"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        steps = {statement: walked(connection, statement, given) for statement, given in questions.items()}

    assert {statement: found for statement, found in steps.items() if found} == {}
    assert len(steps) > 15
