"""Control headers: what the sender asks for in the head of a message, in our dialect and in those of others.

The documented convention is `X-PM-*`, and `X-Unsealed-*` for what no other service has. Every control header is cut
out before relaying, understood or not. Asking for less always wins; what is malformed switches its axis off, with a
note; asking for more than is allowed is noted and not done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from unsealed.core.header import Field, decoded
from unsealed.core.policy import Refusal, Standing, refusals
from unsealed.model.policy import HiddenLink, Level, LinkScope, Switches

PREFIXES = ("x-unsealed-", "x-pm-", "x-mailgun-", "x-smtpapi", "x-msys-api", "x-mc-", "x-mailjet-", "x-mt-")

TAG_CHARACTERS = 200
METADATA_FIELDS = 50
METADATA_CHARACTERS = 500

_YES = frozenset({"true", "yes", "1", "on"})
_NO = frozenset({"false", "no", "0", "off"})
_SCOPES = (LinkScope.NONE, LinkScope.HTML, LinkScope.HTML_AND_TEXT)  # less to more


def is_control(item: Field) -> bool:
    """Whether this header field is for us and must not travel on."""
    return item.name.startswith(PREFIXES)


@dataclass(slots=True, kw_only=True)
class _Asked:
    """What was asked so far; the most restrictive of everything said."""

    opens: list[bool] = field(default_factory=list)
    clicks: list[bool] = field(default_factory=list)
    open_levels: list[Level] = field(default_factory=list)
    click_levels: list[Level] = field(default_factory=list)
    scopes: list[LinkScope] = field(default_factory=list)
    shared: bool = False
    hidden_link: list[bool] = field(default_factory=list)
    tag: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def malformed(self, item: Field, *, opens: bool = False, clicks: bool = False) -> None:
        axes = " and ".join(word for word, on in (("opens", opens), ("links", clicks)) if on)
        if opens:
            self.opens.append(False)
        if clicks:
            self.clicks.append(False)
        kept = f"; {axes} are not tracked" if axes else "; it was ignored"
        self.notes.append(f"{_shown(item)} could not be understood{kept}")

    def keep_tag(self, tag: str) -> None:
        self.tag = self.tag or " ".join(tag.split())[:TAG_CHARACTERS]

    def keep_metadata(self, item: Field, pairs: object) -> None:
        if not isinstance(pairs, dict):
            self.malformed(item)
            return
        for name, value in pairs.items():
            self.keep_pair(str(name), value if isinstance(value, str) else json.dumps(value))

    def keep_pair(self, name: str, value: str) -> None:
        if len(self.metadata) < METADATA_FIELDS:
            self.metadata.setdefault(name.lower()[:METADATA_CHARACTERS], value[:METADATA_CHARACTERS])
        else:
            self.notes.append(f"more than {METADATA_FIELDS} metadata fields; {name.lower()[:40]} was dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the control headers of one message ask for."""

    switches: Switches
    wanted: frozenset[str] = (
        frozenset()
    )  # the axes, "opens" and "clicks", of which tracking was asked for in so many words
    refused: tuple[Refusal, ...] = ()
    tag: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read(found: Iterable[Field], switches: Switches, standing: Standing, *, also: Iterable[bool] = ()) -> Controls:
    """Combine the control headers among `found` with what holds for the sender.

    switches: all but the levels, which `standing` says. also: what was asked in other ways, of opens and links alike.
    """
    asked = _Asked()
    for on in also:
        asked.opens.append(on)
        asked.clicks.append(on)
    for item in found:
        if not is_control(item):
            continue
        if item.name.startswith(_METADATA):
            asked.keep_pair(item.name.removeprefix(_METADATA), decoded(item.value))
        elif (reader := _READERS.get(item.name)) is not None:
            reader(asked, item)
    scopes = [scope is not LinkScope.NONE for scope in asked.scopes]
    limit = standing.ceiling
    opens = _wanted(asked.opens, asked.open_levels, standing.opens, limit.opens)
    clicks = _wanted([*asked.clicks, *scopes], asked.click_levels, standing.clicks, limit.clicks)
    refused = refusals(limit, opens=opens, clicks=clicks)
    asked.notes.extend(f"asked for but not done: {each}" for each in refused)
    made = _combine(asked, replace(switches, opens=standing.opens, clicks=standing.clicks))
    return Controls(
        switches=replace(
            made,
            opens=standing.opens if opens is None else min(opens, limit.opens),
            clicks=standing.clicks if clicks is None else min(clicks, limit.clicks),
        ),
        wanted=frozenset(axis for axis, level in (("opens", opens), ("clicks", clicks)) if level),
        refused=refused,
        tag=asked.tag,
        metadata=tuple(asked.metadata.items()),
        notes=tuple(asked.notes),
    )


def _wanted(said: list[bool], levels: list[Level], default: Level, most: Level) -> Level | None:
    """The level that is asked for on one axis; None when nothing is said.

    Who just says yes wants what is usual here, or else what is possible.
    """
    if not all(said):
        return Level.OFF
    if levels:
        return min(levels)
    return (default or most or Level.FULL) if said else None


def _combine(asked: _Asked, defaults: Switches) -> Switches:
    """All but the levels."""
    links = defaults.links
    if asked.scopes and links is not LinkScope.NONE:
        # Which parts are looked at is no matter of how much may be known: a header may widen it.
        links = min(asked.scopes, key=_SCOPES.index)
    hidden_link = defaults.hidden_link
    if not all(asked.hidden_link):
        hidden_link = HiddenLink.NEVER
    elif asked.hidden_link and hidden_link is HiddenLink.NEVER:
        asked.notes.append("a hidden link was asked for but is switched off in the settings file of this installation")
    elif asked.hidden_link:
        hidden_link = HiddenLink.ALWAYS
    return replace(defaults, links=links, hidden_link=hidden_link, shared=defaults.shared or asked.shared)


def _shown(item: Field) -> str:
    return "-".join(part.upper() if part in {"pm", "mc", "mt"} else part.capitalize() for part in item.name.split("-"))


def _truth(value: object) -> bool | None:
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO else None


def _pm_opens(asked: _Asked, item: Field) -> None:
    on = _truth(decoded(item.value))
    if on is None:
        asked.malformed(item, opens=True)
    else:
        asked.opens.append(on)


def _pm_links(asked: _Asked, item: Field) -> None:
    match decoded(item.value).lower():
        case "none" | "false" | "no" | "off" | "0":
            asked.scopes.append(LinkScope.NONE)
            asked.clicks.append(False)
        case "htmlonly":
            asked.scopes.append(LinkScope.HTML)
        case "htmlandtext":
            asked.scopes.append(LinkScope.HTML_AND_TEXT)
        case "true" | "yes" | "on" | "1":
            asked.clicks.append(True)
        case "textonly":
            asked.clicks.append(False)
            asked.notes.append("TextOnly is not offered; links are not tracked")
        case _:
            asked.malformed(item, clicks=True)


def _own_opens(asked: _Asked, item: Field) -> None:
    level = _LEVELS.get(decoded(item.value).strip().lower())
    if level is None:
        asked.malformed(item, opens=True)
    else:
        asked.open_levels.append(level)


def _own_clicks(asked: _Asked, item: Field) -> None:
    level = _LEVELS.get(decoded(item.value).strip().lower())
    if level is None:
        asked.malformed(item, clicks=True)
    else:
        asked.click_levels.append(level)


def _copies(asked: _Asked, item: Field) -> None:
    match decoded(item.value).strip().lower():
        case "shared":
            asked.shared = True
        case "own":
            pass
        case _:
            asked.shared = True  # the one that knows less
            asked.notes.append(f"{_shown(item)} could not be understood; all recipients share one copy")


def _hidden_link(asked: _Asked, item: Field) -> None:
    on = _truth(decoded(item.value))
    if on is None:
        asked.malformed(item)
    asked.hidden_link.append(bool(on))


def _tag(asked: _Asked, item: Field) -> None:
    asked.keep_tag(decoded(item.value))


def _mailgun_both(asked: _Asked, item: Field) -> None:
    on = _truth(decoded(item.value))
    if on is None:
        asked.malformed(item, opens=True, clicks=True)
    else:
        asked.opens.append(on)
        asked.clicks.append(on)


def _mailgun_clicks(asked: _Asked, item: Field) -> None:
    word = decoded(item.value).lower()
    on = _truth(word)
    if word == "htmlonly":
        asked.scopes.append(LinkScope.HTML)
    elif on is None:
        asked.malformed(item, clicks=True)
    else:
        asked.clicks.append(on)


def _mandrill_track(asked: _Asked, item: Field) -> None:
    words = {word.strip().lower() for word in decoded(item.value).split(",")} - {""}
    known = {"opens", "clicks", "clicks_all", "clicks_htmlonly", "clicks_textonly", "none", "false"}
    if not words <= known:
        asked.malformed(item, opens=True, clicks=True)
        return
    asked.opens.append("opens" in words)
    asked.clicks.append(bool(words & {"clicks", "clicks_all", "clicks_htmlonly"}))
    if "clicks_htmlonly" in words:
        asked.scopes.append(LinkScope.HTML)


def _mailjet_clicks(asked: _Asked, item: Field) -> None:
    on = _truth(decoded(item.value))
    if on is None:
        asked.malformed(item, clicks=True)
    else:
        asked.clicks.append(on)


def _json(asked: _Asked, item: Field, *, tracking: bool) -> Mapping[str, object] | None:
    try:
        value = json.loads(item.value)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        asked.malformed(item, opens=tracking, clicks=tracking)
        return None
    return value


def _metadata_json(asked: _Asked, item: Field) -> None:
    if (value := _json(asked, item, tracking=False)) is not None:
        asked.keep_metadata(item, value)


def _sendgrid(asked: _Asked, item: Field) -> None:
    if (value := _json(asked, item, tracking=True)) is None:
        return
    filters = value.get("filters", {})
    for name, opens in (("opentrack", True), ("clicktrack", False)):
        chosen = filters.get(name) if isinstance(filters, dict) else filters
        if chosen is None:
            continue
        settings = chosen.get("settings") if isinstance(chosen, dict) else None
        on = _truth(settings.get("enable")) if isinstance(settings, dict) else None
        if on is None:
            asked.malformed(item, opens=opens, clicks=not opens)
        else:
            (asked.opens if opens else asked.clicks).append(on)
    if "unique_args" in value:
        asked.keep_metadata(item, value["unique_args"])
    category = value.get("category")
    if isinstance(category, list) and category:
        category = category[0]
    if isinstance(category, str):
        asked.keep_tag(category)


def _sparkpost(asked: _Asked, item: Field) -> None:
    if (value := _json(asked, item, tracking=True)) is None:
        return
    options = value.get("options", {})
    if not isinstance(options, dict):
        asked.malformed(item, opens=True, clicks=True)
        return
    for name, axis in (("open_tracking", asked.opens), ("click_tracking", asked.clicks)):
        if name in options:
            on = _truth(options[name])
            if on is None:
                asked.malformed(item, opens=axis is asked.opens, clicks=axis is asked.clicks)
            else:
                axis.append(on)
    if "metadata" in value:
        asked.keep_metadata(item, value["metadata"])
    if isinstance(campaign := value.get("campaign_id"), str):
        asked.keep_tag(campaign)


_LEVELS = {"off": Level.OFF, "identified": Level.IDENTIFIED, "full": Level.FULL}  # those that work today
_METADATA = "x-pm-metadata-"
_READERS: dict[str, Callable[[_Asked, Field], None]] = {
    "x-unsealed-opens": _own_opens,
    "x-unsealed-clicks": _own_clicks,
    "x-unsealed-copies": _copies,
    "x-unsealed-hidden-link": _hidden_link,
    "x-pm-trackopens": _pm_opens,
    "x-pm-tracklinks": _pm_links,
    "x-pm-tag": _tag,
    "x-mailgun-track": _mailgun_both,
    "x-mailgun-track-opens": _pm_opens,
    "x-mailgun-track-clicks": _mailgun_clicks,
    "x-mailgun-tag": _tag,
    "x-mailgun-variables": _metadata_json,
    "x-smtpapi": _sendgrid,
    "x-msys-api": _sparkpost,
    "x-mc-track": _mandrill_track,
    "x-mc-tags": _tag,
    "x-mc-metadata": _metadata_json,
    "x-mailjet-trackopen": _pm_opens,
    "x-mailjet-trackclick": _mailjet_clicks,
    "x-mailjet-campaign": _tag,
    "x-mt-category": _tag,
    "x-mt-custom-variables": _metadata_json,
}
