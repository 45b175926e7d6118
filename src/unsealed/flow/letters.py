"""Letters that Unsealed itself writes: codes that prove an address, invitations, daily summaries.

They go the way of any mail, untracked, and stand in the list of who caused them, so that it can be seen whether they
arrived. Promises that a code is only ever read where it was sent to: its letter is sealed against who asked for it, and
comes back, should it, to the address itself. Promises that a code and its letter, or a person
and their invitation, are kept together or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from sqlalchemy import Connection, Engine

from unsealed.core.instrument import Tracking
from unsealed.flow import send
from unsealed.model.errors import Refused
from unsealed.model.message import AddressKind, Outgoing, Recipient, UserId
from unsealed.model.policy import OFF
from unsealed.model.texts import ENGLISH, Texts, later
from unsealed.store import identities, members, people

CODE = later("""\
%(sender)s wants to send mail from the address %(to)s
through Unsealed at %(origin)s

If that is you, enter this code within 15 minutes, in Settings, Addresses:

    %(code)s

If it is not, do nothing: without the code nobody can.
""")
INVITATION = later("""\
%(sender)s invites you to Unsealed at %(origin)s

It sends mail and shows what became of it. This link lets you in once,
within 7 days; there you choose a password:

    %(link)s

If you do not know what this is about, do nothing.
""")


def send_code(
    engine: Engine,
    user: UserId,
    address: str,
    *,
    origin: str,
    tracking: Tracking,
    now: datetime,
    texts: Texts = ENGLISH,
) -> str:
    """Mail a code to an address that the user wants to send from; the address in the form in which it is kept.

    origin: base of the pages, for the words.

    Raises:
        BadInput: not an address, or the user has it.
        Refused: too many codes.
    """
    with engine.begin() as connection:
        sender = _name_of(connection, user)
        to, code = identities.new_code(connection, user, address, now)
        words = texts.say(CODE, sender=sender, to=to, origin=origin, code=code)
        raw = letter(sender, to, texts.say("Is this address yours?"), words, now)
        # Back to the address itself: a report to the sender would hold the code.
        _post(connection, user, to, to, raw, sealed=True, tracking=tracking, now=now)
    return to


def invite(
    engine: Engine,
    by: UserId,
    email: str,
    role: str,
    *,
    link: Callable[[str], str],
    origin: str,
    tracking: Tracking | None,
    now: datetime,
    texts: Texts = ENGLISH,
) -> tuple[str, str]:
    """Add somebody and mail them a one-time link: the address in the form in which it is kept, and the link.

    link: makes an address of the secret. tracking: None: nothing is mailed, `by` passes the link on.

    Raises:
        BadInput: not an address, no such role, or the person is here.
        Refused: `by` must not do that.
    """
    with engine.begin() as connection:
        to, secret = members.invite(connection, by, email, role, now)
        address = link(secret)
        if tracking is not None:
            sender = _name_of(connection, by)
            words = texts.say(INVITATION, sender=sender, origin=origin, link=address)
            raw = letter(sender, to, texts.say("Your invitation"), words, now)
            _post(connection, by, sender, to, raw, sealed=False, tracking=tracking, now=now)
    return to, address


def send_digest(
    connection: Connection, user: UserId, subject: str, words: str, *, tracking: Tracking, now: datetime
) -> None:
    """Mail a summary to the user's own address."""
    own = _name_of(connection, user)
    _post(connection, user, own, own, letter(own, own, subject, words, now), sealed=False, tracking=tracking, now=now)


def _name_of(connection: Connection, user: UserId) -> str:
    found = people.user(connection, user)
    if found is None:
        raise Refused(later("this account was removed"))
    return found.email


def letter(sender: str, to: str, subject: str, words: str, now: datetime) -> bytes:
    """A plain text letter in its canonical form. Both addresses come from `people.clean_address`."""
    # Put together by hand: nothing in such an address can end a line or a header.
    domain = sender.rpartition("@")[2]
    head = [
        f"From: <{sender}>",
        f"To: <{to}>",
        f"Subject: {_encoded(subject)}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{secrets.token_hex(16)}@{domain if domain.isascii() else 'localhost'}>",
        "Auto-Submitted: auto-generated",  # RFC 3834 §5: no answering machine answers it
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return "\r\n".join([*head, "", *words.splitlines(), ""]).encode()


def _encoded(subject: str) -> str:
    """As it stands in a head: RFC 2047, where it has more than ASCII."""
    if subject.isascii():
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _post(
    connection: Connection,
    user: UserId,
    envelope_from: str,
    to: str,
    raw: bytes,
    *,
    sealed: bool,
    tracking: Tracking,
    now: datetime,
) -> None:
    outgoing = Outgoing(
        user=user,
        envelope_from=envelope_from,
        recipients=(Recipient(address=to, kind=AddressKind.TO),),
        raw=raw,
        switches=OFF,
        received_at=now,
        sealed=sealed,
    )
    send.write(connection, send.plan(outgoing, tracking=tracking), now)
