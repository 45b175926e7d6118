"""A draft as the letter that it becomes: read field by field, with words for each field that cannot be sent.

Promises that what can be looked at is looked at, however much is wrong: an error in one field hides no other. Promises
that a check and a sending see the same letter: both begin here and go on through the walk of submitted mail
(`core.intake`, the rules of all places). Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from html import escape
from itertools import accumulate
from typing import TypeVar, cast

from unsealed.core import clean, compose, mime, quote, text
from unsealed.core.instrument import Tracking
from unsealed.core.intake import Intake, take_in
from unsealed.core.plain_text import text_of
from unsealed.core.template import left, left_in_html
from unsealed.model.draft import Attachment, AttachmentId, Draft, Identity, Mode
from unsealed.model.errors import AboveCeiling, BadInput, Refused, sentence
from unsealed.model.message import AddressKind, MessageId, Recipient, UserId, public_id
from unsealed.model.policy import Said, Switches
from unsealed.model.template import TemplateId
from unsealed.model.texts import ENGLISH, Texts, later

ANSWERED = 20  # Message-IDs in References
NAMED = 5  # placeholders in an error

Value = TypeVar("Value")

_PASTED = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,", re.IGNORECASE)
_HEAD = '<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n'
_FOOT = "\n</body></html>\n"
_FIELDS = {"to": AddressKind.TO, "cc": AddressKind.CC, "bcc": AddressKind.BCC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where letters are written."""

    tracking: Tracking
    switches: Switches  # what the settings file allows
    mark: str = ""  # in front of a subject it switches tracking off
    now: datetime
    zone: tzinfo = UTC  # of who writes
    twelve: bool = False  # they count hours to twelve
    texts: Texts = ENGLISH  # in which they are told what is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The message of ours that a draft answers."""

    id: MessageId
    original: quote.Original
    sent_at: datetime
    tracking_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a draft needs from the store to become a message."""

    user: UserId
    draft: Draft
    identities: Sequence[Identity]
    files: Sequence[Attachment] = ()
    contents: Mapping[AttachmentId, bytes] = field(default_factory=dict)
    answered: Answered | None = None
    said: Said = field(default_factory=Said)
    template: tuple[TemplateId, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The HTML of a letter, and where its sections begin: bytes of the body part, with CRLF line ends."""

    html: str | None  # None: plain text
    text: str
    signature_at: int = 0
    quote_at: int = 0
    end: int = 0
    pictures: tuple[compose.Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A draft, read as far as it can be."""

    errors: dict[str, str]
    page: Page
    intake: Intake | None  # None: it cannot even be looked at


def prepare(material: Material, desk: Desk, new_id: str) -> Prepared:
    """A draft as a letter. new_id: the letters of its Message-ID before the @."""
    return _Reader(material, desk).read(new_id)


class _Reader:
    """Reads a draft field by field, and notes what is wrong."""

    def __init__(self, material: Material, desk: Desk) -> None:
        self.material = material
        self.draft = material.draft
        self.desk = desk
        self.errors: dict[str, str] = {}

    def _of(self, name: str, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            return read()
        except BadInput as error:
            self.errors.setdefault(name, sentence(error, self.desk.texts))
            return otherwise

    def read(self, new_id: str) -> Prepared:
        draft, nobody = self.draft, cast(tuple[Recipient, ...], ())
        sender = self._sender()
        named = {name: self._of(name, partial(self._people, name), nobody) for name in _FIELDS}
        everyone = self._of("to", lambda: compose.unique(each for some in named.values() for each in some), nobody)
        if not everyone and not self.errors.keys() & _FIELDS.keys():
            self.errors["to"] = self.desk.texts.say("Write to whom it goes.")
        subject = self._of("subject", lambda: compose.subject(draft.subject), "")
        self._placeholders()
        page = self._page(sender)
        answered = self.material.answered
        related = () if answered is None else (*answered.original.answers, answered.original.id)
        letter = compose.Letter(
            sender=sender.address,
            name=sender.name,
            to=named["to"],
            cc=named["cc"],
            subject=subject,
            html=page.html,
            text=page.text,
            pictures=page.pictures,
            files=[self._file(each) for each in self.material.files if not each.inline],
            at=self.desk.now,
            id=f"<{new_id}@{sender.address.rpartition('@')[2]}>",
            answers=answered.original.id if answered and draft.mode is not Mode.FORWARD else "",
            references=[each for each in related if each][-ANSWERED:],
            control=self._asked(),
        )
        return Prepared(errors=self.errors, page=page, intake=self._intake(letter, everyone, new_id))

    def _sender(self) -> Identity:
        own = self.material.identities
        wanted = self.draft.sender
        found = next((each for each in own if each.address == wanted), None) if wanted else next(iter(own), None)
        if found is None:
            texts = self.desk.texts
            self.errors["from"] = (
                texts.say(
                    "%(address)s is not an address of yours; prove one in Settings, Addresses.", address=wanted[:80]
                )
                if wanted
                else texts.say("You have no address to send from; prove one in Settings, Addresses.")
            )
            found = Identity(address="nobody@localhost")
        address = self._of("from", lambda: compose.in_transport(found.address), "nobody@localhost")
        return replace(found, address=address)

    def _people(self, name: str) -> tuple[Recipient, ...]:
        return compose.recipients(getattr(self.draft, name), _FIELDS[name])

    def _placeholders(self) -> None:
        draft = self.draft
        in_text = left(draft.text) if draft.plain else left_in_html(draft.html)
        for name, found in (("subject", left(draft.subject)), ("html", in_text)):
            if found:
                shown = ", ".join(f"{{{{{each}}}}}" for each in found[:NAMED])
                words = self.desk.texts.plural(
                    "%(names)s still waits for its words; fill it in, or take it out.",
                    "%(names)s still wait for their words; fill them in, or take them out.",
                    len(found),
                    names=shown,
                )
                self.errors.setdefault(name, words)

    def _file(self, each: Attachment) -> compose.Part:
        content = self.material.contents.get(each.id, b"")
        return compose.Part(name=each.name, media_type=each.media_type, content=content)

    def _asked(self) -> list[tuple[str, str]]:
        asked = []
        if self.draft.opens is not None:
            asked.append(("X-PM-TrackOpens", "true" if self.draft.opens else "false"))
        if self.draft.clicks is not None:
            asked.append(("X-PM-TrackLinks", "true" if self.draft.clicks else "none"))
        return asked

    def _intake(self, letter: compose.Letter, to: Sequence[Recipient], new_id: str) -> Intake | None:
        material, desk = self.material, self.desk
        raw = compose.write(letter)
        if len(raw) > mime.MESSAGE_BYTES:
            words = desk.texts.say("The letter is larger than 25 MB, which mail servers do not take.")
            self.errors.setdefault("attachments", words)
        try:
            intake = take_in(
                raw,
                user=material.user,
                envelope_from=letter.sender,
                envelope_to=[each.address for each in to],
                defaults=desk.switches,
                said=material.said,
                mark=desk.mark,
                now=desk.now,
                new_id=new_id,
            )
        except AboveCeiling as error:
            self.errors[error.axis] = sentence(error, desk.texts)
            return None
        except (BadInput, Refused) as error:
            self.errors.setdefault("", sentence(error, desk.texts))
            return None
        return replace(intake, outgoing=replace(intake.outgoing, template=material.template))

    # The text

    def _page(self, sender: Identity) -> Page:
        draft = self.draft
        below = self._quote()
        signature = sender.signature if draft.signature else ""
        if draft.plain:
            self._of("html", lambda: compose.no_nul(draft.text, later("the text")), None)
            words = draft.text.replace("\0", "")
            return Page(html=None, text=_text_of([words, signature, below.text if below else ""]))
        pictures: dict[str, compose.Part] = {part.id: part for part in below.pictures} if below else {}
        body = self._of("html", lambda: self._body(pictures, sender), "")
        parts = [_HEAD + body, _signature_html(signature), f"<br>{below.html}" if below else "", _FOOT]
        ends = list(accumulate(len(part.replace("\r\n", "\n").replace("\n", "\r\n").encode()) for part in parts))
        return Page(
            html="".join(parts),
            text=_text_of([text_of(body), signature, below.text if below else ""]),
            signature_at=ends[0],
            quote_at=ends[1],
            pictures=tuple(pictures.values()),
        )

    def _body(self, pictures: dict[str, compose.Part], sender: Identity) -> str:
        """The text of the editor, cleaned; the pictures in it are put down in `pictures`."""
        compose.no_nul(self.draft.html, later("the text"))
        kept = {f"/attachments/{public_id(each.id)}": each for each in self.material.files if each.inline}
        domain = sender.address.rpartition("@")[2]

        def place(address: str) -> str | None:
            each = kept.get(address[address.rfind("/attachments/") :]) if address.startswith("/compose/") else None
            if each is not None:
                part = replace(self._file(each), id=f"{public_id(each.id)}@{domain}")
            elif (pasted := _PASTED.match(address)) is not None:
                content = _decoded(address[pasted.end() :])
                digest = hashlib.sha256(content).hexdigest()[:16]
                kind = pasted[1].lower()
                part = compose.Part(
                    name=f"picture.{kind.partition('/')[2]}", media_type=kind, content=content, id=f"{digest}@{domain}"
                )
            else:
                return address if clean.is_web(address) else None
            pictures[part.id] = part
            return f"cid:{part.id}"

        # What was made from a template looks like a letter, with tables and styles.
        tidy = clean.from_letter if self.draft.template else clean.from_editor
        return tidy(self.draft.html, place)

    def _quote(self) -> quote.Quote | None:
        answered = self.material.answered
        if answered is None or not self.draft.quote:
            return None
        return quoted(answered, self.draft.mode, self.desk)


def quoted(answered: Answered, mode: Mode, desk: Desk) -> quote.Quote:
    """What stands below an answer."""
    bases = {answered.tracking_url, desk.tracking.base_url}
    return quote.quoted(
        answered.original,
        mode=mode,
        sent_at=answered.sent_at.astimezone(desk.zone),
        bases=sorted(bases),
        keys=desk.tracking.keys,
        texts=desk.texts,
        twelve=desk.twelve,
    )


def _text_of(sections: Sequence[str]) -> str:
    body, signature, below = (each.replace("\r\n", "\n").replace("\r", "\n").strip("\n") for each in sections)
    # RFC 3676 §4.3: two hyphens and a space
    return "\n\n".join(part for part in (body, f"-- \n{signature}" if signature else "", below) if part) + "\n"


def _signature_html(signature: str) -> str:
    if not signature:
        return ""
    pieces, at = [], 0
    for found in text.addresses(signature):
        address = signature[found.start : found.end]
        pieces.append(escape(signature[at : found.start]))
        pieces.append(f'<a href="{escape(address)}">{escape(address)}</a>')
        at = found.end
    pieces.append(escape(signature[at:]))
    return f"<div><br>-- <br>{''.join(pieces).replace(chr(10), '<br>')}</div>"


def _decoded(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=False)
    except ValueError:
        return b""
