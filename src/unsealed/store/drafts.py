"""Messages being written, and the files that go along with them.

Promises that two windows never overwrite each other unseen: a change names the revision that it was made from. A draft
that was sent stays until that can no longer be undone. Functions that write need a connection from `engine.begin()`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, select, update

from unsealed.model.draft import Attachment, AttachmentId, Draft, DraftId, DraftRow, KeptDraft, draft_from, draft_json
from unsealed.model.errors import Refused
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.texts import later
from unsealed.store.schema import attachments, drafts, messages, originals

DRAFTS = 200  # of one user
FILES = 100  # of one draft
FILES_BYTES = 18_000_000  # of one draft: on their way they grow by a third, and 25 MB is what mail servers take
SHOWN_CHARACTERS = 200

_FILE = attachments.c.id, attachments.c.name, attachments.c.media_type, attachments.c.size, attachments.c.inline


def create(connection: Connection, user: UserId, draft: Draft, now: datetime) -> DraftId:
    """Keep a new draft, as revision 1.

    Raises:
        Refused: the user has too many.
    """
    c = drafts.c
    mine = select(func.count()).select_from(drafts).where(c.user_id == user, c.message_id.is_(None))
    if connection.execute(mine).scalar_one() >= DRAFTS:
        raise Refused(later("there are %(number)s drafts already; send or discard some of them first"), number=DRAFTS)
    made = DraftId(secrets.randbits(63))
    row = {"id": made, "user_id": user, "revision": 1, "created_at": now, "changed_at": now, **_content(draft)}
    connection.execute(drafts.insert(), row)
    return made


def load(connection: Connection, user: UserId, draft: DraftId, *, hold: bool = False) -> KeptDraft | None:
    """A draft of this user. hold: until the end of the transaction it does not change, and gets no file."""
    query = select(drafts).where(drafts.c.id == draft, drafts.c.user_id == user)
    row = connection.execute(query.with_for_update() if hold else query).mappings().one_or_none()
    if row is None:
        return None
    of = select(*_FILE).where(attachments.c.draft_id == draft).order_by(attachments.c.created_at, attachments.c.id)
    return KeptDraft(
        id=draft,
        revision=row["revision"],
        draft=draft_from(row["content"]),
        attachments=tuple(_file(each) for each in connection.execute(of).mappings()),
        message=None if row["message_id"] is None else MessageId(row["message_id"]),
    )


def save(
    connection: Connection, user: UserId, draft: DraftId, revision: int, content: Draft, now: datetime
) -> int | None:
    """Keep a change; the new revision, or None: it was changed since `revision`, was sent, or is gone."""
    return _moved(connection, user, draft, revision, changed_at=now, **_content(content))


def sent(
    connection: Connection, user: UserId, draft: DraftId, revision: int, message: MessageId, now: datetime
) -> int | None:
    """It was sent as this message; the new revision, or None as for `save`."""
    return _moved(connection, user, draft, revision, message_id=message, changed_at=now)


def _moved(connection: Connection, user: UserId, draft: DraftId, revision: int, **changes: object) -> int | None:
    c = drafts.c
    unchanged = update(drafts).where(c.id == draft, c.user_id == user, c.revision == revision, c.message_id.is_(None))
    moved = connection.execute(unchanged.values(revision=revision + 1, **changes)).rowcount == 1
    return revision + 1 if moved else None


def given_back(connection: Connection, user: UserId, draft: DraftId, message: MessageId) -> int | None:
    """The message was taken back; the new revision, or None: it was not sent as that one."""
    c = drafts.c
    mine = update(drafts).where(c.id == draft, c.user_id == user, c.message_id == message)
    back = mine.values(message_id=None, revision=c.revision + 1).returning(c.revision)
    found: int | None = connection.execute(back).scalar_one_or_none()
    return found


def discard(connection: Connection, user: UserId, draft: DraftId) -> bool:
    """Forget a draft and its files. False: there is none, or it was sent."""
    c = drafts.c
    mine = delete(drafts).where(c.id == draft, c.user_id == user, c.message_id.is_(None))
    return connection.execute(mine).rowcount == 1


def list_for(connection: Connection, user: UserId) -> list[DraftRow]:
    """The drafts of a user, the last changed first."""
    c = drafts.c
    files = select(func.count()).select_from(attachments).where(attachments.c.draft_id == c.id).scalar_subquery()
    mine = select(c.id, c.recipients, c.subject, c.changed_at, files.label("files")).where(
        c.user_id == user, c.message_id.is_(None)
    )
    return [
        DraftRow(
            id=public_id(row.id),
            recipients=row.recipients,
            subject=row.subject,
            changed_at=row.changed_at,
            attachments=row.files,
        )
        for row in connection.execute(mine.order_by(c.changed_at.desc(), c.id))
    ]


def trim(connection: Connection, before: datetime) -> int:
    """Forget drafts that were sent before that time; how many there were."""
    old = delete(drafts).where(drafts.c.message_id.is_not(None), drafts.c.changed_at < before)
    return connection.execute(old).rowcount


# Files


def attach(
    connection: Connection,
    draft: DraftId,
    *,
    name: str,
    media_type: str,
    content: bytes,
    inline: bool,
    now: datetime,
) -> AttachmentId | None:
    """Keep a file beside a draft, which the caller has found to be the user's. Name and type come cleaned. None: the
    draft was sent or discarded meanwhile, so the file would go nowhere.

    Raises:
        Refused: too many files, or together too large.
    """
    open_yet = select(drafts.c.id).where(drafts.c.id == draft, drafts.c.message_id.is_(None))
    if connection.execute(open_yet.with_for_update()).one_or_none() is None:
        return None
    of = select(func.count(), func.coalesce(func.sum(attachments.c.size), 0)).where(attachments.c.draft_id == draft)
    count, size = connection.execute(of).one()
    if count >= FILES:
        raise Refused(later("a message has at most %(most)s files"), most=FILES)
    if size + len(content) > FILES_BYTES:
        raise Refused(
            later(
                "all files of a message together have at most %(most)s MB, because mail servers take no message above "
                "25 MB; put this one where it can be downloaded, and send the link"
            ),
            most=FILES_BYTES // 10**6,
        )
    made = AttachmentId(secrets.randbits(63))
    row = {"id": made, "draft_id": draft, "name": name, "media_type": media_type, "size": len(content)}
    connection.execute(attachments.insert(), {**row, "inline": inline, "content": content, "created_at": now})
    return made


def file(
    connection: Connection, user: UserId, draft: DraftId, attachment: AttachmentId
) -> tuple[Attachment, bytes] | None:
    """One file of a draft of this user, with its bytes."""
    query = select(*_FILE, attachments.c.content).join(drafts, drafts.c.id == attachments.c.draft_id)
    mine = query.where(drafts.c.user_id == user, drafts.c.id == draft, attachments.c.id == attachment)
    row = connection.execute(mine).mappings().one_or_none()
    return None if row is None else (_file(row), row["content"])


def contents(connection: Connection, draft: DraftId) -> dict[AttachmentId, bytes]:
    """The bytes of all files of a draft."""
    query = select(attachments.c.id, attachments.c.content).where(attachments.c.draft_id == draft)
    return {AttachmentId(row.id): row.content for row in connection.execute(query)}


def detach(connection: Connection, user: UserId, draft: DraftId, attachment: AttachmentId) -> bool:
    """Forget one file of a draft of this user; False: there is none."""
    mine = select(drafts.c.id).where(drafts.c.id == draft, drafts.c.user_id == user)
    gone = delete(attachments).where(attachments.c.id == attachment, attachments.c.draft_id.in_(mine))
    return connection.execute(gone).rowcount == 1


def _file(row: RowMapping) -> Attachment:
    return Attachment(
        id=AttachmentId(row["id"]),
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        inline=row["inline"],
    )


def _content(draft: Draft) -> dict[str, str]:
    recipients = ", ".join(part for part in (draft.to, draft.cc, draft.bcc) if part.strip())
    return {"content": draft_json(draft), "recipients": _shown(recipients), "subject": _shown(draft.subject)}


def _shown(typed: str) -> str:
    """One printable line: it stands in a list, and PostgreSQL keeps no NUL."""
    line = "".join(letter if letter.isprintable() else " " for letter in typed[: 4 * SHOWN_CHARACTERS])
    return " ".join(line.split())[:SHOWN_CHARACTERS]


# What a draft answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerable:
    """A message of the user's own that can be quoted."""

    raw: bytes = field(repr=False)  # as submitted
    at: datetime
    tracking_url: str  # where its tracking addresses led


def answerable(connection: Connection, user: UserId, message: MessageId) -> Answerable | None:
    """A message of this user whose text they may read."""
    query = (
        select(originals.c.raw, messages.c.received_at, messages.c.tracking_url)
        .join(messages, messages.c.id == originals.c.message_id)
        .where(messages.c.id == message, messages.c.user_id == user, messages.c.sealed.is_(False))
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Answerable(raw=row.raw, at=row.received_at, tracking_url=row.tracking_url)
