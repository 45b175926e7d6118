from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import Engine, event, select
from tests.parts.conftest import keep_habits

from unsealed.core.reliability import Trait, traits
from unsealed.model.event import ClientKind, Finding, HitKind
from unsealed.model.message import Recipient, UserId
from unsealed.model.policy import Level, Switches
from unsealed.model.view import SignalFacts
from unsealed.store import counts, habits, schema
from unsealed.store.engine import reading
from unsealed.store.habits import Carries, facts_of_domains, facts_of_mailboxes

MARA = UserId(1)
ROB = UserId(2)
READ = (Finding.HUMAN_OPEN,)
CLICKED = (Finding.HUMAN_CLICK,)
SCANNED = (Finding.SCANNER_CLICK, Finding.SCANNER_CLICK, Finding.SCANNER)


class Mailing:
    """Messages of one recipient each, with what came back."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.engine = engine
        self.now = now
        self.ids = itertools.count(1)
        with engine.begin() as connection:
            connection.execute(
                schema.users.insert(),
                [
                    {"id": user, "email": f"{user}@x.example", "role": "owner", "created_at": now}
                    for user in (MARA, ROB)
                ],
            )

    def send(
        self,
        to: str,
        came: tuple[Finding, ...] = (),
        *,
        user: UserId = MARA,
        ago: timedelta = timedelta(days=3),
        pixel: str = "before </body>",
        links: bool = True,
        level: Level = Level.FULL,
        by: ClientKind = ClientKind.BROWSER,
        own: tuple[Level, Level] | None = None,
    ) -> None:
        id = next(self.ids)
        at = self.now - ago
        own = own or (level, level)
        to_them = Recipient(address=to, opens=own[0], clicks=own[1])
        carries = Carries.PIXEL if pixel and own[0] else Carries.NOTHING
        carries |= Carries.LINKS if links and own[1] else Carries.NOTHING
        clicks = [finding for finding in came if finding.value.endswith("click")]
        with self.engine.begin() as connection:
            connection.execute(
                schema.messages.insert().values(
                    id=id,
                    user_id=user,
                    envelope_from="",
                    message_id="",
                    subject="",
                    recipients=to,
                    recipient_count=1,
                    size=1,
                    opens_level=level,
                    clicks_level=level,
                    switches="{}",
                    key_id=1,
                    tracking_url="",
                    survey=json.dumps({"pixel": pixel}),
                    received_at=at,
                    signal_at=at,
                )
            )
            if links:
                link = {"message_id": id, "offset": 0, "part": "html", "destination": "", "text": "", "reason": ""}
                connection.execute(schema.links.insert().values(position=0, tracked=True, **link))
            connection.execute(
                schema.copies.insert().values(
                    id=id,
                    message_id=id,
                    position=0,
                    address=to,
                    kind="to",
                    tracked=True,
                    delivery="sent",
                    sent_at=at,
                    opens=sum(finding.counted for finding in came if finding not in clicks),
                    clicks=sum(finding.counted for finding in clicks),
                    raw=len(came),
                    machine=sum(finding.machine for finding in came),
                    opens_level=own[0],
                    clicks_level=own[1],
                    carries=habits.kept(carries, Switches(opens=level, clicks=level), to_them),
                    user_id=user,
                    mailbox=to.lower(),
                    domain=to.lower().rpartition("@")[2],
                )
            )
            for number, finding in enumerate(came):
                connection.execute(
                    schema.events.insert().values(
                        hit_id=id * 100 + number,
                        message_id=id,
                        copy_id=id,
                        kind=HitKind.CLICK if finding in clicks else HitKind.OPEN,
                        link=0 if finding in clicks else None,
                        at=at,
                        finding=finding,
                        confidence=0.9,
                        reasons="[]",
                        rules="1",
                        client="",
                        client_kind=by,
                        device="unknown",
                        system="",
                        network="unknown",
                        operator="",
                        first_of_reading=finding.counted and finding not in clicks,
                    )
                )
            counts.recount(connection)

    def mailbox(self, address: str, limit: int = 50) -> SignalFacts:
        with reading(self.engine) as connection:
            return facts_of_mailboxes(connection, MARA, [address], self.now, limit)[address]

    def domain(self, domain: str) -> SignalFacts:
        with reading(self.engine) as connection:
            return facts_of_domains(connection, MARA, [domain], self.now)[domain]


@pytest.fixture
def mailing(engine: Engine, clock: Callable[[], datetime]) -> Mailing:
    return Mailing(engine, clock())


def test_many_are_asked_about_in_one_question(mailing: Mailing) -> None:
    addresses = ["ines@fennel.example", "rob@fennel.example", "mara@sorrel.example", "nobody@sorrel.example"]
    for number, address in enumerate(addresses[:3]):
        mailing.send(address, READ, user=ROB)
        for came in (READ, CLICKED, ())[number:]:
            mailing.send(address, came)
    domains = ["fennel.example", "sorrel.example", "thyme.example"]
    of_each = {each: mailing.mailbox(each) for each in addresses}, {each: mailing.domain(each) for each in domains}
    asked: list[str] = []
    with reading(mailing.engine) as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        of_all = (
            facts_of_mailboxes(connection, MARA, addresses, mailing.now),
            facts_of_domains(connection, MARA, domains, mailing.now),
        )

        assert {} == facts_of_mailboxes(connection, MARA, [], mailing.now)
    assert of_each == of_all
    assert 2 == len([each for each in asked if each.startswith("SELECT")])
    assert [3, 2, 1, 0] == [of_all[0][each].copies for each in addresses]
    assert [5, 1, 0] == [of_all[1][each].copies for each in domains]


def test_what_came_back_is_counted_by_copy(mailing: Mailing) -> None:
    mailing.send("Ines@fennel.example", (*READ, *READ, *CLICKED))
    mailing.send("ines@fennel.example", (Finding.MACHINE_PREFETCH, Finding.MACHINE_PREFETCH))
    mailing.send("ines@fennel.example", (*SCANNED, *CLICKED))
    mailing.send("ines@fennel.example", CLICKED)
    mailing.send("ines@fennel.example")

    assert SignalFacts(
        copies=5,
        with_pixel=5,
        with_links=5,
        opened=1,
        clicked=3,
        clicked_unloaded=1,
        prefetched=1,
        scanned_pixels=1,
        scanned_links=1,
        silent=1,
    ) == mailing.mailbox("ines@fennel.example")


def test_a_company_is_all_its_mailboxes_and_nobody_elses(mailing: Mailing) -> None:
    mailing.send("ines@fennel.example", READ)
    mailing.send("lotte@fennel.example", SCANNED)
    mailing.send("rob@other.example", READ)
    mailing.send("ines@fennel.example", READ, user=ROB)

    assert 2 == mailing.domain("fennel.example").copies
    assert 1 == mailing.mailbox("ines@fennel.example").copies


def test_only_what_could_have_come_back_is_expected(mailing: Mailing) -> None:
    mailing.send("ines@fennel.example", pixel="", links=True)
    mailing.send("ines@fennel.example", links=False)

    facts = mailing.mailbox("ines@fennel.example")

    assert (2, 1, 1) == (facts.copies, facts.with_pixel, facts.with_links)


def test_silence_counts_after_a_day(mailing: Mailing) -> None:
    mailing.send("ines@fennel.example", ago=timedelta(hours=23))
    assert 0 == mailing.mailbox("ines@fennel.example").copies

    mailing.send("ines@fennel.example", ago=timedelta(hours=24))
    mailing.send("ines@fennel.example", READ, ago=timedelta(minutes=1))
    assert replace(SignalFacts(), copies=2, with_pixel=2, with_links=2, opened=1, silent=1) == mailing.mailbox(
        "ines@fennel.example"
    )


def test_the_newest_copies_decide(mailing: Mailing) -> None:
    for days in (9, 8, 7):
        mailing.send("ines@fennel.example", SCANNED, ago=timedelta(days=days))
    for days in (3, 2):
        mailing.send("ines@fennel.example", READ, ago=timedelta(days=days))

    assert (2, 0) == (
        mailing.mailbox("ines@fennel.example", limit=2).opened,
        mailing.mailbox("ines@fennel.example", limit=2).scanned_links,
    )


@pytest.mark.parametrize("level", [Level.ANONYMOUS, Level.PSEUDONYMOUS])
def test_what_must_not_be_tied_to_an_address_is_not(mailing: Mailing, level: Level) -> None:
    mailing.send("ines@fennel.example", READ, level=level)

    assert SignalFacts() == mailing.mailbox("ines@fennel.example") == mailing.domain("fennel.example")


def test_a_preview_in_a_chat_is_no_gateway(mailing: Mailing) -> None:
    mailing.send("ines@fennel.example", (Finding.SCANNER_CLICK,), by=ClientKind.LINK_PREVIEW)

    assert 0 == mailing.mailbox("ines@fennel.example").scanned_links


def test_a_gateway_that_follows_every_link_is_found(mailing: Mailing) -> None:
    for person in ("ines", "lotte", "per"):
        mailing.send(f"{person}@fennel.example", SCANNED)

    assert (Trait.GATEWAY_FOLLOWS_LINKS, Trait.GATEWAY_LOADS_PICTURES) == traits(mailing.domain("fennel.example"))


def test_a_copy_that_is_tracked_less_than_others_counts_for_what_it_carries(mailing: Mailing) -> None:
    mailing.send("ines@x.example", own=(Level.OFF, Level.FULL))
    mailing.send("ines@x.example", own=(Level.FULL, Level.OFF))
    mailing.send("ines@x.example", own=(Level.ANONYMOUS, Level.FULL))

    facts = mailing.mailbox("ines@x.example")

    assert (facts.copies, facts.with_pixel, facts.with_links) == (2, 1, 1)


def test_a_click_loads_no_picture(mailing: Mailing) -> None:
    for _ in range(3):
        mailing.send("ines@x.example", CLICKED)

    facts = mailing.mailbox("ines@x.example")

    assert (facts.opened, facts.clicked, facts.clicked_unloaded) == (0, 3, 3)
    assert (Trait.BLOCKS_PICTURES,) == traits(facts)


def test_the_upgrade_finds_what_the_store_itself_keeps(mailing: Mailing) -> None:
    cases = product(((), READ, CLICKED, (*READ, *CLICKED), SCANNED, (Finding.MACHINE_PREFETCH,)), (True, False))
    for came, links in cases:
        mailing.send("ines@x.example", came, links=links)
        mailing.send("ines@x.example", came, pixel="" if links else "here", by=ClientKind.LINK_PREVIEW)
    mailing.send("ines@x.example", READ, level=Level.ANONYMOUS)
    mailing.send("ines@x.example", READ, own=(Level.IDENTIFIED, Level.OFF))
    c, m = schema.copies.c, schema.messages.c
    kept = select(c.id, c.carries, c.came, m.untracked, m.bounced).join(schema.messages).order_by(c.id)
    with mailing.engine.begin() as connection:
        for id, values in ((3, {"tracked": False, "carries": 0}), (5, {"delivery": "bounced"})):
            connection.execute(schema.copies.update().where(c.id == id).values(**values))
        connection.execute(schema.messages.update().values(untracked=m.id == 3, bounced=m.id == 5))
        before = connection.execute(kept).all()
        connection.execute(schema.copies.update().values(carries=0, came=0))
        connection.execute(schema.messages.update().values(untracked=False, bounced=False))

        keep_habits(connection)

        assert before == connection.execute(kept).all()
    assert 8 < len({(carries, came) for _, carries, came, *_ in before})
