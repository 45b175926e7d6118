"""One request at a tracking address, and its place in a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


@dataclass(slots=True, kw_only=True)
class Hit:
    """One request at a tracking address, as seen. Never changed, never enriched; not frozen only because that costs
    three times as long to make. Texts are cut at 512 bytes, control characters made visible."""

    at: datetime  # aware UTC, when the request head was complete
    token: str  # canonical spelling, verified
    method: str  # GET or HEAD; HEAD never counts by itself
    address: str = field(repr=False)  # right-most untrusted address; "" when a local socket named none
    user_agent: str = ""
    accept: str = ""
    accept_language: str | None = None  # None: the header was absent, which is evidence
    referer_host: str = ""
    prefetch: str = ""  # first of Sec-Purpose, Purpose, X-Purpose, X-Moz that is present
    sec_fetch: str = ""  # Sec-Fetch-Site/Mode/Dest/User as they stood, joined by "/"
    device: str = ""  # the token in the cookie of a browser of the sender's, not verified; at most 128 characters


class JournalPosition(NamedTuple):
    """The identity of a hit: replay is harmless because of it."""

    collector: str
    segment: int
    offset: int
