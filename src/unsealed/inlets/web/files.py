"""The static files, under addresses that change with their content, so that each may be kept for ever."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from unsealed.inlets.web.surroundings import surroundings
from unsealed.model.texts import Texts

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)  # without slots, so that it can keep what is packed
class StaticFile:
    """One file as it is answered."""

    content: bytes
    digest: str  # stands in the address, so that the file may be cached for ever
    media_type: str

    @cached_property
    def packed(self) -> bytes:
        """gzip; when it is first asked for, so that no start waits for it."""
        return gzip.compress(self.content, 9, mtime=0)


def _kept(content: bytes, suffix: str) -> StaticFile:
    return StaticFile(
        content=content,
        digest=hashlib.sha256(content).hexdigest()[:12],
        media_type=MEDIA_TYPES[suffix],
    )


# The editor of the page for writing lies in a folder of its own, when `make install` could fetch it.
STATIC = {
    path.name: _kept(path.read_bytes(), path.suffix)
    for path in sorted((Path(__file__).parent / "static").rglob("*"))
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
