from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from unsealed.model.message import Recipient, UserId
from unsealed.store import contacts, schema
from unsealed.store.engine import reading

MARA = UserId(1)
ROB = UserId(2)


@pytest.fixture
def book(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user in (MARA, ROB):
            connection.execute(
                schema.users.insert(), {"id": user, "email": f"{user}@x.example", "role": "owner", "created_at": AT}
            )
    return engine


AT = datetime.fromisoformat("2026-11-21T12:00:00+00:00")


def met(engine: Engine, *people: tuple[str, str], user: UserId = MARA, after: int = 0) -> None:
    recipients = [Recipient(address=address, name=name) for address, name in people]
    with engine.begin() as connection:
        contacts.met(connection, user, recipients, AT + timedelta(minutes=after))


def suggested(engine: Engine, typed: str, user: UserId = MARA) -> list[str]:
    with reading(engine) as connection:
        return [each.address for each in contacts.suggest(connection, user, typed)]


def test_the_last_written_to_is_offered_first_and_a_name_is_not_lost(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines Marchetti"), ("rob@x.example", "Rob"))
    met(book, ("Ines@X.example", ""), after=1)
    with reading(book) as connection:
        row = connection.execute(select(schema.contacts).where(schema.contacts.c.mailbox == "ines@x.example")).one()
    assert (row.address, row.name, row.messages) == ("Ines@X.example", "Ines Marchetti", 2)
    assert (row.first_at, row.last_at) == (AT, AT + timedelta(minutes=1))
    assert suggested(book, "") == ["Ines@X.example", "rob@x.example"]


@pytest.fixture(params=[0, contacts.FEW])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As though those that have a word were many, and few."""
    monkeypatch.setattr(contacts, "FEW", request.param)


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize("typed", ["ines", "INES@", "mar", "  Ines ", "ines@x.e", "Ines m"])
def test_an_address_or_a_word_of_a_name_is_found_by_its_beginning(book: Engine, typed: str) -> None:
    met(book, ("ines@x.example", "Ines Marchetti"), ("rob@x.example", "Rob"))
    assert suggested(book, typed) == ["ines@x.example"]


@pytest.mark.usefixtures("most")
def test_what_means_something_to_the_database_is_taken_by_the_letter(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines"), ("100%_sure@x.example", ""))
    assert suggested(book, "%") == []
    assert suggested(book, "100%_") == ["100%_sure@x.example"]


def test_nobody_is_offered_the_contacts_of_others(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines"), user=ROB)
    assert suggested(book, "ines") == []


def test_a_recipient_who_stands_twice_in_a_message_is_met_once(book: Engine) -> None:
    met(book, ("ines@x.example", ""), ("INES@x.example", "Ines"), ("", ""))
    with reading(book) as connection:
        assert [row.messages for row in connection.execute(select(schema.contacts))] == [1]


def test_a_contact_is_found_by_address_and_by_nobody_else(book: Engine) -> None:
    met(book, ("Ines@x.example", "Ines"))
    with reading(book) as connection:
        assert contacts.find(connection, MARA, " ines@X.example ") == Recipient(address="Ines@x.example", name="Ines")
        assert contacts.find(connection, ROB, "ines@x.example") is None
        assert contacts.find(connection, MARA, "\0" * 10) is None


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize(
    ("search", "expected"),
    [("ines", 1), ("INÈS mar", 1), ("harbour", 1), ("ines@h", 1), ("nes", 0), ("rob", 0), ("!!", 0), ("%", 0),
     (" \0", 1)],
)  # fmt: skip
def test_words_that_begin_so_find_a_contact_also_after_a_letter_without_a_name(
    book: Engine, search: str, expected: int
) -> None:
    met(book, ("ines@harbour.example", "Inès Marchetti"))
    met(book, ("ines@harbour.example", ""), after=1)

    with reading(book) as connection:
        assert expected == len(contacts.listed(connection, MARA, search=search).items)


@pytest.mark.usefixtures("most")
def test_pages_of_what_was_found_meet_in_the_order_of_the_list(book: Engine) -> None:
    for number in range(7):
        met(book, (f"p{number}@harbour.example", f"Pat {number}"), ("rob@x.example", "Rob"), after=number % 3)

    with reading(book) as connection:
        whole = [each.mailbox for each in contacts.listed(connection, MARA, search="harb pat").items]
        found: list[str] = []
        after, more = None, True
        while more:
            page = contacts.listed(connection, MARA, search="harb pat", after=after, limit=2)
            found += [each.mailbox for each in page.items]
            after, more = page.next, page.next is not None

    assert found == whole == [f"p{number}@harbour.example" for number in (5, 2, 4, 1, 6, 3, 0)]


def test_a_new_name_is_found_and_the_former_is_not(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines Marchetti"))
    met(book, ("ines@x.example", "Ines Tanabe"), after=1)

    with reading(book) as connection:
        found = {name: len(contacts.listed(connection, MARA, search=name).items) for name in ("tanabe", "marchetti")}

    assert {"tanabe": 1, "marchetti": 0} == found


def test_of_who_is_no_contact_any_more_no_word_stays(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines"), ("rob@x.example", "Rob"))
    met(book, ("rob@x.example", "Rob"), after=1)
    met(book, ("ines@x.example", "Ines"), user=ROB)
    with book.begin() as connection:
        contacts.unmet(connection, MARA, ["Ines@x.example", "rob@x.example"])
    with reading(book) as connection:
        kept = {(row.user_id, row.mailbox) for row in connection.execute(select(schema.contact_words))}

    assert {(MARA, "rob@x.example"), (ROB, "ines@x.example")} == kept


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL goes by what it counted: here little
def test_what_few_are_called_is_looked_up_by_word(book: Engine) -> None:
    met(book, ("ines@x.example", "Ines"))
    asked: list[tuple[str, Any]] = []
    event.listen(book, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(book) as connection:
        contacts.suggest(connection, MARA, "ines")
        contacts.listed(connection, MARA, search="ines")
        plans = [
            [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in list(asked)
            if " FROM contact" in statement.replace("\n", " ")
        ]

    by_word = "SEARCH contact_words USING PRIMARY KEY (user_id=? AND word>? AND word<?)"
    by_mailbox = "SEARCH contacts USING INDEX sqlite_autoindex_contacts_1 (user_id=? AND mailbox=?)"
    assert [[by_word], [by_mailbox, by_word]] * 2 == [
        [step for step in plan if step.startswith(("SEARCH", "SCAN"))] for plan in plans
    ]
