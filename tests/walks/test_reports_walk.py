"""Reports over real letters and a real open: by keyboard, on a phone, with nothing refused by the browser, and a file
that holds what the page says."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
SUBJECT = '=cmd <img src=x onerror="document.title=1">'
LETTER = (
    f"From: Mara <{SENDER}>\r\nTo: undisclosed-recipients:;\r\nSubject: {SUBJECT}\r\nMIME-Version: 1.0\r\n"
    'Content-Type: text/html\r\n\r\n<p>See <a href="https://tidewater.example/prices">the prices</a>.</p>\r\n'
).encode()

pytestmark = pytest.mark.walk


def test_a_report_grows_from_nothing_to_a_rate(installation: Any, page: Page, until: Callable[..., Any]) -> None:
    app_password, _ = installation.add(SENDER, PASSWORD)
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
    page.goto(f"{web}/sign-in?next=/sent")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web}/sent")

    page.keyboard.type("gr")
    page.get_by_text("from 20 tracked recipients on").wait_for()

    people = [f"person{number}@company{number % 2}.example" for number in range(24)]
    installation.send(SENDER, app_password, SENDER, people, LETTER)

    until(lambda: page.request.get(f"{web}/sandbox").text().count('<a class="row"') == 24, "all copies")
    page.goto(f"{web}/sandbox")
    page.locator(".copies .row").first.click()
    page.get_by_role("button", name="Thunderbird").click()
    page.locator(".hit").first.wait_for()

    until(lambda: "1 of 24 tracked recipients" in page.request.get(f"{web}/reports").text(), "the open in the report")
    page.goto(f"{web}/reports")
    page.get_by_role("link", name="Subjects").press("Enter")
    page.wait_for_url("**by=subject**")
    page.get_by_role("cell", name="1 of 24").first.wait_for()
    row = page.locator("tbody tr", has=page.get_by_role("rowheader", name=SUBJECT))
    assert "4.2 %, between 0.7 and 20.2 %" == row.get_by_role("img").get_attribute("aria-label")
    assert "Reports, last 30 days - Unsealed" == page.title()

    page.locator("summary", has_text="Any domain").press("Enter")
    page.get_by_label("Domain of the recipients").fill("company1.example")
    page.keyboard.press("Enter")
    page.get_by_text("Too few letters fit these filters").wait_for()
    assert "domain=company1.example" in page.url
    page.get_by_role("link", name="Clear the filters").last.press("Enter")
    page.get_by_text("1 of 24 tracked recipients").wait_for()

    page.locator("summary", has_text="CSV").press("Enter")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Messages").click()
    with waiting.value.path().open(encoding="utf-8-sig", newline="") as file:
        (message,) = csv.DictReader(file)
    assert (f"'{SUBJECT}", "24", "1") == (message["subject"], message["recipients"], message["opens"])

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{web}/reports?by=subject")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [] == refused
