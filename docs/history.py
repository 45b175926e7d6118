"""Weeks of mail for the pictures of the documents, made by the product's own parts and judged by them.

Letters are accepted at the moments at which they would have been sent, requests for their pixels and links are written
into the journal, and the judge takes them from there. Only the sending itself is left out, and the clock runs faster.
The same seed gives the same weeks.
"""

from __future__ import annotations

import random  # noqa: TID251 - seeded, for pictures
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from unsealed.core.instrument import Tracking
from unsealed.core.token import seal_click, seal_pixel
from unsealed.flow import send, templates
from unsealed.flow.ingest import Ingest
from unsealed.model.hit import Hit
from unsealed.model.message import AddressKind, CopyId, MessageId, Outgoing, Recipient, UserId
from unsealed.model.policy import Level, Switches
from unsealed.model.ports import Keys
from unsealed.model.reply import Incoming, Kind
from unsealed.store import messages, people, replies
from unsealed.store.engine import connect, sqlite_url
from unsealed.store.journal import Journal, encode_hit
from unsealed.store.keyring import load

DAYS = 84
A_DAY = 36  # letters that the sender writes on a working day
COLLECTOR = "c0"

THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:155.0) Gecko/20100101 Firefox/155.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE = "Mozilla/5.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
SCANNER = "Barracuda Sentinel (EE)"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"

# user agent, address, how often of a hundred
READERS = (
    (THUNDERBIRD, "81.2.69.{}", 24),
    (GMAIL, "66.249.84.{}", 30),
    (PHONE, "109.249.180.{}", 20),
    (OUTLOOK, "93.184.216.{}", 14),
    (APPLE, "172.224.226.{}", 12),
)
# name, subject, in how many of a hundred it is chosen, opened, clicked, answered
TEMPLATES = (
    ("First letter", "Sensors for {company}?", 30, 55, 12, 5),
    ("First letter, one question", "One question about {company}'s gates", 30, 63, 16, 14),
    ("Proposal", "Proposal for {company}", 22, 78, 38, 20),
    ("After a visit", "Thank you for the visit, {first_name}", 18, 82, 24, 26),
)
LINKS = (
    ("the plan", "https://tidewater.example/plan"),
    ("the prices", "https://tidewater.example/prices"),
    ("book a visit", "https://tidewater.example/visit"),
)
FIRST = (
    "Ines Rob Lotte Yusuf Claire Dario Hanne Jonas Aiko Priya Tom Marek Sofia Liam Noor Elias Freya Hugo Ada Ravi"
).split()
LAST = (
    "Marchetti Okafor Brandsma Demirel Dubuc Conti Vestergaard Weber Tanaka Nair Adeyemi Nowak Lindgren Byrne Haddad"
    " Costa Moreau Petrov Silva Kovacs"
).split()
COMPANIES = (
    "Harbourline Fennel Northgate Atelier Fjordline Spindle Icehouse Salinas Quayside Coldharbour Brightwater Ferrous"
    " Meridian Lantern Drydock Windward"
).split()
COLLEAGUES = ("Jana Petersen", "Luca Moretti", "Sara Haddad", "Ben Osei", "Mina Aydin", "Karl Lund")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One letter that was accepted, and what became of it."""

    user: UserId
    message: MessageId
    copy: CopyId
    at: datetime
    to: Recipient
    chances: tuple[float, float, float]  # that it is opened, clicked, answered


def write(data: Path, sender: str, now: datetime, seed: int = 7) -> None:
    """Fill the store of a data folder, which knows the sender already."""
    engine = connect(sqlite_url(data))
    ring = load(data)
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    tracking = Tracking(base_url="http://127.0.0.1", keys=ring, key_id=ring.newest)
    begin = now - timedelta(days=DAYS)
    with engine.begin() as connection:
        own = people.user_by_email(connection, sender)
        if own is None:
            raise SystemExit(f"{sender} is not known")
        letters = list(_letters(rng, connection, tracking, own.id, sender, A_DAY, now))
        for name in COLLEAGUES:
            address = f"{name.partition(' ')[0].lower()}@tidewater.example"
            colleague = people.add_user(connection, address, "member", begin)
            letters += _letters(rng, connection, tracking, colleague, address, A_DAY // 5, now)
    journal = Journal(data / "journal" / COLLECTOR, COLLECTOR)
    hits = sorted((hit for each in letters for hit in _read(rng, ring, each, now)), key=lambda hit: hit.at)
    for start in range(0, len(hits), 1_000):
        journal.commit([encode_hit(hit) for hit in hits[start : start + 1_000]])
    journal.close()
    ingest = Ingest(engine, keys=ring, journal=data / "journal" / COLLECTOR, collector=COLLECTOR, clock=lambda: now)
    while ingest.ship(5_000) + ingest.judge(1_000):
        pass
    with engine.begin() as connection:
        for each in letters:
            _answer(rng, connection, each, now)
    engine.dispose()


def _letters(
    rng: random.Random,
    connection: Connection,
    tracking: Tracking,
    user: UserId,
    sender: str,
    a_day: int,
    now: datetime,
) -> Iterator[Sent]:
    """Letters of one person, on working days between eight and five."""
    begin = (now - timedelta(days=DAYS)).replace(hour=8, minute=0)
    made = []
    for name, subject, *_ in TEMPLATES:
        subject = subject.replace("{", "{{").replace("}", "}}")
        words = templates.read(name=name, subject=subject, html=_html("{{first_name|there}}"))
        made.append(templates.create(connection, user, words, begin))
    for day in range(DAYS):
        date = begin + timedelta(days=day)
        for _ in range(round(a_day * rng.uniform(0.6, 1.4)) if date.weekday() < 5 else 0):
            at = date + timedelta(minutes=540 * rng.betavariate(1.6, 2.2))
            if at < now - timedelta(hours=3):
                yield _letter(rng, connection, tracking, user, sender, made, at)


def _letter(
    rng: random.Random,
    connection: Connection,
    tracking: Tracking,
    user: UserId,
    sender: str,
    made: Sequence[int],
    at: datetime,
) -> Sent:
    number = rng.choices(range(len(TEMPLATES)), [often for _, _, often, *_ in TEMPLATES])[0]
    _, words, _, *chances = TEMPLATES[number]
    company, first = rng.choice(COMPANIES), rng.choice(FIRST)
    last = LAST[(FIRST.index(first) * 7 + COMPANIES.index(company)) % len(LAST)]
    address = f"{first.lower()}@{company.lower()}.example"
    recipient = Recipient(address=address, name=f"{first} {last}", kind=AddressKind.TO)
    outgoing = Outgoing(
        user=user,
        envelope_from=sender,
        recipients=(recipient,),
        raw=_raw(sender, recipient, words.format(company=company, first_name=first), rng.getrandbits(63)),
        switches=Switches(),
        received_at=at,
        tag=("autumn fair", "depots", "")[number % 3],
        template=(made[number], 1),
    )
    planned = send.plan(outgoing, tracking=tracking)
    send.write(connection, planned, at, elsewhere=True)
    [copy] = planned.copies
    gone = rng.random() < 0.015
    if gone:
        messages.bounced(connection, copy, reply="550 5.1.1 no such user here", at=at + timedelta(seconds=3))
    else:
        messages.sent(connection, copy, reply="250 2.0.0 taken", at=at + timedelta(seconds=2), final=False)
    opened, clicked, answered = (0.0 if gone else chance / 100 for chance in chances)
    return Sent(user=user, message=planned.id, copy=copy, at=at, to=recipient, chances=(opened, clicked, answered))


def _html(name: str) -> str:
    links = ", ".join(f'<a href="{address}">{words}</a>' for words, address in LINKS)
    return f"<p>Good morning {name},</p><p>here is what we talked about: {links}.</p><p>With kind regards</p>"


def _raw(sender: str, recipient: Recipient, subject: str, number: int) -> bytes:
    head = f"From: {sender}\r\nTo: {recipient.name} <{recipient.address}>\r\nSubject: {subject}\r\n"
    head += f"Message-ID: <{number:x}@tidewater.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    return f"{head}{_html(recipient.name.partition(' ')[0])}\r\n".encode()


def _read(rng: random.Random, keys: Keys, it: Sent, now: datetime) -> Iterator[Hit]:
    """What is asked for: by scanners at once, by people when they come to it."""
    opened, clicked, _ = it.chances
    of_company = sum(it.to.address.partition("@")[2].encode())
    if of_company % 5 == 0:
        yield _hit(keys, it, it.at + timedelta(seconds=rng.uniform(3, 20)), SCANNER, "203.0.113.9")
    if rng.random() >= opened:
        return
    agent, address, _ = READERS[_taken([often for *_, often in READERS], sum(it.to.address.encode()))]
    at = it.at + timedelta(minutes=rng.lognormvariate(4.2, 1.8))
    at += timedelta(hours=12) if at.hour > 20 or at.hour < 6 else timedelta()
    for _ in range(1 + min(6, int(rng.expovariate(1.1)))):
        if at < now:
            yield _hit(keys, it, at, agent, address.format(of_company % 250))
        at += timedelta(hours=rng.expovariate(1 / 20), minutes=11)
    if rng.random() < clicked / opened and at < now:
        link = rng.choices(range(len(LINKS)), (2, 5, 2))[0]
        yield _hit(keys, it, at, FIREFOX, f"81.2.69.{of_company % 250}", link)


def _taken(often: Sequence[int], number: int) -> int:
    """Which of some choices a number falls on."""
    left = number * 37 % sum(often)
    for place, each in enumerate(often):
        if (left := left - each) < 0:
            return place
    return 0


def _hit(keys: Keys, it: Sent, at: datetime, agent: str, address: str, link: int | None = None) -> Hit:
    if link is None:
        token = seal_pixel(keys, keys.newest, it.copy, Level.FULL)
    else:
        token = seal_click(keys, keys.newest, it.copy, Level.FULL, link, LINKS[link][1])
    language = None if agent in (APPLE, GMAIL, SCANNER) else "en-GB,en;q=0.7"
    return Hit(at=at, token=token, method="GET", address=address, user_agent=agent, accept_language=language)


def _answer(rng: random.Random, connection: Connection, it: Sent, now: datetime) -> None:
    at = it.at + timedelta(hours=rng.lognormvariate(1.5, 1.2))
    if rng.random() < it.chances[2] and at < now:
        came = Incoming(
            kind=Kind.REPLY,
            header_id=f"<{it.copy:x}@{it.to.address.partition('@')[2]}>",
            parents=(),
            names=(),
            address=it.to.address,
            name=it.to.name,
        )
        replies.keep(connection, it.user, it.message, it.copy, came, at)
        replies.answered(connection, it.message, it.copy, at)
