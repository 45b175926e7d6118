"""Tracking tokens: seal what a pixel, a link or a sender's own browser stands for; open it again without a database.

Promises that a token opens for ever with the key that sealed it, that it has exactly one spelling, that nothing about
the recipient or the destination can be read in it, and that no other string opens. The same input gives the same token.
Does not know addresses, messages or time; tokens do not expire.

Layout, before base64url without padding:

    version u8 = 1 | key id u8 | AES-SIV of the claims (16 bytes of tag, then as long as the claims)

    claims of a pixel   flags u8 | copy u64
    claims of a link    flags u8 | copy u64 | position varint | destination, UTF-8, packed
    claims of a device  flags u8 | device u64 | where the browser returns to, as a destination; nothing in a cookie

    packed              with PHRASES as one byte each, for no destination holds bytes below 0x20; or raw deflate with
                        DICTIONARY. The first byte tells: only that of PHRASES has its three lowest bits set, for
                        RFC 1951 §3.2.3 reserves the block type 3
    flags               of pixels and links: bits 0 to 2: model.policy.Level; bit 3: a link; of devices: bit 4 alone

Integers are big-endian, the varint is LEB128. Version and key id are authenticated too (associated data). The tokens of
a pixel and of a cookie have 36 characters. This module never changes what version 1 means: mail lives longer than
programs.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from unsealed.model.errors import BadInput, BadToken
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.model.ports import Keys

VERSION = 1
MAX_DESTINATION_BYTES = 8192
MAX_TOKEN_CHARACTERS = 7000  # common proxies refuse a request line of 8 kB or more

# Part of version 1 for ever. zlib prefers what stands near the end, so the most frequent pieces come last.
DICTIONARY = (
    b"xn--.onion.museum.travel.agency.online.store.shop.cloud.tech.info.biz.name.pro.app.dev.ai.me.tv.us.ca.au.in.jp"
    b".cn.ru.br.mx.es.it.pl.se.no.fi.dk.be.at.ch.cz.nl.fr.co.uk.eu.de.edu.gov.io.net.org"
    b"linkedin.com/company/facebook.com/twitter.com/x.com/instagram.com/youtube.com/watch?v=youtu.be/t.me/wa.me/"
    b"github.com/docs.google.com/document/d/drive.google.com/file/d/calendar.google.com/calendar/forms.gle/zoom.us/j/"
    b"calendly.com/maps.google.com/medium.com/wikipedia.org/wiki/amazon.com/dp/apple.com/us/app/play.google.com/store/"
    b"apps/details?id=apps.apple.com/s3.amazonaws.com/cdn.shopify.com/mailto:teams.microsoft.com/l/meetup-join/"
    b"&mc_cid=&mc_eid=&_hsenc=&_hsmi=&fbclid=&gclid=&token=&email=&lang=&locale=&page=&sort=&ref=&source=&type=&name="
    b"&q=&s=&p=&v=&t=?q=?s=?p=?v=?t=?ref=?id=&id=?lang=?page=?token=%20%2B%2F%3A%3D%40%2C%C3%E2%80"
    b"newsletter_unsubscribe_preferences_confirm_account_settings_profile_login_signup_register_password_download_"
    b"/about/contact/privacy/terms/help/support/faq/pricing/product/products/category/collections/blog/news/article/"
    b"articles/events/event/jobs/careers/team/docs/documents/en/de/fr/en-us/en-gb/api/v1/v2/assets/images/static/files/"
    b"2023/2024/2025/2026/2027/-and--the--for--with--how-to-.html.htm.php.aspx.pdf.png.jpg.zip/index.html"
    b"&utm_id=&utm_term=&utm_content=&utm_campaign=newsletter&utm_medium=email?utm_source=newsletter&utm_medium=email"
    b"&utm_campaign=https://shop.https://blog.https://app.https://docs.https://mail.http://www.https://www..com/https://"
)

# Part of version 1 for ever: the byte that stands for a phrase. Each phrase begins with a character that addresses have
# seldom, so that looking for them costs little.
PHRASES = {
    0x07: b"https://www.",
    0x0F: b"https://",
    0x17: b"http://www.",
    0x1F: b"http://",
    0x00: b"?utm_source=newsletter&utm_medium=email&utm_campaign=",
    0x01: b"?utm_source=",
    0x02: b"&utm_source=",
    0x03: b"?utm_medium=email",
    0x04: b"&utm_medium=email",
    0x05: b"?utm_medium=",
    0x06: b"&utm_medium=",
    0x08: b"?utm_campaign=",
    0x09: b"&utm_campaign=",
    0x0A: b"&utm_content=",
    0x0B: b"&utm_term=",
    0x0C: b"&utm_id=",
    0x0D: b"%3A%2F%2F",
    0x0E: b"%2F",
    0x10: b"%20",
    0x11: b".co.uk/",
    0x12: b".com/",
    0x13: b".org/",
    0x14: b".net/",
    0x15: b".html",
    0x16: b".pdf",
    0x18: b"/products/",
    0x19: b"/articles/",
    0x1A: b"/pages/",
    0x1B: b"/blog/",
    0x1C: b"/news/",
    0x1D: b"/docs/",
    0x1E: b"?id=",
}
_CODES = {phrase: bytes([code]) for code, phrase in PHRASES.items()}
_PHRASE = re.compile(b"|".join(map(re.escape, sorted(_CODES, key=len, reverse=True))))
_CODE = re.compile(rb"[\x00-\x1f]")
_BEGINNING = 0x07  # bits that are set in what stands for the beginning of a link, and nowhere else
# Up to so many bytes, and where phrases take a quarter off, they make a link about as short as deflate does, in a fifth
# of the time: deflate makes codes of its own for each, which only longer ones are worth.
_SHORT = 160
# A small window covers the dictionary and costs a fraction of the usual set-up; every inflater reads it. Kept with the
# dictionary read, and copied for each link.
_DEFLATE = zlib.compressobj(9, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
_LEVEL = 0x07
_LINK = 0x08
_DEVICE = 0x10
_LEVELS = tuple(Level)
_UNSAFE = "not a destination that a redirect may lead to"
_ID_END = 9  # flags and id
_SHORTEST = 2 + 16 + _ID_END
_LONGEST = MAX_TOKEN_CHARACTERS * 3 // 4 - _SHORTEST  # bytes behind the id that a token can carry


class Claims(NamedTuple):
    """What a token says."""

    copy: CopyId
    level: Level
    link: int | None = None  # position of the link in the message; None: the pixel
    destination: str = ""  # as written in the message


def seal_pixel(keys: Keys, key_id: int, copy: CopyId, level: Level) -> str:
    """The token of the pixel of one copy: 36 characters of A-Z a-z 0-9 - _.

    Raises:
        BadInput: permanent; no such key.
    """
    return _sealer(keys, key_id, _head(level, copy))(b"").decode("ascii")


def seal_click(keys: Keys, key_id: int, copy: CopyId, level: Level, link: int, destination: str) -> str:
    """The token of one link of one copy; it carries the destination exactly as written.

    Raises:
        BadInput: permanent; the destination is not safe or too long (leave the link alone), or no such key.
    """
    if not safe_destination(destination):
        raise BadInput(_UNSAFE)
    return link_sealer(keys, key_id, copy, level)(pack_click(link, destination)).decode("ascii")


def pack_click(link: int, destination: str) -> bytes:
    """What the tokens of one link say in every copy: most of the work of sealing it, to be done once for all copies.

    destination: one that `safe_destination` accepts; tokens of any other would never open.

    Raises:
        BadInput: permanent; the destination is too long (leave the link alone).
    """
    packed = _varint(link) + _packed(destination)
    if len(packed) > _LONGEST:
        raise BadInput(f"the token would be longer than {MAX_TOKEN_CHARACTERS} characters")
    return packed


def packed_size(packed: bytes) -> int:
    """How many characters the tokens of that link have."""
    return ((_SHORTEST + len(packed)) * 4 + 2) // 3


def link_sealer(keys: Keys, key_id: int, copy: CopyId, level: Level) -> Callable[[bytes], bytes]:
    """Makes the tokens of the links of one copy, of what `pack_click` returned for each.

    Raises:
        BadInput: permanent; no such key.
    """
    return _sealer(keys, key_id, _head(level | _LINK, copy))


def seal_device(keys: Keys, key_id: int, device: int, back: str) -> str:
    """The token of one of the sender's own browsers, 36 characters without `back`.

    device: 0 to 2**63 - 1.
    back: where a browser that shows this token is sent; "" for the token that it keeps.

    Raises:
        BadInput: permanent; `back` is not safe or too long, or no such key.
    """
    if back and not safe_destination(back):
        raise BadInput(_UNSAFE)
    token = _sealer(keys, key_id, _head(_DEVICE, device))(_packed(back) if back else b"")
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise BadInput(f"the token would be longer than {MAX_TOKEN_CHARACTERS} characters")
    return token.decode("ascii")


def open_token(keys: Keys, token: str) -> Claims:
    """What the token says. No I/O; about 3 µs for a pixel.

    Raises:
        BadToken: permanent; not sealed by this installation, another spelling, or an unsafe destination.
    """
    claims = _unseal(keys, _written(token))
    _check(claims)
    flags = claims[0]
    copy, level = CopyId(int.from_bytes(claims[1:_ID_END], "big")), _LEVELS[flags & _LEVEL]
    if not flags & _LINK:
        return Claims(copy=copy, level=level)
    link, destination = _read_link(claims[_ID_END:])
    return Claims(copy=copy, level=level, link=link, destination=destination)


def open_target(keys: Keys, token: bytes) -> str | None:
    """Where the token leads, None for a pixel: `open_token` for one who answers requests and judges nothing, of what
    he was asked for.

    Raises:
        BadToken: as `open_token`.
    """
    claims = _unseal(keys, token)
    _check(claims)
    return _read_link(claims[_ID_END:])[1] if claims[0] & _LINK else None


def open_device(keys: Keys, token: str) -> tuple[int, str]:
    """The browser that the token names, and where it returns to.

    Raises:
        BadToken: permanent; not the token of a device that this installation sealed.
    """
    claims = _unseal(keys, _written(token))
    if claims[0] != _DEVICE:
        raise BadToken
    packed = claims[_ID_END:]
    return int.from_bytes(claims[1:_ID_END], "big"), _unpacked(packed) if packed else ""


def key_of(token: str) -> int:
    """The id of the key that the token names, without opening it.

    Raises:
        BadToken: permanent; not a token of this version, or another spelling.
    """
    return _decode(_written(token))[1]


def safe_destination(url: str) -> bool:
    """Whether a redirect may lead there: http or https, a host, no user, no control character, no backslash.

    Spaces and non-ASCII letters after the host are fine: people write such links and browsers open them. Names of hosts
    may be international as far as each letter is one that a host can have. When in doubt, no: the link is left alone.
    """
    if _COMMON.fullmatch(url):
        return True
    if not _sound(url):
        return False
    host, _ = _place(url)
    return host.isascii() or _ascii_host(host) is not None


@lru_cache(maxsize=512)  # as those of `_read_link`
def redirect_location(destination: str) -> bytes:
    """The destination as a Location header: pure ASCII, no space, quote or angle bracket.

    Encodes as a browser would (UTF-8 and percent, hosts in Punycode) and leaves the rest to the browser, so that it
    ends up where the written link led. What is percent-encoded already stays as it is.

    destination: one that `open_token` returned.
    """
    if not destination.isascii():
        host = _place(destination)[0]
        start = destination.index("://") + 3
        # None: sealed by a Python that knows more letters than this one. Browsers decode a percent-encoded host.
        destination = destination[:start] + (_ascii_host(host) or host) + destination[start + len(host) :]
    written = destination.encode()
    if not written.translate(None, _HEADER_SAFE):
        return written
    return b"".join(_PERCENT[byte] for byte in written)


_TO_URL = bytes.maketrans(b"+/", b"-_")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# For the decoder that refuses foreign characters: what is not of our alphabet becomes one.
_TO_STANDARD = bytes(byte if byte in _ALPHABET else 0 for byte in range(256)).translate(bytes.maketrans(b"-_", b"+/"))
# By the length of a token modulo 4: what the decoder wants to see at the end, and last letters without unused bits.
_PADDING = (b"", b"===", b"==", b"=")
_LAST = (_ALPHABET, b"", _ALPHABET[::16], _ALPHABET[::4])
_HEADER_SAFE = bytes(byte for byte in range(0x21, 0x7F) if byte not in b'"<>')
_PERCENT = [bytes([byte]) if byte in _HEADER_SAFE else b"%%%02X" % byte for byte in range(256)]
_CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), ord("\\")]))
_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - {"\\"}
_HOST_ASCII = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
# What nearly every link looks like, and safe by each of the rules: told in an eighth of the time.
_COMMON = re.compile(r"[hH][tT][tT][pP][sS]?://[a-zA-Z0-9_-][a-zA-Z0-9._-]*+(?::[0-9]{1,4})?(?:[/?#][!-\[\]-~]*+)?")


def _head(flags: int, copy_or_device: int) -> bytes:
    return bytes([flags]) + copy_or_device.to_bytes(8, "big")


def _sealer(keys: Keys, key_id: int, begin: bytes) -> Callable[[bytes], bytes]:
    """Makes tokens of claims that begin like that, of the rest of each."""
    key = keys.key(key_id)
    if key is None:
        raise BadInput(f"there is no key {key_id}")
    encrypt = _cipher(key).encrypt
    head = bytes([VERSION, key_id])
    associated = [head]

    def seal(rest: bytes) -> bytes:
        raw = head + encrypt(begin + rest, associated)
        return b2a_base64(raw, newline=False).translate(_TO_URL, b"=")

    return seal


def _written(token: str) -> bytes:
    return token.encode("ascii", "replace")  # what cannot be part of a token becomes something that cannot either


def _unseal(keys: Keys, token: bytes) -> bytes:
    raw = _decode(token)
    key = keys.key(raw[1])
    if key is None:
        raise BadToken
    try:
        return _cipher(key).decrypt(raw[2:], [raw[:2]])
    except InvalidTag:
        raise BadToken from None


@lru_cache(maxsize=256)  # one for each key id
def _cipher(key: bytes) -> AESSIV:
    return AESSIV(key)


def _decode(token: bytes) -> bytes:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise BadToken
    unused = len(token) % 4
    try:
        raw = a2b_base64(token.translate(_TO_STANDARD) + _PADDING[unused], strict_mode=True)
    except ValueError:
        raise BadToken from None
    # The decoder ignores unused last bits: only one spelling is ours.
    if len(raw) < _SHORTEST or raw[0] != VERSION or (unused and token[-1] not in _LAST[unused]):
        raise BadToken
    return raw


def _check(claims: bytes) -> None:
    flags = claims[0]
    if flags & ~(_LINK | _LEVEL) or flags & _LEVEL >= len(_LEVELS) or (len(claims) != _ID_END and not flags & _LINK):
        raise BadToken


@lru_cache(maxsize=512)  # all copies of a message lead to the same places: three fifths of the work, done once for all
def _read_link(packed: bytes) -> tuple[int, str]:
    link, start = _read_varint(packed, 0)
    return link, _unpacked(packed[start:])


@lru_cache(maxsize=256)  # picture, headline and button lead to the same page, and all letters have the same foot
def _packed(destination: str) -> bytes:
    written = destination.encode()
    if len(written) <= _SHORT:
        short = _PHRASE.sub(_code, written)
        if short[0] & _BEGINNING == _BEGINNING and len(short) * 4 <= len(written) * 3:  # not so of "HTTPS://"
            return short
    if len(written) > MAX_DESTINATION_BYTES:
        raise BadInput(f"the destination is longer than {MAX_DESTINATION_BYTES} bytes")
    deflate = _DEFLATE.copy()
    return deflate.compress(written) + deflate.flush()


def _code(phrase: re.Match[bytes]) -> bytes:
    return _CODES[phrase[0]]


def _unpacked(packed: bytes) -> str:
    try:
        if packed[:1] and packed[0] & _BEGINNING == _BEGINNING:
            written = _CODE.sub(_phrase, packed)
        else:
            written = _inflated(packed)
        destination = written.decode()
    except (zlib.error, UnicodeDecodeError):
        raise BadToken from None
    if len(written) > MAX_DESTINATION_BYTES or not _sound(destination):
        raise BadToken
    return destination


def _phrase(code: re.Match[bytes]) -> bytes:
    return PHRASES[code[0][0]]


def _inflated(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(-15, DICTIONARY)
    written = inflate.decompress(packed, MAX_DESTINATION_BYTES + 1)
    if not inflate.eof or inflate.unused_data:
        raise BadToken
    return written


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(raw):
            break
        byte = raw[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise BadToken


def _sound(url: str) -> bool:
    """The part of `safe_destination` that every version of Unicode agrees on: a sealed link must never die of an
    older Python, so only this is asked again when a token is opened."""
    if _COMMON.fullmatch(url):
        return True
    if url[:8].lower() != "https://" and url[:7].lower() != "http://":
        return False
    if url[-1] == " " or not (_PLAIN.issuperset(url) or _has_no_controls(url)):
        return False
    host, port = _place(url)
    if port and (port[0] != ":" or len(port) > 6 or (port != ":" and not _is_port(port[1:]))):
        return False
    if host[:1] == "[":
        return _is_ipv6(host)
    if not _HOST_ASCII.issuperset(host.lower()):
        return all(letter in _HOST_ASCII or letter > "\x7f" for letter in host.lower())
    return host.strip(".") != ""


def _has_no_controls(url: str) -> bool:
    try:
        url.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return _CONTROLS.isdisjoint(url)


def _is_port(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and int(digits) <= 65535


def _place(url: str) -> tuple[str, str]:
    """The host, and what follows it before the path: a port with its colon, nothing, or something wrong."""
    authority = url[url.index("://") + 3 :]
    for end in "/?#":
        authority = authority.partition(end)[0]
    end_of_host = authority.find("]") + 1 if authority[:1] == "[" else authority.find(":")
    if end_of_host <= 0 and authority[:1] != ":":
        return authority, ""
    return authority[:end_of_host], authority[end_of_host:]


def _is_ipv6(host: str) -> bool:
    try:
        return host[-1] == "]" and "%" not in host and IPv6Address(host[1:-1]) is not None
    except AddressValueError:
        return False


def _ascii_host(host: str) -> str | None:
    """The Punycode form, as browsers make it (UTS 46, non-transitional: sharp s stays); None when it has none."""
    # Letter by letter: lower() of a whole word would choose the final form of a Greek sigma.
    mapped = unicodedata.normalize("NFKC", "".join(letter.lower() for letter in host)).replace("\u3002", ".")
    labels = []
    for label in mapped.split("."):
        if label.isascii():
            if not _HOST_ASCII.issuperset(label):
                return None
            labels.append(label)
            continue
        if any(letter not in _HOST_ASCII and unicodedata.category(letter)[0] not in "LMN" for letter in label):
            return None
        if unicodedata.category(label[0])[0] == "M" or label[:4] == "xn--":
            return None
        labels.append("xn--" + label.encode("punycode").decode())
    if max(map(len, labels)) > 63:
        return None
    return ".".join(labels)
