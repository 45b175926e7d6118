"""Everybody can use every page: axe-core finds nothing, light and dark, on a desk and on a phone, empty and with data;
at 400 % zoom and from right to left nothing is cut off or beside the screen, whatever people wrote and in both
languages; who wants no motion sees none.

Pages are found in the routes, so that a new one is looked at without being named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.header import Header
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from tests.walks.places import crawl, places
from tests.walks.test_compose_walk import wait_to_leave

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
WIDTHS = {
    "desk": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
    "zoomed": {"width": 320, "height": 256},  # 1280 by 1024 at 400 %
}
TWO = [("desk", "light"), ("phone", "dark")]
OTHER_TWO = [("phone", "light"), ("desk", "dark")]
ALL = [*TWO, *OTHER_TWO]
LETTER = (
    f"From: Mara <{SENDER}>\r\nTo: Ines <ines@harbourline.example>, rob@harbourline.example\r\n"
    "Subject: Proposal\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    '<p>See <a href="https://tidewater.example/prices">the prices</a>, or leave '
    '<a href="https://tidewater.example/unsubscribe">the list</a>.</p>\r\n'
).encode()
# A subject that no line can hold, and a name that is written from right to left.
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
NAMED = "فاطمة الزهراء"
# Frames hold letters of others, and run no scripts.
RUN = """(more) => axe.run(document, {
  iframes: false, resultTypes: ["violations"], selectors: false, preload: false, ...more
}).then(({ violations }) => violations.flatMap((each) => each.nodes.map(({ html }) => `${each.id}: ${html}`)))"""
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},  # nothing but colours is different
}
# What lies beside the screen. Tables and listings scroll by themselves where they must (WCAG 1.4.10).
BESIDE = """(direction) => {
  document.documentElement.dir = direction;
  const apart = ".scroll, .vh, .skip, .dialogue, .tools, pre, iframe, svg *, option, dialog:not([open]) *";
  const found = [...document.body.querySelectorAll("*")].filter((each) => {
    if (!each.checkVisibility({ visibilityProperty: true }) || each.closest(apart)) return false;
    const box = each.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && (box.right > innerWidth + 1 || box.left < -1);
  });
  const where = ({ left, right }) => `${left} to ${right}`;
  return found.slice(0, 5).map((each) => `${each.outerHTML.slice(0, 140)}: ${where(each.getBoundingClientRect())}`);
}"""
# What people wrote turns with its own direction, and a margin with it: it would stand on the wrong side of the words.
TURNED = """() => [...document.querySelectorAll("[dir=auto]")].filter((each) => {
  const sides = ["ltr", "rtl"].map((direction) => {
    each.dir = direction;
    const { marginLeft, marginRight } = getComputedStyle(each);
    return `${marginLeft} ${marginRight}`;
  });
  each.dir = "auto";
  return sides[0] !== sides[1];
}).map((each) => each.outerHTML.slice(0, 140))"""
MOVES = """() => [...document.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  return style.animationName !== "none" || style.transitionDuration.split(",").some((it) => parseFloat(it) > 0);
}).map((each) => each.outerHTML.slice(0, 140))"""
PICTURES = """() => [...document.querySelectorAll("svg, img")].filter(
  (each) => !each.closest("[aria-hidden=true]") && !each.getAttribute("aria-label") && each.alt === undefined
).map((each) => each.outerHTML.slice(0, 140))"""
LINKS = "() => [...document.querySelectorAll('a[href]')].map((each) => each.href)"

# A page that is seen without being signed in, once; and one that leads elsewhere.
ELSEWHERE = {"/welcome/{secret}", "/settings/{part:path}"}

pytestmark = pytest.mark.walk


def resize(page: Page, width: str) -> None:
    """Each change of size is a new layout and a new picture, also one to the size that is there."""
    if page.viewport_size != WIDTHS[width]:
        page.set_viewport_size(WIDTHS[width])  # type: ignore[arg-type]  # a literal


@pytest.fixture
def look(page: Page) -> Callable[..., None]:
    """`look(name)` runs axe on what the page shows, in these ways."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()  # half a MB: not for every page and frame

    def at(name: str, ways: list[tuple[str, str]] = ALL) -> None:
        page.locator("[data-editor]:not(:has(#letter))").wait_for(state="detached")  # the editor comes after its page
        if not page.evaluate("'axe' in globalThis"):
            page.evaluate(axe)
        for width, scheme in ways:
            resize(page, width)
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a literal
            assert [] == page.evaluate(RUN, SCHEMES[scheme]), f"{name}, {width}, {scheme}"
        resize(page, "desk")

    return at


@pytest.fixture
def fits(page: Page) -> Callable[[str], None]:
    """`fits(name)`: all that the page shows can be reached at any zoom, in either direction of writing."""

    def at(name: str) -> None:
        for width in ("desk", "zoomed"):
            resize(page, width)
            for direction in ("ltr", "rtl"):
                assert [] == page.evaluate(BESIDE, direction), f"{name}, {width}, {direction}"
            assert [] == page.evaluate(TURNED), f"{name}, {width}"
        page.emulate_media(reduced_motion="reduce")
        assert [] == page.evaluate(MOVES), name
        assert [] == page.evaluate(PICTURES), name
        page.evaluate("document.documentElement.dir = 'ltr'")

    return at


def test_every_page_is_for_everybody_before_the_first_letter(
    installation: Any, page: Page, look: Callable[..., None]
) -> None:
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    link = installation.welcome()
    page.goto(f"{web}/sign-in")
    look("sign in")
    page.goto(link)
    look("welcome")
    page.locator("input[name=address]").fill(SENDER)
    page.get_by_label("A password for these pages").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.locator("code.secret").wait_for()
    look("the mail program")

    def empty(url: str) -> list[str]:  # each width and each scheme here, the other pairs below
        page.goto(url)
        look(f"{url}, empty", TWO)
        return []

    assert {"/sent", "/settings/access"} <= crawl(web, [], empty, most=1)


def test_every_page_is_for_everybody(
    installation: Any,
    page: Page,
    look: Callable[..., None],
    fits: Callable[[str], None],
    until: Callable[..., Any],
) -> None:
    app_password, _ = installation.add(SENDER, PASSWORD)
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    page.goto(f"{web}/sign-in?next=/settings/data")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web}/settings/data")
    fill(installation, page, web, app_password, until)

    def full(url: str) -> list[str]:
        page.goto(url)
        found: list[str] = page.evaluate(LINKS)
        fits(url)
        look(f"{url}, with data", OTHER_TWO)
        return found

    page.goto(f"{web}/sent")
    message = re.search("m=([0-9a-f]{16})", page.locator("#rows a.row").first.get_attribute("href") or "")
    assert message is not None
    seen = crawl(web, [f"/thread/{message[1]}"], full, most=1)
    assert set() == {each.path for each in places() if each.is_page} - seen - ELSEWHERE

    def german(url: str) -> list[str]:
        page.goto(url)
        assert [] == page.evaluate(BESIDE, "ltr"), f"{url}, in German"
        found: list[str] = page.evaluate(LINKS)
        return found

    resize(page, "zoomed")
    page.context.set_extra_http_headers({"Accept-Language": "de"})
    crawl(web, [f"/thread/{message[1]}"], german, most=1)
    page.goto(f"{web}/sent")
    assert {"rtl"} == {each.evaluate("(it) => getComputedStyle(it).direction") for each in page.get_by_text(LONG).all()}
    page.context.set_extra_http_headers({})

    # What is seen as a mark is said in words.
    page.goto(f"{web}/sent")
    for word in ("Opened once", "Clicked", "Delivered", "Not tracked"):
        assert word in page.locator("#main").aria_snapshot()


def fill(installation: Any, page: Page, web: str, app_password: str, until: Callable[..., Any]) -> None:
    """Letters that were read and not, a template, a draft."""
    to = ["ines@harbourline.example", "rob@harbourline.example"]
    page.goto(f"{web}/settings/data")  # a page that waits for the first letter would go on to it
    plain = LETTER.replace(b"text/html", b"text/plain").replace(b"Proposal", b"Minutes")
    installation.send(SENDER, app_password, SENDER, to[:1], plain)
    terms = LETTER.replace(b"Proposal", Header(f"عرض {LONG}", "utf-8").encode(linesep="\r\n").encode())
    terms = terms.replace(b"To: Ines", f"To: {Header(NAMED, 'utf-8').encode()}".encode())
    installation.send(SENDER, app_password, SENDER, to[:1], terms)
    installation.send(SENDER, app_password, SENDER, to, LETTER)

    until(lambda: page.request.get(f"{web}/sandbox").text().count('class="row"') == 4, "four copies")
    page.goto(f"{web}/sandbox")
    page.locator(".copies .row", has_text=to[1]).click()  # of a tracked letter; which one came last is not promised
    page.get_by_role("button", name="Thunderbird").click()
    page.locator(".hit").first.wait_for()
    page.get_by_role("button", name="Click", exact=True).click()
    page.locator(".hit").nth(1).wait_for()
    page.goto(f"{web}/templates/new")
    page.get_by_label("Name", exact=True).fill("First letter")
    page.get_by_label("Subject").fill("A question, {{first_name}}")
    page.get_by_label("Letter, HTML").fill("<p>Good morning {{first_name}}</p>")
    page.get_by_role("button", name="Save template").click()
    page.wait_for_url(re.compile("/templates/[0-9a-f]{16}"))
    page.goto(f"{web}/compose")
    page.get_by_label("Subject").fill("Kept for later")
    page.locator("[data-state]", has_text="Saved").wait_for()


def test_no_state_of_the_composer_has_a_violation(installation: Any, page: Page, look: Callable[..., None]) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    page.goto(f"http://127.0.0.1:{installation.web}/sign-in?next=/compose")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#letter").wait_for()
    wait_to_leave(page, f"http://127.0.0.1:{installation.web}", 60)  # it is looked at while it leaves
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
