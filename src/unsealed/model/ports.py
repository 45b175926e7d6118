"""The few Protocols. What stands behind them is chosen in app.wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from unsealed.model.message import CopyId, MessageId
from unsealed.model.notice import Device, Words
from unsealed.model.upstream import OAuth

Clock = Callable[[], datetime]  # aware UTC


class Keys(Protocol):
    """The key ring of the installation. New tokens are sealed with `newest`; every key opens for ever."""

    @property
    def newest(self) -> int:
        """Id of the key that seals new mail, 0 to 255."""

    def key(self, key_id: int) -> bytes | None:
        """The 64-byte AES-SIV key with that id, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One copy, ready for the next hop. `raw` is canonical: CRLF line ends only, no NUL."""

    copy: CopyId
    message: MessageId
    envelope_from: str  # "" for reports
    recipient: str
    raw: bytes = field(repr=False)
    wants_report: bool = True  # ask for a delivery status notification where the next hop offers it


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The next hop took responsibility."""

    reply: str  # its answer, such as "250 2.0.0 Ok: queued as 4F1"
    final: bool = False  # True: it lies in the mailbox (sandbox); False: on its way
    at: datetime


class Outlet(Protocol):
    """Where copies go."""

    async def deliver(self, parcel: Parcel) -> Receipt:
        """Hand over one copy.

        Raises:
            DeliveryFailed: temporary or permanent, as the next hop answered. Anything else counts as temporary.
        """

    async def close(self) -> None:
        """Give back connections."""


class RefreshTokens(Protocol):
    """Where the refresh token of a next hop or mailbox is kept: a server may give a new one for each that it takes."""

    async def newest(self) -> OAuth | None:
        """What was kept last; None when it is for another one now."""

    async def keep(self, oauth: OAuth) -> None:
        """Keep a new one in the place of the last."""


class AccessTokens(Protocol):
    """What a mailbox that takes no password is shown."""

    async def get(self) -> str:
        """A token that is good now.

        Raises:
            TokenRefused: none is given out for this refresh token.
            DeliveryFailed: temporary; nobody could be asked.
        """

    def forget(self) -> None:
        """The token was refused: ask for another next time."""


class Bell(Protocol):
    """Where notices for devices of one channel go."""

    async def ring(self, device: Device, words: Words) -> None:
        """Hand over one notice.

        Raises:
            Gone: the device wants no more; forget it.
            DeliveryFailed: temporary or permanent. Anything else counts as temporary.
        """

    async def close(self) -> None:
        """Give back what is held."""
