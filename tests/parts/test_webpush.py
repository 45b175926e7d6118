from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import NOON
from tests.parts.push_service import Browser, PushService, b64, unb64

from unsealed.model.errors import DeliveryFailed, Gone
from unsealed.model.notice import Channel, Device, DeviceId, Words
from unsealed.outlets.webpush import KEPT_S, WebPush, asked_wait, base64url, encrypt, new_key, unbase64

ORIGIN = "https://unsealed.example.org"
WORDS = Words(title="Ines opened it", body="The offer\n12:00, “ümlaut”", tag="c1", path="/message/1", message="1")


def a_device(service: PushService) -> Device:
    return Device(
        id=DeviceId(1),
        channel=Channel.PUSH,
        name="Firefox",
        address=service.endpoint,
        key=b64(service.browser.key),
        auth=b64(service.browser.auth),
    )


def a_bell(clock: Callable[[], datetime], *, private: bool = True) -> tuple[WebPush, str]:
    public, secret = new_key()
    return WebPush(secret, origin=ORIGIN, clock=clock, private=private), public


def test_the_example_of_rfc_8291_comes_out_octet_for_octet() -> None:
    own = ec.derive_private_key(
        int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
    )

    assert (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    ) == b64(
        encrypt(
            b"When I grow up, I want to be a watermelon",
            unb64("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            unb64("BTBZMqHH6r4Tts7J_aSIgg"),
            salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"),
            own=own,
        )
    )


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=3993))
def test_what_is_encrypted_is_read_by_the_browser_alone_and_never_twice_the_same(plain: bytes) -> None:
    browser = Browser()
    body = encrypt(plain, browser.key, browser.auth)

    assert plain == browser.decrypt(body)
    assert len(body) <= 4096
    assert body != encrypt(plain, browser.key, browser.auth)


async def test_the_length_says_neither_who_nor_what(clock: Callable[[], datetime]) -> None:
    bell, _ = a_bell(clock)
    async with PushService() as service:
        for words in (WORDS, replace(WORDS, title="J. R. opened it, the third time within an hour", body="")):
            await bell.ring(a_device(service), words)

    one, other = service.pushed
    assert len(one.body) == len(other.body)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=3993), st.integers(0, 5000))
def test_padding_is_no_part_of_the_message_and_stays_within_the_record(plain: bytes, padding: int) -> None:
    browser = Browser()
    body = encrypt(plain, browser.key, browser.auth, padding=padding)

    assert plain == browser.decrypt(body)
    assert min(len(plain) + padding + 103, 4096) == len(body)


def test_more_than_push_services_must_take_is_refused() -> None:
    browser = Browser()

    with pytest.raises(ValueError, match="too long"):
        encrypt(bytes(3994), browser.key, browser.auth)


@given(st.binary())
def test_base64_of_browsers_is_read_with_and_without_padding(raw: bytes) -> None:
    assert raw == unbase64(base64url(raw)) == unbase64(base64url(raw) + "=" * (-len(base64url(raw)) % 4))


async def test_the_browser_shows_the_words_and_the_service_knows_who_sent_them(clock: Callable[[], datetime]) -> None:
    bell, public = a_bell(clock)
    async with PushService() as service:
        await bell.ring(a_device(service), WORDS)

        shown = service.shown()
        assert (WORDS.title, WORDS.body, WORDS.tag) == (shown["title"], shown["body"], shown["tag"])
        assert f"{ORIGIN}/message/1" == shown["navigate"]
        headers = service.pushed[0].headers
        assert ("aes128gcm", str(KEPT_S), "high") == tuple(
            headers[name] for name in ("content-encoding", "ttl", "urgency")
        )
        claims = service.claims(public)
        assert (f"http://127.0.0.1:{service.port}", ORIGIN) == (claims["aud"], claims["sub"])
        assert clock() < datetime.fromtimestamp(claims["exp"], clock().tzinfo) <= clock() + timedelta(hours=24)


async def test_a_newer_notice_takes_the_place_of_one_that_waits_and_does_not_ring_again(
    clock: Callable[[], datetime],
) -> None:
    bell, _ = a_bell(clock)
    async with PushService() as service:
        await bell.ring(a_device(service), WORDS)
        await bell.ring(a_device(service), replace(WORDS, again=True))
        await bell.ring(a_device(service), replace(WORDS, tag="c2"))

        topics = [each.headers["topic"] for each in service.pushed]
        assert topics[0] == topics[1] != topics[2]
        assert all(len(topic) <= 32 for topic in topics)  # RFC 8030 §5.4
        assert [False, True, False] == [service.shown(number)["silent"] for number in range(3)]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_wants_no_more_is_gone(clock: Callable[[], datetime], status: int) -> None:
    bell, _ = a_bell(clock)
    async with PushService(answers=[status]) as service:
        with pytest.raises(Gone):
            await bell.ring(a_device(service), WORDS)


@pytest.mark.parametrize(
    ("status", "temporary"),
    [(429, True), (500, True), (503, True), (400, False), (401, False), (413, False), (302, False)],
)
async def test_other_answers_are_tried_again_or_not(
    clock: Callable[[], datetime], status: int, temporary: bool
) -> None:
    bell, _ = a_bell(clock)
    async with PushService(answers=[status]) as service:
        with pytest.raises(DeliveryFailed) as caught:
            await bell.ring(a_device(service), WORDS)

    assert temporary is caught.value.temporary
    assert not isinstance(caught.value, Gone)
    assert 1 == len(service.pushed)  # no redirect is followed


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("", None),
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        ("9" * 5000, timedelta(hours=12)),
        ("Sat, 21 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Sat, 21 Nov 2026 12:10:00 -0000", timedelta(minutes=10)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Sat, 21 Nov 2099 11:00:00 GMT", timedelta(hours=12)),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Sat, 99 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_a_service_says_in_seconds_or_by_a_date_when_to_come_again(said: str, wait: timedelta | None) -> None:
    assert wait == asked_wait(said, NOON)


@given(st.text(alphabet="0123456789 -+:,.SatNovGMTZ²\t", max_size=40))
def test_no_time_that_a_service_names_is_in_the_past_or_too_far_away(said: str) -> None:
    wait = asked_wait(said, NOON)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=12)


async def test_a_service_that_is_busy_is_believed_when_it_says_until_when(clock: Callable[[], datetime]) -> None:
    bell, _ = a_bell(clock)
    async with PushService(answers=[429], retry_after="90") as service:
        with pytest.raises(DeliveryFailed) as caught:
            await bell.ring(a_device(service), WORDS)

    assert timedelta(seconds=90) == caught.value.wait


async def test_a_key_that_is_none_is_a_refusal_for_good(clock: Callable[[], datetime]) -> None:
    bell, _ = a_bell(clock)
    async with PushService() as service:
        for key in ("", "AAAA", "not base64!", b64(b"\x04" + bytes(64))):
            with pytest.raises(DeliveryFailed) as caught:
                await bell.ring(replace(a_device(service), key=key), WORDS)
            assert not caught.value.temporary
        assert [] == service.pushed


async def test_no_service_inside_is_asked(clock: Callable[[], datetime]) -> None:
    bell, _ = a_bell(clock, private=False)
    async with PushService() as service:
        with pytest.raises(DeliveryFailed) as caught:
            await bell.ring(a_device(service), WORDS)

        assert not caught.value.temporary
        assert [] == service.pushed
    await bell.close()
