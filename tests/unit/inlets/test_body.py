from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from unsealed.inlets import body


def request(pieces: list[bytes]) -> Request:
    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    heard: Callable[[], Awaitable[dict[str, Any]]] = receive
    return Request({"type": "http", "method": "POST", "headers": []}, heard)


@pytest.mark.parametrize("pieces", [[b""], [b"abcd"], [b"ab", b"", b"cd"]])
async def test_a_body_of_the_longest_length_is_read_however_it_comes(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)

    assert whole == await body.read(request(pieces), 4)


async def test_what_is_longer_is_not_read_to_its_end() -> None:
    pieces = [b"abc", b"de", b"never", b"read"]

    assert await body.read(request(pieces), 4) is None
    assert [b"never", b"read"] == pieces
