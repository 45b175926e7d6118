"""Secrets at rest: opened by the ring that sealed them, for their purpose alone; and nothing else opens."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unsealed.core.secret import seal, unseal
from unsealed.core.token import open_token, seal_pixel
from unsealed.model.errors import BadInput, BadToken
from unsealed.model.message import CopyId
from unsealed.model.policy import Level


class Ring:
    """A key ring with given keys, the last one the newest."""

    def __init__(self, **keys: bytes) -> None:
        self._keys = {int(name[1:]): key for name, key in keys.items()}

    @property
    def newest(self) -> int:
        return list(self._keys)[-1]

    def key(self, key_id: int) -> bytes | None:
        return self._keys.get(key_id)


FIRST, SECOND = bytes(range(64)), bytes(range(64, 128))
RING = Ring(k1=FIRST)
ROTATED = Ring(k1=FIRST, k2=SECOND)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
purposes = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(words, purposes)
def test_what_was_sealed_opens_also_after_a_rotation(secret: str, purpose: str) -> None:
    sealed = seal(RING, secret, purpose=purpose)

    assert unseal(RING, sealed, purpose=purpose) == secret
    assert unseal(ROTATED, sealed, purpose=purpose) == secret


@given(words, purposes, purposes)
def test_a_secret_opens_for_its_purpose_alone(secret: str, purpose: str, other: str) -> None:
    assume(purpose != other)

    with pytest.raises(BadInput, match="belongs elsewhere"):
        unseal(RING, seal(RING, secret, purpose=purpose), purpose=other)


@given(words, st.data())
def test_no_changed_byte_opens(secret: str, data: st.DataObject) -> None:
    sealed = bytearray(seal(RING, secret, purpose="upstream:1"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BadInput):
        unseal(ROTATED, bytes(sealed), purpose="upstream:1")


@given(words, st.integers(0, 300))
def test_no_part_of_it_opens(secret: str, size: int) -> None:
    sealed = seal(RING, secret, purpose="")
    assume(size < len(sealed))

    with pytest.raises(BadInput):
        unseal(RING, sealed[:size], purpose="")


@given(st.binary(max_size=100))
def test_nothing_else_opens(sealed: bytes) -> None:
    with pytest.raises(BadInput):
        unseal(ROTATED, sealed, purpose="upstream:1")


def test_the_secret_cannot_be_read_in_what_is_stored() -> None:
    assert b"sesame" not in seal(RING, "sesame sesame sesame", purpose="upstream:1")


def test_new_secrets_are_sealed_with_the_newest_key() -> None:
    sealed = seal(ROTATED, "sesame", purpose="upstream:1")

    assert unseal(Ring(k2=SECOND), sealed, purpose="upstream:1") == "sesame"
    with pytest.raises(BadInput, match="key 2, which is not in the key ring"):
        unseal(RING, sealed, purpose="upstream:1")


def test_another_installation_with_the_same_key_ids_opens_nothing() -> None:
    with pytest.raises(BadInput):
        unseal(Ring(k1=SECOND), seal(RING, "sesame", purpose="upstream:1"), purpose="upstream:1")


def test_secrets_and_tokens_never_open_as_one_another() -> None:
    sealed = seal(RING, "a" * 9, purpose="")
    token = seal_pixel(RING, 1, CopyId(7), Level.FULL)

    with pytest.raises(BadToken):
        open_token(RING, urlsafe_b64encode(sealed).rstrip(b"=").decode())
    with pytest.raises(BadInput):
        unseal(RING, urlsafe_b64decode(token + "=" * (-len(token) % 4)), purpose="")


def test_what_was_sealed_once_opens_for_ever() -> None:
    # Stored by a version that was released: this line is never changed.
    assert unseal(RING, bytes.fromhex(PINNED), purpose="upstream:7") == "open sesame é"


@pytest.mark.parametrize("secret", ["", "\ud800"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(BadInput):
        seal(RING, secret, purpose="upstream:1")


def test_without_a_key_nothing_is_sealed() -> None:
    class Empty:
        newest = 3

        def key(self, key_id: int) -> bytes | None:
            return None

    with pytest.raises(BadInput, match="there is no key 3"):
        seal(Empty(), "sesame", purpose="")


PINNED = "0101730e9909e5ae6d19ad824fb9c270ce6d1a67ae710c4b39302ca1e3c357fb"
