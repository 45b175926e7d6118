"""Secrets at rest: passwords of next hops and mailboxes, sealed with the key ring that never lies in the database.

Promises that a copy of the database alone gives no password away, that a secret opens for ever with the ring that
sealed it, and only for the purpose that it was sealed for: moved into another row it does not open.
The same words for the same purpose give the same bytes, so whoever reads two copies of the database sees whether a
password was changed, and about how long it is; nothing else.

Layout: version u8 = 1 | key id u8 | AES-SIV of the words in UTF-8 (16 bytes of tag, then as long as the words)

The key is derived from the ring's with HKDF, so nothing that is sealed here can open as a token, or the other way
round. Version, key id and purpose are authenticated.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from unsealed.model.errors import BadInput
from unsealed.model.ports import Keys

VERSION = 1
_KEY_BYTES = 64
_TAG_BYTES = 16
_HEAD_BYTES = 2
_SEPARATION = b"unsealed: secrets at rest, version 1"  # never changes: what it derives opens old secrets


def seal(keys: Keys, words: str, *, purpose: str) -> bytes:
    """Seal with the newest key of the ring.

    words: not empty. purpose: what the secret is for, with its owner, such as "mailbox:7".

    Raises:
        BadInput: permanent; no words, or some that are not text, or no such key.
    """
    try:
        plain = words.encode()
    except UnicodeEncodeError:
        raise BadInput("a secret must be text") from None
    if not plain:
        raise BadInput("an empty secret cannot be sealed")
    key = keys.key(keys.newest)
    if key is None:
        raise BadInput(f"there is no key {keys.newest}")
    head = bytes([VERSION, keys.newest])
    return head + _cipher(key).encrypt(plain, [head, purpose.encode()])


def unseal(keys: Keys, sealed: bytes, *, purpose: str) -> str:
    """The words that were sealed for this purpose, with whatever key of the ring.

    Raises:
        BadInput: permanent; sealed with another ring or for another purpose, or damaged. Never says what it holds.
    """
    head, rest = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
    if len(rest) <= _TAG_BYTES or head[0] != VERSION:
        raise BadInput("this is not a sealed secret")
    key = keys.key(head[1])
    if key is None:
        raise BadInput(f"the secret was sealed with key {head[1]}, which is not in the key ring")
    try:
        return _cipher(key).decrypt(rest, [head, purpose.encode()]).decode()
    except InvalidTag:
        raise BadInput(
            "the secret cannot be opened: it belongs elsewhere, to another key ring, or is damaged"
        ) from None


@lru_cache(maxsize=256)  # one for each key id
def _cipher(key: bytes) -> AESSIV:
    return AESSIV(HKDF(algorithm=SHA512(), length=_KEY_BYTES, salt=None, info=_SEPARATION).derive(key))
