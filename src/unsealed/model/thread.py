"""A conversation: letters of a user that answer one another, and what came back to them."""

from __future__ import annotations

from dataclasses import dataclass

from unsealed.model.view import MessageRow, ReplyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One conversation. Each letter has its own figures: mail that it quotes counts where that was sent."""

    id: str  # public id of its first letter
    messages: tuple[MessageRow, ...]  # latest first
    answers: tuple[tuple[str, ReplyRow], ...]  # which letter they answer; latest first
    more: bool = False  # there are older letters

    @property
    def last(self) -> MessageRow:
        """The letter whose figures stand for the conversation."""
        return self.messages[0]
