"""The addresses a user sends from: proven by a code that was mailed there, with a name and a signature.

Promises that nobody sends from an address whose mail they cannot read, and that only who can read it learns that
another user has it. A code holds 6 figures, lives 15 minutes and is tried 5 times at most; for one address there are 3
an hour, for one user 10, so that a guesser needs years and nobody can be flooded with letters. Only SHA-256 of codes is
kept, which hides little: who reads the store reads the letters too. Functions that write need a connection from
`engine.begin()`.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, delete, func, select, update

from unsealed.model.draft import Identity
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.store import audit, people
from unsealed.store.schema import address_codes, identities, users

CODE_LIFE = timedelta(minutes=15)
TRIES = 5
HOUR = timedelta(hours=1)
CODES_OF_ADDRESS = 3  # within an hour
CODES_OF_USER = 10
CODES_KEPT = timedelta(days=1)
NAME_LETTERS = 80
SIGNATURE_LETTERS = 2_000
# Joiners and the marks that turn no text round: several scripts cannot be written without them.
_HARMLESS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An address to which a code went that was not entered yet."""

    address: str
    tries_left: int  # 0: used up, or too old


class Proof(StrEnum):
    """What came of entering a code."""

    PROVEN = "proven"  # mail may be sent from it now
    WRONG = "wrong"
    NONE = "none"  # no code, or it is too old or tried too often
    TAKEN = "taken"  # right, and the address belongs to another user


def list_for(connection: Connection, user: UserId) -> list[Identity]:
    """The addresses of a user, in alphabetical order."""
    rows = connection.execute(select(identities).where(identities.c.user_id == user)).mappings()
    found = (Identity(address=row["address"], name=row["name"], signature=row["signature"]) for row in rows)
    return sorted(found, key=lambda each: each.address)


def holder(connection: Connection, address: str) -> UserId | None:
    """Whose an address is, proven; None: nobody's here."""
    of = select(identities.c.user_id).join(users, users.c.id == identities.c.user_id)
    mine = of.where(identities.c.address == people.folded_address(address), users.c.removed_at.is_(None))
    found = connection.execute(mine).scalar_one_or_none()
    return None if found is None else UserId(found)


def clean_name(words: str) -> str:
    """A name as it may stand in a header: one printable line.

    Raises:
        BadInput: too long.
    """
    if len(words) > NAME_LETTERS:
        raise BadInput(later("the name is longer than %(number)s characters"), number=NAME_LETTERS)
    return people.one_line(words)


def clean_signature(words: str) -> str:
    """A signature with LF line ends and without what is no text.

    Raises:
        BadInput: too long.
    """
    lines = words.replace("\r\n", "\n").replace("\r", "\n")
    if len(lines) > SIGNATURE_LETTERS:
        raise BadInput(later("the signature is longer than %(number)s characters"), number=SIGNATURE_LETTERS)
    kept = (each for each in lines if each in "\n\t" or each.isprintable() or each in _HARMLESS)
    return "".join(kept).rstrip()


def describe(connection: Connection, user: UserId, address: str, *, name: str, signature: str) -> bool:
    """Keep what stands beside an address of this user; False: it is not theirs. Both come cleaned."""
    changed = (
        update(identities)
        .where(identities.c.user_id == user, identities.c.address == people.folded_address(address))
        .values(name=name, signature=signature)
    )
    return connection.execute(changed).rowcount == 1


def remove(connection: Connection, user: UserId, address: str, now: datetime) -> bool:
    """Take an address away from a user, or give up proving it; False: neither was under way.

    Raises:
        Refused: it is the last one.
    """
    cleaned = people.folded_address(address)
    c = address_codes.c
    codes = update(address_codes).where(c.user_id == user, c.address == cleaned, c.ended_at.is_(None))
    given_up = connection.execute(codes.values(ended_at=now)).rowcount > 0
    removed = people.remove_identity(connection, user, cleaned)
    if removed:
        audit.note(connection, user, audit.What.ADDRESS_REMOVED, cleaned, now)
    return removed or given_up


def new_code(connection: Connection, user: UserId, address: str, now: datetime) -> tuple[str, str]:
    """The address in the form in which it is kept, and a code to mail there; earlier ones of this user end.

    Raises:
        BadInput: not an address, or one that the user has.
        Refused: too many codes within an hour.
    """
    cleaned = people.clean_address(address)
    if people.may_send_from(connection, user, cleaned):
        raise BadInput(later("you send from %(address)s already"), address=cleaned)
    c = address_codes.c
    connection.execute(delete(address_codes).where(c.created_at < now - CODES_KEPT))
    lately = select(func.count()).select_from(address_codes).where(c.created_at > now - HOUR)
    if connection.execute(lately.where(c.user_id == user)).scalar_one() >= CODES_OF_USER:
        raise Refused(later("you asked for many codes within an hour; wait an hour, then try again"))
    if connection.execute(lately.where(c.address == cleaned)).scalar_one() >= CODES_OF_ADDRESS:
        words = later("%(number)s codes went to %(address)s within an hour; wait an hour, then try again")
        raise Refused(words, number=CODES_OF_ADDRESS, address=cleaned)
    code = f"{secrets.randbelow(10**6):06}"
    mine = update(address_codes).where(c.user_id == user, c.address == cleaned, c.ended_at.is_(None))
    connection.execute(mine.values(ended_at=now))
    connection.execute(
        address_codes.insert().values(
            user_id=user,
            address=cleaned,
            hash=_hash(cleaned, code),
            created_at=now,
            expires_at=now + CODE_LIFE,
        )
    )
    return cleaned, code


def waiting(connection: Connection, user: UserId, now: datetime) -> list[Waiting]:
    """The addresses to which codes went within a day that were not entered, in alphabetical order."""
    c = address_codes.c
    wanted = select(address_codes).where(c.user_id == user, c.ended_at.is_(None), c.created_at > now - CODES_KEPT)
    rows = connection.execute(wanted.order_by(c.address)).mappings()
    return [Waiting(address=row["address"], tries_left=_tries_left(row, now)) for row in rows]


def enter_code(connection: Connection, user: UserId, address: str, code: str, now: datetime) -> Proof:
    """Try a code; the try counts whatever comes of it, so commit it. Spaces and hyphens in the code do not matter."""
    c = address_codes.c
    cleaned = people.folded_address(address)
    tried = (
        update(address_codes)
        .where(c.user_id == user, c.address == cleaned, c.ended_at.is_(None), c.expires_at > now, c.tries < TRIES)
        .values(tries=c.tries + 1)
        .returning(c.id, c.hash)
    )
    found = connection.execute(tried).first()
    if found is None:
        return Proof.NONE
    typed = "".join(letter for letter in code[:64] if letter not in " -\t")
    if not hmac.compare_digest(found.hash, _hash(cleaned, typed)):
        return Proof.WRONG
    connection.execute(update(address_codes).where(c.id == found.id).values(ended_at=now))
    try:
        people.add_identity(connection, user, cleaned, now)
    except Refused:
        return Proof.TAKEN
    audit.note(connection, user, audit.What.ADDRESS_ADDED, cleaned, now)
    return Proof.PROVEN


def _tries_left(row: RowMapping, now: datetime) -> int:
    return max(0, TRIES - row["tries"]) if row["expires_at"] > now else 0


def _hash(address: str, code: str) -> str:
    return sha256(f"{address} {code}".encode("utf-8", "surrogatepass")).hexdigest()
