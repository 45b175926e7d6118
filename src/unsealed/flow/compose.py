"""Writing in the browser: a draft is kept, looked at, sent, and taken back while it has not left.

Promises that what a check says is what sending does: both walk the way of submitted mail (`core.intake`, the rules of
all places, `core.instrument`). Promises that a draft is lost by nothing but discarding it: what cannot be sent stays as
it was typed, and a letter that is taken back is a draft again. Sending and taking back are one transaction each.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from html import escape
from itertools import accumulate
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine

from unsealed.core import clean, compose, html, mime, policy, quote, text
from unsealed.core.instrument import UNCHANGED_REASONS, Tracking, survey_outgoing
from unsealed.core.intake import Intake, take_in
from unsealed.core.links import LEFT_REASONS, plain
from unsealed.core.plain_text import text_of
from unsealed.core.template import left, left_in_html
from unsealed.flow import send
from unsealed.flow.policy import said_about
from unsealed.model.draft import (
    Attachment,
    AttachmentId,
    Caution,
    Check,
    CheckedLink,
    Control,
    Controls,
    Draft,
    DraftId,
    KeptDraft,
    Mode,
)
from unsealed.model.errors import AboveCeiling, BadInput, Refused, Untouchable
from unsealed.model.message import (
    AddressKind,
    Link,
    LinkPart,
    MessageId,
    Recipient,
    Survey,
    UserId,
    from_public_id,
    public_id,
)
from unsealed.model.policy import Level, Rule, Said, Switches
from unsealed.model.template import TemplateId
from unsealed.store import drafts, identities, messages, people, preferences, templates, views
from unsealed.store import engine as stores
from unsealed.store.feed import GONE, Change, add_feed
from unsealed.store.identities import Identity

ANSWERED = 20  # Message-IDs in References
NAMED = 5  # recipients in a warning
GMAIL_BYTES = 102_000

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
class Sent:
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
        named[AddressKind.TO if copy is not None else each.kind].append(_typed(each.name, each.address))
    if mode is Mode.REPLY and named[AddressKind.TO]:
        named[AddressKind.CC] = []
    # Who got a blind copy is shown to nobody by an answer either.
    shown = named[AddressKind.TO] or named[AddressKind.CC]
    return Draft(
        sender=found.envelope_from if found.envelope_from in own else "",
        to=", ".join(named[AddressKind.TO]),
        cc=", ".join(named[AddressKind.CC]),
        bcc="" if shown else ", ".join(named[AddressKind.BCC]),
        subject=quote.subject(found.row.subject, mode),
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
        draft=draft,
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


# Looked at


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
            self.errors.setdefault(name, sentence(str(error)))
            return otherwise

    def read(self, new_id: str) -> Prepared:
        draft, nobody = self.draft, cast(tuple[Recipient, ...], ())
        sender = self._sender()
        named = {name: self._of(name, partial(self._people, name), nobody) for name in _FIELDS}
        everyone = self._of("to", lambda: compose.unique(each for some in named.values() for each in some), nobody)
        if not everyone and not self.errors.keys() & _FIELDS.keys():
            self.errors["to"] = "Write to whom it goes."
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
        wanted = people.folded_address(self.draft.sender)
        found = next((each for each in own if each.address == wanted), None) if wanted else next(iter(own), None)
        if found is None:
            said = f"{wanted[:80]} is not an address of yours" if wanted else "You have no address to send from"
            self.errors["from"] = f"{said}; prove one in Settings, Addresses."
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
                waits = (
                    "waits for its words; fill it in, or take it"
                    if len(found) == 1
                    else ("wait for their words; fill them in, or take them")
                )
                self.errors.setdefault(name, f"{shown} still {waits} out.")

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
            self.errors.setdefault("attachments", "The letter is larger than 25 MB, which mail servers do not take.")
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
            self.errors["clicks" if str(error).startswith("link") else "opens"] = sentence(str(error))
            return None
        except (BadInput, Refused) as error:
            self.errors.setdefault("", sentence(str(error)))
            return None
        return replace(intake, outgoing=replace(intake.outgoing, template=material.template))

    # The text

    def _page(self, sender: Identity) -> Page:
        draft = self.draft
        below = self._quote()
        signature = sender.signature if draft.signature else ""
        if draft.plain:
            self._of("html", lambda: compose.no_nul(draft.text, "the text"), None)
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
        compose.no_nul(self.draft.html, "the text")
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


def sentence(words: str) -> str:
    """Words of an error as they stand beside a field; an address in front keeps its own letters."""
    begins = words if "@" in words.partition(" ")[0] else words[:1].upper() + words[1:]
    return begins + ("" if words.endswith((".", "!", "?")) else ".")


def check(material: Material, desk: Desk) -> Check:
    """What would become of a draft. No I/O; costs what accepting it would cost."""
    prepared = _Reader(material, desk).read("check")
    standing = policy.standing((*material.said.places, policy.installation(desk.switches)))
    limit = standing.ceiling
    controls = Controls(
        opens=_control("opens", limit.opens, limit.opens_by), clicks=_control("clicks", limit.clicks, limit.clicks_by)
    )
    if prepared.intake is None:
        return Check(
            errors=prepared.errors,
            warnings=(),
            opens="off",
            clicks="off",
            tracked=0,
            left=0,
            html_bytes=0,
            controls=controls,
            links=(),
        )
    outgoing = prepared.intake.outgoing
    survey = survey_outgoing(outgoing, tracking=desk.tracking)
    links = tuple(_links(material.draft, prepared.page, survey, outgoing.switches))
    size = survey.html_bytes or len((prepared.page.html or "").encode())
    clicks = outgoing.switches.clicks if outgoing.switches.tracks_links else Level.OFF
    return Check(
        errors=prepared.errors,
        warnings=tuple(_cautions(prepared, survey, material, size)),
        opens=outgoing.switches.opens.name.lower() if not survey.unchanged else "off",
        clicks=clicks.name.lower() if not survey.unchanged else "off",
        tracked=survey.tracked_links,
        left=sum(not link.tracked for link in links),
        html_bytes=size,
        controls=controls,
        links=links,
    )


def _control(axis: str, most: Level, by: Rule | None) -> Control:
    if most > Level.OFF or by is None:
        return Control(may=True)
    return Control(may=False, why=sentence(policy.limited(axis, most, by)))


def _cautions(prepared: Prepared, survey: Survey, material: Material, size: int) -> Iterator[Caution]:
    if not material.draft.subject.strip():
        yield Caution(code="no-subject", words="There is no subject.")
    if survey.unchanged == "no-html":
        yield Caution(
            code="plain", words="Nothing can be tracked in plain text: it holds no picture and no hidden links."
        )
    elif survey.unchanged and survey.unchanged != "off":
        yield Caution(code=survey.unchanged, words=f"Not tracked: {UNCHANGED_REASONS[survey.unchanged]}.")
    if "clipped" in survey.warnings or size > GMAIL_BYTES:
        words = (
            f"Gmail will cut this letter: its text has {size // 1000} KB, and Gmail shows about {GMAIL_BYTES // 1000}. "
            "What is below can be seen with one more click."
        )
        yield Caution(code="clipped", words=words)
    if prepared.intake is None:
        return
    outgoing = prepared.intake.outgoing
    rules = {rule.name: rule for rule in material.said.recipients}
    lowered = []
    for each in outgoing.recipients:
        limit = policy.for_recipient(rules, each.address)
        if refused := policy.refusals(limit, opens=outgoing.switches.opens, clicks=outgoing.switches.clicks):
            lowered.append(f"{each.name or each.address}: {'; '.join(map(str, refused))}")
    for words in lowered[:NAMED]:
        yield Caution(code="recipient", words=sentence(words))
    if len(lowered) > NAMED:
        yield Caution(code="recipient", words=f"The same for {len(lowered) - NAMED} more recipients.")


def _links(draft: Draft, page: Page, survey: Survey, switches: Switches) -> Iterator[CheckedLink]:
    found = [link for link in survey.links if link.part is LinkPart.HTML and not link.trap]
    body = [link for link in found if link.offset < page.signature_at]
    numbers = {"signature": 0, "quote": 0}
    if not draft.plain:
        yield from _body_links(draft.html, body, _nothing(survey, switches))
    for link in found[len(body) :]:
        where = "signature" if link.offset < page.quote_at else "quote"
        yield _checked(link, numbers[where], where)
        numbers[where] += 1


def _nothing(survey: Survey, switches: Switches) -> str:
    """Why no link at all is looked at; "" when they are."""
    if survey.unchanged == "off" or not (survey.unchanged or switches.tracks_links):
        return LEFT_REASONS["clicks-off"] if survey.unchanged else ""
    return UNCHANGED_REASONS[survey.unchanged] if survey.unchanged else ""


def _body_links(written: str, surveyed: Sequence[Link], nothing: str) -> Iterator[CheckedLink]:
    """The links of the editor in their order, each with what was decided about it; cleaning may have taken some out."""
    try:
        anchors = [each for each in html.scan(written).anchors if each.name == "a" and each.href is not None]
    except Untouchable:
        return
    at = 0
    for number, anchor in enumerate(anchors):
        assert anchor.href is not None  # noqa: S101 - told to the type checker
        address = html.strip_url(html.unescape_attribute(written[anchor.href.start : anchor.href.end]))
        shown = plain(html.link_text(written, anchor, written))
        same = (place for place in range(at, len(surveyed)) if _leads(surveyed[place], address))
        place = next(same, None)
        if place is not None:
            at = place + 1
            yield _checked(surveyed[place], number, "body")
        else:
            reason, words = ("clicks-off", nothing) if nothing else ("unsafe", "this is no address that can be sent")
            yield CheckedLink(
                n=number,
                url=address,
                text=shown,
                tracked=False,
                reason=reason,
                words=sentence(words),
                where="body",
                may=False,
            )


def _leads(link: Link, address: str) -> bool:
    written = html.strip_url(html.unescape_attribute(link.destination))
    return address in (link.destination, written)


def _checked(link: Link, number: int, where: str) -> CheckedLink:
    return CheckedLink(
        n=number,
        url=link.destination,
        text=link.text,
        tracked=link.tracked,
        reason=link.reason,
        words="Will be tracked." if link.tracked else sentence(LEFT_REASONS[link.reason]),
        where=where,
        may=where == "body" and link.reason in ("", "opt-out"),
    )


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
    prepared = _Reader(material, desk).read(secrets.token_hex(16))
    if prepared.errors or prepared.intake is None:
        return Wrong(fields=prepared.errors)
    planned = send.plan(prepared.intake.outgoing, tracking=desk.tracking)
    with engine.begin() as connection:
        if drafts.sent(connection, user, draft, revision, planned.id, desk.now) is not None:
            send.write(connection, planned, desk.now, leaves_at=desk.now + timedelta(seconds=undo_s))
            return Sent(message=planned.id, undo_s=undo_s)
        now_kept = drafts.load(connection, user, draft)
    if now_kept is None:
        return None
    if now_kept.message is not None:
        return Sent(message=now_kept.message, undo_s=undo_s)
    return Changed(kept=now_kept)


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
