"""Values -> lines of a CSV file that is safe to open in a spreadsheet.

Promises that no cell runs as a formula: text that begins with = + - @ (also in their wide forms), a tab or a line end
gets an apostrophe in front, which spreadsheets do not show. Numbers stay numbers. Commas between, CRLF behind, quotes
as in RFC 4180.

A file begins with BOM: without it Excel takes UTF-8 for the local code page and breaks every name with an accent.
Programs read it as "utf-8-sig", or ask the API, which has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

_FORMULA = (
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_NEEDS_QUOTES = re.compile(r'[",\r\n]')

Value = str | int | float | bool | datetime | None


def line(values: Iterable[Value]) -> str:
    """One row with its line end. Times become UTC in ISO 8601, None an empty cell, truth "yes" or "no"."""
    return ",".join(map(_cell, values)) + "\r\n"


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"'{value}" if value.startswith(tuple(_FORMULA)) else value
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
