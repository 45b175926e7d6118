from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from unsealed.core.bounce import Failure, report, status_of
from unsealed.model.message import CopyId, MessageId

FAILURE = Failure(
    copy=CopyId(0xA),
    message=MessageId(0xB),
    sender="ann@example.org",
    recipient="bob@x.example",
    reply="550 5.1.1 No such user here, and this is a long explanation why " + "word " * 20,
    received_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
    failed_at=datetime(2026, 11, 21, 13, tzinfo=UTC),
    original=b"From: ann@example.org\r\nMessage-ID: <1@example.org>\r\nSubject: hi\r\n\r\nsecret body\r\n",
)


def test_the_report_is_one_that_programs_understand() -> None:
    raw = report(FAILURE, host="mail.example.org")
    message = message_from_bytes(raw, policy=policy.default)
    text, status, head = message.iter_parts()

    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert (message["To"], message["Auto-Submitted"]) == ("ann@example.org", "auto-replied")
    assert "bob@x.example" in text.get_content()
    blocks: Any = status.get_payload()
    per_message, per_recipient = blocks
    assert per_message["Reporting-MTA"] == "dns; mail.example.org"
    assert per_message["Original-Envelope-Id"] == "000000000000000a"
    assert per_recipient["Final-Recipient"] == "rfc822; bob@x.example"
    assert (per_recipient["Action"], per_recipient["Status"]) == ("failed", "5.1.1")
    assert " ".join(per_recipient["Diagnostic-Code"].split()) == "smtp; " + FAILURE.reply.strip()
    assert head.get_content_type() == "text/rfc822-headers"
    assert "Message-ID: <1@example.org>" in head.get_payload()
    assert message.defects == []


def test_the_report_holds_no_body_of_the_original() -> None:
    assert b"secret" not in report(FAILURE, host="mail.example.org")


def test_the_same_facts_give_the_same_bytes() -> None:
    assert report(FAILURE, host="h.example") == report(FAILURE, host="h.example")


def test_the_report_is_canonical_with_short_lines() -> None:
    raw = report(replace(FAILURE, reply="550 " + "\r\nBcc: eve@x " * 40), host="mail.example.org")

    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
    assert not any(line.lower().startswith(b"bcc:") for line in raw.split(b"\r\n"))
    assert max(map(len, raw.split(b"\r\n"))) < 998


def test_addresses_beyond_ascii_make_it_international() -> None:
    raw = report(replace(FAILURE, recipient="j\xf6rg@x.example"), host="mail.example.org")

    assert b"message/global-delivery-status" in raw
    assert "Final-Recipient: utf-8; j\xf6rg@x.example".encode() in raw


def test_a_giant_head_is_cut_at_a_line_end() -> None:
    raw = report(replace(FAILURE, original=b"X: y\r\n" * 50_000 + b"\r\n"), host="mail.example.org")

    assert len(raw) < 25_000
    assert raw.endswith(b"X: y\r\n\r\n--=_unsealed_000000000000000a--\r\n")


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.7.1 no", "5.7.1"),
        ("451 4.4.1 away", "5.4.1"),
        ("550 no", "5.0.0"),
        ("250 2.0.0 ok", "5.0.0"),
        ("", "5.0.0"),
    ],
)
def test_the_status_is_of_the_class_of_failures(reply: str, status: str) -> None:
    assert status_of(reply) == status
