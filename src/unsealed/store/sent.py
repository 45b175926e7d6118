"""The list of sent mail: in three orders, narrowed by state, tag, template and words.

Promises what `views` does: rows of the asking user only, pages by key, no walk through all of anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from unsealed.model.errors import BadInput
from unsealed.model.message import CopyState, Delivery, UserId
from unsealed.model.template import TemplateId
from unsealed.model.view import MessageRow, Page
from unsealed.store.keyset import behind, bounded, cursor_of, place_of
from unsealed.store.many_rows import among
from unsealed.store.schema import (
    BOUNCED_TO_SOMEBODY,
    CLICKED,
    FROM_TEMPLATE,
    LATE,
    LATE_READING,
    LATE_SIGNAL,
    MACHINE_ALONE,
    NOT_TRACKED,
    OPENED,
    QUIET,
    REPLIED,
    TAGGED,
    WAITING,
    copies,
    messages,
)
from unsealed.store.search import (
    NEWEST_WEEKS,
    WEEK,
    begin_of,
    few_with_words,
    has_words,
    those_with_words,
    typed_words,
    until,
    weeks_of,
    with_words,
)
from unsealed.store.views import message_rows

QUIET_AFTER = timedelta(days=1)  # the same day after which core.reading says "no signal"
COUNT_UP_TO = 2_000
FEW = 2_000  # messages in a state that are looked up and put in order; of more, the list is walked down
FEW_IN_SEARCH = 5_000  # as walking finds less
WALKED = 10_000  # letters that are looked at one by one for a page
WALKED_FIRST = 2_000  # of a search, before hits are looked up,
PROBED = 200  # if the first so many let expect that a page fills
LOOKED_UP = 3_000  # hits
DENSE = 12  # of PROBED: two pages among WALKED_FIRST
APART = 5  # weeks for two pages of where several words meet: walking would be in vain


FILTERS = (
    CopyState.OPENED,
    CopyState.CLICKED,
    CopyState.REPLIED,
    CopyState.LOADED_BY_MACHINE,
    CopyState.NO_SIGNAL,
    CopyState.DELAYED,
    CopyState.BOUNCED,
    CopyState.NOT_TRACKED,
)


_OF_MESSAGES: dict[str, ColumnElement[bool]] = {
    CopyState.OPENED: OPENED,
    CopyState.CLICKED: CLICKED,
    CopyState.REPLIED: REPLIED,
    CopyState.LOADED_BY_MACHINE: MACHINE_ALONE,
    CopyState.NO_SIGNAL: QUIET,
    CopyState.BOUNCED: BOUNCED_TO_SOMEBODY,
    CopyState.NOT_TRACKED: NOT_TRACKED,
}

# Those that an index holds in the order of sending, too. Of the others, many letters are, or hardly any.
_BY_DATE = (CopyState.REPLIED, CopyState.LOADED_BY_MACHINE, CopyState.BOUNCED, CopyState.NOT_TRACKED)

SORTS = {"signal": messages.c.signal_at, "opened": messages.c.last_at, "sent": messages.c.received_at}
_LATE = {"signal": LATE_SIGNAL, "opened": LATE_READING}
_NO_KEY: ColumnElement[int] = literal_column("0")  # added to an id, so that rows are not looked up by it


@dataclass(frozen=True, slots=True)
class _Narrow:
    """What a list of mail is narrowed to.

    A list of many is found by walking down the order in which it is shown: each page is near. Of few it would be a walk
    through everything, so these are looked up and put in order.
    """

    few: Sequence[int] | None = None  # all that an index knows of the narrowest condition, if they are few
    where: Sequence[ColumnElement[bool]] = ()  # of many: that condition, as its index knows it
    order: str = ""  # in which that index is
    rest: Sequence[str] = ()  # states that it does not answer for
    more: Sequence[ColumnElement[bool]] = ()  # further conditions
    near: bool = False  # the few are young: the first of the list are likely enough for a page

    def to(self, few: Sequence[int]) -> _Narrow:
        """To those of these messages that are in it; no condition has been asked of them yet."""
        return _Narrow(few, rest=self.rest, more=[*self.where, *self.more])

    def asked(self, now: datetime) -> list[ColumnElement[bool]]:
        """What is asked of each row besides."""
        return [*self.more, *(_in_state(state, now) for state in self.rest)]


def _narrow(
    connection: Connection,
    user: UserId,
    state: str,
    tag: str,
    template: TemplateId | None,
    sort: str,
    words: Sequence[str] | None,
) -> _Narrow:
    """What is asked for besides words. Where these are few, only those that have the words."""
    conditions: list[ColumnElement[bool]] = []
    if template is not None:
        conditions.append(and_(FROM_TEMPLATE, messages.c.template_id == template))
    if tag:
        conditions.append(and_(TAGGED, messages.c.tag == tag))
    where, more, order, rest = conditions[:1], conditions[1:], "sent", [state] if state else []
    if not where and state == CopyState.DELAYED:
        waiting = select(copies.c.message_id).where(copies.c.user_id == user, WAITING).distinct()
        ids = list(connection.execute(waiting.limit(FEW + 1)).scalars())
        if len(ids) > FEW:
            return _Narrow(rest=rest)
        return _Narrow(ids if words is None else those_with_words(connection, ids, words), near=len(ids) > PROBED)
    if not where and (known := _OF_MESSAGES.get(state)) is not None:
        where, order = [known], "sent" if sort == "sent" and state in _BY_DATE else "signal"
        rest = [state] if state == CopyState.NO_SIGNAL else []  # its index knows of no time
    if not where:
        return _Narrow(rest=rest)
    walked = order == sort  # the list is a stretch of that index
    if words is not None or more or rest or not walked:
        # In the order of the index, as SQLite would else take any index that begins with the user.
        found = select(messages.c.id).where(messages.c.user_id == user, *where).order_by(SORTS[order].desc())
        few = FEW_IN_SEARCH if words is not None and not walked else FEW
        if connection.execute(found.limit(1).offset(few)).first() is None:
            those = found if words is None else found.where(has_words(words))
            return _Narrow(list(connection.execute(those).scalars()), rest=rest, more=more)
    return _Narrow(where=where, order=order, rest=rest, more=more)


@dataclass(frozen=True, slots=True)
class Sought:
    """What a list of sent mail is asked for, looked up once for the page and for the count beside it."""

    connection: Connection
    user: UserId
    sort: str
    conditions: int  # of state, tag and template
    narrow: _Narrow
    words: Sequence[str] | None  # those that more messages have than are looked up; None: there are no such
    weeks: range | None  # in which these may be; None: not looked up, as walking will do or there are no words
    near: int  # messages of the newest weeks that surely have all of these

    def listed(self, *, after: str | None = None, limit: int = 50, now: datetime) -> Page[MessageRow]:
        """A page of it, newest first. It may be shorter than `limit` although there is a next one: it ends where
        looking on would take too long.

        Raises:
            BadInput: unknown cursor.
        """
        asked = _Asked(self, after, bounded(limit) + 1, now)
        found, end = asked.answer()
        rows = found[: bounded(limit)]
        if len(found) > len(rows):
            end = cursor_of(getattr(rows[-1], asked.key.name), rows[-1].id)
        return Page(items=message_rows(self.connection, rows), next=end)

    def count(self, *, now: datetime) -> int | None:
        """How many messages there are on all pages, counted up to COUNT_UP_TO + 1; None where that takes too long."""
        narrow = self.narrow
        opened = [OPENED] if self.sort == "opened" else []
        if narrow.few is not None:
            if len(narrow.few) > FEW:
                return None
            if not (asked := [*narrow.asked(now), *opened]):
                return len(narrow.few)
            some = select(messages.c.id).where(*asked)
            # Without the user, so that no database walks through all of the user's messages to find these.
            return self._count(some.where(among(self.connection, messages.c.id, narrow.few)))
        if self.words is not None:
            return None if self.conditions or len(self.words) > 1 else COUNT_UP_TO + 1
        if self.conditions + len(opened) > 1 or narrow.rest:
            return COUNT_UP_TO + 1 if narrow.rest == [CopyState.DELAYED] and self.conditions == 1 else None
        where = [*narrow.where, *opened]
        some = select(messages.c.id).where(messages.c.user_id == self.user, *where)
        # In the order of the index, for the reason given in `_narrow`.
        return self._count(some.order_by(SORTS[narrow.order or "signal"].desc()) if where else some)

    def _count(self, some: Select[tuple[int]]) -> int:
        counted = select(func.count()).select_from(some.limit(COUNT_UP_TO + 1).subquery())
        return self.connection.execute(counted).scalar_one()


class What(TypedDict, total=False):
    """What a list is narrowed to, and its order."""

    sort: str  # "signal" (last signal, else submission), "opened" (the same of those that were opened), or "sent"
    search: str  # words as `store.search` understands them
    state: str  # "" or one of `FILTERS`
    tag: str
    template: TemplateId | None  # only what was made from it


def seek(connection: Connection, user: UserId, **what: Unpack[What]) -> Sought:
    """Messages of the user, for a page and for their number.

    Raises:
        BadInput: unknown sort or state.
    """
    sort, state, template = what.get("sort", "signal"), what.get("state", ""), what.get("template")
    tag = what.get("tag", "").replace("\0", "")
    if sort not in SORTS:
        raise BadInput(f"sort by {', '.join(SORTS)}, not by {sort!r}")
    if state and state not in FILTERS:
        raise BadInput(f"no such state to look for: {state!r}")
    words = typed_words(what.get("search", ""))
    narrow = _narrow(connection, user, state, tag, template, sort, words)
    conditions = sum((bool(state), bool(tag), template is not None))
    weeks, near = None, 0
    if narrow.few is not None:
        words = None
    elif words is not None and not _many_have(connection, user, narrow, sort, words):
        weeks = weeks_of(connection, user)
        # Of one word alone the number of messages is told.
        few, near = few_with_words(connection, user, words, weeks, sure=len(words) == 1 and not conditions)
        if few is not None:
            narrow, words = narrow.to(those_with_words(connection, few, words)), None
    return Sought(connection, user, sort, conditions, narrow, words, weeks, near)


def _many_have(connection: Connection, user: UserId, narrow: _Narrow, sort: str, words: Sequence[str]) -> bool:
    """Whether so many of the newest in a state have the word that walking will fill a page."""
    if len(words) != 1 or not narrow.where or narrow.order != sort:
        return False
    query = select(messages.c.id).where(messages.c.user_id == user, *narrow.where).order_by(SORTS[sort].desc())
    newest = query.limit(PROBED).subquery()
    having = select(func.count()).select_from(newest).where(has_words(words, newest.c.id))
    return connection.execute(having).scalar_one() >= DENSE


def listed(
    connection: Connection,
    user: UserId,
    *,
    after: str | None = None,
    limit: int = 50,
    now: datetime,
    **what: Unpack[What],
) -> Page[MessageRow]:
    """A page of the user's messages.

    Raises:
        BadInput: unknown sort, state or cursor.
    """
    return seek(connection, user, **what).listed(after=after, limit=limit, now=now)


def count(connection: Connection, user: UserId, *, now: datetime, **what: Unpack[What]) -> int | None:
    """How many messages `listed` would list, as `Sought.count` says it."""
    return seek(connection, user, **what).count(now=now)


class _Asked:
    """One page of the list: rows in order, one more than the page when there are more, and where to look on when the
    looking ended before the page was full."""

    def __init__(self, sought: Sought, after: str | None, wanted: int, now: datetime) -> None:
        sort, narrow = sought.sort, sought.narrow
        self.key = SORTS[sort]
        self._connection, self._user, self._wanted = sought.connection, sought.user, wanted
        self._until, self._now = place_of(after)[0] if after else None, now
        # Where nobody was seen, what stands for the last signal is when the message was accepted.
        self._late = None if CopyState.NO_SIGNAL in narrow.rest else _LATE.get(sort)
        self._reach = timedelta(0) if self._late is None else LATE
        self._narrow, self._words, self._near = narrow, sought.words, sought.near
        self._weeks = None if sought.weeks is None else self._begun(sought.weeks)
        # What an index holds in this order, and what is asked of each row.
        self._mine = [messages.c.user_id == self._user, *([OPENED] if sort == "opened" else [])]
        if CopyState.NO_SIGNAL in narrow.rest and sort != "opened":
            self._mine.append(self.key <= now - QUIET_AFTER)  # so that none is looked at which is too young
        self._conditions = narrow.asked(now)
        (self._mine if sort == narrow.order else self._conditions).extend(narrow.where)
        self._order = select(messages).order_by(self.key.desc(), messages.c.id.desc()).limit(wanted)
        self._query = self._behind(after)

    def answer(self) -> tuple[Sequence[Row[Any]], str | None]:
        if self._narrow.few is not None:
            return self._of_few(self._narrow.few), None
        if not self._conditions and self._words is None:
            return self._rows(*self._mine), None
        if self._words is None:
            return self._walk(most=WALKED)
        found = has_words(self._words)
        if self._weeks is None:
            rows, end = self._walk(found, most=WALKED_FIRST)
            if end is None or len(rows) == self._wanted:
                return rows, end
            return self._by_weeks(self._words, self._begun(weeks_of(self._connection, self._user)), [], 0)
        ids, looked = self._met(self._words, self._weeks)
        if looked < APART:
            rows, end = self._walk(found, most=PROBED)
            if end is not None and len(rows) < self._wanted <= len(rows) * WALKED_FIRST // PROBED:
                further, end = self._walk(found, most=WALKED_FIRST - PROBED, after=end)
                rows = [*rows, *further][: self._wanted]
            if end is None or len(rows) == self._wanted:
                return rows, end
        return self._by_weeks(self._words, self._weeks, ids, looked)

    def _of_few(self, few: Sequence[int]) -> list[Row[Any]]:
        if self._narrow.near:
            rows, _ = self._walk(among(self._connection, messages.c.id + _NO_KEY, few), most=WALKED_FIRST)
            if len(rows) == self._wanted:
                return rows
        # Without the user, for the reason given in `Sought.count`.
        return self._rows(among(self._connection, messages.c.id, few), *self._mine[1:], *self._conditions)

    def _begun(self, weeks: range) -> range:
        """Those of these weeks that the cursor has not passed."""
        return weeks if self._until is None else until(weeks, self._until)

    def _behind(self, cursor: str | None) -> Select[Any]:
        return behind(self._order, self.key, messages.c.id, cursor)

    def _rows(self, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
        return list(self._connection.execute(self._query.where(*conditions)))

    def _walk(
        self, *found: ColumnElement[bool], most: int, after: str | None = None
    ) -> tuple[list[Row[Any]], str | None]:
        """What fits among the next `most` of the list. after: where looking ended before, or from the cursor on."""
        next_ones = (self._query if after is None else self._behind(after)).where(*self._mine)
        places = next_ones.with_only_columns(self.key, messages.c.id)
        edge = self._connection.execute(places.limit(1).offset(most - 1)).first()
        if edge is not None:
            next_ones = next_ones.where(self.key >= edge[0], or_(self.key > edge[0], messages.c.id >= edge[1]))
        rows = self._connection.execute(next_ones.where(*found, *self._conditions)).all()
        return list(rows), None if edge is None else cursor_of(*edge)

    def _met(self, words: Sequence[str], weeks: range) -> tuple[Sequence[int], int]:
        """Where several words meet in the newest weeks, for about two pages, unless that is often; and how many weeks
        these are."""
        most = 2 * self._wanted
        if len(words) == 1 or self._near * APART >= most * NEWEST_WEEKS:
            return [], 0
        return with_words(self._connection, self._user, words, weeks, most)

    def _of_weeks(self, words: Sequence[str], some: range) -> tuple[Sequence[int], int]:
        """What has these words in as many of these weeks as are looked up at once, in the first at least; and how many
        these are."""
        if not some:
            return [], 0
        ids, complete = with_words(self._connection, self._user, words, some, LOOKED_UP)
        return (ids, complete) if complete else with_words(self._connection, self._user, words, some[:1])

    def _by_weeks(
        self, words: Sequence[str], weeks: range, ids: Sequence[int], looked: int
    ) -> tuple[list[Row[Any]], str | None]:
        """What has these words, some weeks at once: no sign of an older week stands higher, but for late ones.

        ids: what has them in the first weeks, of which so many are `looked` up already.
        """
        reach = self._reach
        places: list[tuple[datetime, int]] = []
        if not looked:  # of fewer weeks, nothing would stand firm
            ids, looked = self._of_weeks(words, weeks[: 1 + reach // WEEK])
        hits, complete = 0, looked
        while complete:
            hits += len(ids)
            places = self._highest(places, among(self._connection, messages.c.id, ids), *self._mine[1:])
            since = begin_of(weeks[looked - 1])
            known = since + reach
            full = len(places) == self._wanted
            if (full and places[-1][0] >= known) or (hits > LOOKED_UP and known < (self._until or self._now)):
                break
            if full:
                ahead = -((places[-1][0] - known) // WEEK)  # up to the week of the last
            else:
                missing = (self._wanted - len(places)) * looked // max(len(places), 1) + 1
                room = (LOOKED_UP - hits) * looked // max(hits, 1) + 1
                ahead = max(1, min(missing, 4 * looked, room))  # the page of a cursor must get beyond
            ids, complete = self._of_weeks(words, weeks[looked : looked + ahead])
            looked += complete
        else:
            return self._these(places), None
        if full:
            known = max(known, places[-1][0])
        if self._late is not None:
            late = self._late, self.key >= known, messages.c.user_id == self._user
            order = self._query.with_only_columns(self.key).where(*late).limit(1).offset(WALKED_FIRST)
            known = max(known, self._connection.execute(order).scalar() or known)
            older = self.key >= known, messages.c.received_at < since, has_words(words)
            places = self._highest(places, *late, *older, *self._mine[1:])
        return self._these([place for place in places if place[0] >= known]), cursor_of(known, 0)

    def _highest(
        self, places: Sequence[tuple[datetime, int]], *conditions: ColumnElement[bool]
    ) -> list[tuple[datetime, int]]:
        """Of these and of those that fit, the first of a page."""
        some = self._query.with_only_columns(self.key, messages.c.id).where(*conditions, *self._conditions)
        found = [(at, id) for at, id in self._connection.execute(some).all()]
        return sorted([*places, *found], reverse=True)[: self._wanted]

    def _these(self, places: Sequence[tuple[datetime, int]]) -> list[Row[Any]]:
        return self._rows(among(self._connection, messages.c.id, [id for _, id in places]))


def _in_state(state: str, now: datetime) -> ColumnElement[bool]:
    def some(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(copies.c.message_id == messages.c.id, *conditions)

    if state == CopyState.NO_SIGNAL:
        return and_(
            QUIET,
            some(copies.c.tracked, copies.c.delivery.in_((Delivery.SENT, Delivery.DELIVERED))),
            ~some(or_(WAITING, copies.c.sent_at > now - QUIET_AFTER)),
        )
    known = _OF_MESSAGES.get(state)
    if known is not None:
        return known
    return some(copies.c.user_id == messages.c.user_id, WAITING)
