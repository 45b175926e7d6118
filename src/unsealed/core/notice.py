"""Something happened + what is silenced + what the user wants -> who is told, on which channels, or why nobody is.

Silence. The master switch stops every notice. Else a message is silent while its own speaker, its conversation, its
recipient or "mute all" says so; the last is a point in time, so that mail sent later speaks. A message whose own
speaker was switched on after all of that speaks all the same. What was pressed last holds, and nothing that is silenced
is tracked any less.

Promises that machines, repeats and the sender never ring; that a reading rings once; and that no word says more than
the event does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

from unsealed.core.reading import READING_GAP
from unsealed.model.event import BELIEVED, CERTAIN, Agent, ClientKind, Finding, NetworkClass, PlaceState
from unsealed.model.event import Device as Kind
from unsealed.model.message import MessageId, public_id
from unsealed.model.notice import (
    Act,
    Decision,
    Detail,
    Happening,
    Occasion,
    Press,
    Quiet,
    Readings,
    Scope,
    Silence,
    Told,
    Wants,
    Why,
    Words,
)
from unsealed.model.texts import ENGLISH, Texts, later

LATE = timedelta(hours=12)  # what happened longer ago is history, not news
HOT = timedelta(hours=1)
HOT_READINGS = 3
REVIVED = timedelta(weeks=3)
BURST = timedelta(minutes=2)  # what happens to a copy so soon after a notice about it is told with that one
REMINDERS = frozenset({Act.UNOPENED, Act.NO_REPLY})
CROWD = 5  # notices of one user within a minute; what comes then is told together
CROWD_WITHIN = timedelta(minutes=1)


# --- silence ----------------------------------------------------------------------------------------------------------


def pressed(silence: Silence, press: Press) -> Silence:
    """What stands after a speaker was pressed."""
    match press.scope:
        case Scope.REALTIME:
            return replace(silence, realtime_off=press.silent)
        case Scope.ALL:
            return replace(silence, all_until=press.at if press.silent else None)
        case Scope.MESSAGE:
            return replace(silence, messages={**silence.messages, int(press.of): (press.silent, press.at)})
        case Scope.THREAD:
            threads = {key: at for key, at in silence.threads.items() if key != int(press.of)}
            return replace(silence, threads=threads | ({int(press.of): press.at} if press.silent else {}))
        case Scope.CONTACT:
            contacts = {key: at for key, at in silence.contacts.items() if key != press.of}
            return replace(silence, contacts=contacts | ({press.of: press.at} if press.silent else {}))


def silenced(silence: Silence, message: MessageId, thread: int, contact: str, sent_at: datetime) -> Why | None:
    """What silences a message, for what its recipient `contact` does; None: it speaks.

    contact: in lower case; "" when it cannot be told who did it.
    """
    if silence.realtime_off:
        return Why.REALTIME_OFF
    silent, chosen_at = silence.messages.get(message, (False, None))
    if silent:
        return Why.MESSAGE
    standing = [
        (silence.threads.get(thread), Why.THREAD),
        (silence.contacts.get(contact), Why.CONTACT),
        (silence.all_until if silence.all_until is not None and sent_at <= silence.all_until else None, Why.ALL),
    ]
    for since, why in standing:
        if since is not None and (chosen_at is None or chosen_at <= since):
            return why
    return None


# --- who is told ------------------------------------------------------------------------------------------------------


def decide(it: Happening, silence: Silence, wants: Wants, *, now: datetime, clock: time) -> Decision:
    """On which channels the user is told, or why on none. clock: the user's own, for the quiet hours."""
    occasion = occasion_of(it, wants)
    if (why := _why_not(it, silence, wants, occasion, now)) is not None:
        return Decision(why=why, occasion=occasion)
    if wants.quiet is not None and is_quiet(wants.quiet, clock):
        return Decision(why=Why.QUIET, occasion=occasion)
    if not wants.channels:
        return Decision(why=Why.NO_CHANNEL, occasion=occasion)
    return Decision(channels=wants.channels, occasion=occasion)


def _why_not(it: Happening, silence: Silence, wants: Wants, occasion: Occasion, now: datetime) -> Why | None:
    if it.finding is not None and not it.finding.counted:
        return Why.NO_PERSON
    if it.act in REMINDERS:  # the sender wanted to be told of this very message: only the master switch is above that
        return Why.REALTIME_OFF if silence.realtime_off else None
    if (why := silenced(silence, it.message, it.thread, it.contact, it.sent_at)) is not None:
        return why
    if now - it.at > LATE:
        return Why.LATE
    if it.act not in wants.acts:
        return Why.NOT_WANTED
    if it.act is not Act.OPENED:
        return None
    if any(abs(it.at - told) <= READING_GAP for told in it.told):
        return Why.SAME_READING
    if occasion is Occasion.REVIVED or wants.readings is Readings.EVERY:
        return None
    if wants.readings is Readings.FIRST:
        return None if not it.earlier else Why.NOT_FIRST
    return None if occasion is Occasion.HOT else Why.NOT_HOT


def occasion_of(it: Happening, wants: Wants) -> Occasion:
    """What is special about a reading, to a user who wants this."""
    if it.act is not Act.OPENED or not it.earlier:
        return Occasion.FIRST
    lately = sum(it.at - at < HOT for at in it.earlier) + 1
    revived = timedelta(weeks=wants.revival_weeks) if wants.revival_weeks else timedelta.max
    return occasion(it.at, it.earlier[-1], lately, revived)


def occasion(at: datetime, before: datetime | None, lately: int, revived: timedelta = REVIVED) -> Occasion:
    """What is special about an act. before: of the same kind on the same copy; lately: how many of them were within
    HOT, this one counted; revived: after how long a silence it is one."""
    if before is None:
        return Occasion.FIRST
    if at - before >= revived:
        return Occasion.REVIVED
    return Occasion.HOT if lately == HOT_READINGS else Occasion.AGAIN


def is_quiet(quiet: Quiet, clock: time) -> bool:
    """Whether quiet hours hold. The same beginning and end: the whole day."""
    if quiet.begins < quiet.ends:
        return quiet.begins <= clock < quiet.ends
    return clock >= quiet.begins or clock < quiet.ends


# --- in words ---------------------------------------------------------------------------------------------------------

_OPENED = {  # the second where it is less than likely
    Occasion.FIRST: (later("%(who)s opened it"), later("%(who)s maybe opened it")),
    Occasion.AGAIN: (later("%(who)s opened it again"), later("%(who)s maybe opened it again")),
    Occasion.HOT: (
        later("%(who)s opened it, the third time within an hour"),
        later("%(who)s maybe opened it, the third time within an hour"),
    ),
    Occasion.REVIVED: (
        later("%(who)s opened it again after weeks"),
        later("%(who)s maybe opened it again after weeks"),
    ),
}
_NAMELESS = {
    Act.OPENED: later("A message was opened"),
    Act.CLICKED: later("A link was followed"),
    Act.REPLIED: later("A message was answered"),
    Act.BOUNCED: later("A message bounced"),
    Act.UNOPENED: later("A reminder is due"),
    Act.NO_REPLY: later("A reminder is due"),
}


def say(
    told: Told,
    *,
    message: MessageId | None,
    tag: str,
    detail: Detail = Detail.ALL,
    again: bool = False,
    texts: Texts = ENGLISH,
) -> Words:
    """A notice in words: who, what, which message, when, on what, how sure; no more than `detail` allows."""
    path = f"/message/{public_id(message)}" if message is not None else "/settings/notifications"
    public = public_id(message) if message is not None else ""
    if told.act is Act.TESTED:
        here = texts.say("Notices arrive here.")
        return Words(title=texts.say("A test"), body=here, tag=tag, path=path, link=path, again=again)
    title, body = _title(told, detail, texts), _body(told, texts) if detail is Detail.ALL else ""
    if told.gone:
        body = texts.say("Not a reader after all: %(what)s", what=title)
        title = texts.say("Taken back")
    link = "/activity" if detail is Detail.NOTHING else path  # one that names the message would tell which are the same
    return Words(title=title, body=body, tag=tag, path=path, link=link, message=public, again=again or told.gone)


def _title(told: Told, detail: Detail, texts: Texts) -> str:
    if told.more and detail is Detail.NOTHING:
        return texts.plural("%(number)s signal", "%(number)s signals", told.more + 1)
    what = texts.say(_NAMELESS[told.act]) if detail is Detail.NOTHING else _verb(told, detail, texts)
    return texts.say("%(what)s, and %(number)s more", what=what, number=texts.number(told.more)) if told.more else what


def _verb(told: Told, detail: Detail, texts: Texts) -> str:
    who = _name(told, texts)
    maybe = told.confidence < BELIEVED
    match told.act:
        case Act.OPENED:
            return texts.say(_OPENED[told.occasion][maybe], who=who)
        case Act.CLICKED if told.link and detail is Detail.ALL:
            link = _cut(told.link, 60)
            if maybe:
                return texts.say("%(who)s maybe clicked “%(link)s”", who=who, link=link)
            return texts.say("%(who)s clicked “%(link)s”", who=who, link=link)
        case Act.CLICKED:
            return (
                texts.say("%(who)s maybe clicked a link", who=who)
                if maybe
                else texts.say("%(who)s clicked a link", who=who)
            )
        case Act.REPLIED:
            return texts.say("%(who)s replied", who=who)
        case Act.UNOPENED if told.who:
            return texts.say("Reminder: no signal from %(who)s", who=who)
        case Act.UNOPENED:
            return texts.say("Reminder: no signal from anybody")
        case Act.NO_REPLY if told.who:
            return texts.say("Reminder: no answer from %(who)s", who=who)
        case Act.NO_REPLY:
            return texts.say("Reminder: no answer from anybody")
        case _ if told.who:
            return texts.say("The message to %(who)s bounced", who=who)
        case _:
            return texts.say("The message to somebody bounced")


def _name(told: Told, texts: Texts) -> str:
    if told.who:
        return _cut(told.who, 60)
    if told.among > 1:
        return texts.say("Someone (one of %(number)s)", number=texts.number(told.among))
    return texts.say("Someone")


def _body(told: Told, texts: Texts) -> str:
    first = _cut(told.subject, 120) or texts.say("(no subject)")
    when = "" if told.at is None else texts.clock(told.at, twelve=told.twelve)
    how = ", ".join(filter(None, (when, *_seen_on(told, texts), sure(told, texts))))
    return "\n".join(filter(None, [first, how]))


def _seen_on(told: Told, texts: Texts) -> list[str]:
    if told.agent is None:
        return []
    return [part for part in (on_what(told.agent, texts), from_where(told, texts)) if part]


_DEVICES = {Kind.DESKTOP: later("a computer"), Kind.MOBILE: later("a phone"), Kind.TABLET: later("a tablet")}


def on_what(agent: Agent, texts: Texts = ENGLISH) -> str:
    """ "Thunderbird on Linux", "through Gmail, device hidden"; "" when nothing is known."""
    hidden = agent.kind in (ClientKind.IMAGE_PROXY, ClientKind.PREFETCH) or agent.device is Kind.HIDDEN
    if hidden:
        named = agent.client.removesuffix(" Image Proxy").removesuffix(" Proxy")
        return texts.say("through %(proxy)s, device hidden", proxy=named) if named else texts.say("device hidden")
    device = texts.say(_DEVICES[agent.device]) if agent.device in _DEVICES else ""
    if agent.client and (agent.system or device):
        return texts.say("%(program)s on %(system)s", program=agent.client, system=agent.system or device)
    return agent.client or device


_HIDERS = {NetworkClass.GOOGLE_PROXY: "Gmail", NetworkClass.APPLE_RELAY: "Apple", NetworkClass.YAHOO_PROXY: "Yahoo"}


def from_where(told: Told, texts: Texts = ENGLISH) -> str:
    """The place as far as it is known: a city with its country's code; never one behind a proxy."""
    if told.place is None:
        return ""
    if told.place.state is PlaceState.KNOWN:
        where = ", ".join(part for part in (told.place.city or told.place.region, told.place.country) if part)
        return texts.say("approximately %(where)s", where=where)
    hider = _HIDERS.get(told.network, "")
    if hider and told.agent is not None and hider in told.agent.client:
        return texts.say("place hidden")  # by whom, was said with the device
    return texts.say("place hidden by %(who)s", who=hider) if hider else ""


def sure(told: Told, texts: Texts = ENGLISH) -> str:
    """How sure we are that a person did it; "" where nothing has to be believed."""
    if told.act not in (Act.OPENED, Act.CLICKED):
        return ""
    if told.confidence >= CERTAIN:
        return texts.say("certain")
    return texts.say("likely") if told.confidence >= BELIEVED else texts.say("maybe")


def act_of(finding: Finding) -> Act | None:
    """What a person did, by the finding; None: nobody did anything."""
    if not finding.counted:
        return None
    return Act.CLICKED if finding is Finding.HUMAN_CLICK else Act.OPENED


def _cut(text: str, most: int) -> str:
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
