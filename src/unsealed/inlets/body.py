"""The body of a request, as far as somebody may send it."""

from __future__ import annotations

from starlette.requests import Request


async def read(request: Request, bytes_max: int) -> bytes | None:
    """The whole body; None when it is longer than that, and then no more of it is read."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            return None
    return bytes(body)
