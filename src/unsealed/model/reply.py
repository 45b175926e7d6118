"""What came back to a message by mail, as it was found in the sender's own mailbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from unsealed.model.upstream import OAuth, Tls


class Kind(StrEnum):
    """What an incoming message is to one of ours. Stored."""

    REPLY = "reply"  # written by a person, as far as its head tells
    AUTOMATIC = "automatic"  # by a machine: an absence notice, a ticket number, a read receipt
    BOUNCE = "bounce"  # a report: it could not be delivered
    DELAYED = "delayed"  # a report: not yet
    DELIVERED = "delivered"  # a report: it lies in the mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What a report says of one recipient."""

    kind: Kind  # BOUNCE, DELAYED or DELIVERED
    addresses: tuple[str, ...]  # the recipient as it was written to, and as the mail system made it
    words: str = ""  # of the server that refused, with its status: "550 5.1.1 no such user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message that says it belongs to others. Nothing in it is proven: whoever knows a Message-ID can write it."""

    kind: Kind
    header_id: str  # its Message-ID, or what stands for one
    parents: tuple[str, ...]  # Message-IDs of what it answers or reports about itself
    names: tuple[str, ...]  # the same and what came before it in the conversation, the nearest first
    address: str = ""  # who wrote it; "" when that cannot be read beyond doubt
    name: str = ""
    doubtful: bool = False  # the mailbox's own server says that the author was forged
    envelope: str = ""  # of a report: the envelope id of the copy that it is about
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message of a folder, as far as it was read."""

    uid: int
    at: datetime  # when the mailbox got it
    raw: bytes = field(repr=False)  # its head; of a report also the beginning of its body


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where to look for answers."""

    host: str
    port: int
    tls: Tls
    user: str = field(repr=False)
    password: str = field(default="", repr=False)
    oauth: OAuth | None = None  # signs in instead of the password


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What was seen of a mailbox when it let us in."""

    folders: int
    watched: tuple[str, ...]  # INBOX last
    idle: bool  # it says by itself when something comes
