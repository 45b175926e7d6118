"""Every decision about a message, made once for all its copies.

Promises: no bytes whatever make `plan_of` raise; a message that cannot be changed safely has a plan without changes,
with the reason; a tracked link or a pixel costs the same number of bytes in every copy, so one plan holds for all of
them that are tracked alike, and is remembered for those that follow.

Does not seal tokens or make copies: that is core.instrument.
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from operator import attrgetter

from msgspec import Struct, structs

from unsealed.core import charset, html, mime, text, transfer
from unsealed.core.header import SIGNATURES
from unsealed.core.links import NO_TRACK_MARK, Rules, may_opt_out, own_token, plain
from unsealed.core.token import pack_click, packed_size
from unsealed.model.errors import BadInput, Untouchable
from unsealed.model.message import Link, LinkPart, Survey
from unsealed.model.policy import Level, LinkScope, Switches
from unsealed.model.ports import Keys
from unsealed.model.texts import later

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

PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'
# Nothing to see, to hear or to reach with the keyboard, also where styles are taken away: it is empty.
TRAP = '<a href="{}" style="display:none" aria-hidden="true" tabindex="-1"></a>'
_TRAP_END = TRAP.partition("{}")[2].removesuffix("</a>")
_ANCHOR_END = re.compile(r"</[aA](?=[\t\n\f\r />])")
_ANY = "A" * packed_size(b"")  # the tokens of all pixels have the same size
_REMEMBERED = 32  # plans, for the copies of one message are made shortly after it was surveyed, and one after another
_REMEMBERED_BYTES = 100_000
_ENDS = 500
_LINKS_AT_ONCE = 100  # so that what is only looked at needs little memory
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


class Spot(Struct, frozen=True, gc=False):
    """A change of a decoded body that may differ from copy to copy."""

    # gc=False, as of all that is made for each link: none can be part of a cycle, and to look for cycles among them
    # took a tenth of the time.

    start: int
    end: int
    grows: int  # by so many bytes, in every copy
    new: bytes = b""  # where it is the same in every copy
    link: int = -1  # position of a tracked link
    packed: bytes = b""  # what its tokens say in every copy
    pixel: bool = False  # with a link: the hidden one stands behind it


_PLACE = attrgetter("start", "end")


def _fixed(start: int, end: int, new: bytes) -> Spot:
    """A change that is the same in every copy."""
    return Spot(start, end, len(new) - (end - start), new)


@dataclass(slots=True, kw_only=True)
class Work:
    """One body that is changed."""

    part: mime.Part
    body: transfer.Verbatim | transfer.QuotedPrintable | transfer.Base64
    size: int  # of the decoded body, in bytes
    view: charset.View
    page: html.Page | None = None  # None: plain text
    spots: list[Spot] = field(default_factory=list)
    quotes: list[tuple[int, int]] | None = None  # quoted parts, once they were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided about one message: what is the same for all its copies."""

    survey: Survey
    works: tuple[Work, ...] = ()


def plan_of(raw: bytes, switches: Switches, tracking: Tracking) -> Plan:
    """What is to be done with a message. Never raises; a plan that was made lately is found again."""
    if len(raw) > _REMEMBERED_BYTES:
        return _new_plan(raw, switches, tracking)
    return _remembered_plan(_Octets(raw), switches, tracking)


class _Planner:
    """Collects the decisions about one message, part by part."""

    def __init__(self, raw: bytes, root: mime.Part, switches: Switches, tracking: Tracking) -> None:
        self.raw = raw
        self.switches = switches
        self.tracking = tracking
        self.click_size = len(f"{tracking.base_url}/c/")
        self.links: list[Link] = []
        self.warnings: list[str] = []
        self.works: list[Work] = []
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

    def plan(self, root: mime.Part) -> Plan:
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
            return Plan(survey=self._survey(unchanged="no-html"))
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
        return Plan(
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

    def _open(self, part: mime.Part) -> tuple[Work, bytes]:
        body = transfer.body_of(self.raw, part.body, part.end, part.encoding)
        decoded = body.decode()
        seen = charset.view(decoded, part.parameters.get("charset", ""), raw=isinstance(body, transfer.Verbatim))
        return Work(part=part, body=body, size=len(decoded), view=seen), decoded

    def _html(self, part: mime.Part) -> None:
        work, decoded = self._open(part)
        self.works.append(work)
        if not isinstance(work.body, transfer.Verbatim):
            _refuse_armour(decoded, 0, len(decoded))
        del decoded  # as large as the message, which is in memory as text now
        page = work.page = html.scan(work.view.text)
        for picture in page.pictures:
            written = work.view.text[picture.start : picture.end]
            if "/o/" not in written.lower() and "&" not in written and written.isprintable():
                continue  # the path of a pixel of ours stands in it in no spelling
            source = html.strip_url(html.unescape_attribute(picture.source))
            claims = own_token(self.tracking.base_url, "/o/", source, self.tracking.keys)
            if claims is not None and claims.link is None:
                work.spots.append(_fixed(work.view.offset(picture.start), work.view.offset(picture.end), b""))
        anchors: list[html.Anchor] = []
        for anchor in page.anchors:
            if anchor.closed == anchor.end and self._is_own_trap(work, anchor):
                end = anchor.end + len("</a>")
                work.spots.append(_fixed(work.view.offset(anchor.start), work.view.offset(end), b""))
            elif anchor.href_start >= 0:
                anchors.append(anchor)
        if len(self.links) + len(anchors) > html.LINKS:
            raise Untouchable("too-many-links")
        for first in range(0, len(anchors), _LINKS_AT_ONCE):
            self._anchors(work, anchors[first : first + _LINKS_AT_ONCE])
        work.spots.sort(key=_PLACE)

    def _is_own_trap(self, work: Work, anchor: html.Anchor) -> bool:
        """Whether an empty link is the hidden one of an older message of this installation."""
        text = work.view.text
        if not text.endswith(_TRAP_END, anchor.start, anchor.end):
            return False
        destination = html.strip_url(html.unescape_attribute(text[anchor.href_start : anchor.href_end]))
        return own_token(self.tracking.base_url, "/c/", destination, self.tracking.keys) is not None

    def _anchors(self, work: Work, anchors: Sequence[html.Anchor]) -> None:
        """List the links of HTML, and change them as is decided.

        Step by step for some tens of them, not link after link: what a step needs is then at hand.
        """
        seen = work.view
        text, source, read = seen.text, seen.source, seen.read
        values = [read(source[anchor.href_start : anchor.href_end]) for anchor in anchors]
        destinations = html.read_urls(values)
        texts = [plain(read(html.link_text(text, anchor, source))) for anchor in anchors]
        tags = [text[anchor.start : anchor.end] for anchor in anchors]
        marked = may_opt_out("".join(tags))
        attributes = [
            anchor.attributes if marked and may_opt_out(tag) else {} for anchor, tag in zip(anchors, tags, strict=True)
        ]
        reasons = list(map(self.rules.decide, destinations, texts, attributes))
        for anchor, value, destination, shown, reason in zip(
            anchors, values, destinations, texts, reasons, strict=True
        ):
            start, end = seen.offset(anchor.href_start), seen.offset(anchor.href_end)
            if reason == "own-link" and _is_quoted(work, anchor.start):
                reason, destination = "unwrapped", self.rules.unwrapped(destination) or destination
                written = seen.encode(html.escape_attribute(destination, anchor.quote))
                work.spots.append(_fixed(start, end, written))
            elif reason in ("not-web", "placeholder"):
                destination = value
            elif reason == "opt-out" and (mark := NO_TRACK_MARK.match(text, anchor.href_start, anchor.href_end)):
                # Postal's spelling is the scheme of no browser: without its mark the link would be dead.
                work.spots.append(_fixed(seen.offset(mark.start(1)), seen.offset(mark.end(1)), b""))
            self._list(work, LinkPart.HTML, start, end, destination, shown, reason)

    def _text(self, part: mime.Part, *, tracked: bool) -> None:
        try:
            work, decoded = self._open(part)
        except Untouchable:
            if tracked:
                raise
            return  # nothing is wanted of this part
        letters, codec = charset.letters(decoded, work.view)
        del decoded  # as large as the message, like what follows
        if codec:
            work.view = replace(work.view, text="", source="")
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
            if reason == "unwrapped":
                work.spots.append(_fixed(start, end, work.view.encode(destination)))
            self._list(work, LinkPart.TEXT, start, end, destination, "", reason)

    def _list(
        self, work: Work, part: LinkPart, start: int, end: int, destination: str, shown: str, reason: str
    ) -> None:
        """List a link; have its address replaced when there is no reason to leave it."""
        position = len(self.links)
        if position >= html.LINKS:
            raise Untouchable("too-many-links")
        if not reason:
            if packed := _packed(position, destination):
                size = (self.click_size + packed_size(packed)) * work.view.unit
                work.spots.append(Spot(start, end, size - (end - start), b"", position, packed))
            else:
                reason = "too-long"
        elif reason == "placeholder":
            self.warnings.append("placeholder")
        self.links.append(Link(position, start, part, destination, shown, not reason, reason))

    def _pixel(self, work: Work, page: html.Page) -> tuple[str, int]:
        """Add the pixel of an HTML body; returns its place in words and its offset in the decoded body."""
        seen = work.view
        size = self._pixel_size(seen)
        at, place = html.pixel_place(page, seen.text)
        if _grown(work) + size > CLIPPING_BYTES:
            self.warnings.append("clipped")
            early = html.early_place(seen.text, _limit(work, seen))
            if early is not None and early[0] < at:
                at, place = early
        offset = seen.offset(at)
        spot = Spot(offset, offset, size, pixel=True)
        if self.switches.trap and (trap := self._trap(page, seen.text, at, offset)) is not None:
            position, packed = trap
            link = seen.encode(TRAP.format("A" * (self.click_size + packed_size(packed))))
            spot = Spot(offset, offset, size + len(link), b"", position, packed, pixel=True)
        insort(work.spots, spot, key=_PLACE)
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

    def _pixel_size(self, seen: charset.View) -> int:
        """Bytes of the pixel, in every copy."""
        return len(seen.encode(PIXEL.format(f"{self.tracking.base_url}/o/{_ANY}.gif")))

    def _fit(self, work: Work) -> None:
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
                self.links[position] = structs.replace(self.links[position], tracked=False, reason="line-limit")
            kept = []
            for number, spot in enumerate(work.spots):
                if number not in lost:
                    kept.append(spot)
                elif spot.pixel:  # without its hidden link
                    kept.append(Spot(spot.start, spot.end, self._pixel_size(work.view), pixel=True))
            work.spots = kept
        work.spots += [_fixed(place, place, work.body.newline) for place in chosen]
        work.spots.sort(key=lambda spot: (spot.start, spot.end, spot.pixel))


def _new_plan(raw: bytes, switches: Switches, tracking: Tracking) -> Plan:
    if switches.off:
        return Plan(survey=Survey(unchanged="off"))
    try:
        _refuse(raw, mime.head(raw))
        root = mime.split(raw)
        return _Planner(raw, root, switches, tracking).plan(root)
    except Untouchable as untouchable:
        return Plan(survey=Survey(unchanged=untouchable.reason))


@dataclass(frozen=True, slots=True)
class _Octets:
    """A message to look for: told from others by its ends, then compared as a whole. Each delivery reads it anew, and
    to hash all of it would take longer than some copies."""

    raw: bytes = field(repr=False)

    def __hash__(self) -> int:
        return hash((len(self.raw), self.raw[:_ENDS], self.raw[-_ENDS:]))


@lru_cache(maxsize=_REMEMBERED)
def _remembered_plan(message: _Octets, switches: Switches, tracking: Tracking) -> Plan:
    return _new_plan(message.raw, switches, tracking)


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


def _packed(position: int, destination: str) -> bytes:
    """What the tokens of a link say; b"" when that is too long."""
    try:
        return pack_click(position, destination)
    except BadInput:
        return b""


def _is_quoted(work: Work, at: int) -> bool:
    if work.quotes is None:
        work.quotes = html.quoted_ranges(work.view.text)
    behind = bisect_right(work.quotes, (at, len(work.view.text)))
    return behind > 0 and at < work.quotes[behind - 1][1]


def _breakable(work: Work) -> list[int]:
    """Where a line end does no harm: before the pixel, and beside the addresses of the links that are tracked."""
    offset = work.view.offset
    places = {spot.start for spot in work.spots if spot.pixel}
    tracked = {spot.start for spot in work.spots if spot.link >= 0}
    for anchor in work.page.anchors if work.page else ():
        if offset(anchor.href_start) in tracked:
            places.update(offset(place) for place in (anchor.before, anchor.behind) if place >= 0)
    return sorted(places)


def _grown(work: Work) -> int:
    return work.size + sum(spot.grows for spot in work.spots)


def _limit(work: Work, seen: charset.View) -> int:
    """The index of the text that the tracked HTML shows at the clipping threshold."""
    left = CLIPPING_BYTES
    for spot in work.spots:
        if spot.start >= left:
            break
        left -= spot.grows
    return max(left - seen.start, 0) // seen.unit
