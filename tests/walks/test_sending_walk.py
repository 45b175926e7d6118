"""Each by their own way, through all processes: into the sandbox, by everybody's server, by an own one over TLS that
wants a password; and a change without a restart."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

OWNER, ANN, BOB = "mara@tidewater.example", "ann@tidewater.example", "bob@tidewater.example"
PASSWORD = "correct horse battery"
SECRET = "open sesame, and nobody else's"

pytestmark = pytest.mark.walk


def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, proof: Any) -> AuthResult:
    good = isinstance(proof, LoginPassword) and (proof.login, proof.password) == (ANN.encode(), SECRET.encode())
    return AuthResult(success=good, handled=good)


@pytest.fixture
def guarded(sink: Any, free_port: Callable[[], int], tmp_path: Path) -> Iterator[tuple[Any, int, Path]]:
    """A server with STARTTLS that wants Ann's password, its port, and who vouches for it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    kept = type(sink)(port=free_port())
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=kept.port,
        tls_context=context,
        require_starttls=True,
        authenticator=sign_in,
        auth_required=True,
        ready_timeout=PATIENCE_S,
    )
    controller.start()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    yield kept, kept.port, tmp_path / "authority.pem"
    controller.stop()


def letter(sender: str) -> bytes:
    html = '<html><body><p>See <a href="https://example.com/plan">the plan</a>.</p></body></html>'
    head = f"From: {sender}\r\nSubject: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    return f"{head}\r\n{html}\r\n".encode()


def test_each_by_their_own_way(
    installation: Any,
    sink: Any,
    guarded: tuple[Any, int, Path],
    page: Page,
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    shoot: Callable[[str], None],
) -> None:
    own, port, authority = guarded
    monkeypatch.setenv("UNSEALED_PEOPLE_PRIVATE_HOSTS", "true")
    monkeypatch.setenv("UNSEALED_UPSTREAM_CA", str(authority))
    secrets = {OWNER: installation.add(OWNER, PASSWORD)[0]}
    for address in (ANN, BOB):
        installation.command("user", "add", address, "--password-stdin", given=PASSWORD.encode() + b"\n")
        secrets[address] = installation.command("app-password", address).splitlines()[-1].split()[-1]
    installation.start()
    web = f"http://127.0.0.1:{installation.web}"
    browser = page.context.browser
    assert browser is not None

    def pages_of(address: str, page: Page) -> Page:
        page.goto(f"{web}/sign-in?next=/settings/sending")
        page.get_by_label("E-mail address").fill(address)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{web}/settings/sending")
        return page

    def choose(page: Page, whose: str, host: str, port: int, tls: str, user: str = "", password: str = "") -> None:
        form = page.locator(f"section[aria-labelledby={whose}]")
        form.get_by_label("Server", exact=True).fill(host)
        form.get_by_label("Port", exact=True).fill(str(port))
        form.get_by_label("Security").select_option(tls)
        form.get_by_label("User name").fill(user)
        form.get_by_label("Password", exact=True).fill(password)
        form.get_by_role("button", name="Save and send a test").click()

    def send(address: str, to: str) -> None:
        installation.send(address, secrets[address], address, [to], letter(address))

    def took(sink: Any, to: str) -> Callable[[], bool]:
        return lambda: any(mail.rcpt_tos == [to] for mail in sink.mails)

    # Nobody has chosen anything: into the sandbox.
    maras = pages_of(OWNER, page)
    send(BOB, "first@x.example")
    bobs = pages_of(BOB, browser.new_context(java_script_enabled=False).new_page())
    until(lambda: "first@x.example" in bobs.request.get(f"{web}/sandbox").text(), "the letter in the sandbox")

    # Everybody's.
    choose(maras, "everybody", "127.0.0.1", sink.port, "none")
    maras.get_by_text(f"The test letter left for {OWNER}.").wait_for()
    until(took(sink, OWNER), "the test")
    send(BOB, "second@x.example")
    until(took(sink, "second@x.example"), "Bob's letter by everybody's server")
    assert b"/o/" in sink.copy_for("second@x.example")  # tracked: both ends are on this machine

    # Ann's own: a wrong password is told with the dialogue, the right one opens.
    anns = pages_of(ANN, browser.new_context(java_script_enabled=False).new_page())
    assert anns.locator("section[aria-labelledby=everybody]").count() == 0
    choose(anns, "own", "localhost", port, "starttls", ANN, "not sesame")
    anns.get_by_text("The test letter did not leave.").wait_for()
    assert anns.get_by_text("It did not take user name and password.").is_visible()
    assert "AUTH PLAIN ***" in anns.content()
    assert "not sesame" not in anns.content()
    maras.goto(f"{web}/settings/sending")
    shoot("sending")
    choose(anns, "own", "localhost", port, "starttls", ANN, SECRET)
    anns.get_by_text(f"The test letter left for {ANN}.").wait_for()
    until(took(own, ANN), "Ann's test")
    send(ANN, "third@x.example")
    until(took(own, "third@x.example"), "Ann's letter by her own server")
    assert not took(sink, "third@x.example")()

    # A change reaches the running server.
    anns.get_by_role("button", name="Remove localhost").click()
    anns.get_by_text("Removed, with its password.").wait_for()

    def fourth() -> bool:
        send(ANN, "fourth@x.example")
        return took(sink, "fourth@x.example")()

    until(fourth, "Ann's letter by everybody's server")

    for each in (maras, anns, bobs):
        each.goto("about:blank")  # they listen to the server
    installation.stop()

    # Nothing that was typed stands in a log or in the database.
    for kept in [installation.output, *installation.data.glob("unsealed.db*")]:
        assert SECRET.encode() not in kept.read_bytes(), kept
        assert b"not sesame" not in kept.read_bytes(), kept
