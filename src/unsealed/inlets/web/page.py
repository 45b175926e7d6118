"""One way to make a page: the templates, in the language of the reader.

A template gets `around` (Surroundings), `person` (who is signed in, or None), `csrf` (for the hidden field of every
form), `path`, `said` (moments.Times: moments in words, in the reader's zone), `static(name)`, `has_editor` and the
modules of `WORDING` besides what the page passes. Everything is escaped; there is no inline script and no inline style.
Pages inside the app extend `frame.html`, pages outside (sign in, welcome, errors) `plain.html`.

Each language has an environment of its own, so that macros know it too: `texts`, `say`, `plural` and `within` are its
own, and so is what `{% trans %}` says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from unsealed.inlets.web import evidence, marks, moments, recipient, states, stored, words
from unsealed.inlets.web.files import STATIC, sentences, static
from unsealed.inlets.web.folding import FoldingEnvironment
from unsealed.inlets.web.surroundings import surroundings
from unsealed.model.texts import Texts

ZONE_LETTERS = 64
WORDING = {  # what puts values into words, by the name that templates call it
    "evidence": evidence,
    "moments": moments,
    "recipient": recipient,
    "states": states,
    "stored": stored,
    "words": words,
}
# Read with the code, so that a server whose files are upgraded under it shows no page that its code does not know.
SOURCES = {path.name: path.read_text("utf-8") for path in (Path(__file__).parent / "templates").glob("*.html")}


@lru_cache(maxsize=64)
def templates(texts: Texts) -> Environment:
    """The templates in a language."""
    made = FoldingEnvironment(
        loader=DictLoader(SOURCES),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.globals.update(_prose(texts))
    made.globals.update(texts=texts, say=texts.say, plural=texts.plural, within=texts.within)
    made.globals.update(icon=marks.icon, glyph=marks.glyph, marks=marks)
    made.globals.update(static=static, sentences=sentences, has_editor="editor.js" in STATIC)
    made.globals.update(WORDING)
    made.filters.update(seen=words.visible, host=lambda address: urlsplit(address).netloc)
    return made


def _prose(texts: Texts) -> dict[str, Callable[..., Markup]]:
    """What {% trans %} calls: its sentences hold markup, its values are escaped."""

    def filled(sentence: str, values: dict[str, object]) -> Markup:
        return Markup(sentence % {name: escape(value) for name, value in values.items()})  # noqa: S704 - ours

    def gettext(sentence: str, **values: object) -> Markup:
        return filled(texts.one(sentence), values)

    def ngettext(one: str, more: str, number: int, **values: object) -> Markup:
        return filled(texts.several(one, more, number), {"num": number, **values})

    def pgettext(context: str, sentence: str, **values: object) -> Markup:
        return filled(texts.within_context(context, sentence), values)

    return {"gettext": gettext, "ngettext": ngettext, "pgettext": pgettext}


def render(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A page. Never stored by a cache on the way."""
    person = getattr(request.state, "person", None)  # not set where an error came before the guard
    body = (
        templates(language(request))
        .get_template(template)
        .render(
            around=surroundings(request),
            person=person,
            csrf=person.csrf if person else "",
            path=request.scope["path"],
            said=said(request),
            **context,
        )
    )
    return HTMLResponse(body, status)


def language(request: Request) -> Texts:
    """The language of this reader: chosen in the settings, else the one that the browser asks for."""
    person = getattr(request.state, "person", None)
    chosen = person.language if person is not None else ""
    return surroundings(request).languages.of(chosen, request.headers.get("accept-language", ""))


def said(request: Request) -> moments.Times:
    """Moments in the words of this reader: zone.js tells the browser's zone and clock in a cookie."""
    name, minutes, hours = told_by_browser(request)
    person = getattr(request.state, "person", None)
    chosen = person.clock if person is not None else ""
    twelve = (chosen or hours) == "12"
    return moments.Times(surroundings(request).clock(), _zone(name, minutes), language(request), twelve)


def told_by_browser(request: Request) -> tuple[str, str, str]:
    """The name of the browser's zone, its minutes from UTC, and "12" or "24" for how it counts hours, out of a cookie
    such as "Europe/Lisbon~60~24"; anything may stand there, and "" where nothing does."""
    name, minutes, hours = f"{unquote(request.cookies.get('zone', ''))[:ZONE_LETTERS]}~~".split("~")[:3]
    return name, minutes, hours


@lru_cache(maxsize=600)
def _zone(name: str, minutes: str) -> tzinfo:
    """A zone by name, or by minutes from UTC where there is no zone data."""
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        pass
    try:
        return timezone(timedelta(minutes=int(minutes)))
    except (ValueError, OverflowError):
        return UTC
