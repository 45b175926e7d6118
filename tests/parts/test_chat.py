"""Chats: which addresses are taken, and what services really get from Apprise, on a host of this machine."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.patience import serving

from unsealed.model.errors import DeliveryFailed
from unsealed.model.notice import Channel, Device, DeviceId, Words
from unsealed.outlets import chat
from unsealed.outlets.chat import Chat, service

WORDS = Words(title="Ines opened it", body="", tag="c1", path="/message/1", link="/message/1")
DEVICE = Device(id=DeviceId(1), channel=Channel.CHAT, name="Team", address="tgram://123456789:abcdefg_hij/12315544/")


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (DEVICE.address, "Telegram"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "Slack"),
        ("DISCORD://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
    ],
)
def test_services_with_a_host_of_their_own_are_for_everybody(address: str, named: str) -> None:
    assert named == service(address, trusted=False)


@pytest.mark.parametrize(
    "address", ["ntfys://ntfy.inside.example/topic", "gotifys://10.0.0.1/token", "mmosts://chat.example/token"]
)
def test_a_typed_host_is_for_who_runs_the_installation(address: str) -> None:
    assert service(address, trusted=True)
    assert not service(address, trusted=False)


@pytest.mark.parametrize(
    "address",
    [
        "json://127.0.0.1/",
        "jsons://evil.example/",
        "xml://127.0.0.1/",
        "form://127.0.0.1/",
        "file:///etc/passwd",
        "exec://rm",
        "syslog://",
        "dbus://",
        "windows://",
        "macosx://",
        "smpp://x",
        "mailto://me:pw@inside.example",
        "http://127.0.0.1/",
        "https://discord.com/api/webhooks/1/2",
        "gotify://10.0.0.1/token",
        "tgram://token/1?config=http://127.0.0.1/",
        "tgram://token/1\r\njson://127.0.0.1",
        "tgram:///",
        "slack",
        "",
        "tgram://" + "a" * 600,
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_nothing_else_is_taken_from_anybody(address: str, trusted: bool) -> None:
    assert not service(address, trusted=trusted)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own plug-ins
def test_apprise_knows_every_service_that_is_offered() -> None:
    manager: Any = import_module("apprise.manager_plugins").NotificationManager()
    manager.load_modules()

    assert [] == sorted({*chat.SERVICES, *chat.HOSTED}.difference(manager.schemas()))


@dataclass
class Receiver:
    """A service with a certificate that this machine trusts; keeps what comes, answers as told."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, Any]] = field(default_factory=list)  # path, and the JSON


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, json.loads(body)))
            self.send_response(made.answers.pop(0) if made.answers else 200)
            self.send_header("Content-Length", "2")
            self.send_header("Location", f"https://localhost:{made.port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as (_, made.port):
        yield made


SAID = Words(
    title="Ines opened it", body="Lunch on Friday\n14:32, certain", tag="c1", path="/message/1", link="/message/1"
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own plug-ins
@pytest.mark.parametrize(
    ("address", "path", "expected"),
    [
        ("ntfys://{}/readings", "/", {"topic": "readings", "title": SAID.title, "message": SAID.body}),
        ("gotifys://{}/Atoken123456789", "/message", {"title": SAID.title, "message": SAID.body}),
        (
            "mmosts://{}/3ccdd113474722377935511fc85d3dd4",
            "/hooks/3ccdd113474722377935511fc85d3dd4",
            {"text": f"{SAID.title}\n{SAID.body}"},
        ),
    ],
)
async def test_real_services_get_title_and_words_in_their_own_format(
    receiver: Receiver, address: str, path: str, expected: dict[str, str]
) -> None:
    device = replace(DEVICE, address=address.format(f"localhost:{receiver.port}"), trusted=True)

    await Chat().ring(device, SAID)

    [(asked, got)] = receiver.got
    assert path == asked.partition("?")[0]
    assert expected == {name: got[name].replace("\r\n", "\n") for name in expected}
    assert "apprise" not in json.dumps(got).lower()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_telegram_gets_title_and_words_as_text(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.telegram import NotifyTelegram

    monkeypatch.setattr(NotifyTelegram, "notify_url", f"https://localhost:{receiver.port}/bot")

    await Chat().ring(DEVICE, replace(SAID, title="<b>Ines</b> opened it"))

    [(asked, got)] = receiver.got
    assert asked == "/bot123456789:abcdefg_hij/sendMessage"
    assert "12315544" in str(got["chat_id"])
    assert "&lt;b&gt;Ines&lt;/b&gt; opened it" in got["text"]
    assert "14:32, certain" in got["text"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("status", [302, 403, 429, 500])
async def test_what_a_real_service_refuses_counts_as_not_taken_and_is_not_looked_for_elsewhere(
    receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    device = replace(DEVICE, address=f"ntfys://localhost:{receiver.port}/readings", trusted=True)

    with pytest.raises(DeliveryFailed, match="ntfy"):
        await Chat().ring(device, SAID)

    assert 1 == len(receiver.got)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_certificate_that_nobody_vouches_for_is_not_told_anything(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    device = replace(DEVICE, address=f"ntfys://localhost:{receiver.port}/readings", trusted=True)

    with pytest.raises(DeliveryFailed):
        await Chat().ring(device, SAID)

    assert [] == receiver.got


async def test_what_has_no_more_words_than_its_title_is_said_once() -> None:
    got: list[tuple[str, str, str]] = []

    def notify(address: str, title: str, body: str) -> bool:
        got.append((address, title, body))
        return True

    await Chat(notify).ring(DEVICE, WORDS)

    assert [(DEVICE.address, "", "Ines opened it")] == got


@pytest.mark.parametrize(
    ("words", "origin", "title", "body"),
    [
        (SAID, "https://unsealed.example", SAID.title, f"{SAID.body}\nhttps://unsealed.example/message/1"),
        (WORDS, "https://unsealed.example", WORDS.title, "https://unsealed.example/message/1"),
        (SAID, "", SAID.title, SAID.body),
        (replace(SAID, link=""), "https://unsealed.example", SAID.title, SAID.body),
    ],
)
async def test_a_notice_leads_to_its_page_where_that_can_be_reached(
    words: Words, origin: str, title: str, body: str
) -> None:
    got: list[tuple[str, str]] = []

    def notify(_: str, *said: str) -> bool:
        got.append((said[0], said[1]))
        return True

    await Chat(notify, origin=origin).ring(DEVICE, words)

    assert [(title, body)] == got


async def test_a_service_that_does_not_take_it_is_tried_again() -> None:
    with pytest.raises(DeliveryFailed, match="Telegram") as caught:
        await Chat(lambda *_: False).ring(DEVICE, WORDS)

    assert caught.value.temporary


async def test_an_address_that_is_not_allowed_any_more_is_never_asked() -> None:
    with pytest.raises(DeliveryFailed) as caught:
        await Chat(lambda *_: pytest.fail("asked")).ring(replace(DEVICE, address="json://127.0.0.1/"), WORDS)

    assert not caught.value.temporary


async def test_without_the_extra_nothing_is_told_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    bell = Chat()
    with pytest.raises(DeliveryFailed, match="extra") as caught:
        await bell.ring(DEVICE, WORDS)

    assert not caught.value.temporary
    assert not chat.available()
    await bell.close()
