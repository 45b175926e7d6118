"""Notices, what is silenced, and what a user wants to be told.

    new    a cause of a notice, written in the transaction of the cause; nobody decided yet
    told   on its way, on the channels that stand beside it; or together with its leader
    not    nobody is told; `why` says why
    undo   told, and then judged again: no person did it. To be taken back
    back   taken back, or judged again before anybody was told

Promises that a cause makes one notice however often it is handed over, and that a press of a speaker is kept as it was
made: what follows from it is core.notice's. All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from unsealed.model.event import COUNTED, Agent, ClientKind, Device, Finding, NetworkClass, Place, PlaceState
from unsealed.model.message import CopyId, MessageId, UserId, public_id
from unsealed.model.notice import (
    Act,
    Channel,
    Detail,
    Heard,
    NoticeId,
    NoticeRow,
    Occasion,
    Press,
    Quiet,
    Readings,
    Scope,
    Silence,
    Wants,
)
from unsealed.store import news, preferences, schema
from unsealed.store.engine import insert
from unsealed.store.many_rows import ManyRows, stored
from unsealed.store.news import News
from unsealed.store.schema import copies, messages, notices, silences

KEY = "notices"  # of what a user wants, among the preferences
TRIMMED_AT_ONCE = 10_000
# Written out: a partial index serves no question with bound values.
_WAITING = text("notices.state IN ('new', 'undo')")


class State(StrEnum):
    """What became of a notice."""

    NEW = "new"
    TOLD = "told"
    NOT = "not"
    UNDO = "undo"
    BACK = "back"


# --- causes -----------------------------------------------------------------------------------------------------------


def hear(connection: Connection, heard: Sequence[Heard]) -> None:
    """Causes of notices, to be decided on. One that is known already stays as it is."""
    if not heard:
        return
    _HEAR.run(
        connection,
        [
            (each.user, each.cause, each.cause_id, each.message, each.copy, each.act, stored(each.at), State.NEW)
            for each in heard
        ],
    )
    news.note(connection, News.NOTICES)


_HEAR = ManyRows(
    lambda dialect: insert(notices, dialect).on_conflict_do_nothing(index_elements=["cause", "cause_id"]),
    ("user_id", "cause", "cause_id", "message_id", "copy_id", "act", "at", "state"),
)


def caused(connection: Connection, cause: str, cause_id: int) -> NoticeId:
    """The notice of a cause."""
    n = notices.c
    return NoticeId(connection.execute(select(n.id).where(n.cause == cause, n.cause_id == cause_id)).scalar_one())


def take_back(connection: Connection, hits: Sequence[int]) -> None:
    """No person did that after all: nobody will be told, or what was told is taken back."""
    if not hits:
        return
    n = notices.c
    moved = case((n.state == State.TOLD, State.UNDO.value), else_=State.BACK.value)
    live = n.state.in_((State.NEW, State.TOLD))
    connection.execute(
        update(notices).where(n.cause == "hit", n.cause_id.in_(hits), live).values(state=moved)
    )  # what nobody was told of keeps its reason
    news.note(connection, News.NOTICES)


# --- to be decided ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice, and all that the decision and its words need to know."""

    id: NoticeId
    user: UserId
    state: State
    act: Act
    at: datetime
    message: MessageId | None
    copy: CopyId | None
    thread: int = 0
    sent_at: datetime | None = None
    subject: str = ""
    name: str = ""
    address: str = ""  # "" when it cannot be told who
    among: int = 0
    finding: Finding | None = None
    confidence: float = 1.0
    agent: Agent | None = None
    network: NetworkClass = NetworkClass.UNKNOWN
    place: Place | None = None
    link: str = ""
    occasion: Occasion = Occasion.FIRST
    leader: NoticeId | None = None
    channels: frozenset[Channel] = frozenset()
    decided_at: datetime | None = None
    more: int = 0  # told together with it, and not taken back


def any_waiting(connection: Connection) -> bool:
    """Whether there is anything to decide on."""
    return connection.execute(select(notices.c.id).where(_WAITING).limit(1)).first() is not None


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """What is to be decided on, the oldest first."""
    return _read(connection, _with_facts().where(_WAITING).order_by(notices.c.id).limit(limit))


def by_id(connection: Connection, ids: Iterable[int]) -> dict[NoticeId, Waiting]:
    """These notices."""
    return {each.id: each for each in _read(connection, _with_facts().where(notices.c.id.in_(list(ids))))}


def _with_facts() -> Select[Any]:
    n, m, c, e, links = notices.c, messages.c, copies.c, schema.events.c, schema.links.c
    return (
        select(
            n.id,
            n.user_id,
            n.state,
            n.act,
            n.at,
            n.message_id,
            n.copy_id,
            n.occasion,
            n.leader,
            n.channels,
            n.decided_at,
            m.thread,
            m.received_at,
            m.subject,
            m.recipient_count,
            c.name,
            c.address,
            e.finding,
            e.confidence,
            e.client,
            e.client_kind,
            e.device,
            e.system,
            e.network,
            e.place,
            e.country,
            e.region,
            e.city,
            links.text,
            links.destination,
        )
        .select_from(notices)
        .outerjoin(messages, m.id == n.message_id)
        .outerjoin(copies, c.id == n.copy_id)
        .outerjoin(schema.events, and_(n.cause == "hit", e.hit_id == n.cause_id))
        .outerjoin(schema.links, and_(links.message_id == e.message_id, links.position == e.link))
    )


def _read(connection: Connection, query: Select[Any]) -> list[Waiting]:
    found = connection.execute(query).all()
    ids = [row.id for row in found]
    more = (
        {
            row[0]: row[1]
            for row in connection.execute(
                select(notices.c.leader, func.count())
                .where(notices.c.leader.in_(ids), notices.c.state == State.TOLD)
                .group_by(notices.c.leader)
            )
        }
        if any(row.state == State.TOLD for row in found)
        else {}
    )
    return [_waiting(row, more.get(row.id, 0) if row.state == State.TOLD else 0) for row in found]


def _waiting(row: Row[Any], more: int) -> Waiting:
    known = row.finding is not None
    return Waiting(
        id=row.id,
        user=row.user_id,
        state=State(row.state),
        act=Act(row.act),
        at=row.at,
        message=row.message_id,
        copy=row.copy_id,
        thread=row.thread or row.message_id or 0,
        sent_at=row.received_at,
        subject=row.subject or "",
        name=row.name or "",
        address=row.address or "",
        among=row.recipient_count or 0,
        finding=Finding(row.finding) if known else None,
        confidence=row.confidence if known else 1.0,
        agent=Agent(client=row.client, kind=ClientKind(row.client_kind), device=Device(row.device), system=row.system)
        if known
        else None,
        network=NetworkClass(row.network) if known else NetworkClass.UNKNOWN,
        place=Place(state=PlaceState(row.place), country=row.country, region=row.region, city=row.city)
        if known
        else None,
        link=(row.text or row.destination or ""),
        occasion=Occasion(row.occasion),
        leader=row.leader,
        channels=_channels(row.channels),
        decided_at=row.decided_at,
        more=more,
    )


def _channels(written: str) -> frozenset[Channel]:
    return frozenset(Channel(name) for name in written.split(",") if name)


def readings(connection: Connection, wanted: Iterable[CopyId], until: datetime) -> dict[CopyId, list[datetime]]:
    """When the readings of these copies began, up to a time, the earliest first."""
    e = schema.events.c
    found: defaultdict[CopyId, list[datetime]] = defaultdict(list)
    query = select(e.copy_id, e.at).where(e.copy_id.in_(list(wanted)), e.first_of_reading, e.at <= until)
    for row in connection.execute(query.order_by(e.at)):
        found[row.copy_id].append(row.at)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A notice that was told."""

    id: NoticeId
    user: UserId
    copy: CopyId | None
    act: Act
    at: datetime
    decided_at: datetime


def told_of(connection: Connection, wanted: Iterable[MessageId]) -> list[Earlier]:
    """What was told about these messages, not together with others; the earliest first."""
    return _earlier(connection, notices.c.message_id.in_(list(wanted)))


def told_lately(connection: Connection, users: Iterable[UserId], since: datetime) -> list[Earlier]:
    """What these users were told since then, not together with others; the earliest first."""
    return _earlier(connection, notices.c.user_id.in_(list(users)), notices.c.decided_at > since)


def _earlier(connection: Connection, *where: ColumnElement[bool]) -> list[Earlier]:
    n = notices.c
    query = select(n.id, n.user_id, n.copy_id, n.act, n.at, n.decided_at).where(
        *where, n.state == State.TOLD, n.leader.is_(None), n.message_id.is_not(None)
    )
    return [
        Earlier(id=row.id, user=row.user_id, copy=row.copy_id, act=Act(row.act), at=row.at, decided_at=row.decided_at)
        for row in connection.execute(query.order_by(n.id))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of a notice."""

    id: NoticeId
    state: State
    why: str = ""
    occasion: Occasion = Occasion.FIRST
    channels: frozenset[Channel] = frozenset()
    leader: NoticeId | None = None


def settle(connection: Connection, decided: Sequence[Decided], now: datetime) -> None:
    """Keep what was decided, but of what was taken back meanwhile."""
    if not decided:
        return
    connection.execute(
        update(notices).where(notices.c.id == bindparam("notice"), notices.c.state == State.NEW),
        [
            {
                "notice": each.id,
                "state": each.state,
                "why": each.why,
                "occasion": each.occasion,
                "channels": ",".join(sorted(each.channels)),
                "leader": each.leader,
                "decided_at": now,
            }
            for each in decided
        ],
    )


def taken_back(connection: Connection, ids: Sequence[NoticeId], now: datetime) -> None:
    """These were told and no longer hold; what they were told on stays beside them."""
    if ids:
        connection.execute(update(notices).where(notices.c.id.in_(ids)).values(state=State.BACK, decided_at=now))


def replaced(connection: Connection, ids: Iterable[int]) -> set[NoticeId]:
    """Those in whose place something stands that was told of the same copy later, and holds."""
    n, since = notices.c, notices.alias("since")
    s = since.c
    query = (
        select(n.id)
        .join(since, and_(s.message_id == n.message_id, s.copy_id == n.copy_id, s.id > n.id))
        .where(n.id.in_(list(ids)), s.state == State.TOLD, s.leader.is_(None))
    )
    return {NoticeId(id) for id in connection.execute(query).scalars()}


def trim(connection: Connection, before: datetime) -> int:
    """Forget notices that were decided on before a time; how many, TRIMMED_AT_ONCE at most."""
    oldest = select(notices.c.id, notices.c.decided_at).order_by(notices.c.id).limit(TRIMMED_AT_ONCE).subquery()
    old = select(oldest.c.id).where(oldest.c.decided_at < before)
    return connection.execute(delete(notices).where(notices.c.id.in_(old))).rowcount


# --- silence ----------------------------------------------------------------------------------------------------------


def press(connection: Connection, user: UserId, pressed: Press) -> None:
    """Keep a press of a speaker. Switching "all", a conversation or a contact back on forgets that it was off."""
    key = and_(silences.c.user_id == user, silences.c.scope == pressed.scope, silences.c.of == pressed.of)
    if not pressed.silent and pressed.scope is not Scope.MESSAGE:
        connection.execute(delete(silences).where(key))
        return
    said = {"silent": pressed.silent, "at": pressed.at}
    statement = insert(silences, connection.dialect).values(user_id=user, scope=pressed.scope, of=pressed.of, **said)
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id", "scope", "of"], set_=said))


def silence(
    connection: Connection,
    user: UserId,
    *,
    messages: Iterable[int] = (),
    threads: Iterable[int] = (),
    contacts: Iterable[str] = (),
) -> Silence:
    """What of this a user has silenced, with what stands above it all."""
    asked = {
        "user": user,
        "messages": [str(each) for each in messages],
        "threads": [str(each) for each in threads],
        "contacts": list(contacts),
    }
    found = connection.execute(_SILENCES, asked).all()
    of = {scope: {row.of: row for row in found if row.scope == scope} for scope in Scope}
    everything = of[Scope.ALL].get("")
    return Silence(
        realtime_off="" in of[Scope.REALTIME],
        all_until=None if everything is None else everything.at,
        messages={int(key): (row.silent, row.at) for key, row in of[Scope.MESSAGE].items()},
        threads={int(key): row.at for key, row in of[Scope.THREAD].items()},
        contacts={key: row.at for key, row in of[Scope.CONTACT].items()},
    )


def _silences() -> Select[Any]:
    s = silences.c
    wanted = or_(
        s.scope.in_((Scope.REALTIME, Scope.ALL)),
        *(
            and_(s.scope == scope, s.of.in_(bindparam(name, expanding=True)))
            for scope, name in ((Scope.MESSAGE, "messages"), (Scope.THREAD, "threads"), (Scope.CONTACT, "contacts"))
        ),
    )
    return select(s.scope, s.of, s.silent, s.at).where(s.user_id == bindparam("user"), wanted)


_SILENCES = _silences()


def silenced_contacts(connection: Connection, user: UserId, limit: int = 100) -> list[str]:
    """The recipients that a user has silenced, the latest first."""
    s = silences.c
    query = select(s.of).where(s.user_id == user, s.scope == Scope.CONTACT).order_by(s.at.desc(), s.of).limit(limit)
    return list(connection.execute(query).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What a speaker is asked about."""

    message: MessageId
    thread: int
    sent_at: datetime
    contacts: tuple[str, ...]  # recipients in lower case, twenty at most


def spoken(connection: Connection, user: UserId, ids: Sequence[int]) -> dict[str, Spoken]:
    """These messages of the user, by public id."""
    # By their ids alone: a database without statistics would go through all messages of the user instead.
    asked = connection.execute(_SPOKEN, {"ids": list(ids)})
    found = [row for row in asked if row.user_id == user]
    boxes: defaultdict[int, list[str]] = defaultdict(list)
    for row in connection.execute(_SPOKEN_TO, {"ids": [row.id for row in found]}):
        boxes[row.message_id].append(row.mailbox)
    return {
        public_id(row.id): Spoken(
            message=row.id, thread=row.thread or row.id, sent_at=row.received_at, contacts=tuple(boxes[row.id])
        )
        for row in found
    }


_IDS: Any = bindparam("ids", expanding=True)
_SPOKEN = select(messages.c.id, messages.c.thread, messages.c.received_at, messages.c.user_id).where(
    messages.c.id.in_(_IDS)
)
_SPOKEN_TO = (
    select(copies.c.message_id, copies.c.mailbox)
    .where(copies.c.message_id.in_(_IDS), copies.c.position < 20, copies.c.mailbox != "")
    .order_by(copies.c.position)
)


# --- what a user wants ------------------------------------------------------------------------------------------------


def wants(connection: Connection, user: UserId) -> Wants:
    """What the user wants to be told; what was never said, or cannot be read any more, is as at first. The zone is then
    that of the browser at the last sign-in."""
    said = preferences.get(connection, user, KEY, dict[str, str]())
    zone, chosen, counted = preferences.words(
        connection, user, preferences.BROWSER_ZONE, preferences.CLOCK, preferences.BROWSER_CLOCK
    )
    usual = Wants(zone=said.get("zone", "") or zone, twelve=(chosen or counted) == "12")
    if not said:
        return usual
    try:
        begins, _, ends = said.get("quiet", "").partition("-")
        return replace(
            usual,
            acts=frozenset(Act(name) for name in said["acts"].split(",") if name),
            readings=Readings(said["readings"]),
            revival_weeks=int(said["revival_weeks"]),
            channels=_channels(said["channels"]),
            quiet=Quiet(begins=time.fromisoformat(begins), ends=time.fromisoformat(ends)) if begins else None,
            digest_at=time.fromisoformat(said["digest_at"]),
            detail=Detail(said["detail"]),
        )
    except (KeyError, ValueError):
        return usual


def want(connection: Connection, user: UserId, said: Wants) -> None:
    """Remember what the user wants to be told."""
    quiet = "" if said.quiet is None else f"{said.quiet.begins:%H:%M}-{said.quiet.ends:%H:%M}"
    preferences.put(
        connection,
        user,
        KEY,
        {
            "acts": ",".join(sorted(said.acts)),
            "readings": said.readings,
            "revival_weeks": str(said.revival_weeks),
            "channels": ",".join(sorted(said.channels)),
            "quiet": quiet,
            "zone": said.zone,
            "digest_at": f"{said.digest_at:%H:%M}",
            "detail": said.detail,
        },
    )


# --- for pages and the daily letter -----------------------------------------------------------------------------------


def is_decided(connection: Connection, user: UserId, notice: int) -> bool:
    """Whether it is on its way."""
    n = notices.c
    query = select(n.id).where(n.id == notice, n.user_id == user, n.state != State.NEW)
    return connection.execute(query).first() is not None


def for_page(
    connection: Connection, user: UserId, since: datetime, until: datetime | None = None, limit: int = 20
) -> list[Waiting]:
    """What an open page should show: told since then, or taken back, up to and with `until`; the earliest first."""
    n = notices.c
    on_page = or_(n.channels.like("%page%"), n.channels.like("%system%"))
    query = _with_facts().where(
        n.user_id == user, n.decided_at > since, n.state.in_((State.TOLD, State.BACK)), n.channels != "", on_page
    )
    if until is not None:
        query = query.where(n.decided_at <= until)
    found = _read(connection, query.order_by(n.id.desc()).limit(limit))
    return sorted(found, key=lambda each: each.id)


def latest(connection: Connection, user: UserId, limit: int) -> list[NoticeRow]:
    """The newest notices of a user, also those of which nobody was told, with the reason."""
    n = notices.c
    query = _with_facts().where(n.user_id == user, n.decided_at.is_not(None), n.message_id.is_not(None))
    found = _read(connection, query.order_by(n.decided_at.desc(), n.id.desc()).limit(limit))
    whys = {
        row.id: row.why
        for row in connection.execute(
            select(notices.c.id, notices.c.why).where(notices.c.id.in_([n.id for n in found]))
        )
    }
    return [
        NoticeRow(
            id=each.id,
            message=public_id(each.message or 0),
            subject=each.subject,
            who=each.name or each.address,
            act=each.act,
            at=each.at,
            state=each.state,
            why=whys[each.id],
            channels=tuple(sorted(each.channels)),
            together=each.leader is not None,
        )
        for each in found
    ]


def since_digest(connection: Connection, user: UserId, since: datetime, limit: int) -> list[Waiting]:
    """What the daily letter tells: all that was told, or would have been but for quiet hours or a missing channel; not
    what was judged again since, and no person did."""
    n = notices.c
    query = _with_facts().where(
        n.user_id == user,
        n.decided_at > since,
        n.message_id.is_not(None),
        or_(n.state == State.TOLD, and_(n.state == State.NOT, n.why.in_(("quiet", "no_channel")))),
        or_(n.cause != "hit", schema.events.c.finding.in_(COUNTED)),
    )
    return _read(connection, query.order_by(n.id).limit(limit))


def digest_wanted(connection: Connection) -> dict[UserId, Wants]:
    """Who wants a daily letter, and is still here."""
    p, u = schema.preferences.c, schema.users.c
    query = (
        select(p.user_id)
        .join(schema.users, u.id == p.user_id)
        .where(p.key == KEY, p.value.like(f"%{Channel.DIGEST}%"), u.removed_at.is_(None))
    )
    found = {user: wants(connection, user) for user in connection.execute(query).scalars().all()}
    return {user: said for user, said in found.items() if Channel.DIGEST in said.channels}


def last_digest(connection: Connection, user: UserId) -> datetime | None:
    """When the last daily letter was written."""
    written = preferences.get(connection, user, "digest", "")
    return datetime.fromisoformat(written) if written else None


def digest_written(connection: Connection, user: UserId, now: datetime) -> None:
    preferences.put(connection, user, "digest", now.isoformat())
