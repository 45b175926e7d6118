from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from tests.conftest import NOON

from unsealed.model.draft import AttachmentId, Draft, DraftId
from unsealed.model.errors import Refused
from unsealed.model.message import MessageId, UserId
from unsealed.store import drafts, schema

MARA, ROB = UserId(1), UserId(2)
DRAFT = Draft(to="ines@x.example", subject="a\0\r\nb\u202e", html="<p>\0</p>")
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def desk(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user in (MARA, ROB):
            row = {"id": user, "email": f"{user}@x.example", "role": "owner", "created_at": NOON}
            connection.execute(schema.users.insert(), row)
    return engine


@pytest.fixture
def draft(desk: Engine) -> DraftId:
    with desk.begin() as connection:
        return drafts.create(connection, MARA, DRAFT, NOON)


def attach(engine: Engine, draft: DraftId, content: bytes = b"%PDF", name: str = "a.pdf") -> AttachmentId:
    with engine.begin() as connection:
        made = drafts.attach(
            connection, draft, name=name, media_type="application/pdf", content=content, inline=False, now=NOON
        )
    assert made is not None
    return made


def test_a_draft_comes_back_as_it_was_typed(desk: Engine, draft: DraftId) -> None:
    with desk.connect() as connection:
        kept = drafts.load(connection, MARA, draft)

        assert kept is not None
        assert (DRAFT, 1, None) == (kept.draft, kept.revision, kept.message)
        assert ["a b"] == [row.subject for row in drafts.list_for(connection, MARA)]


def test_nobody_else_sees_or_changes_it(desk: Engine, draft: DraftId) -> None:
    file = attach(desk, draft)
    with desk.begin() as connection:
        assert drafts.load(connection, ROB, draft) is None
        assert drafts.save(connection, ROB, draft, 1, Draft(), NOON) is None
        assert drafts.sent(connection, ROB, draft, 1, MessageId(1), NOON) is None
        assert drafts.file(connection, ROB, draft, file) is None
        assert not drafts.detach(connection, ROB, draft, file)
        assert not drafts.discard(connection, ROB, draft)
        assert [] == drafts.list_for(connection, ROB)


def test_a_change_names_the_revision_that_it_was_made_from(desk: Engine, draft: DraftId) -> None:
    with desk.begin() as connection:
        assert 2 == drafts.save(connection, MARA, draft, 1, Draft(subject="mine"), LATER)
        assert drafts.save(connection, MARA, draft, 1, Draft(subject="theirs"), LATER) is None
        kept = drafts.load(connection, MARA, draft)

    assert kept is not None
    assert "mine" == kept.draft.subject


def test_what_was_sent_is_no_draft_until_it_is_given_back(desk: Engine, draft: DraftId) -> None:
    with desk.begin() as connection:
        assert 2 == drafts.sent(connection, MARA, draft, 1, MessageId(5), NOON)
        assert [] == drafts.list_for(connection, MARA)
        assert drafts.sent(connection, MARA, draft, 2, MessageId(6), NOON) is None
        assert not drafts.discard(connection, MARA, draft)
        assert drafts.given_back(connection, MARA, draft, MessageId(6)) is None
        assert 3 == drafts.given_back(connection, MARA, draft, MessageId(5))
        assert 1 == len(drafts.list_for(connection, MARA))


def test_what_was_sent_is_forgotten_later_and_drafts_never(desk: Engine, draft: DraftId) -> None:
    with desk.begin() as connection:
        sent = drafts.create(connection, MARA, DRAFT, NOON)
        drafts.sent(connection, MARA, sent, 1, MessageId(5), LATER)  # written long before

        assert 0 == drafts.trim(connection, LATER)
        assert 1 == drafts.trim(connection, LATER + timedelta(seconds=1))
        assert drafts.load(connection, MARA, draft) is not None


def test_files_belong_to_their_draft(desk: Engine, draft: DraftId) -> None:
    first, second = attach(desk, draft), attach(desk, draft, b"two", "b.pdf")
    with desk.begin() as connection:
        kept = drafts.load(connection, MARA, draft)
        assert kept is not None
        assert {("a.pdf", 4), ("b.pdf", 3)} == {(each.name, each.size) for each in kept.attachments}
        assert {first: b"%PDF", second: b"two"} == drafts.contents(connection, draft)
        found = drafts.file(connection, MARA, draft, second)
        assert found is not None
        assert b"two" == found[1]
        assert drafts.file(connection, MARA, DraftId(1), second) is None
        assert drafts.detach(connection, MARA, draft, first)
        assert [1] == [row.attachments for row in drafts.list_for(connection, MARA)]
        assert drafts.discard(connection, MARA, draft)
        assert [] == connection.execute(select(schema.attachments.c.id)).all()


def test_files_are_bounded_together(desk: Engine, draft: DraftId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "FILES_BYTES", 5_000_000)
    attach(desk, draft, bytes(3_000_000))
    with pytest.raises(Refused, match="5 MB"):
        attach(desk, draft, bytes(3_000_000))
    monkeypatch.setattr(drafts, "FILES", 1)
    with pytest.raises(Refused, match="at most 1 files"):
        attach(desk, draft)


def test_drafts_are_bounded(desk: Engine, draft: DraftId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "DRAFTS", 1)
    with desk.begin() as connection, pytest.raises(Refused, match="1 drafts already"):
        drafts.create(connection, MARA, DRAFT, NOON)


def test_a_draft_that_was_sent_or_discarded_takes_no_file(desk: Engine, draft: DraftId) -> None:
    with desk.begin() as connection:
        gone = drafts.create(connection, MARA, DRAFT, NOON)
        drafts.discard(connection, MARA, gone)
        drafts.sent(connection, MARA, draft, 1, MessageId(1), NOON)
        for each in (draft, gone):
            assert (
                drafts.attach(connection, each, name="a", media_type="text/plain", content=b"a", inline=False, now=NOON)
                is None
            )
