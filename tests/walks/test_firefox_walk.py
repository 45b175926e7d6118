"""What a browser of another maker makes of the pages: writing, keeping, sending and reading, in Firefox."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from tests.walks.firefox import CONTROL, ENTER, Firefox

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
INES, ROB = "ines@harbourline.example", "rob@harbourline.example"
EDITOR = "return document.querySelector('#letter')?.isContentEditable === true"

pytestmark = pytest.mark.walk


def test_a_letter_is_written_kept_and_sent(
    installation: Any, sink: Any, firefox: Firefox, until: Callable[..., Any]
) -> None:
    installation.upstream = f"smtp://127.0.0.1:{sink.port}"
    installation.add(SENDER, PASSWORD)
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"

    def says(words: str, where: str) -> None:
        until(lambda: firefox.says(words, f"document.querySelector({where!r})?.textContent"), f"{words} in {where}")

    firefox.visit(f"{web}/sign-in?next=/compose")
    firefox.write("#email", SENDER)
    firefox.write("#password", PASSWORD)
    firefox.click("main form button")
    until(lambda: firefox.page(EDITOR), "the editor")
    firefox.click("#to")
    firefox.type(f"{INES}, {ROB},")
    firefox.click("#subject")
    firefox.type("Written in Firefox")
    firefox.click("#letter")
    firefox.type("It is ", (CONTROL, "b"), "bold", (CONTROL, "b"), ": ", (CONTROL, "k"))
    until(lambda: firefox.page("return document.activeElement.matches('input')"), "the dialog for a link")
    firefox.type("tidewater.example/visit", ENTER)
    until(lambda: firefox.page("return document.activeElement.id === 'letter'"), "back in the letter")
    firefox.type(ENTER, "Second line")
    says("Second line", "#letter")
    says("Saved", "[data-state]")

    # It is kept: another visit shows the same.
    firefox.visit(f"{web}/drafts")
    firefox.click(".cards a")
    until(lambda: firefox.page(EDITOR), "the editor")
    says("It is bold: ", "#letter")
    assert "Written in Firefox" == firefox.page("return document.querySelector('#subject').value")

    # Sent by the keyboard.
    firefox.click("#letter")
    firefox.type((CONTROL, ENTER))
    until(lambda: len(sink.mails) == 2, "two copies at the upstream")
    for recipient in (INES, ROB):
        body = message_from_bytes(sink.copy_for(recipient), policy=policy.SMTP).get_body(("html",))
        assert body is not None
        html = body.get_content()
        assert "<strong>bold</strong>" in html
        assert "Second line" in html
        assert "/o/" in html
    until(lambda: firefox.says("Written in Firefox", "document.querySelector('#rows')?.textContent"), "among sent mail")
