"""A message that is being written, as it was typed.

Nothing in it is checked: a draft with a broken address is kept like any other, and `core.compose` says what is wrong
with it. What the editor holds never contains a pixel, a rewritten link or the quoted message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId

DraftId = NewType("DraftId", int)  # random, 63 bit
AttachmentId = NewType("AttachmentId", int)  # random, 63 bit


class Mode(StrEnum):
    """What a draft does with the message that it answers. Stored."""

    NEW = ""
    REPLY = "reply"
    REPLY_ALL = "reply_all"
    FORWARD = "forward"


class FromTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of which template the text was made from."""

    id: str  # 16 hex digits
    version: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the composer. Its JSON is what pages send and what is kept."""

    # A Struct, because its JSON is its wire form: one definition for page, store and program.
    sender: str = msgspec.field(default="", name="from")
    to: str = ""  # address lists, as typed
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    html: str = ""  # what the editor holds
    plain: bool = False  # send `text` alone
    text: str = ""
    opens: bool | None = None  # None: what is usual
    clicks: bool | None = None
    answers: str = ""  # 16 hex digits of a message of ours; "" for a letter of its own
    mode: Mode = Mode.NEW
    quote: bool = True  # put the answered message below
    template: FromTemplate | None = None
    signature: bool = True


_DECODER = msgspec.json.Decoder(Draft)


def draft_json(draft: Draft) -> str:
    """How a draft is kept and sent to the page."""
    return msgspec.json.encode(draft).decode()


def draft_from(raw: str | bytes) -> Draft:
    """The draft of its JSON; fields that are missing are empty, unknown ones are passed over.

    Raises:
        BadInput: permanent; it is no draft; says where.
    """
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"this draft cannot be read: {str(error)[:200]}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes along with a draft."""

    id: AttachmentId
    name: str
    media_type: str
    size: int  # bytes
    inline: bool = False  # a picture in the text


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """A draft as it is kept."""

    id: DraftId
    revision: int  # grows with each change
    draft: Draft
    attachments: tuple[Attachment, ...] = ()
    message: MessageId | None = None  # it was sent as this one; until it has left, that can be taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    """A line of the list of drafts."""

    id: str
    recipients: str
    subject: str
    changed_at: datetime
    attachments: int = 0


# What would become of a draft, if it were sent now. These shapes are the JSON of the composer, too.


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Something that does not stop the sending, and that the sender should know."""

    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Whether one axis can be switched on."""

    may: bool
    why: str = ""  # why not


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the two switches of a letter may be set to."""

    opens: Control
    clicks: Control


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLink:
    """What would become of one link."""

    n: int  # of those of its place, in their order; in the text that is the order of <a href>
    url: str
    text: str
    tracked: bool
    reason: str  # code; "" when tracked
    words: str  # what will happen, and why
    where: str  # "body", "signature" or "quote"
    may: bool  # whether it can be switched on and off by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What would become of a draft if it were sent now."""

    errors: dict[str, str]  # by field, what keeps it from being sent
    warnings: tuple[Caution, ...]
    opens: str  # level
    clicks: str
    tracked: int  # links
    left: int
    html_bytes: int  # of the largest copy
    controls: Controls
    links: tuple[CheckedLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An address that the user may send from."""

    address: str
    name: str = ""  # beside the address in From
    signature: str = ""  # plain text, LF between its lines
