"""Tokens: one spelling, opened by the key that sealed them, for ever; and nothing else opens."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unsealed.core import token as tokens
from unsealed.core.token import (
    MAX_DESTINATION_BYTES,
    MAX_TOKEN_CHARACTERS,
    Claims,
    key_of,
    open_device,
    open_target,
    open_token,
    packed_size,
    redirect_location,
    safe_destination,
    seal_click,
    seal_device,
    seal_pixel,
)
from unsealed.model.errors import BadInput, BadToken
from unsealed.model.message import CopyId
from unsealed.model.policy import Level

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TRICKS = json.loads((Path(__file__).parent / "url_tricks.json").read_text())
# Tokens that were sent: entries are added to this file, never changed, never removed.
PINNED = json.loads((Path(__file__).parent / "pinned_tokens.json").read_text())


class Ring:
    """A key ring with given keys."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        self._keys = keys

    @property
    def newest(self) -> int:
        return max(self._keys)

    def key(self, key_id: int) -> bytes | None:
        return self._keys.get(key_id)


RING = Ring({1: bytes(range(64)), 2: bytes(range(64, 128)), 255: bytes(range(128, 192))})
COPY = CopyId(0x1234_5678_9ABC_DEF0)
URL = "https://www.example.org/articles/2026/bread?utm_source=newsletter&utm_medium=email"

copies = st.integers(0, 2**63 - 1).map(CopyId)
levels = st.sampled_from(Level)
key_ids = st.sampled_from([1, 2, 255])
destinations = st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://x.example", "http://x.example:8080", "HTTPS://bücher.example", "http://[2001:db8::1]:8"]),
    st.sampled_from(["", "/", "?", "#"]),
    st.just("")
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\ "), max_size=300).map("/{}".format),
)


def opens(token: str) -> bool:
    try:
        open_token(RING, token)
    except BadToken:
        return False
    return True


@given(copy=copies, level=levels, key_id=key_ids)
def test_a_pixel_token_gives_back_what_was_sealed(copy: CopyId, level: Level, key_id: int) -> None:
    token = seal_pixel(RING, key_id, copy, level)

    assert Claims(copy=copy, level=level) == open_token(RING, token)
    assert key_id == key_of(token)
    assert token == seal_pixel(RING, key_id, copy, level)
    assert len(token) == 36
    assert set(token) <= set(ALPHABET)


@given(copy=copies, level=levels, key_id=key_ids, link=st.integers(0, 2**20), destination=destinations)
def test_a_click_token_gives_back_the_destination_exactly_as_written(
    copy: CopyId, level: Level, key_id: int, link: int, destination: str
) -> None:
    token = seal_click(RING, key_id, copy, level, link, destination)

    assert Claims(copy=copy, level=level, link=link, destination=destination) == open_token(RING, token)
    assert token == seal_click(RING, key_id, copy, level, link, destination)
    assert set(token) <= set(ALPHABET)


usual_destinations = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["https://www.", "https://", "http://www.", "http://", "HTTPS://www."]),
        st.just("x.example"),
        st.lists(st.sampled_from([each.decode() for each in tokens.PHRASES.values()]) | st.text("aZ/?=é ", max_size=9))
        .map("".join)
        .map(lambda rest: rest and f"/{rest.rstrip(' ')}"),
    ),
).filter(safe_destination)


@given(destination=usual_destinations)
@example(destination="https://www.x.com/")
@example(destination="https://x.example/" + 150 * "a")
@example(destination="https://x.example/?url=https%3A%2F%2Fwww.x.example%2F&utm_source=a")
def test_usual_destinations_are_carried_as_written_and_deflated_where_phrases_take_too_little_off(
    destination: str,
) -> None:
    token = seal_click(RING, 1, COPY, Level.FULL, 0, destination)

    assert open_token(RING, token).destination == destination
    assert len(token) <= max(packed_size(b"\0" + packed(destination.encode())), 40 + len(destination))


def test_a_letter_s_usual_link_gives_a_token_that_is_shorter_than_the_link() -> None:
    url = "https://www.tidewater.example/news/lantern-engine?utm_source=newsletter&utm_medium=email&utm_campaign=may"

    assert len(seal_click(RING, 1, COPY, Level.FULL, 0, url)) < len(url)


@given(st.binary(max_size=300))
def test_nothing_deflated_begins_as_a_destination_of_phrases_does(written: bytes) -> None:
    assert packed(written)[0] & 0x07 != 0x07
    assert [code & 0x07 == 0x07 for code in tokens.PHRASES] == [
        phrase.startswith(b"http") for phrase in tokens.PHRASES.values()
    ]


@given(copy=copies, level=levels, link=st.integers(0, 2**20), destination=destinations)
def test_the_target_of_a_token_is_its_destination_and_a_pixel_has_none(
    copy: CopyId, level: Level, link: int, destination: str
) -> None:
    assert destination == open_target(RING, seal_click(RING, 1, copy, level, link, destination).encode())
    assert open_target(RING, seal_pixel(RING, 1, copy, level).encode()) is None


@given(one=copies, other=copies, links=st.tuples(st.integers(0, 300), st.integers(0, 300)), destination=destinations)
def test_what_was_opened_for_one_copy_says_nothing_about_another(
    one: CopyId, other: CopyId, links: tuple[int, int], destination: str
) -> None:
    for copy, link in zip((one, other), links, strict=True):
        claims = open_token(RING, seal_click(RING, 1, copy, Level.FULL, link, destination))
        assert (copy, link, destination) == (claims.copy, claims.link, claims.destination)


@pytest.mark.parametrize("foreign", [b"\xff", "ü".encode(), b"=", b" ", b"\0", b"%41"])
def test_bytes_that_no_token_has_never_open(foreign: bytes) -> None:
    token = seal_pixel(RING, 1, COPY, Level.FULL).encode()

    for changed in token + foreign, foreign + token, foreign + token[len(foreign) :]:
        with pytest.raises(BadToken):
            open_target(RING, changed)


@given(device=st.integers(0, 2**63 - 1), key_id=key_ids, back=st.just("") | destinations)
def test_a_device_token_gives_back_what_was_sealed_and_is_neither_pixel_nor_link(
    device: int, key_id: int, back: str
) -> None:
    token = seal_device(RING, key_id, device, back)

    assert (device, back) == open_device(RING, token)
    assert set(token) <= set(ALPHABET)
    assert back or len(token) == 36
    assert not opens(token)


@given(copy=copies, level=levels, link=st.integers(0, 2**20), destination=destinations)
def test_neither_pixel_nor_link_is_taken_for_a_device(copy: CopyId, level: Level, link: int, destination: str) -> None:
    for token in seal_pixel(RING, 1, copy, level), seal_click(RING, 1, copy, level, link, destination):
        with pytest.raises(BadToken):
            open_device(RING, token)


def test_no_changed_token_of_a_device_opens() -> None:
    token = seal_device(RING, 1, 7, "https://x.example/settings")
    changes = {token[:at] + letter + token[at + 1 :] for at in range(len(token)) for letter in ALPHABET} - {token}
    opened = []
    for changed in changes | {token + "=", token[:-1], token[1:], f" {token}", f"{token}\n"}:
        with contextlib.suppress(BadToken):
            opened.append(open_device(RING, changed))

    assert opened == []


@pytest.mark.parametrize("pin", PINNED["tokens"], ids=lambda pin: pin["token"][:12])
def test_a_token_that_was_sent_opens_for_ever(pin: dict[str, str | int]) -> None:
    ring = Ring({int(key_id): base64.b64decode(key) for key_id, key in PINNED["keys"].items()})

    claims = open_token(ring, str(pin["token"]))

    assert {**pin, "copy": claims.copy, "level": claims.level} == {
        **pin,
        "link": claims.link,
        "destination": claims.destination,
    }
    # Compression may come out different with another zlib, and opens all the same; a pixel may not.
    if claims.link is None:
        assert pin["token"] == seal_pixel(ring, key_of(str(pin["token"])), claims.copy, claims.level)


@pytest.mark.parametrize("pin", PINNED["devices"], ids=lambda pin: pin["token"][:12])
def test_a_browser_that_was_given_a_token_is_known_for_ever(pin: dict[str, str | int]) -> None:
    ring = Ring({int(key_id): base64.b64decode(key) for key_id, key in PINNED["keys"].items()})

    device, back = open_device(ring, str(pin["token"]))

    assert (pin["device"], pin["back"]) == (device, back)
    if not back:
        assert pin["token"] == seal_device(ring, key_of(str(pin["token"])), device, "")


def test_there_are_pins_of_each_kind() -> None:
    assert len([pin for pin in PINNED["tokens"] if pin["link"] is None]) >= 10
    assert len([pin for pin in PINNED["tokens"] if pin["link"] is not None]) >= 30
    assert len(PINNED["devices"]) >= 10


def test_a_million_forged_tokens_do_not_open() -> None:
    source = random.Random(20261121)
    heads = [bytes([1, key_id]) for key_id in (1, 2, 255)]
    refused = 0
    for number in range(1_000_000):
        # Half of them look as real as possible: version, a key that exists, the length of a pixel.
        raw = heads[number % 3] + source.randbytes(25) if number % 2 else source.randbytes(27 + number % 40)
        refused += not opens(base64.urlsafe_b64encode(raw).decode().rstrip("="))

    assert refused == 1_000_000


def real_tokens() -> Iterator[str]:
    for number in range(700):
        yield seal_pixel(RING, (1, 2, 255)[number % 3], CopyId(number * 7919 * 2**40 % 2**63), Level(number % 5))
    for number in range(300):
        yield seal_click(RING, 1, CopyId(number), Level.FULL, number, f"https://x.example/{number}?id={number**7}")


def test_no_single_bit_flip_of_a_thousand_real_tokens_opens() -> None:
    opened = []
    for token in real_tokens():
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        for bit in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            changed = base64.urlsafe_b64encode(flipped).decode().rstrip("=")
            if opens(changed):
                opened.append((token, changed))

    assert opened == []


def test_no_single_character_change_of_a_thousand_real_tokens_opens() -> None:
    others = "AQgw-_=+/. %\n\0é"  # with characters that lenient decoders skip or translate
    opened = []
    for number, token in enumerate(real_tokens()):
        for at in range(len(token)):
            changes = ALPHABET + others if number % 40 == 0 or at == len(token) - 1 else (*others, ALPHABET[at % 64])
            for change in changes:
                changed = token[:at] + change + token[at + 1 :]
                if changed != token and opens(changed):
                    opened.append((token, changed))
                if number % 40 == 0 and opens(token[:at] + change + token[at:]):
                    opened.append((token, change))
        if opens(token[:-1]) or opens(token[1:]) or opens(token.swapcase()):
            opened.append((token, "cut"))

    assert opened == []


@pytest.mark.parametrize("damage", ["{}=", "{}==", "{})", "{}>", "{}.", "{}=3D", " {}", "{} ", "{}\n", "{}%20", "{}/"])
@pytest.mark.parametrize(
    "token", [seal_pixel(RING, 1, COPY, Level.FULL), seal_click(RING, 1, COPY, Level.FULL, 3, URL)]
)
def test_a_damaged_token_is_never_repaired(damage: str, token: str) -> None:
    assert opens(token)
    assert not opens(damage.format(token))


@pytest.mark.parametrize(
    "token", ["", "A", "AQ", "AQE", "====", "é" * 36, "A" * 36, "A" * MAX_TOKEN_CHARACTERS, "A" * 10**6]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        open_token(RING, token)


def test_a_token_of_another_installation_is_refused() -> None:
    with pytest.raises(BadToken):
        open_token(Ring({1: bytes(64)}), seal_pixel(RING, 1, COPY, Level.FULL))
    with pytest.raises(BadToken):
        open_token(Ring({7: bytes(64)}), seal_pixel(RING, 1, COPY, Level.FULL))


def test_a_retired_key_goes_on_opening() -> None:
    token = seal_pixel(Ring({1: bytes(64)}), 1, COPY, Level.FULL)

    assert COPY == open_token(Ring({1: bytes(64), 2: bytes(range(64))}), token).copy


def test_a_key_that_does_not_exist_cannot_seal() -> None:
    with pytest.raises(BadInput, match="no key 9"):
        seal_pixel(RING, 9, COPY, Level.FULL)


def test_nothing_of_copy_or_destination_can_be_read() -> None:
    first = base64.urlsafe_b64decode(seal_click(RING, 1, CopyId(1), Level.FULL, 0, "https://x.example/aaaaaaaa") + "==")
    second = base64.urlsafe_b64decode(
        seal_click(RING, 1, CopyId(2), Level.FULL, 0, "https://x.example/aaaaaaaa") + "=="
    )

    assert first[:2] == second[:2] == b"\x01\x01"
    same = sum(a == b for a, b in zip(first[2:], second[2:], strict=True))
    assert same < 5  # about 1 of 256 bytes by chance


def sealed(claims: bytes) -> str:
    """A token with claims that no version ever made."""
    return tokens._sealer(RING, 1, b"")(claims).decode()


HEAD = bytes([Level.FULL]) + bytes(8)
LINK_HEAD = bytes([Level.FULL | 8]) + bytes(8)


def packed(destination: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, tokens.DICTIONARY)
    return deflate.compress(destination) + deflate.flush()


@pytest.mark.parametrize(
    "claims",
    [
        bytes([0x10]) + bytes(8) + b"junk",
        bytes([0x10]) + bytes(8) + packed(b"javascript:alert(1)"),
        bytes([0x10]) + bytes(8) + b"\x0f",  # no host
        bytes([0x10]) + bytes(8) + b"\x0fx.example\xff",
        bytes([0x10]) + bytes(8) + b"\x0fx.example/" + bytes(200),  # more than a destination may have
        bytes([0x11]) + bytes(8),  # a level
        bytes([0x18]) + bytes(8) + b"\x00" + packed(b"https://x.example/"),  # a link as well
        bytes([0x30]) + bytes(8),  # a flag of a later version
    ],
)
def test_claims_of_a_device_are_checked_again_when_they_are_opened(claims: bytes) -> None:
    assert open_device(RING, sealed(bytes([0x10]) + bytes(8) + packed(b"https://x.example/")))
    with pytest.raises(BadToken):
        open_device(RING, sealed(claims))


@pytest.mark.parametrize(
    "claims",
    [
        HEAD + b"x",  # a pixel with more behind it
        bytes([5]) + bytes(8),  # no such level
        bytes([0x14]) + bytes(8),  # a flag of a later version
        LINK_HEAD,  # a link without position
        LINK_HEAD + b"\x80",  # a position that does not end
        LINK_HEAD + b"\xff\xff\xff\xff\xff\xff" + packed(b"https://x.example/"),
        LINK_HEAD + b"\x00",  # without destination
        LINK_HEAD + b"\x00" + b"junk",
        LINK_HEAD + b"\x00" + packed(b"https://x.example/")[:-1],
        LINK_HEAD + b"\x00" + packed(b"https://x.example/") + b"x",
        LINK_HEAD + b"\x00" + packed(b"javascript:alert(1)"),
        LINK_HEAD + b"\x00" + packed(b"https://user@x.example/"),
        LINK_HEAD + b"\x00" + packed(b"https://x.example/\xff"),
        LINK_HEAD + b"\x00" + packed(b"https://x.example/\r\nA: b"),
        LINK_HEAD + b"\x00" + packed(b"https://x.example/" + b"a" * MAX_DESTINATION_BYTES),
        LINK_HEAD + b"\x00" + packed(b"https://x.example/" + b"a" * 10_000_000)[:5000],  # a bomb
    ],
)
def test_claims_are_checked_again_when_they_are_opened(claims: bytes) -> None:
    assert opens(sealed(LINK_HEAD + b"\x00" + packed(b"https://x.example/")))
    assert not opens(sealed(claims))
    with pytest.raises(BadToken):
        open_target(RING, sealed(claims).encode())


def test_the_longest_destination_can_be_sealed_and_one_byte_more_cannot() -> None:
    longest = "https://x.example/".ljust(MAX_DESTINATION_BYTES, "a")

    assert longest == open_token(RING, seal_click(RING, 1, COPY, Level.FULL, 0, longest)).destination
    with pytest.raises(BadInput):
        seal_click(RING, 1, COPY, Level.FULL, 0, longest + "a")


def test_a_destination_whose_token_would_not_pass_a_proxy_is_refused() -> None:
    noise = base64.b64encode(random.Random(1).randbytes(6000)).decode()

    with pytest.raises(BadInput, match="characters"):
        seal_click(RING, 1, COPY, Level.FULL, 0, f"https://x.example/{noise}")


@pytest.mark.parametrize("url", TRICKS["refused"])
def test_a_redirect_never_leads_to(url: str) -> None:
    assert not safe_destination(url)
    with pytest.raises(BadInput):
        seal_click(RING, 1, COPY, Level.FULL, 0, url)


@pytest.mark.parametrize("url", [url for url in TRICKS["refused"] if url])
def test_a_browser_never_returns_to(url: str) -> None:
    with pytest.raises(BadInput):
        seal_device(RING, 1, 1, url)


@pytest.mark.parametrize("url", TRICKS["allowed"])
def test_a_redirect_may_lead_to(url: str) -> None:
    assert safe_destination(url)
    location = redirect_location(open_token(RING, seal_click(RING, 1, COPY, Level.FULL, 0, url)).destination)
    assert all(0x21 <= byte < 0x7F and byte not in b'"<>' for byte in location)
    assert safe_destination(location.decode())


def test_there_are_at_least_two_hundred_tricks() -> None:
    assert len(TRICKS["refused"]) >= 200


@pytest.mark.parametrize(
    ("destination", "location"),
    [
        ("https://x.example/a%20b%C3%BC", b"https://x.example/a%20b%C3%BC"),  # never encoded twice
        ("https://x.example/a b", b"https://x.example/a%20b"),
        ("https://x.example/ü?q=ß#é", b"https://x.example/%C3%BC?q=%C3%9F#%C3%A9"),
        ('https://x.example/"<>', b"https://x.example/%22%3C%3E"),
        ("https://x.example/{a}|b^c`d'e\u202e", b"https://x.example/{a}|b^c`d'e%E2%80%AE"),
        ("HTTPS://Bücher.example:8080/", b"HTTPS://xn--bcher-kva.example:8080/"),
        ("https://faß.example", b"https://xn--fa-hia.example"),  # UTS 46, non-transitional, as browsers do
        ("https://ΣΑΣ.example/", b"https://xn--mxa9ab.example/"),  # not the final sigma that lower() would make
        ("https://例え.example/", b"https://xn--r8jz45g.example/"),
        ("https://x\u3002example/", b"https://x.example/"),
        ("https://\uff38.example/", b"https://x.example/"),
        ("https://cafe\u0301.example/", b"https://xn--caf-dma.example/"),
    ],
)
def test_a_location_is_what_a_browser_would_ask_for(destination: str, location: bytes) -> None:
    assert location == redirect_location(destination)


@given(destination=destinations)
def test_a_location_can_stand_in_a_header_and_is_encoded_once(destination: str) -> None:
    location = redirect_location(destination)

    assert all(0x21 <= byte < 0x7F for byte in location)
    assert location == redirect_location(location.decode())


def test_a_host_with_letters_that_this_python_does_not_know_is_still_reached() -> None:
    unknown = "https://x\U000e0fff.example/"  # unassigned: cannot be sealed here, but a later version may know it

    assert not safe_destination(unknown)
    token = sealed(LINK_HEAD + b"\x00" + packed(unknown.encode()))
    assert b"https://x%F3%A0%BF%BF.example/" == redirect_location(open_token(RING, token).destination)


def test_the_dictionary_and_the_phrases_are_what_they_always_were() -> None:
    assert zlib.crc32(tokens.DICTIONARY) == PINNED["dictionary_crc32"]
    assert zlib.crc32(repr(sorted(tokens.PHRASES.items())).encode()) == PINNED["phrases_crc32"]


def test_a_usual_link_gives_a_token_hardly_longer_than_itself() -> None:
    urls = [
        URL,
        "https://www.linkedin.com/company/example-gmbh/?utm_source=newsletter&utm_medium=email",
        "https://docs.example.com/en/latest/getting-started/installation.html#requirements-for-everything",
    ]

    assert all(len(seal_click(RING, 1, COPY, Level.FULL, 3, url)) <= len(url) + 40 for url in urls)


def test_positions_of_links_keep_their_value_at_every_size() -> None:
    for link in itertools.chain(range(300), (16383, 16384, 2**21, 2**34)):
        assert link == open_token(RING, seal_click(RING, 1, COPY, Level.FULL, link, URL)).link
