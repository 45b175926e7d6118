"""The report that tells a sender that a copy could not be delivered (RFC 3464).

Promises the same bytes for the same facts, so that a report sent twice can be recognised, and a message that no
well-behaved program answers (RFC 3834). Contains the head of the original, never its body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from unsealed.core.header import head_end
from unsealed.model.message import CopyId, MessageId, public_id

HEAD_BYTES = 20_000  # of the original's head that are quoted

_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_CODE = re.compile(r"\s*[45]\d\d\b")
_UNSAFE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The facts of one copy that was given up."""

    copy: CopyId
    message: MessageId
    sender: str
    recipient: str
    reply: str  # the last answer of the next hop, or what happened instead
    received_at: datetime
    failed_at: datetime
    original: bytes = field(repr=False)


def status_of(reply: str) -> str:
    """The enhanced status code (RFC 3463) for a reply, of class 5: the copy has failed, whatever the last answer."""
    match = _STATUS.search(reply)
    return "5" + match[1][1:] if match and match[1][0] in "45" else "5.0.0"


def report(failure: Failure, *, host: str) -> bytes:
    """A multipart/report message to the sender, canonical CRLF, 7-bit unless an address or the head is not.

    host: the name of this installation, in Reporting-MTA, Message-ID and the From address.
    """
    name = public_id(failure.copy)
    boundary = f"=_unsealed_{name}"
    reply = _UNSAFE.sub(" ", failure.reply).strip() or "no answer"
    quoted = _quoted_head(failure.original)
    international = not (failure.recipient + failure.sender).isascii()
    encoding = "8bit" if international or not quoted.isascii() else "7bit"
    lines = [
        f"Date: {format_datetime(failure.failed_at)}",
        f"From: Mail Delivery <mailer-daemon@{host}>",
        f"To: <{failure.sender}>",
        "Subject: Your message could not be delivered",
        f"Message-ID: <bounce.{name}@{host}>",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        f"Content-Transfer-Encoding: {encoding}",
        "",
    ]
    if international:  # RFC 6533: addresses beyond ASCII have a type of their own, and reports that name them too
        status, headers, address_type = "message/global-delivery-status", "message/global-headers", "utf-8"
    else:
        status, headers, address_type = "message/delivery-status", "text/rfc822-headers", "rfc822"
    for media_type, content in (
        ("text/plain; charset=utf-8", _for_people(failure, reply)),
        (status, _for_programs(failure, reply, host, address_type)),
        (headers, []),
    ):
        begin = [f"--{boundary}", f"Content-Type: {media_type}", f"Content-Transfer-Encoding: {encoding}", ""]
        lines += [*begin, *content]
    return "\r\n".join([*lines, ""]).encode() + quoted + f"\r\n--{boundary}--\r\n".encode()


def _quoted_head(original: bytes) -> bytes:
    """The head of the original in whole lines, no more than `HEAD_BYTES` of it."""
    head = original[: head_end(original)]
    if len(head) > HEAD_BYTES:
        head = head[: head.rfind(b"\r\n", 0, HEAD_BYTES) + 2]
    return head if not head or head.endswith(b"\r\n") else head + b"\r\n"


def _for_people(failure: Failure, reply: str) -> list[str]:
    return [
        "Your message could not be delivered to",
        "",
        f"    {failure.recipient}",
        "",
        "The mail server on its way answered:",
        "",
        *(f"    {line}" for line in _wrapped(reply)),
        "",
        f"The message was handed in on {format_datetime(failure.received_at)} as {public_id(failure.message)}.",
        "It was not delivered to this recipient and will not be tried again.",
        "Other recipients are not affected.",
        "",
    ]


def _for_programs(failure: Failure, reply: str, host: str, address_type: str) -> list[str]:
    """Fields of the message, then those of the one recipient (RFC 3464 §2.2 and §2.3)."""
    answer = f"smtp; {reply}" if _CODE.match(reply) else f"x-unsealed; {reply}"
    return [
        f"Reporting-MTA: dns; {host}",
        f"Original-Envelope-Id: {public_id(failure.copy)}",
        f"Arrival-Date: {format_datetime(failure.received_at)}",
        "",
        f"Final-Recipient: {address_type}; {failure.recipient}",
        "Action: failed",
        f"Status: {status_of(reply)}",
        *_folded("Diagnostic-Code", answer),
        f"Last-Attempt-Date: {format_datetime(failure.failed_at)}",
        "",
    ]


def _wrapped(text: str, width: int = 70) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _folded(name: str, value: str) -> list[str]:
    first, *others = _wrapped(value)
    return [f"{name}: {first}", *(f" {line}" for line in others)]
