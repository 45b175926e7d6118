"""What was found in a sender's mailbox -> answers, reports, and the place up to which the folder was read.

Promises that an answer counts once: what was found, the counts, the feed and the folder's cursor are one transaction,
so a process that dies anywhere finds the same messages again, or none of them. Touches messages of the mailbox's own
user alone. An answer raises only the copy that went to the address it comes from; events are never rewritten.

The same message may be told by several folders, in any order and again after a change of UIDVALIDITY: its Message-ID
counts once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core import reply
from unsealed.core.secret import seal, unseal
from unsealed.flow import notify
from unsealed.model.errors import BadInput
from unsealed.model.message import CopyId, UserId, from_public_id
from unsealed.model.ports import Keys
from unsealed.model.reply import Fate, Found, Incoming, Kind, Mailbox
from unsealed.model.texts import later
from unsealed.model.upstream import Auth, OAuth
from unsealed.store import engine as stores
from unsealed.store import feed, mailboxes, replies
from unsealed.store.feed import Change
from unsealed.store.mailboxes import Cursor, Kept
from unsealed.store.replies import Sent

log = structlog.get_logger()


def connect(connection: Connection, user: UserId, mailbox: Mailbox, keys: Keys, now: datetime) -> None:
    """Watch this mailbox of the user from now on, in the place of the one before."""
    mailboxes.connect(
        connection,
        user,
        host=mailbox.host,
        port=mailbox.port,
        tls=mailbox.tls,
        auth=Auth.PASSWORD if mailbox.oauth is None else Auth.XOAUTH2,
        user=mailbox.user,
        secret=seal(keys, mailbox.password, purpose=mailboxes.purpose(user))
        if mailbox.oauth is None
        else _sealed(mailbox.oauth, user, mailbox.host, keys),
        now=now,
    )


def opened(kept: Kept, keys: Keys) -> Mailbox:
    """A connected mailbox with its password, or what its access tokens are had with.

    Raises:
        BadInput: permanent; the secret was sealed with another key ring.
    """
    password, oauth = "", None
    if kept.auth is Auth.XOAUTH2:
        try:
            oauth = OAuth(**json.loads(unseal(keys, kept.secret, purpose=mailboxes.purpose(kept.owner, kept.host))))
        except BadInput:
            raise BadInput(later("the kept tokens cannot be opened with this key ring; enter them again")) from None
    else:
        try:
            password = unseal(keys, kept.secret, purpose=mailboxes.purpose(kept.owner))
        except BadInput:
            raise BadInput(later("the kept password cannot be opened with this key ring; enter it again")) from None
    return Mailbox(host=kept.host, port=kept.port, tls=kept.tls, user=kept.user, password=password, oauth=oauth)


class KeptTokens:
    """The refresh token of a connected mailbox, in the store (`model.ports.RefreshTokens`)."""

    def __init__(self, engine: Engine, kept: Kept, keys: Keys) -> None:
        self._engine = engine
        self._kept = kept
        self._keys = keys

    async def newest(self) -> OAuth | None:
        """See the port; asked of the store each time, since the page that tries a mailbox exchanges it too."""

        def look() -> OAuth | None:
            with stores.reading(self._engine) as connection:
                now = self._same(connection)
            try:
                return opened(now, self._keys).oauth if now is not None else None
            except BadInput:
                return None

        return await asyncio.to_thread(look)

    async def keep(self, oauth: OAuth) -> None:
        """See the port."""

        def write() -> None:
            with self._engine.begin() as connection:
                if (now := self._same(connection)) is not None:
                    mailboxes.renew(connection, now, _sealed(oauth, now.owner, now.host, self._keys))

        await asyncio.to_thread(write)

    def _same(self, connection: Connection) -> Kept | None:
        """What is kept now, when it is still the same mailbox."""
        now = mailboxes.of(connection, self._kept.owner)
        return now if now is not None and now.changed_at == self._kept.changed_at else None


class TypedTokens:
    """A refresh token that somebody typed just now, which nobody keeps yet (`model.ports.RefreshTokens`)."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth

    async def newest(self) -> OAuth:
        """See the port."""
        return self._oauth

    async def keep(self, oauth: OAuth) -> None:
        """See the port."""
        self._oauth = oauth


def _sealed(oauth: OAuth, owner: UserId, host: str, keys: Keys) -> bytes:
    # The host belongs to it: who can write to the database alone cannot have tokens shown elsewhere.
    return seal(keys, json.dumps(asdict(oauth)), purpose=mailboxes.purpose(owner, host))


def take_in(engine: Engine, mailbox: Kept, folder: str, found: Sequence[Found], upto: Cursor, now: datetime) -> bool:
    """Keep what these messages of a folder mean, and that the folder was read up to there.

    False, and nothing is kept: the user disconnected the mailbox, or connected another one.
    """
    read = [(each, incoming) for each in found if (incoming := _read(each)) is not None]
    with engine.begin() as connection:
        if not mailboxes.move(connection, mailbox, folder, upto):
            return False
        mailboxes.looked(connection, mailbox, at=now)
        changes = [
            change
            for each, incoming in read
            for change in _settle(connection, mailbox.owner, incoming, min(each.at, now))
        ]
        feed.add_feed(connection, changes)
    for kind in sorted({change.what for change in changes}):
        log.info("mailbox.found", what=kind, count=sum(change.what == kind for change in changes))
    return True


def _read(found: Found) -> Incoming | None:
    try:
        return reply.read(found.raw)
    except Exception:
        log.exception("mailbox.unread")  # a fault of ours costs this one message, not all that come after it
        return None


def _settle(connection: Connection, user: UserId, incoming: Incoming, at: datetime) -> Iterator[Change]:
    if incoming.kind in (Kind.REPLY, Kind.AUTOMATIC):
        yield from _answer(connection, user, incoming, at)
    else:
        yield from _report(connection, user, incoming, at)


def _answer(connection: Connection, user: UserId, incoming: Incoming, at: datetime) -> Iterator[Change]:
    if replies.is_own(connection, user, incoming.address):
        return  # the sender writes on in the conversation; in "All mail" lies what was sent, too
    found = replies.named(connection, user, incoming.names)
    if not found:
        return
    nearest = found[0]
    copy = None
    # Who answers somebody else's answer saw our message in a quotation perhaps, and perhaps not at all.
    if nearest.header_id in incoming.parents and not incoming.doubtful:
        for sent in (each for each in found if each.header_id == nearest.header_id):
            if (copy := reply.tied(incoming.address, sent.copies)) is not None:
                nearest = sent
                break
    if not replies.keep(connection, user, nearest.id, copy, incoming, at):
        return
    if incoming.kind is Kind.REPLY:
        replies.answered(connection, nearest.id, copy, at)
        notify.hear_reply(connection, user, nearest.id, copy, incoming.header_id, at)
    yield Change(user=user, message=nearest.id, copy=copy, what=incoming.kind.value, at=at)


def _report(connection: Connection, user: UserId, incoming: Incoming, at: datetime) -> Iterator[Change]:
    sent, only = _reported_on(connection, user, incoming)
    if sent is None:
        return
    fates = [(copy, fate) for fate in incoming.fates if (copy := only or _copy_of(fate, sent)) is not None]
    about = {copy for copy, _ in fates}
    if not replies.keep(connection, user, sent.id, next(iter(about)) if len(about) == 1 else None, incoming, at):
        return
    for copy, fate in fates:
        if replies.reported(connection, copy, fate.kind, fate.words, at):
            if fate.kind is Kind.BOUNCE:
                notify.hear_bounce(connection, user, sent.id, copy, at)
            yield Change(user=user, message=sent.id, copy=copy, what="delivery", at=at)
        elif fate.kind is Kind.DELAYED:
            yield Change(user=user, message=sent.id, copy=copy, what=fate.kind.value, at=at)


def _reported_on(connection: Connection, user: UserId, incoming: Incoming) -> tuple[Sent | None, CopyId | None]:
    """The message that a report is about, and the one copy when its envelope id says which: each copy of ours travels
    alone, and nobody but the mail servers on its way knows that id."""
    number = from_public_id(incoming.envelope)
    if number is not None and (sent := replies.of_copy(connection, user, CopyId(number))) is not None:
        return sent, CopyId(number) if len(incoming.fates) == 1 else None
    return next(iter(replies.named(connection, user, incoming.names)), None), None


def _copy_of(fate: Fate, sent: Sent) -> CopyId | None:
    return next((copy for name in fate.addresses if (copy := reply.tied(name, sent.copies)) is not None), None)
