"""The pages while very many others hold connections to them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

import pytest
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.walk

EACH = 200
ASKED = b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_connections_that_say_nothing_keep_nobody_from_a_page_and_are_ended(installation: Any) -> None:
    installation.start()

    with ExitStack() as held:
        silent, idle = (
            [
                held.enter_context(socket.create_connection(("127.0.0.1", installation.web), PATIENCE_S))
                for _ in range(EACH)
            ]
            for _ in range(2)
        )
        for connection in idle:
            connection.sendall(ASKED)
        answer = installation.get(installation.web, "/sign-in", Accept="text/html")
        ends = {connection.recv(1) for connection in silent}

    assert 200 == answer.status
    assert {b""} == ends
    installation.stop()
