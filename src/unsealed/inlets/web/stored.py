"""Sentences that were stored in English, said in the language of who reads them now.

A verdict keeps why it fell as a sentence, in the events as well as in exports and in the API; so does each line of "who
changed what". Pages know the sentences by their form: what stands between the words of one is a value of it, which may
be such a sentence itself.

Promises that a sentence of no known form is said as the catalogue has it, else as it was stored; and that what somebody
typed into a change is said as typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from itertools import zip_longest

from unsealed.model.texts import ENGLISH, Texts, later
from unsealed.store.audit import What

# What each value looks like; any other is some text. The first form that fits is taken: the closer ones stand first.
SHAPES = {
    "number": r"[\d,]*\d(?:\.\d+)?",
    "day": r"\d{1,2} [A-Z][a-z]{2} \d{4}",
    "seconds": r"\d+\.\d s|a blink",
    "after": r"at an unknown time after delivery|\d+ (?:s|min|h) after delivery",
    "system": r"Windows Phone|Windows|iPadOS|iOS|Android|ChromeOS|macOS|KaiOS|Symbian|BlackBerry|Linux",
    "address": r"\S+",
    "port": r"\d+",
    "size": r"[\d,]+ kB",
    "most": r"[\d,]+ kB",
    "level": r"off|counts|full|[a-z]+",
    "version": r"\S+",
    "former_version": r"\S+",
    "former": r"[a-z]+",
    "limit": r"[a-z]+",
    "former_limit": r"[a-z]+",
    "role": r"[a-z]+",
    "tls": r"none|starttls|implicit",
    "where": (
        r"in (?:the settings file of this installation|your settings|this message)|for everybody here|at this link"
        r"|by the template .+|for (?:mail|links) to \S+"
    ),
}
FORMS = (
    # Times
    later("at an unknown time after delivery"),
    later("%(number)s s after delivery"),
    later("%(number)s min after delivery"),
    later("%(number)s h after delivery"),
    later("%(number)s s"),
    later("a blink"),
    # Why the judge thinks so
    later("you said on %(day)s that this was you"),
    later("you said on %(day)s that this was a machine"),
    later("you said on %(day)s that this was them"),
    later("the browser that you called your own"),
    later("the browser in which you are signed in"),
    later("followed a link that no person can see"),
    later("the same address followed a hidden link, %(seconds)s apart"),
    later("asked for before the next server confirmed that it has the message"),
    later("asked for %(number)s s before the message was delivered"),
    later('the request says "%(said)s": loaded ahead'),
    later("%(program)s, a security scanner, by its own words"),
    later("%(program)s, a crawler, by its own words"),
    later("%(program)s: a program, not a mail client"),
    later('"%(agent)s" looks like a program, not like a mail client'),
    later("%(service)s fetched a preview of the picture"),
    later("%(service)s fetched a preview of the link: it was passed on"),
    later("pasted into %(service)s, which fetched a preview of the link"),
    later("Office asked whether the link exists, no browser followed"),
    later("Office asked first, the browser followed after %(seconds)s"),
    later("%(number)s different links within %(seconds)s from the same address"),
    later("%(number)s different links within %(seconds)s from one network (%(kind)s)"),
    later("the same address raced through the links within 10 s"),
    later("the pixels of %(number)s recipients within %(seconds)s from one address"),
    later("followed from Microsoft's own network, where its link scanner runs"),
    later("asked for the headers of the link only"),
    later("asked for the headers of the picture only: nothing was shown"),
    later("asked with %(method)s, not for the content of the link only"),
    later("asked with %(method)s, not for the content of the picture only: nothing was shown"),
    later("Apple Mail's privacy protection loads every picture, read or not"),
    later("the bare agent of Apple's privacy protection, from a network that is not known as Apple's relay"),
    later("Gmail loaded the picture ahead, unread"),
    later("the agent of Gmail's prefetch, from a network that is not known as Google's"),
    later("you looked at this thread yourself, %(seconds)s apart"),
    later("from an address that you use, with a program that you use"),
    later("from an address that you use yourself"),
    later("from a network that you use too, but the copy is a colleague's"),
    later("from a network that you use too, with another program"),
    later("from a network that you use too"),
    later("%(program)s is for pictures, people do not click with it"),
    later("%(program)s asked %(after)s: too soon for a reader"),
    later("loaded through %(program)s when the reader opened the message"),
    later("from the network of a mail security company"),
    later("from the network of %(who)s, which followed a link as well within 10 s"),
    later("from the network of %(who)s with an outdated browser, as scanners do"),
    later("from the network of %(who)s with no name, as scanners do"),
    later("from the network of %(who)s %(after)s: most likely loaded ahead"),
    later("one picture through the network of %(who)s, %(after)s"),
    later("from the network of %(who)s"),
    later("a mail provider"),
    later("as Apple Mail, but as fetchers do, on a rented machine, %(after)s"),
    later("an outdated browser on a rented machine, %(after)s"),
    later("no agent on a rented machine, %(after)s"),
    later("a browser that names no language, on a rented machine, %(after)s"),
    later("an outdated browser that names no language, %(after)s"),
    later("a browser that names no language"),
    later("from a rented machine, %(after)s"),
    later("%(program)s on a rented machine, %(after)s: perhaps a person behind a VPN"),
    later("opened in %(program)s on %(address)s, %(after)s"),
    later("followed in %(program)s on %(address)s, %(after)s"),
    later("opened in %(program)s, %(after)s"),
    later("followed in %(program)s, %(after)s"),
    later("a browser"),
    later("%(program)s: nothing proves a machine"),
    later("an unknown program"),
    later("the same again after %(seconds)s"),
    later("what the request looked like is not kept for this message"),
    # Why history was judged again
    later("you said that this was you: %(what)s"),
    later("you said that this was a machine: %(what)s"),
    later("you said that this was them: %(what)s"),
    later("you took back that this was you: %(what)s"),
    later("you took back that this was a machine: %(what)s"),
    later("you took back that this was them: %(what)s"),
    later("a browser is no longer yours"),
    later("new data about networks and places"),
    later("rules %(former_version)s -> %(version)s"),
    later("rules %(version)s"),
    # What a correction holds for
    later("%(what)s, this event only"),
    later("%(what)s, for everybody at %(address)s"),
    later("the program and network of this event, for %(address)s"),
    later("%(program)s on %(system)s, your own network, for %(address)s"),
    later("%(program)s on %(system)s, your own network"),
    later("%(program)s on %(system)s, %(network)s, for %(address)s"),
    later("%(program)s on %(system)s, %(network)s"),
    later("%(program)s on %(system)s, for %(address)s"),
    later("%(program)s on %(system)s"),
    later("%(program)s, your own network, for %(address)s"),
    later("%(program)s, your own network"),
    later("the program and network of this event"),
    later("a program without a name, %(network)s"),
    later("a program without a name"),
    # Where the picture stands
    later("before </body>"),
    later("before </html>"),
    later("at the end of the content"),
    later("before an early <%(tag)s>"),
    # What was asked of a message and not done
    later("asked for but not done: %(what)s"),
    later("open tracking is switched off %(where)s"),
    later("link tracking is switched off %(where)s"),
    later("open tracking is limited to the level %(level)s %(where)s"),
    later("link tracking is limited to the level %(level)s %(where)s"),
    later("in the settings file of this installation"),
    later("for everybody here"),
    later("in your settings"),
    later("in this message"),
    later("at this link"),
    later("by the template %(name)s"),
    later("for mail to %(address)s"),
    later("for links to %(address)s"),
    later("the same for %(number)s more recipients"),
    later("%(header)s could not be understood; all recipients share one copy"),
    later("%(header)s could not be understood; it was ignored"),
    later("%(header)s could not be understood; opens are not tracked"),
    later("%(header)s could not be understood; links are not tracked"),
    later("%(header)s could not be understood; opens and links are not tracked"),
    later("TextOnly is not offered; links are not tracked"),
    later("a hidden link was asked for but is switched off in the settings file of this installation"),
    later("more than %(number)s metadata fields; %(name)s was dropped"),
    later("%(mark)s was followed but left in the subject, where it could not be cut out safely"),
    # What is wrong with a server that somebody named, or with a mailbox
    later("Type it again: it was for %(who)s, and is sent nowhere else without you."),
    later("This is too long: %(number)s characters at most."),
    later("the server does not let us in for now: %(answer)s"),
    later("the server refuses the user name or the password: %(answer)s"),
    later("the server refuses the access token: %(answer)s; the refresh token must be for this mailbox and for IMAP"),
    later("no access token: %(answer)s; enter a new refresh token, or correct client ID and secret"),
    later("no access token: %(answer)s"),
    later("the server lets us in, but not to the mailbox of this name: %(answer)s"),
    later("%(address)s offers no sign-in with OAuth"),
    later("the certificate of %(address)s is not valid: %(answer)s"),
    later("there is no TLS on port %(port)s of %(address)s; try STARTTLS or another port"),
    later("%(address)s offers no STARTTLS on port %(port)s"),
    later("%(address)s does not answer on port %(port)s"),
    later("what answers on port %(port)s of %(address)s is no IMAP server, or it hung up: %(answer)s"),
    later("there is no host named %(address)s"),
    later("%(address)s lies in a private network, and only owners may name such hosts here"),
    later("nobody answers on port %(port)s of %(address)s"),
    later("%(address)s cannot be reached on port %(port)s"),
    # Why a notice does not go where it should
    later("Write an address such as slack://TOKEN or tgram://TOKEN/CHAT. Services: %(services)s."),
    later("Notices cannot be sent to this browser: %(why)s."),
    later("%(service)s did not take it"),
    later("the push service answered %(number)s"),
    later("it does not answer (%(error)s)"),
    later("local trouble: %(error)s"),
    # What a form that is too long is told
    later(
        "What you entered has %(size)s, and %(most)s is the most that this form takes. Nothing was done: enter less."
    ),
    # What the data about networks and places hold
    later("your own ranges"),
    later("Apple's relay list"),
    later("ranges of rented machines"),
    later("ranges of image proxies, mail scanners, company proxies and large clouds"),
    later("whose network an address is in"),
    later("the country of an address"),
    later("region and city of an address"),
)
# One of those in a change of tracking, by what is stored of it.
LIMITS: Mapping[str, str] = {
    "confirmed as it was": later("confirmed as it was"),
    "opens by default %(former)s -> %(level)s": later("opens by default: %(level)s (before: %(former)s)"),
    "links by default %(former)s -> %(level)s": later("links by default: %(level)s (before: %(former)s)"),
    "opens at most %(former_limit)s -> %(limit)s": later("opens at most: %(limit)s (before: %(former_limit)s)"),
    "links at most %(former_limit)s -> %(limit)s": later("links at most: %(limit)s (before: %(former_limit)s)"),
    "users may change opens yes": later("users may choose whether opens are tracked"),
    "users may change opens no": later("users may no longer choose whether opens are tracked"),
    "users may change links yes": later("users may choose whether links are tracked"),
    "users may change links no": later("users may no longer choose whether links are tracked"),
    "refuse mail that asks for more yes": later("mail that asks for more is refused"),
    "refuse mail that asks for more no": later("mail that asks for more leaves with less"),
    "opens of mail to %(address)s: %(level)s": later("opens of mail to %(address)s: %(level)s"),
    "links of mail to %(address)s: %(level)s": later("links of mail to %(address)s: %(level)s"),
    "opens and links of mail to %(address)s: %(level)s": later("opens and links of mail to %(address)s: %(level)s"),
    "links to %(address)s are left alone": later("links to %(address)s are left alone"),
    "%(address)s is no longer excluded": later("%(address)s is no longer excluded"),
}
# What is told of each kind of change; of kinds that are missing here, it is a name that somebody gave.
CHANGES: Mapping[str, tuple[str, ...]] = {
    What.CORRECTED: (later("you: %(what)s"), later("a machine: %(what)s"), later("them: %(what)s")),
    What.UNDONE: (
        later("no longer you: %(what)s"),
        later("no longer a machine: %(what)s"),
        later("no longer them: %(what)s"),
    ),
    What.TRACKING: (
        later("for everybody: %(limits)s"),
        later("in your settings: %(limits)s"),
        later("for letters made from “%(name)s”: %(limits)s"),
    ),
    What.GIVEN: (
        later("app password"),
        later("app password %(label)s"),
        later("API token"),
        later("API token %(label)s"),
    ),
    What.SIGNED_OUT: (later("all"), later("all but one"), later("%(browser)s on %(system)s"), later("A browser")),
    What.SIGN_IN: (later("with a one-time link"), later("on the settings page")),
    What.MAILBOX_ADDED: (later("%(name)s at %(address)s"),),
    What.MAILBOX_REMOVED: (later("%(name)s at %(address)s"),),
    What.SENDING: (
        later("own mail: the usual way"),
        later("own mail: by %(address)s port %(port)s, %(tls)s"),
        later("own mail: by %(address)s port %(port)s, %(tls)s as %(name)s"),
        later("mail of everybody: the usual way"),
        later("mail of everybody: by %(address)s port %(port)s, %(tls)s"),
        later("mail of everybody: by %(address)s port %(port)s, %(tls)s as %(name)s"),
    ),
    What.INVITED: (later("%(address)s as %(role)s"),),
    What.ROLE: (
        later("%(address)s from %(former)s to %(role)s"),
        later("%(address)s from %(former)s to %(role)s, by %(who)s"),
    ),
    What.REMOVED: (later("%(address)s, by %(who)s"),),
    What.REPORTS: (
        later("figures of all people together: forbidden"),
        later("figures of all people together: allowed as sums"),
        later("figures of all people together: allowed by person"),
    ),
    "limits": tuple(LIMITS),
}
_VALUE = re.compile(r"%\((\w+)\)s")


def _pattern(form: str) -> re.Pattern[str]:
    parts = _VALUE.split(form)  # the words of the form, and between them the names of its values
    shapes = [f"(?P<{name}>{SHAPES.get(name, '.+')})" for name in parts[1::2]]
    return re.compile("".join(re.escape(part) + shape for part, shape in zip_longest(parts[::2], shapes, fillvalue="")))


@cache  # not at the start: where everybody reads English, nobody asks
def _patterns(kind: str) -> Sequence[tuple[str, re.Pattern[str]]]:
    return tuple((form, _pattern(form)) for form in (CHANGES.get(kind, ()) if kind else FORMS))


@lru_cache(maxsize=4096)
def read(words: str, kind: str = "") -> tuple[str, Mapping[str, str]] | None:
    """The form of a stored sentence and its values; None when it has no known form. kind: of a change."""
    for form, pattern in _patterns(kind):
        if found := pattern.fullmatch(words):
            return form, found.groupdict()
    return None


def reread(words: str, texts: Texts) -> str:
    """A stored sentence in a language."""
    if texts is ENGLISH or not words:
        return words
    if (found := read(words)) is None:
        return texts.one(words)
    form, values = found
    return texts.say(form, **{name: _value(name, value, texts) for name, value in values.items()})


def change(kind: str, words: str, texts: Texts) -> str:
    """What is told of a change, in a language. kind: one of `store.audit.What`."""
    if (found := read(words, kind)) is None:
        return words
    form, values = found
    return texts.say(LIMITS.get(form, form), **{name: _detail(name, value, texts) for name, value in values.items()})


def _detail(name: str, value: str, texts: Texts) -> str:
    match name:
        case "what":
            return reread(value, texts)
        case "limits":
            return "; ".join(change("limits", each, texts) for each in value.split(", "))
        case "limit" | "former_limit" if value == "unsaid":
            return texts.say("no limit")
        case "level" | "former" | "limit" | "former_limit" | "role" | "tls":
            return _words(texts).get(value, value)
        case "browser":
            return texts.say("A browser") if value == "A browser" else value
        case _:
            return value


def _words(texts: Texts) -> Mapping[str, str]:
    return {
        "owner": texts.say("Owner"),
        "admin": texts.say("Administrator"),
        "member": texts.say("Member"),
        "unsaid": texts.within("tracking", "not chosen"),
        "off": texts.within("tracking", "off"),
        "anonymous": texts.say("anonymous"),
        "pseudonymous": texts.say("pseudonymous"),
        "identified": texts.within("tracking", "by name only"),
        "full": texts.within("tracking", "on"),
        "none": texts.within("encryption", "none"),
        "starttls": "STARTTLS",
        "implicit": texts.within("encryption", "TLS"),
    }


def _value(name: str, value: str, texts: Texts) -> str:
    match name:
        case "number":
            return texts.decimal(float(value.replace(",", ""))) if "." in value else texts.number(int(value))
        case "day":
            day, month, year = value.split()
            return texts.day(date(int(year), ENGLISH.months_short.index(month) + 1, int(day)), short=True, year=True)
        case _:
            return reread(value, texts)
