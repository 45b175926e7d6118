"""Pages change by themselves while somebody works on them, and answers come when they come. What was pressed is done,
once; what was asked for last stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.walks.test_compose_walk import wait_to_leave
from tests.walks.test_notices_walk import INES, Post

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.walk


@pytest.fixture
def post(installation: Any, sink: Any, page: Page, until: Callable[..., Any]) -> Post:
    return Post(installation, sink, page, until)


def test_news_takes_nothing_from_under_a_hand_and_no_answer_another_ones_place(post: Post) -> None:
    page = post.page
    first, second = post.send("First"), post.send("Second")
    post.listen()
    rows = {subject: page.locator("#rows > li", has_text=subject) for subject in ("First", "Second")}

    # News of a letter comes between press and release: the press counts, and the news is shown behind it.
    rows["First"].locator("a.row").hover()
    page.mouse.down()
    with page.expect_response("**/sent/rows*"):
        post.open(first)
    page.evaluate("new Promise((done) => setTimeout(done))")  # what follows the answer has run
    page.mouse.up()
    page.wait_for_url("**m=**")
    page.locator("#detail h1", has_text="First").wait_for()
    rows["First"].locator(".state", has_text="Opened").wait_for()

    # The answer about one letter comes when another one stands there already.
    held: list[Route] = []
    page.locator("#detail").get_by_text("Ines Marchetti opened", exact=True).wait_for()
    page.route("**/sent/detail/*", lambda route: held.append(route), times=1)
    post.installation.load(first, User_Agent="Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15")
    post.until(lambda: page.evaluate("1") and held, "the page asks what became of it")
    rows["Second"].locator("a.row").click()
    page.locator("#detail h1", has_text="Second").wait_for()
    with page.expect_response("**/sent/detail/*"):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert page.locator("#detail").get_by_text("No signal so far").first.is_visible()

    # It goes on being told what happens to the letter that stands there.
    post.open(second)
    page.locator("#detail").get_by_text("Ines Marchetti opened", exact=True).wait_for()
    post.end()


def test_what_hangs_over_a_row_leads_back_to_the_list_as_it_was(post: Post) -> None:
    page = post.page
    for subject in ("First", "Second"):
        post.open(post.send(subject))
    post.until(lambda: post.opens("First") == post.opens("Second") == 1, "opened")
    page.goto(f"{post.web}/sent?q=first&state=opened&sort=sent")
    page.locator("#rows li", has_text="First").locator(".pick-row").hover()
    page.locator("#rows .card").get_by_text("1 request").click()

    page.wait_for_url("**/message/**")
    page.get_by_role("link", name="Sent").and_(page.locator("[data-back]")).click()
    page.wait_for_url("**/sent?**")
    assert ["First"] == page.locator("#rows .row .what").all_inner_texts()
    for part in ("q=first", "state=opened", "sort=sent"):
        assert part in page.url
    post.end()


def test_what_is_pressed_twice_is_done_once(post: Post) -> None:
    page = post.page
    page.goto(f"{post.web}/settings/access")
    before = page.get_by_role("button", name="Revoke").count()
    page.get_by_label("What it is for").fill("Weekly report")
    with page.expect_event("load"):
        page.get_by_role("button", name="Make an API token").dblclick()
    page.goto(f"{post.web}/settings/access")
    assert before + 1 == page.get_by_role("button", name="Revoke").count()

    wait_to_leave(page, post.web, 60)  # nothing leaves under our hands

    # The fields of a letter take nothing before everything is there that keeps it.
    held: list[Route] = []
    page.route("**/people.js", lambda route: held.append(route), times=1)
    page.goto(f"{post.web}/compose", wait_until="commit")
    post.until(lambda: page.evaluate("1") and held, "the page asks for its scripts")
    assert not page.get_by_label("Subject").is_editable()
    held[0].continue_()
    page.get_by_label("Subject").fill("Twice")
    page.locator("#to").fill(f"{INES},")

    # Taken back twice, it can be taken back again.
    for _ in range(2):
        page.keyboard.press("Control+Enter")
        page.get_by_role("button", name="Take it back").dblclick()
        page.locator("[data-state]", has_text="Taken back").wait_for()
    post.end()
