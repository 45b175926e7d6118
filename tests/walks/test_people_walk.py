"""A conversation in real processes: a letter, an answer to it that quotes it, and what is opened counts where it was
sent. Then the pages of the conversation and of the contact, by keys alone."""

from __future__ import annotations

from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.walks.test_draft_walk import Browser
from tests.walks.test_main_walk import CLICK, PIXEL, html_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER = "mara@tidewater.example"
INES = "ines@harbourline.example"

pytestmark = pytest.mark.walk


def letter(subject: str, html: str, **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Mara <{SENDER}>", f"Ines Marchetti <{INES}>", subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Dear Ines,")
    message.add_alternative(html, subtype="html")
    return message.as_bytes(policy=policy.SMTP)


def test_each_letter_of_a_conversation_has_its_own_figures(
    installation: Any, sink: Any, page: Page, until: Callable[..., Any], shoot: Callable[[str], None]
) -> None:
    installation.upstream = f"smtp://127.0.0.1:{sink.port}"
    password, token = installation.add(SENDER, "correct horse battery")
    installation.start()
    browser = Browser(installation.web)
    browser.sign_in(urlsplit(installation.command("user", "link", SENDER)).path)
    assert 303 == browser.form("/drafts/undo", {"undo_s": "0"})[0]

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1{path}", authorization=f"Bearer {token}").json

    def arrived(number: int) -> bytes:
        until(lambda: len(sink.mails) == number, f"copy {number} at the upstream")
        found: bytes = sink.mails[-1].original_content
        return found

    def pixels(raw: bytes) -> list[bytes]:
        return list(dict.fromkeys(PIXEL.findall(html_of(raw))))

    # A letter by a mail program; an answer to it written here, which quotes it; and a third by the mail program, which
    # quotes what it saw come back, with our picture and links still in it.
    first = letter(
        "Depots", '<p>See <a href="https://tidewater.example/plan">the plan</a></p>', Message_ID="<1@t.example>"
    )
    installation.send(SENDER, password, SENDER, [INES], first)
    copies = [arrived(1)]
    [old] = pixels(copies[0])
    (sent,) = until(lambda: ask("/messages")["messages"], "the first letter")
    content = {"from": SENDER, "to": INES, "subject": "Re: Depots", "html": "<p>One more thing.</p>"}
    answer = {"answers": sent["id"], "mode": "reply", "quote": True}
    status, made = browser.json("POST", "/compose", content | answer)
    assert (201, {}) == (status, made["check"]["errors"])
    assert 200 == browser.json("POST", f"/compose/{made['id']}/send", {"revision": made["revision"]})[0]
    copies.append(arrived(2))
    quoted = html_of(copies[0]).decode()
    third = letter("Re: Depots", f"<p>And this.</p><blockquote>{quoted}</blockquote>", In_Reply_To="<1@t.example>")
    installation.send(SENDER, password, SENDER, [INES], third)
    copies.append(arrived(3))

    assert b"the plan" in html_of(copies[1])  # it is quoted
    assert b"the plan" in html_of(copies[2])
    for raw in copies[1:]:
        assert 1 == len(pixels(raw))
        assert old not in html_of(raw)
        assert set(CLICK.findall(html_of(raw))).isdisjoint(CLICK.findall(html_of(copies[0])))

    # What is opened counts for the letter that was opened: the old picture for the old letter, however late.
    thread = f"/threads/{sent['id']}"
    assert 3 == len(ask(thread)["messages"])
    installation.load(old.decode())
    until(lambda: [0, 0, 1] == [each["opens"] for each in ask(thread)["messages"]], "an open of the first letter")
    installation.load(pixels(copies[2])[0].decode())
    until(lambda: [1, 0, 1] == [each["opens"] for each in ask(thread)["messages"]], "an open of the third letter")
    link = CLICK.findall(html_of(copies[0]))[0]
    assert "https://tidewater.example/plan" == installation.load(link.decode()).headers["location"]
    until(lambda: [0, 0, 1] == [each["clicks"] for each in ask(thread)["messages"]], "a click in the first letter")
    assert [1, 0, 1] == [each["opens"] for each in ask(thread)["messages"]]

    # The same in the pages, by keys: the conversation, its letters, the contact, notes.
    web = f"http://127.0.0.1:{installation.web}"
    page.goto(f"{web}/sign-in")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web}/activity")
    page.goto(f"{web}/message/{sent['id']}")
    page.get_by_role("link", name="3 letters in this conversation").press("Enter")
    page.wait_for_url(f"{web}/thread/**")
    page.locator("#detail").get_by_text("Ines Marchetti opened", exact=True).wait_for()
    page.goto(f"{web}/thread/{sent['id']}")
    page.locator("#rows .row").first.focus()
    page.keyboard.press("j")
    page.locator("#detail").get_by_text("No signal so far").first.wait_for()
    shoot("thread")
    page.keyboard.press("j")
    page.locator("#detail").get_by_text("Ines Marchetti opened", exact=True).wait_for()

    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("contac")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web}/contacts")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web}/contacts/{INES}")
    page.get_by_text("Clicked the plan").wait_for()
    page.get_by_role("textbox", name="Notes").fill("Calls before ten")
    page.get_by_role("button", name="Save the notes").press("Enter")
    page.get_by_text("Notes saved.").wait_for()
    page.wait_for_load_state()  # with what listens to keys
    shoot("contact")

    # Several letters of Sent are silenced by keys alone.
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("sent")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web}/sent")
    page.locator("#rows .row").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.locator("#bulk").get_by_text("2 selected").wait_for()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("silence sel")
    page.keyboard.press("Enter")
    page.locator(".speak[aria-pressed=true]").nth(1).wait_for()
    assert 2 == page.locator(".speak[aria-pressed=true]").count()

    # One of them speaks again; and search is one key away from lists that have none.
    page.wait_for_load_state()
    page.locator("#rows .row").first.focus()
    page.keyboard.press("m")
    page.locator(".speak[aria-pressed=true]").nth(1).wait_for(state="detached")
    assert "false" == page.locator(".speak").first.get_attribute("aria-pressed")
    page.goto(f"{web}/activity")
    page.keyboard.press("/")
    page.wait_for_url(f"{web}/sent#search")
    page.wait_for_function("document.activeElement.name === 'q'")
