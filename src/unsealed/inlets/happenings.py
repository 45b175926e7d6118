"""What happened over all messages, as pages and API ask for it: what is shown, what is silenced, who can be seen.

The same for both; reads only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from unsealed.core.notice import HOT, occasion, silenced
from unsealed.core.reliability import Trait, traits
from unsealed.model.errors import BadInput
from unsealed.model.message import UserId, public_id
from unsealed.model.notice import Occasion, Silence
from unsealed.model.texts import later
from unsealed.model.view import FollowUp, Happening, Page, What
from unsealed.store import activity, habits, notices
from unsealed.store.activity import Key

PEOPLE = frozenset({What.OPEN, What.CLICK, What.REPLY, What.BOUNCE})
MACHINES = frozenset({What.MACHINE, What.AUTOMATIC})
SHOWS = {  # by what stands in the address
    "": PEOPLE,
    "opens": frozenset({What.OPEN}),
    "clicks": frozenset({What.CLICK}),
    "highlights": PEOPLE,
    "replies": frozenset({What.REPLY, What.AUTOMATIC}),
    "muted": PEOPLE,
    "machine": MACHINES,
}
MUTED, HIGHLIGHTS = "muted", "highlights"
LOOKED_AT = 500  # keys among which a page of silenced ones, or of highlights, is looked for
AT_ONCE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A page of what happened."""

    items: tuple[Happening, ...]
    next: str | None
    hidden: int  # requests of machines in between that are not shown; see activity.HIDDEN_UP_TO


def happened(
    connection: Connection,
    user: UserId,
    *,
    show: str = "",
    machine: bool = False,
    after: str | None = None,
    limit: int,
) -> Happened:
    """What happened, newest first.

    show: one of SHOWS; highlights are answers, bounces and what is no ordinary Occasion. machine: among all, also what
    machines did. Of highlights and of what is silenced a page may be short, and still go on: they were looked for among
    LOOKED_AT.

    Raises:
        BadInput: there is no such thing to show, or this is not a cursor.
    """
    if show not in SHOWS:
        known = ", ".join(filter(None, SHOWS))
        raise BadInput(later("show is one of %(known)s, not %(asked)s"), known=known, asked=repr(show[:40]))
    whats = SHOWS[show] | (MACHINES if machine and not show else frozenset())
    if show == MUTED and not activity.anything_silenced(connection, user):
        return Happened(items=(), next=None, hidden=0)
    if show in (MUTED, HIGHLIGHTS):
        lines, end = _picked(connection, user, show, after, limit)
    else:
        lines, end = _newest(connection, user, whats, after, limit)
    whys = _whys(connection, user, [line[0] for line in lines])
    occasions = _occasions(connection, [line[0] for line in lines])
    made = activity.told(connection, user, lines)
    by_id = {f"{line[0].what}.{public_id(line[0].number)}": line[0] for line in lines}
    hidden = 0
    if not show and not machine and (lines or not after):
        since = lines[-1][0].at if end else None
        hidden = activity.hidden(connection, user, since, lines[0][0].at if after else None)
    return Happened(
        items=tuple(
            replace(each, why_muted=whys.get(by_id[each.id], ""), occasion=occasions.get(by_id[each.id], ""))
            for each in made
        ),
        next=end.cursor if end else None,
        hidden=hidden,
    )


Lines = tuple[list[list[Key]], Key | None]  # and the key behind which it goes on


def _newest(connection: Connection, user: UserId, whats: frozenset[What], after: str | None, limit: int) -> Lines:
    many = limit * (4 if whats & MACHINES else 1) + 1
    found = activity.keys(connection, user, whats, after=after, limit=many)
    lines = activity.together(found, limit)
    used = sum(map(len, lines))
    return lines, found[used - 1] if len(found) > used or len(found) == many else None


def _picked(connection: Connection, user: UserId, show: str, after: str | None, limit: int) -> Lines:
    """One by one, what is silenced, or stands out."""
    lines: list[list[Key]] = []
    end: Key | None = None
    for _ in range(LOOKED_AT // AT_ONCE):
        found = activity.keys(connection, user, PEOPLE, after=end.cursor if end else after, limit=AT_ONCE)
        picked = _whys(connection, user, found) if show == MUTED else _standing_out(connection, found)
        for key in found:
            if key in picked:
                if len(lines) == limit:
                    return lines, end
                lines.append([key])
            end = key
        if len(found) < AT_ONCE:
            return lines, None
    return lines, end


def _standing_out(connection: Connection, found: Sequence[Key]) -> set[Key]:
    occasions = _occasions(connection, found)
    return {key for key in found if occasions.get(key) is not Occasion.AGAIN}


def _occasions(connection: Connection, found: Sequence[Key]) -> dict[Key, Occasion]:
    """Of each open and click, what is special about it."""
    before = activity.before(connection, found, HOT)
    return {key: occasion(key.at, it.last, it.lately if key.what is What.OPEN else 0) for key, it in before.items()}


def _whys(connection: Connection, user: UserId, found: Sequence[Key]) -> dict[Key, str]:
    """Of what is silenced: by what."""
    about = activity.concerned(connection, user, found)
    silence = notices.silence(
        connection,
        user,
        messages={key.message for key in about},
        threads={each.thread for each in about.values()},
        contacts={each.contact for each in about.values()},
    )
    if silence == Silence():
        return {}
    whys = {key: silenced(silence, key.message, it.thread, it.contact, it.sent_at) for key, it in about.items()}
    return {key: why.value for key, why in whys.items() if why is not None}


INVISIBLE = (Trait.BLOCKS_PICTURES, Trait.NEVER_SEEN, Trait.ALWAYS_PREFETCHED)
REMEMBERED = 10  # newest letters to a person that are looked at: a list asks about many people at once


def invisible(
    connection: Connection, user: UserId, page: Page[FollowUp], now: datetime
) -> dict[str, tuple[Trait, ...]]:
    """By copy id, why nothing can be expected to be seen of its recipient; without those of whom something can."""
    mailboxes = {each.copy.address.lower() for each in page.items}
    of_person = {
        mailbox: tuple(trait for trait in traits(facts) if trait in INVISIBLE)
        for mailbox, facts in habits.facts_of_mailboxes(connection, user, mailboxes, now, REMEMBERED).items()
    }
    return {each.copy.id: why for each in page.items if (why := of_person[each.copy.address.lower()])}
