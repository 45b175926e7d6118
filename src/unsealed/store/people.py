"""Who may use this installation: users, their addresses, and the passwords that they choose.

Promises that passwords are kept as argon2id, that a question about one user never answers with a row of another, and
that a user who was removed is nobody any more. Who may add, change and remove users stands in store.members; what else
proves who somebody is, in store.proofs.

Functions that write need a connection from `engine.begin()`; the others are content with `engine.reading`.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, or_, select, update

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.store.engine import insert
from unsealed.store.schema import identities, sessions, users

PASSWORD_LETTERS_MIN = 12
PASSWORD_BYTES_MAX = 1024
LABEL_LETTERS_MAX = 80
ADDRESS_LETTERS_MAX = 254  # RFC 5321 §4.5.3.1.3: a path has at most 256 octets, two of them are the brackets


# 46 MiB, two passes, one lane: about 60 ms, more memory than OWASP's minimum of 2025 (19 MiB, two passes, one lane).
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
# Hash of a forgotten random password with the same cost: an unknown user takes as long as a known one.
_NOBODY = "$argon2id$v=19$m=47104,t=2,p=1$1UBA95Ig8v0INSS59UCkSw$0KRjnxiWnGNgcFLRSYJmFdKwLlHO+7WShXHBMznxpzE"


class Role(StrEnum):
    """What somebody may do to others."""

    OWNER = "owner"  # whoever installed it, and whom they made one
    ADMIN = "admin"  # invites, changes and removes all but owners
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may use this installation."""

    id: UserId
    email: str  # sign-in name, lower case
    name: str
    role: Role
    has_password: bool


# -------------------------------------------------------------------------------------------------------- users


def clean_address(address: str) -> str:
    """The form in which an e-mail address is kept and compared: stripped, NFC, lower case.

    Raises:
        BadInput: not one address; says what is wrong with it.
    """
    cleaned = unicodedata.normalize("NFC", address.strip()).lower()
    if not cleaned:
        raise BadInput(later("an e-mail address is missing: it needs the form name@example.org"))
    local, at, domain = cleaned.rpartition("@")
    if not at or not local or not domain:
        raise BadInput(
            later("%(typed)s is not an e-mail address: it needs the form name@example.org"), typed=_quoted(cleaned)
        )
    if len(cleaned) > ADDRESS_LETTERS_MAX:
        raise BadInput(later("the e-mail address is longer than %(most)s characters"), most=str(ADDRESS_LETTERS_MAX))
    if "@" in local or any(
        letter.isspace() or not letter.isprintable() or letter in '<>()[],;:\\"' for letter in cleaned
    ):
        raise BadInput(
            later("%(typed)s is not one plain e-mail address: use the form name@example.org"), typed=_quoted(cleaned)
        )
    if domain.startswith(".") or domain.endswith(".") or ".." in domain:
        raise BadInput(
            later("%(typed)s is not an e-mail address: the part after @ is not a domain name"), typed=_quoted(cleaned)
        )
    return cleaned


def create_owner(connection: Connection, email: str, now: datetime) -> UserId:
    """Add the first user, who may send from `email`.

    Raises:
        BadInput: not an address.
        Refused: there is an owner already.
    """
    if owner(connection) is not None:
        raise Refused("this installation has an owner already")
    return add_user(connection, email, Role.OWNER, now)


def add_user(connection: Connection, email: str, role: str, now: datetime, password: str | None = None) -> UserId:
    """Add a user, who may send from `email`. role: one of `Role`. With a password it takes about 60 ms.

    Somebody who was removed gets the account with its mail and addresses back, without those that others use since.
    password: of any length: it is the operator's word, not a choice on a page.

    Raises:
        BadInput: not an address, taken already, or a password that is empty or far too long.
    """
    address = clean_address(email)
    if user_by_email(connection, address) is not None:
        raise BadInput(later("there is a user %(address)s already"), address=address)
    kept = {
        "role": Role(role),
        "password_hash": None if password is None else hash_password(password, at_least=1),
        "removed_at": None,
    }
    known = connection.execute(select(users.c.id).where(users.c.email == address)).scalar()
    if known is None:
        user = UserId(secrets.randbits(63))
        connection.execute(users.insert().values(id=user, email=address, created_at=now, **kept))
    else:
        user = UserId(known)
        used = select(identities.c.address).join(users, users.c.id == identities.c.user_id)
        used = used.where(users.c.removed_at.is_(None))
        connection.execute(delete(identities).where(identities.c.user_id == user, identities.c.address.in_(used)))
        connection.execute(update(users).where(users.c.id == user).values(**kept))
    add_identity(connection, user, address, now)
    return user


def owner(connection: Connection) -> User | None:
    """The owner, the first where there are several; None before the first start."""
    wanted = select(users).where(users.c.role == Role.OWNER, users.c.removed_at.is_(None))
    row = connection.execute(wanted.order_by(users.c.created_at, users.c.id).limit(1)).mappings().first()
    return None if row is None else user_of(row)


def user(connection: Connection, user: UserId) -> User | None:
    """Somebody by their id; None when they were removed, or never were."""
    wanted = select(users).where(users.c.id == user, users.c.removed_at.is_(None))
    row = connection.execute(wanted).mappings().first()
    return None if row is None else user_of(row)


def any_user(connection: Connection) -> bool:
    """Whether anybody has been added yet."""
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def user_by_email(connection: Connection, email: str) -> User | None:
    """The user with that sign-in name or address to send from; any spelling of case."""
    row = connection.execute(select(users).where(goes_by(email))).mappings().first()
    return None if row is None else user_of(row)


def rename(connection: Connection, user: UserId, address: str, now: datetime) -> None:
    """Give a user a new sign-in name and address to send from. The old address goes on working for both.

    Raises:
        BadInput: not an address.
        Refused: it belongs to another user.
    """
    email = add_identity(connection, user, address, now)
    connection.execute(update(users).where(users.c.id == user).values(email=email))


# ----------------------------------------------------------------------------------------------------- identities


def identities_of(connection: Connection, user: UserId) -> list[str]:
    """The addresses a user may send from, in alphabetical order."""
    rows = connection.execute(select(identities.c.address).where(identities.c.user_id == user))
    return sorted(rows.scalars())


def may_send_from(connection: Connection, user: UserId, address: str) -> bool:
    """Whether the address belongs to the user; any spelling of case."""
    wanted = (
        select(identities.c.address)
        .join(users, users.c.id == identities.c.user_id)
        .where(
            identities.c.user_id == user, identities.c.address == folded_address(address), users.c.removed_at.is_(None)
        )
    )
    return connection.execute(wanted).first() is not None


def add_identity(connection: Connection, user: UserId, address: str, now: datetime) -> str:
    """Let a user send from `address`; returns the form in which it is kept. Adding it twice changes nothing.

    That the address is theirs is the caller's word: store.identities has a proof.

    Raises:
        BadInput: not an address.
        Refused: it belongs to another user, whose mail it would pass itself off as.
    """
    cleaned = clean_address(address)
    if held_by_another(connection, user, cleaned):
        raise Refused(later("%(address)s belongs to another user of this installation"), address=cleaned)
    connection.execute(
        insert(identities, connection.dialect)
        .values(user_id=user, address=cleaned, created_at=now)
        .on_conflict_do_nothing()
    )
    return cleaned


def held_by_another(connection: Connection, user: UserId, address: str) -> bool:
    """Whether another user sends from that address, or signs in with it; any spelling of case."""
    return connection.execute(select(users.c.id).where(goes_by(address), users.c.id != user)).first() is not None


def remove_identity(connection: Connection, user: UserId, address: str) -> bool:
    """Take an address away from a user; False when the user had none such.

    Raises:
        Refused: it is the last one; without an address nothing could be sent.
    """
    cleaned = folded_address(address)
    held = identities_of(connection, user)
    if cleaned not in held:
        return False
    if len(held) == 1:
        raise Refused(later("this is your only address; add another one before you remove it"))
    connection.execute(delete(identities).where(identities.c.user_id == user, identities.c.address == cleaned))
    return True


# ------------------------------------------------------------------------------------------- passwords people choose


def hash_password(password: str, *, at_least: int = PASSWORD_LETTERS_MIN) -> str:
    """argon2id of a chosen password. About 60 ms and 46 MiB: never on an event loop.

    Raises:
        BadInput: fewer characters than `at_least`, or far too long.
    """
    plain = _password_bytes(password)
    if len(password) < at_least:
        raise BadInput(
            later("the password needs at least %(number)s characters; four words in a row do well"), number=at_least
        )
    if len(plain) > PASSWORD_BYTES_MAX:
        raise BadInput(later("the password is longer than %(most)s bytes"), most=str(PASSWORD_BYTES_MAX))

    return _HASHER.hash(plain)


def password_fits(stored: str | None, password: str) -> bool:
    """Whether the password is the one behind `stored`. As slow when there is none, so that time tells nothing."""
    plain = _password_bytes(password)[: PASSWORD_BYTES_MAX + 1]
    try:
        return _HASHER.verify(_NOBODY if stored is None else stored, plain) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def stored_password(connection: Connection, email: str) -> tuple[UserId, str] | None:
    """User and password hash for a sign-in name; None when there is no such user or no password was chosen yet."""
    row = connection.execute(select(users.c.id, users.c.password_hash).where(goes_by(email))).first()
    return None if row is None or row.password_hash is None else (UserId(row.id), row.password_hash)


def set_password_hash(connection: Connection, user: UserId, password_hash: str) -> None:
    """Keep a result of `hash_password`, and sign the user out everywhere: a stolen session must not outlive it."""
    connection.execute(update(users).where(users.c.id == user).values(password_hash=password_hash))
    connection.execute(delete(sessions).where(sessions.c.user_id == user))


# -------------------------------------------------------------------------------------------------------- private


def user_of(row: RowMapping) -> User:
    """A row of `users` as a value."""
    return User(
        id=UserId(row["id"]),
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        has_password=row["password_hash"] is not None,
    )


def goes_by(email: str) -> ColumnElement[bool]:
    """A user signs in with any of the own addresses: nobody remembers which one was the first."""
    address = folded_address(email)
    return and_(
        users.c.removed_at.is_(None),
        or_(
            users.c.email == address,
            users.c.id.in_(select(identities.c.user_id).where(identities.c.address == address)),
        ),
    )


def storable(value: str) -> str:
    """What a database takes: PostgreSQL refuses NUL, both drivers refuse lone surrogates. Matches nothing then."""
    return "".join(letter for letter in value if letter != "\0" and not "\ud800" <= letter <= "\udfff")


def folded_address(address: str) -> str:
    """An address as it is compared, also where it is none."""
    return storable(unicodedata.normalize("NFC", address.strip()).lower())


def one_line(words: str) -> str:
    """Words as one short printable line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return " ".join(printable.split())[:LABEL_LETTERS_MAX]


def _password_bytes(password: str) -> bytes:
    # The same word typed on two systems may arrive composed or decomposed.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _quoted(address: str) -> str:
    return f"“{address[:80]}”"
