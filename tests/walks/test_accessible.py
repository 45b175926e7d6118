"""Every page passes axe-core: light and dark, on a desk and on a phone, empty and with data.

Pages are found in the routes, so that a new one is looked at without being named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from unsealed.inlets import web

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
WIDTHS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
LETTER = (
    f"From: Mara <{SENDER}>\r\nTo: Ines <ines@harbourline.example>, rob@harbourline.example\r\n"
    "Subject: Proposal\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    '<p>See <a href="https://tidewater.example/prices">the prices</a>, or leave '
    '<a href="https://tidewater.example/unsubscribe">the list</a>.</p>\r\n'
).encode()
PIXEL = re.compile(rb"http://[^\"']+/o/[A-Za-z0-9_-]+\.gif")
# Frames hold letters of others, and run no scripts.
RUN = "(more) => axe.run(document, {iframes: false, resultTypes: ['violations'], ...more})"
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},  # nothing but colours is different
}

NO_PAGES = {"/live", "/sent/rows", "/activity/rows", "/opened/rows"}  # a stream, which never ends; a part of a page

pytestmark = pytest.mark.walk


def pages() -> Iterator[str]:
    """Paths of all pages that need nothing but a signed-in person."""
    for module in vars(web).values():
        routes = getattr(module, "routes", ())
        for route in routes if isinstance(routes, list) else ():
            if "GET" in (route.methods or ()) and "{" not in route.path and route.path not in NO_PAGES:
                yield route.path


@pytest.fixture
def look(page: Page) -> Callable[[str], None]:
    """`look(name)` runs axe on what the page shows, in all four ways."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()

    def at(name: str) -> None:
        page.evaluate(axe)
        for width, size in WIDTHS.items():
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a literal
            for scheme, rules in SCHEMES.items():
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a literal
                found = page.evaluate(RUN, rules)["violations"]
                said = [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
                assert [] == said, f"{name}, {width}, {scheme}"
        page.set_viewport_size(WIDTHS["desk"])  # type: ignore[arg-type]

    return at


def test_no_page_has_a_violation(
    installation: Any, page: Page, look: Callable[[str], None], until: Callable[..., Any]
) -> None:
    installation.start()
    web_at = f"http://127.0.0.1:{installation.web}"
    link = re.search(r"http://\S+/welcome/\S+", installation.output.read_text())
    assert link is not None
    page.goto(f"{web_at}/sign-in")
    look("sign in")
    page.goto(link[0])
    look("welcome")
    page.locator("input[name=address]").fill(SENDER)
    page.get_by_label("A password for these pages").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    app_password = page.locator("code.secret").inner_text()
    look("the mail program")

    empty = sorted(set(pages()))
    assert {"/sent", "/settings/access"} <= set(empty)

    looked_at: dict[str, str] = {}

    def look_at_all(state: str) -> None:
        for path in empty:
            answer = page.request.get(f"{web_at}{path}", headers={"Accept": "text/html"}, max_redirects=0)
            if answer.status != 200 or not answer.headers["content-type"].startswith("text/html"):
                continue
            html = answer.text()
            if html != looked_at.get(path):  # else data change nothing in it
                looked_at[path] = html
                page.goto(f"{web_at}{path}")
                page.locator("main").wait_for()
                look(f"{path}, {state}")

    look_at_all("empty")
    installation.send(SENDER, app_password, SENDER, ["ines@harbourline.example", "rob@harbourline.example"], LETTER)

    until(lambda: page.request.get(f"{web_at}/sandbox").text().count('<a class="row"') == 2, "both copies")
    page.goto(f"{web_at}/sandbox")
    page.locator(".copies .row").first.click()
    page.get_by_role("button", name="Thunderbird").click()
    page.locator(".hit").first.wait_for()
    look("a copy in the sandbox")
    page.goto(f"{web_at}/sent")
    page.locator(".row").first.click()
    page.get_by_role("link", name="Open in full").click()
    page.locator(".message.full summary.event").first.click()
    look("a message")
    look_at_all("with data")


def test_no_state_of_the_composer_has_a_violation(installation: Any, page: Page, look: Callable[[str], None]) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    page.goto(f"http://127.0.0.1:{installation.web}/sign-in?next=/compose")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#letter").wait_for()
    page.locator("#to").fill("Ines <ines@harbourline.example>, rob,")
    page.get_by_role("button", name="Bcc").click()
    page.get_by_label("Subject").fill("Proposal")
    page.locator("#letter").click()
    page.keyboard.type("The prices: ")
    page.keyboard.press("Control+k")
    look("the dialog for a link")
    page.keyboard.type("tidewater.example/prices")
    page.keyboard.press("Enter")
    page.locator("[data-file]").set_input_files({"name": "plan.txt", "mimeType": "text/plain", "buffer": b"drawn"})
    page.get_by_role("link", name="plan.txt").wait_for()
    look("a letter")
    page.locator("[data-track]").click()
    look("the menu Tracking")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Colour of the text").click()
    look("the colours")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Template").click()
    page.get_by_text("no template").wait_for()
    look("the templates")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("[data-finger]").click()
    look("the list of links")
    page.get_by_role("button", name="Remove rob").click()
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Take it back").wait_for()
    look("a letter that leaves")
