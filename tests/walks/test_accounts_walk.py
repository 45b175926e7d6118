"""From an invitation to a removal, through all processes and a real upstream, without scripts in the pages."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

OWNER, ROB, SALES = "mara@tidewater.example", "rob@tidewater.example", "sales@tidewater.example"
PASSWORD = "correct horse battery"
LETTER = f"From: {SALES}\r\nTo: ines@harbourline.example\r\nSubject: hello\r\n\r\nhello\r\n".encode()

pytestmark = pytest.mark.walk


def text_for(sink: Any, recipient: str) -> str:
    return str(message_from_bytes(sink.copy_for(recipient), policy=policy.SMTP).get_content())


def test_somebody_is_invited_proves_an_address_sends_from_it_and_is_removed(
    installation: Any, sink: Any, page: Page, until: Callable[..., Any]
) -> None:
    installation.add(OWNER, PASSWORD)
    installation.upstream = f"smtp://127.0.0.1:{sink.port}?tls=none"
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    browser = page.context.browser
    assert browser is not None

    def arrived(recipient: str) -> bool:
        return any(mail.rcpt_tos == [recipient] for mail in sink.mails)

    # The owner invites; the link comes by mail, and is the one on the page.
    page.goto(f"{web}/sign-in?next=/settings/people")
    page.get_by_label("E-mail address").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web}/settings/people")
    page.get_by_label("E-mail address").fill(ROB)
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.locator("code.secret").inner_text()
    until(lambda: arrived(ROB), "the invitation")
    assert link in text_for(sink, ROB)

    # Rob comes in, sets up a mail program, and may not send as sales yet.
    robs = browser.new_context(java_script_enabled=False).new_page()
    robs.goto(link)
    robs.get_by_label("A password for these pages").fill(PASSWORD)
    robs.get_by_role("button", name="Continue").click()
    app_password = robs.locator("code.secret").inner_text()
    with pytest.raises(smtplib.SMTPSenderRefused):
        installation.send(ROB, app_password, SALES, ["ines@harbourline.example"], LETTER)

    # The code goes to the address and is nowhere in Rob's own pages.
    robs.goto(f"{web}/settings/identities")
    robs.get_by_label("Address", exact=True).fill(SALES)
    robs.get_by_role("button", name="Send a code").click()
    until(lambda: arrived(SALES), "the code")
    found = re.search(r"^    (\d{6})\r?$", text_for(sink, SALES), re.MULTILINE)
    assert found is not None
    robs.goto(f"{web}/sent")
    with robs.expect_event("load"):
        robs.locator(".row", has_text="Is this address yours?").click()
    assert found[1] not in robs.content()
    robs.goto(f"{web}/settings/identities")
    robs.get_by_label("Code", exact=True).fill(found[1])
    robs.get_by_role("button", name="Confirm").click()
    robs.get_by_text("The address is yours.").wait_for()
    installation.send(ROB, app_password, SALES, ["ines@harbourline.example"], LETTER)
    until(lambda: arrived("ines@harbourline.example"), "the letter")

    # Removed: out of the pages, and refused by the mail server.
    page.goto(f"{web}/settings/people")
    page.locator("summary", has_text=ROB).click()
    page.get_by_role("button", name=f"Remove {ROB}").click()
    page.get_by_text("Removed: signed out and refused from now on.").wait_for()
    robs.goto(f"{web}/sent")
    assert "/sign-in" in robs.url
    with pytest.raises(smtplib.SMTPAuthenticationError):
        installation.send(ROB, app_password, SALES, ["ines@harbourline.example"], LETTER)
