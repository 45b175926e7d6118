"""Loads the tracking host at a fixed rate, whatever it answers when, as a mail program asks for pixels and links."""

from __future__ import annotations

import asyncio
import quopri
import re
from collections.abc import Callable, Sequence
from time import perf_counter

THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"
_CONNECTIONS = 32
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATH = re.compile(rb"(?:src|href)=\"http://[^/]+(/[oc]/[^\"]+)\"")


def paths_of(raw: bytes) -> list[bytes]:
    """The paths of the pixel (/o/) and the links (/c/) of a copy whose HTML part is quoted-printable."""
    found: list[bytes] = _PATH.findall(quopri.decodestring(raw))
    return found


def pixel_path(raw: bytes) -> bytes:
    """The path of the pixel of such a copy."""
    return next(path for path in paths_of(raw) if path.startswith(b"/o/"))


async def fire(
    port: int,
    paths: Sequence[bytes],
    *,
    rate: float,
    answered: Callable[[int, float], None],
    addresses: Sequence[str] = (),
) -> float:
    """Ask for every path once, `rate` per second, over kept connections; gives the worst lateness in seconds.

    answered: called with the index of the path and the time (perf_counter) when its answer was complete.
    addresses: what the readers' addresses are said to be, in turn, for a collector that trusts loopback as a proxy.
    """
    headers = f"Host: 127.0.0.1:{port}\r\nUser-Agent: {THUNDERBIRD}\r\nAccept: image/*\r\n".encode()
    forwarded = [f"X-Forwarded-For: {address}\r\n".encode() for address in addresses] or [b""]
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_CONNECTIONS)]
    for connection in opened:
        free.put_nowait(connection)

    async def ask(index: int) -> None:
        reader, writer = connection = await free.get()
        writer.write(b"GET " + paths[index] + b" HTTP/1.1\r\n" + headers + forwarded[index % len(forwarded)] + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 302")):
            raise ConnectionError(f"{paths[index]!r} was answered with {head[:60]!r}")
        answered(index, perf_counter())
        free.put_nowait(connection)

    begun = perf_counter()
    worst = 0.0
    try:
        async with asyncio.TaskGroup() as group:
            for index in range(len(paths)):
                due = begun + index / rate
                late = perf_counter() - due
                if late < 0:
                    await asyncio.sleep(-late)
                    late = perf_counter() - due
                worst = max(worst, late)
                group.create_task(ask(index))
    finally:  # also those whose answer nobody waits for any more
        for _, writer in opened:
            writer.close()
        for _, writer in opened:
            await writer.wait_closed()
    return worst
