from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.header import (
    RELATED_MESSAGES,
    answered,
    canonical,
    decoded,
    fields,
    head_end,
    on_top,
    subject,
    without,
)
from unsealed.model.errors import BadInput

LINES = st.lists(
    st.sampled_from(
        [b"Bcc: a@x", b"Subject: s", b" folded", b"\tfolded", b"no field at all", b"X-PM-Tag:", b"To : b@x", b"\xff: q"]
    ),
    max_size=12,
)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.\r\n"])).map(b"".join))
def test_the_canonical_form_has_crlf_line_ends_only_and_is_its_own_canonical_form(raw: bytes) -> None:
    made = canonical(raw)

    assert made.count(b"\r\n") == made.count(b"\r") == made.count(b"\n")
    assert made.endswith(b"\r\n")
    assert canonical(made) == made
    assert re.sub(rb"[\r\n]", b"", made) == re.sub(rb"[\r\n]", b"", raw)


def test_a_nul_is_refused() -> None:
    with pytest.raises(BadInput, match="NUL"):
        canonical(b"Subject: a\0b\r\n")


def test_fields_are_found_with_their_continuation_lines() -> None:
    raw = b"To: a@x,\r\n\tb@x\r\nSubject : one\r\n two\r\n\r\nBcc: body@x\r\n"

    found = fields(raw)

    assert [(item.name, item.value) for item in found] == [("to", b"a@x,\tb@x"), ("subject", b"one two")]
    assert [raw[item.start : item.end] for item in found] == [b"To: a@x,\r\n\tb@x\r\n", b"Subject : one\r\n two\r\n"]


def test_a_field_behind_a_broken_line_is_found() -> None:
    raw = b"From ann Sat Nov 21\r\nthis is no field\r\nBcc: eve@x\r\n\r\nbody\r\n"

    assert ["bcc"] == [item.name for item in fields(raw)]


@pytest.mark.parametrize(
    ("raw", "end"), [(b"\r\nbody\r\n", 0), (b"A: b\r\n\r\nbody\r\n", 6), (b"A: b\r\n", 6), (b"", 0)]
)
def test_the_head_ends_at_the_first_empty_line(raw: bytes, end: int) -> None:
    assert head_end(raw) == end


@given(LINES, st.binary(max_size=30).map(lambda body: body.replace(b"\r", b"").replace(b"\n", b"")))
def test_cutting_fields_leaves_everything_else_octet_for_octet(lines: list[bytes], body: bytes) -> None:
    raw = b"".join(line + b"\r\n" for line in lines) + b"\r\nBcc: " + body + b"\r\n"
    found = fields(raw)

    rest = without(raw, lambda item: item.name == "bcc", found)

    kept, cut = b"", 0
    for item in found:
        if item.name == "bcc":
            kept += raw[cut : item.start]
            cut = item.end
    assert rest == kept + raw[cut:]
    assert "bcc" not in [item.name for item in fields(rest)]
    assert rest.endswith(b"Bcc: " + body + b"\r\n")  # the body is no head


def test_cutting_nothing_gives_the_same_bytes() -> None:
    raw = b"To: a@x\r\n\r\nbody\r\n"

    assert raw == without(raw, lambda item: item.name == "bcc", fields(raw))


def test_lines_are_put_on_top() -> None:
    assert on_top(b"To: a@x\r\n\r\n", [("Date", "today")]) == b"Date: today\r\nTo: a@x\r\n\r\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("direct UTF-8 \N{SNOWMAN}".encode(), "direct UTF-8 \N{SNOWMAN}"),
        (b"latin \xe9", "latin \xe9"),
        (b"=?utf-8?Q?caf=C3=A9?= =?utf-8?B?IGF1IGxhaXQ=?=", "caf\xe9 au lait"),
        (b"=?utf-8?Q?a=0D=0ABcc:_eve@x?=", "a Bcc: eve@x"),  # a decoded line end is data
        (b"=?no-such-charset?Q?a=E9?=", "a\xe9"),
        (b"=?utf-8?Q?broken", "=?utf-8?Q?broken"),
        (b"=?utf-8?B?A?=", "=?utf-8?B?A?="),
        (b"a\x00b\x1bc", "a b c"),
    ],
)
def test_a_value_is_decoded_to_one_line(value: bytes, text: str) -> None:
    assert decoded(value) == text


@given(st.binary(max_size=60))
def test_decoding_never_fails_and_never_gives_control_characters(value: bytes) -> None:
    assert decoded(b"=?utf-8?Q?" + value + b"?=").isprintable() or True
    assert not re.search(r"[\x00-\x1f\x7f]", decoded(b"=?utf-8?Q?" + value + b"?="))
    assert not re.search(r"[\x00-\x1f\x7f]", decoded(value))


def test_the_subject_is_cut_at_500_characters() -> None:
    assert subject(fields(b"Subject: " + b"x" * 600 + b"\r\n\r\n")) == "x" * 500
    assert subject([]) == ""


def test_a_head_of_a_hundred_thousand_lines_is_read_in_linear_time() -> None:
    assert len(fields(b"A: b\r\n" * 100_000)) == 100_000


def test_what_a_message_answers_is_named_nearest_first_and_once() -> None:
    head = b"References: <1@x> junk\r\n <2@x>\r\nIn-Reply-To: <2@x> (yesterday)\r\nMessage-ID: <3@x>\r\n\r\n"
    assert answered(fields(head)) == ("<2@x>", "<1@x>")
    assert answered([]) == ()


def test_of_very_many_named_messages_the_nearest_are_kept() -> None:
    names = [f"<{number}@x>" for number in range(5_000)]
    found = fields(f"References: {' '.join(names)}\r\n\r\n".encode())
    assert answered(found) == tuple(reversed(names[-RELATED_MESSAGES:]))
