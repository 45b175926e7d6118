"""Templates as people handle them: what may be kept, who may change it, and a letter made for one contact.

Promises that what is kept is safe to send and to show: its HTML is cleaned the way a letter is that is put into another
one. Promises that a template that others use is changed by its maker, an administrator or the owner alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from unsealed.core import clean, compose
from unsealed.core.html import tags
from unsealed.core.template import fill, names, prefill, values_of
from unsealed.flow import policy
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import AddressKind, Recipient, UserId
from unsealed.model.policy import Place, Switches
from unsealed.model.template import Content, Filled, TemplateId, TemplateRow, TemplateVersion
from unsealed.model.texts import Phrase, later
from unsealed.store import contacts, identities, people, templates

NAME_LETTERS = 80
SUBJECT_LETTERS = 250
HTML_LETTERS = 300_000  # mail programs cut letters at about 100,000 bytes, with a "show all"
TEXT_LETTERS = 100_000

_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?]*\?=", re.IGNORECASE)  # RFC 2047 §2
_UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# What is always around a letter, and means nothing inside of one.
_AROUND = frozenset("html head body meta title tbody".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A template as it was typed, looked at."""

    name: str
    content: Content  # cleaned; what is kept when nothing is wrong
    placeholders: tuple[str, ...] = ()
    wrong: Mapping[str, BadInput]  # by field, what is wrong with it
    left_out: tuple[str, ...] = ()  # elements that a letter cannot hold


def read(*, name: str, subject: str, html: str, text: str = "") -> Written:
    """Look at what was typed. Costs CPU in proportion to its size."""
    wrong: dict[str, BadInput] = {}
    content = Content(
        subject=_checked(wrong, "subject", subject.strip(), _subject),
        html=_checked(wrong, "html", html, _html),
        text=_checked(wrong, "text", text, _text),
    )
    if not (content.html.strip() or content.text.strip() or wrong):
        wrong["html"] = BadInput(later("a template holds a letter; write it, or paste its HTML"))
    return Written(
        name=_checked(wrong, "name", name.strip(), _name),
        content=content,
        placeholders=() if wrong else names(content),
        wrong=wrong,
        left_out=() if wrong else _left_out(html, content.html),
    )


def create(connection: Connection, user: UserId, written: Written, now: datetime) -> TemplateId:
    """Keep a new template.

    Raises:
        BadInput: something is wrong with it; says what.
        Refused: no room for more.
    """
    _nothing_wrong(written)
    return templates.add(connection, user, written.name, written.content, now)


def change(
    connection: Connection, user: UserId, row: TemplateRow, written: Written, now: datetime, based_on: int | None = None
) -> int | None:
    """Keep other words as a new version, and another name; the number of the newest version then, which is the same
    when only the name is another. None, and nothing kept, when `based_on` is not the newest any more.

    Raises:
        BadInput: something is wrong with it; says what.
        Refused: not this user's to change.
    """
    _nothing_wrong(written)
    _may(connection, user, row)
    if based_on is not None and based_on != row.version:
        return None
    number: int | None = row.version
    newest = templates.version(connection, row.id, row.version)
    if newest is None or newest.content != written.content:
        number = templates.change(connection, row.id, written.content, by=user, now=now, based_on=based_on)
    if number is not None and written.name != row.name:
        templates.rename(connection, row.id, written.name, now)
    return number


def take_back(connection: Connection, user: UserId, row: TemplateRow, number: int, now: datetime) -> int | None:
    """Make the words of an old version the newest one; its number, None when there is no such version.

    Raises:
        Refused: not this user's to change.
    """
    _may(connection, user, row)
    old = templates.version(connection, row.id, number)
    return None if old is None else templates.change(connection, row.id, old.content, by=user, now=now)


def share(connection: Connection, user: UserId, row: TemplateRow, shared: bool) -> None:
    """Let everybody here use a template, or its maker alone.

    Raises:
        Refused: not this user's to change.
    """
    _may(connection, user, row)
    templates.share(connection, row.id, shared)


def offer(connection: Connection, user: UserId, row: TemplateRow, offered: bool, now: datetime) -> None:
    """Offer a template again, or not any more; its versions stay.

    Raises:
        Refused: not this user's to change.
    """
    _may(connection, user, row)
    templates.offer(connection, row.id, offered, now)


def keep_tracking(
    connection: Connection, user: UserId, row: TemplateRow, place: Place, switches: Switches, now: datetime
) -> bool:
    """Keep what a template says about the tracking of letters made from it; False when it was said already.

    Raises:
        AboveCeiling: more than is allowed for everybody here; the words name the rule.
        Refused: not this user's to change.
    """
    _may(connection, user, row)
    return policy.keep_template(connection, user, place, switches, now)


def may_change(connection: Connection, user: UserId, row: TemplateRow) -> bool:
    """Whether a user may change a template that they see."""
    if row.user == user:
        return True
    found = people.user(connection, user)
    return row.shared and found is not None and found.role is not people.Role.MEMBER


def made(
    connection: Connection,
    user: UserId,
    template: TemplateId,
    *,
    contact: str = "",
    sender: str = "",
    values: Mapping[str, str] | None = None,
    whole: bool = True,
) -> tuple[TemplateVersion, Filled] | None:
    """A letter made from the newest version; None where the user is offered no such template.

    contact: address of whom it is for, or `Name <address>`. sender: address it is sent from, else that of the user.
    values: go before what is known. whole: nothing is filled when anything is missing; else what is known is.

    Raises:
        BadInput: a value cannot stand where it is asked for.
    """
    row = templates.find(connection, user, template)
    newest = None if row is None or row.removed else templates.version(connection, template, row.version)
    if newest is None:
        return None
    known = known_values(connection, user, contact, sender) | dict(values or {})
    return newest, (fill if whole else prefill)(newest.content, known)


def known_values(connection: Connection, user: UserId, contact: str, sender: str = "") -> dict[str, str]:
    """What a template can say about a contact and the sender, by the name of its placeholder."""
    own = identities.list_for(connection, user)
    found = people.user(connection, user)
    address = people.folded_address(sender) or (found.email if found else "")
    mine = next((each for each in own if each.address == address), None)
    name = (mine.name if mine else "") or (found.name if found else "")
    return values_of(_whom(connection, user, contact), sender_name=name, sender_email=address)


def _whom(connection: Connection, user: UserId, typed: str) -> Recipient | None:
    """A name that was typed goes before the one that is remembered."""
    try:
        whom = next(iter(compose.recipients(typed, AddressKind.TO)), None)
    except BadInput:
        whom = Recipient(address=typed)
    return whom if whom is None or whom.name else contacts.find(connection, user, whom.address) or whom


def _may(connection: Connection, user: UserId, row: TemplateRow) -> None:
    if not may_change(connection, user, row):
        raise Refused(later("this template belongs to %(who)s; they and administrators may change it"), who=row.owner)


def _nothing_wrong(written: Written) -> None:
    for field, error in written.wrong.items():
        raise BadInput("%(field)s: %(why)s", field=field, why=error)


def _checked(wrong: dict[str, BadInput], field: str, typed: str, check: Callable[[str], str]) -> str:
    try:
        return check(typed)
    except BadInput as error:
        wrong[field] = error
        return typed


def _name(typed: str) -> str:
    if not typed:
        raise BadInput(later("a template needs a name by which you find it again"))
    return compose.line(typed, later("the name"), NAME_LETTERS)


def _subject(typed: str) -> str:
    line = compose.line(typed, later("the subject"), SUBJECT_LETTERS)
    if _ENCODED_WORD.search(line):
        raise BadInput(later("the subject is written in the code of mail headers; type it the way it is to be read"))
    names(Content(subject=line, html=""))
    return line


def _html(typed: str) -> str:
    text = _readable(typed, later("the letter"), HTML_LETTERS)
    names(Content(subject="", html=text))  # before anything is taken out: what is refused is said, not lost
    return clean.from_letter(text, _picture)


def _text(typed: str) -> str:
    text = _readable(typed, later("the text"), TEXT_LETTERS)
    names(Content(subject="", html="", text=text))
    return text


def _readable(typed: str, what: str, most: int) -> str:
    if len(typed) > most:
        raise BadInput(
            later("%(what)s has %(number)s characters, and %(most)s at most; make it shorter"),
            what=Phrase(what),
            number=len(typed),
            most=most,
        )
    text = typed.replace("\r\n", "\n").replace("\r", "\n")
    if odd := _UNUSABLE.search(text):
        raise BadInput(
            later("%(what)s holds a character that is no text (%(code)s); take it out"),
            what=Phrase(what),
            code=f"U+{ord(odd[0]):04X}",
        )
    return text


def _picture(address: str) -> str | None:
    return address if clean.is_web(address) or address.lstrip().startswith("{{") else None


def _left_out(typed: str, kept: str) -> tuple[str, ...]:
    there = {name for _, _, name, _ in tags(kept)}
    gone = {name for _, _, name, _ in tags(typed) if not name.startswith("/")} - there - _AROUND
    return tuple(sorted(name for name in gone if name.isalnum()))
