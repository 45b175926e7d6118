"""Notices to chat and other services, through Apprise (the extra `channels`).

What somebody types is an address of Apprise such as `slack://TOKEN/...`. Only schemes of this module are taken: those
of services with a host of their own, and, for who runs the installation, those with a host that is typed. Nothing that
reads files, runs programs or asks any address in general is among them.

Promises that no member makes the server ask an address inside: a typed host is refused, whatever it is called.
Apprise works with blocking calls, so it runs in a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

from unsealed.model.errors import DeliveryFailed
from unsealed.model.notice import Device, Words
from unsealed.model.texts import later

# Scheme -> name of the service. Each talks to a host that Apprise knows, and takes none from the address.
SERVICES = {
    "discord": "Discord",
    "gchat": "Google Chat",
    "pover": "Pushover",
    "pbul": "Pushbullet",
    "slack": "Slack",
    "tgram": "Telegram",
    "wxteams": "Webex",
}
# The same with a host that is typed: for who runs the installation. https alone, but for ntfy without a host.
HOSTED = {
    "gotifys": "Gotify",
    "matrixs": "Matrix",
    "mmosts": "Mattermost",
    "ntfys": "ntfy",
    "rockets": "Rocket.Chat",
    "signals": "Signal",
}
_FIRST = re.compile(r"[A-Za-z0-9_:@.\-]{1,400}(?:/[\w:@.\-/#%]*)?")

Notify = Callable[[str, str, str], bool]  # address, title, body -> whether the service took it


def service(address: str, *, trusted: bool) -> str:
    """The name of the service of an address; "" when notices must not be sent there.

    trusted: added by who runs the installation.
    """
    scheme, sep, rest = address.strip().partition("://")
    scheme = scheme.lower()
    if not sep or not address.isascii() or not address.isprintable() or len(address) > 500:
        return ""
    if scheme in SERVICES and _FIRST.fullmatch(rest):  # no query: Apprise takes hosts and files from some
        return SERVICES[scheme]
    if scheme in HOSTED and trusted and not urlsplit(address).query:
        return HOSTED[scheme]
    return ""


def available() -> bool:
    """Whether the extra `channels` is installed. Costs no import of it, which takes 0.15 s."""
    return find_spec("apprise") is not None


class Chat:
    """Where notices for chat and other services go."""

    def __init__(self, notify: Notify | None = None, *, origin: str = "") -> None:
        """origin: base of the pages, where people reach them from elsewhere; "": a notice holds no link."""
        self._notify = notify or _by_apprise
        self._origin = origin

    async def ring(self, device: Device, words: Words) -> None:
        """Hand over one notice.

        Raises:
            DeliveryFailed: permanent when the address must not be used; else temporary.
        """
        named = service(device.address, trusted=device.trusted)
        if not named:
            raise DeliveryFailed(later("this kind of address is not allowed"), temporary=False)
        link = self._origin + words.link if self._origin and words.link else ""
        body = "\n".join(filter(None, (words.body, link)))
        try:
            title, body = (words.title, body) if body else ("", words.title)  # services refuse no text
            taken = await asyncio.to_thread(self._notify, device.address, title, body)
        except ImportError:
            raise DeliveryFailed(later("the extra “channels” is not installed"), temporary=False) from None
        if not taken:
            raise DeliveryFailed(f"{named} did not take it", temporary=True)

    async def close(self) -> None:
        """Nothing is held."""


def _by_apprise(address: str, title: str, body: str) -> bool:
    apprise = importlib.import_module("apprise")
    # No pictures: services would fetch them from the host of Apprise's own project.
    ours = {"app_id": "Unsealed", "app_desc": "Unsealed", "app_url": "", "image_url_mask": "", "image_url_logo": ""}
    asset = apprise.AppriseAsset(secure_logging=True, async_mode=False, **ours)
    notifier = apprise.Apprise(asset=asset)
    if not notifier.add(address):
        raise DeliveryFailed(later("the address cannot be read"), temporary=False)
    # Said to be text, or a service that takes HTML would get a name with "<" in it as it stands.
    return bool(notifier.notify(title=title, body=body, body_format="text"))
