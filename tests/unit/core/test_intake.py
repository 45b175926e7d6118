from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.intake import Intake, take_in
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Switches

COMPLETE = (
    b"From: Ann <ann@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"To: bob@x.example\r\nSubject: hi\r\n"
)


def taken(content: bytes, *, sender: str = "ann@example.org") -> Intake:
    return take_in(
        content,
        user=UserId(1),
        envelope_from=sender,
        envelope_to=["bob@x.example", "eve@x.example"],
        defaults=Switches(),
        now=datetime(2026, 11, 21, 12, tzinfo=UTC),
        new_id="abc",
    )


def test_a_complete_message_is_kept_octet_for_octet() -> None:
    raw = COMPLETE + b"\r\n.dots\r\n\xff\r\n"

    assert taken(raw).outgoing.raw == raw


def test_bcc_and_control_headers_are_cut_out_and_nothing_else() -> None:
    controls = (
        b"Bcc: eve@x.example,\r\n mallory@x.example\r\nX-Pm-Trackopens: false\r\nX-PM-Tag: t\r\nResent-Bcc: q@x\r\n"
    )

    made = taken(controls + COMPLETE + controls + b"\r\nBcc: in the body\r\n")

    assert made.outgoing.raw == COMPLETE + b"\r\nBcc: in the body\r\n"
    assert made.outgoing.switches.opens == Level.OFF
    assert made.outgoing.tag == "t"


@given(st.permutations([b"Bcc: a@x", b"bCC : b@x", b"X-PM-Tag: t", b"junk", b"To: c@x", b"Resent-BCC:\r\n\te@x"]))
def test_no_order_of_lines_lets_a_bcc_through(lines: list[bytes]) -> None:
    raw = taken(b"\r\n".join(lines) + b"\r\n\r\nbody\r\n").outgoing.raw

    assert b"bcc" not in raw.lower()
    assert b"To: c@x\r\n" in raw


def test_missing_headers_are_put_on_top() -> None:
    made = taken(b"Subject: hi\r\n\r\nbody\r\n")

    assert made.outgoing.raw == (
        b"From: ann@example.org\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <abc@example.org>\r\n"
        b"Subject: hi\r\n\r\nbody\r\n"
    )
    assert made.authors == ("ann@example.org",)


def test_a_body_without_a_head_stays_a_body() -> None:
    assert taken(b"hello\r\nBob\r\n").outgoing.raw.endswith(b"@example.org>\r\n\r\nhello\r\nBob\r\n")
    assert taken(b"\r\nhello\r\n").outgoing.raw.endswith(b"@example.org>\r\n\r\nhello\r\n")
    assert taken(b"").outgoing.raw.endswith(b"@example.org>\r\n\r\n")


def test_a_made_message_id_is_ascii() -> None:
    assert b"<abc@xn--bcher-kva.example>" in taken(b"Subject: hi\r\n\r\n", sender="a@b\xfccher.example").outgoing.raw


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n", b"\n\r"])
def test_other_line_ends_become_crlf(end: bytes) -> None:
    raw = taken(COMPLETE + b"\r\na" + end + b"." + end + b"b\r\n").outgoing.raw

    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")


def test_a_nul_is_refused() -> None:
    with pytest.raises(BadInput):
        taken(COMPLETE + b"\r\n\0\r\n")


def test_a_message_that_runs_in_a_circle_is_refused() -> None:
    hop = b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n"

    assert taken(hop * 30 + COMPLETE + b"\r\n").outgoing.raw.startswith(hop * 30)
    with pytest.raises(Refused, match="circle"):
        taken(hop * 31 + COMPLETE + b"\r\n")
