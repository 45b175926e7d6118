"""Saved letters with placeholders: who may use which, their versions, and what came of the letters made from them.

Promises that a version is never changed and never deleted: what a letter was made from can be read for as long as its
template's maker is known here. Promises that nobody sees a template of another that is not shared. Does not ask who may
change one; flow.templates does. Functions that write need a connection from `engine.begin()`.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, and_, case, distinct, func, or_, select, update

from unsealed.model.errors import Refused
from unsealed.model.message import UserId
from unsealed.model.template import Content, TemplateId, TemplateRow, TemplateUse, TemplateVersion
from unsealed.model.texts import later
from unsealed.store.schema import copies, messages, template_versions, templates, users

TEMPLATES = 500  # of one user, also removed ones; all are listed on one page

_t, _v = templates.c, template_versions.c


def list_for(connection: Connection, user: UserId) -> list[TemplateRow]:
    """The templates that a user is offered, own and shared, by name."""
    rows = connection.execute(_visible(user).where(_t.removed_at.is_(None))).mappings()
    return sorted(map(_row, rows), key=lambda each: (each.name.casefold(), each.id))


def find(connection: Connection, user: UserId, template: TemplateId) -> TemplateRow | None:
    """One template that a user may see, also when it is not offered any more."""
    found = connection.execute(_visible(user).where(_t.id == template)).mappings().first()
    return None if found is None else _row(found)


def name_of(connection: Connection, template: TemplateId) -> str:
    """What a template is called, whoever's it is; "" when there is none."""
    return connection.execute(select(_t.name).where(_t.id == template)).scalar() or ""


def versions(connection: Connection, template: TemplateId) -> list[TemplateVersion]:
    """All versions, the newest first."""
    rows = connection.execute(_versions().where(_v.template_id == template).order_by(_v.version.desc()))
    return [_version(row) for row in rows.mappings()]


def version(connection: Connection, template: TemplateId, number: int) -> TemplateVersion | None:
    """One version."""
    wanted = _versions().where(_v.template_id == template, _v.version == number)
    found = connection.execute(wanted).mappings().first()
    return None if found is None else _version(found)


def uses(connection: Connection, user: UserId, template: TemplateId) -> dict[int, TemplateUse]:
    """By version, what came of the letters that this user made from it; versions never used are not in it."""
    m, c = messages.c, copies.c
    mine = select(m.id, m.template_version).where(m.user_id == user, m.template_id == template).subquery()
    # The row behind a shared copy has no address and stands for nobody.
    people = and_(c.message_id == mine.c.id, c.address != "")
    rows = connection.execute(
        select(
            mine.c.template_version,
            func.count(distinct(mine.c.id)),
            func.count(c.id),
            func.count(case((c.opens > 0, 1))),
            func.count(case((c.clicks > 0, 1))),
        )
        .select_from(mine.outerjoin(copies, people))
        .group_by(mine.c.template_version)
    )
    return {
        number: TemplateUse(version=number, messages=sent, copies=people, opened=opened, clicked=clicked)
        for number, sent, people, opened, clicked in rows
    }


def add(connection: Connection, user: UserId, name: str, content: Content, now: datetime) -> TemplateId:
    """Keep a new template, with its first version.

    Raises:
        Refused: the user has as many as there may be.
    """
    if connection.execute(select(func.count()).where(_t.user_id == user)).scalar_one() >= TEMPLATES:
        raise Refused(later("you have %(number)s templates, and there is no room for more"), number=TEMPLATES)
    template = TemplateId(secrets.randbits(63))
    connection.execute(
        templates.insert().values(id=template, user_id=user, name=name, version=1, created_at=now, changed_at=now)
    )
    _add_version(connection, template, 1, content, by=user, now=now)
    return template


def change(
    connection: Connection,
    template: TemplateId,
    content: Content,
    *,
    by: UserId,
    now: datetime,
    based_on: int | None = None,
) -> int | None:
    """Keep a new version; its number. None, and nothing kept, when `based_on` is not the newest any more."""
    raised = update(templates).where(_t.id == template).values(version=_t.version + 1, changed_at=now)
    if based_on is not None:
        raised = raised.where(_t.version == based_on)
    number: int | None = connection.execute(raised.returning(_t.version)).scalar()
    if number is not None:
        _add_version(connection, template, number, content, by=by, now=now)
    return number


def rename(connection: Connection, template: TemplateId, name: str, now: datetime) -> None:
    """Call a template something else; its versions stay."""
    connection.execute(update(templates).where(_t.id == template).values(name=name, changed_at=now))


def share(connection: Connection, template: TemplateId, shared: bool) -> None:
    """Let everybody here use a template, or its maker alone."""
    connection.execute(update(templates).where(_t.id == template).values(shared=shared))


def offer(connection: Connection, template: TemplateId, offered: bool, now: datetime) -> None:
    """Offer a template again, or not any more. Its versions stay in any case."""
    connection.execute(update(templates).where(_t.id == template).values(removed_at=None if offered else now))


def _add_version(
    connection: Connection, template: TemplateId, number: int, content: Content, *, by: UserId, now: datetime
) -> None:
    connection.execute(
        template_versions.insert().values(
            template_id=template,
            version=number,
            subject=content.subject,
            html=content.html,
            text=content.text,
            created_by=by,
            created_at=now,
        )
    )


def _visible(user: UserId) -> Select[tuple[object, ...]]:
    newest = and_(_v.template_id == _t.id, _v.version == _t.version)
    return (
        select(templates, _v.subject, users.c.email)
        .join(template_versions, newest)
        .join(users, users.c.id == _t.user_id)
        .where(or_(_t.user_id == user, _t.shared))
    )


def _versions() -> Select[tuple[object, ...]]:
    return select(template_versions, users.c.email).outerjoin(users, users.c.id == _v.created_by)


def _row(row: RowMapping) -> TemplateRow:
    return TemplateRow(
        id=TemplateId(row["id"]),
        user=UserId(row["user_id"]),
        owner=row["email"],
        name=row["name"],
        shared=row["shared"],
        version=row["version"],
        subject=row["subject"],
        changed_at=row["changed_at"],
        removed=row["removed_at"] is not None,
    )


def _version(row: RowMapping) -> TemplateVersion:
    return TemplateVersion(
        version=row["version"],
        content=Content(subject=row["subject"], html=row["html"], text=row["text"]),
        by=row["email"] or "",
        at=row["created_at"],
    )
