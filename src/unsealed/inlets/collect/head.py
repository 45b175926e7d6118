"""What the head of an HTTP/1.1 request says, as far as a hit records it.

Promises that a head which two programs could read in two ways is a fault; and that no text comes out which is invisible
or longer than 512 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from unsealed.inlets.collect.answers import DEVICE_COOKIE
from unsealed.store.journal import encode_request

_PREFETCH: Final = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
_SEC_FETCH: Final = (b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-fetch-user")
_NAME: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110 §5.6.2
_TOKEN: Final = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_FIELD_BYTES: Final = 512
_DEVICE_BYTES: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What a block of header lines says."""

    usual: bool = False  # without fault, for HTTP/1.1, and the connection is kept
    fault: bool = False  # malformed, ambiguous, or it announces a body
    host: bool = False
    close: bool = False
    forwarded: str | None = None
    request: bytes = b""  # journal.encode_request


def read_headers(block: bytes) -> Headers:
    """block: header lines without the last line end."""
    lines = block.split(b"\r\n") if block else []
    breaks = max(0, len(lines) - 1)
    if block.count(b"\n") != breaks or block.count(b"\r") != breaks or b"\0" in block:
        return Headers(fault=True)
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or name.translate(None, _NAME):
            return Headers(fault=True)
        if name not in headers:
            headers[name] = value.strip(b" \t")
        elif name == b"x-forwarded-for":
            headers[name] += b"," + value
        elif name in (b"host", b"content-length"):  # whoever stands before us may have read the other one
            return Headers(fault=True)
    get = headers.get
    if get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        return Headers(fault=True)
    language, forwarded = get(b"accept-language"), get(b"x-forwarded-for")
    sec_fetch = [_visible(get(name, b"")) for name in _SEC_FETCH]
    host, close = b"host" in headers, b"close" in get(b"connection", b"").lower()
    return Headers(
        usual=host and not close,
        host=host,
        close=close,
        forwarded=None if forwarded is None else forwarded.decode("latin-1"),
        request=encode_request(
            user_agent=_visible(get(b"user-agent", b"")),
            accept=_visible(get(b"accept", b"")),
            accept_language=None if language is None else _visible(language),
            referer_host=_host_of(get(b"referer", b"")),
            prefetch=_visible(next((headers[name] for name in _PREFETCH if name in headers), b"")),
            sec_fetch=_cut("/".join(sec_fetch)) if any(sec_fetch) else "",
            device=_device_of(headers[b"cookie"]) if b"cookie" in headers else "",
        ),
    )


def _visible(value: bytes) -> str:
    """Text that any log, page and journal can hold: control and other invisible characters are written as escapes, at
    most 512 bytes of UTF-8."""
    if value.isascii():
        text = value.decode("ascii")
    else:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    if not text.isprintable():
        text = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
        )
    return _cut(text)


def _cut(text: str) -> str:
    if len(text) * 4 <= _FIELD_BYTES:
        return text
    return text.encode()[:_FIELD_BYTES].decode(errors="ignore")


def _host_of(referer: bytes) -> str:
    """The host that a Referer names, without user and port; "" when it names none."""
    _, found, rest = referer.partition(b"://")
    if not found:
        return ""
    for end in (b"/", b"?", b"#"):
        rest = rest.partition(end)[0]
    host = rest.rpartition(b"@")[2]
    if host[:1] == b"[":
        host = host.partition(b"]")[0] + b"]"
    else:
        host = host.partition(b":")[0]
    return _visible(host.lower())


def _device_of(cookies: bytes) -> str:
    """What the cookie of a sender's own browser says; "" when there is none that we could have set."""
    for cookie in cookies.split(b";"):
        name, _, value = cookie.strip(b" \t").partition(b"=")
        if name == DEVICE_COOKIE:
            return value.decode() if len(value) <= _DEVICE_BYTES and not value.translate(None, _TOKEN) else ""
    return ""


def path_of_absolute(target: bytes) -> bytes:
    """RFC 9112 §3.2.2: a request through a proxy names the whole URL."""
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return b""
    return b"/" + rest.partition(b"/")[2]
