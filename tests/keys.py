"""Key rings for tests: one key that never changes, and none at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OneKey:
    newest: int = 0
    secret: bytes = bytes(range(64))

    def key(self, key_id: int) -> bytes | None:
        return self.secret if key_id == self.newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKeys:
    """For pages that derive no mail."""

    newest: int = 0

    def key(self, key_id: int) -> bytes | None:
        return None
