"""What the collector answers: the same bytes for everybody, whoever asks."""

from __future__ import annotations

from typing import Final

DEVICE_COOKIE: Final = b"unsealed_me"

GIF: Final = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00"
    b"\x01\x00\x00\x02\x02D\x01\x00;"
)
NEVER_KEPT: Final = b"Cache-Control: no-cache, no-store, max-age=0, must-revalidate, private\r\n"
# Mail proxies of the older kind heed Pragma and Expires alone.
PIXEL: Final = (
    b"Content-Type: image/gif\r\nCross-Origin-Resource-Policy: cross-origin\r\nPragma: no-cache\r\n"
    b"Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n" + NEVER_KEPT
)
END: Final = b"\r\n\r\n"
NO_ROBOTS: Final = b"X-Robots-Tag: noindex, nofollow\r\n"
PAGE: Final = (
    b"Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
    b"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n" + NO_ROBOTS + NEVER_KEPT
)
REDIRECT: Final = b"Referrer-Policy: no-referrer\r\n" + NO_ROBOTS + NEVER_KEPT
JSON: Final = b"Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n" + NEVER_KEPT
TEXT: Final = b"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
ALLOW: Final = b"Allow: GET, HEAD\r\n" + NEVER_KEPT
METHODS: Final = (b"GET", b"HEAD")
NOT_FOUND: Final = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    b"<title>Not found</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:28rem;"
    b"padding:0 1rem;color-scheme:light dark}</style><h1>Not found</h1>"
    b"<p>There is nothing at this address. It may have been damaged on its way.</p></html>\n"
)
# Mail is read inside the pages of others, where browsers send only cookies that say None, and they take those by https.
COOKIE: Final = b"Set-Cookie: " + DEVICE_COOKIE + b"=%b; Max-Age=34560000; Path=/; HttpOnly; %b\r\n"  # 400 days
HTTPS_COOKIE: Final = b"SameSite=None; Secure"
HTTP_COOKIE: Final = b"SameSite=Lax"
ROBOTS: Final = b"User-agent: *\nDisallow: /\n"


def whole(status: bytes, date: bytes, headers: bytes, body: bytes, *, head: bool = False, close: bool = False) -> bytes:
    """A whole answer; `head` leaves out the body and nothing else."""
    return b"HTTP/1.1 %b\r\nDate: %b\r\n%bContent-Length: %d\r\n%b\r\n%b" % (
        status,
        date,
        headers,
        len(body),
        b"Connection: close\r\n" if close else b"",
        b"" if head else body,
    )
