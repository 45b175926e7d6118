from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.patience import PATIENCE_S

from unsealed.model.errors import Refused
from unsealed.outlets.dial import dial

SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "localhost",
    "0.0.0.0", "0", "::1", "::ffff:127.0.0.1", "::", "10.1", "0xa.0.0.1", "192.168.1", "169.254.169.254",
    "2852039166", "0xA9FEA9FE", "fe80::1", "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip


class Resolver:
    """Names lead where the test says; each answer is given once, then the next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[tuple[str, int]]) -> None:
        self.answers = list(answers)
        self.asked = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.look_up)

    async def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        found = self.answers.pop(0)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address, port in found
        ]


async def test_a_socket_is_connected(listening: Callable[[], socket.socket]) -> None:
    server = listening()
    made = await dial("localhost", server.getsockname()[1], inside=True, timeout_s=PATIENCE_S)

    assert made.getpeername() == server.getsockname()
    made.close()


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_inner_address_is_connected_to(host: str) -> None:
    with pytest.raises((Refused, OSError)) as caught:
        await dial(host, 25, inside=False, timeout_s=PATIENCE_S)

    # A spelling that this system's resolver does not know is as good as refused.
    assert isinstance(caught.value, Refused | socket.gaierror)


async def test_one_inner_address_among_others_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, [("192.0.2.1", 25), ("10.0.0.1", 25)])
    with pytest.raises(Refused, match="private network"):
        await dial("mx.example", 25, inside=False, timeout_s=PATIENCE_S)

    assert resolver.asked == 1


async def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, listening: Callable[[], socket.socket]
) -> None:
    server = listening()
    port = server.getsockname()[1]
    resolver = Resolver(monkeypatch, [("127.0.0.1", port)], [("10.0.0.1", port)])
    monkeypatch.setattr("unsealed.outlets.dial.is_public", lambda address: address == "127.0.0.1")
    made = await dial("flips.example", port, inside=False, timeout_s=PATIENCE_S)

    assert made.getpeername() == ("127.0.0.1", port)
    assert resolver.asked == 1  # what it would answer next does not matter
    made.close()


async def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, listening: Callable[[], socket.socket], free_port: Callable[[], int]
) -> None:
    port = listening().getsockname()[1]
    Resolver(monkeypatch, [("127.0.0.1", free_port()), ("127.0.0.1", port)])
    made = await dial("two.example", 25, inside=True, timeout_s=PATIENCE_S)

    assert made.getpeername()[1] == port
    made.close()


async def test_nobody_there_is_said_as_it_is(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial("127.0.0.1", free_port(), inside=True, timeout_s=PATIENCE_S)
    Resolver(monkeypatch, [])
    with pytest.raises(socket.gaierror):
        await dial("empty.example", 25, inside=True, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_cannot_be_looked_up_is_not_known(host: str) -> None:
    with pytest.raises(socket.gaierror):
        await dial(host, 25, inside=True, timeout_s=PATIENCE_S)
