"""Who may use this installation, and how they prove it: users, addresses, passwords, tokens, links, sessions.

Promises that no secret can be read back: app passwords, API tokens, one-time links and session cookies hold at least
128 random bits and only their SHA-256 is kept; passwords that people choose are kept as argon2id. Promises that a
question about one user never answers with a row of another, and that a user who was removed proves nothing any more.
Does not throttle and does not know HTTP or SMTP. Who may add, change and remove users stands in store.members.

Written forms, shown once:
    app password   us-<id>-<secret>         id 10 letters, secret 28 letters (140 bit)
    API token      unsealed_<id>_<secret>   id 10 letters, secret 52 letters (260 bit)
    sign-in link and session cookie         43 letters of base64url (256 bit)
The letters of the first two are lower case and figures without the look-alikes i, l, o, 0 and 1.

Functions that write need a connection from `engine.begin()`; the others are content with `engine.reading`.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, or_, select, update

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.store import own
from unsealed.store.engine import insert
from unsealed.store.schema import credentials, identities, login_links, sessions, users

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # 31: 4.95 bit each
ID_LETTERS = 10
APP_SECRET_LETTERS = 28
API_SECRET_LETTERS = 52
APP_PREFIX = "us-"
API_PREFIX = "unsealed_"

PASSWORD_LETTERS_MIN = 12
PASSWORD_BYTES_MAX = 1024
LABEL_LETTERS_MAX = 80
ADDRESS_LETTERS_MAX = 254  # RFC 5321 §4.5.3.1.3: a path has at most 256 octets, two of them are the brackets

LINK_LIFE = timedelta(days=1)
INVITATION_LIFE = timedelta(days=7)
SESSION_LIFE = timedelta(days=30)  # without being used
NOTE_EVERY = timedelta(minutes=1)  # how often "last used" is written at most

# 46 MiB, two passes, one lane: about 60 ms, more memory than OWASP's minimum of 2025 (19 MiB, two passes, one lane).
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
# Hash of a forgotten random password with the same cost: an unknown user takes as long as a known one.
_NOBODY = "$argon2id$v=19$m=47104,t=2,p=1$1UBA95Ig8v0INSS59UCkSw$0KRjnxiWnGNgcFLRSYJmFdKwLlHO+7WShXHBMznxpzE"

_SESSION_COLUMNS = (
    sessions.c.hash,
    sessions.c.csrf,
    sessions.c.address,
    sessions.c.user_agent,
    sessions.c.created_at.label("session_created_at"),
    sessions.c.seen_at,
    sessions.c.expires_at,
    users,
)


class Role(StrEnum):
    OWNER = "owner"  # whoever installed it, and whom they made one
    ADMIN = "admin"  # invites, changes and removes all but owners
    MEMBER = "member"


class CredentialKind(StrEnum):
    SMTP = "smtp"  # app password
    API = "api"  # bearer token


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: UserId
    email: str  # sign-in name, lower case
    name: str
    role: Role
    has_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An app password or API token, without its secret."""

    id: str
    user: UserId
    kind: CredentialKind
    label: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser."""

    hash: str = field(repr=False)
    user: User
    csrf: str = field(repr=False)
    address: str  # last seen from
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """What forms call it: proves nothing."""
        return self.hash[:16]


# -------------------------------------------------------------------------------------------------------- users


def clean_address(address: str) -> str:
    """The form in which an e-mail address is kept and compared: stripped, NFC, lower case.

    Raises:
        BadInput: not one address; says what is wrong with it.
    """
    cleaned = unicodedata.normalize("NFC", address.strip()).lower()
    local, at, domain = cleaned.rpartition("@")
    if not at or not local or not domain:
        raise BadInput(f"{_quoted(cleaned)} is not an e-mail address: it needs the form name@example.org")
    if len(cleaned) > ADDRESS_LETTERS_MAX:
        raise BadInput(f"the e-mail address is longer than {ADDRESS_LETTERS_MAX} characters")
    if "@" in local or any(
        letter.isspace() or not letter.isprintable() or letter in '<>()[],;:\\"' for letter in cleaned
    ):
        raise BadInput(f"{_quoted(cleaned)} is not one plain e-mail address: use the form name@example.org")
    if domain.startswith(".") or domain.endswith(".") or ".." in domain:
        raise BadInput(f"{_quoted(cleaned)} is not an e-mail address: the part after @ is not a domain name")
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
        raise BadInput(f"there is a user {address} already")
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
    wanted = select(users).where(users.c.id == user, users.c.removed_at.is_(None))
    row = connection.execute(wanted).mappings().first()
    return None if row is None else user_of(row)


def any_user(connection: Connection) -> bool:
    """Whether anybody has been added yet."""
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def user_by_email(connection: Connection, email: str) -> User | None:
    """The user with that sign-in name or address to send from; any spelling of case."""
    row = connection.execute(select(users).where(_goes_by(email))).mappings().first()
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
        raise Refused(f"{cleaned} belongs to another user of this installation")
    connection.execute(
        insert(identities, connection.dialect)
        .values(user_id=user, address=cleaned, created_at=now)
        .on_conflict_do_nothing()
    )
    return cleaned


def held_by_another(connection: Connection, user: UserId, address: str) -> bool:
    """Whether another user sends from that address, or signs in with it; any spelling of case."""
    return connection.execute(select(users.c.id).where(_goes_by(address), users.c.id != user)).first() is not None


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
        raise Refused("this is your only address; add another one before you remove it")
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
        raise BadInput(f"the password needs at least {at_least} characters; four words in a row do well")
    if len(plain) > PASSWORD_BYTES_MAX:
        raise BadInput(f"the password is longer than {PASSWORD_BYTES_MAX} bytes")
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
    row = connection.execute(select(users.c.id, users.c.password_hash).where(_goes_by(email))).first()
    return None if row is None or row.password_hash is None else (UserId(row.id), row.password_hash)


def set_password_hash(connection: Connection, user: UserId, password_hash: str) -> None:
    """Keep a result of `hash_password`, and sign the user out everywhere: a stolen session must not outlive it."""
    connection.execute(update(users).where(users.c.id == user).values(password_hash=password_hash))
    connection.execute(delete(sessions).where(sessions.c.user_id == user))


# ------------------------------------------------------------------------------------- app passwords and API tokens


def new_app_password(connection: Connection, user: UserId, label: str, now: datetime) -> str:
    """Make an SMTP password; this is the only time it can be seen."""
    key, secret = _letters(ID_LETTERS), _letters(APP_SECRET_LETTERS)
    _keep_credential(connection, key, secret, user, CredentialKind.SMTP, label, now)
    return f"{APP_PREFIX}{key}-{secret}"


def new_api_token(connection: Connection, user: UserId, label: str, now: datetime) -> str:
    """Make an API token; this is the only time it can be seen."""
    key, secret = _letters(ID_LETTERS), _letters(API_SECRET_LETTERS)
    _keep_credential(connection, key, secret, user, CredentialKind.API, label, now)
    return f"{API_PREFIX}{key}_{secret}"


def check_app_password(connection: Connection, email: str, password: str, now: datetime) -> UserId | None:
    """The user who goes by `email` and made this app password. Writes "last used", at most once a minute."""
    key, _, secret = password.strip().removeprefix(APP_PREFIX).partition("-")
    found = _credential(connection, key, secret, CredentialKind.SMTP)
    if found is None:
        return None
    if connection.execute(select(users.c.id).where(_goes_by(email), users.c.id == found.user)).first() is None:
        return None
    note_use(connection, found, now)
    return found.user


def check_api_token(connection: Connection, token: str) -> Credential | None:
    """The token's row, or None. Reads only; call `note_use` with the result on a writing connection."""
    if not token.startswith(API_PREFIX):
        return None
    key, _, secret = token.removeprefix(API_PREFIX).partition("_")
    return _credential(connection, key, secret, CredentialKind.API)


def use_is_stale(credential: Credential, now: datetime) -> bool:
    """Whether "last used" is old enough to be written again."""
    return credential.used_at is None or now - credential.used_at >= NOTE_EVERY


def note_use(connection: Connection, credential: Credential, now: datetime) -> None:
    """Write "last used", at most once a minute."""
    if use_is_stale(credential, now):
        connection.execute(update(credentials).where(credentials.c.id == credential.id).values(used_at=now))


def credentials_of(connection: Connection, user: UserId, kind: CredentialKind) -> list[Credential]:
    """A user's app passwords or API tokens, oldest first."""
    wanted = select(credentials).where(credentials.c.user_id == user, credentials.c.kind == kind)
    rows = connection.execute(wanted.order_by(credentials.c.created_at, credentials.c.id)).mappings()
    return [_as_credential(row) for row in rows]


def revoke_credential(connection: Connection, user: UserId, key: str) -> str | None:
    """Delete an app password or API token of this user; it stops working with the commit. Its label, or None when
    this user has none such."""
    gone = delete(credentials).where(credentials.c.id == _text(key), credentials.c.user_id == user)
    label: str | None = connection.execute(gone.returning(credentials.c.label)).scalar_one_or_none()
    return label


# ------------------------------------------------------------------------------------------------ one-time links


def new_login_link(connection: Connection, user: UserId, now: datetime, life: timedelta = LINK_LIFE) -> str:
    """The secret part of a sign-in link that works once, within its life. The user's earlier unused links die."""
    secret = secrets.token_urlsafe(32)
    connection.execute(delete(login_links).where(login_links.c.user_id == user, login_links.c.used_at.is_(None)))
    connection.execute(
        login_links.insert().values(hash=_sha256(secret), user_id=user, created_at=now, expires_at=now + life)
    )
    return secret


def login_link_user(connection: Connection, secret: str, now: datetime) -> User | None:
    """Whom the link would sign in; looking does not use it up."""
    wanted = (
        select(users)
        .join(login_links, login_links.c.user_id == users.c.id)
        .where(login_links.c.hash == _sha256(secret), login_links.c.used_at.is_(None), login_links.c.expires_at > now)
        .where(users.c.removed_at.is_(None))
    )
    row = connection.execute(wanted).mappings().first()
    return None if row is None else user_of(row)


def use_login_link(connection: Connection, secret: str, now: datetime) -> UserId | None:
    """Use the link up: the user it signs in, or None when it is unknown, expired or used. Of two at once one wins."""
    link = login_links.c
    used = connection.execute(
        update(login_links)
        .where(link.hash == _sha256(secret), link.used_at.is_(None), link.expires_at > now)
        .values(used_at=now)
        .returning(link.user_id)
    ).scalar_one_or_none()
    return None if used is None else UserId(used)


# ------------------------------------------------------------------------------------------------------- sessions


def new_session(connection: Connection, user: UserId, address: str, user_agent: str, now: datetime) -> tuple[str, str]:
    """Sign a browser in: the cookie's value and the token that its forms must carry."""
    cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    connection.execute(
        sessions.insert().values(
            hash=_sha256(cookie),
            user_id=user,
            csrf=csrf,
            address=address,
            user_agent=user_agent,
            created_at=now,
            seen_at=now,
            expires_at=now + SESSION_LIFE,
        )
    )
    own.touch_address(connection, user, address, now)
    return cookie, csrf


def session(connection: Connection, cookie: str, now: datetime) -> Session | None:
    """The live session behind a cookie. Reads only; see `session_is_stale` and `note_session`."""
    wanted = (
        select(*_SESSION_COLUMNS)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.hash == _sha256(cookie), sessions.c.expires_at > now, users.c.removed_at.is_(None))
    )
    row = connection.execute(wanted).mappings().first()
    return None if row is None else _session(row)


def session_is_stale(session: Session, now: datetime) -> bool:
    """Whether `note_session` is due: at most once a minute."""
    return now - session.seen_at >= NOTE_EVERY


def note_session(connection: Connection, session: Session, address: str, user_agent: str, now: datetime) -> None:
    """Write from where the browser was seen last, and push the expiry."""
    connection.execute(
        update(sessions)
        .where(sessions.c.hash == session.hash)
        .values(address=address, user_agent=user_agent, seen_at=now, expires_at=now + SESSION_LIFE)
    )
    own.touch_address(connection, session.user.id, address, now)


def sessions_of(connection: Connection, user: UserId, now: datetime) -> list[Session]:
    """A user's live sessions, the latest seen first."""
    wanted = (
        select(*_SESSION_COLUMNS)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.user_id == user, sessions.c.expires_at > now)
        .order_by(sessions.c.seen_at.desc(), sessions.c.hash)
    )
    return [_session(row) for row in connection.execute(wanted).mappings()]


def end_session(connection: Connection, session: Session) -> None:
    """Sign out: the cookie is worth nothing from the commit on."""
    connection.execute(delete(sessions).where(sessions.c.hash == session.hash))


def session_by_id(connection: Connection, user: UserId, id: str, now: datetime) -> Session | None:
    """A live session of that user, or None."""
    return next((each for each in sessions_of(connection, user, now) if each.id == id), None)


def end_other_sessions(connection: Connection, session: Session) -> int:
    """Sign the user out in every other browser; how many there were."""
    others = delete(sessions).where(sessions.c.user_id == session.user.id, sessions.c.hash != session.hash)
    return connection.execute(others).rowcount


# -------------------------------------------------------------------------------------------------------- private


def _keep_credential(
    connection: Connection, key: str, secret: str, user: UserId, kind: CredentialKind, label: str, now: datetime
) -> None:
    connection.execute(
        credentials.insert().values(
            id=key, user_id=user, kind=kind, hash=_sha256(secret), label=one_line(label), created_at=now
        )
    )


def _credential(connection: Connection, key: str, secret: str, kind: CredentialKind) -> Credential | None:
    wanted = (
        select(credentials)
        .join(users, users.c.id == credentials.c.user_id)
        .where(credentials.c.id == _text(key), credentials.c.kind == kind, users.c.removed_at.is_(None))
    )
    row = connection.execute(wanted).mappings().first()
    # The hash is compared in constant time; the id part is not secret.
    if row is None or not hmac.compare_digest(row["hash"], _sha256(secret)):
        return None
    return _as_credential(row)


def _as_credential(row: RowMapping) -> Credential:
    return Credential(
        id=row["id"],
        user=UserId(row["user_id"]),
        kind=CredentialKind(row["kind"]),
        label=row["label"],
        created_at=row["created_at"],
        used_at=row["used_at"],
    )


def user_of(row: RowMapping) -> User:
    """A row of `users` as a value."""
    return User(
        id=UserId(row["id"]),
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        has_password=row["password_hash"] is not None,
    )


def _session(row: RowMapping) -> Session:
    return Session(
        hash=row["hash"],
        user=user_of(row),
        csrf=row["csrf"],
        address=row["address"],
        user_agent=row["user_agent"],
        created_at=row["session_created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
    )


def _goes_by(email: str) -> ColumnElement[bool]:
    """A user signs in with any of the own addresses: nobody remembers which one was the first."""
    address = folded_address(email)
    return and_(
        users.c.removed_at.is_(None),
        or_(
            users.c.email == address,
            users.c.id.in_(select(identities.c.user_id).where(identities.c.address == address)),
        ),
    )


def _letters(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def _sha256(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: str) -> str:
    """What a database takes: PostgreSQL refuses NUL, both drivers refuse lone surrogates. Matches nothing then."""
    return "".join(letter for letter in value if letter != "\0" and not "\ud800" <= letter <= "\udfff")


def folded_address(address: str) -> str:
    """An address as it is compared, also where it is none."""
    return _text(unicodedata.normalize("NFC", address.strip()).lower())


def one_line(words: str) -> str:
    """Words as one short printable line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return " ".join(printable.split())[:LABEL_LETTERS_MAX]


def _password_bytes(password: str) -> bytes:
    # The same word typed on two systems may arrive composed or decomposed.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _quoted(address: str) -> str:
    return f"“{address[:80]}”"
