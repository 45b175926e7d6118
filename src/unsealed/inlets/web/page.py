"""One way to make a page: the templates, and the static files under addresses that change with their content.

A template gets `around` (Surroundings), `person` (who is signed in, or None), `csrf` (for the hidden field of every
form), `path`, `said` (words.Times: moments in words, in the reader's zone), `words`, `static(name)` and `has_editor`
besides what the page passes. Everything is escaped; there is no inline script and no
inline style. Pages inside the app extend `frame.html`, pages outside (sign in, welcome, errors) `plain.html`.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from unsealed.inlets.web import words
from unsealed.inlets.web.surroundings import surroundings

ZONE_LETTERS = 64
HERE = Path(__file__).parent
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    packed: bytes  # gzip
    digest: str  # stands in the address, so that the file may be cached for ever
    media_type: str


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
        digest=hashlib.sha256(content).hexdigest()[:12],
        media_type=MEDIA_TYPES[path.suffix],
    )


# The editor of the page for writing lies in a folder of its own, when `make install` could fetch it.
STATIC = {path.name: _read(path) for path in sorted((HERE / "static").rglob("*")) if path.suffix in MEDIA_TYPES}


def static(name: str) -> str:
    """The address of a static file."""
    return f"/static/{STATIC[name].digest}/{name}"


async def static_file(request: Request) -> Response:
    """`/static/{digest}/{name}`: the file, for ever. An old digest gets the present file, without the promise."""
    file = STATIC.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    kept = "public, max-age=31536000, immutable" if request.path_params["digest"] == file.digest else "no-cache"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(static=static, has_editor="editor.js" in STATIC, words=words)
TEMPLATES.filters.update(seen=words.visible, host=lambda address: urlsplit(address).netloc)


def render(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A page. Never stored by a cache on the way."""
    person = getattr(request.state, "person", None)  # not set where an error came before the guard
    body = TEMPLATES.get_template(template).render(
        around=surroundings(request),
        person=person,
        csrf=person.csrf if person else "",
        path=request.scope["path"],
        said=said(request),
        **context,
    )
    return HTMLResponse(body, status)


def said(request: Request) -> words.Times:
    """Moments in the words of this reader; live.js tells the browser's zone in a cookie."""
    return words.Times(surroundings(request).clock(), _zone(request.cookies.get("zone", "")))


@lru_cache(maxsize=600)
def _zone(told: str) -> tzinfo:
    """The zone of a cookie such as "Europe/Lisbon~60": by name, or by minutes from UTC where there is no zone data."""
    name, _, minutes = unquote(told)[:ZONE_LETTERS].partition("~")
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        pass
    try:
        return timezone(timedelta(minutes=int(minutes)))
    except ValueError:
        return UTC
