"""The state of a message and of a copy, in words and as the mark in front of a row. Pure.

Never overstates: "no signal" is not "unread", a machine's loading shows arrival alone, a guess is a "maybe".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from unsealed.core.reading import copy_state
from unsealed.inlets.copies import Known
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.words import shortened, times
from unsealed.model.event import BELIEVED, CERTAIN, sure
from unsealed.model.message import CopyState, Delivery
from unsealed.model.texts import Texts, later
from unsealed.model.view import CopyRow, MessageRow, SandboxRow, Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What stands in the mark column: a class of look.css, a symbol, a number under it."""

    kind: str
    symbol: str
    number: str = ""
    hint: str = ""  # what the mark says, for who points at it
    said: str = ""  # what the number counts, for who is read to


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A state in words with its mark. `said` stands alone; `beside` goes on after it, quieter."""

    state: CopyState
    mark: Mark
    said: str
    beside: str = ""
    aged: datetime | None = None  # `beside` names the place of how long this is ago: "last %(ago)s"; "" stands for it


MARKS = {
    CopyState.NOT_TRACKED: Mark(kind="crossed", symbol="eye-crossed", hint=later("Nothing is or will be seen")),
    CopyState.QUEUED: Mark(kind="waiting", symbol="clock", hint=later("On its way out")),
    CopyState.DELAYED: Mark(kind="waiting", symbol="clock", hint=later("Refused for now, will be tried again")),
    CopyState.BOUNCED: Mark(kind="bounced", symbol="bounce", hint=later("It did not arrive")),
    CopyState.SENT: Mark(kind="sent", symbol="tick", hint=later("The next server has it")),
    CopyState.DELIVERED: Mark(kind="delivered", symbol="tick-dot", hint=later("It lies in the mailbox")),
    CopyState.NO_SIGNAL: Mark(kind="signal", symbol="eye-dashed", hint=later("Nothing seen; not the same as unread")),
    CopyState.LOADED_BY_MACHINE: Mark(
        kind="machine", symbol="ticks-hollow", hint=later("Machines only: it arrived, no reader was seen")
    ),
    CopyState.OPENED: Mark(kind="opened", symbol="ticks"),
    CopyState.CLICKED: Mark(kind="clicked", symbol="link"),
    CopyState.REPLIED: Mark(kind="replied", symbol="reply", hint=later("A person answered: read for certain")),
}
STATES = {
    CopyState.NOT_TRACKED: later("Not tracked"),
    CopyState.QUEUED: later("Sending"),
    CopyState.DELAYED: later("Sending"),
    CopyState.BOUNCED: later("Bounced"),
    CopyState.SENT: later("Sent"),
    CopyState.DELIVERED: later("Delivered"),
    CopyState.NO_SIGNAL: later("No signal"),
    CopyState.LOADED_BY_MACHINE: later("Loaded by a machine"),
    CopyState.OPENED: later("Opened"),
    CopyState.CLICKED: later("Clicked"),
    CopyState.REPLIED: later("Replied"),
}
SURE = {"certain": later("certain"), "likely": later("likely"), "maybe": later("maybe")}  # the words of `copies.sure`
UNCHANGED_SHORT = {  # `words.unchanged_reason` for a list, where the recipients need the room
    "off": later("switched off"),
    "signed": later("signed"),
    "encrypted": later("encrypted"),
    "dkim-signed": later("signed by a domain"),
    "odd-encoding": later("odd encoding"),
    "broken-structure": later("broken structure"),
    "too-large": later("too large"),
    "too-many-parts": later("too many parts"),
    "too-deep": later("nested too deep"),
    "header-too-large": later("header too large"),
    "too-many-addresses": later("too many addresses"),
    "too-many-links": later("too many links"),
    "too-complex": later("too complex"),
    "null-sender": later("no sender"),
    "report": later("a report"),
    "loop": later("a mail loop"),
    "no-html": later("plain text"),
    "fault": later("our fault"),
}
LAST = later("last %(ago)s")
AGO = "%(ago)s"  # stands for itself: how long ago it is changes while the page is looked at


def maybe(signals: Signals) -> bool:
    """Whether the best evidence is still a guess."""
    return signals.confidence is not None and signals.confidence < BELIEVED


def sureness(confidence: float, texts: Texts) -> str:
    """How sure a finding is: "certain", "likely", "maybe"."""
    return texts.say(SURE[sure(confidence)])


def mark_of(state: CopyState, texts: Texts) -> Mark:
    """The mark of a state of which nothing is counted."""
    found = MARKS[state]
    return Mark(kind=found.kind, symbol=found.symbol, hint=texts.say(found.hint)) if found.hint else found


def mark(state: CopyState, signals: Signals, texts: Texts) -> Mark:
    """The mark of a state. Ticks stay once an open is seen, also when a link was followed; only an open that we
    believe colours them. An answer stands above all of them."""
    if state is CopyState.REPLIED:
        return mark_of(state, texts)
    if signals.opens:
        often = times(signals.opens, texts)
        if maybe(signals):
            hint, count = texts.say("Perhaps a person opened it"), texts.say("Maybe opened %(times)s", times=often)
            return Mark(kind="maybe", symbol="ticks", number=f"{signals.opens}?", hint=hint, said=count)
        word = SURE[sure(CERTAIN if signals.confidence is None else signals.confidence)]
        hint = texts.say("A person opened it: %(sure)s", sure=texts.say(word))
        count = texts.say("Opened %(times)s", times=often)
        return Mark(kind="opened", symbol="ticks", number=f"{signals.opens}", hint=hint, said=count)
    if signals.clicks:
        hint = texts.say("A person followed a link: read for certain")
        count = texts.plural("%(number)s click", "%(number)s clicks", signals.clicks)
        return Mark(kind="clicked", symbol="link", number=f"{signals.clicks}", hint=hint, said=count)
    return mark_of(state, texts)


def message_standing(row: MessageRow, times: Times) -> Standing:
    """A message in a list: the words name the latest signal; partly bounced mail says both."""
    state, texts = copy_state(row.facts, times.now), times.texts
    shown = mark(state, row.signals, texts)
    also = []
    if row.bounced and state != CopyState.BOUNCED:
        also.append(texts.plural("%(number)s bounced", "%(number)s bounced", row.bounced))
    if row.waiting and state in (CopyState.OPENED, CopyState.CLICKED, CopyState.REPLIED):
        also.append(texts.plural("%(number)s waiting", "%(number)s waiting", row.waiting))
    beside, aged = "", None
    if row.facts.replies:
        said, aged = _replied(row.facts.replies, texts), row.replied_at
    elif row.last_click and (row.signals.last_at is None or row.last_click.at >= row.signals.last_at):
        said = texts.say("Clicked %(link)s", link=shortened(row.last_click.text, 32))
        aged = row.last_click.at
    elif row.signals.opens:
        said = texts.say("Maybe opened") if maybe(row.signals) else texts.say("Opened")
        beside, aged = texts.say(LAST, ago=AGO), row.signals.last_at
    elif state == CopyState.BOUNCED:
        said = texts.say("Bounced: %(why)s", why=bounced(row.reply, texts))
    else:
        said, beside = texts.say(STATES[state]), _beside(row, state, times)
    return Standing(state=state, mark=shown, said=", ".join([said, *also]), beside=beside, aged=aged)


def _replied(number: int, texts: Texts) -> str:
    if number > 1:
        return texts.say("Replied %(times)s", times=times(number, texts))
    return texts.say(STATES[CopyState.REPLIED])


def _beside(row: MessageRow, state: CopyState, times: Times) -> str:
    if state == CopyState.DELAYED and row.next_at:
        return times.texts.say("next try %(when)s", when=times.when(row.next_at))
    if state == CopyState.NOT_TRACKED and row.unchanged in UNCHANGED_SHORT:
        return times.texts.say(UNCHANGED_SHORT[row.unchanged])
    return ""


def copy_standing(copy: CopyRow | SandboxRow, times: Times, *, shares: bool = False) -> Standing:
    """One recipient: "Opened 3 times, clicked 2", beside it when. shares: what is seen of it is seen of "someone"."""
    state, texts = copy_state(copy.facts, times.now), times.texts
    if shares and state == CopyState.NOT_TRACKED:
        state = CopyState.DELIVERED if copy.facts.delivery == Delivery.DELIVERED else CopyState.SENT
    signals = copy.signals
    shown = mark(state, signals, texts)
    said = [_copy_said(copy, state, texts)]
    beside, aged = "", None
    if copy.facts.replies:
        if signals.opens:
            said.append(_times_opened(signals.opens, texts))
        aged = copy.replied_at if isinstance(copy, CopyRow) else None
        if aged and (signals.opens or signals.clicks):  # else it would be taken for when they opened it
            beside = texts.say("answer %(ago)s", ago=AGO)
    elif signals.opens or signals.clicks:
        beside, aged = texts.say(LAST, ago=AGO), signals.last_at
    else:
        beside = _copy_beside(copy, state, times)
    if signals.clicks and (signals.opens > 1 or copy.facts.replies or not _names_link(copy)):
        said.append(texts.plural("clicked %(number)s", "clicked %(number)s", signals.clicks))
    return Standing(state=state, mark=shown, said=", ".join(said), beside=beside, aged=aged)


def _copy_said(copy: CopyRow | SandboxRow, state: CopyState, texts: Texts) -> str:
    """What stands first."""
    signals = copy.signals
    if copy.facts.replies:
        return _replied(copy.facts.replies, texts)
    if signals.opens <= 1 and isinstance(copy, CopyRow) and copy.last_click and signals.clicks:
        return texts.say("Clicked %(link)s", link=shortened(copy.last_click.text))
    if signals.opens > 1:
        many_times = times(signals.opens, texts)
        if maybe(signals):
            return texts.say("Maybe opened %(times)s", times=many_times)
        return texts.say("Opened %(times)s", times=many_times)
    if signals.opens or signals.clicks:
        return texts.say("Maybe opened") if maybe(signals) else texts.say("Opened")
    if state == CopyState.BOUNCED and isinstance(copy, CopyRow):
        return texts.say("Bounced: %(why)s", why=bounced(copy.reply, texts))
    return texts.say(STATES[state])


def _names_link(copy: CopyRow | SandboxRow) -> bool:
    return isinstance(copy, CopyRow) and copy.last_click is not None


def _times_opened(opens: int, texts: Texts) -> str:
    return texts.say("opened %(times)s", times=times(opens, texts)) if opens > 1 else texts.say("opened")


def _copy_beside(copy: CopyRow | SandboxRow, state: CopyState, times: Times) -> str:
    if isinstance(copy, SandboxRow):
        return ""
    say = times.texts.say
    if state == CopyState.DELAYED and copy.next_at:
        return say("next try %(when)s", when=times.when(copy.next_at))
    if copy.facts.sent_at is None:
        return ""
    when = times.when(copy.facts.sent_at)
    if state in (CopyState.SENT, CopyState.DELIVERED):
        return when  # the state says the rest
    if copy.facts.delivery == Delivery.DELIVERED:
        return say("delivered %(when)s", when=when)
    return say("sent %(when)s", when=when)


def read_how(known: Known, texts: Texts) -> str:
    """ "read for certain on 2 devices"; "" when neither is known."""
    if known.devices <= 1:
        return texts.say("read for certain") if known.certain else ""
    if known.certain:
        return texts.plural(
            "read for certain on %(number)s device", "read for certain on %(number)s devices", known.devices
        )
    return texts.plural("read on %(number)s device", "read on %(number)s devices", known.devices)


STATUS = re.compile(r"\b[45]\.(\d{1,3}\.\d{1,3})\b")
STATUS_WORDS = {  # RFC 3463 and the registry of enhanced status codes, what a sender can act on
    "1.1": later("no such mailbox"),
    "1.2": later("no such domain"),
    "1.3": later("not a valid address"),
    "1.6": later("the mailbox has moved"),
    "1.10": later("the domain takes no mail"),
    "2.0": later("mailbox trouble"),
    "2.1": later("mailbox closed"),
    "2.2": later("mailbox full"),
    "2.3": later("too large for the mailbox"),
    "3.4": later("too large for their server"),
    "4.1": later("their server did not answer"),
    "4.4": later("no route to their server"),
    "4.7": later("given up after many tries"),
    "7.1": later("refused by their rules"),
    "7.23": later("failed their SPF check"),
    "7.26": later("failed their sender checks"),
}


def answered(reply: str, texts: Texts) -> str:
    """What the next hop said when it took a copy."""
    return texts.say("Answered %(reply)s", reply=reply) if reply else ""


def bounced(reply: str, texts: Texts) -> str:
    """Why the next hop refused, in words where its code says it, else in its own."""
    found = STATUS.search(reply)
    if found and (words := STATUS_WORDS.get(found[1])):
        return texts.say(words)
    own = re.sub(r"^\d{3}[ -]?(\d\.\d+\.\d+)?\s*", "", reply).strip()
    return shortened(own, 60) or texts.say("given up")
