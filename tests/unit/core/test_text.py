from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.text import addresses


def found(text: str) -> list[str]:
    return [text[start:end] for start, end, _ in addresses(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ex.com/a/", ["https://ex.com/a/"]),
        ("https://ex.com/?q=", ["https://ex.com/?q="]),
        ("(https://ex.com/a)", ["https://ex.com/a"]),
        ("(see https://ex.com/a_(b))", ["https://ex.com/a_(b)"]),
        ("https://ex.com/a, and", ["https://ex.com/a"]),
        ("https://ex.com/a. And", ["https://ex.com/a"]),
        ("<https://ex.com/a.>", ["https://ex.com/a."]),
        ("https://ex.com/@ann,b/c", ["https://ex.com/@ann,b/c"]),
        ("https://ex.com/\u00e9t\u00e9?x=\u00fc", ["https://ex.com/\u00e9t\u00e9?x=\u00fc"]),
        ("https://ex.com?q=1", ["https://ex.com?q=1"]),
        ("HTTPS://EX.com/A", ["HTTPS://EX.com/A"]),
        ("\u201chttps://ex.com/a\u201d", ["https://ex.com/a"]),
        ("\u898b\u3066https://ex.com/a\u3002\u306f\u3044", ["https://ex.com/a"]),
        ("https://a.example https://b.example\r\nhttps://c.example", [f"https://{x}.example" for x in "abc"]),
        ("https:// http:/x ftp://x mailto:a@b.example www.ex.com", []),
        ("https://... https://)))", []),
        ("xhttps://ex.com svn+https://ex.com", []),
    ],
)
def test_only_the_address_itself_is_found(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example\n> https://b.example\nhttps://c.example", [False, True, False]),
        ("https://a.example\r\n-----Original Message-----\r\nhttps://b.example", [False, True]),
        ("https://a.example\n---------- Forwarded message ---------\nhttps://b.example", [False, True]),
    ],
)
def test_an_address_in_an_older_message_is_known_as_quoted(text: str, expected: list[bool]) -> None:
    assert [address.quoted for address in addresses(text)] == expected


@given(st.text(alphabet="https://.()[]<>,;\u00e9 \n>\u3002ab"))
def test_addresses_are_in_order_and_never_overlap(text: str) -> None:
    behind = 0
    for start, end, _ in addresses(text):
        assert behind <= start < end <= len(text)
        assert text[start : start + 4].lower() == "http"
        behind = end
