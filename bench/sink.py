"""An SMTP server that takes everything and keeps nothing: the next hop of the side-by-side measurements.

Fast enough never to be what is measured: no threads, no parsing of messages. Runs as its own process, so that every
candidate meets the same one. Speaks plain SMTP with PIPELINING; it never refuses.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import TracebackType
from typing import cast

import uvloop

from bench import ROOT

_EHLO = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
    b"250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
)
_END = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One connection."""

    messages = 0  # taken by all connections of this process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._buffer = bytearray()
        self._in_data = False
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answers = bytearray()
        while True:
            if self._in_data:
                # Only the new octets and four before them can hold the end of the message.
                end = self._buffer.find(_END, max(0, len(self._buffer) - len(data) - 4))
                if end < 0:
                    break
                del self._buffer[: end + len(_END)]
                self._in_data = False
                Session.messages += 1
                answers += b"250 2.0.0 Ok: taken\r\n"
                data = bytes(self._buffer)  # whatever follows is all new
            else:
                end = self._buffer.find(b"\r\n")
                if end < 0:
                    break
                verb = bytes(self._buffer[:4]).upper()
                del self._buffer[: end + 2]
                answers += self._answer(verb)
        if answers:
            self._transport.write(bytes(answers))

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return _EHLO
        if verb == b"DATA":
            self._in_data = True
            self._buffer[:0] = b"\r\n"  # so that an empty message ends like any other
            return b"354 go ahead\r\n"
        if verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self._transport.close)
            return b"221 2.0.0 bye\r\n"
        return b"250 2.0.0 Ok\r\n"


class Sink:
    """The sink as a process of its own; `with Sink() as sink`."""

    def __enter__(self) -> Sink:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.port = self._ask("")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def taken(self) -> int:
        """How many messages were taken since the start."""
        return self._ask("count\n")

    def _ask(self, question: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question)
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


async def _serve() -> None:
    """Print the port; then print the count for every line on standard input, until it ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(Session.messages, flush=True)
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
