from __future__ import annotations

from dataclasses import replace

import pytest

from unsealed.model.errors import DeliveryFailed
from unsealed.model.notice import Channel, Device, DeviceId, Words
from unsealed.outlets import chat
from unsealed.outlets.chat import Chat, service

WORDS = Words(title="Ines opened it", body="", tag="c1", path="/message/1")
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
    manager = pytest.importorskip("apprise.manager_plugins").NotificationManager()
    manager.load_modules()

    assert [] == sorted({*chat.SERVICES, *chat.HOSTED}.difference(manager.schemas()))


async def test_the_service_gets_title_and_words() -> None:
    got: list[tuple[str, str, str]] = []

    def notify(address: str, title: str, body: str) -> bool:
        got.append((address, title, body))
        return True

    await Chat(notify).ring(DEVICE, WORDS)

    assert [(DEVICE.address, "Ines opened it", "Ines opened it")] == got


async def test_a_service_that_does_not_take_it_is_tried_again() -> None:
    with pytest.raises(DeliveryFailed, match="Telegram") as caught:
        await Chat(lambda *_: False).ring(DEVICE, WORDS)

    assert caught.value.temporary


async def test_an_address_that_is_not_allowed_any_more_is_never_asked() -> None:
    with pytest.raises(DeliveryFailed) as caught:
        await Chat(lambda *_: pytest.fail("asked")).ring(replace(DEVICE, address="json://127.0.0.1/"), WORDS)

    assert not caught.value.temporary


async def test_without_the_extra_nothing_is_told_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> object:
        raise ImportError

    monkeypatch.setattr("unsealed.outlets.chat.importlib.import_module", missing)
    bell = Chat()
    with pytest.raises(DeliveryFailed, match="extra") as caught:
        await bell.ring(DEVICE, WORDS)

    assert not caught.value.temporary
    assert not chat.available()
    await bell.close()
