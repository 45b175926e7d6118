"""Messages, tracking and independent readers for the tests of instrumentation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unsealed.core.instrument import Tracking

BASE = "https://t.sender.example"


class OneKey:
    """A key ring of one key that never changes."""

    newest = 7

    def key(self, key_id: int) -> bytes | None:
        return bytes(range(64)) if key_id == self.newest else None


@pytest.fixture(scope="session")
def tracking() -> Tracking:
    return Tracking(base_url=BASE, keys=OneKey(), key_id=OneKey.newest)


@pytest.fixture(scope="session")
def letter() -> Callable[..., bytes]:
    """`letter(html)` is a whole message with that HTML as its only part."""

    def build(body: bytes | str, charset: str = "utf-8", encoding: str = "8bit", head: str = "") -> bytes:
        content = body.encode(charset) if isinstance(body, str) else body
        return (
            f"From: Ann <ann@sender.example>\r\nTo: bob@reader.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n{head}"
            f"Content-Type: text/html; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        ).encode() + content

    return build
