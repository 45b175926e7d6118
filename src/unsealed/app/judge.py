"""`unsealed judge FILE`: stories of requests through the judge, without a store or a server.

A file holds `{"scenarios": [...]}`. A scenario has an `id`, its `requests`, and where needed `links` (their order),
`honeypot_link` (the hidden one) and `context`: `sender_ips`, `sender_views` (seconds), `sender_agents`,
`sender_mailboxes`, `shared_ips`. A request has

    n                 its number (without one: its place in the list); at equal times the lower one came first
    t                 seconds since the next server accepted the message; negative: before
    type, link        "open" or "click"; which link was followed
    ip, ip_class      whose network it is; looked up from the address when no class is given
    as_org            who runs the network
    method, ua        "GET" and "" when they are missing
    recipient         whose copy, a number or a mail address; without one all requests belong to one copy
    hints             accept_language (null: the header was absent), sec_purpose (or purpose, x_purpose, x_moz),
                      own_device (true: the cookie of a browser that the sender called "me" came along)

A hint that is missing is unknown, not absent. Other keys are passed over.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from unsealed.core.agent import read_agent
from unsealed.core.judge import judge
from unsealed.core.network import read_network
from unsealed.core.scene import Context, SeenHit
from unsealed.model.event import HitId, HitKind, Network, NetworkClass
from unsealed.model.message import CopyId

_ACCEPTED_AT = datetime(2026, 1, 1, tzinfo=UTC)  # any day: stories know only what lies between
_FARTHEST_S = 1e9  # some thirty years
# Classes of network tables that the judge does not tell apart from these.
_OTHER_WORDS = {
    "google_other": NetworkClass.HOSTING,
    "link_preview_platform": NetworkClass.HOSTING,
    "apple": NetworkClass.UNKNOWN,
}
_CLASSES = ", ".join(sorted(kind.value for kind in NetworkClass))
_AHEAD = ("sec_purpose", "purpose", "x_purpose", "x_moz")


class BadStories(Exception):
    """The file cannot be judged. `faults`: everything that is wrong with it, each with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def judged(raw: bytes) -> list[str]:
    """One JSON object for each request, in the order of the file: scenario, n, verdict, confidence, reasons.

    Raises:
        BadStories: the file is not what it should be; then nothing was judged.
    """
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadStories([f"the file is not UTF-8: byte {error.start + 1} is {raw[error.start]:#04x}"]) from None
    except RecursionError:
        raise BadStories(["the file is not a list of scenarios: it nests too deeply"]) from None
    except json.JSONDecodeError as error:
        raise BadStories([f"the file is not JSON: {error.msg}, line {error.lineno} column {error.colno}"]) from None
    scenarios = document.get("scenarios") if isinstance(document, dict) else None
    if not isinstance(scenarios, list):
        raise BadStories(['the file must be an object with a list "scenarios"'])
    faults: list[str] = []
    stories = [_story(scenario, place, faults) for place, scenario in enumerate(scenarios, 1)]
    names = Counter(story.name for story in stories if story.name is not None)
    faults += [f"scenario {name}: this id is used twice" for name, count in names.items() if count > 1]
    if faults:
        raise BadStories(faults)
    return [line for story in stories for line in story.lines()]


@dataclass(slots=True)
class _Story:
    name: str | int | None
    context: Context
    hits: list[SeenHit] = field(default_factory=list)  # in the order of the file
    numbers: list[int] = field(default_factory=list)  # `n` of each

    def lines(self) -> list[str]:
        verdicts = judge(self.hits, self.context)
        lines = []
        for n, hit in zip(self.numbers, self.hits, strict=True):
            verdict = verdicts[hit.id]
            reasons = [{"code": reason.code, "words": reason.words} for reason in verdict.reasons]
            said = {"scenario": self.name, "n": n, "verdict": verdict.finding.value}
            lines.append(json.dumps({**said, "confidence": verdict.confidence, "reasons": reasons}))
        return lines


def _story(scenario: object, place: int, faults: list[str]) -> _Story:
    story = _Story(None, Context())
    if not isinstance(scenario, dict):
        faults.append(f"scenario number {place}: not an object")
        return story
    name = scenario.get("id")
    if isinstance(name, str | int) and not isinstance(name, bool):
        story.name = name
    else:
        faults.append(f"scenario number {place}: id is missing")
    fields = _Fields(f"scenario {name}" if story.name is not None else f"scenario number {place}", scenario, faults)
    requests = fields.list_of("requests", dict, "objects", needed=True)
    links: dict[str, int] = {}
    for link in fields.list_of("links", str, "names"):
        links.setdefault(link, len(links))
    trap = fields.text("honeypot_link")
    recipients: dict[object, int] = {}
    seen: set[int] = set()
    for number, request in enumerate(requests, 1):
        n = request.get("n", number)
        if not isinstance(n, int) or isinstance(n, bool):
            fields.fault(f"request number {number}: n must be a whole number, not {_shown(n)}")
            n = number
        elif n in seen:
            fields.fault(f"request {n}: this n is used twice")
        seen.add(n)
        story.numbers.append(n)
        found = _Fields(f"{fields.where}, request {n}", request, faults)
        story.hits.append(_hit(found, n, links, recipients))
    told = _Fields(f"{fields.where}, context", fields.object("context"), faults)
    latest = max((hit.at for hit in story.hits), default=_ACCEPTED_AT)
    story.context = Context(
        addresses=dict.fromkeys(told.list_of("sender_ips", str, "addresses"), latest),
        shared_addresses=frozenset(told.list_of("shared_ips", str, "addresses")),
        views=tuple(_ACCEPTED_AT + timedelta(seconds=t) for t in sorted(told.times("sender_views"))),
        traps=frozenset() if trap is None else frozenset({links.setdefault(trap, len(links))}),
        agents=frozenset(told.list_of("sender_agents", str, "user agents")),
        mailboxes=frozenset(box.lower() for box in told.list_of("sender_mailboxes", str, "addresses")),
    )
    return story


def _hit(request: _Fields, n: int, links: dict[str, int], recipients: dict[object, int]) -> SeenHit:
    kind = request.text("type", needed=True)
    if kind is not None and kind not in tuple(HitKind):
        request.fault(f'type must be "open" or "click", not {_shown(kind)}')
    link = None
    if kind == HitKind.CLICK:
        followed = request.text("link", needed=True)
        link = None if followed is None else links.setdefault(followed, len(links))
    t = request.number("t")
    address = request.text("ip", needed=True) or ""
    user_agent = request.text("ua") or ""
    hints = _Fields(f"{request.where}, hints", request.object("hints"), request.faults)
    recipient = request.values.get("recipient", "")
    if not isinstance(recipient, str | int):
        request.fault(f"recipient must be a number or an address, not {_shown(recipient)}")
        recipient = ""
    own_device = hints.values.get("own_device", False)
    if not isinstance(own_device, bool):
        hints.fault(f"own_device must be true or false, not {_shown(own_device)}")
    language = hints.text("accept_language")
    return SeenHit(
        id=HitId(n),
        copy=CopyId(recipients.setdefault(recipient, len(recipients))),
        kind=HitKind.OPEN if link is None else HitKind.CLICK,
        link=link,
        at=_ACCEPTED_AT + timedelta(seconds=t),
        sent_at=_ACCEPTED_AT,
        method=(request.text("method") or "GET").upper(),
        address=address,
        user_agent=user_agent,
        agent=read_agent(user_agent),
        network=_network(request, address),
        language=language is not None if "accept_language" in hints.values else None,
        prefetch=next((said for key in _AHEAD if (said := hints.text(key))), ""),
        own_device=own_device is True,
        recipient=recipient.lower() if isinstance(recipient, str) and "@" in recipient else "",
    )


def _network(request: _Fields, address: str) -> Network:
    given = request.text("ip_class")
    operator = request.text("as_org") or ""
    if given is None:
        return read_network(address)
    try:
        return Network(kind=_OTHER_WORDS.get(given) or NetworkClass(given), operator=operator)
    except ValueError:
        request.fault(f"ip_class {_shown(given)} is unknown; it is one of {_CLASSES}")
        return Network()


@dataclass(slots=True)
class _Fields:
    """The keys of one JSON object, each read as what it must be; what is wrong goes to the faults. null is missing."""

    where: str
    values: dict[str, Any]
    faults: list[str]

    def fault(self, words: str) -> None:
        self.faults.append(f"{self.where}: {words}")

    def text(self, key: str, *, needed: bool = False) -> str | None:
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.fault(f"{key} must be a text, not {_shown(value)}")
        elif needed:
            self.fault(f"{key} is missing")
        return None

    def object(self, key: str) -> dict[str, Any]:
        value = self.values.get(key)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.fault(f"{key} must be an object, not {_shown(value)}")
        return {}

    def list_of(self, key: str, kind: type[Any], called: str, *, needed: bool = False) -> list[Any]:
        value = self.values.get(key)
        if value is None:
            if needed:
                self.fault(f"{key} is missing")
            return []
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            self.fault(f"{key} must be a list of {called}")
            return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []
        return value

    def number(self, key: str) -> float:
        value = self.values.get(key)
        if value is None:
            self.fault(f"{key} is missing")
        elif _is_time(value):
            return float(value)
        else:
            self.fault(f"{key} must be a number of seconds, not {_shown(value)}")
        return 0.0

    def times(self, key: str) -> list[float]:
        found = self.list_of(key, object, "numbers of seconds")
        if not all(_is_time(value) for value in found):
            self.fault(f"{key} must be a list of numbers of seconds")
        return [float(value) for value in found if _is_time(value)]


def _is_time(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= _FARTHEST_S


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
