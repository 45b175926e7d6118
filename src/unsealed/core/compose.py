"""What somebody wrote becomes a message: canonical bytes, ready to be taken in like any other mail.

Promises that the same letter gives the same bytes, that nothing anybody typed can end a header line, begin another one
or become an encoded word, and that no line is longer than mail allows. Reads what was typed where addresses, subjects
and names of files belong, and says in words for the writer what is wrong with it.

    multipart/mixed             where there are files
      multipart/alternative     text/plain alone where there is no HTML
        text/plain
        multipart/related       where pictures stand in the text
          text/html
          image/...
      application/...
"""

from __future__ import annotations

import base64
import hashlib
import re
from binascii import b2a_qp
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from urllib.parse import quote

import idna

from unsealed.core.envelope import addresses, same_mailbox
from unsealed.core.mime import ADDRESSES
from unsealed.model.errors import BadInput
from unsealed.model.message import AddressKind, Recipient
from unsealed.model.texts import Phrase, later

SUBJECT_CHARACTERS = 500
NAME_CHARACTERS = 120  # of a file
LIST_CHARACTERS = 400_000
SHOWN_CHARACTERS = 60  # of what is wrong
LINE = 76

# One entry of a list: quoted strings, angle brackets and comments may hold commas. Linear: nothing is tried twice.
_ENTRY = re.compile(r"(?:\"(?:[^\"\\]|\\.)*+\"?|<[^<>]*+>?|\([^()]*+\)?|[^,;\"<(]++)++", re.DOTALL)
_WORDS_OUTSIDE = re.compile(r"\s*+[^\s<\"(][^<\"(]*?\s[^\s<\"(][^<\"(]*+")
_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*+", re.IGNORECASE)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9 ._+-]{1,60}")
_LONG_WORD = re.compile(r"\S{70}")
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # change the direction of what follows
_LINE_ENDS = frozenset("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_TYPES_OF_MAIL = ("multipart/", "message/")  # must not be encoded (RFC 2046 §5.1, §5.2.1), so they travel as bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file or a picture."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    id: str = ""  # of a picture: what the HTML calls it behind "cid:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """All that a message is made of; everything in it was read by this module or comes from the store."""

    sender: str
    name: str = ""  # beside it
    to: Sequence[Recipient] = ()
    cc: Sequence[Recipient] = ()
    subject: str = ""
    html: str | None = None  # None: the text alone
    text: str = ""
    pictures: Sequence[Part] = ()
    files: Sequence[Part] = ()
    at: datetime
    id: str  # Message-ID, in angle brackets
    answers: str = ""  # Message-ID
    references: Sequence[str] = ()  # Message-IDs, the first message of the conversation first
    control: Sequence[tuple[str, str]] = ()  # header fields for intake, which cuts them out


# What was typed


def line(typed: str, what: str, at_most: int) -> str:
    """One line as it may stand in a header, white space folded. what: its name at the beginning of a sentence, marked
    for the catalogue where people read it on a page.

    Raises:
        BadInput: too long, or it holds what nobody could see; says what.
    """
    if len(typed) > at_most:
        raise BadInput(
            later("%(what)s has %(number)s characters; %(most)s is the most"),
            what=Phrase(what),
            number=len(typed),
            most=at_most,
        )
    _no_odd_characters(typed, what)
    return " ".join(typed.split())


def subject(typed: str) -> str:
    """A subject.

    Raises:
        BadInput: as `line`.
    """
    return line(typed, later("the subject"), SUBJECT_CHARACTERS)


def file_name(typed: str) -> str:
    """The name of a file, without the folders that some programs put before it.

    Raises:
        BadInput: as `line`.
    """
    name = line(re.split(r"[/\\]", typed)[-1], later("the name of the file"), NAME_CHARACTERS)
    return name or "file"


def media_type(said: str) -> str:
    """The media type that somebody said a file has, without parameters; bytes of any kind where it cannot be used."""
    found = said.partition(";")[0].strip().lower()
    usable = _MEDIA_TYPE.fullmatch(found) and not found.startswith(_TYPES_OF_MAIL)
    return found if usable else "application/octet-stream"


def recipients(typed: str, kind: AddressKind) -> tuple[Recipient, ...]:
    """The people of an address list: `ines@x.example, Rob Li <rob@y.example>`. Commas or semicolons stand between.

    Raises:
        BadInput: one of them is no address; says which.
    """
    if len(typed) > LIST_CHARACTERS:
        raise BadInput(
            later("the list has %(number)s characters; %(most)s is the most"), number=len(typed), most=LIST_CHARACTERS
        )
    _no_odd_characters(typed, later("the list"))
    made = []
    for entry in _ENTRY.finditer(typed):
        if not entry[0].strip():
            continue
        read = list(addresses(entry[0].encode("utf-8", "replace")))
        # RFC 5322 allows space inside an address; here it is a name without its brackets, or a comma that is missing.
        if len(read) != 1 or _WORDS_OUTSIDE.fullmatch(entry[0]):
            raise BadInput(
                later("%(typed)s is not an e-mail address; write it like ines@example.org"), typed=_shown(entry[0])
            )
        name, address = read[0]
        made.append(Recipient(address=in_transport(address), name=name, kind=kind))
        if len(made) > ADDRESSES:
            raise BadInput(later("a message has at most %(most)s recipients"), most=ADDRESSES)
    return tuple(made)


def unique(people: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Each mailbox once, where it stands first.

    Raises:
        BadInput: more than a message may have.
    """
    found: dict[str, Recipient] = {}
    for each in people:
        found.setdefault(same_mailbox(each.address), each)
    if len(found) > ADDRESSES:
        raise BadInput(
            later("a message has at most %(most)s recipients; there are %(number)s"), most=ADDRESSES, number=len(found)
        )
    return tuple(found.values())


def in_transport(address: str) -> str:
    """An address with its domain in the letters of the name system (RFC 5891): post@müller.example has xn--mller-kva.

    Raises:
        BadInput: the domain is none.
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            domain = ""
    if not _DOMAIN.fullmatch(domain) or len(domain) > 253:
        raise BadInput(
            later("%(typed)s is not an e-mail address: what stands behind the @ is not a domain"), typed=_shown(address)
        )
    return f"{local}@{domain}"


def no_nul(typed: str, what: str) -> None:
    """Raises:
    BadInput: there is a NUL in a text of many lines, or half of a character.
    """
    if "\0" in typed:
        raise BadInput(later("%(what)s holds a NUL character, which cannot be sent; take it out"), what=Phrase(what))
    if any("\ud800" <= letter <= "\udfff" for letter in typed):
        raise BadInput(
            later("%(what)s holds half of a character, which cannot be sent; take it out"), what=Phrase(what)
        )


def _no_odd_characters(typed: str, what: str) -> None:
    for letter in typed:
        if not letter.isprintable() and (said := _odd(letter)):
            raise BadInput(said, what=Phrase(what), code=f"U+{ord(letter):04X}")


def plain(words: str) -> str:
    """Words that a line of a letter may hold: each character for which a typed line is refused becomes a space."""
    return "".join(" " if not letter.isprintable() and _odd(letter) else letter for letter in words)


def _odd(letter: str) -> str:
    """Why a letter that cannot be seen must not stand in a line; "" when it may."""
    if letter in _LINE_ENDS:
        return later("%(what)s holds a line end (%(code)s); write it on one line")
    if letter in _TURNS:
        return later("%(what)s holds a character that turns the direction of writing (%(code)s); take it out")
    if letter < " " or "\x7f" <= letter <= "\x9f":
        return later("%(what)s holds a control character (%(code)s) that nobody can see; take it out")
    if "\ud800" <= letter <= "\udfff":
        return later("%(what)s holds half of a character (%(code)s), which cannot be sent; take it out")
    return ""


def _shown(typed: str) -> str:
    """What was typed, in the middle of a sentence."""
    words = " ".join(typed.split())
    return f"“{words[:SHOWN_CHARACTERS]}…”" if len(words) > SHOWN_CHARACTERS else f"“{words}”"


# The message


def write(letter: Letter) -> bytes:
    """The message in its canonical form, control fields included."""
    head = [
        f"From: {_mailbox(letter.name, letter.sender)}",
        *_people("To", letter.to),
        *_people("Cc", letter.cc),
        _folded("Subject", letter.subject),
        f"Date: {format_datetime(letter.at)}",
        f"Message-ID: {letter.id}",
    ]
    if letter.answers:
        head.append(f"In-Reply-To: {letter.answers}")
    if letter.references:
        head.append("References: " + "\r\n ".join(letter.references))
    head += [f"{name}: {value}" for name, value in letter.control]
    body = _Body(letter)
    return "\r\n".join([*head, "MIME-Version: 1.0", ""]).encode() + body.whole()


class _Body:
    """Writes the parts, each with its own header fields in front."""

    def __init__(self, letter: Letter) -> None:
        self._letter = letter
        self._boundaries = 0

    def whole(self) -> bytes:
        shown = self._shown()
        if not self._letter.files:
            return shown
        return self._multipart("mixed", [shown, *map(_attached, self._letter.files)])

    def _shown(self) -> bytes:
        letter = self._letter
        text = _text("plain", letter.text)
        if letter.html is None:
            return text
        html = _text("html", letter.html)
        if letter.pictures:
            html = self._multipart("related", [html, *map(_pictured, letter.pictures)], '; type="text/html"')
        return self._multipart("alternative", [text, html])

    def _multipart(self, kind: str, parts: Sequence[bytes], parameters: str = "") -> bytes:
        self._boundaries += 1
        # "=_" stands in no quoted-printable and in no base64 line (RFC 2045 §6.7).
        digest = hashlib.sha256(f"{self._letter.id} {self._boundaries}".encode()).hexdigest()
        boundary = f"=_{digest[:32]}"
        head = f'Content-Type: multipart/{kind}; boundary="{boundary}"{parameters}\r\n'.encode()
        between = f"\r\n--{boundary}\r\n".encode()
        return b"".join([head, *(between + part for part in parts), f"\r\n--{boundary}--\r\n".encode()])


def _text(kind: str, words: str) -> bytes:
    lines = words.replace("\r\n", "\n").replace("\r", "\n")
    raw = (lines if lines.endswith("\n") else lines + "\n").encode("utf-8", "replace")
    beyond_ascii = len(raw) - sum(1 for byte in raw if byte < 0x80) if not raw.isascii() else 0
    if not beyond_ascii and max(map(len, raw.split(b"\n"))) <= LINE:
        encoding, body = "7bit", raw.replace(b"\n", b"\r\n")
    elif beyond_ascii * 4 < len(raw):
        encoding, body = "quoted-printable", b2a_qp(raw, istext=True).replace(b"\n", b"\r\n")
    else:  # most of it beyond ASCII: half the size
        encoding, body = "base64", _base64(raw.replace(b"\n", b"\r\n"))
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


def _attached(part: Part) -> bytes:
    return _file(part, f"Content-Disposition: attachment;\r\n{_parameter('filename', part.name)}")


def _pictured(part: Part) -> bytes:
    where = f"Content-Disposition: inline;\r\n{_parameter('filename', part.name)}\r\nContent-ID: <{part.id}>"
    return _file(part, where)


def _file(part: Part, where: str) -> bytes:
    head = f"Content-Type: {part.media_type}\r\n{where}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + _base64(part.content)


def _base64(raw: bytes) -> bytes:
    coded = base64.b64encode(raw)
    return b"".join(coded[at : at + LINE] + b"\r\n" for at in range(0, len(coded), LINE))


def _parameter(name: str, value: str) -> str:
    """A parameter of a header field, on lines of its own (RFC 2231 §3, §4)."""
    if _FILE_NAME.fullmatch(value):
        return f' {name}="{value}"'
    coded = quote(value, safe="", errors="replace")
    pieces = re.findall(r"(?:%..|[^%]){1,20}", coded)
    if len(pieces) == 1:
        return f" {name}*=utf-8''{pieces[0]}"
    numbered = [f" {name}*{number}*={piece}" for number, piece in enumerate(pieces)]
    numbered[0] = numbered[0].replace("=", "=utf-8''", 1)
    return ";\r\n".join(numbered)


def _people(name: str, people: Sequence[Recipient]) -> list[str]:
    if not people:
        return []
    return [f"{name}: " + ",\r\n ".join(_mailbox(each.name, each.address) for each in people)]


def _mailbox(name: str, address: str) -> str:
    if not name:
        return address
    if not name.isascii() or "=?" in name or not name.isprintable():
        words = _encoded_words(name, len("Reply-To: "))
    elif _ATOMS.fullmatch(name):
        words = name
    else:
        words = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{words}\r\n <{address}>" if len(words) + len(address) > LINE else f"{words} <{address}>"


def _folded(name: str, words: str) -> str:
    """A field of free text; folded at spaces, which stay (RFC 5322 §2.2.3)."""
    if not words.isascii() or "=?" in words or not words.isprintable() or _LONG_WORD.search(words):
        return f"{name}: {_encoded_words(words, len(name) + 2)}"
    lines = [f"{name}:"]
    for word in words.split(" "):
        if len(lines[-1]) + 1 + len(word) > LINE:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines)


def _encoded_words(words: str, begun: int) -> str:
    """RFC 2047; begun: how much of the first line is taken."""
    return Header(words.encode("utf-8", "replace").decode(), "utf-8", maxlinelen=LINE, header_name="x" * begun).encode(
        linesep="\r\n"
    )
