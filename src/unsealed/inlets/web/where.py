"""Where a reader stands in a screen: filter, order, place in the list, chosen message. Every state has an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import quote, urlencode

from starlette.requests import Request

from unsealed.inlets.guard import local_path

LISTS = re.compile(r"/(?:sent|opened|activity|contacts|(?:contacts|thread)/[^?#]+)(?:\?[^#]*)?")
PLAIN = "/sent", "/contacts"  # pages lead back there by themselves
BACK_LETTERS = 2000  # a longer way back is forgotten


@dataclass(frozen=True, slots=True)
class Where:
    """The query of an address; what is left at its default does not stand in it."""

    path: str
    q: str = ""  # search
    state: str = ""  # filter
    tag: str = ""  # the same
    template: str = ""  # the same: public id
    sort: str = "signal"
    after: str = ""  # cursor of the list
    m: str = ""  # public id of the chosen message
    machine: str = ""  # "1": what machines did as well
    show: str = ""  # tab of the history: "", "opens", "clicks" or "raw"
    who: str = ""  # public id of a copy: only its history
    lines: str = ""  # "all": more than the newest lines of the history
    events: str = ""  # cursor of the history
    people: str = ""  # "all": every recipient
    open: str = ""  # public id of an event that stands open
    correction: str = ""  # what was just said about it
    done: str = ""  # public id of what was just taken off the list
    back: str = ""  # address of the list that it was opened from

    @classmethod
    def of(cls, request: Request) -> Where:
        given = {name: value for name, value in request.query_params.items() if name in DEFAULTS}
        given["back"] = _a_list(given.get("back", ""))
        return cls(quote(request.scope["path"], safe="/@"), **given)

    def to(self, **changes: str) -> str:
        """The address after these changes."""
        if not changes.keys() <= DEFAULTS.keys():
            raise TypeError(f"no such part of an address: {sorted(changes)}")
        query = urlencode(self._values(changes))
        return f"{self.path}?{query}" if query else self.path

    def beyond(self, path: str, **changes: str) -> str:
        """The address of a page that leads back to this list, or to the list behind this page."""
        here = self.to(open="", correction="", done="")
        behind = here if LISTS.fullmatch(here) else self.back
        if behind.partition("?")[0] == path:
            return behind
        return Where(path, back="" if behind in PLAIN else _a_list(behind)).to(**changes)

    def query(self) -> str:
        return urlencode(self._values({}))

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """Names and values that differ from the default, without some: for the hidden fields of a form."""
        return self._values({name: DEFAULTS[name] for name in without})

    def _values(self, changes: Mapping[str, str]) -> list[tuple[str, str]]:
        values = [(name, changes[name] if name in changes else getattr(self, name)) for name in DEFAULTS]
        return [(name, value) for name, value in values if value != DEFAULTS[name]]


def with_done(back: str, id: str) -> str:
    """The address of the list that a form stood in, which says that this is done."""
    address, _, row = local_path(back).partition("#")
    return f"{address}{'&' if '?' in address else '?'}done={id}{f'#{row}' if row else ''}"


def _a_list(wanted: str) -> str:
    """The address, if it is one of our lists, or ""; anybody can write a link with anything in it."""
    ours = len(wanted) <= BACK_LETTERS and local_path(wanted) == wanted and LISTS.fullmatch(wanted)
    return wanted if ours else ""


DEFAULTS: Mapping[str, str] = {each.name: str(each.default) for each in fields(Where) if each.name != "path"}
