"""Gathers the sentences of pages, scripts and code into the catalogues: `make texts`.

`--check` writes nothing and fails when a catalogue is not what the code says or not whole; `make check` runs that.
A catalogue knows in which files a sentence stands, but no lines and no dates, so it changes with its sentences alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parents[1] / "src" / "unsealed"
CATALOGUES = SOURCE / "texts"
HEAD = """\
# Sentences by the English one. Gathered by `make texts`; see CONTRIBUTING.md, “Words for people”.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: {plurals}\\n"

"""
METHODS = {".py": "python", ".js": "javascript", ".html": "jinja2.ext:babel_extract"}
TEMPLATES = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
KEYWORDS: dict[str, Any] = {
    "say": None,
    "later": None,
    "plural": (1, 2),
    "within": ((1, "c"), 2),
    "gettext": None,  # what {% trans %} comes to
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?.")
TAG = re.compile(r"</?\w[^>]*>")


def gathered() -> Catalog:
    """All sentences that stand in the code, with the files they stand in."""
    catalogue = Catalog()
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix not in METHODS or "editor" in path.parts or "migrations" in path.parts:
            continue
        name = path.relative_to(SOURCE).as_posix()
        options = TEMPLATES if path.suffix == ".html" else {}
        with path.open("rb") as file:
            for line, message, _, context in extract(METHODS[path.suffix], file, KEYWORDS, (), options):
                catalogue.add(message, locations=[(name, line)], context=context)
    return catalogue


def brought_up(language: str, old: bytes, sentences: Catalog) -> Catalog:
    """A catalogue with the sentences of the code: what is new in it is empty, what is no more is gone."""
    kept = read_po(BytesIO(old), locale=language.replace("-", "_"))
    catalogue = Catalog(locale=language.replace("-", "_"))
    for message in sorted(sentences, key=_place):
        if not message.id:
            continue
        before = kept.get(message.id, message.context)
        catalogue.add(
            message.id,
            before.string if before else "",
            locations=sorted({(file, 0) for file, _ in message.locations}),
            flags=before.flags & {"fuzzy"} if before else (),
            user_comments=before.user_comments if before else (),
            context=message.context,
        )
    return catalogue


def _place(message: Message) -> tuple[str, str, str]:
    """Of the first file, by the sentence: lines that move change no catalogue."""
    first = min((file for file, _ in message.locations), default="")
    return first, _forms(message.id)[0], message.context or ""


def written(catalogue: Catalog) -> bytes:
    """The file of a catalogue, in the order of files and sentences."""
    file = BytesIO()
    write_po(file, catalogue, width=0, omit_header=True, ignore_obsolete=True, include_lineno=False)
    return HEAD.format(language=catalogue.locale, plurals=catalogue.plural_forms).encode() + file.getvalue()


def problems(catalogue: Catalog) -> Iterator[str]:
    """What is missing in a catalogue, or would break a page."""
    for message in catalogue:
        if not message.id:
            continue
        ids, strings = _forms(message.id), _forms(message.string)
        if not all(strings) or (not isinstance(message.id, str) and len(strings) != catalogue.num_plurals):
            yield f"not translated: {ids[0]!r} ({message.locations[0][0]})"
            continue
        if message.fuzzy:
            yield f"marked as fuzzy: {ids[0]!r}"
        for form in strings:
            yield from _differences(message, ids, form)


def _differences(message: Message, ids: tuple[str, ...], form: str) -> Iterator[str]:
    """A form may leave the number out, as "one letter" does; all else must be there."""
    there, wanted = set(PLACEHOLDER.findall(form)), set(PLACEHOLDER.findall(ids[-1]))
    optional = {"number", "num"} if len(ids) > 1 else set()
    if not wanted - optional <= there <= wanted:
        yield f"other values than in English: {form!r} for {ids[-1]!r}"
    if sorted(TAG.findall(form)) != sorted(TAG.findall(ids[-1])):
        yield f"other tags than in English: {form!r} for {ids[-1]!r}"
    if re.sub(r"%\(\w+\)s|%%", "", form).count("%"):
        yield f"a percent sign that is not doubled: {form!r}"


def _forms(said: Any) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def main() -> int:
    check, found, sentences = "--check" in sys.argv[1:], [], gathered()
    for path in sorted(CATALOGUES.glob("*.po")):
        old = path.read_bytes()
        catalogue = brought_up(path.stem, old, sentences)
        found += [f"{path.name}: {each}" for each in problems(catalogue)]
        new = written(catalogue)
        if new == old:
            continue
        if check:
            found.append(f"{path.name}: not what the code says; run `make texts`")
        else:
            path.write_bytes(new)
            print(f"{path.relative_to(SOURCE.parents[1])} written")
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
