"""Content transfer encodings: decode one body, and splice changes of the decoded bytes into the encoded ones.

Promises that every encoded byte that does not touch a change stays as it was: in 7bit, 8bit and binary the splice is
direct; in quoted-printable it happens at encoded offsets, with soft line breaks so that no line grows beyond 76
octets; base64 is encoded again from the first changed line on, with the same width and line ends.

Raises Untouchable("odd-encoding") where readers would not agree on the decoded bytes.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import NamedTuple, Protocol

from msgspec import Struct

from unsealed.model.errors import Untouchable
from unsealed.model.message import Edit

LINE_OCTETS = 998  # RFC 5322 §2.1.1, without the line end
_QP_LINE = 76  # RFC 2045 §6.7 (5), the "=" of a soft break included
_QP_FAR = 200
_QP_NEAR = 16
_QP_STRETCH = 4096
_SOFT = re.compile(rb"(?:=\r?\n)*+(?:=\Z)?+")
_STRAY = re.compile(rb"=(?!3D|\r\n|[0-9A-Fa-f]{2}|\n|\Z)")  # the most frequent ones first
_UNSAFE = re.compile(rb"[^ -<>-~]")
_BLANK = b" \t\r\n"
_SAFE = bytes(byte for byte in range(0x20, 0x7F) if byte != ord("="))


class Change(Struct, frozen=True, gc=False):
    """`new` takes the place of the decoded bytes `start` to `end`. Changes are in order and do not overlap."""

    start: int
    end: int
    new: bytes

    @property
    def grows(self) -> int:
        """By so many bytes the body grows."""
        return len(self.new) - (self.end - self.start)


class Crowded(NamedTuple):
    """A line that would become too long."""

    begin: int
    end: int
    stop: int  # its line feed
    members: range  # indexes of its changes


class Span(Protocol):
    """What is known of a change before its bytes are."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def grows(self) -> int: ...  # by so many bytes


def line_end(raw: bytes, start: int, end: int) -> bytes:
    """The line end that `raw[start:end]` uses, else what stands before it; CRLF when there is none."""
    if raw.find(b"\n", start, end) < 0:
        start, end = 0, start
    return b"\n" if raw.find(b"\r\n", start, end) < 0 <= raw.find(b"\n", start, end) else b"\r\n"


def apply(decoded: bytes, changes: Iterable[Change], skipped: int = 0) -> bytes:
    """The decoded bytes with the changes made. skipped: so many bytes of the body stand before them."""
    written = BytesIO()
    at = 0
    with memoryview(decoded) as kept:  # slices of it cost no memory
        for change in changes:
            written.write(kept[at : change.start - skipped])
            written.write(change.new)
            at = change.end - skipped
        written.write(kept[at:])
    return written.getvalue()


def body_of(raw: bytes, start: int, end: int, encoding: str) -> Verbatim | QuotedPrintable | Base64:
    """The body `raw[start:end]` under its transfer encoding.

    Raises:
        Untouchable: the encoding is unknown, or the body is not clean in it.
    """
    match encoding:
        case "" | "7bit" | "8bit" | "binary":
            return Verbatim(raw, start, end)
        case "quoted-printable":
            return QuotedPrintable(raw, start, end)
        case "base64":
            return Base64(raw, start, end)
    raise Untouchable("odd-encoding")


class Verbatim:
    """7bit, 8bit, binary: what is written is what is meant."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        self.raw = raw
        self.start = start
        self.end = end
        self.newline = line_end(raw, start, end)

    def decode(self) -> bytes:
        """The body. Not kept: messages can be large."""
        return self.raw[self.start : self.end]

    def splice(self, changes: Sequence[Change]) -> list[Edit]:
        """The edits of the message that make these changes."""
        edits: list[Edit] = []
        raw, before = self.raw, self.start
        for change in changes:
            start, end, new = before + change.start, before + change.end, change.new
            if (
                not new
                and raw.startswith(b"--", end, self.end)
                and (start == before or raw.startswith(b"\n", start - 1))
            ):
                new = b" "  # what follows must not become a delimiter line
            edits.append(Edit(start, raw[start:end], new))
        return edits

    def crowded(self, changes: Sequence[Span]) -> list[Crowded]:
        """The lines that changes make longer than 998 octets. Lines that were longer before stay as they are."""
        raw, before = self.raw, self.start
        found: list[Crowded] = []
        begin = first = grown = 0
        stop = -1  # of the line that is looked at: its line feed
        for number, change in enumerate(changes):
            start, end = before + change.start, before + change.end
            if start > stop:
                if stop - begin + grown > LINE_OCTETS:
                    self._crowd(found, begin, stop, grown, range(first, number))
                begin, first, grown = max(raw.rfind(b"\n", before, start) + 1, before), number, 0
            if end > stop:
                at = raw.find(b"\n", end, self.end)
                stop = at if at >= 0 else self.end
            grown += change.grows
        if stop - begin + grown > LINE_OCTETS:
            self._crowd(found, begin, stop, grown, range(first, len(changes)))
        return found

    def _crowd(self, found: list[Crowded], begin: int, stop: int, grown: int, members: range) -> None:
        width = stop - begin - self.raw.endswith(b"\r", begin, stop)
        if width <= LINE_OCTETS < width + grown:
            begin -= self.start
            found.append(Crowded(begin, begin + width, stop - self.start, members))

    def breaks(self, changes: Sequence[Span], places: Sequence[int]) -> tuple[list[int], set[int]]:
        """Where line ends have to be added so that no line grows beyond 998 octets.

        places: decoded offsets, in order, at which a break is harmless. Returns the chosen places, and the indexes of
        changes that fit on no line.
        """
        chosen: list[int] = []
        hopeless: set[int] = set()
        for begin, end, stop, members in self.crowded(changes):
            inside = places[bisect_right(places, begin) : bisect_left(places, stop)]
            self._fill(begin, end, changes, members, inside, chosen, hopeless)
        return chosen, hopeless

    def _fill(
        self,
        begin: int,
        stop: int,
        changes: Sequence[Span],
        members: range,
        places: Sequence[int],
        chosen: list[int],
        hopeless: set[int],
    ) -> None:
        column, pending, at = 0, list(members), begin
        for place in [*places, stop]:
            width, here = place - at, []
            # A change that begins at a place belongs behind it, except at the end of the line.
            while pending and (changes[pending[0]].start < place or place == stop):
                one = changes[pending[0]]
                width += one.grows
                here.append(pending.pop(0))
            if column + width > LINE_OCTETS and column:
                chosen.append(at)
                column = 0
            if width > LINE_OCTETS:
                hopeless.update(here)
            column += width
            at = place


class QuotedPrintable:
    """RFC 2045 §6.7. An offset is found by decoding what stands before it, stretch by stretch and once for all copies,
    in a time that does not depend on the length of lines."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        self.start = start
        encoded = self.encoded = raw[start:end]
        if _STRAY.search(encoded):
            raise Untouchable("odd-encoding")
        self.newline = line_end(raw, start, end)
        self._spans: dict[tuple[int, int], tuple[int, int]] = {}

    def decode(self) -> bytes:
        """The body. Not kept: messages can be large."""
        return binascii.a2b_qp(self.encoded)

    def splice(self, changes: Sequence[Change]) -> list[Edit]:
        """The edits of the message that make these changes; no line grows beyond 76 octets."""
        encoded, soft = self.encoded, b"=" + self.newline
        spans = self._places(changes)
        edits: list[Edit] = []
        behind, column = -_QP_FAR, 0  # encoded end of the change before, output column there
        for number, (begin, end) in enumerate(spans):
            new = changes[number].new
            # A line is looked at as far as it matters: longer ones were too long before.
            line = encoded.rfind(b"\n", max(begin - _QP_FAR, 0), begin) + 1 or max(begin - _QP_FAR, 0)
            column = column + begin - behind if behind >= line else begin - line
            pieces: list[bytes] = []
            if column == _QP_LINE and new and begin > max(behind, 0):
                # No room for the "=" of a soft break: take the last character along.
                step = 3 if encoded[begin - 3 : begin - 2] == b"=" else 1
                begin -= step
                column = step
                pieces += (soft, encoded[begin : begin + step])
            column = _wrapped(new, column, soft, pieces)
            stop = encoded.find(b"\n", end, end + _QP_FAR)
            stop = min(end + _QP_FAR, len(encoded)) if stop < 0 else stop - encoded.endswith(b"\r", end, stop)
            limit = _QP_LINE
            if number + 1 < len(spans) and spans[number + 1][0] <= stop:
                stop, limit = spans[number + 1][0], _QP_LINE - 1
            if column and stop > end and column + stop - end > limit:
                pieces.append(soft)
                column = 0
            if column == 0 and encoded.startswith(b"-", end, stop):
                pieces.append(b"=2D")  # never begin a line with what might be read as a delimiter
                end += 1
                column = 3
            edits.append(Edit(self.start + begin, encoded[begin:end], b"".join(pieces)))
            behind = end
        return edits

    def _places(self, changes: Sequence[Change]) -> list[tuple[int, int]]:
        """Where the decoded bytes of each change lie in the encoded ones. Remembered: changes stand at the same places
        in every copy."""
        found = self._spans
        at = decoded = 0  # a place that is known: encoded, decoded
        for change in changes:
            start, end = change.start, change.end
            if (start, end) in found:
                continue
            first = min(start, max(end - 1, 0))
            at, decoded = self._on(at, first - decoded), first
            # It ends before a soft break, never behind one.
            last = self._on(at, end - 1 - first)
            behind = last + (3 if self.encoded.startswith(b"=", last) else 1) if end else 0
            found[start, end] = (behind if start == end else at, behind)
        return [found[change.start, change.end] for change in changes]

    def _on(self, at: int, left: int) -> int:
        """Where the byte begins that is so many decoded bytes behind `at`: behind a soft break, never before one."""
        encoded = self.encoded
        while (escape := encoded.find(b"=", at, at + left + 1)) >= 0:
            if left > _QP_NEAR:  # many escapes are decoded faster than walked over
                behind = at + min(left, _QP_STRETCH)
                inside = encoded.rfind(b"=", behind - 2, behind)
                behind = inside if inside >= 0 else behind
                size = len(binascii.a2b_qp(encoded[at:behind]))
                left -= size
                at = behind if size else self._behind_soft(at)  # a run of soft breaks alone may be long
                continue
            left -= escape - at
            behind = self._behind_soft(escape)
            if behind > escape:
                at = behind
            elif left:
                at = escape + 3
                left -= 1
            else:
                return escape
        return at + left

    def _behind_soft(self, at: int) -> int:
        """Where the soft line breaks end that begin there; the same place when there is none."""
        found = _SOFT.match(self.encoded, at)
        return found.end() if found else at


def _escape(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]


def _wrapped(new: bytes, column: int, soft: bytes, pieces: list[bytes]) -> int:
    """Append `new` in quoted-printable from that column on; returns the column behind it, 75 at most."""
    text = _UNSAFE.sub(_escape, new) if new.translate(None, _SAFE) else new
    at = 0
    while at < len(text):
        room = _QP_LINE - 1 - column
        stop = len(text)
        if stop - at > room:
            stop = at + max(room, 0)
            cut = text.rfind(b"=", max(at, stop - 2), stop)
            stop = cut if cut >= 0 else stop
        pieces.append(text[at:stop])
        column += stop - at
        at = stop
        if at < len(text):
            pieces.append(soft)
            column = 0
            if text.startswith(b"-", at):
                text = b"=2D" + text[at + 1 :]
                at = 0
    return column


class Base64:
    """RFC 2045 §6.8, clean and padded."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        self.raw = raw
        self.start = start
        self.end = end
        self.newline = line_end(raw, start, end)

    def decode(self) -> bytes:
        """The body. Not kept: messages can be large.

        Raises:
            Untouchable: it is not clean base64.
        """
        written = self.raw[self.start : self.end].translate(None, _BLANK)
        if len(written) % 4 or written.endswith(b"==="):  # readers do not agree about more padding than is due
            raise Untouchable("odd-encoding")
        try:
            return binascii.a2b_base64(written, strict_mode=True)
        except binascii.Error:
            raise Untouchable("odd-encoding") from None

    def splice(self, changes: Sequence[Change]) -> list[Edit]:
        """The one edit of the message that makes these changes."""
        if not changes:
            return []
        raw = self.raw
        wanted = changes[0].start // 3 * 4  # the first character that may differ
        at = keep = self.start
        characters = kept = width = 0
        while at < self.end and characters <= wanted:
            stop = raw.find(b"\n", at, self.end) + 1 or self.end
            size = len(raw[at:stop].translate(None, _BLANK))
            width = width or (size if stop < self.end else 0)
            if size and characters % 4 == 0:
                keep, kept = at, characters
            characters += size
            at = stop
        if width % 4 or not 4 <= width <= _QP_LINE:
            width = _QP_LINE
        end = self.start + len(raw[self.start : self.end].rstrip(_BLANK))
        removed = raw[keep:end]
        changed = apply(binascii.a2b_base64(removed), changes, kept // 4 * 3)
        inserted = BytesIO()
        for step in range(0, len(changed), width // 4 * 3):
            inserted.write(self.newline if step else b"")
            inserted.write(binascii.b2a_base64(changed[step : step + width // 4 * 3], newline=False))
        return [Edit(offset=keep, removed=removed, inserted=inserted.getvalue())]
