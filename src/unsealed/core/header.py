"""The head of a message, by byte offset: read it, cut lines out, put lines on top. Never serialises.

Promises that everything outside the named lines stays, octet for octet. Lines that are no header fields are left where
they are, and fields behind them are still found: a Bcc must not slip through behind a broken line. Linear time.

Knows canonical messages only (CRLF line ends); `canonical` makes them so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header

from unsealed.model.errors import BadInput

SUBJECT_CHARACTERS = 500
RELATED_MESSAGES = 50  # named by In-Reply-To and References: the nearest, which stand last
# With one of these, whatever is changed may break a signature.
SIGNATURES = frozenset({"dkim-signature", "arc-message-signature", "arc-seal", "domainkey-signature"})

_LINE_END = re.compile(rb"\r\n|\r|\n")
# RFC 5322 §2.2: printable characters except the colon. §4.5 allows white space before the colon.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,998}>")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")


def canonical(raw: bytes) -> bytes:
    """`raw` with CRLF line ends only, ending with one.

    A bare CR or LF becomes CRLF: what follows it can then never be read as the end of a message by the next hop
    (SMTP smuggling).

    Raises:
        BadInput: permanent; there is a NUL inside.
    """
    if b"\0" in raw:
        raise BadInput("the message contains a NUL octet")
    ends = raw.count(b"\r\n")
    if not ends == raw.count(b"\r") == raw.count(b"\n"):
        raw = _LINE_END.sub(b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One header field, continuation lines included."""

    name: str  # lower case
    start: int
    end: int  # behind the line end
    value: bytes = field(repr=False)  # unfolded, white space around it cut


def head_end(raw: bytes) -> int:
    """Where the head ends: the offset of the empty line, or of the end."""
    if raw.startswith(b"\r\n"):
        return 0
    at = raw.find(b"\r\n\r\n")
    return len(raw) if at < 0 else at + 2


def fields(raw: bytes) -> list[Field]:
    """All header fields in their order."""
    found: list[Field] = []
    stop = head_end(raw)
    at = 0
    while at < stop:
        end = _line_end(raw, at, stop)
        match = _FIELD.match(raw, at, end)
        if match is None:
            at = end
            continue
        while end < stop and raw[end] in b" \t":
            end = _line_end(raw, end, stop)
        value = raw[match.end() : end].replace(b"\r\n", b"").strip(b" \t")
        found.append(Field(name=match[1].decode("ascii").lower(), start=at, end=end, value=value))
        at = end
    return found


def _line_end(raw: bytes, at: int, stop: int) -> int:
    end = raw.find(b"\r\n", at, stop)
    return stop if end < 0 else end + 2


def without(raw: bytes, unwanted: Callable[[Field], bool], found: Sequence[Field]) -> bytes:
    """`raw` without those fields of `found` that are `unwanted`; all else stays as it is."""
    pieces: list[bytes] = []
    at = 0
    for item in found:
        if unwanted(item):
            pieces.append(raw[at : item.start])
            at = item.end
    pieces.append(raw[at:])
    return b"".join(pieces)


def on_top(raw: bytes, lines: Iterable[tuple[str, str]]) -> bytes:
    """`raw` with header lines put before everything else. ASCII only; without `lines` it is the same bytes."""
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in lines)
    return head + raw


def decoded(value: bytes) -> str:
    """The text of a field value: encoded words decoded, control characters (line ends too) folded to one space.

    A decoded word may hold a line end; it is data and never becomes a header line.
    """
    text = value.decode("utf-8", "surrogateescape")
    if any("\udc80" <= character <= "\udcff" for character in text):
        text = value.decode("latin-1")
    if "=?" in text:
        text = _decode_words(text)
    return " ".join(_CONTROL.sub(" ", text).split())


def _decode_words(text: str) -> str:
    if not _ENCODED_WORD.search(text):
        return text
    try:
        pieces = decode_header(text)
    except (MessageError, ValueError):
        return text
    out: list[str] = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            out.append(piece)
            continue
        try:
            out.append(piece.decode(charset or "latin-1", "replace"))
        except (LookupError, ValueError):
            out.append(piece.decode("latin-1"))
    return "".join(out)


def subject(found: Iterable[Field]) -> str:
    """The decoded subject, at most 500 characters."""
    return next((decoded(item.value) for item in found if item.name == "subject"), "")[:SUBJECT_CHARACTERS]


def answered(found: Iterable[Field]) -> tuple[str, ...]:
    """The Message-IDs, in angle brackets, of the messages that this one answers (RFC 5322 §3.6.4): the nearest first,
    none twice."""
    items = list(found)
    named = [
        name
        for field in ("references", "in-reply-to")
        for item in items
        if item.name == field
        for name in _MESSAGE_ID.findall(decoded(item.value))
    ]
    return tuple(dict.fromkeys(reversed(named)))[:RELATED_MESSAGES]
