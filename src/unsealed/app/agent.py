"""`unsealed agent`: user agents on standard input, what they are on standard output, line for line.

Needs neither settings nor a store. What has arrived is answered at once, so that another program may ask line by line;
of a long file, thousands of lines go at a time.
"""

from __future__ import annotations

import json
from typing import BinaryIO

from unsealed.core.agent import read_agent
from unsealed.model.event import Device

_CHUNK_BYTES = 1 << 16
_LINE_BYTES_MAX = 1 << 14  # more of a line than is ever looked at


def answer(lines: BinaryIO, answers: BinaryIO) -> None:
    """Write one JSON object a line: client, kind, device, rule. Blank lines and bytes that are no text count too."""
    rest = b""
    while chunk := lines.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]  # what has arrived, not what was asked for
        *whole, rest = (rest + chunk).split(b"\n")
        answers.write(b"".join(map(_answer, whole)))
        answers.flush()
        rest = rest[:_LINE_BYTES_MAX]
    if rest:
        answers.write(_answer(rest))
        answers.flush()


def _answer(line: bytes) -> bytes:
    agent = read_agent(line.decode(errors="backslashreplace"))
    device = Device.UNKNOWN if agent.device is Device.HIDDEN else agent.device
    shown = {"client": agent.client, "kind": agent.kind, "device": device, "rule": agent.rule}
    return json.dumps(shown).encode() + b"\n"
