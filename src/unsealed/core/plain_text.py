"""The plain text of a letter, made from its HTML: what people read whose program shows no HTML.

Promises that every word of the HTML stands in it, in the same order, and every address of a link beside its words.
Lists, quotes, tables and preformatted lines stay recognisable. Expects what `core.clean` made: well-formed and not
deeper than it allows. Linear time.
"""

from __future__ import annotations

from html.parser import HTMLParser

_APART = frozenset("p h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre figure hr center".split())  # an empty line around
_BLOCK = _APART | frozenset(
    "div li tr dt dd caption figcaption address section article header footer main body".split()
)
_SILENT = frozenset({"script", "style", "title", "head"})


def text_of(html: str) -> str:
    """The text, lines ended by LF; no empty lines at its ends, never two in a row."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line: list[str] = []
        self._gap = False  # an empty line is due before the next words
        self._quotes = 0
        self._quotes_before = 0  # of the last line
        self._lists: list[int | None] = []  # the next number of each open list; None: bullets
        self._mark = ""  # of a list item whose first words are to come
        self._links: list[tuple[str, int]] = []  # where an open link leads, and where its words begin in the line
        self._pre = 0
        self._silent = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        if tag in _BLOCK:
            self._end_line(apart=tag in _APART and not (self._lists and tag in ("ul", "ol", "p")))
        match tag:
            case "br":
                self._end_line(keep_empty=True)
            case "hr":
                self._line.append("----")
                self._end_line(apart=True)
            case "blockquote":
                self._quotes += 1
            case "pre":
                self._pre += 1
            case "ul":
                self._lists.append(None)
            case "ol":
                start = given.get("start", "1")
                self._lists.append(int(start) if start.isascii() and start.isdigit() and len(start) < 7 else 1)
            case "li":
                self._begin_item()
            case "tr":
                self._cells = 0
            case "td" | "th":
                if self._cells:
                    self._line.append("\t")
                self._cells += 1
            case "img":
                if given.get("alt", "").strip():
                    self._line.append(f"[{' '.join(given['alt'].split())}]")
            case "a":
                self._links.append((given.get("href", "").strip(), len(self._line)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(self._silent - 1, 0)
        if tag == "a" and self._links:
            self._end_link()
        if tag in _BLOCK:
            self._end_line(apart=tag in _APART and not (self._lists and tag == "p"))
        match tag:
            case "blockquote":
                self._quotes = max(self._quotes - 1, 0)
            case "pre":
                self._pre = max(self._pre - 1, 0)
            case "ul" | "ol" if self._lists:
                self._lists.pop()
                self._gap = not self._lists
            case "li":
                self._mark = ""

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._pre:
            self._line.append(data.replace("\t", " "))  # a tab is the end of a cell
            return
        first, *others = data.split("\n")
        self._line.append(first)
        for each in others:
            self._end_line(keep_empty=True)
            self._line.append(each)

    def text(self) -> str:
        self._end_line()
        return "\n".join(self._lines).strip("\n")

    def _begin_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        self._mark = "- " if number is None else f"{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _end_link(self) -> None:
        address, begun = self._links.pop()
        shown = " ".join("".join(self._line[begun:]).split())
        bare = address.removeprefix("mailto:").removeprefix("tel:")
        if not address or address.startswith(("#", "cid:")) or shown in (address, bare):
            return
        if shown and shown.rstrip("/") in (bare.rstrip("/"), bare.partition("://")[2].rstrip("/")):
            self._line[begun:] = [address]  # the words are the address, shortened
        else:
            self._line.append(f" <{address}>" if shown else f"<{address}>")

    def _end_line(self, *, apart: bool = False, keep_empty: bool = False) -> None:
        if self._pre:
            words = "".join(self._line).rstrip()
        else:
            words = "\t".join(" ".join(cell.split()) for cell in "".join(self._line).split("\t")).strip(" ")
        self._line.clear()
        self._links = [(address, 0) for address, _ in self._links]
        if words.strip():
            self._write(words)
        elif keep_empty:
            self._gap = self._gap or bool(self._lines)
        self._gap = self._gap or (apart and bool(self._lines))

    def _write(self, words: str) -> None:
        quote = "> " * self._quotes
        if self._gap:
            self._lines.append(("> " * min(self._quotes, self._quotes_before)).rstrip())
            self._gap = False
        self._quotes_before = self._quotes
        indent = "  " * max(len(self._lists) - 1, 0)
        if self._lists and not self._mark:
            indent += "  "
        self._lines.append(f"{quote}{indent}{self._mark}{words}".rstrip())
        self._mark = ""
