"""Placeholders of templates: `{{first_name}}`, or `{{first_name|there}}` with what stands there when nothing is known.

Promises that a value is text and nothing else: it never makes markup, a style, another address than the one written, a
header line or a further placeholder, whatever it holds. Promises that all but the placeholders stays byte for byte,
that filling what is filled changes nothing, and that nothing is filled when anything is missing. There is no logic in a
template: no conditions, no loops, no expressions.

    in a text, a subject         the value on one line
    between tags                 written as HTML; tags that an editor put inside the braces stay behind it
    in an attribute              written as HTML
    in an address (href, src)    percent-encoded; as its beginning only a whole web, mail or telephone address;
                                 as its host only a host name
    in a style, a script, a comment, the name of a tag or attribute   refused
"""

from __future__ import annotations

import html as escaping
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import quote

from unsealed.core import html as markup
from unsealed.core.mail_providers import MAIL_PROVIDERS
from unsealed.model.errors import BadInput
from unsealed.model.message import Recipient
from unsealed.model.template import Content, Filled
from unsealed.model.texts import later

VALUE_LETTERS = 1_000  # what is longer is cut
KNOWN = ("first_name", "last_name", "name", "email", "company", "sender_name", "sender_email")

_SPACE = r"(?:\s|&nbsp;|&#160;)"  # an editor writes some spaces so
_PLACEHOLDER = re.compile(
    rf"(?<!\{{)\{{\{{{_SPACE}*+([A-Za-z][A-Za-z0-9_]{{0,39}}+){_SPACE}*+(?:\|([^{{}}|\r\n]{{0,200}}+))?\}}\}}(?!\}})"
)
# Tags that an editor puts into the middle of words: the letters on both sides of one belong together.
_INSIDE_WORDS = frozenset("b i u em strong span font small big sub sup s del ins code mark wbr bdi".split())
_ADDRESSES = frozenset("href src action formaction background cite longdesc poster data xlink:href".split())
_NEVER = frozenset({"style", "srcdoc", "srcset", "ping"})  # attributes with a language of their own; beside on...
# What core.html.tags passes over without a word.
_HIDDEN = re.compile(r"<!--.*?(?:--!?>|\Z)|<[!?/][^>]*(?:>|\Z)", re.DOTALL)
_RAW_TEXT = frozenset("script style title textarea xmp iframe noembed noframes plaintext".split())

_WHOLE = re.compile(r"https?://[^\s/?#\\@].*|mailto:[^\s].*|tel:\+?[0-9].*", re.IGNORECASE)
_OPEN_HOST = re.compile(r"(?:(?:https?:)?//|\{\{)[^/?#\\]*", re.IGNORECASE)
_FIXED_HOST = re.compile(r"(?:(?:https?:)?//|\{\{)[^/?#\\]*[/?#\\].*", re.IGNORECASE | re.DOTALL)
_MAIL = re.compile(r"(?:mailto|tel|sms):[^?]*", re.IGNORECASE)
_MAIL_FIELDS = re.compile(r"(?:mailto|sms):.*", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"[^\W_](?:[\w.-]{0,251}[^\W_])?")
_WHOLE_SAFE = "!#$%&'()*+,/:;=?@[]~"  # RFC 3986 §2.2 and the percent sign: what is whole keeps its own encoding
_ENDS_UNQUOTED = re.compile(r"[\s=`]")
_TITLES = frozenset("dr dr. prof prof. mr mr. mrs mrs. ms ms. herr frau".split())
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # several scripts cannot be written without them
_NO_BRACES = str.maketrans("{}", "()")


class Spot(NamedTuple):
    """Where a placeholder stands, what it is called, and how its value is written there."""

    pieces: tuple[tuple[int, int], ...]  # cut out; the value comes to the first
    name: str
    otherwise: str | None  # what stands there when there is no value; None: the letter cannot be made
    written: Callable[[str], str]


def names(content: Content) -> tuple[str, ...]:
    """The placeholders of a template, in the order of subject, HTML and text.

    Raises:
        BadInput: one stands where none can be filled, or braces hold something else; says which.
    """
    return tuple(dict.fromkeys(spot.name for _, spots in _read(content) for spot in spots))


def fill(content: Content, values: Mapping[str, str]) -> Filled:
    """Put values into a template. Those that are blank count as missing. Linear in the size of the template.

    Raises:
        BadInput: as `names`, or a value cannot stand where it is asked for, as in the host of a link.
    """
    read = _read(content)
    known = {name: one_line(value) for name, value in values.items()}
    absent = (spot.name for _, spots in read for spot in spots if spot.otherwise is None and not known.get(spot.name))
    if missing := tuple(dict.fromkeys(absent)):
        return Filled(content=content, missing=missing)
    return Filled(content=_content(_filled(written, spots, known) for written, spots in read))


def prefill(content: Content, values: Mapping[str, str]) -> Filled:
    """The same for somebody who goes on writing: what is missing stays as it stands, for them to complete. Sending such
    a letter is what `left` is asked before.

    Raises:
        BadInput: as `fill`.
    """
    read = _read(content)
    known = {name: value for name, value in ((name, one_line(value)) for name, value in values.items()) if value}
    ready = [[spot for spot in spots if spot.otherwise is not None or spot.name in known] for _, spots in read]
    missing = (spot.name for _, spots in read for spot in spots if spot.otherwise is None and spot.name not in known)
    return Filled(
        content=_content(_filled(written, some, known) for (written, _), some in zip(read, ready, strict=True)),
        missing=tuple(dict.fromkeys(missing)),
    )


def left(*texts: str) -> tuple[str, ...]:
    """The placeholders that stand in texts still, in order: a letter with one of them is not to be sent."""
    return tuple(dict.fromkeys(found[1].lower() for text in texts for found in _PLACEHOLDER.finditer(text)))


def left_in_html(html: str) -> tuple[str, ...]:
    """The same for HTML, also in attributes and where tags stand inside the braces."""
    return left(*("".join(html[start:end] for start, end in run) for run in _runs(html)), html)


def values_of(contact: Recipient | None, *, sender_name: str = "", sender_email: str = "") -> dict[str, str]:
    """What is known about a recipient and the sender. What is not known is not in it; nothing is guessed from an
    address but the company's domain, and that not at providers where anybody has a mailbox."""
    found = {"sender_name": sender_name, "sender_email": sender_email}
    if contact is not None:
        name = one_line(contact.name)
        if "@" in name:  # many programs write the address in the place of a name
            name = ""
        last, comma, first = (part.strip() for part in name.partition(","))
        words = name.split()
        while len(words) > 1 and words[0].lower() in _TITLES:
            words.pop(0)
        domain = contact.address.rpartition("@")[2].lower()
        found |= {
            "name": f"{first} {last}".strip() if comma else name,
            "first_name": first if comma else words[0] if words else "",
            "last_name": last if comma else " ".join(words[1:]),
            "email": contact.address,
            "company": "" if domain in MAIL_PROVIDERS else domain,
        }
    return {name: value for name, value in found.items() if value}


def as_html(content: Content) -> str:
    """The letter as HTML, also when it was written as plain text alone."""
    if content.html or not content.text:
        return content.html
    parts = escaping.escape(content.text, quote=False).strip("\n").split("\n\n")
    return "".join(f"<p>{part.strip()}</p>".replace("\n", "<br>") for part in parts if part.strip())


def one_line(value: str) -> str:
    """A value as it may stand anywhere: one line without control and direction characters, and with round brackets for
    braces, which could make a placeholder of it."""
    visible = "".join(letter if letter.isprintable() or letter in _JOINERS else " " for letter in value[:VALUE_LETTERS])
    return " ".join(visible.split()).translate(_NO_BRACES)


def _read(content: Content) -> tuple[tuple[str, list[Spot]], ...]:
    return (
        (content.subject, list(_plain_spots(content.subject))),
        (content.html, _html_spots(content.html)),
        (content.text, list(_plain_spots(content.text))),
    )


def _content(parts: Iterable[str]) -> Content:
    subject, html, text = parts
    return Content(subject=subject, html=html, text=text)


def _filled(text: str, spots: Iterable[Spot], known: Mapping[str, str]) -> str:
    edits: list[tuple[int, int, str]] = []
    for spot in spots:
        value = known.get(spot.name) or one_line(spot.otherwise or "")
        try:
            written = spot.written(value)
        except BadInput as error:
            raise BadInput("%(name)s: %(why)s", name=f"{{{{{spot.name}}}}}", why=error) from None
        (start, end), *others = spot.pieces
        edits += [(start, end, written), *((start, end, "") for start, end in others)]
    pieces, at = [], 0
    for start, end, written in sorted(edits):
        pieces += [text[at:start], written]
        at = end
    return "".join([*pieces, text[at:]])


def _plain_spots(text: str) -> Iterator[Spot]:
    for found in _found(text):
        yield Spot((found.span(),), found[1].lower(), found[2], str)


def _found(text: str) -> Iterator[re.Match[str]]:
    """The placeholders of one piece of text.

    Raises:
        BadInput: braces that are none of a placeholder.
    """
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        _no_braces(text[at : found.start()])
        at = found.end()
        yield found
    _no_braces(text[at:])


def _no_braces(text: str) -> None:
    at = text.find("{{")
    if at >= 0:
        shown = " ".join(text[at : at + 40].split())
        raise BadInput(
            later("“%(shown)s” is not a placeholder; write it like {{first_name}}, with nothing else in the braces"),
            shown=shown,
        )


# ---------------------------------------------------------------------------------------------------------------- HTML


def _html_spots(html: str) -> list[Spot]:
    """All placeholders of an HTML text.

    Raises:
        BadInput: one stands where a value would be read as something else than text.
    """
    spots = [spot for run in _runs(html) for spot in _text_spots(html, run)]
    for start, end, name, _ in markup.tags(html):
        if not name.startswith("/") and html.find("{{", start, end) >= 0:
            spots += _attribute_spots(html, start, end)
    taken = sorted(piece for spot in spots for piece in spot.pieces)
    starts = [start for start, _ in taken]
    at = html.find("{{")
    while at >= 0:
        place = bisect_right(starts, at) - 1
        if place < 0 or taken[place][1] <= at:
            shown = " ".join(html[at : at + 40].split())
            raise BadInput(
                later(
                    "“%(shown)s” stands where nothing can be filled in: a style, a script, a comment, the name of a "
                    "tag, or an address of which it is the beginning"
                ),
                shown=shown,
            )
        at = html.find("{{", taken[place][1])
    return spots


def _runs(html: str) -> Iterator[list[tuple[int, int]]]:
    """The parts of the text that a reader sees as one, each cut into pieces by tags that stand inside words."""
    run: list[tuple[int, int]] = []
    at, raw = 0, False
    for start, end, name, _ in [*markup.tags(html), (len(html), len(html), "", {})]:
        if not raw:
            for hidden in _HIDDEN.finditer(html, at, start):
                run.append((at, hidden.start()))
                at = hidden.end()
            run.append((at, start))
        if name.removeprefix("/") not in _INSIDE_WORDS:
            yield run
            run = []
        at, raw = end, name in _RAW_TEXT


def _text_spots(html: str, run: list[tuple[int, int]]) -> Iterator[Spot]:
    text = "".join(html[start:end] for start, end in run)
    if "{{" not in text:
        return
    begins = list(accumulate((end - start for start, end in run), initial=0))
    for found in _found(text):
        pieces, at = [], found.start()
        while at < found.end():
            number = bisect_right(begins, at) - 1
            stop = min(begins[number + 1], found.end())
            begin = run[number][0] - begins[number]
            pieces.append((begin + at, begin + stop))
            at = stop
        yield Spot(tuple(pieces), found[1].lower(), _words(found[2]), escaping.escape)


def _attribute_spots(html: str, start: int, end: int) -> Iterator[Spot]:
    for name, value in markup.values(html, start, end):
        if name in _NEVER or name.startswith("on"):
            continue
        written = html[value.start : value.end]
        for found in _found(written):
            put: Callable[[str], str] | None = str
            if name in _ADDRESSES:
                put = _in_address(escaping.unescape(markup.strip_url(written[: found.start()])))
            if put is not None:
                piece = (value.start + found.start(), value.start + found.end())
                yield Spot((piece,), found[1].lower(), _words(found[2]), partial(_attribute, put, value.quote))


def _in_address(before: str) -> Callable[[str], str] | None:
    """How a value is written behind the beginning of an address; None: it would decide what kind of address it is."""
    if not before:
        return _whole
    if _OPEN_HOST.fullmatch(before):
        return _host
    if _MAIL.fullmatch(before):
        return partial(quote, safe="@+")
    return partial(quote, safe="") if _FIXED_HOST.fullmatch(before) or _MAIL_FIELDS.fullmatch(before) else None


def _whole(value: str) -> str:
    if value and not _WHOLE.fullmatch(value):
        raise BadInput(
            later("a link begins with this value, so it has to be a whole address such as https://example.org/")
        )
    return quote(value, safe=_WHOLE_SAFE)


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise BadInput(later("a link names its server with this value, so it has to be a name such as example.org"))
    return value


def _attribute(put: Callable[[str], str], quoted: str, value: str) -> str:
    written = escaping.escape(put(value))
    if quoted:
        return written
    # Without quotation marks, nothing at all would make the next attribute the value of this one.
    return _ENDS_UNQUOTED.sub(lambda found: f"&#{ord(found[0])};", written) or "&#32;"


def _words(otherwise: str | None) -> str | None:
    return None if otherwise is None else escaping.unescape(otherwise)
