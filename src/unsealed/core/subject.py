"""A mark such as `[notrack]` in front of a subject: found, and cut out.

For mail programs that cannot set headers. The mark counts at the beginning, also behind "Re:" and the like; letters may
be large or small. Promises that only the mark, and the white space behind it, leaves the line: what else stands there
stays, octet for octet, unless it shares a base64 word with the mark.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from unsealed.core.header import Field, decoded

_WORD = re.compile(rb"=\?([^?\s]+)\?([bqBQ])\?([^?\s]*)\?=")
_Q_OCTET = re.compile(rb"=[0-9A-Fa-f]{2}|.", re.DOTALL)
_GAP = re.compile(rb"(?:[ \t]|\r\n(?=[ \t]))*")
_REPLY = r"(?:(?:re|fwd?|aw|wg|antw|sv|vs|tr|rv|r|i|enc)\s{0,8}(?:\[\d{1,3}\])?:\s*+){0,8}"


def marked(subject: Field, mark: str) -> bool:
    """Whether the decoded subject begins with the mark."""
    return bool(mark) and _mark(mark).match(decoded(subject.value)) is not None


def without_mark(raw: bytes, subject: Field, mark: str) -> bytes | None:
    """`raw` without the mark in its subject; None when the mark cannot be cut out, because an encoded word ends within
    it or is written in letters of its own."""
    start = _past_gap(raw, raw.index(b":", subject.start, subject.end) + 1, subject.end)
    line = raw[start : subject.end]
    pattern = _octets(mark)
    if (found := pattern.match(line)) is not None:
        cut = found.start(1), found.end()
        return raw[: start + cut[0]] + line[cut[1] :] + raw[subject.end :]
    word = _WORD.match(line)
    if word is None:
        return None
    payload = (_cut_q if word[2] in b"qQ" else _cut_b)(word[3], pattern)
    if payload is None:
        return None
    if payload:
        rest = line[: word.start(3)] + payload + line[word.end(3) :]
    else:
        rest = line[_past_gap(line, word.end(), len(line)) :]
    return raw[:start] + rest + raw[subject.end :]


def _past_gap(line: bytes, start: int, end: int) -> int:
    gap = _GAP.match(line, start, end)
    return start if gap is None else gap.end()


def _cut_q(payload: bytes, pattern: re.Pattern[bytes]) -> bytes | None:
    written = _Q_OCTET.findall(payload)
    found = pattern.match(b"".join(map(_q_octet, written)))
    if found is None:
        return None
    return b"".join(written[: found.start(1)] + written[found.end() :])


def _q_octet(written: bytes) -> bytes:
    if len(written) == 3:
        return bytes([int(written[1:], 16)])
    return b" " if written == b"_" else written


def _cut_b(payload: bytes, pattern: re.Pattern[bytes]) -> bytes | None:
    try:
        text = base64.b64decode(payload + b"==")
    except binascii.Error:
        return None
    found = pattern.match(text)
    if found is None:
        return None
    return base64.b64encode(text[: found.start(1)] + text[found.end() :])


@lru_cache(maxsize=8)
def _mark(mark: str) -> re.Pattern[str]:
    return re.compile(_REPLY + re.escape(mark), re.IGNORECASE)


@lru_cache(maxsize=8)
def _octets(mark: str) -> re.Pattern[bytes]:
    gap = rb"(?:[ \t]|\r\n(?=[ \t]))*+"
    return re.compile(_REPLY.encode() + b"(" + re.escape(mark.encode()) + b")" + gap, re.IGNORECASE)
