"""A letter that a program asks to be sent, or to be made trackable for sending by something else.

Promises that it walks the way of submitted mail, and that nothing is sent when anything is wrong with it: what it asks
for above a ceiling is refused in the words of the rule, never lowered in silence. Its HTML is the program's own and
goes out as it came.
"""

from __future__ import annotations

import email
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from unsealed.core import clean, compose
from unsealed.core.drafting import Desk
from unsealed.core.envelope import addresses
from unsealed.core.intake import take_in
from unsealed.core.mime import MESSAGE_BYTES
from unsealed.core.plain_text import text_of
from unsealed.flow import send, templates
from unsealed.flow.policy import said_about
from unsealed.model.draft import Identity
from unsealed.model.errors import AboveCeiling, BadInput, Refused, sentence
from unsealed.model.message import AddressKind, Outgoing, Recipient, UserId, from_public_id
from unsealed.model.policy import Level, LinkScope, Place, Rule, Scope
from unsealed.model.template import Content, TemplateId
from unsealed.store import identities, messages, people
from unsealed.store.templates import list_for

SENDER_CHARACTERS = 500
TAG_CHARACTERS = 200
METADATA_FIELDS = 50
METADATA_CHARACTERS = 500
VALUES = 200  # of placeholders

Value = TypeVar("Value")

_LINKS = {LinkScope.NONE: "None", LinkScope.HTML: "HtmlOnly", LinkScope.HTML_AND_TEXT: "HtmlAndText"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, as it was written."""

    sender: str  # an address, perhaps with a name
    to: str = ""  # address lists
    cc: str = ""
    bcc: str = ""
    subject: str | None = None
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    opens: Level | bool | None = None  # True: as much as is usual here; None: nothing is asked for
    clicks: Level | bool | None = None
    links: LinkScope | None = None
    template: str = ""  # id or name
    values: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[compose.Part] = ()
    tag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Faulty(BadInput):
    """The letter cannot be sent as it is asked for."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {words}" for name, words in fields.items()))
        self.fields = fields  # words, by field


def read(connection: Connection, user: UserId, wanted: Wanted, desk: Desk) -> Outgoing:
    """The message as it is accepted. Costs CPU in proportion to its size.

    Raises:
        Faulty: something is wrong with it; says what, by field.
    """
    return _Reader(connection, user, wanted, desk).outgoing()


def sender(written: str) -> tuple[str, str]:
    """Name and address of who a letter is from, written as an address alone or as `Ines <ines@example.org>`; "" where
    there is no name.

    Raises:
        BadInput: too long, or it holds what nobody could see.
    """
    read = list(addresses(compose.line(written, "the sender", SENDER_CHARACTERS).encode("utf-8", "replace")))
    return read[0] if len(read) == 1 else ("", written)


class _Reader:
    def __init__(self, connection: Connection, user: UserId, wanted: Wanted, desk: Desk) -> None:
        self.connection = connection
        self.user = user
        self.wanted = wanted
        self.desk = desk
        self.errors: dict[str, str] = {}

    def _of(self, name: str, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            return read()
        except (BadInput, Refused) as error:
            self.errors.setdefault(name, sentence(error, self.desk.texts))
            return otherwise

    def outgoing(self) -> Outgoing:
        wanted, desk = self.wanted, self.desk
        sender = self._of("from", self._sender, Identity(address="nobody@localhost"))
        nobody: tuple[Recipient, ...] = ()
        to = self._of("to", lambda: compose.recipients(wanted.to, AddressKind.TO), nobody)
        cc = self._of("cc", lambda: compose.recipients(wanted.cc, AddressKind.CC), nobody)
        bcc = self._of("bcc", lambda: compose.recipients(wanted.bcc, AddressKind.BCC), nobody)
        everyone = self._of("to", lambda: compose.unique([*to, *cc, *bcc]), nobody)
        if not everyone and not self.errors.keys() & {"to", "cc", "bcc"}:
            self.errors["to"] = "Name at least one recipient."
        made = self._of("template", lambda: self._template(everyone, sender.address), None)
        content = made[1].content if made else None
        given = wanted.subject if wanted.subject is not None else content.subject if content else ""
        subject = self._of("subject", lambda: compose.subject(given), "")
        html = wanted.html if wanted.html is not None else (content.html or None) if content else None
        text = wanted.text if wanted.text is not None else (content.text or None) if content else None
        if html is None and text is None and "template" not in self.errors:
            self.errors.setdefault("html", "There is no text: give html, text or a template.")
        text = self._of("html" if text is None else "text", lambda: _text(html, text), "")
        tag = self._of("tag", lambda: compose.line(wanted.tag, "the tag", TAG_CHARACTERS), "")
        unsaid: tuple[tuple[str, str], ...] = ()
        metadata = self._of("metadata", lambda: _metadata(wanted.metadata), unsaid)
        self._raise()
        new_id = secrets.token_hex(16)
        letter = compose.Letter(
            sender=sender.address,
            name=sender.name,
            to=to,
            cc=cc,
            subject=subject,
            html=html,
            text=text,
            files=wanted.files,
            at=desk.now,
            id=f"<{new_id}@{sender.address.rpartition('@')[2]}>",
            control=_control(wanted),
        )
        template = None if made is None else (made[0], made[1].version)
        outgoing = self._taken_in(letter, everyone, new_id, None if template is None else template[0])
        return replace(outgoing, tag=tag, metadata=metadata, template=template)

    def _raise(self) -> None:
        if self.errors:
            raise Faulty(self.errors)

    def _sender(self) -> Identity:
        name, written = sender(self.wanted.sender)
        address = people.folded_address(written)
        own = {each.address: each for each in identities.list_for(self.connection, self.user)}
        if address not in own:
            raise Refused(f"{address[:80] or 'nothing'} is not an address that this user has proven to be theirs")
        return replace(own[address], address=compose.in_transport(address), name=name or own[address].name)

    def _template(self, everyone: Sequence[Recipient], sender: str) -> tuple[TemplateId, _Made] | None:
        wanted = self.wanted
        name = wanted.template
        if not name:
            return None
        offered = list_for(self.connection, self.user)
        number = from_public_id(name)
        found = [each for each in offered if each.id == number] or [each for each in offered if each.name == name]
        if not found:
            raise BadInput(f"there is no template {name[:80]!r}")
        if len(found) > 1:
            raise BadInput(f"{len(found)} templates are called {name[:80]!r}; name one by its id")
        if len(wanted.values) > VALUES:
            raise BadInput(f"there are more than {VALUES} values")
        contact = wanted.to or wanted.cc or wanted.bcc if len(everyone) == 1 else ""
        made = templates.made(
            self.connection, self.user, found[0].id, contact=contact, sender=sender, values=wanted.values
        )
        if made is None:
            raise BadInput(f"there is no template {name[:80]!r}")
        version, filled = made
        if filled.missing:
            raise BadInput(f"nothing is known for {', '.join(filled.missing)}; give it in values")
        return found[0].id, _Made(version=version.version, content=filled.content)

    def _taken_in(
        self, letter: compose.Letter, everyone: Sequence[Recipient], new_id: str, template: TemplateId | None
    ) -> Outgoing:
        said = said_about(self.connection, self.user, [each.address for each in everyone], template)
        # A program is told, whatever is said about mail programs.
        strict = Place(limit=Rule(scope=Scope.MESSAGE), strict=True)
        raw = compose.write(letter)
        if len(raw) > MESSAGE_BYTES:
            self.errors["attachments"] = "The letter is larger than 25 MB, which mail servers do not take."
        try:
            intake = take_in(
                raw,
                user=self.user,
                envelope_from=letter.sender,
                envelope_to=[each.address for each in everyone],
                defaults=self.desk.switches,
                said=replace(said, places=(*said.places, strict)),
                mark=self.desk.mark,
                now=self.desk.now,
                new_id=new_id,
            )
        except AboveCeiling as error:
            raise Faulty({"track": sentence(error)}) from None
        except (BadInput, Refused) as error:
            raise Faulty({"message": sentence(error)}) from None
        self._raise()
        return intake.outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    version: int
    content: Content


def _text(html: str | None, text: str | None) -> str:
    if text is not None:
        compose.no_nul(text, "the text")
    if html is not None:
        compose.no_nul(html, "the HTML")
    if text is not None or html is None:
        return text or ""
    return text_of(clean.from_letter(html, lambda address: address if clean.is_web(address) else None)) + "\n"


def _metadata(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if len(given) > METADATA_FIELDS:
        raise BadInput(f"there are more than {METADATA_FIELDS} fields")
    return tuple(
        (
            compose.line(name, "the name of a field", METADATA_CHARACTERS),
            compose.line(value, f"the field {name[:40]!r}", METADATA_CHARACTERS),
        )
        for name, value in given.items()
    )


def _control(wanted: Wanted) -> list[tuple[str, str]]:
    asked = []
    for value, name, level in (
        (wanted.opens, "X-PM-TrackOpens", "X-Unsealed-Opens"),
        (wanted.clicks, "X-PM-TrackLinks", "X-Unsealed-Clicks"),
    ):
        if isinstance(value, bool):
            asked.append((name, "true" if value else "false"))
        elif value is not None:
            asked.append((level, value.name.lower()))
    if wanted.links is not None:
        asked.append(("X-PM-TrackLinks", _LINKS[wanted.links]))
    return asked


# Sent by something else


SOMEONE = Recipient(address="", kind=AddressKind.TO)


def paste(connection: Connection, user: UserId, *, html: str, to: str, subject: str, desk: Desk) -> Outgoing:
    """A letter that something else sends: as `read`, but that it may be for nobody who is known.

    Raises:
        Faulty: something is wrong with it; says what, by field.
    """
    own = identities.list_for(connection, user)
    if not own:
        raise Faulty({"html": desk.texts.say("You have no address; prove one in Settings, Addresses.")})
    if not html.strip():
        raise Faulty({"html": desk.texts.say("Paste the HTML of a letter.")})
    for_someone = not to.strip(" ,;\t")
    wanted = Wanted(
        sender=own[0].address,
        to=own[0].address if for_someone else to,
        subject=subject,
        html=html,
        text="",
    )
    outgoing = read(connection, user, wanted, desk)
    return replace(outgoing, recipients=(SOMEONE,)) if for_someone else outgoing


def keep_pasted(connection: Connection, planned: send.Planned, now: datetime) -> None:
    """Keep a message that something else sends: its copies count as sent, and nothing is delivered."""
    send.write(connection, planned, now, elsewhere=True)
    for copy in planned.copies:
        messages.sent(connection, copy, reply="sent by another program", at=now, final=False)


def tracked_html(raw: bytes) -> str:
    """The HTML of a copy that was made of a pasted letter."""
    for part in email.message_from_bytes(raw).walk():
        content = part.get_payload(decode=True) if part.get_content_type() == "text/html" else None
        if isinstance(content, bytes):
            return content.decode("utf-8", "replace")
    return ""
