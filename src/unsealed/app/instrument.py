"""`unsealed instrument`: one message through the instrumenter, from standard input to standard output.

Uses the key ring of the data folder, so that its links work on this installation; touches no store. The copy id comes
from the message and the recipient: the same input gives the same bytes, another recipient gets other tokens.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from unsealed.app.config import Settings
from unsealed.app.config_values import email
from unsealed.core import instrument as core
from unsealed.model.errors import BadInput, Unavailable
from unsealed.model.message import AddressKind, CopyId, Recipient
from unsealed.model.policy import HiddenLink, Level, LinkScope, Switches
from unsealed.store.keyring import load


def rewrite(
    settings: Settings, *, recipient: str, opens: str, links: str, report: Path | None, edits: Path | None
) -> None:
    """Write the recipient's copy of the message on standard input; --report and --edits as JSON files.

    Raises:
        BadInput: an option that is not one of the words it takes, no address, or one file for report and edits.
        Unavailable: temporary; the data folder, or a file that was asked for, cannot be written.
    """
    switches, address = _switches(settings, opens, links), _address(recipient)
    if report is not None and edits is not None and report.resolve() == edits.resolve():
        raise BadInput(f"--report and --edits both name {report}; name two files")
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"the data folder {settings.data} cannot be made: {error.strerror}") from error
    ring = load(settings.data)
    tracking = core.Tracking(base_url=settings.track_url, keys=ring, key_id=ring.newest)
    raw = sys.stdin.buffer.read()
    survey, copy = core.surveyed_copy(
        raw,
        switches=switches,
        tracking=tracking,
        copy=_copy_id(raw, address),
        recipient=Recipient(address=address, kind=AddressKind.TO),
    )
    if report is not None:
        _write("--report", report, core.report(survey))
    if edits is not None:
        _write("--edits", edits, core.edits_json(copy.edits))
    sys.stdout.buffer.write(copy.raw)
    sys.stdout.buffer.flush()


def _write(option: str, file: Path, values: object) -> None:
    try:
        file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{option} {file} cannot be written: {error.strerror}") from error


def _switches(settings: Settings, opens: str, links: str) -> Switches:
    if opens not in ("on", "off"):
        raise BadInput(f"--opens is on or off, not {opens!r}")
    try:
        scope = LinkScope(links)
    except ValueError:
        raise BadInput(f"--links is none, html or html+text, not {links!r}") from None
    return Switches(
        opens=Level.FULL if opens == "on" else Level.OFF,
        clicks=Level.OFF if scope is LinkScope.NONE else Level.FULL,
        links=scope,
        visible_urls=settings.tracking.visible_urls,
        excluded_domains=frozenset(settings.tracking.excluded_domains),
        trap=settings.tracking.hidden_link is HiddenLink.ALWAYS,  # this is a message to one
    )


def _address(recipient: str) -> str:
    try:
        return email(recipient)
    except ValueError as error:
        raise BadInput(f"--recipient: {error}, not {recipient!r}") from None


def _copy_id(raw: bytes, recipient: str) -> CopyId:
    digest = hashlib.sha256(recipient.encode() + b"\0" + raw).digest()
    return CopyId(int.from_bytes(digest[:8], "big") >> 1)
