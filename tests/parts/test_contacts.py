from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

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


@pytest.mark.parametrize("typed", ["ines", "INES@", "mar", "  Ines ", "ines@x.e"])
def test_an_address_or_a_word_of_a_name_is_found_by_its_beginning(book: Engine, typed: str) -> None:
    met(book, ("ines@x.example", "Ines Marchetti"), ("rob@x.example", "Rob"))
    assert suggested(book, typed) == ["ines@x.example"]


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
