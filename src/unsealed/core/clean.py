"""HTML of people, made safe to send and to put beside other HTML.

Two allowlists: what an editor makes, and what a whole letter may bring along when it is quoted. Promises that nothing
comes out that runs, loads, submits or reaches beyond its own place: no scripts, forms, frames, styles of the page or
event handlers, no addresses but of the web, of mail and of telephones, and of pictures that travel in the message.
Promises that the time is bounded, on HTML made to be slow too.

Works with the parser that browsers use, so what comes out is well-formed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import nh3

from unsealed.core.html import scan, strip_url, tags
from unsealed.model.errors import BadInput, Untouchable
from unsealed.model.texts import later

CHARACTERS = 2_000_000
DEPTH = 300  # elements inside elements; letters made of tables in tables have 40
PIECES = 100_000  # tags, and character references: the parser takes quadratic time for many in one run of text

Place = Callable[[str], str | None]  # the new address of a picture, by its address as written; None: it is left out

_TEXT = frozenset(
    "p br div span h1 h2 h3 h4 h5 h6 strong b em i u s strike del ins sub sup small code pre blockquote q hr ul ol li "
    "a img table caption colgroup col thead tbody tfoot tr td th figure figcaption".split()
)
_LETTER = _TEXT | frozenset("font center big tt dl dt dd address section article header footer main abbr".split())
_WITH_CONTENT = {"script", "style", "title", "textarea", "select", "noscript", "template", "svg", "math", "iframe"}
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}  # the last two are looked at in `_Cleaning`
_TEXT_STYLES = {"color", "background-color", "text-align"}
_LETTER_STYLES = _TEXT_STYLES | {
    *"font-family font-size font-style font-weight line-height letter-spacing text-decoration text-transform".split(),
    *"vertical-align white-space width max-width min-width height display direction".split(),
    *"border border-top border-right border-bottom border-left border-collapse border-spacing border-color".split(),
    *"border-radius border-style border-width margin margin-top margin-right margin-bottom margin-left".split(),
    *"padding padding-top padding-right padding-bottom padding-left list-style-type".split(),
}
_CELL = {"colspan", "rowspan"}
_TEXT_ATTRIBUTES = {
    "*": {"style", "dir", "lang"},
    "a": {"href", "title", "data-unsealed"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start", "type"},
    "td": _CELL,
    "th": _CELL,
}
_LOOKS = {"align", "valign", "bgcolor", "width", "height", "border", "cellpadding", "cellspacing"}
_LETTER_ATTRIBUTES = {
    **_TEXT_ATTRIBUTES,
    "*": {"style", "dir", "lang", "align"},
    **dict.fromkeys(("table", "tr"), _LOOKS),
    **dict.fromkeys(("td", "th"), _CELL | _LOOKS),
    "font": {"color", "face", "size"},
    "hr": {"size", "width", "color"},
}
_BACKGROUND = re.compile(r"(?<![^;])\s*background\s*:([^;]{0,300})", re.IGNORECASE)
_PICTURE = re.compile(r"""[a-z-]*\([^()]*\)|"[^"]*"|'[^']*'""", re.IGNORECASE)  # or what else stands in brackets
_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\([^()]*\)", re.IGNORECASE)
# What an abbreviated background says beside its colour, as words.
_NO_COLOURS = frozenset(
    "none repeat no-repeat repeat-x repeat-y space round scroll fixed local left right top bottom center auto cover "
    "contain border-box padding-box content-box text !important".split()
)
_WEB = re.compile(r"https?://[^\s]", re.IGNORECASE)
_LEADS = re.compile(r"(?:https?://|mailto:|tel:|#)[^\s]|\{\{", re.IGNORECASE)  # or a placeholder of a template
# Elements without an end, and those that end by themselves where the next one begins.
_SHALLOW = frozenset(
    "area base br col embed hr img input link meta source track wbr "
    "p li dt dd tr td th tbody thead tfoot option colgroup caption html head body".split()
)


def from_editor(html: str, picture: Place) -> str:
    """What somebody wrote in the editor. Of styles, colours and alignment stay.

    Raises:
        BadInput: larger, or nested deeper, than any letter.
    """
    return _cleaned(html, _TEXT, _TEXT_ATTRIBUTES, _TEXT_STYLES, picture)


def from_letter(html: str, picture: Place) -> str:
    """A whole letter, to be put into another one.

    Raises:
        BadInput: larger, or nested deeper, than any letter.
    """
    return _cleaned(html, _LETTER, _LETTER_ATTRIBUTES, _LETTER_STYLES, picture)


def _cleaned(
    html: str, allowed: frozenset[str], attributes: dict[str, set[str]], styles: set[str], picture: Place
) -> str:
    bounded(html)

    def kept(tag: str, name: str, value: str) -> str | None:
        if name == "src":
            return picture(value)
        if name == "href":
            return value if _LEADS.match(strip_url(value)) else None
        if name == "style":
            return _BACKGROUND.sub(_background_colour, value)
        if name == "data-unsealed":
            return "off" if value.strip().lower() == "off" else None
        return value

    return nh3.clean(
        html,
        tags=set(allowed),
        clean_content_tags=_WITH_CONTENT,
        attributes=attributes,
        attribute_filter=kept,
        filter_style_properties=styles,
        url_schemes=_SCHEMES,
        link_rel=None,
    )


def _background_colour(found: re.Match[str]) -> str:
    """Of an abbreviated background the colour: all else in it is a picture, and where that stands."""
    written = found[1]
    colour = next((each[0] for each in _COLOUR.finditer(written)), "")
    if not colour:
        words = _PICTURE.sub(" ", written).replace("/", " ").split()
        colour = next((word for word in words if word.isalpha() and word.lower() not in _NO_COLOURS), "")
    return f"background-color:{colour}" if colour else ""


def no_picture(_: str) -> None:
    """A `Place` for HTML that brings none."""


def is_web(address: str) -> bool:
    """Whether an address leads into the web, as a browser reads it."""
    return _WEB.match(strip_url(address)) is not None


def bounded(html: str) -> None:
    """Refuse what would take long.

    Raises:
        BadInput: larger, or nested deeper, than any letter; says which.
    """
    if len(html) > CHARACTERS:
        raise BadInput(later("the text has more than %(most)s characters; send it as a file"), most=CHARACTERS)
    try:
        end = scan(html).end
    except Untouchable:
        raise BadInput(
            later("the text has more links, or more pieces, than any letter; paste it as plain text")
        ) from None
    if end < len(html.rstrip()):  # a tag, a comment or a quoted value that never ends, or a tag of 2,000 attributes
        raise BadInput(
            later("the text is broken after %(number)s characters: what stands there never ends"), number=end
        )
    if html.count("&") > PIECES:
        raise BadInput(later("the text is made of more pieces than any letter; paste it as plain text"))
    open_now: Counter[str] = Counter()
    depth = 0
    for number, (_, _, tag, _) in enumerate(tags(html)):
        if number > PIECES:
            raise BadInput(later("the text is made of more pieces than any letter; paste it as plain text"))
        name = tag.removeprefix("/")
        if name in _SHALLOW:
            continue
        if not tag.startswith("/"):
            open_now[name] += 1
            depth += 1
            if depth > DEPTH:
                raise BadInput(later("the text is nested deeper than any letter; paste it as plain text"))

        elif open_now[name]:
            open_now[name] -= 1
            depth -= 1
