"""What open pages show of notices: told, or taken back.

A line of the feed stands for what was decided on at its moment for its user. Promises that a key belongs to one state
of one notice, so that a page that hears of it twice shows it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from unsealed.flow import notify
from unsealed.inlets.web.moments import Times
from unsealed.model.message import UserId
from unsealed.model.notice import Channel, Detail, NoticeId, Wants
from unsealed.store import notices
from unsealed.store.notices import State, Waiting
from unsealed.store.schema import EPOCH, MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """Notices of one user for the pages, and what their words need."""

    notices: Sequence[Waiting] = ()  # the earliest first
    leaders: Mapping[NoticeId, Waiting]
    wants: Wants
    replaced: Set[NoticeId] = frozenset()  # of those: in whose place something stands that was told later


def told_since(connection: Connection, user: UserId, since: datetime) -> Cards:
    """What was told or taken back since then."""
    return _with_leaders(connection, user, notices.for_page(connection, user, since))


def told_at(connection: Connection, user: UserId, at: datetime) -> Cards:
    """What was told or taken back at that moment, and is so still."""
    return _with_leaders(connection, user, notices.for_page(connection, user, at - MICROSECOND, until=at))


def _with_leaders(connection: Connection, user: UserId, found: Sequence[Waiting]) -> Cards:
    leaders = {each.leader for each in found if each.leader is not None}
    back = [each.id for each in found if each.state is State.BACK]
    return Cards(
        notices=found,
        leaders=notices.by_id(connection, leaders) if leaders else {},
        wants=notices.wants(connection, user),
        replaced=notices.replaced(connection, back) if back else frozenset(),
    )


def in_words(cards: Cards, said: Times) -> list[dict[str, object]]:
    """As scripts take them, with the times of the browser that shows them."""
    return [
        _shown(each, cards.leaders.get(each.leader or NoticeId(0)), cards.wants.detail, said, each.id in cards.replaced)
        for each in cards.notices
    ]


def _shown(it: Waiting, leader: Waiting | None, outside: Detail, said: Times, replaced: bool) -> dict[str, object]:
    leading = leader if leader is not None and leader.state is State.TOLD else None
    gone = it.state is State.BACK and leading is None  # what was told with another leaves that one standing
    shown = leading or it
    full, short = (
        notify.worded(shown, at=said.local(shown.at), twelve=said.twelve, detail=detail, gone=gone, texts=said.texts)
        for detail in (Detail.ALL, outside)
    )
    tags = {notify.tag_of(replace(shown, more=more)) for more in (0, 1)}
    tag, instead = full.tag, "".join(tags - {full.tag})
    if gone and replaced:  # the card of the later one stays: what goes is at most one that was told with others
        tag, instead = instead or tag, ""
    return {
        "key": f"{it.id}.{microseconds(it.decided_at or it.at)}",
        "tag": tag,
        "instead": instead,  # the card of the same notice when it was told alone, or with others
        "title": full.title,
        "body": full.body,
        "outside": {"title": short.title, "body": short.body},  # for where others may look
        "path": full.path,
        "message": full.message,
        "again": full.again or leading is not None,
        "gone": gone,
        "page": Channel.PAGE in it.channels,
        "system": Channel.SYSTEM in it.channels and not (gone and replaced),
    }


def microseconds(at: datetime) -> str:
    """A moment as scripts keep it, to ask for what came since then."""
    return str((at - EPOCH) // MICROSECOND)
