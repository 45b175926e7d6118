from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.charset import letters, readable, view
from unsealed.model.errors import Untouchable


@pytest.mark.parametrize(
    "charset", ["utf-8", "", "us-ascii", "windows-1252", "shift_jis", "gbk", "big5", "x-unheard-of"]
)
def test_ascii_supersets_are_seen_byte_by_byte(charset: str) -> None:
    raw = b'<a href="x">\xe3\x81\x82\x8f\xff</a>'
    seen = view(raw, charset, raw=True)

    assert seen.text.encode("latin-1") == raw
    assert [seen.offset(index) for index in (0, 5, len(raw))] == [0, 5, len(raw)]


@pytest.mark.parametrize(
    "charset",
    [
        "utf-7",
        "UTF7",
        "unicode-1-1-utf-7",
        "x-unicode-2-0-utf-7",
        "utf-7-imap",
        "hz-gb-2312",
        "hz",
        "cp037",
        "ibm500",
        "IBM1140",
        "ebcdic-cp-us",
    ],
)
def test_charsets_in_which_ascii_is_not_ascii_are_refused(charset: str) -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        view(b"x", charset, raw=False)


@pytest.mark.parametrize(("codec", "unit"), [("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4)])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wide_charsets_are_seen_unit_by_unit(codec: str, unit: int, mark: str) -> None:
    text = "<p>\u00fc\U0001f600<a href='x'>"
    raw = (mark + text).encode(codec)
    seen = view(raw, codec.replace("-le", "le").replace("-be", "be"), raw=False)
    at = seen.text.index("<a")

    assert raw[seen.offset(at) :].decode(codec) == "<a href='x'>"
    assert seen.read(seen.text) == text
    assert seen.encode("x") == "x".encode(codec)
    assert seen.unit == unit


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        ("x".encode("utf-16-le"), "utf-16"),  # no mark: browsers and RFC 2781 differ
        ("\ufeffx".encode("utf-16-le"), "utf-16be"),
        ("\ufeffx".encode("utf-16-le") + b"y", "utf-16"),
        (b"\xff\xff\xff\xff", "utf-32le"),
        ("\ufeffx".encode("utf-16-le"), "utf-8"),
        ("\ufeffx".encode("utf-16-be"), "iso-8859-1"),
    ],
)
def test_an_unknown_byte_order_is_refused(raw: bytes, charset: str) -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        view(raw, charset, raw=False)


def test_wide_charsets_cannot_travel_in_lines() -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        view("\ufeffx".encode("utf-16"), "utf-16", raw=True)


def test_double_byte_runs_are_masked() -> None:
    # The second byte of this katakana is "<" in ASCII.
    raw = "\u3042\u30bc<a>\u30bc".encode("iso-2022-jp")
    seen = view(raw, "ISO-2022-JP", raw=True)

    assert raw.count(b"<") > 1
    assert seen.text.count("<") == 1
    assert len(seen.text) == len(raw)
    assert seen.read(seen.source) == "\u3042\u30bc<a>\u30bc"


def test_shifted_runs_are_masked() -> None:
    raw = b"\x1b$)C<a>\x0e<b>\x0f<i>"

    assert view(raw, "iso-2022-kr", raw=True).text.count("<b") == 0


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        ("utf-8", b"\xc3\xbc\xff", "\u00fc\ufffd"),
        ("", b"\xc3\xbc", "\u00fc"),
        ("iso-8859-1", b"\xfc", "\u00fc"),
        ("x-unheard-of", b"\xc3\xbc", "\u00fc"),
        ("unicode_escape", b"\\x41\xc3\xbc", "\\x41\u00fc"),
        ("rot13", b"x\xc3\xbc", "x\u00fc"),
    ],
)
def test_text_is_read_in_its_charset(charset: str, raw: bytes, expected: str) -> None:
    assert view(raw, charset, raw=True).read(raw.decode("latin-1")) == expected


def test_text_that_no_codec_reads_stays_as_it_is() -> None:
    assert view(b"", "utf-8", raw=True).read("\u20ac") == "\u20ac"


def test_text_is_written_in_the_charset_of_the_body() -> None:
    assert view(b"", "iso-8859-1", raw=True).encode("\u00fc\u20ac") == b"\xfc?"
    assert view(b"", "x-unheard-of", raw=True).encode("\u00fc") == b"\xc3\xbc"


@pytest.mark.parametrize("name", ["utf-8", "windows-1252", "gb18030", "koi8-r", "iso-8859-15"])
def test_charsets_of_mail_are_readable(name: str) -> None:
    assert readable(name)


@pytest.mark.parametrize("name", ["", "base64", "idna", "punycode", "zip", "cp99999", "undefined", "utf-7", "cp037"])
def test_other_codecs_are_not_readable(name: str) -> None:
    assert not readable(name)


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        ("utf-8", "\u00fcx".encode(), ("\u00fcx", "utf-8")),
        ("windows-1252", b"\x80", ("\u20ac", "windows-1252")),
        ("utf-8", b"\xff", ("\xff", "")),
        ("utf-8", b"x", ("x", "")),
        ("cp932", b"\x87\x90", ("\x87\x90", "")),  # would be written with other bytes
        ("iso-2022-jp", "\u3042".encode("iso-2022-jp"), ("\x80" * 5 + "\x1b(B", "")),
    ],
)
def test_letters_lead_back_to_offsets(charset: str, raw: bytes, expected: tuple[str, str]) -> None:
    assert letters(raw, view(raw, charset, raw=True)) == expected


@given(
    raw=st.binary(max_size=60),
    charset=st.sampled_from(["utf-8", "utf-16le", "utf-32be", "iso-2022-jp", "gbk", "shift_jis", ""]),
)
def test_any_bytes_are_seen_or_refused(raw: bytes, charset: str) -> None:
    try:
        seen = view(raw, charset, raw=False)
    except Untouchable:
        return
    assert seen.offset(len(seen.text)) == len(raw)
    seen.read(seen.source)
    text, codec = letters(raw, seen)
    assert not codec or text.encode(codec) == raw
