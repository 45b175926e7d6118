"""An installation of any size, written straight into its SQLite file: `python -m bench.synthetic DATA`.

A million messages with ten million events would take the product a day to send and to judge; this takes some minutes.
Promises a store that is equal in shape to one that grew: the first message is accepted by the product itself, all
others are like it, every count is what `recount` makes of the events, and the same seed gives the same store. The
index of words is put together as the server does it each hour. Events and their hits are numbered in the order of time,
so that those of a message lie apart from one another, and old hits are bare.

Who reads is as uneven as in life: a third of the messages is never asked for, most have a few events, and one, of the
user who is measured, has a hundredth of all.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from sqlalchemy import Engine, Table, select

from bench.messages import SENDER
from bench.table import progress
from unsealed.core.backoff import LIFETIME
from unsealed.core.instrument import Tracking
from unsealed.core.judge import RULES_VERSION
from unsealed.flow import send
from unsealed.flow.rejudge import keep_up
from unsealed.model.event import Finding
from unsealed.model.message import DRAWN_BITS, Outgoing, Recipient, UserId, new_id
from unsealed.model.policy import Level, Switches
from unsealed.store import schema
from unsealed.store.engine import connect, sqlite_url
from unsealed.store.habits import MACHINES, Came, Carries, of_people
from unsealed.store.keyring import load
from unsealed.store.migrate import migrate
from unsealed.store.schema import EPOCH, MICROSECOND
from unsealed.store.search import merge, shelf_of, words_kept

MESSAGES, EVENTS = 1_000_000, 10_000_000
YEARS = 3
OTHERS = 9  # further users; the one who is measured wrote four of five messages
SILENT = 0.35  # of the messages
BATCH = 5_000  # messages written at once
FIRST_ID = 1 << 40  # beyond those of hits and events that are there

_LETTER = (
    b"From: {0}\r\nTo: ines@one.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><body><p>Hello,</p><p><a href="https://shop.example/offer">Offer</a> <a href="https://shop.example/terms">'
    b'Terms</a> <a href="https://shop.example/call">Call</a></p></body></html>\r\n'
)
_WORDS = (
    "offer invoice meeting renewal quarter budget proposal contract delivery schedule question update summary agenda"
    " feedback launch review draft report order pricing training workshop migration support release notes travel plan"
    " hiring interview results roadmap security audit backup partner event webinar press survey holiday"
).split()
_TOWNS = (("DE", "Berlin", "Berlin"), ("NL", "North Holland", "Amsterdam"), ("FR", "Paris", "Paris"), ("", "", ""))
_DIRECT = '[["CLIENT_DIRECT","a mail program loaded it from an ordinary address"]]'
_PROXY = '[["PROXY_LIVE","through a proxy that loads when a person looks"]]'
_MACHINE = '[["PREFETCH","loaded ahead of any reading"]]'

# kind, finding, confidence, reasons, client, client_kind, device, system, network, operator; how often of a hundred
_KINDS: tuple[tuple[int, tuple[Any, ...]], ...] = (
    (30, ("open", Finding.HUMAN_OPEN, 0.9, _DIRECT, "Thunderbird", "desktop_client", "desktop", "Windows", "unknown")),
    (20, ("open", Finding.PROXIED_OPEN, 0.8, _PROXY, "Gmail", "image_proxy", "hidden", "", "google_proxy")),
    (15, ("open", Finding.DUPLICATE, 0.9, _DIRECT, "Thunderbird", "desktop_client", "desktop", "Linux", "unknown")),
    (20, ("open", Finding.MACHINE_PREFETCH, 0.9, _MACHINE, "Apple Mail", "prefetch", "hidden", "", "apple_relay")),
    (10, ("click", Finding.HUMAN_CLICK, 0.9, _DIRECT, "Chrome", "browser", "desktop", "Windows", "unknown")),
    (5, ("click", Finding.SCANNER_CLICK, 0.95, _MACHINE, "Chrome", "scanner", "unknown", "", "microsoft")),
)
_CARRIES = int(Carries.PIXEL | Carries.LINKS)
_MICROSECONDS = 1_000_000
_MINUTE = 60 * _MICROSECONDS
_DAY = 86_400 * _MICROSECONDS
_ANSWERED = _DAY // 2  # after it was sent
_LIFETIME = LIFETIME // MICROSECOND
_KEPT = 395 * _DAY  # after that the server forgets what a request looked like
_PROGRAM = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0", "image/*,*/*;q=0.8"
_BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often what is rare happens to a message."""

    untracked: float = 0.03
    machines_alone: float = 0.0  # besides those for which it comes so by chance
    replied: float = 0.03  # of those that were asked for
    bounced: float = 0.01  # of those with a copy that was never asked for: that copy
    waiting: float = 0.4  # the same, still on its way; of those that are young enough to be tried again
    both: float = 0.0  # of subjects, that have the two words of a search besides those that have them by chance
    hot: float = 0.01  # of all events, those of one message
    busiest: float = 0.0  # of copies, those to one contact besides those that are by chance
    at_once: int = 1  # messages that go out minute by minute; as much later, all the next


class _End(NamedTuple):
    """How the delivery of a copy stands."""

    delivery: str
    sent_at: int | None = None
    ended_at: int | None = None


@dataclass(slots=True)
class _Counts:
    opens: int = 0
    clicks: int = 0
    raw: int = 0
    machine: int = 0
    confidence: float | None = None
    first_at: int | None = None
    last_at: int | None = None
    of_machines: Came = Came.NOTHING

    def take(self, at: int, finding: Finding, confidence: float, first_of_reading: bool) -> None:
        """Events come in the order of time."""
        self.raw += 1
        self.machine += finding.machine
        self.of_machines |= MACHINES.get(finding, Came.NOTHING)
        if finding.counted:
            self.opens += first_of_reading
            self.clicks += finding is Finding.HUMAN_CLICK
            self.confidence = max(self.confidence or 0.0, confidence)
            self.first_at = self.first_at or at
            self.last_at = at

    @property
    def shown(self) -> int:
        return self.opens or min(self.clicks, 1)

    @property
    def came(self) -> int:
        return int(of_people(self.opens, self.clicks, self.raw) | self.of_machines)


class _File:
    """The store's file, with its rows in bulk."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-1000000", "foreign_keys=OFF"):
            self._db.execute(f"PRAGMA {pragma}")

    def like(self, table: Table, row: dict[str, Any], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows that are like `row` but for the columns `names`."""
        kept = {name: value for name, value in row.items() if name not in names and value is not None}
        columns = ", ".join(f'"{name}"' for name in (*kept, *names))
        values = ", ".join("?" * (len(kept) + len(names)))
        same = tuple(kept.values())
        self._db.executemany(
            f"INSERT INTO {table.name} ({columns}) VALUES ({values})",
            [(*same, *each) for each in rows],
        )

    def first(self, table: Table) -> dict[str, Any]:
        asked = self._db.execute(f"SELECT * FROM {table.name} LIMIT 1")
        found = asked.fetchone()
        return dict(zip((column[0] for column in asked.description), found, strict=True))

    def begin(self) -> None:
        self._db.execute("BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def without_indexes(self, tables: Sequence[Table]) -> list[str]:
        """Drop the indexes of tables; the statements that make them again, which is faster than keeping them.

        In the order in which the product made them: of two that serve a question alike SQLite takes the last.
        """
        names = {table.name for table in tables}
        kept = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
        made = [row for row in self._db.execute(kept) if row[0] in names]
        for _, name, _ in made:
            self._db.execute(f"DROP INDEX {name}")
        return [sql for *_, sql in made]

    def run(self, statement: str) -> None:
        self._db.execute(statement)

    def close(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.close()


def fill(data: Path, *, messages: int, events: int, now: datetime, seed: int = 1, shares: Shares | None = None) -> None:
    """Fill the store of a data folder; the sender is made if there is no such user. About so many events."""
    engine = connect(sqlite_url(data))
    migrate(engine)
    sender, others = _users(engine, now)
    _first(engine, data, sender, now - timedelta(days=365 * YEARS))
    keep_up(engine, "", now)  # notes by which rules all is judged: else the server would judge it again
    engine.dispose()
    file = _File(data / "unsealed.db")
    big = (
        schema.messages,
        schema.copies,
        schema.links,
        schema.link_counts,
        schema.hits,
        schema.events,
        schema.contacts,
    )
    indexes = file.without_indexes(big)
    rng = random.Random(seed)
    begun = perf_counter()
    batches = _batches(rng, file, sender, others, messages, events, now, shares or Shares())
    for done in batches:
        progress(f"{done:,} messages after {perf_counter() - begun:.0f} s")
    for statement in indexes:
        file.run(statement)
    file.close()
    _keep_up(data)


def _keep_up(data: Path) -> None:
    """What the server would have done to the index of words by then, while nothing was to be judged."""
    engine = connect(sqlite_url(data))
    more = True
    while more:
        with engine.begin() as connection:
            more = merge(connection)
    engine.dispose()


def _users(engine: Engine, now: datetime) -> tuple[int, list[int]]:
    users = schema.users
    with engine.begin() as connection:
        sender = connection.execute(select(users.c.id).where(users.c.email == SENDER)).scalar_one_or_none()
        if sender is None:
            sender = 1
            connection.execute(users.insert().values(id=sender, email=SENDER, role="owner", created_at=now))
        others = [sender + 1 + number for number in range(OTHERS)]
        rows = [{"id": id, "email": f"u{id}@x.example", "role": "member", "created_at": now} for id in others]
        connection.execute(users.insert(), rows)
    return sender, others


def _first(engine: Engine, data: Path, sender: int, at: datetime) -> None:
    """One message by the product itself, which all others are like."""
    ring = load(data)
    outgoing = Outgoing(
        user=UserId(sender),
        envelope_from=SENDER,
        recipients=(Recipient(address="ines@one.example", name="Ines Marchetti"),),
        raw=_LETTER.replace(b"{0}", SENDER.encode()),
        received_at=at,
        switches=Switches(),
    )
    tracking = Tracking(base_url="http://127.0.0.1", keys=ring, key_id=ring.newest)
    send.accept(engine, outgoing, tracking=tracking, now=at)
    with engine.begin() as connection:
        connection.execute(schema.jobs.update().values(state="done"))
        connection.execute(schema.copies.update().values(delivery="sent", attempts=1, sent_at=at))


def _batches(
    rng: random.Random,
    file: _File,
    sender: int,
    others: Sequence[int],
    messages: int,
    events: int,
    now: datetime,
    shares: Shares,
) -> Iterator[int]:
    """Write all rows in portions; how many messages are done after each."""
    like = {table.name: file.first(table) for table in (schema.messages, schema.originals, schema.copies, schema.links)}
    people = max(50, messages // 50)
    end = int(now.timestamp()) * _MICROSECONDS
    step = 365 * YEARS * _DAY // max(1, messages - shares.at_once + 1)  # the first went out so long ago
    met: dict[tuple[int, str], list[int]] = {}
    every = rng.choices([kind for _, kind in _KINDS], [often for often, _ in _KINDS], k=10_000)
    of_machines = [kind for kind in every if kind[1] in MACHINES]
    hit = 0
    for start in range(0, messages, BATCH):
        rows: dict[str, list[tuple[Any, ...]]] = {
            name: []
            for name in (
                "messages",
                "originals",
                "copies",
                "links",
                "link_counts",
                "events",
                "hits",
                "replies",
                "texts",
            )
        }
        for number in range(start, min(start + BATCH, messages)):
            at = end - _ago(messages - number - 1, step, shares.at_once)
            id = _new_id(rng, at)
            hot = number == messages // 2
            user = sender if rng.random() < 0.8 or hot else rng.choice(others)
            wanted = int(events * shares.hot) if hot else _asked_for(rng, messages, events)
            replied = wanted > 0 and rng.random() < shares.replied and at + _ANSWERED < end
            copies = [
                (_new_id(rng, at), 0 if rng.random() < shares.busiest else int(people * rng.random() ** 2))
                for _ in range(_recipients(rng))
            ]
            tracked = rng.random() >= shares.untracked or hot
            kinds = of_machines if rng.random() < shares.machines_alone else every
            counts = {copy: _Counts() for copy, _ in copies}
            by_link: dict[tuple[int, int], _Counts] = {}
            times = sorted(rng.expovariate(1 / (2 * _DAY)) for _ in range(wanted if tracked else 0))
            for later in times:
                if at + later >= end:
                    break
                kind, finding, confidence, *said = kinds[hit % len(kinds)]
                copy, when = copies[rng.randrange(len(copies))][0], at + int(later)
                link = hit % 3 if kind == "click" else None
                first = kind == "open" and finding.counted and hit % 3 > 0
                counts[copy].take(when, finding, confidence, first)
                if link is not None:
                    by_link.setdefault((copy, link), _Counts()).take(when, finding, confidence, False)
                country, region, town = _TOWNS[hit % 4] if said[-1] == "unknown" else _TOWNS[-1]
                place = "known" if country else "proxy"
                rows["events"].append(
                    (when, id, copy, kind, link, finding.value, confidence, *said, "", first, place, country, region,
                     town, user)
                )  # fmt: skip
                hit += 1
            ends = _ends(rng, at, counts, shares, young=end - at < _LIFETIME)
            opens = sum(each.shown for each in counts.values())
            firsts = [each.first_at for each in counts.values() if each.first_at is not None]
            lasts = [each.last_at for each in counts.values() if each.last_at is not None]
            signals = [*lasts, at + _ANSWERED] if replied else lasts
            words = rng.sample(_WORDS, 3)
            if rng.random() < shares.both:
                words[:2] = "invoice", "survey"
            subject = f"{' '.join(words).capitalize()} {number}"
            names = ", ".join(f"Person {person}" for _, person in copies[:3])
            rows["messages"].append(
                (id, user, f"<{id:x}@x.example>", subject, names, len(copies), at, opens,
                 sum(each.clicks for each in counts.values()), sum(each.raw for each in counts.values()),
                 sum(each.machine for each in counts.values()), min(firsts, default=None), max(lasts, default=None),
                 max(signals, default=at), id, int(replied), not tracked,
                 any(end.delivery == "bounced" for end in ends.values()))
            )  # fmt: skip
            rows["originals"].append((id,))
            for position, (copy, person) in enumerate(copies):
                count, domain = counts[copy], f"company{person % (people // 5 or 1)}.example"
                address = f"person{person}@{domain}"
                answered = int(replied and position == 0)
                rows["copies"].append(
                    (copy, id, position, address, f"Person {person}", tracked, *ends[copy], count.shown, count.clicks,
                     count.raw, count.machine, count.confidence, count.first_at, count.last_at, user, address, domain,
                     answered, at + _ANSWERED if answered else None, _CARRIES if tracked else 0, count.came)
                )  # fmt: skip
                seen = met.setdefault((user, address), [0, at, at, person])
                seen[0], seen[2] = seen[0] + 1, at
                if answered:
                    rows["replies"].append((user, id, copy, f"<{copy:x}@one.example>", address, at + _ANSWERED))
            urls = [f"https://shop.example/{position}" for position in range(3)]
            rows["links"] += [(id, position, url) for position, url in enumerate(urls)]
            addressed = (part for row in rows["copies"][-len(copies) :] for part in (row[4], row[3]))
            kept = words_kept(subject, addressed, ((like["links"]["text"], url) for url in urls))
            rows["texts"].append((id, shelf_of(UserId(user), EPOCH + at * MICROSECOND), kept))
            rows["link_counts"] += [
                (copy, link, id, each.clicks, each.machine, each.first_at, each.last_at)
                for (copy, link), each in by_link.items()
            ]
        # What comes is numbered as it comes, whatever message it is about.
        first_id = FIRST_ID + hit - len(rows["events"])
        rows["events"] = [(id, *event) for id, event in enumerate(sorted(rows["events"]), first_id)]
        rows["hits"] = [_hit(*event[:6], bare=event[1] < end - _KEPT) for event in rows["events"]]
        file.begin()
        _write(file, like, rows)
        file.commit()
        if (start // BATCH) % 20 == 19 or start + BATCH >= messages:
            yield min(start + BATCH, messages)
    file.begin()
    known = ("user_id", "mailbox", "address", "name", "messages", "first_at", "last_at", "words")
    told = [
        (
            whose,
            mailbox,
            mailbox,
            f"Person {seen[3]}",
            seen[0],
            seen[1],
            seen[2],
            words_kept(f"Person {seen[3]}", [mailbox]),
        )
        for (whose, mailbox), seen in met.items()
    ]
    file.like(schema.contacts, {}, known, told)
    begins = sorted((whose, word, mailbox) for whose, mailbox, *_, kept in told for word in kept.split())
    file.like(schema.contact_words, {}, ("user_id", "word", "mailbox"), begins)
    file.commit()


def _recipients(rng: random.Random) -> int:
    drawn = rng.random()
    return 1 if drawn < 0.9 else rng.randint(2, 5) if drawn < 0.99 else 20


def _new_id(rng: random.Random, at: int) -> int:
    return new_id(datetime.fromtimestamp(at // _MICROSECONDS, UTC), rng.getrandbits(DRAWN_BITS))


def _ago(behind: int, step: int, at_once: int) -> int:
    """Before how many microseconds a message was sent that so many others came after."""
    if at_once == 1:
        return (behind + 1) * step
    # The newest are some days old: what has no signal after three days is on its list, what is read is read now.
    return behind // at_once * at_once * step + 4 * _DAY + behind % at_once * _MINUTE


def _ends(rng: random.Random, at: int, counts: dict[int, _Counts], shares: Shares, *, young: bool) -> dict[int, _End]:
    """How the delivery of each copy of a message went.

    Who fares ill is drawn for the message, not for each copy: else lists of these would be of messages to many, and the
    more so the rarer it is.
    """
    ends = dict.fromkeys(counts, _End("sent", sent_at=at + _MICROSECONDS))
    drawn = rng.random()
    never_asked_for = next((copy for copy, count in counts.items() if not count.raw), None)
    if never_asked_for is not None:
        if drawn < shares.bounced:
            ends[never_asked_for] = _End("bounced", ended_at=at + _MICROSECONDS)
        elif young and drawn < shares.bounced + shares.waiting:
            ends[never_asked_for] = _End("delayed")
    return ends


def _asked_for(rng: random.Random, messages: int, events: int) -> int:
    """How many events a message has, but for the hot one."""
    return 0 if rng.random() < SILENT else 1 + int(rng.expovariate((1 - SILENT) * messages / (0.94 * events)))


def _hit(id: int, at: int, message: int, copy: int, kind: str, link: int | None, *, bare: bool) -> tuple[Any, ...]:
    """The request behind an event; of an old one nothing is left but that it was."""
    place = (id, id, message, copy, link, at)
    if bare:
        return (*place, "", "", "", "", None, "", True)
    agent, accept = _BROWSER if kind == "click" else _PROGRAM
    return (*place, "GET", f"192.0.2.{id % 256}", agent, accept, "en-GB,en;q=0.8", "", False)


def _write(file: _File, like: dict[str, dict[str, Any]], rows: dict[str, list[tuple[Any, ...]]]) -> None:
    file.like(
        schema.messages,
        like["messages"],
        ("id", "user_id", "message_id", "subject", "recipients", "recipient_count", "received_at", "opens", "clicks",
         "raw", "machine", "first_at", "last_at", "signal_at", "thread", "replies", "untracked", "bounced"),
        rows["messages"],
    )  # fmt: skip
    file.like(schema.originals, like["originals"], ("message_id",), rows["originals"])
    file.like(schema.texts, {}, ("message_id", "shelf", "words"), sorted(rows["texts"]))  # as the index likes them
    file.like(
        schema.copies,
        like["copies"],
        ("id", "message_id", "position", "address", "name", "tracked", "delivery", "sent_at", "ended_at", "opens",
         "clicks", "raw", "machine", "confidence", "first_at", "last_at", "user_id", "mailbox", "domain", "replies",
         "replied_at", "carries", "came"),
        rows["copies"],
    )  # fmt: skip
    file.like(schema.links, like["links"], ("message_id", "position", "destination"), rows["links"])
    file.like(
        schema.link_counts,
        {},
        ("copy_id", "position", "message_id", "clicks", "machine", "first_at", "last_at"),
        rows["link_counts"],
    )
    file.like(
        schema.events,
        {"rules": RULES_VERSION},
        ("hit_id", "at", "message_id", "copy_id", "kind", "link", "finding", "confidence", "reasons", "client",
         "client_kind", "device", "system", "network", "operator", "first_of_reading", "place", "country", "region",
         "city", "user_id"),
        rows["events"],
    )  # fmt: skip
    file.like(
        schema.hits,
        {"collector": "bench", "segment": 1, "prefetch": "", "sec_fetch": "", "level": int(Level.FULL)},
        ("id", "offset", "message_id", "copy_id", "link", "at", "method", "address", "user_agent", "accept",
         "accept_language", "referer_host", "bare"),
        rows["hits"],
    )  # fmt: skip
    file.like(
        schema.replies,
        {"kind": "reply"},
        ("user_id", "message_id", "copy_id", "header_id", "address", "at"),
        rows["replies"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a data folder; it is made when it is not there")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    asked.data.mkdir(parents=True, exist_ok=True)
    fill(asked.data, messages=asked.messages, events=asked.events, now=datetime.now(UTC), seed=asked.seed)


if __name__ == "__main__":
    main()
