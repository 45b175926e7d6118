"""A template from a file: read in, looked at for a contact, kept, and a letter begun from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

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
    installation.command("user", "add", SENDER, "--password-stdin", given=PASSWORD.encode() + b"\n")
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
