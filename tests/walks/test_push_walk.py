"""Push messages end to end: a real browser subscribes by the page's own button, our processes send, the browser
decrypts and shows, and its buttons lead back to us. Nothing on the way can read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from tests.walks.firefox import Firefox, PushService

SENDER = "mara@tidewater.example"
PASSWORD = "correct horse battery"
INES = "ines@harbourline.example"
PIXEL = re.compile(rb"http://127\.0\.0\.1:\d+/o/[A-Za-z0-9_-]+\.gif")
SETTINGS = "/settings/notifications"

pytestmark = pytest.mark.walk


@pytest.fixture
def pixel(
    installation: Any, sink: Any, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> Iterator[Callable[[str], str]]:
    """A server that may reach this machine's push service; `pixel(subject)` sends a letter."""
    monkeypatch.setenv("UNSEALED_PEOPLE_PRIVATE_HOSTS", "true")
    installation.upstream = f"smtp://127.0.0.1:{sink.port}"
    password, _ = installation.add(SENDER, PASSWORD)
    installation.start()

    def send(subject: str) -> str:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, f"Ines Marchetti <{INES}>", subject
        message.set_content(f"<p>{subject}</p>", subtype="html")
        before = len(sink.mails)
        assert {} == installation.send(SENDER, password, SENDER, [INES], message.as_bytes())
        until(lambda: len(sink.mails) > before, "delivered")
        found = PIXEL.search(sink.copy_for(INES).replace(b"=\r\n", b"").replace(b"=3D", b"="))
        assert found is not None
        return found[0].decode()

    yield send
    installation.stop()


def sign_in(firefox: Firefox, web: str, until: Callable[..., Any]) -> None:
    firefox.permit_notices(web)
    firefox.visit(f"{web}/sign-in?next={SETTINGS}")
    firefox.write("input[type=email]", SENDER)
    firefox.write("input[type=password]", PASSWORD)
    firefox.click("main form button")
    until(lambda: firefox.page("return !!document.querySelector('[data-push]:not([hidden])')"), "push is offered")


def test_firefox_subscribes_decrypts_shows_opens_and_mutes(
    firefox: Firefox, push: PushService, pixel: Callable[[str], str], installation: Any, until: Callable[..., Any]
) -> None:
    web = f"http://127.0.0.1:{installation.web}"

    def open_(address: str) -> None:
        assert 200 == installation.load(address, X_Forwarded_For="203.0.113.21").status

    sign_in(firefox, web, until)
    firefox.click("[data-push]")
    until(lambda: firefox.says("added", "location.search"), "subscribed")
    until(lambda: firefox.says("Firefox", "document.querySelector('table tbody')?.textContent"), "listed")

    # The test says what became of it, and arrives.
    firefox.click(f"form[action^='{SETTINGS}/test'] button")

    def delivered() -> bool:
        """The page waits four seconds for it; one that is loaded again tells what came later."""
        if firefox.says("delivered", "document.body?.textContent"):
            return True
        if firefox.says("tested", "location.search"):
            firefox.ask("WebDriver:Refresh")
        return False

    until(delivered, "said to be delivered")
    until(lambda: push.acknowledged == [100], "shown")

    # A reading: the browser shows who, and what passed through the push service tells nothing.
    firefox.visit("about:blank")
    open_(pixel("Lunch on Friday"))
    until(lambda: ["Ines Marchetti opened it", ""] in firefox.shown(), "shown")
    headers, body = push.posted[-1]
    assert "aes128gcm" == headers["content-encoding"]
    assert headers["authorization"].startswith("vapid t=")
    assert not [word for word in (b"Ines", b"Lunch", INES.encode()) if word in body]

    # Pressed, it leads to the message.
    firefox.press("Ines Marchetti opened it")
    until(
        lambda: [url for url in windows(firefox) if url.startswith(f"{web}/message/")],
        "the message is open",
    )

    # "Mute" silences that message, without a page: with one that is seen, the card there would be enough.
    close_other_tabs(firefox)
    open_(pixel("Muted from outside"))
    until(lambda: ["Ines Marchetti opened it", ""] in firefox.shown(), "shown")
    firefox.press("Ines Marchetti opened it", "mute")
    muted = """return [...document.querySelectorAll('#list li')].some((it) =>
        it.textContent.includes('Muted from outside') && it.querySelector('[aria-pressed=true]'))"""

    def silenced() -> bool:
        firefox.visit(f"{web}/sent")
        return bool(firefox.page(muted))

    until(silenced, "silenced")
    until(lambda: push.acknowledged == [100, 100, 100], "each was shown")

    # The push service forgets the browser: its worker subscribes again, notices go on, and we forget the old address.
    push.forget()

    def devices() -> int:
        firefox.visit(f"{web}{SETTINGS}")
        return int(firefox.page("return document.querySelectorAll('table tbody tr').length"))

    until(lambda: devices() == 2, "subscribed again")
    firefox.visit("about:blank")
    open_(pixel("After all that"))
    until(lambda: push.acknowledged == [100] * 4, "shown")
    until(lambda: devices() == 1, "the lost subscription is forgotten")


def test_of_hidden_tabs_one_shows_a_system_notice(
    firefox: Firefox, pixel: Callable[[str], str], installation: Any, until: Callable[..., Any]
) -> None:
    web = f"http://127.0.0.1:{installation.web}"
    sign_in(firefox, web, until)
    firefox.click("[name=channel-system]")
    firefox.click("main form .button.primary")
    until(lambda: firefox.says("kept", "location.search"), "saved")
    address = pixel("Behind other tabs")
    tabs = [firefox.ask("WebDriver:GetWindowHandle")["value"]]
    for url in (f"{web}/sent", "about:blank"):
        tabs.append(firefox.ask("WebDriver:NewWindow", type="tab")["handle"])
        firefox.ask("WebDriver:SwitchToWindow", handle=tabs[-1])
        firefox.visit(url)
    for tab in tabs[:2]:
        firefox.ask("WebDriver:SwitchToWindow", handle=tab, focus=False)
        until(lambda: firefox.page("return document.hidden"), "hidden")
    until(
        lambda: firefox.page("return navigator.locks.query().then((it) => it.held.length + it.pending.length)") == 2,
        "both tabs would tell",
    )
    assert 200 == installation.load(address, X_Forwarded_For="203.0.113.21").status

    until(firefox.shown, "shown")
    assert [["Ines Marchetti opened it", ""]] == firefox.shown()


def test_without_the_server_the_app_says_so_instead_of_the_browser(
    firefox: Firefox, pixel: Callable[[str], str], installation: Any, until: Callable[..., Any]
) -> None:
    web = f"http://127.0.0.1:{installation.web}"
    sign_in(firefox, web, until)
    assert firefox.page("return navigator.serviceWorker.ready.then((it) => it.active.state)")
    installation.stop()

    firefox.visit(f"{web}/sent")
    assert "You are offline" == firefox.page("return document.querySelector('h1').textContent")


def windows(firefox: Firefox) -> list[str]:
    """Addresses of all tabs."""
    found: list[str] = firefox.inside(
        "return [...Services.wm.getEnumerator('navigator:browser')].flatMap((it) =>"
        "it.gBrowser.browsers.map((each) => each.currentURI.spec));"
    )
    return found


def close_other_tabs(firefox: Firefox) -> None:
    firefox.inside(
        "for (const it of Services.wm.getEnumerator('navigator:browser')) for (const tab of [...it.gBrowser.tabs])"
        " if (tab.linkedBrowser.currentURI.spec.includes('/message/')) it.gBrowser.removeTab(tab);"
    )
