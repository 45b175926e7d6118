from __future__ import annotations

from unsealed.inlets.collect.answers import ALLOW, GIF, NOT_FOUND, PAGE, PIXEL, whole

DATE = b"Sat, 21 Nov 2026 12:00:00 GMT"


def test_an_answer_says_how_long_it_is_also_without_its_body() -> None:
    full, head = (whole(b"200 OK", DATE, PIXEL, GIF, head=head) for head in (False, True))

    assert full == head + GIF
    assert full.startswith(b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\n")
    assert b"Content-Length: 43\r\n\r\n" in head


def test_only_an_answer_that_ends_the_connection_says_so() -> None:
    assert b"Connection: close\r\n\r\n" in whole(b"405 Method Not Allowed", DATE, ALLOW, b"", close=True)
    assert b"Connection:" not in whole(b"405 Method Not Allowed", DATE, ALLOW, b"")


def test_the_page_for_what_is_not_there_loads_and_links_nothing() -> None:
    assert b"default-src 'none'" in PAGE
    assert not any(mark in NOT_FOUND for mark in (b"href", b"src=", b"url(", b"<script"))
