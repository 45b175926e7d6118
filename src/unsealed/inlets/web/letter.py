"""A letter for a frame: the HTML (or text) of a message as a page of its own that can do nothing and load nothing.

The wall is the Content-Security-Policy of that response: `sandbox` without any allowance (no scripts, no forms, no
top navigation, an origin of its own), `default-src 'none'`. Behind it, elements that load or lead elsewhere without
being asked are taken out of service, since a policy does not cover every hint (preconnect) in every browser.
Pictures that the message carries itself (`cid:`) are put in as `data:` while they are small.
"""

from __future__ import annotations

import base64
import email
import html as escaping
import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message

from starlette.responses import HTMLResponse, Response

from unsealed.core import header
from unsealed.core.envelope import addresses
from unsealed.model.message import LinkPart
from unsealed.model.texts import Texts
from unsealed.model.view import LinkRow

CARRIED_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
CARRIED_MAX = 512 * 1024  # bytes of one picture
CARRIED_TOTAL_MAX = 2 * 1024 * 1024
PAGE_MAX = 8 * 1024 * 1024  # characters: one picture may be shown a thousand times
HEAD_MAX = 500
TEXT_MAX = 4 * 1024 * 1024  # characters of a letter shown

QUIET = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'"
)
WITH_PICTURES = QUIET.replace("img-src data:", "img-src data: https: http:")

# Elements that load, embed or redirect by themselves. An unknown element with the same content takes their place.
OUT_OF_SERVICE = re.compile(
    r"<(/?)(?=(?:link|base|script|iframe|frame|frameset|object|embed|applet|meta|form|portal|audio|video|source|track"
    r"|fencedframe)(?:[\s/>]|$))",
    re.IGNORECASE,
)
# What a letter would ask for from outside. The policy stops it; not even asking keeps the browser's console silent and
# its signs of broken pictures away. Possessive, and no "<" inside: linear also on letters made to be slow.
ASKS = re.compile(
    r"(<(?:img\b[^<>]*?(?<=[\s\"'/])(?=src\s*+=\s*+[\"']?+\s*+(?!data:)|srcset\s*+=)"
    r"|(?:body|table|thead|tbody|t[rdh])\b[^<>]*?(?<=[\s\"'/])(?=background\s*+=)))",
    re.IGNORECASE,
)
STYLE = re.compile(r"<(?:style\b[^<]*|[a-z][^<>]*)", re.IGNORECASE)
ASKS_IN_STYLE = re.compile(r"\burl\(\s*+([\"']?+)\s*+(?:https?:)?//", re.IGNORECASE)
# Links lead nowhere from inside the frame, with the keyboard neither.
LEADS = re.compile(r"(<(?:a|area)\b[^<>]*?(?<=[\s\"'/]))(?=(?:xlink:)?href\s*+=)", re.IGNORECASE)
# The head of a link up to the end of its address, without "<a": linear, as no "<" is inside.
LINK = re.compile(r"<a(?=\s)([^<>]*?(?<=[\s\"'/])href\s*+=\s*+(\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>]++))", re.IGNORECASE)
DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
# No "<" inside, so that each tag is looked at once: linear also on a letter of nothing but "<img ".
REMOTE_PICTURE = re.compile(r"<img\b[^<>]*\bsrc\s*+=\s*+[\"']?+\s*+https?:", re.IGNORECASE)
CID = re.compile(r"\bcid:([^\s\"'<>)]{1,250})", re.IGNORECASE)

# Our own sheet comes first, so that the letter's own style wins.
SHEET = (
    "<style>:root{color-scheme:light;background:#fff;color:#161a26}"
    "body{margin:24px 32px;overflow-wrap:break-word;"
    "font:16px/1.5625 Charter,'Iowan Old Style','Palatino Linotype',P052,'Noto Serif',Georgia,serif}"
    "img{max-width:100%}x-script{display:none}"
    # A picture that is not loaded: a box with its words, over the sign of a broken picture that browsers put there.
    "img[x-src]:not([width='1'],[height='1']){position:relative;display:inline-block;vertical-align:bottom;"
    "min-width:2em;min-height:1.75em;outline:1px dashed #757c8c;outline-offset:-1px}"
    "img[x-src]:not([width='1'],[height='1'])::before{content:attr(alt);position:absolute;inset:1px;padding:0 .375em;"
    "overflow:hidden;background:#fff;color:#474e60;font:13px/1.9 system-ui,sans-serif}"
    "pre{white-space:pre-wrap;font:inherit;margin:0}"
    "[x-href]{color:#0000ee;text-decoration:underline}"
    "a[x-clicks]::after{content:attr(x-clicks);display:inline-block;margin-inline-start:.375em;padding:0 .375em;"
    "border:1px dashed #757c8c;border-radius:4px;background:#fff;color:#474e60;text-decoration:none;white-space:nowrap;"
    "font:500 12px/17px Inter,system-ui,sans-serif;text-indent:0;letter-spacing:0;text-transform:none}"
    "a[x-clicks][x-counts]::after{border-style:solid;border-color:#161a26;color:#161a26}"
    "</style>"
)


def html(raw: bytes, texts: Texts, links: Sequence[LinkRow] = ()) -> str:
    """The page that shows a message: its HTML, or else its text. Never raises on broken mail.

    links: of the message; in HTML each gets a mark with what came of it: solid when a person followed it, else dashed.
    """
    parsed = email.message_from_bytes(raw)
    readable = [part for part in parsed.walk() if part.get_content_disposition() != "attachment"]
    found = next((part for part in readable if part.get_content_type() == "text/html"), None)
    if found is None:
        plain = next((part for part in readable if part.get_content_type() == "text/plain"), None)
        text = texts.say("There is no readable text in this letter.") if plain is None else _text(plain)[:TEXT_MAX]
        return f"<!doctype html>{SHEET}<pre>{escaping.escape(text)}</pre>"
    text = _tamed(_marked(_text(found), links, texts))
    if "cid:" in text.lower():
        text = _with_carried(text, parsed)
    return _on_paper(text)


def framed(text: str) -> str:
    """The page that shows HTML which is no message yet."""
    return _on_paper(_tamed(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What a mail program shows above a letter."""

    subject: str
    sender: str
    to: str


def letterhead(raw: bytes, texts: Texts) -> Letterhead:
    """The visible head of a message; what cannot be read of it stands there as it is written."""
    found: dict[str, bytes] = {}
    for item in header.fields(raw):
        found.setdefault(item.name, item.value)
    words = {name: header.decoded(value)[:HEAD_MAX] for name, value in found.items()}
    sender = next(addresses(found.get("from", b"")), ())
    to = [name or address for field in ("to", "cc") for name, address in addresses(found.get(field, b""))]
    if not to and not words.get("to", "").endswith(";"):  # a group that names nobody
        to = [words.get("to", "")]
    return Letterhead(
        subject=words.get("subject", ""),
        sender=", ".join(filter(None, sender)) or words.get("from", ""),
        to=", ".join(to)[:HEAD_MAX] or texts.say("undisclosed recipients"),
    )


def has_remote_pictures(page: str) -> bool:
    """Whether the letter asks for pictures from outside; the tracking picture counts, as it does for a mail program."""
    return REMOTE_PICTURE.search(page) is not None


def response(page: str, *, pictures: bool = False) -> Response:
    """The page behind its wall. pictures: whether it may load pictures from outside."""
    if not pictures:
        page = _asking_nothing(page)
    return HTMLResponse(
        page.encode("utf-8", "replace"),
        headers={
            "Content-Security-Policy": WITH_PICTURES if pictures else QUIET,
            "Referrer-Policy": "no-referrer",
            "X-DNS-Prefetch-Control": "off",
        },
    )


def _asking_nothing(page: str) -> str:
    for _ in ("src", "srcset"):
        page = ASKS.sub(r"\1x-", page)
    return STYLE.sub(lambda found: ASKS_IN_STYLE.sub(r"url(\1data:,", found[0]), page)


def source(raw: bytes, name: str) -> Response:
    """The bytes of a message as a file to keep: never shown, never run."""
    return Response(
        raw,
        media_type="text/plain",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset("utf-8")
    try:
        return payload.decode(charset, "replace")
    except (LookupError, ValueError):  # a charset that nobody knows
        return payload.decode("utf-8", "replace")


def _marked(text: str, links: Sequence[LinkRow], texts: Texts) -> str:
    """With an attribute on each link that the sheet shows behind it. Links are known by where they lead, and several to
    one place by their order."""
    by_place: defaultdict[str, deque[LinkRow]] = defaultdict(deque)
    for row in links:
        if row.link.part is LinkPart.HTML:
            by_place[row.link.destination].append(row)

    def mark(found: re.Match[str]) -> str:
        rows = by_place.get(escaping.unescape(found[2].strip("\"'")).strip())
        return f"<a {_said(rows.popleft(), texts)}{found[1]}" if rows else found[0]

    return LINK.sub(mark, text[:TEXT_MAX]) if links else text


def _said(row: LinkRow, texts: Texts) -> str:
    if row.people:
        said = texts.plural("%(number)s click", "%(number)s clicks", row.people)
    elif not row.link.tracked:
        said = texts.say("not tracked")
    else:
        said = texts.say("machines only") if row.machine else texts.say("no click")
    return f'x-clicks="{escaping.escape(said)}"' + (" x-counts" if row.people else "")


def _tamed(text: str) -> str:
    return LEADS.sub(r"\1x-", OUT_OF_SERVICE.sub(r"<\1x-", text[:TEXT_MAX]))


def _on_paper(text: str) -> str:
    # A doctype stays first, or the letter would be laid out in another mode than in a mail program.
    doctype = DOCTYPE.match(text)
    end = doctype.end() if doctype else 0
    return text[:end] + SHEET + text[end:]


def _with_carried(text: str, parsed: Message) -> str:
    """Put pictures that lie in the message in the place of their `cid:` addresses."""
    carried: dict[str, str] = {}
    total = 0
    for part in parsed.walk():
        name = str(part.get("Content-ID", "")).strip().strip("<>")
        if not name or part.get_content_type() not in CARRIED_TYPES:
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes) or len(payload) > CARRIED_MAX or total + len(payload) > CARRIED_TOTAL_MAX:
            continue
        total += len(payload)
        carried[name] = f"data:{part.get_content_type()};base64,{base64.b64encode(payload).decode()}"
    room = PAGE_MAX

    def put(found: re.Match[str]) -> str:
        nonlocal room
        picture = carried.get(escaping.unescape(found[1]), found[0])
        room -= len(picture)
        return picture if room >= 0 else found[0]

    return CID.sub(put, text)
