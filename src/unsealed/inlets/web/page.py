"""One way to make a page: the templates, and the static files under addresses that change with their content.

A template gets `around` (Surroundings), `person` (who is signed in, or None), `csrf` (for the hidden field of every
form), `path`, `said` (moments.Times: moments in words, in the reader's zone), `static(name)`, `has_editor` and the
modules of `WORDING` besides what the page passes. Everything is escaped; there is no inline script and no inline style.
Pages inside the app extend `frame.html`, pages outside (sign in, welcome, errors) `plain.html`.

Each language has an environment of its own, so that macros know it too: `texts`, `say`, `plural` and `within` are its
own, and so is what `{% trans %}` says.
"""

from __future__ import annotations

import gzip
import hashlib
import json
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

from unsealed.inlets.web import evidence, moments, recipient, states, stored, words
from unsealed.inlets.web.surroundings import surroundings
from unsealed.model.texts import Texts

ZONE_LETTERS = 64
WORDING = {  # what puts values into words, by the name that templates call it
    "evidence": evidence,
    "moments": moments,
    "recipient": recipient,
    "states": states,
    "stored": stored,
    "words": words,
}
HERE = Path(__file__).parent
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is answered."""

    content: bytes
    packed: bytes  # gzip
    digest: str  # stands in the address, so that the file may be cached for ever
    media_type: str


def _kept(content: bytes, suffix: str) -> StaticFile:
    return StaticFile(
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
        digest=hashlib.sha256(content).hexdigest()[:12],
        media_type=MEDIA_TYPES[suffix],
    )


# The editor of the page for writing lies in a folder of its own, when `make install` could fetch it.
STATIC = {
    path.name: _kept(path.read_bytes(), path.suffix)
    for path in sorted((HERE / "static").rglob("*"))
    if path.suffix in MEDIA_TYPES
}


def static(name: str) -> str:
    """The address of a static file."""
    return f"/static/{STATIC[name].digest}/{name}"


@lru_cache(maxsize=64)
def _sentences(texts: Texts) -> StaticFile:
    """What scripts say in a language, as a script: a policy without inline scripts allows it, and it is kept."""
    table = json.dumps(texts.scripts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _kept(f"globalThis.sentences = {table};\n".encode(), ".js")


def sentences(texts: Texts) -> str:
    """The address of what scripts say in a language."""
    return f"/static/{_sentences(texts).digest}/sentences-{texts.code}.js"


async def static_file(request: Request) -> Response:
    """`/static/{digest}/{name}`: the file, for ever. An old digest gets the present file, without the promise."""
    name = request.path_params["name"]
    file = STATIC.get(name)
    language = surroundings(request).languages.known.get(name.removeprefix("sentences-").removesuffix(".js"))
    if file is None and language is not None:
        file = _sentences(language)
    if file is None:
        raise HTTPException(404)
    kept = "public, max-age=31536000, immutable" if request.path_params["digest"] == file.digest else "no-cache"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@lru_cache(maxsize=64)
def templates(texts: Texts) -> Environment:
    """The templates in a language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(  # type: ignore[attr-defined]  # the extension brings it
        texts.one, texts.several, newstyle=True, pgettext=texts.within_context
    )
    made.globals.update(texts=texts, say=texts.say, plural=texts.plural, within=texts.within)
    made.globals.update(static=static, sentences=sentences, has_editor="editor.js" in STATIC)
    made.globals.update(WORDING)
    made.filters.update(seen=words.visible, host=lambda address: urlsplit(address).netloc)
    return made


def render(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A page. Never stored by a cache on the way."""
    person = getattr(request.state, "person", None)  # not set where an error came before the guard
    body = (
        templates(language(request))
        .get_template(template)
        .render(
            around=surroundings(request),
            person=person,
            csrf=person.csrf if person else "",
            path=request.scope["path"],
            said=said(request),
            **context,
        )
    )
    return HTMLResponse(body, status)


def language(request: Request) -> Texts:
    """The language of this reader: chosen in the settings, else the one that the browser asks for."""
    person = getattr(request.state, "person", None)
    chosen = person.language if person is not None else ""
    return surroundings(request).languages.of(chosen, request.headers.get("accept-language", ""))


def said(request: Request) -> moments.Times:
    """Moments in the words of this reader; live.js tells the browser's zone in a cookie."""
    zone = _zone(request.cookies.get("zone", ""))
    return moments.Times(surroundings(request).clock(), zone, language(request))


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
