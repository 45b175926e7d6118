"""Find links, pictures and the place of the pixel in HTML by offset.

Promises that nothing is built, repaired or written: the scanner reads tags as the WHATWG tokenizer does and says where
they stand. Linear in the size of the text, on hostile input too: one expression with possessive groups skips what does
not matter, and it stops only at links, pictures, raw text, odd comments and the ends of body and html.

Links are the href of `a`, `area` and `v:*`, also inside Outlook's downlevel-hidden conditional comments (one level).
Known limits: a tag of more than a thousand attributes may end the scan; `title` inside inline SVG is read as raw text.
The end of input inside a tag, a comment or raw text ends the scan before it; nothing behind that point is touched.

Offsets are indexes of the text handed in (core.charset.View.text).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.entities import html5
from typing import NamedTuple

from msgspec import Struct

from unsealed.model.errors import Untouchable

LINKS = 2_000

# WHATWG 13.2.5.32 to 13.2.5.39. Quotes count behind an equals sign only; a quote that never closes fails the whole tag.
_NAME = r"(?:=?[^\t\n\f\r />=]++|=)"
_VALUE = r"[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"(?:[^\"]*+)\"|'(?:[^']*+)'|(?:[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>|\Z)))"
_NO_VALUE = r"(?![\t\n\f\r ]*+=)"
_ATTRIBUTES = rf"(?:[\t\n\f\r /]++|{_NAME}(?:{_VALUE}|{_NO_VALUE})){{0,2000}}+"
# Upper and lower case are written out: with IGNORECASE the engine compares half as fast.
_WATCHED = (
    r"(?:/(?:[bB][oO][dD][yY]|[hH][tT][mM][lL])|[aA](?:[rR][eE][aA])?|[iI](?:[mM][gG]|[fF][rR][aA][mM][eE])"
    r"|[vV]:[^\t\n\f\r />]*+|[sS](?:[cC][rR][iI][pP][tT]|[tT][yY][lL][eE])"
    r"|[tT](?:[iI][tT][lL][eE]|[eE][xX][tT][aA][rR][eE][aA])|[xX][mM][pP]|[nN][oO](?:[eE][mM][bB][eE][dD]"
    r"|[fF][rR][aA][mM][eE][sS])|[pP][lL][aA][iI][nN][tT][eE][xX][tT])(?=[\t\n\f\r />])"
)
_OTHER_TAG = rf"<(?!{_WATCHED})/?[a-zA-Z][^\t\n\f\r />]*+"
# Two letters with which most tags begin and none of the watched: told in a fifth of the time.
_SURELY_OTHER = r"<[/b-hj-moqrtuwyzB-HJ-MOQRTUWYZ][acdfgj-zACDFGJ-Z]"
# Attributes as nearly all are written, name="value", and the text behind the tag: the short way for the usual case.
_USUAL = r"""(?:[^>"'=]++(?<![\t\n\f\r /])="[^"]*+"){0,2000}+[^>"'=]*+>[^<]*+"""
# The same where nothing but small letters stands in names: a range is compared in half the time of a set.
_PLAIN = rf"""[a-z]*+(?:>[^<]*+|(?: [a-z]++="[^"]*+")++>[^<]*+|{_USUAL})"""
_TAG = re.compile(r"<(/?[a-zA-Z][^\t\n\f\r />]*+)(" + _ATTRIBUTES + r")>")
# A link as nearly all are written: its name, the white space before its first href, the value, the text before </a>.
_SPACED = r"[\t\n\f\r ]++(?![hH][rR][eE][fF]=)[a-zA-Z0-9:_-]++=\"[^\"]*+\""
_CLOSED = r"([^<]{0,3999}+)</a>"
_USUAL_LINK = (
    rf"<([aA]|[vV]:[a-zA-Z]++)(?:{_SPACED})*+([\t\n\f\r ]++)[hH][rR][eE][fF]=\"([^\"]*+)\"(?:{_SPACED})*+>"
    rf"(?:{_CLOSED})?+"
)
# A comment as nearly all are written, and the text behind it; a conditional one when no tag of a link stands in it.
# That is told on a way of its own: to run to one character takes a quarter of the time of running to one of several.
_NO_LINK_INSIDE = r"(?=[^<]*+(?:<(?![aAvV!])[^<]*+){0,2000}+<!(?:\[endif\])?-->)"
_QUIET_COMMENT = rf"<!--(?![->])(?:(?!\[)|{_NO_LINK_INSIDE})[^-]*+(?:-(?!-)[^-]*+){{0,2000}}+-->[^<]*+"
# All that does not matter, and behind it a link as nearly all are written, or the beginning of a comment.
# Repetitions are bounded, because the engine remembers something of each: memory, not meaning.
_NEXT = re.compile(
    rf"(?:{_SURELY_OTHER}{_PLAIN}|{_QUIET_COMMENT}|{_OTHER_TAG}{_USUAL}|[^<]++|(?:<(?![a-zA-Z/!?]))++"
    rf"|{_OTHER_TAG}{_ATTRIBUTES}>|<(?:!(?!--)[^>]*+>|\?[^>]*+>|/(?![a-zA-Z])[^>]*+>)){{0,1000}}+"
    rf"(?:{_USUAL_LINK}|(<!--))?+"
)
_NEXT_IN_COMMENT = re.compile(rf"(?:{_SURELY_OTHER}{_PLAIN}|{_OTHER_TAG}{_USUAL}|[^<]++){{0,1000}}+(?:{_USUAL_LINK})?+")
_COMMENT = 5  # the group of _NEXT
_ATTRIBUTE = re.compile(rf"[\t\n\f\r /]*+({_NAME})(?:{_VALUE.replace('(?:[^', '([^')}|{_NO_VALUE})")
_OPENING = re.compile(r"<(?=/?[a-zA-Z])")
_LETTER = re.compile(r"/?[a-zA-Z]")
_COMMENT_END = re.compile(r"--!?>")
_TEXT_CLOSED = re.compile(_CLOSED)
_CONDITION = re.compile(r"<!--\[if[^\]>]*+\]>", re.IGNORECASE)
_RAW_END = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_SCRIPT_TOKEN = re.compile(r"<!--|-->|</?script(?=[\t\n\f\r />])", re.IGNORECASE)
_LINK_TEXT_END = re.compile(r"</?(?:[aA]|[vV]:[^\t\n\f\r />]{1,40})(?=[\t\n\f\r />])")
_LINK_TEXT_WINDOW = 4_000
_MARKUP = re.compile(r"<!--.*?(?:--!?>|\Z)|<[a-zA-Z/!?](?:[^>\"']++|\"[^\"]*+\"|'[^']*+'|[\"'])*+(?:>|\Z)", re.DOTALL)
_ALT = re.compile(r"[aA](?<=\b[aA])[lL][tT][\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"([^\"]*+)\"|'([^']*+)')")
_INLINE = (
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<span",
    "</span",
    "<u>",
    "</u>",
    "<font",
    "</font",
    "<wbr",
    "<strong",
    "</strong",
)
_BLOCK_ENDS = frozenset({"/td", "/p", "/div"})
# The thin line that Outlook for Windows draws over the older message, and over nothing else: grey, until 2010 blue.
_OUTLOOK_RULE = re.compile(r"border-top:\s*solid\s+#(?:e1e1e1|b5c4df)\s+1\.0pt", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#([0-9]++|[xX][0-9a-fA-F]++);?|([a-zA-Z][a-zA-Z0-9]*+)(;?)(?=(.?)))", re.DOTALL)
_NEWLINES_AND_TABS = re.compile(r"[\t\n\r]")
_STOPS = 50_000  # more links, pictures and odd comments than any letter holds: bound the time
_ODD_ROUNDS = 2_000  # of a thousand pieces each that hold no tag at all, like "</>"
_TAGS = 500_000
_SPACE = "\t\n\f\r "
_VISIBLE = bytes(range(0x21, 0x7F))
_C0_AND_SPACE = "".join(map(chr, range(0x21)))


class Value(NamedTuple):
    """An attribute value as it stands: `text[start:end]` without quotes."""

    start: int
    end: int
    quote: str  # '"', "'", or "" for unquoted and missing values


class Anchor(Struct, frozen=True, gc=False):
    """A start tag that may carry a link."""

    start: int
    end: int
    name: str
    href_start: int  # of the value as it stands, without quotes; -1: no href at all
    href_end: int
    quote: str  # '"', "'", or "" for unquoted and missing values
    before: int  # white space before the href attribute, where a line may be broken; -1: none
    behind: int  # white space behind its value; -1: none
    closed: int  # where its text ends, when </a> stands there and no markup before; -1: somewhere else
    conditional: bool  # inside a conditional comment for Outlook
    text: str  # the text of which it is a part

    @property
    def href(self) -> Value | None:
        """None: no href at all."""
        return None if self.href_start < 0 else Value(self.href_start, self.href_end, self.quote)

    @property
    def attributes(self) -> dict[str, str]:
        """Lower-case names, raw values, the first of duplicates."""
        tag = _TAG.match(self.text, self.start, self.end)
        return _attributes(self.text, tag) if tag else {}


class Picture(Struct, frozen=True, gc=False):
    """An img tag."""

    start: int
    end: int
    text: str  # the text of which it is a part

    @property
    def source(self) -> str:
        """The raw src, "" when there is none."""
        tag = _TAG.match(self.text, self.start, self.end)
        return _attributes(self.text, tag).get("src", "") if tag else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What stands where in one HTML body."""

    anchors: tuple[Anchor, ...] = field(repr=False)
    pictures: tuple[Picture, ...] = field(repr=False)
    body_end: int | None  # of the last real </body>
    html_end: int | None
    end: int  # where the scan ended: the end of the text, or the beginning of something unclosed


def scan(text: str) -> Page:
    """Read one HTML document or fragment.

    Raises:
        Untouchable: more links or other stops than any letter holds.
    """
    anchors: list[Anchor] = []
    pictures: list[Picture] = []
    body_end: int | None = None
    html_end: int | None = None
    at, stop, stops, odd_rounds = 0, len(text), 0, 0
    read_next, read_tag = _NEXT.match, _TAG.match
    while found := read_next(text, at):
        begun, at = at, found.end()
        group = found.lastindex
        if group is None and at >= stop:
            break
        stops += 1
        if stops > _STOPS or odd_rounds > _ODD_ROUNDS:
            raise Untouchable("too-complex")
        if group == _COMMENT:
            at -= len("<!--")
            end = _comment_end(text, at)
            if end < 0:
                break
            _conditional(text, at, end, anchors)
            at = end
            continue
        if group is not None:
            anchors.append(_usual_anchor(text, found, conditional=False))
            if len(anchors) > LINKS:
                raise Untouchable("too-many-links")
            continue
        tag = read_tag(text, at)
        if tag is None:
            if at > begun:
                odd_rounds += 1
                continue  # the bound of repetitions was reached in front of something that is no tag
            break
        name, end = tag[1].lower(), tag.end()
        if name in ("a", "area") or name.startswith("v:"):
            anchors.append(_anchor(text, tag, name, conditional=False))
            if len(anchors) > LINKS:
                raise Untouchable("too-many-links")
        elif name == "img":
            pictures.append(Picture(at, end, text))
        elif name == "/body":
            body_end = at
        elif name == "/html":
            html_end = at
        elif name in _RAW_END:
            end = _raw_end(text, name, end)
            if end < 0:
                break
        elif name == "plaintext":
            break
        at = end
    return Page(anchors=tuple(anchors), pictures=tuple(pictures), body_end=body_end, html_end=html_end, end=at)


def pixel_place(page: Page, text: str) -> tuple[int, str]:
    """Where the pixel goes, and that place in words.

    Before the last real `</body>`, else before `</html>`, else after the last visible byte. Never right behind
    `<body>`: that spoils the hidden preview line that a third of all templates carry.
    """
    if page.body_end is not None:
        return page.body_end, "before </body>"
    if page.html_end is not None:
        return page.html_end, "before </html>"
    end = page.end
    while end and text[end - 1] in _SPACE:  # by blocks: a copy of the text can be large
        begin = max(end - 4_096, 0)
        end = begin + len(text[begin:end].rstrip(_SPACE))
    return end, "at the end of the content"


def early_place(text: str, limit: int) -> tuple[int, str] | None:
    """The last `</td>`, `</p>` or `</div>` that begins before `limit`, outside comments and raw text."""
    place: tuple[int, str] | None = None
    for start, _, name, _ in tags(text):
        if start >= limit:
            break
        if name in _BLOCK_ENDS:
            place = start, f"before an early <{name}>"
    return place


def tags(text: str) -> Iterator[tuple[int, int, str, dict[str, str]]]:
    """All tags outside comments and raw text: start, end, lower-case name ("/p" for an end tag), attributes."""
    at = 0
    for _ in range(_TAGS):
        at = text.find("<", at)
        if at < 0:
            return
        if text.startswith("<!--", at):
            at = _comment_end(text, at)
            if at < 0:
                return
            continue
        tag = _TAG.match(text, at)
        if tag is None:
            if _LETTER.match(text, at + 1):
                return
            at = text.find(">", at) if text.startswith(("/", "!", "?"), at + 1) else at + 1
            if at < 0:
                return
            continue
        name, end = tag[1].lower(), tag.end()
        yield at, end, name, {} if name.startswith("/") else _attributes(text, tag)
        if name in _RAW_END:
            end = _raw_end(text, name, end)
            if end < 0:
                return
        elif name == "plaintext":
            return
        at = end


def values(text: str, start: int, end: int) -> Iterator[tuple[str, Value]]:
    """The attributes of the tag `text[start:end]` that have a value, with their lower-case names; also duplicates."""
    tag = _TAG.fullmatch(text, start, end)
    at, stop = tag.span(2) if tag else (0, 0)
    while found := _ATTRIBUTE.match(text, at, stop):
        group = found.lastindex or 1
        if group > 1:
            yield found[1].lower(), Value(*found.span(group), ("", "", '"', "'", "")[group])
        at = found.end()


def quoted_ranges(text: str) -> list[tuple[int, int]]:
    """The quoted parts of a reply or forward: blockquotes, the quote blocks of Gmail and Yahoo, and everything behind
    the mark that Outlook puts before the older message."""
    ranges: list[tuple[int, int]] = []
    depth: dict[str, int] = {"blockquote": 0, "div": 0}
    begun: tuple[str, int, int] | None = None  # element, its depth, where it began
    for start, end, name, attributes in tags(text):
        if name in depth:
            depth[name] += 1
            words = (attributes.get("class", "") + " " + attributes.get("id", "")).lower().split()
            ruled = _OUTLOOK_RULE.search(attributes.get("style", ""))
            if ruled or {"divrplyfwdmsg", "appendonsend", "mail-editor-reference-message-container"} & set(words):
                ranges.append((begun[2] if begun else start, len(text)))
                return ranges
            quoting = name == "blockquote" or {"gmail_quote", "yahoo_quoted", "moz-forward-container"} & set(words)
            if quoting and begun is None:
                begun = name, depth[name], start
        elif name[1:] in depth and name.startswith("/"):
            if begun and begun[:2] == (name[1:], depth[name[1:]]):
                ranges.append((begun[2], end))
                begun = None
            depth[name[1:]] = max(depth[name[1:]] - 1, 0)
    if begun:
        ranges.append((begun[2], len(text)))
    return ranges


def link_text(text: str, anchor: Anchor, source: str) -> str:
    """What the link shows, white space folded: its text, else the alternative texts of its pictures.

    source: the same text where double-byte runs are not masked. Character references are left as they are.
    Reads 4,000 characters at most.
    """
    if anchor.name == "area":
        return " ".join(anchor.attributes.get("alt", "").split())
    if anchor.closed >= 0:
        return " ".join(source[anchor.end : anchor.closed].split())
    window = min(len(text), anchor.end + _LINK_TEXT_WINDOW)
    found = _LINK_TEXT_END.search(text, anchor.end, window)
    stop = found.start() if found else window
    return _shown(text[anchor.end : stop], source[anchor.end : stop])


@lru_cache(maxsize=256)  # the same button comes again and again
def _shown(inner: str, source: str) -> str:
    pieces: list[str] = []
    at = 0
    for markup in _MARKUP.finditer(inner):
        pieces.append(source[at : markup.start()])
        if not markup[0].startswith(_INLINE):
            pieces.append(" ")
        at = markup.end()
    pieces.append(source[at:])
    shown = " ".join("".join(pieces).split())
    return shown or " ".join(" ".join(first or second for first, second in _ALT.findall(inner)).split())


def unescape_attribute(value: str) -> str:
    """Decode character references by the WHATWG rules for attribute values: a name without semicolon that goes on
    with a letter, a digit or "=" is no reference, so `?a=1&copy=2` keeps its parameter."""
    if "&" not in value:
        return value
    plain = value.replace("&amp;", "&")
    if len(value) - len(plain) == value.count("&") * len("amp;"):  # as most links are written
        return plain
    return _REFERENCE.sub(_reference, value)


def escape_attribute(value: str, quote: str) -> str:
    """Write a value for that quoting style ("" for unquoted)."""
    value = value.replace("&", "&amp;")
    if quote:
        return value.replace(quote, "&quot;" if quote == '"' else "&#39;")
    return re.sub(r"[\t\n\f\r \"'=<>`]", lambda found: f"&#{ord(found[0])};", value)


def read_urls(values: Sequence[str]) -> list[str]:
    """The addresses that a browser reads in attribute values: character references decoded, and stripped."""
    joined = '"'.join(values)  # most links are written alike: looked at and decoded all at once
    usual = joined.isascii() and not joined.encode().translate(None, _VISIBLE) and joined.count('"') == len(values) - 1
    if usual and joined.count("&") == joined.count("&amp;"):
        return joined.replace("&amp;", "&").split('"')
    # NUL is read as U+FFFD, never as an end.
    return [strip_url(unescape_attribute(value).replace("\0", "\ufffd")) for value in values]


def strip_url(value: str) -> str:
    """What the URL standard removes before it reads: C0 and space at the ends; TAB, CR, LF inside."""
    if value.isprintable():
        return value.strip(" ")
    return _NEWLINES_AND_TABS.sub("", value.strip(_C0_AND_SPACE))


def _conditional(text: str, start: int, end: int, anchors: list[Anchor]) -> None:
    """The links inside the comment `text[start:end]`, when it is a conditional one, which Outlook reads as markup."""
    if text[start + 4] != "[" or "href" not in text[start:end].lower():
        return
    condition = _CONDITION.match(text, start, end)
    if condition is None:
        return
    at, end = condition.end(), end - len("-->")
    while found := _NEXT_IN_COMMENT.match(text, at, end):
        at = found.end()
        if found.lastindex is not None:
            anchors.append(_usual_anchor(text, found, conditional=True))
        elif (opening := _OPENING.search(text, at, end)) and (tag := _TAG.match(text, opening.start(), end)):
            name = tag[1].lower()
            if name in ("a", "area") or name.startswith("v:"):
                anchors.append(_anchor(text, tag, name, conditional=True))
            at = tag.end()
        else:
            return
        if len(anchors) > LINKS:
            raise Untouchable("too-many-links")


def _usual_anchor(text: str, found: re.Match[str], *, conditional: bool) -> Anchor:
    (_, tag_end), (name, name_end), (before, _), (start, end), (inner, closed), *_ = found.regs
    return Anchor(
        name - 1,
        tag_end if closed < 0 else inner,
        text[name:name_end].lower(),
        start,
        end,
        '"',
        before,
        -1 if text[end + 1] == ">" else end + 1,
        closed,
        conditional,
        text,
    )


def _anchor(text: str, tag: re.Match[str], name: str, *, conditional: bool) -> Anchor:
    start = end = before = behind = -1
    quote = ""
    at, stop = tag.start(2), tag.end(2)
    while found := _ATTRIBUTE.match(text, at, stop):
        if found[1].lower() == "href":
            group = found.lastindex or 1
            start, end = found.span(group) if group > 1 else (found.end(), found.end())
            quote = ("", "", '"', "'", "")[group]
            before = at if text[at] in _SPACE else -1
            behind = found.end() if text[found.end()] in _SPACE else -1
            break  # the first of duplicates
        at = found.end()
    closed = _TEXT_CLOSED.match(text, tag.end())
    text_end = closed.end(1) if closed else -1
    return Anchor(tag.start(), tag.end(), name, start, end, quote, before, behind, text_end, conditional, text)


def _attributes(text: str, tag: re.Match[str]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    at, stop = tag.start(2), tag.end(2)
    while found := _ATTRIBUTE.match(text, at, stop):
        group = found.lastindex or 1
        attributes.setdefault(found[1].lower(), found[group] if group > 1 else "")
        at = found.end()
    return attributes


def _comment_end(text: str, start: int) -> int:
    """Behind the comment that begins there, -1 when it never ends."""
    dashes = text.find("--", start + 5)
    if text.startswith("-->", dashes) and text[start + 4] not in ">-":  # as nearly all are written
        return dashes + 3
    if text.startswith((">", "->"), start + 4):
        return text.index(">", start + 4) + 1
    found = _COMMENT_END.search(text, start + 4)
    return found.end() if found else -1


def _raw_end(text: str, name: str, at: int) -> int:
    """Where the end tag of a raw text element begins, -1 when the scan has to stop."""
    found = _RAW_END[name].search(text, at)
    if found is None:
        return -1
    if name == "script" and text.find("<!--", at, found.start()) >= 0:
        return _script_end(text, at)
    return found.start()


def _script_end(text: str, at: int) -> int:
    """The end of a script that holds a comment, in which another script may stand (WHATWG 13.2.5.15 to 13.2.5.31)."""
    escaped = doubly = False
    while found := _SCRIPT_TOKEN.search(text, at):
        match found[0].lower():
            case "<!--":
                escaped = True
                at = found.end() - 2  # "<!-->" is both
                continue
            case "-->":
                escaped = doubly = False
            case "<script":
                doubly = escaped
            case _ if not doubly:
                return found.start()
            case _:
                doubly = False
        at = found.end()
    return -1


def _reference(found: re.Match[str]) -> str:
    number, name, semicolon, following = found.groups()
    if number:
        return _character(number)
    if semicolon:
        return html5.get(name + ";", found[0])
    if name in html5 and following != "=":
        return html5[name]
    return found[0]


def _character(number: str) -> str:
    digits = number[1:].lstrip("0") if number[0] in "xX" else number.lstrip("0")
    code = int(digits or "0", 16 if number[0] in "xX" else 10) if len(digits) <= 7 else 0
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if 0x80 <= code <= 0x9F:
        try:
            return bytes([code]).decode("cp1252")
        except UnicodeDecodeError:
            return chr(code)
    return chr(code)
