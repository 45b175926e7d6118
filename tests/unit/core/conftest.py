"""Messages, tracking and independent readers for the tests of instrumentation."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import html5lib
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode
from tests.keys import OneKey

from unsealed.core.html import strip_url
from unsealed.core.instrument import Tracking, make_copy, survey, undo
from unsealed.core.token import open_token
from unsealed.model.errors import BadToken
from unsealed.model.message import Copy, CopyId, Survey
from unsealed.model.policy import Switches

BASE = "https://t.sender.example"
COPY = CopyId(0x1234567890ABCDEF)
CASES = Path(__file__).parent / "cases"
_CLICK = re.compile(re.escape(BASE) + r"/c/([A-Za-z0-9_-]+)")
_PIXEL = re.compile(
    r'<img src="' + re.escape(BASE) + r'/o/([A-Za-z0-9_-]+)\.gif" width="1" height="1" alt=""'
    r' style="display:block;width:1px;height:1px;border:0">'
)


TRACKING = Tracking(base_url=BASE, keys=OneKey(newest=7), key_id=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one message."""

    raw: bytes
    copy: Copy
    survey: Survey

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What stood there, and what stands there now: "-> destination", "pixel", or the text itself."""
        return [(edit.removed.decode("latin-1"), _meant(edit.inserted.decode("latin-1"))) for edit in self.copy.edits]

    @property
    def left(self) -> list[tuple[str, str]]:
        return [(link.destination, link.reason) for link in self.survey.links if not link.tracked]

    @property
    def tracked(self) -> list[str]:
        return [link.destination for link in self.survey.links if link.tracked]

    @property
    def untouched(self) -> bool:
        return self.copy.raw == self.raw and self.copy.edits == ()

    @property
    def pixels(self) -> int:
        return sum(len(_PIXEL.findall(_text(part))) for part in _leaves(self.copy.raw, "text/html"))

    @property
    def html(self) -> str:
        """The first HTML part of the copy, decoded by CPython, tokens replaced by what they mean."""
        return _meant(_text(_leaves(self.copy.raw, "text/html")[0]))


def _meant(text: str) -> str:
    def opened(found: re.Match[str]) -> str:
        claims = open_token(TRACKING.keys, found[1])
        assert claims.copy == COPY
        return "-> " + claims.destination if claims.link is not None else "pixel"

    return _CLICK.sub(opened, _PIXEL.sub(opened, text))


def _leaves(raw: bytes, kind: str) -> list[Message]:
    return [part for part in email.message_from_bytes(raw).walk() if part.get_content_type() == kind]


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("latin-1")


@pytest.fixture(scope="session")
def tracking() -> Tracking:
    return TRACKING


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """`run(raw, opens=..., links=...)` instruments one message and checks what holds for all of them."""

    def instrumented(raw: bytes, **switches: object) -> Result:
        asked = Switches(**switches)  # type: ignore[arg-type]
        copy = make_copy(raw, switches=asked, tracking=TRACKING, copy=COPY, recipient=None)
        assert undo(copy.raw, copy.edits) == raw
        found = survey(raw, switches=asked, tracking=TRACKING)
        assert not (found.unchanged and copy.raw != raw)
        assert [link.position for link in found.links] == list(range(len(found.links)))
        assert all(link.tracked != bool(link.reason) for link in found.links)
        return Result(raw=raw, copy=copy, survey=found)

    return instrumented


@pytest.fixture(scope="session")
def letter() -> Callable[..., bytes]:
    """`letter(html)` is a whole message with that HTML as its only part."""

    def build(body: bytes | str, charset: str = "utf-8", encoding: str = "8bit", head: str = "") -> bytes:
        content = body.encode(charset) if isinstance(body, str) else body
        return (
            f"From: Ann <ann@sender.example>\r\nTo: bob@reader.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n{head}"
            f"Content-Type: text/html; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        ).encode() + content

    return build


@pytest.fixture(scope="session")
def structure() -> Callable[[bytes], list[tuple[object, ...]]]:
    """What CPython reads: for each part its type, header, preamble, epilogue and decoded body."""

    def read(raw: bytes) -> list[tuple[object, ...]]:
        return [
            (
                part.get_content_type(),
                [(name, str(value)) for name, value in part.raw_items()],
                part.preamble,
                part.epilogue,
                None if part.is_multipart() else part.get_payload(decode=True),
            )
            for part in email.message_from_bytes(raw).walk()
        ]

    return read


def _place(href: str) -> str:
    """An href by where it leads: click addresses are opened, web addresses stripped as a browser does."""
    found = _CLICK.fullmatch(href)
    if found:
        try:
            return open_token(TRACKING.keys, found[1]).destination
        except BadToken:
            return href
    return strip_url(href) if re.match("https?:", strip_url(href), re.IGNORECASE) else href


def _is_ours(name: str, attributes: dict[str, str]) -> bool:
    """Whether it is our pixel or our hidden link."""
    pixel = name == "img" and attributes.get("src", "").startswith(BASE + "/o/")
    return pixel or (
        name == "a"
        and attributes.get("href", "").startswith(BASE + "/c/")
        and [attributes.get(key) for key in ("style", "aria-hidden", "tabindex")] == ["display:none", "true", "-1"]
    )


def by_html5lib(text: str) -> list[tuple[object, ...]]:
    """Elements, attributes and texts in document order, without our pixel and without white space around elements."""
    seen: list[tuple[object, ...]] = []

    def add(words: str | None) -> None:
        if words and words.strip():
            if seen and seen[-1][0] == "text":
                seen[-1] = ("text", f"{seen[-1][1]}{words.strip()}")
            else:
                seen.append(("text", words.strip()))

    def walk(node: object) -> None:
        tag = node.tag  # type: ignore[attr-defined]
        if isinstance(tag, str):
            name = tag.rpartition("}")[2]
            attributes = {str(key): str(value) for key, value in node.attrib.items()}  # type: ignore[attr-defined]
            if not _is_ours(name, attributes):
                if "href" in attributes and name in ("a", "area"):
                    attributes["href"] = _place(attributes["href"])
                seen.append((name, sorted(attributes.items())))
                add(node.text)  # type: ignore[attr-defined]
                for child in node:  # type: ignore[attr-defined]
                    walk(child)
        add(node.tail)  # type: ignore[attr-defined]

    walk(html5lib.parse(text, treebuilder="etree"))
    return seen


def by_lexbor(text: str) -> list[tuple[object, ...]]:
    """The same, read by another parser."""
    seen: list[tuple[object, ...]] = []

    def walk(node: LexborNode | None) -> None:
        while node is not None:
            if node.tag == "-text":
                words = (node.text(deep=False) or "").strip()
                if words and seen and seen[-1][0] == "text":
                    seen[-1] = ("text", f"{seen[-1][1]}{words}")
                elif words:
                    seen.append(("text", words))
            elif not (node.tag or "").startswith(("-", "_", "!")):
                attributes = {name: value or "" for name, value in node.attributes.items()}
                if not _is_ours(node.tag or "", attributes):
                    if "href" in attributes and node.tag in ("a", "area"):
                        attributes["href"] = _place(attributes["href"])
                    seen.append((node.tag or "", sorted(attributes.items())))
                    walk(node.child)
            node = node.next

    walk(LexborHTMLParser(text).root)
    return seen


@pytest.fixture(params=[by_html5lib, by_lexbor], ids=["html5lib", "lexbor"])
def read_html(request: pytest.FixtureRequest) -> Callable[[str], list[tuple[object, ...]]]:
    """An independent HTML parser: the document apart from hrefs and the pixel."""
    reader: Callable[[str], list[tuple[object, ...]]] = request.param
    return reader


@pytest.fixture(scope="session")
def own_cases() -> list[Path]:
    """The messages and documents that the project carries itself."""
    return sorted(path for path in CASES.iterdir() if path.suffix in (".eml", ".html"))
