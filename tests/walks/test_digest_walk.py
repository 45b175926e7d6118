"""The daily letter, from a hit to the sender's own mailbox, which here is the sandbox.

Nobody waits for an hour: whoever chooses the first minute of the day is due at once, when the server looks, which it
does at its start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER = "mara@tidewater.example"
INES = "ines@harbourline.example"
PIXEL = re.compile(r"http://127\.0\.0\.1:\d+/o/[A-Za-z0-9_-]+\.gif")

pytestmark = pytest.mark.walk


def test_what_happened_comes_as_one_letter_that_is_not_tracked(
    installation: Any, page: Page, until: Callable[..., Any]
) -> None:
    web = f"http://127.0.0.1:{installation.web}"
    password, _ = installation.add(SENDER, "correct horse battery")
    installation.start()
    page.goto(f"{web}/sign-in?next=/settings/notifications")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Where else").wait_for()

    def copies() -> list[EmailMessage]:
        """What lies in the sandbox, the newest first."""
        ids = re.findall(r'class="row" href="/sandbox/(\w+)"', page.request.get(f"{web}/sandbox").text())
        found = [page.request.get(f"{web}/sandbox/{id}/source.eml").body() for id in ids]
        return [message_from_bytes(raw, policy=policy.default) for raw in found]

    def daily() -> list[EmailMessage]:
        return [each for each in copies() if each["To"] == f"<{SENDER}>" or each["To"] == SENDER]

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, f"Ines Marchetti <{INES}>", "Lunch on Friday"
    message.set_content("<p>The new menu looks good.</p>", subtype="html")
    assert {} == installation.send(SENDER, password, SENDER, [INES], message.as_bytes())
    [copy] = until(copies, "in the sandbox")
    pixel = PIXEL.search(copy.get_content())
    assert pixel is not None
    assert 200 == installation.load(pixel[0], X_Forwarded_For="203.0.113.21").status
    told = f"{web}/settings/notifications"
    until(lambda: re.search(r"Lunch on Friday</a>.*?told", page.request.get(told).text(), re.S), "told")

    page.get_by_label("One letter a day").check()
    page.get_by_label("daily letter at").fill("00:00")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.", exact=True).wait_for()
    page.goto("about:blank")  # else it would call the server that is away an error
    installation.stop()
    installation.start()
    [letter] = until(daily, "the letter came")

    assert "Your mail: 1 opened" == letter["Subject"]
    text = letter.get_content()
    assert "Ines Marchetti opened it" in text
    assert "Lunch on Friday" in text
    assert f"{web}/message/" in text
    assert f"{web}/settings/notifications" in text
    assert not PIXEL.search(letter.as_string())

    installation.stop()
    installation.start()  # today's was written
    assert 1 == len(daily())
    installation.stop()
