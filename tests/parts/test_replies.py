"""Answers and reports in the store; what they mean is tested in test_observe.py."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, select, update
from tests.conftest import NOON
from tests.parts.house import SENDER, House

from unsealed.flow.ingest import recount
from unsealed.model.message import CopyId, UserId, public_id
from unsealed.model.reply import Incoming, Kind
from unsealed.store import replies, schema


def incoming(number: int, kind: Kind = Kind.REPLY) -> Incoming:
    name = f"<a{number}@x.example>"
    return Incoming(kind=kind, header_id=name, parents=(), names=(), address="rob@y.example", name="Rob")


def test_one_message_id_is_kept_once_for_a_user_and_named_with_the_newest_first(engine: Engine, tmp_path: Path) -> None:
    house = House(engine, tmp_path)
    [rob] = house.message()
    message = house.message_of(rob)
    with engine.begin() as connection:
        assert replies.keep(connection, SENDER, message, rob, incoming(1), NOON)
        assert not replies.keep(connection, SENDER, message, None, incoming(1, Kind.BOUNCE), NOON)
        assert replies.keep(connection, SENDER, message, None, incoming(2), NOON + timedelta(hours=1))
    with engine.connect() as connection:
        listed = replies.of_message(connection, SENDER, message)
        others = replies.of_message(connection, UserId(8), message)

    assert [(None, "Rob", "rob@y.example"), (public_id(rob), "Rob", "rob0@x.example")] == [
        (each.copy, each.name, each.address) for each in listed
    ]
    assert [] == others
    house.journal.close()


def test_messages_are_found_by_their_ids_in_the_order_that_was_asked_for(engine: Engine, tmp_path: Path) -> None:
    house = House(engine, tmp_path)
    first, second = house.message(), house.message(copies=2)
    one = update(schema.messages).where(schema.messages.c.id == house.message_of(second[0]))
    with engine.begin() as connection:
        connection.execute(one.values(message_id="<2@example.org>"))
        found = replies.named(connection, SENDER, ["<9@example.org>", "<2@example.org>", "<1@example.org>"])

        assert [] == replies.named(connection, UserId(8), ["<1@example.org>"])
        assert [] == replies.named(connection, SENDER, [])
        assert None is replies.of_copy(connection, UserId(8), first[0])

    assert ["<2@example.org>", "<1@example.org>"] == [each.header_id for each in found]
    assert [set(second), set(first)] == [set(each.copies) for each in found]
    house.journal.close()


def test_counts_are_made_anew_from_what_is_kept(engine: Engine, tmp_path: Path) -> None:
    house = House(engine, tmp_path)
    rob, lotte = house.message(copies=2)
    message = house.message_of(rob)
    with engine.begin() as connection:
        for number, kind, copy in ((1, Kind.REPLY, rob), (2, Kind.AUTOMATIC, lotte), (3, Kind.REPLY, None)):
            at = NOON + timedelta(hours=number)
            replies.keep(connection, SENDER, message, copy, incoming(number, kind), at)
            if kind is Kind.REPLY:
                replies.answered(connection, message, copy, at)
    right = counted(engine)
    assert [(rob, 1, NOON + timedelta(hours=1)), (lotte, 0, None), (message, 2, NOON + timedelta(hours=3))] == right
    assert 0 == recount(engine)
    with engine.begin() as connection:
        connection.execute(update(schema.copies).values(replies=7, replied_at=NOON))
        connection.execute(update(schema.messages).values(replies=0, signal_at=NOON))

    assert 4 == recount(engine)  # the signal of the message, and three counts
    assert right == counted(engine)
    house.journal.close()


def counted(engine: Engine) -> list[tuple[object, ...]]:
    c, m = schema.copies.c, schema.messages.c
    with engine.connect() as connection:
        of_copies = connection.execute(select(c.id, c.replies, c.replied_at).order_by(c.position))
        of_messages = connection.execute(select(m.id, m.replies, m.signal_at).order_by(m.id))
        return [
            *((CopyId(row.id), row.replies, row.replied_at) for row in of_copies),
            *((row.id, row.replies, row.signal_at) for row in of_messages),
        ]
