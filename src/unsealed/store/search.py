"""Messages by the words in them: of the subject, of recipients' names and addresses, of links.

Promises the same answer on SQLite and PostgreSQL: what a word is gets decided here, and either database is given bare
words, so nothing that somebody typed is ever part of a query's syntax. Every word typed must begin a word of the
message; case and accents do not matter. Writing scripts that put nothing between words count by character.

The index is kept by shelves, one for each user and week, the name of the shelf before every word. So words of others
are never in the way, an absent word costs one look a week, and one that everything has costs no more than the weeks
that are looked at, newest first.

Does not look into the text of messages, nor behind the "?" of links. Of a message that is for its recipients alone,
links are left out: they hold secrets, which somebody could find out letter by letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import ColumnElement, Connection, Row, TextClause, and_, bindparam, false, select, text

from unsealed.model.message import Link, MessageId, Recipient, UserId
from unsealed.store.many_rows import Several, among
from unsealed.store.schema import EPOCH, messages, texts

FEW = 1_000  # hits that are put in order; of more, the list is walked down until a page is full
TYPED_WORDS = 16  # the first so many count
WORD_CHARACTERS = 64
KEPT_BYTES = 400_000  # of one message; PostgreSQL's limit is a megabyte
WEEK = timedelta(weeks=1)
SURELY_MANY = 2  # times FEW are expected by the newest weeks: it is not looked whether they are few
NEWEST_WEEKS = 8  # tell whether a word is one of many
_ALL = 1 << 62  # more than there are
MERGED = 64  # pages of SQLite's index that are written at once: some milliseconds, for others wait to write

_ASCII = re.compile("[a-z0-9]+")
# Scripts without spaces: Thai, Lao, Burmese, Khmer; Chinese, Japanese and what belongs to them.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)

# Week after week, each looked at only where those before had fewer than are asked for. Seeing all of them at once, a
# planner of PostgreSQL believes that everything matches, and reads it; and SQLite puts together the hits of all first.
# OFFSET 0 keeps PostgreSQL from joining the other way round, where LIMIT would leave out letters of any week.
_FIND = {
    "sqlite": """SELECT week.key AS place, text_index.rowid AS id FROM json_each(:shelves) AS week CROSS JOIN text_index
        WHERE text_index MATCH coalesce({}, '""') LIMIT :most""",
    "postgresql": """SELECT week.place - 1 AS place, found.message_id AS id
        FROM unnest(CAST(:shelves AS text[])) WITH ORDINALITY AS week(value, place),
        LATERAL (SELECT message_id FROM texts WHERE CAST(replace(words, ' ', ' ' || shelf) AS tsvector)
            @@ CAST({} AS tsquery) OFFSET 0) AS found
        LIMIT :most""",
}
# What begins with a word, in a week. Words are letters and digits alone, so that quotes around them hold.
_BEGINS = {
    "sqlite": """ '"' || week.value || :word{0} || '" *' """,
    "postgresql": """ '''' || week.value || :word{0} || ''':*' """,
}
# The same where several words must meet. SQLite first puts together all hits of what begins so, while whole words meet
# hit by hit: where few begin so, they are asked for by name, and where none does (NULL), nothing is.
_MEETS = _BEGINS | {
    "sqlite": """(
        SELECT CASE count(*) WHEN 5 THEN '"' || week.value || :word{0} || '" *'
            ELSE '("' || group_concat(term, '" OR "') || '")' END
        FROM (SELECT term FROM text_terms WHERE term >= week.value || :word{0}
            AND term < week.value || :word{0} || char(0x10ffff) LIMIT 5))""",
}
_AND = {"sqlite": " || ' AND ' || ", "postgresql": " || ' & ' || "}
# How many messages of these weeks fit each of these questions, in which "/" stands for a week; counted no further than
# asked for.
_COUNT = {
    "sqlite": """SELECT (SELECT count(*) FROM (
            SELECT 1 FROM json_each(:shelves) AS week CROSS JOIN text_index
            WHERE text_index MATCH replace(asked.value, '/', week.value) LIMIT :most))
        FROM json_each(:asked) AS asked ORDER BY asked.key""",
    "postgresql": """SELECT (SELECT count(*) FROM (
            SELECT 1 FROM unnest(CAST(:shelves AS text[])) AS week(value),
            LATERAL (SELECT 1 FROM texts WHERE CAST(replace(words, ' ', ' ' || shelf) AS tsvector)
                @@ CAST(replace(asked.value, '/', week.value) AS tsquery)) AS found
            LIMIT :most) AS counted)
        FROM unnest(CAST(:asked AS text[])) WITH ORDINALITY AS asked(value, key) ORDER BY asked.key""",
}
_WORD = {"sqlite": '"/{}"', "postgresql": "'/{}'"}
_AND_WORD = {"sqlite": " AND ", "postgresql": " & "}
_MERGE = text("INSERT INTO text_index (text_index, rank) VALUES ('merge', :pages)")


@cache
def find(dialect: str, words: int) -> TextClause:
    """Messages that have so many words that begin so: :shelves of weeks, :word0 and so on, and at :most how many."""
    one = (_BEGINS if words == 1 else _MEETS)[dialect]
    wanted = _AND[dialect].join(one.format(number) for number in range(words))
    return text(_FIND[dialect].format(wanted)).bindparams(bindparam("shelves", type_=Several()))


@cache
def _count(dialect: str) -> TextClause:
    several = [bindparam(name, type_=Several()) for name in ("shelves", "asked")]
    return text(_COUNT[dialect]).bindparams(*several)


def add(
    connection: Connection,
    message: MessageId,
    user: UserId,
    at: datetime,
    *,
    subject: str,
    recipients: Iterable[Recipient],
    links: Iterable[Link] = (),
) -> None:
    """Make a message be found; it is forgotten with its row. at: when it was accepted."""
    addressed = (part for each in recipients for part in (each.name, each.address))
    linked = ((each.text, each.destination) for each in links if not each.trap)
    connection.execute(
        texts.insert(),
        {"message_id": message, "shelf": shelf_of(user, at), "words": words_kept(subject, addressed, linked)},
    )


def merge(connection: Connection) -> bool:
    """Put together a portion of the pieces in which SQLite's index of words was written; whether there may be more.

    Each message adds a piece, and each look at a week looks into all of them. SQLite puts four of a size together by
    itself and leaves ten to twenty; this goes on until no two of a size are left. Nothing is read or written beyond the
    list of the pieces where there is nothing to do. PostgreSQL's index has no pieces.
    """
    if connection.dialect.name != "sqlite":
        return False
    own: Any = connection.connection.driver_connection
    before = own.total_changes
    connection.execute(_MERGE, {"pages": MERGED})
    return bool(own.total_changes - before > 1)  # one stands for the statement itself


def words_kept(subject: str, addressed: Iterable[str], linked: Iterable[tuple[str, str]] = ()) -> str:
    """The words of a message as the store keeps them, a space before each. linked: texts and destinations."""
    kept: dict[str, None] = {}
    room = KEPT_BYTES
    for part in (subject, *addressed, *(part for words, url in linked for part in (words, _place(url)))):
        for word in _words(part):
            if word not in kept and (room := room - len(word.encode()) - 24) > 0:  # 24: the shelf, and a little
                kept[word] = None
    return "".join(f" {word}" for word in kept)


def typed_words(search: str) -> list[str] | None:
    """The words that somebody looks for; None when nothing was typed, empty when there is no word in it."""
    if not search.strip(" \t\r\n\0"):
        return None
    found = dict.fromkeys(_words(search[: TYPED_WORDS * WORD_CHARACTERS]))
    return list(found)[:TYPED_WORDS]


def has_words(words: Sequence[str], id: ColumnElement[int] = messages.c.id) -> ColumnElement[bool]:
    """That a message has words that begin so. For messages that are at hand; reads no index of words."""
    # A value, not "exists": PostgreSQL makes a join of that, and reads all words of everybody to find those at hand.
    return select(begin_in(texts.c.words, words)).where(texts.c.message_id == id).scalar_subquery()


def those_with_words(connection: Connection, ids: Collection[int], words: Sequence[str]) -> Sequence[int]:
    """Those of these messages, some thousands at most, that have words that begin so."""
    kept = select(texts.c.message_id).where(among(connection, texts.c.message_id, ids), begin_in(texts.c.words, words))
    return connection.execute(kept).scalars().all()


def begin_in(kept: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """That words which were kept begin so: each of those that were typed, if there is one."""
    return and_(*(kept.like(f"% {word}%") for word in words)) if words else false()


def few_with_words(
    connection: Connection, user: UserId, words: Sequence[str], weeks: range, *, sure: bool = True
) -> tuple[Sequence[int] | None, int]:
    """The user's messages among which are all of these weeks that have words that begin so; None when these are more
    than FEW, or, where nobody has to be sure, when many more are expected by what the newest weeks hold. And how many
    there surely are in these weeks, NEWEST_WEEKS, counted no further than that.

    They have one of the words, the longest that very few messages have, else few: the database would look at all that
    have the others.
    """
    if not words or not weeks:
        return [], 0

    def many(hits: int, looked: int) -> bool:
        return hits > FEW or (not sure and hits * len(weeks) > looked * SURELY_MANY * FEW)

    newest = weeks[:NEWEST_WEEKS]
    ordered = sorted(words, key=len, reverse=True)
    counted = _counted(connection, user, ordered, newest)
    together = counted[-1]
    promising = [word for word, hits in zip(ordered, counted, strict=False) if not many(hits, len(newest))]
    for most in (FEW // 10, FEW):
        for word in promising.copy():
            hits = _found(connection, user, [word], weeks, most + 1)
            if len(hits) <= most:
                return [hit.id for hit in hits], together
            if many(len(hits), hits[-1].place + 1):
                promising.remove(word)
    return None, together


def with_words(
    connection: Connection, user: UserId, words: Sequence[str], weeks: range, most: int = _ALL
) -> tuple[Sequence[int], int]:
    """The user's messages that have words that begin so, of the first of these weeks that together hold no more than
    `most`; and how many weeks these are."""
    hits = _found(connection, user, words, weeks, most + 1)
    looked = len(weeks) if len(hits) <= most else hits[-1].place
    return [hit.id for hit in hits if hit.place < looked], looked


def weeks_of(connection: Connection, user: UserId) -> range:
    """The weeks from that in which the user sent last to that in which the user sent first."""
    mine = select(messages.c.received_at).where(messages.c.user_id == user).limit(1)
    # Each by itself: SQLite looks at all messages for a smallest and a largest value at once.
    ends = (mine.order_by(order).scalar_subquery() for order in (messages.c.received_at.desc(), messages.c.received_at))
    last, first = connection.execute(select(*ends)).one()
    return range(_week(last), _week(first) - 1, -1) if first and last else range(0)


def until(weeks: range, at: datetime) -> range:
    """Those of these weeks that have begun by then."""
    return range(min(weeks.start, _week(at)), weeks.stop, -1)


def begin_of(week: int) -> datetime:
    """When a week begins."""
    return EPOCH + week * WEEK


def shelf_of(user: UserId, at: datetime) -> str:
    """The name of the shelf of a message that was accepted at that time; all are of the same length."""
    return _shelf(user, _week(at))


def _found(
    connection: Connection, user: UserId, words: Sequence[str], weeks: range, most: int
) -> Sequence[Row[tuple[int, int]]]:
    """So many messages that have words that begin so: at which place of the weeks, and their ids."""
    asked: dict[str, Any] = {"shelves": _shelves(user, weeks), "most": most}
    asked |= {f"word{number}": word for number, word in enumerate(words)}
    return connection.execute(find(connection.dialect.name, len(words)), asked).all()


def _counted(connection: Connection, user: UserId, words: Sequence[str], weeks: range) -> Sequence[int]:
    """How many messages of these weeks have each of these very words, and at last how many all of them, up to FEW + 1.
    What only begins so is not looked at: for that a database puts together all that do, before it tells the first."""
    dialect = connection.dialect.name
    each = [_WORD[dialect].format(word) for word in words]
    together = [_AND_WORD[dialect].join(each)] if len(each) > 1 else []
    asked = {"shelves": _shelves(user, weeks), "asked": [*each, *together], "most": FEW + 1}
    return connection.execute(_count(dialect), asked).scalars().all()


def _shelves(user: UserId, weeks: range) -> list[str]:
    return [_shelf(user, week) for week in weeks]


def _shelf(user: UserId, week: int) -> str:
    return f"{user:016x}{week:04x}"


def _week(at: datetime) -> int:
    return max(0, (at - EPOCH) // WEEK)


def _place(url: str) -> str:
    """Host and path of a destination, or of an address to write to."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # it was left as it stood in the message
        return ""
    return f"{host} {unquote(parts.path)}"


def _words(written: str) -> list[str]:
    """The words of a text in their folded form: letters and digits of any script, nothing else."""
    folded = written.casefold()
    if folded.isascii():
        found = _ASCII.findall(folded)
    else:
        # Case again: what is put together in one sign may hold capitals.
        folded = unicodedata.normalize("NFKD", folded).casefold()
        found = "".join(map(_folded, folded)).split()
    return [word[:WORD_CHARACTERS] for word in found]


def _folded(sign: str) -> str:
    if unicodedata.combining(sign):
        return ""
    match unicodedata.category(sign)[0]:
        case "L" | "N":
            code = ord(sign)
            return f" {sign} " if any(first <= code <= last for first, last in _UNSPACED) else sign
        case "M":  # vowels that hang on a letter
            return "" if "VARIATION SELECTOR" in unicodedata.name(sign, "") else sign
        case "S":  # pictures are words, also without spaces
            return f" {sign} " if unicodedata.category(sign) == "So" else " "
    return "" if unicodedata.category(sign) == "Cf" else " "  # Cf: invisible, directions and soft hyphens among them
