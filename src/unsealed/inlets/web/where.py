"""Where a reader stands in a screen: filter, order, place in the list, chosen message. Every state has an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from starlette.requests import Request


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

    @classmethod
    def of(cls, request: Request) -> Where:
        given = request.query_params
        return cls(request.scope["path"], **{name: given[name] for name in DEFAULTS if name in given})

    def to(self, **changes: str) -> str:
        """The address after these changes."""
        if not changes.keys() <= DEFAULTS.keys():
            raise TypeError(f"no such part of an address: {sorted(changes)}")
        query = urlencode(self._values(changes))
        return f"{self.path}?{query}" if query else self.path

    def query(self) -> str:
        return urlencode(self._values({}))

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """Names and values that differ from the default, without some: for the hidden fields of a form."""
        return self._values({name: DEFAULTS[name] for name in without})

    def _values(self, changes: Mapping[str, str]) -> list[tuple[str, str]]:
        values = [(name, changes[name] if name in changes else getattr(self, name)) for name in DEFAULTS]
        return [(name, value) for name, value in values if value != DEFAULTS[name]]


DEFAULTS: Mapping[str, str] = {each.name: str(each.default) for each in fields(Where) if each.name != "path"}
