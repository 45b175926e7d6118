"""What is tracked is what was said, end to end: from an empty installation to the bytes at the next hop.

Somebody chooses by the API, excludes a domain, a recipient and a destination; a stock client hands in one mail with
marks of its own; each copy at the upstream has exactly the pixel and links that were allowed. Then all is switched off,
mail accepted before keeps what it had, and no message can switch it on.
"""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.patience import PATIENCE_S

SENDER = "mara@tidewater.example"
TO = ["ines@harbourline.example", "rob@mail.quiet.example", "lotte@fennel.example"]
PIXEL = re.compile(rb"/o/[A-Za-z0-9_-]+\.gif")
CLICK = re.compile(rb'href="http://127\.0\.0\.1:\d+/c/')
LINKS = (
    '<a href="https://a.example/1">one</a> <a href="https://a.example/1">one again</a> '
    '<a href="https://book.calendar.example/mara">two</a> <a href="https://b.example/" data-track="off">three</a>'
)

pytestmark = pytest.mark.walk


def letter(subject: str = "Offer", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = ", ".join(TO)
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(f"<html><body><p>{LINKS}</p></body></html>", subtype="html", cte="8bit")
    return message.as_bytes()


def marks(raw: bytes) -> tuple[int, int]:
    return len(PIXEL.findall(raw)), len(CLICK.findall(raw))


def test_each_copy_carries_what_was_allowed_and_nothing_else(
    installation: Any, sink: Any, until: Callable[..., Any]
) -> None:
    installation.upstream = f"smtp://127.0.0.1:{sink.port}"
    password, token = installation.add(SENDER, "correct horse battery")
    installation.start()

    def say(body: dict[str, Any]) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        with closing(HTTPConnection("127.0.0.1", installation.web, timeout=PATIENCE_S)) as connection:
            connection.request("PUT", "/api/v1/tracking", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def send(message: bytes, user: str = SENDER) -> dict[str, bytes]:
        there = len(sink.mails)
        installation.send(user, password, SENDER, TO, message)
        until(lambda: len(sink.mails) == there + 3, "three copies at the upstream")
        return {envelope.rcpt_tos[0]: envelope.content for envelope in sink.mails[there:]}

    excluded = [
        {"kind": "recipient_domain", "name": "quiet.example", "opens": "off", "clicks": "off"},
        {"kind": "recipient", "name": "Lotte@fennel.example", "opens": "off"},
        {"kind": "destination", "name": "calendar.example"},
    ]
    assert 200 == say({"yours": {"excluded": excluded}})[0]

    first = send(letter())
    assert [marks(first[each]) for each in TO] == [(1, 2), (0, 0), (0, 2)]
    original = first[TO[1]]
    assert b"https://book.calendar.example/mara" in first[TO[0]]

    marked = send(letter("[notrack] Offer"))
    assert [marks(marked[each]) for each in TO] == [(0, 0)] * 3
    assert b"notrack" not in marked[TO[0]]
    assert original.split(b"\r\n\r\n", 1)[1] == marked[TO[0]].split(b"\r\n\r\n", 1)[1]
    named = send(letter(), user=SENDER.replace("@", "+notrack@"))
    assert [marks(named[each]) for each in TO] == [(0, 0)] * 3

    assert 200 == say({"everybody": {"opens_at_most": "off", "clicks_at_most": "off"}})[0]
    status, refused = say({"yours": {"opens": "full"}})
    assert (status, refused["error"]["message"]) == (422, "Open tracking is switched off for everybody here.")
    asking = letter(X_PM_TrackOpens="true", X_PM_TrackLinks="HtmlAndText")
    for user in (SENDER, SENDER.replace("@", "+track@")):
        off = send(asking, user=user)
        assert [marks(off[each]) for each in TO] == [(0, 0)] * 3
        assert b"X-PM" not in off[TO[0]]

    assert 200 == say({"yours": {"strict": True}})[0]
    with pytest.raises(smtplib.SMTPDataError) as error:
        installation.send(SENDER, password, SENDER, TO, asking)
    assert error.value.smtp_code == 550
    assert b"open tracking is switched off for everybody here" in error.value.smtp_error
    installation.stop()
