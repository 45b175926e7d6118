from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import Engine, select

from unsealed.model.message import MessageId, UserId
from unsealed.store.feed import Change, add_feed
from unsealed.store.schema import feed


def change(number: int, clock: Any) -> Change:
    return Change(user=UserId(1), message=MessageId(number), what="accepted", at=clock())


def test_rows_are_written_in_their_order(engine: Engine, clock: Any, rows: Any) -> None:
    with engine.begin() as connection:
        add_feed(connection, [change(1, clock), change(2, clock)])
        add_feed(connection, [])

    assert [(row["message_id"], row["copy_id"], row["what"], row["at"]) for row in rows(feed)] == [
        (1, None, "accepted", clock()),
        (2, None, "accepted", clock()),
    ]


def test_a_reader_that_saw_an_id_never_misses_a_smaller_one(engine: Engine, clock: Any) -> None:
    def write(number: int) -> None:
        for _ in range(30):
            with engine.begin() as connection:
                add_feed(connection, [change(number, clock)])

    seen: list[int] = []
    missed: list[int] = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with engine.connect() as connection:
            found = list(connection.execute(select(feed.c.id).order_by(feed.c.id)).scalars())
        missed += [each for each in found if seen and each < seen[-1] and each not in seen]
        seen = found
    for thread in threads:
        thread.join()

    assert missed == []
