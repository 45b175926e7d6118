"""Find web addresses in plain text.

Promises that only the address itself is found: punctuation behind it, the bracket that closes around it and the angle
brackets of `<https://...>` do not belong to it. Lines are never joined, so format=flowed keeps its lines (RFC 3676).
Letters of every script are part of an address.

Offsets are indexes of the text handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Quotation marks and the full-width punctuation of Chinese and Japanese end an address: they are glued to it there.
_ADDRESS = re.compile(
    r"(?<![a-zA-Z0-9+.-])https?://[^\s<>\"\x00-\x20\x7f\u2018-\u201f\u00ab\u00bb\u3000-\u3003\u3008-\u3011\uff08\uff09"
    r"\uff0c\uff0e\uff1a\uff1b\uff01\uff1f]+",
    re.IGNORECASE,
)
# What mail programs write above an older message that they do not indent.
_OLDER = re.compile(r"^[ \t]*-{4,12} ?(?:Original Message|Forwarded message|Forwarded Message)", re.MULTILINE)
_BEHIND = ".,;:!?'*_~`\u2026|\\"
_BRACKETS = {")": "(", "]": "[", "}": "{"}


class Address(NamedTuple):
    """A web address in a text: `text[start:end]`."""

    start: int
    end: int
    quoted: bool  # in a line that begins with ">", or below "-----Original Message-----"


def addresses(text: str) -> Iterator[Address]:
    """All absolute http and https addresses, in order."""
    older = _OLDER.search(text)
    begun = older.start() if older else len(text)
    at = line = 0
    for found in _ADDRESS.finditer(text):
        start, end = found.start(), _end(text, found.start(), found.end())
        line = text.rfind("\n", at, start) + 1 or line
        at = start
        if end - start > len("https://"):
            yield Address(start, end, start > begun or text.startswith((">", " >"), line))


def _end(text: str, start: int, end: int) -> int:
    if text.startswith("<", start - 1) and text.startswith(">", end) and start:
        return end  # RFC 3986 appendix C: inside angle brackets everything belongs to it
    found = text[start:end]
    surplus = {close: found.count(close) - found.count(opening) for close, opening in _BRACKETS.items()}
    size = len(found)
    while True:  # ends at the slashes of the scheme at the latest
        last = found[size - 1]
        if last in _BRACKETS:
            if surplus[last] <= 0:
                break
            surplus[last] -= 1
        elif last not in _BEHIND:
            break
        size -= 1
    return start + size
