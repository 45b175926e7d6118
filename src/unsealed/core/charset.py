"""See the decoded bytes of a body as text in which every ASCII character is meant as one.

Promises that an index of `text` leads to exactly one byte offset (`start + index * unit`), for every charset: ASCII
supersets are seen as latin-1, one character a byte (delimiters never occur as trail bytes in UTF-8, Shift_JIS, GBK,
Big5, EUC); double-byte runs of ISO-2022 are masked; UTF-16 and UTF-32 are seen one code unit a character.

Raises Untouchable("odd-encoding") for charsets in which ASCII bytes mean something else (UTF-7, HZ, EBCDIC) or the
byte order cannot be known.
"""

from __future__ import annotations

import array
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache

from unsealed.model.errors import Untouchable

# Charsets that bytes.decode may be asked for: the rest of Python's codecs are no charsets, or cost more than time.
_READABLE = re.compile(
    r"utf-?8|us-ascii|ascii|(?:iso-?)?8859-\d\d?|iso-8859-\d\d?|latin-?\d\d?|windows-\d+|cp\d+|koi8-[rtu]|shift[-_]jis|"
    r"sjis|euc-(?:jp|kr)|gb2312|gbk|gb18030|big5(?:-hkscs)?|iso-2022-(?:jp(?:-[123])?|kr)|mac[-_]?\w+|tis-620|johab"
)
_ODD = re.compile(
    r"(?:\w+-){0,4}utf-?7(?:-imap)?|hz(?:-gb-2312)?|scsu|bocu-1|ebcdic.*|(?:ibm|cp)-?0*(?:37|273|424|500|875|1026|1140)"
)
_LONGEST_NAME = 40  # no codec has a longer one
_WIDE = re.compile(r"utf-?(16|32)(le|be)?|(?:iso-10646-)?ucs-?([24])")
_DOUBLE_BYTE = re.compile(rb"\x1b\$[^\x1b]*+(?:\x1b(?!\([BJ])[^\x1b]*+)*+|\x0e[^\x0f]*+")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One body as text for the scanners."""

    text: str = field(repr=False)
    source: str = field(repr=False)  # the same where double-byte runs are not masked
    charset: str  # lower case, "" when none is declared
    codec: str = ""  # how code units are written, "" for ASCII supersets
    start: int = 0  # bytes before the first character (a byte order mark)
    unit: int = 1  # bytes in a character of `text`

    def offset(self, index: int) -> int:
        """The byte offset of a character."""
        return self.start + index * self.unit

    def encode(self, text: str) -> bytes:
        """Text to put in: bytes of this charset. What it cannot write becomes U+FFFD or "?"."""
        if self.codec:
            return text.encode(self.codec, "replace")
        return text.encode(self.charset if readable(self.charset) else "utf-8", "replace")

    def token(self, token: bytes) -> bytes:
        """A tracking token to put in: letters and digits, which ASCII supersets write alike."""
        return token.decode("ascii").encode(self.codec) if self.codec else token

    def read(self, found: str) -> str:
        """What a slice of `text` says in the charset of the body."""
        if found.isascii() and "\x1b" not in found:
            return found
        if self.codec:
            return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        try:
            return found.encode("latin-1").decode(self.charset if readable(self.charset) else "utf-8", "replace")
        except (UnicodeError, LookupError):
            return found


def readable(charset: str) -> bool:
    """Whether Python's codec of that name is a charset in which ASCII is ASCII."""
    return len(charset) <= _LONGEST_NAME and _is_readable(charset)


@lru_cache(maxsize=64)
def _is_readable(charset: str) -> bool:
    if not _READABLE.fullmatch(charset):
        return False
    try:
        return b"<".decode(charset) == "<"
    except (LookupError, UnicodeError):
        return False


def view(decoded: bytes, charset: str, *, raw: bool) -> View:
    """The body as text.

    raw: the body travels as 7bit, 8bit or binary, where line ends are single bytes.

    Raises:
        Untouchable: ASCII bytes do not mean ASCII characters here.
    """
    charset = charset.strip().lower()
    wide = _WIDE.fullmatch(charset)
    if _ODD.fullmatch(charset) or (wide and raw):
        raise Untouchable("odd-encoding")
    if wide:
        return _wide(decoded, charset, 4 if "32" in charset or "4" in charset else 2)
    if decoded.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Untouchable("odd-encoding")  # a browser believes the mark, another reader the label
    if charset.startswith("iso-2022"):
        masked = bytearray(decoded)  # in place: substituted piece by piece it would need ten times the memory
        for found in _DOUBLE_BYTE.finditer(decoded):
            masked[found.start() : found.end()] = b"\x80" * len(found[0])
        text = masked.decode("latin-1")
        del masked
        return View(text=text, source=decoded.decode("latin-1"), charset=charset)
    text = decoded.decode("latin-1")
    return View(text=text, source=text, charset=charset)


def letters(decoded: bytes, seen: View) -> tuple[str, str]:
    """The body in its own letters, and the codec with which prefixes of it lead back to byte offsets.

    The codec is "" when indexes of the text are indexes of the view.
    """
    if seen.unit == 1 and not decoded.isascii() and not seen.charset.startswith("iso-2022"):
        codec = seen.charset if readable(seen.charset) else "utf-8"
        try:
            text = decoded.decode(codec)
            if codec in ("utf-8", "utf8") or text.encode(codec) == decoded:  # UTF-8 has one spelling; spare the copy
                return text, codec
        except UnicodeError:
            pass
    return seen.text, ""


def _wide(decoded: bytes, charset: str, unit: int) -> View:
    bits = unit * 8
    order = next((end for end in ("le", "be") if charset.endswith(end)), "")
    mark = next((end for end in ("le", "be") if decoded.startswith("\ufeff".encode(f"utf-{bits}-{end}"))), "")
    if (order and mark and order != mark) or not (order or mark) or len(decoded) % unit:
        raise Untouchable("odd-encoding")
    order = order or mark
    start = unit if mark else 0
    units = array.array("H" if unit == 2 else "I", decoded[start:])
    if order != ("le" if sys.byteorder == "little" else "be"):
        units.byteswap()
    if unit == 4 and any(number > 0x10FFFF for number in units):
        raise Untouchable("odd-encoding")
    # Read as UTF-32, each code unit is a character, halves of surrogate pairs too.
    wide = array.array("I", units)
    del units
    text = str(wide, f"utf-32-{'le' if sys.byteorder == 'little' else 'be'}", "surrogatepass")
    return View(text=text, source=text, charset=charset, codec=f"utf-{bits}-{order}", start=start, unit=unit)
