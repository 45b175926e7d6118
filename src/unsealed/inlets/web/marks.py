"""The small parts that stand in every row, as markup: icons, marks of state, moments and ages, chips.

`marks.html` hands them to the other templates. A list has hundreds, so each is put together by hand, and whatever is
not a name of ours is escaped.
"""

# ruff: noqa: S704 - Markup of f-strings: each value that is not a name of ours is escaped where it is put in
from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from markupsafe import Markup, escape

from unsealed.inlets.web.evidence import Chip
from unsealed.inlets.web.files import static
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.states import Mark


@lru_cache(maxsize=256)
def icon(name: str, size: str = "") -> Markup:
    """A symbol of icons.svg, which says nothing alone: text always stands beside it. size: "s" for a small one."""
    look = f"icon {size}" if size else "icon"
    return Markup(f'<svg class="{look}" aria-hidden="true"><use href="{static("icons.svg")}#{name}"/></svg>')


@lru_cache(maxsize=256)
def glyph(name: str) -> Markup:
    """The same within a mark, which gives it its size."""
    return Markup(f'<svg aria-hidden="true"><use href="{static("icons.svg")}#{name}"/></svg>')


def mark(it: Mark, line: bool = False) -> Markup:
    """What stands in the mark column."""
    hint = f' title="{escape(it.hint)}"' if it.hint else ""
    number = f"<b>{escape(it.number)}</b>" if it.number else ""
    if it.said:
        number = f'<span class="vh">{escape(it.said)}, </span><b aria-hidden="true">{escape(it.number)}</b>'
    return Markup(f'<span class="mark {it.kind}{" line" if line else ""}"{hint}>{glyph(it.symbol)}{number}</span>')


def ago(at: datetime, said: Times, before: str = "") -> Markup:
    """An age that grows in the page. before: words around it, "last %(ago)s"; not around "just now"."""
    title, words = escape(said.exact(at)), escape(said.since(at, before))
    return Markup(f'<time datetime="{at.isoformat()}" title="{title}" data-ago="{escape(before)}">{words}</time>')


def moment(at: datetime, said: Times, word: str) -> Markup:
    """A moment in words, which is exact for who points at it."""
    return Markup(f'<time datetime="{at.isoformat()}" title="{escape(said.exact(at))}">{escape(word)}</time>')


def chip(it: Chip, opens: bool = False) -> Markup:
    """What kind of event. opens: it opens what stands behind it."""
    look = f"chip {it.look}" if it.look else "chip"
    return Markup(f'<span class="{look}">{escape(it.words)}{icon("chevron", "s") if opens else ""}</span>')
