"""Loads a submission server: several connections at once, each sending one message after the other.

Every command waits for its answer, as common mail programs do. Whatever is not accepted ends the measurement.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import uvloop

from bench.messages import RECIPIENT, SENDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one load found."""

    messages: int
    seconds: float  # from the first connection until the last 250
    waits_s: Sequence[float]  # end of data -> 250, per message

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


def send(port: int, messages: Sequence[bytes], *, connections: int, login: tuple[str, str] | None = None) -> Sent:
    """Submit every message once and wait for every 250.

    login: address and password for AUTH PLAIN, None for a server that trusts loopback.
    """
    return uvloop.run(load(port, messages, connections=connections, login=login))


async def load(port: int, messages: Sequence[bytes], *, connections: int, login: tuple[str, str] | None = None) -> Sent:
    """`send` for a running event loop."""
    pending = iter(messages)
    waits: list[float] = []
    begun = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_converse(port, pending, waits, login))
    return Sent(messages=len(messages), seconds=perf_counter() - begun, waits_s=waits)


async def _converse(port: int, pending: Iterator[bytes], waits: list[float], login: tuple[str, str] | None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(line: bytes, expected: bytes) -> None:
        if line:
            writer.write(line + b"\r\n")
        answer = await reader.readline()
        while answer[3:4] == b"-":
            answer = await reader.readline()
        if not answer.startswith(expected):
            raise ConnectionError(f"{line[:40]!r} was answered with {answer!r}")

    await say(b"", b"220")
    await say(b"EHLO bench.example", b"250")
    if login is not None:
        await say(b"AUTH PLAIN " + b64encode("\0{}\0{}".format(*login).encode()), b"235")
    for message in pending:
        await say(f"MAIL FROM:<{SENDER}>".encode(), b"250")
        await say(f"RCPT TO:<{RECIPIENT}>".encode(), b"250")
        await say(b"DATA", b"354")
        begun = perf_counter()
        await say(message.replace(b"\r\n.", b"\r\n..") + b".", b"250")
        waits.append(perf_counter() - begun)
    await say(b"QUIT", b"221")
    writer.close()
    await writer.wait_closed()
