"""The questions that reports ask: how many recipients of some messages opened, clicked, answered, and when.

Promises that every answer but `weeks` and `by_person` holds mail of the asking user only, and that none takes longer
the more mail there is: a report looks at no more than the newest MESSAGES messages that fit (`Figures.cut_at` says so
when there were more) and at the newest ACTS readings or clicks. Counts come from the rollups on copies; the letters
that Unsealed writes itself are in none. Recipients at level anonymous, and those who share one copy, are in no figure
about signals, so that none can be had by taking one report from another. Writes nothing but whether figures of all
people may be seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from heapq import nsmallest
from operator import add
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Subquery,
    and_,
    case,
    exists,
    func,
    null,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from unsealed.model.errors import Refused
from unsealed.model.event import ClientKind, Device, Finding, HitKind
from unsealed.model.message import Delivery, UserId, public_id
from unsealed.model.policy import Level
from unsealed.model.reply import Kind
from unsealed.model.report import (
    Act,
    Arm,
    Asked,
    By,
    Counts,
    Figures,
    Group,
    LinkGroup,
    Part,
    Program,
    Programs,
    Team,
    Week,
)
from unsealed.model.template import TemplateId
from unsealed.store import audit
from unsealed.store.engine import insert, reading
from unsealed.store.people import Role
from unsealed.store.schema import (
    CLICK,
    EPOCH,
    FIRST_OPEN,
    FROM_TEMPLATE,
    MICROSECOND,
    TAGGED,
    Moment,
    copies,
    events,
    link_counts,
    links,
    messages,
    replies,
    settings,
    templates,
    users,
)

MESSAGES = 10_000  # looked at for one report, the newest
ACTS = 5_000  # readings, or clicks, looked at for programs and links; the newest
GROUPS = 20
TAGS = 50
QUARTER = timedelta(minutes=15)
PORTION = 2_000  # rows held at once

_c, _m, _e = copies.c, messages.c, events.c
_ARRIVED = _c.delivery.in_((Delivery.SENT, Delivery.DELIVERED))
_SILENT = and_(*(column == 0 for column in (_c.opens, _c.clicks, _c.replies)))
_BOUNCED = _c.delivery == Delivery.BOUNCED
_PEOPLE = _c.address != ""  # not the copy that several recipients share
_FIELDS = [each.name for each in fields(Counts)]


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at the recipients of a report found."""

    figures: Figures
    largest: tuple[Group, ...]  # of those by which they were put together

    def groups(self, act: Act) -> list[Group]:
        """The largest groups, the highest share of an act first."""
        return sorted(self.largest, key=lambda group: -_share(group.counts.part(act)))


def look(connection: Connection, user: UserId, asked: Asked, by: By = By.LINK) -> Looked:
    """Everything that is counted over all recipients; also by template and version, or by subject, the GROUPS largest.

    by: what recipients are put together by; of links, `link_groups` knows.
    """
    chosen = _chosen(user, asked)
    oldest = type_coerce(func.min(chosen.c.received_at), Moment)
    number, cut_at = connection.execute(select(func.count(), oldest).select_from(chosen)).one()
    among, wanted = _recipients(chosen, asked)
    first, sent = (type_coerce(column, BigInteger) for column in (_c.first_at, _c.sent_at))
    key = {
        By.TEMPLATE: (chosen.c.template_id, chosen.c.template_version),
        By.SUBJECT: (chosen.c.subject, null()),
    }.get(by, (null(), null()))
    facts: Any = (*key, _bits(chosen), first, sent)
    rows = connection.execute(select(*facts).select_from(among).where(wanted))
    alike: Counter[tuple[Any, Any, int]] = Counter()
    quarters: Counter[int] = Counter()
    delays: list[int] = []
    for portion in rows.partitions(PORTION):
        for name, version, bits, at, left in portion:
            alike[name, version, bits] += 1
            if bits & _WITH_PIXEL and at is not None and left is not None:
                quarters[at // (QUARTER // MICROSECOND)] += 1
                delays.append(max(0, at - left) // 1_000_000)
    figures = Figures(
        messages=number,
        counts=_counted((bits, times) for (_, _, bits), times in alike.items()),
        cut_at=cut_at if number == MESSAGES else None,
        automatic=_automatic(connection, user, asked),
        quarters=quarters,
        delays_s=tuple(sorted(delays)),
    )
    return Looked(figures, tuple(_largest(connection, alike)))


def _largest(connection: Connection, alike: Mapping[tuple[Any, Any, int], int]) -> Iterator[Group]:
    """Groups of recipients, by their number: those who have a name, which is a subject or the id of a template."""
    sizes: Counter[tuple[Any, Any]] = Counter()
    for (name, version, bits), number in alike.items():
        if name is not None:
            sizes[name, version] += number if bits & _RECIPIENTS else 0
    keys = nsmallest(GROUPS, sizes, key=lambda key: (-sizes[key], key[0], key[1] or 0))
    parts: dict[tuple[Any, Any], list[tuple[int, int]]] = {key: [] for key in keys}
    for (name, version, bits), number in alike.items():
        if (name, version) in parts:
            parts[name, version].append((bits, number))
    names = _names(connection, [key for key in keys if isinstance(key[0], int)])
    for key in keys:
        counts = _counted(parts[key])
        if isinstance(key[0], str):
            yield Group(name=key[0], counts=counts)
        else:
            yield Group(name=names[key], template=TemplateId(key[0]), version=key[1] or 0, counts=counts)


def _names(connection: Connection, used: Sequence[tuple[int, int | None]]) -> dict[tuple[int, int | None], str]:
    """What versions of templates are called, each differently: the version is named where there are several, the id
    where two templates have one name."""
    t = templates.c
    if not used:
        return {}
    ids = {id for id, _ in used}
    names = {row.id: row.name for row in connection.execute(select(t.id, t.name).where(t.id.in_(ids)))}
    shared = {name for name, number in Counter(names.values()).items() if number > 1}
    versions = Counter(id for id, _ in used)
    return {
        (id, version): (f"{names[id]}, {public_id(id)[:4]}" if names[id] in shared else names[id])
        + (f", version {version}" if versions[id] > 1 else "")
        for id, version in used
    }


def _share(part: Part) -> float:
    return part.of / part.whole if part.whole else 0.0


def link_groups(connection: Connection, user: UserId, asked: Asked) -> list[LinkGroup]:
    """The addresses that most people followed, among the newest ACTS clicks of the period."""
    clicks = _acts(user, asked, HitKind.CLICK)
    rows = connection.execute(
        select(links.c.destination, func.max(links.c.text), clicks.c.copy_id, func.count())
        .select_from(_with_copies(clicks, asked))
        .join(links, and_(links.c.message_id == clicks.c.message_id, links.c.position == clicks.c.link))
        .where(_PEOPLE, _c.clicks_level > Level.ANONYMOUS, *_narrowed(asked))
        .group_by(links.c.destination, clicks.c.copy_id)
    ).all()
    whole = len({row[2] for row in rows})
    found: dict[str, tuple[str, int, int]] = {}
    for destination, text, _, number in rows:
        _, people, followed = found.get(destination, ("", 0, 0))
        found[destination] = text, people + 1, followed + number
    most = sorted(found.items(), key=lambda item: (-item[1][1], -item[1][2], item[0]))[:GROUPS]
    return [
        LinkGroup(destination=destination, text=text, clicks=number, people=Part(people, whole))
        for destination, (text, people, number) in most
    ]


def programs(connection: Connection, user: UserId, asked: Asked) -> Programs:
    """With what people read, among the newest ACTS readings of the period."""
    readings = _acts(user, asked, HitKind.OPEN)
    c = readings.c
    key = (c.client, c.client_kind, c.device, c.finding)
    told = func.sum(case((and_(_PEOPLE, _c.opens_level > Level.ANONYMOUS, *_narrowed(asked)), 1), else_=0))
    rows = connection.execute(
        select(*key, told, func.count())
        .select_from(_with_copies(readings, asked))
        .group_by(*key)
        .order_by(told.desc(), *key)
    ).all()
    items = tuple(
        Program(client=row[0], kind=ClientKind(row[1]), device=Device(row[2]), finding=Finding(row[3]), readings=row[4])
        for row in rows
        if row[4]
    )
    whole = sum(row[5] for row in rows) < ACTS
    return Programs(readings=sum(each.readings for each in items), whole=whole, items=items)


def arms(
    connection: Connection, user: UserId, asked: Asked, of: Sequence[Group], act: Act, *, window: timedelta
) -> list[Arm]:
    """What `core.report.compare` wants of some groups: by day of sending, of the recipients for whom `window` has
    passed by `asked.until` how many did that within it."""
    if not of:
        return []
    by_template = of[0].template is not None
    chosen = _chosen(user, asked)
    among, wanted = _recipients(chosen, asked)
    key = (chosen.c.template_id, chosen.c.template_version) if by_template else (chosen.c.subject,)
    first = {group.template if by_template else group.name for group in of}
    sent = type_coerce(_c.sent_at, BigInteger)
    limit, day = window // MICROSECOND, sent // (timedelta(days=1) // MICROSECOND)
    clicked_in_time = exists().where(
        link_counts.c.copy_id == _c.id,
        link_counts.c.clicks > 0,
        type_coerce(link_counts.c.first_at, BigInteger) <= sent + limit,
    )
    opened = and_(_c.opens > 0, type_coerce(_c.first_at, BigInteger) <= sent + limit)
    whole, in_time = {
        Act.REPLIED: (true(), and_(_c.replies > 0, type_coerce(_c.replied_at, BigInteger) <= sent + limit)),
        Act.CLICKED: (_has_links(chosen), and_(_c.clicks > 0, clicked_in_time)),
        Act.OPENED: (_has_pixel(chosen), opened),
    }[act]
    rows = connection.execute(
        select(*key, day, func.sum(case((in_time, 1), else_=0)), func.count())
        .select_from(among)
        .where(wanted, key[0].in_(first), _ARRIVED, whole, _c.sent_at <= asked.until - window)
        .group_by(*key, day)
    ).all()
    days: dict[Any, dict[int, Part]] = {}
    for *name, at, acted, number in rows:
        days.setdefault(tuple(name), {})[at] = Part(acted, number)
    return [
        Arm(name=group.name, days=days.get((group.template, group.version) if by_template else (group.name,), {}))
        for group in of
    ]


def tags(connection: Connection, user: UserId) -> list[str]:
    """The first TAGS tags that the user gave messages, in order. One step in the index for each."""
    found: list[str] = []
    while len(found) < TAGS:
        behind = (_m.tag > found[-1],) if found else ()
        following = select(_m.tag).where(_m.user_id == user, TAGGED, *behind).order_by(_m.tag).limit(1)
        tag = connection.execute(following).scalar()
        if tag is None:
            break
        found.append(tag)
    return found


def weeks(connection: Connection, since: date, until: date, *, besides: UserId) -> list[Week]:
    """What everybody sent, by week. since, until: Mondays. besides: whose mail is in the sums, and who is no sender
    of `Week.senders`."""
    length = timedelta(weeks=1) // MICROSECOND
    # 1970 began on a Thursday.
    monday = (type_coerce(_m.received_at, BigInteger) - timedelta(days=4) // MICROSECOND) // length
    found: dict[int, tuple[int, list[int]]] = {}
    for user in connection.execute(select(users.c.id)).scalars().all():
        chosen = _between(user, since, until, monday.label("week"))
        among = chosen.join(copies, _c.message_id == chosen.c.id)
        rows = connection.execute(
            select(chosen.c.week, *_sums(chosen)).select_from(among).where(_PEOPLE).group_by(chosen.c.week)
        )
        for week, *sums in rows:
            senders, kept = found.get(week, (0, [0] * len(sums)))
            senders += bool(sums[0]) and user != besides
            found[week] = senders, [one + other for one, other in zip(kept, sums, strict=True)]
    return [
        Week(begins=(EPOCH + timedelta(days=4) + timedelta(weeks=week)).date(), senders=senders, counts=_counts(sums))
        for week, (senders, sums) in sorted(found.items())
    ]


def by_person(connection: Connection, since: date, until: date) -> list[Group]:
    """What each person sent who sent anything between two days, by name. Only where `team` is PEOPLE."""
    made = []
    for user, name, email in connection.execute(select(users.c.id, users.c.name, users.c.email)).all():
        chosen = _between(user, since, until)
        among = chosen.join(copies, _c.message_id == chosen.c.id)
        counts = _counts(connection.execute(select(*_sums(chosen)).select_from(among).where(_PEOPLE)).one())
        if counts.recipients:
            made.append(Group(name=f"{name}, {email}" if name else email, counts=counts))
    return sorted(made, key=lambda group: group.name)


def _between(user: int, since: date, until: date, *more: ColumnElement[Any]) -> Subquery:
    """Letters of somebody that were submitted from one day up to, not including, another, UTC."""
    begin, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (since, until))
    return (
        select(_m.id, _m.opens_level, _m.clicks_level, *more)
        .where(_m.user_id == user, _m.received_at >= begin, _m.received_at < end, _m.sealed.is_(False))
        .subquery()
    )


# --- rows for files ---------------------------------------------------------------------------------------------------

SENT = ("id", "at", "subject", "tag", "template", "version", "recipients", "opens", "clicks", "replies", "machine")
PEOPLE = (
    "message", "copy", "subject", "sent", "address", "name", "kind", "delivery", "tracked", "opens", "clicks",
    "replies", "machine", "first", "last", "replied",
)  # fmt: skip
HAPPENED = (
    "event", "at", "kind", "verdict", "confidence", "message", "subject", "copy", "recipient", "client", "device",
    "system", "network", "place", "country", "link",
)  # fmt: skip
_SENT: tuple[ColumnElement[Any], ...] = (
    _m.id, _m.received_at, _m.subject, _m.tag, templates.c.name, _m.template_version, _m.recipient_count, _m.opens,
    _m.clicks, _m.replies, _m.machine,
)  # fmt: skip
_RECEIVED: tuple[ColumnElement[Any], ...] = (
    _c.message_id, _c.id, _m.subject, _c.sent_at, _c.address, _c.name, _c.kind, _c.delivery, _c.tracked, _c.opens,
    _c.clicks, _c.replies, _c.machine, _c.first_at, _c.last_at, _c.replied_at,
)  # fmt: skip
_HAPPENED: tuple[ColumnElement[Any], ...] = (
    _e.hit_id, _e.at, _e.kind, _e.finding, _e.confidence, _e.message_id, _m.subject, _e.copy_id, _c.address, _e.client,
    _e.device, _e.system, _e.network, _e.place, _e.country, links.c.destination,
)  # fmt: skip


# A file may take minutes. Each portion is read by itself, because a database keeps all that changes during a reading.


def sent_rows(engine: Engine, user: UserId, asked: Asked, portion: int = 1_000) -> Iterator[tuple[Any, ...]]:
    """All messages of the report, without a limit, oldest first; the columns of SENT. Read by key, in portions."""
    query = (
        select(*_SENT)
        .select_from(messages.outerjoin(templates, templates.c.id == _m.template_id))
        .where(*_fitting(user, asked), *_to_domain(asked))
        .order_by(_m.received_at, _m.id)
    )
    at: datetime | None = None
    last = 0
    while True:
        # `received_at >= at` alone lets the index find the place.
        behind = () if at is None else (_m.received_at >= at, or_(_m.received_at > at, _m.id > last))
        with reading(engine) as connection:
            rows = connection.execute(query.where(*behind).limit(portion)).all()
        yield from rows
        if len(rows) < portion:
            return
        at, last = rows[-1].received_at, rows[-1].id


def people_rows(engine: Engine, user: UserId, asked: Asked, portion: int = 500) -> Iterator[tuple[Any, ...]]:
    """All recipients of these messages, in the order of `sent_rows`; the columns of PEOPLE."""
    for ids in _portions(engine, user, asked, portion):
        at = {id: place for place, id in enumerate(ids)}
        wanted = (_c.domain == asked.domain,) if asked.domain else ()
        query = (
            select(*_RECEIVED)
            .select_from(copies.join(messages, _m.id == _c.message_id))
            .where(_c.message_id.in_(ids), *wanted)
            .order_by(_c.position)
        )
        with reading(engine) as connection:
            rows = connection.execute(query).all()
        yield from sorted(rows, key=lambda row: at[row.message_id])


def event_rows(engine: Engine, user: UserId, asked: Asked, portion: int = 200) -> Iterator[tuple[Any, ...]]:
    """All events of these messages, message by message, oldest first; the columns of HAPPENED. Never held all at
    once: one message may have a hundred thousand."""
    for ids in _portions(engine, user, asked, portion):
        wanted = (_c.domain == asked.domain,) if asked.domain else ()
        query = (
            select(*_HAPPENED)
            .select_from(
                events.join(copies, _c.id == _e.copy_id)
                .join(messages, _m.id == _e.message_id)
                .outerjoin(links, and_(links.c.message_id == _e.message_id, links.c.position == _e.link))
            )
            .where(_e.message_id.in_(ids), *wanted)
            .order_by(_e.message_id, _e.at, _e.hit_id)
        )
        with reading(engine) as connection:
            yield from connection.execution_options(yield_per=1_000).execute(query)


def _portions(engine: Engine, user: UserId, asked: Asked, portion: int) -> Iterator[list[int]]:
    ids: list[int] = []
    for id, *_ in sent_rows(engine, user, asked):
        ids.append(id)
        if len(ids) == portion:
            yield ids
            ids = []
    if ids:
        yield ids


# --- pieces of questions ----------------------------------------------------------------------------------------------


def _fitting(user: UserId, asked: Asked) -> list[ColumnElement[bool]]:
    found = [
        _m.user_id == user,
        _m.received_at >= asked.since,
        _m.received_at < asked.until,
        _m.sealed.is_(False),
    ]
    if asked.tag:
        found += [TAGGED, _Rare(_m.tag == asked.tag)]  # both, so that a database sees that the index holds them
    if asked.template is not None:
        found += [FROM_TEMPLATE, _Rare(_m.template_id == asked.template)]
    return found


class _Rare(FunctionElement[Any]):
    """A condition that few rows meet: newer SQLite (3.53 does) else takes the index that gives the order alone.

    Of no type, since SQLite would be asked whether a Boolean is 1, which no index knows.
    """

    inherit_cache = True


@compiles(_Rare)
def _rare(element: _Rare, compiler: SQLCompiler, **how: Any) -> str:
    condition = compiler.process(element.clauses, **how)
    return f"unlikely({condition})" if compiler.dialect.name == "sqlite" else condition


def any_sent(connection: Connection, user: UserId, asked: Asked) -> bool:
    """Whether any message fits."""
    return connection.execute(select(_m.id).where(*_fitting(user, asked)).limit(1)).first() is not None


def _chosen(user: UserId, asked: Asked) -> Subquery:
    """The newest messages that fit."""
    columns = (_m.id, _m.received_at, _m.opens_level, _m.clicks_level, _m.subject, _m.template_id)
    query = select(*columns, _m.template_version).where(*_fitting(user, asked))
    return query.order_by(_m.received_at.desc(), _m.id.desc()).limit(MESSAGES).subquery()


def _to_domain(asked: Asked) -> list[ColumnElement[bool]]:
    """Of messages: that somebody of the domain got a copy."""
    if not asked.domain:
        return []
    return [exists().where(_c.message_id == _m.id, _c.domain == asked.domain)]


def _acts(user: UserId, asked: Asked, kind: HitKind) -> Subquery:
    """The newest readings, or clicks, of people in the period."""
    columns = (_e.message_id, _e.copy_id, _e.link, _e.finding, _e.client, _e.client_kind, _e.device)
    within = and_(_e.user_id == user, _e.kind == kind, _e.at >= asked.since, _e.at < asked.until)
    by_people = FIRST_OPEN if kind is HitKind.OPEN else CLICK
    return select(*columns).where(within, by_people).order_by(_e.at.desc(), _e.hit_id.desc()).limit(ACTS).subquery()


def _with_copies(acts: Subquery, asked: Asked) -> Any:
    """Acts beside the copies that they were done with, and beside the messages where these are asked for."""
    found = acts.outerjoin(copies, _c.id == acts.c.copy_id)
    return found.outerjoin(messages, _m.id == acts.c.message_id) if asked.tag or asked.template is not None else found


def _narrowed(asked: Asked) -> list[ColumnElement[bool]]:
    """The filters, where copies and messages are joined already."""
    found: list[ColumnElement[bool]] = []
    if asked.tag:
        found.append(_m.tag == asked.tag)
    if asked.template is not None:
        found.append(_m.template_id == asked.template)
    if asked.domain:
        found.append(_c.domain == asked.domain)
    return found


def _recipients(chosen: Subquery, asked: Asked) -> tuple[Any, ColumnElement[bool]]:
    wanted = and_(_PEOPLE, _c.domain == asked.domain) if asked.domain else _PEOPLE
    return chosen.join(copies, _c.message_id == chosen.c.id), wanted


def _has_pixel(chosen: Subquery) -> ColumnElement[bool]:
    return and_(_ARRIVED, _c.tracked, chosen.c.opens_level > Level.ANONYMOUS, _c.opens_level > Level.ANONYMOUS)


def _has_links(chosen: Subquery) -> ColumnElement[bool]:
    return and_(_ARRIVED, _c.tracked, chosen.c.clicks_level > Level.ANONYMOUS, _c.clicks_level > Level.ANONYMOUS)


def _facts(chosen: Subquery) -> list[ColumnElement[bool]]:
    """What a recipient must be to be counted in each field of Counts, in their order."""
    pixel, linked = _has_pixel(chosen), _has_links(chosen)
    # A value, not "exists": PostgreSQL would read all counts of links once to answer that for each recipient.
    of_it = link_counts.c.copy_id == _c.id, link_counts.c.machine > 0
    followed = select(link_counts.c.copy_id).where(*of_it).limit(1).scalar_subquery().is_not(None)
    return [
        or_(_ARRIVED, _BOUNCED),
        _BOUNCED,
        or_(pixel, linked),
        pixel,
        linked,
        and_(_c.opens > 0, pixel),
        and_(_c.clicks > 0, linked),
        and_(_c.replies > 0, _ARRIVED),
        and_(_c.machine > 0, _SILENT, or_(pixel, linked)),
        and_(_c.machine > 0, _c.clicks == 0, linked, followed),
        and_(_c.machine == 0, _SILENT, or_(pixel, linked)),
        and_(_c.machine == 0, _SILENT, linked, ~pixel),
        and_(_c.tracked, _ARRIVED, ~or_(pixel, linked)),
    ]


_RECIPIENTS, _WITH_PIXEL = (1 << _FIELDS.index(name) for name in ("recipients", "with_pixel"))


def _bits(chosen: Subquery) -> ColumnElement[int]:
    """The same of one recipient, as a number: a bit for each field, that of the first field is 1."""
    return reduce(add, (case((fact, 1 << place), else_=0) for place, fact in enumerate(_facts(chosen))))


def _sums(chosen: Subquery) -> list[ColumnElement[int]]:
    """The fields of Counts, in their order."""
    return [func.coalesce(func.sum(case((fact, 1), else_=0)), 0) for fact in _facts(chosen)]


def _counts(row: Sequence[int]) -> Counts:
    return Counts(**dict(zip(_FIELDS, row, strict=True)))


def _counted(bits: Iterable[tuple[int, int]]) -> Counts:
    """bits: those of recipients, and how many have them."""
    sums = [0] * len(_FIELDS)
    for those, number in bits:
        for place in range(len(sums)):
            if those >> place & 1:
                sums[place] += number
    return _counts(sums)


def _automatic(connection: Connection, user: UserId, asked: Asked) -> int:
    """Answers by programs in the period to messages that fit."""
    r = replies.c
    found = (
        select(func.count())
        .select_from(replies.join(messages, _m.id == r.message_id).outerjoin(copies, _c.id == r.copy_id))
        .where(r.user_id == user, r.at >= asked.since, r.at < asked.until, r.kind == Kind.AUTOMATIC, *_narrowed(asked))
    )
    return connection.execute(found).scalar_one()


# --- figures of all people together -----------------------------------------------------------------------------------

TEAM = "team_reports"  # in the settings table


_OLD = {"true": Team.SUMS, "false": Team.NOTHING}  # how it was said before there were three answers


def team(connection: Connection) -> Team:
    """What owners and administrators may see of all people; nothing until an owner says so."""
    kept = connection.execute(select(settings.c.value).where(settings.c.key == TEAM)).scalar() or "false"
    return _OLD[kept] if kept in _OLD else Team(json.loads(kept))


def allow_team(connection: Connection, by: UserId, allowed: Team, now: datetime) -> None:
    """Say what they may see.

    Raises:
        Refused: `by` is no owner.
    """
    role = connection.execute(select(users.c.role).where(users.c.id == by, users.c.removed_at.is_(None))).scalar()
    if role != Role.OWNER:
        raise Refused("only owners allow figures of all people together")
    row = {"key": TEAM, "value": json.dumps(allowed)}
    statement = insert(settings, connection.dialect).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": row["value"]}))
    audit.note(connection, by, audit.What.REPORTS, f"figures of all people together: {ALLOWED[allowed]}", now)


ALLOWED = {Team.NOTHING: "forbidden", Team.SUMS: "allowed as sums", Team.PEOPLE: "allowed by person"}
