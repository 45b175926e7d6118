"""What happens, as it happens: a letter is sent, opened in the sandbox, and seen in another window; a reminder is set,
becomes due and is told."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER = "mara@tidewater.example"
INES = "ines@harbourline.example"
ROB = "rob@harbourline.example"

pytestmark = pytest.mark.walk


def letter(subject: str, to: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, to, subject
    message.set_content("The new menu looks good.")
    message.add_alternative("<p>The <a href='https://example.org/menu'>menu</a></p>", subtype="html")
    return message.as_bytes()


def sign_in(page: Page, web: str) -> None:
    page.goto(f"{web}/sign-in")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()


def test_what_happens_is_seen_live_filtered_paused_and_reminded_of(
    installation: Any, page: Page, until: Callable[..., Any], shoot: Callable[[str], None]
) -> None:
    password, _ = installation.add(SENDER, "correct horse battery")
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    sign_in(page, web)
    page.get_by_text("Nothing sent yet").wait_for()  # nothing could have happened

    assert {} == installation.send(SENDER, password, SENDER, [INES], letter("Lunch on Friday?", f"Ines <{INES}>"))
    assert {} == installation.send(SENDER, password, SENDER, [ROB], letter("Terms for 2027", f"Rob <{ROB}>"))
    page.locator("#rows .row", has_text="Lunch on Friday?").wait_for()  # the other is there too, or counted
    page.goto(f"{web}/")
    page.wait_for_url(f"{web}/activity")
    page.get_by_role("heading", name="Nothing happened yet").wait_for()
    shoot("activity-empty")

    assert page.context.browser is not None
    reading = page.context.browser.new_context(storage_state=page.context.storage_state())
    reader = reading.new_page()

    def read(who: str, program: str) -> None:
        reader.goto(f"{web}/sandbox")
        reader.locator(".copies .row", has_text=who).click()
        reader.locator(".judge").get_by_text("Live", exact=True).wait_for()
        before = reader.locator(".hit").count()
        reader.get_by_role("button", name=program, exact=True).click()
        reader.locator(".hit").nth(before).wait_for()

    # The first line comes by itself: there is nothing that it could move.
    page.get_by_text("Live", exact=True).first.wait_for()
    read("Ines", "Thunderbird")
    line = page.locator(".acts li", has_text="Ines")
    line.get_by_text("opened", exact=True).wait_for()
    assert "Lunch on Friday?" in line.inner_text()
    assert "Thunderbird" in line.inner_text()

    # The next ones wait in the pill; what machines do is counted, and not shown.
    read("Rob", "Thunderbird")
    read("Rob", "Mail scanner")
    pill = page.locator("[data-news]")
    pill.get_by_text("1 new", exact=True).wait_for()
    assert 1 == page.locator(".acts li").count()
    shoot("activity-pill")
    pill.get_by_role("link").click()
    page.locator(".acts li", has_text="Rob").wait_for()
    page.get_by_text("hidden.").wait_for()
    page.get_by_role("link", name="Show machine activity").click()
    page.locator(".acts li", has_text="by a machine").first.wait_for()

    # A filter stands in the address, and goes on while it is live.
    page.get_by_role("link", name="Clicks").click()
    page.get_by_role("heading", name="No link followed").wait_for()
    page.get_by_text("Live", exact=True).first.wait_for()
    read("Ines", "Click")
    page.locator(".acts li", has_text="clicked menu").wait_for()

    # Paused, nothing comes; what was missed comes afterwards.
    page.goto(f"{web}/activity")
    page.get_by_text("Live", exact=True).first.wait_for()
    page.get_by_role("button", name="Pause live updates").click()
    page.get_by_text("Paused", exact=True).first.wait_for()
    read("Rob", "Click")
    assert pill.is_hidden()
    page.get_by_role("button", name="Go on with live updates").click()
    pill.get_by_text("1 new", exact=True).wait_for()

    # By keys: to a line, its message beside it, and back.
    page.keyboard.type("go")
    page.wait_for_url(f"{web}/opened")
    page.get_by_text("Live", exact=True).first.wait_for()
    page.keyboard.type("ga")
    page.wait_for_url(f"{web}/activity")
    page.get_by_text("Live", exact=True).first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#detail h1", has_text="Terms for 2027").wait_for()
    page.keyboard.press("j")
    page.locator("#detail h1", has_text="Lunch on Friday?").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_url(f"{web}/activity")

    # A reminder: set at the letter, due, told in the page and by a letter, and done.
    page.goto(f"{web}/opened")
    page.locator(".rows .row", has_text="Rob").click()
    page.wait_for_url("**m=**")
    page.locator("#detail").get_by_text("Remind me", exact=True).click()
    page.get_by_label("answered").check()
    with page.expect_event("load"):
        page.get_by_role("button", name="Set").click()
    page.goto(f"{web}/opened?state=reminders")
    page.get_by_text("Unless answered").wait_for()
    with closing(sqlite3.connect(installation.data / "unsealed.db", timeout=PATIENCE_S)) as store, store:
        store.execute("UPDATE reminders SET due_at = 1")

    until(lambda: "Due: no answer" in page.request.get(page.url).text(), "the reminder is due")
    page.reload()
    page.get_by_text("Due: no answer").wait_for()
    shoot("reminders")

    until(lambda: "Reminder: no answer yet" in page.request.get(f"{web}/sandbox").text(), "its letter")
    page.goto(f"{web}/activity")
    page.get_by_text("1 reminder is due.").wait_for()
    page.get_by_role("link", name="Look").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("No reminder is set").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{web}/activity")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Drafts").last.click()
    page.wait_for_url(f"{web}/drafts")
    for each in (page, reader):
        each.goto("about:blank")
    reading.close()
    installation.stop()


def test_where_the_filters_take_more_than_one_row_none_stands_alone_in_the_last(installation: Any, page: Page) -> None:
    installation.add(SENDER, "correct horse battery")
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    sign_in(page, web)
    page.wait_for_url(f"{web}/sent")

    for language in ("en", "de"):
        page.context.set_extra_http_headers({"Accept-Language": language})
        for width, address in product((390, 360), ("/activity", "/activity?state=machine", "/opened?state=silent")):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(f"{web}{address}")
            boxes = [box for each in page.locator(".act-bar .tabs a").all() if (box := each.bounding_box())]
            rows = Counter(box["y"] for box in boxes)

            assert len(boxes) > 4
            assert rows[max(rows)] > 1, (language, width, address, rows)
            assert max(box["x"] + box["width"] for box in boxes) <= width


def test_the_key_e_works_through_a_list_and_what_it_took_off_comes_back(
    installation: Any, page: Page, until: Callable[..., Any]
) -> None:
    password, _ = installation.add(SENDER, "correct horse battery")
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    for who in ("Ines", "Rob", "Lotte"):
        address = f"{who.lower()}@harbourline.example"
        assert {} == installation.send(SENDER, password, SENDER, [address], letter(f"To {who}", f"{who} <{address}>"))
    with closing(sqlite3.connect(installation.data / "unsealed.db", timeout=PATIENCE_S)) as store:
        sent = "SELECT count(*) FROM copies WHERE sent_at IS NOT NULL"
        until(lambda: store.execute(sent).fetchone() == (3,), "they are sent")
        with store:
            store.execute("UPDATE copies SET sent_at = sent_at - 4 * 86400 * 1000000")
    sign_in(page, web)
    page.wait_for_url(f"{web}/activity")

    def listed(state: str) -> list[str]:
        page.goto(f"{web}/opened?state={state}")
        page.get_by_text("Live", exact=True).first.wait_for()
        return page.locator(".follow .who").all_inner_texts()

    def press_e() -> str:
        """The row that has the focus then."""
        page.get_by_text("Live", exact=True).first.wait_for()
        with page.expect_event("load"):
            page.keyboard.press("e")
        return focused()

    def focused() -> str:
        name: str = page.evaluate("document.activeElement.querySelector('.who')?.innerText ?? ''")
        return name

    first, second, third = listed("silent")
    page.keyboard.press("e")  # no row is meant
    page.keyboard.press("j")
    assert first == focused()
    assert second == press_e()
    page.get_by_text(f"Done: {first}").wait_for()
    assert third == press_e()
    page.get_by_text(f"Done: {second}").wait_for()
    assert [third] == page.locator(".follow .who").all_inner_texts()

    # By name: the buttons of the row, and what takes the last step back.
    page.get_by_text("Live", exact=True).first.wait_for()
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Done").first.wait_for()
    page.keyboard.type("undo")
    with page.expect_event("load"):
        page.keyboard.press("Enter")
    assert second == focused()

    # In the list of what is done it puts back.
    assert [first] == listed("done")
    page.keyboard.press("j")
    press_e()
    page.get_by_text("Nothing is done yet").wait_for()
    assert [first, second, third] == listed("silent")

    # Beside a letter, the next one is opened.
    page.locator(".follow .row").first.click()
    page.wait_for_url("**m=**")
    assert second == press_e()
    page.locator("#detail h1", has_text=f"To {second}").wait_for()
    page.get_by_text("Live", exact=True).first.wait_for()
    page.keyboard.press("?")
    page.get_by_text("done: off its list in Opened, or back").wait_for()
