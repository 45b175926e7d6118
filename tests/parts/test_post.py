from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from tests.parts.push_service import PushService

from unsealed.model.errors import DeliveryFailed
from unsealed.outlets import post as posting
from unsealed.outlets.post import Answer, checked, post

INSIDE = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "017700000001",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fc00::1]",
    "[fe80::1]",
    "[ff02::1]",
]


@pytest.mark.parametrize("host", INSIDE)
async def test_nothing_inside_is_asked_however_it_is_spelt(host: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        await post(f"https://{host}/x", {}, b"")

    # Some resolvers do not know such a spelling: then nobody is asked either.
    assert not caught.value.temporary or "gaierror" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example/x",
        "https://push.example:8443/x",
        "https://me:pw@push.example/x",
        "file:///etc/passwd",
        "gopher://push.example/",
        "https:///x",
        "https://push.example/\r\nHost: evil",
        "https://push.example/a b",
        "https://[::1/x",
        "https://push.example:x/",
        "https://püsh.example/",
        "",
    ],
)
def test_only_plain_https_addresses_may_be_asked(url: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        checked(url)

    assert not caught.value.temporary


async def test_a_name_is_asked_for_once_and_all_its_addresses_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answer(_: object, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("93.184.215.14", port)), (0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", answer)
    with pytest.raises(DeliveryFailed, match="private"):
        await post("https://rebind.example/x", {}, b"")

    assert ["rebind.example"] == asked


async def test_an_address_that_nobody_answers_at_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: object, host: str, port: int, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("127.0.0.2", port)), (0, 0, 0, "", ("127.0.0.1", port))]

    async with PushService() as service:
        monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", answer)

        assert Answer(201) == await post(service.endpoint.replace("127.0.0.1", "push.example"), {}, b"x", private=True)


async def test_the_certificate_is_asked_for_by_name_while_the_connection_goes_to_the_address() -> None:
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(served)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 201 Created\r\nRetry-After: 7\r\n\r\n" + bytes(200_000))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    try:
        answer = await post(f"https://localhost:{port}/a?b=c", {"TTL": "1"}, b"x", private=True, tls=trusted)
        assert Answer(201, retry_after="7") == answer
        with pytest.raises(DeliveryFailed, match="certificate"):
            await post(f"https://localhost:{port}/", {}, b"x", private=True)
    finally:
        server.close()
    assert heads[0].startswith(f"POST /a?b=c HTTP/1.1\r\nHost: localhost:{port}\r\n")


async def test_who_does_not_answer_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch, listening: Callable[[], socket.socket]
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.1)
    silent = listening().getsockname()[1]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for port in (closed.getsockname()[1], silent):
            with pytest.raises(DeliveryFailed) as caught:
                await post(f"http://127.0.0.1:{port}/", {}, b"", private=True)
            assert caught.value.temporary


async def test_a_redirect_is_an_answer_and_no_way() -> None:
    async with PushService(answers=[307]) as service:
        assert Answer(307) == await post(service.endpoint, {}, b"x", private=True)
        assert 1 == len(service.pushed)
