"""A push service on this machine and the browser behind it, which really decrypts: written from RFC 8291, RFC 8188 and
RFC 8292, without anything of the product's."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(salt: bytes, material: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(material)


@dataclass
class Browser:
    """What subscribed: its keys."""

    secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"sixteen secrets!"

    @property
    def key(self) -> bytes:
        return self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def decrypt(self, body: bytes) -> bytes:
        salt, size, theirs = body[:16], int.from_bytes(body[16:20], "big"), body[21 : 21 + body[20]]
        rest = body[21 + body[20] :]
        assert 65 == len(theirs)
        assert len(body) <= size
        shared = self.secret.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        material = hkdf(self.auth, shared, b"WebPush: info\0" + self.key + theirs, 32)
        key = hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
        nonce = hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(key).decrypt(nonce, rest, None).rstrip(b"\0")
        assert 2 == padded[-1]
        return padded[:-1]


@dataclass
class Pushed:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushService:
    """Takes what is posted, answers as told, and checks who posted it."""

    answers: list[int] = field(default_factory=list)  # statuses of the next answers; then 201
    retry_after: str = ""  # said with each of them that is no 2xx
    pushed: list[Pushed] = field(default_factory=list)
    browser: Browser = field(default_factory=Browser)
    port: int = 0

    async def __aenter__(self) -> PushService:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/wpush/s3cret"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 201
        self.pushed.append(Pushed(head[0].split(" ")[1], headers, body))
        more = "Location: http://127.0.0.1:9/\r\n" if status in (301, 302, 307) else ""
        if self.retry_after and status >= 300:
            more += f"Retry-After: {self.retry_after}\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def shown(self, number: int = -1) -> Any:
        """What the browser would show."""
        return json.loads(self.browser.decrypt(self.pushed[number].body))["notification"]

    def claims(self, key: str, number: int = -1) -> Any:
        """What the sender says about itself, if the signature is by that key."""
        scheme, _, rest = self.pushed[number].headers["authorization"].partition(" ")
        said = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert ("vapid", key) == (scheme, said["k"])
        signed, _, signature = said["t"].rpartition(".")
        raw = unb64(signature)
        known = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(key))
        known.verify(
            encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
            signed.encode(),
            ec.ECDSA(SHA256()),
        )
        head, claims = (json.loads(unb64(part)) for part in signed.split("."))
        assert {"typ": "JWT", "alg": "ES256"} == head
        return claims
