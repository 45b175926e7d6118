"""One POST to an address that somebody handed us, so that it reaches the Internet and nothing inside (SSRF).

Promises: https only, and the port is 443; the name is resolved once, every address that it has must be public, and the
connection goes to one of those very addresses, so a name that changes its answer gains nothing; the certificate is
verified for the name; redirects are not followed; no more than 64 kB of an answer are read, and none of it is shown.
`private=True` lifts the checks of addresses and ports, for who runs both ends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from unsealed.model.errors import DeliveryFailed
from unsealed.model.reach import is_public
from unsealed.model.texts import later

ANSWER_BYTES = 64 * 1024
TIMEOUT_S = 20.0
ADDRESSES = 4  # of one name that are tried at most
_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, whatever it is."""

    status: int
    retry_after: str = ""  # the header of that name, as it was written


def checked(url: str, *, private: bool = False) -> SplitResult:
    """The parts of an address that may be asked.

    Raises:
        DeliveryFailed: permanent; not https, another port, or with a name and password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _never(later("the address cannot be read")) from None
    if not parts.hostname or parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise _never(later("the address cannot be read"))
    if not private and (parts.scheme != "https" or port not in (None, 443)):
        raise _never(later("the address must begin with https:// and have no other port than 443"))
    if parts.scheme not in ("http", "https"):
        raise _never(later("the address must begin with https://"))
    return parts


async def post(
    url: str, headers: Mapping[str, str], body: bytes, *, private: bool = False, tls: ssl.SSLContext | None = None
) -> Answer:
    """Ask once.

    headers: ours, without line ends in them.

    Raises:
        DeliveryFailed: temporary when nobody answers; permanent when the address must not be asked.
    """
    parts = checked(url, private=private)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            addresses = await _resolve(host, port, private=private)
            context = (tls or ssl.create_default_context()) if secure else None
            name = host if secure else None
            reader, writer = await _first_open(addresses, port, context, name)
            try:
                writer.write(_request(parts, headers, body))
                await writer.drain()
                return await _answer(reader)
            finally:
                writer.close()
    except ssl.SSLCertVerificationError:
        raise DeliveryFailed(later("its certificate is not valid"), temporary=True) from None
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise DeliveryFailed(f"it does not answer ({type(error).__name__})", temporary=True) from None


async def _first_open(
    addresses: Sequence[str], port: int, context: ssl.SSLContext | None, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first that takes one: not every machine gets out by IPv6, and names have such addresses."""
    for address in addresses[:-1]:
        try:
            async with asyncio.timeout(TIMEOUT_S / len(addresses)):
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=name, limit=_HEAD_BYTES
                )
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, TimeoutError):
            continue
    return await asyncio.open_connection(addresses[-1], port, ssl=context, server_hostname=name, limit=_HEAD_BYTES)


async def _resolve(host: str, port: int, *, private: bool) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not private and not all(is_public(address) for address in addresses):
        raise _never(later("the address leads into a private network"))
    return addresses[:ADDRESSES]


def _request(parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _answer(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(first.partition(" ")[2][:3])  # RFC 9112 §4: HTTP-version SP status-code
    rest = ANSWER_BYTES
    while rest > 0 and (chunk := await reader.read(min(rest, 8192))):  # so that the other side can end in peace
        rest -= len(chunk)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(status, headers.get("retry-after", ""))


def _never(words: str) -> DeliveryFailed:
    return DeliveryFailed(words, temporary=False)
