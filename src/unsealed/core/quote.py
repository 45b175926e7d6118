"""A message of ours as it stands below the answer to it, or inside what forwards it.

Promises that nothing in the quote reports to us again: pixels, hidden links and tracked links of this installation are
taken out or led back to where they lead, whatever becomes of the new message. Promises that the quote is clean HTML, or
else plain text, whatever the message holds; never raises on broken mail.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import Message
from html import escape

from unsealed.core import clean, header
from unsealed.core.compose import Part, media_type
from unsealed.core.envelope import addresses
from unsealed.core.html import Anchor, escape_attribute, scan, strip_url, unescape_attribute
from unsealed.core.links import own_token
from unsealed.core.plain_text import text_of
from unsealed.model.draft import Mode
from unsealed.model.errors import BadInput
from unsealed.model.ports import Keys
from unsealed.model.texts import ENGLISH, Texts

HEAD_CHARACTERS = 500
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
BAR = "margin:0 0 0 0.8ex;border-left:2px solid #b8bdc9;padding-left:1ex"
_PREFIX = re.compile(r"(?:(?:re|aw|sv|fwd?|wg|tr)\s*:\s*)+", re.IGNORECASE)
_CID = re.compile(r"cid:(.{1,250})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What is read of a message that is answered or forwarded."""

    sender: str  # name, or else address
    to: str  # in words
    subject: str
    id: str  # Message-ID, "" when it has none
    answers: tuple[str, ...]  # Message-IDs, the first message of the conversation first
    html: str | None = field(repr=False)
    text: str = field(repr=False)
    pictures: tuple[Part, ...] = field(repr=False)  # that stand in the HTML
    files: tuple[Part, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What is put below."""

    html: str = field(repr=False)
    text: str = field(repr=False)
    pictures: tuple[Part, ...] = field(repr=False)  # those that the HTML shows


def read(raw: bytes) -> Original:
    """A message, as far as it can be read."""
    parsed = email.message_from_bytes(raw)
    found = header.fields(raw)
    words: dict[str, str] = {}
    for item in found:
        words.setdefault(item.name, header.decoded(item.value)[:HEAD_CHARACTERS])
    author = next((item.value for item in found if item.name == "from"), b"")
    html = text = None
    pictures, files = [], []
    for part in _leaves(parsed):
        attached = part.get_content_disposition() == "attachment"
        kind = part.get_content_type()
        if not attached and kind == "text/html":
            html = html if html is not None else _words(part)
        elif not attached and kind == "text/plain":
            text = text if text is not None else _words(part)
        elif not attached and kind in PICTURES and part.get("Content-ID"):
            pictures.append(_part(part))
        else:
            files.append(_part(part))
    return Original(
        sender=next((name or address for name, address in addresses(author)), words.get("from", "")),
        to=", ".join(words[name] for name in ("to", "cc") if words.get(name)),
        subject=words.get("subject", ""),
        id=words.get("message-id", ""),
        answers=tuple(reversed(header.answered(found))),
        html=html,
        text=text or "",
        pictures=tuple(pictures),
        files=tuple(files),
    )


def subject(of: str, mode: Mode) -> str:
    """The subject of the answer: one "Re:" or "Fwd:", however many there were."""
    bare = _PREFIX.sub("", of, count=1) if _PREFIX.match(of) else of
    match mode:
        case Mode.REPLY | Mode.REPLY_ALL:
            return f"Re: {bare}"
        case Mode.FORWARD:
            return f"Fwd: {bare}"
        case Mode.NEW:
            return of


def quoted(
    original: Original,
    *,
    mode: Mode,
    sent_at: datetime,
    bases: Sequence[str],
    keys: Keys,
    texts: Texts = ENGLISH,
    twelve: bool = False,
) -> Quote:
    """The quote of a message.

    bases: tracking hosts that this installation had, without slash at the end. sent_at: in the zone of who writes.
    texts: the language of who writes, for the lines above the quote. twelve: they count hours to twelve.
    """
    # Plain spaces alone: mail programs know the line above a quote by its form, and fold what follows.
    clock = texts.clock(sent_at, twelve=twelve).replace("\u00a0", " ")
    when = f"{texts.day(sent_at, year=True)}, {clock} {_zone(sent_at)}"
    try:
        html, pictures = _html(original, bases, keys)
    except BadInput:
        html, pictures = None, ()
    text = original.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip("\n")
    if html is None:
        html = escape(text, quote=False).replace("\n", "<br>")
    elif not text:
        text = text_of(html)
    if mode is Mode.FORWARD:
        title = texts.say("Forwarded message")
        lines = [
            f"---------- {title} ----------",
            texts.say("From: %(sender)s", sender=original.sender),
            texts.say("Date: %(when)s", when=when),
            texts.say("Subject: %(subject)s", subject=original.subject),
            texts.say("To: %(recipients)s", recipients=original.to),
        ]
        above = "<br>".join(escape(line, quote=False) for line in lines)
        whole = "\n".join([*lines, "", text])
        return Quote(html=f"<div>{above}</div><br><div>{html}</div>", text=whole, pictures=pictures)
    said = texts.say("On %(when)s, %(sender)s wrote:", when=when, sender=original.sender)
    below = "\n".join(f"> {line}" if line and not line.startswith(">") else f">{line}" for line in text.split("\n"))
    bar = f'<blockquote type="cite" style="{BAR}">{html}</blockquote>'
    return Quote(html=f"<div>{escape(said, quote=False)}</div>{bar}", text=f"{said}\n{below}", pictures=pictures)


def _zone(at: datetime) -> str:
    """How far its clock is from UTC: whoever reads it lives elsewhere perhaps."""
    ahead = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    hours, minutes = divmod(abs(ahead), 60)
    return f"UTC{'-' if ahead < 0 else '+'}{hours}{f':{minutes:02}' if minutes else ''}" if ahead else "UTC"


def _html(original: Original, bases: Sequence[str], keys: Keys) -> tuple[str | None, tuple[Part, ...]]:
    if original.html is None:
        return None, ()
    carried = {part.id: part for part in original.pictures}
    shown: dict[str, Part] = {}

    def place(address: str) -> str | None:
        found = _CID.fullmatch(strip_url(address))
        if found is None:
            return address if clean.is_web(address) else None
        part = carried.get(found[1])
        if part is None:
            return None
        shown[part.id] = part
        return f"cid:{part.id}"

    html = without_ours(original.html.replace("\0", ""), bases=bases, keys=keys)
    return clean.from_letter(html, place), tuple(shown.values())


def without_ours(html: str, *, bases: Sequence[str], keys: Keys) -> str:
    """HTML without pixels and hidden links of this installation, its tracked links led back to where they lead.

    Raises:
        BadInput: it holds more links than any letter.
    """
    page = scan(html)
    edits = []
    for picture in page.pictures:
        source = strip_url(unescape_attribute(picture.source))
        if any(own_token(base, "/o/", source, keys) for base in bases):
            edits.append((picture.start, picture.end, ""))
    for anchor in page.anchors:
        if anchor.href is None:
            continue
        start, end, mark = anchor.href
        address = strip_url(unescape_attribute(html[start:end]))
        claims = next(filter(None, (own_token(base, "/c/", address, keys) for base in bases)), None)
        if claims is None or claims.link is None:
            continue
        if _is_hidden(html, anchor):
            edits.append((anchor.start, anchor.end + len("</a>"), ""))
        else:
            edits.append((start, end, escape_attribute(claims.destination, mark)))
    pieces, at = [], 0
    for start, end, new in sorted(edits):
        pieces += [html[at:start], new]
        at = end
    return "".join([*pieces, html[at:]])


def _is_hidden(html: str, anchor: Anchor) -> bool:
    """A link without words that nobody sees, as `core.instrument` puts it beside a pixel."""
    return html.startswith("</a>", anchor.end) and "display:none" in html[anchor.start : anchor.end]


def _leaves(whole: Message) -> Iterator[Message]:
    """The parts that hold no parts; a message inside the message stays whole."""
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        inside = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inside, list):
            waiting += [each for each in reversed(inside) if isinstance(each, Message)]
        else:
            yield part


def _part(part: Message) -> Part:
    content: object = part.get_payload(decode=True)
    inside = part.get_payload()
    whole = next(iter(inside), None) if isinstance(inside, list) else None
    if part.get_content_maintype() == "message" and isinstance(whole, Message):
        content = b"\r\n".join(whole.as_bytes().splitlines())
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in part.get_filename() or "").split())
    return Part(
        name=re.split(r"[/\\]", name)[-1][:120] or "file",
        media_type=media_type(part.get_content_type()),
        content=content if isinstance(content, bytes) else b"",
        id="".join(letter for letter in str(part.get("Content-ID", "")).strip().strip("<>") if letter.isprintable()),
    )


def _words(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a charset that nobody knows
        return content.decode("utf-8", "replace")
