"""Who may add, change and remove the people of an installation.

Promises that there is always an owner, that nobody changes somebody above themselves or makes somebody so, and that
each change leaves an audit line at whoever made it and at whom it is about. Owners may do everything; administrators
everything but touch owners or make some; members nothing. All rights are read in the transaction of the change.

Who is removed is signed out and refused everywhere from the commit on; their mail and what is known of it stay, and
are theirs again when they are invited again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.texts import later
from unsealed.store import audit, people, proofs
from unsealed.store.people import Role, User
from unsealed.store.schema import credentials, login_links, mailboxes, sessions, users


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One row of the list of people."""

    user: User
    since: datetime
    seen_at: datetime | None  # in a browser; None: not lately
    link_until: datetime | None  # of the one-time link of who has not come yet


def may(actor: Role, target: Role) -> bool:
    """Whether somebody may invite, change or remove people of that role."""
    return actor is Role.OWNER or (actor is Role.ADMIN and target is not Role.OWNER)


def listed(connection: Connection, now: datetime) -> list[Member]:
    """Everybody who was not removed, in alphabetical order."""
    seen = select(sessions.c.user_id, func.max(sessions.c.seen_at).label("at")).group_by(sessions.c.user_id)
    seen_at = {row.user_id: row.at for row in connection.execute(seen)}
    links = select(login_links.c.user_id, login_links.c.expires_at).where(
        login_links.c.used_at.is_(None), login_links.c.expires_at > now
    )
    until = {row.user_id: row.expires_at for row in connection.execute(links)}
    rows = connection.execute(select(users).where(users.c.removed_at.is_(None)).order_by(users.c.email)).mappings()
    return [
        Member(
            user=people.user_of(row),
            since=row["created_at"],
            seen_at=seen_at.get(row["id"]),
            link_until=None if row["password_hash"] is not None else until.get(row["id"]),
        )
        for row in rows
    ]


def invite(connection: Connection, by: UserId, email: str, role: str, now: datetime) -> tuple[str, str]:
    """Add somebody, or give somebody who has not come yet a new link: the address in the form in which it is kept and
    the secret part of a one-time link that works for a week.

    Raises:
        BadInput: not an address, no such role, or the person has come already.
        Refused: `by` must not do that.
    """
    address, wanted = people.clean_address(email), _role(role)
    actor = _actor(connection, by)
    known = people.user_by_email(connection, address)
    if known is None:
        _check(actor, wanted)
        user = people.add_user(connection, address, wanted, now)
    elif known.has_password or _has_programs(connection, known.id):
        raise BadInput(later("%(address)s is here already"), address=address)
    else:
        _check(actor, known.role)
        user, wanted, address = known.id, known.role, known.email
    audit.note(connection, by, audit.What.INVITED, f"{address} as {wanted}", now)
    return address, proofs.new_login_link(connection, user, now, proofs.INVITATION_LIFE)


def change_role(connection: Connection, by: UserId, user: UserId, role: str, now: datetime) -> None:
    """Give somebody another role.

    Raises:
        BadInput: no such role, or no such person.
        Refused: `by` must not do that, or nobody would be owner.
    """
    wanted = _role(role)
    actor, target = _actor(connection, by), _target(connection, user)
    _check(actor, target.role)
    _check(actor, wanted)
    if target.role is wanted:
        return
    if target.role is Role.OWNER:
        _leave_an_owner(connection)
    connection.execute(update(users).where(users.c.id == user).values(role=wanted))
    # A session from before belongs to a person with other rights.
    if by != user:
        connection.execute(delete(sessions).where(sessions.c.user_id == user))
    _note(connection, actor, target, audit.What.ROLE, f"{target.email} from {target.role} to {wanted}", now)


def remove(connection: Connection, by: UserId, user: UserId, now: datetime) -> None:
    """Take somebody's access away: browsers, app passwords, API tokens, links, and our access to
    their mailbox.

    Raises:
        BadInput: no such person.
        Refused: `by` must not do that, is that person, or nobody would be owner.
    """
    actor, target = _actor(connection, by), _target(connection, user)
    _check(actor, target.role)
    if target.role is Role.OWNER:
        _leave_an_owner(connection)
    if by == user:
        raise Refused(later("nobody removes themselves; ask another owner or administrator"))
    connection.execute(update(users).where(users.c.id == user).values(removed_at=now, password_hash=None))
    for table in (sessions, credentials, login_links, mailboxes):
        connection.execute(delete(table).where(table.c.user_id == user))
    _note(connection, actor, target, audit.What.REMOVED, target.email, now)


def _has_programs(connection: Connection, user: UserId) -> bool:
    return (
        connection.execute(select(credentials.c.id).where(credentials.c.user_id == user).limit(1)).first() is not None
    )


def _actor(connection: Connection, by: UserId) -> User:
    found = people.user(connection, by)
    if found is None or found.role is Role.MEMBER:
        raise Refused(later("only owners and administrators may do that"))
    return found


def _target(connection: Connection, user: UserId) -> User:
    found = people.user(connection, user)
    if found is None:
        raise BadInput(later("there is no such person"))
    return found


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        raise BadInput(f"a role is one of {', '.join(Role)}") from error


def _check(actor: User, role: Role) -> None:
    if not may(actor.role, role):
        raise Refused(later("only owners may add, change or remove owners"))


def _leave_an_owner(connection: Connection) -> None:
    # Locked, so that two owners who go at the same time do not both count on the other.
    owners = select(users.c.id).where(users.c.role == Role.OWNER, users.c.removed_at.is_(None)).with_for_update()
    if len(connection.execute(owners).all()) < 2:
        raise Refused(later("this is the only owner; make somebody else an owner first"))


def _note(connection: Connection, by: User, about: User, what: audit.What, words: str, now: datetime) -> None:
    audit.note(connection, by.id, what, words, now)
    if by.id != about.id:
        audit.note(connection, about.id, what, f"{words}, by {by.email}", now)
