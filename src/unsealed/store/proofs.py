"""What a user shows as proof: app passwords, API tokens, one-time links, sessions of browsers.

Promises that no secret can be read back: each holds at least 128 random bits, and only its SHA-256 is kept. Promises
that a question about one user never answers with a row of another, and that a user who was removed proves nothing any
more. Does not throttle and does not know HTTP or SMTP. Passwords that people choose stand in store.people.

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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from unsealed.model.message import UserId
from unsealed.store import own
from unsealed.store.people import User, goes_by, one_line, storable, user_of
from unsealed.store.schema import credentials, login_links, sessions, users

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # 31: 4.95 bit each
ID_LETTERS = 10
APP_SECRET_LETTERS = 28
API_SECRET_LETTERS = 52
APP_PREFIX = "us-"
API_PREFIX = "unsealed_"

LINK_LIFE = timedelta(days=1)
INVITATION_LIFE = timedelta(days=7)
SESSION_LIFE = timedelta(days=30)  # without being used
NOTE_EVERY = timedelta(minutes=1)  # how often "last used" is written at most

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


_LIVE = (  # asked for each page
    select(*_SESSION_COLUMNS)
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.hash == bindparam("hash"), sessions.c.expires_at > bindparam("now"), users.c.removed_at.is_(None))
)


class CredentialKind(StrEnum):
    """What opens for a program."""

    SMTP = "smtp"  # app password
    API = "api"  # bearer token


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


# ----------------------------------------------------------------------------------------- app passwords and API tokens


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
    if connection.execute(select(users.c.id).where(goes_by(email), users.c.id == found.user)).first() is None:
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
    gone = delete(credentials).where(credentials.c.id == storable(key), credentials.c.user_id == user)
    label: str | None = connection.execute(gone.returning(credentials.c.label)).scalar_one_or_none()
    return label


# ------------------------------------------------------------------------------------------------------- one-time links


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


# ------------------------------------------------------------------------------------------------- sessions of browsers


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


def awaited(connection: Connection, user: User, now: datetime) -> bool:
    """Whether the user has never signed in, and has nothing to sign in with but a one-time link."""
    return not user.has_password and not sessions_of(connection, user.id, now)


def session(connection: Connection, cookie: str, now: datetime) -> Session | None:
    """The live session behind a cookie. Reads only; see `session_is_stale` and `note_session`."""
    row = connection.execute(_LIVE, {"hash": _sha256(cookie), "now": now}).mappings().first()
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


# -------------------------------------------------------------------------------------------------------------- private


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
        .where(credentials.c.id == storable(key), credentials.c.kind == kind, users.c.removed_at.is_(None))
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


def _letters(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def _sha256(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
