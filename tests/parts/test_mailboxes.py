from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from tests.conftest import NOON

from unsealed.model.message import UserId
from unsealed.model.upstream import Auth, Tls
from unsealed.store import mailboxes, members, people, schema
from unsealed.store.engine import reading
from unsealed.store.mailboxes import Cursor, Kept

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def users(engine: Engine) -> tuple[UserId, UserId]:
    """An owner and a member."""
    with engine.begin() as connection:
        return people.create_owner(connection, "mara@x.example", NOON), people.add_user(
            connection, "rob@x.example", "member", NOON
        )


def connected(engine: Engine, user: UserId, host: str = "mail.x.example", at: object = NOON) -> Kept:
    with engine.begin() as connection:
        mailboxes.connect(
            connection,
            user,
            host=host,
            port=993,
            tls=Tls.IMPLICIT,
            user="rob",
            secret=b"sealed",
            now=at,  # type: ignore[arg-type]
        )
        found = mailboxes.of(connection, user)
    assert found is not None
    return found


def test_a_mailbox_is_kept_with_what_it_needs_and_shows_no_secret(engine: Engine, users: tuple[UserId, UserId]) -> None:
    owner, member = users
    found = connected(engine, member)

    assert ("mail.x.example", 993, Tls.IMPLICIT, Auth.PASSWORD, "rob", b"sealed", "") == (
        found.host,
        found.port,
        found.tls,
        found.auth,
        found.user,
        found.secret,
        found.trouble,
    )
    assert not found.by_owner
    assert connected(engine, owner).by_owner
    assert "sealed" not in repr(found)
    assert "rob" not in repr(found)


def test_another_mailbox_begins_anew_and_the_old_one_is_written_to_no_more(
    engine: Engine, users: tuple[UserId, UserId]
) -> None:
    _, member = users
    old = connected(engine, member)
    with engine.begin() as connection:
        assert mailboxes.move(connection, old, "INBOX", Cursor(uidvalidity=1, uid=7))
        assert mailboxes.move(connection, old, "INBOX", Cursor(uidvalidity=2, uid=8))
        assert Cursor(uidvalidity=2, uid=8) == mailboxes.cursor(connection, member, "INBOX")
    new = connected(engine, member, "other.x.example", LATER)
    with engine.begin() as connection:
        assert None is mailboxes.cursor(connection, member, "INBOX")
        assert not mailboxes.move(connection, old, "INBOX", Cursor(uidvalidity=1, uid=9))
        assert not mailboxes.looked(connection, old, at=LATER)
        assert mailboxes.looked(connection, new, at=None, trouble="nobody answers")
        assert "nobody answers" == getattr(mailboxes.of(connection, member), "trouble", None)
        assert mailboxes.looked(connection, new, at=LATER)
        assert "" == getattr(mailboxes.of(connection, member), "trouble", None)


def test_the_same_mailbox_with_another_secret_is_read_on_from_its_place(
    engine: Engine, users: tuple[UserId, UserId]
) -> None:
    _, member = users
    old = connected(engine, member)
    with engine.begin() as connection:
        mailboxes.move(connection, old, "INBOX", Cursor(uidvalidity=1, uid=7))
        mailboxes.looked(connection, old, at=None, trouble="refused")
    new = connected(engine, member, at=LATER)

    assert (LATER, NOON, "") == (new.changed_at, new.looked_at, new.trouble)
    with engine.begin() as connection:
        assert Cursor(uidvalidity=1, uid=7) == mailboxes.cursor(connection, member, "INBOX")
        assert not mailboxes.move(connection, old, "INBOX", Cursor(uidvalidity=1, uid=9))
        assert mailboxes.move(connection, new, "INBOX", Cursor(uidvalidity=1, uid=9))


def test_a_secret_is_renewed_in_the_place_of_the_very_one_that_was_read(
    engine: Engine, users: tuple[UserId, UserId]
) -> None:
    _, member = users
    kept = connected(engine, member)
    with engine.begin() as connection:
        assert mailboxes.renew(connection, kept, b"one")
        assert not mailboxes.renew(connection, kept, b"two")
        found = mailboxes.of(connection, member)
        lines = connection.execute(select(schema.audit.c.what)).scalars().all()

    assert found is not None
    assert (b"one", kept.changed_at) == (found.secret, found.changed_at)
    assert ["mailbox connected"] == list(lines), "nobody chose anything"


def test_disconnecting_forgets_all_of_it_and_leaves_a_line(engine: Engine, users: tuple[UserId, UserId]) -> None:
    _, member = users
    kept = connected(engine, member)
    with engine.begin() as connection:
        mailboxes.move(connection, kept, "INBOX", Cursor(uidvalidity=1, uid=7))
        assert mailboxes.disconnect(connection, member, LATER)
        assert not mailboxes.disconnect(connection, member, LATER)
    with reading(engine) as connection:
        assert [] == connection.execute(select(schema.mailbox_folders)).all()
        lines = connection.execute(select(schema.audit.c.what, schema.audit.c.words).order_by(schema.audit.c.id)).all()

    assert [
        ("mailbox connected", "rob at mail.x.example"),
        ("mailbox disconnected", "rob at mail.x.example"),
    ] == [tuple(line) for line in lines]


def test_the_mailbox_of_who_was_removed_is_forgotten(engine: Engine, users: tuple[UserId, UserId]) -> None:
    owner, member = users
    connected(engine, owner)
    connected(engine, member)
    with engine.begin() as connection:
        assert [owner, member] == sorted(
            (each.owner for each in mailboxes.every(connection)), key=[owner, member].index
        )
        members.remove(connection, owner, member, LATER)
        assert [owner] == [each.owner for each in mailboxes.every(connection)]
        assert None is mailboxes.of(connection, member)
