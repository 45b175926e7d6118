"""The list of sent mail: in three orders, narrowed by state, tag, template and words.

Promises what `views` does: rows of the asking user only, pages by key, no walk through all of anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from unsealed.model.errors import BadInput
from unsealed.model.message import CopyState, Delivery, UserId
from unsealed.model.template import TemplateId
from unsealed.model.view import MessageRow, Page
from unsealed.store.keyset import behind, bounded, cursor_of
from unsealed.store.schema import BOUNCED as IS_BOUNCED
from unsealed.store.schema import (
    CLICKED,
    FROM_TEMPLATE,
    MACHINE_ALONE,
    OPENED,
    REPLIED,
    TAGGED,
    UNTRACKED,
    copies,
    messages,
)
from unsealed.store.schema import WAITING as IS_WAITING
from unsealed.store.search import all_with_words, few_with_words, has_words, typed_words
from unsealed.store.views import message_rows

QUIET_AFTER = timedelta(days=1)  # the same day after which core.reading says "no signal"
COUNT_UP_TO = 2_000
WALKED = 20_000  # messages in search of a full page

WAITING = (Delivery.QUEUED, Delivery.DELAYED)


def listed(
    connection: Connection,
    user: UserId,
    *,
    sort: str = "signal",
    search: str = "",
    state: str = "",
    tag: str = "",
    template: TemplateId | None = None,
    after: str | None = None,
    limit: int = 50,
    now: datetime,
) -> Page[MessageRow]:
    """Messages of the user, newest first.

    sort: "signal" (last signal, or submission where there is none), "opened" (last signal, of those that were opened
    alone) or "sent". search: words as `store.search` understands them. state: "" or one of
    `FILTERS`. tag, template: only those with this tag, or made from this template.

    Raises:
        BadInput: unknown sort, state or cursor.
    """
    if sort not in SORTS:
        raise BadInput(f"sort by {', '.join(SORTS)}, not by {sort!r}")
    key = SORTS[sort]
    narrow = _narrow(connection, user, state, tag, template)
    query = select(messages).order_by(key.desc(), messages.c.id.desc())
    if sort == "opened":
        query = query.where(OPENED)
    wanted = bounded(limit) + 1
    query = behind(query, key, messages.c.id, after).limit(wanted)
    words = typed_words(search)
    if words is None or narrow.few is not None:
        found = connection.execute(query.where(*_listed(user, narrow, words, now))).all()
    else:
        found = _search(connection, user, query, narrow, words, key=key, wanted=wanted, now=now)
    rows = found[: bounded(limit)]
    more = len(found) > len(rows)
    cursor = cursor_of(getattr(rows[-1], key.name), rows[-1].id) if more else None
    return Page(items=message_rows(connection, rows), next=cursor)


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
}
_OF_COPIES: dict[str, ColumnElement[bool]] = {
    CopyState.DELAYED: IS_WAITING,
    CopyState.BOUNCED: IS_BOUNCED,
    CopyState.NOT_TRACKED: UNTRACKED,
}
_KNOWN = _OF_MESSAGES | _OF_COPIES


SORTS = {"signal": messages.c.signal_at, "opened": messages.c.last_at, "sent": messages.c.received_at}


def count(
    connection: Connection,
    user: UserId,
    *,
    search: str = "",
    state: str = "",
    tag: str = "",
    template: TemplateId | None = None,
    now: datetime,
) -> int | None:
    """How many messages `listed` would list, counted up to COUNT_UP_TO + 1; None where counting would take too long."""
    narrow = _narrow(connection, user, state, tag, template)
    conditions = sum((bool(state), bool(tag), template is not None))
    words = typed_words(search)
    if words is not None and narrow.few is None:
        few = few_with_words(connection, user, words)
        if few is None:
            return None if conditions or len(words) > 1 else COUNT_UP_TO + 1
        narrow = narrow.to(few)
    if narrow.few is None and (conditions > 1 or state in (CopyState.NO_SIGNAL, CopyState.NOT_TRACKED)):
        return None
    if narrow.few is None and conditions:  # what the index holds is what is in that state
        return COUNT_UP_TO + 1
    some = select(messages.c.id).where(*_listed(user, narrow, words, now))
    return connection.execute(select(func.count()).select_from(some.limit(COUNT_UP_TO + 1).subquery())).scalar_one()


@dataclass(frozen=True, slots=True)
class _Narrow:
    """What a list of mail is narrowed to.

    A list of many is found by walking down the order in which it is shown: each page is near. Of few it would be a walk
    through everything, so these are looked up and put in order.
    """

    few: Sequence[int] | None  # all that an index knows of the narrowest condition, if no more than COUNT_UP_TO
    where: list[ColumnElement[bool]]  # that condition
    rest: list[str]  # states that it does not answer for
    more: list[ColumnElement[bool]]  # further conditions

    def to(self, few: Sequence[int]) -> _Narrow:
        """To these messages, which no condition has been asked of yet."""
        return _Narrow(few, self.where, self.rest, [*self.where, *self.more])


def _narrow(connection: Connection, user: UserId, state: str, tag: str, template: TemplateId | None) -> _Narrow:
    of: ColumnElement[int] = messages.c.id
    conditions: list[ColumnElement[bool]] = []
    if template is not None:
        conditions.append(and_(FROM_TEMPLATE, messages.c.template_id == template))
    if tag := tag.replace("\0", ""):
        conditions.append(and_(TAGGED, messages.c.tag == tag))
    where, more, rest = conditions[:1], conditions[1:], [state] if state else []
    if not where and (known := _KNOWN.get(state)) is not None:
        where, of = [known], messages.c.id if state in _OF_MESSAGES else copies.c.message_id
        # The index knows those of which a copy is not tracked; the list holds those of which none is.
        rest = [state] if state == CopyState.NOT_TRACKED else []
    if not where:
        return _Narrow(None, [], rest, [])
    found = select(of).where(of.table.c.user_id == user, *where).distinct().limit(COUNT_UP_TO + 1)
    ids = list(connection.execute(found).scalars())
    if len(ids) <= COUNT_UP_TO:
        return _Narrow(ids, where, rest, more)
    of_messages = of is messages.c.id
    return _Narrow(None, where if of_messages else [], rest if of_messages else [state], more)


def _search(
    connection: Connection,
    user: UserId,
    query: Select[Any],
    narrow: _Narrow,
    words: Sequence[str],
    *,
    key: ColumnElement[datetime],
    wanted: int,
    now: datetime,
) -> Sequence[Row[Any]]:
    """A page of what has these words.

    Few hits are put in order. Of many, the page is near when one walks down the list; but not always, as when all are
    old. So the walk ends after WALKED messages, and then all hits are put in order, which takes longer.
    """

    def among(ids: Sequence[int]) -> Sequence[Row[Any]]:
        return connection.execute(query.where(*_listed(user, narrow.to(ids), words, now))).all()

    if (few := few_with_words(connection, user, words)) is not None:
        return among(few)
    order = query.where(messages.c.user_id == user).with_only_columns(key)
    edge = connection.execute(order.offset(WALKED).limit(1)).scalar()
    walk = query.where(*_listed(user, narrow, words, now))
    rows = connection.execute(walk if edge is None else walk.where(key > edge)).all()
    if edge is None or len(rows) == wanted:
        return rows
    rows = []
    for ids in all_with_words(connection, user, words):
        rows = sorted([*rows, *among(ids)], key=lambda row: (getattr(row, key.name), row.id), reverse=True)[:wanted]
    return rows


def _listed(user: UserId, narrow: _Narrow, words: Sequence[str] | None, now: datetime) -> list[ColumnElement[bool]]:
    rest = [*narrow.more, *(_in_state(state, now) for state in narrow.rest)]
    if words is not None:
        rest.append(has_words(words))
    if narrow.few is None:
        return [messages.c.user_id == user, *narrow.where, *rest]
    # Without the user, so that no database walks through all of the user's messages to find these.
    return [messages.c.id.in_(narrow.few), *rest]


def _in_state(state: str, now: datetime) -> ColumnElement[bool]:
    def some(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(copies.c.message_id == messages.c.id, *conditions)

    if (known := _OF_MESSAGES.get(state)) is not None:
        return known
    match state:
        case CopyState.NO_SIGNAL:
            return and_(
                *(number == 0 for number in (messages.c.opens, messages.c.clicks, messages.c.replies)),
                messages.c.machine == 0,
                some(copies.c.tracked, copies.c.delivery.in_((Delivery.SENT, Delivery.DELIVERED))),
                ~some(or_(copies.c.delivery.in_(WAITING), copies.c.sent_at > now - QUIET_AFTER)),
            )
        case CopyState.DELAYED:
            return some(copies.c.user_id == messages.c.user_id, IS_WAITING)
        case CopyState.BOUNCED:
            return some(copies.c.user_id == messages.c.user_id, IS_BOUNCED)
        case CopyState.NOT_TRACKED:
            return ~some(copies.c.tracked)
    raise BadInput(f"no such state to look for: {state!r}")
