"""Notices through every process: a real submission, real hits, and what a browser shows, for each level of silence; and
push messages, from the hit to the service worker."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER = "mara@tidewater.example"
INES = "ines@harbourline.example"
PIXEL = re.compile(rb"http://127\.0\.0\.1:\d+/o/[A-Za-z0-9_-]+\.gif")

SHOWN = """navigator.serviceWorker.ready.then((it) => it.getNotifications())
    .then((all) => all.map((each) => [each.title, each.body, each.tag]))"""
# Who asks what is shown while a browser begins to show something makes Chromium forget that: it takes it for gone.
COUNT_SHOWN = """() => navigator.serviceWorker.ready.then((it) => {
    const show = it.showNotification.bind(it);
    globalThis.shownSoFar = 0;
    it.showNotification = (...said) => show(...said).then(() => { shownSoFar += 1; });
})"""
KEPT = """caches.open('unsealed-told').then((it) => it.match('/notices/last'))
    .then((it) => it.json()).then((all) => all[0].title)"""

pytestmark = pytest.mark.walk


def looked(page: Page) -> None:
    """Have a page look for notices, and wait until it shows what it found."""
    with page.expect_response("**/notices/new*"):
        page.evaluate("dispatchEvent(new Event('unsealed:notice')) && null")
    for lock in ("unsealed-notices", "unsealed-told"):
        page.wait_for_function("(lock) => navigator.locks.request(lock, () => true)", arg=lock, polling=100)


class Post:
    """One installation with a sender who is signed in, and letters that can be opened."""

    def __init__(self, installation: Any, sink: Any, page: Page, until: Callable[..., Any]) -> None:
        self.installation, self.sink, self.page, self.until = installation, sink, page, until
        installation.upstream = f"smtp://127.0.0.1:{sink.port}"
        self.password, self.token = installation.add(SENDER, "correct horse battery")
        installation.start()
        self.web = f"http://127.0.0.1:{installation.web}"
        page.goto(f"{self.web}/sign-in?next=/settings/notifications")
        page.get_by_label("E-mail address").fill(SENDER)
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Silence", exact=False).first.wait_for()

    def end(self) -> None:
        self.page.goto("about:blank")  # else it would call the server that is gone an error
        self.installation.stop()

    def send(self, subject: str) -> str:
        """A letter; its pixel."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, f"Ines Marchetti <{INES}>", subject
        message.set_content("The new menu looks good.")
        message.add_alternative(f"<p>{subject}: <a href='https://example.org/menu'>menu</a></p>", subtype="html")
        before = len(self.sink.mails)
        assert {} == self.installation.send(SENDER, self.password, SENDER, [INES], message.as_bytes())
        self.until(lambda: len(self.sink.mails) > before, "delivered")
        found = PIXEL.search(self.sink.copy_for(INES).replace(b"=\r\n", b"").replace(b"=3D", b"="))
        assert found is not None
        return found[0].decode()

    def open(self, pixel: str) -> None:
        assert 200 == self.installation.load(pixel, X_Forwarded_For="203.0.113.21").status

    def opens(self, subject: str) -> int:
        path = "/api/v1/messages"
        answer = self.installation.get(self.installation.web, path, Authorization=f"Bearer {self.token}").json
        return next(int(each["opens"]) for each in answer["messages"] if each["subject"] == subject)

    def choose(self, button: str) -> None:
        self.page.goto(f"{self.web}/settings/notifications")
        self.press(button, exact=True)

    def press(self, button: str, *, exact: bool = False) -> None:
        """Press a button, and wait for the page that it leads to: a change of the history alone is none."""
        with self.page.expect_event("load"):
            self.page.get_by_role("button", name=button, exact=exact).click()

    def listen(self) -> None:
        self.page.goto(f"{self.web}/sent")
        self.page.get_by_text("Live", exact=True).wait_for()

    def rings(self, subject: str) -> bool:
        """Whether a card shows, once the reading is counted."""
        card = self.page.locator(".toast", has_text=subject)
        self.until(lambda: self.opens(subject) == 1, "counted all the same")
        self.until(lambda: self.decided(subject), "decided")
        if self.told(subject):
            card.wait_for()
            return True
        looked(self.page)
        assert 0 == card.count()
        return False

    def line(self, subject: str) -> str:
        html = self.page.request.get(f"{self.web}/settings/notifications").text()
        found = re.search(rf"{re.escape(subject)}</a>(.*?)</li>", html, re.S)
        return found[1] if found else ""

    def decided(self, subject: str) -> bool:
        return bool(self.line(subject)) and "on its way" not in self.line(subject)

    def told(self, subject: str) -> bool:
        return "no notice" not in self.line(subject)


@pytest.fixture
def post(installation: Any, sink: Any, page: Page, until: Callable[..., Any]) -> Post:
    return Post(installation, sink, page, until)


def test_each_level_of_silence_and_what_is_silenced_goes_on_being_counted(
    post: Post, shoot: Callable[[str], None]
) -> None:
    page = post.page

    # Nothing is silenced: a card says who, what, which message, on what and how sure.
    pixel = post.send("Lunch on Friday")
    post.listen()
    post.open(pixel)
    assert post.rings("Lunch on Friday")
    said = page.locator(".toast").inner_text()
    assert "Ines Marchetti opened it" in said
    assert "Thunderbird" in said
    shoot("toast")

    # The speaker of a message, pressed in the card: this one is silent now.
    page.locator(".toast").get_by_role("button", name="Mute this message").click()
    page.locator(".toast").wait_for(state="detached")
    page.locator("#list button[data-speaker][aria-pressed=true]").wait_for()

    # Mute all: what was sent until now is silent, new mail rings.
    old = post.send("Before mute all")
    excepted = post.send("Excepted")
    post.choose("Silence all sent until now")
    new = post.send("After mute all")
    post.listen()

    # The speaker as an exception after mute all.
    row = page.locator("#list li", has_text="Excepted")
    row.locator("button[data-speaker]").press("Enter")
    row.locator("button[data-speaker][aria-pressed=false]").wait_for()
    for pixel in (old, excepted, new):
        post.open(pixel)
    assert not post.rings("Before mute all")
    assert post.rings("Excepted")
    assert post.rings("After mute all")

    # A conversation and a recipient, from the message's own page.
    for number, name in enumerate(("Silence this conversation", f"Silence {INES}")):
        pixel = post.send(f"Third {number}")
        post.listen()
        page.locator("#list .row", has_text=f"Third {number}").click()
        page.wait_for_url("**m=**")  # the newest stands there before it is asked for, and is put there once more
        page.get_by_text("Silence more", exact=True).locator("..").click()
        post.press(name)
        page.get_by_text("Live", exact=True).wait_for()
        post.open(pixel)
        assert not post.rings(f"Third {number}")
    post.choose("Let speak")

    # The master switch: nothing at all, not even the exception.
    pixel = post.send("Nothing at all")
    post.choose("Switch off")
    post.listen()
    page.get_by_text("Notices are off", exact=True).wait_for()
    post.open(pixel)
    assert not post.rings("Nothing at all")
    shoot("notices-off")
    post.end()


def test_a_page_of_letters_is_silenced_and_let_speak_at_once(post: Post) -> None:
    page = post.page
    for number in range(51):
        raw = f"From: {SENDER}\r\nTo: {INES}\r\nSubject: Letter {number}\r\n\r\nText\r\n".encode()
        assert {} == post.installation.send(SENDER, post.password, SENDER, [INES], raw)
    post.listen()
    silent = page.locator("#rows button[data-speaker][aria-pressed=true]")

    for button, expected in (("Silence", 50), ("Notices on", 0)):
        page.locator("#rows a.row").first.focus()
        page.keyboard.press("x")
        page.locator("#bulk").get_by_text("1 selected").wait_for()
        page.get_by_role("button", name="Select all here").click()
        page.locator("#bulk").get_by_text("50 selected").wait_for()
        with page.expect_event("load"):
            page.locator("#bulk").get_by_role("button", name=button).click()
        assert expected == silent.count()
        page.get_by_text("Live", exact=True).wait_for()

    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**after=**")
    assert (1, 0) == (page.locator("#rows > li").count(), silent.count())
    post.end()


def test_of_several_pages_one_shows_the_card(post: Post) -> None:
    pixel = post.send("Two windows")
    post.listen()
    with post.page.expect_popup() as opened:
        post.page.evaluate("window.open('/sent') && null")
    other = opened.value
    other.get_by_text("Live", exact=True).wait_for()
    post.open(pixel)
    post.until(lambda: post.page.locator(".toast").count() + other.locator(".toast").count() == 1, "one card")
    post.until(lambda: "told" in post.line("Two windows"), "told")
    for each in (post.page, other):
        looked(each)
    assert 1 == post.page.locator(".toast").count() + other.locator(".toast").count()
    other.close()
    post.end()


def test_a_card_comes_with_the_stream_and_asks_for_nothing(post: Post) -> None:
    asked: list[str] = []
    post.page.on("request", lambda request: asked.append(request.url) if "/notices/new" in request.url else None)
    pixel = post.send("Words at once")
    with post.page.expect_response(lambda answer: "/notices/new" in answer.url):
        post.listen()
    asked.clear()

    post.open(pixel)
    post.page.locator(".toast", has_text="Words at once").wait_for()

    assert [] == asked
    post.end()


def test_what_is_taken_back_before_its_card_could_show_never_shows(post: Post) -> None:
    """A card waits while the hand is on the others; what comes meanwhile waits behind it."""
    page = post.page
    post.listen()
    looked(page)
    tell = "(it) => dispatchEvent(new CustomEvent('unsealed:notice', { detail: [it] })) && null"
    one: dict[str, object] = {"tag": "", "instead": "", "path": "/sent", "message": "", "body": "", "again": False}
    one |= {"gone": False, "page": True, "system": False, "outside": {"title": "", "body": ""}}
    page.evaluate(tell, one | {"key": "1.1", "tag": "c1", "title": "The first"})
    page.locator(".toast", has_text="The first").hover()
    page.mouse.down()
    page.evaluate(tell, one | {"key": "2.1", "tag": "c2", "title": "The second"})
    page.evaluate(tell, one | {"key": "2.2", "tag": "c2", "title": "Taken back", "gone": True})
    page.evaluate(tell, one | {"key": "3.1", "tag": "c3", "title": "The third"})
    looked(page)
    assert 1 == page.locator(".toast").count()
    page.mouse.move(5, 400)  # else it would follow the link
    page.mouse.up()

    page.locator(".toast", has_text="The third").wait_for()
    assert ["The first", "The third"] == [each.strip() for each in page.locator(".toast b").all_inner_texts()]
    post.end()


def test_a_push_message_is_shown_by_the_service_worker_and_muted_from_there(post: Post) -> None:
    post.send("Pushed")
    page = post.page
    page.context.grant_permissions(["notifications"], origin=post.web)
    page.goto(f"{post.web}/sent")
    page.wait_for_function("() => navigator.serviceWorker.ready.then(() => true)")
    protocol = page.context.new_cdp_session(page)
    versions: list[dict[str, Any]] = []
    protocol.on("ServiceWorker.workerRegistrationUpdated", lambda told: versions.extend(told["registrations"]))
    protocol.send("ServiceWorker.enable")
    post.until(lambda: page.evaluate("1") and versions, "the worker is known")
    [message] = [
        each["id"]
        for each in post.installation.get(
            post.installation.web, "/api/v1/messages", Authorization=f"Bearer {post.token}"
        ).json["messages"]
    ]
    shown = {
        "title": "Ines Marchetti opened it",
        "body": "Pushed",
        "tag": "c1",
        "data": {"path": f"/message/{message}", "message": message, "page": False},
    }
    protocol.send(
        "ServiceWorker.deliverPushMessage",
        {
            "origin": post.web,
            "registrationId": versions[-1]["registrationId"],
            "data": json.dumps({"web_push": 8030, "notification": shown}),
        },
    )
    assert [["Ines Marchetti opened it", "Pushed", "c1"]] == post.until(lambda: page.evaluate(SHOWN), "shown")
    assert "Ines Marchetti opened it" == page.evaluate(KEPT)

    # Another comes, and is told together with it: the card in the page takes the place of the single system notice.
    said = {"title": "Ines Marchetti opened it, and 1 more", "body": ""}
    both: dict[str, object] = {"key": "1.1", "tag": "n1", "instead": "c1", **said, "outside": said, "path": "/sent"}
    both |= {"message": message, "again": True, "gone": False, "page": True, "system": True}
    tell = "(it) => dispatchEvent(new CustomEvent('unsealed:notice', { detail: [it] })) && null"
    page.evaluate(tell, both)
    page.locator(".toast", has_text="and 1 more").wait_for()
    post.until(lambda: page.evaluate(SHOWN) == [], "taken away")

    # So does the system notice, and the single one takes its place again when the other was none.
    page.evaluate(COUNT_SHOWN)
    alone = both | {"key": "1.2", "tag": "c1", "instead": "n1", "title": "", "outside": shown}
    for number, told in enumerate((alone, both | {"key": "1.3"}, alone | {"key": "1.4"}), 1):
        page.evaluate(tell, told | {"page": False})
        post.until(lambda number=number: number == page.evaluate("shownSoFar"), "the browser has it")
        post.until(lambda tag=told["tag"]: [tag] == [each[2] for each in page.evaluate(SHOWN)], "in its place")

    # Its button "Mute": browsers let nobody press it from a script, so what it does is called. A browser lets a worker
    # that does nothing sleep; the page wakes it.
    [worker] = post.until(lambda: page.goto(f"{post.web}/sent") and page.context.service_workers, "the worker is awake")
    worker.evaluate(f"mute('{message}')")
    page.goto(f"{post.web}/message/{message}")
    page.get_by_role("button", name="No notices: silenced").wait_for()
    post.end()
