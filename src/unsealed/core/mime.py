"""Find the parts of a message by byte offset.

Promises that every offset is one of the input, that nothing is ever decoded, refolded or written, and that reading
is linear in the size of the message. Any bytes may come: what cannot be read with certainty raises Untouchable with
the reason code, and the message then goes out as it came.

Does not decode bodies (core.transfer) and does not judge what is in them.

Reading rules: the first Content-Type wins (RFC 2045 §5.2 says text/plain without one); a delimiter is a whole line
and owns the line break before it (RFC 2046 §5.1.1); a missing close delimiter means "to the end of the parent";
message/* and multipart/report are never entered. Where mail programs are known to read differently (two boundaries,
a field line without a colon, a lone CR before a delimiter) the structure counts as broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from unsealed.model.errors import Untouchable

MESSAGE_BYTES = 25 * 10**6
PARTS = 100  # inside the message, which is none itself
LEVELS = 20  # of multiparts, one inside the other
HEADER_BYTES = 100_000
ADDRESSES = 1_000
RECEIVED = 30  # more hops than this are a loop; a loop must not grow at each round

_SPACE = " \t\r\n"
_FIELD = re.compile(rb"([!-9;-~]++):([^\n]*+\n?(?:[ \t][^\n]*+\n?)*+)")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+\r?(?=\n|\Z)")
_LONE_CR = re.compile(rb"\r(?!\n)")
_PARAMETER = re.compile(r';[ \t]*+([^=;\s"]++)[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"?|[^;\s]*+)')
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"?')
_UNCOMMENTED = re.compile(r'[^"(\\]++|"(?:[^"\\]++|\\.)*+"?|\\.?')
_COMMENT = re.compile(r"[^()\\]++|\\.?")
_TYPE = re.compile(r"[^\s/;\"]++/[^\s/;\"]++")

_SIGNED = frozenset({"multipart/signed", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pgp-encrypted"})
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
# A letter to a thousand people is within the limit: its author does not count among them.
_ROLES = {"to": "recipient", "cc": "recipient", "bcc": "recipient", "from": "author", "reply-to": "author"}


class Field(NamedTuple):
    """One header field: raw lines from `start` to `end`, the value from `value` on."""

    name: str  # lower case
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One node of the message. `raw[body:end]` is its body; `start` is where its header begins."""

    fields: tuple[Field, ...] = field(repr=False)
    start: int
    body: int
    end: int
    type: str  # "text/html", lower case
    parameters: dict[str, str] = field(default_factory=dict)  # of Content-Type, RFC 2231 joined and decoded
    encoding: str = ""  # Content-Transfer-Encoding, lower case; "" when there is none, "?" when it is in doubt
    attachment: bool = False  # said so by Content-Disposition
    named: bool = False  # has a file name
    content_id: str = ""
    headed_only: bool = False  # no empty line behind the header: what is put at `body` would become a header line
    children: tuple[Part, ...] = ()

    def walk(self) -> Iterator[Part]:
        """This node and all below it, in the order of the message."""
        yield self
        for child in self.children:
            yield from child.walk()


def split(raw: bytes) -> Part:
    """Read the structure of a message.

    Raises:
        Untouchable: over a limit, signed, encrypted or broken; the code is in the error.
    """
    return _part(raw, 0, len(raw), "text/plain", (), [-1])


def head(raw: bytes) -> tuple[Field, ...]:
    """The fields of the message itself.

    Raises:
        Untouchable: over a limit, or broken.
    """
    if len(raw) > MESSAGE_BYTES:
        raise Untouchable("too-large")
    return _header(raw, 0, len(raw))[0]


def field_values(raw: bytes, fields: Iterable[Field], name: str) -> list[str]:
    """The unfolded values of all fields with that lower-case name, bytes seen as latin-1."""
    return [_unfold(raw, found) for found in fields if found.name == name]


def address_count(raw: bytes, fields: Iterable[Field]) -> int:
    """How many recipients the visible headers name, or authors when these are more, counted by their commas."""
    counts = dict.fromkeys(_ROLES.values(), 0)
    for found in fields:
        if found.name in _ROLES:
            value = _QUOTED.sub("", raw[found.value : found.end].decode("latin-1"))
            counts[_ROLES[found.name]] += 1 + value.count(",")
    return max(counts.values())


def bodies(part: Part) -> list[Part]:
    """The text/html and text/plain leaves that a mail program shows as the message itself, in order.

    Not attachments, not named parts that follow the body, not the resources of a multipart/related, nothing inside
    an attached message or a report.
    """
    found: list[Part] = []
    _collect(part, found, alternative=False)
    return found


def leading(part: Part, shown: list[Part]) -> list[Part]:
    """Those of `shown` (HTML bodies) that carry the pixel: the first one, and its siblings in an alternative, of
    which a reader shows one."""
    if not part.children:
        return [part] if any(part is one for one in shown) else []
    found = [leading(child, shown) for child in part.children]
    if part.type == "multipart/alternative":
        return [one for group in found for one in group]
    return next((group for group in found if group), [])


def _part(raw: bytes, start: int, end: int, default: str, boundaries: tuple[str, ...], counted: list[int]) -> Part:
    counted[0] += 1
    if counted[0] > PARTS:
        raise Untouchable("too-many-parts")
    fields, body = _header(raw, start, end)
    head = _described(raw, fields, default)
    children: tuple[Part, ...] = ()
    if head.type.startswith("multipart/"):
        if head.encoding not in ("", "7bit", "8bit", "binary"):
            raise Untouchable("odd-encoding")
        if head.type != "multipart/report":
            children = _children(raw, body, end, head.type, head.parameters, head.conflicts, boundaries, counted)
        elif not boundaries:
            raise Untouchable("report")
    return Part(
        fields=fields,
        start=start,
        body=body,
        end=end,
        type=head.type,
        parameters=head.parameters,
        encoding=head.encoding,
        attachment=head.disposition not in ("", "inline"),  # RFC 2183 §2.8: unknown types are attachments
        named=head.named,
        content_id=head.content_id,
        headed_only=bool(fields) and body == end == fields[-1].end,
        children=children,
    )


@dataclass(slots=True)
class _Head:
    """What the header of a part says about its content."""

    type: str
    parameters: dict[str, str] = field(default_factory=dict)
    conflicts: frozenset[str] = frozenset()  # parameters that are said twice, and differ
    encoding: str = ""  # "?" when several differ
    disposition: str = ""
    named: bool = False
    content_id: str = ""


def _described(raw: bytes, fields: Iterable[Field], default: str) -> _Head:
    """What a header says, as most readers take it: the first of two types and dispositions.

    Raises:
        Untouchable: it is signed or encrypted, or readers would not agree on its parts.
    """
    head = _Head(default)
    encodings: list[str] = []
    typed = False
    for found in fields:
        match found.name:
            case "content-type":
                kind, parameters, conflicts = _structured(_unfold(raw, found))
                if not _TYPE.fullmatch(kind):
                    if "boundary" in parameters:
                        raise Untouchable("broken-structure")  # parts for one reader, plain text for another
                    kind = "text/plain"
                _refuse_sealed(kind, parameters)  # also when it is the second one: some readers take the last
                if not typed:
                    typed, head.type, head.parameters, head.conflicts = True, kind, parameters, conflicts
                    head.named = head.named or bool(parameters.get("name"))
            case "content-transfer-encoding":
                value = _unfold(raw, found)
                encodings.append(_structured(value)[0] or ("?" if value.strip(_SPACE) else ""))
            case "content-disposition" if not head.disposition:
                head.disposition, parameters, _ = _structured(_unfold(raw, found))
                head.named = head.named or bool(parameters.get("filename"))
            case "content-id":
                head.content_id = _unfold(raw, found).strip(_SPACE)
    if encodings:
        head.encoding = encodings[0] if len(set(encodings)) == 1 else "?"
    return head


def _children(
    raw: bytes,
    body: int,
    end: int,
    kind: str,
    parameters: dict[str, str],
    conflicts: frozenset[str],
    boundaries: tuple[str, ...],
    counted: list[int],
) -> tuple[Part, ...]:
    boundary = parameters.get("boundary", "").rstrip(_SPACE)
    # The same boundary again, or one that looks like the close delimiter of a parent, has no single reading.
    ambiguous = any(boundary in (outer, outer + "--") or boundary + "--" == outer for outer in boundaries)
    if not boundary or "boundary" in conflicts or ambiguous:
        raise Untouchable("broken-structure")
    if len(boundaries) >= LEVELS:
        raise Untouchable("too-deep")
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    children: list[Part] = []
    opened = -1
    inside = (*boundaries, boundary)
    delimiter = b"\n--" + boundary.encode("latin-1")
    if raw.find(b"\r" + delimiter[1:], max(body - 1, 0), end) >= 0:
        raise Untouchable("broken-structure")  # some readers end a line at a lone CR, and would see a delimiter there
    at = max(body - 1, 0)
    while (at := raw.find(delimiter, at, end)) >= 0:
        found = _DELIMITER_END.match(raw, at + len(delimiter), end)
        if found is None:  # a longer word
            at += 1
            continue
        if opened >= 0:
            close = at - (raw[at - 1 : at] == b"\r")
            children.append(_part(raw, opened, max(close, opened), default, inside, counted))
        if found[1]:
            opened = -1
            break
        at = found.end()
        opened = min(at + 1, end)
    if opened >= 0:
        children.append(_part(raw, opened, end, default, inside, counted))
    if not children:
        raise Untouchable("broken-structure")
    return tuple(children)


def _header(raw: bytes, start: int, end: int) -> tuple[tuple[Field, ...], int]:
    """The fields of a header block, and where the body begins."""
    fields: list[Field] = []
    at = start
    if start == 0 and raw.startswith(b"From "):  # the envelope line of an mbox file
        at = raw.find(b"\n") + 1 or end
    while found := _FIELD.match(raw, at, end):
        fields.append(Field(found[1].decode("ascii").lower(), at, found.start(2), found.end()))
        at = found.end()
        if at - start > HEADER_BYTES:
            raise Untouchable("header-too-large")
    if _LONE_CR.search(raw, start, at):
        raise Untouchable("broken-structure")
    if at >= end:
        return tuple(fields), end
    if raw.startswith(b"\r\n", at):
        return tuple(fields), at + 2
    if raw.startswith(b"\n", at):
        return tuple(fields), at + 1
    raise Untouchable("broken-structure")


def _refuse_sealed(kind: str, parameters: dict[str, str]) -> None:
    if kind in _SIGNED or (kind in _PKCS7 and parameters.get("smime-type", "").lower() == "signed-data"):
        raise Untouchable("signed")
    if kind in _ENCRYPTED or kind in _PKCS7:
        raise Untouchable("encrypted")


def _collect(part: Part, found: list[Part], *, alternative: bool) -> None:
    if part.attachment or part.headed_only:
        return
    if part.type in ("text/html", "text/plain"):
        # A named part behind the body is a file; an alternative with a name is still the body.
        if alternative or not (part.named and found):
            found.append(part)
    elif part.type == "multipart/related":
        wanted = part.parameters.get("start", "")
        root = next((child for child in part.children if wanted and child.content_id == wanted), part.children[0])
        _collect(root, found, alternative=alternative)
    else:
        for child in part.children:
            _collect(child, found, alternative=part.type == "multipart/alternative")


def _unfold(raw: bytes, found: Field) -> str:
    return raw[found.value : found.end].decode("latin-1").replace("\r", "").replace("\n", "")


def _structured(value: str) -> tuple[str, dict[str, str], frozenset[str]]:
    """The lower-case main value of a structured field, its parameters, and the names of those that contradict
    themselves."""
    if "(" in value:
        value = _without_comments(value)
    main = value.split(";", 1)[0].strip(_SPACE).lower()
    if ";" not in value:
        return main, {}, frozenset()
    parameters: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    conflicts: set[str] = set()
    for found in _PARAMETER.finditer(value):
        name, text = found[1].lower(), found[2]
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:])
        base, star, section = name.partition("*")
        if star:
            number = section.rstrip("*")
            index = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
            if pieces.setdefault(base, {}).setdefault(index, (text, section.endswith("*") or not section))[0] != text:
                conflicts.add(base)
        elif parameters.setdefault(base, text) != text:
            conflicts.add(base)
        if value[found.end() : found.end() + 1] not in ("", ";", " ", "\t"):
            conflicts.add(base)  # "b"c is b for one reader and something else for another
    for base, sections in pieces.items():
        text = _joined(sections)
        if parameters.get(base, text) != text:
            conflicts.add(base)
        parameters[base] = text
    return main, parameters, frozenset(conflicts)


def _joined(sections: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §3 and §4: numbered sections in order, `charset'language'` and percent escapes removed."""
    text = ""
    for index in range(len(sections)):
        if index not in sections:
            break
        piece, extended = sections[index]
        if extended:
            if index == 0 and piece.count("'") >= 2:
                piece = piece.split("'", 2)[2]
            piece = unquote_to_bytes(piece.encode("latin-1")).decode("latin-1")
        text += piece
    return text


def _without_comments(value: str) -> str:
    kept: list[str] = []
    at = depth = 0
    while at < len(value):
        if value[at] == "(":
            if not depth:
                kept.append(" ")  # RFC 5322 §3.2.2: it counts as white space, and joins nothing
            depth += 1
            at += 1
        elif value[at] == ")" and depth:
            depth -= 1
            at += 1
        else:
            found = (_COMMENT if depth else _UNCOMMENTED).match(value, at)
            stop = found.end() if found else at + 1
            if not depth:
                kept.append(value[at:stop])
            at = stop
    return "".join(kept)
