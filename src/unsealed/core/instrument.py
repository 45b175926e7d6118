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
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from unsealed.core import charset, html, mime, text, transfer
from unsealed.core.header import SIGNATURES
from unsealed.core.links import LEFT_REASONS, NO_TRACK_MARK, Rules, may_opt_out, own_token, plain
from unsealed.core.token import link_sealer, pack_click, packed_size, seal_pixel
from unsealed.model.errors import BadInput, Untouchable
from unsealed.model.message import Copy, CopyId, Edit, Link, LinkPart, Outgoing, Recipient, Survey
from unsealed.model.policy import Level, LinkScope, Switches
from unsealed.model.ports import Keys
from unsealed.model.texts import later

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

CLIPPING_BYTES = 90_000  # Gmail cuts at about 102 KB, and what is below is never loaded

UNCHANGED_REASONS: dict[str, str] = {
    "off": later("tracking is switched off for this message"),
    "signed": later("the message is signed; any change would break the signature"),
    "encrypted": later("the message is encrypted"),
    "dkim-signed": later("the message already carries a DKIM or ARC signature; any change would break it"),
    "odd-encoding": later("the text is written in an encoding that cannot be changed safely"),
    "broken-structure": later("the structure of the message is broken; mail programs would not agree on its parts"),
    "too-large": later("the message is larger than 25 MB"),
    "too-many-parts": later("the message has more than 100 parts"),
    "too-deep": later("the parts of the message are nested more than 20 levels deep"),
    "header-too-large": later("the header is larger than 100 kB"),
    "too-many-addresses": later("the message names more than 1,000 addresses"),
    "too-many-links": later("the message has more than 2,000 links"),
    "too-complex": later("the HTML is larger and stranger than any letter"),
    "null-sender": later("the message has no sender to tell: it is a notice of a machine"),
    "report": later("the message is a delivery or read report"),
    "loop": later("the message has passed more than 30 servers"),
    "no-html": later("the message has no HTML part, and links in plain text are not tracked"),
    "fault": later("something went wrong in Unsealed, so the message went out as it came"),
}

_PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'
# Nothing to see, to hear or to reach with the keyboard, also where styles are taken away: it is empty.
_TRAP = '<a href="{}" style="display:none" aria-hidden="true" tabindex="-1"></a>'
_TRAP_END = _TRAP.partition("{}")[2].removesuffix("</a>")
_ANCHOR_END = re.compile(r"</[aA](?=[\t\n\f\r />])")
_ANY = "A" * packed_size(b"")  # the tokens of all pixels have the same size
_REMEMBERED = 32  # plans, for the copies of one message are made shortly after it was surveyed, and one after another
_REMEMBERED_BYTES = 100_000
_ENDS = 500
_ADDRESSES_READ = (
    20_000  # in a text part of which only quoted own links matter; otherwise the limit of links comes first
)
_PGP = re.compile(rb"(?:^|\n|>)-----BEGIN PGP (SIGNED )?MESSAGE-----")
_URIS = re.compile(r"<\s*([^<>]*?)\s*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Where tracking addresses lead, and which key seals them."""

    base_url: str  # of the tracking host, no slash at the end: https://t.example.org
    keys: Keys = field(repr=False, hash=False)  # a ring that changes has no hash
    key_id: int


def survey(raw: bytes, *, switches: Switches, tracking: Tracking) -> Survey:
    """Every decision about a message, without making a copy. Never raises."""
    return _plan(raw, switches, tracking).survey


def make_copy(raw: bytes, *, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None) -> Copy:
    """The bytes for one recipient. Deterministic; `recipient` is only handed on."""
    return _fill(raw, _plan(raw, switches, tracking), switches, tracking, copy, recipient)


def surveyed_copy(
    raw: bytes, *, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None
) -> tuple[Survey, Copy]:
    """`survey` and `make_copy` at once: the message is read only one time."""
    plan = _plan(raw, switches, tracking)
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
        plan = _Plan(survey=Survey(unchanged=unchanged))
    else:
        plan = _plan(outgoing.raw, outgoing.switches, tracking)
    plans = {outgoing.switches: plan}  # most messages have one: all recipients are tracked alike
    copies = []
    for copy, recipient in zip(ids, outgoing.recipients, strict=True):
        switches = outgoing.switches.at_most(recipient.opens, recipient.clicks)
        if switches not in plans:
            plans[switches] = plan if unchanged else _plan(outgoing.raw, switches, tracking)
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


class _Spot(NamedTuple):
    """A change of a decoded body that may differ from copy to copy."""

    start: int
    end: int
    new: bytes  # of links and pixels: as long as in every copy
    link: int = -1  # position of a tracked link
    packed: bytes = b""  # what its tokens say in every copy
    pixel: bool = False  # with a link: the hidden one stands behind it


_PLACE = itemgetter(0, 1)  # of a spot: its start and end


@dataclass(slots=True, kw_only=True)
class _Work:
    """One body that is changed."""

    part: mime.Part
    body: transfer.Verbatim | transfer.QuotedPrintable | transfer.Base64
    view: charset.View
    page: html.Page | None = None  # None: plain text
    spots: list[_Spot] = field(default_factory=list)
    quotes: list[tuple[int, int]] | None = None  # quoted parts, once they were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All that is decided about one message: what is the same for all its copies."""

    survey: Survey
    works: tuple[_Work, ...] = ()


class _Planner:
    """Collects the decisions about one message, part by part."""

    def __init__(self, raw: bytes, root: mime.Part, switches: Switches, tracking: Tracking) -> None:
        self.raw = raw
        self.switches = switches
        self.tracking = tracking
        self.click_size = len(f"{tracking.base_url}/c/")
        self.links: list[Link] = []
        self.warnings: list[str] = []
        self.works: list[_Work] = []
        self.trap: tuple[int, bytes] | None = None  # position of the hidden link, and what its tokens say
        self.rules = Rules(
            base_url=tracking.base_url,
            keys=tracking.keys,
            clicks=switches.tracks_links,
            visible_urls=switches.visible_urls,
            excluded_domains=switches.excluded_domains,
            list_unsubscribe=frozenset(
                uri for value in mime.field_values(raw, root.fields, "list-unsubscribe") for uri in _URIS.findall(value)
            ),
        )

    def plan(self, root: mime.Part) -> _Plan:
        shown = mime.bodies(root)
        for part in shown:
            _refuse_armour(self.raw, part.body, part.end)
        pages = [part for part in shown if part.type == "text/html"]
        in_text = self.switches.tracks_links and self.switches.links is LinkScope.HTML_AND_TEXT
        if not pages and not in_text:
            raise Untouchable("no-html")
        for part in shown:
            if part.type == "text/html":
                self._html(part)
            else:
                self._text(part, tracked=in_text)
        if not pages and not any(work.spots for work in self.works):
            return _Plan(survey=self._survey(unchanged="no-html"))
        pixel, pixel_offset = "", None
        size = 0
        carriers = mime.leading(root, pages) if self.switches.opens > Level.OFF else []
        for work in self.works:
            if work.page is None:
                self._fit(work)
                continue
            carries = any(work.part is one for one in carriers)
            place, offset = self._pixel(work, work.page) if carries else ("", None)
            if place and not pixel:
                pixel, pixel_offset = place, offset
            self._fit(work)
            size = max(size, _grown(work))
        for work in self.works:
            work.view, work.page = replace(work.view, text="", source=""), None  # no longer needed; they can be large
        return _Plan(
            survey=self._survey(pixel=pixel, pixel_offset=pixel_offset, html_bytes=size),
            works=tuple(work for work in self.works if work.spots),
        )

    def _survey(
        self, *, pixel: str = "", pixel_offset: int | None = None, unchanged: str = "", html_bytes: int = 0
    ) -> Survey:
        return Survey(
            links=tuple(self.links),
            pixel=pixel,
            pixel_offset=pixel_offset,
            unchanged=unchanged,
            warnings=tuple(dict.fromkeys(self.warnings)),
            html_bytes=html_bytes,
        )

    def _open(self, part: mime.Part) -> _Work:
        body = transfer.body_of(self.raw, part.body, part.end, part.encoding)
        seen = charset.view(body.decoded, part.parameters.get("charset", ""), raw=isinstance(body, transfer.Verbatim))
        return _Work(part=part, body=body, view=seen)

    def _html(self, part: mime.Part) -> None:
        work = self._open(part)
        self.works.append(work)
        if not isinstance(work.body, transfer.Verbatim):
            _refuse_armour(work.body.decoded, 0, len(work.body.decoded))
        page = work.page = html.scan(work.view.text)
        for picture in page.pictures:
            written = work.view.text[picture.start : picture.end]
            if "/o/" not in written.lower() and "&" not in written and written.isprintable():
                continue  # the path of a pixel of ours stands in it in no spelling
            source = html.strip_url(html.unescape_attribute(picture.source))
            claims = own_token(self.tracking.base_url, "/o/", source, self.tracking.keys)
            if claims is not None and claims.link is None:
                work.spots.append(_Spot(work.view.offset(picture.start), work.view.offset(picture.end), b""))
        anchors: list[html.Anchor] = []
        for anchor in page.anchors:
            if anchor.closed == anchor.end and self._is_own_trap(work, anchor):
                end = anchor.end + len("</a>")
                work.spots.append(_Spot(work.view.offset(anchor.start), work.view.offset(end), b""))
            elif anchor.href_start >= 0:
                anchors.append(anchor)
        self._anchors(work, anchors)
        work.spots.sort(key=_PLACE)

    def _is_own_trap(self, work: _Work, anchor: html.Anchor) -> bool:
        """Whether an empty link is the hidden one of an older message of this installation."""
        text = work.view.text
        if not text.endswith(_TRAP_END, anchor.start, anchor.end):
            return False
        destination = html.strip_url(html.unescape_attribute(text[anchor.href_start : anchor.href_end]))
        return own_token(self.tracking.base_url, "/c/", destination, self.tracking.keys) is not None

    def _anchors(self, work: _Work, anchors: Sequence[html.Anchor]) -> None:
        """List the links of HTML, and change them as is decided.

        Step by step for all of them, not link after link: what a step needs is then at hand.
        """
        seen, first = work.view, len(self.links)
        if first + len(anchors) > html.LINKS:
            raise Untouchable("too-many-links")
        text, source, read = seen.text, seen.source, seen.read
        values = [read(source[anchor.href_start : anchor.href_end]) for anchor in anchors]
        destinations = html.read_urls(values)
        texts = [plain(read(html.link_text(text, anchor, source))) for anchor in anchors]
        attributes = [anchor.attributes if may_opt_out(text[anchor.start : anchor.end]) else {} for anchor in anchors]
        reasons = list(map(self.rules.decide, destinations, texts, attributes))
        for number, reason in enumerate(reasons):
            if reason == "own-link" and _is_quoted(work, anchors[number].start):
                reasons[number] = "unwrapped"
                destinations[number] = self.rules.unwrapped(destinations[number]) or destinations[number]
            elif reason in ("not-web", "placeholder"):
                destinations[number] = values[number]
        packed = [
            b"" if reason else _packed(position, destination)
            for position, (reason, destination) in enumerate(zip(reasons, destinations, strict=True), first)
        ]
        for anchor, destination, shown, reason, said in zip(anchors, destinations, texts, reasons, packed, strict=True):
            start, end = seen.offset(anchor.href_start), seen.offset(anchor.href_end)
            position = self._listed(LinkPart.HTML, start, destination, shown, reason, said)
            if said:
                work.spots.append(self._tracked(work, start, end, position, said))
            elif reason == "unwrapped":
                written = seen.encode(html.escape_attribute(destination, anchor.quote))
                work.spots.append(_Spot(start, end, written))
            elif reason == "opt-out" and (mark := NO_TRACK_MARK.match(text, anchor.href_start, anchor.href_end)):
                # Postal's spelling is the scheme of no browser: without its mark the link would be dead.
                work.spots.append(_Spot(seen.offset(mark.start(1)), seen.offset(mark.end(1)), b""))

    def _text(self, part: mime.Part, *, tracked: bool) -> None:
        try:
            work = self._open(part)
        except Untouchable:
            if tracked:
                raise
            return  # nothing is wanted of this part
        letters, codec = charset.letters(work.body.decoded, work.view)
        if not tracked and self.tracking.base_url not in letters:
            return
        self.works.append(work)
        behind = offset = 0
        for found in islice(text.addresses(letters), _ADDRESSES_READ):
            written = letters[found.start : found.end]
            destination = written if codec else work.view.read(work.view.source[found.start : found.end])
            if not tracked and not self.rules.at_home(destination):
                continue
            reason = self.rules.decide(destination, "", {})
            if reason == "own-link" and found.quoted:
                reason, destination = "unwrapped", self.rules.unwrapped(destination) or destination
            if not tracked and reason != "unwrapped":
                continue
            start, end = found.start, found.end
            if codec:
                offset += len(letters[behind:start].encode(codec))
                behind = start
                start, end = offset, offset + len(written.encode(codec))
            start, end = work.view.offset(start), work.view.offset(end)
            packed = b"" if reason else _packed(len(self.links), destination)
            position = self._listed(LinkPart.TEXT, start, destination, "", reason, packed)
            if packed:
                work.spots.append(self._tracked(work, start, end, position, packed))
            elif reason == "unwrapped":
                work.spots.append(_Spot(start, end, work.view.encode(destination)))

    def _listed(self, part: LinkPart, offset: int, destination: str, shown: str, reason: str, packed: bytes) -> int:
        """List a link; returns its position. packed: what its tokens say, nothing when it is left alone."""
        position = len(self.links)
        if position >= html.LINKS:
            raise Untouchable("too-many-links")
        if not (packed or reason):
            reason = "too-long"
        elif reason == "placeholder":
            self.warnings.append("placeholder")
        self.links.append(Link(position, offset, part, destination, shown, not reason, reason))
        return position

    def _tracked(self, work: _Work, start: int, end: int, position: int, packed: bytes) -> _Spot:
        size = self.click_size + packed_size(packed)
        return _Spot(start, end, bytes(size * work.view.unit), position, packed)

    def _pixel(self, work: _Work, page: html.Page) -> tuple[str, int]:
        """Add the pixel of an HTML body; returns its place in words and its offset in the decoded body."""
        seen = work.view
        pixel = self._pixel_bytes(seen)
        at, place = html.pixel_place(page, seen.text)
        if _grown(work) + len(pixel) > CLIPPING_BYTES:
            self.warnings.append("clipped")
            early = html.early_place(seen.text, _limit(work, seen))
            if early is not None and early[0] < at:
                at, place = early
        offset = seen.offset(at)
        spot = _Spot(offset, offset, pixel, pixel=True)
        if self.switches.trap and (trap := self._trap(page, seen.text, at, offset)) is not None:
            position, packed = trap
            link = seen.encode(_TRAP.format("A" * (self.click_size + packed_size(packed))))
            spot = _Spot(offset, offset, pixel + link, position, packed, pixel=True)
        work.spots.append(spot)
        work.spots.sort(key=_PLACE)
        return place, offset

    def _trap(self, page: html.Page, text: str, at: int, offset: int) -> tuple[int, bytes] | None:
        """The hidden link, listed behind all others; it leads where the first tracked link leads.

        None where it would have none to hide among, or would stand inside another link and end it.
        """
        before = (one for one in reversed(page.anchors) if one.end <= at and one.name == "a" and not one.conditional)
        opened = next(before, None)
        if opened is not None and not _ANCHOR_END.search(text, opened.end, at):
            return None
        if self.trap is None:
            first = next((one for one in self.links if one.part is LinkPart.HTML and one.tracked), None)
            if first is None or len(self.links) >= html.LINKS:
                return None
            position = len(self.links)
            packed = _packed(position, first.destination)
            if not packed:
                return None  # a larger number, and just too long
            self.trap = position, packed
            self.links.append(
                Link(
                    position=position,
                    offset=offset,
                    part=LinkPart.HTML,
                    destination=first.destination,
                    tracked=True,
                    trap=True,
                )
            )
        return self.trap

    def _pixel_bytes(self, seen: charset.View) -> bytes:
        """As long as the pixel of every copy."""
        return seen.encode(_PIXEL.format(f"{self.tracking.base_url}/o/{_ANY}.gif"))

    def _fit(self, work: _Work) -> None:
        """Keep the lines of a 7bit, 8bit or binary body within 998 octets: break them inside tags, or give up links."""
        if not isinstance(work.body, transfer.Verbatim):
            return
        if not work.body.crowded(work.spots):
            return
        places = _breakable(work)
        while True:
            chosen, hopeless = work.body.breaks(work.spots, places)
            lost = {number for number in hopeless if work.spots[number].link >= 0}
            if not lost:
                break
            for number in lost:
                position = work.spots[number].link
                self.links[position] = self.links[position]._replace(tracked=False, reason="line-limit")
            kept = []
            for number, spot in enumerate(work.spots):
                if number not in lost:
                    kept.append(spot)
                elif spot.pixel:  # without its hidden link
                    kept.append(_Spot(spot.start, spot.end, self._pixel_bytes(work.view), pixel=True))
            work.spots = kept
        work.spots += [_Spot(place, place, work.body.newline) for place in chosen]
        work.spots.sort(key=lambda spot: (spot.start, spot.end, spot.pixel))


def _plan(raw: bytes, switches: Switches, tracking: Tracking) -> _Plan:
    if len(raw) > _REMEMBERED_BYTES:
        return _new_plan(raw, switches, tracking)
    return _remembered_plan(_Octets(raw), switches, tracking)


def _new_plan(raw: bytes, switches: Switches, tracking: Tracking) -> _Plan:
    if switches.off:
        return _Plan(survey=Survey(unchanged="off"))
    try:
        _refuse(raw, mime.head(raw))
        root = mime.split(raw)
        return _Planner(raw, root, switches, tracking).plan(root)
    except Untouchable as untouchable:
        return _Plan(survey=Survey(unchanged=untouchable.reason))


@dataclass(frozen=True, slots=True)
class _Octets:
    """A message to look for: told from others by its ends, then compared as a whole. Each delivery reads it anew, and
    to hash all of it would take longer than some copies."""

    raw: bytes = field(repr=False)

    def __hash__(self) -> int:
        return hash((len(self.raw), self.raw[:_ENDS], self.raw[-_ENDS:]))


@lru_cache(maxsize=_REMEMBERED)
def _remembered_plan(message: _Octets, switches: Switches, tracking: Tracking) -> _Plan:
    return _new_plan(message.raw, switches, tracking)


def _unchanged_by_envelope(outgoing: Outgoing) -> str:
    if outgoing.switches.off:
        return "off"
    if not outgoing.envelope_from:
        return "null-sender"
    return "too-many-addresses" if len(outgoing.recipients) > mime.ADDRESSES else ""


def _refuse(raw: bytes, head: Sequence[mime.Field]) -> None:
    if any(found.name in SIGNATURES for found in head):
        raise Untouchable("dkim-signed")
    if mime.address_count(raw, head) > mime.ADDRESSES:
        raise Untouchable("too-many-addresses")
    if sum(found.name == "received" for found in head) > mime.RECEIVED:
        raise Untouchable("loop")
    if "<>" in (value.strip() for value in mime.field_values(raw, head, "return-path")):
        raise Untouchable("null-sender")


def _refuse_armour(text: bytes, start: int, end: int) -> None:
    """Signed or encrypted inside a text part, without MIME (RFC 9580 §7)."""
    # From behind, for that way the search steps faster.
    if text.rfind(b"-----BEGIN", start, end) >= 0 and (found := _PGP.search(text, max(start - 1, 0), end)):
        raise Untouchable("signed" if found[1] else "encrypted")


def _fill(
    raw: bytes, plan: _Plan, switches: Switches, tracking: Tracking, copy: CopyId, recipient: Recipient | None
) -> Copy:
    """Make the copy: seal its tokens, splice, and list the edits."""
    edits: list[Edit] = []
    for work in plan.works:
        changes = _sealed(work, switches, tracking, copy)
        edits += _digest(raw, work, changes)
        edits += work.body.splice(changes)
    pieces: list[bytes | memoryview] = []
    kept = memoryview(raw)  # slices of it cost no memory
    at = 0
    for offset, removed, inserted in edits:
        pieces += (kept[at:offset], inserted)
        at = offset + len(removed)
    pieces.append(kept[at:])
    return Copy(id=copy, recipient=recipient, raw=b"".join(pieces) if edits else raw, edits=tuple(edits))


def _sealed(work: _Work, switches: Switches, tracking: Tracking, copy: CopyId) -> list[transfer.Change]:
    """The changes of one body, with the tokens of that copy."""
    seal = link_sealer(tracking.keys, tracking.key_id, copy, switches.clicks)
    view = work.view
    clicks = f"{tracking.base_url}/c/"
    begin = view.encode(clicks)
    changes: list[transfer.Change] = []
    for start, end, new, _, packed, pixel in work.spots:
        if pixel:
            trap = _TRAP.format(clicks + seal(packed).decode("ascii")) if packed else ""
            new = view.encode(_PIXEL.format(_pixel_url(tracking, switches, copy)) + trap)
        elif packed:
            new = begin + view.token(seal(packed))
        changes.append(transfer.Change(start, end, new))
    return changes


def _packed(position: int, destination: str) -> bytes:
    """What the tokens of a link say; b"" when that is too long."""
    try:
        return pack_click(position, destination)
    except BadInput:
        return b""


def _digest(raw: bytes, work: _Work, changes: Sequence[transfer.Change]) -> list[Edit]:
    """Content-MD5 of a changed part, computed again (RFC 1864: over the decoded body, text with CRLF)."""
    edits: list[Edit] = []
    for found in work.part.fields:
        if found.name == "content-md5":
            value = raw[found.value : found.end]
            written = value.strip()
            body = re.sub(rb"\r?\n", b"\r\n", transfer.apply(work.body.decoded, changes))
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())
            offset = found.value + value.find(written)
            edits.append(Edit(offset=offset, removed=written, inserted=digest))
    return edits


def _pixel_url(tracking: Tracking, switches: Switches, copy: CopyId) -> str:
    return f"{tracking.base_url}/o/{seal_pixel(tracking.keys, tracking.key_id, copy, switches.opens)}.gif"


def _is_quoted(work: _Work, at: int) -> bool:
    if work.quotes is None:
        work.quotes = html.quoted_ranges(work.view.text)
    behind = bisect_right(work.quotes, (at, len(work.view.text)))
    return behind > 0 and at < work.quotes[behind - 1][1]


def _breakable(work: _Work) -> list[int]:
    """Where a line end does no harm: before the pixel, and beside the addresses of the links that are tracked."""
    offset = work.view.offset
    places = {spot.start for spot in work.spots if spot.pixel}
    tracked = {spot.start for spot in work.spots if spot.link >= 0}
    for anchor in work.page.anchors if work.page else ():
        if offset(anchor.href_start) in tracked:
            places.update(offset(place) for place in (anchor.before, anchor.behind) if place >= 0)
    return sorted(places)


def _grown(work: _Work) -> int:
    return len(work.body.decoded) + sum(len(spot.new) - (spot.end - spot.start) for spot in work.spots)


def _limit(work: _Work, seen: charset.View) -> int:
    """The index of the text that the tracked HTML shows at the clipping threshold."""
    left = CLIPPING_BYTES
    for spot in work.spots:
        if spot.start >= left:
            break
        left -= len(spot.new) - (spot.end - spot.start)
    return max(left - seen.start, 0) // seen.unit
