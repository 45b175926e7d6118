"""Web Push: notices to browsers on phones, tablets and computers, also while Unsealed is not open in them.

The push service in between learns when and how often something is sent, and nothing else: the content is encrypted for
the browser (RFC 8291, aes128gcm of RFC 8188) and padded, so that its length says neither who nor what; the sender is
known by the key of the installation (RFC 8292, VAPID).
A newer notice with the same tag takes the place of an older one that was not delivered yet (RFC 8030 §5.4, Topic).

The body is JSON for our service worker, in the form that browsers without one show by themselves as well
(declarative Web Push: https://webkit.org/blog/16535/meet-declarative-web-push/).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import struct
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from unsealed.model.errors import DeliveryFailed, Gone
from unsealed.model.notice import Device, Words
from unsealed.model.ports import Clock
from unsealed.model.texts import later
from unsealed.outlets.post import Answer, post

KEPT_S = 12 * 3600  # how long the push service tries to reach the browser: then it is history, not news
TOKEN_LIFE = timedelta(hours=12)  # RFC 8292 §2: no more than 24 hours
RECORD_BYTES = 4096  # RFC 8291 §4: one record, which push services need to take
PADDED_BYTES = 1024  # nearly every message fits into one of these
_CURVE = ec.SECP256R1()


class WebPush:
    """Where notices for browsers go."""

    def __init__(self, private_key: str, *, origin: str, clock: Clock, private: bool = False) -> None:
        """
        private_key: made by `new_key`. origin: base of the pages; names us to the push service. private: push services
        may have private addresses.
        """
        self._key = ec.derive_private_key(int.from_bytes(unbase64(private_key)), _CURVE)
        self._origin = origin
        self._clock = clock
        self._private = private

    async def ring(self, device: Device, words: Words) -> None:
        """Hand a notice to the push service of a browser.

        Raises:
            Gone: the browser does not want any more; forget it.
            DeliveryFailed: temporary or permanent, as the service answered.
        """
        try:
            message = self._message(words)
            body = encrypt(message, unbase64(device.key), unbase64(device.auth), padding=-len(message) % PADDED_BYTES)
        except ValueError:
            raise DeliveryFailed(later("the browser’s key is not one"), temporary=False) from None
        headers = {
            "Authorization": vapid(self._key, device.address, self._origin, self._clock()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEPT_S),
            "Topic": base64url(hashlib.sha256(words.tag.encode()).digest())[:32],
            "Urgency": "low" if words.again else "high",
        }
        _check(await post(device.address, headers, body, private=self._private), self._clock())

    async def close(self) -> None:
        """Nothing is held."""

    def _message(self, words: Words) -> bytes:
        return json.dumps(
            {
                "web_push": 8030,
                "notification": {
                    "title": words.title,
                    "body": words.body,
                    "tag": words.tag,
                    "navigate": self._origin + words.path,
                    "silent": words.again,
                    "data": {"path": words.path, "message": words.message, "page": words.page},
                },
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()


def _check(answer: Answer, now: datetime) -> None:
    status = answer.status
    if status in (404, 410):  # RFC 8030 §7.3: the subscription has ended
        raise Gone(later("the browser no longer takes notices"))
    if 200 <= status < 300:
        return
    raise DeliveryFailed(
        f"the push service answered {status}",
        temporary=status in (408, 429) or status >= 500,
        wait=asked_wait(answer.retry_after, now),
    )


def asked_wait(retry_after: str, now: datetime) -> timedelta | None:
    """How long a service asks to be left alone, in seconds or until a date (RFC 9110 §10.2.3); at most as long as a
    notice is news. None: it does not say, or cannot be understood."""
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:10])
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return None
        seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return timedelta(seconds=min(max(seconds, 0.0), KEPT_S))


def new_key() -> tuple[str, str]:
    """A key by which push services know the installation: the public part and the private one, in base64url."""
    key = ec.generate_private_key(_CURVE)
    return base64url(_point(key.public_key())), base64url(key.private_numbers().private_value.to_bytes(32))


def vapid(key: ec.EllipticCurvePrivateKey, endpoint: str, origin: str, now: datetime) -> str:
    """The Authorization header for an endpoint (RFC 8292 §3): a JWT signed with ES256, and the key."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int((now + TOKEN_LIFE).timestamp()), "sub": origin}
    head = {"typ": "JWT", "alg": "ES256"}
    signed = ".".join(base64url(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"vapid t={signed}.{base64url(r.to_bytes(32) + s.to_bytes(32))}, k={base64url(_point(key.public_key()))}"


def encrypt(
    plain: bytes,
    browser_key: bytes,
    auth: bytes,
    *,
    padding: int = 0,
    salt: bytes | None = None,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a push message (RFC 8291 §3.4, RFC 8188 §2): one record.

    browser_key: "p256dh", an uncompressed point. padding: bytes that hide the length, as far as there is room. salt,
    own: only for tests; each message needs its own.

    Raises:
        ValueError: not a key, or a message of more than 3,993 bytes.
    """
    room = RECORD_BYTES - 103 - len(plain)
    if room < 0:
        raise ValueError("the message is too long for a push service")
    salt, own = salt or os.urandom(16), own or ec.generate_private_key(_CURVE)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, browser_key)
    ours = _point(own.public_key())
    shared = _derive(auth, own.exchange(ec.ECDH(), theirs), b"WebPush: info\0" + browser_key + ours, 32)
    key = _derive(salt, shared, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, shared, b"Content-Encoding: nonce\0", 12)
    head = salt + struct.pack("!LB", RECORD_BYTES, len(ours)) + ours
    last = plain + b"\x02" + bytes(min(padding, room))  # 2: the last record (RFC 8188 §2)
    return head + AESGCM(key).encrypt(nonce, last, None)


def _derive(salt: bytes, material: bytes, info: bytes, size: int) -> bytes:
    """HKDF of RFC 5869 with SHA-256, for one block."""
    key = hmac.digest(salt, material, "sha256")
    return hmac.digest(key, info + b"\x01", "sha256")[:size]


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def base64url(raw: bytes) -> str:
    """Without padding, as push services want it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unbase64(text: str) -> bytes:
    """What `base64url` wrote, or a browser, with padding or without.

    Raises:
        ValueError: it is something else.
    """
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
