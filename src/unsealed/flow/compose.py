"""Writing in the browser: a draft is kept, looked at, sent, and taken back while it has not left.

Promises that what a check says is what sending does: both walk the way of submitted mail (`core.intake`, the rules of
all places, `core.instrument`). Promises that a draft is lost by nothing but discarding it: what cannot be sent stays as
it was typed, and a letter that is taken back is a draft again. Sending and taking back are one transaction each.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, Engine

from unsealed.core import compose, quote
from unsealed.core.drafting import Answered, Desk, Material, prepare
from unsealed.flow import send
from unsealed.flow.policy import said_about
from unsealed.model.draft import Draft, DraftId, KeptDraft, Mode
from unsealed.model.errors import BadInput
from unsealed.model.message import AddressKind, MessageId, UserId, from_public_id, public_id
from unsealed.model.template import TemplateId
from unsealed.store import drafts, identities, messages, people, preferences, templates, views
from unsealed.store import engine as stores
from unsealed.store.feed import GONE, Change, add_feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A letter that is on its way, and for how many seconds it can be taken back."""

    message: MessageId
    undo_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """It cannot be sent as it is."""

    fields: Mapping[str, str]  # words by field; "" for the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Another window changed it, sent it or discarded it since."""

    kept: KeptDraft


# Kept


def keep(connection: Connection, user: UserId, draft: Draft, now: datetime) -> DraftId:
    """Keep a new draft; what it forwards brings its files along.

    Raises:
        Refused: there are too many drafts.
    """
    made = drafts.create(connection, user, draft, now)
    if draft.mode is Mode.FORWARD and (answered := _answered(connection, user, draft)) is not None:
        for part in answered.original.files:
            drafts.attach(
                connection,
                made,
                name=part.name,
                media_type=part.media_type,
                content=part.content,
                inline=False,
                now=now,
            )
    return made


def answer(
    connection: Connection, user: UserId, message: MessageId, mode: Mode, now: datetime, copy: int | None = None
) -> Draft | None:
    """The beginning of an answer to a message of ours: it goes to whom the message went. None when there is no such
    message, or its text is not for this user.

    copy: answer its recipient alone.
    """
    found = views.message(connection, user, message, now)
    if found is None or found.sealed or mode is Mode.NEW:
        return None
    own = {each.address for each in identities.list_for(connection, user)}
    named: dict[AddressKind, list[str]] = {kind: [] for kind in AddressKind}
    for each in found.copies:
        if not each.address or mode is Mode.FORWARD or copy not in (None, from_public_id(each.id)):
            continue
        named[AddressKind.TO if copy is not None else each.kind].append(_typed(compose.plain(each.name), each.address))
    if mode is Mode.REPLY and named[AddressKind.TO]:
        named[AddressKind.CC] = []
    # Who got a blind copy is shown to nobody by an answer either.
    shown = named[AddressKind.TO] or named[AddressKind.CC]
    return Draft(
        sender=found.envelope_from if found.envelope_from in own else "",
        to=", ".join(named[AddressKind.TO]),
        cc=", ".join(named[AddressKind.CC]),
        bcc="" if shown else ", ".join(named[AddressKind.BCC]),
        subject=quote.subject(compose.plain(found.row.subject), mode),
        answers=public_id(message),
        mode=mode,
    )


def gather(
    connection: Connection, user: UserId, draft: Draft, kept: KeptDraft | None, *, contents: bool = False
) -> Material:
    """What a draft needs. contents: with the bytes of its files, which a check can do without."""
    everyone = [each for typed in (draft.to, draft.cc, draft.bcc) for each in _addresses(typed)]
    template = _template(connection, user, draft)
    return Material(
        user=user,
        draft=msgspec.structs.replace(draft, sender=people.folded_address(draft.sender)),
        identities=identities.list_for(connection, user),
        files=kept.attachments if kept else (),
        contents=drafts.contents(connection, kept.id) if kept and contents else {},
        answered=_answered(connection, user, draft),
        said=said_about(connection, user, everyone, template[0] if template else None),
        template=template,
    )


def _answered(connection: Connection, user: UserId, draft: Draft) -> Answered | None:
    message = from_public_id(draft.answers)
    if message is None or draft.mode is Mode.NEW:
        return None
    found = drafts.answerable(connection, user, MessageId(message))
    if found is None:
        return None
    return Answered(
        id=MessageId(message), original=quote.read(found.raw), sent_at=found.at, tracking_url=found.tracking_url
    )


def _template(connection: Connection, user: UserId, draft: Draft) -> tuple[TemplateId, int] | None:
    number = from_public_id(draft.template.id) if draft.template else None
    if number is None or draft.template is None or templates.find(connection, user, TemplateId(number)) is None:
        return None
    return TemplateId(number), draft.template.version


def _addresses(typed: str) -> list[str]:
    try:
        return [each.address for each in compose.recipients(typed, AddressKind.TO)]
    except BadInput:
        return []


def _typed(name: str, address: str) -> str:
    """A person as the composer's fields hold them."""
    if not name:
        return address
    quoted = name.replace("\\", "").replace('"', "'")
    return f'"{quoted}" <{address}>'


# Sent


def dispatch(engine: Engine, user: UserId, draft: DraftId, revision: int, desk: Desk) -> Sent | Wrong | Changed | None:
    """Send a draft; it leaves when the time to take it back is over. None: there is no such draft.

    Asking again after it was sent gives the same answer.
    """
    with stores.reading(engine) as connection:
        kept = drafts.load(connection, user, draft)
        if kept is None:
            return None
        undo_s = preferences.undo_s(connection, user)
        if kept.message is not None:
            return Sent(message=kept.message, undo_s=undo_s)
        if kept.revision != revision:
            return Changed(kept=kept)
        material = gather(connection, user, kept.draft, kept, contents=True)
    prepared = prepare(material, desk, secrets.token_hex(16))
    if prepared.errors or prepared.intake is None:
        return Wrong(fields=prepared.errors)
    planned = send.plan(prepared.intake.outgoing, tracking=desk.tracking)
    with engine.begin() as connection:
        found = drafts.load(connection, user, draft, hold=True)
        if found == kept:  # also its files: one that came meanwhile is not left behind
            drafts.sent(connection, user, draft, revision, planned.id, desk.now)
            send.write(connection, planned, desk.now, leaves_at=desk.now + timedelta(seconds=undo_s))
            return Sent(message=planned.id, undo_s=undo_s)
    if found is None:
        return None
    if found.message is not None:
        return Sent(message=found.message, undo_s=undo_s)
    return Changed(kept=found)


class _Left(Exception):
    """Rolls a transaction back: some copy is on its way."""


def take_back(engine: Engine, user: UserId, draft: DraftId, now: datetime) -> int | None:
    """Make a letter that was sent a draft again; its revision. None: it has left, or was not sent."""
    try:
        with engine.begin() as connection:
            kept = drafts.load(connection, user, draft)
            if kept is None or kept.message is None:
                return None
            revision = drafts.given_back(connection, user, draft, kept.message)
            if revision is None or not messages.take_back(connection, user, kept.message):
                raise _Left
            add_feed(connection, [Change(user=user, message=kept.message, what=GONE, at=now)])
            return revision
    except _Left:
        return None
