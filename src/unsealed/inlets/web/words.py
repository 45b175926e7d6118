"""Pieces of sentences that every page uses: texts of strangers made harmless, names, numbers, reasons. Pure functions
in the language of `Texts`, called by the templates too. States, moments and evidence have modules of their own.
"""

from __future__ import annotations

import re
import unicodedata

from unsealed.core.instrument import UNCHANGED_REASONS
from unsealed.core.links import LEFT_REASONS
from unsealed.model.message import AddressKind
from unsealed.model.texts import Texts, later

JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # part of emoji and of several scripts; turn no direction
KINDS = {AddressKind.TO: later("To"), AddressKind.CC: later("Cc"), AddressKind.BCC: later("Bcc")}


def visible(text: str) -> str:
    """Text of strangers for a page: control and direction-changing characters become codes such as ‹U+202E›."""
    if text.isprintable():
        return text
    return "".join(_code(each) if unicodedata.category(each) in ("Cc", "Cf") else each for each in text)


def _code(letter: str) -> str:
    return letter if letter in JOINERS else f"‹U+{ord(letter):04X}›"


def sentence(text: str) -> str:
    """With a capital first letter; an address in front keeps its own."""
    return text if "@" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def shortened(text: str, most: int = 48) -> str:
    """Text on one line, cut with "…" behind `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def someone(name: str, address: str, among: int, texts: Texts) -> str:
    """A recipient: name, or else address; "someone (one of 4)" for a copy that `among` people share."""
    if name or address:
        return name or address
    return texts.say("someone (one of %(number)s)", number=among) if among > 1 else texts.say("someone")


def bare(address: str) -> str:
    """An address without the part that says nothing: "tidewater.example/visit"."""
    return re.sub(r"^https?://(www\.)?", "", address)


def size(count: int, texts: Texts) -> str:
    """ "812 bytes", "49.9 kB", "3.2 MB"."""
    if count < 1_000:
        return texts.plural("%(number)s byte", "%(number)s bytes", count)
    return f"{texts.decimal(count / 1_000)} kB" if count < 1_000_000 else f"{texts.decimal(count / 1_000_000)} MB"


def counted(number: int, most: int, texts: Texts) -> str:
    """ "12", "1,000+"."""
    return f"{texts.number(most)}+" if number > most else texts.number(number)


def ordinal(number: int, texts: Texts) -> str:
    """ "2nd", "11th". Each of the four is for other languages to write as they do."""
    if number % 10 in (1, 2, 3) and number % 100 not in (11, 12, 13):
        endings = {1: later("%(number)sst"), 2: later("%(number)snd"), 3: later("%(number)srd")}
        return texts.say(endings[number % 10], number=number)
    return texts.say("%(number)sth", number=number)


def times(number: int, texts: Texts) -> str:
    """ "once", "twice", "3 times"."""
    if number == 2:
        return texts.say("twice")
    return texts.plural("once", "%(number)s times", number)


def left_reason(code: str, texts: Texts) -> str:
    """Why a link was left alone."""
    return texts.one(LEFT_REASONS.get(code, code))


def unchanged_reason(code: str, texts: Texts) -> str:
    """Why a message went out as it came."""
    return texts.one(UNCHANGED_REASONS.get(code, code))
