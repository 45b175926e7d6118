"""Writing in the browser, from the first run to the bytes of each copy, in real processes.

The whole first walk is done with the keyboard alone: choosing what may be tracked, writing, putting in links, looking
at what will happen to each, switching one off, sending, taking back, sending for good. Only how long a letter can be
taken back is chosen in another way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes, policy
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
TO = ["ines@harbourline.example", "rob@mail.quiet.example", "lotte@fennel.example"]
LINKS = [
    ("Depot plan", "tidewater.example/plan"),
    ("Pricing", "https://tidewater.example/prices"),
    ("our calendar", "https://book.calendar.example/mara"),
    ("References", "https://tidewater.example/references"),
    ("Visit", "https://tidewater.example/visit"),
]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
ROW = re.compile(r'<a class="row" href="(/sandbox/\w+)".*?<span class="who"><span class="one"[^>]*>(.*?)</span>')
PIXEL = re.compile(r"/o/[A-Za-z0-9_-]+\.gif")
CLICK = re.compile(r'href="http://127\.0\.0\.1:\d+/c/')

pytestmark = pytest.mark.walk


@pytest.fixture
def web(installation: Any) -> str:
    return f"http://127.0.0.1:{installation.web}"


@pytest.fixture
def desk(chromium: Browser) -> Iterator[Page]:
    """A page whose console may complain: the server is killed under it. Errors of scripts still fail the test."""
    broken: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.on("weberror", lambda error: broken.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert [] == broken


def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(80):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def saved(page: Page) -> None:
    page.locator("[data-state]", has_text=re.compile(r"^Saved \d\d:\d\d$")).wait_for()


def sign_in(page: Page, web: str) -> None:
    page.goto(f"{web}/sign-in?next=/compose")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#letter").wait_for()


def put_link(page: Page, text: str, address: str) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type(address)
    page.keyboard.press("Tab")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.keyboard.type(" ")


def wait_to_leave(page: Page, web: str, seconds: int) -> None:
    """Choose the time in which letters can be taken back; and write."""
    page.goto(f"{web}/drafts")
    page.get_by_label("Seconds to take a letter back").fill(str(seconds))
    with page.expect_event("load"):
        page.get_by_role("button", name="Save").click()
    page.goto(f"{web}/compose")
    page.locator("#letter").wait_for()


def copies(page: Page, web: str) -> dict[str, str]:
    """The HTML of each copy in the sandbox, by recipient."""
    found = {}
    for address, who in ROW.findall(page.request.get(f"{web}/sandbox").text()):
        raw = page.request.get(f"{web}{address}/source.eml").body()
        body = message_from_bytes(raw, policy=policy.SMTP).get_body(("html", "plain"))
        assert body is not None
        found[who] = str(body.get_content())
    return found


def marks(html: str) -> tuple[int, int]:
    return len(PIXEL.findall(html)), len(CLICK.findall(html))


def test_with_the_keyboard_alone_each_copy_gets_exactly_what_was_chosen(
    installation: Any, page: Page, web: str, until: Callable[..., Any], shoot: Callable[[str], None]
) -> None:
    installation.start()
    link = installation.welcome()

    # First run, and what holds for new letters.
    page.goto(link)
    page.keyboard.type(SENDER)
    tab_to(page, page.get_by_label("A password for these pages"))
    page.keyboard.type(PASSWORD)
    press(page, page.get_by_role("button", name="Continue"))
    press(page, page.get_by_role("link", name="Go on"))
    tab_to(page, page.get_by_role("radio", name="Nothing, unless"))
    page.keyboard.press("ArrowUp")  # the last of the three: opens and links
    press(page, page.get_by_role("button", name="Continue"))
    page.get_by_text("Nothing sent yet").wait_for()
    wait_to_leave(page, web, 60)  # nothing leaves before we have taken it back
    page.goto(f"{web}/settings/tracking")
    tab_to(page, page.locator("#links-name"))
    page.keyboard.type("calendar.example")
    page.keyboard.press("Enter")
    page.get_by_title("calendar.example").wait_for()
    tab_to(page, page.locator("#recipients-name"))
    page.keyboard.type("quiet.example")
    press(page, page.locator("#recipients").get_by_role("button", name="No tracking"))
    page.get_by_title("quiet.example").wait_for()
    page.wait_for_load_state()  # with what listens to keys

    # Write.
    page.keyboard.press("c")
    page.locator("#letter").wait_for()
    for each in TO:
        page.keyboard.type(f"{each},")
    tab_to(page, page.get_by_label("Subject"))
    page.keyboard.type("Proposal for the depots")
    page.keyboard.press("Enter")
    page.keyboard.type("Good morning,")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+b")
    page.keyboard.type("Here ")
    page.keyboard.press("Control+b")
    for text, address in LINKS:
        put_link(page, text, address)
    assert 5 == page.locator("#letter a").count()
    saved(page)

    # What will happen to each link; one is switched off by hand.
    finger = page.locator("[data-finger]")
    until(lambda: finger.inner_text() == "4 of 5 links", "the server's own count")
    page.keyboard.press("Shift+Tab")  # out of the letter, to its tools
    assert "Bold" == page.evaluate("document.activeElement.getAttribute('aria-label')")
    if finger.get_attribute("aria-expanded") == "true":
        press(page, page.get_by_role("button", name="Close the list of links"))
    press(page, finger)
    rows = page.locator("[data-links] label")
    assert rows.nth(2).locator("input").is_disabled()
    assert "calendar.example" in rows.nth(2).inner_text()
    press(page, page.get_by_role("checkbox", name="References"), "Space")
    until(lambda: finger.inner_text() == "3 of 5 links", "the count without the one switched off")
    assert "off" == page.locator("#letter a", has_text="References").get_attribute("data-unsealed")
    until(lambda: "Switched off by you." in rows.nth(3).inner_text(), "why")
    shoot("compose-1-links")

    # The menu Tracking, there and back.
    track = page.locator("[data-track]")
    press(page, track)
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    until(lambda: "No tracking" in track.inner_text() and finger.inner_text() == "0 of 5 links", "nothing tracked")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    until(lambda: "Opens and clicks" in track.inner_text() and finger.inner_text() == "3 of 5 links", "both again")
    saved(page)

    # Send, take it back, send again.
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Take it back").wait_for()
    shoot("compose-2-leaving")
    page.keyboard.press("Enter")
    page.locator("[data-state]", has_text="Taken back").wait_for()
    assert {} == copies(page, web)
    address = page.url
    wait_to_leave(page, web, 2)
    page.goto(address)
    page.locator("#letter").wait_for()
    tab_to(page, page.get_by_role("button", name="Send", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web}/sent?m=*")

    until(lambda: len(copies(page, web)) == 3, "three copies")
    found = copies(page, web)
    assert [(1, 3), (0, 0), (1, 3)] == [marks(found[each]) for each in TO]
    for text, given in LINKS:
        kept = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{text}</a>', found[TO[1]])
        assert kept is not None
        assert kept[1].removeprefix("https://") == given.removeprefix("https://")
    for text in ("our calendar", "References"):
        assert re.search(
            rf'<a [^>]*href="https://(?:book\.calendar|tidewater)\.example/[^"]*"[^>]*>{text}</a>', found[TO[0]]
        )


def test_a_draft_survives_the_server_and_the_browser(
    installation: Any, desk: Page, web: str, until: Callable[..., Any]
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    desk.locator("#to").fill(f"{TO[0]},")
    desk.get_by_label("Subject").fill("Kept")
    desk.locator("#letter").click()
    desk.keyboard.type("Said before.")
    saved(desk)

    installation.kill()
    desk.keyboard.type(" Said while nobody listened.")
    desk.get_by_text("Your text is kept in this browser").wait_for()
    installation.start()
    saved(desk)
    desk.reload()
    desk.locator("#letter", has_text="Said before. Said while nobody listened.").wait_for()
    assert "Kept" == desk.get_by_label("Subject").input_value()

    # Both are away: what only the browser had is offered when the page is opened again.
    installation.kill()
    desk.locator("#letter").click()
    desk.keyboard.press("Control+End")
    desk.keyboard.type(" And this.")
    desk.get_by_text("Your text is kept in this browser").wait_for()
    address = desk.url
    desk.goto("about:blank")
    installation.start()
    desk.goto(address)
    desk.get_by_text("that the server never got").wait_for()
    desk.get_by_role("button", name="Take it").click()
    desk.locator("#letter", has_text="nobody listened. And this.").wait_for()
    saved(desk)
    desk.reload()
    desk.locator("#letter", has_text="And this.").wait_for()
    assert desk.locator("[data-note]").is_hidden()


def test_two_windows_never_overwrite_each_other_unasked(installation: Any, desk: Page, web: str) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    desk.get_by_label("Subject").fill("One")
    saved(desk)
    other = desk.context.new_page()
    other.goto(desk.url)
    other.get_by_label("Subject").fill("Two")
    saved(other)
    desk.get_by_label("Subject").fill("Three")
    desk.get_by_text("changed in another window").wait_for()
    desk.get_by_role("button", name="What stands here").click()
    saved(desk)
    other.get_by_label("Subject").fill("Four")
    other.get_by_role("button", name="What the other window has").click()
    assert "Three" == other.get_by_label("Subject").input_value()


def test_a_missing_subject_is_said_once_it_was_passed_by(installation: Any, desk: Page, web: str) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    warning = desk.get_by_role("list", name="Before you send").get_by_text("There is no subject.")
    desk.locator("#letter").wait_for()
    desk.locator("#to").fill("ines@harbourline.example,")
    saved(desk)
    assert 0 == warning.count()

    desk.locator("#subject").focus()
    desk.keyboard.press("Tab")
    warning.wait_for()
    desk.locator("#subject").fill("Lunch")
    warning.wait_for(state="detached")

    desk.goto(f"{web}/compose")
    desk.locator("#letter").fill("At noon?")
    warning.wait_for()


def test_what_is_off_for_everybody_cannot_be_switched_on(
    installation: Any, desk: Page, web: str, until: Callable[..., Any]
) -> None:
    _, token = installation.add(SENDER, PASSWORD)
    installation.start()

    def say(method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        with closing(HTTPConnection("127.0.0.1", installation.web, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, json.dumps(body), {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    assert 200 == say("PUT", "/api/v1/tracking", {"everybody": {"opens_at_most": "off", "clicks_at_most": "off"}})[0]
    sign_in(desk, web)
    desk.locator("#to").fill(f"{TO[0]},")
    desk.get_by_label("Subject").fill("Untracked")
    desk.locator("#letter").click()
    put_link(desk, "Pricing", "tidewater.example/prices")
    saved(desk)
    assert "0 of 1 link" == desk.locator("[data-finger]").inner_text()
    assert "true" == desk.locator("[data-eye]").get_attribute("aria-disabled")
    desk.locator("[data-track]").click()
    items = desk.get_by_role("menuitemradio")
    assert ["true", "true", "true", "false"] == [each.get_attribute("aria-disabled") for each in items.all()]
    assert "switched off for everybody here" in items.first.inner_text()
    items.first.click(force=True)
    assert "true" == items.last.get_attribute("aria-checked")

    # A program that asks all the same is refused.
    letter = {"from": SENDER, "to": TO[0], "subject": "x", "html": "<p>x</p>", "track": {"opens": True}}
    status, refused = say("POST", "/api/v1/messages", letter)
    assert 422 == status, refused
    assert "switched off for everybody here" in refused["error"]["message"]
    assert {} == copies(desk, web)


def test_files_pictures_looks_and_the_answered_message_go_along(
    installation: Any, page: Page, web: str, until: Callable[..., Any]
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(page, web)
    wait_to_leave(page, web, 0)
    page.locator("#to").fill(f"Ines <{TO[0]}>,")
    page.get_by_label("Subject").fill("Plans")
    page.locator("#letter").click()
    page.keyboard.type("Dear Ines")
    page.get_by_role("button", name="Centre").click()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Colour of the text").click()
    page.get_by_role("button", name="Blue").click()
    page.keyboard.press("Control+End")
    page.locator("[data-picture]").set_input_files({"name": "view.png", "mimeType": "image/png", "buffer": PNG})
    page.locator("#letter img[src]").wait_for()
    page.locator("[data-file]").set_input_files(
        {"name": "Plan für Häuser.txt", "mimeType": "text/plain", "buffer": b"drawn"}
    )
    page.get_by_role("link", name="Plan für Häuser.txt").wait_for()
    saved(page)
    address = page.url

    # Opened again it looks the same; no policy of the page was touched on the way (the console is empty).
    page.goto(address)
    paragraph = page.locator("#letter p", has_text="Dear Ines")
    paragraph.wait_for()
    from playwright.sync_api import expect

    expect(paragraph).to_have_css("text-align", "center")  # the editor writes styles when it is up
    expect(page.locator("#letter p span").first).to_have_css("color", "rgb(26, 111, 196)")
    page.get_by_role("link", name="Plan für Häuser.txt").wait_for()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"{web}/sent?m=*")
    until(lambda: copies(page, web), "the copy")
    html = copies(page, web)["Ines"]
    assert re.search(
        r'<p style="text-align:\s*center;?"><span style="color:\s*rgb\(26, 111, 196\);?">Dear Ines</span>', html
    )
    assert re.search(r'<img src="cid:[^"]+" alt="view"', html)

    # The answer shows the message in a frame that can do nothing, carries it, and can leave it out.
    page.goto(f"{web}/sent")
    page.locator(".rows .row").first.click()
    page.wait_for_url("**m=**")  # the newest stood there before
    page.get_by_role("link", name="Reply").click()
    page.locator("#letter").wait_for()
    assert "Re: Plans" == page.get_by_label("Subject").input_value()
    page.locator("[data-quote] summary").click()
    page.frame_locator("[data-quote] iframe").get_by_text("Dear Ines").wait_for()
    page.get_by_role("button", name="Leave out the message below").click()
    assert page.locator("[data-quote]").is_hidden()
    saved(page)
    page.get_by_role("button", name="Put the message below back").click()
    saved(page)


DROP = """() => {
  const carried = new DataTransfer();
  carried.items.add(new File(["drawn"], "Plan.txt", { type: "text/plain" }));
  const event = (name) => new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: carried });
  const form = document.querySelector("form.write");
  form.dispatchEvent(event("dragover"));
  form.dispatchEvent(event("drop"));
}"""


def test_people_by_the_keyboard_and_files_by_hand(
    installation: Any, desk: Page, web: str, until: Callable[..., Any], tmp_path: Path
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    wait_to_leave(desk, web, 0)
    desk.locator("#to").fill(f"Ines Moreau <{TO[0]}>, Rob <{TO[1]}>,")
    desk.get_by_label("Subject").fill("Plans")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url(f"{web}/sent?m=*")
    until(lambda: len(copies(desk, web)) == 2, "two copies")

    # Whoever was written to is suggested, in Cc as well.
    desk.goto(f"{web}/compose")
    press(desk, desk.get_by_role("button", name="Cc", exact=True))
    assert "cc" == desk.evaluate("document.activeElement.id")
    desk.keyboard.type("mor")
    option = desk.get_by_role("option", name="Ines Moreau")
    option.wait_for()
    desk.keyboard.press("ArrowDown")
    assert "true" == option.get_attribute("aria-selected")
    desk.keyboard.press("Enter")
    chosen = desk.locator("[data-people=cc] .person")
    assert [TO[0]] == [each.get_attribute("title") for each in chosen.all()]
    desk.keyboard.press("Backspace")  # back into the field, where it can be mended
    assert 0 == chosen.count()
    desk.keyboard.press("Enter")
    assert 1 == chosen.count()

    # A file is dropped; another one is more than a letter can carry, and says so.
    desk.evaluate(DROP)
    desk.get_by_role("link", name="Plan.txt").wait_for()
    film = tmp_path / "film.mp4"
    with film.open("wb") as file:
        file.truncate(26_000_000)
    desk.locator("[data-file]").set_input_files(film)
    desk.get_by_role("alert").filter(has_text="film.mp4: This file is larger than 18 MB").wait_for()
    press(desk, desk.get_by_role("button", name="Dismiss film.mp4"))

    # A picture comes to stand where it was chosen, whatever is typed or marked before it has arrived.
    held: list[Any] = []
    desk.route("**/attachments?*", lambda route: held.append(route))
    desk.locator("#letter").click()
    desk.keyboard.type("Look:")
    desk.locator("[data-picture]").set_input_files({"name": "view.png", "mimeType": "image/png", "buffer": PNG})
    desk.keyboard.type(" nice")
    desk.keyboard.press("Control+a")
    until(lambda: desk.evaluate("true") and held, "the upload")
    held[0].continue_()
    desk.locator("#letter img[src]").wait_for()
    stands = desk.locator("#letter p").evaluate("(p) => [...p.childNodes].map((each) => each.alt || each.textContent)")
    assert ["Look:", "view", " nice"] == [each for each in stands if each]
    desk.get_by_label("Subject").fill("More plans")
    saved(desk)
    desk.reload()
    desk.get_by_role("link", name="Plan.txt").wait_for()
    assert 1 == desk.locator("[data-files] li").count()
    assert [TO[0]] == [each.get_attribute("title") for each in chosen.all()]


def test_one_of_several_is_answered_and_what_is_taken_back_leaves_open_pages(
    installation: Any, desk: Page, web: str, until: Callable[..., Any]
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    wait_to_leave(desk, web, 0)
    desk.locator("#to").fill(f"{TO[0]}, Rob <{TO[1]}>,")
    desk.get_by_label("Subject").fill("Plans")
    desk.locator("#letter").click()
    desk.keyboard.type("Dear both")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url(f"{web}/sent?m=*")
    until(lambda: len(copies(desk, web)) == 2, "two copies")

    wait_to_leave(desk, web, 60)
    desk.goto(f"{web}/sent")
    desk.locator("a.row").first.click()
    desk.wait_for_url("**m=**")
    desk.locator("#detail").get_by_role("link", name="Reply to Rob alone").click()
    desk.locator("#letter").wait_for()
    assert [TO[1]] == [each.get_attribute("title") for each in desk.locator(".person").all()]

    other = desk.context.new_page()
    desk.locator("#letter").click()
    desk.keyboard.type("Dear Rob")
    desk.keyboard.press("Control+Enter")
    desk.get_by_role("button", name="Take it back").wait_for()
    leading = desk.get_by_role("link", name="Go to Sent").get_attribute("href") or ""
    assert re.fullmatch("/sent[?]m=[0-9a-f]{16}", leading)
    other.goto(f"{web}/sent")
    rows = other.locator("[data-rows] li[data-message]")
    other.locator("[data-live-word]", has_text="Live").wait_for()
    assert 2 == rows.count()
    desk.keyboard.press("Enter")
    desk.locator("[data-state]", has_text="Taken back").wait_for()
    rows.nth(1).wait_for(state="detached")
    assert 1 == rows.count()


def test_without_the_editor_letters_are_plain_text(installation: Any, desk: Page, web: str) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    desk.route("**/editor.js", lambda route: route.abort())
    desk.goto(f"{web}/sign-in?next=/compose")
    desk.get_by_label("E-mail address").fill(SENDER)
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    desk.get_by_text("make install").wait_for()
    desk.get_by_label("Letter, plain text").fill("All the same.")
    saved(desk)
    desk.reload()
    desk.get_by_label("Letter, plain text").wait_for()
    assert "All the same." == desk.get_by_label("Letter, plain text").input_value()


LOADED = """() => performance.getEntriesByType("resource").map((each) => new URL(each.name).pathname)
  .filter((path) => path.startsWith("/static/"))"""
HERE = """() => {
  const chosen = getSelection();
  return [document.activeElement.id, chosen.anchorNode.textContent, chosen.anchorOffset];
}"""


def packed(installation: Any, path: str) -> int:
    """Bytes of a file as browsers get it."""
    with closing(HTTPConnection("127.0.0.1", installation.web, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        return len(connection.getresponse().read())


def test_a_letter_is_begun_before_its_editor_is_there(
    installation: Any, desk: Page, web: str, until: Callable[..., Any]
) -> None:
    installation.add(SENDER, PASSWORD)
    installation.start()
    sign_in(desk, web)
    held: list[Any] = []
    desk.route("**/editor.js", lambda route: held.append(route))
    with desk.expect_request("**/editor.js"):  # nobody has to turn to the letter
        desk.goto(f"{web}/compose")
    begun = desk.get_by_label("Letter", exact=True)
    desk.get_by_label("Subject").fill("Begun")
    begun.click()
    desk.keyboard.type("Good morning <b>,")
    desk.keyboard.press("Enter")
    desk.keyboard.press("Enter")
    desk.keyboard.type("two  spaces ")
    saved(desk)
    assert 30_000 < sum(packed(installation, path) for path in set(desk.evaluate(LOADED))) < 60_000
    assert desk.locator("[data-tools][inert]").is_visible()  # nothing is pressed in vain
    for _ in range(len("spaces ")):
        desk.keyboard.press("ArrowLeft")
    until(lambda: desk.evaluate("true") and held, "the page asks for the editor")
    held[0].continue_()
    desk.locator("#letter").wait_for()
    assert ["letter", "two  spaces ", len("two  ")] == desk.evaluate(HERE)
    desk.keyboard.type("and ")
    expected = ["Good morning <b>,", "", "two  and spaces "]
    assert expected == desk.locator("#letter p").evaluate_all("(all) => all.map((each) => each.textContent)")
    assert 0 == begun.locator("textarea").count()
    saved(desk)

    # What is there already is shown, and not written over before it can be written on.
    desk.reload()
    begun.wait_for()
    assert "Good morning <b>,\n\ntwo  and spaces" == begun.input_value()
    assert not begun.is_editable()
    until(lambda: desk.evaluate("true") and len(held) == 2, "the editor again")
    held[1].continue_()
    desk.locator("#letter", has_text="and spaces").wait_for()
    assert desk.locator("[data-tools]:not([inert])").is_visible()

    # It never comes: what was typed stays, as plain text.
    desk.goto(f"{web}/compose")
    begun.fill("All the same.")
    until(lambda: desk.evaluate("true") and len(held) == 3, "the editor once more")
    held[2].abort()
    plain = desk.get_by_label("Letter, plain text")
    plain.wait_for()
    assert "All the same." == plain.input_value()
    saved(desk)
