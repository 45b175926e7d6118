from __future__ import annotations

from email.header import Header, decode_header, make_header
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.header import Field, fields
from unsealed.core.subject import marked, without_mark

MARK = "[notrack]"


def subject_of(raw: bytes) -> Field:
    return next(item for item in fields(raw) if item.name == "subject")


def cut(line: bytes, mark: str = MARK) -> bytes | None:
    raw = b"To: a@x.example\r\n" + line + b"\r\nX: y\r\n\r\n[notrack] body\r\n"
    field = subject_of(raw)
    assert marked(field, mark)
    made = without_mark(raw, field, mark)
    if made is None:
        return None
    assert made.startswith(b"To: a@x.example\r\n")
    assert made.endswith(b"\r\nX: y\r\n\r\n[notrack] body\r\n")
    return made.removeprefix(b"To: a@x.example\r\n").removesuffix(b"\r\nX: y\r\n\r\n[notrack] body\r\n")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"Subject: [notrack] Offer", b"Subject: Offer"),
        (b"SUBJECT:[NoTrack]Offer", b"SUBJECT:Offer"),
        (b"Subject: [notrack]\r\n  Offer\r\n for you", b"Subject: Offer\r\n for you"),
        (b"Subject:\r\n [notrack] Offer", b"Subject:\r\n Offer"),
        (b"Subject: Re: [notrack] Offer", b"Subject: Re: Offer"),
        (b"Subject: AW: RE: [notrack] Offer", b"Subject: AW: RE: Offer"),
        (b"Subject: [notrack]", b"Subject: "),
        (b"Subject: [notrack] [notrack] x", b"Subject: [notrack] x"),
        (b"Subject: [notrack] gr\xc3\xbc\xc3\x9fe", b"Subject: gr\xc3\xbc\xc3\x9fe"),
        (b"Subject: [notrack] =?utf-8?q?Caf=C3=A9?=", b"Subject: =?utf-8?q?Caf=C3=A9?="),
        (b"Subject: =?utf-8?Q?=5Bnotrack=5D_Caf=C3=A9?=", b"Subject: =?utf-8?Q?Caf=C3=A9?="),
        (b"Subject: =?iso-8859-1?q?[notrack]_Caf=E9?= x", b"Subject: =?iso-8859-1?q?Caf=E9?= x"),
        (b"Subject: =?utf-8?q?Re:_=5BNOTRACK=5D_Caf=C3=A9?=", b"Subject: =?utf-8?q?Re:_Caf=C3=A9?="),
        (b"Subject: =?utf-8?q?=5Bnotrack=5D_?=\r\n =?utf-8?q?Caf=C3=A9?=", b"Subject: =?utf-8?q?Caf=C3=A9?="),
        (b"Subject: =?utf-8?B?W25vdHJhY2tdIENhZsOp?=", b"Subject: =?utf-8?B?Q2Fmw6k=?="),
    ],
)
def test_only_the_mark_leaves_the_subject(line: bytes, left: bytes) -> None:
    assert cut(line) == left


@pytest.mark.parametrize(
    "line",
    [b"Subject: =?utf-8?q?=5Bnot?= =?utf-8?q?rack=5D_x?=", b"Subject: =?utf-16be?b?AFsAbgBvAHQAcgBhAGMAawBdAHg=?="],
)
def test_a_mark_that_cannot_be_cut_out_is_still_seen(line: bytes) -> None:
    assert cut(line) is None


@pytest.mark.parametrize(
    "line",
    [b"Subject: x [notrack]", b"Subject: notrack", b"Subject:", b"Subject: [no track] x", b"Subject: Rex: [notrack]"],
)
def test_elsewhere_it_is_part_of_the_text(line: bytes) -> None:
    assert not marked(subject_of(line + b"\r\n\r\n"), MARK)


def test_without_a_mark_in_the_settings_nothing_is_one() -> None:
    assert not marked(subject_of(b"Subject: [notrack] x\r\n\r\n"), "")


@given(
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=120).map(lambda text: " ".join(text.split())),
    st.sampled_from(["utf-8", "iso-2022-jp", "iso-8859-1"]),
)
def test_what_python_writes_reads_the_same_without_the_mark(text: str, charset: str) -> None:
    try:
        written = Header(f"[notrack] {text}", charset, header_name="Subject").encode(linesep="\r\n")
    except UnicodeError:
        return
    raw = f"Subject: {written}\r\n\r\n".encode()

    made = without_mark(raw, subject_of(raw), MARK)

    assert made is not None
    value = BytesHeaderParser().parsebytes(made)["subject"]
    assert str(make_header(decode_header(value))).split() == text.split()


@given(st.binary(max_size=200))
def test_no_octets_make_it_raise(noise: bytes) -> None:
    line = b"Subject: " + noise.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"") + b"\r\n\r\n"
    field = subject_of(line)

    marked(field, MARK)
    without_mark(line, field, MARK)


def test_ten_thousand_characters_take_no_time_to_speak_of() -> None:
    line = b"Subject: " + b"Re: " * 10_000 + b"[notrack]\r\n\r\n"

    assert not marked(subject_of(line), MARK)
