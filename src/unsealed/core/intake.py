"""What a mail client handed over -> what goes out, before any tracking.

Promises that only these things change: line ends become CRLF, control headers, Bcc and the mark in the subject are cut
out, and a missing From, Date or Message-ID is put on top (RFC 6409 §8). All else stays, octet for octet.

Here it is settled what is tracked, for each recipient, out of what the message asks and what the places allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from unsealed.core import controls, header, policy, subject
from unsealed.core.envelope import authors, recipients, senders
from unsealed.core.header import Field
from unsealed.model.errors import Refused
from unsealed.model.message import Outgoing, Recipient, UserId
from unsealed.model.policy import Level, Said, Switches

HOPS = 30  # Received lines; more means a loop
RECIPIENTS_NAMED = 20  # in the notes of a message

_HIDDEN = frozenset({"bcc", "resent-bcc"})
_NOTHING_SAID = Said()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What was taken in, and in whose name."""

    outgoing: Outgoing
    authors: tuple[str, ...]  # addresses of the From field; () when they cannot be read
    senders: tuple[str, ...] = ()  # who hands it in for them, as it says; "" for one that cannot be read


def take_in(
    content: bytes,
    *,
    user: UserId,
    envelope_from: str,
    envelope_to: Sequence[str],
    defaults: Switches,
    said: Said = _NOTHING_SAID,
    asks: bool | None = None,
    mark: str = "",
    now: datetime,
    new_id: str,
) -> Intake:
    """Make an Outgoing of a submitted message.

    defaults: what the settings file says; it is a ceiling too. said: what is said elsewhere about mail of this user to
    these recipients. asks: whether the sign-in name asked for tracking, or for none. mark: in front of the subject it
    asks for none. new_id: what stands left of the @ in a Message-ID, should there be none.

    Raises:
        BadInput: permanent; a NUL inside.
        Refused: permanent; the message has been through too many hops.
        AboveCeiling: permanent; more tracking is asked for than is allowed, and a place says that this is an error.
    """
    raw = header.canonical(content)
    found = header.fields(raw)
    if sum(item.name == "received" for item in found) > HOPS:
        raise Refused("too many hops: this message runs in a circle")
    marked = next((item for item in found if item.name == "subject" and subject.marked(item, mark)), None)
    standing = policy.standing((*said.places, policy.installation(defaults)))
    asked = controls.read(
        found,
        replace(defaults, excluded_domains=defaults.excluded_domains | said.destinations),
        standing,
        also=[*([] if asks is None else [asks]), *([] if marked is None else [False])],
    )
    to, lowered, refused = _limited(recipients(envelope_to, found), asked, said)
    if standing.strict and (above := (*asked.refused, *refused)):
        raise above[0].error()
    notes = [*asked.notes, *lowered]
    if marked is not None:
        clean = _without_mark(raw, found, marked, mark)
        if clean is None:
            notes.append(f"{mark} was followed but left in the subject, where it could not be cut out safely")
        else:
            raw, found = clean, header.fields(clean)
    raw = header.on_top(_without_ours(raw, found), _missing(found, envelope_from, now, new_id))
    written_by = authors(found)
    return Intake(
        outgoing=Outgoing(
            user=user,
            envelope_from=envelope_from,
            recipients=to,
            raw=raw,
            switches=_highest(asked.switches, to),
            received_at=now,
            tag=asked.tag,
            metadata=asked.metadata,
            notes=tuple(notes),
        ),
        authors=(envelope_from,) if written_by is None else tuple(written_by),
        senders=tuple(senders(found)),
    )


def _without_mark(raw: bytes, found: Sequence[Field], marked: Field, mark: str) -> bytes | None:
    """The message without the mark in its subject; None where a signature holds the subject, or it is coded."""
    if any(item.name in header.SIGNATURES for item in found):
        return None
    return subject.without_mark(raw, marked, mark)


def _without_ours(raw: bytes, found: Sequence[Field]) -> bytes:
    """The message without control headers and Bcc."""
    if not found and not raw.startswith(b"\r\n"):
        raw = b"\r\n" + raw  # a body without any head must not become one
    return header.without(raw, lambda item: item.name in _HIDDEN or controls.is_control(item), found)


def _limited(
    found: Sequence[Recipient], asked: controls.Controls, said: Said
) -> tuple[tuple[Recipient, ...], list[str], list[policy.Refusal]]:
    """The recipients, each with the levels of its copy; in words where they are lower than those of the message; and
    which of those go against something asked for."""
    rules = {rule.name: rule for rule in said.recipients}
    opens, clicks = asked.switches.opens, asked.switches.clicks
    made, notes, refused = [], [], []
    for recipient in found:
        limit = policy.for_recipient(rules, recipient.address)
        made.append(replace(recipient, opens=min(opens, limit.opens), clicks=min(clicks, limit.clicks)))
        lowered = policy.refusals(limit, opens=opens, clicks=clicks)
        if lowered:
            notes.append(f"{recipient.address}: {'; '.join(map(str, lowered))}")
            refused += [each for each in lowered if each.axis in asked.wanted]
    if len(notes) > RECIPIENTS_NAMED:
        notes[RECIPIENTS_NAMED:] = [f"the same for {len(notes) - RECIPIENTS_NAMED} more recipients"]
    if asked.switches.shared:
        made = _alike(made)
    return tuple(made), notes, refused


def _alike(made: Sequence[Recipient]) -> list[Recipient]:
    """Recipients who share their tokens share the level, but for those of whom nothing may be known."""
    opens = min((each.opens for each in made if each.opens), default=Level.OFF)
    clicks = min((each.clicks for each in made if each.clicks), default=Level.OFF)
    return [replace(each, opens=min(each.opens, opens), clicks=min(each.clicks, clicks)) for each in made]


def _highest(switches: Switches, to: Iterable[Recipient]) -> Switches:
    """Those of the message: what is tracked in any of its copies."""
    levels = [(each.opens, each.clicks) for each in to]
    return switches.at_most(
        max((opens for opens, _ in levels), default=Level.FULL),
        max((clicks for _, clicks in levels), default=Level.FULL),
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
