"""Readers and machines for the sandbox: real requests to the collector, with the looks of known programs.

A request goes to the collector over its private socket, where X-Forwarded-For is believed, and from there on walks the
same path as any other hit. Addresses are from documentation ranges (RFC 5737) where a person reads, from the ranges
that the provider really uses where a machine's network is part of the evidence. Changes nothing and judges nothing.
"""

from __future__ import annotations

import email
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from unsealed.core.token import open_token
from unsealed.model.errors import BadToken, Unavailable
from unsealed.model.message import CopyId
from unsealed.model.ports import Keys

TIMEOUT_S = 5.0
LINKS_AT_ONCE = 30  # of a link scanner: more would not make the burst any clearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A program that loads the picture, as it looks from outside."""

    name: str
    symbol: str  # of icons.svg
    address: str
    headers: dict[str, str] = field(default_factory=dict)
    follows_links: bool = False  # loads every link as well


PICTURES = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
OLD_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.88 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"

READERS = {
    "thunderbird": Reader(
        name="Thunderbird",
        symbol="desktop",
        address="203.0.113.24",
        headers={
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0",
            "Accept": PICTURES,
            "Accept-Language": "en-GB,en;q=0.5",
        },
    ),
    "gmail": Reader(
        name="Gmail",
        symbol="devices",
        address="66.249.84.33",
        headers={
            "User-Agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "Accept": "*/*",
        },
    ),
    "apple": Reader(
        name="Apple Mail, privacy on",
        symbol="unknown",
        address="172.224.226.17",
        headers={"User-Agent": "Mozilla/5.0", "Accept": "image/*,*/*;q=0.8"},
    ),
    "outlook": Reader(
        name="Outlook",
        symbol="desktop",
        address="198.51.100.66",
        headers={
            "User-Agent": "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; .NET4.0C; .NET4.0E; "
            "Microsoft Outlook 16.0.17928; ms-office; MSOffice 16)",
            "Accept": "*/*",
            "Accept-Language": "en-US",
        },
    ),
    "phone": Reader(
        name="Phone",
        symbol="phone",
        address="203.0.113.140",
        headers={
            "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Mobile/15E148",
            "Accept": "image/webp,image/avif,image/*;q=0.8,*/*;q=0.5",
            "Accept-Language": "en-GB,en;q=0.9",
        },
    ),
    "mail-scanner": Reader(
        name="Mail scanner",
        symbol="scanner",
        address="64.235.150.21",
        headers={"User-Agent": "Barracuda Sentinel (EE)", "Accept": "*/*"},
    ),
    "link-scanner": Reader(
        name="Link scanner",
        symbol="scanner",
        address="40.94.16.20",
        headers={"User-Agent": OLD_CHROME, "Accept": "*/*"},
        follows_links=True,
    ),
}

CLICKERS = {
    "person": Reader(
        name="Person",
        symbol="desktop",
        address="203.0.113.24",
        headers={
            "User-Agent": FIREFOX,
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "en-GB,en;q=0.5",
            "Sec-Fetch-Site": "none",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-User": "?1",
        },
    ),
    "scanner": Reader(
        name="Scanner",
        symbol="scanner",
        address="40.94.16.20",
        headers={"User-Agent": OLD_CHROME, "Accept": "*/*"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trackers:
    """What a delivered copy would ask the collector for, found by reading it: paths on the tracking host."""

    pixel: str = ""
    links: dict[int, str] = field(default_factory=dict)  # path by position of the link


def trackers(raw: bytes, copy: CopyId, base: str, keys: Keys) -> Trackers:
    """Find the tracking picture and links of this copy; those of other messages, in quoted text, are not its own."""
    wanted = re.compile(re.escape(base) + r"(/([oc])/([A-Za-z0-9_-]+)(?:\.gif)?)")
    pixel, links = "", {}
    for text in _texts(raw):
        for path, kind, token in wanted.findall(text):
            try:
                claims = open_token(keys, token)
            except BadToken:
                continue
            if claims.copy != copy:
                continue
            if kind == "o" and claims.link is None:
                pixel = path
            elif kind == "c" and claims.link is not None:
                links[claims.link] = path
    return Trackers(pixel=pixel, links=links)


def _texts(raw: bytes) -> Iterable[str]:
    for part in email.message_from_bytes(raw).walk():
        if part.get_content_maintype() == "text":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload.decode("ascii", "replace")


def load(reader: Reader, found: Trackers, *, collector: Path, base: str) -> None:
    """Let a reader open the copy: the picture, and every link where it is one that follows them.

    Raises:
        Unavailable: temporary; the collector does not answer.
    """
    paths = [found.pixel] if found.pixel else []
    if reader.follows_links:
        paths += list(found.links.values())[:LINKS_AT_ONCE]
    request(paths, reader, collector=collector, base=base)


def request(paths: Sequence[str], reader: Reader, *, collector: Path, base: str) -> None:
    """Ask the collector for these paths, one after the other on one connection.

    Raises:
        Unavailable: temporary; the collector does not answer.
    """
    connection = _Private(collector)
    headers = {"Host": urlsplit(base).netloc, "X-Forwarded-For": reader.address, **reader.headers}
    try:
        for path in paths:
            connection.request("GET", path, headers=headers)
            connection.getresponse().read()
    except (OSError, HTTPException) as error:
        raise Unavailable("the collector does not answer; nothing was loaded") from error
    finally:
        connection.close()


class _Private(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("collector", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))
