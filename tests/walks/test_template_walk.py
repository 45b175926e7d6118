"""A template from a file: read in, looked at for a contact, kept, and a letter begun from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
FILE = (
    "<html><head><title>Welcome &amp;\n aboard</title><style>p{}</style></head><body>"
    '<table><tr><td style="padding:3px">Gr\xfc\xdfe, {{first_name|there}}</td></tr></table></body></html>'
)

pytestmark = pytest.mark.walk


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252"])
def test_a_letter_is_begun_from_a_template_that_was_read_from_a_file(
    installation: Any, page: Page, charset: str
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    page.goto(f"http://127.0.0.1:{installation.web}/sign-in?next=/templates/new")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("[data-import]").wait_for()

    file = {"name": "welcome.html", "mimeType": "text/html", "buffer": FILE.encode(charset)}
    page.locator("[data-file]").set_input_files(file)  # type: ignore[arg-type]  # a literal
    paper = page.frame_locator("[name=preview]")
    paper.get_by_text("Gr\xfc\xdfe, there").wait_for()
    assert ("welcome", "Welcome & aboard") == (page.input_value("#name"), page.input_value("#subject"))

    page.locator("#html").focus()
    page.keyboard.press("Control+End")
    page.get_by_role("button", name="sender_email", exact=True).press("Enter")
    page.get_by_role("button", name="Preview", exact=True).press("Enter")
    paper.get_by_text(SENDER).wait_for()
    page.get_by_role("button", name="Save template").press("Enter")
    page.get_by_text("Left out, because letters cannot hold it: style").wait_for()

    page.get_by_role("link", name="Write a letter").press("Enter")
    page.locator(".ProseMirror").get_by_text("Gr\xfc\xdfe, there").wait_for()
    assert "Welcome & aboard" == page.input_value("#subject")

    # Its cell holds words and no paragraph, which the editor cannot: said, and kept as long as no word is changed.
    page.get_by_text("holds more than can be edited here").wait_for()
    cell = '<td style="padding:3px">Gr\xfc\xdfe, there</td>'
    page.locator("#to").fill("ines@harbour.example,")
    page.locator("[data-state]", has_text="Saved").wait_for()
    page.reload()
    begun = json.loads(page.locator("[data-compose]").get_attribute("data-compose") or "")
    assert cell in begun["content"]["html"]


def test_what_nobody_knows_is_asked_for_when_a_template_is_put_in(installation: Any, chromium: Browser) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    page = chromium.new_context(color_scheme="dark").new_page()  # whose console may say that it was refused
    page.goto(f"{web}/sign-in?next=/templates/new")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.fill("#name", "Delivery")
    page.fill("#subject", "Your {{product}}")
    page.fill("#html", '<p style="background-color:#fff4e0">{{first_name}}, your {{product}} comes on {{day}}.</p>')
    page.get_by_role("button", name="Save template").click()
    page.get_by_role("link", name="Write a letter").click()

    # It waits for its recipient, takes the name from there, and asks for the rest.
    words = page.locator("#letter")
    words.get_by_text("{{first_name}}, your {{product}} comes on {{day}}.").wait_for()
    page.locator("#to").fill("Ines Moreau <ines@harbour.example>,")
    dialog = page.get_by_role("dialog", name="Fill in the template")
    dialog.wait_for()
    assert ["Product", "Day"] == dialog.locator("label").all_inner_texts()
    page.keyboard.type("sextant {{")
    page.keyboard.press("Enter")
    words.get_by_text("Ines, your sextant (( comes on {{day}}.").wait_for()
    assert "Your sextant ((" == page.input_value("#subject")
    paper = page.locator("[data-letter]").evaluate("(each) => getComputedStyle(each.parentElement).backgroundColor")
    assert "rgb(255, 255, 255)" == paper  # its colours were chosen for white

    # What is left as it is stops the sending, and is named.
    page.keyboard.press("Control+Enter")
    page.get_by_text("{{day}} still waits for its words").wait_for()

    # Into a letter that is begun already; with the keyboard alone.
    page.goto(f"{web}/compose")
    words.click()
    page.keyboard.type("Good morning")
    page.get_by_role("button", name="Template").press("Enter")
    page.get_by_role("button", name="Delivery").press("Enter")
    dialog.wait_for()
    assert {"First name", "Product", "Day"} == set(dialog.locator("label").all_inner_texts())
    page.keyboard.press("Escape")
    words.get_by_text("{{first_name}}, your {{product}} comes on {{day}}.").wait_for()
    assert "Good morning" in words.inner_text()
