"""Access tokens for mail servers that take no passwords: a refresh token is exchanged for one (RFC 6749 §6).

Promises that a token is asked for once while it is good, over TLS (on this machine also without), at no other address
than the one named: redirects are not followed. A new refresh token that comes along is kept before the access token is
used. Does not know how a refresh token is first had.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import cast
from urllib.parse import urlencode, urlsplit

from unsealed.model.errors import DeliveryFailed, Refused, TokenRefused
from unsealed.model.ports import RefreshTokens
from unsealed.model.upstream import OAuth, is_local
from unsealed.outlets.dial import dial

TIMEOUT_S = 20.0
ANSWER_BYTES = 64 * 1024
EARLY_S = 60.0  # a token is not used in its last minute
USUAL_LIFE_S = 300.0  # of a token that comes without a word about it: RFC 6749 §5.1 recommends one
REFRESH_TOKEN_LETTERS = 4096
WORDS_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    words: str = field(repr=False)
    good_until: float  # on the loop's clock


class AccessTokens:
    """The access token of one next hop or mailbox, asked for again when it ends.

    inside: whether the token endpoint may lie in a private network or on this machine. kept: where the refresh token
    is kept; None: nowhere but here. tls_context: other trust than the system's.
    """

    def __init__(
        self,
        oauth: OAuth,
        *,
        inside: bool,
        kept: RefreshTokens | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._oauth = oauth
        self._inside = inside
        self._kept = kept
        self._tls_context = tls_context
        self._token: _Token | None = None
        self._turn = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good now.

        Raises:
            TokenRefused: none is given out for this refresh token.
            DeliveryFailed: temporary; says what the endpoint said, never a secret.
        """
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._token is None or now >= self._token.good_until:
                self._token = await self._exchange(now)
            return self._token.words

    def forget(self) -> None:
        """The token was refused: ask for another next time."""
        self._token = None

    async def _exchange(self, now: float) -> _Token:
        if self._kept is not None:
            self._oauth = await self._kept.newest() or self._oauth
        url = urlsplit(self._oauth.token_url)
        host = url.hostname or ""
        try:
            status, body = await self._post(host, url.port, url.path or "/", url.query, secure=url.scheme == "https")
        except Refused as error:
            raise _no_token(str(error)) from error
        except TimeoutError as error:
            raise _no_token(f"{host} did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise _no_token(f"{host} could not be asked: {_one_line(str(error)) or type(error).__name__}") from error
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise _no_token(f"{host} answered {status} with something that is no token")
        token = said.get("access_token")
        if status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            # RFC 6749 §5.2: "error" is one word, "error_description" is for people
            words = self._masked(" ".join(str(said.get(key, "")) for key in ("error", "error_description")).strip())
            why = f"{host} answered {status}: {_one_line(words) or 'without saying why'}"
            raise _no_token(why, refused=status in (400, 401))
        await self._renew(said.get("refresh_token"))
        life = said.get("expires_in")
        life_s = float(life) if isinstance(life, int | float) and 0 < life < 1e9 else USUAL_LIFE_S
        return _Token(words=token, good_until=now + max(life_s - EARLY_S, life_s / 2))

    def _masked(self, words: str) -> str:
        """What the endpoint said, without what it was told."""
        for secret in (self._oauth.refresh_token, self._oauth.client_secret):
            words = words.replace(secret, "…") if secret else words
        return words

    async def _renew(self, given: object) -> None:
        """Hold on to the refresh token that came along; the one before may be good no longer."""
        if not isinstance(given, str) or not 0 < len(given) <= REFRESH_TOKEN_LETTERS:
            return
        if not given.isascii() or not given.isprintable() or given == self._oauth.refresh_token:
            return
        self._oauth = replace(self._oauth, refresh_token=given)
        if self._kept is not None:
            await self._kept.keep(self._oauth)

    async def _post(self, host: str, port: int | None, path: str, query: str, *, secure: bool) -> tuple[int, bytes]:
        if not secure and not is_local(host):
            raise Refused("the token address must begin with https://")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._oauth.refresh_token,
            "client_id": self._oauth.client_id,
        }
        if self._oauth.client_secret:
            form["client_secret"] = self._oauth.client_secret
        body = urlencode(form).encode()
        head = (
            f"POST {path}{'?' if query else ''}{query} HTTP/1.1\r\nHost: {_authority(host, port)}\r\n"
            "Connection: close\r\nAccept: application/json\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if secure and self._tls_context is None:
            self._tls_context = await asyncio.to_thread(ssl.create_default_context)
        async with asyncio.timeout(TIMEOUT_S):
            made = await dial(host, port or (443 if secure else 80), inside=self._inside, timeout_s=TIMEOUT_S)
            reader, writer = await asyncio.open_connection(
                sock=made, ssl=self._tls_context if secure else None, server_hostname=host if secure else None
            )
            try:
                writer.write(head.encode() + body)
                answer = await _read(reader)
            finally:
                writer.transport.abort()
        response = http.client.HTTPResponse(cast(socket.socket, _Heard(answer)))
        response.begin()
        return response.status, response.read()


class _Heard:
    """What was heard, for a parser that wants a socket."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self._answer)


async def _read(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    while len(heard) < ANSWER_BYTES and (more := await reader.read(ANSWER_BYTES - len(heard))):
        heard += more
    return heard


def _authority(host: str, port: int | None) -> str:
    named = f"[{host}]" if ":" in host else host
    return named if port is None else f"{named}:{port}"


def _no_token(words: str, *, refused: bool = False) -> DeliveryFailed:
    said = f"no access token: {words}"
    return TokenRefused(said) if refused else DeliveryFailed(said, temporary=True, status="4.7.0")


def _one_line(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)[:WORDS_SHOWN].strip()
