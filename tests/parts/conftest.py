"""A store with people and mail in it: every state that a screen can show, as the writing side would have left it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, Table, select
from tests.conftest import NOON

from unsealed.model.event import ClientKind, Device, Finding, HitKind, NetworkClass
from unsealed.model.message import AddressKind, CopyId, Delivery, Link, LinkPart, MessageId, Recipient, UserId
from unsealed.model.policy import OFF, Level, Switches
from unsealed.store import engine as stores
from unsealed.store import people, schema, search
from unsealed.store.contacts import met
from unsealed.store.feed import Change, add_feed
from unsealed.store.messages import switches_json

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
RULES = "2026.11"

Person = tuple[str, str]
INES = ("Ines Marchetti", "ines@harbourline.example")
ROB = ("Rob Okafor", "rob.okafor@harbourline.example")
LOTTE = ("Lotte Brandsma", "lotte@fennel.example")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How a request looked, and the evidence that goes with it."""

    client: str
    client_kind: ClientKind
    device: Device
    system: str = ""
    network: NetworkClass = NetworkClass.RESIDENTIAL
    operator: str = ""
    user_agent: str = ""
    code: str
    words: str
    more: tuple[str, ...] = ()


THUNDERBIRD = Seen(
    client="Thunderbird",
    client_kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Linux",
    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0",
    code="CLIENT_DIRECT",
    words="Thunderbird asked for the picture from the reader's own network, with its own name and language",
    more=("2 h 54 min after delivery, so it is not a check on arrival",),
)
FIREFOX = Seen(
    client="Firefox",
    client_kind=ClientKind.BROWSER,
    device=Device.DESKTOP,
    system="Linux",
    code="BROWSER_DIRECT",
    words="Firefox followed the link from the same address that loaded the picture",
)
IPHONE = Seen(
    client="Safari",
    client_kind=ClientKind.BROWSER,
    device=Device.MOBILE,
    system="iPhone",
    network=NetworkClass.MOBILE_CARRIER,
    code="BROWSER_DIRECT",
    words="Safari on a phone followed one link, 36 min after delivery",
)
OUTLOOK = Seen(
    client="Outlook",
    client_kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Windows",
    network=NetworkClass.CORPORATE,
    code="CLIENT_DIRECT",
    words="Outlook for Windows asked for the picture from an office network",
)
GMAIL = Seen(
    client="Gmail Image Proxy",
    client_kind=ClientKind.IMAGE_PROXY,
    device=Device.HIDDEN,
    network=NetworkClass.GOOGLE_PROXY,
    operator="Google",
    user_agent="Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    code="PROXY_GMAIL",
    words="Gmail's picture proxy loads when a person opens the letter",
)
APPLE = Seen(
    client="Apple Mail Privacy Protection",
    client_kind=ClientKind.PREFETCH,
    device=Device.HIDDEN,
    network=NetworkClass.APPLE_RELAY,
    operator="Apple",
    user_agent="Mozilla/5.0",
    code="APPLE_MPP",
    words="Apple's privacy relay loads every picture, read or not",
)
SCANNER = Seen(
    client="Barracuda Sentinel",
    client_kind=ClientKind.SCANNER,
    device=Device.UNKNOWN,
    network=NetworkClass.SECURITY_VENDOR,
    operator="Barracuda",
    code="UA_SCANNER",
    words="It names itself: Barracuda Sentinel (EE)",
)
UNSURE = Seen(
    client="",
    client_kind=ClientKind.UNKNOWN,
    device=Device.UNKNOWN,
    network=NetworkClass.HOSTING,
    operator="Hetzner",
    code="NET_HOSTING_LATE",
    words="A modern browser, but from a hosting network",
)
MYSELF = Seen(
    client="Thunderbird",
    client_kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Linux",
    network=NetworkClass.SENDER,
    code="SELF_IP",
    words="From an address that you signed in from within the last day",
)


@dataclass(frozen=True, kw_only=True)
class Did:
    """One judged request, `ago` before now."""

    ago: timedelta
    finding: Finding
    seen: Seen
    to: int = 0  # position of the recipient
    link: int | None = None
    confidence: float = 0.95
    first: bool = False  # begins a reading


@dataclass(frozen=True, kw_only=True)
class Out:
    """How the copy to one recipient fared."""

    delivery: Delivery = Delivery.SENT
    reply: str = "250 2.0.0 Ok: queued as 4F1C22"
    attempts: int = 1
    next_in: timedelta | None = None
    tracked: bool = True


@dataclass
class Seeding:
    """Writes what the walks would have written, straight into the tables."""

    connection: Connection
    now: datetime
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(0x1C5E_0A00_0000_0001, 0x10_0003))

    def person(self, user: UserId, email: str, name: str, role: str = "owner") -> None:
        self.connection.execute(
            schema.users.insert(),
            {"id": user, "email": email, "name": name, "role": role, "created_at": self.now},
        )
        self.connection.execute(schema.identities.insert(), {"user_id": user, "address": email, "created_at": self.now})

    def send(
        self,
        subject: str,
        to: Sequence[Person],
        ago: timedelta,
        *,
        user: UserId = MARA,
        links: Sequence[tuple[str, str] | tuple[str, str, str]] = (),
        out: Sequence[Out] = (),
        did: Sequence[Did] = (),
        tag: str = "",
        unchanged: str = "",
        raw: bytes = b"",
        warnings: Sequence[str] = (),
        in_sandbox: bool = False,
    ) -> MessageId:
        number = MessageId(next(self.numbers))
        at = self.now - ago
        raw = raw or letter(subject, to)
        outs = [*out, *([Out()] * (len(to) - len(out)))]
        counted = [each for each in did if each.finding.counted]
        tracked = not unchanged and any(each.tracked for each in outs)
        self.connection.execute(
            schema.messages.insert(),
            {
                "id": number,
                "user_id": user,
                "envelope_from": "mara@tidewater.example",
                "message_id": f"<{number:x}@tidewater.example>",
                "thread": number,
                "subject": subject,
                "recipients": ", ".join(name or address for name, address in to[:3]),
                "recipient_count": len(to),
                "size": len(raw),
                "tag": tag,
                "opens_level": Level.FULL if tracked else Level.OFF,
                "clicks_level": Level.FULL if tracked else Level.OFF,
                "switches": switches_json(Switches() if tracked else OFF),
                "key_id": 0,
                "tracking_url": "http://127.0.0.1:8026",
                "unchanged": unchanged,
                "survey": json.dumps(
                    {
                        "pixel": "before </body>" if tracked else "",
                        "pixel_offset": 2211 if tracked else None,
                        "unchanged": unchanged,
                        "warnings": list(warnings),
                        "html_bytes": 2987,
                    }
                ),
                "received_at": at,
                **self.sums(did),
                "signal_at": max((self.now - each.ago for each in counted), default=at),
            },
        )
        self.connection.execute(schema.originals.insert(), {"message_id": number, "raw": raw})
        if links:
            self.connection.execute(
                schema.links.insert(),
                [
                    {
                        "message_id": number,
                        "position": position,
                        "offset": 300 + 90 * position,
                        "part": "html",
                        "text": each[0],
                        "destination": each[1],
                        "tracked": len(each) == 2 and not unchanged,
                        "reason": each[2] if len(each) > 2 else "",
                    }
                    for position, each in enumerate(links)
                ],
            )
        search.add(
            self.connection,
            number,
            user,
            at,
            subject=subject,
            recipients=[Recipient(address=address, name=name) for name, address in to],
            links=[
                Link(position=position, offset=0, part=LinkPart.HTML, text=each[0], destination=each[1])
                for position, each in enumerate(links)
            ],
        )
        copies = [CopyId(next(self.numbers)) for _ in to]
        for position, (copy, (name, address), fate) in enumerate(zip(copies, to, outs, strict=True)):
            mine = [each for each in did if each.to == position]
            left = fate.delivery in (Delivery.SENT, Delivery.DELIVERED)
            self.connection.execute(
                schema.copies.insert(),
                {
                    "id": copy,
                    "message_id": number,
                    "position": position,
                    "address": address,
                    "name": name,
                    "kind": AddressKind.TO if position < 2 else AddressKind.CC,
                    "tracked": fate.tracked and not unchanged,
                    "user_id": user,
                    "mailbox": address.lower(),
                    "domain": address.lower().rpartition("@")[2],
                    "delivery": fate.delivery,
                    "attempts": fate.attempts,
                    "reply": fate.reply,
                    "next_at": None if fate.next_in is None else self.now + fate.next_in,
                    "sent_at": at + timedelta(seconds=1) if left else None,
                    "ended_at": at + timedelta(seconds=2) if left or fate.delivery == Delivery.BOUNCED else None,
                    **self.sums(mine),
                    "confidence": max((each.confidence for each in mine if each.finding.counted), default=None),
                },
            )
            self.count_links(number, copy, mine)
            if in_sandbox:
                self.connection.execute(
                    schema.sandbox.insert(),
                    {
                        "copy_id": copy,
                        "message_id": number,
                        "user_id": user,
                        "recipient": address,
                        "raw": raw,
                        "at": at,
                    },
                )
        for each in did:
            self.event(number, copies[each.to], each)
        met(self.connection, user, [Recipient(address=address, name=name) for name, address in to], at)
        return number

    def sums(self, did: Sequence[Did]) -> dict[str, object]:
        counted = sorted(self.now - each.ago for each in did if each.finding.counted)
        clicks = sum(each.finding == Finding.HUMAN_CLICK for each in did)
        clicked = {
            each.to
            for each in did
            if each.finding == Finding.HUMAN_CLICK and not any(other.first and other.to == each.to for other in did)
        }
        return {
            "opens": sum(each.first for each in did) + len(clicked),
            "clicks": clicks,
            "raw": len(did),
            "machine": sum(each.finding.machine for each in did),
            "first_at": counted[0] if counted else None,
            "last_at": counted[-1] if counted else None,
        }

    def count_links(self, message: MessageId, copy: CopyId, did: Sequence[Did]) -> None:
        for link in sorted({each.link for each in did if each.link is not None}):
            those = [each for each in did if each.link == link]
            times = sorted(self.now - each.ago for each in those if each.finding.counted)
            self.connection.execute(
                schema.link_counts.insert(),
                {
                    "copy_id": copy,
                    "position": link,
                    "message_id": message,
                    "clicks": len(times),
                    "machine": sum(each.finding.machine for each in those),
                    "first_at": times[0] if times else None,
                    "last_at": times[-1] if times else None,
                },
            )

    def event(self, message: MessageId, copy: CopyId, did: Did) -> None:
        number = next(self.numbers) & 0xFFFFFFFF
        at = self.now - did.ago
        kind = HitKind.OPEN if did.link is None else HitKind.CLICK
        whose = select(schema.messages.c.user_id).where(schema.messages.c.id == message)
        owner = self.connection.execute(whose).scalar_one()
        self.connection.execute(
            schema.hits.insert(),
            {
                "id": number,
                "collector": "a",
                "segment": 1,
                "offset": number,
                "message_id": message,
                "copy_id": copy,
                "link": did.link,
                "at": at,
                "method": "GET",
                "address": "203.0.113.7",
                "user_agent": did.seen.user_agent,
                "accept": "image/*",
                "accept_language": "pt-PT",
                "referer_host": "",
                "prefetch": "",
                "sec_fetch": "",
            },
        )
        self.connection.execute(
            schema.events.insert(),
            {
                "user_id": owner,
                "hit_id": number,
                "message_id": message,
                "copy_id": copy,
                "kind": kind,
                "link": did.link,
                "at": at,
                "finding": did.finding,
                "confidence": did.confidence,
                "reasons": json.dumps([[did.seen.code, did.seen.words], *(["", more] for more in did.seen.more)]),
                "rules": RULES,
                "client": did.seen.client,
                "client_kind": did.seen.client_kind,
                "device": did.seen.device,
                "system": did.seen.system,
                "network": did.seen.network,
                "operator": did.seen.operator,
                "first_of_reading": did.first,
            },
        )


def letter(subject: str, to: Sequence[Person]) -> bytes:
    """A letter with a text and an HTML part, a remote picture and four links."""
    mail = EmailMessage()
    mail["Subject"] = "".join(each for each in subject if each.isprintable())
    mail["From"] = "Mara Lindh <mara@tidewater.example>"
    mail["To"] = ", ".join(address for _, address in to[:20])
    mail["Message-ID"] = "<original@tidewater.example>"
    mail.set_content("Dear all,\n\nhere is what we propose.\n")
    mail.add_alternative(HTML, subtype="html")
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


HTML = """<!doctype html><html><head><title>Proposal</title>
<style>body{font:16px/1.55 Georgia,serif;color:#1c2230;max-width:36em}a{color:#1c2230}</style></head><body>
<p>Dear Ines, dear Rob, dear Lotte,</p>
<p>Thank you for showing us round the two depots. Here is what we propose, in the order in which you asked:</p>
<ul><li>one sensor set per gate, as drawn in the <a href="https://tidewater.example/plans/harbourline.pdf">Depot
plan</a>;</li><li>the terms, with the discount for both sites, under
<a href="https://tidewater.example/pricing?site=depots">Pricing</a>;</li><li>three sites of the same kind, under
<a href="https://tidewater.example/references#ports">References</a>.</li></ul>
<p><img src="https://tidewater.example/drawing.png" width="480" height="96" alt="Drawing of the gate"></p>
<p>If the dates suit you, please <a href="https://tidewater.example/visit">book a visit</a> before the end of the
month.</p><p>With kind regards,<br>Mara Lindh</p></body></html>
"""

LINKS = (
    ("Pricing", "https://tidewater.example/pricing?site=depots"),
    ("Depot plan", "https://tidewater.example/plans/harbourline.pdf"),
    ("Book a visit", "https://tidewater.example/visit"),
    ("References", "https://tidewater.example/references#ports"),
    ("Choose your password", "https://tidewater.example/reset?once=1", "one-time"),
    ("social.example", "https://social.example/tidewater", "visible-url"),
    ("Unsubscribe", "https://tidewater.example/unsubscribe", "unsubscribe"),
)


def ago(**units: float) -> timedelta:
    return timedelta(**units)


def fill(seeding: Seeding, *, in_sandbox: bool = False) -> dict[str, MessageId]:
    """Mara's mail: 25 messages in every state, and one of somebody else. Public names of the tests by key."""
    seeding.person(MARA, "mara@tidewater.example", "Mara Lindh")
    seeding.person(OTHER, "kees@elsewhere.example", "Kees", "member")
    opened, clicked, proxied = Finding.HUMAN_OPEN, Finding.HUMAN_CLICK, Finding.PROXIED_OPEN
    say = seeding.send
    made = {
        "waiting": say(
            "Sample shipment, second pallet",
            [("Sofia Ekdahl", "sofia@ekdahl.example")],
            ago(minutes=6),
            out=[Out(delivery=Delivery.DELAYED, reply="451 4.7.1 Greylisted, try later", next_in=ago(minutes=5))],
        ),
        "clicked": say(
            "Sensors: the follow-up you asked for",
            [("Amara Nwosu", "amara@nwosu.example")],
            ago(days=5, hours=2),
            links=[("Book a time", "https://tidewater.example/book")],
            did=[
                Did(ago=ago(days=4), finding=proxied, seen=GMAIL, first=True, confidence=0.9),
                Did(ago=ago(minutes=24), finding=proxied, seen=GMAIL, first=True, confidence=0.9),
                Did(ago=ago(minutes=22), finding=clicked, seen=IPHONE, link=0),
            ],
        ),
        "proposal": say(
            "Proposal for the Harbourline depots",
            [INES, ROB, LOTTE],
            ago(hours=4, minutes=46),
            tag="depots",
            links=LINKS,
            out=[Out(), Out(), Out(reply="250 OK", attempts=2)],
            in_sandbox=in_sandbox,
            did=[
                Did(ago=ago(hours=4, minutes=45), finding=Finding.SCANNER, seen=SCANNER, to=1, confidence=0.98),
                *(
                    Did(
                        ago=ago(hours=4, minutes=45) - ago(milliseconds=200 * position),
                        finding=Finding.SCANNER_CLICK,
                        seen=SCANNER,
                        to=1,
                        link=position,
                        confidence=0.98,
                    )
                    for position in (1, 2, 3)
                ),
                Did(ago=ago(hours=4, minutes=44), finding=Finding.MACHINE_PREFETCH, seen=APPLE, confidence=0.97),
                Did(ago=ago(hours=4, minutes=30), finding=Finding.SELF_OPEN, seen=MYSELF, confidence=0.85),
                Did(ago=ago(hours=4, minutes=9), finding=proxied, seen=GMAIL, first=True, confidence=0.9),
                Did(ago=ago(hours=4, minutes=8), finding=clicked, seen=IPHONE, link=1),
                Did(ago=ago(hours=2, minutes=15), finding=opened, seen=THUNDERBIRD, first=True),
                Did(ago=ago(hours=2, minutes=14, seconds=58), finding=Finding.DUPLICATE, seen=THUNDERBIRD),
                Did(ago=ago(hours=2, minutes=14), finding=clicked, seen=FIREFOX, link=0),
                Did(ago=ago(hours=2, minutes=13), finding=opened, seen=THUNDERBIRD),
                Did(ago=ago(hours=1, minutes=52), finding=opened, seen=THUNDERBIRD, first=True),
            ],
        ),
        "renewal": say(
            "Renewal terms for 2027",
            [("Hanne Vestergaard", "hanne@vestergaard.example")],
            ago(days=3, hours=1),
            did=[Did(ago=ago(hours=3), finding=opened, seen=OUTLOOK, first=True)],
        ),
        "machine": say(
            "Introduction: cold chain audit",
            [("Tomás Iglesias", "tomas@iglesias.example")],
            ago(hours=5, minutes=30),
            did=[Did(ago=ago(hours=5, minutes=29), finding=Finding.SCANNER, seen=SCANNER, confidence=0.98)],
        ),
        "maybe": say(
            "Notes from our call on Monday",
            [("Claire Dubuc", "claire@dubuc.example")],
            ago(days=3, hours=19),
            did=[Did(ago=ago(hours=6), finding=opened, seen=UNSURE, first=True, confidence=0.55)],
        ),
        "often": say(
            "Pilot agreement, third draft",
            [("Dario Conti", "dario@conti.example")],
            ago(days=15),
            links=[("Draft", "https://tidewater.example/draft-3")],
            did=[
                *(
                    Did(ago=ago(days=each, hours=2), finding=opened, seen=THUNDERBIRD, first=True)
                    for each in range(1, 13)
                ),
                *(Did(ago=ago(days=each), finding=clicked, seen=FIREFOX, link=0) for each in range(3, 8)),
            ],
        ),
        "partly": say(
            "Spring price list",
            [
                ("Priya Raman", "priya@raman.example"),
                ("Joel Addo", "joel@addo.example"),
                *((f"Buyer {each}", f"buyer{each}@market.example") for each in range(9)),
            ],
            ago(days=4, hours=3),
            links=[("Price list", "https://tidewater.example/spring.pdf")],
            out=[Out(), Out(delivery=Delivery.BOUNCED, reply="552 5.2.2 Mailbox full")],
            did=[
                *(
                    Did(ago=ago(days=1, hours=each), finding=proxied, seen=GMAIL, first=True, to=each, confidence=0.9)
                    for each in range(2, 9)
                ),
                *(Did(ago=ago(days=2, hours=each), finding=clicked, seen=FIREFOX, link=0, to=each) for each in (3, 4)),
            ],
        ),
        "click_only": say(
            "Quote 4471, options A and B",
            [("Kofi Mensa", "kofi@mensa.example")],
            ago(days=16),
            links=[("Data sheet", "https://tidewater.example/4471.pdf")],
            did=[Did(ago=ago(days=4), finding=clicked, seen=FIREFOX, link=0)],
        ),
        "bounced": say(
            "Warranty question, unit 40-B",
            [("Piet Verhoef", "piet@verhoef.example")],
            ago(days=5, hours=4),
            out=[Out(delivery=Delivery.BOUNCED, reply="552 5.2.2 <piet@verhoef.example>: mailbox full")],
        ),
        "delivered": say(
            "Access for the second team",
            [("Mei Tanabe", "mei@tanabe.example")],
            ago(hours=7),
            out=[Out(delivery=Delivery.DELIVERED)],
        ),
        "untracked": say(
            "Invoice 2026-118",
            [("Accounts at Northmill", "accounts@northmill.example")],
            ago(days=5, hours=3),
            unchanged="signed",
        ),
        "silent": say(
            "Proposal for the Lindau site, with drawings",
            [("Jonas Weidner", "jonas@weidner.example")],
            ago(days=5, hours=3, minutes=13),
        ),
        "queued": say(
            "Minutes of the steering meeting",
            [("Nadia Kowal", "nadia@kowal.example"), ("", "board@kowal.example")],
            ago(seconds=20),
            out=[Out(delivery=Delivery.QUEUED, reply="", attempts=0)] * 2,
        ),
        "sent": say("Tomorrow's agenda", [("", "team@kowal.example")], ago(hours=2)),
        "apple": say(
            "Lunch on Thursday?",
            [("Sam Ito", "sam@ito.example")],
            ago(days=2),
            did=[Did(ago=ago(days=2) - ago(minutes=3), finding=Finding.MACHINE_PREFETCH, seen=APPLE, confidence=0.97)],
        ),
        "mine": say(
            "Draft for you",
            [("Elif Aksoy", "elif@aksoy.example")],
            ago(days=6),
            did=[Did(ago=ago(days=5), finding=Finding.SELF_OPEN, seen=MYSELF, confidence=0.85)],
        ),
        "hostile": say(
            '<script>alert(1)</script> \u202egnp.exe\u202c & "quotes"',
            [("<img src=x onerror=alert(1)>", "x'\"><b>@evil.example")],
            ago(days=7),
            links=[("</a><script>alert(2)</script>", "https://evil.example/?q=<script>&\"'")],
            did=[Did(ago=ago(days=6), finding=clicked, seen=FIREFOX, link=0)],
        ),
    }
    for each in range(7):
        made[f"older{each}"] = say(
            f"Weekly report {40 - each}",
            [("Olu Bello", "olu@bello.example")],
            ago(days=20 + 7 * each),
            did=[Did(ago=ago(days=19 + 7 * each), finding=opened, seen=OUTLOOK, first=True)] if each % 2 else [],
        )
    made["foreign"] = say("Not yours", [("Ann", "ann@else.example")], ago(hours=1), user=OTHER)
    add_feed(
        seeding.connection,
        [Change(user=MARA, message=made["proposal"], what="human_open", at=seeding.now - ago(hours=1))],
    )
    return made


def keep_habits(connection: Connection) -> None:
    """Give seeded copies and messages what the store keeps of them for habits and lists, as an upgrade does."""
    with Operations.context(MigrationContext.configure(connection)):
        import_module("unsealed.store.migrations.versions.0010_habits").fill()


@dataclass(frozen=True)
class Filled:
    """What `fill` leaves in an empty store at noon: message ids by the name of their state, and the rows."""

    mail: dict[str, MessageId]
    rows: Sequence[tuple[Table, list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    path = tmp_path_factory.mktemp("filled") / "unsealed.db"
    copyfile(sqlite_template, path)
    engine = stores.connect(f"sqlite:///{path}")
    with engine.begin() as connection:
        mail = fill(Seeding(connection, NOON), in_sandbox=True)
        keep_habits(connection)
        rows = []
        for table in schema.metadata.sorted_tables:
            # The seeding numbers hits, as events name them; the store numbers all else that has a number of its own.
            numbered = None if table is schema.hits else table.autoincrement_column
            given = [each for each in table.c if each is not numbered]
            if found := [dict(each) for each in connection.execute(select(*given)).mappings()]:
                rows.append((table, found))
    engine.dispose()
    return Filled(mail, rows)


@pytest.fixture
def mail(engine: Engine, clock: Callable[[], datetime], filled: Filled) -> dict[str, MessageId]:
    """The seeded store: message ids by the name of their state."""
    assert clock() == NOON
    with engine.begin() as connection:
        for table, rows in filled.rows:
            connection.execute(table.insert(), rows)
    return dict(filled.mail)


# A browser for apps of ours, without a network


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...]  # Set-Cookie lines
    raised: Exception | None = None  # what the app raised after it had answered

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Browser:
    """Speaks ASGI to an app: keeps cookies, sends Origin and the hidden token of the last page with a form."""

    app: Any
    origin: str = "http://127.0.0.1:8025"
    address: str = "127.0.0.1"
    user_agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        answer = await self.request("GET", path, headers)
        if found := re.search(r'name="csrf" value="([^"]*)"', answer.body.decode("utf-8", "replace")):
            self.token = found[1]
        return answer

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        body = urlencode({"csrf": self.token, **(form or {})}).encode()
        given = {"origin": self.origin, "content-type": "application/x-www-form-urlencoded", **headers}
        return await self.request("POST", path, given, body)

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One exchange. In header names "_" stands for "-"; a header with an empty value is not sent."""
        where, _, query = path.partition("?")
        sent = {"host": urlsplit(self.origin).netloc, "user-agent": self.user_agent, "accept": "text/html"}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= {name.lower().replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(where),
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value],
            "client": (self.address, 40_000),
            "server": ("127.0.0.1", 8025),
        }
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])
        outgoing: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: MutableMapping[str, Any]) -> None:
            outgoing.append(message)

        raised = None
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # Starlette answers unknown errors, then hands them to the server
            if not outgoing:
                raise
            raised = error
        lines = [(name.decode().lower(), value.decode("latin-1")) for name, value in outgoing[0]["headers"]]
        set_cookies = tuple(value for name, value in lines if name == "set-cookie")
        for each in set_cookies:
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return Answer(
            status=outgoing[0]["status"],
            headers=dict(lines),
            body=b"".join(each.get("body", b"") for each in outgoing[1:]),
            cookies=set_cookies,
            raised=raised,
        )


@pytest.fixture
def now(clock: Callable[[], datetime]) -> datetime:
    return clock()


@pytest.fixture
def ines(engine: Engine, now: datetime) -> UserId:
    """The owner of a fresh installation."""
    with engine.begin() as connection:
        return people.create_owner(connection, "Ines@Example.ORG ", now)


@pytest.fixture
def rob(engine: Engine, ines: UserId, now: datetime) -> UserId:
    """A member beside her."""
    with engine.begin() as connection:
        return people.add_user(connection, "rob@example.org", people.Role.MEMBER, now)


@pytest.fixture
def browser() -> type[Browser]:
    """`browser(app=...)` is a browser that talks to that ASGI app: `answer = await it.get("/sent")`."""
    return Browser
