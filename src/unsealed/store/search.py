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

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

from sqlalchemy import ColumnElement, Connection, and_, false, func, select, text

from unsealed.model.message import Link, MessageId, Recipient, UserId
from unsealed.store.many_rows import among
from unsealed.store.schema import EPOCH, messages, texts

FEW = 1_000  # hits that are put in order; of more, the list is walked down until a page is full
TYPED_WORDS = 16  # the first so many count
WORD_CHARACTERS = 64
KEPT_BYTES = 400_000  # of one message; PostgreSQL's limit is a megabyte
WEEK = timedelta(weeks=1)
WEEKS_AT_ONCE = 64
ASKED_WHOLE = 4  # words of one week that begin alike: of more, SQLite puts the hits together itself
SURELY_MANY = 4  # times FEW are expected by the first weeks: it is not looked whether they are few
MANY = 500  # hits in the weeks that were looked at together: fewer weeks at once from then on

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

NEWEST_WEEKS = 8  # in which very many messages with one word are enough to know that it is common
PROBED = 200  # newest messages: what they have decides whether
LIKELY = PROBED // 4  # have words so often that all of them are not looked for

FIND = {
    "sqlite": "SELECT rowid FROM text_index WHERE text_index MATCH :wanted LIMIT :most",
    # Each week by itself: a planner that sees all of them at once believes that everything matches, and reads it.
    "postgresql": "SELECT found.message_id FROM unnest(CAST(string_to_array(:wanted, ' OR ') AS tsquery[])) AS week,"
    " LATERAL (SELECT message_id FROM texts WHERE CAST(replace(words, ' ', ' ' || shelf) AS tsvector) @@ week) AS found"
    " LIMIT :most",
}
_FIND = {dialect: text(question) for dialect, question in FIND.items()}
# The first words of each beginning that stand in SQLite's index.
_BEGUN = text(
    "SELECT value AS begin, (SELECT group_concat(term, ' ') FROM (SELECT term FROM text_terms"
    " WHERE term >= value AND term < value || char(0x10ffff) LIMIT :most)) AS terms FROM json_each(:begins)"
)
_COUNT = {dialect: select(func.count()).select_from(found.columns().subquery()) for dialect, found in _FIND.items()}


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


def has_words(words: Sequence[str]) -> ColumnElement[bool]:
    """That a row of `messages` has words that begin so. For messages that are at hand; reads no index of words."""
    # A value, not "exists": PostgreSQL makes a join of that, and reads all words of everybody to find those at hand.
    return select(begin_in(texts.c.words, words)).where(texts.c.message_id == messages.c.id).scalar_subquery()


def those_with_words(connection: Connection, ids: Collection[int], words: Sequence[str]) -> Sequence[int]:
    """Those of these messages, some thousands at most, that have words that begin so."""
    kept = select(texts.c.message_id).where(among(connection, texts.c.message_id, ids), begin_in(texts.c.words, words))
    return connection.execute(kept).scalars().all()


def begin_in(kept: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """That words which were kept begin so: each of those that were typed, if there is one."""
    return and_(*(kept.like(f"% {word}%") for word in words)) if words else false()


def few_with_words(
    connection: Connection, user: UserId, words: Sequence[str], *, sure: bool = True
) -> Sequence[int] | None:
    """The user's messages among which are all that have words that begin so; None when these are more than FEW, or,
    where nobody has to be sure, when many more are expected by what the newest messages hold.

    They have one of the words, the longest that very few messages have, else few: the database would look at all that
    have the others.
    """
    weeks = weeks_until(connection, user)
    if not words or not weeks:
        return []
    ordered = sorted(words, key=len, reverse=True)
    if _has_more(connection, user, FEW):
        ordered = [word for word in ordered if not _is_common(connection, user, word, weeks)]
    if not sure and ordered and _are_likely(connection, user, ordered):
        return None
    found = [_Hits(connection, user, word, weeks) for word in ordered]
    for most in (FEW // 10, FEW):
        for hits in found:
            if hits.look(most):
                return hits.ids
        if not sure:
            found = [hits for hits in found if hits.expected <= SURELY_MANY * FEW]
    return None


def with_words(connection: Connection, user: UserId, words: Sequence[str], weeks: range) -> Sequence[int]:
    """The user's messages of these weeks that have words that begin so."""
    return _found(connection, user, words, weeks, most=1 << 62)


def weeks_until(connection: Connection, user: UserId, until: datetime | None = None) -> range:
    """The weeks in which the user sent anything, newest first. until: none later."""
    mine = select(messages.c.received_at).where(messages.c.user_id == user).limit(1)
    # Two questions: SQLite looks at all messages for a smallest and a largest value at once.
    last = connection.execute(mine.order_by(messages.c.received_at.desc())).scalar()
    first = connection.execute(mine.order_by(messages.c.received_at)).scalar()
    if first is None or last is None:
        return range(0)
    return range(_week(last if until is None else min(last, until)), _week(first) - 1, -1)


def begin_of(week: int) -> datetime:
    """When a week begins."""
    return EPOCH + week * WEEK


def shelf_of(user: UserId, at: datetime) -> str:
    """The name of the shelf of a message that was accepted at that time; all are of the same length."""
    return _shelf(user, _week(at))


class _Hits:
    """The messages that have a word, as far as they were looked for: in the newest week, then in more weeks at once, so
    that neither rare nor common words ask often."""

    def __init__(self, connection: Connection, user: UserId, word: str, weeks: range) -> None:
        self.ids: list[int] = []
        self._connection, self._user, self._word = connection, user, word
        self._weeks, self._looked, self._at_once = weeks, 0, 1

    def look(self, most: int) -> bool:
        """Look for more than so many; True: that was all."""
        while len(self.ids) <= most:
            some = self._weeks[self._looked : self._looked + self._at_once]
            if not some:
                return True
            found = _found(self._connection, self._user, [self._word], some, most=FEW + 1)
            self.ids += found
            self._looked += len(some)
            self._at_once = min(2 * self._at_once, WEEKS_AT_ONCE) if len(found) < MANY else max(1, self._at_once // 2)
        return False

    @property
    def expected(self) -> int:
        """How many there are, if other weeks have as many."""
        return len(self.ids) * len(self._weeks) // self._looked


def _is_common(connection: Connection, user: UserId, word: str, weeks: range) -> bool:
    """Whether more than FEW of the newest messages have this very word. What only begins so is not looked at: for that
    a database puts together all that do, before it tells the first."""
    return _how_many(connection, user, word, weeks[:NEWEST_WEEKS]) > FEW


def _are_likely(connection: Connection, user: UserId, words: Sequence[str]) -> bool:
    """Whether so many of the newest messages have words that begin so that many more than FEW are expected."""
    if not _has_more(connection, user, SURELY_MANY * FEW):
        return False
    newest = select(has_words(words).label("fits")).where(messages.c.user_id == user)
    newest = newest.order_by(messages.c.received_at.desc(), messages.c.id.desc())
    probed = newest.limit(PROBED).subquery()
    fitting = connection.execute(select(func.count()).where(probed.c.fits)).scalar_one()
    return fitting >= LIKELY and _has_more(connection, user, SURELY_MANY * FEW * PROBED // fitting)


def _has_more(connection: Connection, user: UserId, number: int) -> bool:
    """Whether the user has more than so many messages."""
    mine = select(messages.c.id).where(messages.c.user_id == user).order_by(messages.c.received_at.desc())
    return connection.execute(mine.limit(1).offset(number)).first() is not None


def _found(connection: Connection, user: UserId, words: Sequence[str], weeks: range, most: int) -> Sequence[int]:
    dialect = connection.dialect.name
    shelves = [_shelf(user, week) for week in weeks]
    if dialect == "sqlite" and len(words) > 1:
        asked = _whole_words(connection, shelves, words)
    else:
        asked = [_query(dialect, shelf, words) for shelf in shelves]
    if not asked:
        return []
    return connection.execute(_FIND[dialect], {"wanted": " OR ".join(asked), "most": most}).scalars().all()


def _whole_words(connection: Connection, shelves: Sequence[str], words: Sequence[str]) -> list[str]:
    """For SQLite: the question for each of these weeks that has words which begin so, by the words themselves where
    they are few. Whole words meet hit by hit; of a beginning all hits are first put together, which takes seven times
    as long for words that meet seldom."""
    begins = json.dumps([shelf + word for shelf in shelves for word in words])
    begun = {
        row.begin: (row.terms or "").split()
        for row in connection.execute(_BEGUN, {"begins": begins, "most": ASKED_WHOLE + 1})
    }
    asked = []
    for shelf in shelves:
        found = [_either(shelf + word, begun[shelf + word]) for word in words]
        if all(found):
            asked.append("(" + " AND ".join(found) + ")")
    return asked


def _either(begin: str, terms: Sequence[str]) -> str:
    """One of these words, or of very many all that begin so; "" for none."""
    if len(terms) > ASKED_WHOLE:
        return f'"{begin}" *'
    return "(" + " OR ".join(f'"{term}"' for term in terms) + ")" if terms else ""


def _how_many(connection: Connection, user: UserId, word: str, weeks: range) -> int:
    """How many messages of these weeks have this very word, counted up to FEW + 1."""
    dialect = connection.dialect.name
    wanted = " OR ".join(_query(dialect, _shelf(user, week), [word], whole=True) for week in weeks)
    counted: int = connection.execute(_COUNT[dialect], {"wanted": wanted, "most": FEW + 1}).scalar_one()
    return counted


def _query(dialect: str, shelf: str, words: Sequence[str], *, whole: bool = False) -> str:
    """Words are letters and digits alone, so that quotes around them hold. whole: they do not only begin so."""
    if dialect == "postgresql":
        return " & ".join(f"'{shelf}{word}'{'' if whole else ':*'}" for word in words)
    return "(" + " AND ".join(f'"{shelf}{word}"{"" if whole else " *"}' for word in words) + ")"


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
