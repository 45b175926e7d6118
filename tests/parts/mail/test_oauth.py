from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from unsealed.model.errors import DeliveryFailed, TokenRefused
from unsealed.model.upstream import OAuth
from unsealed.outlets import oauth as module
from unsealed.outlets.oauth import AccessTokens

GOOD = {"access_token": "ya29.good", "expires_in": 3600, "token_type": "Bearer"}


class Endpoint:
    """A token endpoint that answers as the test says; `answer` is a whole HTTP response, or what to put into one."""

    def __init__(self) -> None:
        self.answer: Any = GOOD
        self.status = 200
        self.forms: list[dict[str, list[str]]] = []
        self.heads: list[str] = []
        self._server: asyncio.Server | None = None
        self._stop = asyncio.Event()

    async def start(self, tls: ssl.SSLContext | None = None) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._serve, sock=listening, ssl=tls)
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        self._stop.set()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            self.forms.append(parse_qs((await reader.readexactly(size)).decode()))
            if self.answer == "hang":
                await self._stop.wait()
            elif isinstance(self.answer, bytes):
                writer.write(self.answer)
            else:
                body = json.dumps(self.answer).encode()
                lines = f"HTTP/1.1 {self.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                writer.write(f"{lines}\r\nConnection: close\r\n\r\n".encode() + body)
            with suppress(ConnectionError):
                await writer.drain()
        writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    yield made
    await made.stop()


class Store:
    """Keeps refresh tokens; another process may have put one there."""

    def __init__(self) -> None:
        self.oauth: OAuth | None = None

    async def newest(self) -> OAuth | None:
        return self.oauth

    async def keep(self, oauth: OAuth) -> None:
        self.oauth = oauth


def tokens(
    port: int,
    *,
    inside: bool = True,
    tls: ssl.SSLContext | None = None,
    path: str = "/token",
    kept: Store | None = None,
) -> AccessTokens:
    scheme = "http" if tls is None else "https"
    return AccessTokens(
        OAuth(
            token_url=f"{scheme}://localhost:{port}{path}",
            client_id="our id",
            client_secret="hush & co",
            refresh_token="1//again+again",
        ),
        inside=inside,
        kept=kept,
        tls_context=tls,
    )


async def failure(of: AccessTokens) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await of.get()
    assert caught.value.temporary
    assert "hush" not in str(caught.value)
    assert "again" not in str(caught.value)
    return str(caught.value)


async def test_a_refresh_token_is_exchanged_once_while_the_access_token_is_good(endpoint: Endpoint) -> None:
    ours = tokens(await endpoint.start(), path="/token?tenant=x")

    assert ["ya29.good"] * 3 == [await ours.get(), *await asyncio.gather(ours.get(), ours.get())]
    assert endpoint.forms == [
        {
            "grant_type": ["refresh_token"],
            "refresh_token": ["1//again+again"],
            "client_id": ["our id"],
            "client_secret": ["hush & co"],
        }
    ]
    assert endpoint.heads[0].startswith("POST /token?tenant=x HTTP/1.1\r\n")


async def test_it_goes_over_tls_that_is_verified(
    endpoint: Endpoint, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    port = await endpoint.start(server_tls)

    assert await tokens(port, tls=client_tls).get() == "ya29.good"
    assert "CERTIFICATE_VERIFY_FAILED" in await failure(tokens(port, tls=ssl.create_default_context()))


async def test_a_token_that_ended_or_was_refused_is_asked_for_again(endpoint: Endpoint) -> None:
    ours = tokens(await endpoint.start())
    await ours.get()
    ours.forget()
    endpoint.answer = GOOD | {"access_token": "second", "expires_in": 1e-9}
    assert await ours.get() == "second"
    endpoint.answer = GOOD | {"access_token": "third"}

    assert await ours.get() == "third"
    assert len(endpoint.forms) == 3


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "Token has been\r\n revoked."},
            "invalid_grant Token has",
        ),
        (400, {}, "answered 400: without saying why"),
        (200, {"token_type": "Bearer"}, "answered 200"),
        (200, {"access_token": "a\r\nb"}, "answered 200"),
        (200, {"access_token": 7}, "answered 200"),
        (200, [1], "something that is no token"),
        (302, GOOD, "answered 302"),
        (200, b"HTTP/1.1 200 OK\r\n\r\n<html>", "something that is no token"),
        (200, b"HTTP/1.1 307 Go\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", "answered 307"),
        (200, b"SSH-2.0-x\r\n", "could not be asked"),
        (200, b"", "could not be asked"),
        (200, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000, "something that is no token"),
    ],
)
async def test_what_is_no_token_is_said_in_words(endpoint: Endpoint, status: int, answer: Any, words: str) -> None:
    endpoint.status, endpoint.answer = status, answer
    said = await failure(tokens(await endpoint.start()))

    assert words in said
    assert "\r" not in said
    assert len(endpoint.forms) == 1


@pytest.mark.parametrize(("status", "refused"), [(400, True), (401, True), (404, False), (429, False), (503, False)])
async def test_a_refused_refresh_token_is_told_apart_from_trouble_there(
    endpoint: Endpoint, status: int, refused: bool
) -> None:
    endpoint.status, endpoint.answer = status, {"error": "no"}
    with pytest.raises(DeliveryFailed) as said:
        await tokens(await endpoint.start()).get()

    assert refused is isinstance(said.value, TokenRefused)
    assert said.value.temporary


async def test_an_endpoint_that_says_our_secrets_again_is_not_repeated(endpoint: Endpoint) -> None:
    endpoint.status = 400
    endpoint.answer = {"error": "bad", "error_description": "no such token: 1//again+again of hush & co"}

    assert (await failure(tokens(await endpoint.start()))).endswith("answered 400: bad no such token: … of …")


async def test_an_answer_in_chunks_is_read(endpoint: Endpoint) -> None:
    body = json.dumps(GOOD).encode()
    endpoint.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    assert await tokens(await endpoint.start()).get() == "ya29.good"


async def test_an_endpoint_that_is_silent_is_left(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    endpoint.answer = "hang"

    assert "did not answer in time" in await failure(tokens(await endpoint.start()))


async def test_an_inner_endpoint_is_for_those_who_may(endpoint: Endpoint, client_tls: ssl.SSLContext) -> None:
    port = await endpoint.start()

    assert "private network" in await failure(tokens(port, inside=False))
    assert endpoint.forms == []


async def test_nobody_there(free_port: Any) -> None:
    assert "could not be asked" in await failure(tokens(free_port()))


async def test_a_new_refresh_token_is_kept_and_used_the_next_time(endpoint: Endpoint) -> None:
    store = Store()
    mine = tokens(await endpoint.start(), kept=store)
    endpoint.answer = GOOD | {"refresh_token": "second"}
    assert "ya29.good" == await mine.get()
    kept = store.oauth
    mine.forget()
    await mine.get()
    assert kept is not None
    store.oauth = replace(kept, refresh_token="of another process")
    mine.forget()
    await mine.get()

    assert ("our id", "hush & co", "second") == (kept.client_id, kept.client_secret, kept.refresh_token)
    assert ["1//again+again", "second", "of another process"] == [form["refresh_token"][0] for form in endpoint.forms]


@pytest.mark.parametrize("given", [None, "", 5, "two\nlines", "é", "x" * 5000, "1//again+again"])
async def test_what_is_no_new_refresh_token_is_passed_over(endpoint: Endpoint, given: object) -> None:
    store = Store()
    mine = tokens(await endpoint.start(), kept=store)
    endpoint.answer = GOOD | {"refresh_token": given}
    await mine.get()
    mine.forget()
    await mine.get()

    assert store.oauth is None
    assert ["1//again+again"] * 2 == [form["refresh_token"][0] for form in endpoint.forms]


async def test_without_a_store_a_new_refresh_token_lives_as_long_as_the_connection(endpoint: Endpoint) -> None:
    mine = tokens(await endpoint.start())
    endpoint.answer = GOOD | {"refresh_token": "second"}
    await mine.get()
    mine.forget()
    await mine.get()

    assert "second" == endpoint.forms[1]["refresh_token"][0]
