"""The tables, declared once. Migrations must lead to exactly this (tested).

Times are aware UTC, stored as integers: microseconds since 1970 (`Moment`), the same on SQLite and PostgreSQL.
Ids of users, messages and copies are random 63-bit integers; `hits.id`, `jobs.id` and `feed.id` grow.
Counts on `messages`, `copies` and `link_counts` are rollups of `events`, written in the same transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    event,
    false,
    literal_column,
    or_,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# SQLite gives row numbers only to a column of type INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """Aware UTC datetime in Python, integer microseconds since 1970 in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND  # naive values raise, as they should

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND  # a fifth of the time of timedelta(...)


users = Table(
    "users",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("email", Text, nullable=False, unique=True),  # sign-in name, lower case
    Column("name", Text, nullable=False, server_default=""),
    Column("role", String(16), nullable=False),  # "owner", "admin" or "member"
    Column("password_hash", Text),  # argon2id; NULL until one is chosen
    Column("created_at", Moment, nullable=False),
    Column("removed_at", Moment),  # since then nobody signs in as them; their mail stays
)

identities = Table(  # the addresses a user may send from: proven by a code, or given by whoever runs the installation
    "identities",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),  # lower case
    Column("created_at", Moment, nullable=False),
    Column("name", Text, nullable=False, server_default=""),  # beside the address in From
    Column("signature", Text, nullable=False, server_default=""),  # plain text, LF between its lines
)

address_codes = Table(  # codes mailed to addresses that somebody wants to send from
    "address_codes",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False, index=True),  # lower case
    Column("hash", String(64), nullable=False),  # SHA-256 of address and code, hex
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),  # entered rightly, or given up
)

login_links = Table(  # one-time sign-in links
    "login_links",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256, hex
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the cookie, hex
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("address", Text, nullable=False),  # last seen from; evidence for "that was you"
    Column("user_agent", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),  # brought up to date at most once a minute
    Column("expires_at", Moment, nullable=False),
)

credentials = Table(  # app passwords (SMTP) and API tokens: looked up by id part, compared as hash
    "credentials",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # "smtp" or "api"
    Column("hash", String(64), nullable=False),  # SHA-256 of the secret part (at least 128 random bits), hex
    Column("label", Text, nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
)

devices = Table(  # the browsers of which a user said "this is me"; a row that is gone is not believed
    "devices",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random, sealed into the cookie
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_agent", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment),  # the last hit with its cookie
)

own_addresses = Table(  # from where a user signed in or submitted mail
    "own_addresses",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),  # brought up to date at most once a minute
)
Index("ix_own_addresses_address", own_addresses.c.address)

settings = Table(
    "settings",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("envelope_from", Text, nullable=False),
    Column("message_id", Text, nullable=False),  # the Message-ID header as it stood
    Column("subject", Text, nullable=False),  # decoded, control characters folded, at most 500 characters
    Column("recipients", Text, nullable=False),  # first three, for lists: "Ines Marchetti, rob@x.example, ..."
    Column("recipient_count", Integer, nullable=False),
    Column("size", Integer, nullable=False),  # bytes of the original
    Column("tag", Text, nullable=False, server_default=""),
    Column("metadata", Text, nullable=False, server_default="{}"),  # JSON object of strings
    Column("opens_level", SmallInteger, nullable=False),  # frozen at intake, model.policy.Level
    Column("clicks_level", SmallInteger, nullable=False),
    Column("switches", Text, nullable=False),  # JSON of model.policy.Switches: a copy is derived again from it
    Column("key_id", SmallInteger, nullable=False),  # seals the tokens of every attempt, also after a rotation
    Column("tracking_url", Text, nullable=False),  # base of its tracking links, frozen for the same reason
    Column("unchanged", Text, nullable=False, server_default=""),  # reason code when it goes out as it came
    Column("survey", Text, nullable=False),  # JSON of model.message.Survey without its links
    Column("notes", Text, nullable=False, server_default="[]"),  # JSON list of words for the sender
    Column("received_at", Moment, nullable=False),
    # rollups over the copies
    Column("opens", Integer, nullable=False, server_default="0"),  # readings by people
    Column("clicks", Integer, nullable=False, server_default="0"),  # clicks by people
    Column("raw", Integer, nullable=False, server_default="0"),  # every request recorded
    Column("machine", Integer, nullable=False, server_default="0"),  # prefetches, scanners
    Column("first_at", Moment),  # first and last counted signal
    Column("last_at", Moment),
    Column("signal_at", Moment, nullable=False),  # "last signal first": last_at or the last answer, else received_at
    Column("sealed", Boolean, nullable=False, server_default=false()),  # its text is for its recipients alone
    # what it belongs to
    Column("thread", BigInteger, nullable=False, server_default="0"),  # id of the first message of its conversation
    Column("template_id", BigInteger),  # templates.id that it was made from, and the version of then
    Column("template_version", Integer),
    Column("replies", Integer, nullable=False, server_default="0"),  # by people, to any copy
    # what lists are filtered by, of all copies together
    Column("untracked", Boolean, nullable=False, server_default=false()),  # none of them is tracked
    Column("bounced", Boolean, nullable=False, server_default=false()),  # one of them bounced
)
Index("ix_messages_user_thread", messages.c.user_id, messages.c.thread, messages.c.received_at, messages.c.id)
Index("ix_messages_user_message_id", messages.c.user_id, messages.c.message_id)
Index("ix_messages_user_received", messages.c.user_id, messages.c.received_at, messages.c.id)
Index("ix_messages_user_signal", messages.c.user_id, messages.c.signal_at, messages.c.id)

# What lists are filtered by, as an index knows it. A database must see the numbers to know that it may use the index.
_NONE: ColumnElement[int] = literal_column("0")
OPENED, CLICKED, REPLIED = (column > _NONE for column in (messages.c.opens, messages.c.clicks, messages.c.replies))
MACHINE_ALONE = and_(
    messages.c.machine > _NONE, messages.c.opens == _NONE, messages.c.clicks == _NONE, messages.c.replies == _NONE
)
NOT_TRACKED, BOUNCED_TO_SOMEBODY = messages.c.untracked.is_(True), messages.c.bounced.is_(True)
QUIET = and_(  # neither people nor machines were seen: what has no signal after some time is among these
    *(column == _NONE for column in (messages.c.opens, messages.c.clicks, messages.c.replies, messages.c.machine)),
    messages.c.untracked.is_(False),
)
# A signal that came LATE after the message is rare, so that a search knows of which weeks the last signals are.
LATE = timedelta(weeks=4)
LATE_SIGNAL, LATE_READING = (
    column > messages.c.received_at + literal_column(str(LATE // MICROSECOND), BigInteger)
    for column in (messages.c.signal_at, messages.c.last_at)
)
for _name, _key, _where in (
    ("opened", messages.c.signal_at, OPENED),
    ("clicked", messages.c.signal_at, CLICKED),
    ("replied", messages.c.signal_at, REPLIED),
    ("machine", messages.c.signal_at, MACHINE_ALONE),
    ("untracked", messages.c.signal_at, NOT_TRACKED),
    ("bounced", messages.c.signal_at, BOUNCED_TO_SOMEBODY),
    ("quiet", messages.c.signal_at, QUIET),
    ("last", messages.c.last_at, OPENED),
    ("late", messages.c.signal_at, LATE_SIGNAL),
    ("late_reading", messages.c.last_at, LATE_READING),
    ("replied_sent", messages.c.received_at, REPLIED),
    ("machine_sent", messages.c.received_at, MACHINE_ALONE),
    ("untracked_sent", messages.c.received_at, NOT_TRACKED),
    ("bounced_sent", messages.c.received_at, BOUNCED_TO_SOMEBODY),
):
    Index(
        f"ix_messages_user_{_name}",
        messages.c.user_id,
        _key,
        messages.c.id,
        sqlite_where=_where,
        postgresql_where=_where,
    )

TAGGED = messages.c.tag != literal_column("''")
FROM_TEMPLATE = messages.c.template_id.is_not(None)
for _name, _key, _where in (("tag", messages.c.tag, TAGGED), ("template", messages.c.template_id, FROM_TEMPLATE)):
    Index(
        f"ix_messages_user_{_name}",
        messages.c.user_id,
        _key,
        messages.c.received_at,
        messages.c.id,
        sqlite_where=_where,
        postgresql_where=_where,
    )

originals = Table(  # the canonical bytes as submitted; copies are derived from them
    "originals",
    metadata,
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("raw", LargeBinary, nullable=False),
)

copies = Table(
    "copies",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # order in the envelope
    Column("address", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("kind", String(8), nullable=False),  # model.message.AddressKind
    Column("tracked", Boolean, nullable=False),  # whether this copy carries a pixel or tracked links
    # delivery
    Column("delivery", String(16), nullable=False),  # model.message.Delivery
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("reply", Text, nullable=False, server_default=""),  # last answer of the next hop
    Column("next_at", Moment),  # next try while delayed
    Column("sent_at", Moment),  # when the next hop answered 250: time zero of the judge
    Column("ended_at", Moment),  # delivered or bounced
    # rollups of its events
    Column("opens", Integer, nullable=False, server_default="0"),
    Column("clicks", Integer, nullable=False, server_default="0"),
    Column("raw", Integer, nullable=False, server_default="0"),
    Column("machine", Integer, nullable=False, server_default="0"),
    Column("confidence", Float),  # best confidence of a counted event
    Column("first_at", Moment),
    Column("last_at", Moment),
    # for questions about contacts
    Column("user_id", BigInteger, nullable=False, server_default="0"),  # of the message
    Column("mailbox", Text, nullable=False, server_default=""),  # the address in lower case
    Column("domain", Text, nullable=False, server_default=""),  # of the address, in lower case
    # frozen at intake; the lower of these and of the message's holds
    Column("opens_level", SmallInteger, nullable=False, server_default="4"),
    Column("clicks_level", SmallInteger, nullable=False, server_default="4"),
    # what was seen in the sender's mailbox
    Column("replies", Integer, nullable=False, server_default="0"),  # by people
    Column("replied_at", Moment),  # the first of them
    # for questions about habits: bits of store.habits.Carries and Came
    Column("carries", SmallInteger, nullable=False, server_default="0"),  # frozen at intake
    Column("came", SmallInteger, nullable=False, server_default="0"),  # rollup of its events
    Column("done_at", Moment),  # when its follow-up was said to be done
    UniqueConstraint("message_id", "position"),
)
# With all that habits are made of: hundreds of copies are then one stretch of the index.
for _name in ("mailbox", "domain"):
    _habits = (copies.c[name] for name in (_name, "sent_at", "carries", "came", "replies"))
    Index(f"ix_copies_user_{_name}", copies.c.user_id, *_habits)
WAITING = copies.c.delivery.in_([literal_column("'queued'"), literal_column("'delayed'")])
BOUNCED = copies.c.delivery == literal_column("'bounced'")
Index(
    "ix_copies_user_waiting",
    copies.c.user_id,
    copies.c.message_id,
    sqlite_where=WAITING,
    postgresql_where=WAITING,
)

FOLLOWED_UP = 10  # to more people at once nobody writes again one by one
SILENT = and_(  # what the list of letters without a signal holds
    copies.c.opens == _NONE,
    copies.c.clicks == _NONE,
    copies.c.replies == _NONE,
    copies.c.position < literal_column(str(FOLLOWED_UP)),
    copies.c.tracked.is_(True),
    copies.c.delivery.in_([literal_column("'sent'"), literal_column("'delivered'")]),
)
DONE = and_(  # what was done, and no new sign of the reader since
    copies.c.done_at.is_not(None), or_(copies.c.last_at.is_(None), copies.c.last_at <= copies.c.done_at)
)
KEEN = and_(copies.c.opens >= literal_column("3"), copies.c.replies == _NONE)  # read again and again, and no answer
for _name, _key, _where in (
    ("silent", copies.c.sent_at, SILENT),
    ("keen", copies.c.last_at, KEEN),
    ("bounced_at", copies.c.ended_at, BOUNCED),
    ("done", copies.c.done_at, copies.c.done_at.is_not(None)),
):
    Index(
        f"ix_copies_user_{_name}",
        copies.c.user_id,
        _key,
        copies.c.id,
        sqlite_where=_where,
        postgresql_where=_where,
    )

links = Table(
    "links",
    metadata,
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("offset", Integer, nullable=False),
    Column("part", String(8), nullable=False),
    Column("destination", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("tracked", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("trap", Boolean, nullable=False, server_default=false()),  # hidden: only machines follow it
)

texts = Table(  # what messages are found by: see store.search
    "texts",
    metadata,
    Column("message_id", Serial, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("shelf", String(20), nullable=False),  # of its user and week, goes before each word in the index
    Column("words", Text, nullable=False),  # folded, each once, a space before each
)
# The index of words. SQLite: an index beside the table, kept by triggers, because rows also go with their message. It
# is contentless (the words stand in the table) and without positions. "ascii" leaves the words alone: they are folded.
# `text_terms` keeps nothing: it shows which words stand in the index. Two pieces of a size are enough for
# `store.search.merge`.
# PostgreSQL: an index with its waiting list off, which each question would have to read.
INDEX_OF_WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE text_index USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')",
        "CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN"
        " INSERT INTO text_index (rowid, words)"
        " VALUES (new.message_id, replace(new.words, ' ', ' ' || new.shelf)); END",
        "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN"
        " INSERT INTO text_index (text_index, rowid, words)"
        " VALUES ('delete', old.message_id, replace(old.words, ' ', ' ' || old.shelf)); END",
        "CREATE VIRTUAL TABLE text_terms USING fts5vocab(text_index, row)",
        "INSERT INTO text_index (text_index, rank) VALUES ('usermerge', 2)",
    ),
    "postgresql": (
        "CREATE INDEX ix_texts_words ON texts USING gin"
        " (CAST(replace(words, ' ', ' ' || shelf) AS tsvector)) WITH (fastupdate = off)",
    ),
}


@event.listens_for(texts, "after_create")
def _index_words(_texts: Table, connection: Connection, **_: object) -> None:
    for statement in INDEX_OF_WORDS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


link_counts = Table(  # clicks by copy and link
    "link_counts",
    metadata,
    Column("copy_id", BigInteger, ForeignKey("copies.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("message_id", BigInteger, nullable=False, index=True),
    Column("clicks", Integer, nullable=False),
    Column("machine", Integer, nullable=False),
    Column("first_at", Moment),
    Column("last_at", Moment),
)

jobs = Table(  # written in the transaction of their cause
    "jobs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("kind", String(16), nullable=False),  # "copy": deliver copies.id; "report": tell the sender it bounced
    Column("key", String(64), nullable=False, unique=True),  # idempotency
    Column("subject_id", BigInteger, nullable=False),  # copies.id
    Column("state", String(8), nullable=False),  # "ready", "leased", "done", "dead"
    Column("due_at", Moment, nullable=False),  # not before; of a leased job: when the lease ends
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_at", Moment, nullable=False),
    Column("owner", String(32), nullable=False, server_default=""),  # who holds the lease
    Column("error", Text, nullable=False, server_default=""),
)
Index("ix_jobs_state_due", jobs.c.state, jobs.c.due_at, jobs.c.id)

hits = Table(  # raw facts, shipped from a journal
    "hits",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("collector", String(32), nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("copy_id", BigInteger, nullable=False),
    Column("link", Integer),  # NULL: the pixel
    Column("at", Moment, nullable=False),
    Column("method", String(8), nullable=False),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("accept", Text, nullable=False),
    Column("accept_language", Text),
    Column("referer_host", Text, nullable=False),
    Column("prefetch", Text, nullable=False),
    Column("sec_fetch", Text, nullable=False),
    Column("device", BigInteger),  # the id in a sender's device cookie, verified; it may be of any user, or gone
    Column("level", SmallInteger, nullable=False, server_default="4"),  # of the token: what may be kept of it
    Column("bare", Boolean, nullable=False, server_default=false()),  # nothing of the request is left: judged for good
    UniqueConstraint("collector", "segment", "offset"),
)
Index("ix_hits_message_at", hits.c.message_id, hits.c.at)
_not_bare = hits.c.bare.is_(False)
Index("ix_hits_to_be_bared", hits.c.level, hits.c.at, sqlite_where=_not_bare, postgresql_where=_not_bare)

marks = Table(  # messages to be judged (again); cleared only if `seq` did not move meanwhile
    "marks",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("since", Moment, nullable=False),  # earliest hit not judged yet
    Column("seq", BigInteger, nullable=False),
    Column("rejudging", BigInteger),  # part of judging history again: what changes is listed there; new hits go first
    Column("hot", Boolean, nullable=False, server_default=false()),  # has so many hits that it is judged apart
    Column("judging", Moment),  # being judged apart from then on; `since` is what came meanwhile, or FOREVER
)

events = Table(  # one per hit; can be computed again
    "events",
    metadata,
    Column("hit_id", Serial, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False),
    Column("copy_id", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("link", Integer),
    Column("at", Moment, nullable=False),
    Column("finding", String(24), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON [[code, words], ...]
    Column("rules", String(16), nullable=False),
    Column("client", Text, nullable=False),
    Column("client_kind", String(16), nullable=False),
    Column("device", String(16), nullable=False),
    Column("system", Text, nullable=False),
    Column("network", String(24), nullable=False),
    Column("operator", Text, nullable=False),
    Column("first_of_reading", Boolean, nullable=False),
    Column("place", String(8), nullable=False, server_default="unknown"),  # model.event.PlaceState
    Column("country", String(2), nullable=False, server_default=""),
    Column("region", Text, nullable=False, server_default=""),
    Column("city", Text, nullable=False, server_default=""),
    Column("user_id", BigInteger, nullable=False, server_default="0"),  # of the message
)
Index("ix_events_user_kind_at", events.c.user_id, events.c.kind, events.c.at, events.c.hit_id)
Index("ix_events_message_at", events.c.message_id, events.c.at, events.c.hit_id)
Index("ix_events_copy_at", events.c.copy_id, events.c.at)
# What people did, apart from all that machines and repeats leave: a reader may be one request in a thousand.
FIRST_OPEN = events.c.first_of_reading.is_(True)
CLICK = events.c.finding == literal_column("'human_click'")
# And what machines did: with some readers they are the rare ones.
BY_MACHINE = events.c.finding.in_(
    [literal_column(f"'{finding}'") for finding in ("machine_prefetch", "scanner", "scanner_click")]
)
BY_PEOPLE = or_(FIRST_OPEN, CLICK)
for _name, _where in (("people", BY_PEOPLE), ("machine", BY_MACHINE)):
    Index(
        f"ix_events_user_{_name}",
        events.c.user_id,
        events.c.kind,
        events.c.at,
        events.c.hit_id,
        sqlite_where=_where,
        postgresql_where=_where,
    )

# All that is asked about the acts of a contact: the events of one copy lie as far apart as the times they came.
Index(
    "ix_events_copy_people",
    *(events.c.copy_id, events.c.at, events.c.hit_id),
    *(events.c.finding, events.c.first_of_reading, events.c.confidence),  # SQLite looks at them again
    sqlite_where=BY_PEOPLE,
    postgresql_where=BY_PEOPLE,
)

corrections = Table(  # what a sender said about an event: holds for history and future until it is undone
    "corrections",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("message_id", BigInteger, nullable=False),  # where it was said
    Column("hit_id", BigInteger, nullable=False),
    Column("answer", String(8), nullable=False),  # model.event.Answer
    Column("user_agent", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("words", Text, nullable=False),  # for the list in the settings: "Thunderbird on Windows, 192.0.2.0/24"
    Column("rejudging_id", BigInteger, nullable=False),  # which applied it to history
    Column("created_at", Moment, nullable=False),
    Column("undone_at", Moment),
)

rejudgings = Table(  # judging history again, message by message, while the server works
    "rejudgings",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger),  # whose messages; NULL: everybody's
    Column("cause", String(16), nullable=False),  # store.corrections.Cause
    Column("words", Text, nullable=False),  # "rules 2026.11 -> 2026.12"
    Column("user_agent", Text),  # only messages with a hit of this agent; NULL: all
    Column("since", Moment),  # only messages with hits since then; NULL: all
    Column("position", BigInteger, nullable=False),  # id of the last message that was marked; -1: none yet
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("changed", Integer, nullable=False, server_default="0"),  # events that are not what they were
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

revisions = Table(  # what judging again changed
    "revisions",
    metadata,
    Column("rejudging_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False),
    Column("before", String(24), nullable=False),
    Column("after", String(24), nullable=False),
    Column("user_id", BigInteger, nullable=False, server_default="0"),  # of the message
)
Index("ix_revisions_hit", revisions.c.hit_id)
DIFFERENT = revisions.c.before != revisions.c.after
Index(
    "ix_revisions_user",
    *(revisions.c.rejudging_id, revisions.c.user_id, revisions.c.hit_id),
    *(revisions.c.message_id, revisions.c.before, revisions.c.after),
    sqlite_where=DIFFERENT,
    postgresql_where=DIFFERENT,
)

audit = Table(  # who changed what; never changed, never shown to others than the account
    "audit",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", String(32), nullable=False),  # "corrected", "correction undone", "device added", ...
    Column("words", Text, nullable=False),
)
Index("ix_audit_user", audit.c.user_id, audit.c.id)

policies = Table(  # what is said about tracking outside of messages; NULL: nothing about that
    "policies",
    metadata,
    Column("owner", BigInteger, primary_key=True, autoincrement=False),  # whose mail it is about; 0: everybody's
    Column("scope", String(24), primary_key=True),  # model.policy.Scope
    Column("name", Text, primary_key=True),  # address or domain, lower case, IDNA; "" of an account or user
    Column("opens", SmallInteger),  # limits, model.policy.Level
    Column("clicks", SmallInteger),
    Column("default_opens", SmallInteger),
    Column("default_clicks", SmallInteger),
    Column("opens_may_change", Boolean, nullable=False, server_default=true()),
    Column("clicks_may_change", Boolean, nullable=False, server_default=true()),
    Column("strict", Boolean, nullable=False, server_default=false()),
    Column("changed_by", BigInteger, nullable=False),  # users.id
    Column("changed_at", Moment, nullable=False),
)

contacts = Table(  # who a user wrote to; kept by the transactions that accept messages
    "contacts",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("mailbox", Text, primary_key=True),  # the address in lower case
    Column("address", Text, nullable=False),  # as it was written last
    Column("name", Text, nullable=False, server_default=""),  # the last that was not empty
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("notes", Text, nullable=False, server_default=""),
    Column("records", Text, nullable=False, server_default="{}"),  # JSON: name of another system -> URL or id there
    Column("words", Text, nullable=False, server_default=""),  # of name and address, as in `texts`
)
Index("ix_contacts_user_last", contacts.c.user_id, contacts.c.last_at)

contact_words = Table(  # by which contacts are looked up; those of a former name may be among them
    "contact_words",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("mailbox", Text, primary_key=True),
    sqlite_with_rowid=False,
)

drafts = Table(  # messages being written
    "drafts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("content", Text, nullable=False),  # JSON of model.draft.Draft
    Column("recipients", Text, nullable=False, server_default=""),  # its beginning, for the list
    Column("subject", Text, nullable=False, server_default=""),  # the same
    Column("revision", Integer, nullable=False, server_default="0"),  # grows with each change: two windows are told
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("message_id", BigInteger),  # it was sent as this message; kept until that can no longer be undone
)
Index("ix_drafts_user_changed", drafts.c.user_id, drafts.c.changed_at)

attachments = Table(
    "attachments",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("draft_id", BigInteger, ForeignKey("drafts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),  # bytes
    Column("inline", Boolean, nullable=False, server_default=false()),  # shown in the text, as cid:
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

templates = Table(  # saved messages with placeholders
    "templates",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("shared", Boolean, nullable=False, server_default=false()),  # all users of the installation may use it
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),  # the newest
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("removed_at", Moment),  # not offered any more; its versions stay for the reports
)

template_versions = Table(  # never changed
    "template_versions",
    metadata,
    Column("template_id", BigInteger, ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),  # "": made from the HTML
    Column("created_by", BigInteger, nullable=False),  # users.id
    Column("created_at", Moment, nullable=False),
)

upstreams = Table(  # next hops of one user's mail, or of everybody's; before those of the settings file
    "upstreams",
    metadata,
    Column("owner", BigInteger, primary_key=True, autoincrement=False),  # users.id; 0: everybody
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", String(16), nullable=False),  # model.upstream.Tls
    Column("auth", String(16), nullable=False),  # model.upstream.Auth
    Column("user", Text, nullable=False, server_default=""),
    Column("secret", LargeBinary),  # password or model.upstream.OAuth, sealed with the key ring; NULL: none
    Column("inside", Boolean, nullable=False, server_default=false()),  # an owner set it: may lie in our own network
    Column("changed_by", BigInteger, nullable=False),  # users.id
    Column("changed_at", Moment, nullable=False),
)

mailboxes = Table(  # the senders' own mailboxes, looked at for replies and reports
    "mailboxes",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", String(16), nullable=False),  # model.upstream.Tls
    Column("user", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # password or model.upstream.OAuth, sealed with the key ring
    Column("changed_at", Moment, nullable=False),
    Column("looked_at", Moment),  # last time that it answered
    Column("trouble", Text, nullable=False, server_default=""),  # why it does not, in words
    Column("auth", String(16), nullable=False, server_default="password"),  # model.upstream.Auth
)

mailbox_folders = Table(  # how far each folder has been read
    "mailbox_folders",
    metadata,
    Column("user_id", BigInteger, ForeignKey("mailboxes.user_id", ondelete="CASCADE"), primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),  # the last that was read
)

replies = Table(  # answers to messages, as found in mailboxes
    "replies",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("copy_id", BigInteger),  # NULL: it cannot be told by whom, or by somebody who was not written to
    Column("kind", String(12), nullable=False),  # core.reply.Kind: "reply", "automatic", "bounce", "delivered"
    Column("header_id", Text, nullable=False),  # its own Message-ID; the same in several folders counts once
    Column("address", Text, nullable=False),  # who wrote it
    Column("name", Text, nullable=False, server_default=""),
    Column("at", Moment, nullable=False),  # when the mailbox got it
    UniqueConstraint("user_id", "header_id"),
)
# Without the kind, and the moment, SQLite would go through all answers to a user for those to one message.
Index("ix_replies_user_kind_at", replies.c.user_id, replies.c.kind, replies.c.at, replies.c.id)
Index("ix_replies_message_at", replies.c.message_id, replies.c.at, replies.c.id)

preferences = Table(  # what a user likes, by name
    "preferences",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

silences = Table(  # what a user has silenced; it goes on being tracked
    "silences",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("scope", String(8), primary_key=True),  # model.notice.Scope
    Column("of", Text, primary_key=True),  # id of message or thread in decimals, address in lower case, or ""
    Column("silent", Boolean, nullable=False),  # of a message also: it speaks although others silence it
    Column("at", Moment, nullable=False),
)

notices = Table(  # what somebody might be told, and whether they were
    "notices",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("cause", String(8), nullable=False),  # "hit", "reply", "bounce", "reminder", "test"
    Column("cause_id", BigInteger, nullable=False),  # hits.id, replies.id, copies.id, random
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE")),  # NULL: a test
    Column("copy_id", BigInteger),
    Column("act", String(8), nullable=False),  # model.notice.Act
    Column("at", Moment, nullable=False),  # when it happened
    Column("state", String(8), nullable=False),  # store.notices.State
    Column("why", String(16), nullable=False, server_default=""),  # model.notice.Why, when nobody is told
    Column("occasion", String(8), nullable=False, server_default="first"),
    Column("channels", Text, nullable=False, server_default=""),  # on which it is told, with commas between
    Column("leader", BigInteger),  # the notice together with which it is told
    Column("decided_at", Moment),  # when it was told, or taken back
    UniqueConstraint("cause", "cause_id"),
)
_not_decided = notices.c.state.in_(("new", "undo"))
Index("ix_notices_waiting", notices.c.id, sqlite_where=_not_decided, postgresql_where=_not_decided)
Index("ix_notices_user", notices.c.user_id, notices.c.decided_at)
Index("ix_notices_message", notices.c.message_id, notices.c.copy_id)

notice_devices = Table(  # where notices are sent to besides pages
    "notice_devices",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(8), nullable=False),  # "push", "chat"
    Column("digest", String(64), nullable=False),  # SHA-256 of the address: one that is added again is the same
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # address and keys, sealed with the key ring
    Column("trusted", Boolean, nullable=False, server_default=false()),  # may have a private address
    Column("created_at", Moment, nullable=False),
    Column("told_at", Moment),  # the last notice that it took
    Column("trouble", Text, nullable=False, server_default=""),  # why it took none, in words
    UniqueConstraint("user_id", "digest"),
)

tellings = Table(  # one notice on its way to one device; each has a job
    "tellings",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("notice_id", BigInteger, ForeignKey("notices.id", ondelete="CASCADE"), nullable=False),
    Column("device_id", BigInteger, ForeignKey("notice_devices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("undo", Boolean, nullable=False, server_default=false()),  # takes the notice back
    Column("state", String(8), nullable=False, server_default="waiting"),  # "waiting", "begun", "told", "failed"
    Column("words", Text, nullable=False, server_default=""),  # why it failed
    UniqueConstraint("notice_id", "device_id", "undo"),
)

reminders = Table(  # "remind me if it is not answered by Friday"
    "reminders",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("copy_id", BigInteger, nullable=False, server_default="0"),  # 0: whichever recipient
    Column("unless", String(8), nullable=False),  # model.reminder.Unless
    Column("due_at", Moment, nullable=False),
    Column("state", String(8), nullable=False),  # model.reminder.State
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),  # when it became due, or was not needed any more
    UniqueConstraint("user_id", "message_id", "copy_id", "unless"),
)
Index("ix_reminders_state_due", reminders.c.state, reminders.c.due_at)
Index("ix_reminders_user_state", reminders.c.user_id, reminders.c.state, reminders.c.due_at)

cursors = Table(  # how far each journal has been shipped
    "cursors",
    metadata,
    Column("collector", String(32), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
)

feed = Table(  # what changed, for live pages; trimmed to the last day
    "feed",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("copy_id", BigInteger),
    Column("what", String(24), nullable=False),  # "accepted", "delivery", or the finding of a new event
    Column("at", Moment, nullable=False),
)
Index("ix_feed_user", feed.c.user_id, feed.c.id)

sandbox = Table(  # the built-in mailbox: what would have arrived
    "sandbox",
    metadata,
    Column("copy_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("user_id", BigInteger, nullable=False, server_default="0"),  # of the message
)
Index("ix_sandbox_user_at", sandbox.c.user_id, sandbox.c.at, sandbox.c.copy_id)
