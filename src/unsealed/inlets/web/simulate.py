"""Readers and machines for the sandbox: real requests to the collector, with the looks of known programs (web.looks).

A request goes to the collector over its private socket, where X-Forwarded-For is believed, and from there on walks the
same path as any other hit. Changes nothing and judges nothing.
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
from unsealed.inlets.web.looks import Look
from unsealed.model.errors import BadToken, Unavailable
from unsealed.model.message import CopyId
from unsealed.model.ports import Keys
from unsealed.model.texts import later

TIMEOUT_S = 5.0
LINKS_AT_ONCE = 30  # of a link scanner: more would not make the burst any clearer


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


def load(look: Look, found: Trackers, *, collector: Path, base: str) -> None:
    """Let a program open the copy: the picture, and every link where it is one that follows them.

    Raises:
        Unavailable: temporary; the collector does not answer.
    """
    paths = [found.pixel] if found.pixel else []
    if look.follows_links:
        paths += list(found.links.values())[:LINKS_AT_ONCE]
    request(paths, look, collector=collector, base=base)


def request(paths: Sequence[str], look: Look, *, collector: Path, base: str) -> None:
    """Ask the collector for these paths, one after the other on one connection.

    Raises:
        Unavailable: temporary; the collector does not answer.
    """
    connection = _Private(collector)
    always = {"Host": urlsplit(base).netloc, "X-Forwarded-For": look.address}
    try:
        for path in paths:
            if look.asks_first:
                connection.request("HEAD", path, headers=always | {"User-Agent": look.asks_first})
                connection.getresponse().read()
            connection.request(look.method, path, headers=always | look.headers)
            connection.getresponse().read()
    except (OSError, HTTPException) as error:
        raise Unavailable(later("the collector does not answer; nothing was loaded")) from error
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
