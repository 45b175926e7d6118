"""Somebody answers: from a letter sent through SMTP to "Replied" on the page, through a real mailbox, and with
everything killed in the middle."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.mailbox_server import PASSWORD as MAILBOX_PASSWORD
from tests.mailbox_server import MailboxServer
from tests.token_server import CLIENT, SECRET, TokenServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

SENDER, INES, ROB, LOTTE = (
    "mara@tidewater.example",
    "ines@harbourline.example",
    "rob@harbourline.example",
    "lotte@fennel.example",
)
PASSWORD = "correct horse battery"
LETTER = (
    f"From: Mara <{SENDER}>\r\nTo: Ines <{INES}>, {ROB}, {LOTTE}\r\nSubject: The offer\r\n"
    "Message-ID: <offer@tidewater.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
).encode()

pytestmark = pytest.mark.walk


def answer(number: int, by: str = f"Ines <{INES}>", *more: str) -> bytes:
    lines = [f"From: {by}", f"To: {SENDER}", "Subject: Re: The offer", f"Message-ID: <a{number}@harbourline.example>"]
    return "\r\n".join([*lines, "In-Reply-To: <offer@tidewater.example>", *more, "", "Fine with me.", ""]).encode()


def bounce(recipient: str) -> bytes:
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {SENDER}\r\nSubject: Undelivered\r\nMessage-ID: <b@mx.example>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: failed\r\n"
        "Status: 5.2.2\r\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <offer@tidewater.example>\r\n\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def sent(installation: Any, sink: Any, page: Page) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """An installation whose owner has sent the letter and looks at the settings of the mailbox; and what the API says
    of the letter."""
    secret, token = installation.add(SENDER, PASSWORD)
    installation.upstream = f"smtp://127.0.0.1:{sink.port}?tls=none"
    installation.start()
    assert {} == installation.send(SENDER, secret, SENDER, [INES, ROB, LOTTE], LETTER)

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1{path}", Authorization=f"Bearer {token}").json

    [listed] = ask("/messages")["messages"]
    web = f"http://127.0.0.1:{installation.web}"
    page.goto(f"{web}/sign-in?next=/settings/mailbox")
    page.get_by_label("E-mail address").fill(SENDER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    yield installation, lambda: ask(f"/messages/{listed['id']}")
    page.goto("about:blank")  # its stream of changes would break
    installation.stop()


@pytest.fixture
def connected(
    sent: tuple[Any, Callable[[], Any]], mailbox_server: MailboxServer, page: Page
) -> tuple[Any, Callable[[], Any]]:
    """The same with the mailbox connected in the pages."""
    name_server(page, mailbox_server)
    page.get_by_label("Password", exact=True).fill(MAILBOX_PASSWORD)
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_text("Connected. Answers and reports").wait_for()
    return sent


def name_server(page: Page, server: MailboxServer) -> None:
    page.get_by_label("Server", exact=True).fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(server.port))
    page.get_by_label("Security").select_option("none")
    page.get_by_label("User name").fill(SENDER)


def test_an_answer_is_seen_on_the_page_without_an_opening_and_machines_are_told_apart(
    connected: tuple[Any, Callable[[], Any]],
    mailbox_server: MailboxServer,
    page: Page,
    shoot: Callable[[str], None],
    until: Callable[..., Any],
) -> None:
    installation, letter = connected
    until(lambda: [copy["state"] for copy in letter()["copies"]] == ["sent"] * 3, "three copies at the upstream")
    page.goto(f"http://127.0.0.1:{installation.web}/message/{letter()['id']}")
    until(lambda: "mailbox.entered" in installation.output.read_text(), "the mailbox is watched")
    until(lambda: _watched(installation) == 2, "both folders have their place")

    mailbox_server.put(SENDER, answer(1))
    page.locator(".people li", has_text=INES).get_by_text("Replied", exact=True).wait_for()  # while we look
    page.locator("#main").get_by_text("Ines replied").wait_for()
    mailbox_server.put(SENDER, answer(2, ROB, "Auto-Submitted: auto-replied"), bounce(LOTTE))
    until(lambda: letter()["copies"][2]["state"] == "bounced", "the bounce")
    until(lambda: letter()["replies"] == 1, "one answer")
    page.get_by_text(f"Automatic answer from {ROB}").wait_for()
    page.get_by_text("Bounced: mailbox full").wait_for()
    shoot("message-replied")

    found = letter()
    ines, rob, lotte = found["copies"]
    assert ("replied", True, 1, 0, 0) == tuple(ines[key] for key in ("state", "certain", "replies", "opens", "raw"))
    assert ("sent", False, 0) == (rob["state"], rob["certain"], rob["replies"])
    assert (False, "552 5.2.2 mailbox full") == (lotte["certain"], lotte["reply"])
    assert (1, 0) == (found["replies"], found["opens"])
    page.goto(f"http://127.0.0.1:{installation.web}/sent?state=replied")
    page.locator(".row", has_text="The offer").get_by_text("Replied").wait_for()
    page.goto(f"http://127.0.0.1:{installation.web}/settings/mailbox")
    page.get_by_text("works").wait_for()
    assert MAILBOX_PASSWORD not in page.content()
    said = installation.output.read_text()
    assert [] == [word for word in (MAILBOX_PASSWORD, "Fine with me", "ines@") if word in said]


def test_killed_in_the_middle_every_answer_counts_once(
    connected: tuple[Any, Callable[[], Any]], mailbox_server: MailboxServer, page: Page, until: Callable[..., Any]
) -> None:
    installation, letter = connected
    page.goto("about:blank")
    until(lambda: _watched(installation) == 2, "both folders have their place")
    rounds = 4
    for number in range(rounds):
        mailbox_server.put(SENDER, *(answer(10 * number + each) for each in range(10)))
        until(lambda: letter()["replies"] > 10 * number, "some of them are counted")  # noqa: B023
        installation.kill()
        mailbox_server.put(SENDER, answer(10 * number + 3))  # once more, as if from another folder
        installation.start()
    until(lambda: letter()["replies"] == 10 * rounds, "all of them are counted")

    mailbox_server.put(SENDER, answer(1000, f"Rob <{ROB}>"))
    until(lambda: letter()["copies"][1]["replies"] == 1, "the last one")
    assert (10 * rounds + 1, 10 * rounds) == (letter()["replies"], letter()["copies"][0]["replies"])


def test_a_mailbox_without_a_password_is_read_on_after_its_tokens_ended(
    sent: tuple[Any, Callable[[], Any]],
    token_mailbox_server: MailboxServer,
    token_server: TokenServer,
    page: Page,
    shoot: Callable[[str], None],
    until: Callable[..., Any],
) -> None:
    installation, letter = sent
    name_server(page, token_mailbox_server)
    page.get_by_label("Sign in with").select_option("OAuth (XOAUTH2)")
    page.get_by_text("For OAuth").click()
    page.get_by_label("Token address").fill(token_server.url)
    page.get_by_label("Client ID").fill(CLIENT)
    page.get_by_label("Client secret").fill(SECRET)
    page.get_by_label("Refresh token").fill(token_server.consent(SENDER))
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_text("Connected. Answers and reports").wait_for()
    until(lambda: _watched(installation) == 2, "both folders have their place")
    token_mailbox_server.put(SENDER, answer(1))
    until(lambda: letter()["replies"] == 1, "an answer")

    token_server.revoke()
    token_mailbox_server.halt()
    token_mailbox_server.run()
    here = f"http://127.0.0.1:{installation.web}/settings/mailbox"
    until(lambda: "enter a new refresh token" in page.request.get(here).text(), "the refused token is told")
    token_mailbox_server.put(SENDER, answer(2))
    page.goto(here)
    shoot("mailbox-refused")
    page.get_by_label("Refresh token").fill(token_server.consent(SENDER))
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Connected. Answers and reports").wait_for()
    until(lambda: letter()["replies"] == 2, "the answer that came meanwhile")
    until(lambda: "enter a new refresh token" not in page.request.get(here).text(), "the trouble is over")

    said = page.content() + installation.output.read_text()
    assert [] == [word for word in (SECRET, "refresh-", "access-") if word in said]


def _watched(installation: Any) -> int:
    with closing(sqlite3.connect(f"file:{installation.data}/unsealed.db?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM mailbox_folders").fetchone()[0])
