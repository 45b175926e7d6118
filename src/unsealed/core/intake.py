"""What a mail client handed over -> what goes out, before any tracking.

Promises that only these things change: line ends become CRLF, control headers and Bcc are cut out, and a missing
From, Date or Message-ID is put on top (RFC 6409 §8). All else stays, octet for octet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from unsealed.core import controls, header
from unsealed.core.envelope import authors, recipients
from unsealed.core.header import Field
from unsealed.model.errors import Refused
from unsealed.model.message import Outgoing, UserId
from unsealed.model.policy import Switches

HOPS = 30  # Received lines; more means a loop

_HIDDEN = frozenset({"bcc", "resent-bcc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    outgoing: Outgoing
    authors: tuple[str, ...]  # addresses of the From field; () when they cannot be read


def take_in(
    content: bytes,
    *,
    user: UserId,
    envelope_from: str,
    envelope_to: Sequence[str],
    defaults: Switches,
    now: datetime,
    new_id: str,
) -> Intake:
    """Make an Outgoing of a submitted message.

    new_id: what stands left of the @ in a Message-ID, should there be none.

    Raises:
        BadInput: permanent; a NUL inside.
        Refused: permanent; the message has been through too many hops.
    """
    raw = header.canonical(content)
    found = header.fields(raw)
    if sum(item.name == "received" for item in found) > HOPS:
        raise Refused("too many hops: this message runs in a circle")
    asked = controls.read(found, defaults)
    if not found and not raw.startswith(b"\r\n"):
        raw = b"\r\n" + raw  # a body without any head must not become one
    written_by = authors(found)
    raw = header.without(raw, lambda item: item.name in _HIDDEN or controls.is_control(item), found)
    raw = header.on_top(raw, _missing(found, envelope_from, now, new_id))
    return Intake(
        outgoing=Outgoing(
            user=user,
            envelope_from=envelope_from,
            recipients=recipients(envelope_to, found),
            raw=raw,
            switches=asked.switches,
            received_at=now,
            tag=asked.tag,
            metadata=asked.metadata,
            notes=asked.notes,
        ),
        authors=(envelope_from,) if written_by is None else tuple(written_by),
    )


def _missing(found: Sequence[Field], envelope_from: str, now: datetime, new_id: str) -> list[tuple[str, str]]:
    there = {item.name for item in found if item.value}
    try:
        domain = envelope_from.rpartition("@")[2].encode("idna").decode("ascii")
    except UnicodeError:
        domain = "localhost"
    lines = [
        ("From", envelope_from),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{new_id}@{domain or 'localhost'}>"),
    ]
    return [(name, value) for name, value in lines if name.lower() not in there]
