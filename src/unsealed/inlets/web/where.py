"""Where a reader stands in a screen: filter, order, place in the list, chosen message. Every state has an address."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
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
        known = {each.name: given[each.name] for each in fields(cls) if each.name != "path" and each.name in given}
        return cls(request.scope["path"], **known)

    def to(self, **changes: str) -> str:
        """The address after these changes."""
        changed = replace(self, **changes)
        query = changed.query()
        return f"{changed.path}?{query}" if query else changed.path

    def query(self) -> str:
        return urlencode(self.kept())

    def kept(self, *without: str) -> list[tuple[str, str]]:
        """Names and values that differ from the default, without some: for the hidden fields of a form."""
        return [
            (each.name, getattr(self, each.name))
            for each in fields(self)
            if each.name not in ("path", *without) and getattr(self, each.name) != each.default
        ]
