from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unsealed.inlets.collect.head import Headers, path_of_absolute, read_headers


def recorded(line: bytes) -> list[str]:
    """User agent, accept, accept-language, referer, prefetch, sec-fetch, and device where there is one."""
    return read_headers(b"Host: x\r\n" + line).request.decode().split("\0")


@pytest.mark.parametrize(
    ("written", "recorded_as"),
    [
        (b"plain", "plain"),
        (b"", ""),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"\xff\xfe", "ÿþ"),
        ("\u202egnp".encode(), "\\u202egnp"),
        ("é".encode() * 300, "é" * 256),
        (b"x" + "é".encode() * 300, "x" + "é" * 255),
        (b"\x1b[31m\t", "\\x1b[31m"),
        (b"a\tb", "a\\tb"),
    ],
)
def test_a_text_is_recorded_as_it_can_be_shown(written: bytes, recorded_as: str) -> None:
    assert recorded_as == recorded(b"User-Agent: " + written)[0]


SILENT = ["", "", "\x01", "", "", ""]  # so stands a language that was not said


@pytest.mark.parametrize(
    ("lines", "place", "value"),
    [
        (b"User-Agent: a", 0, "a"),
        (b"Accept: image/avif,image/*;q=0.8", 1, "image/avif,image/*;q=0.8"),
        (b"Accept-Language: de", 2, "de"),
        (b"Accept-Language:", 2, ""),
        (b"Referer: https://a.example/b", 3, "a.example"),
        (b"Sec-Purpose: prefetch;anonymous-client-ip", 4, "prefetch;anonymous-client-ip"),
        (b"Purpose: prefetch", 4, "prefetch"),
        (b"X-Purpose: preview", 4, "preview"),
        (b"X-Moz: prefetch", 4, "prefetch"),
        (b"X-Moz: b\r\nX-Purpose: c\r\nPurpose: d\r\nSec-Purpose: a", 4, "a"),
        (b"Sec-Fetch-Site: cross-site", 5, "cross-site///"),
        (b"Sec-Fetch-User: ?1\r\nSec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors", 5, "/no-cors/image/?1"),
        (b"Authorization: secret\r\nX-Other: b", 0, ""),
        (b"accept: a\r\nACCEPT: b", 1, "a"),
    ],
)
def test_each_header_is_recorded_in_its_place_and_no_other(lines: bytes, place: int, value: str) -> None:
    assert [*SILENT[:place], value, *SILENT[place + 1 :]] == recorded(lines)


@pytest.mark.parametrize(
    "line",
    [
        b"User-Agent: ",
        b"Accept: ",
        b"Accept-Language: ",
        b"Referer: https://",
        b"Sec-Purpose: ",
        b"X-Moz: ",
        b"Sec-Fetch-Site: a\r\nSec-Fetch-Mode: ",
    ],
)
def test_each_field_is_cut_at_512_bytes(line: bytes) -> None:
    assert 512 == max(len(field.encode()) for field in recorded(line + b"x" * 600))


@pytest.mark.parametrize(
    ("referer", "host"),
    [
        ("https://mail.example", "mail.example"),
        ("https://[2001:db8::1]:8443/a", "[2001:db8::1]"),
        ("https://a.example?b@c", "a.example"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("about:blank", ""),
        ("/inbox", ""),
    ],
)
def test_of_a_referer_only_the_host_is_recorded(referer: str, host: str) -> None:
    assert host == recorded(b"Referer: " + referer.encode())[3]


@pytest.mark.parametrize(
    ("cookie", "device"),
    [
        ("unsealed_me=AQEd-_9", "AQEd-_9"),
        ("a=b; unsealed_me=AQEd; c=d", "AQEd"),
        ("a=b;unsealed_me=AQEd", "AQEd"),
        ("unsealed_me=AQEd; unsealed_me=other", "AQEd"),
        ("unsealed_me=" + "A" * 128, "A" * 128),
        ("unsealed_me=" + "A" * 129, ""),
        ("unsealed_me=A=", ""),
        ('unsealed_me="AQEd"', ""),
        ("unsealed_me=AQ\u00e9d", ""),
        ("unsealed_me=AQ\x01d", ""),
        ("unsealed_me=A Q", ""),
        ("unsealed_me=", ""),
        ("unsealed_me", ""),
        ("unsealed_meA=AQEd", ""),
        ("xunsealed_me=AQEd", ""),
        ("Unsealed_Me=AQEd", ""),
        ("session=secret", ""),
        (";;;=;", ""),
    ],
)
def test_of_cookies_only_what_may_be_ours_is_recorded(cookie: str, device: str) -> None:
    assert [device] * bool(device) == recorded(b"Cookie: " + cookie.encode("latin-1"))[6:]


@pytest.mark.parametrize(
    "block",
    [
        b"Host: a\r\nHost: a",
        b"Content-Length: 0\r\nContent-Length: 0",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Host: a\nX: b",
        b"Host: a\rX: b",
        b"Host : a",
        b" folded: a",
        b"no colon",
        b": no name",
        b"X: \0",
    ],
)
def test_what_two_programs_could_read_in_two_ways_is_a_fault(block: bytes) -> None:
    assert Headers(fault=True) == read_headers(block)


@pytest.mark.parametrize(
    ("block", "usual"),
    [
        (b"Host: a", True),
        (b"host: a\r\nConnection: keep-alive", True),
        (b"", False),
        (b"Host: a\r\nConnection: Close", False),
    ],
)
def test_a_usual_request_names_a_host_and_keeps_the_connection(block: bytes, usual: bool) -> None:
    assert usual == read_headers(block).usual


@given(st.lists(st.tuples(st.sampled_from([b"User-Agent", b"Accept", b"Referer", b"Cookie", b"X-Moz"]), st.binary())))
@example([(b"Cookie", b"unsealed_me=" + b"A" * 128)])
def test_whatever_is_sent_comes_out_short_and_visible_or_as_a_fault(lines: list[tuple[bytes, bytes]]) -> None:
    found = read_headers(b"\r\n".join(name + b": " + value for name, value in lines))

    fields = found.request.decode().split("\0")
    assert found.fault or len(fields) in (6, 7)
    assert all(len(each.encode()) <= 512 for each in fields)
    assert all(each.isprintable() for each in fields if each != "\x01")  # so stands a language that was not said


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://x.example/o/a.gif", b"/o/a.gif"),
        (b"HTTPS://x.example/c/a", b"/c/a"),
        (b"https://x.example", b"/"),
        (b"ftp://x.example/c/a", b""),
        (b"x.example:443", b""),
        (b"*", b""),
    ],
)
def test_a_proxy_names_the_whole_address(target: bytes, path: bytes) -> None:
    assert path == path_of_absolute(target)
