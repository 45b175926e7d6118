"""The catalogues as they are delivered: whole, harmless, and read as they are written."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from tests.patience import PATIENCE_S

from unsealed.app.languages import languages
from unsealed.model.texts import ENGLISH

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "unsealed"
PAGES = SOURCE / "inlets" / "web" / "templates"
MARKING = {"say", "plural", "within", "gettext", "ngettext", "pgettext", "npgettext"}
SPOKEN = {"title", "aria-label", "placeholder", "alt"}
SILENT = {"code", "kbd", "pre", "script", "style"}
KEYS = re.compile(r"Control(?:\+\w+)*")  # as aria-keyshortcuts names them
NAMES = {"Unsealed", "STARTTLS", "SSL/TLS", "Ctrl K", "Ctrl", "name@example.org"}

spec = importlib.util.spec_from_file_location("texts", ROOT / "docs" / "texts.py")
assert spec is not None
assert spec.loader is not None
texts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(texts)


def test_every_sentence_stands_in_every_catalogue_and_is_translated() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "texts.py"), "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE_S,
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_german_is_read_with_its_words_numbers_and_names() -> None:
    german = languages().known["de"]

    assert ("de", "Deutsch", "ltr") == (german.code, german.name, german.direction)
    assert "Gesendet" == german.within("place", "Sent")
    assert ("1 Klick", "3 Klicks") == tuple(
        german.plural("clicked %(number)s", "clicked %(number)s", n) for n in (1, 3)
    )
    assert "12. März 2026" == german.day(date(2026, 3, 12), year=True)
    assert ("Donnerstag", "1.234,5") == (german.weekday(date(2026, 3, 12)), german.decimal(1234.5))
    assert "Portugal" == german.territories["PT"]
    assert "a sentence of nobody" == german.say("a sentence of nobody")


def test_scripts_get_their_sentences_and_no_others() -> None:
    scripts = languages().known["de"].scripts

    assert "gerade eben" == scripts["just now"]
    assert {"one": "%(number)s Nachricht geändert", "other": "%(number)s Nachrichten geändert"} == scripts[
        "%(number)s message changed"
    ]
    assert "Skip to content" not in scripts
    assert {} == ENGLISH.scripts


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("%(who)s opened", "%(wer)s öffnete", "other values"),
        ("<b>%(number)s</b>", "%(number)s", "other tags"),
        ("all of it", "100 % davon", "percent sign"),
        ("all of it", "", "not translated"),
    ],
)
def test_a_translation_that_would_break_a_page_is_named(one: str, other: str, expected: str) -> None:
    catalogue = texts.Catalog(locale="de")
    catalogue.add(one, other, locations=[("page.html", 0)])

    assert any(expected in each for each in texts.problems(catalogue))


def sentences(tree: ast.AST) -> Iterator[ast.Constant]:
    """What is said word for word in a piece of code."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args:
            name = getattr(call.func, "attr", "") or getattr(call.func, "id", "")
            if name in {"say", "plural", "later"} and isinstance(call.args[0], ast.Constant):
                yield call.args[0]


def test_every_sentence_of_the_code_is_found() -> None:
    gathered = {each for message in texts.gathered() if message.id for each in texts._forms(message.id)}
    missed = [
        f"{path.relative_to(SOURCE)}:{word.lineno} {word.value!r}"
        for path in SOURCE.rglob("*.py")
        for word in sentences(ast.parse(path.read_text(encoding="utf-8")))
        if word.value not in gathered
    ]

    assert [] == missed


def test_no_sentence_stands_in_an_f_string() -> None:
    """Python before 3.12 does not find it there: the catalogue would be another one with each version."""
    hidden = [
        f"{path.relative_to(SOURCE)}:{word.lineno} {word.value!r}"
        for path in SOURCE.rglob("*.py")
        for piece in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(piece, ast.JoinedStr)
        for word in sentences(piece)
    ]

    assert [] == hidden


class _Words(HTMLParser):
    """Text and spoken attributes of a page, without what stands in code and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        self.found += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def unmarked(page: Path) -> list[str]:
    """Words of a template that reach readers past the catalogue."""
    tree = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(page.read_text(encoding="utf-8"))
    marked = {
        id(below)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in MARKING
        for below in call.find_all(nodes.Const)
    }
    classes = {
        id(output)
        for block in tree.find_all(nodes.Block)
        if block.name == "body_class"
        for output in block.find_all(nodes.Output)
    }
    html: list[str] = []
    said: list[nodes.Const] = []
    for output in tree.find_all(nodes.Output):
        for part in output.nodes if id(output) not in classes else ():
            if isinstance(part, nodes.TemplateData):
                html.append(part.data)
                continue
            html.append("\N{OBJECT REPLACEMENT CHARACTER}")
            said += [part] if isinstance(part, nodes.Const) else part.find_all(nodes.Const)
    for assigned in tree.find_all((nodes.Assign, nodes.For)):
        said += assigned.find_all(nodes.Const)
    parser = _Words()
    parser.feed("".join(html))
    constants = [each.value for each in said if id(each) not in marked and isinstance(each.value, str)]
    words = [each.strip() for each in parser.found if re.search(r"[A-Za-z]{2}", each.replace("- Unsealed", ""))]
    words += [each for each in constants if re.search(r"^\W*[A-Z][a-z]|[a-z] [a-z]+ [a-z]", each) and "=" not in each]
    return sorted({each for each in words if each not in NAMES and not KEYS.fullmatch(each)})


def test_what_pages_say_stands_in_the_catalogue() -> None:
    found = {path.name: words for path in sorted(PAGES.glob("*.html")) if (words := unmarked(path))}

    assert {} == found
