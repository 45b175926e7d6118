"""Notes on a contact, and where it stands in other systems: names such as "CRM" with a number there, or a link to it.

Promises that what `link` gives may stand in an href: http or https, with a host, and nothing that hides where it leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from unsealed.core.token import safe_destination
from unsealed.model.texts import Texts

RECORDS = 10
NAME_LETTERS = 40
VALUE_LETTERS = 500
NOTES_LETTERS = 10_000

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_NUMBERED = re.compile(r"[A-Za-z]{1,10}:[0-9]")  # "deal:4471" is an id, and no browser knows such a scheme


def link(value: str) -> str:
    """The value as an address to follow; "" when it is an id."""
    return value if value.isprintable() and safe_destination(value) else ""


def clean_notes(typed: str) -> str:
    """Notes as they are kept."""
    return typed.replace("\r\n", "\n").replace("\0", "").strip()


def refused(name: str, value: str, texts: Texts) -> str:
    """Why a record cannot be kept, for people; "" when it can."""
    if not name:
        return texts.say("Say which system it is, such as CRM.")
    if not value:
        return texts.say("Give the number there, or the address of its page.")
    if len(name) > NAME_LETTERS:
        return texts.say("A name has at most %(number)s letters.", number=NAME_LETTERS)
    if len(value) > VALUE_LETTERS:
        return texts.say("A number or an address has at most %(number)s letters.", number=VALUE_LETTERS)
    if not (name + value).isprintable():
        return texts.say("It holds a letter that cannot be seen.")
    if ((_SCHEME.match(value) and not _NUMBERED.match(value)) or value.startswith("//")) and not link(value):
        return texts.say("An address begins with https:// or http://, and names a host.")
    return ""


def read(pairs: Iterable[tuple[str, str]], texts: Texts) -> tuple[dict[str, str], dict[int, str]]:
    """What was typed as records -> those that can be kept, and what is wrong by the number of the pair. Pairs with two
    empty halves are passed over; of two with one name, the second is wrong."""
    kept: dict[str, str] = {}
    wrong: dict[int, str] = {}
    for number, (typed_name, typed_value) in enumerate(pairs):
        name, value = typed_name.strip(), typed_value.strip()
        if not name and not value:
            continue
        if words := refused(name, value, texts):
            wrong[number] = words
        elif name in kept:
            wrong[number] = texts.say("This name stands twice.")
        elif len(kept) == RECORDS:
            wrong[number] = texts.say("There are at most %(number)s.", number=RECORDS)
        else:
            kept[name] = value
    return kept, wrong
