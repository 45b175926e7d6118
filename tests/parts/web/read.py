"""What a person reads of a page."""

from __future__ import annotations

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def text(page: str) -> str:
    """The text of a page, without tags, white space folded. Where a word may be broken it is one word all the same."""
    reader = _Reader()
    reader.feed(page.replace("<wbr>", ""))
    return " ".join(" ".join(reader.said).split())
