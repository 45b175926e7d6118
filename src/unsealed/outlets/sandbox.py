"""The outlet that sends nothing: copies land in the mailbox inside the web app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from unsealed.model.ports import Clock, Parcel, Receipt

Keep = Callable[[Parcel, datetime], Awaitable[None]]


class SandboxOutlet:
    """Hands every copy to `keep`, which must not return before it is on disk."""

    def __init__(self, keep: Keep, *, clock: Clock) -> None:
        self._keep = keep
        self._clock = clock

    async def deliver(self, parcel: Parcel) -> Receipt:
        """Keep one copy; it is then delivered for good. Whatever `keep` raises counts as temporary."""
        at = self._clock()
        await self._keep(parcel, at)
        return Receipt(reply="250 2.0.0 Kept in the sandbox mailbox", final=True, at=at)

    async def close(self) -> None:
        """There is nothing to give back."""
