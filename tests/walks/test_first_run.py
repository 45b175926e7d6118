"""From the first start to the first judged open in the sandbox, with the keyboard alone.

Whoever starts it follows the printed link, sets up a mail program with what the page shows, and reads a copy as its
recipient. Every stop of the Tab key on the way can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SENDER = "mara@tidewater.example"
STOPS = 80  # more than any of these pages has
FOCUS = """() => {
  const it = document.activeElement;
  const outlined = (each) => each && getComputedStyle(each).outlineStyle !== "none";
  const shown = outlined(it) || outlined(it.closest(".field, .sheet"));
  return { shown, what: it.outerHTML.slice(0, 120) };
}"""

pytestmark = pytest.mark.walk


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there; each stop on the way must show that it has it."""
    for _ in range(STOPS):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        assert stop["shown"] or stop["what"].startswith("<body"), stop["what"]
    pytest.fail(f"Tab does not lead to {wanted}")


def press(page: Page, wanted: Locator) -> None:
    tab_to(page, wanted)
    page.keyboard.press("Enter")


def letter() -> bytes:
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = "Ines Marchetti <ines@harbourline.example>"
    message["Subject"] = "Lunch on Friday?"
    message.set_content("The new menu looks good.")
    message.add_alternative(
        '<p>The <a href="https://example.org/menu">new menu</a><img src="https://example.org/x.png"> looks good.</p>',
        subtype="html",
    )
    return message.as_bytes()


def test_from_the_printed_link_to_the_first_judged_open(
    installation: Any, page: Page, shoot: Callable[[str], None], until: Callable[..., Any]
) -> None:
    from playwright.sync_api import expect

    installation.start()
    link = installation.welcome()

    page.goto(link)
    shoot("first-1-welcome")
    page.keyboard.type(SENDER)  # the first field has the focus
    tab_to(page, page.get_by_label("A password for these pages"))
    page.keyboard.type("correct horse battery")
    press(page, page.get_by_role("button", name="Continue"))
    password = page.locator("code.secret").inner_text()
    shoot("first-2-mail-program")
    press(page, page.get_by_role("link", name="Go on"))
    page.get_by_role("heading", name="What may Unsealed track?").wait_for()
    assert 0 == page.locator("input:checked").count()
    tab_to(page, page.get_by_role("radio", name="Nothing, unless"))
    page.keyboard.press("ArrowUp")  # the last of the three: opens and links
    press(page, page.get_by_role("button", name="Continue"))
    page.get_by_text("Nothing sent yet").wait_for()
    page.get_by_text("Live", exact=True).wait_for()
    shoot("first-3-empty")

    installation.send(SENDER, password, SENDER, ["ines@harbourline.example"], letter())
    page.locator("#rows").get_by_text("Lunch on Friday?").wait_for()  # nobody reloads
    page.get_by_text("Live", exact=True).wait_for()

    page.keyboard.type("gb")
    page.wait_for_url("**/sandbox")
    press(page, page.locator(".copies .row"))
    page.wait_for_url("**/sandbox/*")
    page.locator(".judge").get_by_text("Live", exact=True).wait_for()
    for number, (program, verdict) in enumerate(
        [("Apple Mail, privacy on", "Loaded by a machine"), ("Thunderbird", "Opened")], start=1
    ):
        press(page, page.get_by_role("button", name=program))
        page.locator(".hit").nth(number - 1).wait_for()
        expect(page.locator(".hit .verdict").first).to_contain_text(verdict)
    press(page, page.get_by_role("button", name="Click", exact=True))
    page.locator(".hit").nth(2).wait_for()
    expect(page.locator(".hit .verdict").first).to_contain_text("Clicked new menu")
    shoot("sandbox")

    page.keyboard.type("gs")
    row = page.locator("#rows > li")
    row.get_by_text("Clicked new menu").wait_for()
    assert "1" == row.locator(".mark.opened b").inner_text()
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(page.url.removesuffix("/sent") + "/sandbox")
    press(page, page.locator(".copies .row"))
    page.wait_for_url("**/sandbox/*")
    shoot("sandbox-phone-dark")

    assert page.context.browser is not None
    plain = page.context.browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    quiet = plain.new_page()
    quiet.goto(page.url)
    with quiet.expect_event("load"):
        quiet.get_by_role("button", name="Mail scanner").click()
    # The answer comes with its judgement; on a machine that takes a second for it, the next one does.
    until(lambda: quiet.locator(".hit").count() == 4 or not quiet.reload(), "judged")
    plain.close()
    page.goto("about:blank")
    installation.stop()
