from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.mime import Part, address_count, bodies, field_values, head, leading, split
from unsealed.model.errors import Untouchable


def message(head: str, body: str = "") -> bytes:
    return f"From: a@b.example\r\n{head}\r\n{body}".encode("latin-1")


def mixed(*parts: str, kind: str = "mixed", boundary: str = "b", close: bool = True) -> str:
    inside = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n{inside}" + (
        f"--{boundary}--\r\n" if close else ""
    )


def html(text: str = "x", head: str = "") -> str:
    return f"Content-Type: text/html\r\n{head}\r\n{text}"


def shown(raw: bytes) -> list[str]:
    return [raw[part.body : part.end].decode("latin-1") for part in bodies(split(raw))]


def refused(raw: bytes) -> str:
    with pytest.raises(Untouchable) as caught:
        split(raw)
    return caught.value.reason


def test_parts_are_found_by_offset() -> None:
    raw = ("A: b\r\n" + mixed(html("one"), html("two"))).encode()
    root = split(raw)

    assert [raw[part.body : part.end] for part in root.children] == [b"one", b"two"]
    assert [raw[part.start : part.end] for part in root.children] == [html("one").encode(), html("two").encode()]
    assert [part.type for part in root.walk()] == ["multipart/mixed", "text/html", "text/html"]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_both_line_ends_are_read(end: str) -> None:
    assert shown(mixed(html("one"), html("two")).replace("\r\n", end).encode()) == ["one", "two"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", (0, 0)),
        (b"\r\n", (2, 2)),
        (b"\nx", (1, 2)),
        (b"A: b", (4, 4)),
        (b"A: b\r\n", (6, 6)),
        (b"A: b\r\n c\r\n\r\nx", (12, 13)),
        (b"A:\r\n\r\n", (6, 6)),
        (b"From x\r\nA: b\r\n\r\ny", (16, 17)),
        (b"From x", (6, 6)),
    ],
)
def test_the_body_begins_behind_the_empty_line(raw: bytes, expected: tuple[int, int]) -> None:
    root = split(raw)

    assert (root.body, root.end) == expected


@pytest.mark.parametrize(
    "raw", [b"x", b" x: y\r\n\r\n", b"A: b\r\nno colon\r\n\r\n", b"A b: c\r\n\r\n", b"A: b\r\n\xe9: c\r\n\r\n"]
)
def test_lines_that_are_no_fields_break_the_structure(raw: bytes) -> None:
    assert refused(raw) == "broken-structure"


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"A: b\rB: c\r\n\r\n",
        MIXED + b"\r\n--b\r\n\r\nx\r--b\r\n--b--",
        MIXED + b"\r--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--",
        MIXED + b"\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r--b\r\n--c--\r\n--b--",
    ],
)
def test_a_lone_cr_where_readers_differ_breaks_the_structure(raw: bytes) -> None:
    assert refused(raw) == "broken-structure"


@pytest.mark.parametrize("raw", [b"A: b\r\n\r\nx\r--b\r", MIXED + b"\r\n--b\r\n\r\nx\r--c\r\n--b--"])
def test_a_lone_cr_before_what_no_reader_takes_for_a_delimiter_is_harmless(raw: bytes) -> None:
    assert next(raw[part.body : part.end] for part in split(raw).walk() if not part.children).startswith(b"x\r--")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/html", "text/html"),
        ("TEXT/HTML ; charset=x", "text/html"),
        ("text/html;", "text/html"),
        ("(a (nested\\) one)) text/html (b)", "text/html"),
        ("text/html (unclosed", "text/html"),
        ("\r\n text/html", "text/html"),
        ("html", "text/plain"),
        ("", "text/plain"),
        ("text/", "text/plain"),
        ("text/html/x", "text/plain"),
        ("te(a)xt/html", "text/plain"),
    ],
)
def test_the_type_is_read(value: str, expected: str) -> None:
    assert split(message(f"Content-Type: {value}\r\n")).type == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('charset="utf-8"', "utf-8"),
        ("charset=utf-8", "utf-8"),
        ("Charset = UTF-8 ; x=y", "UTF-8"),
        ("x=y;charset=utf-8;charset=latin1", "utf-8"),
        ('charset="ut\\f-8"', "utf-8"),
        ('charset="utf-8', "utf-8"),
        ("charset=utf-8 (comment; charset=x)", "utf-8"),
        ('x="a;charset=no";charset=yes', "yes"),
        ('x="(";charset=yes', "yes"),
        ("charset*=us-ascii'en'utf%2D8", "utf-8"),
        ("charset*0=ut;charset*1=f-8", "utf-8"),
        ("charset*1=f-8;charset*0=ut", "utf-8"),
        ("charset*0*=''ut%66;charset*1*=%2D;charset*2=8", "utf-8"),
        ("charset*0=ut;charset*2=8", "ut"),
        ("charset*x=utf-8", "utf-8"),
        ("charset*0*=utf%2d8", "utf-8"),
        (";;; =; charset", ""),
        ("charset=", ""),
    ],
)
def test_parameters_are_read(value: str, expected: str) -> None:
    part = split(message(f"Content-Type: text/html; {value}\r\n"))

    assert part.parameters.get("charset", "") == expected


@pytest.mark.parametrize(
    "value",
    [
        'boundary="b"',
        "boundary=b",
        'BOUNDARY = "b"',
        "boundary*=us-ascii''b",
        "boundary*0=b",
        'boundary="b "',
        "boundary=b; boundary=b",
        "boundary=b; boundary*=''b",
    ],
)
def test_boundaries_are_read_in_all_spellings(value: str) -> None:
    raw = f"Content-Type: multipart/mixed; {value}\r\n\r\n--b\r\n{html()}\r\n--b--".encode()

    assert shown(raw) == ["x"]


@pytest.mark.parametrize(
    "head",
    [
        "multipart/mixed",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary=""',
        "multipart/mixed; boundary=b; boundary=c",
        'multipart/mixed; boundary="b"c',
        "multipart/mixed; boundary=b; boundary*=''c",
        "multipart/mixed; boundary*0=b; boundary*0=c",
        "multipart/mixed; boundary=c",
    ],
)
def test_a_boundary_that_cannot_be_known_breaks_the_structure(head: str) -> None:
    assert refused(f"Content-Type: {head}\r\n\r\n--b\r\n{html()}\r\n--b--".encode()) == "broken-structure"


@pytest.mark.parametrize(
    "line",
    ["--b \t", "--b"],
)
def test_white_space_behind_a_delimiter_is_allowed(line: str) -> None:
    raw = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{line}\r\n{html()}\r\n--b-- \r\nepilogue".encode()

    assert shown(raw) == ["x"]


@pytest.mark.parametrize("line", ["--bb", "--b x", "-b", "--b-", "--B", " --b", "x--b", "--b--x"])
def test_lines_that_look_like_delimiters_are_text(line: str) -> None:
    assert shown(mixed(html(f"x\r\n{line}\r\ny")).encode()) == [f"x\r\n{line}\r\ny"]


def test_a_boundary_may_begin_another() -> None:
    inner = mixed(html("one"), boundary="bb")

    assert shown(mixed(inner, html("two")).encode()) == ["one", "two"]


@pytest.mark.parametrize("inner", ["b", "b--"])
def test_an_inner_boundary_that_reads_as_the_outer_breaks_the_structure(inner: str) -> None:
    assert refused(mixed(mixed(html(), boundary=inner)).encode()) == "broken-structure"
    assert refused(mixed(mixed(html()), boundary="b--").encode()) == "broken-structure"


def test_a_missing_close_delimiter_means_to_the_end_of_the_parent() -> None:
    inner = mixed(html("one"), boundary="c", close=False)

    assert shown(mixed(inner, html("two")).encode()) == ["one\r\n", "two"]
    assert shown(mixed(html("one"), html("two"), close=False).encode()) == ["one", "two\r\n"]


def test_what_follows_the_close_delimiter_is_no_part() -> None:
    assert shown((mixed(html("one")) + "--b\r\n" + html("two") + "\r\n--b--\r\n").encode()) == ["one"]


def test_empty_parts_are_parts() -> None:
    root = split(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b")

    assert [(part.body, part.end) for part in root.children] == [(50, 50), (57, 57), (60, 60)] or len(
        root.children
    ) == 3
    assert all(part.type == "text/plain" and part.body <= part.end for part in root.children)


def test_children_of_a_digest_are_messages() -> None:
    root = split(mixed("\r\nSubject: x\r\n\r\nHi", kind="digest").encode())

    assert [part.type for part in root.children] == ["message/rfc822"]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("multipart/signed; boundary=b", "signed"),
        ("multipart/encrypted; boundary=b", "encrypted"),
        ("application/pkcs7-mime; smime-type=signed-data", "signed"),
        ("application/pkcs7-mime; smime-type=enveloped-data", "encrypted"),
        ("application/x-pkcs7-mime", "encrypted"),
        ("application/pkcs7-signature", "signed"),
        ("application/pgp-encrypted", "encrypted"),
        ("multipart/report; report-type=delivery-status; boundary=b", "report"),
        ("text/html\r\nContent-Type: multipart/signed", "signed"),
    ],
)
def test_sealed_messages_are_refused(head: str, reason: str) -> None:
    assert refused(message(f"Content-Type: {head}\r\n")) == reason


def test_a_sealed_part_anywhere_seals_the_message_but_not_inside_an_attached_one() -> None:
    sealed = mixed("Content-Type: text/plain\r\n\r\nx", kind="signed", boundary="s")

    assert refused(mixed(html(), sealed).encode()) == "signed"
    assert shown(mixed(html(), "Content-Type: message/rfc822\r\n\r\n" + sealed).encode()) == ["x"]


def test_an_attached_report_is_not_entered() -> None:
    report = mixed(html("no"), kind="report", boundary="r")

    assert shown(mixed(html(), report).encode()) == ["x"]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x"])
def test_an_encoded_multipart_is_odd(encoding: str) -> None:
    assert refused(f"Content-Transfer-Encoding: {encoding}\r\n{mixed(html())}".encode()) == "odd-encoding"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", ""),
        ("Content-Transfer-Encoding: Base64 (x)\r\n", "base64"),
        ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7BIT\r\n", "7bit"),
        ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n", "?"),
    ],
)
def test_the_encoding_is_read(head: str, expected: str) -> None:
    assert split(message(head)).encoding == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Content-Disposition: attachment\r\n", []),
        ("Content-Disposition: ATTACHMENT; filename=x.html\r\n", []),
        ("Content-Disposition: unheard-of\r\n", []),
        ("Content-Disposition: inline\r\n", ["x"]),
        ("Content-Disposition: inline; filename=x.html\r\n", ["x"]),
        ("Content-Disposition:\r\n", ["x"]),
    ],
)
def test_attachments_are_no_bodies(head: str, expected: list[str]) -> None:
    assert shown(message("Content-Type: text/html\r\n" + head, "x")) == expected


def test_a_named_part_behind_the_body_is_a_file() -> None:
    named = html("file", "Content-Disposition: inline; filename=x.html\r\n")

    assert shown(mixed(html("body"), named).encode()) == ["body"]
    assert shown(mixed(named, html("body")).encode()) == ["file", "body"]
    assert shown(mixed(html("body"), named, kind="alternative").encode()) == ["body", "file"]
    assert shown(mixed(html("body"), "Content-Type: text/html; name=x\r\n\r\nfile").encode()) == ["body"]


def test_of_a_related_only_the_root_is_shown() -> None:
    second = html("two", "Content-ID: <2@x>\r\n")
    raw = mixed(html("one"), second, kind="related")

    assert shown(raw.encode()) == ["one"]
    assert shown(raw.replace("related;", 'related; start="<2@x>";').encode()) == ["two"]
    assert shown(raw.replace("related;", 'related; start="<3@x>";').encode()) == ["one"]


@pytest.mark.parametrize("kind", ["text/x-amp-html", "text/watch-html", "text/calendar", "message/rfc822", "image/png"])
def test_other_types_are_no_bodies(kind: str) -> None:
    assert shown(mixed(f"Content-Type: {kind}\r\n\r\nno", html()).encode()) == ["x"]


def carriers(raw: bytes) -> list[str]:
    root = split(raw)
    pages = [part for part in bodies(root) if part.type == "text/html"]
    return [raw[part.body : part.end].decode() for part in leading(root, pages)]


def test_the_pixel_goes_into_the_leading_body() -> None:
    plain = "Content-Type: text/plain\r\n\r\nplain"
    alternative = mixed(plain, html("one"), html("two"), kind="alternative", boundary="c")

    assert carriers(mixed(html("one"), html("two")).encode()) == ["one"]
    assert carriers(mixed(plain, html("two")).encode()) == ["two"]
    assert carriers(mixed(alternative, html("three")).encode()) == ["one", "two"]
    assert carriers(mixed(plain).encode()) == []
    assert carriers(mixed(mixed(html("one"), html("no"), kind="related", boundary="c")).encode()) == ["one"]


def nested(levels: int) -> bytes:
    text = html()
    for level in range(levels):
        text = mixed(text, boundary=f"b{level}x")
    return text.encode()


def test_limits_are_what_they_say() -> None:
    assert refused(mixed(*[html()] * 101).encode()) == "too-many-parts"
    assert len(split(mixed(*[html()] * 100).encode()).children) == 100
    assert refused(nested(21)) == "too-deep"
    assert shown(nested(20)) == ["x"]
    assert refused(b"A: " + b"b" * 100_000 + b"\r\n\r\n") == "header-too-large"
    assert refused(b"A: b\r\n" * 20_000 + b"\r\n") == "header-too-large"
    assert split(b"A: " + b"b" * 99_000 + b"\r\n\r\n").body == 99_007
    with pytest.raises(Untouchable, match="too-large"):
        head(b"A: b\r\n\r\n" + b"x" * 25_000_000)


@pytest.mark.parametrize("kind", ["multipart", "multi part/mixed", 'multi"part/mixed"'])
def test_parts_under_a_type_that_cannot_be_read_are_broken(kind: str) -> None:
    assert refused(mixed(html()).replace("multipart/mixed", kind, 1).encode()) == "broken-structure"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Content-Type: text/html", []),
        (b"Content-Type: text/html\r\n", []),
        (b"Content-Type: text/html\r\n\r\n", ["text/html"]),
        (mixed("Content-Type: text/html\r\n", html()).encode(), ["text/html"]),
        (mixed("Content-Type: text/html", html()).encode(), ["text/html"]),
        (b"", ["text/plain"]),
    ],
)
def test_a_header_without_the_empty_line_has_no_body(raw: bytes, expected: list[str]) -> None:
    assert [part.type for part in bodies(split(raw))] == expected


@pytest.mark.parametrize("value", ["; quoted-printable", "(base64)", '"'])
def test_an_encoding_that_cannot_be_read_is_in_doubt(value: str) -> None:
    assert split(f"Content-Transfer-Encoding: {value}\r\n\r\n".encode()).encoding not in ("", "7bit")


def test_addresses_are_counted_by_commas_outside_quotes() -> None:
    raw = b'To: "Miss, Cat" <c@d.example>, e@f.example,\r\n g@h.example\r\nCc: i@j.example\r\nSubject: a, b\r\n\r\n'

    assert address_count(raw, head(raw)) == 4


def test_the_author_does_not_count_among_the_recipients() -> None:
    raw = b"From: a@b.example\r\nReply-To: a@b.example\r\nTo: c@d.example\r\nBcc: e@f.example, g@h.example\r\n\r\n"

    assert address_count(raw, head(raw)) == 3


def test_values_are_unfolded() -> None:
    raw = b"A: b\r\n\tc\r\nX: y\r\na: d\r\n\r\n"

    assert field_values(raw, head(raw), "a") == [" b\tc", " d"]


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--",
                b"b",
                b"\r\n",
                b"\n",
                b"\r",
                b": ",
                b"A",
                b"Content-Type: multipart/mixed; boundary=b",
                b"\0",
                b" ",
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_any_bytes_are_split_or_refused(raw: bytes) -> None:
    try:
        root = split(raw)
    except Untouchable:
        return

    def check(part: Part) -> None:
        assert part.start <= part.body <= part.end
        behind = part.body
        for child in part.children:
            assert behind <= child.start
            assert child.end <= part.end
            behind = child.end
            check(child)

    check(root)
