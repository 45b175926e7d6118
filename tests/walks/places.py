"""Every page of the web side, found in its routes, so that a new one is visited without being named anywhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import create_engine
from starlette.routing import Route
from tests.keys import NoKeys

from unsealed.inlets import web
from unsealed.inlets.web.surroundings import SmtpWords, Surroundings


@dataclass(frozen=True, slots=True)
class Place:
    """A route that answers GET."""

    path: str  # with its {parameters}
    is_it: re.Pattern[str]

    @property
    def is_page(self) -> bool:
        """Whether a browser shows it: neither a file nor data, no part or frame of a page, no stream."""
        return not (
            self.path.startswith(("/api/", "/static/", "/healthz"))
            or self.path.endswith((".csv", ".eml", ".js", ".webmanifest", "/rows", "/live", "/letter", "/quote"))
            or "/detail/" in self.path
            or self.path in PARTS
        )


PARTS = {"/notices/new", "/compose/contacts", "/compose/templates", "/compose/{id}/attachments/{aid}"}  # for scripts


def places() -> list[Place]:
    """All of them."""
    around = Surroundings(
        engine=create_engine("sqlite://"),
        keys=NoKeys(),
        clock=lambda: datetime.now(UTC),
        origin="http://127.0.0.1:1",
        tracking_url="http://127.0.0.1:2",
        collector_socket=Path("nowhere"),
        smtp=SmtpWords(host="127.0.0.1", port=3),
        sandbox=True,
    )
    found = [each for each in web.build(around).routes if isinstance(each, Route) and "GET" in (each.methods or ())]
    return [Place(each.path, each.path_regex) for each in found]


def place_of(url: str, among: list[Place]) -> Place:
    """The route that answers an address; of several the first, as in the app."""
    path = urlsplit(url).path
    return next(each for each in among if each.is_it.match(path))


def crawl(web: str, more: Sequence[str], look: Callable[[str], list[str]], most: int) -> set[str]:
    """Open every page, and whatever it leads to; the paths of the routes that were seen.

    more: addresses to begin with, besides all pages without parameters. look: opens a page, and says where it leads.
    most: how many addresses of one route are opened that differ in their values alone.
    """
    known = places()
    waiting = [*more, *(each.path for each in known if each.is_page and "{" not in each.path)]
    alike: Counter[tuple[str, frozenset[str]]] = Counter()
    visited: set[str] = set()
    while waiting:
        address = waiting.pop(0).removeprefix(web).partition("#")[0]
        place = place_of(address, known)
        names = frozenset(part.partition("=")[0] for part in urlsplit(address).query.split("&"))
        if address in visited or alike[place.path, names] == most or not place.is_page:
            continue
        alike[place.path, names] += 1
        visited.add(address)
        waiting += [each for each in look(f"{web}{address}") if each.startswith(f"{web}/")]
    return {place_of(address, known).path for address in visited}
