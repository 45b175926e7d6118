"""A message and its switches become copies, with every decision listed.

Promises: the same input gives the same bytes; with tracking off the output is the input; every change is an Edit, and
`undo` takes them back octet for octet; a message that cannot be changed safely comes back as it is, with the reason;
no bytes whatever make this module raise. A tracked link or a pixel costs the same number of bytes in every copy, so
one survey holds for all of them that are tracked alike.

Does not build messages, sign, or look at the recipient: the copy id is all that a token says.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from unsealed.core import mime, transfer
from unsealed.core.links import LEFT_REASONS
from unsealed.core.plan import PIXEL, TRAP, UNCHANGED_REASONS, Plan, Tracking, Work, plan_of
from unsealed.core.token import link_sealer, seal_pixel
from unsealed.model.message import Copy, CopyId, Edit, Outgoing, Recipient, Survey
from unsealed.model.policy import Switches

__all__ = [
    "LEFT_REASONS",
    "UNCHANGED_REASONS",
    "Tracking",
    "edits_json",
    "instrument",
    "make_copy",
    "report",
    "survey",
    "survey_outgoing",
    "surveyed_copy",
    "undo",
]


def survey(raw: bytes, *, switches: Switches, tracking: Tracking) -> Survey:
    """Every decision about a message, without making a copy. Never raises."""
    return plan_of(raw, switches, tracking).survey


def make_copy(raw: bytes, *, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None) -> Copy:
    """The bytes for one recipient. Deterministic; `recipient` is only handed on."""
    return _fill(raw, plan_of(raw, switches, tracking), switches, tracking, copy, recipient)


def surveyed_copy(
    raw: bytes, *, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None
) -> tuple[Survey, Copy]:
    """`survey` and `make_copy` at once: the message is read only one time."""
    plan = plan_of(raw, switches, tracking)
    return plan.survey, _fill(raw, plan, switches, tracking, copy, recipient)


def survey_outgoing(outgoing: Outgoing, *, tracking: Tracking) -> Survey:
    """`survey`, with what the envelope says on top: a message without sender, or with more than 1,000 recipients, goes
    out as it came."""
    unchanged = _unchanged_by_envelope(outgoing)
    if unchanged:
        return Survey(unchanged=unchanged)
    return survey(outgoing.raw, switches=outgoing.switches, tracking=tracking)


def instrument(outgoing: Outgoing, *, tracking: Tracking, ids: Sequence[CopyId]) -> tuple[Survey, list[Copy]]:
    """The decisions and one copy for each recipient, in their order; the message is read once.

    ids: one for each recipient.
    """
    unchanged = _unchanged_by_envelope(outgoing)
    if unchanged:
        plan = Plan(survey=Survey(unchanged=unchanged))
    else:
        plan = plan_of(outgoing.raw, outgoing.switches, tracking)
    plans = {outgoing.switches: plan}  # most messages have one: all recipients are tracked alike
    copies = []
    for copy, recipient in zip(ids, outgoing.recipients, strict=True):
        switches = outgoing.switches.at_most(recipient.opens, recipient.clicks)
        if switches not in plans:
            plans[switches] = plan if unchanged else plan_of(outgoing.raw, switches, tracking)
        copies.append(_fill(outgoing.raw, plans[switches], switches, tracking, copy, recipient))
    return plan.survey, copies


def undo(output: bytes, edits: Sequence[Edit]) -> bytes:
    """Take the edits of a copy back, last one first: the input, octet for octet.

    Raises:
        ValueError: the output was not made by these edits.
    """
    shift = sum(len(edit.inserted) - len(edit.removed) for edit in edits)
    pieces: list[bytes] = []
    end = len(output)
    for edit in reversed(edits):
        shift -= len(edit.inserted) - len(edit.removed)
        start = edit.offset + shift
        stop = start + len(edit.inserted)
        if output[start:stop] != edit.inserted or stop > end or start < 0:
            raise ValueError(f"the edit at {edit.offset} was not made here")
        pieces += (output[stop:end], edit.removed)
        end = start
    pieces.append(output[:end])
    return b"".join(reversed(pieces))


def report(found: Survey) -> dict[str, object]:
    """The decisions as JSON-able values, with the reasons in words."""
    return {
        "instrumented": not found.unchanged,
        "unchanged": found.unchanged or None,
        "words": UNCHANGED_REASONS.get(found.unchanged, ""),
        "pixel": {"place": found.pixel, "offset": found.pixel_offset} if found.pixel else None,
        "links": [
            {
                "position": link.position,
                "part": str(link.part),
                "offset": link.offset,
                "destination": link.destination,
                "text": link.text,
                "tracked": link.tracked,
                "reason": link.reason,
                "words": LEFT_REASONS.get(link.reason, ""),
            }
            for link in found.links
            if not link.trap
        ],
        "tracked": found.tracked_links,
        "left": sum(not link.tracked and not link.trap for link in found.links),
        "hidden_link": any(link.trap and link.tracked for link in found.links),
        "warnings": list(found.warnings),
        "html_bytes": found.html_bytes,
    }


def edits_json(edits: Sequence[Edit]) -> list[dict[str, object]]:
    """The edits as JSON-able values: place in the input, and base64 of what stood there and what stands there now."""
    return [
        {
            "offset": edit.offset,
            "removed": base64.b64encode(edit.removed).decode(),
            "inserted": base64.b64encode(edit.inserted).decode(),
        }
        for edit in edits
    ]


def _unchanged_by_envelope(outgoing: Outgoing) -> str:
    if outgoing.switches.off:
        return "off"
    if not outgoing.envelope_from:
        return "null-sender"
    return "too-many-addresses" if len(outgoing.recipients) > mime.ADDRESSES else ""


def _fill(
    raw: bytes, plan: Plan, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None
) -> Copy:
    """Make the copy: seal its tokens, splice, and list the edits."""
    edits: list[Edit] = []
    for work in plan.works:
        changes = _sealed(work, switches, tracking, copy)
        edits += _digest(raw, work, changes)
        edits += work.body.splice(changes)
        del changes  # can be as large as the message
    made = (transfer.Change(edit.offset, edit.offset + len(edit.removed), edit.inserted) for edit in edits)
    return Copy(id=copy, recipient=recipient, raw=transfer.apply(raw, made) if edits else raw, edits=tuple(edits))


def _sealed(work: Work, switches: Switches, tracking: Tracking, copy: CopyId) -> list[transfer.Change]:
    """The changes of one body, with the tokens of that copy."""
    seal = link_sealer(tracking.keys, tracking.key_id, copy, switches.clicks)
    view = work.view
    clicks = f"{tracking.base_url}/c/"
    begin = view.encode(clicks)
    changes: list[transfer.Change] = []
    for spot in work.spots:
        start, end, new, packed = spot.start, spot.end, spot.new, spot.packed
        if spot.pixel:
            trap = TRAP.format(clicks + seal(packed).decode("ascii")) if packed else ""
            new = view.encode(PIXEL.format(_pixel_url(tracking, switches, copy)) + trap)
        elif packed:
            new = begin + view.token(seal(packed))
        changes.append(transfer.Change(start, end, new))
    return changes


def _digest(raw: bytes, work: Work, changes: Sequence[transfer.Change]) -> list[Edit]:
    """Content-MD5 of a changed part, computed again (RFC 1864: over the decoded body, text with CRLF)."""
    edits: list[Edit] = []
    for found in work.part.fields:
        if found.name == "content-md5":
            value = raw[found.value : found.end]
            written = value.strip()
            body = re.sub(rb"\r?\n", b"\r\n", transfer.apply(work.body.decode(), changes))
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())
            offset = found.value + value.find(written)
            edits.append(Edit(offset=offset, removed=written, inserted=digest))
    return edits


def _pixel_url(tracking: Tracking, switches: Switches, copy: CopyId) -> str:
    return f"{tracking.base_url}/o/{seal_pixel(tracking.keys, tracking.key_id, copy, switches.opens)}.gif"
