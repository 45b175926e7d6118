"""What the sender says about an event, and "this is me", through every process: page, judge, collector, page again."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER = "mara@tidewater.example"
PIXEL = re.compile(r"http://127\.0\.0\.1:\d+/o/[A-Za-z0-9_-]+\.gif")

pytestmark = pytest.mark.walk


def letter() -> bytes:
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = "Ines Marchetti <ines@harbourline.example>"
    message["Subject"] = "Lunch on Friday?"
    message.set_content("The new menu looks good.")
    message.add_alternative("<p>The <a href='https://example.org/menu'>new menu</a> looks good.</p>", subtype="html")
    return message.as_bytes()


def test_what_the_sender_says_is_believed_shown_and_taken_back(
    installation: Any, page: Page, until: Callable[..., Any], shoot: Callable[[str], None]
) -> None:
    password, token = installation.add(SENDER, "correct horse battery")
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1/messages{path}", Authorization=f"Bearer {token}").json

    assert {} == installation.send(SENDER, password, SENDER, ["ines@harbourline.example"], letter())
    page.goto(f"{web}/sign-in?next=/sandbox")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.locator(".copies .row").first.click()
    page.locator(".judge").get_by_text("Live", exact=True).wait_for()
    page.get_by_role("button", name="Thunderbird").first.click()
    page.locator(".hit").first.wait_for()
    source = page.get_by_role("link", name="Source").get_attribute("href")
    copy = page.request.get(web + str(source)).text().replace("=\r\n", "").replace("=\n", "")
    pixel = PIXEL.search(copy.replace("=3D", "="))
    assert pixel is not None
    [message] = ask("")["messages"]
    there = f"/{message['id']}"

    # That was me: the event, the counts and the settings follow.
    page.goto(f"{web}/message{there}")
    page.locator("summary.event").first.click()
    page.get_by_role("button", name="That was me").click()
    # The page waits a moment for that; where the judge takes longer, it says so, and the next one tells.
    page.get_by_text("Remembered:").wait_for()
    until(lambda: page.get_by_text("1 event changed").count() or not page.reload(), "said what it changed")
    shoot("corrected")
    assert ("self_open", True) == tuple(ask(f"{there}/events")["events"][0][key] for key in ("verdict", "corrected"))
    assert 0 == ask(there)["opens"]

    # Undone, from the settings: as before.
    page.goto(f"{web}/settings/judging")
    shoot("settings-judging")
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Taken back.").wait_for()
    until(lambda: ask(there)["opens"] == 1, "judged again")
    assert "human_open" == ask(f"{there}/events")["events"][0]["verdict"]

    # This is me: the browser goes through the tracking host and is known there, also when it is signed out.
    page.goto(f"{web}/settings/devices")
    page.get_by_role("button", name="This is me").click()
    page.get_by_text("This browser is known as yours.").wait_for()
    shoot("settings-devices")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.request.get(pixel[0]).ok
    until(lambda: len(ask(f"{there}/events")["events"]) == 2, "the own look")
    own = ask(f"{there}/events")["events"][0]
    assert ("self_open", "SELF_COOKIE") == (own["verdict"], own["reasons"][0]["code"])
    assert 1 == ask(there)["opens"]
    installation.stop()
