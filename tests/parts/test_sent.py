from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, update
from tests.parts.test_views import MARA, NOON, Mail, names

from unsealed.model.errors import BadInput
from unsealed.store import sent
from unsealed.store.engine import reading
from unsealed.store.schema import copies


def test_sent_mail_comes_by_last_signal_and_only_the_users_own(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        page = sent.listed(connection, MARA, now=NOON)

    listed = names(mail, page.items)
    assert listed[:7] == ["queued", "waiting", "clicked", "proposal", "sent", "renewal", "machine"]
    assert len(listed) == 25
    assert "foreign" not in listed


def test_pages_by_key_meet_without_gap_or_repeat(engine: Engine, mail: Mail) -> None:
    for sort in ("signal", "sent"):
        with reading(engine) as connection:
            whole = sent.listed(connection, MARA, sort=sort, now=NOON)
            pieces: list[object] = []
            after = None
            while True:
                page = sent.listed(connection, MARA, sort=sort, after=after, limit=4, now=NOON)
                pieces += page.items
                after = page.next
                if after is None:
                    break
        assert tuple(pieces) == whole.items


@pytest.mark.parametrize("cursor", ["x", "1", ".", "zz.00000000000000ff", "10.ff", "f" * 40 + ".00000000000000ff"])
def test_a_cursor_that_is_none_is_refused(engine: Engine, mail: Mail, cursor: str) -> None:
    with reading(engine) as connection, pytest.raises(BadInput):
        sent.listed(connection, MARA, after=cursor, now=NOON)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("delayed", {"queued", "waiting"}),
        ("bounced", {"bounced", "partly"}),
        ("not_tracked", {"untracked"}),
        ("loaded_by_machine", {"machine", "apple"}),
        ("clicked", {"clicked", "proposal", "often", "partly", "click_only", "hostile"}),
    ],
)
def test_a_state_filters_the_list(engine: Engine, mail: Mail, state: str, expected: set[str]) -> None:
    with reading(engine) as connection:
        page = sent.listed(connection, MARA, state=state, now=NOON)

        assert set(names(mail, page.items)) == expected
        assert sent.count(connection, MARA, state=state, now=NOON) == len(expected)


def test_no_signal_is_said_after_a_day_only(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        found = names(mail, sent.listed(connection, MARA, state="no_signal", now=NOON).items)

    assert "silent" in found
    assert "mine" in found  # the sender's own look is no signal
    assert not {"sent", "delivered", "waiting", "bounced", "untracked"} & set(found)


def test_an_unknown_state_or_order_is_refused(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        with pytest.raises(BadInput):
            sent.listed(connection, MARA, state="unread", now=NOON)
        with pytest.raises(BadInput):
            sent.listed(connection, MARA, sort="size", now=NOON)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("HARBOURLINE", ["proposal"]),
        ("okafor", ["proposal"]),
        ("kofi@", ["click_only"]),
        ("%", []),
        ("_", []),
        ("nothing like it", []),
    ],
)
def test_search_finds_part_of_a_subject_a_name_or_an_address(
    engine: Engine, mail: Mail, search: str, expected: list[str]
) -> None:
    with reading(engine) as connection:
        assert names(mail, sent.listed(connection, MARA, search=search, now=NOON).items) == expected


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL goes by what it counted: here little
@pytest.mark.parametrize(
    ("state", "sort"),
    [
        *((state, "signal") for state in sent.FILTERS if state != "delayed"),
        *((state, "sent") for state in ("replied", "loaded_by_machine", "bounced", "not_tracked")),
    ],
)
def test_a_state_is_a_stretch_of_its_own_index(engine: Engine, mail: Mail, state: str, sort: str) -> None:
    """Also of the index of all mail in that order; SQLite takes the one that was made last, which must be this one."""
    index = {"loaded_by_machine": "machine", "no_signal": "quiet", "not_tracked": "untracked"}.get(state, state)
    index += "_sent" if sort == "sent" else ""
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        for sought in ("", "renewal"):
            sent.listed(connection, MARA, state=state, search=sought, sort=sort, now=NOON)
            sent.count(connection, MARA, state=state, search=sought, sort=sort, now=NOON)
        steps = {
            step
            for statement, values in list(asked)
            for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            if step.startswith("SEARCH messages USING") and "(id=?)" not in step
        }

    assert f"SEARCH messages USING INDEX ix_messages_user_{index} (user_id=?)" in steps
    assert not {step for step in steps if "ix_messages_user_signal" in step}


@pytest.mark.parametrize("sort", sent.SORTS)
@pytest.mark.parametrize("most", [1, 2, 25])
def test_many_that_wait_are_looked_for_among_the_first_of_the_list(
    engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch, sort: str, most: int
) -> None:
    """And among all, when the first do not fill a page; the pages are the same either way."""
    with engine.begin() as connection:
        connection.execute(update(copies).where(copies.c.message_id % 2 == 0).values(delivery="delayed"))

    def pages() -> list[Any]:
        found: list[Any] = []
        with reading(engine) as connection:
            sought = sent.seek(connection, MARA, sort=sort, state="delayed")
            while not found or found[-1].next:
                found.append(sought.listed(after=found[-1].next if found else None, limit=3, now=NOON))
            assert sum(len(page.items) for page in found) == sought.count(now=NOON)
        return found

    looked_up = pages()
    monkeypatch.setattr(sent, "PROBED", 1)
    monkeypatch.setattr(sent, "WALKED_FIRST", most)

    assert looked_up == pages()
    assert len(looked_up) > 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL goes by what it counted: here little
def test_the_first_of_the_list_are_walked_and_not_looked_up(
    engine: Engine, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent, "PROBED", 1)
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    with reading(engine) as connection:
        for sort in ("signal", "sent"):
            sent.listed(connection, MARA, state="delayed", sort=sort, limit=1, now=NOON)
        steps = {
            step
            for statement, values in list(asked)
            for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            if step.startswith("SEARCH messages")
        }

    assert all(" USING " in step and "ix_messages_user" in step for step in steps), steps
