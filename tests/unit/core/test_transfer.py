from __future__ import annotations

import base64
import binascii
import quopri
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsealed.core.transfer import Base64, Change, QuotedPrintable, Verbatim, apply, body_of, line_end
from unsealed.model.errors import Untouchable
from unsealed.model.message import Edit


def edited(raw: bytes, edits: Sequence[Edit]) -> bytes:
    out, at = b"", 0
    for edit in edits:
        assert edit.offset >= at
        assert raw[edit.offset : edit.offset + len(edit.removed)] == edit.removed
        out += raw[at : edit.offset] + edit.inserted
        at = edit.offset + len(edit.removed)
    return out + raw[at:]


@st.composite
def changed(draw: st.DrawFn, alphabet: bytes = b'ab <>="-\r\n\x00\xc3\xbc') -> tuple[bytes, list[Change]]:
    """Decoded bytes and changes of them, in order and apart."""
    decoded = bytes(draw(st.lists(st.sampled_from(alphabet), max_size=300)))
    places = sorted(draw(st.lists(st.integers(0, len(decoded)), max_size=8)))
    texts = st.lists(st.sampled_from(alphabet), max_size=120).map(bytes)
    return decoded, [Change(start, end, draw(texts)) for start, end in zip(places[::2], places[1::2], strict=False)]


@pytest.mark.parametrize("encoding", ["uuencode", "x-uuencode", "?", "8-bit", "quoted-printable x"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        body_of(b"x", 0, 1, encoding)


@pytest.mark.parametrize("body", [b"a=", b"=3D=\r\n"])
def test_a_soft_break_at_the_end_is_read(body: bytes) -> None:
    assert QuotedPrintable(body, 0, len(body)).decode() == binascii.a2b_qp(body)


@pytest.mark.parametrize("body", [b"a=b", b"a = b", b"=3", b"= \r\n", b"==", b"=\rx", b"a=\r"])
def test_quoted_printable_that_readers_would_not_agree_on_is_refused(body: bytes) -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        body_of(body, 0, len(body), "quoted-printable")


@pytest.mark.parametrize(
    "body", [b"A", b"AAA", b"AAAA=", b"AAA===", b"AAAA====", b"AA==AAAA", b"AAAA*", b"AAAA\r\n-- \r\nfooter"]
)
def test_base64_that_is_not_clean_is_refused(body: bytes) -> None:
    with pytest.raises(Untouchable, match="odd-encoding"):
        body_of(body, 0, len(body), "base64").decode()


@given(case=changed(), newline=st.sampled_from([b"\r\n", b"\n"]), head=st.sampled_from([b"", b"A: b\r\n\r\n"]))
@settings(deadline=None, max_examples=400)
def test_quoted_printable_decodes_to_the_changed_bytes(
    case: tuple[bytes, list[Change]], newline: bytes, head: bytes
) -> None:
    decoded, changes = case
    encoded = quopri.encodestring(decoded.replace(b"\r", b"").replace(b"\n", b"")).replace(b"\n", newline)
    body = QuotedPrintable(head + encoded + b"--x", len(head), len(head) + len(encoded))
    fitting = [change for change in changes if change.end <= len(body.decode())]
    edits = body.splice(fitting)
    after = edited(head + encoded + b"--x", edits).removeprefix(head).removesuffix(b"--x")

    assert binascii.a2b_qp(after) == apply(body.decode(), fitting)
    assert max((len(line.rstrip(b"\r")) for line in after.split(b"\n")), default=0) <= 76
    kept = set(encoded.split(newline)) & set(after.split(newline))
    touched = sum(len(edit.removed) + 1 for edit in edits)
    assert len(kept) >= len(set(encoded.split(newline))) - touched


@given(
    text=st.lists(
        st.sampled_from([b"=3D", b"a", b"=\r\n", b"\r\n", b"=\n", b"=C3=BC", b"x" * 76, b" "]), max_size=1500
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=200)
def test_offsets_are_found_in_any_quoted_printable(text: list[bytes], data: st.DataObject) -> None:
    encoded = b"".join(text)
    body = QuotedPrintable(encoded, 0, len(encoded))
    start = data.draw(st.integers(0, len(body.decode())))
    end = data.draw(st.integers(start, min(start + 40, len(body.decode()))))
    changes = [Change(start, end, b"<\xff>")]

    assert binascii.a2b_qp(edited(encoded, body.splice(changes))) == apply(body.decode(), changes)


@pytest.mark.parametrize(
    ("encoded", "change", "expected"),
    [
        (b"abc=\r\ndef", Change(3, 3, b"X"), b"abcX=\r\ndef"),
        (b"abc=\r\ndef", Change(2, 4, b"X"), b"abXef"),
        (b"a=3Dc", Change(1, 2, b"="), b"a=3Dc"),
        (b"x" * 76 + b"\r\ny", Change(76, 76, b"Z"), b"x" * 75 + b"=\r\nxZ\r\ny"),
        (b"x" * 73 + b"=3D\r\ny", Change(74, 74, b"Z"), b"x" * 73 + b"=\r\n=3DZ\r\ny"),
        (b"x" * 75 + b"=\r\ny", Change(75, 75, b"Z"), b"x" * 75 + b"=\r\nZ=\r\ny"),
        (b"<img>--b\r\n", Change(0, 5, b""), b"=2D-b\r\n"),
        (b"a\r\n<img>--b\r\n", Change(3, 8, b""), b"a\r\n=2D-b\r\n"),
        (b"x" * 70 + b"-" * 6, Change(0, 0, b"Y" * 70), b"Y" * 70 + b"=\r\n" + b"x" * 70 + b"-" * 6),
        (b"-" * 76, Change(0, 0, b"Y" * 70), b"Y" * 70 + b"=\r\n=2D" + b"-" * 75),
        (b"", Change(0, 0, b"Y" * 75 + b"--"), b"Y" * 75 + b"=\r\n=2D-"),
        (b"", Change(0, 0, b"Y" * 74 + b"\xff"), b"Y" * 74 + b"=\r\n=FF"),
        (b"y" * 300, Change(250, 250, b"Z"), b"y" * 250 + b"=\r\nZ" + b"y" * 50),
    ],
)
def test_quoted_printable_is_spliced_in_place(encoded: bytes, change: Change, expected: bytes) -> None:
    assert edited(encoded, QuotedPrintable(encoded, 0, len(encoded)).splice([change])) == expected


@given(case=changed(), width=st.sampled_from([60, 64, 72, 76, 77, 400]), newline=st.sampled_from([b"\r\n", b"\n"]))
@settings(deadline=None)
def test_base64_is_written_again_from_the_first_changed_line(
    case: tuple[bytes, list[Change]], width: int, newline: bytes
) -> None:
    decoded, changes = case
    text = base64.b64encode(decoded)
    encoded = newline.join(text[at : at + width] for at in range(0, len(text), width)) + newline
    raw = b"A: b\r\n\r\n" + encoded
    body = Base64(raw, 8, len(raw))
    edits = body.splice(changes)
    after = edited(raw, edits)[8:]

    assert base64.b64decode(after) == apply(decoded, changes)
    assert after.endswith(newline)
    if changes and width <= 76 and len(text) > width:
        assert {len(line.rstrip(b"\r")) for line in after.split(b"\n")[:-2]} <= {width}
        whole = changes[0].start // (width // 4 * 3) * (width + len(newline))
        assert after[: min(whole, edits[0].offset - 8)] == encoded[: min(whole, edits[0].offset - 8)]


@given(case=changed())
def test_verbatim_bodies_are_spliced_directly(case: tuple[bytes, list[Change]]) -> None:
    decoded, changes = case
    raw = b"A: b\r\n\r\n" + decoded
    after = edited(raw, Verbatim(raw, 8, len(raw)).splice(changes))[8:]

    assert after == apply(decoded, changes) or any(not change.new for change in changes)


@pytest.mark.parametrize(
    ("decoded", "expected"),
    [(b"x\n<img>--b", b"x\n --b"), (b"<img>--b", b" --b"), (b"x<img>--b", b"x--b"), (b"\n<img>-b", b"\n-b")],
)
def test_removing_a_picture_never_makes_a_delimiter(decoded: bytes, expected: bytes) -> None:
    start = decoded.index(b"<")

    assert edited(decoded, Verbatim(decoded, 0, len(decoded)).splice([Change(start, start + 5, b"")])) == expected


def test_a_line_is_broken_where_it_may_be() -> None:
    body = Verbatim(b"x" * 500 + b" " + b"y" * 400 + b" \r\nz", 0, 905)

    assert body.breaks([Change(600, 601, b"Z" * 200)], [500, 901]) == ([500], set())
    assert body.breaks([Change(600, 601, b"Z" * 90)], [500, 901]) == ([], set())
    assert body.breaks([Change(600, 601, b"Z" * 90), Change(904, 905, b"Z" * 2000)], [500]) == ([], {1})


def test_lines_that_changes_make_too_long_are_named() -> None:
    body = Verbatim(b"x" * 900 + b"\r\n" + b"y" * 900, 0, 1802)
    changes = [Change(0, 1, b"Z" * 90), Change(1000, 1001, b"Z" * 90), Change(1100, 1101, b"Z" * 90)]

    assert body.crowded(changes) == [(902, 1802, 1802, range(1, 3))]
    assert body.crowded(changes[:2]) == []


def test_a_change_at_the_end_of_a_line_counts_for_that_line() -> None:
    for end in b"", b"\r\nB":
        body = body_of(b"A" * 900 + end, 0, 900 + len(end), "7bit")
        changes = [Change(600, 601, b"Z" * 60), Change(900, 900, b"Z" * 60)]
        assert isinstance(body, Verbatim)
        assert body.breaks(changes, [500, 900]) == ([500], set())


def test_changes_that_fit_on_no_line_are_named() -> None:
    body = Verbatim(b"x" * 900 + b"\n", 0, 901)

    assert body.breaks([Change(600, 601, b"Z" * 200)], []) == ([], {0})
    assert body.breaks([Change(600, 601, b"Z" * 50), Change(700, 701, b"Z" * 1200)], [650]) == ([650], {1})


def test_lines_that_were_too_long_before_stay() -> None:
    body = Verbatim(b"x" * 999, 0, 999)

    assert body.breaks([Change(600, 601, b"Z" * 200)], [500]) == ([], set())


def test_a_change_across_lines_counts_for_the_line_that_it_makes() -> None:
    body = Verbatim(b"x" * 600 + b"\n" + b"y" * 600, 0, 1201)

    assert body.breaks([Change(590, 610, b"")], [400]) == ([], set())


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (b"", b"a\nb", b"\n"),
        (b"", b"a\r\nb", b"\r\n"),
        (b"", b"a\nb\r\n", b"\r\n"),
        (b"", b"ab", b"\r\n"),
        (b"", b"", b"\r\n"),
        (b"A: b\n\n", b"ab", b"\n"),
        (b"A: b\r\n\r\n", b"ab", b"\r\n"),
        (b"A: b\r\n\r\n", b"a\nb", b"\n"),
    ],
)
def test_the_line_end_is_the_one_in_use(head: bytes, body: bytes, expected: bytes) -> None:
    assert line_end(head + body + b"\n--b\r\n", len(head), len(head) + len(body)) == expected


def test_nothing_to_change_is_no_edit() -> None:
    assert Base64(b"AAAA", 0, 4).splice([]) == []
    assert QuotedPrintable(b"AAAA", 0, 4).splice([]) == []
    assert Verbatim(b"AAAA", 0, 4).splice([]) == []
